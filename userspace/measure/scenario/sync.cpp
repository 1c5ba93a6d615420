// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Sync: N services from nothing. For planes that run tools, also by a second instrument.
#include <algorithm>
#include <deque>
#include <map>

#include "measure/compare_analysis.h"
#include "measure/installations.h"
#include "measure/scenario/rows.h"
#include "measure/visit.h"
#include "service/text.h"

namespace svcbench {

namespace {

class SyncScenario final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    setting_ = &setting;
    for (PlaneAtSize* one : setting.planes->there()) {
      if (one->row->kind != PlaneKind::none) {
        add_step(*one, steps);
      }
    }
    add_checks(steps);
    return {};
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.syncs));
    std::move(checks_.begin(), checks_.end(), std::back_inserter(findings.sync_checks));
  }

 private:
  // Reading a plane back costs as much as programming it.
  static constexpr std::size_t read_back_every = 5;
  // The second instrument takes the largest size of which six repeats cost no more of the budget than this.
  static constexpr double checks_share = 0.02;

  // It is taken down again, too.
  static double seconds_of(const PlaneAtSize& one) { return 2 * std::max(one.install_seconds, 0.005); }

  void add_step(const PlaneAtSize& one, std::vector<Step>& steps) {
    SyncCell& cell = cells_.emplace_back();
    cell.plane = one.row->name;
    cell.services = one.services;
    Step step;
    step.label = "sync, " + name_of(one);
    step.seconds = seconds_of(one);
    step.fewest = affordable_visits(step.seconds, setting_->selection.budget_seconds);
    step.run = [this, &one, &cell](std::size_t repeat) { return visit(one, repeat, cell); };
    step.samples = [&cell] { return to_json(cell.repeats.back()); };
    step.restore = [&cell](const nlohmann::json& samples) -> Status {
      SVCB_TAKE(cost, sync_cost_of(samples));
      cell.repeats.push_back(cost);
      return {};
    };
    step.figure = [&cell] {
      const SyncCost& cost = cell.repeats.back();
      return StepFigure{.value = static_cast<double>(cost.generate_ns + cost.commit_ns), .unit = "ns"};
    };
    step.spread = [&cell] { return spread_of(sync_cost(cell)); };
    step.leave_out = [&cell, ns = one.install_seconds * 1e9](const std::string& why) {
      cell.skipped = why;
      cell.predicted_ns = ns;
    };
    steps.push_back(std::move(step));
  }

  Status visit(const PlaneAtSize& one, std::size_t repeat, SyncCell& cell) {
    const auto wanted = setting_->services(one.services);
    SVCB_TAKE(plane, setting_->planes->another(one));
    SVCB_TAKE(inside, plane->enter());
    SVCB_CHECK(plane->inner().install(wanted));
    if (repeat % read_back_every == 0) {
      SVCB_TAKE(held, plane->inner().entries());
      if (held != wanted.size()) {
        return failure("{} holds {} services after {} were installed", one.row->name, held, wanted.size());
      }
    }
    cell.repeats.push_back(plane->sync_cost());
    return {};
  }

  // In steps of their own: what watches processes would otherwise be in the sync's figures.
  void add_checks(std::vector<Step>& steps) {
    std::map<const PlaneRow*, const PlaneAtSize*> chosen;
    for (const PlaneAtSize* one : setting_->planes->there()) {  // ascending in N
      const double seconds = static_cast<double>(stats::fewest_repeats) * 2 * one->install_seconds;
      if (one->row->runs_tools && seconds <= setting_->selection.budget_seconds * checks_share) {
        chosen[one->row] = one;
      }
    }
    for (const PlaneAtSize* one : setting_->planes->there()) {
      if (const auto found = chosen.find(one->row); found == chosen.end() || found->second != one) {
        continue;
      }
      SyncCheck& check = checks_.emplace_back();
      check.plane = one->row->name;
      check.services = one->services;
      Step step;
      step.label = fmt::format("sync by two instruments, {}", one->row->name);
      step.seconds = seconds_of(*one);
      step.fewest = stats::fewest_repeats;
      step.droppable = true;
      step.run = [this, one, &check](std::size_t) -> Status {
        SVCB_TAKE(plane, setting_->planes->another(*one));
        SVCB_TAKE(inside, plane->enter());
        return add_sync_round(check,
                              [&] { return plane->inner().install(setting_->services(one->services)); });
      };
      steps.push_back(std::move(step));
    }
  }

  const Setting* setting_ = nullptr;
  std::deque<SyncCell> cells_{};  // steps point at them
  std::deque<SyncCheck> checks_{};
};

}  // namespace

std::unique_ptr<Scenario> make_sync() { return std::make_unique<SyncScenario>(); }

}  // namespace svcbench
