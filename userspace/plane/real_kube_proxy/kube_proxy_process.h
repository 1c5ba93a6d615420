// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A kube-proxy binary of the user's, running in this network namespace against an API server of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plane/configuration.h"
#include "sys/lasting_process.h"
#include "sys/result.h"

namespace svcbench::kubernetes {

// "v1.30.5" of the line that `kube-proxy --version` prints; "": it is none. Pure.
[[nodiscard]] std::string version_said(std::string_view line);

// What the binary at that path says of itself. Error, for a sentence that begins with its name: it cannot
// be started, ends or goes on without a version of Kubernetes, or svcbench was interrupted.
[[nodiscard]] Result<std::string> version_of_binary(const std::string& path, std::int64_t patience_ns);

// A sync that kube-proxy said that it completed.
struct CompletedSync {
  std::int64_t end_ns = 0;      // CLOCK_MONOTONIC: when its word came
  std::int64_t elapsed_ns = 0;  // as it says
  // Of which family's rules; none: it does not say (before 1.31).
  std::optional<Family> family{};
};

// "1m2.5s", "44.5ms", "350µs" in ns, as Go prints durations. Pure.
[[nodiscard]] std::optional<std::int64_t> go_duration_ns(std::string_view text);

// The completed sync that a log line tells of, but for its end, in either form that versions have:
// `"SyncProxyRules complete" ipFamily="IPv4" elapsed="44.5ms"`, "syncProxyRules took 44.5ms". Pure.
[[nodiscard]] std::optional<CompletedSync> completed_sync(std::string_view line);

// Where it serves its metrics: kube-proxy's own port, in a network namespace that is its own.
inline constexpr std::uint16_t metrics_port = 10249;

// The configuration file (kubeproxy.config.k8s.io/v1alpha1) for a mode: "iptables", "nftables", "ipvs". No
// resync by itself, no listener but for metrics on loopback, and the host's conntrack settings are left
// alone. Pure.
[[nodiscard]] std::string configuration_text(std::string_view mode, std::string_view node,
                                             const PlaneConfiguration& configuration);

class KubeProxyProcess {
 public:
  // Of `configuration` kube_proxy.binary, and what is kube-proxy's. `server_port`: of the ApiServer.
  [[nodiscard]] static Result<KubeProxyProcess> start(std::string_view mode, std::string_view node,
                                                      std::uint16_t server_port,
                                                      const PlaneConfiguration& configuration);

  // The first sync of that family (none: of any), as far as it says, that began at `since_ns`
  // (CLOCK_MONOTONIC) or later and was completed within `timeout_ns`; none: there was none. Error: it
  // ended, or svcbench was interrupted.
  [[nodiscard]] Result<std::optional<CompletedSync>> next_sync(std::optional<Family> family,
                                                               std::int64_t since_ns,
                                                               std::int64_t timeout_ns);

  [[nodiscard]] std::string last_words() const { return process_.last_words(); }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] Result<ProcessTimes> times() const { return process_.times(); }
  // The most bytes that were resident at one time in it and in the tools that it ran, as far as was seen:
  // it alone at its peak, or all of them at one of the looks that next_sync() takes while it waits, one
  // each 10 ms in which nothing is said. Error: it ended, or the kernel does not list its children.
  [[nodiscard]] Result<std::size_t> peak_bytes() const;

 private:
  explicit KubeProxyProcess(LastingProcess process) : process_(std::move(process)) {}

  LastingProcess process_;
  std::size_t most_seen_bytes_ = 0;
};

}  // namespace svcbench::kubernetes
