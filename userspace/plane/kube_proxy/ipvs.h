// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// IPVS as kube-proxy's IPVS mode programs it (deprecated upstream, still in production).
//
// What is in the kernel, shape by shape of kube-proxy 1.30's pkg/proxy/ipvs:
//   - a virtual server for each frontend, scheduler rr, persistent where the service has session
//     affinity; a real server for each endpoint, masquerading, weight 1; weight 0 for one that
//     terminates (TCP) and was there before. A service without endpoints is a virtual server without
//     real servers: the kernel itself refuses its packets (ICMP port unreachable), and no rule of
//     iptables does. A NodePort is a virtual server at each address of the node. With the Local
//     traffic policy this node's endpoints; where it has none, all (kube-proxy's way: the node's own
//     pods shall get through).
//   - the dummy device kube-ipvs0, down, to which every service address is bound, so that packets for it
//     come by the INPUT hook, where IPVS is.
//   - 17 ipsets a family, of which KUBE-CLUSTER-IP and KUBE-IPVS-IPS have members wherever there are
//   services,
//     and others with external IPs, load balancers and NodePorts. KUBE-LOOP-BACK is for endpoints of pods
//     on this very node: see PlaneConfiguration::endpoints_are_here. Its rule is there even where it is
//     empty, as on every node that runs such a pod, since packets pay for it.
//   - iptables rules in nat and filter, a few for each set that has members: their number does not depend
//   on
//     that of the services.
//   - sysctls: vs.conntrack, vs.expire_nodest_conn, vs.expire_quiescent_template, ip_forward are 1;
//     vs.conn_reuse_mode is left as it is, as kube-proxy does since kernel 5.9.
//
// A family is programmed once it has a service: kube-proxy has a proxier each for IPv4 and IPv6.
// A NodePort is refused where the node has no address of its family. Not in the kernel, and thus not read
// back: weights, and a ClusterIP's Local policy.
//
// Two ways of making a change:
//   "controller": what kube-proxy does, at every change, for all S services of the family. In its order:
//      11 x iptables -N and 9 x iptables -C make sure of the chains and jumps; the device is looked for;
//      17 x ipset create -exist; the addresses are listed, of the device and of all devices; for each
//      service its virtual server is asked for, again, and its real servers; what differs is changed; 17 x
//      ipset list, what differs is changed by an `ipset add` or `ipset del` each; iptables-restore with all
//      rules; all virtual servers are listed, and those that are not wanted removed. Netlink messages: 3 S
//      + 4 + those of the change itself; processes: 55 + those of the change itself. A real server that
//      goes is looked at once more (graceful termination), then deleted. With open connections kube-proxy
//      would give it weight 0 first, and delete it up to a minute later. Left out: what kube-proxy does in
//      Go before (its change trackers, sorting) and health checks; its listing of all addresses is one
//      message here, and one for each device there.
//   "kernel": the operations of the change and nothing else. Netlink messages: one for each endpoint that
//      comes or goes; for a service that comes 2 and one an endpoint, for one that goes 2 (1 where another
//      service has the address). Processes: none for endpoints; for a service `ipset add` or `ipset del`, 2
//      (1 where another service has the address). Not constant in all its parts: the kernel walks the list
//      of the device's addresses for each that it adds or removes.
//
// install() is quicker than kube-proxy's first sync: the addresses in batches, and all members in one
// `ipset restore`, where kube-proxy runs an `ipset add` for each, and does not read back what it just made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plane/configuration.h"
#include "plane/kube_proxy/ipvs_text.h"
#include "plane/plane.h"
#include "sys/address_device.h"
#include "sys/child_process.h"
#include "sys/ipvs_netlink.h"

namespace svcbench::kube_proxy {

class KubeProxyIpvs final : public DataPlane {
 public:
  // In the current network namespace. Errors: no IPVS, no ipset, no iptables that works.
  static Result<std::unique_ptr<KubeProxyIpvs>> make(const PlaneConfiguration& configuration);
  ~KubeProxyIpvs() override;
  KubeProxyIpvs(const KubeProxyIpvs&) = delete;
  KubeProxyIpvs& operator=(const KubeProxyIpvs&) = delete;

  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;

  [[nodiscard]] std::span<const std::string_view> ways() const override;
  Status choose_way(std::size_t way) override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  // IPVS forgets no connection at once: those of UDP go a second after their last packet from now on.
  Status forget_flows() override { return ipvs_.set_udp_timeout(1); }

  // Virtual servers. Also checks that exactly their addresses are bound, and that the ipsets hold exactly
  // them.
  [[nodiscard]] Result<std::size_t> entries() const override;
  // Endpoints in ascending order: the kernel keeps none that means anything. An Error for a virtual server
  // or a real server that kube-proxy would not have made so.
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  // Without the name, which is nowhere in the kernel; endpoints in ascending order.
  [[nodiscard]] Service programmed(const Service& service) const override;

