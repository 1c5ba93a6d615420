// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a reader must know before the figures: which program, machine and work.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/run_view.h"

namespace svcbench {

// Sentences, the first of them what emulated the machine, if anything did.
[[nodiscard]] std::vector<std::string> heading_lines(const RunView& run);

// Of several runs taken together, what their intervals hold; "": it is one run.
[[nodiscard]] std::string runs_words(const Run& run);
// That intervals are of this run alone, where several could be made; "": they are several, or cannot be.
[[nodiscard]] std::string one_run_words(const Run& run);

// Of a run's "kube_proxy": "kube-proxy 1.30; the binary is v1.30.5"; "": it has none. Text that nobody has
// checked.
[[nodiscard]] std::string kube_proxy_words(const nlohmann::json& kube_proxy);

// Of the "ruleset" of a run's details: "27 rules of IPv4, 9 chains", in the words of its kind.
[[nodiscard]] std::string ruleset_words(const Field& ruleset);
// " (not whole)" where its dump says so of itself: for beside every figure of it; else "".
[[nodiscard]] std::string whole_or_not(const Field& ruleset);

}  // namespace svcbench
