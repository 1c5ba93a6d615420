// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/path_unit.h"

#include <fmt/format.h>

#include <cmath>

#include "measure/emulation.h"
#include "report/figures.h"
#include "report/quantity.h"

namespace svcbench {

namespace {

// "1.84 [1.80,1.90]" with the unit behind the value.
std::string with_name(const std::string& figure, std::string_view name) {
  const std::size_t space = figure.find(' ');
  return fmt::format("{} {}{}", figure.substr(0, space), name, figure.substr(space));
}

}  // namespace

PathUnit PathUnit::of(std::string_view emulation) {
  const ToldIn told = told_in(emulation);
  return told.name == "ns" ? PathUnit(1e3, "us", true) : PathUnit(told.ns, told.name, false);
}

std::string PathUnit::number(const std::optional<double>& ns) const { return svcbench::number(ns, ns_); }

std::string PathUnit::figure(const std::optional<stats::Estimate>& ns) const {
  return svcbench::figure(ns, ns_);
}

std::string PathUnit::with_unit(const std::optional<stats::Estimate>& ns) const {
  if (scaled_ || !ns) {
    return figure_with_unit(ns);
  }
  return with_name(figure(ns), name_);
}

std::string PathUnit::fine(const std::optional<stats::Estimate>& ns) const {
  return scaled_ && ns && std::abs(ns->value) < 1e4 ? with_name(svcbench::figure(ns, 1), "ns")
                                                    : with_unit(ns);
}

std::string PathUnit::plain(double ns) const {
  return scaled_ ? quantity(ns, "ns") : fmt::format("{} {}", svcbench::number(ns, ns_), name_);
}

std::string PathUnit::whole_fine(double ns) const {
  const ToldIn in = scaled_ ? ToldIn{} : told();
  return fmt::format("{:.0f} {}", ns / in.ns, in.name);
}

}  // namespace svcbench
