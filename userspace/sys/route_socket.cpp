// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/route_socket.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <utility>

#include "service/address_range.h"

namespace svcbench {

namespace {

// Owners of objects that libnl counts the references of.
template <auto put>
struct Put {
  template <typename T>
  void operator()(T* object) const {
    put(object);
  }
};
using LinkObject = std::unique_ptr<rtnl_link, Put<rtnl_link_put>>;
using AddressObject = std::unique_ptr<nl_addr, Put<nl_addr_put>>;
using InterfaceAddress = std::unique_ptr<rtnl_addr, Put<rtnl_addr_put>>;
using RouteObject = std::unique_ptr<rtnl_route, Put<rtnl_route_put>>;
using NeighbourObject = std::unique_ptr<rtnl_neigh, Put<rtnl_neigh_put>>;

int family_of(const Address& address) { return address.family == Family::ipv4 ? AF_INET : AF_INET6; }

AddressObject to_nl(const Prefix& prefix) {
  const std::size_t size = prefix.address.family == Family::ipv4 ? 4 : 16;
  AddressObject address(nl_addr_build(family_of(prefix.address), prefix.address.bytes.data(), size));
  nl_addr_set_prefixlen(address.get(), static_cast<int>(prefix.length));
  return address;
}

AddressObject to_nl(const Address& address) { return to_nl(Prefix{address, bits_of(address.family)}); }

AddressObject to_nl(const MacAddress& mac) {
  return AddressObject(nl_addr_build(AF_LLC, mac.data(), mac.size()));
}

// libnl's functions return a negative code of their own.
Status checked(int result, const std::string& what) {
  if (result < 0) {
    return failure("{}: {}{}", what, nl_geterror(result),
                   result == -NLE_PERM ? " (needs CAP_NET_ADMIN; run it with sudo)" : "");
  }
  return {};
}

}  // namespace

std::string Prefix::text() const { return fmt::format("{}/{}", address.text(), length); }

Result<RouteSocket> RouteSocket::open() {
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_ROUTE));
  return RouteSocket(std::move(socket));
}

Status RouteSocket::add_veth(const VethEnd& a, const VethEnd& b) {
  const LinkObject link(rtnl_link_veth_alloc());
  if (!link) {
    return failure("no memory for a veth pair");
  }
  const LinkObject peer(rtnl_link_veth_get_peer(link.get()));
  const auto describe = [](rtnl_link* object, const VethEnd& end) {
    rtnl_link_set_name(object, end.name.c_str());
    rtnl_link_set_addr(object, to_nl(end.mac).get());
    rtnl_link_set_ns_fd(object, end.place->fd());
  };
  describe(link.get(), a);
  describe(peer.get(), b);
  return checked(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
                 fmt::format("make the veth pair {}, {}", a.name, b.name));
}

Result<unsigned> RouteSocket::index_of(const std::string& name) {
  rtnl_link* found = nullptr;
  SVCB_CHECK(
      checked(rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found), "look for the device " + name));
  const LinkObject link(found);
  return static_cast<unsigned>(rtnl_link_get_ifindex(link.get()));
}

Status RouteSocket::bring_up(const std::string& name) {
  SVCB_TAKE(index, index_of(name));
  const LinkObject link(rtnl_link_alloc());
  const LinkObject change(rtnl_link_alloc());
  rtnl_link_set_ifindex(link.get(), static_cast<int>(index));
  rtnl_link_set_flags(change.get(), IFF_UP);
  return checked(rtnl_link_change(socket_.get(), link.get(), change.get(), 0), "bring up " + name);
}

Result<bool> RouteSocket::is_running(const std::string& name) {
  rtnl_link* found = nullptr;
  SVCB_CHECK(
      checked(rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found), "look for the device " + name));
  const LinkObject link(found);
  return (rtnl_link_get_flags(link.get()) & IFF_RUNNING) != 0;
}

Status RouteSocket::remove(const std::string& name) {
  SVCB_TAKE(index, index_of(name));
  const LinkObject link(rtnl_link_alloc());
  rtnl_link_set_ifindex(link.get(), static_cast<int>(index));
  return checked(rtnl_link_delete(socket_.get(), link.get()), "remove " + name);
}

Status RouteSocket::add_address(unsigned index, const Prefix& prefix) {
  const InterfaceAddress address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), static_cast<int>(index));
  rtnl_addr_set_local(address.get(), to_nl(prefix).get());
  if (prefix.address.family == Family::ipv6) {
    rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
  }
  return checked(rtnl_addr_add(socket_.get(), address.get(), NLM_F_CREATE),
                 "add the address " + prefix.text());
}

Status RouteSocket::add_route(unsigned index, const Prefix& to, const std::optional<Address>& gateway,
                              std::uint32_t mtu) {
  const RouteObject route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(to.address)));
  rtnl_route_set_dst(route.get(), to_nl(to).get());
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_scope(route.get(), gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  rtnl_nexthop* hop = rtnl_route_nh_alloc();  // the route owns it from rtnl_route_add_nexthop on
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(index));
  if (gateway) {
    rtnl_route_nh_set_gateway(hop, to_nl(*gateway).get());
  }
  rtnl_route_add_nexthop(route.get(), hop);
  if (mtu != 0) {
    // Packets that are forwarded heed it only where it is locked.
    rtnl_route_set_metric(route.get(), RTAX_MTU, mtu);
    rtnl_route_set_metric(route.get(), RTAX_LOCK, 1U << RTAX_MTU);
  }
  return checked(rtnl_route_add(socket_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "add the route to " + to.text());
}

Status RouteSocket::add_local_route(unsigned index, const Prefix& to) {
  const RouteObject route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(to.address)));
  rtnl_route_set_dst(route.get(), to_nl(to).get());
  // Not in the local table, which would go before every other route.
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_type(route.get(), RTN_LOCAL);
  rtnl_route_set_scope(route.get(), RT_SCOPE_HOST);
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(index));
  rtnl_route_add_nexthop(route.get(), hop);
  return checked(rtnl_route_add(socket_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "add the local route to " + to.text());
}

Status RouteSocket::add_neighbour(unsigned index, const Address& address, const MacAddress& mac) {
  const NeighbourObject neighbour(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(neighbour.get(), static_cast<int>(index));
  rtnl_neigh_set_dst(neighbour.get(), to_nl(address).get());
  rtnl_neigh_set_lladdr(neighbour.get(), to_nl(mac).get());
  rtnl_neigh_set_state(neighbour.get(), NUD_PERMANENT);
  return checked(rtnl_neigh_add(socket_.get(), neighbour.get(), NLM_F_CREATE),
                 "add the neighbour " + address.text());
}

Status bring_up_loopback() {
  SVCB_TAKE(route, RouteSocket::open());
  return route.bring_up("lo");
}

Result<NetNamespace> namespace_with_loopback() {
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  SVCB_CHECK(bring_up_loopback());
  return place;
}

}  // namespace svcbench
