// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/ebpf_run.h"

#include <algorithm>
#include <memory>

#include "measure/analysis.h"
#include "measure/program/account_round.h"
#include "measure/program/program_bench.h"
#include "measure/update.h"
#include "measure/visit.h"
#include "plane/ebpf/bare_writes.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane/in_namespace.h"
#include "plane/iptables_chapter.h"
#include "stats/growth.h"
#include "sys/bpf_stats.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

using stats::fewest_repeats;

// Packets of each schedule that are checked byte for byte before a program is timed.
constexpr std::size_t packets_verified = 256;
// What iptables-restore may take of the budget, whatever the rest costs: it is half of every comparison.
constexpr double reload_share = 0.4;
// A repeat of an iptables cell is read back now and then: reading costs as much as loading.
constexpr std::size_t iptables_verify_every = 5;

// Everything that exists at one size of the sweep. Planes are declared before what uses them.
struct SizeState {
  std::span<const Service> services;
  std::unique_ptr<EbpfPlane> ebpf{};
  std::unique_ptr<BareWrites> bare{};
  std::unique_ptr<DataPlane> iptables{};    // null where the size is skipped
  std::unique_ptr<EbpfPlane> unchanging{};  // what the programs are timed over
  std::unique_ptr<ProgramBench> programs{};
  std::vector<UpdateSubject> subjects{};  // reserved: cells keep pointers
  double iptables_seconds = 0;            // one reload, from the pilot
  std::size_t rules = 0;
  std::string skipped{};
  std::optional<double> predicted_ns{};
};

class EbpfRun {
 public:
  EbpfRun(const Workload& workload, const EbpfRunOptions& options, Clock& clock, Progress& progress)
      : workload_(workload), options_(options), clock_(clock), progress_(progress) {}

  Result<Results> run();

 private:
  Status load();
  Status load_size(SizeState& size);
  Status load_iptables(SizeState& size);
  [[nodiscard]] std::string name_of(const SizeState& size, std::string_view what) const;
  [[nodiscard]] bool too_dear(const SizeState& size, double predicted_ns) const;
  [[nodiscard]] EbpfOptions ebpf_options(const SizeState& size) const;

  Status add_update_steps();
  void add_update_steps(SizeState& size, UpdateSubject& subject, double seconds_a_change, bool iptables);
  void add_skipped_cells(const SizeState& size);
  Status add_fill_steps();
  Status add_program_steps();
  void add_program_steps(SizeState& size, Hook hook, Family family);
  void add_program_step(SizeState& size, Hook hook, Depth depth, Family family, Destination destination);
  void add_account_steps();
  void mark_dropped(std::size_t first_reload);
  Status plan(double already_spent);

  struct Filled {
    std::unique_ptr<EbpfPlane> plane;
    double ns;
  };
  Result<Filled> fill(const SizeState& size, MapWrites writes);

  const Workload& workload_;
  const EbpfRunOptions& options_;
  Clock& clock_;
  Progress& progress_;
  std::vector<Family>
      families_{};  // of the whole workload: a smaller size may get them by an added service
  std::vector<SizeState> sizes_{};
  std::vector<std::pair<double, double>> pilots_{};  // rules, ns: iptables-restore of the whole table
  std::vector<Step> steps_{};
  std::vector<Step> reload_steps_{};  // those of iptables-restore, which have a budget of their own
  // Cells by stable address: steps point at them. Moved into the results at the end.
  std::vector<std::unique_ptr<UpdateCell>> updates_{};
  std::vector<std::unique_ptr<FillCell>> fills_{};
  std::vector<std::unique_ptr<ProgramCell>> programs_{};
  std::vector<std::unique_ptr<AccountCheck>> account_checks_{};
  // Cells that the budget may drop: index in reload_steps_, what one reload takes, the cell.
  struct Droppable {
    std::size_t step;
    double seconds;
    UpdateCell* cell;
  };
  std::vector<Droppable> droppable_{};
};

std::string EbpfRun::name_of(const SizeState& size, std::string_view what) const {
  return fmt::format("{} services: {}", size.services.size(), what);
}

