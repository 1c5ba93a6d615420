// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Addresses replaced so that what they have in common stays: two that share a prefix of n bits share one of
// n bits afterwards (Xu, Fan, Ammar, Moon: Prefix-preserving IP address anonymization, 2002).
#pragma once

#include <nettle/aes.h>

#include <array>
#include <cstdint>
#include <map>

#include "service/service.h"

namespace svcbench {

class AddressMap {
 public:
  using Key = std::array<std::uint8_t, 16>;  // random; without it nothing can be turned back

  explicit AddressMap(const Key& key);

  // Private, shared, link-local, multicast, documentation addresses stay in their ranges; loopback, the
  // unspecified address, broadcast and multicast groups of the link are left alone. Others stay outside.
  [[nodiscard]] Address of(const Address& address);
  // Of a network: the bits after the first `length`, zero before, are zero.
  [[nodiscard]] Address of_network(const Address& address, unsigned length);

 private:
  [[nodiscard]] bool flips(const Address& prefix, unsigned length) const;

  aes128_ctx cipher_{};
  std::map<Address, Address> known_{};
};

// Whether AddressMap leaves that address as it is, whatever the key.
[[nodiscard]] bool stays_as_it_is(const Address& address);

}  // namespace svcbench
