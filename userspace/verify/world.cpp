// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/world.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "sys/device_offload.h"
#include "sys/sysctl.h"

namespace svcbench::verify {

namespace {

constexpr MacAddress mac_number(std::uint8_t number) { return {0x02, 's', 'v', 'c', 'v', number}; }
constexpr MacAddress vc_mac = mac_number(1);
constexpr MacAddress vn_mac = mac_number(2);
constexpr MacAddress vo_mac = mac_number(3);
constexpr MacAddress vb_mac = mac_number(4);
constexpr MacAddress vd_mac = mac_number(5);
constexpr MacAddress vr_mac = mac_number(6);

// Of each family, IPv4 first.
using PerFamily = std::array<std::string_view, 2>;
struct Subnet {
  PerFamily node;   // the node's address on this link
  PerFamily other;  // the other end's
};
constexpr Subnet client_link{{"192.168.73.1", "2001:db8:73:1::1"}, {"192.168.73.2", "2001:db8:73:1::2"}};
constexpr Subnet backend_link{{"192.168.74.1", "2001:db8:73:2::1"}, {"192.168.74.2", "2001:db8:73:2::2"}};
// Past the node: its first end is the clients'.
constexpr Subnet return_link{{"192.168.75.1", "2001:db8:73:6::1"}, {"192.168.75.2", "2001:db8:73:6::2"}};
constexpr std::array<unsigned, 2> link_lengths{24, 64};
// Those of pods in namespaces of their own: the first one's number, of 16 in a row.
constexpr unsigned first_pod_link = 80;
constexpr std::array<unsigned, 2> host_lengths{32, 128};

// Where the world's addresses come from. Pods and endpoints lie in the cluster's CIDR (configuration.h),
// others not.
struct Range {
  PerFamily first;
  std::array<unsigned, 2> length;
};
constexpr Range pods{{"10.73.0.0", "fd73:7663:c::"}, {24, 64}};
constexpr Range outsiders{{"203.0.113.0", "2001:db8:73:3::"}, {24, 64}};
constexpr Range endpoints{{"10.73.128.0", "fd73:7663:e::"}, {17, 64}};
constexpr Range cluster_ips{{"198.18.0.0", "2001:db8:73:4::"}, {16, 64}};
constexpr Range external_ips{{"198.19.0.0", "2001:db8:73:5::"}, {16, 64}};
constexpr std::array ranges{pods, outsiders, endpoints, cluster_ips, external_ips};
constexpr std::array links{client_link, backend_link, return_link};

constexpr std::uint16_t first_node_port = 30'000;
// Clients' ports: below those that the kernel gives to others (32768 and more), above servers'. A prime
// number of them: an address meets the same port again after 16 * 19,997 flows.
constexpr std::uint32_t first_port = 10'000;
constexpr std::uint32_t ports = 19'997;

constexpr std::array families{Family::ipv4, Family::ipv6};

std::size_t index_of(Family family) { return static_cast<std::size_t>(family); }

Address parsed(const PerFamily& text, Family family) { return *Address::parse(text[index_of(family)]); }

Prefix prefix_of(const Range& range, Family family) {
  return {parsed(range.first, family), range.length[index_of(family)]};
}

// An address of the link of a pod that has a namespace of its own.
Address link_of_pod(std::uint32_t number, Family family, unsigned host) {
  const unsigned link = first_pod_link + number;
  return *Address::parse(family == Family::ipv4 ? fmt::format("192.168.{}.{}", link, host)
                                                : fmt::format("2001:db8:73:{:x}::{}", link, host));
}

Prefix everywhere(Family family) {
  Address any;
  any.family = family;
  return {any, 0};
}

// Address `number` of the range, 0 being the first that is not the network's own.
Address nth(const Range& range, Family family, std::uint32_t number) {
  return parsed(range.first, family).plus(number + 1);
}

bool lies_in(const Address& address, const Prefix& prefix) {
  if (address.family != prefix.address.family) {
    return false;
  }
  for (unsigned bit = 0; bit < prefix.length; ++bit) {
    const unsigned mask = 0x80U >> bit % 8;
    if (((address.bytes[bit / 8] ^ prefix.address.bytes[bit / 8]) & mask) != 0) {
      return false;
    }
  }
  return true;
}

Prefix host(const Address& address) { return {address, host_lengths[index_of(address.family)]}; }

// A new namespace has the host's IPv4 settings, whatever they are. No distribution's choice is a plane's
// doing: reverse path filtering, and how many ICMP errors a second a host sends.
Status settle(bool forwards, const std::vector<std::string>& devices) {
  const std::string_view forwarding = forwards ? "1" : "0";
  SVCB_CHECK(write_sysctl("net/ipv4/ip_forward", forwarding));
  SVCB_CHECK(write_sysctl("net/ipv6/conf/all/forwarding", forwarding));
  SVCB_CHECK(write_sysctl("net/ipv4/icmp_ratelimit", "0"));
  SVCB_CHECK(write_sysctl("net/ipv6/icmp/ratelimit", "0"));
  SVCB_CHECK(write_sysctl("net/ipv6/ip_nonlocal_bind", "1"));
  std::vector<std::string> all = devices;
  all.emplace_back("all");
  for (const std::string& device : all) {
    for (const std::string_view setting : {"rp_filter", "send_redirects", "accept_redirects"}) {
      SVCB_CHECK(write_sysctl(fmt::format("net/ipv4/conf/{}/{}", device, setting), "0"));
    }
    SVCB_CHECK(write_sysctl(fmt::format("net/ipv6/conf/{}/accept_redirects", device), "0"));
  }
  return {};
}

// Nothing of this where the kernel tracks no connections.
Status shorten_conntrack() {
  const auto set = [](std::string_view name, std::string_view seconds) -> Status {
    const std::string path = fmt::format("net/netfilter/nf_conntrack_{}", name);
    return read_sysctl(path) ? write_sysctl(path, seconds) : Status();
  };
  const std::string brief = std::to_string(brief_life_seconds);
  for (const std::string_view ends :
       {"udp_timeout", "udp_timeout_stream", "tcp_timeout_fin_wait", "tcp_timeout_last_ack",
        "tcp_timeout_time_wait", "tcp_timeout_close"}) {
    SVCB_CHECK(set(ends, brief));
  }
  return set("tcp_timeout_close_wait", "3600");  // kube-proxy's: a half-closed connection is none that ends
}

// One end of a link, and the way to the other.
Status add_end(RouteSocket& route, unsigned device, const PerFamily& own, const PerFamily& other,
               const MacAddress& other_mac) {
  for (const Family family : families) {
    SVCB_CHECK(route.add_address(device, {parsed(own, family), link_lengths[index_of(family)]}));
    SVCB_CHECK(route.add_neighbour(device, parsed(other, family), other_mac));
  }
  return {};
}

// One more address of the namespace. A new IPv6 address is reached only once a worker of the kernel has
// seen to it, later on a busy machine; a local route to it is there at once (and sockets may be bound to
// it, see settle()).
Status add_own(RouteSocket& route, unsigned loopback, const Address& address) {
  return address.family == Family::ipv4 ? route.add_address(loopback, host(address))
                                        : route.add_local_route(loopback, host(address));
}

// Whether the namespace that the calling thread is in has a local route to this IPv6 address.
bool is_reached_at(const Address& address) {
  constexpr unsigned long local = 0x80000000;  // RTF_LOCAL
  std::string hex;
  for (const std::uint8_t byte : address.bytes) {
    hex += fmt::format("{:02x}", byte);
  }
  std::ifstream routes("/proc/thread-self/net/ipv6_route");
  for (std::string line; std::getline(routes, line);) {
    // Destination, length, source, length, gateway, metric, references, uses, flags, device.
    std::istringstream words(line);
    std::array<std::string, 9> fields;
    for (std::string& field : fields) {
      words >> field;
    }
    if (fields[0] == hex && fields[1] == "80" && (std::stoul(fields[8], nullptr, 16) & local) != 0) {
      return true;
    }
  }
  return false;
}

// What an XDP program at the other end of the veth needs of this one. Only a device that is up tells its
// peer that frames may be redirected to it.
Status hand_over_whole_frames(const std::string& device) {
  SVCB_CHECK(leave_checksums_to_device(device, false));
  SVCB_CHECK(coalesce_received(device, true));
  return pass_all_frames(device);
}

}  // namespace

Result<std::unique_ptr<World>> World::create(Works plane, Delivery delivery, Lives lives) {
  const bool whole_frames = plane == Works::on_frames;
  SVCB_TAKE(client, NetNamespace::create());
  SVCB_TAKE(node, NetNamespace::create());
  SVCB_TAKE(backend, NetNamespace::create());
  std::unique_ptr<World> world(new World(std::move(client), std::move(node), std::move(backend)));
  SVCB_CHECK(world->connect());
  SVCB_CHECK(world->configure_clients(whole_frames));
  SVCB_CHECK(world->configure_node());
  if (lives == Lives::brief) {
    SVCB_TAKE(inside, world->node_.enter());
    SVCB_CHECK(shorten_conntrack());
  }
  SVCB_CHECK(world->configure_backends(whole_frames));
  if (delivery == Delivery::wrapped) {
    SVCB_CHECK(world->add_way_past_node());
  }
  if (plane == Works::at_sockets) {
    SVCB_TAKE(cgroup, Cgroup::create());
    world->cgroup_.emplace(std::move(cgroup));
    SVCB_TAKE(inside, world->cgroup_->enter());
    world->inside_.emplace(std::move(inside));
    for (std::uint32_t number = 0; number < clients_of_a_kind; ++number) {
      SVCB_CHECK(world->add_pod(number));
    }
  }
  SVCB_CHECK(world->wait_for_links());
  SVCB_TAKE(backends, Backends::start(world->backend_));
  world->backends_ = std::move(backends);
  return world;
}

Status World::connect() {
  SVCB_TAKE(inside, node_.enter());
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.add_veth({"vn", vn_mac, &node_}, {"vc", vc_mac, &client_}));
  return route.add_veth({"vo", vo_mac, &node_}, {"vb", vb_mac, &backend_});
}

