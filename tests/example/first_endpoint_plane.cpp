// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "first_endpoint_plane.h"

#include <array>
#include <nlohmann/json.hpp>

#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/stopwatch.h"

namespace svcbench::example {

namespace {

constexpr std::string_view remove_table = "add table inet example\ndelete table inet example\n";

// One hash lookup translates a new flow; the connection tracker does the rest.
constexpr std::string_view add_table =
    "add table inet example\n"
    "add map inet example services4 {"
    " type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service ; }\n"
    "add map inet example services6 {"
    " type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service ; }\n"
    "add chain inet example packets { type nat hook prerouting priority dstnat ; }\n"
    "add rule inet example packets dnat ip to ip daddr . meta l4proto . th dport map @services4\n"
    "add rule inet example packets dnat ip6 to ip6 daddr . meta l4proto . th dport map @services6\n";

std::string_view map_of(Family family) { return family == Family::ipv4 ? "services4" : "services6"; }

std::string key_of(const Frontend& frontend) {
  return fmt::format("{} . {} . {}", frontend.address.text(), static_cast<int>(frontend.protocol),
                     frontend.port);
}

// A service without endpoints has no element: its packets are nobody's.
std::string add_element(const Service& service) {
  if (service.endpoints.empty()) {
    return "";
  }
  const Endpoint& first = service.endpoints.front();
  return fmt::format("add element inet example {} {{ {} : {} . {} }}\n",
                     map_of(service.frontend.address.family), key_of(service.frontend),
                     first.address.text(), first.port);
}

std::string delete_element(const Service& service) {
  return fmt::format("delete element inet example {} {{ {} }}\n", map_of(service.frontend.address.family),
                     key_of(service.frontend));
}

// The elements of a family's map, as the kernel has them: [[address, protocol, port], [address, port]].
Result<nlohmann::json> elements_of(Family family) {
  SVCB_TAKE(listed,
            run_child({"nft", "-n", "-j", "list", "map", "inet", "example", std::string(map_of(family))}));
  if (listed.exit_status != 0) {
    return failure("nft cannot list the map {}: {}", map_of(family), listed.first_error_line());
  }
  nlohmann::json pairs = nlohmann::json::array();
  const nlohmann::json answer = nlohmann::json::parse(listed.out, nullptr, false);
  for (const auto& part : answer.value("nftables", nlohmann::json::array())) {
    if (part.contains("map") && part["map"].contains("elem")) {
      for (const auto& element : part["map"]["elem"]) {
        pairs.push_back({element[0]["concat"], element[1]["concat"]});
      }
    }
  }
  return pairs;
}

int protocol_number(const nlohmann::json& protocol) {
  if (protocol.is_number()) {
    return protocol.get<int>();
  }
  return protocol == "tcp" ? 6 : 17;
}

}  // namespace

Status FirstEndpointPlane::load(const std::string& text) {
  SVCB_TAKE(input, memfd_of("example.nft", text));
  ChildOptions options;
  options.stdin_fd = input.get();
  SVCB_TAKE(ran, run_child({"nft", "-f", "-"}, options));
  if (ran.exit_status != 0) {
    return failure("nft did not take the table example: {}", ran.first_error_line());
  }
  cost_.commit_ns = ran.wall_ns;
  cost_.user_us = ran.user_us;
  cost_.system_us = ran.system_us;
  cost_.tools = 1;
  cost_.input_bytes = text.size();
  return {};
}

Status FirstEndpointPlane::install(std::span<const Service> services) {
  cost_ = {};
  const Stopwatch generating;
  std::string text = std::string(remove_table) + std::string(add_table);
  for (const Service& service : services) {
    text += add_element(service);
  }
  cost_.generate_ns = generating.ns();
  return load(text);
}

Status FirstEndpointPlane::stage(const Change& change) {
  cost_ = {};
  const Stopwatch generating;
  staged_.clear();
  SVCB_TAKE(before, find(change.service.frontend));
  if (before) {
    staged_ += delete_element(change.service);
  }
  if (change.operation != Operation::remove_service) {
    staged_ += add_element(change.service);
  }
  cost_.generate_ns = generating.ns();
  return {};
}

Status FirstEndpointPlane::commit() { return load(staged_); }

FirstEndpointPlane::~FirstEndpointPlane() { (void)load(std::string(remove_table)); }

Result<std::size_t> FirstEndpointPlane::entries() const {
  std::size_t count = 0;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    SVCB_TAKE(elements, elements_of(family));
    count += elements.size();
  }
  return count;
}

Result<std::optional<Service>> FirstEndpointPlane::find(const Frontend& frontend) const {
  SVCB_TAKE(elements, elements_of(frontend.address.family));
  for (const auto& [key, value] : elements.get<std::vector<std::array<nlohmann::json, 2>>>()) {
    if (key[0] == frontend.address.text() && key[2] == frontend.port &&
        protocol_number(key[1]) == static_cast<int>(frontend.protocol)) {
      SVCB_TAKE(address, Address::parse(value[0].get<std::string>()));
      Service service{.frontend = frontend};
      service.endpoints.push_back({address, value[1].get<std::uint16_t>()});
      return service;
    }
  }
  return std::nullopt;
}

Service FirstEndpointPlane::programmed(const Service& service) const {
  Service result{.frontend = service.frontend};  // the map knows no names
  if (!service.endpoints.empty()) {
    result.endpoints.push_back(service.endpoints.front());
  }
  return result;
}

Status probe_first_endpoint() { return FirstEndpointPlane().install({}); }

Result<std::unique_ptr<DataPlane>> make_first_endpoint(const PlaneConfiguration& /*configuration*/) {
  return std::make_unique<FirstEndpointPlane>();
}

const PlaneRow& first_endpoint_row() {
  static constexpr std::array<Lack, 2> lacks{
      {{"spread", "every flow goes to a service's first endpoint"},
       {"masquerade", "outsiders are seen with their own addresses"}}};
  static constexpr PlaneRow row{
      .name = "first-endpoint",
      .summary = "nftables' DNAT to the first endpoint of each service, by one map a family",
      .requires_kernel = "nf_tables, 5.13",
      .probe = probe_first_endpoint,
      .make = make_first_endpoint,
      .kind = PlaneKind::nftables,
      .runs_tools = true,
      .lacks = lacks};
  return row;
}

}  // namespace svcbench::example
