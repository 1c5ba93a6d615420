// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// An address as objects of a cluster have it.
#pragma once

#include <string_view>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// Address::parse(), and what API servers have let pass: blanks around it, leading zeros, which are decimal
// there (10.96.011.012 is 10.96.11.12), and an IPv4 address as IPv6's ::ffff:10.9.0.1. Error: usage, names
// the text.
[[nodiscard]] Result<Address> kubernetes_address(std::string_view text);

}  // namespace svcbench
