// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What each command measured, as a run: straight from its samples to cells.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "measure/chapter_results.h"
#include "measure/churn/churn_results.h"
#include "measure/compare_results.h"
#include "measure/connect_results.h"
#include "measure/results.h"
#include "measure/ruleset.h"
#include "run/run.h"
#include "verify/verify.h"

namespace svcbench {

[[nodiscard]] Run as_run(const CompareResults& results);  // also path, nftables, ipvs
// The main job: `paths` is its second part, whose environment and run are not looked at.
[[nodiscard]] Run as_run(const Results& results, const CompareResults& paths);
[[nodiscard]] Run as_run(const ChapterResults& results);
[[nodiscard]] Run as_run(const Ruleset& ruleset, const std::vector<RulesetLoads>& loads,
                         nlohmann::json environment, nlohmann::json run);
[[nodiscard]] Run as_run(const ConnectResults& results);
[[nodiscard]] Run as_run(const ChurnResults& results, const Verdict& verdict);
[[nodiscard]] Run as_run(const verify::VerifyResults& results);

// ---- what they share ----

// A run without cells and verdicts.
[[nodiscard]] Run run_of(nlohmann::json environment, nlohmann::json run, double seconds);
[[nodiscard]] nlohmann::json missing_json(const std::vector<MissingPlane>& missing);
// Paths, throughput, the clock; and how all costs of it grow.
void add_paths(const CompareResults& results, Run& run);
// Why there are none, for which planes, where that is so.
void add_path_missing(const CompareResults& results, Run& run);
void add_growths(const CompareResults& results, Run& run);

}  // namespace svcbench
