// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A real kube-proxy as a data plane: a binary of the user's, which reads its Services from an API server of
// ours, and programs this network namespace as it does on a node.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plane/configuration.h"
#include "plane/plane.h"
#include "plane/real_kube_proxy/api_server.h"
#include "plane/real_kube_proxy/kube_proxy_process.h"
#include "plane/real_kube_proxy/object_store.h"
#include "plane/real_kube_proxy/rules_reader.h"

namespace svcbench {

// Error: what of the kernel or of its tools that mode of kube-proxy needs and is not here; whether there is
// a binary is looked at by make_...().
[[nodiscard]] Status probe_kube_proxy_iptables();
[[nodiscard]] Status probe_kube_proxy_nftables();
// Error: no binary is given (PlaneConfiguration::kube_proxy).
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_kube_proxy_iptables(
    const PlaneConfiguration& configuration);
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_kube_proxy_nftables(
    const PlaneConfiguration& configuration);

// install(): from the launch of the binary until it says that a sync is complete after which the kernel has
// every service. commit(): from the first event of the change until it says so of the sync that has it. So
// both are the controller's whole work: JSON, its own wait of at least 10 ms between syncs, save or list,
// generate, restore. generate_ns is ours alone: to make the objects.
class RealKubeProxy final : public DataPlane {
 public:
  // How the kernel is read back in a mode, and its rules are taken away again.
  struct Mode {
    std::string_view name;  // kube-proxy's
    Result<kubernetes::Programmed> (*read_back)(Family family) = nullptr;
    Status (*clear)(Family family) = nullptr;
  };

  [[nodiscard]] static Mode iptables();  // whichever back end is the one on PATH, as kube-proxy takes it
  [[nodiscard]] static Mode nftables();
  // How long a word of a completed sync is waited for. It reads 10,000 Services in some seconds.
  struct Patience {
    std::int64_t start_ns = 300'000'000'000;
    std::int64_t change_ns = 60'000'000'000;
  };

  RealKubeProxy(Mode mode, const PlaneConfiguration& configuration, Patience patience)
      : mode_(mode), configuration_(configuration), patience_(patience) {}
  // Stops the binary, and takes its rules away.
  ~RealKubeProxy() override;
  RealKubeProxy(const RealKubeProxy&) = delete;
  RealKubeProxy& operator=(const RealKubeProxy&) = delete;

  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  // kube-proxy's own metric of its syncs, and KubeProxyProcess::peak_bytes(). None: it serves no metrics.
  [[nodiscard]] std::optional<ControllersAccount> controllers_account() override;

  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  // Its frontend and its endpoints, ascending: the rest is kube-proxy's business.
  [[nodiscard]] Service programmed(const Service& service) const override;

 private:
  // The frontends of one Kubernetes Service, and the objects that were made of them.
  struct Owned {
    std::vector<Service> frontends;
    kubernetes::Objects objects;
  };
  struct Staged {
    Family family = Family::ipv4;
    std::string owner;
    Owned after;
    std::vector<kubernetes::ObjectKey> gone;
  };

  [[nodiscard]] Status start();
  [[nodiscard]] Result<kubernetes::CompletedSync> wait_for_sync(Family family, std::int64_t since_ns,
                                                                std::string_view what);
  [[nodiscard]] Result<const kubernetes::Programmed*> held(Family family) const;
  void note_cost(std::int64_t ns, const ProcessTimes& before);

  Mode mode_;
  PlaneConfiguration configuration_;
  Patience patience_;
  // In the order in which they are made, and destroyed in reverse.
  std::unique_ptr<kubernetes::ObjectStore> store_{};
  std::unique_ptr<kubernetes::ApiServer> server_{};
  std::optional<kubernetes::KubeProxyProcess> process_{};
  std::unordered_map<std::string, Owned> owners_{};
  std::optional<Staged> staged_{};
  SyncCost cost_{};
  double accounted_seconds_ = 0;
  bool serves_metrics_ = true;  // until it does not answer
  // What was read back since the last change.
  mutable std::array<std::optional<kubernetes::Programmed>, 2> held_{};
};

}  // namespace svcbench
