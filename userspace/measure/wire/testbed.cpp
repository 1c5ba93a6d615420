// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/testbed.h"

#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <array>
#include <ctime>

#include "service/address_range.h"
#include "svcbench/wire_abi.h"
#include "sys/sysctl.h"
#include "wire.skel.h"

namespace svcbench {

namespace {

constexpr MacAddress mac_number(std::uint8_t number) { return {0x02, 's', 'v', 'c', 'b', number}; }

constexpr MacAddress vc_mac = mac_number(1);
constexpr MacAddress vn_mac = mac_number(2);
constexpr MacAddress vo_mac = mac_number(3);
constexpr MacAddress vb_mac = mac_number(4);

// The addresses of one link's two ends. Link-local on IPv4, so that no service or pod has them.
struct Subnet {
  std::string_view first;
  std::string_view second;
  unsigned length;
};
constexpr std::array<Subnet, 2> client_subnets{
    {{"169.254.73.1", "169.254.73.2", 30}, {"fd73:7663:6200:1::1", "fd73:7663:6200:1::2", 64}}};
constexpr std::array<Subnet, 2> backend_subnets{
    {{"169.254.73.5", "169.254.73.6", 30}, {"fd73:7663:6200:2::1", "fd73:7663:6200:2::2", 64}}};
constexpr std::array<std::string_view, 2> client_addresses{"10.64.0.0", "fd64::"};
constexpr std::array<unsigned, 2> client_lengths{12, 64};
constexpr std::array<std::string_view, 2> everywhere{"0.0.0.0", "::"};
constexpr std::array families{Family::ipv4, Family::ipv6};

Address address_of(std::string_view text) { return *Address::parse(text); }

std::size_t index_of(Family family) { return static_cast<std::size_t>(family); }

Prefix default_route(Family family) { return {address_of(everywhere[index_of(family)]), 0}; }

// This end's address, and the way to the other end.
Status add_end(RouteSocket& route, unsigned device, std::string_view own, std::string_view other,
               unsigned length, const MacAddress& other_mac) {
  SVCB_CHECK(route.add_address(device, {address_of(own), length}));
  return route.add_neighbour(device, address_of(other), other_mac);
}

Status attach_xdp(unsigned device, bpf_program* program) {
  const int error =
      bpf_xdp_attach(static_cast<int>(device), bpf_program__fd(program), XDP_FLAGS_DRV_MODE, nullptr);
  if (error != 0) {
    return failure("attach {} to a veth: {} (the wire needs native XDP on veth, kernel 4.19 or newer)",
                   bpf_program__name(program), std::strerror(-error));
  }
  return {};
}

}  // namespace

Prefix clients_of(Family family) {
  return {address_of(client_addresses[index_of(family)]), client_lengths[index_of(family)]};
}

const MacAddress& Testbed::egress_mac() { return vo_mac; }
const MacAddress& Testbed::backend_mac() { return vb_mac; }
const MacAddress& Testbed::client_mac() { return vc_mac; }
const MacAddress& Testbed::ingress_mac() { return vn_mac; }

std::vector<Address> Testbed::node_addresses() {
  return {address_of(backend_subnets[0].first), address_of(backend_subnets[1].first)};
}

Result<Testbed> Testbed::create(const wire_bpf& wire) {
  SVCB_TAKE(client, NetNamespace::create());
  SVCB_TAKE(node, NetNamespace::create());
  SVCB_TAKE(backend, NetNamespace::create());
  Testbed testbed(std::move(client), std::move(node), std::move(backend));
  SVCB_CHECK(testbed.connect());
  SVCB_CHECK(testbed.configure_client());
  SVCB_CHECK(testbed.configure_node());
  SVCB_CHECK(testbed.configure_backend());
  SVCB_CHECK(testbed.attach(wire));
  SVCB_CHECK(testbed.wait_for_links());
  return testbed;
}

Status Testbed::connect() {
  SVCB_TAKE(inside, node_.enter());
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.add_veth({"vn", vn_mac, &node_}, {"vc", vc_mac, &client_}));
  return route.add_veth({"vo", vo_mac, &node_}, {"vb", vb_mac, &backend_});
}

