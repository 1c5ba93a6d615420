// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace svcbench {

int domain_of(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }

SocketAddress socket_address(const Endpoint& endpoint) {
  SocketAddress result;
  if (endpoint.address.family == Family::ipv4) {
    auto& in = reinterpret_cast<sockaddr_in&>(result.storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.bytes.data(), sizeof in.sin_addr);
    result.size = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(result.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    std::memcpy(&in.sin6_addr, endpoint.address.bytes.data(), sizeof in.sin6_addr);
    result.size = sizeof in;
  }
  return result;
}

Endpoint endpoint_of(const SocketAddress& address) {
  Endpoint result;
  if (address.storage.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address.storage);
    result.address.family = Family::ipv6;
    std::memcpy(result.address.bytes.data(), &in.sin6_addr, sizeof in.sin6_addr);
    result.port = ntohs(in.sin6_port);
  } else {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    std::memcpy(result.address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
    result.port = ntohs(in.sin_port);
  }
  return result;
}

}  // namespace svcbench
