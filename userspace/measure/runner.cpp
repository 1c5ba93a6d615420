// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "service/text.h"

namespace svcbench {

namespace {

// Half an interval, as a share of its figure, beyond which a cell is visited again while there is time.
constexpr double wide_interval = 0.05;
// The rounds, and then the repeats of cells whose intervals are wide, end when so much of the budget is
// used or will be: less what is known to come after them.
constexpr double visits_share = 0.95;
// What all cheap cells' further visits may take of it.
constexpr double cheap_cells_share = 0.05;
// No round begins that would end later.
constexpr double latest_share = 1.05;
// What is planned takes at least this share, however much was spent on getting ready: a few cells, rather
// than none.
constexpr double least_share = 0.1;

// A few of them, and that there are more.
std::string some_of(const std::vector<std::string>& labels) {
  constexpr std::size_t most = 3;
  return fmt::format("{}{}", fmt::join(std::span(labels).first(std::min(most, labels.size())), "; "),
                     labels.size() > most ? "; ..." : "");
}

class WholeRun final {
 public:
  WholeRun(Scenarios& scenarios, Setting& setting, std::int64_t begin_ns)
      : scenarios_(scenarios), setting_(setting), selection_(setting.selection), begin_ns_(begin_ns) {}

  Result<Findings> go() {
    setting_.progress.phase("prepare");
    for (const auto& scenario : scenarios_) {
      SVCB_CHECK(scenario->prepare(setting_, steps_));
    }
    SVCB_CHECK(plan());
    SVCB_CHECK(visit());
    setting_.progress.phase("check");
    for (const auto& scenario : scenarios_) {
      SVCB_CHECK(scenario->check());
    }
    Findings findings;
    for (const auto& scenario : scenarios_) {
      scenario->tell(findings);
    }
    findings.notes = std::move(setting_.notes);
    findings.seconds = seconds_between(begin_ns_, setting_.clock.now_ns());
    setting_.progress.finished();
    return findings;
  }

 private:
  // Of the budget, whatever it was spent on.
  [[nodiscard]] double spent() const {
    return selection_.spent_seconds + seconds_between(begin_ns_, setting_.clock.now_ns());
  }
  [[nodiscard]] double left_of(double share) const {
    return share * selection_.budget_seconds - spent() - setting_.end_seconds;
  }

  Status plan() {
    const double budget = selection_.budget_seconds;
    const double room = std::max(left_of(visits_share), least_share * budget);
    fit_to_budget(steps_, selection_.rounds, room * (1 - cheap_cells_share));
    const double planned =
        std::accumulate(steps_.begin(), steps_.end(), 0.0, [](double sum, const Step& step) {
          return sum + step.seconds * static_cast<double>(step.repeats);
        });
    add_cheap_visits(steps_, selection_.rounds, budget,
                     std::min(cheap_cells_share * budget, room - planned));
    if (selection_.visits != nullptr) {
      selection_.visits->watch(steps_, [this] { return spent(); });
    }
    if (selection_.journal != nullptr) {
      SVCB_CHECK(selection_.journal->plan(steps_));
    }
    std::vector<std::string> dropped;
    for (const Step& step : steps_) {
      if (step.repeats == 0) {
        dropped.push_back(step.label);
        if (step.leave_out) {
          const double seconds = step.seconds * static_cast<double>(step.fewest);
          step.leave_out(fmt::format("--budget {:.0f} has no room for it: {} {} would take {}", budget,
                                     step.fewest, step.fewest == 1 ? "visit" : "visits",
                                     seconds < 1 ? fmt::format("{:.0f} ms", std::ceil(seconds * 1e3))
                                                 : fmt::format("{:.1f} s", seconds)));
        }
      }
    }
    if (!dropped.empty()) {
      setting_.notes.push_back(
          fmt::format("--budget {:.0f} has no room for {} cells, which are left out ({})", budget,
                      dropped.size(), some_of(dropped)));
      setting_.progress.say(setting_.notes.back());
    }
    return {};
  }

  Status visit() {
    Pace pace;
    pace.most_seconds = std::max(left_of(latest_share), least_share * selection_.budget_seconds);
    pace.afterwards = [this](double seconds_left, const std::vector<std::size_t>& visits) {
      const double spare = selection_.repeats_wide ? left_of(visits_share) - seconds_left : 0;
      return setting_.end_seconds +
             (spare > 0 ? expected_repeats(steps_, visits, wide_interval, spare) : 0);
    };
    SVCB_CHECK(run_rounds(steps_, selection_.rounds, selection_.seed, setting_.clock, setting_.progress,
                          selection_.journal, &pace));
    if (pace.not_begun > 0) {
      setting_.notes.push_back(
          fmt::format("The machine was slower than it had been at first: {} of {} rounds did not fit into "
                      "--budget {:.0f}",
                      pace.not_begun, selection_.rounds, selection_.budget_seconds));
    }
    if (!selection_.repeats_wide) {
      return {};
    }
    SVCB_TAKE(wide,
              repeat_wide(steps_, wide_interval, left_of(visits_share), selection_.seed, setting_.clock,
                          setting_.progress, selection_.journal, setting_.end_seconds));
    if (!wide.empty()) {
      setting_.notes.push_back(
          fmt::format("Intervals of {} cells stayed wider than {:.0f} % of their figure either way ({}): a "
                      "larger --budget or a quieter machine would narrow them",
                      wide.size(), 100 * wide_interval, some_of(wide)));
    }
    return {};
  }

  Scenarios& scenarios_;
  Setting& setting_;
  const Selection& selection_;
  std::int64_t begin_ns_;
  std::vector<Step> steps_{};
};

}  // namespace

Result<Findings> run_scenarios(Scenarios& scenarios, Setting& setting, std::int64_t begin_ns) {
  return WholeRun(scenarios, setting, begin_ns).go();
}

}  // namespace svcbench
