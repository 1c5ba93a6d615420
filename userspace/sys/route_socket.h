// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Links, addresses, routes and neighbours, through rtnetlink (libnl).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "service/service.h"
#include "sys/net_namespace.h"
#include "sys/netlink_socket.h"
#include "sys/result.h"

namespace svcbench {

using MacAddress = std::array<std::uint8_t, 6>;

struct Prefix {
  Address address;
  unsigned length = 0;  // bits

  [[nodiscard]] std::string text() const;  // 10.0.0.0/8
};

// One end of a veth pair, and the namespace that it is to live in.
struct VethEnd {
  std::string name;  // at most 15 characters
  MacAddress mac{};
  const NetNamespace* place = nullptr;
};

// Speaks to the network namespace that the calling thread was in when it was opened, wherever the thread
// goes.
class RouteSocket {
 public:
  static Result<RouteSocket> open();

  // Both ends, down. They go with either of the namespaces.
  Status add_veth(const VethEnd& a, const VethEnd& b);

  // The rest is about a device of this namespace.
  [[nodiscard]] Result<unsigned> index_of(const std::string& name);
  Status bring_up(const std::string& name);
  // Whether it can send: up, with a carrier, and the kernel has taken note of both (it does so in a worker
  // of its own; until then every packet is dropped).
  [[nodiscard]] Result<bool> is_running(const std::string& name);
  Status remove(const std::string& name);
  // IPv6 without duplicate address detection: usable at once.
  Status add_address(unsigned index, const Prefix& prefix);
  // By a gateway, or straight through the device. `mtu`, in bytes: what the way takes, whatever the device
  // does; 0: as much as the device.
  Status add_route(unsigned index, const Prefix& to, const std::optional<Address>& gateway,
                   std::uint32_t mtu = 0);
  // Every address of the prefix is the namespace's own (AnyIP); `index` is lo's.
  Status add_local_route(unsigned index, const Prefix& to);
  // Known for good: nothing is ever asked for.
  Status add_neighbour(unsigned index, const Address& address, const MacAddress& mac);

 private:
  explicit RouteSocket(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

// Of the calling thread's network namespace.
Status bring_up_loopback();

// A network namespace without devices, but with a loopback that is up: IPVS takes no real server where no
// address is local.
[[nodiscard]] Result<NetNamespace> namespace_with_loopback();

}  // namespace svcbench
