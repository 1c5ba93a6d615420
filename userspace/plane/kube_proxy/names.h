// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The names that kube-proxy gives to chains: hashes of the services and endpoints that they stand for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "service/service.h"

namespace svcbench::kube_proxy {

// The first `length` (1 to 51) characters of base32(sha256(text)), RFC 4648's upper-case alphabet. Pure.
[[nodiscard]] std::string hashed(std::string_view text, std::size_t length);

// "tcp", "udp", "sctp".
[[nodiscard]] std::string_view lower_case(Protocol protocol);

// namespace/name[:port name], taken apart. A name without a slash is all `name`.
struct ServiceName {
  std::string_view name_space;
  std::string_view name;
  std::string_view port;  // empty where the only port has no name
};
[[nodiscard]] ServiceName split(std::string_view service_name);

// iptables mode, 16 characters after the prefix. For kube-system/kube-dns:dns by UDP it is
// KUBE-SVC-TCOU7JCQXEZGVUNU. Prefixes: KUBE-SVC-, KUBE-EXT-, KUBE-SVL-, KUBE-FW-.
[[nodiscard]] std::string service_chain(std::string_view prefix, const Service& service);
// KUBE-SEP-, of the service and the endpoint.
[[nodiscard]] std::string endpoint_chain(const Service& service, const Endpoint& endpoint);

}  // namespace svcbench::kube_proxy
