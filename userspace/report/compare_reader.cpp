// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/compare_reader.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "report/compare_json.h"
#include "service/input_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr double most_services = 1e7;
constexpr double most_ns = 1e15;  // eleven days
constexpr double most_bytes_of_memory = 1e15;
constexpr std::string_view remedy = "give the file that `svcbench compare --json` wrote";

// A value and where it stands: "guest.json: paths[3]".
struct Place {
  const json& value;
  std::string where;

  // Absent: null.
  [[nodiscard]] Place at(const char* key) const {
    static const json null;
    const auto found = value.find(key);  // none in what is no object
    return {found == value.end() ? null : *found, fmt::format("{}.{}", where, key)};
  }
  [[nodiscard]] tl::unexpected<Error> expected(std::string_view what) const {
    return usage_error("--with {}: expected {}, found {}; {}", where, what, value.type_name(), remedy);
  }
};

Result<double> number(const json& value, double low, double high, const Place& owner) {
  if (!value.is_number()) {
    return owner.expected("numbers");
  }
  const auto number = value.get<double>();
  if (!std::isfinite(number) || number < low || number > high) {
    return usage_error("--with {}: {} is out of range", owner.where, printable(value.dump()));
  }
  return number;
}

Result<double> number(const Place& place, double low, double high) {
  return place.value.is_number() ? number(place.value, low, high, place)
                                 : Result<double>(place.expected("a number"));
}

Result<std::string> text(const Place& place) {
  if (!place.value.is_string()) {
    return place.expected("a string");
  }
  const auto value = place.value.get<std::string>();
  // It goes to terminals, into tables.
  if (value.empty() || printable(value) != value) {
    return usage_error("--with {}: \"{}\" is not such a name", place.where, printable(value));
  }
  return value;
}

Result<std::vector<double>> numbers(const Place& place, double low) {
  if (!place.value.is_array()) {
    return place.expected("an array");
  }
  std::vector<double> values;
  values.reserve(place.value.size());
  for (const json& one : place.value) {
    SVCB_TAKE(value, number(one, low, most_ns, place));
    values.push_back(value);
  }
  return values;
}

Result<Blocks> blocks(const Place& place, double low) {
  if (!place.value.is_array()) {
    return place.expected("an array");
  }
  Blocks all;
  for (const json& one : place.value) {
    SVCB_TAKE(block, numbers({one, place.where}, low));
    all.push_back(std::move(block));
  }
  return all;
}

Result<std::size_t> services_of(const Place& cell) {
  SVCB_TAKE(count, number(cell.at("services"), 1, most_services));
  return static_cast<std::size_t>(count);
}

// The one of `all` whose to_string() it is.
template <typename T, std::size_t count>
Result<T> one_of(const Place& place, const std::array<T, count>& all) {
  SVCB_TAKE(name, text(place));
  for (const T one : all) {
    if (to_string(one) == name) {
      return one;
    }
  }
  return usage_error("--with {}: \"{}\" is unknown here", place.where, name);
}

Result<SyncCell> sync_cell(const Place& place) {
  SyncCell cell;
  SVCB_TAKE(plane, text(place.at("plane")));
  SVCB_TAKE(services, services_of(place));
  cell.plane = std::move(plane);
  cell.services = services;
  if (!place.at("skipped").value.is_null()) {
    cell.skipped = "left out";
    return cell;
  }
  const Place repeats = place.at("repeats");
  if (!repeats.value.is_array()) {
    return repeats.expected("an array");
  }
  for (const json& one : repeats.value) {
    const Place repeat{one, repeats.where};
    SVCB_TAKE(generate, number(repeat.at("generate_ns"), 0, most_ns));
    SVCB_TAKE(commit, number(repeat.at("commit_ns"), 0, most_ns));
    SyncCost cost;
    cost.generate_ns = std::llround(generate);
    cost.commit_ns = std::llround(commit);
    cell.repeats.push_back(cost);
  }
  return cell;
}

Result<UpdateCell> update_cell(const Place& place) {
  UpdateCell cell;
  SVCB_TAKE(plane, text(place.at("plane")));
  SVCB_TAKE(services, services_of(place));
  SVCB_TAKE(operation,
            one_of(place.at("operation"), std::array{Operation::change_endpoints, Operation::add_service,
                                                     Operation::remove_service}));
  SVCB_TAKE(commit, blocks(place.at("commit_ns"), 0));
  SVCB_TAKE(stage, blocks(place.at("stage_ns"), 0));
  cell.plane = std::move(plane);
  cell.services = services;
  cell.operation = operation;
  cell.commit_ns = std::move(commit);
  cell.stage_ns = std::move(stage);
  if (!place.at("way").value.is_null()) {
    SVCB_TAKE(way, text(place.at("way")));
    cell.way = std::move(way);
  }
  return cell;
}