EbpfOptions EbpfRun::ebpf_options(const SizeState& size) const {
  return {.capacity = MapCapacity::for_services(size.services, options_.services_capacity,
                                                options_.backends_capacity, families_),
          .writes = MapWrites::mapped,
          .programs = false};
}

// ---- what exists during the whole run ----

Status EbpfRun::load() {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto& all = workload_.services();
    if (std::any_of(all.begin(), all.end(),
                    [&](const Service& service) { return service.frontend.address.family == family; })) {
      families_.push_back(family);
    }
  }
  sizes_.reserve(options_.sweep.size());
  for (const std::size_t n : options_.sweep) {
    SVCB_CHECK(check_interrupted());
    SizeState& size = sizes_.emplace_back();
    size.services = workload_.first(n);
    progress_.phase(name_of(size, "load and check"));
    SVCB_CHECK(load_size(size));
    SVCB_CHECK(load_iptables(size));
  }
  return {};
}

Status EbpfRun::load_size(SizeState& size) {
  EbpfOptions options = ebpf_options(size);
  const std::size_t n = size.services.size();
  SVCB_TAKE(ebpf, EbpfPlane::load(options));
  size.ebpf = std::move(ebpf);
  SVCB_CHECK(size.ebpf->install(size.services));
  SVCB_TAKE(bare, BareWrites::load(options));
  size.bare = std::move(bare);
  SVCB_CHECK(size.bare->install(size.services));
  options.programs = true;
  SVCB_TAKE(unchanging, EbpfPlane::load(options));
  size.unchanging = std::move(unchanging);
  SVCB_CHECK(size.unchanging->install(size.services));

  SVCB_TAKE(programs, ProgramBench::load(*size.unchanging, size.services, options_.seed));
  size.programs = std::move(programs);
  for (const Hook hook : all_hooks) {
    for (const Family family : size.programs->families()) {
      SVCB_CHECK(size.programs->verify(hook, family, packets_verified));
    }
  }
  size.subjects.reserve(3);
  size.subjects.emplace_back("ebpf", *size.ebpf, size.services, workload_, options_.seed + n);
  size.subjects.emplace_back("bare", *size.bare, size.services, workload_, options_.seed + n);
  return size.subjects.front().verify_whole();
}

constexpr std::string_view reload_change = "iptables-restore, change";

// An interval takes six reloads of each of three operations, and more sizes want their part.
bool EbpfRun::too_dear(const SizeState& size, double predicted_ns) const {
  return is_left_out(options_.journal, name_of(size, reload_change),
                     predicted_ns * 3 * fewest_repeats > options_.budget_seconds * reload_share * 1e9);
}

// Loads the chapter's table once, ascending in N, so that the cost of the next size can be foretold and
// a size that would eat the budget is not even begun.
Status EbpfRun::load_iptables(SizeState& size) {
  const std::size_t n = size.services.size();
  if (pilots_.size() >= 2) {
    std::vector<double> services;
    std::vector<double> ns;
    for (const auto& [at, cost] : pilots_) {
      services.push_back(at);
      ns.push_back(cost);
    }
    const auto fit = stats::linear_fit(services, ns);
    const double predicted = fit ? fit->predict(static_cast<double>(n)) : 0;
    if (too_dear(size, predicted)) {
      size.skipped = fmt::format("one reload would take about {:.0f} s, too much for --budget {:.0f}",
                                 predicted / 1e9, options_.budget_seconds);
      size.predicted_ns = predicted;
      return {};
    }
  }
  SVCB_TAKE(place, NetNamespace::create());
  auto chapter = std::make_unique<IptablesChapter>(options_.iptables);
  const IptablesChapter& inside = *chapter;
  size.iptables = std::make_unique<InNamespace>(std::move(place), std::move(chapter));
  const std::int64_t start = clock_.now_ns();
  SVCB_CHECK(size.iptables->install(size.services));
  const auto cost = static_cast<double>(clock_.now_ns() - start);
  size.rules = inside.rules();
  size.iptables_seconds = cost / 1e9;
  pilots_.emplace_back(static_cast<double>(n), cost);
  size.subjects.emplace_back("iptables-" + options_.iptables.backend, *size.iptables, size.services,
                             workload_, options_.seed + n);
  return size.subjects.back().verify_whole();
}

