// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/results_json.h"

#include "measure/analysis.h"
#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json update_json(const UpdateCell& cell) {
  json out{{"plane", cell.plane},
           {"services", cell.services},
           {"operation", to_string(cell.operation)},
           {"rules", cell.rules == 0 ? json() : json(cell.rules)}};
  if (!cell.skipped.empty()) {
    out["skipped"] = cell.skipped;
    out["predicted_ns"] = or_null(cell.predicted_ns);
    return out;
  }
  const auto all = pooled(cell.commit_ns);
  out["p50_ns"] = estimate_json(stats::median_of_blocks(cell.commit_ns));
  out["p99_ns"] = or_null(stats::quantile(all, 0.99));
  out["p99_interval_ns"] = interval_json(stats::quantile_interval(all, 0.99, stats::confidence));
  out["max_ns"] = all.empty() ? json() : json(all.back());
  out["stage_p50_ns"] = estimate_json(stats::median_of_blocks(cell.stage_ns));
  out["commit_ns"] = cell.commit_ns;
  out["stage_ns"] = cell.stage_ns;
  return out;
}

json fill_json(const FillCell& cell) {
  return {{"writes", cell.writes},
          {"services", cell.services},
          {"backends", cell.backends},
          {"map_bytes", cell.map_bytes},
          {"batched", cell.batched},
          {"p50_ns", estimate_json(stats::median_of(cell.ns))},
          {"ns", cell.ns}};
}

json program_json(const ProgramCell& cell) {
  return {{"hook", cell.hook},
          {"depth", cell.depth},
          {"family", to_string(cell.family)},
          {"destination", cell.destination.empty() ? json() : json(cell.destination)},
          {"services", cell.services},
          {"packets_per_sample", cell.packets_per_sample},
          {"p50_ns", estimate_json(stats::median_of_blocks(cell.ns_per_packet))},
          {"ns_per_packet", cell.ns_per_packet},
          {"kernel_ns_per_packet", cell.kernel_ns}};
}

json account_json(const AccountCheck& check) {
  json out{{"hook", check.hook},
           {"family", to_string(check.family)},
           {"destination", check.destination},
           {"services", check.services}};
  if (!check.not_offered.empty()) {
    out["not_offered"] = check.not_offered;
    return out;
  }
  const Comparison comparison = check.compared();
  out["agreement"] = to_string(comparison.agreement);
  out["summary"] = comparison.summary;
  out["own_clock_ns"] = estimate_json(comparison.first);
  out["account_ns"] = estimate_json(comparison.second);
  out["account_floor_ns"] = estimate_json(stats::median_of(check.account_empty));
  out["cost_of_account_ns"] = estimate_json(check.cost_of_account());
  for (const auto& [name, member] : AccountCheck::rounds) {
    out["rounds"][name] = check.*member;
  }
  return out;
}

json growth_json(const GrowthFigure& figure) {
  json out{{"plane", figure.plane}, {"operation", to_string(figure.operation)}};
  if (figure.growth) {
    out["exponent"] = figure.growth->exponent;
    out["interval"] = interval_json(figure.growth->interval);
    out["rounds"] = figure.growth->rounds;
    out["trend"] = to_string(classify(*figure.growth));
  }
  if (figure.line) {
    out["ns_per_service"] = figure.line->slope;
    out["ns_per_service_interval"] = interval_json(figure.line->slope_interval);
    out["intercept_ns"] = figure.line->intercept;
  }
  return out;
}

json ratios_json(const Results& results) {
  json out = json::array();
  for (const UpdateCell& ebpf : results.updates) {
    const UpdateCell* iptables = find_update(results, "iptables", ebpf.services, ebpf.operation);
    const UpdateCell* bare = find_update(results, "bare", ebpf.services, ebpf.operation);
    if (ebpf.plane != "ebpf" || bare == nullptr) {
      continue;
    }
    json row{{"services", ebpf.services},
             {"operation", to_string(ebpf.operation)},
             {"ebpf_over_bare", estimate_json(ratio(ebpf.commit_ns, bare->commit_ns))}};
    row["iptables_over_ebpf"] = iptables == nullptr || iptables->commit_ns.empty()
                                    ? json()
                                    : estimate_json(ratio(iptables->commit_ns, ebpf.commit_ns));
    out.push_back(row);
  }
  return out;
}

}  // namespace

json to_json(const Results& results) {
  return {{"schema_version", result_schema_version},
          {"environment", results.environment},
          {"run", results.run},
          {"seconds", results.seconds},
          {"updates", each(results.updates, update_json)},
          {"ratios", ratios_json(results)},
          {"growth", each(all_growths(results), growth_json)},
          {"fills", each(results.fills, fill_json)},
          {"programs", each(results.programs, program_json)},
          {"account_checks", each(results.account_checks, account_json)},
          {"verdicts", verdicts_json(results.verdicts)}};
}

}  // namespace svcbench
