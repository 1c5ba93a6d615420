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
std::string name_of(const Field& cell) {
  const std::string plane = cell.at("plane").text_if_any();
  const std::string way = cell.at("way").text_if_any();
  return (plane.empty() ? "iptables-" + cell.at("backend").text() : plane) +
         (way.empty() ? "" : ", " + way);
}

// Why there is nothing of it; "" where there is something.
std::string reason_of(const Field& cell, bool has_samples) {
  const std::string why = cell.at("skipped").text_if_any();
  return why.empty() && !has_samples ? "no time was left for it in the budget" : why;
}

}  // namespace

std::vector<std::string> left_out_lines(const RunView& run) {
  const Field document = run.document();
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
  for (const char* name : {"syncs", "updates", "loads"}) {
    for (const Field& cell : document.at(name).elements()) {
      const bool update = std::string_view(name) == "updates";
      const std::string why = reason_of(cell, !update || !cell.at("commit_ns").blocks().empty());
      if (!why.empty()) {
        add_unique(out, fmt::format("{}, {} services: left out: {}", name_of(cell),
                                    grouped(cell.at("services").count()), why));
      }
    }
  }
  return out;
}

std::vector<std::string> note_lines(const RunView& run) {
  std::vector<std::string> out;
  for (const char* name : {"notes", "path_notes"}) {
    add_texts(run.document().at(name), out);
  }
  return out;
}

std::vector<std::string> work_notes(const RunView& run) {
  std::vector<std::string> out;
  add_texts(run.document().at("run").at("notes"), out);
  return out;
}

std::vector<std::string> noise_lines(const RunView& run) {
  const Field noise = run.document().at("environment").at("noise");
  std::vector<std::string> out;
  add_texts(noise.at("warnings"), out);
  add_texts(noise.at("meanwhile"), out);
  return out;
}

}  // namespace svcbench
