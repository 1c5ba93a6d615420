// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Path: what a packet takes from wire to wire; beside it, what further services add by round trips of real
// sockets.
#include <algorithm>
#include <deque>

#include "measure/compare_analysis.h"
#include "measure/installations.h"
#include "measure/scenario/packets.h"
#include "measure/scenario/rows.h"
#include "measure/visit.h"
#include "measure/wire/round_trip.h"
#include "run/cells.h"

namespace svcbench {

namespace {

// The second instrument beside the wire: one plane with many services and with few, round by round.
struct TwoInstruments {
  const PlaneAtSize* at = nullptr;
  const Target* target = nullptr;
  std::unique_ptr<RoundTrips> trips{};
  std::vector<double> wire_ns{}, trip_ns{};
};

class PathScenario final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    setting_ = &setting;
    const std::span<const PathKind> kinds(setting.selection.kinds);
    SVCB_CHECK(
        each_packets(setting, kinds, [&](const Packets& packets) { return add_step(packets, steps); }));
    return add_round_trips(steps);
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.paths));
    if (more_.at != nullptr) {
      findings.agreements.push_back(
          {std::string(more_.at->row->name), more_.at->services, less_.at->services,
           compare_instruments({more_.wire_ns, less_.wire_ns}, {more_.trip_ns, less_.trip_ns})});
    }
  }

 private:
  static constexpr std::uint32_t trips_a_visit = 200;

  Status add_step(const Packets& packets, std::vector<Step>& steps) {
    SVCB_TAKE(seconds, costs_.of(packets, setting_->selection.packets, setting_->clock));
    PathCell& cell = cells_.emplace_back();
    cell.plane = packets.plane;
    cell.services = packets.services;
    cell.kind = packets.kind;
    cell.family = setting_->selection.family;
    Step step;
    step.label = "path, " + packets.name();
    step.seconds = seconds;
    step.fewest = affordable_visits(seconds, setting_->selection.budget_seconds);
    step.most = setting_->selection.path_rounds;
    // Claims are about the first packet that goes to the last service.
    step.droppable = packets.kind.position != Position::last;
    const auto last = std::make_shared<PathVisit>();
    step.run = [this, packets, &cell, last](std::size_t) -> Status {
      SVCB_TAKE(arrivals, packets.send("path", setting_->selection.packets));
      *last = PathVisit{arrivals.counts.sent, arrivals.latency, {}};
      last->add_to(cell);
      return {};
    };
    step.samples = [last] { return last->json(); };
    step.restore = [&cell](const nlohmann::json& samples) -> Status {
      SVCB_TAKE(visit, PathVisit::of(samples));
      visit.add_to(cell);
      return {};
    };
    step.spread = [&cell] { return spread_of(path_p50(cell)); };
    step.figure = [last, unit = setting_->selection.display_unit] {
      return StepFigure{
          .word = "p50", .value = last->latency.quantile(0.5).value_or(0) / unit.ns, .unit = unit.name};
    };
    step.leave_out = [&cell](const std::string& why) { cell.skipped = why; };
    step.cell = path_cell(cell.plane, cell.services, cell.kind, cell.family, "").id;
    steps.push_back(std::move(step));
    return {};
  }

  // The plane whose packets N costs most is the one to ask: iptables, where it runs.
  Status add_round_trips(std::vector<Step>& steps) {
    for (const PlaneAtSize* one : setting_->planes->there()) {
      if (one->row->kind == PlaneKind::iptables && one->rig != nullptr) {
        if (more_.at == nullptr || more_.at->row != one->row) {
          less_.at = one;
        }
        more_.at = one;
      }
    }
    if (more_.at == nullptr || less_.at == more_.at) {
      more_.at = nullptr;
      return {};
    }
    for (TwoInstruments* end : {&more_, &less_}) {
      end->target = setting_->planes->targets(end->at->services).last(Protocol::udp, Delivery::translated);
      if (end->target == nullptr) {
        more_.at = nullptr;
        return {};
      }
      SVCB_TAKE(trips, RoundTrips::create(end->at->rig->testbed()));
      end->trips = std::move(trips);
    }
    Step step;
    step.label = fmt::format("round trips, {}", more_.at->row->name);
    step.seconds = 0.2;
    step.fewest = stats::fewest_repeats;
    step.droppable = true;
    step.run = [this](std::size_t) -> Status {
      SVCB_CHECK(round_trips(more_));
      return round_trips(less_);
    };
    steps.push_back(std::move(step));
    return {};
  }

  Status round_trips(TwoInstruments& end) {
    const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
    SVCB_TAKE(arrivals,
              end.at->rig->measure(setting_->planes->targets(end.at->services), kind, trips_a_visit));
    SVCB_TAKE(samples, end.trips->measure(*end.target, FlowKind::fresh, trips_a_visit, setting_->clock));
    const auto median = stats::median_of(samples.ns);
    if (!median) {
      return failure("round trips, {}: {}", end.at->row->name,
                     samples.not_offered.value_or("none came back"));
    }
    end.wire_ns.push_back(*arrivals.latency.quantile(0.5));
    end.trip_ns.push_back(median->value);
    return {};
  }

  Setting* setting_ = nullptr;
  std::deque<PathCell> cells_{};  // steps point at them
  PacketCosts costs_{};
  TwoInstruments more_{}, less_{};
};

}  // namespace

std::unique_ptr<Scenario> make_path() { return std::make_unique<PathScenario>(); }

}  // namespace svcbench
