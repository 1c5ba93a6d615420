// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A cluster's services, as `kubectl get services,endpointslices -A -o json` prints them, and in the other
// forms that people have them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// What could not be used: an object, or a part of one.
struct Skipped {
  std::string name;       // namespace/service[:port name]; "EndpointSlice namespace/name"
  std::string reason;     // "headless"
  std::size_t count = 1;  // of parts, where several have the reason: a slice's endpoints

  bool operator==(const Skipped&) const = default;
};

struct ClusterServices {
  // In the order of the file's Services, then of their ports; of a port the ClusterIPs in the order of
  // clusterIPs, then the NodePorts in the same order of families, the externalIPs, and the load balancer's
  // addresses.
  std::vector<Service> services;
  std::vector<Skipped> skipped;
  std::vector<std::string> notes;            // sentences for the user: what was read as something else
  std::vector<std::string> service_cidrs{};  // the file's ServiceCIDRs, "10.96.0.0/12"
  std::string why_no_endpoint{};  // where no frontend has one: why, as far as the file says; else empty
};

struct ClusterOptions {
  std::uint32_t max_endpoints = 512;  // of one frontend; at most SVCB_MAX_ENDPOINTS
  std::string node{};  // which node this is, for Local traffic policies; empty: these are read as Cluster
  std::string zone{};  // and which zone it is in, for topology hints; empty: as its Node in the file says
  bool sctp = false;   // ports of SCTP are read too, which nothing measures; else they are skipped
  bool may_be_empty = false;  // also a file that no frontend is made of is no error
};

// Reads v1 Services and Nodes, discovery.k8s.io EndpointSlices and networking.k8s.io ServiceCIDRs, in each
// of the forms of cluster/forms.h; other kinds are counted in a note. Of v1 Endpoints those are read whose
// Services have no EndpointSlice. Services and slices with the label
// service.kubernetes.io/service-proxy-name or service.kubernetes.io/headless are not kube-proxy's: skipped.
//
// Nothing odd refuses a file: what cannot be used is in `skipped`, and the rest is read. Of two Services
// with one frontend the first keeps it, by creation, then by name. Of an object that stands twice the newer
// one counts, by resourceVersion; of an endpoint that stands twice, a ready one.
//
// As in Kubernetes, a slice's port belongs to the service's port of the same name and protocol, and its
// number is where the endpoints listen; of an endpoint's addresses, which are one pod's, the first counts.
//
// Endpoints by condition, as kube-proxy takes them: the ready ones (absent is true; for a Service with
// publishNotReadyAddresses the EndpointSlice controller says ready of all). Where none is ready, those that
// are terminating and still serving (absent is true). Other terminating ones are Service::terminating.
//
// Topology hints, as kube-proxy takes them: where every ready endpoint has hints for nodes and one is for
// this node, a Cluster traffic policy has those that are for it; else the same of this node's zone.
//
// Weights are not in Kubernetes: the annotation svcbench/weight of an EndpointSlice ("1" to "65535") is
// that of each endpoint in it; 1 without it. Where no slice of a port has one, Service::weights is empty.
//
// `source_name` is what errors call the text. Error: usage; any text, however broken or hostile, gives one.
// At least one ClusterIP frontend is in the result, unless it may be empty.
[[nodiscard]] Result<ClusterServices> parse_cluster(std::string_view text, std::string_view source_name,
                                                    const ClusterOptions& options = {});

// parse_cluster() of files, taken together; "-" is standard input.
[[nodiscard]] Result<ClusterServices> read_cluster(const std::vector<std::string>& paths,
                                                   const ClusterOptions& options = {});
[[nodiscard]] Result<ClusterServices> read_cluster(const std::string& path,
                                                   const ClusterOptions& options = {});

// A file's text, in UTF-8, and what errors call it.
struct ClusterText {
  std::string source{};
  std::string text{};
};
// For who reads files more than once: "-" can be read but once. Error: usage, as read_cluster().
[[nodiscard]] Result<std::vector<ClusterText>> cluster_texts(const std::vector<std::string>& paths);
[[nodiscard]] Result<ClusterServices> parse_cluster(std::span<const ClusterText> texts,
                                                    const ClusterOptions& options);
// The objects themselves, in their order, of all kinds, unchecked; of their members only those that are
// read of any (cluster/object_builder.h).
[[nodiscard]] Result<std::vector<nlohmann::json>> cluster_objects(std::span<const ClusterText> texts);

// "services.json, slices.json"; "-" is "standard input".
[[nodiscard]] std::string names_of_files(const std::vector<std::string>& paths);

}  // namespace svcbench
