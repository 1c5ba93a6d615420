// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench render: what a plane would program, printed. Needs no root and touches nothing.
#include "plane/render.h"

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/kube_proxy_input.h"
#include "plane/kube_proxy/ipvs_text.h"
#include "plane/registry.h"
#include "service/address_range.h"
#include "service/cluster.h"
#include "service/text.h"
#include "service/workload.h"
#include "svcbench/abi.h"

namespace svcbench {

namespace {

struct RenderInput {
  std::string plane{};
  std::string shape = "kube-proxy";
  std::string part{};
  std::string family{};
  std::vector<std::string> node_addresses{};
  std::vector<std::string> cluster_cidrs{};
  std::vector<std::string> service_cidrs{};
  std::vector<std::string> node_port_addresses{};
  std::string zone{};
  std::string localhost_node_ports = "on";
  bool nfacct = false;
  KubeProxyInput kube_proxy{};
  WorkloadInput workload{};
};

// The services, and notes on what is not as in the cluster.
struct Rendered {
  std::vector<Service> services{};
  std::vector<std::string> notes{};
  std::vector<std::string> service_cidrs{};
};

// What is rendered of SCTP and of source ranges is kube-proxy's.
bool is_kube_proxys(const RenderInput& input) { return kind_of(input.plane) != PlaneKind::ebpf; }

Result<Rendered> services_of(const RenderInput& input) {
  const WorkloadInput& workload = input.workload;
  // All of a cluster's own frontends; what is generated in its shape are ClusterIPs.
  if (!workload.cluster.empty() && !workload.services) {
    SVCB_TAKE(cluster, read_cluster(workload.cluster, {.max_endpoints = workload.max_endpoints,
                                                       .node = workload.node,
                                                       .zone = input.zone,
                                                       .sctp = is_kube_proxys(input),
                                                       .may_be_empty = is_kube_proxys(input)}));
    std::vector<std::string> notes = notes_on(cluster);
    const auto restricted = std::count_if(cluster.services.begin(), cluster.services.end(),
                                          [](const Service& one) { return !one.source_ranges.empty(); });
    if (restricted != 0 && !is_kube_proxys(input)) {
      notes.push_back(fmt::format(
          "loadBalancerSourceRanges of {} frontends: this plane has none, the load balancer is open to all",
          restricted));
    }
    return Rendered{std::move(cluster.services), std::move(notes), std::move(cluster.service_cidrs)};
  }
  WorkloadInput generated = workload;
  generated.family = input.family.empty() ? "ipv4" : input.family;
  SVCB_TAKE(made, generated.make());
  return Rendered{made.workload.services(), std::move(made.notes)};
}

Result<AddressRange> range_option(std::string_view option, const std::string& text) {
  auto range = AddressRange::parse(text);
  if (!range) {
    return usage_error("{}: {}", option, range.error().message);
  }
  return range;
}

Status take_addresses(const RenderInput& input, PlaneConfiguration& configuration) {
  for (const std::string& text : input.node_addresses) {
    SVCB_TAKE(address, Address::parse(text));
    configuration.node_addresses.push_back(address);
  }
  for (const std::string& text : input.cluster_cidrs) {
    SVCB_TAKE(range, range_option("--cluster-cidr", text));
    (range.first.family == Family::ipv4 ? configuration.cluster_cidr.ipv4
                                        : configuration.cluster_cidr.ipv6) = range.text();
  }
  for (const std::string& text : input.service_cidrs) {
    SVCB_TAKE(range, range_option("--service-cidr", text));
    configuration.kube_proxy.service_cidrs.push_back(range.text());
  }
  for (const std::string& text : input.node_port_addresses) {
    if (text != "primary") {
      SVCB_TAKE(range, range_option("--nodeport-addresses", text));
      static_cast<void>(range);
    }
    configuration.kube_proxy.node_port_addresses.push_back(text);
  }
  configuration.kube_proxy.localhost_node_ports = input.localhost_node_ports == "on";
  configuration.kube_proxy.nfacct = input.nfacct;
  return {};
}

std::size_t count_of(const std::vector<Service>& services, Family family) {
  return static_cast<std::size_t>(
      std::count_if(services.begin(), services.end(),
                    [&](const Service& service) { return service.frontend.address.family == family; }));
}

// Which family, where the plane has an input for each: that asked for, else IPv4, or IPv6 where there is no
// other.
void choose_family(const RenderInput& input, Rendered& rendered, RenderOptions& options) {
  if (!input.family.empty() && input.family != "dual") {
    options.family = family_of_word(input.family);
    return;
  }
  if (!renders_one_family(input.plane)) {
    return;
  }
  const std::size_t ipv4 = count_of(rendered.services, Family::ipv4);
  const std::size_t ipv6 = count_of(rendered.services, Family::ipv6);
  options.family = ipv4 == 0 && ipv6 != 0 ? Family::ipv6 : Family::ipv4;
  if (ipv4 != 0 && ipv6 != 0) {
    rendered.notes.push_back(fmt::format(
        "{} IPv6 frontends are not in this text, which is for IPv4: --family ipv6 prints theirs", ipv6));
  }
}

// IPVS has NodePorts at the node's addresses: nowhere, where none are given.
void leave_out_node_ports(const RenderInput& input, Rendered& rendered, const RenderOptions& options) {
  if (kind_of(input.plane) != PlaneKind::ipvs) {
    return;
  }
  const std::size_t left_out = std::erase_if(rendered.services, [&](const Service& service) {
    return service.frontend.address.family == options.family &&
           kube_proxy::virtual_servers(service, options.configuration.node_addresses).empty();
  });
  if (left_out != 0) {
    rendered.notes.push_back(fmt::format(
        "{} NodePorts are left out: IPVS has them at the node's addresses, which --node-address gives",
        left_out));
  }
}

Status print_parts(const RenderInput& input, const std::vector<RenderedPart>& parts) {
  std::string names;
  for (const RenderedPart& part : parts) {
    names += (names.empty() ? "" : ", ") + part.name;
    if (part.name == input.part) {
      fmt::print("{}", part.text);
      return {};
    }
  }
  if (!input.part.empty()) {
    return usage_error("--part: {} has no part \"{}\" (it has {})", input.plane, printable(input.part),
                       names);
  }
  for (const RenderedPart& part : parts) {
    if (parts.size() > 1) {
      fmt::print("# ---- {}: for {} ----\n", part.name, part.tool);
    }
    fmt::print("{}", part.text);
  }
  return {};
}

Result<int> run(const RenderInput& input) {
  RenderOptions options;
  options.chapter = input.shape == "chapter";
  SVCB_TAKE(chosen, input.kube_proxy.chosen({input.plane}));
  options.configuration.kube_proxy.version = chosen.version;
  SVCB_CHECK(take_addresses(input, options.configuration));
  SVCB_TAKE(rendered, services_of(input));
  if (options.configuration.kube_proxy.service_cidrs.empty()) {
    options.configuration.kube_proxy.service_cidrs = rendered.service_cidrs;
  }
  choose_family(input, rendered, options);
  leave_out_node_ports(input, rendered, options);
  SVCB_TAKE(parts, render_plane(input.plane, rendered.services, options));
  SVCB_CHECK(print_parts(input, parts));
  if (is_kube_proxys(input) && !options.chapter) {
    fmt::print(stderr, "as kube-proxy {} writes it\n", chosen.version.text());
  }
  for (const std::string& note : rendered.notes) {
    fmt::print(stderr, "{}\n", note);
  }
  return 0;
}

}  // namespace

Action configure_render(CLI::App& app) {
  auto input = std::make_shared<RenderInput>();
  WorkloadInput& workload = input->workload;
  app.add_option("plane", input->plane, "The plane whose rules, sets or maps are printed")
      ->check(one_of({"iptables-legacy", "iptables-nft", "nftables", "ipvs", "ebpf-xdp", "ebpf-tc"}))
      ->required();
  auto* const cluster = add_cluster_option(app, workload.cluster);
  app.add_option("--node", workload.node,
                 "Which of the cluster's nodes this one stands for, where a traffic policy is Local")
      ->needs(cluster);
  app.add_option("--zone", input->zone,
                 "The zone that this is in, for topology hints (default: as the file's Node --node has it)")
      ->needs(cluster);
  app.add_option("--services", workload.services,
                 "Number of generated services (with --cluster: in its shape)")
      ->check(whole_number(1, Generator::max_services));
  app.add_option("--endpoints", workload.endpoints, "Endpoints of each generated service")
      ->check(whole_number(1, SVCB_MAX_ENDPOINTS))
      ->capture_default_str();
  app.add_option("--max-endpoints", workload.max_endpoints,
                 "Most endpoints that one service of a cluster may have")
      ->check(whole_number(1, SVCB_MAX_ENDPOINTS))
      ->capture_default_str();
  app.add_option("--protocol", workload.protocol, "Protocol of generated services: tcp, udp or mixed")
      ->check(one_of({"tcp", "udp", "mixed"}))
      ->capture_default_str();
  app.add_option("--seed", workload.seed, "The same seed gives the same services")
      ->check(whole_number(0, UINT64_MAX))
      ->capture_default_str();
  app.add_option("--family", input->family,
                 "Print this address family's text: ipv4 or ipv6 (dual: generate both)")
      ->check(one_of({"ipv4", "ipv6", "dual"}));
  app.add_option("--shape", input->shape,
                 "Of the iptables planes: kube-proxy's rules, or the chapter's three a service")
      ->check(one_of({"kube-proxy", "chapter"}))
      ->capture_default_str();
  app.add_option("--part", input->part,
                 "One input alone, as its tool takes it.\niptables: jumps, rules. ipvs: address, ipset, "
                 "iptables, ipvsadm");
  input->kube_proxy.add_options(app);
  app.add_option("--cluster-cidr", input->cluster_cidrs,
                 "Pods' addresses, one range a family: others are masqueraded (10.0.0.0/8, fd00::/8)")
      ->delimiter(',');
  app.add_option(
         "--node-address", input->node_addresses,
         "The node's addresses, the first of each family its own: where NodePorts are (ipvs: needed\n"
         "for any; nftables: at the first, else at all local ones), and whether source ranges have it")
      ->delimiter(',');
  app.add_option("--nodeport-addresses", input->node_port_addresses,
                 "Ranges of the node's addresses that NodePorts are at, or primary, as kube-proxy's option")
      ->delimiter(',');
  app.add_option(
         "--service-cidr", input->service_cidrs,
         "nftables: ranges of ClusterIPs; what is for one that no Service has is dropped (default:\n"
         "those of the file's ServiceCIDRs)")
      ->delimiter(',');
  app.add_option("--localhost-nodeports", input->localhost_node_ports,
                 "iptables: whether NodePorts are at 127.0.0.0/8 as well: on or off")
      ->check(one_of({"on", "off"}))
      ->capture_default_str();
  app.add_flag("--nfacct", input->nfacct,
               "iptables: with kube-proxy's counters, as on kernels with xt_nfacct (1.32 and later)");
  app.footer(
      "More examples:\n"
      "  ./svcbench render nftables --cluster services.json | sudo nft -f -\n"
      "  ./svcbench render iptables-nft --services 100 --part rules | grep -c '^-A KUBE-SEP'\n"
      "  ./svcbench render ipvs --cluster services.json --part ipvsadm | sudo ipvsadm -R");
  return [input] { return run(*input); };
}

}  // namespace svcbench
