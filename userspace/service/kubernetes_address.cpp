// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/kubernetes_address.h"

#include <algorithm>
#include <array>
#include <string>

#include "service/text.h"

namespace svcbench {
namespace {

// Each number of a dotted quad without its leading zeros.
std::string without_leading_zeros(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool more_digits = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
    if (!(at_start && text[i] == '0' && more_digits)) {
      out += text[i];
      at_start = text[i] == '.';
    }
  }
  return out;
}

constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

Result<Address> kubernetes_address(std::string_view text) {
  const std::string_view plain = trimmed(text);
  auto address = Address::parse(plain);
  if (!address && plain.find(':') == std::string_view::npos) {
    if (auto decimal = Address::parse(without_leading_zeros(plain))) {
      return decimal;
    }
  }
  if (address && address->family == Family::ipv6 &&
      std::equal(mapped.begin(), mapped.end(), address->bytes.begin())) {
    Address ipv4;
    std::copy(address->bytes.begin() + mapped.size(), address->bytes.end(), ipv4.bytes.begin());
    return ipv4;
  }
  return address;
}

}  // namespace svcbench
