// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/ruleset.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "measure/ruleset.h"
#include "report/figures.h"
#include "report/json_parts.h"
#include "report/output_file.h"
#include "report/text_table.h"
#include "service/text.h"
#include "stats/quantile.h"
#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

// Those installed; plain iptables-restore where none goes by its back end's name.
Result<std::vector<IptablesBackend>> installed_backends() {
  std::vector<IptablesBackend> backends;
  for (const char* program : {"iptables-legacy-restore", "iptables-nft-restore"}) {
    if (find_program(program)) {
      SVCB_TAKE(backend, find_iptables(program));
      backends.push_back(std::move(backend));
    }
  }
  if (backends.empty()) {
    SVCB_TAKE(plain, find_iptables(std::nullopt));
    backends.push_back(std::move(plain));
  }
  return backends;
}

std::string described(const Ruleset& ruleset) {
  std::string tables;
  for (const RulesetTable& table : ruleset.tables) {
    tables += fmt::format("{}{} {}", tables.empty() ? "" : ", ", table.name, grouped(table.rules));
  }
  return fmt::format("{}: {} rules of {} ({}), {} chains, {} bytes", ruleset.source,
                     grouped(ruleset.rules()), to_string(ruleset.family), tables, grouped(ruleset.chains()),
                     grouped(ruleset.text.size()));
}

std::string table_text(const std::vector<RulesetLoads>& all) {
  constexpr double ms = 1e6;
  using Align = TextTable::Align;
  TextTable table({{"back end", Align::left},
                   {"load", Align::left},
                   {"wall ms [95 %]", Align::right},
                   {"user ms", Align::right},
                   {"system ms", Align::right},
                   {"loads", Align::right}});
  for (const RulesetLoads& loads : all) {
    if (!loads.missing.empty()) {
      continue;
    }
    table.add({loads.first ? loads.backend.label : "", loads.first ? "first load" : "reload",
               figure(stats::median_of(loads.wall_ns), ms), figure(stats::median_of(loads.user_ns), ms),
               figure(stats::median_of(loads.system_ns), ms), std::to_string(loads.wall_ns.size())});
  }
  std::string text = table.text();
  for (const RulesetLoads& loads : all) {
    if (loads.first && !loads.missing.empty()) {
      text += "\n" + wrapped(fmt::format("Not measured: {}", loads.missing), 0);
    }
  }
  return text;
}

nlohmann::json to_json(const Ruleset& ruleset, const std::vector<RulesetLoads>& all,
                       const nlohmann::json& environment, const RunInput& run, nlohmann::json notes) {
  nlohmann::json tables = nlohmann::json::array();
  for (const RulesetTable& table : ruleset.tables) {
    tables.push_back({{"name", table.name}, {"rules", table.rules}, {"chains", table.chains}});
  }
  nlohmann::json loads = nlohmann::json::array();
  for (const RulesetLoads& one : all) {
    loads.push_back({{"backend", one.backend.backend},
                     {"label", one.backend.label},
                     {"load", one.first ? "first" : "reload"},
                     {"missing", one.missing.empty() ? nlohmann::json() : nlohmann::json(one.missing)},
                     {"median_wall_ns", estimate_json(stats::median_of(one.wall_ns))},
                     {"wall_ns", one.wall_ns},
                     {"user_ns", one.user_ns},
                     {"system_ns", one.system_ns}});
  }
  return {{"schema_version", 1},
          {"environment", environment},
          {"command", "iptables"},
          {"rounds", run.rounds},
          {"budget_seconds", run.budget_seconds},
          {"ruleset",
           {{"file", ruleset.source},
            {"family", to_string(ruleset.family)},
            {"rules", ruleset.rules()},
            {"chains", ruleset.chains()},
            {"bytes", ruleset.text.size()},
            {"tables", std::move(tables)}}},
          {"loads", std::move(loads)},
          {"notes", std::move(notes)}};
}

// What two parts of one run must have in common.
nlohmann::json identity(const Ruleset& ruleset, const std::vector<IptablesBackend>& backends,
                        const nlohmann::json& environment, const RunInput& run) {
  nlohmann::json out = identity_of(describe_command("iptables --ruleset", 0), environment);
  out["rounds"] = run.rounds;
  // Both parts are of one revision: its hash is the same in both.
  out["ruleset"] = fmt::format("{} rules, hash {:016x}", grouped(ruleset.rules()),
                               std::hash<std::string>{}(ruleset.text));
  for (const IptablesBackend& backend : backends) {
    out["iptables"].push_back(backend.label);
  }
  return out;
}

}  // namespace

Result<int> time_ruleset(const std::string& file, const RunInput& run, const std::string& resume) {
  SVCB_TAKE(output, ResumableOutput::open(run.json, resume));
  SVCB_TAKE(ruleset, read_ruleset(file));
  SVCB_CHECK(require_privileges());
  const Surroundings surroundings;
  SVCB_TAKE(backends, installed_backends());
  SVCB_CHECK(output.keep(identity(ruleset, backends, surroundings.environment(), run)));
  SVCB_CHECK(enter_private_namespaces());
  MonotonicClock clock;
  auto measured = run_ruleset(
      ruleset, backends,
      {.rounds = run.rounds, .budget_seconds = run.budget_seconds, .journal = output.journal()}, clock);
  if (!measured) {
    return tl::unexpected(output.told(std::move(measured).error()));
  }
  nlohmann::json notes = nlohmann::json::array();
  output.note_restored(notes);
  if (output.wanted()) {
    SVCB_CHECK(output.write(to_json(ruleset, *measured, surroundings.finished(), run, notes)));
  }
  if (!output.is_standard_output()) {
    fmt::print("{}", wrapped(described(ruleset), 0));
    for (const nlohmann::json& note : notes) {
      fmt::print("{}", wrapped(note.get<std::string>(), 0));
    }
    fmt::print("\n{}", table_text(*measured));
  }
  return 0;
}

}  // namespace svcbench
