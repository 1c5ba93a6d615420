// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Between the kernel's socket addresses and ours.
#pragma once

#include <sys/socket.h>

#include "service/service.h"

namespace svcbench {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);  // to be given to the kernel, which writes what it filled

  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[nodiscard]] int domain_of(Family family);  // AF_INET, AF_INET6
[[nodiscard]] SocketAddress socket_address(const Endpoint& endpoint);
// Of AF_INET or AF_INET6.
[[nodiscard]] Endpoint endpoint_of(const SocketAddress& address);

}  // namespace svcbench