// ---- updates ----

Status EbpfRun::add_update_steps() {
  for (SizeState& size : sizes_) {
    for (UpdateSubject& subject : size.subjects) {
      const bool iptables = subject.name() != "ebpf" && subject.name() != "bare";
      constexpr double seconds_a_map_update = 5e-6;
      add_update_steps(size, subject, iptables ? size.iptables_seconds : seconds_a_map_update, iptables);
    }
    if (!size.iptables) {
      add_skipped_cells(size);
    }
  }
  return {};
}

void EbpfRun::add_update_steps(SizeState& size, UpdateSubject& subject, double seconds_a_change,
                               bool iptables) {
  const auto cell = [&](Operation operation) {
    updates_.push_back(std::make_unique<UpdateCell>(
        UpdateCell{subject.name(), subject.services(), operation, iptables ? size.rules : 0}));
    return updates_.back().get();
  };
  UpdateCell* change = cell(Operation::change_endpoints);
  UpdateCell* add = cell(Operation::add_service);
  UpdateCell* remove = cell(Operation::remove_service);
  const std::size_t count =
      iptables ? 1 : (options_.update_samples + options_.rounds - 1) / options_.rounds;
  const auto verified = [iptables](std::size_t repeat) {
    return !iptables || repeat % iptables_verify_every == 0;
  };
  const std::string what = subject.name() + " update";
  const double seconds = seconds_a_change * static_cast<double>(count);
  // Map updates are the point, and cheap: the budget does not touch them.
  const std::size_t fewest = iptables ? fewest_repeats : options_.rounds;
  auto& steps = iptables ? reload_steps_ : steps_;
  Clock& clock = clock_;
  steps.push_back(
      {.label = name_of(size, iptables ? reload_change : what + ", change"),
       .run =
           [&subject, change, count, verified, &clock](std::size_t repeat) {
             return subject.change_block(count, verified(repeat), clock, *change);
           },
       .seconds = seconds,
       .fewest = fewest,
       .droppable = iptables,
       .samples = [change] { return last_blocks({change}); },
       .restore = [change](const nlohmann::json& samples) { return add_blocks({change}, samples); }});
  steps.push_back({.label = name_of(size, (iptables ? "iptables-restore" : what) + ", add and remove"),
                   .run =
                       [&subject, add, remove, count, verified, &clock](std::size_t repeat) {
                         return subject.add_remove_block(count, verified(repeat), clock, *add, *remove);
                       },
                   .seconds = seconds * 2,
                   .fewest = fewest,
                   .droppable = iptables,
                   .samples =
                       [add, remove] {
                         return last_blocks({add, remove});
                       },
                   .restore =
                       [add, remove](const nlohmann::json& samples) {
                         return add_blocks({add, remove}, samples);
                       }});
  if (iptables) {
    droppable_.push_back({steps.size() - 2, seconds, change});
    droppable_.push_back({steps.size() - 1, seconds, add});
    droppable_.push_back({steps.size() - 1, seconds, remove});
  }
}

