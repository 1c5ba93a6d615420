// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/path_unit.h"

#include <fmt/format.h>

#include "report/figures.h"

namespace svcbench {

PathUnit PathUnit::of(std::string_view emulation) {
  return emulation == "icount" ? PathUnit(2, "instr", false) : PathUnit(1e3, "us", true);
}

std::string PathUnit::number(const std::optional<double>& ns) const { return svcbench::number(ns, ns_); }

std::string PathUnit::figure(const std::optional<stats::Estimate>& ns) const {
  return svcbench::figure(ns, ns_);
}

std::string PathUnit::with_unit(const std::optional<stats::Estimate>& ns) const {
  if (scaled_ || !ns) {
    return figure_with_unit(ns);
  }
  const std::string text = figure(ns);
  const std::size_t space = text.find(' ');
  return fmt::format("{} {}{}", text.substr(0, space), name_, text.substr(space));
}

}  // namespace svcbench
