// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "run/cells.h"
#include "run/control.h"
#include "run/merged_run.h"
#include "service/text.h"
#include "stats/change.h"
#include "stats/over_runs.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::uint64_t resampling_seed = 1;
constexpr double false_share = 1 - stats::confidence;

struct Place {
  const char* name;
  const char* pointer;
  const char* if_absent = nullptr;  // what runs had before they said it
};

// Figures of two runs that differ in one of these say nothing about each other.
constexpr std::array musts{
    Place{"command", "/run/command"},
    Place{"kernel", "/environment/kernel/release"},
    Place{"architecture", "/environment/kernel/machine"},
    Place{"CPU", "/environment/cpu/model"},
    Place{"emulation", "/environment/emulated"},
    Place{"seed", "/run/seed"},
    Place{"shape of the services", "/run/shape"},
    Place{"packets of a volley", "/run/packets"},
    Place{"rules of the ruleset", "/details/ruleset/rules"},
    Place{"bytes of the ruleset", "/details/ruleset/bytes"},
    Place{"choice of backends", "/run/ebpf/select", "random"},
    Place{"delivery", "/run/ebpf/forward", "dnat"},
};

// What may be the very thing that is asked about, or moves figures a little: told, not refused.
constexpr std::array notables{
    Place{"kernel build", "/environment/kernel/version"},
    Place{"logical CPUs", "/environment/cpu/logical"},
    Place{"SMT", "/environment/cpu/smt_active"},
    Place{"CPU governor", "/environment/cpu/governor"},
    Place{"boost", "/environment/cpu/boost"},
    Place{"mitigations", "/environment/cpu/vulnerabilities"},
    Place{"clock source", "/environment/clocksource"},
    Place{"BPF JIT", "/environment/bpf"},
    Place{"distribution", "/environment/distribution"},
    Place{"iptables", "/environment/versions/iptables"},
    Place{"libbpf", "/environment/versions/libbpf"},
    Place{"compiler", "/environment/versions/compiler"},
    Place{"BPF compiler", "/run/bpf_compiler"},
    Place{"svcbench", "/run/git_revision"},
};

std::string shown(const json& value) {
  return value.is_null()     ? "unknown"
         : value.is_string() ? printable(value.get<std::string>())
                             : printable(value.dump());
}

template <std::size_t count>
std::vector<std::string> differing(const Run& before, const Run& after,
                                   const std::array<Place, count>& places) {
  std::vector<std::string> found;
  for (const Place& place : places) {
    const auto value = [&place](const Run& run) {
      json given = value_at(run, place.pointer);
      return given.is_null() && place.if_absent != nullptr ? json(place.if_absent) : given;
    };
    const json first = value(before);
    const json second = value(after);
    if (first != second) {
      found.push_back(first.is_object() && second.is_object() && first.size() > 4
                          ? std::string(place.name)
                          : fmt::format("{} ({} and {})", place.name, shown(first), shown(second)));
    }
  }
  return found;
}

// Of two figures that have intervals, but not what these were made of: as wide as it can be.
std::optional<stats::Interval> widest_ratio(const Cell& before, const Cell& after) {
  if (!before.interval || !after.interval || !(before.interval->low > 0)) {
    return std::nullopt;
  }
  return stats::Interval{.low = after.interval->low / before.interval->high,
                         .high = after.interval->high / before.interval->low};
}

// What a figure and its control are made of. None of a figure that is one value.
stats::Measured measured(const Cell& cell, const Cell* control) {
  return {.values = cell.values,
          .control = control == nullptr ? std::span<const double>() : std::span(control->values)};
}

stats::Pair measured(const Changed& one) {
  if (!one.runs_before.empty()) {
    return {{.values = one.runs_before, .fewest = stats::fewest_runs},
            {.values = one.runs_after, .fewest = stats::fewest_runs}};
  }
  return {measured(*one.before, one.control_before), measured(*one.after, one.control_after)};
}

