// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's virtual servers, by the generic netlink family IPVS (linux/ip_vs.h): what ipvsadm speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "service/service.h"
#include "sys/netlink_socket.h"
#include "sys/result.h"

namespace svcbench {

// Since the virtual server, or the destination, was made. `in` is towards the destinations. The kernel sums
// them up every two seconds: wait until they stand still.
struct IpvsStats {
  std::uint64_t connections = 0;
  std::uint64_t packets_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

struct IpvsService {
  Frontend frontend;
  std::string scheduler;
  std::uint32_t flags = 0;    // IP_VS_SVC_F_*; the kernel sets IP_VS_SVC_F_HASHED
  std::uint32_t timeout = 0;  // seconds that a client sticks to its destination; 0 without that flag
  IpvsStats stats;
};

// A real server, as the controllers call it.
struct IpvsDestination {
  Endpoint endpoint;
  std::uint32_t forwarding = 0;  // IP_VS_CONN_F_FWD_MASK's part of IP_VS_CONN_F_*; 0 is masquerading
  std::uint32_t weight = 1;      // 0: no new connections
  std::uint32_t active_connections = 0;
  std::uint32_t inactive_connections = 0;
  IpvsStats stats;
};

// Of the network namespace that it was opened in. Errors name the virtual server and what the kernel said.
class IpvsClient {
 public:
  // The kernel loads the module ip_vs for this, where there is one.
  static Result<IpvsClient> open();

  // All virtual servers and their destinations.
  Status flush();
  // How long a UDP connection is kept after its last packet, seconds; from the next packet of each on.
  Status set_udp_timeout(std::uint32_t seconds);

  // `persistence`: seconds that a client sticks to its destination; 0: it does not.
  Status add_service(const Frontend& frontend, const std::string& scheduler, std::uint32_t persistence = 0);
  // The scheduler and the persistence of a virtual server can change, nothing else.
  Status set_service(const Frontend& frontend, const std::string& scheduler, std::uint32_t persistence = 0);
  Status remove_service(const Frontend& frontend);
  [[nodiscard]] Result<std::optional<IpvsService>> service(const Frontend& frontend);
  // All of the namespace, in the kernel's order. A virtual server by firewall mark is an Error: nothing
  // here makes one.
  [[nodiscard]] Result<std::vector<IpvsService>> services();

  Status add_destination(const Frontend& frontend, const Endpoint& endpoint, std::uint32_t weight = 1);
  Status set_destination(const Frontend& frontend, const Endpoint& endpoint, std::uint32_t weight);
  Status remove_destination(const Frontend& frontend, const Endpoint& endpoint);
  // In the kernel's order; none if there is no such virtual server: the kernel does not tell these apart.
  [[nodiscard]] Result<std::vector<IpvsDestination>> destinations(const Frontend& frontend);

  // Netlink messages sent so far.
  [[nodiscard]] std::size_t requests() const { return socket_.messages_sent(); }

 private:
  IpvsClient(NetlinkSocket socket, int family) : socket_(std::move(socket)), family_(family) {}

  Status service_command(std::uint8_t command, const Frontend& frontend, const std::string& scheduler,
                         std::uint32_t persistence);
  Status destination_command(std::uint8_t command, const Frontend& frontend, const Endpoint& endpoint,
                             std::uint32_t weight);

  NetlinkSocket socket_;
  int family_;
};

}  // namespace svcbench
