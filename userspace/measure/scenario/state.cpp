// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// State: what a plane keeps for flows and for services, in the kernel and in user space.
#include "measure/state.h"

#include <algorithm>
#include <deque>

#include "measure/installations.h"
#include "measure/scenario/rows.h"
#include "service/text.h"
#include "sys/peak_rss.h"

namespace svcbench {

namespace {

nlohmann::json json_of(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::optional<double> number_of(const nlohmann::json& samples, const char* name) {
  const auto found = samples.find(name);
  return found != samples.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

// Counts and bytes scatter little, so that each is seen once: a step a cell, visited once.
class StateScenario final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    setting_ = &setting;
    for (PlaneAtSize* one : setting.planes->there()) {
      StateCell& cell = cells_.emplace_back();
      cell.plane = one->row->name;
      cell.services = one->services;
      if (const DataPlane* plane = one->plane()) {
        SVCB_TAKE(bytes, plane->kernel_bytes());
        if (bytes) {
          cell.kernel_bytes = static_cast<double>(*bytes);
          cell.kernel_bytes_method = "the maps' own accounting";
        }
      }
      if (one->rig && one->row->off_wire.empty()) {
        add(steps, *one, "connection tracking", 0.1, cell,
            [this, one, &cell] { return flows(*one, cell); });
      }
      if (one->row->kind == PlaneKind::none) {
        continue;
      }
      add(steps, *one, "user-space memory", 0.05 + 2 * one->install_seconds, cell,
          [this, one, &cell] { return user_memory(*one, cell); });
      // Seen from outside: installed and removed again and again. At the largest size, where it is most.
      if (!cell.kernel_bytes && one->services == setting.selection.sweep.back()) {
        add(steps, *one, "kernel memory", (memory_cycles + 1) * (0.5 + 2 * one->install_seconds), cell,
            [this, one, &cell] { return kernel_memory_of(*one, cell); });
      }
    }
    return {};
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.states));
  }

 private:
  static constexpr std::size_t memory_cycles = stats::fewest_repeats;

  void add(std::vector<Step>& steps, const PlaneAtSize& one, const char* what, double seconds,
           StateCell& cell, const std::function<Status()>& look) {
    Step step;
    step.label = fmt::format("{}, {}", what, name_of(one));
    step.seconds = seconds;
    step.fewest = 1;
    step.most = 1;
    step.droppable = seconds > 1;  // what is quickly seen stays as long as it can
    step.run = [look](std::size_t) { return look(); };
    step.samples = [&cell] { return json_of_cell(cell); };
    step.restore = [&cell](const nlohmann::json& samples) { return restore(cell, samples); };
    steps.push_back(std::move(step));
  }

  // Entries of the connection tracker for 1,000 new flows, and of the plane's own table.
  Status flows(const PlaneAtSize& one, StateCell& cell) {
    const PathTargets& targets = setting_->planes->targets(one.services);
    for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
      if (targets.of(Position::random, protocol, one.rig->delivery())) {
        SVCB_TAKE(entries, conntrack_per_1000_flows(*one.rig, targets, protocol));
        cell.conntrack_per_1000_flows = static_cast<double>(entries);
        SVCB_TAKE(own, one.rig->plane()->flow_table());
        if (own) {
          cell.own_per_1000_flows = static_cast<double>(own->entries);
        }
        return {};
      }
    }
    return {};
  }

  // Of one more installation: it hardly scatters, for nothing else works in these processes.
  Status user_memory(const PlaneAtSize& one, StateCell& cell) {
    std::unique_ptr<InNamespace> plane;
    SVCB_TAKE(peak, user_memory_of([&]() -> Status {
                SVCB_TAKE(made, setting_->planes->another(one));
                plane = std::move(made);
                return plane->install(setting_->services(one.services));
              }));
    if (peak.tool) {
      cell.user_peak = {.own = static_cast<double>(peak.own), .tool = static_cast<double>(*peak.tool)};
    } else {
      setting_->notes.push_back(fmt::format(
          "User-space memory of {} at {} services is not measured: its tools could not be traced",
          one.row->name, grouped(one.services)));
    }
    return {};
  }

  Status kernel_memory_of(const PlaneAtSize& one, StateCell& cell) {
    std::unique_ptr<InNamespace> held;
    const auto install = [&]() -> Status {
      SVCB_TAKE(plane, setting_->planes->another(one));
      held = std::move(plane);
      return held->install(setting_->services(one.services));
    };
    const auto remove = [&]() -> Status {
      held.reset();
      return {};
    };
    SVCB_TAKE(memory, kernel_memory(install, remove, memory_cycles));
    cell.kernel_bytes_method =
        "SUnreclaim + VmallocUsed + Percpu of /proc/meminfo, installed and removed again";
    if (memory.conclusive) {
      cell.kernel_bytes = memory.total.value;
      cell.kernel_bytes_interval = memory.total.interval;
    } else {
      setting_->notes.push_back(fmt::format("Kernel memory of {}: {}", one.row->name, memory.summary));
    }
    return {};
  }

  static nlohmann::json json_of_cell(const StateCell& cell) {
    nlohmann::json out{{"conntrack", json_of(cell.conntrack_per_1000_flows)},
                       {"own", json_of(cell.own_per_1000_flows)},
                       {"kernel", json_of(cell.kernel_bytes)},
                       {"method", cell.kernel_bytes_method}};
    if (cell.kernel_bytes_interval) {
      out["low"] = cell.kernel_bytes_interval->low;
      out["high"] = cell.kernel_bytes_interval->high;
    }
    if (cell.user_peak) {
      out["user_own"] = cell.user_peak->own;
      out["user_tool"] = cell.user_peak->tool;
    }
    return out;
  }

  // Of what a visit to the cell found; the visits before it are in it, too.
  static Status restore(StateCell& cell, const nlohmann::json& samples) {
    if (!samples.is_object()) {
      return failure("what was kept of it cannot be read");
    }
    const auto take = [&](std::optional<double>& into, const char* name) {
      if (const auto value = number_of(samples, name)) {
        into = value;
      }
    };
    take(cell.conntrack_per_1000_flows, "conntrack");
    take(cell.own_per_1000_flows, "own");
    take(cell.kernel_bytes, "kernel");
    if (samples.contains("method") && samples.at("method").is_string()) {
      cell.kernel_bytes_method = samples.at("method").get<std::string>();
    }
    if (const auto low = number_of(samples, "low"), high = number_of(samples, "high"); low && high) {
      cell.kernel_bytes_interval = stats::Interval{*low, *high};
    }
    if (const auto own = number_of(samples, "user_own"), tool = number_of(samples, "user_tool");
        own && tool) {
      cell.user_peak = {.own = *own, .tool = *tool};
    }
    return {};
  }

  Setting* setting_ = nullptr;
  std::deque<StateCell> cells_{};  // steps point at them
};

}  // namespace

std::unique_ptr<Scenario> make_state() { return std::make_unique<StateScenario>(); }

}  // namespace svcbench
