// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The planes of a run at each size of its sweep, with all services in place: what scenarios visit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/path.h"
#include "measure/scenario/scenario.h"
#include "plane/in_namespace.h"

namespace svcbench {

// One plane at one size.
struct PlaneAtSize {
  const PlaneRow* row = nullptr;
  std::size_t services = 0;
  double install_seconds = 0;  // seen, or predicted where it is left out
  double read_seconds = 0;     // what it takes to count its services in the kernel
  std::string left_out{};      // why: then there is none
  // Its services never change; null where no packets are sent.
  std::unique_ptr<PathRig> rig{};
  // In a namespace without traffic, for what changes it; null where nothing does.
  std::unique_ptr<InNamespace> changing{};

  // Of those that are there, the one that nothing changes where there are two; null: there is none.
  [[nodiscard]] const DataPlane* plane() const { return rig ? rig->plane() : changing.get(); }
};

class Installations {
 public:
  // Smaller sizes first, so that a size that would eat the budget is not even begun. Error: no plane can
  // run here, or one does not hold what it was given.
  struct Wants {
    bool planes = true;    // else nothing is installed
    bool packets = false;  // nodes that packets can be sent through
    bool changes = false;  // planes that may be changed
  };
  static Result<std::unique_ptr<Installations>> make(Setting& setting, const Wants& wants);

  [[nodiscard]] const std::vector<std::unique_ptr<PlaneAtSize>>& all() const { return all_; }
  // Those that were not left out.
  [[nodiscard]] std::vector<PlaneAtSize*> there() const;
  // The rows' names, of those that can run here.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  // ---- for what sends packets ----
  [[nodiscard]] bool sends_packets() const { return wire_ != nullptr; }
  [[nodiscard]] const PathTargets& targets(std::size_t services) const { return targets_.at(services); }
  // The wire's own: names of PathCell::plane.
  [[nodiscard]] const std::map<std::string, std::unique_ptr<PathRig>>& instruments() const {
    return instruments_;
  }
  // What one reading of the clock in a program takes, ns.
  [[nodiscard]] std::optional<double> clock_ns() const { return clock_ns_; }
  // What it will take to look at all of them once more, and to take them down.
  [[nodiscard]] double end_seconds() const;

  // Volleys that were sent again.
  [[nodiscard]] std::size_t overruns() const;

  // An empty one like it, in a namespace of its own without traffic.
  [[nodiscard]] Result<std::unique_ptr<InNamespace>> another(const PlaneAtSize& like) const;

 private:
  explicit Installations(const Setting& setting) : setting_(&setting) {}
  Status make_wire();
  Status make_instruments();
  Status install(PlaneAtSize& one, const Wants& wants);

  const Setting* setting_;
  std::vector<std::string> names_{};
  // Declared in the order in which they need each other.
  std::unique_ptr<Wire> wire_{};
  std::map<std::size_t, PathTargets> targets_{};
  std::map<std::string, std::unique_ptr<PathRig>> instruments_{};
  std::vector<std::unique_ptr<PlaneAtSize>> all_{};
  std::map<const PlaneRow*, CostCurve> curves_{};
  double spent_ = 0;  // seconds, on all installations so far
  std::optional<double> clock_ns_{};
};

// "5,000 services, nftables": of labels.
[[nodiscard]] std::string name_of(const PlaneAtSize& one);

}  // namespace svcbench
