// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every measuring command says about its run, and how it may print.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/input.h"
#include "measure/visit_log.h"
#include "report/curve.h"
#include "run/run.h"
#include "sys/noise.h"

namespace svcbench {

// The machine that a run is made on: as it is before, and what it did meanwhile.
class Surroundings {
 public:
  Surroundings();

  [[nodiscard]] const nlohmann::json& environment() const { return environment_; }
  // What of it makes timings noisy, a sentence each: for make_progress(), which tells it before the run.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  // For Selection::visits.
  [[nodiscard]] VisitLog* visits() { return &visits_; }
  // The environment with "noise": {"warnings": [...], "meanwhile": [...], "steal_share", "mhz_ratio",
  // "involuntary_switches", "visits": [what the log of visits holds, of this run alone]}.
  [[nodiscard]] nlohmann::json finished() const;

 private:
  nlohmann::json environment_;
  std::vector<std::string> warnings_;
  CpuLook before_;
  VisitLog visits_{};
};

// Colours only on a terminal, and never with NO_COLOR.
[[nodiscard]] bool wants_colour();

// Blocks where the locale's characters are UTF-8, unless ASCII is asked for.
[[nodiscard]] Bars wanted_bars(const TableInput& input);

// "shape" in a result's "run": two runs whose services have the same one may be held side by side. null for
// a cluster's services.
[[nodiscard]] nlohmann::json describe_shape(const WorkloadInput& input);

// What "run" says in every command's result: command line, versions, seed.
[[nodiscard]] nlohmann::json describe_command(std::string_view command, std::uint64_t seed);

// The part of a result's "run" that all measuring commands share: command line, versions, seed, workload.
[[nodiscard]] nlohmann::json describe_run(std::string_view command, const WorkloadInput& input,
                                          const std::vector<std::size_t>& sweep,
                                          const WorkloadInput::Made& made, std::size_t rounds,
                                          double budget_seconds);

// To its "notes".
void add_notes(nlohmann::json& run, const std::vector<std::string>& notes);

// What a command prints of its result: the answer on one screen, or with --full everything.
[[nodiscard]] std::string printed(const Run& run, const TableInput& input);

// The same where `everything`, below its heading, is not made of the run alone.
[[nodiscard]] std::string printed(const Run& run, const TableInput& input, const std::string& everything);

}  // namespace svcbench
