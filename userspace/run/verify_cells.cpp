// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// verify has no figures: what planes do is among the details.
#include "run/as_run.h"

namespace svcbench {

namespace {

nlohmann::json rules_json(const verify::KubeProxyRules& rules) {
  using nlohmann::json;
  json modes = json::array();
  for (const verify::RulesOfMode& one : rules.modes) {
    json& mode = modes.emplace_back(json{{"mode", kube_proxy::to_string(one.mode)}});
    if (!one.why_not.empty()) {
      mode["why_not"] = one.why_not;
      continue;
    }
    json differences = json::array();
    for (const kube_proxy::RuleDifference& each : one.compared.differences) {
      differences.push_back({{"only", each.only == kube_proxy::RuleSide::ours ? "svcbench" : "kube-proxy"},
                             {"place", each.place},
                             {"rule", each.rule},
                             {"order", each.order}});
    }
    mode["family"] = to_string(one.family);
    mode["equal"] = one.compared.equal;
    mode["differences"] = std::move(differences);
  }
  return {{"binary", rules.binary},
          {"version", rules.binary_version},
          {"services", rules.subject},
          {"frontends", rules.frontends},
          {"modes", std::move(modes)}};
}

}  // namespace

Run as_run(const verify::VerifyResults& results) {
  using nlohmann::json;
  Run run = run_of(results.environment, results.run, results.seconds);
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
  if (results.rules) {
    run.details["rules"] = rules_json(*results.rules);
  }
  return run;
}

}  // namespace svcbench
