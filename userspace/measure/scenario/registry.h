// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The scenarios there are, a row each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svcbench {

class Scenario;

// Which of what a scenario measures needs packets.
enum class PacketsNeeded : std::uint8_t { none, some, all };

struct ScenarioRow {
  std::string_view name;
  std::string_view summary;  // a line of a list
  // Of planes that Installations holds: what `compare --scenarios` may name. Null: a command of its own
  // measures it.
  std::unique_ptr<Scenario> (*make)() = nullptr;
  PacketsNeeded packets = PacketsNeeded::none;  // through nodes that have each plane: PlaneAtSize::rig
  bool changes_planes = false;                  // in a namespace without traffic: PlaneAtSize::changing
  // What it is called where it cannot be measured: "the path is not measured". Empty: its name.
  std::string_view noun{};
  // The scenario that it is a part of, and is measured with. Empty: none.
  std::string_view part_of{};
  // It takes as long as all others together: `compare` measures it only where it is named.
  bool by_name = false;
};

[[nodiscard]] std::span<const ScenarioRow> scenarios();

// What a user may choose.
[[nodiscard]] std::vector<std::string> scenario_names();
// Those that are named, with their parts, in the registry's order; where none is, all but those that are
// measured by name alone.
[[nodiscard]] std::vector<const ScenarioRow*> chosen_scenarios(const std::vector<std::string>& names);

}  // namespace svcbench
