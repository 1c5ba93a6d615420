// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace svcbench {
namespace {

// The median of fewer has no 95 % interval: see stats::quantile_interval().
constexpr std::string_view too_few_rounds = "at least 6 rounds (--rounds)";
constexpr std::string_view too_wide = "more rounds (--rounds) on a quieter machine";
constexpr std::string_view too_few_sizes = "give --sweep at least two sizes, far apart";

constexpr std::string_view instrument =
    "these are program ns (BPF_PROG_TEST_RUN): the eBPF program alone, not the wire-to-wire path of a "
    "packet";

constexpr std::string_view path_instrument =
    "these are path {}: the median packet, from wire to wire through a node's veth devices; no NIC is in "
    "them";

// Three decimals; a slope of -1e-17 is 0.000, not -0.000.
std::string exponent_text(double exponent) {
  return fmt::format("{:.3f}", std::round(exponent * 1000) / 1000 + 0.0);
}

std::string exponent_with_interval(const stats::Growth& growth) {
  if (!growth.interval) {
    return exponent_text(growth.exponent) + " (no interval)";
  }
  return fmt::format("{} [{}, {}]", exponent_text(growth.exponent), exponent_text(growth.interval->low),
                     exponent_text(growth.interval->high));
}

// What keeps one operation from being decided; empty when it is decided.
std::string_view needed_for(const NamedGrowth& operation) {
  if (!operation.growth) {
    return too_few_sizes;
  }
  if (!operation.growth->interval) {
    return too_few_rounds;
  }
  return classify(*operation.growth) == Trend::undecided ? too_wide : std::string_view{};
}

// Each remedy once, in the order met.
void add_remedy(std::string& remedies, std::string_view remedy) {
  if (remedy.empty() || remedies.find(remedy) != std::string::npos) {
    return;
  }
  if (!remedies.empty()) {
    remedies += "; ";
  }
  remedies += remedy;
}

// By upper bound, of those with an interval.
const NamedGrowth* steepest(std::span<const NamedGrowth> operations) {
  const NamedGrowth* found = nullptr;
  for (const NamedGrowth& operation : operations) {
    if (!operation.growth || !operation.growth->interval) {
      continue;
    }
    if (found == nullptr || operation.growth->interval->high > found->growth->interval->high) {
      found = &operation;
    }
  }
  return found;
}

bool grows(const NamedGrowth& operation) {
  if (!operation.growth) {
    return false;
  }
  const Trend trend = classify(*operation.growth);
  return trend == Trend::growing || trend == Trend::linear;
}

// ---- linear growth ----

constexpr std::string_view too_near_the_base =
    "give --sweep at least two sizes, far apart, that cost twice a table without services";

bool within_linear(const stats::Interval& exponent) {
  return exponent.low >= linear_from && exponent.high <= linear_to;
}

bool outside_linear(const NamedGrowth& load) {
  return load.growth && load.growth->interval &&
         (load.growth->interval->high < linear_from || load.growth->interval->low > linear_to);
}

std::string_view needed_for_linear(const NamedGrowth& load) {
  if (!load.growth) {
    return too_near_the_base;
  }
  if (!load.growth->interval) {
    return too_few_rounds;
  }
  return within_linear(*load.growth->interval) || outside_linear(load) ? std::string_view{} : too_wide;
}

std::string above_base_line(const NamedGrowth& load) {
  if (!load.growth) {
    return load.name + ": no exponent, fewer than two sizes that cost twice a table without services";
  }
  return fmt::format("{}: cost above a table without services ~ rules^b, b = {}, {} {}", load.name,
                     exponent_with_interval(*load.growth), load.growth->rounds,
                     load.growth->rounds == 1 ? "round" : "rounds");
}

// The exponent with an interval that is furthest from 1; null: none has one.
const NamedGrowth* least_linear(std::span<const NamedGrowth> loads) {
  const auto distance = [](const NamedGrowth& load) { return std::abs(load.growth->exponent - 1); };
  const NamedGrowth* found = nullptr;
  for (const NamedGrowth& load : loads) {
    if (load.growth && load.growth->interval && (found == nullptr || distance(load) > distance(*found))) {
      found = &load;
    }
  }
  return found;
}

// ---- lookups ----

std::string ns_text(const stats::Estimate& ns, const DisplayUnit& unit = {}) {
  if (!ns.interval) {
    return fmt::format("{:.1f} {} (no interval)", ns.value / unit.ns, unit.name);
  }
  return fmt::format("{:.1f} {} [{:.1f}, {:.1f}]", ns.value / unit.ns, unit.name,
                     ns.interval->low / unit.ns, ns.interval->high / unit.ns);
}

// Of those with an interval.
const ProgramFigure* largest_upper_bound(std::span<const ProgramFigure> figures) {
  const ProgramFigure* found = nullptr;
  for (const ProgramFigure& figure : figures) {
    if (figure.ns.interval && (found == nullptr || figure.ns.interval->high > found->ns.interval->high)) {
      found = &figure;
    }
  }
  return found;
}

bool lies_above_cited(const ProgramFigure& figure) {
  return figure.ns.interval && figure.ns.interval->low > cited_high_ns;
}

std::string_view needed_for(const ProgramFigure& figure) {
  if (!figure.ns.interval) {
    return too_few_rounds;
  }
  return figure.ns.interval->high > cited_high_ns ? too_wide : std::string_view{};
}

// Every figure lies at or below cited_high_ns, and `worst` is the worst of them.
std::string held_lookup_summary(const ProgramFigure& worst) {
  const double upper = worst.ns.interval->high;
  if (upper >= cited_low_ns) {
    return fmt::format("holds: {} ({}), at or below the cited 5 us", ns_text(worst.ns), worst.name);
  }
  // Of the upper bound, not of the value: at least this much. test_run counts whole ns, so 0 can be read.
  const std::string factor =
      upper > 0 ? fmt::format("{:.1f} x below 2 us", cited_low_ns / upper) : std::string("below 2 us");
  return fmt::format("holds, faster than cited: {}, {} ({})", ns_text(worst.ns), factor, worst.name);
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::holds:
      return "holds";
    case Outcome::does_not_hold:
      return "does not hold";
    case Outcome::inconclusive:
      break;
  }
  return "inconclusive";
}

