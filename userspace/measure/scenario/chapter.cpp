// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/chapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "measure/update.h"
#include "measure/visit.h"
#include "plane/in_namespace.h"
#include "plane/iptables_chapter.h"
#include "service/text.h"
#include "sys/child_process.h"
#include "sys/interrupt.h"
#include "sys/memfd.h"

namespace svcbench {

namespace {

// Samples of a floor at one visit: they are cheap.
constexpr std::size_t floor_samples = 3;
// A repeat is read back now and then: reading costs as much as loading. The first one always is.
constexpr std::size_t load_read_back_every = 5;
// What a visit takes beside the load itself, as a multiple of it: reading back now and then, and for a
// first load the end of its table and namespace. A first guess; the schedule learns as it goes.
constexpr double reload_overhead = 1.3;
constexpr double first_overhead = 1.6;

std::string size_text(std::size_t services) {
  return services == 0 ? std::string("no services") : fmt::format("{} services", grouped(services));
}

double ns_of_us(std::int64_t us) { return static_cast<double>(us) * 1e3; }

void note(ProcessSamples& samples, const SyncCost& cost) {
  samples.wall_ns.push_back(static_cast<double>(cost.commit_ns));
  samples.user_ns.push_back(ns_of_us(cost.user_us));
  samples.system_ns.push_back(ns_of_us(cost.system_us));
}

ProcessSamples block_of(const std::vector<SyncCost>& costs) {
  ProcessSamples block;
  for (const SyncCost& cost : costs) {
    note(block, cost);
  }
  return block;
}

void note(LoadCell& cell, const SyncCost& cost) {
  note(cell.tool, cost);
  cell.generate_ns.push_back(static_cast<double>(cost.generate_ns));
  cell.input_bytes = cost.input_bytes;
}

// One back end at one size.
struct Place {
  const ChapterSubject* subject = nullptr;
  std::span<const Service> services{};
  LoadCell first{};
  LoadCell reload{};
  std::unique_ptr<DataPlane> plane{};         // the table that is in place; null where the size is left out
  std::unique_ptr<UpdateSubject> in_place{};  // uses `plane`
  UpdateCell clocked{};                       // our own clock's view of the reloads, not reported
  // From the pilot:
  double first_seconds = 0;
  double reload_seconds = 0;

  [[nodiscard]] double visit_seconds() const {
    return first_seconds * first_overhead + reload_seconds * reload_overhead;
  }
};

class ChapterScenario final : public Scenario {
 public:
  ChapterScenario(const std::vector<ChapterSubject>& subjects,
                  const std::function<Result<SyncCost>()>& exec_floor)
      : subjects_(subjects), exec_floor_(exec_floor) {}

  Status prepare(Setting& setting, std::vector<Step>& steps) override;
  Status check() override;
  void tell(Findings& findings) override;

 private:
  using Once = std::function<Result<SyncCost>(bool verified)>;
  Status load(const ChapterSubject& subject);
  Status pilot(Place& place);
  void add_load_step(LoadCell& cell, double load_seconds, double seconds, const Once& once,
                     std::vector<Step>& steps);
  void add_floor_step(const std::string& name, const std::string& backend,
                      const std::function<Result<SyncCost>()>& once, std::vector<Step>& steps);
  static Result<SyncCost> first_load(const Place& place, bool verified);
  Result<SyncCost> reload(Place& place, bool verified);
  Status reload_in_place(Place& place, bool verified);

