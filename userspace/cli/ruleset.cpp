// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/ruleset.h"

#include <fmt/ranges.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "measure/ruleset.h"
#include "report/output_file.h"
#include "run/as_run.h"
#include "service/text.h"
#include "sys/capabilities.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

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
nlohmann::json identity(const Ruleset& ruleset, const std::vector<RulesetTool>& tools, nlohmann::json about,
                        const nlohmann::json& environment) {
  about["command"] = "iptables --ruleset";
  nlohmann::json out = identity_of(about, environment);
  // Both parts are of one revision: its hash is the same in both.
  out["ruleset"] = fmt::format("{} rules, hash {:016x}", grouped(ruleset.rules()),
                               std::hash<std::string>{}(ruleset.text + ruleset.ipset_text));
  for (const RulesetTool& tool : tools) {
    out["iptables"].push_back(tool.label);
  }
  return out;
}

// What a reader of the figures must know of the ruleset.
std::vector<std::string> notes_on_ruleset(const Ruleset& ruleset) {
  std::vector<std::string> notes;
  for (const std::string& reason : ruleset.incomplete) {
    notes.push_back(fmt::format("The ruleset is not whole: its dump says of itself: {}", reason));
  }
  if (!ruleset.empty_sets.empty()) {
    notes.push_back(fmt::format("Sets without members, as --empty-ipsets asks: {}",
                                fmt::join(ruleset.empty_sets, ", ")));
  }
  for (const std::string& note : ruleset.notes) {
    notes.push_back(note);
  }
  return notes;
}

}  // namespace

void RulesetInput::add_options(CLI::App& app) {
  auto* const ruleset =
      app.add_option("--ruleset", file,
                     "Time this ruleset instead: what iptables-save, nft list ruleset or ipvsadm -Sn "
                     "printed\n(- reads standard input)")
          ->type_name(file_value);
  app.add_option("--family", family, "Of the ruleset, where its rules do not tell: ipv4 or ipv6")
      ->check(one_of({"ipv4", "ipv6"}))
      ->needs(ruleset);
  app.add_option("--ipset", ipset, "Sets that the ruleset looks into: what ipset save printed")
      ->type_name(file_value)
      ->needs(ruleset);
  app.add_flag("--empty-ipsets", empty_ipsets, "Make sets that are missing, without members")
      ->needs(ruleset);
}

Result<int> time_ruleset(const RulesetInput& input, const RunInput& run, const std::string& resume,
                         const Exports& exports, const TableInput& tables) {
  SVCB_TAKE(output, ResumableOutput::open(run.json, resume));
  std::optional<Family> family;
  if (!input.family.empty()) {
    family = family_of_word(input.family);
  }
  SVCB_TAKE(ruleset, read_ruleset(input.file, family));
  SVCB_CHECK(add_sets(ruleset, input.ipset, input.empty_ipsets));
  SVCB_CHECK(require_privileges());
  Surroundings surroundings;
  SVCB_TAKE(tools, find_ruleset_tools(ruleset.kind));
  nlohmann::json about = describe_loads(run);
  about["notes"] = notes_on_ruleset(ruleset);
  SVCB_CHECK(output.keep(identity(ruleset, tools, about, surroundings.environment())));
  SVCB_CHECK(enter_private_namespaces());
  MonotonicClock clock;
  auto measured = run_ruleset(ruleset, tools,
                              {.rounds = run.rounds,
                               .budget_seconds = run.budget_seconds,
                               .journal = output.journal(),
                               .visits = surroundings.visits()},
                              clock);
  if (!measured) {
    return tl::unexpected(output.with_way_to_resume(std::move(measured).error()));
  }
  for (const RulesetLoads& loads : *measured) {
    for (const std::string& line : loads.said) {
      about["notes"].push_back(fmt::format("{} took it and said: {}", loads.tool.label, line));
    }
  }
  output.note_restored(about["notes"]);
  const Run result = as_run(ruleset, *measured, surroundings.finished(), about);
  SVCB_CHECK(output.write(result));
  SVCB_CHECK(exports.write(result));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(result, tables));
  }
  return 0;
}

}  // namespace svcbench
