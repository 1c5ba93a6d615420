// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the machine was worth while the run lasted.
#include "report/tables.h"
#include "service/text.h"

namespace svcbench {

Section calibration_table(const RunView& run) {
  Section out{.id = "calibration",
              .title = "Calibration: known work, between all visits",
              .caption =
                  "What the machine was worth while the run lasted. Figures of two runs are held against "
                  "each other as multiples of such work."};
  out.columns = {{"", true}, {"median"}, {"fastest tenth"}, {"slowest tenth"}, {"visits"}};
  for (const Cell* work : run.all_of("calibration")) {
    out.add({Entry::words(work->what), Entry::of(work), Entry::of(work, "p10"), Entry::of(work, "p90"),
             Entry::words(grouped(work->samples))});
  }
  return out;
}

}  // namespace svcbench
