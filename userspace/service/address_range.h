// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A range of addresses as Kubernetes writes it: 10.96.0.0/12, fd00::/8.
#pragma once

#include <string>
#include <string_view>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

[[nodiscard]] constexpr unsigned bits_of(Family family) { return family == Family::ipv4 ? 32 : 128; }

// With its bits from `length` on zero.
[[nodiscard]] Address network_of(Address address, unsigned length);

// How many bits at the beginning two addresses of one family have in common.
[[nodiscard]] unsigned common_prefix(const Address& a, const Address& b);

struct AddressRange {
  Address first;        // its bits beyond `length` are zero
  unsigned length = 0;  // of the prefix

  // Its address is read as kubernetes_address() does; blanks around it are of no matter. Error: usage,
  // names the text.
  [[nodiscard]] static Result<AddressRange> parse(std::string_view text);

  [[nodiscard]] bool contains(const Address& address) const;  // one of another family: false
  [[nodiscard]] bool is_everything() const { return length == 0; }
  [[nodiscard]] std::string text() const;
};

}  // namespace svcbench
