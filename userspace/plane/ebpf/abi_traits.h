// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Between the types of service.h (host order) and those of abi.h (network order), for each family.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "service/service.h"
#include "svcbench/abi.h"

namespace svcbench {

struct Ipv4Abi {
  using Frontend = svcb_frontend4;
  using Backend = svcb_backend4;
  static constexpr Family family = Family::ipv4;
  static constexpr std::string_view services = "services4";
  static constexpr std::string_view backends = "backends4";
  static std::uint64_t tag(const Frontend& frontend) { return svcb_tag4(&frontend); }
  static std::uint32_t target(const Backend& cell) {
    Frontend at{};
    std::memcpy(&at.address, &cell.address, sizeof(at.address));
    at.port = cell.port;
    return svcb_target4(&at);
  }
  static bool precedes(const Backend& a, const Backend& b) { return svcb_precedes4(&a, &b) != 0; }
  // The cell that is no backend, before a service's terminating ones.
  static Backend number_cell(std::uint32_t cells) {
    Backend cell{};
    cell.address = cells;
    return cell;
  }
  static std::uint32_t number_of_cells(const Backend& cell) { return cell.address; }
  // For tables in user space, which take the low bits. The high bits of a product depend on all bits of its
  // factors, the low ones only on the low ones: so the bytes change places.
  static std::size_t hash(const Frontend& frontend) {
    const std::uint64_t mixed =
        (std::uint64_t{frontend.address} << 32 | std::uint64_t{frontend.port} << 16 | frontend.protocol) *
        SVCB_MIX_1;
    return __builtin_bswap64(mixed);
  }
};

struct Ipv6Abi {
  using Frontend = svcb_frontend6;
  using Backend = svcb_backend6;
  static constexpr Family family = Family::ipv6;
  static constexpr std::string_view services = "services6";
  static constexpr std::string_view backends = "backends6";
  static std::uint64_t tag(const Frontend& frontend) { return svcb_tag6(&frontend); }
  static std::uint32_t target(const Backend& cell) {
    Frontend at{};
    std::memcpy(&at.address, &cell.address, sizeof(at.address));
    at.port = cell.port;
    return svcb_target6(&at);
  }
  static bool precedes(const Backend& a, const Backend& b) { return svcb_precedes6(&a, &b) != 0; }
  // The cell that is no backend, before a service's terminating ones.
  static Backend number_cell(std::uint32_t cells) {
    Backend cell{};
    cell.address[0] = cells;
    return cell;
  }
  static std::uint32_t number_of_cells(const Backend& cell) { return cell.address[0]; }
  static std::size_t hash(const Frontend& frontend) {
    const std::uint64_t mixed =
        (std::uint64_t{frontend.address[0]} << 32 | frontend.address[1]) * SVCB_MIX_1 +
        (std::uint64_t{frontend.address[2]} << 32 | frontend.address[3]) * SVCB_MIX_2 +
        (std::uint64_t{frontend.port} << 16 | frontend.protocol) * SVCB_MIX_3;
    return __builtin_bswap64(mixed);
  }
};

template <typename Abi>
[[nodiscard]] typename Abi::Frontend to_abi(const Frontend& frontend) {
  typename Abi::Frontend out{};
  std::memcpy(&out.address, frontend.address.bytes.data(), sizeof(out.address));
  out.port = htons(frontend.port);
  out.protocol = static_cast<std::uint8_t>(frontend.protocol);
  return out;
}

template <typename Abi>
[[nodiscard]] typename Abi::Backend to_abi(const Endpoint& endpoint) {
  typename Abi::Backend out{};
  std::memcpy(&out.address, endpoint.address.bytes.data(), sizeof(out.address));
  out.port = htons(endpoint.port);
  return out;
}

template <typename Abi>
[[nodiscard]] Frontend from_abi(const typename Abi::Frontend& frontend) {
  Frontend out;
  out.address.family = Abi::family;
  std::memcpy(out.address.bytes.data(), &frontend.address, sizeof(frontend.address));
  out.port = ntohs(frontend.port);
  out.protocol = static_cast<Protocol>(frontend.protocol);
  return out;
}

template <typename Abi>
[[nodiscard]] Endpoint from_abi(const typename Abi::Backend& backend) {
  Endpoint out;
  out.address.family = Abi::family;
  std::memcpy(out.address.bytes.data(), &backend.address, sizeof(backend.address));
  out.port = ntohs(backend.port);
  return out;
}

}  // namespace svcbench
