// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of compare, path, nftables and ipvs; and the paths of ebpf.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "plane/registry.h"
#include "plane/whole_sync.h"
#include "report/tables.h"
#include "service/text.h"

namespace svcbench {

namespace {

std::string with_way(const std::string& plane, const std::string& way) {
  return way.empty() ? plane : plane + ", " + way;
}

// "new flow, last UDP" without a word that a column has no room for.
std::string short_what(std::string what) {
  for (const std::string_view word : {" flow", " endpoints"}) {
    if (const std::size_t at = what.find(word); at != std::string::npos) {
      what.erase(at, word.size());
    }
  }
  return what;
}

// With the instrument's own targets, in the run's order.
std::vector<std::string> path_planes(const RunView& run) {
  std::vector<std::string> names;
  for (const Cell& cell : run.file().cells) {
    if (cell.scenario == "path") {
      add_unique(names, cell.plane);
    }
  }
  return names;
}

std::vector<const Cell*> cells_of(const RunView& run, std::string_view scenario, const std::string& plane,
                                  std::size_t services) {
  std::vector<const Cell*> cells;
  for (const Cell& cell : run.file().cells) {
    if (cell.scenario == scenario && cell.plane == plane && cell.services == services) {
      cells.push_back(&cell);
    }
  }
  return cells;
}

bool ends_in(const Cell& cell, const std::string& rest) { return cell.id.ends_with("/" + rest); }

std::string whole(double services) {
  return grouped(static_cast<std::size_t>(std::lround(std::max(services, 0.0))));
}

// ---- crossings ----

// `plane` beside `beside`, said of the first, or of the second.
std::string crossing_text(const Field& one, bool other_side) {
  const std::string kind = one.at("kind").text();
  const auto services = one.at("services").number_if_any();
  const auto interval = one.at("interval").interval();
  const bool costlier = (kind.find("costlier") != std::string::npos) != other_side;
  const std::string_view word = costlier ? "costlier" : "cheaper";
  if (kind.starts_with("becomes") && services && interval) {
    return fmt::format("{} from N = {} [{}, {}] on", word, whole(*services), whole(interval->low),
                       whole(interval->high));
  }
  return kind.ends_with("throughout") ? fmt::format("{} at every N", word)
                                      : fmt::format("inconclusive ({} rounds)", one.at("rounds").count());
}

std::vector<std::string> crossing_kinds(const std::vector<Field>& crossings) {
  std::vector<std::string> kinds;
  for (const Field& one : crossings) {
    add_unique(kinds, one.at("what").text());
  }
  return kinds;
}

std::vector<Field> crossings_of(const RunView& run) {
  return run.file().command == "iptables" ? std::vector<Field>() : run.details().at("crossings").elements();
}

Section crossing_section(const std::vector<Field>& crossings, const std::string& what) {
  Section out{.title = fmt::format("Which plane is costlier: {}", what)};
  for (const Field& one : crossings) {
    const auto sizes = one.at("sizes").numbers();
    if (one.at("what").text() == what && sizes.size() == 2) {
      out.caption = fmt::format(
          "From N = {} to {} services. \"Inconclusive\": fewer than 97.5 % of 1,000 resamples of the "
          "rounds agree.",
          whole(sizes[0]), whole(sizes[1]));
    }
  }
  out.id = fmt::format("crossings-{}", what.starts_with("change")  ? "update"
                                       : what.starts_with("whole") ? "whole-sync"
                                                                   : "path");
  return out;
}

}  // namespace

Section sync_table(const RunView& run) {
  Section out{.title = "Sync: N services from nothing, median [95 % interval]"};
  out.columns = {{"plane", true},  {"N"},     {"whole sync"}, {"generate"}, {"tool, user"},
                 {"tool, system"}, {"input"}, {"repeats"}};
  for (const std::string& plane : run.planes({"sync"})) {
    for (const Cell* cell : run.over_sizes("sync", plane, "")) {
      const auto input = cell->also.find("input_bytes");
      const bool tools = input != cell->also.end() && input->second > 0;
      const auto of_tool = [&](const char* part) { return tools ? Entry::of(cell, part) : Entry{}; };
      out.add({Entry::words(plane), Entry::words(grouped(cell->services)), Entry::of(cell),
               Entry::of(cell, "generate_ns"), of_tool("tool_user_ns"), of_tool("tool_system_ns"),
               of_tool("input_bytes"), Entry::words(grouped(cell->samples))});
    }
  }
  return out;
}

Section update_table(const RunView& run) {
  Section out{.title = "Update of one service where N exist, generation included"};
  out.columns = {{"plane", true}, {"N"}, {"change"}, {"add"}, {"remove"}};
  for (const std::string& plane : run.planes({"update"})) {
    for (const std::string& way : run.ways(plane)) {
      for (const std::size_t services : run.sizes({"update"})) {
        std::vector<Entry> row{Entry::words(with_way(plane, way)), Entry::words(grouped(services))};
        bool any = false;
        for (const char* operation : {"change", "add", "remove"}) {
          const Cell* cell = run.find(cell_id(
              "update", plane, services, way.empty() ? operation : fmt::format("{}/{}", operation, way)));
          any = any || cell != nullptr;
          row.push_back(Entry::of(cell));
        }
        if (any) {
          out.add(std::move(row));
        }
      }
    }
  }
  return out;
}

std::string established_note(const RunView& run) {
  bool tracked = false;
  bool own_table = false;
  for (const std::string& plane : run.planes({"path"})) {
    own_table = own_table || plane.starts_with("ebpf");
    tracked = tracked || (plane != "null" && !plane.starts_with("ebpf") && !is_instrument(plane));
  }
  return tracked && own_table ? "Established: netfilter's planes go by a connection tracker, eBPF's by a "
                                "flow table that does less (docs/method.md: what conntrack does)."
                              : "";
}

Section path_table(const RunView& run) {
  Section out{.title =
                  "Path, wire to wire, every packet checked at the sink (p50 with its interval over "
                  "volleys)"};
  out.columns = {{"plane", true}, {"N"},     {"packets", true}, {"p50"},  {"p90"},
                 {"p99"},         {"p99.9"}, {"max"},           {"count"}};
  const auto sizes = run.sizes({"path"});
  const bool several = run.planes({"path"}).size() > 2;
  const std::string usual = fmt::format("new/last/{}", run.protocol());
  for (const std::string& plane : path_planes(run)) {
    for (const std::size_t services : sizes) {
      for (const Cell* cell : cells_of(run, "path", plane, services)) {
        // Of several planes, at the smaller sizes only what grows; the JSON has all.
        if (several && services != sizes.back() && !ends_in(*cell, usual)) {
          continue;
        }
        out.add({Entry::words(plane), Entry::words(grouped(services)), Entry::words(short_what(cell->what)),
                 Entry::of(cell), Entry::of(cell, "p90"), Entry::of(cell, "p99"), Entry::of(cell, "p99.9"),
                 Entry::of(cell, "max"), Entry::of(cell, "packets")});
      }
    }
  }
  if (const std::string note = established_note(run); !note.empty()) {
    out.after.push_back(note);
  }
  return out;
}

Section throughput_table(const RunView& run) {
  Section out{.title =
                  "Throughput on one CPU, generator and sink included (batches of 64, every packet "
                  "checked)"};
  out.columns = {{"plane", true}, {"N"}, {"packets", true}, {"packets a second"}};
  const auto sizes = run.sizes({"path"});
  for (const std::string& plane : path_planes(run)) {
    for (const Cell* cell : cells_of(run, "throughput", plane, sizes.back())) {
      out.add({Entry::words(plane), Entry::words(grouped(cell->services)), Entry::words(cell->what),
               Entry::of(cell)});
    }
  }
  return out;
}

Section growth_table(const RunView& run, Growing which) {
  Section out{.title =
                  "Growth with N: cost ~ N^b (flat: the interval lies below 0.1; linear: it "
                  "reaches 0.8)"};
  out.columns = {{"plane", true}, {"what", true}, {"b"}, {"trend", true}, {"a further service"}};
  const std::vector<std::string> paths{fmt::format("new flow, last {}", run.protocol()),
                                       fmt::format("new flow, random {}", run.protocol()),
                                       fmt::format("established flow, random {}", run.protocol())};
  for (const Cell& cell : run.file().cells) {
    const bool of_path = cell.coordinate("of") == "path";
    if (cell.scenario != "growth" || is_instrument(cell.plane) ||
        (which != Growing::all && (which == Growing::path) != of_path)) {
      continue;
    }
    const bool shown = of_path ? std::find(paths.begin(), paths.end(), cell.what) != paths.end()
                               : which == Growing::rest || is_plain(cell.coordinate("of")) ||
                                     cell.what == "sync" || cell.what.starts_with("change");
    if (!shown) {
      continue;
    }
    const auto slope = beside(cell, "ns_per_service");
    out.add({Entry::words(cell.plane), Entry::words(short_what(cell.what)), Entry::of(&cell),
             Entry::words(std::string(trend_of(cell))),
             // Installing and changing waits for files and processes, even where the clock counts
             // instructions.
             of_path ? figure_entry(run.in_unit(slope), run.path_unit()) : figure_entry(slope, "ns")});
  }
  return out;
}

std::vector<Section> crossing_tables(const RunView& run) {
  const auto crossings = crossings_of(run);
  std::vector<Section> all;
  for (const std::string& what : crossing_kinds(crossings)) {
    Section section = crossing_section(crossings, what);
    section.columns = {{"plane", true}, {"is", true}, {"than", true}};
    for (const Field& one : crossings) {
      if (one.at("what").text() == what) {
        section.add({Entry::words(one.at("plane").text()), Entry::words(crossing_text(one, false)),
                     Entry::words(one.at("beside").text())});
      }
    }
    all.push_back(std::move(section));
  }
  return all;
}

std::vector<Section> crossing_matrices(const RunView& run) {
  const auto crossings = crossings_of(run);
  std::vector<Section> all;
  for (const std::string& what : crossing_kinds(crossings)) {
    Section section = crossing_section(crossings, what);
    section.classes = "even";
    std::vector<std::string> planes;
    std::map<std::pair<std::string, std::string>, std::string> texts;
    for (const Field& one : crossings) {
      if (one.at("what").text() == what) {
        const std::string plane = one.at("plane").text();
        const std::string beside = one.at("beside").text();
        add_unique(planes, plane);
        add_unique(planes, beside);
        texts[{plane, beside}] = crossing_text(one, false);
        texts[{beside, plane}] = crossing_text(one, true);
      }
    }
    section.columns = {{"is ... than", true}};
    for (const std::string& plane : planes) {
      section.columns.push_back({.title = plane, .left = true, .plane = true});
      std::vector<Entry> row{Entry::words(plane)};
      for (const std::string& beside : planes) {
        row.push_back(Entry::words(texts[{plane, beside}]));
      }
      section.add(std::move(row));
    }
    all.push_back(std::move(section));
  }
  return all;
}

Section whole_sync_table(const RunView& run) {
  Section out{.id = "whole-sync",
              .title = "Whole sync, as kube-proxy makes it, in parts: median [95 % interval]"};
  const std::string version = run.about().at("kube_proxy").at("version").text_if_any();
  out.caption = fmt::format(
      "{}The parts sum up to the whole of each sync. The transaction alone is in sync and update.",
      version.empty() ? "" : fmt::format("kube-proxy {}. ", version));
  out.columns = {{"plane, situation", true}, {"N"}, {"whole"}};
  for (const SyncPartRow& part : sync_part_rows) {
    out.columns.push_back({std::string(part.title)});
  }
  for (const std::string& plane : run.planes({"whole-sync"})) {
    for (const Cell& cell : run.file().cells) {
      if (cell.scenario != "whole-sync" || cell.plane != plane) {
        continue;
      }
      std::string what = cell.what;
      if (constexpr std::string_view known = "whole sync, "; what.starts_with(known)) {
        what.erase(0, known.size());
      }
      std::vector<Entry> row{Entry::words(with_way(plane, what)), Entry::words(grouped(cell.services)),
                             Entry::of(&cell)};
      for (const SyncPartRow& part : sync_part_rows) {
        row.push_back(cell.also.contains(part.name) ? Entry::of(&cell, part.name) : Entry{});
      }
      out.add(std::move(row));
    }
  }
  for (const Cell& cell : run.file().unmeasured) {
    if (cell.scenario == "whole-sync") {
      out.after.push_back(fmt::format("Not measured: {}, {} services, {}: {}", cell.plane,
                                      grouped(cell.services), cell.what, cell.reason));
    }
  }
  return out;
}

std::vector<Section> plain_tables(const RunView& run) {
  std::vector<Section> tables;
  for (const std::string& scenario : run.plain_scenarios()) {
    if (scenario == "whole-sync") {
      tables.push_back(whole_sync_table(run));
      continue;
    }
    Section& out = tables.emplace_back();
    out.id = scenario;
    out.title = fmt::format("{}: median [95 % interval]", scenario);
    out.columns = {{"plane", true}, {"what", true}};
    const auto sizes = run.sizes({scenario});
    for (const std::size_t services : sizes) {
      out.columns.push_back({.title = grouped(services)});
    }
    for (const std::string& plane : run.planes({scenario})) {
      const auto cells = cells_of(run, scenario, plane, sizes.back());
      std::vector<Entry> row{Entry::words(plane), Entry::words(cells.empty() ? "" : cells.front()->what)};
      for (const std::size_t services : sizes) {
        row.push_back(Entry::of(run.find(cell_id(scenario, plane, services, ""))));
      }
      out.add(std::move(row));
    }
  }
  return tables;
}

Section path_answer(const RunView& run) {
  const auto sizes = run.sizes({"path"});
  Section out;
  if (sizes.empty()) {
    return out;
  }
  out.title = fmt::format("Packets at {} services, {}, wire to wire: medians, +- the 95 % interval",
                          grouped(sizes.back()), run.protocol());
  out.columns = {{"plane", true}, {"packets", true}, {"x plain forwarding"}, {"p50"}, {"p99"}};
  const std::string protocol = fmt::format("/{}", run.protocol());
  for (const std::string& plane : run.planes({"path"})) {
    for (const Cell* cell : cells_of(run, "path", plane, sizes.back())) {
      if (!is_floor(plane) && cell->id.ends_with(protocol)) {
        out.add({Entry::words(plane), Entry::words(cell->what), times_known_work(run, cell),
                 Entry::of(cell), Entry::of(cell, "p99")});
      }
    }
  }
  return out;
}

}  // namespace svcbench
