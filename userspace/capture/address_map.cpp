// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/address_map.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "service/address_range.h"

namespace svcbench {

namespace {

// IANA's special-purpose address registries, as far as rules have them.
struct SpecialText {
  std::string_view address;
  unsigned length;
  unsigned kept;  // bits of its addresses that are left alone
};
constexpr std::array<SpecialText, 28> special_texts{{
    {"0.0.0.0", 8, 32},      {"10.0.0.0", 8, 8},          {"100.64.0.0", 10, 10},
    {"127.0.0.0", 8, 32},    {"169.254.0.0", 16, 16},     {"172.16.0.0", 12, 12},
    {"192.0.0.0", 24, 24},   {"192.0.2.0", 24, 24},       {"192.88.99.0", 24, 24},
    {"192.168.0.0", 16, 16}, {"198.18.0.0", 15, 15},      {"198.51.100.0", 24, 24},
    {"203.0.113.0", 24, 24}, {"224.0.0.0", 4, 4},         {"224.0.0.0", 24, 32},
    {"240.0.0.0", 4, 4},     {"255.255.255.255", 32, 32}, {"::", 127, 128},
    {"::ffff:0:0", 96, 96},  {"64:ff9b::", 96, 96},       {"2000::", 3, 3},
    {"2001::", 23, 23},      {"2001:db8::", 32, 32},      {"2002::", 16, 16},
    {"fc00::", 7, 8},        {"fe80::", 10, 64},          {"ff00::", 8, 16},
    {"ff02::", 120, 128},
}};

struct Special {
  Address first;
  unsigned length;
  unsigned kept;
};

const std::vector<Special>& specials() {
  static const std::vector<Special> all = [] {
    std::vector<Special> made;
    for (const SpecialText& text : special_texts) {
      made.push_back({Address::parse(text.address).value(), text.length, text.kept});
    }
    return made;
  }();
  return all;
}

// Whether the bit after these `length` is left alone: it tells a special range from what is beside it, or
// is one that the range keeps.
bool is_kept(const Address& address, unsigned length) {
  return std::any_of(specials().begin(), specials().end(), [&](const Special& special) {
    if (special.first.family != address.family) {
      return false;
    }
    const unsigned common = common_prefix(address, special.first);
    return length < special.length ? common >= length : common >= special.length && length < special.kept;
  });
}

}  // namespace

bool stays_as_it_is(const Address& address) {
  return std::any_of(specials().begin(), specials().end(), [&](const Special& special) {
    return special.first.family == address.family && special.kept == bits_of(address.family) &&
           common_prefix(address, special.first) >= special.length;
  });
}

AddressMap::AddressMap(const Key& key) { aes128_set_encrypt_key(&cipher_, key.data()); }

bool AddressMap::flips(const Address& prefix, unsigned length) const {
  std::array<std::uint8_t, AES_BLOCK_SIZE> block = network_of(prefix, length).bytes;
  // Two blocks: which prefix it is, and how long.
  aes128_encrypt(&cipher_, block.size(), block.data(), block.data());
  block[0] ^= static_cast<std::uint8_t>(length);
  block[1] ^= prefix.family == Family::ipv4 ? 4 : 6;
  aes128_encrypt(&cipher_, block.size(), block.data(), block.data());
  return (block[0] & 1) != 0;
}

Address AddressMap::of(const Address& address) {
  const auto [found, is_new] = known_.try_emplace(address, address);
  if (is_new) {
    Address& mapped = found->second;
    for (unsigned i = 0; i < bits_of(address.family); ++i) {
      if (!is_kept(address, i) && flips(address, i)) {
        mapped.bytes[i / 8] ^= static_cast<std::uint8_t>(0x80U >> i % 8);
      }
    }
  }
  return found->second;
}

Address AddressMap::of_network(const Address& address, unsigned length) {
  return network_of(of(address), length);
}

}  // namespace svcbench
