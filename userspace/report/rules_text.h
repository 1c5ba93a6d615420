// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A kube-proxy's rules beside svcbench's, for a person: how many are equal, and some twenty that are not.
#pragma once

#include <string>

#include "verify/kube_proxy_rules.h"

namespace svcbench {

[[nodiscard]] std::string render_rules(const verify::KubeProxyRules& rules);

}  // namespace svcbench
