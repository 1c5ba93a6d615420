// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "measure/installations.h"
#include "measure/runner.h"
#include "measure/scenario/calibration.h"
#include "measure/scenario/chapter.h"
#include "measure/scenario/connect.h"
#include "measure/scenario/maps.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

// Samples of an operation of the main job at one size, over all rounds: at least so many.
constexpr std::size_t map_changes = 2000;

std::vector<MissingPlane> missing_of(const Selection& selection) {
  std::vector<MissingPlane> missing;
  for (const ProbedPlane& plane : selection.planes) {
    if (!plane.not_here.empty()) {
      missing.push_back({std::string(plane.row->name), plane.not_here});
    }
  }
  return missing;
}

bool packets_alone(const std::vector<const ScenarioRow*>& rows) {
  return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](const ScenarioRow* row) {
    return row->name == "path" || row->part_of == "path";
  });
}

// Planes by rows of the registry: the selection as it can be measured here, what cannot be told.
class OnPlanes {
 public:
  OnPlanes(const Workload& workload, const Selection& selection, Clock& clock, Progress& progress)
      : selection_(selection), begin_ns_(clock.now_ns()), setting_{workload, selection_, clock,
                                                                   progress, nullptr,    {}} {}

  // Adds the scenarios of the rows to `scenarios`.
  Status prepare(Scenarios& scenarios) {
    SVCB_CHECK(choose_planes());
    SVCB_CHECK(choose_scenarios());
    Installations::Wants wants{.planes = !selection_.scenarios.empty()};
    for (const ScenarioRow* row : selection_.scenarios) {
      wants.packets = wants.packets || (sends_ && row->packets != PacketsNeeded::none);
      wants.changes = wants.changes || row->changes_planes;
    }
    SVCB_TAKE(planes, Installations::make(setting_, wants));
    planes_ = std::move(planes);
    setting_.planes = planes_.get();
    setting_.end_seconds = planes_->end_seconds();
    for (const ScenarioRow* row : selection_.scenarios) {
      scenarios.push_back(row->make());
    }
    return {};
  }

  Result<CompareResults> run(Scenarios& scenarios, Findings& findings) {
    SVCB_TAKE(found, run_scenarios(scenarios, setting_, begin_ns_));
    findings = std::move(found);
    CompareResults results;
    results.planes = planes_->names();
    results.missing = std::move(missing_);
    results.path_missing = std::move(path_missing_);
    results.clock_ns = planes_->clock_ns();
    for (const auto& one : planes_->all()) {
      if (!one->left_out.empty()) {
        SyncCell cell{.plane = std::string(one->row->name), .services = one->services};
        cell.skipped = one->left_out;
        cell.predicted_ns = one->install_seconds * 1e9;
        results.syncs.push_back(std::move(cell));
      }
    }
    std::move(findings.syncs.begin(), findings.syncs.end(), std::back_inserter(results.syncs));
    results.sync_checks = std::move(findings.sync_checks);
    results.paths = std::move(findings.paths);
    results.agreements = std::move(findings.agreements);
    results.states = std::move(findings.states);
    results.calibration = std::move(findings.calibration);
    results.cells = std::move(findings.cells);
    results.notes = std::move(findings.notes);
    if (const std::size_t overruns = planes_->overruns(); overruns > 0) {
      results.notes.push_back(fmt::format(
          "{} volleys overran the node's ingress queue (the machine was busy) and were sent again",
          overruns));
    }
    setting_.progress.phase("take the planes down");
    scenarios.clear();
    planes_.reset();
    results.seconds = seconds_between(begin_ns_, setting_.clock.now_ns());
    return results;
  }

  [[nodiscard]] Setting& setting() { return setting_; }

 private:
  Status choose_planes() {
    const bool path = selection_.has("path");
    std::vector<ProbedPlane> wanted;
    for (const ProbedPlane& plane : selection_.planes) {
      const PlaneRow& row = *plane.row;
      if (path && !row.off_wire.empty()) {
        const std::string why = fmt::format("its path is not measured: {}", row.off_wire);
        if (packets_alone(selection_.scenarios)) {
          wanted.push_back({&row, why});
          continue;
        }
        setting_.notes.push_back(fmt::format("{}: {}", row.name, why));
      }
      wanted.push_back(plane);
    }
    selection_.planes = std::move(wanted);
    missing_ = missing_of(selection_);
    if (missing_.size() == selection_.planes.size()) {
      return failure("no plane can run here; {}: {}", missing_.front().plane, missing_.front().why);
    }
    return {};
  }

