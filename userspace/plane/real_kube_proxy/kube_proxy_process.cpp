// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/kube_proxy_process.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>
#include <vector>

#include "service/text.h"
#include "sys/memfd.h"
#include "sys/peak_rss.h"
#include "sys/process_tree.h"
#include "sys/stopwatch.h"

namespace svcbench::kubernetes {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

constexpr std::int64_t between_looks_ns = 10'000'000;

struct Unit {
  std::string_view name;
  double ns;
};
// In the order in which they are looked for: "ms" before "m".
constexpr std::array<Unit, 7> units{
    {{"ns", 1}, {"\xC2\xB5s", 1e3}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};

}  // namespace

std::optional<std::int64_t> go_duration_ns(std::string_view text) {
  double sum = 0;
  bool any = false;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto* const unit = std::find_if(units.begin(), units.end(),
                                          [&](const Unit& one) { return text.starts_with(one.name); });
    if (unit == units.end()) {
      return std::nullopt;
    }
    sum += number * unit->ns;
    text.remove_prefix(unit->name.size());
    any = true;
  }
  return any ? std::optional(static_cast<std::int64_t>(sum)) : std::nullopt;
}

std::string version_said(std::string_view line) {
  constexpr std::string_view word = "Kubernetes v";
  const std::size_t found = line.find(word);
  return found == std::string_view::npos ? "" : printable(trimmed(line.substr(found + word.size() - 1)));
}

Result<std::string> version_of_binary(const std::string& path, std::int64_t patience_ns) {
  SVCB_TAKE(process, LastingProcess::start({path, "--version"}));
  const Stopwatch waited;
  for (;;) {
    auto line = process.next_line(std::max<std::int64_t>(patience_ns - waited.ns(), 0));
    if (!line && line.error().kind != Error::Kind::interrupted) {
      return failure(
          "it does not say a version of Kubernetes when it is called with --version, so it is no "
          "kube-proxy");
    }
    SVCB_CHECK(line);
    if (!*line) {
      return failure(
          "called with --version, it said no version of Kubernetes within {} s, and was stopped; a "
          "kube-proxy says it at once",
          patience_ns / 1'000'000'000);
    }
    if (std::string version = version_said(**line); !version.empty()) {
      return version;
    }
  }
}

std::optional<CompletedSync> completed_sync(std::string_view line) {
  const std::string text = lower(line);
  const std::size_t named = text.find("syncproxyrules complete\"");
  const std::size_t took = text.find("syncproxyrules took ");
  std::string_view rest;
  CompletedSync sync;
  if (named != std::string::npos) {
    const std::size_t elapsed = text.find("elapsed=", named);
    if (elapsed == std::string::npos) {
      return std::nullopt;
    }
    rest = line.substr(elapsed + std::string_view("elapsed=").size());
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      if (line.find(fmt::format("ipFamily=\"{}\"", to_string(family))) != std::string_view::npos) {
        sync.family = family;
      }
    }
  } else if (took != std::string::npos) {
    rest = line.substr(took + std::string_view("syncproxyrules took ").size());
  } else {
    return std::nullopt;
  }
  if (rest.starts_with('"')) {
    rest.remove_prefix(1);
  }
  const auto elapsed_ns = go_duration_ns(rest.substr(0, rest.find_first_of("\" \r")));
  if (!elapsed_ns) {
    return std::nullopt;
  }
  sync.elapsed_ns = *elapsed_ns;
  return sync;
}

std::string configuration_text(std::string_view mode, std::string_view node,
                               const PlaneConfiguration& configuration) {
  // A list of one family where the node has but one would stop kube-proxy.
  const bool both = std::any_of(configuration.node_addresses.begin(), configuration.node_addresses.end(),
                                [](const Address& one) { return one.family == Family::ipv6; });
  std::string text = fmt::format(
      "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
      "kind: KubeProxyConfiguration\n"
      "mode: {}\n"
      "clusterCIDR: \"{}{}\"\n"
      "detectLocalMode: ClusterCIDR\n"
      "hostnameOverride: {}\n"
      "bindAddress: 0.0.0.0\n"
      "healthzBindAddress: \"\"\n"
      "metricsBindAddress: 127.0.0.1:{}\n"
      "clientConnection:\n"
      "  contentType: application/json\n"
      "  acceptContentTypes: application/json\n"
      "  qps: 1000\n"
      "  burst: 1000\n"
      "conntrack:\n"
      "  maxPerCore: 0\n"
      "  min: 0\n"
      "  tcpEstablishedTimeout: 0s\n"
      "  tcpCloseWaitTimeout: 0s\n",
      mode, configuration.cluster_cidr.ipv4, both ? "," + configuration.cluster_cidr.ipv6 : "", node,
      metrics_port);
  text += fmt::format("{}:\n  syncPeriod: 1h0m0s\n  minSyncPeriod: 10ms\n", mode);
  if (mode == "nftables") {
    text += "featureGates:\n  NFTablesProxyMode: true\n";
  }
  if (!configuration.kube_proxy.node_port_addresses.empty()) {
    text += fmt::format("nodePortAddresses: [\"{}\"]\n",
                        fmt::join(configuration.kube_proxy.node_port_addresses, "\", \""));
  }
  return text;
}

Result<KubeProxyProcess> KubeProxyProcess::start(std::string_view mode, std::string_view node,
                                                 std::uint16_t server_port,
                                                 const PlaneConfiguration& configuration) {
  SVCB_TAKE(file, memfd_of("kube-proxy.yaml", configuration_text(mode, node, configuration)));
  SVCB_TAKE(process,
            LastingProcess::start({configuration.kube_proxy.binary, "--config=/dev/stdin",
                                   fmt::format("--master=http://127.0.0.1:{}", server_port), "--v=2"},
                                  {}, file.get()));
  return KubeProxyProcess(std::move(process));
}

Result<std::optional<CompletedSync>> KubeProxyProcess::next_sync(std::optional<Family> family,
                                                                 std::int64_t since_ns,
                                                                 std::int64_t timeout_ns) {
  const Stopwatch waited;
  for (;;) {
    const std::int64_t left = std::max<std::int64_t>(timeout_ns - waited.ns(), 0);
    SVCB_TAKE(line, process_.next_line(std::min(left, between_looks_ns)));
    if (!line && left <= between_looks_ns) {
      return std::optional<CompletedSync>{};
    }
    if (!line) {
      // A failed look is told of by peak_bytes(), which looks again.
      most_seen_bytes_ = std::max(most_seen_bytes_, resident_in_tree(pid()).value_or(0));
      continue;
    }
    if (auto sync = completed_sync(*line); sync && (!family || sync->family.value_or(*family) == *family)) {
      sync->end_ns = monotonic_ns();
      if (sync->end_ns - sync->elapsed_ns >= since_ns) {
        return sync;
      }
    }
  }
}

Result<std::size_t> KubeProxyProcess::peak_bytes() const {
  SVCB_TAKE(own, peak_rss_bytes(pid()));
  SVCB_TAKE(now, resident_in_tree(pid()));
  return std::max({own, now, most_seen_bytes_});
}

}  // namespace svcbench::kubernetes
