// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run as the makers of charts and tables see it, and what they share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "report/run_view.h"

namespace svcbench::html {

// A run among those of a page.
class PageRun : public RunView {
 public:
  PageRun(const Run& file, std::size_t index, std::size_t first_cell, std::string& wrong)
      : RunView(file, wrong), index_(index), first_cell_(first_cell) {}

  [[nodiscard]] std::size_t index() const { return index_; }
  // Its place among the page's cells.
  [[nodiscard]] std::size_t place(const Cell& cell) const {
    return first_cell_ + static_cast<std::size_t>(&cell - file().cells.data());
  }

 private:
  std::size_t index_;
  std::size_t first_cell_;
};

// "plain forwarding" of "null"; the name itself where there is nothing better.
[[nodiscard]] std::string label_of(std::string_view plane);
[[nodiscard]] nlohmann::json planes_json(const std::vector<PageRun>& runs);

// ---- blocks of sections, each an array of what there is ----

void add_chapter_figure(const std::vector<PageRun>& runs, nlohmann::json& blocks);  // Figure 4.1
void add_growth_charts(const PageRun& run, nlohmann::json& blocks);
void add_plain(const PageRun& run,
               nlohmann::json& blocks);  // of scenarios without a section: chart and table
void add_percentile_charts(const PageRun& run, nlohmann::json& blocks);
void add_program_chart(const PageRun& run, nlohmann::json& blocks);
void add_sync_chart(const PageRun& run, nlohmann::json& blocks);
void add_fill_chart(const PageRun& run, nlohmann::json& blocks);
void add_throughput_chart(const PageRun& run, nlohmann::json& blocks);

void add_table41(const PageRun& run, nlohmann::json& blocks);
void add_table42(const PageRun& run, nlohmann::json& blocks);
void add_crossings(const PageRun& run, nlohmann::json& blocks);
void add_behaviours(const PageRun& run, nlohmann::json& blocks);
void add_churn(const PageRun& run, nlohmann::json& blocks);
void add_calibration(const PageRun& run, nlohmann::json& blocks);
void add_connects(const PageRun& run, nlohmann::json& blocks);
void add_scaled(const PageRun& run, nlohmann::json& blocks);
void add_ruleset(const PageRun& run, nlohmann::json& blocks);  // of iptables --ruleset

// The machine, how to repeat the run, and what was left out.
[[nodiscard]] nlohmann::json machine_json(const PageRun& run);

}  // namespace svcbench::html
