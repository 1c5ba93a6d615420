// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How far a run is, on standard error: one line that changes on a terminal, a line now and then elsewhere.
#pragma once

#include <memory>

#include "measure/schedule.h"

namespace svcbench {

// `quiet`: says nothing.
[[nodiscard]] std::unique_ptr<Progress> make_progress(bool quiet);

// "1 min 05 s", "12 s".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace svcbench
