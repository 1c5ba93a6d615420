// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// When services change, by the plane's own way of being changed.
#include <algorithm>

#include "verify/cases.h"

namespace svcbench::verify {

namespace {

constexpr std::size_t few = 10;
constexpr std::size_t many = 50;

Step<void> dial_all(Scene& scene, const Service& service, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    SVCB_TAKE(flow, scene.dial(service));
  }
  return {};
}

Step<std::string> change_takes_effect(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_TAKE(other, scene.cluster_ip(2));
  SVCB_TAKE(added, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service, other}));
  SVCB_CHECK(dial_all(scene, service, few));
  SVCB_TAKE(replacement, scene.endpoint());
  service.endpoints = {replacement};
  SVCB_CHECK(scene.change(Operation::change_endpoints, service));
  SVCB_CHECK(dial_all(scene, service, many));
  SVCB_CHECK(scene.change(Operation::add_service, added));
  SVCB_CHECK(dial_all(scene, added, few));
  SVCB_CHECK(dial_all(scene, other, few));
  return fmt::format("{} flows after it", many);
}

Step<std::string> removal(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(2));
  SVCB_TAKE(other, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service, other}));
  SVCB_CHECK(dial_all(scene, service, few));
  SVCB_CHECK(scene.change(Operation::remove_service, service));
  SVCB_CHECK(scene.expect_unanswered(service.frontend));
  SVCB_CHECK(dial_all(scene, other, few));
  SVCB_CHECK(scene.change(Operation::add_service, service));
  SVCB_CHECK(dial_all(scene, service, few));
  return std::string("and added again");
}

Step<std::string> terminating(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  const Endpoint leaving = flow.served().by;
  std::erase(service.endpoints, leaving);
  service.terminating = {leaving};
  SVCB_CHECK(scene.change(Operation::change_endpoints, service));
  SVCB_CHECK(flow.exchange(1000));
  SVCB_CHECK(dial_all(scene, service, many));
  SVCB_CHECK(flow.exchange(1000));
  return std::string("and new flows go elsewhere");
}

// Nothing tells a UDP client that its backend is gone: somebody else must get what it sends.
Step<std::string> udp_moves_on(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  const Endpoint gone = flow.served().by;
  SVCB_TAKE(replacement, scene.endpoint());
  service.endpoints = {replacement};
  SVCB_CHECK(scene.change(Operation::change_endpoints, service));
  SVCB_CHECK(flow.exchange(100));
  return flow.served().by == replacement
             ? Step<std::string>("by the next datagram")
             : failed("{} still sends to {}, which is no endpoint of {} any more", flow.client().text(),
                      gone.text(), service.frontend.text());
}

}  // namespace

std::span<const Case> change_cases() {
  static constexpr std::array rows{
      Case{"change", "a change takes effect",
           "once an endpoint is replaced every new flow goes to the new one; a service that is added is "
           "served",
           every_variant, change_takes_effect},
      Case{"removal", "a removed service is gone",
           "a service that is removed is not answered, others are, and it may come back", every_variant,
           removal},
      Case{"terminating", "a terminating backend serves on",
           "a connection stays with its terminating endpoint; new ones go to others", tcp_variants,
           terminating},
      Case{"udp-moves", "UDP leaves a removed backend",
           "a UDP flow whose endpoint is removed goes to another with its next datagram", udp_variants,
           udp_moves_on},
  };
  return rows;
}

}  // namespace svcbench::verify
