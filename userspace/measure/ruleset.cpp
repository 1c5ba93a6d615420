// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/ruleset.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "measure/schedule.h"
#include "measure/visit.h"
#include "plane/iptables_restore.h"
#include "plane/iptables_text.h"
#include "service/input_file.h"
#include "service/text.h"
#include "sys/memfd.h"
#include "sys/net_namespace.h"

namespace svcbench {

namespace {

constexpr std::string_view remedy = "write it with iptables-save";

// "[12:3456] -A INPUT ...": of iptables-save -c.
std::string_view without_counters(std::string_view line) {
  if (line.starts_with('[')) {
    const std::size_t end = std::min(line.find(']'), line.size() - 1);
    line.remove_prefix(end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  }
  return line;
}

std::size_t rules_in(std::string_view text) {
  std::size_t rules = 0;
  while (!text.empty()) {
    rules += without_counters(take_line(text)).starts_with("-A ") ? 1 : 0;
  }
  return rules;
}

// Takes the frame apart, line by line.
class RulesetParser {
 public:
  explicit RulesetParser(Ruleset& ruleset) : ruleset_(&ruleset) {}

  Status take(std::string_view line) {
    ++number_;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.starts_with('#')) {
      if (line.find("ip6tables-save") != std::string_view::npos) {
        ruleset_->family = Family::ipv6;
      }
      return {};
    }
    if (line.starts_with('*')) {
      ruleset_->tables.push_back({std::string(line.substr(1))});
      return open_ ? wrong(line, "the table before it has no COMMIT") : opened();
    }
    if (!open_) {
      return wrong(line, "it belongs to no table");
    }
    RulesetTable& table = ruleset_->tables.back();
    const std::string_view rule = without_counters(line);
    if (line == "COMMIT") {
      open_ = false;
    } else if (line.starts_with(':')) {
      ++table.chains;
    } else if (rule.starts_with("-A ")) {
      ++table.rules;
    } else {
      return wrong(line, "no chain and no rule (-A)");
    }
    return {};
  }

  Status finish() const {
    if (ruleset_->tables.empty()) {
      return usage_error("{}: not a ruleset: there is no table (*filter) in it; {}", ruleset_->source,
                         remedy);
    }
    if (open_) {
      return usage_error("{}: not a whole ruleset: its last table has no COMMIT; {}", ruleset_->source,
                         remedy);
    }
    return {};
  }

 private:
  Status opened() {
    open_ = true;
    return {};
  }
  [[nodiscard]] Status wrong(std::string_view line, std::string_view why) const {
    return usage_error("{}: not a ruleset: line {}, \"{}\": {}; {}", ruleset_->source, grouped(number_),
                       printable(line), why, remedy);
  }

  Ruleset* ruleset_;
  std::size_t number_ = 0;
  bool open_ = false;
};

// All tables of the file, as the kernel has them, have as many rules.
Status check_holds(const Ruleset& ruleset, const IptablesBackend& backend) {
  for (const RulesetTable& table : ruleset.tables) {
    SVCB_TAKE(saved, saved_table(backend, ruleset.family, table.name));
    if (const std::size_t held = rules_in(saved); held != table.rules) {
      return failure(
          "{} took {}, and the table {} then has {} rules, not the file's {}: no figure is given",
          backend.label, ruleset.source, table.name, grouped(held), grouped(table.rules));
    }
  }
  return {};
}

Result<SyncCost> load(const Ruleset& ruleset, const Fd& input, const IptablesBackend& backend) {
  SVCB_TAKE(program, restore_program(backend, ruleset.family));
  SVCB_TAKE(result,
            run_restore(program, input, {.arguments = {"-w", "5"}, .what = "ruleset " + ruleset.source}));
  return SyncCost{.commit_ns = result.wall_ns,
                  .user_us = result.user_us,
                  .system_us = result.system_us,
                  .tools = 1,
                  .input_bytes = ruleset.text.size()};
}

// One back end's first load and reload.
Result<std::vector<SyncCost>> visit(const Ruleset& ruleset, const Fd& input, const IptablesBackend& backend,
                                    bool verified) {
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  std::vector<SyncCost> costs;
  for (std::size_t i = 0; i < 2; ++i) {
    SVCB_TAKE(cost, load(ruleset, input, backend));
    costs.push_back(cost);
    if (verified) {
      SVCB_CHECK(check_holds(ruleset, backend));
    }
  }
  return costs;
}

void note(std::span<RulesetLoads> pair, const std::vector<SyncCost>& costs) {
  for (std::size_t i = 0; i < pair.size(); ++i) {
    pair[i].wall_ns.push_back(static_cast<double>(costs[i].commit_ns));
    pair[i].user_ns.push_back(static_cast<double>(costs[i].user_us) * 1e3);
    pair[i].system_ns.push_back(static_cast<double>(costs[i].system_us) * 1e3);
  }
}

// One back end's rounds.
Step step_of(const Ruleset& ruleset, const Fd& input, std::span<RulesetLoads> pair, std::size_t rounds) {
  const auto last = std::make_shared<std::vector<SyncCost>>();
  const auto seen = std::make_shared<bool>(false);  // by this process
  return {.label = pair.front().backend.label,
          .run = [&ruleset, &input, pair, last, seen](std::size_t) -> Status {
            SVCB_TAKE(costs, visit(ruleset, input, pair.front().backend, !std::exchange(*seen, true)));
            *last = std::move(costs);
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

}  // namespace

std::size_t Ruleset::rules() const {
  return std::accumulate(tables.begin(), tables.end(), std::size_t{0},
                         [](std::size_t sum, const RulesetTable& table) { return sum + table.rules; });
}

std::size_t Ruleset::chains() const {
  return std::accumulate(tables.begin(), tables.end(), std::size_t{0},
                         [](std::size_t sum, const RulesetTable& table) { return sum + table.chains; });
}

Result<Ruleset> parse_ruleset(std::string text, const std::string& source) {
  Ruleset ruleset{source, std::move(text)};
  RulesetParser parser(ruleset);
  std::string_view rest = ruleset.text;
  while (!rest.empty()) {
    SVCB_CHECK(parser.take(take_line(rest)));
  }
  SVCB_CHECK(parser.finish());
  return ruleset;
}

Result<Ruleset> read_ruleset(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  SVCB_TAKE(text, read_whole(path, "cannot read " + name));
  return parse_ruleset(std::move(text), name);
}

Result<std::vector<RulesetLoads>> run_ruleset(const Ruleset& ruleset,
                                              const std::vector<IptablesBackend>& backends,
                                              const RulesetRunOptions& options, Clock& clock) {
  SVCB_TAKE(input, memfd_of("ruleset", ruleset.text));
  std::vector<RulesetLoads> loads;
  for (const IptablesBackend& backend : backends) {
    loads.push_back({.backend = backend, .first = true});
    loads.push_back({.backend = backend, .first = false});
  }
  std::vector<Step> steps;
  for (std::size_t i = 0; i < loads.size(); i += 2) {
    steps.push_back(step_of(ruleset, input, std::span(loads).subspan(i, 2), options.rounds));
  }
  if (options.journal != nullptr) {
    SVCB_CHECK(options.journal->plan(steps));
  }
  const std::int64_t start = clock.now_ns();
  const auto budget_ns = static_cast<std::int64_t>(options.budget_seconds * 1e9);
  for (std::size_t round = 0; round < options.rounds; ++round) {
    if (round > 0 && clock.now_ns() - start > budget_ns) {
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
        loads[i] = {.backend = loads[i].backend, .first = true, .missing = taken.error().message};
        loads[i + 1] = {.backend = loads[i].backend, .first = false, .missing = taken.error().message};
      }
    }
    if (std::all_of(loads.begin(), loads.end(), [](const auto& one) { return !one.missing.empty(); })) {
      return failure("{}", loads.back().missing);
    }
  }
  return loads;
}

}  // namespace svcbench
