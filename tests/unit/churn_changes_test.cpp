// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The changes that are made: each fits what was there, and no endpoint comes twice.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "measure/churn/changes.h"

namespace svcbench {

TEST_CASE("churn changes: every change is one of what is there, and brings endpoints that never were") {
  const auto workload = Workload::generate(20, 3, {Family::ipv4, Family::ipv6}, 1);
  REQUIRE(workload);
  const auto& services = workload->services();
  ChangeSequence sequence(services, *workload, 7);
  struct Known {
    bool present = true;
    std::vector<Endpoint> endpoints{};
  };
  std::map<Frontend, Known> known;
  std::set<Endpoint> used;
  for (const Service& service : services) {
    known[service.frontend].endpoints = service.endpoints;
    used.insert(service.endpoints.begin(), service.endpoints.end());
  }
  std::map<ChurnStep, int> steps;
  ChurnStep last_step = ChurnStep::replace;
  for (int i = 0; i < 5000; ++i) {
    const PlannedChange planned = sequence.next();
    const Service& service = planned.change.service;
    ++steps[planned.step];
    REQUIRE(service.frontend == services[planned.place].frontend);
    CHECK(service.name == services[planned.place].name);
    Known& before = known[service.frontend];
    std::size_t fresh = 0;
    for (const Endpoint& endpoint : service.endpoints) {
      CHECK(endpoint.address.family == service.frontend.address.family);
      const bool held =
          std::find(before.endpoints.begin(), before.endpoints.end(), endpoint) != before.endpoints.end();
      if (!held && planned.present) {
        CHECK(used.insert(endpoint).second);
        ++fresh;
      }
    }
    const std::size_t now = service.endpoints.size();
    const std::size_t had = before.endpoints.size();
    CHECK(before.present == (planned.step != ChurnStep::add));
    CHECK(planned.present == (planned.step != ChurnStep::remove));
    CHECK((planned.change.operation == Operation::add_service) == (planned.step == ChurnStep::add));
    CHECK((planned.change.operation == Operation::remove_service) == (planned.step == ChurnStep::remove));
    CHECK((last_step == ChurnStep::empty) == (planned.step == ChurnStep::refill));
    switch (planned.step) {
      case ChurnStep::replace:
      case ChurnStep::refill:
      case ChurnStep::add:
        CHECK(now == 3);
        CHECK(fresh == 3);
        break;
      case ChurnStep::grow:
        CHECK(now == had + 1);
        CHECK(fresh == 1);
        CHECK(now <= 5);
        break;
      case ChurnStep::shrink:
        CHECK(now + 1 == had);
        CHECK(fresh == 0);
        break;
      case ChurnStep::empty:
        CHECK(now == 0);
        break;
      case ChurnStep::remove:
        CHECK(service.endpoints == before.endpoints);  // as it was
        break;
    }
    before = {planned.present, planned.present ? service.endpoints : std::vector<Endpoint>{}};
    last_step = planned.step;
  }
  CHECK(steps.size() == churn_steps);
  for (const auto& [step, count] : steps) {
    CHECK_MESSAGE(count > 100, to_string(step));
  }
  std::size_t present = 0;
  for (const auto& [frontend, service] : known) {
    present += service.present ? 1 : 0;
  }
  CHECK(sequence.present() == present);
}

TEST_CASE("churn changes: the same seed, the same changes") {
  const auto workload = Workload::generate(8, 2, {Family::ipv4}, 1);
  REQUIRE(workload);
  ChangeSequence a(workload->services(), *workload, 1);
  ChangeSequence b(workload->services(), *workload, 1);
  ChangeSequence other(workload->services(), *workload, 2);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const Service service = a.next().change.service;
    CHECK(service == b.next().change.service);
    differs = differs || !(service == other.next().change.service);
  }
  CHECK(differs);
}

}  // namespace svcbench
