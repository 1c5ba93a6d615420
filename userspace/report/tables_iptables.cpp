// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of iptables: the book's Table 4.1 as measured, where its time goes, and a ruleset of one's
// own.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "plane/iptables_chapter.h"
#include "report/tables.h"
#include "run/cells.h"
#include "service/text.h"

namespace svcbench {

namespace {

// A back end's load at one size, of the document: null where it was not asked for.
std::optional<Field> load_of(const RunView& run, const std::string& backend, std::string_view load,
                             std::size_t services) {
  for (const Field& one : run.document().at("loads").elements()) {
    if (one.at("backend").text() == backend && one.at("load").text() == load &&
        one.at("services").count() == services) {
      return one;
    }
  }
  return std::nullopt;
}

const Cell* cell_of(const RunView& run, const std::string& backend, std::string_view load,
                    std::size_t services) {
  return run.find(cell_id("chapter", "iptables-" + backend, services, load.substr(0, load.find(' '))));
}

// Back ends that were measured.
std::vector<std::string> backends_of(const RunView& run) {
  std::vector<std::string> names;
  for (const Field& backend : run.document().at("backends").elements()) {
    if (backend.at("missing").is_null()) {
      names.push_back(backend.at("backend").text());
    }
  }
  return names;
}

std::vector<std::size_t> sweep_of(const RunView& run) {
  std::vector<std::size_t> sizes;
  for (const Field& load : run.document().at("loads").elements()) {
    if (const std::size_t services = load.at("services").count();
        services != 0 && std::find(sizes.begin(), sizes.end(), services) == sizes.end()) {
      sizes.push_back(services);
    }
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

constexpr std::array loads{"first load", "reload"};

// The book's figure at this size.
std::optional<double> chapter_ns(const RunView& run, std::size_t services) {
  for (const Field& row : run.document().at("chapter").at("rows").elements()) {
    if (row.at("services").count() == services) {
      return row.at("ns").number();
    }
  }
  return std::nullopt;
}

// As read back where a table of this size was loaded, else the chapter's three rules a service and seven.
std::size_t rules_of(const RunView& run, std::size_t services) {
  for (const Field& load : run.document().at("loads").elements()) {
    const auto rules = load.at("rules").number_if_any();
    if (load.at("services").count() == services && rules && *rules > 0) {
      return load.at("rules").count();
    }
  }
  return chapter_rules_per_service * services + chapter_base_rules;
}

// Of a line through medians: "1.96 us [1.80, 2.10]".
Entry slope_entry(const Field& line) {
  if (line.is_null()) {
    return {};
  }
  return {.figure = Entry::Figure{.value = line.at("ns_per_rule").number(),
                                  .interval = line.at("ns_per_rule_interval").interval(),
                                  .unit = "ns"}};
}

Entry fixed_entry(const Field& line) { return number_entry(line.at("intercept_ns").number_if_any(), "ns"); }

// Of user and system time in each repeat's wall time.
Entry cpu_share(const Field& load) {
  const auto wall = load.at("wall_ns").numbers();
  const auto user = load.at("user_ns").numbers();
  const auto system = load.at("system_ns").numbers();
  std::vector<double> shares;
  for (std::size_t i = 0; i < std::min({wall.size(), user.size(), system.size()}); ++i) {
    shares.push_back(100 * (user[i] + system[i]) / wall[i]);
  }
  const auto median = stats::median_of(shares);
  return median ? Entry::words(fmt::format("{:.0f} %", median->value)) : Entry{};
}

}  // namespace

Section table41(const RunView& run) {
  Section out{.id = "table-4-1",
              .title = "Table 4.1: iptables-restore of the whole nat table, launch to exit",
              .caption =
                  "Medians with 95 % intervals, and in multiples of the book's figure. First load: into a "
                  "network namespace without rules; reload: of a table that is in place, after a change "
                  "of one service. The book does not say which of the two its figures are."};
  out.columns = {{"services"}, {"rules"}, {"", true}, {"the book"}};
  const auto backends = backends_of(run);
  for (const std::string& backend : backends) {
    out.columns.push_back({backend});
    out.columns.push_back({"/ book"});
  }
  for (const std::size_t services : sweep_of(run)) {
    for (const char* load : loads) {
      const auto book = chapter_ns(run, services);
      std::vector<Entry> row{Entry::words(grouped(services)),
                             Entry::words(grouped(rules_of(run, services))), Entry::words(load),
                             number_entry(book, "ns")};
      for (const std::string& backend : backends) {
        const Cell* cell = cell_of(run, backend, load, services);
        const auto asked = load_of(run, backend, load, services);
        row.push_back(cell != nullptr ? Entry::of(cell) : asked ? predicted_entry(*asked) : Entry{});
        row.push_back(cell != nullptr && book ? number_entry(cell->value / *book, "x") : Entry{});
      }
      out.add(std::move(row));
    }
  }
  return out;
}

Section load_parts_table(const RunView& run) {
  Section out{.title = "Where the time goes",
              .caption =
                  "Medians. User and system: the kernel's account of the program; below a few ms their "
                  "sum is good, how it is split is not. Our text: what svcbench did before, which is not "
                  "in the figures above."};
  out.columns = {{"services"},   {"", true}, {"", true},   {"user"},   {"system"},
                 {"CPU / wall"}, {"input"},  {"our text"}, {"repeats"}};
  for (const std::size_t services : sweep_of(run)) {
    for (const std::string& backend : backends_of(run)) {
      for (const char* load : loads) {
        const Cell* cell = cell_of(run, backend, load, services);
        const auto field = load_of(run, backend, load, services);
        if (cell != nullptr && field) {
          out.add({Entry::words(grouped(services)), Entry::words(backend), Entry::words(load),
                   Entry::of(cell, "tool_user_ns"), Entry::of(cell, "tool_system_ns"), cpu_share(*field),
                   Entry::of(cell, "input_bytes"), Entry::of(cell, "generate_ns"),
                   Entry::words(grouped(cell->samples))});
        }
      }
    }
  }
  return out;
}

Section floor_table(const RunView& run) {
  Section out{.title = "Floors: in every figure above, and subtracted from none"};
  out.columns = {{"", true}, {"wall"}, {"user"}, {"system"}};
  const auto median = [](const Field& field) {
    const auto estimate = field.estimate();
    return number_entry(estimate ? std::optional(estimate->value) : std::nullopt, "ns");
  };
  for (const Field& floor : run.document().at("floors").elements()) {
    const std::string backend = floor.at("backend").text_if_any();
    const std::string name = backend.empty()
                                 ? "a program that does nothing (true)"
                                 : fmt::format("iptables-{}-restore of an empty transaction", backend);
    out.add({Entry::words(name), figure_entry(floor.at("wall_p50_ns").estimate(), "ns"),
             median(floor.at("user_p50_ns")), median(floor.at("system_p50_ns"))});
  }
  return out;
}

Section load_growth_table(const RunView& run) {
  Section out{.title = "Growth with the number of rules",
              .caption =
                  "A straight line through the medians (fixed, and a rule), and the same of the CPU time; "
                  "the table without services, 7 rules; and the exponent b of what a load costs above "
                  "that ~ rules^b (linear: within 0.8 to 1.25)."};
  out.columns = {{"", true}, {"", true}, {"fixed"}, {"a rule"}, {"CPU, a rule"}, {"7 rules"}, {"b"}};
  for (const Field& growth : run.document().at("growth").elements()) {
    const std::string backend = growth.at("backend").text();
    const std::string load = growth.at("load").text();
    out.add({Entry::words(backend), Entry::words(load), fixed_entry(growth.at("line")),
             slope_entry(growth.at("line")), slope_entry(growth.at("cpu_line")),
             number_entry(growth.at("base_ns").number_if_any(), "ns"),
             Entry::of(run.find(growth_id("iptables-" + backend, load)))});
  }
  const Field line = run.document().at("chapter").at("line");
  out.add({Entry::words("the book"), Entry{}, fixed_entry(line), slope_entry(line), Entry::words(" "),
           Entry::words(" "), Entry::words(" ")});
  return out;
}

Section ruleset_table(const RunView& run) {
  const Field ruleset = run.document().at("ruleset");
  Section out{.id = "ruleset"};
  if (ruleset.is_null()) {
    return out;
  }
  out.title = fmt::format("{} rules of {}, {} chains", grouped(ruleset.at("rules").count()),
                          ruleset.at("family").text(), grouped(ruleset.at("chains").count()));
  out.caption =
      "iptables-restore of the whole ruleset, launch to exit: medians with 95 % intervals. First load: "
      "into a network namespace without rules; reload: over itself, where it is in place.";
  out.columns = {{"back end", true}, {"load", true}, {"time"}, {"user"}, {"system"}, {"loads"}};
  for (const Field& one : run.document().at("loads").elements()) {
    const std::string load = one.at("load").text();
    const Cell* cell = run.find(
        fmt::format("ruleset/{}/{}", id_part("iptables-" + one.at("backend").text()), id_part(load)));
    if (cell == nullptr) {
      if (load == "first") {
        out.after.push_back(fmt::format("{} was not measured: {}", one.at("label").text(),
                                        one.at("missing").text_if_any()));
      }
      continue;
    }
    out.add({Entry::words(one.at("label").text()), Entry::words(load == "first" ? "first load" : load),
             Entry::of(cell), figure_entry(stats::median_of(one.at("user_ns").numbers()), "ns"),
             figure_entry(stats::median_of(one.at("system_ns").numbers()), "ns"),
             Entry::words(grouped(cell->samples))});
  }
  return out;
}

}  // namespace svcbench