Result<PathCell> path_cell(const Place& place) {
  PathCell cell;
  SVCB_TAKE(plane, text(place.at("plane")));
  SVCB_TAKE(services, services_of(place));
  SVCB_TAKE(flow, one_of(place.at("flow"), every_flow_kind));
  SVCB_TAKE(position, one_of(place.at("position"), std::array{Position::first, Position::last,
                                                              Position::random, Position::missing}));
  SVCB_TAKE(protocol, one_of(place.at("protocol"), std::array{Protocol::tcp, Protocol::udp}));
  SVCB_TAKE(family, one_of(place.at("family"), std::array{Family::ipv4, Family::ipv6}));
  SVCB_TAKE(p50, numbers(place.at("volley_p50_ns"), 0));
  cell.plane = std::move(plane);
  cell.services = services;
  cell.kind = {flow, position, protocol};
  cell.family = family;
  cell.p50_ns = std::move(p50);
  return cell;
}

Result<StateCell> state_cell(const Place& place) {
  StateCell cell;
  SVCB_TAKE(plane, text(place.at("plane")));
  SVCB_TAKE(services, services_of(place));
  cell.plane = std::move(plane);
  cell.services = services;
  const Place entries = place.at("conntrack_entries_per_1000_new_flows");
  if (!entries.value.is_null()) {
    SVCB_TAKE(count, number(entries, 0, most_ns));
    cell.conntrack_per_1000_flows = count;
  }
  // Results of before they were measured have none.
  if (const Place own = place.at("flow_table_entries_per_1000_new_flows"); !own.value.is_null()) {
    SVCB_TAKE(count, number(own, 0, most_ns));
    cell.own_per_1000_flows = count;
  }
  if (const Place peak = place.at("user_peak"); !peak.value.is_null()) {
    SVCB_TAKE(own, number(peak.at("own_bytes"), 0, most_bytes_of_memory));
    SVCB_TAKE(tool, number(peak.at("tool_bytes"), 0, most_bytes_of_memory));
    cell.user_peak = {.own = own, .tool = tool};
  }
  return cell;
}

// Cells of one kind, each plane of which is a name.
template <typename Cell>
Status read_cells(const Place& place, std::vector<Cell>& cells, Result<Cell> (*read)(const Place&)) {
  if (!place.value.is_array()) {
    return place.expected("an array");
  }
  for (std::size_t i = 0; i < place.value.size(); ++i) {
    const Place one{place.value[i], fmt::format("{}[{}]", place.where, i)};
    if (!one.value.is_object()) {
      return one.expected("an object");
    }
    SVCB_TAKE(cell, read(one));
    cells.push_back(std::move(cell));
  }
  return {};
}

Status check_is_comparison(const json& document, std::string_view source) {
  const Place top{document, std::string(source)};
  if (!document.is_object()) {
    return top.expected("an object");
  }
  const json& version = top.at("schema_version").value;
  if (!version.is_number_integer()) {
    return usage_error("--with {}: not a result of svcbench; {}", source, remedy);
  }
  const json& command = top.at("run").at("command").value;
  if (command != "compare") {
    return usage_error(
        "--with {}: not a result of `compare`{}; {}", source,
        command.is_string() ? fmt::format(" but of `{}`", printable(command.get<std::string>())) : "",
        remedy);
  }
  if (version != compare_schema_version) {
    return usage_error(
        "--with {}: its schema version is {}, and this svcbench reads {}; measure it with this one", source,
        printable(version.dump()), compare_schema_version);
  }
  return {};
}

}  // namespace

Result<CompareResults> parse_comparison(std::string_view text_read, std::string_view source) {
  const std::string name = printable(source);
  SVCB_TAKE(document, parse_json(text_read, "--with " + name, remedy));
  SVCB_CHECK(check_is_comparison(document, name));
  const Place top{document, name};
  CompareResults results;
  results.environment = document.value("environment", json());
  results.run = document.value("run", json());
  if (!results.environment.is_object()) {
    return top.at("environment").expected("an object");
  }
  const Place planes = top.at("planes");
  if (!planes.value.is_array()) {
    return planes.expected("an array");
  }
  for (const json& one : planes.value) {
    SVCB_TAKE(plane, text({one, planes.where}));
    results.planes.push_back(std::move(plane));
  }
  SVCB_CHECK(read_cells(top.at("syncs"), results.syncs, sync_cell));
  SVCB_CHECK(read_cells(top.at("updates"), results.updates, update_cell));
  SVCB_CHECK(read_cells(top.at("paths"), results.paths, path_cell));
  SVCB_CHECK(read_cells(top.at("states"), results.states, state_cell));
  return results;
}

Result<CompareResults> read_comparison(const std::string& path) {
  SVCB_TAKE(content, read_result(path, "--with " + printable(path), remedy));
  return parse_comparison(content, path);
}

}  // namespace svcbench
