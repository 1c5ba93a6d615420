// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/borrow.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "measure/compare_analysis.h"
#include "measure/emulation.h"
#include "service/text.h"
#include "stats/rounds.h"

namespace svcbench {

namespace {

enum class Nature { netfilter, ebpf, neither };

Nature nature_of(std::string_view plane) {
  if (plane.starts_with("ebpf")) {
    return Nature::ebpf;
  }
  return plane.starts_with("iptables") || plane == "nftables" || plane == "ipvs" ? Nature::netfilter
                                                                                 : Nature::neither;
}

bool has(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What of a run under `emulation` says anything about another machine.
bool counts(std::string_view emulation, std::string_view plane) {
  const Nature nature = nature_of(plane);
  return nature != Nature::neither && (emulation != "uml" || nature == Nature::netfilter);
}
bool counts(std::string_view emulation, const Figure& figure) { return emulation != "uml" || figure.kind; }

// "6.12" of "6.12.41+deb13-amd64".
std::string series_of(const std::string& release) {
  std::size_t end = 0;
  for (int dots = 0; end < release.size(); ++end) {
    dots += release[end] == '.' ? 1 : 0;
    if (dots == 2 || (release[end] != '.' && std::isdigit(static_cast<unsigned char>(release[end])) == 0)) {
      break;
    }
  }
  return end == 0 ? "other kernel" : release.substr(0, end);
}

std::string text_at(const nlohmann::json& object, std::string_view key) {
  if (!object.is_object()) {
    return "";
  }
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

Lender lender_of(const CompareResults& other, std::string_view file) {
  Lender lender;
  lender.file = printable(file);
  const auto kernel = other.environment.find("kernel");
  lender.kernel = kernel == other.environment.end() ? "" : text_at(*kernel, "release");
  lender.kernel_source = text_at(other.environment, "kernel_source");
  lender.emulation = emulation_of(other.environment);
  lender.mark = fmt::format("*{}{}{}", series_of(lender.kernel), lender.emulation.empty() ? "" : " ",
                            lender.emulation.substr(0, 8));
  return lender;
}

// ---- one figure of one plane in one run ----

Series series_of(const CompareResults& results, std::string_view plane, const Figure& figure) {
  if (figure.kind) {
    return path_series(results, plane, *figure.kind);
  }
  return figure.operation ? update_series(results, plane, figure.way, *figure.operation)
                          : sync_series(results, plane);
}

std::optional<stats::Estimate> cost_of(const CompareResults& results, std::string_view plane,
                                       std::size_t services, const Figure& figure) {
  if (figure.kind) {
    const PathCell* cell = find_path(results, plane, services, *figure.kind);
    return cell == nullptr ? std::nullopt : path_p50(*cell);
  }
  if (figure.operation) {
    const UpdateCell* cell = find_update(results, plane, figure.way, services, *figure.operation);
    return cell == nullptr ? std::nullopt : update_cost(*cell);
  }
  const SyncCell* cell = find_sync(results, plane, services);
  return cell == nullptr ? std::nullopt : sync_cost(*cell);
}

// Costs at one size, one a round. All rounds: a series over several sizes has as many as its shortest.
std::vector<double> rounds_of(const CompareResults& results, std::string_view plane, std::size_t services,
                              const Figure& figure) {
  CompareResults at_size;
  const auto keep = [&](const auto& from, auto& to) {
    for (const auto& cell : from) {
      if (cell.plane == plane && cell.services == services) {
        to.push_back(cell);
      }
    }
  };
  keep(results.paths, at_size.paths);
  keep(results.updates, at_size.updates);
  keep(results.syncs, at_size.syncs);
  std::vector<double> rounds;
  for (const auto& round : series_of(at_size, plane, figure).by_round) {
    rounds.push_back(round.front());
  }
  return rounds;
}

// ---- via one shared plane ----

stats::Estimate product(const stats::Estimate& a, const stats::Estimate& b) {
  stats::Estimate result{a.value * b.value, std::nullopt, std::min(a.samples, b.samples)};
  if (a.interval && b.interval) {
    result.interval = {a.interval->low * b.interval->low, a.interval->high * b.interval->high};
  }
  return result;
}

std::optional<Via> by_way_of(const std::string& plane, const CompareResults& other,
                             const CompareResults& ours, const BorrowedCell& wanted) {
  // A shared plane is changed as its controller does it first.
  Figure shared = wanted.figure;
  if (shared.operation) {
    const auto ways = ways_of(other, plane);
    shared.way = ways.empty() ? "" : ways.front();
  }
  const auto ratio = stats::ratio_by_round(rounds_of(other, wanted.plane, wanted.services, wanted.figure),
                                           rounds_of(other, plane, wanted.services, shared));
  const auto here = cost_of(ours, plane, wanted.services, shared);
  if (!ratio || !here) {
    return std::nullopt;
  }
  return Via{plane, *ratio, *here, product(*ratio, *here)};
}

// Median, and from the lowest lower end to the highest upper end. `vias` is not empty.
stats::Estimate combined(const std::vector<Via>& vias) {
  std::vector<double> values;
  std::optional<stats::Interval> interval = vias.front().scaled.interval;
  for (const Via& via : vias) {
    values.push_back(via.scaled.value);
    if (!via.scaled.interval || !interval) {
      interval.reset();
      continue;
    }
    interval->low = std::min(interval->low, via.scaled.interval->low);
    interval->high = std::max(interval->high, via.scaled.interval->high);
  }
  const auto median = stats::median_of(values);
  return {median ? median->value : values.front(), interval, values.size()};
}

class Borrowing {
 public:
  Borrowing(const CompareResults& other, std::string_view file, const CompareResults& ours)
      : other_(other), ours_(ours) {
    borrowed_.lender = lender_of(other, file);
  }

  Borrowed run() {
    for (const MissingPlane& missing : ours_.missing) {
      if (has(other_.planes, missing.plane) && counts(borrowed_.lender.emulation, missing.plane)) {
        add_plane(missing.plane);
      }
    }
    return std::move(borrowed_);
  }

 private:
  void add_plane(const std::string& plane) {
    const std::size_t before = borrowed_.cells.size();
    for (const Figure& figure : figures_of(plane)) {
      if (!counts(borrowed_.lender.emulation, figure)) {
        continue;
      }
      for (const std::size_t services : sizes_of(ours_)) {
        add_cell({.plane = plane, .services = services, .figure = figure});
      }
      const Series series = series_of(other_, plane, figure);
      if (const auto growth = growth_of(series)) {
        borrowed_.growths.push_back({plane, figure, series.what, *growth});
      }
    }
    if (borrowed_.cells.size() == before) {
      // An exponent alone, from a run that shares nothing with this one, is that run's and no column here.
      std::erase_if(borrowed_.growths, [&](const BorrowedGrowth& one) { return one.plane == plane; });
      return;
    }
    borrowed_.planes.push_back(plane);
    for (const StateCell& state : other_.states) {
      if (state.plane == plane && state.conntrack_per_1000_flows) {
        borrowed_.counts.push_back(
            {plane, state.services, *state.conntrack_per_1000_flows,
             state.user_peak ? std::optional(state.user_peak->total()) : std::nullopt});
      }
    }
  }

  // All that the other run measured of a plane.
  [[nodiscard]] std::vector<Figure> figures_of(const std::string& plane) const {
    std::vector<Figure> figures{Figure{}};
    const auto add = [&figures](Figure figure) {
      if (std::find(figures.begin(), figures.end(), figure) == figures.end()) {
        figures.push_back(std::move(figure));
      }
    };
    for (const UpdateCell& cell : other_.updates) {
      if (cell.plane == plane) {
        add({.kind = std::nullopt, .operation = cell.operation, .way = cell.way});
      }
    }
    for (const PathCell& cell : other_.paths) {
      if (cell.plane == plane) {
        add({.kind = cell.kind, .operation = std::nullopt, .way = ""});
      }
    }
    return figures;
  }

  void add_cell(BorrowedCell cell) {
    for (const bool same_nature : {true, false}) {
      for (const std::string& plane : ours_.planes) {
        if (has(other_.planes, plane) && counts(borrowed_.lender.emulation, plane) &&
            (nature_of(plane) == nature_of(cell.plane)) == same_nature) {
          if (auto via = by_way_of(plane, other_, ours_, cell)) {
            cell.vias.push_back(std::move(*via));
          }
        }
      }
      if (!cell.vias.empty()) {
        cell.ns = combined(cell.vias);
        borrowed_.cells.push_back(std::move(cell));
        return;
      }
    }
  }

  const CompareResults& other_;
  const CompareResults& ours_;
  Borrowed borrowed_{};
};

std::string shape_text(const nlohmann::json& shape) {
  const auto endpoints = shape.find("endpoints");
  return fmt::format(
      "{} endpoints each, {}, {}",
      endpoints != shape.end() && endpoints->is_number_unsigned() ? endpoints->dump() : "unknown",
      text_at(shape, "family"), text_at(shape, "protocol"));
}

}  // namespace

Status check_lender(const CompareResults& other, std::string_view file, const nlohmann::json& shape,
                    std::span<const std::string> planes, std::span<const std::size_t> sweep) {
  const std::string name = printable(file);
  if (!shape.is_object()) {
    return usage_error(
        "--with {}: a cluster's services are no other run's; use generated ones (--services)", name);
  }
  const auto found = other.run.find("shape");
  if (found == other.run.end() || !found->is_object()) {
    return usage_error(
        "--with {}: its run does not tell the shape of its services (run.shape); measure generated "
        "services "
        "with this version of svcbench",
        name);
  }
  for (const char* key : {"endpoints", "family", "protocol"}) {
    const auto theirs = found->find(key);
    if (theirs == found->end() || *theirs != shape.at(key)) {
      return usage_error("--with {}: its services are others: {}; here {}", name, shape_text(*found),
                         shape_text(shape));
    }
  }
  const std::string emulation = emulation_of(other.environment);
  if (std::none_of(planes.begin(), planes.end(), [&](const std::string& plane) {
        return has(other.planes, plane) && counts(emulation, plane);
      })) {
    return usage_error("--with {}: no plane to scale by: it measured {}, and {}", name,
                       printable(fmt::format("{}", fmt::join(other.planes, ", "))),
                       emulation == "uml"
                           ? "one other than null and eBPF must be in both runs (it is user-mode Linux's)"
                           : "one other than null must be in both runs");
  }
  const auto sizes = sizes_of(other);
  if (std::none_of(sweep.begin(), sweep.end(), [&](std::size_t size) {
        return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
      })) {
    return usage_error("--with {}: no number of services in common: give --sweep one of {}", name,
                       printable(fmt::format("{}", fmt::join(sizes, ","))));
  }
  return {};
}

Borrowed borrow(const CompareResults& other, std::string_view file, const CompareResults& ours) {
  return Borrowing(other, file, ours).run();
}

std::string describe_borrowed(const Borrowed& borrowed) {
  const Lender& lender = borrowed.lender;
  if (borrowed.planes.empty()) {
    return fmt::format(
        "Nothing was borrowed from {}: it has no plane that is missing here, or none by way "
        "of planes and sizes that both runs measured",
        lender.file);
  }
  std::set<std::string> vias;
  for (const BorrowedCell& cell : borrowed.cells) {
    for (const Via& via : cell.vias) {
      vias.insert(via.plane);
    }
  }
  return fmt::format(
      "{}: {} not measured here but scaled, from {} (kernel {}{}{}): this run's cost of each of {}, times "
      "the plane's ratio to it in that run; the median of these, and from the lowest of their lower ends "
      "to "
      "the highest of their upper ends. Exponents and counts are that run's own; of all these, verdicts "
      "use "
      "exponents alone",
      lender.mark, fmt::join(borrowed.planes, ", "), lender.file,
      lender.kernel.empty() ? "unknown" : lender.kernel,
      lender.emulation.empty() ? "" : fmt::format(", {}", lender.emulation),
      lender.kernel_source.empty() ? "" : fmt::format(", {}", lender.kernel_source), fmt::join(vias, ", "));
}

const BorrowedCell* find_borrowed(const Borrowed& borrowed, std::string_view plane, std::size_t services,
                                  const Figure& figure) {
  const auto found =
      std::find_if(borrowed.cells.begin(), borrowed.cells.end(), [&](const BorrowedCell& cell) {
        return cell.plane == plane && cell.services == services && cell.figure == figure;
      });
  return found == borrowed.cells.end() ? nullptr : &*found;
}

const BorrowedGrowth* find_borrowed_growth(const Borrowed& borrowed, std::string_view plane,
                                           const Figure& figure) {
  const auto found =
      std::find_if(borrowed.growths.begin(), borrowed.growths.end(),
                   [&](const BorrowedGrowth& one) { return one.plane == plane && one.figure == figure; });
  return found == borrowed.growths.end() ? nullptr : &*found;
}

}  // namespace svcbench
