// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is kept of a cluster's objects, and how it is read of them.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "service/address_range.h"
#include "service/cluster.h"
#include "service/json_field.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench::cluster {

struct SlicePort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  std::uint16_t number = 0;
};

// A cluster has hundreds of thousands: what is said by names is kept as less.
struct SliceEndpoint {
  Address address{};
  bool here = false;  // on the node that ClusterOptions names
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  bool node_hint_given = false;
  bool node_hint_here = false;
  std::uint32_t zones = 0;  // of its hints, a number of Objects::zones; 0: it has none
};

struct Slice {
  std::string name;  // namespace/name
  Family family = Family::ipv4;
  std::vector<SlicePort> ports{};
  std::vector<SliceEndpoint> endpoints{};
  std::optional<std::uint16_t> weight{};  // of each of them
  bool is_endpoints = false;              // made of an Endpoints object
  std::uint64_t version = 0;              // of its object
  bool ports_told = false;                // some of its ports were left out, and that was told
};

// An address outside of the cluster that leads to the Service.
struct External {
  FrontendKind kind = FrontendKind::external_ip;
  Address address{};
};

struct ServicePort {
  std::string label;  // the port's name; empty: it has none
  Protocol protocol = Protocol::tcp;
  std::uint16_t number = 0;
  std::optional<std::uint16_t> node_port{};
};

struct ServiceObject {
  std::string name;     // namespace/name
  std::string created;  // as the object has it; of one time zone, so that texts may be compared
  std::uint64_t version = 0;
  std::vector<Address> addresses{};
  std::vector<External> externals{};
  std::vector<ServicePort> ports{};
  std::vector<AddressRange> source_ranges{};
  bool internal_local = false;
  bool external_local = false;
  std::uint32_t affinity_seconds = 0;
  std::uint16_t health_check_port = 0;

  [[nodiscard]] std::string port_name(const ServicePort& port) const {
    return port.label.empty() ? name : name + ":" + port.label;
  }
};

// Takes objects one by one, of all documents and files. One that cannot be used, or a part of one, is left
// out with the reason; nothing here is an error.
class Objects {
 public:
  explicit Objects(const ClusterOptions& options)
      : options_(options), zone_(options.zone), sets_of_zones_(1) {}

  void take(const nlohmann::json& object);

  std::vector<ServiceObject> services{};                         // those of which frontends can be made
  std::unordered_map<std::string, std::vector<Slice>> slices{};  // by their Service's namespace/name
  std::vector<Skipped> skipped{};
  std::vector<std::string> service_cidrs{};
  std::vector<std::string> notes{};

  // Whether hints for these zones are for the one that this is in; none where that is not known.
  [[nodiscard]] std::optional<bool> is_for_here(std::uint32_t zones) const;
  // Whether the file has a Service of that name, used or left out.
  [[nodiscard]] bool has_service(const std::string& name) const { return services_by_name_.contains(name); }
  // "2 Pod, 1 Deployment": kinds of which nothing is read; empty: there were none.
  [[nodiscard]] std::string other_kinds() const;
  [[nodiscard]] bool node_is_known() const { return node_is_known_; }

  void leave_out(std::string name, std::string reason, std::size_t count = 1);

 private:
  Status take_list(const JsonField& list);
  Status take_node(const JsonField& node);
  Status take_cidrs(const JsonField& range);
  void take_service(const JsonField& item, const std::string& name);
  void take_slice(const JsonField& item, const std::string& name);
  void take_endpoints(const JsonField& item, const std::string& name);

  Status read_service(const JsonField& item, ServiceObject& service);
  Status read_cluster_ips(const std::vector<JsonField>& ips, ServiceObject& service);
  Status read_externals(const JsonField& item, ServiceObject& service);
  void add_external(ServiceObject& service, const External& external);
  void add_ports(const std::vector<JsonField>& fields, ServiceObject& service);
  std::vector<SlicePort> read_ports(const JsonField& list, const std::string& owner);
  Result<SliceEndpoint> read_endpoint(const JsonField& field, Family family);
  void read_hints(const JsonField& hints, SliceEndpoint& endpoint);
  void add_slice(const std::string& service, Slice slice);

  ClusterOptions options_;
  std::string zone_;
  bool node_is_known_ = false;
  std::size_t taken_ = 0;  // objects, so that one without a name can be called by its number
  std::map<std::string, std::uint32_t> zones_by_text_{};
  std::vector<std::vector<std::string>> sets_of_zones_;
  std::unordered_map<std::string, std::optional<std::size_t>> services_by_name_{};  // none: left out
  std::unordered_map<std::string, std::pair<std::string, std::size_t>> slices_by_name_{};
  std::map<std::string, std::size_t> other_kinds_{};
};

}  // namespace svcbench::cluster
