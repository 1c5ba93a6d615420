// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/ruleset.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/run_info.h"
#include "measure/ruleset.h"
#include "report/figures.h"
#include "report/output_file.h"
#include "report/ruleset_json.h"
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

// It is the same work in the same order at every seed.
nlohmann::json describe_loads(const RunInput& input) {
  nlohmann::json run = describe_command("iptables", 0);
  run.erase("seed");
  run.update({{"rounds", input.rounds}, {"budget_seconds", input.budget_seconds}});
  return run;
}

}  // namespace

Result<int> time_ruleset(const std::string& file, const RunInput& run, const Exports& exports) {
  SVCB_TAKE(json, open_output(run.json));
  SVCB_TAKE(ruleset, read_ruleset(file));
  SVCB_CHECK(require_privileges());
  const Surroundings surroundings;
  SVCB_CHECK(enter_private_namespaces());
  SVCB_TAKE(backends, installed_backends());
  MonotonicClock clock;
  SVCB_TAKE(loads, run_ruleset(ruleset, backends,
                               {.rounds = run.rounds, .budget_seconds = run.budget_seconds}, clock));
  if (json || !exports.empty()) {
    const nlohmann::json document =
        ruleset_json(ruleset, loads, surroundings.finished(), describe_loads(run));
    if (json) {
      SVCB_CHECK(json->write(document.dump(1) + "\n"));
    }
    SVCB_CHECK(exports.write(document));
  }
  if (!(json && json->is_standard_output()) && !exports.use_standard_output()) {
    fmt::print("{}\n{}", wrapped(described(ruleset), 0), table_text(loads));
  }
  return 0;
}

}  // namespace svcbench
