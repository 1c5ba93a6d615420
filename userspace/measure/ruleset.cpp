// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/ruleset.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "measure/ruleset_load.h"
#include "measure/schedule.h"
#include "measure/visit.h"
#include "service/text.h"
#include "sys/child_process.h"
#include "sys/net_namespace.h"

namespace svcbench {

namespace {

// One tool's first load and reload.
Result<std::vector<RulesetLoad>> visit(const RulesetLoader& loader, bool verified) {
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  SVCB_CHECK(loader.make_sets());
  std::vector<RulesetLoad> loads;
  for (std::size_t i = 0; i < 2; ++i) {
    SVCB_TAKE(load, loader.load());
    loads.push_back(std::move(load));
    if (verified) {
      SVCB_CHECK(loader.check_holds());
    }
  }
  return loads;
}

std::vector<SyncCost> costs_of(const std::vector<RulesetLoad>& loads) {
  std::vector<SyncCost> costs;
  for (const RulesetLoad& load : loads) {
    costs.push_back(load.cost);
  }
  return costs;
}

void keep_words(std::vector<std::string>& said, const std::vector<RulesetLoad>& loads) {
  for (const RulesetLoad& load : loads) {
    for (const std::string& line : load.said) {
      if (std::find(said.begin(), said.end(), line) == said.end()) {
        said.push_back(line);
      }
    }
  }
}

void note(std::span<RulesetLoads> pair, const std::vector<SyncCost>& costs) {
  for (std::size_t i = 0; i < pair.size(); ++i) {
    pair[i].wall_ns.push_back(static_cast<double>(costs[i].commit_ns));
    pair[i].user_ns.push_back(static_cast<double>(costs[i].user_us) * 1e3);
    pair[i].system_ns.push_back(static_cast<double>(costs[i].system_us) * 1e3);
  }
}

// One tool's rounds.
Step step_of(const RulesetLoader& loader, std::span<RulesetLoads> pair, std::size_t rounds) {
  const auto last = std::make_shared<std::vector<SyncCost>>();
  const auto seen = std::make_shared<bool>(false);  // by this process
  return {.label = pair.front().tool.label,
          .run = [&loader, pair, last, seen](std::size_t) -> Status {
            SVCB_TAKE(loads, visit(loader, !std::exchange(*seen, true)));
            *last = costs_of(loads);
            keep_words(pair.front().said, loads);
            note(pair, *last);
            return {};
          },
          .repeats = rounds,
          .samples = [last] { return to_json(*last); },
          .restore = [pair](const nlohmann::json& samples) -> Status {
            SVCB_TAKE(costs, sync_costs_of(samples));
            if (costs.size() != pair.size()) {
              return failure("what was kept of it is not a load and a reload");
            }
            note(pair, costs);
            return {};
          }};
}

// Why no tool took it: each one's reason.
Error all_reasons(const std::vector<RulesetLoads>& loads) {
  std::string reasons;
  for (const RulesetLoads& load : loads) {
    if (load.first) {
      reasons += (reasons.empty() ? "" : "; ") + load.missing;
    }
  }
  return {Error::Kind::failure, reasons};
}

}  // namespace

Result<std::vector<RulesetTool>> find_ruleset_tools(RulesetKind kind) {
  std::vector<RulesetTool> tools;
  if (kind != RulesetKind::iptables) {
    const bool is_nft = kind == RulesetKind::nftables;
    const std::string name = is_nft ? "nft" : "ipvsadm";
    const auto program = find_program(name);
    if (!program) {
      return failure("{} is neither on PATH nor in /usr/sbin (Debian, Ubuntu: apt-get install {})", name,
                     is_nft ? "nftables" : "ipvsadm");
    }
    // "nftables v1.0.6 (Lester Gooch #5)", "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)"
    SVCB_TAKE(answer, run_child({*program, "--version"}));
    const std::string_view words = answer.out;
    const std::size_t at = words.find(" v");
    const std::string_view version = at == std::string_view::npos ? "" : words.substr(at + 2);
    tools.push_back(
        {.backend = std::string(to_string(kind)),
         .label = version.empty()  // ipvsadm asks the kernel first, which may have no IPVS
                      ? name
                      : fmt::format("{} {}", name, version.substr(0, version.find_first_of(" \n"))),
         .program = *program});
    return tools;
  }
  const auto add = [&](const IptablesBackend& backend) {
    tools.push_back({.backend = backend.backend, .label = backend.label, .iptables = backend});
  };
  for (const char* program : {"iptables-legacy-restore", "iptables-nft-restore"}) {
    if (find_program(program)) {
      SVCB_TAKE(backend, find_iptables(program));
      add(backend);
    }
  }
  if (tools.empty()) {  // plain iptables-restore, where none goes by its back end's name
    SVCB_TAKE(plain, find_iptables(std::nullopt));
    add(plain);
  }
  return tools;
}

Result<std::vector<RulesetLoads>> run_ruleset(const Ruleset& ruleset, const std::vector<RulesetTool>& tools,
                                              const RulesetRunOptions& options, Clock& clock) {
  std::vector<RulesetLoads> loads;
  std::vector<RulesetLoader> loaders;
  for (const RulesetTool& tool : tools) {
    loads.push_back({.tool = tool, .first = true});
    loads.push_back({.tool = tool, .first = false});
    SVCB_TAKE(loader, RulesetLoader::make(ruleset, tool));
    loaders.push_back(std::move(loader));
  }
  std::vector<Step> steps;
  for (std::size_t i = 0; i < loads.size(); i += 2) {
    steps.push_back(step_of(loaders[i / 2], std::span(loads).subspan(i, 2), options.rounds));
  }
  const std::int64_t start = clock.now_ns();
  if (options.visits != nullptr) {
    options.visits->watch(steps, [&clock, start] { return seconds_between(start, clock.now_ns()); });
  }
  if (options.journal != nullptr) {
    SVCB_CHECK(options.journal->plan(steps));
  }
  const auto latest_ns = start + static_cast<std::int64_t>(options.budget_seconds * 1.2e9);
  std::int64_t longest_ns = 0;  // of the rounds so far
  for (std::size_t round = 0; round < options.rounds; ++round) {
    const std::int64_t round_start = clock.now_ns();
    if (round > 0 && round_start + longest_ns > latest_ns) {
      break;
    }
    for (std::size_t i = 0; i < loads.size(); i += 2) {
      const Step& step = steps[i / 2];
      const bool kept = options.journal != nullptr && round < options.journal->done(step.label);
      if (kept || !loads[i].missing.empty()) {
        continue;
      }
      const Status taken = step.run(round);
      if (!taken && (round > 0 || taken.error().kind == Error::Kind::interrupted)) {
        return tl::unexpected(taken.error());
      }
      if (taken && options.journal != nullptr) {
        SVCB_CHECK(options.journal->add(step));
      }
      if (!taken) {
        loads[i] = {.tool = loads[i].tool, .first = true, .missing = taken.error().message};
        loads[i + 1] = {.tool = loads[i].tool, .first = false, .missing = taken.error().message};
      }
    }
    if (std::all_of(loads.begin(), loads.end(), [](const auto& one) { return !one.missing.empty(); })) {
      return tl::unexpected(all_reasons(loads));
    }
    longest_ns = std::max(longest_ns, clock.now_ns() - round_start);
  }
  return loads;
}

}  // namespace svcbench
