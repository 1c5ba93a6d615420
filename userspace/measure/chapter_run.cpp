// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/chapter_run.h"

#include "measure/update.h"
#include "measure/visit.h"
#include "plane/in_namespace.h"
#include "plane/iptables_chapter.h"
#include "service/text.h"
#include "stats/growth.h"
#include "sys/child_process.h"
#include "sys/interrupt.h"
#include "sys/memfd.h"

namespace svcbench {

namespace {

using stats::fewest_repeats;

// Samples of a floor at one visit: they are cheap.
constexpr std::size_t floor_samples = 3;
// A size is not even begun when a look at what it costs would take more of the budget than this. (Whether
// its repeats fit is then decided from that look: a line through a few small sizes foretells too badly.)
constexpr double most_of_budget = 0.25;
// A repeat is read back now and then: reading costs as much as loading. The first one always is.
constexpr std::size_t verify_every = 5;
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
  LoadCell* first = nullptr;
  LoadCell* reload = nullptr;
  std::unique_ptr<DataPlane> plane{};         // the table that is in place; null where the size is skipped
  std::unique_ptr<UpdateSubject> in_place{};  // uses `plane`
  UpdateCell clocked{};                       // our own clock's view of the reloads, not reported
  double first_seconds = 0;                   // from the pilot
  double reload_seconds = 0;                  //
  std::size_t first_step = 0;                 // in steps_
  std::size_t reload_step = 0;                //
};

class ChapterRun {
 public:
  ChapterRun(const Workload& workload, const std::vector<ChapterSubject>& subjects,
             const std::function<Result<SyncCost>()>& exec_floor, const ChapterRunOptions& options,
             Clock& clock, Progress& progress)
      : workload_(workload),
        subjects_(subjects),
        exec_floor_(exec_floor),
        options_(options),
        clock_(clock),
        progress_(progress) {}

  Status run();
  [[nodiscard]] ChapterResults results(std::vector<ChapterBackend> backends) &&;

 private:
  Status load(const ChapterSubject& subject);
  Status pilot(Place& place);
  void skip(Place& place, const std::string& why, double predicted_seconds);
  void add_load_steps(Place& place);
  void add_load_step(LoadCell* cell, double seconds,
                     const std::function<Result<SyncCost>(bool verified)>& once);
  void add_floor_steps();
  void add_floor_step(const std::string& name, const std::string& backend,
                      const std::function<Result<SyncCost>()>& once);
  Result<SyncCost> first_load(Place& place, bool verified);
  Result<SyncCost> reload(Place& place, bool verified);
  Status reload_in_place(Place& place, bool verified);
  void mark_dropped();