Status Testbed::configure_client() {
  SVCB_TAKE(inside, client_.enter());
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vc"));
  SVCB_TAKE(device, route.index_of("vc"));
  client_device_ = device;
  for (const Family family : families) {
    const Subnet& subnet = client_subnets[index_of(family)];
    SVCB_CHECK(add_end(route, device, subnet.second, subnet.first, subnet.length, vn_mac));
    SVCB_CHECK(route.add_address(device, {clients_of(family).address, bits_of(family)}));
    SVCB_CHECK(route.add_route(device, default_route(family), address_of(subnet.first)));
  }
  return {};
}

Status Testbed::configure_node() {
  SVCB_TAKE(inside, node_.enter());
  SVCB_CHECK(write_sysctl("net/ipv4/ip_forward", "1"));
  SVCB_CHECK(write_sysctl("net/ipv6/conf/all/forwarding", "1"));
  // Reverse path filtering is a distribution's choice and no plane's cost.
  for (const std::string_view device : {"all", "vn", "vo"}) {
    SVCB_CHECK(write_sysctl(fmt::format("net/ipv4/conf/{}/rp_filter", device), "0"));
  }
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vn"));
  SVCB_CHECK(route.bring_up("vo"));
  SVCB_TAKE(ingress, route.index_of("vn"));
  SVCB_TAKE(egress, route.index_of("vo"));
  ingress_ = ingress;
  egress_ = egress;
  for (const Family family : families) {
    const Subnet& clients = client_subnets[index_of(family)];
    const Subnet& backends = backend_subnets[index_of(family)];
    SVCB_CHECK(add_end(route, ingress, clients.first, clients.second, clients.length, vc_mac));
    SVCB_CHECK(add_end(route, egress, backends.first, backends.second, backends.length, vb_mac));
    SVCB_CHECK(route.add_route(ingress, clients_of(family), address_of(clients.second)));
    SVCB_CHECK(route.add_route(egress, default_route(family), address_of(backends.second)));
  }
  return {};
}

Status Testbed::configure_backend() {
  SVCB_TAKE(inside, backend_.enter());
  SVCB_TAKE(route, RouteSocket::open());
  SVCB_CHECK(route.bring_up("lo"));
  SVCB_CHECK(route.bring_up("vb"));
  SVCB_TAKE(device, route.index_of("vb"));
  SVCB_TAKE(loopback, route.index_of("lo"));
  backend_device_ = device;
  for (const Family family : families) {
    const Subnet& subnet = backend_subnets[index_of(family)];
    SVCB_CHECK(add_end(route, device, subnet.second, subnet.first, subnet.length, vo_mac));
    SVCB_CHECK(route.add_route(device, clients_of(family), address_of(subnet.first)));
    SVCB_CHECK(route.add_local_route(loopback, default_route(family)));
  }
  return {};
}

// A carrier that has come up is acted on by a worker of the kernel: later on a busy machine.
Status Testbed::wait_for_links() const {
  const auto wait_in = [](const NetNamespace& place, std::string_view name) -> Status {
    SVCB_TAKE(inside, place.enter());
    SVCB_TAKE(route, RouteSocket::open());
    for (int tries = 0; tries < 5000; ++tries) {
      SVCB_TAKE(running, route.is_running(std::string(name)));
      if (running) {
        return {};
      }
      const timespec moment{0, 1'000'000};
      nanosleep(&moment, nullptr);
    }
    return failure("the wire: the device {} is up, but cannot send after 5 s", name);
  };
  SVCB_CHECK(wait_in(client_, "vc"));
  SVCB_CHECK(wait_in(node_, "vn"));
  SVCB_CHECK(wait_in(node_, "vo"));
  return wait_in(backend_, "vb");
}

Status Testbed::attach(const wire_bpf& wire) const {
  {
    SVCB_TAKE(inside, client_.enter());
    SVCB_CHECK(attach_xdp(client_device_, wire.progs.wire_client));
  }
  {
    SVCB_TAKE(inside, node_.enter());
    SVCB_CHECK(attach_xdp(ingress_, wire.progs.wire_pass));
    SVCB_CHECK(attach_xdp(egress_, wire.progs.wire_pass));
  }
  SVCB_TAKE(inside, backend_.enter());
  return attach_xdp(backend_device_, wire.progs.wire_sink);
}

}  // namespace svcbench