  const std::vector<ChapterSubject>& subjects_;
  const std::function<Result<SyncCost>()>& exec_floor_;
  Setting* setting_ = nullptr;
  // Steps point at them.
  std::deque<Place> places_{};
  std::deque<FloorCell> floors_{};
};

// ---- one load ----

// Entries are services: the plane's own count of rules, 3N + 7, is checked as they are counted.
Status check_holds(const DataPlane& plane, std::span<const Service> services, const std::string& backend) {
  SVCB_TAKE(entries, plane.entries());
  if (entries != services.size()) {
    return failure("iptables-{}: {} services were to be there, and the kernel has {}: no figure is given",
                   backend, services.size(), entries);
  }
  if (services.empty()) {
    return {};
  }
  const Service& last = services.back();
  SVCB_TAKE(found, plane.find(last.frontend));
  if (!found || found->endpoints != plane.programmed(last).endpoints) {
    return failure("iptables-{}: {} was to be in the kernel as given, and is not: no figure is given",
                   backend, last.frontend.text());
  }
  return {};
}

Result<SyncCost> ChapterScenario::first_load(const Place& place, bool verified) {
  SVCB_TAKE(plane, place.subject->make());
  SVCB_CHECK(plane->install(place.services));
  const SyncCost cost = plane->sync_cost();
  if (verified) {
    SVCB_CHECK(check_holds(*plane, place.services, place.subject->backend));
  }
  return cost;
}

Result<SyncCost> ChapterScenario::reload(Place& place, bool verified) {
  SVCB_CHECK(reload_in_place(place, verified));
  return place.plane->sync_cost();
}

// With one service changed; without services, the same table again.
Status ChapterScenario::reload_in_place(Place& place, bool verified) {
  if (!place.services.empty()) {
    return place.in_place->change_block(1, verified, setting_->clock, place.clocked);
  }
  SVCB_CHECK(place.plane->install({}));
  return verified ? check_holds(*place.plane, {}, place.subject->backend) : Status{};
}

// ---- what exists during the whole run ----

std::string label_of(const LoadCell& cell) {
  return fmt::format("{}: iptables-{}, {}", size_text(cell.services), cell.backend, to_string(cell.load));
}

// Loads and reloads once. Not a sample: it is the size's first, in cold caches.
Status ChapterScenario::pilot(Place& place) {
  SVCB_TAKE(plane, place.subject->make());
  place.plane = std::move(plane);
  const auto seed = setting_->selection.seed + place.services.size();
  const std::string name = "iptables-" + place.subject->backend;
  const std::int64_t start = setting_->clock.now_ns();
  SVCB_CHECK(place.plane->install(place.services));
  const std::int64_t installed = setting_->clock.now_ns();
  place.in_place =
      std::make_unique<UpdateSubject>(name, *place.plane, place.services, setting_->workload, seed);
  SVCB_CHECK(reload_in_place(place, false));
  const std::int64_t reloaded = setting_->clock.now_ns();
  place.first_seconds = seconds_between(start, installed);
  place.reload_seconds = seconds_between(installed, reloaded);
  SVCB_CHECK(place.in_place->verify_whole());
  const std::size_t rules = chapter_rules_per_service * place.services.size() + chapter_base_rules;
  place.first.rules = rules;
  place.reload.rules = rules;
  return {};
}

// Ascending in N, so that the cost of the next size can be foretold and one that would eat the budget is
// not even begun.
Status ChapterScenario::load(const ChapterSubject& subject) {
  CostCurve curve;  // of one first load and one reload, as visits
  const Selection& selection = setting_->selection;
  std::vector<std::size_t> all_sizes{0};
  all_sizes.insert(all_sizes.end(), selection.sweep.begin(), selection.sweep.end());
  for (const std::size_t n : all_sizes) {
    SVCB_CHECK(check_interrupted());
    Place& place = places_.emplace_back();
    place.subject = &subject;
    place.services = setting_->services(n);
    for (LoadCell* cell : {&place.first, &place.reload}) {
      cell->backend = subject.backend;
      cell->load = cell == &place.first ? Load::first : Load::reload;
      cell->services = n;
    }
    const double predicted = curve.at(n).value_or(0);
    SVCB_TAKE(left_out, decided(selection.journal, label_of(place.first),
                                budget_for(predicted) > selection.budget_seconds));
    if (left_out) {
      const std::string why = why_left_out("a load with its reload", predicted, selection.budget_seconds,
                                           budget_for(predicted));
      for (LoadCell* cell : {&place.first, &place.reload}) {
        cell->skipped = why;
        cell->predicted_ns = predicted / (first_overhead + reload_overhead) * 1e9;
      }
      setting_->progress.say(fmt::format("{}, iptables-{}: {}", size_text(n), subject.backend, why));
    } else {
      setting_->progress.phase(
          fmt::format("{}: load and check, iptables-{}", size_text(n), subject.backend));
      SVCB_CHECK(pilot(place));
    }
    if (n > 0) {
      curve.add(n, left_out ? predicted : place.visit_seconds());
    }
  }
  return {};
}

// ---- the schedule ----

void ChapterScenario::add_load_step(LoadCell& cell, double load_seconds, double seconds, const Once& once,
                                    std::vector<Step>& steps) {
  const auto last = std::make_shared<SyncCost>();
  Step step;
  step.label = label_of(cell);
  step.run = [&cell, once, last](std::size_t repeat) -> Status {
    SVCB_TAKE(cost, once(repeat % load_read_back_every == 0));
    *last = cost;
    note(cell, cost);
    return {};
  };
  step.seconds = seconds;
  step.fewest = stats::fewest_repeats;
  step.droppable = true;
  step.most = setting_->selection.rounds;
  step.samples = [last] { return to_json(*last); };
  step.restore = [&cell](const nlohmann::json& samples) -> Status {
    SVCB_TAKE(cost, sync_cost_of(samples));
    note(cell, cost);
    return {};
  };
  step.leave_out = [&cell, load_seconds](const std::string& why) {
    cell.skipped = why;
    cell.predicted_ns = load_seconds * 1e9;
  };
  steps.push_back(std::move(step));
}

void ChapterScenario::add_floor_step(const std::string& name, const std::string& backend,
                                     const std::function<Result<SyncCost>()>& once,
                                     std::vector<Step>& steps) {
  FloorCell* cell = &floors_.emplace_back(FloorCell{name, backend, {}});
  constexpr double seconds_a_process = 0.003;
  const auto last = std::make_shared<std::vector<SyncCost>>();
  Step step;
  step.label = name + (backend.empty() ? "" : ", iptables-" + backend);
  step.run = [cell, once, last](std::size_t) -> Status {
    last->clear();
    for (std::size_t i = 0; i < floor_samples; ++i) {
      SVCB_TAKE(cost, once());
      last->push_back(cost);
    }
    cell->blocks.push_back(block_of(*last));
    return {};
  };
  step.seconds = seconds_a_process * floor_samples;
  step.fewest = stats::fewest_repeats;
  step.most = setting_->selection.rounds;
  step.samples = [last] { return to_json(*last); };
  step.restore = [cell](const nlohmann::json& samples) -> Status {
    SVCB_TAKE(costs, sync_costs_of(samples));
    cell->blocks.push_back(block_of(costs));
    return {};
  };
  steps.push_back(std::move(step));
}

Status ChapterScenario::prepare(Setting& setting, std::vector<Step>& steps) {
  setting_ = &setting;
  for (const ChapterSubject& subject : subjects_) {
    SVCB_CHECK(load(subject));
  }
  for (Place& place : places_) {
    if (place.plane) {
      add_load_step(
          place.first, place.first_seconds, place.first_seconds * first_overhead,
          [&place](bool verified) { return first_load(place, verified); }, steps);
      add_load_step(
          place.reload, place.reload_seconds, place.reload_seconds * reload_overhead,
          [this, &place](bool verified) { return reload(place, verified); }, steps);
    }
  }
  add_floor_step("exec", "", exec_floor_, steps);
  for (const ChapterSubject& subject : subjects_) {
    add_floor_step("empty transaction", subject.backend, subject.empty_transaction, steps);
  }
  return {};
}

Status ChapterScenario::check() {
  for (const Place& place : places_) {
    if (place.plane) {
      SVCB_CHECK(place.in_place->verify_whole());
    }
  }
  return {};
}

void ChapterScenario::tell(Findings& findings) {
  for (Place& place : places_) {
    findings.loads.push_back(std::move(place.first));
    findings.loads.push_back(std::move(place.reload));
  }
  std::move(floors_.begin(), floors_.end(), std::back_inserter(findings.floors));
}

SyncCost cost_of(const ChildResult& child, std::size_t input_bytes) {
  return {.generate_ns = 0,
          .commit_ns = child.wall_ns,
          .user_us = child.user_us,
          .system_us = child.system_us,
          .tools = 1,
          .input_bytes = input_bytes};
}

}  // namespace

Result<ChapterSubject> chapter_subject(const IptablesBackend& backend) {
  static constexpr std::string_view empty_table = "*nat\nCOMMIT\n";
  SVCB_TAKE(created, NetNamespace::create());
  const auto place = std::make_shared<NetNamespace>(std::move(created));
  const auto empty_transaction = [backend, place]() -> Result<SyncCost> {
    SVCB_TAKE(inside, place->enter());
    SVCB_TAKE(input, memfd_of("empty-nat", empty_table));
    ChildOptions options;
    options.stdin_fd = input.get();
    SVCB_TAKE(child, run_child({backend.restore}, options));
    if (child.exit_status != 0) {
      return failure("{} does not work here, even on an empty nat table: exit status {}, {}",
                     backend.restore, child.exit_status, child.first_error_line());
    }
    return cost_of(child, empty_table.size());
  };
  SVCB_CHECK(empty_transaction());
  const auto make = [backend]() -> Result<std::unique_ptr<DataPlane>> {
    SVCB_TAKE(own, NetNamespace::create());
    return std::make_unique<InNamespace>(std::move(own), std::make_unique<IptablesChapter>(backend));
  };
  return ChapterSubject{backend.backend, make, empty_transaction};
}

Result<SyncCost> run_nothing() {
  SVCB_TAKE(child, run_child({"true"}));
  return cost_of(child, 0);
}

std::unique_ptr<Scenario> make_chapter(const std::vector<ChapterSubject>& subjects,
                                       const std::function<Result<SyncCost>()>& exec_floor) {
  return std::make_unique<ChapterScenario>(subjects, exec_floor);
}

}  // namespace svcbench
