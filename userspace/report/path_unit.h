// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What path figures are told in: microseconds, or guest instructions where the clock counts those.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

class PathUnit {
 public:
  // `emulation` as emulation_of() gives it.
  [[nodiscard]] static PathUnit of(std::string_view emulation);

  [[nodiscard]] std::string title() const { return std::string(name_); }                // "us", "instr"
  [[nodiscard]] std::string number(const std::optional<double>& ns) const;              // "1.84"
  [[nodiscard]] std::string figure(const std::optional<stats::Estimate>& ns) const;     // "1.84 [..]"
  [[nodiscard]] std::string with_unit(const std::optional<stats::Estimate>& ns) const;  // "1.84 us [..]"
  // For what is far below 1 us: "5.68 ns [..]", from 10 us on as with_unit().
  [[nodiscard]] std::string fine(const std::optional<stats::Estimate>& ns) const;
  [[nodiscard]] std::string whole_fine(double ns) const;  // "23 ns"
  [[nodiscard]] std::string plain(double ns) const;       // "1.84 us"
  [[nodiscard]] ToldIn told() const { return {ns_, name_}; }

 private:
  PathUnit(double ns, std::string_view name, bool scaled) : ns_(ns), name_(name), scaled_(scaled) {}
  double ns_;  // of one
  std::string_view name_;
  bool scaled_;  // us become ms, ms s, and ns stay, where that reads better
};

}  // namespace svcbench
