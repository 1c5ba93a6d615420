// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/service.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "service/text.h"
#include "svcbench/abi.h"

namespace svcbench {

std::string_view to_string(Family family) { return family == Family::ipv4 ? "IPv4" : "IPv6"; }

std::string_view to_string(Protocol protocol) {
  return protocol == Protocol::tcp ? "TCP" : protocol == Protocol::udp ? "UDP" : "SCTP";
}

std::string_view to_string(FrontendKind kind) {
  switch (kind) {
    case FrontendKind::cluster_ip:
      return "ClusterIP";
    case FrontendKind::node_port:
      return "NodePort";
    case FrontendKind::external_ip:
      return "ExternalIP";
    case FrontendKind::load_balancer:
      break;
  }
  return "LoadBalancer";
}

std::string_view to_string(Operation operation) {
  switch (operation) {
    case Operation::change_endpoints:
      return "change endpoints";
    case Operation::add_service:
      return "add service";
    case Operation::remove_service:
      return "remove service";
  }
  return "unknown operation";
}

std::string printable(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string result;
  for (const char c : text.substr(0, longest)) {
    if (c >= ' ' && c <= '~') {
      result += c;
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text.size() > longest ? result + "..." : result;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
  const std::size_t end = text.find_last_not_of(blanks);
  return text.substr(begin, end == std::string_view::npos ? 0 : end + 1 - begin);
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t from_end = 3; from_end < digits.size(); from_end += 4) {
    digits.insert(digits.size() - from_end, 1, ',');
  }
  return digits;
}

Result<Address> Address::parse(std::string_view text) {
  // inet_pton reads up to a NUL: a text that is longer, or has one inside, would pass for its beginning.
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() < terminated.size() && text.find('\0') == std::string_view::npos) {
    std::copy(text.begin(), text.end(), terminated.begin());
    Address address;
    if (inet_pton(AF_INET, terminated.data(), address.bytes.data()) == 1) {
      return address;
    }
    address = {.bytes = {}, .family = Family::ipv6};
    if (inet_pton(AF_INET6, terminated.data(), address.bytes.data()) == 1) {
      return address;
    }
  }
  return usage_error("\"{}\" is neither an IPv4 nor an IPv6 address", printable(text));
}

Address Address::from_ipv4(std::uint32_t host_order) {
  Address address;
  for (std::size_t i = 0; i < 4; ++i) {
    address.bytes[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return address;
}

Address Address::from_ipv6(std::uint64_t high, std::uint64_t low) {
  Address address{.bytes = {}, .family = Family::ipv6};
  for (std::size_t i = 0; i < 8; ++i) {
    address.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    address.bytes[i + 8] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return address;
}

Address Address::plus(std::uint32_t count) const {
  Address result = *this;
  std::uint8_t* last = result.bytes.data() + (family == Family::ipv4 ? 0 : 12);
  std::uint32_t word = 0;
  std::memcpy(&word, last, sizeof word);
  word = htonl(ntohl(word) + count);
  std::memcpy(last, &word, sizeof word);
  return result;
}

std::string Address::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(family == Family::ipv4 ? AF_INET : AF_INET6, bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

bool Address::is_unspecified() const {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::string Endpoint::text() const {
  return address.family == Family::ipv4 ? fmt::format("{}:{}", address.text(), port)
                                        : fmt::format("[{}]:{}", address.text(), port);
}

std::string Frontend::text() const {
  return fmt::format("{}/{}", Endpoint{address, port}.text(), to_string(protocol));
}

namespace {

// The finalizer of SplitMix64: every bit of the input reaches every bit of the result.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * SVCB_MIX_2;
  value = (value ^ (value >> 27)) * SVCB_MIX_3;
  return value ^ (value >> 31);
}

}  // namespace
}  // namespace svcbench

std::size_t std::hash<svcbench::Frontend>::operator()(const svcbench::Frontend& frontend) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, frontend.address.bytes.data(), sizeof high);
  std::memcpy(&low, frontend.address.bytes.data() + sizeof high, sizeof low);
  const std::uint64_t rest = (std::uint64_t{frontend.port} << 16) |
                             (std::uint64_t{static_cast<std::uint8_t>(frontend.protocol)} << 8) |
                             static_cast<std::uint8_t>(frontend.address.family);
  // One after another, not summed: equal changes in two of the three must not cancel out.
  return svcbench::mix(svcbench::mix(svcbench::mix(high + SVCB_MIX_1) + low) + rest);
}
