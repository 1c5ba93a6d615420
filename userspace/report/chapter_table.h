// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Table 4.1 for a person: the chapter's figures beside this machine's, at most 100 columns, then the
// verdict.
#pragma once

#include <string>

#include "measure/chapter_results.h"
#include "report/curve.h"

namespace svcbench {

// `colour`: verdicts in green, red and yellow; `bars`: of the curves.
[[nodiscard]] std::string render_chapter(const ChapterResults& results, bool colour, Bars bars);

}  // namespace svcbench
