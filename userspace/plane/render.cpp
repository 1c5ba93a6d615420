// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "plane/ebpf/abi_traits.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane/ebpf/family_maps.h"
#include "plane/ebpf/range_allocator.h"
#include "plane/iptables_chapter.h"
#include "plane/kube_proxy/iptables_rules.h"
#include "plane/kube_proxy/ipvs_text.h"
#include "plane/kube_proxy/nftables.h"
#include "plane/kube_proxy/node_ports.h"
#include "plane/kube_proxy/port_traffic.h"
#include "plane/registry.h"
#include "service/address_range.h"

namespace svcbench {
namespace {

using Parts = std::vector<RenderedPart>;

bool is_iptables(std::string_view plane) { return plane.starts_with("iptables"); }

std::string_view prefix(Family family) { return family == Family::ipv4 ? "" : "6"; }

Result<Parts> render_iptables(std::span<const Service> services, const RenderOptions& options) {
  const Family family = options.family.value_or(Family::ipv4);
  const std::string tool = fmt::format("ip{}tables-restore", prefix(family));
  if (options.chapter) {
    return Parts{{"rules", tool, chapter_nat_table(services, family)}};
  }
  kube_proxy::IptablesRules rules(family, options.configuration);
  SVCB_CHECK(rules.replace(services));
  return Parts{{"jumps", tool + " --noflush", kube_proxy::jumps_input()},
               {"rules", tool + " --noflush --counters",
                rules.restore_input(kube_proxy::IptablesRules::Sync::full)}};
}

Result<Parts> render_nftables(std::span<const Service> services, const RenderOptions& options) {
  std::vector<Service> chosen(services.begin(), services.end());
  std::erase_if(chosen, [&](const Service& service) {
    return options.family && service.frontend.address.family != *options.family;
  });
  SVCB_TAKE(text, KubeProxyNftables::install_input(chosen, options.configuration));
  if (chosen.empty()) {  // kube-proxy makes its table whether there are services or not
    kube_proxy::write_nft_base(text, options.family.value_or(Family::ipv4), options.configuration);
  }
  return Parts{{"rules", "nft -f", std::move(text)}};
}

Result<Parts> render_ipvs(std::span<const Service> services, const RenderOptions& options) {
  const Family family = options.family.value_or(Family::ipv4);
  const PlaneConfiguration& configuration = options.configuration;
  std::set<Address> bound;
  for (const Service& service : services) {
    const Address& address = service.frontend.address;
    if (address.family == family && kube_proxy::kind_of(service) != FrontendKind::node_port) {
      bound.insert(address);
    }
  }
  const std::vector<Address> addresses(bound.begin(), bound.end());
  std::string links = "link add kube-ipvs0 type dummy\n";
  for (const Address& address : addresses) {
    fmt::format_to(std::back_inserter(links), "addr add {}/{} dev kube-ipvs0\n", address.text(),
                   bits_of(family));
  }
  const auto in_use = kube_proxy::ipsets_in_use(services, family, configuration);
  return Parts{{"address", "ip -batch", std::move(links)},
               {"ipset", "ipset restore -exist",
                kube_proxy::ipset_restore(services, addresses, family, configuration)},
               {"iptables", fmt::format("ip{}tables-restore --noflush --counters", prefix(family)),
                kube_proxy::ipvs_rules(family, configuration.cluster_cidr.of(family), true, in_use)},
               {"ipvsadm", "ipvsadm -R",
                kube_proxy::ipvsadm_restore(
                    services, kube_proxy::ipvs_node_addresses(configuration, family), family)}};
}

// ---- eBPF ----

template <typename Value>
std::string hex_of(const Value& value) {
  std::string text;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&value);
  for (std::size_t i = 0; i < sizeof value; ++i) {
    fmt::format_to(std::back_inserter(text), "{}{:02x}", i == 0 ? "" : " ", bytes[i]);
  }
  return text;
}

nlohmann::json map_json(std::string_view name, std::string_view type, std::uint32_t capacity,
                        nlohmann::json entries) {
  return {{"name", name}, {"type", type}, {"max_entries", capacity}, {"entries", std::move(entries)}};
}

// What affinity4 and affinity6 hold of a service: its timeout in the programs' ticks.
std::uint32_t affinity_ticks(const Service& service) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() / 2;
  const std::uint64_t ticks = (std::uint64_t{service.affinity_seconds} * 1'000'000'000) >> SVCB_TICK_BITS;
  return static_cast<std::uint32_t>(std::min(ticks, most));
}

// The maps of a family that hold the services: keys and values in bytes, as they lie there, and in words.
template <typename Abi>
Status add_maps(nlohmann::json& maps, std::span<const Service> services, std::uint32_t services_capacity,
                std::uint32_t backends_capacity, std::uint32_t maglev) {
  nlohmann::json frontends = nlohmann::json::array();
  nlohmann::json backends = nlohmann::json::array();
  nlohmann::json affinity = nlohmann::json::array();
  RangeAllocator ranges(backends_capacity);
  for (const Service& service : services) {
    if (service.frontend.address.family != Abi::family) {
      continue;
    }
    const ServiceCells cells(service, maglev);
    const auto range = ranges.allocate(cells.count());
    if (!range) {
      return failure("{} has no room for the endpoints of {}", Abi::backends, service.name);
    }
    const auto key = to_abi<Abi>(service.frontend);
    const svcb_service value{svcb_service_flagged(
        svcb_service_word(range->first, cells.selectable(), Abi::tag(key)), cells.flags())};
    frontends.push_back({{"key", hex_of(key)},
                         {"value", hex_of(value)},
                         {"frontend", service.frontend.text()},
                         {"kind", to_string(service.kind)},
                         {"service", service.name},
                         {"first", range->first},
                         {"count", cells.selectable()},
                         {"flags", cells.flags()}});
    SVCB_CHECK(cells.template each<Abi>(
        range->first, [&](std::uint32_t index, const typename Abi::Backend& backend) -> Status {
          backends.push_back(
              {{"key", index}, {"value", hex_of(backend)}, {"endpoint", from_abi<Abi>(backend).text()}});
          return {};
        }));
    if (service.affinity_seconds != 0) {
      affinity.push_back({{"key", hex_of(key)},
                          {"value", hex_of(affinity_ticks(service))},
                          {"seconds", service.affinity_seconds}});
    }
  }
  maps.push_back(map_json(Abi::services, "hash", services_capacity, std::move(frontends)));
  maps.push_back(map_json(Abi::backends, "array", backends_capacity, std::move(backends)));
  maps.push_back(map_json(Abi::family == Family::ipv4 ? "affinity4" : "affinity6", "hash",
                          services_capacity, std::move(affinity)));
  return {};
}

Result<Parts> render_ebpf(std::span<const Service> services, const RenderOptions& options) {
  const std::uint32_t maglev = options.configuration.ebpf.maglev;
  const MapCapacity capacity =
      MapCapacity::for_services(services, options.configuration.services_capacity,
                                options.configuration.backends_capacity, {}, maglev);
  nlohmann::json maps = nlohmann::json::array();
  if (options.family.value_or(Family::ipv4) == Family::ipv4) {
    SVCB_CHECK(add_maps<Ipv4Abi>(maps, services, capacity.services4, capacity.backends4, maglev));
  }
  if (options.family.value_or(Family::ipv6) == Family::ipv6) {
    SVCB_CHECK(add_maps<Ipv6Abi>(maps, services, capacity.services6, capacity.backends6, maglev));
  }
  return Parts{{"maps", "bpf(2)", nlohmann::json{{"schema_version", 1}, {"maps", maps}}.dump(1) + "\n"}};
}

}  // namespace

bool renders_one_family(std::string_view plane) { return is_iptables(plane) || plane == "ipvs"; }

Result<std::vector<RenderedPart>> render_plane(std::string_view plane, std::span<const Service> services,
                                               const RenderOptions& options) {
  if (options.chapter && !is_iptables(plane)) {
    return usage_error("--shape chapter is one of iptables-legacy and iptables-nft: {} has one shape only",
                       plane);
  }
  if (is_iptables(plane)) {
    return render_iptables(services, options);
  }
  if (plane == "nftables") {
    return render_nftables(services, options);
  }
  if (plane == "ipvs") {
    return render_ipvs(services, options);
  }
  if (plane.starts_with("ebpf")) {
    return render_ebpf(services, options);
  }
  return usage_error(
      "{} programs nothing that could be printed (iptables-legacy, iptables-nft, nftables, ipvs "
      "and ebpf do)",
      plane);
}

}  // namespace svcbench