void EbpfRun::add_skipped_cells(const SizeState& size) {
  for (const Operation operation :
       {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
    updates_.push_back(std::make_unique<UpdateCell>());
    UpdateCell& cell = *updates_.back();
    cell.plane = "iptables-" + options_.iptables.backend;
    cell.services = size.services.size();
    cell.operation = operation;
    cell.skipped = size.skipped;
    cell.predicted_ns = size.predicted_ns;
  }
}

void EbpfRun::mark_dropped(std::size_t first_reload) {
  for (const Droppable& one : droppable_) {
    if (steps_[first_reload + one.step].repeats == 0) {
      one.cell->skipped = fmt::format("{} reloads of {:.1f} s do not fit into --budget {:.0f}",
                                      fewest_repeats, one.seconds, options_.budget_seconds);
      one.cell->predicted_ns = one.seconds * 1e9;
    }
  }
}

// ---- fills ----

Result<EbpfRun::Filled> EbpfRun::fill(const SizeState& size, MapWrites writes) {
  EbpfOptions options = ebpf_options(size);
  options.writes = writes;
  SVCB_TAKE(plane, EbpfPlane::load(options));
  const std::int64_t start = clock_.now_ns();
  SVCB_CHECK(plane->install(size.services));
  const auto ns = static_cast<double>(clock_.now_ns() - start);
  for (const Service* service : {&size.services.front(), &size.services.back()}) {
    SVCB_TAKE(found, plane->find(service->frontend));
    if (!found || found->endpoints != service->endpoints) {
      return failure("fill: {} was to be in the maps as given, and is not: no figure is given",
                     service->frontend.text());
    }
  }
  return Filled{std::move(plane), ns};
}

Status EbpfRun::add_fill_steps() {
  static constexpr std::pair<MapWrites, std::string_view> all_writes[] = {
      {MapWrites::single, "single"}, {MapWrites::batch, "batch"}, {MapWrites::mapped, "mapped"}};
  for (SizeState& size : sizes_) {
    for (const auto& [writes, name] : all_writes) {
      fills_.push_back(std::make_unique<FillCell>());
      FillCell* cell = fills_.back().get();
      cell->writes = name;
      cell->services = size.services.size();
      for (const Service& service : size.services) {
        cell->backends += service.endpoints.size();
      }
      const std::int64_t start = clock_.now_ns();
      SVCB_TAKE(pilot, fill(size, writes));
      const double seconds = seconds_between(start, clock_.now_ns());
      SVCB_TAKE(entries, pilot.plane->entries());
      if (entries != size.services.size()) {
        return failure("fill: {} services were to be in the maps, and there are {}", size.services.size(),
                       entries);
      }
      SVCB_TAKE(bytes, pilot.plane->memory_bytes());
      cell->map_bytes = bytes;
      cell->batched = writes == MapWrites::single || pilot.plane->batched();
      const auto kind = writes;
      steps_.push_back(
          {.label = name_of(size, fmt::format("fill, {}", name)),
           .run = [this, &size, kind, cell](std::size_t) -> Status {
             SVCB_TAKE(filled, fill(size, kind));
             cell->ns.push_back(filled.ns);
             return {};
           },
           .seconds = seconds,
           .fewest = fewest_repeats,
           .samples = [cell] { return nlohmann::json(cell->ns.back()); },
           .restore = [cell](const nlohmann::json& samples) { return add_number(cell->ns, samples); }});
    }
  }
  return {};
}

// ---- programs ----

Status EbpfRun::add_program_steps() {
  for (SizeState& size : sizes_) {
    for (const Hook hook : all_hooks) {
      for (const Family family : size.programs->families()) {
        add_program_steps(size, hook, family);
      }
    }
  }
  return {};
}

void EbpfRun::add_program_steps(SizeState& size, Hook hook, Family family) {
  for (const Depth depth : all_depths) {
    if (!has_destination(depth)) {
      // The floors do not depend on N: they are taken at the largest, where the schedule is longest.
      if (&size == &sizes_.back()) {
        add_program_step(size, hook, depth, family, Destination::uniform);
      }
      continue;
    }
    for (const Destination destination : all_destinations) {
      add_program_step(size, hook, depth, family, destination);
    }
  }
}

void EbpfRun::add_program_step(SizeState& size, Hook hook, Depth depth, Family family,
                               Destination destination) {
  programs_.push_back(std::make_unique<ProgramCell>());
  ProgramCell* cell = programs_.back().get();
  cell->hook = to_string(hook);
  cell->depth = to_string(depth);
  cell->family = family;
  cell->destination = has_destination(depth) ? to_string(destination) : "";
  cell->services = size.services.size();
  // An XDP run waits for the kernel's dispatcher, a tc run does not.
  const double seconds = hook == Hook::xdp ? 0.025 : 0.01;
  ProgramBench* bench = size.programs.get();
  steps_.push_back(
      {.label = name_of(size, fmt::format("{} {}, {}{}{}", cell->hook, cell->depth, to_string(family),
                                          cell->destination.empty() ? "" : ", ", cell->destination)),
       .run = [bench, cell, hook, depth, family, destination](
                  std::size_t) { return bench->measure(*cell, hook, depth, family, destination); },
       .seconds = seconds,
       .fewest = fewest_repeats,
       .samples = [cell] { return last_run(*cell); },
       .restore = [cell](const nlohmann::json& samples) { return add_run(*cell, samples); }});
}

// The second instrument beside the programs' own clock, at the largest size.
void EbpfRun::add_account_steps() {
  SizeState& size = sizes_.back();
  const auto families = size.programs->families();
  if (families.empty()) {
    return;
  }
  const Family family = families.front();
  constexpr Destination destination = Destination::uniform;
  const Result<BpfStats> offered = BpfStats::enable();
  for (const Hook hook : all_hooks) {
    account_checks_.push_back(std::make_unique<AccountCheck>());
    AccountCheck* check = account_checks_.back().get();
    check->hook = to_string(hook);
    check->family = family;
    check->destination = to_string(destination);
    check->services = size.services.size();
    if (!offered) {
      check->not_offered = offered.error().message;
      continue;
    }
    const double seconds = hook == Hook::xdp ? 0.1 : 0.05;
    ProgramBench* bench = size.programs.get();
    steps_.push_back(
        {.label = name_of(size, fmt::format("{}, the kernel's account", check->hook)),
         .run = [bench, check, hook, family](
                    std::size_t) { return add_account_round(*check, *bench, hook, family, destination); },
         .seconds = seconds,
         .fewest = fewest_repeats,
         .samples = [check] { return last_round(*check); },
         .restore = [check](const nlohmann::json& samples) { return add_round(*check, samples); }});
  }
}

// ---- the run ----

Status EbpfRun::plan(double already_spent) {
  const double reloads = options_.budget_seconds * reload_share;
  fit_to_budget(reload_steps_, options_.rounds, reloads);
  fit_to_budget(steps_, options_.rounds, options_.budget_seconds - reloads - already_spent);
  const std::size_t first_reload = steps_.size();
  std::move(reload_steps_.begin(), reload_steps_.end(), std::back_inserter(steps_));
  if (options_.journal != nullptr) {
    SVCB_CHECK(options_.journal->plan(steps_));
  }
  mark_dropped(first_reload);
  return {};
}

Result<Results> EbpfRun::run() {
  const std::int64_t start = clock_.now_ns();
  SVCB_CHECK(load());
  SVCB_CHECK(add_update_steps());
  progress_.phase("estimate what each cell costs");
  SVCB_CHECK(add_fill_steps());
  SVCB_CHECK(add_program_steps());
  add_account_steps();
  SVCB_CHECK(plan(seconds_between(start, clock_.now_ns())));
  SVCB_CHECK(run_rounds(steps_, options_.rounds, options_.seed, clock_, progress_, options_.journal));
  for (SizeState& size : sizes_) {
    for (UpdateSubject& subject : size.subjects) {
      SVCB_CHECK(subject.verify_whole());
    }
  }

  Results results;
  const auto take = [](auto& owned, auto& into) {
    for (auto& cell : owned) {
      into.push_back(std::move(*cell));
    }
  };
  take(updates_, results.updates);
  take(fills_, results.fills);
  take(programs_, results.programs);
  take(account_checks_, results.account_checks);
  results.seconds = seconds_between(start, clock_.now_ns());
  results.verdicts = judge(results);
  return results;
}

}  // namespace

Result<Results> run_ebpf(const Workload& workload, const EbpfRunOptions& options, Clock& clock,
                         Progress& progress) {
  return EbpfRun(workload, options, clock, progress).run();
}

}  // namespace svcbench
