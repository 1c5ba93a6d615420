// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/kube_proxy_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "plane/real_kube_proxy/kube_proxy_process.h"
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

// How long a binary may take to say its version: a cold disk has it in a second.
constexpr std::int64_t version_patience_ns = 10'000'000'000;

struct Binary {
  std::string path{};
  std::string version{};
};

// The binary for a run of these planes; empty: none was given, and none of them needs one.
Result<Binary> binary_for(const std::vector<std::string>& planes, const std::string& given, BinaryUse use) {
  const auto runs = std::find_if(planes.begin(), planes.end(), [](const std::string& name) {
    const PlaneRow* row = find_plane(name);
    return row != nullptr && row->runs_binary;
  });
  if (given.empty()) {
    return runs == planes.end()
               ? Result<Binary>(Binary{})
               : usage_error("the plane {} runs a kube-proxy of yours: give it with --kube-proxy PATH",
                             *runs);
  }
  if (runs == planes.end() && (use == BinaryUse::by_planes || modes_of_rules(planes).empty())) {
    return usage_error(
        "no plane of this run is a kube-proxy of yours: name one with --planes, such as "
        "nftables,kube-proxy-nftables");
  }
  const auto path = find_program(given.find('/') == std::string::npos ? "./" + given : given);
  if (!path) {
    return usage_error("--kube-proxy {}: no such executable file", printable(given));
  }
  auto version = kubernetes::version_of_binary(*path, version_patience_ns);
  if (!version) {
    if (version.error().kind == Error::Kind::interrupted) {
      return tl::unexpected(std::move(version).error());
    }
    return usage_error("--kube-proxy {}: {}", printable(given), version.error().message);
  }
  return Binary{*path, *version};
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

CLI::Option* KubeProxyInput::add_binary_option(CLI::App& app) {
  return app
      .add_option(
          "--kube-proxy", binary,
          "A kube-proxy binary of yours: the planes kube-proxy-iptables and kube-proxy-nftables run it\n"
          "against an API server of svcbench's on loopback, in a network namespace of their own")
      ->type_name("PATH");
}

Result<KubeProxyOptions> KubeProxyInput::chosen(const std::vector<std::string>& named_planes,
                                                BinaryUse use) const {
  SVCB_TAKE(parsed, kube_proxy::Version::parse(version));
  for (const std::string& name : named_planes) {
    const PlaneRow* row = find_plane(name);
    if (const auto mode = row == nullptr ? std::nullopt : mode_of(*row)) {
      SVCB_CHECK(parsed.check(*mode));
    }
  }
  SVCB_TAKE(own, binary_for(named_planes, binary, use));
  return KubeProxyOptions{
      .version = parsed, .binary = std::move(own.path), .binary_version = std::move(own.version)};
}

nlohmann::json describe_kube_proxy(const KubeProxyOptions& options) {
  nlohmann::json about{{"version", options.version.text()}};
  if (!options.binary.empty()) {
    about["binary"] = options.binary;
    about["binary_version"] = options.binary_version;
  }
  return about;
}

std::vector<kube_proxy::Mode> modes_of_rules(const std::vector<std::string>& planes) {
  std::vector<kube_proxy::Mode> modes;
  for (const auto mode : {kube_proxy::Mode::iptables, kube_proxy::Mode::nftables}) {
    if (planes.empty() || std::any_of(planes.begin(), planes.end(), [&](const std::string& name) {
          const PlaneRow* row = find_plane(name);
          return row != nullptr && mode_of(*row) == mode;
        })) {
      modes.push_back(mode);
    }
  }
  return modes;
}

void leave_out_unknown(std::vector<ProbedPlane>& planes, const kube_proxy::Version& version) {
  for (ProbedPlane& plane : planes) {
    const auto mode = mode_of(*plane.row);
    if (const Status known = mode ? version.check(*mode) : Status(); !known) {
      plane.not_here = known.error().message;
    }
  }
}

}  // namespace svcbench
