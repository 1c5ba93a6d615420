// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a figure of a finished run was made, and how far to trust it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/run.h"
#include "stats/change.h"

namespace svcbench {

// What is the same for all figures of a kind. True to userspace/measure: whoever changes what is timed or
// checked there changes it here.
struct Story {
  std::string_view scenario;
  std::string_view command;  // of the run; empty: any that has the scenario
  std::string_view part;     // that the id has as one of its parts; empty: any
  std::string_view timed;
  std::string_view not_timed;
  std::string_view checked;
  std::string_view value_is;  // what one of the values is
  std::string_view bias;      // what could make it wrong, besides what the machine's own state does
};

// The first that fits; all scenarios have one.
[[nodiscard]] const Story* story_of(const Run& run, const Cell& cell);

// What of the run's machine could make its figures wrong, a sentence each.
[[nodiscard]] std::vector<std::string> doubts_about(const nlohmann::json& environment);

// What a cell's values are, and what its interval is, in words.
[[nodiscard]] std::string made_of(const Cell& cell, const Story& story);
[[nodiscard]] std::string checked_of(const Cell& cell, const Story& story);

// Of a cell's values, in its unit.
struct Spread {
  double least;
  double quarter;
  double three_quarters;
  double largest;
  std::optional<double> middle_half{};  // its width as a share of the median
};

// Whether a figure changed while the run went on: medians of the first and the last third of its values.
struct DriftFigure {
  double first_third;
  double last_third;
  std::optional<stats::Drift> slope{};

  [[nodiscard]] bool is_resolved() const;
};

// What the instrument itself costs, as the same run measured it.
struct InstrumentCost {
  std::string what;
  double value;
  std::optional<stats::Interval> interval;
  std::string unit;
};

// All that is said of a cell, but for what the cell has itself; for people and for programs.
struct Explanation {
  const Story* story;  // null: no kind that is known
  std::optional<Spread> spread{};
  std::optional<DriftFigure> drift{};
  std::vector<InstrumentCost> instrument{};
  std::vector<std::string> second_instruments{};
  std::vector<std::string> doubts{};
  std::vector<std::string> notes{};
  std::string command_line{};  // "": the file has none
};

// `cell` is one of the run's.
[[nodiscard]] Explanation explain(const Run& run, const Cell& cell);

// At most 100 columns.
[[nodiscard]] std::string explain_cell(const Run& run, const Cell& cell);

// The ids, a scenario after the other, with their figures.
[[nodiscard]] std::string list_cells(const Run& run);

inline constexpr int explain_schema_version = 1;

// The same as JSON (docs/explain.schema.json): of one cell, and of all as a list.
[[nodiscard]] nlohmann::json explain_json(const Run& run, const Cell& cell);
[[nodiscard]] nlohmann::json cells_json(const Run& run);

}  // namespace svcbench
