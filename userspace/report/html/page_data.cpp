// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "report/html/page_run.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

json cell_json(const PageRun& run, const Cell& cell) {
  json out =
      json::array({run.index(), cell.id, cell.plane, cell.services, cell.what, cell.unit, cell.value});
  out.push_back(cell.interval ? json(cell.interval->low) : json());
  out.push_back(cell.interval ? json(cell.interval->high) : json());
  out.push_back(cell.samples);
  out.push_back(cell.also.empty() ? json() : json(cell.also));
  return out;
}

json verdict_json(const PageRun& run, const Verdict& verdict) {
  return {{"run", run.index()},          {"id", verdict.id},
          {"claim", verdict.claim},      {"outcome", to_string(verdict.outcome)},
          {"summary", verdict.summary},  {"settle", verdict.would_settle},
          {"evidence", verdict.evidence}};
}

struct SectionText {
  const char* id;
  const char* title;
  const char* name;  // in the bar
  const char* lead;
};

class Sections {
 public:
  // `fill` adds blocks; without any there is no section.
  template <typename Fill>
  void add(const SectionText& text, const Fill& fill) {
    json blocks = json::array();
    fill(blocks);
    if (!blocks.empty()) {
      sections_.push_back({{"id", text.id},
                           {"title", text.title},
                           {"short", text.name},
                           {"lead", text.lead},
                           {"blocks", std::move(blocks)}});
    }
  }
  json take() { return std::move(sections_); }

 private:
  json sections_ = json::array();
};

json sections_of(const std::vector<PageRun>& runs) {
  const auto of_each = [&runs](auto... add) {
    return [&runs, add...](json& blocks) {
      for (const PageRun& run : runs) {
        (add(run, blocks), ...);
      }
    };
  };
  Sections sections;
  sections.add(
      {"figure-4-1", "Loading the whole table", "Fig. 4.1",
       "What iptables needs to put a table of N Services in place, beside what the book measured."},
      [&](json& blocks) {
        add_chapter_figure(runs, blocks);
        for (const PageRun& run : runs) {
          add_table41(run, blocks);
        }
      });
  sections.add({"ruleset", "Loading a ruleset of one's own", "Ruleset", ""}, of_each(add_ruleset));
  sections.add({"table-4-2", "Table 4.2, measured", "Table 4.2",
                "The book cites this comparison; here is every cell of it that this kernel can run."},
               of_each(add_table42, add_scaled));
  sections.add(
      {"growth", "How the cost grows with the number of Services", "Growth",
       "Points are medians, bars their 95 % intervals; dotted lines are fits of cost ~ N^b. Flat: the "
       "interval of b lies below 0.1; linear: it reaches 0.8. Rings mark crossing points."},
      of_each(add_growth_charts, add_crossings));
  sections.add(
      {"latency", "Not only the median", "Latency",
       "Most packets are alike; the slowest one in a thousand is another story, and mostly the machine's."},
      of_each(add_percentile_charts));
  sections.add({"throughput", "How many packets a second", "Throughput", ""},
               of_each(add_throughput_chart));
  sections.add({"sync", "What an installation is made of", "Sync", ""},
               of_each(add_sync_chart, add_fill_chart));
  sections.add({"program", "What the eBPF program itself takes", "Program", ""},
               of_each(add_program_chart));
  sections.add({"behaviour", "Whether it behaves as a Service does", "Behaviour", ""},
               of_each(add_behaviours));
  sections.add({"churn", "Changes under traffic", "Churn", ""}, of_each(add_churn));
  sections.add({"connect", "connect() and the first datagram", "Connect", ""}, of_each(add_connects));
  sections.add({"more", "More scenarios", "More", ""}, of_each(add_plain));
  sections.add(
      {"calibration", "What the machine was worth, and what figures are beside that", "Machine", ""},
      of_each(add_calibration));
  return sections.take();
}

std::string subject_of(const json& runs) {
  if (runs.size() != 1) {
    const bool alike = std::all_of(runs.begin(), runs.end(),
                                   [&](const json& run) { return run["brief"] == runs[0]["brief"]; });
    return fmt::format("{} runs{}", runs.size(), alike ? ": " + runs[0]["brief"].get<std::string>() : "");
  }
  const std::string workload = runs[0]["workload"];
  return runs[0]["brief"].get<std::string>() + (workload.empty() ? "" : "; " + workload);
}

}  // namespace

Result<json> page_data(std::span<const Run> files) {
  std::string wrong;
  std::vector<PageRun> runs;
  std::size_t first_cell = 0;
  for (const Run& file : files) {
    runs.emplace_back(file, runs.size(), first_cell, wrong);
    first_cell += file.cells.size();
  }
  json cells = json::array();
  json verdicts = json::array();
  json about = json::array();
  for (const PageRun& run : runs) {
    for (const Cell& cell : run.file().cells) {
      cells.push_back(cell_json(run, cell));
    }
    for (const Verdict& verdict : run.file().verdicts) {
      verdicts.push_back(verdict_json(run, verdict));
    }
    about.push_back(machine_json(run));
  }
  json out{{"title", files.size() > 1 ? "What a Kubernetes Service costs"
                                      : "What a Kubernetes Service costs on this machine"},
           {"subject", subject_of(about)},
           {"planes", planes_json(runs)},
           {"verdicts", std::move(verdicts)},
           {"sections", sections_of(runs)},
           {"cells", std::move(cells)},
           {"runs", std::move(about)}};
  if (!wrong.empty()) {
    return usage_error("{}; give the file that --json of a measuring command wrote", wrong);
  }
  return out;
}

}  // namespace svcbench::html
