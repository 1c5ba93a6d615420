// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/verify_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "report/text_table.h"

namespace svcbench {

namespace {

using verify::Case;
using verify::CaseResult;
using verify::Outcome;
using verify::PlaneResult;

// One cell: a plane's results in all variants of a case.
std::vector<const CaseResult*> of_case(const PlaneResult& plane, const Case& which) {
  std::vector<const CaseResult*> results;
  for (const CaseResult& one : plane.cases) {
    if (one.which == &which) {
      results.push_back(&one);
    }
  }
  return results;
}

std::vector<const CaseResult*> with(const std::vector<const CaseResult*>& results, Outcome outcome) {
  std::vector<const CaseResult*> some;
  std::copy_if(results.begin(), results.end(), std::back_inserter(some),
               [&](const CaseResult* one) { return one->outcome == outcome; });
  return some;
}

std::string variants_text(const std::vector<const CaseResult*>& results) {
  std::string text;
  for (const CaseResult* one : results) {
    text += (text.empty() ? "" : ", ") + one->variant.text();
  }
  return text;
}

// Without the addresses and numbers: what two cells have in common.
std::string shape_of(const std::string& evidence) {
  std::string shape;
  std::istringstream words(evidence);
  for (std::string word; words >> word;) {
    shape +=
        std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }) ? "0" : word;
    shape += ' ';
  }
  return shape;
}

std::string_view word_of(Outcome outcome) {
  return outcome == Outcome::failed ? "fails" : to_string(outcome);
}

// A line for each reason. What no plane offers for one reason, or does otherwise in one way, shares its
// line; of what fails, each plane has seen something else.
class Legend {
 public:
  // The number of the line on these results of a plane, which have one outcome, of `all` that there are.
  std::size_t add(const PlaneResult& plane, Outcome outcome, const std::vector<const CaseResult*>& some,
                  std::size_t all) {
    const std::string variants = some.size() == all && all > 1 ? "all variants" : variants_text(some);
    const std::string& evidence = some.front()->evidence;
    const bool fails = outcome == Outcome::failed;
    const std::string key =
        fails ? fmt::format("{}: {}: {}", plane.plane, variants, shape_of(evidence)) : evidence;
    const auto [known, is_new] = numbers_.try_emplace(key, lines_.size() + 1);
    if (is_new) {
      lines_.push_back({word_of(outcome), evidence, {}});
    }
    auto& planes = lines_[known->second - 1].planes[variants];
    if (std::find(planes.begin(), planes.end(), plane.plane) == planes.end()) {
      planes.push_back(plane.plane);
    }
    return known->second;
  }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      std::string where;
      for (const auto& [variants, planes] : lines_[i].planes) {
        where += fmt::format("{}{} ({})", where.empty() ? "" : "; ", fmt::join(planes, ", "), variants);
      }
      text += fmt::format("{:>3}  ", i + 1) +
              wrapped(fmt::format("{}: {}: {}", where, lines_[i].word, lines_[i].evidence), 5).substr(5);
    }
    return text;
  }

 private:
  struct Line {
    std::string_view word;
    std::string evidence;
    std::map<std::string, std::vector<std::string>> planes;  // by variants
  };
  std::map<std::string, std::size_t> numbers_{};
  std::vector<Line> lines_{};
};

std::string cell_text(const PlaneResult& plane, const Case& which, Legend& legend) {
  const auto results = of_case(plane, which);
  const auto failed = with(results, Outcome::failed);
  const auto differing = with(results, Outcome::differs);
  const auto lacking = with(results, Outcome::not_offered);
  if (!failed.empty()) {
    return fmt::format("FAIL {}", legend.add(plane, Outcome::failed, failed, results.size()));
  }
  if (!differing.empty()) {
    return fmt::format("differs {}", legend.add(plane, Outcome::differs, differing, results.size()));
  }
  if (lacking.empty()) {
    return results.empty() ? "-" : "pass";
  }
  const std::size_t line = legend.add(plane, Outcome::not_offered, lacking, results.size());
  return lacking.size() == results.size() ? fmt::format("n/o {}", line) : fmt::format("part {}", line);
}

// "iptables-nft" in two lines: the table is wide.
std::array<std::string, 2> column_title(const std::string& plane) {
  const std::size_t dash = plane.find('-');
  return dash == std::string::npos ? std::array<std::string, 2>{plane, ""}
                                   : std::array<std::string, 2>{plane.substr(0, dash), plane.substr(dash)};
}

std::string rates(std::span<const PlaneResult> planes) {
  std::string text;
  for (const PlaneResult& plane : planes) {
    for (const CaseResult& one : plane.cases) {
      if (one.which->name == "crowd" && one.outcome == Outcome::passed &&
          one.variant.family == Family::ipv4) {
        text += fmt::format("{}{} {}", text.empty() ? "" : "; ", plane.plane, one.evidence);
      }
    }
  }
  return text.empty()
             ? ""
             : wrapped(fmt::format("10,000 TCP connections over IPv4, 64 at a time, with both ends "
                                   "in this process: {}.",
                                   text),
                       0);
}

}  // namespace

std::string render_behaviours(std::span<const PlaneResult> planes) {
  std::vector<const PlaneResult*> here;
  std::vector<const Case*> rows;
  for (const PlaneResult& plane : planes) {
    if (plane.not_here.empty()) {
      here.push_back(&plane);
    }
    for (const CaseResult& one : plane.cases) {
      if (std::find(rows.begin(), rows.end(), one.which) == rows.end()) {
        rows.push_back(one.which);
      }
    }
  }
  std::vector<TextTable::Column> columns{{"", TextTable::Align::left}};
  std::vector<std::string> second{""};
  for (const PlaneResult* plane : here) {
    const auto title = column_title(plane->plane);
    columns.push_back({title[0], TextTable::Align::left});
    second.push_back(title[1]);
  }
  TextTable table(std::move(columns));
  table.add(std::move(second));
  Legend legend;
  for (const Case* which : rows) {
    std::vector<std::string> cells{std::string(which->title)};
    for (const PlaneResult* plane : here) {
      cells.push_back(cell_text(*plane, *which, legend));
    }
    table.add(std::move(cells));
  }
  std::string out = here.empty() ? "" : table.text();
  if (!legend.text().empty()) {
    out += "\n" + legend.text();
  }
  out += "\n";
  for (const PlaneResult& plane : planes) {
    if (!plane.not_here.empty()) {
      out += wrapped(fmt::format("not here: {}: {}", plane.plane, plane.not_here), 0);
    }
  }
  return out + rates(planes);
}

}  // namespace svcbench
