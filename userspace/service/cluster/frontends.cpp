// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster/frontends.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "service/cluster/forms.h"
#include "service/text.h"
#include "svcbench/abi.h"

namespace svcbench::cluster {
namespace {

// An endpoint of one port, as a slice has it.
struct PortEndpoint {
  Endpoint endpoint;
  const SliceEndpoint* source;
  std::optional<std::uint16_t> weight;
};

// What an endpoint may be good for: new flows before last flows before nothing.
int rank(const SliceEndpoint& endpoint) {
  return endpoint.ready ? 2 : endpoint.serving && endpoint.terminating ? 1 : 0;
}

// By which of their hints ready endpoints are chosen. Those of nodes come first; hints count where every
// ready endpoint has some and at least one is for here.
enum class Hints { none, of_nodes, of_zones };

// What a port of a Service is, in one family.
struct Port {
  const ServicePort* port;
  Family family;
};

class Frontends {
 public:
  Frontends(Objects objects, std::string_view source, const ClusterOptions& options)
      : objects_(std::move(objects)), source_(source), options_(options) {}

  Result<ClusterServices> make() {
    choose_owners();
    drop_endpoints_objects();
    for (std::size_t i = 0; i < objects_.services.size(); ++i) {
      add_frontends(i);
    }
    tell_useless_slices();
    write_notes();
    result_.skipped = std::move(objects_.skipped);
    result_.service_cidrs = std::move(objects_.service_cidrs);
    result_.why_no_endpoint = why_no_endpoint();
    SVCB_CHECK(require_cluster_ip());
    return std::move(result_);
  }

 private:
  struct Claim {
    std::size_t service;
    std::size_t port;
  };

  // A frontend of one port.
  struct Candidate {
    FrontendKind kind;
    Frontend frontend;
  };

  static std::vector<Candidate> candidates(const ServiceObject& service, const ServicePort& port) {
    std::vector<Candidate> out;
    for (const Address& address : service.addresses) {
      out.push_back({FrontendKind::cluster_ip, {address, port.number, port.protocol}});
    }
    if (port.node_port) {
      std::set<Family> families;
      for (const Address& address : service.addresses) {
        if (families.insert(address.family).second) {
          const Address any{.bytes = {}, .family = address.family};
          out.push_back({FrontendKind::node_port, {any, *port.node_port, port.protocol}});
        }
      }
    }
    for (const External& external : service.externals) {
      out.push_back({external.kind, {external.address, port.number, port.protocol}});
    }
    return out;
  }

  // Who keeps a frontend that several Services have: the oldest of them, then the first by name.
  void choose_owners() {
    std::vector<std::size_t> order(objects_.services.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
      const auto age = [&](std::size_t i) {
        const ServiceObject& service = objects_.services[i];
        return std::tie(service.created, service.name);
      };
      return age(one) < age(other);
    });
    for (const std::size_t i : order) {
      const ServiceObject& service = objects_.services[i];
      for (std::size_t p = 0; p < service.ports.size(); ++p) {
        for (const Candidate& one : candidates(service, service.ports[p])) {
          owners_.emplace(one.frontend, Claim{i, p});
        }
      }
    }
  }

  // What EndpointSlices have is not read twice.
  void drop_endpoints_objects() {
    std::size_t mirrored = 0;
    std::size_t used = 0;
    for (auto& [service, slices] : objects_.slices) {
      const bool has_slices =
          std::any_of(slices.begin(), slices.end(), [](const Slice& slice) { return !slice.is_endpoints; });
      if (has_slices) {
        mirrored +=
            std::erase_if(slices, [](const Slice& slice) { return slice.is_endpoints; }) != 0 ? 1 : 0;
      } else if (objects_.has_service(service)) {
        ++used;
      }
    }
    if (mirrored != 0) {
      result_.notes.push_back(fmt::format(
          "{} Endpoints objects are not read: EndpointSlices say what they say", grouped(mirrored)));
    }
    if (used != 0) {
      result_.notes.push_back(fmt::format(
          "the endpoints of {} Services are read from Endpoints objects, which say nothing of terminating "
          "pods and zones: `kubectl get services,endpointslices -A -o json` does",
          grouped(used)));
    }
  }

