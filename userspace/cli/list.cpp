// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench list: planes, scenarios, and what changed in which kube-proxy.
#include "cli/command.h"
#include "measure/scenario/registry.h"
#include "plane/kube_proxy/versions.h"
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
    fmt::print("\nkube-proxy (--kube-proxy-version, default {}): iptables {}, nftables {}, ipvs {}\n",
               kube_proxy::Version().text(), versions_of(kube_proxy::Mode::iptables),
               versions_of(kube_proxy::Mode::nftables), versions_of(kube_proxy::Mode::ipvs));
    for (const kube_proxy::TraitRow& row : kube_proxy::traits()) {
      fmt::print("  {:<6}{:<11}{}\n{:19}{}\n", fmt::format("1.{}", row.since), row.mode, row.what, "",
                 row.source);
    }
    return 0;
  };
}

}  // namespace svcbench
