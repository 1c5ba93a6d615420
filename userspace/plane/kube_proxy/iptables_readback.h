// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Services, read back from what iptables-save prints of kube-proxy's rules. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

struct SavedRules {
  std::size_t nat = 0;     // -A lines, jumps from the kernel's chains included
  std::size_t filter = 0;  //
  // In the order of the nat table's KUBE-SERVICES, then of its KUBE-NODEPORTS, then the filter table's
  // KUBE-SERVICES and KUBE-EXTERNAL-SERVICES, which have those without endpoints. What of them rules do not
  // show is as readable() has it; an external frontend without endpoints is an external IP.
  std::vector<Service> services;
};

// Follows every frontend to its endpoints. An Error names the chain where the rules are not what
// iptables_rules.h writes: an option that it does not use, a chain whose name is not the hash of what it
// stands for (an endpoint that was changed, for one), a probability that is not 1/(n-i) to within the
// kernel's 2^-31, a masquerade mark that is missing. Comments of KUBE-SEP chains and of the jumps there may
// be missing.
[[nodiscard]] Result<SavedRules> parse_saved(std::string_view nat, std::string_view filter, Family family);

// Takes the next word off a line of iptables-save, without its quotes. kube-proxy's words hold no escaped
// characters.
std::string_view take_saved_word(std::string_view& line);

}  // namespace svcbench::kube_proxy
