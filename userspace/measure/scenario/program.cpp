// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Program: ns a packet of the BPF programs alone; and a second instrument, the kernel's own account.
#include <algorithm>

#include "measure/program/account_round.h"
#include "measure/scenario/maps.h"
#include "measure/visit.h"
#include "sys/bpf_stats.h"

namespace svcbench {

namespace {

class ProgramScenario final : public Scenario {
 public:
  explicit ProgramScenario(const Maps& maps) : maps_(maps) {}

  Status prepare(Setting& /*setting*/, std::vector<Step>& steps) override {
    for (const MapsAtSize& size : maps_.sizes()) {
      for (const Hook hook : all_hooks) {
        for (const Family family : size.programs->families()) {
          add_steps(size, hook, family, steps);
        }
      }
    }
    add_account_steps(steps);
    return {};
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.programs));
    std::move(checks_.begin(), checks_.end(), std::back_inserter(findings.account_checks));
  }

 private:
  void add_steps(const MapsAtSize& size, Hook hook, Family family, std::vector<Step>& steps) {
    for (const Depth depth : all_depths) {
      if (!has_destination(depth)) {
        // The floors do not depend on N: they are taken at the largest, where the schedule is longest.
        if (&size == &maps_.sizes().back()) {
          add_step(size, hook, depth, family, Destination::uniform, steps);
        }
        continue;
      }
      for (const Destination destination : all_destinations) {
        add_step(size, hook, depth, family, destination, steps);
      }
    }
  }

  void add_step(const MapsAtSize& size, Hook hook, Depth depth, Family family, Destination destination,
                std::vector<Step>& steps) {
    ProgramCell& cell = cells_.emplace_back();
    cell.hook = to_string(hook);
    cell.depth = to_string(depth);
    cell.family = family;
    cell.destination = has_destination(depth) ? to_string(destination) : "";
    cell.services = size.services.size();
    ProgramBench* bench = size.programs.get();
    Step step;
    step.label = name_of(size, fmt::format("{} {}, {}{}{}", cell.hook, cell.depth, to_string(family),
                                           cell.destination.empty() ? "" : ", ", cell.destination));
    step.run = [bench, &cell, hook, depth, family, destination](std::size_t) {
      return bench->measure(cell, hook, depth, family, destination);
    };
    // An XDP run waits for the kernel's dispatcher, a tc run does not.
    step.seconds = hook == Hook::xdp ? 0.025 : 0.01;
    step.fewest = stats::fewest_repeats;
    step.samples = [&cell] { return last_run(cell); };
    step.restore = [&cell](const nlohmann::json& samples) { return add_run(cell, samples); };
    steps.push_back(std::move(step));
  }

  // At the largest size.
  void add_account_steps(std::vector<Step>& steps) {
    const MapsAtSize& size = maps_.sizes().back();
    const auto families = size.programs->families();
    if (families.empty()) {
      return;
    }
    const Family family = families.front();
    constexpr Destination destination = Destination::uniform;
    const Result<BpfStats> offered = BpfStats::enable();
    for (const Hook hook : all_hooks) {
      AccountCheck& check = checks_.emplace_back();
      check.hook = to_string(hook);
      check.family = family;
      check.destination = to_string(destination);
      check.services = size.services.size();
      if (!offered) {
        check.not_offered = offered.error().message;
        continue;
      }
      ProgramBench* bench = size.programs.get();
      Step step;
      step.label = name_of(size, fmt::format("{}, the kernel's account", check.hook));
      step.run = [bench, &check, hook, family](std::size_t) {
        return add_account_round(check, *bench, hook, family, destination);
      };
      step.seconds = hook == Hook::xdp ? 0.1 : 0.05;
      step.fewest = stats::fewest_repeats;
      step.samples = [&check] { return last_round(check); };
      step.restore = [&check](const nlohmann::json& samples) { return add_round(check, samples); };
      steps.push_back(std::move(step));
    }
  }

  const Maps& maps_;
  std::deque<ProgramCell> cells_{};  // steps point at them
  std::deque<AccountCheck> checks_{};
};

}  // namespace

std::unique_ptr<Scenario> make_program(const Maps& maps) { return std::make_unique<ProgramScenario>(maps); }

}  // namespace svcbench
