// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Figures as multiples of known work: what another run finds again, whatever the machine's speed is then.
#include "report/tables.h"
#include "run/relative.h"
#include "service/text.h"

namespace svcbench {

Section relative_table(const RunView& run) {
  Section out{.id = "relative",
              .title = "As multiples of known work in the same run",
              .caption =
                  "Figures of the largest size. A machine that is faster in one run than in another moves "
                  "the times, and these hardly: compare runs by them.",
              .folded = true};
  out.columns = {{"plane", true}, {"what", true}, {"N"}, {"times"}, {"of", true}, {"median"}};
  const auto sizes = run.sizes({"sync", "update", "program", "path", "connect", "whole-sync", "chapter"});
  for (const Cell& cell : run.file().cells) {
    if (cell.services != 0 && !sizes.empty() && cell.services != sizes.back()) {
      continue;
    }
    if (const auto relative = relative_of(run.file(), cell)) {
      out.add({Entry::words(cell.plane), Entry::words(cell.what), Entry::words(grouped(cell.services)),
               ratio_entry(relative->times), Entry::words(control_name(*relative->control)),
               Entry::of(&cell)});
    }
  }
  return out;
}

}  // namespace svcbench
