// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// As much of Kubernetes' API as kube-proxy asks of: lists and watches of an ObjectStore, in JSON, by HTTP
// on loopback. Versions from 1.20 on were served by it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plane/real_kube_proxy/object_store.h"
#include "sys/result.h"

namespace svcbench::kubernetes {

// Answers
//   GET /api/v1/{services,nodes}, /apis/discovery.k8s.io/v1[beta1]/endpointslices,
//       /apis/networking.k8s.io/v1[beta1]/servicecidrs   a list; with ?watch=1 a stream of events
//   GET /api/v1/nodes/NAME                               that object
//   POST, PUT and PATCH of events                        what came: they are thrown away
// and all else with a Status of 404. A watch from a version that the store forgot has 410, Gone; one that
// asks for a list first (WatchList) has 422, after which clients list. Field and label selectors are not
// looked at: the store has what its maker wants listed.
//
// Threads of its own, in the network namespace that it is started in: one that accepts, one a connection.
class ApiServer {
 public:
  // On 127.0.0.1, at a port that the kernel chooses. `store` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<ApiServer>> start(ObjectStore& store);
  // Closes the store, so that watches end, and every connection.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // "GET /apis/apps/v1/deployments": what was asked and is not served, each once.
  [[nodiscard]] std::vector<std::string> not_served() const;

 private:
  class Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace svcbench::kubernetes