Status World::configure_clients(bool whole_frames) {
  SVCB_TAKE(inside, client_.enter());
  SVCB_CHECK(settle(false, {"vc"}));
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vc"));
  if (whole_frames) {
    SVCB_CHECK(hand_over_whole_frames("vc"));
  }
  SVCB_TAKE(device, route.index_of("vc"));
  SVCB_CHECK(add_end(route, device, client_link.other, client_link.node, vn_mac));
  SVCB_TAKE(loopback, route.index_of("lo"));
  for (const Family family : families) {
    SVCB_CHECK(route.add_route(device, everywhere(family), parsed(client_link.node, family)));
    for (std::uint32_t i = 0; i < clients_of_a_kind; ++i) {
      SVCB_CHECK(add_own(route, loopback, nth(pods, family, i)));
      SVCB_CHECK(add_own(route, loopback, nth(outsiders, family, i)));
    }
  }
  return {};
}

Status World::configure_node() {
  SVCB_TAKE(inside, node_.enter());
  SVCB_CHECK(settle(true, {"vn", "vo"}));
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vn"));
  SVCB_CHECK(route.bring_up("vo"));
  SVCB_TAKE(ingress, route.index_of("vn"));
  SVCB_TAKE(egress, route.index_of("vo"));
  ingress_ = ingress;
  egress_ = egress;
  SVCB_CHECK(add_end(route, ingress, client_link.node, client_link.other, vc_mac));
  SVCB_CHECK(add_end(route, egress, backend_link.node, backend_link.other, vb_mac));
  for (const Family family : families) {
    const Address to_clients = parsed(client_link.other, family);
    SVCB_CHECK(route.add_route(ingress, prefix_of(pods, family), to_clients));
    SVCB_CHECK(route.add_route(ingress, prefix_of(outsiders, family), to_clients));
    SVCB_CHECK(route.add_route(egress, everywhere(family), parsed(backend_link.other, family)));
  }
  return {};
}

