// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/left_out.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/quantity.h"
#include "service/text.h"

namespace svcbench {

namespace {

void add_texts(const Field& list, std::vector<std::string>& out) {
  for (const Field& one : list.elements()) {
    out.push_back(one.text_if_any());
  }
}

// "iptables-nft, full": a plane and its way of being changed, if it has several.
std::string name_of(const Cell& cell) {
  const std::string way(cell.coordinate("way"));
  return cell.plane + (way.empty() ? "" : ", " + way);
}

// Of the known work whose speeds were furthest apart.
std::string speeds_line(const RunView& run) {
  std::string line;
  double widest = 1;
  for (const Field& one : run.details().at("speeds").elements()) {
    const Cell* work = run.find(one.at("id").text());
    const double fast = one.at("fast").number();
    const double slow = one.at("slow").number();
    if (work == nullptr || !(fast > 0) || slow / fast <= widest) {
      continue;
    }
    widest = slow / fast;
    const auto visits = static_cast<double>(one.at("visits").count());
    const auto slowly = static_cast<double>(one.at("slow_visits").elements().size());
    line = fmt::format(
        "The machine had two speeds, {:.2f} apart ({}: {} in {:.0f} % of {} visits, else {}): times are of "
        "both, multiples of known work hardly depend on them",
        widest, work->scenario == "path" ? "plain forwarding" : work->what, quantity(slow, work->unit),
        100 * slowly / std::max(1.0, visits), grouped(one.at("visits").count()),
        quantity(fast, work->unit));
  }
  return line;
}

}  // namespace

std::vector<std::string> left_out_lines(const RunView& run) {
  const Field document = run.details();
  std::vector<std::string> out;
  for (const Field& missing : document.at("missing").elements()) {
    out.push_back(
        fmt::format("{}: not measured: {}", missing.at("plane").text(), missing.at("why").text()));
  }
  for (const Field& backend : document.at("backends").elements()) {
    if (const std::string why = backend.at("missing").text_if_any(); !why.empty()) {
      out.push_back(fmt::format("iptables-{}: not measured: {}", backend.at("backend").text(), why));
    }
  }
  for (const Cell& cell : run.file().unmeasured) {
    const bool told = cell.scenario == "sync" || cell.scenario == "update" || cell.scenario == "chapter";
    if (told && cell.origin != Origin::scaled) {
      add_unique(out, fmt::format("{}, {} services: left out: {}", name_of(cell), grouped(cell.services),
                                  cell.reason));
    }
  }
  return out;
}

std::vector<std::string> note_lines(const RunView& run) {
  std::vector<std::string> out;
  add_texts(run.details().at("notes"), out);
  return out;
}

std::vector<std::string> work_notes(const RunView& run) {
  std::vector<std::string> out;
  add_texts(run.about().at("notes"), out);
  return out;
}

std::vector<std::string> noise_lines(const RunView& run) {
  const Field noise = run.environment().at("noise");
  std::vector<std::string> out;
  add_texts(noise.at("warnings"), out);
  add_texts(noise.at("meanwhile"), out);
  if (const std::string speeds = speeds_line(run); !speeds.empty()) {
    out.push_back(speeds);
  }
  return out;
}

}  // namespace svcbench
