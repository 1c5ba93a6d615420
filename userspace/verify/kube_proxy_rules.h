// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The rules that a kube-proxy of the user's writes, beside those of svcbench's planes for its version, both
// as the kernel lists them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plane/configuration.h"
#include "plane/kube_proxy/rule_listing.h"
#include "plane/kube_proxy/versions.h"
#include "plane/real_kube_proxy/kubernetes_objects.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench::verify {

// One cluster twice: as svcbench read it, and as it is served to kube-proxy. They have no part in each
// other.
struct RulesSubject {
  std::string what{};  // "kind-dualstack.json", "100 generated services"
  std::vector<Service> services{};
  kubernetes::Objects objects{};
  std::vector<std::string> service_cidrs{};
};

// The node of both: what a traffic policy calls this node, unless the user names one; and its addresses.
inline constexpr std::string_view rules_node = "svcbench-node";
[[nodiscard]] std::vector<Address> rules_node_addresses(std::span<const Service> services);

// The services and their objects, all ClusterIPs of one kind. Error: none can be made of one.
[[nodiscard]] Result<RulesSubject> rules_subject(std::vector<Service> services, std::string what);

struct RulesOfMode {
  kube_proxy::Mode mode = kube_proxy::Mode::iptables;
  std::string why_not{};  // svcbench does not know that version's rules: then nothing was compared
  Family family = Family::ipv4;
  kube_proxy::RuleComparison compared{};
};

struct KubeProxyRules {
  std::string binary{};
  std::string binary_version{};  // "v1.30.5"
  std::string subject{};
  std::size_t frontends = 0;
  std::vector<RulesOfMode> modes{};  // one a mode and family
};

// Installs `subject` with the plane, and has the binary (KubeProxyOptions::binary) do so, each in a network
// namespace of its own. Error: one of them could not; a binary that ends, hangs or says nothing of its
// syncs is told with its last words.
[[nodiscard]] Result<KubeProxyRules> compare_with_kube_proxy(const RulesSubject& subject,
                                                             std::span<const kube_proxy::Mode> modes,
                                                             std::string_view node,
                                                             const KubeProxyOptions& options);

// 0: no rule differs; 3: one does.
[[nodiscard]] int exit_code(const KubeProxyRules& rules);

}  // namespace svcbench::verify