Status World::configure_backends(bool whole_frames) {
  SVCB_TAKE(inside, backend_.enter());
  SVCB_CHECK(settle(false, {"vb"}));
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vb"));
  if (whole_frames) {
    SVCB_CHECK(hand_over_whole_frames("vb"));
  }
  SVCB_TAKE(device, route.index_of("vb"));
  SVCB_TAKE(loopback, route.index_of("lo"));
  SVCB_CHECK(add_end(route, device, backend_link.other, backend_link.node, vo_mac));
  for (const Family family : families) {
    SVCB_CHECK(route.add_route(device, everywhere(family), parsed(backend_link.node, family)));
  }
  backend_loopback_ = loopback;
  backend_route_.emplace(std::move(route));
  return {};
}

Status World::add_way_past_node() {
  {
    SVCB_TAKE(inside, client_.enter());
    SVCB_TAKE(route, RouteSocket::open());
    SVCB_CHECK(route.add_veth({"vr", vr_mac, &client_}, {"vd", vd_mac, &backend_}));
    SVCB_CHECK(settle(false, {"vr"}));
    SVCB_CHECK(route.bring_up("vr"));
    SVCB_TAKE(device, route.index_of("vr"));
    SVCB_CHECK(add_end(route, device, return_link.node, return_link.other, vd_mac));
  }
  SVCB_TAKE(inside, backend_.enter());
  SVCB_CHECK(settle(false, {"vd"}));
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("vd"));
  SVCB_TAKE(arrives, route.index_of("vb"));
  SVCB_TAKE(replies, route.index_of("vd"));
  SVCB_CHECK(add_end(route, replies, return_link.other, return_link.node, vr_mac));
  for (const Family family : families) {
    const Address to_clients = parsed(return_link.node, family);
    SVCB_CHECK(route.add_route(replies, prefix_of(pods, family), to_clients));
    SVCB_CHECK(route.add_route(replies, prefix_of(outsiders, family), to_clients));
  }
  SVCB_TAKE(direct_return, DirectReturn::attach(arrives, replies));
  direct_return_ = std::move(direct_return);
  return {};
}

