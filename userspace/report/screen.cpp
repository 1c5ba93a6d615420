// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/answer.h"
#include "report/escape.h"
#include "report/figures.h"
#include "report/heading.h"
#include "report/left_out.h"
#include "report/section.h"
#include "report/table42.h"
#include "report/tables.h"
#include "report/text_table.h"

namespace svcbench {

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// At most `most` lines of a screen's width, those after the first further in; what does not fit ends in
// "...".
Lines fitted(const std::string& text, std::size_t most, std::size_t indent = 0) {
  constexpr std::string_view more = " ...";
  Lines lines = lines_of(wrapped(without_controls(text), indent, screen_columns));
  if (lines.size() > most) {
    lines.resize(most);
    std::string& last = lines.back();
    while (last.size() > screen_columns - more.size() && last.find(' ', indent) != last.npos) {
      last.resize(last.rfind(' '));
    }
    last += more;
  }
  for (std::string& line : lines) {
    line.resize(std::min(line.size(), screen_columns));  // one word that is longer
  }
  return lines;
}

void append(Lines& lines, Lines more) {
  lines.insert(lines.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Under a blank line.
void append_part(Lines& lines, Lines part) {
  if (!part.empty()) {
    lines.emplace_back();
    append(lines, std::move(part));
  }
}

Lines head_lines(const RunView& run) {
  Lines lines;
  for (const std::string& line : heading_lines(run)) {
    append(lines, fitted(line, 2));
  }
  if (const auto noise = noise_lines(run); !noise.empty()) {
    append(lines, fitted(noise.size() == 1 ? noise.front()
                                           : fmt::format("{} reasons to doubt timings here (--full): {}",
                                                         noise.size(), noise.front()),
                         1));
  }
  constexpr std::size_t most = 6;
  lines.resize(std::min(lines.size(), most));
  return lines;
}

// A claim in at most so many lines, its outcome in a column of its own.
Lines claim_lines(const Verdict& verdict, std::size_t most, bool colour) {
  constexpr std::size_t indent = 17;
  const std::string outcome(to_string(verdict.outcome));
  std::string said = verdict.summary;
  if (said.starts_with(outcome)) {
    said.erase(0, outcome.size());
    said.erase(0, said.find_first_not_of(":, "));
  }
  Lines lines = fitted(fmt::format("{}: {}", verdict.claim, said), most, indent);
  const std::string name = fmt::format("  {}{}", painted(verdict.outcome, colour),
                                       std::string(indent - 2 - outcome.size(), ' '));
  lines.front().replace(0, indent, name);
  return lines;
}

Lines claims(const RunView& run, std::size_t most_each, bool colour) {
  Lines lines;
  const auto& verdicts = run.verdicts();
  if (verdicts.empty()) {
    return lines;
  }
  lines.emplace_back(
      "Claims (b: the cost grows as N^b with the number N of services; 0 is flat, 1 linear)");
  for (const Verdict& verdict : verdicts) {
    append(lines, claim_lines(verdict, most_each, colour));
  }
  return lines;
}

// As many as there is room for, those that say most first; the last line counts the others.
Lines list(const std::vector<std::string>& texts, std::size_t room) {
  Lines whole;
  for (const std::string& text : texts) {
    append(whole, lines_of(wrapped(without_controls(text), 0, screen_columns)));
  }
  const bool fits = std::all_of(whole.begin(), whole.end(),
                                [](const std::string& line) { return line.size() <= screen_columns; });
  if (whole.size() <= room && fits) {
    return whole;
  }
  Lines lines;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (lines.size() + 1 == room && i + 1 < texts.size()) {
      lines.push_back(fmt::format("... and {} more (--full)", texts.size() - i));
      break;
    }
    append(lines, fitted(texts[i], 1));
  }
  return lines;
}

// What fails, what was left out, and what must be known besides.
std::vector<std::string> not_measured(const RunView& run) {
  std::vector<std::string> texts = failed_lines(run);
  for (const auto& part : {failed_cases(run), left_out_lines(run), note_lines(run), work_notes(run)}) {
    texts.insert(texts.end(), part.begin(), part.end());
  }
  return texts;
}

constexpr std::string_view rest =
    "More: --full prints every table; --json FILE keeps the run for svcbench report (a page), explain\n"
    "(the evidence of one figure), diff and export.";

// With each claim in at most so many lines.
Lines screen_of(const RunView& run, std::size_t lines_a_claim, bool colour) {
  Lines lines = head_lines(run);
  append_part(lines, claims(run, lines_a_claim, colour));
  if (const auto section = answer(run)) {
    append_part(lines, lines_of(section_text(*section, run.file(), Intervals::brief)));
  }
  const std::string one_run = one_run_words(run.file());
  const Lines end = lines_of(fmt::format("{}{}{}\n", rest, one_run.empty() ? "" : " ", one_run));
  constexpr std::size_t blank_lines = 2;
  constexpr std::size_t least = 2;  // of what was not measured
  const std::size_t others = std::min(screen_lines, lines.size() + end.size() + blank_lines);
  append_part(lines, list(not_measured(run), std::max(least, screen_lines - others)));
  append_part(lines, end);
  return lines;
}

}  // namespace

std::string render_screen(const Run& file, bool colour) {
  std::string wrong;  // a run of our own has none, a file's was looked at when it was read
  const RunView run(file, wrong);
  Lines lines = screen_of(run, 2, colour);
  if (lines.size() > screen_lines) {  // a dozen planes beside seven claims
    lines = screen_of(run, 1, colour);
  }
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

}  // namespace svcbench