  void add_frontends(std::size_t index) {
    const ServiceObject& service = objects_.services[index];
    for (std::size_t p = 0; p < service.ports.size(); ++p) {
      const ServicePort& port = service.ports[p];
      std::vector<PortEndpoint> endpoints;
      std::optional<Family> family;  // that those are of
      for (const auto& [kind, address] : candidates(service, port)) {
        const std::string name = service.port_name(port);
        if (const Claim& owner = owners_.at(address); owner.service != index || owner.port != p) {
          const ServiceObject& other = objects_.services[owner.service];
          objects_.leave_out(name, fmt::format("{} {} is {}'s already", to_string(kind), address.text(),
                                               other.port_name(other.ports[owner.port])));
          continue;
        }
        if (family != address.address.family) {
          family = address.address.family;
          endpoints = endpoints_of(service.name, {&port, *family});
        }
        Service frontend;
        frontend.name = name;
        frontend.kind = kind;
        frontend.frontend = address;
        frontend.affinity_seconds = service.affinity_seconds;
        frontend.health_check_port = service.health_check_port;
        if (kind == FrontendKind::load_balancer) {
          for (const AddressRange& range : service.source_ranges) {
            if (range.first.family == address.address.family) {
              frontend.source_ranges.push_back(range.text());
            }
          }
        }
        const bool local =
            kind == FrontendKind::cluster_ip ? service.internal_local : service.external_local;
        if (fill(frontend, endpoints, local)) {
          result_.services.push_back(std::move(frontend));
        }
      }
    }
  }

  // Each once, in the order of the slices: while a controller moves endpoints they may stand in two, and a
  // pod that took over a dead one's address stands beside it. Of two the one that serves better counts.
  std::vector<PortEndpoint> endpoints_of(const std::string& service, const Port& wanted) {
    std::vector<PortEndpoint> endpoints;
    const auto slices = objects_.slices.find(service);
    if (slices == objects_.slices.end()) {
      return endpoints;
    }
    std::unordered_map<Frontend, std::size_t> places;
    for (const Slice& slice : slices->second) {
      for (const SlicePort& port : slice.ports) {
        if (slice.family != wanted.family || port.name != wanted.port->label ||
            port.protocol != wanted.port->protocol) {
          continue;
        }
        useful_.insert(&slice);
        for (const SliceEndpoint& one : slice.endpoints) {
          const PortEndpoint endpoint{{one.address, port.number}, &one, slice.weight};
          const auto [place, is_new] =
              places.emplace(Frontend{one.address, port.number, port.protocol}, endpoints.size());
          if (is_new) {
            endpoints.push_back(endpoint);
          } else if (rank(one) > rank(*endpoints[place->second].source)) {
            endpoints[place->second] = endpoint;
          }
        }
      }
    }
    return endpoints;
  }

  [[nodiscard]] bool is_given(const SliceEndpoint& one, Hints hints) const {
    return hints == Hints::of_nodes ? one.node_hint_given : one.zones != 0;
  }
  [[nodiscard]] bool is_for_here(const SliceEndpoint& one, Hints hints) const {
    return hints == Hints::of_nodes ? one.node_hint_here : objects_.is_for_here(one.zones).value_or(false);
  }

  [[nodiscard]] Hints hints_that_count(const std::vector<PortEndpoint>& all) const {
    for (const Hints hints : {Hints::of_nodes, Hints::of_zones}) {
      bool here = false;
      const bool given = std::all_of(all.begin(), all.end(), [&](const PortEndpoint& one) {
        here = here || (one.source->ready && is_for_here(*one.source, hints));
        return !one.source->ready || is_given(*one.source, hints);
      });
      if (given && here) {
        return hints;
      }
    }
    return Hints::none;
  }

