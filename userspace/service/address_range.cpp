// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/address_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "service/kubernetes_address.h"
#include "service/text.h"

namespace svcbench {

Address network_of(Address address, unsigned length) {
  for (unsigned byte = 0; byte < address.bytes.size(); ++byte) {
    const unsigned kept = std::min(8U, length - std::min(length, 8 * byte));
    address.bytes[byte] &= static_cast<std::uint8_t>(0xFF00U >> kept);
  }
  return address;
}

unsigned common_prefix(const Address& a, const Address& b) {
  unsigned bits = 0;
  for (std::size_t i = 0; i < a.bytes.size(); ++i) {
    const auto differs = static_cast<std::uint8_t>(a.bytes[i] ^ b.bytes[i]);
    bits += static_cast<unsigned>(std::countl_zero(differs));
    if (differs != 0) {
      break;
    }
  }
  return std::min(bits, bits_of(a.family));
}

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const std::string_view range = trimmed(text);
  const std::size_t slash = range.find('/');
  const auto address = kubernetes_address(range.substr(0, slash));
  const std::string_view tail = slash == std::string_view::npos ? "" : range.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), length);
  if (!address || error != std::errc() || end != tail.data() + tail.size() ||
      length > bits_of(address->family)) {
    return usage_error("\"{}\" is not a range of addresses such as 10.244.0.0/16", printable(text));
  }
  return AddressRange{network_of(*address, length), length};
}

bool AddressRange::contains(const Address& address) const {
  return address.family == first.family && network_of(address, length) == first;
}

std::string AddressRange::text() const { return fmt::format("{}/{}", first.text(), length); }

}  // namespace svcbench