std::string_view to_string(Trend trend) {
  switch (trend) {
    case Trend::flat:
      return "flat";
    case Trend::growing:
      return "growing";
    case Trend::linear:
      return "linear";
    case Trend::undecided:
      break;
  }
  return "undecided";
}

Verdict open_verdict(std::string id, std::string claim) {
  return {.id = std::move(id),
          .claim = std::move(claim),
          .outcome = Outcome::inconclusive,
          .summary = {},
          .evidence = {},
          .would_settle = {}};
}

int exit_code(std::span<const Verdict> verdicts) {
  const auto any = [&](Outcome outcome) {
    return std::any_of(verdicts.begin(), verdicts.end(),
                       [&](const Verdict& verdict) { return verdict.outcome == outcome; });
  };
  if (any(Outcome::does_not_hold)) {
    return 3;
  }
  return verdicts.empty() || any(Outcome::inconclusive) ? 4 : 0;
}

Trend classify(const stats::Growth& growth) {
  if (!growth.interval) {
    return Trend::undecided;
  }
  if (growth.interval->high < flat_below) {
    return Trend::flat;
  }
  if (growth.interval->low < flat_below) {
    return Trend::undecided;
  }
  return growth.interval->high >= linear_from ? Trend::linear : Trend::growing;
}

std::string growth_line(const NamedGrowth& operation) {
  if (!operation.growth) {
    return operation.name + ": no exponent, fewer than two sizes measured";
  }
  const stats::Growth& growth = *operation.growth;
  return fmt::format("{}: cost ~ N^b, b = {}, {} {}: {}", operation.name, exponent_with_interval(growth),
                     growth.rounds, growth.rounds == 1 ? "round" : "rounds", to_string(classify(growth)));
}

Verdict judge_constant(std::string id, std::string claim, std::span<const NamedGrowth> costs,
                       const std::optional<NamedGrowth>& beside) {
  Verdict verdict = open_verdict(std::move(id), std::move(claim));
  std::vector<NamedGrowth> growing;
  for (const NamedGrowth& cost : costs) {
    verdict.evidence.push_back(growth_line(cost));
    add_remedy(verdict.would_settle, needed_for(cost));
    if (grows(cost)) {
      growing.push_back(cost);
    }
  }
  if (beside) {
    verdict.evidence.push_back("beside it, " + growth_line(*beside));
  }

  if (!growing.empty()) {
    const NamedGrowth& worst = *steepest(growing);
    verdict.outcome = Outcome::does_not_hold;
    verdict.summary = fmt::format("does not hold: {} grows with exponent {}", worst.name,
                                  exponent_with_interval(*worst.growth));
    verdict.would_settle.clear();
  } else if (costs.empty()) {
    verdict.summary = "inconclusive: nothing of it was measured";
    verdict.would_settle = "a run that measures it at two sizes";
  } else if (!verdict.would_settle.empty()) {
    const auto undecided = std::find_if(costs.begin(), costs.end(),
                                        [](const NamedGrowth& cost) { return !needed_for(cost).empty(); });
    verdict.summary = "inconclusive: " + growth_line(*undecided);
  } else {
    const NamedGrowth& worst = *steepest(costs);
    verdict.outcome = Outcome::holds;
    verdict.summary = fmt::format("holds: every exponent lies below {}, the largest is {} ({})", flat_below,
                                  exponent_with_interval(*worst.growth), worst.name);
  }
  return verdict;
}

