// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench maps: a cluster's services, loaded and read back from the kernel.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/command.h"
#include "cli/input.h"
#include "plane/ebpf/ebpf_plane.h"
#include "report/text_table.h"
#include "service/text.h"
#include "sys/capabilities.h"

namespace svcbench {

namespace {

struct MapsInput {
  std::vector<std::string> cluster{};
  std::uint32_t max_endpoints = ClusterOptions{}.max_endpoints;
  std::string node{};
  CapacityInput capacity{};
  std::string json{};
};

// The kernel's services in the order and with the names of the file; an Error where it has others.
Result<std::vector<Service>> in_file_order(std::vector<Service> kernel, const std::vector<Service>& file) {
  std::unordered_map<Frontend, Service*> by_frontend;
  for (Service& service : kernel) {
    by_frontend.emplace(service.frontend, &service);
  }
  std::vector<Service> ordered;
  for (const Service& expected : file) {
    const auto found = by_frontend.find(expected.frontend);
    if (found == by_frontend.end() || found->second->endpoints != expected.endpoints) {
      return failure("{} ({}) was loaded, and the kernel does not hold it as it was loaded", expected.name,
                     expected.frontend.text());
    }
    found->second->name = expected.name;
    found->second->kind = expected.kind;
    ordered.push_back(std::move(*found->second));
  }
  if (ordered.size() != kernel.size()) {
    return failure("{} services were loaded, and the kernel holds {}", file.size(), kernel.size());
  }
  return ordered;
}

// NodePorts are reached at any address of the node: "node addresses (IPv4):32150".
std::string frontend_text(const Service& service) {
  const Frontend& frontend = service.frontend;
  if (service.kind == FrontendKind::node_port) {
    return fmt::format("node addresses ({}):{}", to_string(frontend.address.family), frontend.port);
  }
  return Endpoint{frontend.address, frontend.port}.text();
}

std::string to_text(const std::vector<Service>& services, const ClusterServices& cluster) {
  std::string out;
  TextTable table({{"frontend", TextTable::Align::left},
                   {"protocol", TextTable::Align::left},
                   {"service", TextTable::Align::left},
                   {"backends", TextTable::Align::left}});
  for (const Service& service : services) {
    std::string frontend = frontend_text(service);
    std::string protocol(to_string(service.frontend.protocol));
    std::string name = service.name;
    if (service.endpoints.empty()) {
      table.add({frontend, protocol, name, "none"});
    }
    for (const Endpoint& endpoint : service.endpoints) {  // one a line: a table stays narrow
      table.add({frontend, protocol, name, endpoint.text()});
      frontend = protocol = name = "";
    }
  }
  out += table.text();
  out += fmt::format("\n{} frontends, read back from the kernel.\n", grouped(services.size()));
  for (const std::string& line : notes_on(cluster)) {
    out += line + "\n";
  }
  return out;
}

nlohmann::json to_json(const std::vector<Service>& services, const ClusterServices& cluster) {
  nlohmann::json frontends = nlohmann::json::array();
  for (const Service& service : services) {
    nlohmann::json backends = nlohmann::json::array();
    for (const Endpoint& endpoint : service.endpoints) {
      backends.push_back(endpoint.text());
    }
    frontends.push_back({{"frontend", frontend_text(service)},
                         {"address", service.kind == FrontendKind::node_port
                                         ? nlohmann::json()
                                         : nlohmann::json(service.frontend.address.text())},
                         {"port", service.frontend.port},
                         {"protocol", to_string(service.frontend.protocol)},
                         {"family", to_string(service.frontend.address.family)},
                         {"kind", to_string(service.kind)},
                         {"service", service.name},
                         {"backends", backends}});
  }
  nlohmann::json skipped = skipped_json(cluster.skipped);
  for (nlohmann::json& one : skipped) {
    one["service"] = one["name"];  // as version 1 has called it from the beginning
  }
  return {{"schema_version", 1},
          {"frontends", frontends},
          {"skipped", std::move(skipped)},
          {"notes", notes_on(cluster)}};
}

Result<int> run(const MapsInput& input) {
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(cluster,
            read_cluster(input.cluster, {.max_endpoints = input.max_endpoints, .node = input.node}));
  SVCB_CHECK(require_privileges());
  SVCB_TAKE(plane,
            EbpfPlane::load({.capacity = MapCapacity::for_services(
                                 cluster.services, input.capacity.services, input.capacity.backends)}));
  SVCB_CHECK(plane->install(cluster.services));
  SVCB_TAKE(kernel, plane->read_all());
  SVCB_TAKE(services, in_file_order(std::move(kernel), cluster.services));
  if (json) {
    SVCB_CHECK(json->write(to_json(services, cluster).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", to_text(services, cluster));
  }
  return 0;
}

}  // namespace

Action configure_maps(CLI::App& app) {
  auto input = std::make_shared<MapsInput>();
  add_cluster_option(app, input->cluster)->required();
  app.add_option("--max-endpoints", input->max_endpoints, "Most endpoints that one service may have")
      ->check(whole_number(1, SVCB_MAX_ENDPOINTS))
      ->capture_default_str();
  app.add_option("--node", input->node,
                 "Which of the cluster's nodes this one stands for, where a traffic policy is Local");
  input->capacity.add_options(app);
  app.add_option("--json", input->json, "Write the same as JSON here (- is standard output)")
      ->type_name(file_value);
  app.footer(
      "More examples:\n  kubectl get services,endpointslices -A -o json | sudo ./svcbench maps --cluster "
      "-");
  return [input] { return run(*input); };
}

}  // namespace svcbench
