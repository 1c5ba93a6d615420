// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run over several planes found: every sample. Tables and JSON render this.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/path_results.h"
#include "measure/results.h"
#include "measure/scaled.h"
#include "measure/sync_check.h"
#include "measure/wire/agreement.h"
#include "plane/plane.h"
#include "run/cell.h"
#include "stats/crossing.h"
#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// One installation of N services from nothing.
struct SyncCell {
  std::string plane;
  std::size_t services = 0;
  std::vector<SyncCost> repeats{};
  std::string skipped{};
  std::optional<double> predicted_ns{};
};

// What programming N services needs in user space at its peak, bytes.
struct UserPeak {
  double own = 0;   // of svcbench itself: the services' text or messages
  double tool = 0;  // of the largest tool that was run; 0: none was

  // The text is there until the tool is done with it, so the two are there at once.
  [[nodiscard]] double total() const { return own + tool; }
};

inline constexpr std::string_view user_peak_method =
    "own: growth of VmHWM of /proc/self/status over an installation, free memory returned before; tool: "
    "its VmHWM as it ends";

// What a plane keeps for N services and for flows.
struct StateCell {
  std::string plane;
  std::size_t services = 0;
  std::optional<double> conntrack_per_1000_flows{};
  std::optional<double> own_per_1000_flows{};  // in a flow table of the plane's own, where it has one
  std::optional<double> kernel_bytes{};
  std::optional<stats::Interval> kernel_bytes_interval{};
  std::string kernel_bytes_method{};
  std::optional<UserPeak> user_peak{};  // of programming the services
};

// A plane that this machine cannot run, and why.
struct MissingPlane {
  std::string plane;
  std::string why;
};

// A behaviour of Services (svcbench verify) that a plane was seen not to have.
struct FailedBehaviour {
  std::string plane;
  std::string behaviour;  // its title
  std::string variants;   // "TCP IPv4, UDP IPv4"
  std::string evidence;   // of the first of them, a sentence
};

// What was looked at before anything was measured.
struct BehaviourCheck {
  std::vector<std::string> behaviours{};  // titles
  std::vector<std::string> planes{};
  std::vector<FailedBehaviour> failed{};  // planes and behaviours in order
  std::string not_done{};                 // why this machine could not look; else empty
};

// Where two planes' costs cross.
struct CrossingFigure {
  std::string what;    // "new flow, last UDP", "change endpoints"
  std::string plane;   // that becomes costlier, or cheaper, than
  std::string beside;  // this one
  stats::Crossing crossing{};
};

// What one plane's further services cost, by the wire and by round trips of real sockets.
struct AgreementFigure {
  std::string plane;
  std::size_t more_services = 0;
  std::size_t less_services = 0;
  Comparison comparison{};
};

struct CompareResults {
  nlohmann::json environment;
  nlohmann::json run;                 // command line, seed, sweep, workload
  std::vector<std::string> planes{};  // those that ran, in the registry's order
  std::vector<MissingPlane> missing{};
  std::vector<SyncCell> syncs{};
  std::vector<UpdateCell> updates{};
  std::vector<PathCell> paths{};
  std::vector<StateCell> states{};
  std::vector<AgreementFigure> agreements{};
  std::vector<SyncCheck> sync_checks{};   // of planes that run tools, each at one size
  std::vector<Cell> calibration{};        // known work that no plane is part of
  std::vector<Cell> cells{};              // of scenarios that have no type of their own
  std::optional<ScaledColumns> scaled{};  // of planes in `missing`, from another run
  std::optional<BehaviourCheck> behaviours{};
  std::optional<double> clock_ns{};  // that one reading of the clock takes in a program
  std::string path_missing{};        // why the path was left out; empty where it was measured, or not asked
  std::vector<std::string> notes{};  // where two instruments disagree, what was left out
  double seconds = 0;
};

}  // namespace svcbench