  // Netlink messages of the last install(), or of the last commit().
  [[nodiscard]] std::size_t netlink_messages() const { return netlink_messages_; }

 private:
  // Paths of the programs.
  struct Tools {
    std::array<std::string, 2> iptables;          // by Family; empty: not installed
    std::array<std::string, 2> iptables_restore;  //
    std::string ipset;
  };
  using SetContents = std::map<std::string_view, std::unordered_set<std::string>>;  // by IpsetShape::name
  // What a commit() has to do.
  struct Staged {
    std::size_t way = 0;
    Operation operation = Operation::change_endpoints;
    Service service;  // as it is to be, or was
    std::vector<RealServer> before;
    std::vector<RealServer> after;
    bool persistence = false;  // its affinity changes
    bool address = false;      // the service's address comes, or goes, with it
    std::vector<IpsetMember> members_come;
    std::vector<IpsetMember> members_go;
    std::string rules;
    bool rules_differ = false;  // from those before: a set got its first member, or lost its last
    SetContents sets;           // as they are to be; way "controller" only
  };

  KubeProxyIpvs(PlaneConfiguration configuration, Tools tools, IpvsClient ipvs)
      : configuration_(std::move(configuration)), tools_(std::move(tools)), ipvs_(std::move(ipvs)) {}
  static Result<Tools> find_tools();

  // What is to be, without the kernel.
  Status replace_services(std::span<const Service> services);
  Status check(const Service& service);
  Status apply(const Change& change);
  void count_members(const Service& service, int by, std::vector<IpsetMember>* changed);
  [[nodiscard]] IpsetsInUse in_use(Family family) const;
  [[nodiscard]] std::vector<Frontend> servers_of(const Service& service) const;
  [[nodiscard]] bool is_wanted(const Frontend& virtual_server) const;
  [[nodiscard]] SetContents contents(Family family) const;
  [[nodiscard]] std::vector<Address> addresses() const;

  // The kernel.
  Status program();
  Status program_family(Family family, const std::string& sets, const std::string& rules);
  Status commit_change(const Staged& change);
  Status change_servers(const Frontend& frontend, const std::vector<RealServer>& before,
                        const std::vector<RealServer>& after, bool looks_first);
  Status check_sets(Family family, const std::vector<IpvsService>& services) const;
  Result<std::optional<Service>> read_server(const Frontend& virtual_server) const;
  Status sync(Family family, const Staged& wanted);
  Status sync_chains(Family family);
  Status sync_service(const Service& service, std::set<Address>& bound);
  Status sync_set(const IpsetShape& shape, Family family, const Staged& wanted);
  Status remove_leftovers(Family family, const std::set<Address>& bound);
  Status ipset(const std::vector<std::string>& words);
  Status restore(const std::string& program, std::vector<std::string> words, const std::string& input);
  Result<ChildResult> run(const std::vector<std::string>& argv, int input = -1);
  [[nodiscard]] Result<std::unordered_set<std::string>> members(std::string_view set, Family family) const;
  void remove_all();

  [[nodiscard]] bool& programmed_family(Family family) {
    return families_[static_cast<std::size_t>(family)];
  }
  [[nodiscard]] std::size_t messages_so_far() const;

  PlaneConfiguration configuration_;
  Tools tools_;
  // Asking the kernel changes a socket.
  mutable IpvsClient ipvs_;
  mutable std::optional<AddressDevice> device_;
  std::array<bool, 2> families_{};  // by Family: sets and rules are there, or were begun

  std::vector<Service> services_;                       // in no order: kube-proxy goes through a Go map
  std::unordered_map<Frontend, std::size_t> position_;  // in services_
  std::map<Address, std::size_t> users_;                // services that have the address bound
  std::vector<Address> node_addresses_;  // where NodePorts are; looked up with the first of them
  // Services that each member of a set but KUBE-CLUSTER-IP stands for: an endpoint of several is in
  // KUBE-LOOP-BACK once. By family.
  std::array<std::map<IpsetMember, std::size_t>, 2> members_;
  std::array<std::size_t, 2> cluster_ips_{};  // services in KUBE-CLUSTER-IP, by family

  std::size_t way_ = 0;
  std::optional<Staged> staged_;
  SyncCost cost_{};
  std::size_t netlink_messages_ = 0;
  bool interruptible_ = true;
};

// For the registry.
[[nodiscard]] Status probe_ipvs();
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_ipvs(const PlaneConfiguration& configuration);

}  // namespace svcbench::kube_proxy
