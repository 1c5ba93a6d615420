// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The whole syncs of kube-proxy's iptables mode, in its order: when it starts, each chain that the kernel's
// chains lead to and each jump there is made sure of by a run of iptables; then rules are generated, the
// nat table is saved and looked through for chains that are out of use, and the rules restored.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "plane/iptables_restore.h"
#include "plane/kube_proxy/iptables.h"
#include "service/text.h"
#include "sys/child_process.h"

namespace svcbench {
namespace {

constexpr std::array families{Family::ipv4, Family::ipv6};

using Sync = kube_proxy::IptablesRules::Sync;

// /usr/sbin/iptables-legacy of /usr/sbin/iptables-legacy-save.
std::string iptables_beside(const std::string& save) { return save.substr(0, save.rfind("-save")); }

// Chains of services: ":KUBE-SVC-4SW47YFZTEDKD3PK - [0:0]".
template <typename Each>
void each_service_chain(std::string_view saved, Each each) {
  while (!saved.empty()) {
    const std::string_view line = take_line(saved);
    if (!line.starts_with(":KUBE-")) {
      continue;
    }
    const std::string_view name = line.substr(1, line.find(' ') - 1);
    for (const std::string_view prefix : {"KUBE-SEP-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-"}) {
      if (name.starts_with(prefix)) {
        each(name);
      }
    }
  }
}

}  // namespace

Status KubeProxyIptables::sync_from_nothing(std::span<const Service> services) {
  parts_ = {};
  SyncLaps laps;
  for (const Family family : families) {
    SVCB_CHECK(table(family).rules.replace(services));
    laps.end(parts_.generate_ns);
    if (table(family).rules.counts().services != 0) {
      SVCB_CHECK(sync_family(family, true, laps));
    }
  }
  for (const Service& service : services) {
    if (service.frontend.protocol == Protocol::udp) {  // one of them is enough for it to look
      stale_flows_ = {};
      stale_flows_.note({Operation::add_service, service});
      break;
    }
  }
  SVCB_CHECK(stale_flows_.end(version_, {}, parts_));
  laps.end(parts_.conntrack_ns);
  return {};
}

Status KubeProxyIptables::sync_after_restart() {
  parts_ = {};
  SyncLaps laps;
  for (const Family family : families) {
    if (table(family).loaded.nat != 0) {
      SVCB_CHECK(sync_family(family, true, laps));
    }
  }
  return {};
}

Status KubeProxyIptables::sync_change(const Change& change, std::span<const Endpoint> gone) {
  parts_ = {};
  SyncLaps laps;
  const Family family = change.service.frontend.address.family;
  SVCB_CHECK(table(family).rules.apply(change));
  stale_flows_ = {};
  stale_flows_.note(change);
  SVCB_CHECK(sync_family(family, false, laps));
  if (change.service.frontend.protocol == Protocol::udp) {
    SVCB_CHECK(stale_flows_.end(version_, gone, parts_));
    laps.end(parts_.conntrack_ns);
  }
  return {};
}

Status KubeProxyIptables::sync_family(Family family, bool starts, SyncLaps& laps) {
  laps.end(parts_.generate_ns);  // the bookkeeping before
  if (starts) {
    SVCB_CHECK(make_sure_of_jumps(family));
    laps.end(parts_.jumps_ns);
  }
  SVCB_CHECK(stage_input(family, starts ? Sync::full : Sync::partial));
  laps.end(parts_.generate_ns);
  // In a large cluster once a syncPeriod: at the start, and not at the changes soon after.
  if (starts || !table(family).rules.large_cluster()) {
    SVCB_CHECK(find_stale_chains(family));
    laps.end(parts_.list_ns);
  }
  cost_ = {};
  SVCB_CHECK(load(family));
  parts_.runs += cost_.tools;
  parts_.input_bytes += cost_.input_bytes;
  laps.end(parts_.commit_ns);
  return {};
}

Status KubeProxyIptables::make_sure_of_jumps(Family family) {
  const std::string program = iptables_beside(family == Family::ipv4 ? backend_.save : backend_.save6);
  const auto run = [&](std::vector<std::string> words) -> Result<int> {
    words.insert(words.begin(), {program, "-w", "5"});
    SVCB_TAKE(result, run_child(words));
    parts_.runs += 1;
    return result.exit_status;
  };
  table(family).touched = true;
  for (const kube_proxy::KernelJump& jump : kube_proxy::kernel_jumps()) {
    const std::string where(jump.table);
    // 1: it is there already.
    SVCB_TAKE(made, run({"-N", std::string(jump.to), "-t", where}));
    std::vector<std::string> rule{"-C", std::string(jump.from), "-t", where};
    for (std::string& word : jump.words()) {
      rule.push_back(std::move(word));
    }
    SVCB_TAKE(is_there, run(rule));
    if (made > 1 || is_there > 1) {
      return failure("{} did not make sure of the jump from {} to {}: exit status {}", program, jump.from,
                     jump.to, std::max(made, is_there));
    }
    if (is_there != 0) {
      rule.front() = "-I";
      SVCB_TAKE(added, run(rule));
      if (added != 0) {
        return failure("{} did not add the jump from {} to {}: exit status {}", program, jump.from, jump.to,
                       added);
      }
    }
  }
  table(family).has_jumps = true;
  return {};
}

Status KubeProxyIptables::find_stale_chains(Family family) {
  SVCB_TAKE(saved, saved_table(backend_, family, "nat"));
  parts_.runs += 1;
  parts_.listed_bytes += saved.size();
  // The restore's input deletes these already (IptablesRules knows what it told the kernel): what is found
  // here is compared, as kube-proxy must, and one that nobody knows is an error.
  const auto& rules = table(family).rules;
  const std::unordered_set<std::string> wanted = rules.chains();
  std::size_t unknown = 0;
  each_service_chain(saved, [&](std::string_view name) {
    const std::string chain(name);
    unknown += wanted.contains(chain) || rules.is_gone(chain) ? 0 : 1;
  });
  if (unknown != 0) {
    return failure("{} has {} chains of services that nobody made: no figure is given", backend_.label,
                   unknown);
  }
  return {};
}

}  // namespace svcbench
