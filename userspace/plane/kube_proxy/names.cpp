// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/names.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cstdint>

#include "sys/sha256.h"

namespace svcbench::kube_proxy {

namespace {

constexpr std::size_t chain_id_size = 16;

}  // namespace

std::string hashed(std::string_view text, std::size_t length) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  assert(length * 5 <= SHA256_DIGEST_SIZE * 8);
  const auto digest = sha256(text);

  std::string name;
  name.reserve(length);
  unsigned bits = 0;
  unsigned count = 0;
  std::size_t next = 0;
  while (name.size() < length) {
    if (count < 5) {
      bits = (bits << 8 | digest[next++]) & 0xFFFF;
      count += 8;
    }
    count -= 5;
    name += alphabet[bits >> count & 31];
  }
  return name;
}

std::string_view lower_case(Protocol protocol) {
  return protocol == Protocol::tcp ? "tcp" : protocol == Protocol::udp ? "udp" : "sctp";
}

ServiceName split(std::string_view service_name) {
  ServiceName parts;
  const std::size_t slash = service_name.find('/');
  if (slash != std::string_view::npos) {
    parts.name_space = service_name.substr(0, slash);
    service_name.remove_prefix(slash + 1);
  }
  const std::size_t colon = service_name.find(':');
  parts.name = service_name.substr(0, colon);
  if (colon != std::string_view::npos) {
    parts.port = service_name.substr(colon + 1);
  }
  return parts;
}

std::string service_chain(std::string_view prefix, const Service& service) {
  return std::string(prefix) +
         hashed(fmt::format("{}{}", service.name, lower_case(service.frontend.protocol)), chain_id_size);
}

std::string endpoint_chain(const Service& service, const Endpoint& endpoint) {
  return "KUBE-SEP-" +
         hashed(fmt::format("{}{}{}", service.name, lower_case(service.frontend.protocol), endpoint.text()),
                chain_id_size);
}

}  // namespace svcbench::kube_proxy
