// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run as the makers of tables, screens and charts see it, and what they share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/cells.h"
#include "run/field.h"
#include "run/run.h"
#include "stats/verdict.h"

namespace svcbench {

// Refers to the file and to `wrong`, which outlive it.
class RunView {
 public:
  RunView(const Run& file, std::string& wrong) : file_(&file), wrong_(&wrong) {}

  [[nodiscard]] const Run& file() const { return *file_; }
  [[nodiscard]] Field details() const { return part(file_->details, "details"); }
  [[nodiscard]] Field about() const { return part(file_->run, "run"); }
  [[nodiscard]] Field environment() const { return part(file_->environment, "environment"); }
  [[nodiscard]] const Cell* find(const std::string& id) const { return file_->find(id); }
  [[nodiscard]] const Cell* find_unmeasured(const std::string& id) const {
    return file_->find_unmeasured(id);
  }
  // Of a scenario, what was measured and what was not.
  [[nodiscard]] std::vector<const Cell*> all_of(std::string_view scenario) const;
  // What emulated the machine; "" where it is one.
  [[nodiscard]] std::string emulation() const;
  [[nodiscard]] DisplayUnit unit() const;
  // "ns", or "instructions" where an emulator's clock counts those; and ns in it.
  [[nodiscard]] std::string path_unit() const { return unit().name == "ns" ? "ns" : "instructions"; }
  [[nodiscard]] std::optional<stats::Estimate> in_unit(std::optional<stats::Estimate> ns) const;

  [[nodiscard]] const std::vector<Verdict>& verdicts() const { return file_->verdicts; }

  // Planes with a cell of one of these scenarios, in the document's order; not the instrument's own
  // targets.
  [[nodiscard]] std::vector<std::string> planes(const std::vector<std::string_view>& scenarios) const;
  // Those that have no type of their own (is_plain()), in the document's order.
  [[nodiscard]] std::vector<std::string> plain_scenarios() const;
  // Ascending.
  [[nodiscard]] std::vector<std::size_t> sizes(const std::vector<std::string_view>& scenarios) const;
  // "path/PLANE/N/REST" at each N where there is one, ascending.
  [[nodiscard]] std::vector<const Cell*> over_sizes(std::string_view scenario, std::string_view plane,
                                                    std::string_view rest) const;
  // "UDP", unless no path has that: then "TCP".
  [[nodiscard]] std::string_view protocol() const;
  // The ways in which a plane was changed, in the run's order; {""} where it has one.
  [[nodiscard]] std::vector<std::string> ways(std::string_view plane) const;

 private:
  [[nodiscard]] Field part(const nlohmann::json& value, std::string_view name) const {
    return {JsonCursor(value, file_->path, name), *wrong_};
  }

  const Run* file_;
  std::string* wrong_;
};

// At the end, unless it is there already.
void add_unique(std::vector<std::string>& names, std::string name);

// "path/ebpf-xdp/1000/new/last/UDP"; without `rest` where it is empty.
[[nodiscard]] std::string cell_id(std::string_view scenario, std::string_view plane, std::size_t services,
                                  std::string_view rest);
[[nodiscard]] std::string growth_id(std::string_view plane, std::string_view what);
// "flat", "growing", "linear", "undecided".
[[nodiscard]] std::string_view trend_of(const Cell& growth);

}  // namespace svcbench
