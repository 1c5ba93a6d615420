// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's iptables mode over the real iptables-restore, of either back end. What it programs, and
// where it differs from kube-proxy (the order above all: the first service given is the first rule), is
// said in iptables_rules.h.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "plane/configuration.h"
#include "plane/kube_proxy/iptables_readback.h"
#include "plane/kube_proxy/iptables_rules.h"
#include "plane/kube_proxy/stale_flows.h"
#include "plane/plane.h"
#include "plane/whole_sync.h"
#include "sys/fd.h"
#include "sys/iptables_backend.h"

namespace svcbench {

// One restore a family, of both tables in one input, with kube-proxy's options. Ways: "partial" (what
// kube-proxy does since 1.28) and "full" (what it did before, and does now and then).
//
// Seen of iptables-nft-restore 1.8.9: its time grows with the square of the number of chains in its input,
// in user space, and depends on their order (1,000 services of 10 endpoints, which are 11,000 chains: 5 to
// 8 s of its CPU time, and 1 s when the same chains are declared in descending order). Here the order is
// kube-proxy's: by service, so by hash.
class KubeProxyIptables final : public DataPlane, public WholeSync {
 public:
  // Programs the network namespace that it is made, used and destroyed in: a private one.
  KubeProxyIptables(IptablesBackend backend, const PlaneConfiguration& configuration);
  // Empties the nat and filter tables of the families that it programmed.
  ~KubeProxyIptables() override;
  KubeProxyIptables(const KubeProxyIptables&) = delete;
  KubeProxyIptables& operator=(const KubeProxyIptables&) = delete;

  // A full sync, whatever the way. The first of a family also makes the jumps from the kernel's chains, by
  // a restore of its own that sync_cost() leaves out: kube-proxy makes them one by one when it starts.
  Status install(std::span<const Service> services) override;
  // Generates the input of the changed service's family. When commit() fails, the next one makes up for it.
  Status stage(const Change& change) override;
  Status commit() override;

  [[nodiscard]] std::span<const std::string_view> ways() const override;
  Status choose_way(std::size_t way) override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }

  // In iptables_sync.cpp.
  [[nodiscard]] WholeSync* whole_sync() override { return this; }
  Status sync_from_nothing(std::span<const Service> services) override;
  Status sync_after_restart() override;
  Status sync_change(const Change& change, std::span<const Endpoint> gone) override;
  [[nodiscard]] const SyncParts& sync_parts() const override { return parts_; }

  // Frontends. Reads every service back and checks it, and that both tables have as many rules as they
  // must.
  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  // Whole, name and all: the rules of KUBE-SERVICES and KUBE-NODEPORTS keep their comments at any size.
  [[nodiscard]] Service programmed(const Service& service) const override;

 private:
  struct Table {  // of a family: its nat and filter tables
    kube_proxy::IptablesRules rules;
    kube_proxy::RuleCounts loaded{};  // of the last commit()
    Fd staged{};                      // valid between stage() and commit()
    std::size_t staged_bytes = 0;
    bool touched = false;    // a load was begun, whatever became of it
    bool has_jumps = false;  // from the kernel's chains
  };

  Status stage_input(Family family, kube_proxy::IptablesRules::Sync sync);
  Status make_jumps(Family family, const std::string& program);
  Status load(Family family);
  Status sync_family(Family family, bool starts, SyncLaps& laps);
  Status make_sure_of_jumps(Family family);
  Status find_stale_chains(Family family);
  [[nodiscard]] Result<kube_proxy::SavedRules> read_back(Family family) const;
  [[nodiscard]] Table& table(Family family) { return tables_[static_cast<std::size_t>(family)]; }
  [[nodiscard]] const Table& table(Family family) const {
    return tables_[static_cast<std::size_t>(family)];
  }

  IptablesBackend backend_;
  kube_proxy::Version version_;
  std::array<Table, 2> tables_;  // by Family
  kube_proxy::IptablesRules::Sync way_ = kube_proxy::IptablesRules::Sync::partial;
  kube_proxy::StaleFlows stale_flows_;
  SyncCost cost_;
  SyncParts parts_;
};

// For the registry: see PlaneRow.
[[nodiscard]] Status probe_iptables_legacy();
[[nodiscard]] Status probe_iptables_nft();
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_iptables_legacy(
    const PlaneConfiguration& configuration);
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_iptables_nft(const PlaneConfiguration& configuration);

}  // namespace svcbench
