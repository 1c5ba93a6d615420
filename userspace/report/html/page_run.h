// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run as the makers of charts and tables see it, and what they share.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/emulation.h"
#include "run/field.h"
#include "run/run_file.h"

namespace svcbench::html {

// Refers to the file and to `wrong`, which outlive it.
class PageRun {
 public:
  PageRun(const RunFile& file, std::size_t index, std::size_t first_cell, std::string& wrong)
      : file_(&file), index_(index), first_cell_(first_cell), wrong_(&wrong) {}

  [[nodiscard]] const RunFile& file() const { return *file_; }
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] Field document() const { return {file_->document, file_->path, *wrong_}; }
  [[nodiscard]] const Cell* find(const std::string& id) const { return file_->find(id); }
  // Its place among the page's cells.
  [[nodiscard]] std::size_t place(const Cell& cell) const {
    return first_cell_ + static_cast<std::size_t>(&cell - file_->cells.data());
  }
  [[nodiscard]] ToldIn told() const {
    return told_in(emulation_of(file_->document.value("environment", nlohmann::json::object())));
  }
  // "ns", or "instructions" where an emulator's clock counts those.
  [[nodiscard]] std::string path_unit() const { return told().name == "ns" ? "ns" : "instructions"; }

  // Planes with a cell of one of these scenarios, in the document's order; not the instrument's own
  // targets.
  [[nodiscard]] std::vector<std::string> planes(const std::vector<std::string_view>& scenarios) const;
  // Ascending.
  [[nodiscard]] std::vector<std::size_t> sizes(const std::vector<std::string_view>& scenarios) const;
  // "path/PLANE/N/REST" at each N where there is one, ascending.
  [[nodiscard]] std::vector<const Cell*> over_sizes(std::string_view scenario, std::string_view plane,
                                                    std::string_view rest) const;
  // "UDP", unless no path has that: then "TCP".
  [[nodiscard]] std::string_view protocol() const;
  // The ways in which a plane was changed, in the run's order; {""} where it has one.
  [[nodiscard]] std::vector<std::string> ways(std::string_view plane) const;

 private:
  const RunFile* file_;
  std::size_t index_;
  std::size_t first_cell_;
  std::string* wrong_;
};

// At the end, unless it is there already.
void add_unique(std::vector<std::string>& names, std::string name);

// "path/ebpf-xdp/1000/new/last/UDP"; without `rest` where it is empty.
[[nodiscard]] std::string cell_id(std::string_view scenario, std::string_view plane, std::size_t services,
                                  std::string_view rest);
[[nodiscard]] std::string growth_id(std::string_view plane, std::string_view what);
// "flat", "growing", "linear", "undecided".
[[nodiscard]] std::string_view trend_of(const Cell& growth);

// "plain forwarding" of "null"; the name itself where there is nothing better.
[[nodiscard]] std::string label_of(std::string_view plane);
[[nodiscard]] nlohmann::json planes_json(const std::vector<PageRun>& runs);

// ---- blocks of sections, each an array of what there is ----

void add_chapter_figure(const std::vector<PageRun>& runs, nlohmann::json& blocks);  // Figure 4.1
void add_growth_charts(const PageRun& run, nlohmann::json& blocks);
void add_percentile_charts(const PageRun& run, nlohmann::json& blocks);
void add_program_chart(const PageRun& run, nlohmann::json& blocks);
void add_sync_chart(const PageRun& run, nlohmann::json& blocks);
void add_fill_chart(const PageRun& run, nlohmann::json& blocks);
void add_throughput_chart(const PageRun& run, nlohmann::json& blocks);

void add_chapter_table(const PageRun& run, nlohmann::json& blocks);  // Table 4.2
void add_crossings(const PageRun& run, nlohmann::json& blocks);
void add_behaviours(const PageRun& run, nlohmann::json& blocks);
void add_churn(const PageRun& run, nlohmann::json& blocks);
void add_connects(const PageRun& run, nlohmann::json& blocks);
void add_borrowed(const PageRun& run, nlohmann::json& blocks);
void add_ruleset(const PageRun& run, nlohmann::json& blocks);  // of iptables --ruleset

// The machine, how to repeat the run, and what was left out.
[[nodiscard]] nlohmann::json machine_json(const PageRun& run);

}  // namespace svcbench::html
