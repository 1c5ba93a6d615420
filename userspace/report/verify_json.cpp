// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/verify_json.h"

namespace svcbench {

namespace {

nlohmann::json demands_of(const verify::VerifyResults& results) {
  nlohmann::json out = nlohmann::json::object();
  for (const verify::PlaneResult& plane : results.planes) {
    for (const verify::CaseResult& one : plane.cases) {
      out[std::string(one.which->name)] = {{"title", one.which->title}, {"demands", one.which->demands}};
    }
  }
  return out;
}

}  // namespace

nlohmann::json to_json(const verify::VerifyResults& results) {
  nlohmann::json planes = nlohmann::json::array();
  nlohmann::json missing = nlohmann::json::array();
  nlohmann::json cases = nlohmann::json::array();
  for (const verify::PlaneResult& plane : results.planes) {
    if (!plane.not_here.empty()) {
      missing.push_back({{"plane", plane.plane}, {"why", plane.not_here}});
      continue;
    }
    planes.push_back(plane.plane);
    for (const verify::CaseResult& one : plane.cases) {
      cases.push_back({{"plane", plane.plane},
                       {"behaviour", one.which->name},
                       {"family", to_string(one.variant.family)},
                       {"protocol", to_string(one.variant.protocol)},
                       {"outcome", to_string(one.outcome)},
                       {"evidence", one.evidence},
                       {"seconds", one.seconds}});
    }
  }
  return {{"schema_version", verify_schema_version},
          {"environment", results.environment},
          {"run", results.run},
          {"seconds", results.seconds},
          {"planes", planes},
          {"missing", missing},
          {"behaviours", demands_of(results)},
          {"cases", cases}};
}

}  // namespace svcbench
