// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The whole syncs of kube-proxy's nftables mode, in its order: chains that are out of use for a second are
// deleted by a run of their own; chains and sets are listed (of versions before 1.33 once the rules are
// generated); one transaction; stale UDP flows are ended. Where it waits a second before it deletes chains,
// nothing waits here: the next sync deletes them, as at changes that are more than a second apart.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "plane/kube_proxy/nftables.h"
#include "sys/child_process.h"
#include "sys/memfd.h"

namespace svcbench {
namespace {

using kube_proxy::NftNames;
using kube_proxy::ServicePort;
using kube_proxy::Trait;

constexpr std::array families{Family::ipv4, Family::ipv6};

}  // namespace

Status KubeProxyNftables::sync_from_nothing(std::span<const Service> services) {
  parts_ = {};
  SyncLaps laps;
  SVCB_TAKE(next, wanted(services, configuration_, tables_, false));
  laps.end(parts_.generate_ns);
  stale_flows_ = {};
  for (const Family family : families) {
    Table& fresh = next.tables[static_cast<std::size_t>(family)];
    if (!fresh.programmed) {
      continue;
    }
    table(family).touched = true;
    table(family).ports = std::move(fresh.ports);
    table(family).cluster_ips = std::move(fresh.cluster_ips);
    table(family).hairpins.clear();
    for (const auto& [key, port] : table(family).ports) {
      count_hairpins(table(family), port, 1);
    }
    SVCB_CHECK(start(family, laps));
  }
  const auto udp = std::find_if(services.begin(), services.end(), [](const Service& service) {
    return service.frontend.protocol == Protocol::udp;
  });
  if (udp != services.end()) {  // one of them is enough for it to look
    stale_flows_.note({Operation::add_service, *udp});
  }
  SVCB_CHECK(stale_flows_.end(configuration_.kube_proxy.version, {}, parts_));
  laps.end(parts_.conntrack_ns);
  return {};
}

Status KubeProxyNftables::sync_after_restart() {
  parts_ = {};
  SyncLaps laps;
  for (const Family family : families) {
    if (table(family).programmed) {
      SVCB_CHECK(start(family, laps));
    }
  }
  return {};
}

// A full sync: the table's ports are to be there, and kube-proxy knows nothing of the kernel.
Status KubeProxyNftables::start(Family family, SyncLaps& laps) {
  const kube_proxy::Version& version = configuration_.kube_proxy.version;
  Table& current = table(family);
  NftNames names;
  kube_proxy::NftHeld held;
  const bool keeps = version.has(Trait::nft_keeps_at_restart);
  if (version.has(Trait::nft_lists_first)) {
    SVCB_CHECK(list(family, names, laps));
  }
  std::string text;
  if (keeps) {
    SVCB_CHECK(read_elements(family, held));
    held.chains.insert(names.chains.begin(), names.chains.end());
    laps.end(parts_.list_ns);
    kube_proxy::write_nft_base(text, family, configuration_, true);
    std::set<Address> cluster_ips;
    for (const auto& [key, port] : current.ports) {
      const bool shared = port.cluster_ip && !cluster_ips.insert(port.cluster_ip->address).second;
      kube_proxy::write_nft_restart(text, port, shared, configuration_, held);
    }
  } else {
    text = whole_text(family, nullptr);
  }
  note_names(family);
  laps.end(parts_.generate_ns);
  if (!version.has(Trait::nft_lists_first)) {
    SVCB_CHECK(list(family, names, laps));
  }
  current.leftover.clear();
  for (const std::string& chain : names.chains) {
    if (!current.names.contains(chain)) {
      kube_proxy::write_nft_flush_chain(text, family, chain);
      current.leftover.push_back(chain);
    }
  }
  laps.end(parts_.list_ns);
  SVCB_CHECK(load_sync(text));
  current.programmed = true;
  laps.end(parts_.commit_ns);
  return {};
}

Status KubeProxyNftables::sync_change(const Change& change, std::span<const Endpoint> gone) {
  const kube_proxy::Version& version = configuration_.kube_proxy.version;
  const Family family = change.service.frontend.address.family;
  if (table(family).names.empty()) {
    note_names(family);
  }
  parts_ = {};
  SyncLaps laps;
  if (!table(family).leftover.empty()) {
    SVCB_CHECK(delete_stale(family));
    laps.end(parts_.stale_ns);
  }
  NftNames names;
  if (version.has(Trait::nft_lists_first)) {
    SVCB_CHECK(list(family, names, laps));
  }
  SVCB_CHECK(stage(change));
  Staged staged = *std::exchange(staged_, std::nullopt);
  laps.end(parts_.generate_ns);
  if (!version.has(Trait::nft_lists_first)) {
    SVCB_CHECK(list(family, names, laps));
  }
  SVCB_CHECK(check_names(family, names, staged.leftover));
  laps.end(parts_.list_ns);
  table(family).touched = true;
  SVCB_CHECK(load(staged.input, staged.bytes, true));
  parts_.runs += 1;
  parts_.input_bytes += staged.bytes;
  for (const std::string& chain : staged.leftover) {
    table(family).names.erase(chain);
  }
  if (staged.after) {
    for (std::string& chain : kube_proxy::nft_chains(*staged.after, version)) {
      table(family).names.insert(std::move(chain));
    }
  }
  apply(std::move(staged));
  laps.end(parts_.commit_ns);
  if (change.service.frontend.protocol == Protocol::udp) {
    SVCB_CHECK(stale_flows_.end(version, gone, parts_));
    laps.end(parts_.conntrack_ns);
  }
  return {};
}

// Chains in the kernel that no port needs are those that this change puts out of use, and no others.
Status KubeProxyNftables::check_names(Family family, const NftNames& names,
                                      const std::vector<std::string>& stale) const {
  const auto& known = table(family).names;
  const auto unknown =
      std::count_if(names.chains.begin(), names.chains.end(), [&](const std::string& chain) {
        return !known.contains(chain) && std::find(stale.begin(), stale.end(), chain) == stale.end();
      });
  if (unknown != 0) {
    return failure("the kernel's table {} has {} chains of services that nobody made: no figure is given",
                   kube_proxy::nft_table, unknown);
  }
  return {};
}

void KubeProxyNftables::note_names(Family family) {
  Table& current = table(family);
  current.names.clear();
  for (const auto& [key, port] : current.ports) {
    for (std::string& chain : kube_proxy::nft_chains(port, configuration_.kube_proxy.version)) {
      current.names.insert(std::move(chain));
    }
  }
}

Status KubeProxyNftables::delete_stale(Family family) {
  std::string text;
  for (const std::string& chain : table(family).leftover) {
    kube_proxy::write_nft_delete_chain(text, family, chain);
  }
  SVCB_CHECK(load_sync(text));
  table(family).leftover.clear();
  return {};
}

Status KubeProxyNftables::load_sync(const std::string& text) {
  SVCB_TAKE(input, memfd_of("kube-proxy.nft", text));
  SVCB_CHECK(load(input, text.size(), true));
  parts_.runs += 1;
  parts_.input_bytes += text.size();
  return {};
}

Result<std::string> KubeProxyNftables::run_list(const std::vector<std::string>& words) {
  std::vector<std::string> argv{nft_, "--json"};
  argv.insert(argv.end(), words.begin(), words.end());
  SVCB_TAKE(listed, run_child(argv));
  parts_.runs += 1;
  parts_.listed_bytes += listed.out.size();
  if (listed.exit_status != 0) {  // there is no such table yet
    return std::string();
  }
  return std::move(listed.out);
}

Status KubeProxyNftables::list(Family family, NftNames& names, SyncLaps& laps) {
  const std::string name(kube_proxy::nft_family(family));
  std::vector<std::vector<std::string>> listings{{"list", "chains", name}, {"list", "sets", name}};
  if (configuration_.kube_proxy.version.has(Trait::nft_lists_table_tersely)) {
    listings = {{"--terse", "list", "table", name, std::string(kube_proxy::nft_table)}};
  }
  for (const auto& words : listings) {
    SVCB_TAKE(listed, run_list(words));
    if (!listed.empty()) {
      SVCB_CHECK(kube_proxy::add_nft_names(listed, names));
    } else if (table(family).programmed) {
      return failure("{} did not list the table {}, which is there", nft_, kube_proxy::nft_table);
    }
  }
  laps.end(parts_.list_ns);
  return {};
}

Status KubeProxyNftables::read_elements(Family family, kube_proxy::NftHeld& held) {
  for (const kube_proxy::NftContainer& container :
       kube_proxy::nft_containers(configuration_.kube_proxy.version)) {
    SVCB_TAKE(listed,
              run_list({"list", std::string(container.kind), std::string(kube_proxy::nft_family(family)),
                        std::string(kube_proxy::nft_table), std::string(container.name)}));
    if (!listed.empty()) {
      SVCB_CHECK(kube_proxy::add_nft_elements(listed, held.elements));
    }
  }
  return {};
}

}  // namespace svcbench
