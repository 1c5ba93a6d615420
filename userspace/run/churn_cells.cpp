// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>

#include <array>

#include "run/cells.h"

namespace svcbench {

namespace {

class ChurnCells {
 public:
  ChurnCells(const Field& document, Cells& cells)
      : plane_(document.at("plane").text()), services_(document.at("services").count()), cells_(cells) {}

  Cell& add(const std::string& id, std::string what, std::string unit, double value) {
    Cell& cell = cells_.emplace_back();
    cell.scenario = "churn";
    cell.plane = plane_;
    cell.services = services_;
    cell.what = std::move(what);
    cell.unit = std::move(unit);
    cell.id = id_of(cell) + "/" + id;
    cell.value = value;
    cell.samples = 1;
    return cell;
  }

  // Of each phase: what its packets took, and what became of them.
  void add_tally(const Field& tally, const std::string& id, const std::string& what) {
    if (const auto p50 = tally.at("p50_ns").number_if_any()) {
      Cell& cell = add(id, what, "ns", *p50);
      cell.samples = tally.at("sent").count();
      take_if_any(cell, "p99", tally.at("p99_ns"));
      for (const char* fate : {"wrong", "half_changed", "damaged", "lost", "delayed"}) {
        take_if_any(cell, fate, tally.at(fate));
      }
    }
  }

 private:
  std::string plane_;
  std::size_t services_;
  Cells& cells_;
};

}  // namespace

void add_churn_cells(const Field& document, Cells& cells) {
  ChurnCells churn(document, cells);
  for (const auto& [key, id, what] : {std::array{"wrong", "wrong", "packets to a wrong backend"},
                                      {"half_changed", "half-changed", "packets half changed"},
                                      {"damaged", "damaged", "packets damaged"}}) {
    churn.add(id, what, "packets", document.at(key).number());
  }
  const std::vector<double> effect = document.at("effect_ns").numbers();
  if (const auto median = stats::median_of(effect)) {
    Cell& cell =
        churn.add("effect", "from a change to the first packet that shows it", "ns", median->value);
    cell.interval = median->interval;
    cell.samples = median->samples;
    cell.values = effect;
  }
  if (const auto highest = document.at("search").at("highest_rate").number_if_any()) {
    churn.add("highest-rate", "highest rate of changes kept up with", "changes/s", *highest);
  }
  for (const Field& phase : document.at("phases").elements()) {
    const std::string name = phase.at("name").text();
    for (const auto& [flows, flow] :
         {std::pair{"new_flows", "new flow"}, {"established_flows", "established flow"}}) {
      for (const char* which : {"changing", "steady"}) {
        churn.add_tally(
            phase.at(flows).at(which),
            fmt::format("{}/{}/{}", id_part(name), flow[0] == 'n' ? "new" : "established", which),
            fmt::format("{} the changes: {}, {} services", name, flow, which));
      }
    }
  }
}

}  // namespace svcbench
