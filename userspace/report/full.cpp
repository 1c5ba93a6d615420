// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/full.h"

#include <fmt/format.h>

#include "report/checks_text.h"
#include "report/curves_text.h"
#include "report/escape.h"
#include "report/figures.h"
#include "report/heading.h"
#include "report/left_out.h"
#include "report/table42.h"
#include "report/tables.h"
#include "report/text_table.h"

namespace svcbench {

namespace {

class Text {
 public:
  explicit Text(const RunView& run) : run_(run) {}

  // Nothing of a table without rows.
  void add(const Section& section) {
    if (!section.rows.empty()) {
      add(section_text(section, run_.file()));
    }
  }
  void add(const std::vector<Section>& sections) {
    for (const Section& section : sections) {
      add(section);
    }
  }
  void add(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
      text += wrapped(without_controls(line), 0);
    }
    add(text);
  }
  void add(const std::string& text) {
    if (!text.empty()) {
      out_ += (out_.empty() ? "" : "\n") + text;
    }
  }
  std::string take() { return std::move(out_); }

 private:
  const RunView& run_;
  std::string out_{};
};

void add_paths(const RunView& run, Text& text) {
  text.add(path_table(run));
  text.add(instrument_lines(run));
}

void add_comparison(const RunView& run, Bars bars, Text& text) {
  text.add(sync_table(run));
  text.add(update_table(run));
  add_paths(run, text);
  text.add(throughput_table(run));
  text.add(plain_tables(run));
  text.add(growth_table(run, Growing::all));
  text.add(comparison_curves(run, bars));
  text.add(crossing_tables(run));
  if (const auto table = table42(run)) {
    text.add(*table);
  }
  if (const auto scaled = scaled_figures(run)) {
    text.add(*scaled);
  }
  text.add(second_instrument_lines(run));
}

void add_main_job(const RunView& run, Bars bars, Text& text) {
  text.add(main_job_table(run));
  text.add(map_update_table(run));
  text.add(growth_table(run, Growing::rest));
  text.add(map_update_curves(run, bars));
  text.add(fill_table(run));
  text.add(program_tables(run));
  text.add(account_lines(run));
  add_paths(run, text);
  text.add(growth_table(run, Growing::path));
  text.add(comparison_curves(run, bars));
}

void add_loads(const RunView& run, Bars bars, Text& text) {
  text.add(ruleset_table(run));
  if (!run.details().at("ruleset").is_null()) {
    return;
  }
  text.add(table41(run));
  text.add(load_comparisons(run));
  text.add(load_parts_table(run));
  text.add(floor_table(run));
  text.add(load_growth_table(run));
  text.add(load_curves(run, bars));
}

}  // namespace

std::string full_heading(const Run& file) {
  std::string wrong;
  const RunView run(file, wrong);
  std::string out;
  for (const auto& lines : {heading_lines(run), {one_run_words(file)}, work_notes(run), noise_lines(run)}) {
    for (const std::string& line : lines) {
      out += line.empty() ? "" : wrapped(without_controls(line), 0);
    }
  }
  return out + "\n";
}

std::string render_full(const Run& file, bool colour, Bars bars) {
  std::string wrong;  // a run of our own has none, a file's was looked at when it was read
  const RunView run(file, wrong);
  Text text(run);
  if (file.command == "ebpf") {
    add_main_job(run, bars, text);
  } else if (file.command == "iptables") {
    add_loads(run, bars, text);
  } else if (file.command == "connect") {
    text.add(connect_table(run));
  } else {
    add_comparison(run, bars, text);
  }
  text.add(relative_table(run));
  text.add(calibration_table(run));
  std::vector<std::string> others = left_out_lines(run);
  for (std::string& note : note_lines(run)) {
    others.push_back(std::move(note));
  }
  text.add(others);
  std::vector<Verdict> verdicts = run.verdicts();
  for (Verdict& verdict : verdicts) {
    for (std::string* one : {&verdict.claim, &verdict.summary, &verdict.would_settle}) {
      *one = without_controls(*one);
    }
    for (std::string& line : verdict.evidence) {
      line = without_controls(line);
    }
  }
  return full_heading(file) + text.take() + verdict_text(verdicts, colour);
}

}  // namespace svcbench
