// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// verify has no figures: what planes do is among the details.
#include "run/as_run.h"

namespace svcbench {

Run as_run(const verify::VerifyResults& results) {
  using nlohmann::json;
  Run run = run_of(results.environment, results.run, results.seconds, {});
  json planes = json::array();
  json missing = json::array();
  json behaviours = json::object();
  json cases = json::array();
  for (const verify::PlaneResult& plane : results.planes) {
    if (!plane.not_here.empty()) {
      missing.push_back({{"plane", plane.plane}, {"why", plane.not_here}});
      continue;
    }
    planes.push_back(plane.plane);
    for (const verify::CaseResult& one : plane.cases) {
      behaviours[std::string(one.which->name)] = {{"title", one.which->title},
                                                  {"demands", one.which->demands}};
      cases.push_back({{"plane", plane.plane},
                       {"behaviour", one.which->name},
                       {"family", to_string(one.variant.family)},
                       {"protocol", to_string(one.variant.protocol)},
                       {"outcome", to_string(one.outcome)},
                       {"evidence", one.evidence},
                       {"seconds", one.seconds}});
    }
  }
  run.details = {{"planes", std::move(planes)},
                 {"missing", std::move(missing)},
                 {"behaviours", std::move(behaviours)},
                 {"cases", std::move(cases)}};
  return run;
}

}  // namespace svcbench
