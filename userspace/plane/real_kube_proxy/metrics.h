// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kube-proxy itself accounts of its syncs: its metrics, by HTTP on loopback.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench::kubernetes {

// kubeproxy_sync_proxy_rules_duration_seconds, of all families together, since the process began.
struct SyncAccount {
  double seconds = 0;
  std::uint64_t syncs = 0;
};

// Of the text of Prometheus' format; none: the metric is not in it, or is no number. Pure.
[[nodiscard]] std::optional<SyncAccount> sync_account(std::string_view metrics);

// GET /metrics of 127.0.0.1, in this network namespace. Error: nobody answers there within `patience_ns`,
// or with something else than that.
[[nodiscard]] Result<std::string> fetch_metrics(std::uint16_t port, std::int64_t patience_ns);

}  // namespace svcbench::kubernetes
