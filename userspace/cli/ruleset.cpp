// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/ruleset.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "measure/ruleset.h"
#include "report/output_file.h"
#include "run/as_run.h"
#include "service/text.h"
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

// It is the same work in the same order at every seed.
nlohmann::json describe_loads(const RunInput& input) {
  nlohmann::json run = describe_command("iptables", 0);
  run.erase("seed");
  run.update({{"rounds", input.rounds},
              {"budget_seconds", input.budget_seconds},
              {"notes", nlohmann::json::array()}});
  return run;
}

// What two parts of one run must have in common.
nlohmann::json identity(const Ruleset& ruleset, const std::vector<IptablesBackend>& backends,
                        nlohmann::json about, const nlohmann::json& environment) {
  about["command"] = "iptables --ruleset";
  nlohmann::json out = identity_of(about, environment);
  // Both parts are of one revision: its hash is the same in both.
  out["ruleset"] = fmt::format("{} rules, hash {:016x}", grouped(ruleset.rules()),
                               std::hash<std::string>{}(ruleset.text));
  for (const IptablesBackend& backend : backends) {
    out["iptables"].push_back(backend.label);
  }
  return out;
}

}  // namespace

Result<int> time_ruleset(const std::string& file, const RunInput& run, const std::string& resume,
                         const Exports& exports, const TableInput& tables) {
  SVCB_TAKE(output, ResumableOutput::open(run.json, resume));
  SVCB_TAKE(ruleset, read_ruleset(file));
  SVCB_CHECK(require_privileges());
  const Surroundings surroundings;
  SVCB_TAKE(backends, installed_backends());
  nlohmann::json about = describe_loads(run);
  SVCB_CHECK(output.keep(identity(ruleset, backends, about, surroundings.environment())));
  SVCB_CHECK(enter_private_namespaces());
  MonotonicClock clock;
  auto measured = run_ruleset(
      ruleset, backends,
      {.rounds = run.rounds, .budget_seconds = run.budget_seconds, .journal = output.journal()}, clock);
  if (!measured) {
    return tl::unexpected(output.told(std::move(measured).error()));
  }
  output.note_restored(about["notes"]);
  const Run told = as_run(ruleset, *measured, surroundings.finished(), about);
  SVCB_CHECK(output.write(told));
  SVCB_CHECK(exports.write(told));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(told, tables));
  }
  return 0;
}

}  // namespace svcbench
