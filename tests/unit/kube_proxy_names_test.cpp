// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Chain names against those of real clusters and of kube-proxy's own documentation.
#include <doctest/doctest.h>

#include "plane/kube_proxy/names.h"

using namespace svcbench;
using namespace svcbench::kube_proxy;

namespace {

Service named(std::string name, Protocol protocol) {
  Service service;
  service.name = std::move(name);
  service.frontend.protocol = protocol;
  return service;
}

}  // namespace

TEST_CASE("service chains are those of real clusters") {
  CHECK(service_chain("KUBE-SVC-", named("kube-system/kube-dns:dns", Protocol::udp)) ==
        "KUBE-SVC-TCOU7JCQXEZGVUNU");
  CHECK(service_chain("KUBE-SVC-", named("default/kubernetes:https", Protocol::tcp)) ==
        "KUBE-SVC-NPX46M4PTMTKRN6Y");
}

TEST_CASE("service and endpoint chains are those of kube-proxy's own examples") {
  const Service service = named("ns4/svc4:p80", Protocol::tcp);
  CHECK(service_chain("KUBE-SVC-", service) == "KUBE-SVC-4SW47YFZTEDKD3PK");
  CHECK(endpoint_chain(service, {*Address::parse("10.180.0.4"), 80}) == "KUBE-SEP-UKSFD7AGPMPPLUHC");
  CHECK(endpoint_chain(service, {*Address::parse("10.180.0.5"), 80}) == "KUBE-SEP-C6EBXVWJJZMIWKLZ");
}

TEST_CASE("a service's name is taken apart") {
  const ServiceName whole = split("kube-system/kube-dns:dns");
  CHECK(whole.name_space == "kube-system");
  CHECK(whole.name == "kube-dns");
  CHECK(whole.port == "dns");
  CHECK(split("default/web").port.empty());
  CHECK(split("web").name_space.empty());
  CHECK(split("web").name == "web");
}