Status World::add_pod(std::uint32_t number) {
  const auto end = [&](Family family, unsigned host) { return link_of_pod(number, family, host); };
  const std::string device = fmt::format("vp{}", number);
  const auto node_mac = mac_number(static_cast<std::uint8_t>(10 + 2 * number));
  const auto pod_mac = mac_number(static_cast<std::uint8_t>(11 + 2 * number));
  SVCB_TAKE(pod, NetNamespace::create());
  {
    SVCB_TAKE(inside, node_.enter());
    SVCB_TAKE(route, RouteSocket::open());
    SVCB_CHECK(route.add_veth({device, node_mac, &node_}, {"eth0", pod_mac, &pod}));
    SVCB_CHECK(settle(true, {device}));
    SVCB_CHECK(route.bring_up(device));
    SVCB_TAKE(index, route.index_of(device));
    for (const Family family : families) {
      SVCB_CHECK(route.add_address(index, {end(family, 1), link_lengths[index_of(family)]}));
      SVCB_CHECK(route.add_neighbour(index, end(family, 2), pod_mac));
      SVCB_CHECK(route.add_route(index, host(nth(pods, family, number)), end(family, 2)));
    }
  }
  SVCB_TAKE(inside, pod.enter());
  SVCB_CHECK(settle(false, {"eth0"}));
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("eth0"));
  SVCB_TAKE(index, route.index_of("eth0"));
  SVCB_TAKE(loopback, route.index_of("lo"));
  for (const Family family : families) {
    SVCB_CHECK(route.add_address(index, {end(family, 2), link_lengths[index_of(family)]}));
    SVCB_CHECK(route.add_neighbour(index, end(family, 1), node_mac));
    SVCB_CHECK(route.add_route(index, everywhere(family), end(family, 1)));
    SVCB_CHECK(add_own(route, loopback, nth(pods, family, number)));
  }
  pods_.push_back(std::move(pod));
  return {};
}

// What came up, or was added, is acted on by a worker of the kernel: later on a busy machine. It can only
// be looked at.
Status World::wait_for_links() const {
  const auto wait_for = [](const NetNamespace& place, const std::string& what, auto is_there) -> Status {
    SVCB_TAKE(inside, place.enter());
    SVCB_TAKE(route, RouteSocket::open());
    for (int tries = 0; tries < 5000; ++tries) {
      const Result<bool> there = is_there(route);
      SVCB_CHECK(there);
      if (*there) {
        return {};
      }
      const timespec moment{0, 1'000'000};
      nanosleep(&moment, nullptr);
    }
    return failure("verify: {} was brought up, but is not in use after 5 s", what);
  };
  const auto wait_for_link = [&](const NetNamespace& place, const std::string& name) {
    return wait_for(place, name, [&](RouteSocket& route) { return route.is_running(name); });
  };
  SVCB_CHECK(wait_for_link(client_, "vc"));
  SVCB_CHECK(wait_for_link(node_, "vn"));
  SVCB_CHECK(wait_for_link(node_, "vo"));
  SVCB_CHECK(wait_for_link(backend_, "vb"));
  if (direct_return_ != nullptr) {
    SVCB_CHECK(wait_for_link(client_, "vr"));
    SVCB_CHECK(wait_for_link(backend_, "vd"));
  }
  for (std::size_t number = 0; number < pods_.size(); ++number) {
    SVCB_CHECK(wait_for_link(node_, fmt::format("vp{}", number)));
    SVCB_CHECK(wait_for_link(pods_[number], "eth0"));
  }
  for (const Address& address : node_addresses(Family::ipv6)) {
    SVCB_CHECK(wait_for(node_, address.text(),
                        [&](RouteSocket&) { return Result<bool>(is_reached_at(address)); }));
  }
  return {};
}

