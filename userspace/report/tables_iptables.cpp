// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of iptables: the book's Table 4.1 as measured, where its time goes, and a ruleset of one's
// own.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "plane/iptables_chapter.h"
#include "report/heading.h"
#include "report/tables.h"
#include "run/cells.h"
#include "service/text.h"

namespace svcbench {

namespace {

const Cell* cell_of(const RunView& run, const std::string& backend, std::string_view load,
                    std::size_t services) {
  return run.find(cell_id("chapter", "iptables-" + backend, services, load.substr(0, load.find(' '))));
}

// Back ends that were measured.
std::vector<std::string> backends_of(const RunView& run) {
  std::vector<std::string> names;
  for (const Field& backend : run.details().at("backends").elements()) {
    if (backend.at("missing").is_null()) {
      names.push_back(backend.at("backend").text());
    }
  }
  return names;
}

std::vector<std::size_t> sweep_of(const RunView& run) {
  std::set<std::size_t> sizes;
  for (const Cell* load : run.all_of("chapter")) {
    sizes.insert(load->services);
  }
  sizes.erase(0);
  return {sizes.begin(), sizes.end()};
}

constexpr std::array loads{"first load", "reload"};

// The book's figure at this size.
std::optional<double> chapter_ns(const RunView& run, std::size_t services) {
  for (const Field& row : run.details().at("chapter").at("rows").elements()) {
    if (row.at("services").count() == services) {
      return row.at("ns").number();
    }
  }
  return std::nullopt;
}

// As read back where a table of this size was loaded, else the chapter's three rules a service and seven.
std::size_t rules_of(const RunView& run, std::size_t services) {
  for (const Cell* load : run.all_of("chapter")) {
    const auto rules = beside(*load, "rules");
    if (load->services == services && rules && rules->value > 0) {
      return static_cast<std::size_t>(rules->value);
    }
  }
  return chapter_rules_per_service * services + chapter_base_rules;
}

Entry number_beside(const Cell& cell, const char* name) {
  const auto found = beside(cell, name);
  return number_entry(found ? std::optional(found->value) : std::nullopt, "ns");
}

// Of user and system time in each repeat's wall time.
Entry cpu_share(const Cell& load) {
  const auto samples = [&](const char* name) {
    const auto found = load.parts.find(name);
    return found == load.parts.end() || found->second.empty() ? std::vector<double>()
                                                              : found->second.front();
  };
  const auto user = samples("tool_user_ns");
  const auto system = samples("tool_system_ns");
  std::vector<double> shares;
  for (std::size_t i = 0; i < std::min({load.values.size(), user.size(), system.size()}); ++i) {
    shares.push_back(100 * (user[i] + system[i]) / load.values[i]);
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
        const Cell* left_out = run.find_unmeasured(chapter_cell(backend, services, load).id);
        row.push_back(cell != nullptr       ? Entry::of(cell)
                      : left_out != nullptr ? predicted_entry(*left_out)
                                            : Entry{});
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
        if (cell != nullptr) {
          out.add({Entry::words(grouped(services)), Entry::words(backend), Entry::words(load),
                   Entry::of(cell, "tool_user_ns"), Entry::of(cell, "tool_system_ns"), cpu_share(*cell),
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
  for (const Cell* floor : run.all_of("floor")) {
    const std::string backend(floor->coordinate("backend"));
    const std::string name = backend.empty()
                                 ? "a program that does nothing (true)"
                                 : fmt::format("iptables-{}-restore of an empty transaction", backend);
    out.add({Entry::words(name), Entry::of(floor), number_beside(*floor, "tool_user_ns"),
             number_beside(*floor, "tool_system_ns")});
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
  for (const std::string& backend : backends_of(run)) {
    for (const char* load : loads) {
      const std::string id = growth_id("iptables-" + backend, load);
      const Cell* measured = run.find(id);
      const Cell* growth = measured == nullptr ? run.find_unmeasured(id) : measured;
      if (growth != nullptr) {
        out.add({Entry::words(backend), Entry::words(load), number_beside(*growth, "intercept_ns"),
                 figure_entry(beside(*growth, "ns_per_rule"), "ns"),
                 figure_entry(beside(*growth, "cpu_ns_per_rule"), "ns"), number_beside(*growth, "base_ns"),
                 Entry::of(measured)});
      }
    }
  }
  const Field line = run.details().at("chapter").at("line");
  const stats::Estimate slope{.value = line.at("ns_per_rule").number_if_any().value_or(0),
                              .interval = line.at("ns_per_rule_interval").interval(),
                              .samples = 0};
  out.add({Entry::words("the book"), Entry{}, number_entry(line.at("intercept_ns").number_if_any(), "ns"),
           figure_entry(slope, "ns"), Entry::words(" "), Entry::words(" "), Entry::words(" ")});
  return out;
}

Section ruleset_table(const RunView& run) {
  const Field ruleset = run.details().at("ruleset");
  Section out{.id = "ruleset"};
  if (ruleset.is_null()) {
    return out;
  }
  const std::string not_whole = whole_or_not(ruleset);
  out.title = ruleset_words(ruleset) + not_whole;
  const std::string kind = ruleset.at("kind").text_if_any();
  out.caption = fmt::format(
      "{} of the whole ruleset, launch to exit: medians with 95 % intervals. First load: into a network "
      "namespace without rules; reload: over itself, where it is in place.",
      kind == "nftables" ? "nft -f"
      : kind == "ipvs"   ? "ipvsadm -R"
                         : "iptables-restore");
  for (const std::string& reason : ruleset.at("incomplete").texts()) {
    out.after.push_back(fmt::format("The ruleset is not whole, its dump says: {}", reason));
  }
  if (const auto sets = ruleset.at("empty_sets").texts(); !sets.empty()) {
    out.after.push_back(fmt::format("Sets without members: {}", fmt::join(sets, ", ")));
  }
  out.columns = {{"back end", true}, {"load", true}, {"time"}, {"user"}, {"system"}, {"loads"}};
  for (const Field& backend : run.details().at("backends").elements()) {
    if (const std::string missing = backend.at("missing").text_if_any(); !missing.empty()) {
      out.after.push_back(fmt::format("{} was not measured: {}", backend.at("label").text(), missing));
    }
    for (const char* load : loads) {
      const Cell* cell = run.find(ruleset_cell(backend.at("backend").text(), load).id);
      if (cell != nullptr) {
        const auto of_tool = [&](const char* part) {
          const auto found = cell->parts.find(part);
          return figure_entry(
              found == cell->parts.end() ? std::nullopt : stats::median_of(found->second.front()), "ns");
        };
        out.add({Entry::words(backend.at("label").text()), Entry::words(load + not_whole), Entry::of(cell),
                 of_tool("tool_user_ns"), of_tool("tool_system_ns"), Entry::words(grouped(cell->samples))});
      }
    }
  }
  return out;
}

}  // namespace svcbench
