// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The words of iptables rules: how they are written for iptables-restore, and read from iptables-save.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "service/service.h"
#include "service/text.h"
#include "sys/result.h"

namespace svcbench {

// What follows a chain's prefix, as kube-proxy has it: base32, 5 bits a character.
using ChainId = std::array<char, 16>;

// Text is appended to one string: a controller's generation step is part of what is timed, and must not be
// made slow here.
class RuleText {
 public:
  explicit RuleText(std::size_t expected_size) { text_.reserve(expected_size); }

  RuleText& operator<<(std::string_view text) {
    text_.append(text);
    return *this;
  }
  RuleText& operator<<(const ChainId& id) {
    text_.append(id.data(), id.size());
    return *this;
  }
  RuleText& operator<<(unsigned value) {
    std::array<char, 10> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
    return *this;
  }
  RuleText& operator<<(const Address& address) {
    if (address.family == Family::ipv6) {
      return *this << std::string_view(address.text());
    }
    for (std::size_t i = 0; i < 4; ++i) {
      *this << std::string_view(i == 0 ? "" : ".") << unsigned{address.bytes[i]};
    }
    return *this;
  }
  RuleText& operator<<(const Endpoint& endpoint) {
    const bool brackets = endpoint.address.family == Family::ipv6;
    return *this << (brackets ? "[" : "") << endpoint.address << (brackets ? "]:" : ":")
                 << unsigned{endpoint.port};
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// "80". Error: not a port; names the text.
[[nodiscard]] Result<std::uint16_t> parse_port(std::string_view text);

// "10.0.0.1:80" or "[fd00::1]:80", as DNAT has it. Error: neither; names the text.
[[nodiscard]] Result<Endpoint> parse_destination(std::string_view text);

}  // namespace svcbench