  const Workload& workload_;
  const std::vector<ChapterSubject>& subjects_;
  const std::function<Result<SyncCost>()>& exec_floor_;
  const ChapterRunOptions& options_;
  Clock& clock_;
  Progress& progress_;
  // By stable address: steps point at them.
  std::vector<std::unique_ptr<LoadCell>> loads_{};
  std::vector<std::unique_ptr<FloorCell>> floors_{};
  std::vector<std::unique_ptr<Place>> places_{};
  std::vector<Step> steps_{};
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

Result<SyncCost> ChapterRun::first_load(Place& place, bool verified) {
  SVCB_TAKE(plane, place.subject->make());
  SVCB_CHECK(plane->install(place.services));
  const SyncCost cost = plane->sync_cost();
  if (verified) {
    SVCB_CHECK(check_holds(*plane, place.services, place.subject->backend));
  }
  return cost;
}

Result<SyncCost> ChapterRun::reload(Place& place, bool verified) {
  SVCB_CHECK(reload_in_place(place, verified));
  return place.plane->sync_cost();
}

// With one service changed; without services, the same table again.
Status ChapterRun::reload_in_place(Place& place, bool verified) {
  if (!place.services.empty()) {
    return place.in_place->change_block(1, verified, clock_, place.clocked);
  }
  SVCB_CHECK(place.plane->install({}));
  return verified ? check_holds(*place.plane, {}, place.subject->backend) : Status{};
}

// ---- what exists during the whole run ----

std::string label_of(const LoadCell& cell) {
  return fmt::format("{}: iptables-{}, {}", size_text(cell.services), cell.backend, to_string(cell.load));
}

void ChapterRun::skip(Place& place, const std::string& why, double predicted_seconds) {
  for (LoadCell* cell : {place.first, place.reload}) {
    cell->skipped = why;
    cell->predicted_ns = predicted_seconds * 1e9;
  }
}

// Loads and reloads once. Not a sample: it is the size's first, in cold caches.
Status ChapterRun::pilot(Place& place) {
  SVCB_TAKE(plane, place.subject->make());
  place.plane = std::move(plane);
  const auto seed = options_.seed + place.services.size();
  const std::string name = "iptables-" + place.subject->backend;
  const std::int64_t start = clock_.now_ns();
  SVCB_CHECK(place.plane->install(place.services));
  const std::int64_t installed = clock_.now_ns();
  place.in_place = std::make_unique<UpdateSubject>(name, *place.plane, place.services, workload_, seed);
  SVCB_CHECK(reload_in_place(place, false));
  const std::int64_t reloaded = clock_.now_ns();
  place.first_seconds = seconds_between(start, installed);
  place.reload_seconds = seconds_between(installed, reloaded);
  SVCB_CHECK(place.in_place->verify_whole());
  const std::size_t rules = chapter_rules_per_service * place.services.size() + chapter_base_rules;
  place.first->rules = rules;
  place.reload->rules = rules;
  return {};
}

// Ascending in N, so that the cost of the next size can be foretold and one that would eat the budget is
// not even begun.
Status ChapterRun::load(const ChapterSubject& subject) {
  std::vector<double> sizes;
  std::vector<double> seconds;  // of one first load and one reload, as visits
  std::vector<std::size_t> all_sizes{0};
  all_sizes.insert(all_sizes.end(), options_.sweep.begin(), options_.sweep.end());
  for (const std::size_t n : all_sizes) {
    SVCB_CHECK(check_interrupted());
    Place& place = *places_.emplace_back(std::make_unique<Place>());
    place.subject = &subject;
    place.services = workload_.first(n);
    for (const Load load : all_loads) {
      loads_.push_back(std::make_unique<LoadCell>());
      LoadCell* cell = loads_.back().get();
      cell->backend = subject.backend;
      cell->load = load;
      cell->services = n;
      (load == Load::first ? place.first : place.reload) = cell;
    }
    const auto line = sizes.size() >= 2 ? stats::linear_fit(sizes, seconds) : std::nullopt;
    const double predicted = line ? line->predict(static_cast<double>(n)) : 0;
    if (is_left_out(options_.journal, label_of(*place.first),
                    predicted > options_.budget_seconds * most_of_budget)) {
      skip(place,
           fmt::format("a load and a reload would take about {:.0f} s, too much for --budget {:.0f}",
                       predicted, options_.budget_seconds),
           predicted / (first_overhead + reload_overhead));
      continue;
    }
    progress_.phase(fmt::format("{}: load and check, iptables-{}", size_text(n), subject.backend));
    SVCB_CHECK(pilot(place));
    sizes.push_back(static_cast<double>(n));
    seconds.push_back(place.first_seconds * first_overhead + place.reload_seconds * reload_overhead);
  }
  return {};
}

// ---- the schedule ----

void ChapterRun::add_load_steps(Place& place) {
  if (!place.plane) {
    return;
  }
  place.first_step = steps_.size();
  add_load_step(place.first, place.first_seconds * first_overhead,
                [this, &place](bool verified) { return first_load(place, verified); });
  place.reload_step = steps_.size();
  add_load_step(place.reload, place.reload_seconds * reload_overhead,
                [this, &place](bool verified) { return reload(place, verified); });
}

void ChapterRun::add_load_step(LoadCell* cell, double seconds,
                               const std::function<Result<SyncCost>(bool verified)>& once) {
  const auto last = std::make_shared<SyncCost>();
  steps_.push_back({.label = label_of(*cell),
                    .run = [cell, once, last](std::size_t repeat) -> Status {
                      SVCB_TAKE(cost, once(repeat % verify_every == 0));
                      *last = cost;
                      note(*cell, cost);
                      return {};
                    },
                    .seconds = seconds,
                    .fewest = fewest_repeats,
                    .droppable = true,
                    .samples = [last] { return to_json(*last); },
                    .restore = [cell](const nlohmann::json& samples) -> Status {
                      SVCB_TAKE(cost, sync_cost_of(samples));
                      note(*cell, cost);
                      return {};
                    }});
}

void ChapterRun::add_floor_step(const std::string& name, const std::string& backend,
                                const std::function<Result<SyncCost>()>& once) {
  floors_.push_back(std::make_unique<FloorCell>(FloorCell{name, backend, {}}));
  FloorCell* cell = floors_.back().get();
  constexpr double seconds_a_process = 0.003;
  const auto last = std::make_shared<std::vector<SyncCost>>();
  steps_.push_back({.label = name + (backend.empty() ? "" : ", iptables-" + backend),
                    .run = [cell, once, last](std::size_t) -> Status {
                      last->clear();
                      for (std::size_t i = 0; i < floor_samples; ++i) {
                        SVCB_TAKE(cost, once());
                        last->push_back(cost);
                      }
                      cell->blocks.push_back(block_of(*last));
                      return {};
                    },
                    .seconds = seconds_a_process * floor_samples,
                    .fewest = fewest_repeats,
                    .samples = [last] { return to_json(*last); },
                    .restore = [cell](const nlohmann::json& samples) -> Status {
                      SVCB_TAKE(costs, sync_costs_of(samples));
                      cell->blocks.push_back(block_of(costs));
                      return {};
                    }});
}

void ChapterRun::add_floor_steps() {
  add_floor_step("exec", "", exec_floor_);
  for (const ChapterSubject& subject : subjects_) {
    add_floor_step("empty transaction", subject.backend, subject.empty_transaction);
  }
}

void ChapterRun::mark_dropped() {
  for (const auto& place : places_) {
    if (!place->plane) {
      continue;
    }
    for (const auto& [step, seconds, cell] :
         {std::tuple{place->first_step, place->first_seconds, place->first},
          std::tuple{place->reload_step, place->reload_seconds, place->reload}}) {
      if (steps_[step].repeats == 0) {
        cell->skipped = fmt::format("{} repeats of {:.1f} s do not fit into --budget {:.0f}",
                                    fewest_repeats, seconds, options_.budget_seconds);
        cell->predicted_ns = seconds * 1e9;
      }
    }
  }
}

Status ChapterRun::run() {
  const std::int64_t start = clock_.now_ns();
  for (const ChapterSubject& subject : subjects_) {
    SVCB_CHECK(load(subject));
  }
  for (const auto& place : places_) {
    add_load_steps(*place);
  }
  add_floor_steps();
  const double spent = seconds_between(start, clock_.now_ns());
  fit_to_budget(steps_, options_.rounds, options_.budget_seconds - spent);
  if (options_.journal != nullptr) {
    SVCB_CHECK(options_.journal->plan(steps_));
  }
  mark_dropped();
  SVCB_CHECK(run_rounds(steps_, options_.rounds, options_.seed, clock_, progress_, options_.journal));
  for (const auto& place : places_) {
    if (place->plane) {
      SVCB_CHECK(place->in_place->verify_whole());
    }
  }
  return {};
}

ChapterResults ChapterRun::results(std::vector<ChapterBackend> backends) && {
  ChapterResults results;
  results.seed = options_.seed;
  results.rounds = options_.rounds;
  results.sweep = options_.sweep;
  results.backends = std::move(backends);
  for (const auto& cell : loads_) {
    results.loads.push_back(std::move(*cell));
  }
  for (const auto& cell : floors_) {
    results.floors.push_back(std::move(*cell));
  }
  return results;
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
    SVCB_TAKE(visit, place->enter());
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

Result<ChapterResults> run_chapter(const Workload& workload, std::vector<ChapterBackend> backends,
                                   const std::vector<ChapterSubject>& subjects,
                                   const std::function<Result<SyncCost>()>& exec_floor,
                                   const ChapterRunOptions& options, Clock& clock, Progress& progress) {
  const std::int64_t start = clock.now_ns();
  ChapterRun run(workload, subjects, exec_floor, options, clock, progress);
  SVCB_CHECK(run.run());
  ChapterResults results = std::move(run).results(std::move(backends));
  results.seconds = seconds_between(start, clock.now_ns());
  results.verdicts = judge(results);
  return results;
}

}  // namespace svcbench
