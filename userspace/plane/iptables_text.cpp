// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/iptables_text.h"

#include <algorithm>

namespace svcbench {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return failure("the kernel's nat table has a rule with the port '{}', which svcbench did not write",
                   text);
  }
  return port;
}

Result<Endpoint> parse_destination(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return failure("the kernel's nat table translates to '{}', which svcbench did not write", text);
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  SVCB_TAKE(address, Address::parse(host));
  SVCB_TAKE(port, parse_port(text.substr(colon + 1)));
  return Endpoint{address, port};
}

}  // namespace svcbench