// `several`: both are several runs.
Changed compare(const Cell& before, const Cell& after, const Cell* control_before,
                const Cell* control_after, bool several) {
  Changed changed{.before = &before, .after = &after};
  // One of them alone is no use; nor is one without repeats.
  if (control_before != nullptr && control_after != nullptr && !control_before->values.empty() &&
      !control_after->values.empty() && !before.values.empty() && !after.values.empty()) {
    changed.control_before = control_before;
    changed.control_after = control_after;
  }
  if (several) {
    changed.runs_before = in_each_run(before, changed.control_before);
    changed.runs_after = in_each_run(after, changed.control_after);
  }
  const auto [first, second] = measured(changed);
  changed.ratio = several ? stats::ratio_over_runs(changed.runs_before, changed.runs_after)
                          : stats::ratio_of_medians(first, second, resampling_seed);
  if (!changed.ratio && before.value > 0 && after.value > 0) {
    changed.ratio = stats::Estimate{.value = after.value / before.value,
                                    .interval = widest_ratio(before, after),
                                    .samples = std::min(before.samples, after.samples)};
  }
  changed.p = stats::welch_p(first, second);
  if (changed.ratio && changed.ratio->interval) {
    changed.finding = Finding::unresolved;
  }
  return changed;
}

// Figures that the same things of the machine move: the first packet of a flow writes memory, others read.
std::string name_of_kind(const Cell& cell) {
  const std::string_view flow = cell.coordinate("flow");
  return flow.empty() ? cell.scenario : fmt::format("{}, {}", cell.scenario, flow);
}

// The tests of these figures anew, with what two runs of them differ by beyond their scatter; false: they
// are too few to know that, and it is left at the tests of their scatter alone.
bool test(const std::vector<Changed*>& figures, const std::string& kind, RunDiff& diff) {
  std::vector<stats::Pair> pairs;
  for (const Changed* one : figures) {
    pairs.push_back(measured(*one));
  }
  auto between = stats::between_runs(pairs);
  if (!between) {
    return false;
  }
  // What all have in common is asked for, too, where times are compared as they are.
  between->middle = diff.options.absolute ? 1 : between->middle;
  diff.between[kind] = *between;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    figures[i]->between = *between;
    figures[i]->p = stats::welch_p(pairs[i].before, pairs[i].after, *between);
  }
  return true;
}

void test_by_kind(RunDiff& diff) {
  std::map<std::string, std::vector<Changed*>> kinds;
  for (Changed& one : diff.figures) {
    kinds[name_of_kind(*one.after)].push_back(&one);
  }
  std::vector<Changed*> others;
  for (const auto& [kind, figures] : kinds) {
    if (!test(figures, kind, diff)) {
      others.insert(others.end(), figures.begin(), figures.end());
    }
  }
  test(others, "others", diff);
}

// The interval of how much slower it is, over what `between` says that others did; 1 for not at all.
stats::Interval slowness(const Changed& changed, const stats::Between& between) {
  const stats::Interval ratio =
      stats::beside_others(*changed.ratio->interval, changed.ratio->value, between);
  return changed.after->better == Better::more
             ? stats::Interval{.low = 1 / ratio.high, .high = 1 / ratio.low}
             : ratio;
}

// Both the ratio's interval and the test have to tell a difference, and the latter among all of them.
void decide(std::vector<Changed>& figures) {
  std::vector<double> p;
  for (const Changed& changed : figures) {
    if (changed.p) {
      p.push_back(*changed.p);
    }
  }
  const std::vector<double> adjusted = stats::adjusted_for_many(p);
  auto next = adjusted.begin();
  for (Changed& changed : figures) {
    if (changed.p) {
      changed.p = *next++;
    }
    if (changed.finding != Finding::unresolved || (changed.p && *changed.p > false_share)) {
      continue;
    }
    const stats::Interval slow = slowness(changed, changed.between);
    if (slow.low > 1) {
      changed.finding = Finding::slower;
    } else if (slow.high < 1) {
      changed.finding = Finding::faster;
    }
  }
}

// A limit is of the change itself, also where all others changed alike.
void hold_to(double limit, std::vector<Changed>& figures) {
  std::vector<double> p;
  std::vector<std::pair<Changed*, stats::Between>> tested;
  for (Changed& changed : figures) {
    const auto [before, after] = measured(changed);
    stats::Between between = changed.between;
    between.middle = 1;
    const auto one = changed.after->better == Better::more
                         ? stats::welch_p_beyond(after, before, 1 + limit, between)
                         : stats::welch_p_beyond(before, after, 1 + limit, between);
    if (one && is_speed(*changed.after) && changed.finding != Finding::machine) {
      p.push_back(*one);
      tested.emplace_back(&changed, between);
    }
  }
  const std::vector<double> adjusted = stats::adjusted_for_many(p);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    const auto& [changed, between] = tested[i];
    changed->beyond_limit = adjusted[i] <= false_share && slowness(*changed, between).low > 1 + limit;
    changed->finding = changed->beyond_limit ? Finding::slower : changed->finding;
  }
}

