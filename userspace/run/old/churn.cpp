// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <array>

#include "run/old/old_run.h"

namespace svcbench::old {

namespace {

using nlohmann::json;

class Churn {
 public:
  Churn(const Field& document, Run& run)
      : document_(document),
        run_(run),
        plane_(document.at("plane").text()),
        services_(document.at("services").count()) {}

  void add_all() {
    for (const auto& [key, id, what] : {std::array{"wrong", "wrong", "packets to a wrong backend"},
                                        {"half_changed", "half-changed", "packets half changed"},
                                        {"damaged", "damaged", "packets damaged"}}) {
      add(id, what, "packets", document_.at(key).number());
    }
    Cell effect =
        churn_cell(plane_, services_, "effect", "from a change to the first packet that shows it", "ns");
    effect.values = document_.at("effect_ns").numbers();
    if (take(effect, stats::median_of(effect.values))) {
      svcbench::add(run_, std::move(effect));
    }
    if (const auto highest = document_.at("search").at("highest_rate").number_if_any()) {
      add("highest-rate", "highest rate of changes kept up with", "changes/s", *highest);
    }
    json phases = json::array();
    for (const Field& phase : document_.at("phases").elements()) {
      add_phase(phase);
      phases.push_back(phase.json());
      phases.back().erase("new_flows");
      phases.back().erase("established_flows");
    }
    run_.details = {{"churn", std::move(run_.details)}};
    run_.details["churn"]["phases"] = std::move(phases);
    run_.details["churn"]["changes"] = document_.at("changes").json();
    run_.details["churn"]["trials"] = document_.at("search").at("trials").json();
  }

 private:
  void add(const char* id, const char* what, const char* unit, double value) {
    Cell cell = churn_cell(plane_, services_, id, what, unit);
    cell.value = value;
    svcbench::add(run_, std::move(cell));
  }

  // Of each phase: what its packets took, and what became of them.
  void add_phase(const Field& phase) {
    for (const auto& [flows, flow] :
         {std::pair{"new_flows", "new flow"}, {"established_flows", "established flow"}}) {
      for (const char* which : {"changing", "steady"}) {
        add_tally(phase.at(flows).at(which),
                  churn_tally_cell(plane_, services_, phase.at("name").text(), flow, which));
      }
    }
  }

  void add_tally(const Field& tally, Cell cell) {
    std::vector<std::pair<double, double>> buckets;
    for (const std::vector<double>& bucket : tally.at("latency_ns").blocks()) {
      if (bucket.size() == 2) {
        buckets.emplace_back(bucket[0], bucket[1]);
      }
    }
    take_histogram(cell, buckets, 1);
    take_beside(cell, "p99", tally.at("p99_ns").number_if_any());
    for (const char* outcome :
         {"right", "kept", "no_endpoint", "wrong", "half_changed", "damaged", "lost", "reset", "delayed"}) {
      take_beside(cell, outcome, tally.at(outcome).number_if_any());
    }
    if (const auto p50 = tally.at("p50_ns").number_if_any()) {
      cell.value = *p50;
    } else {
      leave_out(cell, "no packet came out", std::nullopt);
    }
    cell.samples = tally.at("sent").is_null() ? 0 : tally.at("sent").count();
    svcbench::add(run_, std::move(cell));
  }

  const Field document_;
  Run& run_;
  std::string plane_;
  std::size_t services_;
};

}  // namespace

void add_churn(const Field& document, Run& run) { Churn(document, run).add_all(); }

}  // namespace svcbench::old