  Status choose_scenarios() {
    std::vector<std::string_view> nouns;
    for (const ScenarioRow* row : selection_.scenarios) {
      if (row->packets != PacketsNeeded::none && row->part_of.empty()) {
        nouns.push_back(row->noun.empty() ? row->name : row->noun);
      }
    }
    if (nouns.empty()) {
      return {};
    }
    const Status sends = selection_.live_frames();
    if (sends) {
      return {};
    }
    SVCB_CHECK(check_interrupted());
    sends_ = false;
    path_missing_ = selection_.has("path") ? sends.error().message : "";
    setting_.notes.push_back(fmt::format("No packets are sent, so that {} {} not measured: {}",
                                         fmt::join(nouns, " and "), nouns.size() > 1 ? "are" : "is",
                                         sends.error().message));
    std::erase_if(selection_.scenarios,
                  [](const ScenarioRow* row) { return row->packets == PacketsNeeded::all; });
    return {};
  }

  Selection selection_;
  std::int64_t begin_ns_;
  Setting setting_;
  bool sends_ = true;
  std::string path_missing_{};
  std::vector<MissingPlane> missing_{};
  std::unique_ptr<Installations> planes_{};
};

}  // namespace

bool Selection::has(std::string_view scenario) const {
  return std::any_of(scenarios.begin(), scenarios.end(),
                     [scenario](const ScenarioRow* row) { return row->name == scenario; });
}

std::vector<PathKind> usual_kinds() {
  std::vector<PathKind> kinds;
  for (const Position position : {Position::last, Position::random, Position::first, Position::missing}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, Protocol::udp});
    }
  }
  for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
    kinds.push_back({flow, Position::random, Protocol::tcp});
  }
  for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
    kinds.push_back({FlowKind::reply, Position::random, protocol});
  }
  return kinds;
}

std::vector<PathKind> all_kinds() {
  std::vector<PathKind> kinds = usual_kinds();
  for (const Position position : {Position::last, Position::first, Position::missing}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, Protocol::tcp});
    }
  }
  return kinds;
}

Result<CompareResults> run_compare(const Workload& workload, const Selection& selection, Clock& clock,
                                   Progress& progress) {
  OnPlanes planes(workload, selection, clock, progress);
  Scenarios scenarios;
  scenarios.push_back(make_calibration());
  SVCB_CHECK(planes.prepare(scenarios));
  Findings findings;
  SVCB_TAKE(results, planes.run(scenarios, findings));
  results.updates = std::move(findings.updates);
  return results;
}

Result<MainJobResults> run_main_job(const Workload& workload, const Selection& selection,
                                    const IptablesBackend& iptables, Clock& clock, Progress& progress) {
  OnPlanes planes(workload, selection, clock, progress);
  SVCB_TAKE(maps, Maps::load(planes.setting(), iptables));
  Scenarios scenarios;
  scenarios.push_back(make_calibration());
  scenarios.push_back(std::make_unique<UpdateScenario>(
      [&maps](Setting&) { return maps->changing(); },
      (map_changes + selection.rounds - 1) / selection.rounds, selection.rounds));
  scenarios.push_back(make_fill(*maps));
  scenarios.push_back(make_program(*maps));
  SVCB_CHECK(planes.prepare(scenarios));
  Findings findings;
  SVCB_TAKE(paths, planes.run(scenarios, findings));
  MainJobResults results;
  results.paths = std::move(paths);
  results.maps.updates = std::move(findings.updates);
  results.maps.fills = std::move(findings.fills);
  results.maps.programs = std::move(findings.programs);
  results.maps.account_checks = std::move(findings.account_checks);
  results.maps.seconds = results.paths.seconds;
  return results;
}

Result<ChapterResults> run_chapter(const Workload& workload, std::vector<ChapterBackend> backends,
                                   const std::vector<ChapterSubject>& subjects,
                                   const std::function<Result<SyncCost>()>& exec_floor,
                                   const Selection& selection, Clock& clock, Progress& progress) {
  const std::int64_t begin = clock.now_ns();
  Setting setting{workload, selection, clock, progress, nullptr, {}};
  Scenarios scenarios;
  scenarios.push_back(make_chapter(subjects, exec_floor));
  SVCB_TAKE(findings, run_scenarios(scenarios, setting, begin));
  ChapterResults results;
  results.seed = selection.seed;
  results.rounds = selection.rounds;
  results.sweep = selection.sweep;
  results.backends = std::move(backends);
  results.loads = std::move(findings.loads);
  results.floors = std::move(findings.floors);
  results.notes = std::move(findings.notes);
  results.seconds = findings.seconds;
  return results;
}

Result<ConnectResults> run_connect(const Workload& workload, const Selection& selection,
                                   std::size_t connects, Clock& clock, Progress& progress) {
  const std::int64_t begin = clock.now_ns();
  Setting setting{workload, selection, clock, progress, nullptr, {}};
  Scenarios scenarios;
  scenarios.push_back(make_calibration());
  scenarios.push_back(make_connect(connects));
  SVCB_TAKE(findings, run_scenarios(scenarios, setting, begin));
  ConnectResults results;
  results.services = selection.sweep.back();
  results.samples = std::move(findings.connects);
  results.calibration = std::move(findings.calibration);
  results.missing = missing_of(selection);
  results.notes = std::move(findings.notes);
  results.seconds = findings.seconds;
  return results;
}

}  // namespace svcbench
