// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane_checks.h"

#include "private_place.h"

namespace svcbench::test {

std::vector<Service> check_holds(const DataPlane& plane, const std::vector<Service>& services,
                                 std::size_t step) {
  CHECK(must(plane.entries()) == services.size());
  std::vector<Service> all;
  for (std::size_t i = 0; i < services.size(); i += step) {
    const auto found = must(plane.find(services[i].frontend));
    REQUIRE_MESSAGE(found, services[i].frontend.text());
    CHECK_MESSAGE(*found == plane.programmed(services[i]), services[i].frontend.text());
    all.push_back(*found);
  }
  return all;
}

void change(DataPlane& plane, Operation operation, const Service& service) {
  must(plane.stage({operation, service}));
  must(plane.commit());
}

}  // namespace svcbench::test