  // What new flows may go to: the ready ones, or where there are none those that serve while they
  // terminate. `of_node`: of this node's, whatever their hints.
  [[nodiscard]] std::vector<const PortEndpoint*> usable(const std::vector<PortEndpoint>& all,
                                                        bool of_node) const {
    const Hints hints = of_node ? Hints::none : hints_that_count(all);
    std::vector<const PortEndpoint*> ready;
    std::vector<const PortEndpoint*> last;
    for (const PortEndpoint& one : all) {
      const SliceEndpoint& source = *one.source;
      if (of_node && !source.here) {
        continue;
      }
      if (source.ready) {
        if (hints == Hints::none || is_for_here(source, hints)) {
          ready.push_back(&one);
        }
      } else if (rank(source) == 1) {
        last.push_back(&one);
      }
    }
    return ready.empty() ? last : ready;
  }

  // `local`: the frontend's traffic policy is Local. False: it has too many, and is left out.
  bool fill(Service& frontend, const std::vector<PortEndpoint>& all, bool local) {
    const auto serve =
        static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const PortEndpoint& one) {
          return one.source->ready || one.source->terminating;
        }));
    if (serve > options_.max_endpoints) {
      const bool can_raise = options_.max_endpoints < SVCB_MAX_ENDPOINTS;
      objects_.leave_out(
          frontend.name,
          fmt::format("{} endpoints, more than the {} that --max-endpoints allows{}", grouped(serve),
                      grouped(options_.max_endpoints),
                      can_raise ? fmt::format("; raise it, up to {}", grouped(SVCB_MAX_ENDPOINTS))
                                : ", which is the most there can be"));
      return false;
    }
    frontend.counted_endpoints = static_cast<std::uint32_t>(all.size());
    for (const PortEndpoint& one : all) {
      if (one.source->here) {
        frontend.own_endpoints.push_back(one.endpoint);
      }
    }
    frontend.local_only = local && !options_.node.empty();
    local_ += local ? 1 : 0;
    if (frontend.local_only) {
      for (const PortEndpoint* one : usable(all, false)) {
        frontend.cluster_endpoints.push_back(one->endpoint);
      }
    }
    const auto used = usable(all, frontend.local_only);
    const bool weighted = std::any_of(used.begin(), used.end(),
                                      [](const PortEndpoint* one) { return one->weight.has_value(); });
    frontend.endpoints.reserve(used.size());
    for (const PortEndpoint* one : used) {
      frontend.endpoints.push_back(one->endpoint);
      if (weighted) {
        frontend.weights.push_back(one->weight.value_or(1));
      }
    }
    for (const PortEndpoint& one : all) {
      if (one.source->terminating && (!frontend.local_only || one.source->here) &&
          std::find(used.begin(), used.end(), &one) == used.end()) {
        frontend.terminating.push_back(one.endpoint);
      }
    }
    return true;
  }

  // Why a slice whose Service is used has none of its ports; empty: that was told.
  [[nodiscard]] std::string why_useless(const Slice& slice, const ServiceObject& service) const {
    const bool has_family =
        std::any_of(service.addresses.begin(), service.addresses.end(),
                    [&](const Address& address) { return address.family == slice.family; });
    if (!has_family) {
      return fmt::format("{}, and its Service has no cluster IP of that family", to_string(slice.family));
    }
    if (slice.ports.empty()) {
      return slice.ports_told ? "" : "it has no port";
    }
    std::string ports;
    for (const SlicePort& port : slice.ports) {
      ports +=
          fmt::format("{}{}{}", ports.empty() ? "" : ", ",
                      port.name.empty() ? "" : fmt::format("{}/", port.name), to_string(port.protocol));
    }
    return fmt::format("none of its ports ({}) is its Service's by name and protocol", ports);
  }

  void tell_useless_slices() {
    std::unordered_map<std::string, const ServiceObject*> services;
    for (const ServiceObject& service : objects_.services) {
      services.emplace(service.name, &service);
    }
    std::vector<std::pair<std::string, std::string>> told;  // name, reason
    for (const auto& [service, slices] : objects_.slices) {
      for (const Slice& slice : slices) {
        const std::string called = (slice.is_endpoints ? "Endpoints " : "EndpointSlice ") + slice.name;
        if (!objects_.has_service(service)) {
          told.emplace_back(called, "its Service is not in the file");
        } else if (const auto found = services.find(service);
                   found != services.end() && !useful_.contains(&slice)) {
          if (std::string why = why_useless(slice, *found->second); !why.empty()) {
            told.emplace_back(called, std::move(why));
          }
        }
      }
    }
    std::sort(told.begin(), told.end());
    for (auto& [name, reason] : told) {
      objects_.leave_out(std::move(name), std::move(reason));
    }
  }

  [[nodiscard]] std::size_t hints_lost() const {
    std::size_t lost = 0;
    for (const auto& [service, slices] : objects_.slices) {
      for (const Slice& slice : slices) {
        for (const SliceEndpoint& one : slice.endpoints) {
          const bool of_node = one.node_hint_given && options_.node.empty();
          const bool of_zone = one.zones != 0 && !objects_.is_for_here(one.zones);
          lost += of_node || of_zone ? 1 : 0;
        }
      }
    }
    return lost;
  }

  void write_notes() {
    for (std::string& note : objects_.notes) {
      result_.notes.push_back(std::move(note));
    }
    if (local_ != 0 && options_.node.empty()) {
      result_.notes.push_back(fmt::format(
          "{} frontends with a Local traffic policy are taken as Cluster: --node NAME says which "
          "node this is",
          grouped(local_)));
    }
    if (const std::size_t lost = hints_lost(); lost != 0) {
      result_.notes.push_back(
          fmt::format("topology hints of {} endpoints are not looked at: --node NAME, and --zone NAME or "
                      "that Node in the file, say where this is",
                      grouped(lost)));
    }
    if (!options_.node.empty() && !objects_.node_is_known()) {
      result_.notes.push_back(
          fmt::format("no endpoint of {} is on a node called {}", source_, printable(options_.node)));
    }
    if (const std::string kinds = objects_.other_kinds(); !kinds.empty()) {
      result_.notes.push_back("objects of kinds that have no part in Services are not read: " + kinds);
    }
  }

  // The first thing that was left out where endpoints are, or what there is none of.
  [[nodiscard]] std::string why_no_endpoint() const {
    for (const Service& service : result_.services) {
      if (!service.endpoints.empty() || !service.cluster_endpoints.empty()) {
        return "";
      }
    }
    if (result_.services.empty()) {
      return fmt::format("there is no Service in {} that can be used; {}", source_, remedy);
    }
    const auto odd = std::find_if(result_.skipped.begin(), result_.skipped.end(), [](const Skipped& one) {
      return one.name.starts_with("EndpointSlice") || one.name.starts_with("Endpoints");
    });
    if (odd != result_.skipped.end()) {
      return fmt::format("{}: {}", odd->name, odd->reason);
    }
    if (useful_.empty()) {
      return fmt::format("there is no EndpointSlice of theirs in {}; {}", source_, remedy);
    }
    return fmt::format("of those in the {} EndpointSlices none is ready", grouped(useful_.size()));
  }

  [[nodiscard]] Status require_cluster_ip() const {
    const auto& services = result_.services;
    if (options_.may_be_empty || std::any_of(services.begin(), services.end(), [](const Service& one) {
          return one.kind == FrontendKind::cluster_ip;
        })) {
      return {};
    }
    const std::string kinds = objects_.other_kinds();
    if (result_.skipped.empty()) {
      return usage_error("{}: no Service in it{}, and 0 skipped; {}", source_,
                         kinds.empty() ? "" : fmt::format(" (but {})", kinds), remedy);
    }
    const Skipped& first = result_.skipped.front();
    return usage_error("{}: no ClusterIP frontend in it; {} skipped, the first {} ({})", source_,
                       grouped(result_.skipped.size()), first.name, first.reason);
  }

  Objects objects_;
  std::string source_;
  const ClusterOptions& options_;
  std::unordered_map<Frontend, Claim> owners_;
  std::set<const Slice*> useful_;  // those that have a port of their Service
  std::size_t local_ = 0;          // frontends with a Local traffic policy
  ClusterServices result_;
};

}  // namespace

Result<ClusterServices> frontends_of(Objects objects, std::string_view source,
                                     const ClusterOptions& options) {
  return Frontends(std::move(objects), source, options).make();
}

}  // namespace svcbench::cluster
