// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Throughput: the same packets as many as go, in batches to a random service.
#include <algorithm>
#include <cmath>
#include <deque>

#include "measure/scenario/packets.h"
#include "measure/scenario/rows.h"
#include "measure/visit.h"

namespace svcbench {

namespace {

class ThroughputScenario final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    std::vector<PathKind> kinds;
    std::copy_if(setting.selection.kinds.begin(), setting.selection.kinds.end(), std::back_inserter(kinds),
                 [](const PathKind& kind) {
                   return kind.position == Position::random && kind.flow != FlowKind::reply;
                 });
    return each_packets(setting, kinds, [&](const Packets& packets) -> Status {
      if (setting.planes->instruments().contains(packets.plane)) {
        return {};
      }
      SVCB_TAKE(seconds, costs_.of(packets, batched_packets, setting.clock));
      PathCell& cell = cells_.emplace_back();
      cell.plane = packets.plane;
      cell.services = packets.services;
      cell.kind = packets.kind;
      cell.family = setting.selection.family;
      Step step;
      step.label = "throughput, " + packets.name();
      step.seconds = seconds;
      step.most = (std::min(setting.selection.rounds, setting.selection.path_rounds) + 2) / 3;
      step.fewest = std::min(step.most, affordable_visits(seconds, setting.selection.budget_seconds));
      step.droppable = true;
      step.run = [packets, &cell](std::size_t) -> Status {
        SVCB_TAKE(arrivals, packets.send("throughput", batched_packets, batch));
        cell.packets_per_second.push_back(arrivals.packets_per_second());
        return {};
      };
      step.samples = [&cell] { return nlohmann::json(cell.packets_per_second.back()); };
      step.restore = [&cell](const nlohmann::json& samples) {
        return add_number(cell.packets_per_second, samples);
      };
      steps.push_back(std::move(step));
      return {};
    });
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.paths));
  }

 private:
  static constexpr std::uint32_t batched_packets = 4000;
  static constexpr std::uint32_t batch = 64;

  std::deque<PathCell> cells_{};  // steps point at them
  PacketCosts costs_{};
};

}  // namespace

std::unique_ptr<Scenario> make_throughput() { return std::make_unique<ThroughputScenario>(); }

}  // namespace svcbench
