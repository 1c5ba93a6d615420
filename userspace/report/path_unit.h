// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What path figures are told in: microseconds, or guest instructions where the clock counts those.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stats/quantile.h"

namespace svcbench {

class PathUnit {
 public:
  // `emulation` as emulation_of() gives it. tests/vm/run counts with shift=1: 2 ns an instruction.
  [[nodiscard]] static PathUnit of(std::string_view emulation);

  [[nodiscard]] std::string title() const { return name_; }                             // "us", "instr"
  [[nodiscard]] std::string number(const std::optional<double>& ns) const;              // "1.84"
  [[nodiscard]] std::string figure(const std::optional<stats::Estimate>& ns) const;     // "1.84 [..]"
  [[nodiscard]] std::string with_unit(const std::optional<stats::Estimate>& ns) const;  // "1.84 us [..]"

 private:
  PathUnit(double ns, const char* name, bool scaled) : ns_(ns), name_(name), scaled_(scaled) {}
  double ns_;  // of one
  const char* name_;
  bool scaled_;  // us become ms, and ms s, where that reads better
};

}  // namespace svcbench
