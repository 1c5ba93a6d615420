// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A range of addresses as Kubernetes writes it: 10.96.0.0/12, fd00::/8.
#pragma once

#include <string>
#include <string_view>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

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
