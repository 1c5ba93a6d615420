// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/old/old_run.h"

#include <algorithm>
#include <array>

#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view remedy = "give the file that --json of a measuring command wrote";

struct Kind {
  std::string_view command;
  const char* part;  // that tells it from the command's other kinds; "": none is asked for
  int newest;        // schema version
  void (*add)(const Field& document, Run& run);
};

void add_none(const Field&, Run&) {}

// verify: behaviours are no figures.
constexpr std::array kinds{
    Kind{"compare", "", 1, old::add_compare},  Kind{"path", "", 1, old::add_compare},
    Kind{"nftables", "", 1, old::add_compare}, Kind{"ipvs", "", 1, old::add_compare},
    Kind{"ebpf", "", 1, old::add_ebpf},        Kind{"iptables", "ruleset", 2, old::add_ruleset},
    Kind{"iptables", "", 1, old::add_chapter}, Kind{"connect", "", 1, old::add_connect},
    Kind{"churn", "", 1, old::add_churn},      Kind{"verify", "", 1, add_none},
};

// What became cells, or has a place of its own in a Run.
constexpr std::array no_details{
    "schema_version", "environment", "run",          "seconds",    "verdicts", "syncs",    "updates",
    "paths",          "states",      "growth",       "instrument", "borrowed", "fills",    "programs",
    "ratios",         "path_growth", "path_notes",   "loads",      "floors",   "phases",   "effect_ns",
    "search",         "wrong",       "half_changed", "damaged",    "plane",    "services", "changes",
};

// Version 1 of a ruleset's result said what it says of its run without a "run".
void complete_ruleset(json& document) {
  if (!document.is_object() || document.contains("run") || !document.contains("ruleset")) {
    return;
  }
  json& run = document["run"] = json::object();
  for (const char* name : {"command", "rounds", "budget_seconds"}) {
    run[name] = document.value(name, json());
  }
}

Result<const Kind*> command_kind(const json& document, const std::string& name) {
  const auto object = [&](const char* key) {
    return document.is_object() && document.contains(key) && document[key].is_object();
  };
  const json run = object("run") ? document["run"] : json::object();
  if (!run.contains("command") || !run["command"].is_string() || !object("environment")) {
    return usage_error("{}: not a run of svcbench; {}", name, remedy);
  }
  const auto& command = run["command"].get_ref<const std::string&>();
  const auto* const kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& one) {
    return one.command == command && (*one.part == '\0' || document.contains(one.part));
  });
  if (kind == kinds.end()) {
    return usage_error(
        "{}: a run of `{}`, which this svcbench does not know: read it with the one that made it", name,
        printable(command));
  }
  return kind;
}

Result<int> version_of(const json& document, const Kind& kind, const std::string& name) {
  const auto version = document.find("schema_version");
  if (version == document.end() || !version->is_number_integer() || version->get<double>() < 1) {
    return usage_error("{}: it has no schema_version; {}", name, remedy);
  }
  if (version->get<double>() > kind.newest) {
    return usage_error("{}: its schema version is {}, which no svcbench gave to a run of `{}`", name,
                       printable(version->dump()), kind.command);
  }
  return version->get<int>();
}

json details_of(const json& document) {
  json details = document;
  for (const char* name : no_details) {
    details.erase(name);
  }
  if (const auto notes = document.find("path_notes"); notes != document.end()) {
    details["notes"] = *notes;
  }
  return details;
}

}  // namespace

Result<Run> read_old_run(json document, const std::string& name) {
  complete_ruleset(document);
  SVCB_TAKE(kind, command_kind(document, name));
  SVCB_TAKE(version, version_of(document, *kind, name));
  Run run;
  run.command = kind->command;
  run.schema_version = version;
  run.environment = document["environment"];
  run.run = document["run"];
  run.details = details_of(document);
  std::string wrong;
  const Field top(JsonCursor(document, name), wrong);
  run.seconds = top.at("seconds").number_if_any().value_or(0);
  for (const Field& verdict : top.at("verdicts").elements()) {
    run.verdicts.push_back(verdict.verdict());
  }
  kind->add(top, run);
  old::rename_crossing_kinds(run.details);
  if (!wrong.empty()) {
    return usage_error("{}; {}", wrong, remedy);
  }
  return run;
}

bool old::was_left_out(const Field& field, Cell& cell, Run& run) {
  const std::string reason = field.at("skipped").text_if_any();
  if (!reason.empty()) {
    leave_out(cell, reason, field.at("predicted_ns").number_if_any());
    add(run, cell);
  }
  return !reason.empty();
}

}  // namespace svcbench
