// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace svcbench {

std::string id_part(std::string_view text) {
  constexpr std::string_view also_plain = "._+:-";
  std::string part(text);
  std::replace_if(
      part.begin(), part.end(),
      [&](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) == 0 && also_plain.find(c) == also_plain.npos;
      },
      '-');
  // One of a run of them is enough: "new-flow-first-UDP".
  part.erase(std::unique(part.begin(), part.end(), [](char a, char b) { return a == '-' && b == '-'; }),
             part.end());
  return part;
}

std::string id_of(const Cell& cell) {
  std::string id = cell.scenario;
  if (!cell.plane.empty()) {
    id += "/" + id_part(cell.plane);
  }
  if (cell.services != 0) {
    id += fmt::format("/{}", cell.services);
  }
  return id;
}

bool take_estimate(Cell& cell, const Field& estimate) {
  const auto taken = estimate.estimate();
  if (taken) {
    cell.value = taken->value;
    cell.interval = taken->interval;
    cell.samples = taken->samples;
  }
  return taken.has_value();
}

void take_if_any(Cell& cell, const char* name, const Field& number) {
  if (const auto value = number.number_if_any()) {
    cell.also[name] = *value;
  }
}

void add_growth_cells(const Field& growths, std::string_view what_key, Cells& cells) {
  for (const Field& one : growths.elements()) {
    if (one.at("exponent").is_null()) {
      continue;
    }
    Cell cell;
    cell.scenario = "growth";
    cell.plane = one.at("plane").text();
    cell.what = one.at(std::string(what_key).c_str()).text();
    cell.unit = "exponent";
    cell.value = one.at("exponent").number();
    cell.interval = one.at("interval").interval();
    cell.samples = one.at("rounds").count();
    // An estimate in a comparison, a number in `ebpf`.
    const Field slope = one.at("ns_per_service");
    if (const auto value =
            slope.json().is_object() ? slope.at("value").number_if_any() : slope.number_if_any()) {
      cell.also["ns_per_service"] = *value;
    }
    cell.id = id_of(cell) + "/" + id_part(cell.what);
    cells.push_back(std::move(cell));
  }
}

}  // namespace svcbench
