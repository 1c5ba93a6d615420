// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench list: planes and scenarios.
#include "cli/command.h"
#include "measure/scenario/registry.h"
#include "plane/registry.h"

namespace svcbench {

Action configure_list(CLI::App& app) {
  app.footer("svcbench probe tells which of them this machine can run.");
  return []() -> Result<int> {
    fmt::print("Data planes (--plane, --planes; the last three are of `ebpf` and `iptables`)\n");
    for (const PlaneRow& row : planes()) {
      if (!row.is_instrument) {
        fmt::print("  {:<17}{}\n", row.name, row.summary);
      }
    }
    fmt::print("\nScenarios, what is measured or tried\n");
    for (const ScenarioRow& row : scenarios()) {
      fmt::print("  {:<17}{}\n", row.name, row.summary);
    }
    return 0;
  };
}

}  // namespace svcbench
