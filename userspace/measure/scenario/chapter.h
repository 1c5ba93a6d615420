// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Table 4.1: what iptables-restore of the whole nat table costs over a sweep of N, on every back end.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "measure/scenario/scenario.h"

namespace svcbench {

// Both must outlive it.
[[nodiscard]] std::unique_ptr<Scenario> make_chapter(const std::vector<ChapterSubject>& subjects,
                                                     const std::function<Result<SyncCost>()>& exec_floor);

}  // namespace svcbench
