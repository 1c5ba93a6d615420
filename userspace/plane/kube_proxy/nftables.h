// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's nftables mode: a verdict map leads to a chain for each service and each endpoint, and a
// change is one transaction about the changed service only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plane/configuration.h"
#include "plane/kube_proxy/nftables_readback.h"
#include "plane/kube_proxy/nftables_rules.h"
#include "plane/kube_proxy/stale_flows.h"
#include "plane/plane.h"
#include "plane/whole_sync.h"
#include "sys/fd.h"

namespace svcbench {

// Error: why nft, or this kernel, cannot load such a table; what to do. Needs a network namespace of its
// own.
[[nodiscard]] Status probe_nftables();
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_nftables(const PlaneConfiguration& configuration);

// A table `kube-proxy` for each family that has services, or had one since install(). (Of kube-proxy there
// are two, one a family, with a transaction each; here install() is one transaction for both.)
//
// A ClusterIP and a NodePort of one name and protocol are one service port, and share their chains as in
// kube-proxy: they must have the same endpoints at install(), and a change of one's is a change of both's.
class KubeProxyNftables final : public DataPlane, public WholeSync {
 public:
  // Programs the network namespace that it is made, used and destroyed in: a private one. `nft`: its path.
  KubeProxyNftables(std::string nft, const PlaneConfiguration& configuration)
      : nft_(std::move(nft)), configuration_(configuration) {}
  // Deletes its tables: the next plane in this namespace starts clean.
  ~KubeProxyNftables() override;
  KubeProxyNftables(const KubeProxyNftables&) = delete;
  KubeProxyNftables& operator=(const KubeProxyNftables&) = delete;

  // What install() gives `nft -f -` where there is no table yet. Pure.
  [[nodiscard]] static Result<std::string> install_input(std::span<const Service> services,
                                                         const PlaneConfiguration& configuration);

  Status install(std::span<const Service> services) override;
  // Nothing is remembered of a staged change that is not committed.
  Status stage(const Change& change) override;
  Status commit() override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }

  // In nftables_sync.cpp.
  [[nodiscard]] WholeSync* whole_sync() override { return this; }
  Status sync_from_nothing(std::span<const Service> services) override;
  Status sync_after_restart() override;
  Status sync_change(const Change& change, std::span<const Endpoint> gone) override;
  [[nodiscard]] const SyncParts& sync_parts() const override { return parts_; }

  // Also checks that the table has the chains that its maps lead to, and no other.
  [[nodiscard]] Result<std::size_t> entries() const override;
  // Reads the table whole (3 s for 5,000 services of 3 endpoints) where it changed since it was last read.
  // (To list one chain, nft 1.0.6 reads every set's elements as well: 0.7 s each at that size.)
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  // A service without endpoints is known by a comment, which has 127 characters at most.
  [[nodiscard]] Service programmed(const Service& service) const override;

 private:
  // One family's, as the kernel has it.
  struct Table {
    bool touched = false;     // a transaction on it was begun, whatever became of it
    bool programmed = false;  // it is there
    std::unordered_map<std::string, kube_proxy::ServicePort> ports;  // by port_key()
    std::map<Address, std::size_t> cluster_ips;                      // ports of each ClusterIP
    kube_proxy::NftHairpinUsers hairpins;
    // Chains that were emptied when they went out of use. kube-proxy deletes them a second or more later,
    // in a transaction of its own before the next sync's. Here the next transaction's first lines delete
    // them: the same commands, without another run of nft.
    std::vector<std::string> leftover;
    // Names of all chains of `ports`, which kube-proxy makes when a service comes, and keeps. Empty: no
    // whole sync was made.
    std::unordered_set<std::string> names;
  };
  struct Wanted {
    std::array<Table, 2> tables;  // by Family
    std::string text;             // that makes them
  };
  struct Staged {
    Fd input;
    std::size_t bytes = 0;
    Family family = Family::ipv4;
    std::string key;                               // of the port
    std::optional<kube_proxy::ServicePort> after;  // nothing: removed
    std::vector<std::string> leftover;
  };
  struct Snapshot {
    std::uint32_t generation = 0;  // of the namespace's rules when it was taken
    kube_proxy::NftTable table;
  };

  // `writes`: else without the text.
  static Result<Wanted> wanted(std::span<const Service> services, const PlaneConfiguration& configuration,
                               const std::array<Table, 2>& before, bool writes = true);
  Status load(const Fd& input, std::size_t bytes, bool interruptible);
  Status load_sync(const std::string& text);
  // Everything that a full sync writes of a family's ports; `changed` in place of the one of its key, which
  // goes where there is none.
  [[nodiscard]] std::string whole_text(Family family, const Staged* changed) const;
  Status delete_stale(Family family);
  // Adds to `names` what the kernel has, as this version lists it: the lap is list_ns.
  Status list(Family family, kube_proxy::NftNames& names, SyncLaps& laps);
  Result<std::string> run_list(const std::vector<std::string>& words);
  Status read_elements(Family family, kube_proxy::NftHeld& held);
  Status check_names(Family family, const kube_proxy::NftNames& names,
                     const std::vector<std::string>& stale) const;
  void note_names(Family family);
  Status start(Family family, SyncLaps& laps);
  void apply(Staged staged);
  void count_hairpins(Table& table, const kube_proxy::ServicePort& port, int by) const;
  // Whether the ClusterIP of the port, before or after a change, is another port's as well.
  [[nodiscard]] static bool shares_cluster_ip(const Table& table, const kube_proxy::ServicePort* before,
                                              const kube_proxy::ServicePort* after);
  [[nodiscard]] Result<const kube_proxy::NftTable*> read_back(Family family) const;
  [[nodiscard]] Table& table(Family family) { return tables_[static_cast<std::size_t>(family)]; }
  [[nodiscard]] const Table& table(Family family) const {
    return tables_[static_cast<std::size_t>(family)];
  }

  std::string nft_;
  PlaneConfiguration configuration_;
  std::array<Table, 2> tables_;  // by Family
  std::optional<Staged> staged_;
  kube_proxy::StaleFlows stale_flows_;
  SyncCost cost_;
  SyncParts parts_;
  mutable std::array<std::optional<Snapshot>, 2> snapshots_;  // by Family
};

}  // namespace svcbench
