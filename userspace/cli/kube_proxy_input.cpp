// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/kube_proxy_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "plane/registry.h"
#include "service/text.h"
#include "sys/child_process.h"

namespace svcbench {

namespace {

std::optional<kube_proxy::Mode> mode_of(const PlaneRow& row) {
  switch (row.kind) {
    case PlaneKind::iptables:
      return kube_proxy::Mode::iptables;
    case PlaneKind::nftables:
      return kube_proxy::Mode::nftables;
    case PlaneKind::ipvs:
      return kube_proxy::Mode::ipvs;
    case PlaneKind::ebpf:
    case PlaneKind::none:
      return std::nullopt;
  }
  return std::nullopt;
}

// The path of the binary, for a run of these planes; "": none was given, and none of them needs one.
Result<std::string> binary_for(const std::vector<std::string>& planes, const std::string& given) {
  const auto runs = std::find_if(planes.begin(), planes.end(), [](const std::string& name) {
    const PlaneRow* row = find_plane(name);
    return row != nullptr && row->runs_binary;
  });
  if (given.empty()) {
    return runs == planes.end()
               ? Result<std::string>(std::string())
               : usage_error("the plane {} runs a kube-proxy of yours: give it with --kube-proxy PATH",
                             *runs);
  }
  if (runs == planes.end()) {
    return usage_error(
        "no plane of this run is a kube-proxy of yours: name one with --planes, such as "
        "nftables,kube-proxy-nftables");
  }
  const auto path = find_program(given.find('/') == std::string::npos ? "./" + given : given);
  if (!path) {
    return usage_error("--kube-proxy {}: no such executable file", printable(given));
  }
  const auto said = run_child({*path, "--version"});
  if (!said) {
    return usage_error("--kube-proxy {}: {}", printable(given), said.error().message);
  }
  if (kube_proxy_version_of(said->out).empty()) {
    return usage_error(
        "--kube-proxy {}: it does not say a version of Kubernetes when it is called with --version, "
        "so it is no kube-proxy",
        printable(given));
  }
  return *path;
}

}  // namespace

void KubeProxyInput::add_options(CLI::App& app) {
  using kube_proxy::Mode;
  app.add_option(
         "--kube-proxy-version", version,
         fmt::format("The kube-proxy whose rules and syncs are made: iptables {}, nftables {}, ipvs "
                     "{}\n(svcbench list tells what changed when)",
                     versions_of(Mode::iptables), versions_of(Mode::nftables), versions_of(Mode::ipvs)))
      ->capture_default_str();
}

void KubeProxyInput::add_binary_option(CLI::App& app) {
  app.add_option(
         "--kube-proxy", binary,
         "A kube-proxy binary of yours: the planes kube-proxy-iptables and kube-proxy-nftables run it\n"
         "against an API server of svcbench's on loopback, in a network namespace of their own")
      ->type_name("PATH");
}

Result<KubeProxyOptions> KubeProxyInput::chosen(const std::vector<std::string>& named_planes) const {
  SVCB_TAKE(parsed, kube_proxy::Version::parse(version));
  for (const std::string& name : named_planes) {
    const PlaneRow* row = find_plane(name);
    if (const auto mode = row == nullptr ? std::nullopt : mode_of(*row)) {
      SVCB_CHECK(parsed.check(*mode));
    }
  }
  SVCB_TAKE(path, binary_for(named_planes, binary));
  return KubeProxyOptions{.version = parsed, .binary = std::move(path)};
}

nlohmann::json describe_kube_proxy(const KubeProxyOptions& options) {
  nlohmann::json about{{"version", options.version.text()}};
  if (!options.binary.empty()) {
    about["binary"] = options.binary;
  }
  return about;
}

void leave_out_unknown(std::vector<ProbedPlane>& planes, const kube_proxy::Version& version) {
  for (ProbedPlane& plane : planes) {
    const auto mode = mode_of(*plane.row);
    if (const Status known = mode ? version.check(*mode) : Status(); !known) {
      plane.not_here = known.error().message;
    }
  }
}

std::string kube_proxy_version_of(std::string_view text) {
  constexpr std::string_view word = "Kubernetes v";
  const std::size_t found = text.find(word);
  if (found == std::string_view::npos) {
    return "";
  }
  text.remove_prefix(found + word.size() - 1);
  return printable(trimmed(text.substr(0, text.find('\n'))));
}

}  // namespace svcbench
