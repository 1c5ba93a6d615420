// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "measure/path_results.h"
#include "plane/registry.h"

namespace svcbench {

namespace {

using Texts = std::vector<std::string>;

// "new" of "new flow".
std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

// "path/ebpf-xdp/1000"; without the parts that a cell has not.
std::string stem_of(const Cell& cell) {
  std::string id = cell.scenario;
  if (!cell.plane.empty()) {
    id += "/" + id_part(cell.plane);
  }
  if (cell.services != 0) {
    id += fmt::format("/{}", cell.services);
  }
  return id;
}

// The parts of an id behind its stem; empty ones are left out.
void set_id(Cell& cell, const Texts& parts) {
  cell.id = stem_of(cell);
  for (const std::string& part : parts) {
    if (!part.empty()) {
      cell.id += "/" + id_part(part);
    }
  }
}

Cell cell_of(std::string scenario, std::string plane, std::size_t services, std::string what,
             std::string unit) {
  Cell cell;
  cell.scenario = std::move(scenario);
  cell.plane = std::move(plane);
  cell.services = services;
  cell.what = std::move(what);
  cell.unit = std::move(unit);
  return cell;
}

// Coordinates that have a value.
std::map<std::string, std::string> at(
    std::initializer_list<std::pair<const std::string, std::string>> all) {
  std::map<std::string, std::string> out(all);
  std::erase_if(out, [](const auto& one) { return one.second.empty(); });
  return out;
}

const Texts every_packet{"every packet arrived", "right backend and source", "checksum over all bytes"};

}  // namespace

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

Cell sync_cell(std::string plane, std::size_t services) {
  Cell cell = cell_of("sync", std::move(plane), services, "sync", "ns");
  cell.checks = {"number of services read back"};
  set_id(cell, {});
  return cell;
}

Cell update_cell(std::string plane, std::size_t services, const std::string& operation,
                 const std::string& way) {
  Cell cell =
      cell_of("update", std::move(plane), services, operation + (way.empty() ? "" : ", " + way), "ns");
  cell.at = at({{"operation", operation}, {"way", way}});
  cell.checks = {"changed services read back", "number of services read back"};
  set_id(cell, {first_word(operation), way});
  return cell;
}

Cell fill_cell(std::size_t services, const std::string& writes) {
  Cell cell = cell_of("fill", "ebpf", services, "fill empty maps, " + writes, "ns");
  cell.at = at({{"writes", writes}});
  cell.checks = {"entries counted", "first and last read back"};
  set_id(cell, {writes});
  return cell;
}

Cell path_cell(std::string plane, std::size_t services, const std::string& flow,
               const std::string& position, const std::string& protocol, const std::string& family,
               std::string unit) {
  const bool ipv4 = family == "IPv4";
  Cell cell = cell_of("path", std::move(plane), services,
                      fmt::format("{}, {} {}{}", flow, position, protocol, ipv4 ? "" : ", " + family),
                      std::move(unit));
  cell.at = at({{"flow", flow}, {"position", position}, {"protocol", protocol}, {"family", family}});
  cell.checks = every_packet;
  set_id(cell, {first_word(flow), position, protocol, ipv4 ? "" : family});
  return cell;
}

Cell path_cell(std::string plane, std::size_t services, const PathKind& kind, Family family,
               std::string unit) {
  return path_cell(std::move(plane), services, std::string(to_string(kind.flow)),
                   std::string(to_string(kind.position)), std::string(to_string(kind.protocol)),
                   std::string(to_string(family)), std::move(unit));
}

Cell throughput_cell(const Cell& path) {
  Cell cell = cell_of("throughput", path.plane, path.services, path.what, "packets/s");
  cell.at = path.at;
  cell.checks = path.checks;
  cell.better = Better::more;
  cell.id = cell.scenario + path.id.substr(path.scenario.size());
  return cell;
}

Cell program_cell(const std::string& hook, std::size_t services, const std::string& depth,
                  const std::string& destination, const std::string& family) {
  Cell cell =
      cell_of("program", "ebpf-" + hook, services,
              fmt::format("{}{}{}, {}", depth, destination.empty() ? "" : ", ", destination, family), "ns");
  cell.at = at({{"hook", hook}, {"depth", depth}, {"destination", destination}, {"family", family}});
  cell.checks = {"verdict, counters and bytes of 256 packets", "every packet counted"};
  set_id(cell, {depth, destination, family});
  return cell;
}

Cell state_cell(std::string plane, std::size_t services, const std::string& kept) {
  const bool memory = kept.ends_with("memory");
  Cell cell = cell_of("state", std::move(plane), services,
                      kept == "conntrack"    ? "conntrack entries per 1,000 new flows"
                      : kept == "flow-table" ? "entries of the plane's own flow table per 1,000 new flows"
                      : kept == "kernel-memory" ? "kernel memory"
                                                : "user-space memory at its peak",
                      memory ? "bytes" : "entries");
  cell.at = at({{"kept", kept}});
  cell.checks = {kept == "kernel-memory" ? "interval clear of zero"
                 : memory                ? "tools traced to their end"
                                         : "every packet arrived"};
  set_id(cell, {kept});
  return cell;
}

Cell chapter_cell(const std::string& backend, std::size_t services, const std::string& load) {
  Cell cell = cell_of("chapter", "iptables-" + backend, services, load + " of the whole table", "ns");
  cell.at = at({{"backend", backend}, {"load", load}});
  cell.checks = {"rules read back"};
  cell.id = fmt::format("{}/{}/{}/{}", cell.scenario, id_part(cell.plane), cell.services,
                        id_part(first_word(load)));
  return cell;
}

Cell floor_cell(const std::string& name, const std::string& backend) {
  Cell cell = cell_of("floor", backend.empty() ? "" : "iptables-" + backend, 0, name, "ns");
  cell.at = at({{"name", name}, {"backend", backend}});
  cell.checks = {"exit code"};
  set_id(cell, {name});
  return cell;
}

Cell calibration_cell(const std::string& name, std::string what) {
  Cell cell = cell_of("calibration", "", 0, std::move(what), "ns");
  cell.at = at({{"name", name}});
  set_id(cell, {name});
  return cell;
}

Cell ruleset_cell(const std::string& backend, const std::string& load) {
  const bool is_iptables = backend == "legacy" || backend == "nft";
  Cell cell =
      cell_of("ruleset", is_iptables ? "iptables-" + backend : backend, 0, load + " of the ruleset", "ns");
  cell.at = at({{"backend", backend}, {"load", load}});
  cell.checks = {"number of rules read back"};
  set_id(cell, {first_word(load)});
  return cell;
}

Cell connect_cell(std::string plane, std::size_t services, const std::string& call) {
  Cell cell = cell_of("connect", std::move(plane), services,
                      call == "udp-connect"   ? "connect() of a UDP socket"
                      : call == "tcp-connect" ? "connect() of a TCP socket: SYN and SYN+ACK"
                                              : "a new UDP socket's first datagram and its reply",
                      "ns");
  cell.at = at({{"call", call}});
  cell.checks = {"whence and at which backend each arrived"};
  set_id(cell, {call});
  return cell;
}

Cell churn_cell(std::string plane, std::size_t services, const std::string& id, std::string what,
                std::string unit) {
  Cell cell = cell_of("churn", std::move(plane), services, std::move(what), std::move(unit));
  cell.checks = {"each packet held against what its service was to be"};
  cell.better = cell.unit == "changes/s" ? Better::more : Better::less;
  cell.samples = 1;
  cell.id = stem_of(cell) + "/" + id;
  return cell;
}

Cell churn_tally_cell(std::string plane, std::size_t services, const std::string& phase,
                      const std::string& flow, const std::string& which) {
  Cell cell = churn_cell(std::move(plane), services,
                         fmt::format("{}/{}/{}", id_part(phase), id_part(first_word(flow)), id_part(which)),
                         fmt::format("{} the changes: {}, {} services", phase, flow, which), "ns");
  cell.at = at({{"phase", phase}, {"flow", flow}, {"which", which}});
  return cell;
}

Cell growth_cell(std::string plane, const std::string& what, std::map<std::string, std::string> at) {
  Cell cell = cell_of("growth", std::move(plane), 0, what, "exponent");
  cell.at = std::move(at);
  set_id(cell, {what});
  return cell;
}

Cell chapter_growth_cell(const std::string& backend, const std::string& load) {
  Cell cell =
      growth_cell("iptables-" + backend, load, {{"of", "chapter"}, {"backend", backend}, {"load", load}});
  cell.what += ", above the table without services";
  return cell;
}

std::map<std::string, std::string> growing(const Cell& cell) {
  std::map<std::string, std::string> at = cell.at;
  at["of"] = cell.scenario;
  return at;
}

Cell clock_cell(std::string unit) {
  Cell cell = cell_of("instrument", "", 0, "one reading of the clock in a program", std::move(unit));
  cell.id = "instrument/clock";
  cell.samples = 1;
  return cell;
}

Cell whole_sync_cell(std::string plane, std::size_t services, const std::string& tail, std::string what) {
  Cell cell = cell_of("whole-sync", std::move(plane), services, std::move(what), "ns");
  cell.at["situation"] = tail;
  set_id(cell, {});
  cell.id += "/" + tail;
  return cell;
}

Cell plain_cell(std::string scenario, std::string plane, std::size_t services, std::string what,
                std::string unit) {
  Cell cell = cell_of(std::move(scenario), std::move(plane), services, std::move(what), std::move(unit));
  set_id(cell, {});
  return cell;
}

bool is_plain(std::string_view scenario) {
  constexpr std::array<std::string_view, 15> typed{
      "sync",  "update",  "fill",    "path",  "throughput", "program", "state",      "chapter",
      "floor", "ruleset", "connect", "churn", "instrument", "growth",  "calibration"};
  return std::find(typed.begin(), typed.end(), scenario) == typed.end();
}

std::string path_unit(const DisplayUnit& unit) { return unit.name == "ns" ? "ns" : "instructions"; }

bool is_control(const Cell& cell) {
  return cell.scenario == "floor" || cell.scenario == "calibration" ||
         ((cell.scenario == "path" || cell.scenario == "connect") &&
          (is_floor(cell.plane) || is_instrument(cell.plane))) ||
         (cell.scenario == "program" && cell.what.starts_with("empty"));
}

bool take(Cell& cell, const std::optional<stats::Estimate>& estimate) {
  if (estimate) {
    cell.value = estimate->value;
    cell.interval = estimate->interval;
    cell.samples = estimate->samples;
  }
  return estimate.has_value();
}

void take_blocks(Cell& cell, SampleBlocks blocks) {
  cell.values = stats::block_medians(blocks);
  // A block without samples has no median.
  std::erase_if(cell.values, [](double value) { return !std::isfinite(value); });
  cell.blocks = std::move(blocks);
}

void take_beside(Cell& cell, const char* name, const std::optional<double>& value) {
  if (value) {
    cell.also[name] = *value;
  }
}

void take_beside(Cell& cell, const std::string& stem, const std::optional<stats::Estimate>& ns) {
  if (ns) {
    cell.also[stem + "_ns"] = ns->value;
    if (ns->interval) {
      cell.also[stem + "_low_ns"] = ns->interval->low;
      cell.also[stem + "_high_ns"] = ns->interval->high;
    }
  }
}

void take_slope(Cell& cell, const std::string& name, const std::optional<stats::Estimate>& slope) {
  if (slope) {
    cell.also[name] = slope->value;
    if (slope->interval) {
      cell.also[name + "_low"] = slope->interval->low;
      cell.also[name + "_high"] = slope->interval->high;
    }
  }
}

std::optional<stats::Estimate> beside(const Cell& cell, const std::string& name) {
  const auto find = [&](const std::string& wanted) {
    const auto found = cell.also.find(wanted);
    return found == cell.also.end() ? std::nullopt : std::optional(found->second);
  };
  const bool unit_last = name.ends_with("_ns");
  const std::string stem = unit_last ? name.substr(0, name.size() - 3) : name;
  const char* const tail = unit_last ? "_ns" : "";
  const auto value = find(name);
  const auto low = find(stem + "_low" + tail);
  const auto high = find(stem + "_high" + tail);
  if (!value) {
    return std::nullopt;
  }
  return stats::Estimate{
      .value = *value,
      .interval = low && high ? std::optional(stats::Interval{*low, *high}) : std::nullopt,
      .samples = cell.samples};
}

void take_part(Cell& cell, const char* name, SampleBlocks samples) {
  if (const auto median = stats::median_of_blocks(samples)) {
    cell.also[name] = median->value;
    cell.parts[name] = std::move(samples);
  }
}

void take_method(Cell& cell, std::string method) {
  if (!method.empty()) {
    cell.at["method"] = std::move(method);
  }
}

void take_histogram(Cell& cell, const std::vector<std::pair<double, double>>& lows_and_counts, double one) {
  constexpr double steps = 128;  // of each power of two, as of SVCB_WIRE_STEPS
  for (const auto& [low, count] : lows_and_counts) {
    const double width = low < 2 * steps ? 1 : std::exp2(std::floor(std::log2(low / steps)));
    cell.histogram.push_back({.low = low / one, .high = (low + width) / one, .count = count});
  }
  take_quantiles(cell);
}

void take_quantiles(Cell& cell) {
  if (cell.histogram.empty()) {
    return;
  }
  for (const auto& [name, p] :
       {std::pair{"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1.0}}) {
    take_beside(cell, name, p == 1 ? cell.histogram.back().high : quantile_of(cell.histogram, p));
  }
}

std::optional<double> quantile_of(const std::vector<Bucket>& histogram, double p) {
  double total = 0;
  for (const Bucket& bucket : histogram) {
    total += bucket.count;
  }
  // 1 - p is not exact in binary: a hair less than one value is one value.
  if (total == 0 || (p > 0.5 && total * (1 - p) < 1 - 1e-9)) {
    return std::nullopt;
  }
  double before = 0;
  for (const Bucket& bucket : histogram) {
    if (before + bucket.count >= p * total) {
      return bucket.low + (bucket.high - bucket.low) * (p * total - before) / bucket.count;
    }
    before += bucket.count;
  }
  return histogram.back().high;
}

void rescale(Cell& cell, double one) {
  if (one == 1) {
    return;
  }
  const auto in_it = [one](double& value) { value /= one; };
  in_it(cell.value);
  if (cell.interval) {
    cell.interval = stats::Interval{.low = cell.interval->low / one, .high = cell.interval->high / one};
  }
  std::for_each(cell.values.begin(), cell.values.end(), in_it);
  for (SharedPlane& plane : cell.by_way_of) {
    for (stats::Estimate* cost : {&plane.here, &plane.scaled}) {
      in_it(cost->value);
      if (cost->interval) {
        cost->interval =
            stats::Interval{.low = cost->interval->low / one, .high = cost->interval->high / one};
      }
    }
  }
  for (auto* blocks : {&cell.blocks, &cell.parts["p99"]}) {
    for (auto& block : *blocks) {
      std::for_each(block.begin(), block.end(), in_it);
    }
  }
  std::erase_if(cell.parts, [](const auto& part) { return part.second.empty(); });
}

bool take(Cell& cell, const std::optional<stats::Growth>& growth) {
  if (growth) {
    cell.value = growth->exponent;
    cell.interval = growth->interval;
    cell.samples = growth->rounds;
  }
  return growth.has_value();
}

void leave_out(Cell& cell, std::string reason, const std::optional<double>& predicted) {
  cell.origin = predicted ? Origin::predicted : Origin::left_out;
  cell.reason = std::move(reason);
  cell.value = predicted.value_or(0);
  cell.checks.clear();
  cell.samples = 0;
}

void add(Run& run, Cell cell) {
  (cell.origin == Origin::measured ? run.cells : run.unmeasured).push_back(std::move(cell));
}

void add(Run& run, const std::vector<Cell>& cells) {
  for (const Cell& cell : cells) {
    add(run, cell);
  }
}

}  // namespace svcbench