std::optional<double> change_of_machine(const std::vector<Changed>& controls) {
  std::vector<double> ratios;
  for (const Changed& one : controls) {
    if (one.after->unit != "packets/s" && one.ratio) {
      ratios.push_back(one.ratio->value);
    }
  }
  return ratios.empty() ? std::nullopt : std::optional(stats::block_median(ratios));
}

// Times that stand for themselves tell of the machine where that was not the same.
void leave_to_machine(std::vector<Changed>& figures) {
  for (Changed& one : figures) {
    if (one.control_after == nullptr && is_speed(*one.after) && one.finding != Finding::unrepeated) {
      one.finding = Finding::machine;
    }
  }
}

}  // namespace

bool is_speed(const Cell& cell) {
  return cell.unit == "ns" || cell.unit == "instructions" || cell.better == Better::more;
}

std::string_view describe(Finding finding, const Cell& cell) {
  switch (finding) {
    case Finding::slower:
      return is_speed(cell) ? "slower" : "more";
    case Finding::faster:
      return is_speed(cell) ? "faster" : "less";
    case Finding::unresolved:
      return "no difference resolved";
    case Finding::machine:
      return "the machine's speed changed";
    case Finding::unrepeated:
      break;
  }
  return "not repeated";
}

bool RunDiff::same_machine() const { return !machine || std::abs(std::log(*machine)) <= same_speed; }

std::size_t RunDiff::count(Finding finding) const {
  return static_cast<std::size_t>(std::count_if(
      figures.begin(), figures.end(), [&](const Changed& one) { return one.finding == finding; }));
}

std::size_t RunDiff::beyond_limit() const {
  return static_cast<std::size_t>(
      std::count_if(figures.begin(), figures.end(), [](const Changed& one) { return one.beyond_limit; }));
}

std::vector<std::string> differences_between(const Run& before, const Run& after) {
  std::vector<std::string> found = differing(before, after, musts);
  if (runs_of(before) != runs_of(after)) {
    found.push_back(fmt::format("number of runs ({} and {})", runs_of(before), runs_of(after)));
  }
  // A cluster's services have no shape; their description tells them.
  const char* const workload = "/run/workload";
  if (value_at(before, "/run/shape").is_null() && value_at(after, "/run/shape").is_null() &&
      value_at(before, workload) != value_at(after, workload)) {
    found.push_back(fmt::format("services ({} and {})", shown(value_at(before, workload)),
                                shown(value_at(after, workload))));
  }
  return found;
}

Result<RunDiff> diff_runs(Run before, Run after, const DiffOptions& options) {
  RunDiff diff{.before = std::move(before), .after = std::move(after)};
  diff.options = options;
  diff.differences = differences_between(diff.before, diff.after);
  diff.notes = differing(diff.before, diff.after, notables);
  if (!diff.differences.empty() && !options.force) {
    return usage_error(
        "the two runs cannot be compared, for they differ in {}: measure them alike, or have it done all "
        "the same with --force",
        fmt::format("{}", fmt::join(diff.differences, ", ")));
  }
  const bool several = runs_of(diff.before) > 1 && runs_of(diff.after) > 1;
  std::unordered_map<std::string_view, const Cell*> earlier;
  for (const Cell& cell : diff.before.cells) {
    earlier.emplace(cell.id, &cell);
  }
  for (const Cell& cell : diff.after.cells) {
    const auto found = earlier.find(cell.id);
    if (found == earlier.end() || found->second->unit != cell.unit) {
      diff.only_after.push_back(&cell);
      continue;
    }
    if (cell.unit == "exponent") {
      ++diff.derived;
    } else if (is_control(cell)) {
      diff.controls.push_back(compare(*found->second, cell, nullptr, nullptr, several));
    } else {
      const auto control = [&](const Run& run, const Cell& one) {
        return options.absolute ? nullptr : control_of(run, one);
      };
      diff.figures.push_back(compare(*found->second, cell, control(diff.before, *found->second),
                                     control(diff.after, cell), several));
    }
    earlier.erase(found);
  }
  for (const Cell& cell : diff.before.cells) {
    if (earlier.count(cell.id) != 0) {
      diff.only_before.push_back(&cell);
    }
  }
  test_by_kind(diff);
  decide(diff.figures);
  decide(diff.controls);
  diff.machine = change_of_machine(diff.controls);
  if (!options.absolute && !diff.same_machine()) {
    leave_to_machine(diff.figures);
  }
  if (options.limit) {
    hold_to(*options.limit, diff.figures);
  }
  return diff;
}

}  // namespace svcbench