PlaneConfiguration World::configuration() const {
  PlaneConfiguration configuration;
  configuration.ingress = ingress_;
  configuration.egress = egress_;
  configuration.endpoints_are_here = true;  // behind `vo`, as a node's own pods are
  configuration.cgroup = cgroup_ ? cgroup_->path() : "";
  // Each of the node's addresses is dialled; by default kube-proxy's nftables mode serves the first alone.
  configuration.kube_proxy.node_port_addresses = {"0.0.0.0/0", "::/0"};
  for (const Family family : families) {
    const auto own = node_addresses(family);
    configuration.node_addresses.insert(configuration.node_addresses.end(), own.begin(), own.end());
  }
  return configuration;
}

std::vector<Address> World::node_addresses(Family family) const {
  return {parsed(client_link.node, family), parsed(backend_link.node, family)};
}

const NetNamespace& World::place_of(const Address& client) const {
  for (std::uint32_t number = 0; number < pods_.size(); ++number) {
    if (client == nth(pods, client.family, number)) {
      return pods_[number];
    }
  }
  return client_;
}

Status World::tell_backends(const Service& service) {
  if (direct_return_ == nullptr) {
    return {};
  }
  if (service.kind != FrontendKind::node_port) {
    return direct_return_->tell(service.frontend, service.endpoints);
  }
  for (const Address& node : node_addresses(service.frontend.address.family)) {
    Frontend dialled = service.frontend;
    dialled.address = node;
    SVCB_CHECK(direct_return_->tell(dialled, service.endpoints));
  }
  return {};
}

Status World::own(const Address& address) {
  if (!owned_.insert(address).second) {
    return {};
  }
  return add_own(*backend_route_, backend_loopback_, address);
}

Status World::narrow(const Address& address, std::uint32_t mtu) {
  SVCB_TAKE(inside, node_.enter());
  SVCB_TAKE(route, RouteSocket::open());
  return route.add_route(egress_, host(address), parsed(backend_link.other, address.family), mtu);
}

Endpoint World::client(Who who, Family family) {
  return client(who, family, next_client_++ % clients_of_a_kind);
}

Endpoint World::client(Who who, Family family, std::size_t number) {
  const Range& range = who == Who::pod ? pods : outsiders;
  return {nth(range, family, static_cast<std::uint32_t>(number)), next_port()};
}

std::uint16_t World::next_port() { return static_cast<std::uint16_t>(first_port + flows_++ % ports); }

Address World::new_endpoint_address(Family family) { return nth(endpoints, family, endpoints_++); }
Address World::new_cluster_ip(Family family) { return nth(cluster_ips, family, cluster_ips_++); }
Address World::new_external_ip(Family family) { return nth(external_ips, family, external_ips_++); }
std::uint16_t World::new_node_port() {
  return static_cast<std::uint16_t>(first_node_port + node_ports_++ % 2'700);
}

bool World::is_taken(const Address& address) {
  const auto holds = [&](const Range& range) { return lies_in(address, prefix_of(range, address.family)); };
  const auto meets = [&](const Subnet& link) {
    return lies_in(address, {parsed(link.node, address.family), link_lengths[index_of(address.family)]});
  };
  // 192.168.80.0/20, 2001:db8:73:50::/60
  const auto pods_link = link_of_pod(0, address.family, 0);
  return std::any_of(ranges.begin(), ranges.end(), holds) ||
         std::any_of(links.begin(), links.end(), meets) ||
         lies_in(address, {pods_link, link_lengths[index_of(address.family)] - 4});
}

}  // namespace svcbench::verify
