// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/left_out.h"

#include <fmt/format.h>

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
  return out;
}

}  // namespace svcbench
