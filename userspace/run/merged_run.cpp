// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/merged_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "run/cells.h"
#include "run/diff.h"
#include "run/json_parts.h"
#include "run/judge.h"
#include "run/speeds.h"
#include "service/text.h"
#include "stats/over_runs.h"

namespace svcbench {

namespace {

using nlohmann::json;

// The same figure of each run.
using Figures = std::vector<const Cell*>;

// Of figures that are no times and rates, a run of noughts has no logarithm.
stats::Scatter scatter_of(const Cell& cell) {
  return cell.unit == "ns" || cell.unit == "instructions" || cell.unit == "packets/s"
             ? stats::Scatter::by_factors
             : stats::Scatter::by_differences;
}

template <typename Of>
std::vector<double> each_run(const Figures& figures, Of of) {
  std::vector<double> values(figures.size());
  std::transform(figures.begin(), figures.end(), values.begin(), of);
  return values;
}

// What a run's figure was made of: its repeats, in order.
std::vector<double> repeats_of(const Cell& cell) {
  return cell.values.empty() ? std::vector<double>{cell.value} : cell.values;
}

// "more_than_plain_low_ns", "ns_per_service_high": ends of the interval of what stands beside it.
bool is_end(const std::string& name) {
  return name.ends_with("_low") || name.ends_with("_high") || name.ends_with("_low_ns") ||
         name.ends_with("_high_ns");
}

void merge_beside(const Figures& figures, Cell& out) {
  for (const auto& first : figures.front()->also) {
    const std::string& name = first.first;
    const bool everywhere = std::all_of(figures.begin(), figures.end(),
                                        [&](const Cell* one) { return one->also.contains(name); });
    if (!everywhere || is_end(name)) {
      continue;
    }
    const auto values = each_run(figures, [&](const Cell* one) { return one->also.at(name); });
    if (beside(*figures.front(), name)->interval) {
      const auto over = stats::over_runs(values, stats::Scatter::by_differences);
      if (name.ends_with("_ns")) {
        take_beside(out, name.substr(0, name.size() - 3), over);
      } else {
        take_slope(out, name, over);
      }
    } else if (name == "max") {
      out.also[name] = *std::max_element(values.begin(), values.end());
    } else if (name == "packets") {
      out.also[name] = std::accumulate(values.begin(), values.end(), 0.0);
    } else {
      out.also[name] = stats::block_median(values);
    }
  }
}

void merge_parts(const Figures& figures, Cell& out) {
  out.parts.clear();
  for (const Cell* one : figures) {
    for (const auto& [name, blocks] : one->parts) {
      auto& all = out.parts[name];
      all.insert(all.end(), blocks.begin(), blocks.end());
    }
    // Those of which the repeats are the medians: nothing that was measured is lost.
    auto& samples = out.parts["samples"];
    samples.insert(samples.end(), one->blocks.begin(), one->blocks.end());
  }
  std::erase_if(out.parts, [](const auto& part) { return part.second.empty(); });
}

void merge_histogram(const Figures& figures, Cell& out) {
  std::map<double, Bucket> buckets;
  for (const Cell* one : figures) {
    for (const Bucket& bucket : one->histogram) {
      const auto [at, is_new] = buckets.emplace(bucket.low, bucket);
      at->second.count += is_new ? 0 : bucket.count;
    }
  }
  out.histogram.clear();
  for (const auto& [low, bucket] : buckets) {
    out.histogram.push_back(bucket);
  }
  take_quantiles(out);
}

// A check that one of them did not pass is none of theirs.
void merge_checks(const Figures& figures, Cell& out) {
  std::erase_if(out.checks, [&](const std::string& check) {
    return std::any_of(figures.begin(), figures.end(), [&](const Cell* one) {
      return std::find(one->checks.begin(), one->checks.end(), check) == one->checks.end();
    });
  });
}

Cell merged_cell(const Figures& figures) {
  Cell out = *figures.front();
  const auto values = each_run(figures, [](const Cell* one) { return one->value; });
  take(out, stats::over_runs(values, scatter_of(out)));
  out.samples = figures.size();
  out.values = values;
  out.blocks.clear();
  for (const Cell* one : figures) {
    out.blocks.push_back(repeats_of(*one));
  }
  merge_parts(figures, out);
  merge_beside(figures, out);
  merge_histogram(figures, out);
  merge_checks(figures, out);
  return out;
}

Figures figures_of(const std::vector<Run>& runs, const std::string& id) {
  Figures figures;
  for (const Run& run : runs) {
    if (const Cell* cell = run.find(id)) {
      figures.push_back(cell);
    }
  }
  return figures;
}

// What some of them measured, or none of them.
Cell lacking(const std::vector<Run>& runs, const Cell& cell, std::size_t measured) {
  Cell out = cell;
  out.blocks.clear();
  out.values.clear();
  out.histogram.clear();
  out.parts.clear();
  out.checks.clear();
  out.also.clear();
  if (measured > 0) {
    out.interval.reset();
    leave_out(out, fmt::format("{} of {} runs measured it", measured, runs.size()), std::nullopt);
  }
  return out;
}

void merge_cells(const std::vector<Run>& runs, Run& out) {
  std::map<std::string, bool> seen;
  for (const Run& run : runs) {
    for (const auto* cells : {&run.cells, &run.unmeasured}) {
      for (const Cell& cell : *cells) {
        if (std::exchange(seen[cell.id], true)) {
          continue;
        }
        const Figures figures = figures_of(runs, cell.id);
        add(out,
            figures.size() == runs.size() ? merged_cell(figures) : lacking(runs, cell, figures.size()));
      }
    }
  }
}

// ---- details ----

std::vector<json> all_of(const std::vector<Run>& runs, const std::string& pointer) {
  std::vector<json> all;
  for (const Run& run : runs) {
    for (const json& one : value_at(run, pointer)) {
      all.push_back(one);
    }
  }
  return all;
}

json without_repeats(const std::vector<json>& all) {
  json out = json::array();
  for (const json& one : all) {
    if (std::find(out.begin(), out.end(), one) == out.end()) {
      out.push_back(one);
    }
  }
  return out;
}

bool same_crossing(const json& a, const json& b) {
  return a.value("what", "") == b.value("what", "") && a.value("plane", "") == b.value("plane", "") &&
         a.value("beside", "") == b.value("beside", "");
}

// Where all runs agree on its kind, and on where it is if that is somewhere.
json merged_crossing(const std::vector<Run>& runs, const json& first) {
  json out = first;
  std::vector<double> services;
  bool same_kind = true;
  std::size_t found = 0;
  for (const json& one : all_of(runs, "/details/crossings")) {
    if (same_crossing(one, first)) {
      ++found;
      same_kind = same_kind && one.value("kind", json()) == first.value("kind", json());
      if (const json at = one.value("services", json()); at.is_number()) {
        services.push_back(at.get<double>());
      }
    }
  }
  out["rounds"] = runs.size();
  out["services"] = json();
  out["interval"] = json();
  out.erase("shares");
  if (!same_kind || found != runs.size()) {
    out["kind"] = "undecided";
  } else if (services.size() == runs.size()) {
    if (const auto over = stats::over_runs(services, stats::Scatter::by_factors)) {
      out["services"] = over->value;
      out["interval"] = interval_json(over->interval);
    }
  }
  return out;
}

void merge_details(const std::vector<Run>& runs, Run& out) {
  out.details = runs.front().details;
  for (const char* name : {"notes", "missing"}) {
    if (out.details.contains(name)) {
      out.details[name] = without_repeats(all_of(runs, std::string("/details/") + name));
    }
  }
  // Each run's second instruments stand for themselves.
  for (const char* name : {"agreements", "sync_checks", "account_checks", "replies"}) {
    if (out.details.contains(name)) {
      out.details[name] = all_of(runs, std::string("/details/") + name);
    }
  }
  if (out.details.contains("crossings")) {
    json crossings = json::array();
    for (const json& one : value_at(runs.front(), "/details/crossings")) {
      if (one.is_object()) {
        crossings.push_back(merged_crossing(runs, one));
      }
    }
    out.details["crossings"] = std::move(crossings);
  }
  // A behaviour that failed once failed.
  for (const Run& run : runs) {
    if (const json failed = value_at(run, "/details/behaviours/failed"); !failed.empty()) {
      out.details["behaviours"] = run.details["behaviours"];
      break;
    }
  }
}

void merge_noise(const std::vector<Run>& runs, Run& out) {
  json& noise = out.environment["noise"];
  if (!noise.is_object()) {
    return;
  }
  for (const char* name : {"warnings", "meanwhile"}) {
    noise[name] = without_repeats(all_of(runs, std::string("/environment/noise/") + name));
  }
  if (noise.contains("visits")) {
    noise["visits"] = all_of(runs, "/environment/noise/visits");
  }
  double switches = 0;
  for (const Run& run : runs) {
    const json share = value_at(run, "/environment/noise/steal_share");
    if (share.is_number() && !(noise["steal_share"].is_number() && noise["steal_share"] >= share)) {
      noise["steal_share"] = share;
    }
    const json some = value_at(run, "/environment/noise/involuntary_switches");
    switches += some.is_number() ? some.get<double>() : 0;
  }
  noise["involuntary_switches"] = switches;
}

}  // namespace

std::size_t runs_of(const Run& run) {
  const json runs = value_at(run, "/run/runs");
  return runs.is_array() && !runs.empty() ? runs.size() : 1;
}

std::vector<double> in_each_run(const Cell& cell, const Cell* control) {
  std::vector<double> values = cell.values;
  if (control == nullptr) {
    return values;
  }
  if (control->values.size() != values.size()) {
    return {};
  }
  std::transform(values.begin(), values.end(), control->values.begin(), values.begin(), std::divides<>());
  return values;
}

Result<Run> merged(std::vector<Run> runs) {
  const Run& first = runs.front();
  for (const Run& run : runs) {
    if (const auto differences = differences_between(first, run); !differences.empty()) {
      return failure("runs of one command differ in {}: they cannot be taken together",
                     fmt::join(differences, ", "));
    }
    if (runs_of(run) > 1 || !value_at(run, "/details/scaled_from").is_null()) {
      return failure("{}: it is no run by itself, and cannot be taken together with others",
                     printable(run.path));
    }
  }
  Run out;
  out.path = first.path;
  out.command = first.command;
  out.schema_version = first.schema_version;
  out.environment = first.environment;
  out.run = first.run;
  out.run["runs"] = json::array();
  for (const Run& run : runs) {
    out.run["runs"].push_back(
        {{"started_unix_seconds", value_at(run, "/run/started_unix_seconds")}, {"seconds", run.seconds}});
    out.seconds += run.seconds;
  }
  merge_cells(runs, out);
  merge_details(runs, out);
  merge_noise(runs, out);
  add_speeds(out);
  out.verdicts = judge(out);
  return out;
}

}  // namespace svcbench
