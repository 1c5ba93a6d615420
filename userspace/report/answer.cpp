// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/answer.h"

#include <fmt/format.h>

#include <utility>

#include "report/table42.h"
#include "report/tables.h"

namespace svcbench {

namespace {

constexpr std::size_t most_rows = 14;

// Of more rows than a screen has room for, the last: those of the largest sizes.
Section shortened(Section section) {
  if (section.rows.size() > most_rows) {
    section.rows.erase(section.rows.begin(), section.rows.end() - static_cast<std::ptrdiff_t>(most_rows));
    section.title += fmt::format(" (the last {} rows)", most_rows);
  }
  section.caption.clear();
  section.after.clear();
  return section;
}

Section compared(const RunView& run) {
  const auto whole = table42(run);
  if (!whole) {
    Section packets = path_answer(run);
    auto others = packets.rows.empty() ? plain_tables(run) : std::vector<Section>();
    return others.empty() ? packets : std::move(others.front());
  }
  Section section = turned(*whole);
  section.title += ": medians, +- the wider half of the 95 % interval";
  return section;
}

// Without the columns that tell it once more.
Section connects(const RunView& run) {
  Section section = connect_table(run);
  const std::size_t kept = 1 + (section.columns.size() - 1) / 2;
  section.columns.resize(kept);
  for (Row& row : section.rows) {
    row.entries.resize(kept);
  }
  section.title += ", +- its wider half";
  return section;
}

Section main_answer(const RunView& run) {
  const std::string& command = run.file().command;
  if (command == "ebpf") {
    return main_job_table(run);
  }
  if (command == "iptables") {
    return run.details().at("ruleset").is_null() ? table41(run) : ruleset_table(run);
  }
  if (command == "path") {
    return path_answer(run);
  }
  if (command == "connect") {
    return connects(run);
  }
  if (command == "churn") {
    return churn_table(run);
  }
  return command == "verify" ? behaviour_counts(run) : compared(run);
}

}  // namespace

std::optional<Section> answer(const RunView& run) {
  Section section = shortened(main_answer(run));
  return section.rows.empty() ? std::nullopt : std::optional(std::move(section));
}

}  // namespace svcbench
