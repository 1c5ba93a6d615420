// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/kube_proxy_input.h"

#include <fmt/format.h>

#include <optional>

#include "plane/registry.h"

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

Result<kube_proxy::Version> KubeProxyInput::chosen(const std::vector<std::string>& named_planes) const {
  SVCB_TAKE(parsed, kube_proxy::Version::parse(version));
  for (const std::string& name : named_planes) {
    const PlaneRow* row = find_plane(name);
    if (const auto mode = row == nullptr ? std::nullopt : mode_of(*row)) {
      SVCB_CHECK(parsed.check(*mode));
    }
  }
  return parsed;
}

nlohmann::json describe_kube_proxy(const kube_proxy::Version& version) {
  return {{"version", version.text()}};
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
