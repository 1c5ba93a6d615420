// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/scale.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "measure/compare_analysis.h"
#include "measure/emulation.h"
#include "plane/registry.h"
#include "run/cells.h"
#include "service/text.h"
#include "stats/rounds.h"

namespace svcbench {

namespace {

bool has(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What of a run under `emulation` says anything about another machine.
bool counts(std::string_view emulation, std::string_view plane) {
  const PlaneKind kind = kind_of(plane);
  return kind != PlaneKind::none && (emulation != "uml" || is_netfilter(kind));
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

ReferenceRun reference_of(const Run& other, std::string_view file) {
  ReferenceRun reference;
  reference.file = printable(file);
  const auto kernel = other.environment.find("kernel");
  reference.kernel = kernel == other.environment.end() ? "" : text_at(*kernel, "release");
  reference.kernel_source = text_at(other.environment, "kernel_source");
  reference.emulation = emulation_of(other.environment);
  reference.mark = fmt::format("*{}{}{}", series_of(reference.kernel),
                               reference.emulation.empty() ? "" : " ", reference.emulation.substr(0, 8));
  return reference;
}

// ---- one figure of one plane ----

// In our run.
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

// The one of `all` that is called so.
template <typename T>
std::optional<T> named(std::string_view name, std::initializer_list<T> all) {
  for (const T one : all) {
    if (to_string(one) == name) {
      return one;
    }
  }
  return std::nullopt;
}

// Which one a cell of a file is; none: of no kind that is known here.
std::optional<Figure> figure_of(const Cell& cell) {
  if (cell.scenario == "sync") {
    return Figure{};
  }
  if (cell.scenario == "update") {
    const auto operation =
        named(cell.coordinate("operation"),
              {Operation::change_endpoints, Operation::add_service, Operation::remove_service});
    return operation ? std::optional(Figure{.kind = std::nullopt,
                                            .operation = operation,
                                            .way = std::string(cell.coordinate("way"))})
                     : std::nullopt;
  }
  const auto flow =
      named(cell.coordinate("flow"), {FlowKind::fresh, FlowKind::established, FlowKind::reply});
  const auto position = named(cell.coordinate("position"),
                              {Position::first, Position::last, Position::random, Position::missing});
  const auto protocol = named(cell.coordinate("protocol"), {Protocol::tcp, Protocol::udp});
  return cell.scenario == "path" && flow && position && protocol
             ? std::optional(Figure{
                   .kind = PathKind{*flow, *position, *protocol}, .operation = std::nullopt, .way = ""})
             : std::nullopt;
}

// Of what grows, as its growth is called.
std::string name_of(const Figure& figure) {
  if (figure.kind) {
    return fmt::format("{}, {} {}", to_string(figure.kind->flow), to_string(figure.kind->position),
                       to_string(figure.kind->protocol));
  }
  return !figure.operation    ? "sync"
         : figure.way.empty() ? std::string(to_string(*figure.operation))
                              : fmt::format("{} ({})", to_string(*figure.operation), figure.way);
}

// Of another run: its planes, and what it measured of them.
class Other {
 public:
  explicit Other(const Run& run) : run_(&run) {
    if (const auto planes = run.details.find("planes"); planes != run.details.end() && planes->is_array()) {
      for (const auto& one : *planes) {
        planes_.push_back(one.is_string() ? one.get<std::string>() : "");
      }
    }
  }

  [[nodiscard]] const Run& run() const { return *run_; }
  [[nodiscard]] const std::vector<std::string>& planes() const { return planes_; }
  // Ascending; of what was left out too.
  [[nodiscard]] std::set<std::size_t> sizes() const {
    std::set<std::size_t> sizes;
    for (const auto* cells : {&run_->cells, &run_->unmeasured}) {
      for (const Cell& cell : *cells) {
        sizes.insert(cell.services);
      }
    }
    sizes.erase(0);
    return sizes;
  }
  // Costs at one size, one a round.
  [[nodiscard]] std::vector<double> rounds(std::string_view plane, std::size_t services,
                                           const Figure& figure) const {
    for (const Cell& cell : run_->cells) {
      if (cell.plane == plane && cell.services == services && figure_of(cell) == figure) {
        return cell.blocks.empty() ? cell.values : stats::block_medians(cell.blocks);
      }
    }
    return {};
  }
  // In which a plane was changed, its controller's own first.
  [[nodiscard]] std::string first_way(std::string_view plane) const {
    for (const Cell& cell : run_->cells) {
      if (cell.plane == plane && cell.scenario == "update") {
        return std::string(cell.coordinate("way"));
      }
    }
    return "";
  }
  [[nodiscard]] const Cell* growth(std::string_view plane, const Figure& figure) const {
    const auto found = std::find_if(run_->cells.begin(), run_->cells.end(), [&](const Cell& cell) {
      return cell.scenario == "growth" && cell.plane == plane && cell.what == name_of(figure);
    });
    return found == run_->cells.end() ? nullptr : &*found;
  }

 private:
  const Run* run_;
  std::vector<std::string> planes_{};
};

// ---- via one shared plane ----

stats::Estimate product(const stats::Estimate& a, const stats::Estimate& b) {
  stats::Estimate result{a.value * b.value, std::nullopt, std::min(a.samples, b.samples)};
  if (a.interval && b.interval) {
    result.interval = {a.interval->low * b.interval->low, a.interval->high * b.interval->high};
  }
  return result;
}

std::optional<SharedPlane> by_way_of(const std::string& plane, const Other& other,
                                     const CompareResults& ours, const ScaledCell& wanted) {
  // A shared plane is changed as its controller does it first.
  Figure shared = wanted.figure;
  if (shared.operation) {
    shared.way = other.first_way(plane);
  }
  const auto ratio = stats::ratio_by_round(other.rounds(wanted.plane, wanted.services, wanted.figure),
                                           other.rounds(plane, wanted.services, shared));
  const auto here = cost_of(ours, plane, wanted.services, shared);
  if (!ratio || !here) {
    return std::nullopt;
  }
  return SharedPlane{plane, *ratio, *here, product(*ratio, *here)};
}

// Median, and from the lowest lower end to the highest upper end. `vias` is not empty.
stats::Estimate combined(const std::vector<SharedPlane>& by_way_of) {
  std::vector<double> values;
  std::optional<stats::Interval> interval = by_way_of.front().scaled.interval;
  for (const SharedPlane& shared : by_way_of) {
    values.push_back(shared.scaled.value);
    if (!shared.scaled.interval || !interval) {
      interval.reset();
      continue;
    }
    interval->low = std::min(interval->low, shared.scaled.interval->low);
    interval->high = std::max(interval->high, shared.scaled.interval->high);
  }
  const auto median = stats::median_of(values);
  return {median ? median->value : values.front(), interval, values.size()};
}

class Scaling {
 public:
  Scaling(const Run& other, std::string_view file, const CompareResults& ours)
      : other_(other), ours_(ours) {
    scaled_.reference = reference_of(other, file);
  }

  ScaledColumns run() {
    for (const MissingPlane& missing : ours_.missing) {
      if (has(other_.planes(), missing.plane) && counts(scaled_.reference.emulation, missing.plane)) {
        add_plane(missing.plane);
      }
    }
    return std::move(scaled_);
  }

 private:
  void add_plane(const std::string& plane) {
    const std::size_t before = scaled_.cells.size();
    for (const Figure& figure : figures_of(plane)) {
      if (!counts(scaled_.reference.emulation, figure)) {
        continue;
      }
      for (const std::size_t services : sizes_of(ours_)) {
        add_cell({.plane = plane, .services = services, .figure = figure});
      }
      if (const Cell* growth = other_.growth(plane, figure)) {
        scaled_.growths.push_back(
            {plane,
             figure,
             name_of(figure),
             {.exponent = growth->value, .interval = growth->interval, .rounds = growth->samples}});
      }
    }
    if (scaled_.cells.size() == before) {
      // An exponent alone, from a run that shares nothing with this one, is that run's and no column here.
      std::erase_if(scaled_.growths, [&](const ScaledGrowth& one) { return one.plane == plane; });
      return;
    }
    scaled_.planes.push_back(plane);
    for (const Cell& cell : other_.run().cells) {
      if (cell.scenario == "state" && cell.plane == plane && cell.coordinate("kept") == "conntrack") {
        const Cell* user = other_.run().find(state_cell(plane, cell.services, "user-memory").id);
        scaled_.counts.push_back({plane, cell.services, cell.value,
                                  user == nullptr ? std::nullopt : std::optional(user->value)});
      }
    }
  }

  // All that the other run measured of a plane.
  [[nodiscard]] std::vector<Figure> figures_of(const std::string& plane) const {
    std::vector<Figure> figures;
    for (const Cell& cell : other_.run().cells) {
      const auto figure = cell.plane == plane ? figure_of(cell) : std::nullopt;
      if (figure && std::find(figures.begin(), figures.end(), *figure) == figures.end()) {
        figures.push_back(*figure);
      }
    }
    return figures;
  }

  void add_cell(ScaledCell cell) {
    for (const bool alike : {true, false}) {
      for (const std::string& plane : ours_.planes) {
        if (has(other_.planes(), plane) && counts(scaled_.reference.emulation, plane) &&
            (is_netfilter(kind_of(plane)) == is_netfilter(kind_of(cell.plane))) == alike) {
          if (auto shared = by_way_of(plane, other_, ours_, cell)) {
            cell.by_way_of.push_back(std::move(*shared));
          }
        }
      }
      if (!cell.by_way_of.empty()) {
        cell.ns = combined(cell.by_way_of);
        scaled_.cells.push_back(std::move(cell));
        return;
      }
    }
  }

  const Other other_;
  const CompareResults& ours_;
  ScaledColumns scaled_{};
};

std::string shape_text(const nlohmann::json& shape) {
  const auto endpoints = shape.find("endpoints");
  return fmt::format(
      "{} endpoints each, {}, {}",
      endpoints != shape.end() && endpoints->is_number_unsigned() ? endpoints->dump() : "unknown",
      text_at(shape, "family"), text_at(shape, "protocol"));
}

}  // namespace

Status check_reference(const Run& given, std::string_view file, const nlohmann::json& shape,
                       std::span<const std::string> planes, std::span<const std::size_t> sweep) {
  const std::string name = printable(file);
  const Other other(given);
  if (given.command != "compare") {
    return usage_error(
        "--with {}: not a result of `compare` but of `{}`; give the file that `svcbench compare --json` "
        "wrote",
        name, printable(given.command));
  }
  if (!shape.is_object()) {
    return usage_error(
        "--with {}: a cluster's services are no other run's; use generated ones (--services)", name);
  }
  const auto found = given.run.find("shape");
  if (found == given.run.end() || !found->is_object()) {
    return usage_error(
        "--with {}: its run does not tell the shape of its services (run.shape); measure generated "
        "services with this version of svcbench",
        name);
  }
  for (const char* key : {"endpoints", "family", "protocol"}) {
    const auto theirs = found->find(key);
    if (theirs == found->end() || *theirs != shape.at(key)) {
      return usage_error("--with {}: its services are others: {}; here {}", name, shape_text(*found),
                         shape_text(shape));
    }
  }
  const std::string emulation = emulation_of(given.environment);
  if (std::none_of(planes.begin(), planes.end(), [&](const std::string& plane) {
        return has(other.planes(), plane) && counts(emulation, plane);
      })) {
    return usage_error("--with {}: no plane to scale by: it measured {}, and {}", name,
                       printable(fmt::format("{}", fmt::join(other.planes(), ", "))),
                       emulation == "uml"
                           ? "one other than null and eBPF must be in both runs (it is user-mode Linux's)"
                           : "one other than null must be in both runs");
  }
  const auto sizes = other.sizes();
  if (std::none_of(sweep.begin(), sweep.end(), [&](std::size_t size) { return sizes.contains(size); })) {
    return usage_error("--with {}: no number of services in common: give --sweep one of {}", name,
                       printable(fmt::format("{}", fmt::join(sizes, ","))));
  }
  return {};
}

ScaledColumns scale(const Run& other, std::string_view file, const CompareResults& ours) {
  return Scaling(other, file, ours).run();
}

std::string describe_scaled(const ScaledColumns& scaled) {
  const ReferenceRun& reference = scaled.reference;
  if (scaled.planes.empty()) {
    return fmt::format(
        "Nothing was scaled from {}: it has no plane that is missing here, or none by way of planes and "
        "sizes that both runs measured",
        reference.file);
  }
  std::set<std::string> by_way_of;
  for (const ScaledCell& cell : scaled.cells) {
    for (const SharedPlane& shared : cell.by_way_of) {
      by_way_of.insert(shared.plane);
    }
  }
  return fmt::format(
      "{}: {} not measured here but scaled, from {} (kernel {}{}{}): this run's cost of each of {}, times "
      "the plane's ratio to it in that run; the median of these, and from the lowest of their lower ends "
      "to the highest of their upper ends. Exponents and counts are that run's own; of all these, verdicts "
      "use exponents alone",
      reference.mark, fmt::join(scaled.planes, ", "), reference.file,
      reference.kernel.empty() ? "unknown" : reference.kernel,
      reference.emulation.empty() ? "" : fmt::format(", {}", reference.emulation),
      reference.kernel_source.empty() ? "" : fmt::format(", {}", reference.kernel_source),
      fmt::join(by_way_of, ", "));
}

}  // namespace svcbench