Verdict judge_flat(std::span<const NamedGrowth> operations, const std::optional<NamedGrowth>& beside) {
  return judge_constant("update-flat", "map-update cost stays flat in the number of services", operations,
                        beside);
}

Verdict judge_linear(std::span<const NamedGrowth> loads) {
  Verdict verdict = open_verdict("sync-linear", "sync grows linearly with the number of rules");
  std::vector<NamedGrowth> outside;
  for (const NamedGrowth& load : loads) {
    verdict.evidence.push_back(above_base_line(load));
    add_remedy(verdict.would_settle, needed_for_linear(load));
    if (outside_linear(load)) {
      outside.push_back(load);
    }
  }

  if (!outside.empty()) {
    const NamedGrowth& worst = *least_linear(outside);
    verdict.outcome = Outcome::does_not_hold;
    verdict.summary = fmt::format("does not hold: {} grows {} linearly, with exponent {}", worst.name,
                                  worst.growth->exponent < 1 ? "less than" : "more than",
                                  exponent_with_interval(*worst.growth));
    verdict.would_settle.clear();
  } else if (loads.empty()) {
    verdict.summary = "inconclusive: no table was loaded";
    verdict.would_settle = "a run that loads tables of several sizes";
  } else if (!verdict.would_settle.empty()) {
    const auto undecided = std::find_if(loads.begin(), loads.end(), [](const NamedGrowth& load) {
      return !needed_for_linear(load).empty();
    });
    verdict.summary = "inconclusive: " + above_base_line(*undecided);
  } else {
    const NamedGrowth& worst = *least_linear(loads);
    verdict.outcome = Outcome::holds;
    verdict.summary =
        fmt::format("holds: every exponent lies within {} to {}, the furthest from 1 is {} ({})",
                    linear_from, linear_to, exponent_with_interval(*worst.growth), worst.name);
  }
  return verdict;
}

namespace {

Verdict judge_cited(std::string id, std::string claim, std::string_view what,
                    std::span<const ProgramFigure> figures, const DisplayUnit& unit) {
  Verdict verdict = open_verdict(std::move(id), std::move(claim));
  std::vector<ProgramFigure> above;
  for (const ProgramFigure& figure : figures) {
    verdict.evidence.push_back(fmt::format("{}: {}, {} {}", figure.name, ns_text(figure.ns, unit),
                                           figure.ns.samples,
                                           figure.ns.samples == 1 ? "sample" : "samples"));
    add_remedy(verdict.would_settle, needed_for(figure));
    if (lies_above_cited(figure)) {
      above.push_back(figure);
    }
  }
  verdict.evidence.emplace_back(what);

  if (!above.empty()) {
    const ProgramFigure& worst = *largest_upper_bound(above);
    verdict.outcome = Outcome::does_not_hold;
    verdict.summary =
        fmt::format("does not hold: {} ({}), above the cited 5 us", ns_text(worst.ns), worst.name);
    verdict.would_settle.clear();
  } else if (figures.empty()) {
    verdict.summary = "inconclusive: nothing was timed";
    verdict.would_settle = "a run that measures an eBPF plane";
  } else if (!verdict.would_settle.empty()) {
    const auto undecided = std::find_if(figures.begin(), figures.end(), [](const ProgramFigure& figure) {
      return !needed_for(figure).empty();
    });
    verdict.summary =
        fmt::format("inconclusive: {} ({}) does not settle which side of the cited 5 us it is on",
                    ns_text(undecided->ns), undecided->name);
  } else {
    verdict.outcome = Outcome::holds;
    verdict.summary = held_lookup_summary(*largest_upper_bound(figures));
  }
  return verdict;
}

}  // namespace

Verdict judge_lookup(std::span<const ProgramFigure> figures) {
  return judge_cited("program-2-5us",
                     "an eBPF lookup costs no more than the cited 2-5 us, read as the program alone",
                     instrument, figures, {});
}

Verdict judge_path(std::span<const ProgramFigure> figures, const DisplayUnit& unit) {
  return judge_cited("lookup-2-5us",
                     "an eBPF lookup costs no more than the cited 2-5 us (the whole path of a packet)",
                     fmt::format(path_instrument, unit.name == "ns" ? "us" : unit.name), figures, unit);
}

}  // namespace svcbench
