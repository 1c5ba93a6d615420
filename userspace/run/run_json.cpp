// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/run_json.h"

#include <array>

#include "run/cells.h"
#include "run/field.h"
#include "run/json_parts.h"
#include "run/old/old_run.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view remedy = "give the file that --json of a measuring command wrote";
constexpr std::array commands{"compare",  "path",    "nftables", "ipvs",  "ebpf",
                              "iptables", "connect", "churn",    "verify"};

// ---- there ----

template <typename T>
void put(json& out, const char* name, const T& values) {
  if (!values.empty()) {
    out[name] = values;
  }
}

json shared_json(const SharedPlane& plane) {
  return {{"plane", plane.plane},
          {"ratio", estimate_json(plane.ratio)},
          {"here", estimate_json(plane.here)},
          {"scaled", estimate_json(plane.scaled)}};
}

json cell_json(const Cell& cell) {
  json out{{"id", cell.id},
           {"scenario", cell.scenario},
           {"plane", cell.plane.empty() ? json() : json(cell.plane)},
           {"services", cell.services == 0 ? json() : json(cell.services)},
           {"quantity", {{"name", cell.what}, {"unit", cell.unit}, {"better", to_string(cell.better)}}},
           {"origin", to_string(cell.origin)},
           {"samples", cell.samples}};
  if (cell.origin != Origin::left_out) {
    out["value"] = cell.value;
    out["interval"] = interval_json(cell.interval);
  }
  put(out, "reason", cell.reason);
  put(out, "at", cell.at);
  put(out, "beside", cell.also);
  put(out, "checks", cell.checks);
  put(out, "parts", cell.parts);
  // The values of blocks are their medians.
  put(out, "blocks", cell.blocks);
  if (cell.blocks.empty()) {
    put(out, "values", cell.values);
  }
  for (const Bucket& bucket : cell.histogram) {
    out["histogram"].push_back({bucket.low, bucket.high, bucket.count});
  }
  for (const SharedPlane& plane : cell.by_way_of) {
    out["by_way_of"].push_back(shared_json(plane));
  }
  return out;
}

// ---- and back ----

stats::Estimate whole_estimate(const Field& field) {
  return field.estimate().value_or(stats::Estimate{field.at("value").number(), std::nullopt, 0});
}

Bucket bucket_of(const Field& field) {
  const std::vector<double> all = field.numbers();
  if (all.size() != 3 || !(all[0] < all[1]) || all[2] < 0) {
    field.expected("a bucket: its ends, and how many are in it");
    return {};
  }
  return {.low = all[0], .high = all[1], .count = all[2]};
}

Cell cell_of(const Field& field) {
  Cell cell;
  cell.id = field.at("id").text();
  cell.scenario = field.at("scenario").text();
  cell.plane = field.at("plane").text_if_any();
  cell.services = field.at("services").is_null() ? 0 : field.at("services").count();
  const Field quantity = field.at("quantity");
  cell.what = quantity.at("name").text();
  cell.unit = quantity.at("unit").text();
  cell.better = quantity.at("better").one_of({Better::less, Better::more, Better::neither});
  cell.origin =
      field.at("origin").one_of({Origin::measured, Origin::scaled, Origin::predicted, Origin::left_out});
  cell.samples = field.at("samples").count();
  if (cell.origin != Origin::left_out) {
    cell.value = field.at("value").number();
    cell.interval = field.at("interval").interval();
  }
  cell.reason = field.at("reason").text_if_any();
  for (const auto& [name, value] : field.at("at").members()) {
    cell.at[name] = value.text();
  }
  for (const auto& [name, value] : field.at("beside").members()) {
    cell.also[name] = value.number();
  }
  for (const auto& [name, samples] : field.at("parts").members()) {
    cell.parts[name] = samples.blocks();
  }
  cell.checks = field.at("checks").texts();
  cell.values = field.at("values").numbers();
  if (const Field blocks = field.at("blocks"); !blocks.is_null()) {
    take_blocks(cell, blocks.blocks());
  }
  for (const Field& bucket : field.at("histogram").elements()) {
    cell.histogram.push_back(bucket_of(bucket));
  }
  for (const Field& plane : field.at("by_way_of").elements()) {
    cell.by_way_of.push_back({plane.at("plane").text(), whole_estimate(plane.at("ratio")),
                              whole_estimate(plane.at("here")), whole_estimate(plane.at("scaled"))});
  }
  return cell;
}

Result<std::string> command_of(const json& document, const std::string& name) {
  for (const char* part : {"run", "environment", "details"}) {
    if (!document.contains(part) || !document[part].is_object()) {
      return usage_error("{}: not a run of svcbench; {}", name, remedy);
    }
  }
  const json command = document["run"].value("command", json());
  if (!command.is_string()) {
    return usage_error("{}: not a run of svcbench; {}", name, remedy);
  }
  if (std::find(commands.begin(), commands.end(), command.get<std::string>()) == commands.end()) {
    return usage_error(
        "{}: a run of `{}`, which this svcbench does not know: read it with the one that made it", name,
        printable(command.get<std::string>()));
  }
  return command.get<std::string>();
}

}  // namespace

json run_json(const Run& run) {
  json cells = each(run.cells, cell_json);
  for (const Cell& cell : run.unmeasured) {
    cells.push_back(cell_json(cell));
  }
  return {{"schema_version", run_schema_version},
          {"environment", run.environment},
          {"run", run.run},
          {"seconds", run.seconds},
          {"cells", std::move(cells)},
          {"verdicts", verdicts_json(run.verdicts)},
          {"details", run.details}};
}

Result<Run> run_of_json(const json& document, const std::string& name) {
  const json& version = document["schema_version"];
  if (version.get<double>() > run_schema_version) {
    return usage_error(
        "{}: its schema version is {}, and this svcbench reads up to {}: use a newer svcbench", name,
        printable(version.dump()), run_schema_version);
  }
  SVCB_TAKE(command, command_of(document, name));
  std::string wrong;
  const Field top(JsonCursor(document, name), wrong);
  Run run;
  run.command = std::move(command);
  run.schema_version = version.get<int>();
  run.environment = document["environment"];
  run.run = document["run"];
  run.details = document["details"];
  if (run.schema_version < run_schema_version) {
    old::rename_crossing_kinds(run.details);
  }
  run.seconds = top.at("seconds").number();
  for (const Field& cell : top.at("cells").elements()) {
    add(run, cell_of(cell));
  }
  for (const Field& verdict : top.at("verdicts").elements()) {
    run.verdicts.push_back(verdict.verdict());
  }
  if (!wrong.empty()) {
    return usage_error("{}; {}", wrong, remedy);
  }
  return run;
}

}  // namespace svcbench
