// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/node_ports.h"

#include <algorithm>
#include <iterator>

#include "service/address_range.h"

namespace svcbench::kube_proxy {
namespace {

std::vector<AddressRange> parsed(const std::vector<std::string>& texts, Family family) {
  std::vector<AddressRange> ranges;
  for (const std::string& text : texts) {
    if (const auto range = AddressRange::parse(text); range && range->first.family == family) {
      ranges.push_back(*range);
    }
  }
  return ranges;
}

AddressRange loopback(Family family) {
  return family == Family::ipv4 ? AddressRange{Address::from_ipv4(0x7F00'0000), 8}
                                : AddressRange{Address::from_ipv6(0, 1), 128};
}

}  // namespace

NodePortPlaces node_port_places(const PlaneConfiguration& configuration, Family family,
                                NodePortDefault if_none) {
  const auto& given = configuration.kube_proxy.node_port_addresses;
  const auto ranges = parsed(given, family);
  const bool is_primary = std::find(given.begin(), given.end(), "primary") != given.end() ||
                          (given.empty() && if_none == NodePortDefault::first_address);
  std::vector<Address> own;
  std::copy_if(configuration.node_addresses.begin(), configuration.node_addresses.end(),
               std::back_inserter(own), [&](const Address& address) { return address.family == family; });
  const bool all = std::any_of(ranges.begin(), ranges.end(),
                               [](const AddressRange& range) { return range.is_everything(); });
  if (all || own.empty() || (!is_primary && ranges.empty())) {
    return {.everywhere = true, .localhost = true};
  }
  if (is_primary) {
    own.resize(1);
    return {.addresses = std::move(own)};
  }
  NodePortPlaces places;
  const AddressRange local = loopback(family);
  for (const AddressRange& range : ranges) {
    places.localhost = places.localhost || local.contains(range.first) || range.contains(local.first);
  }
  std::copy_if(own.begin(), own.end(), std::back_inserter(places.addresses), [&](const Address& address) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const AddressRange& range) { return range.contains(address); });
  });
  const bool routed = family == Family::ipv4 && if_none == NodePortDefault::everywhere;
  if (places.localhost && routed && configuration.kube_proxy.localhost_node_ports) {
    places.addresses.push_back(Address::from_ipv4(0x7F00'0001));
  }
  return places;
}

std::vector<Address> ipvs_node_addresses(const PlaneConfiguration& configuration, Family family) {
  const NodePortPlaces places = node_port_places(configuration, family, NodePortDefault::everywhere);
  std::vector<Address> addresses = places.everywhere ? configuration.node_addresses : places.addresses;
  std::erase_if(addresses, [family](const Address& address) {
    return address.family != family || address == Address::from_ipv4(0x7F00'0001);
  });
  return addresses;
}

std::vector<std::string> ranges_of(const std::vector<std::string>& ranges, Family family) {
  std::vector<std::string> texts;
  for (const AddressRange& range : parsed(ranges, family)) {
    texts.push_back(range.text());
  }
  return texts;
}

}  // namespace svcbench::kube_proxy
