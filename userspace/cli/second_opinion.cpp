// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/second_opinion.h"

#include <fmt/format.h>

#include <algorithm>

#include "measure/emulation.h"
#include "report/html/assets.h"
#include "run/judge.h"
#include "run/run_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

bool counts_instructions(const Run& run) {
  return display_unit(emulation_of(run.environment)).name != DisplayUnit{}.name;
}

std::string text_at(const Run& run, const std::string& pointer) {
  const nlohmann::json value = value_at(run, pointer);
  return value.is_string() ? printable(value.get<std::string>()) : "unknown";
}

// "Linux 6.12.57, counted by an emulator, svcbench b62a253464bd".
std::string source_of(const Run& counted) {
  return fmt::format("Linux {}, counted by an emulator, svcbench {}",
                     text_at(counted, "/environment/kernel/release"),
                     text_at(counted, "/run/git_revision"));
}

// A time is none of its subjects.
bool is_about_growth(const Verdict& verdict) { return !verdict.id.ends_with("-2-5us"); }

}  // namespace

void add_second_opinion(Run& run, const Run* counted) {
  if (counts_instructions(run)) {
    return;
  }
  Result<Run> own = failure("another one is given");
  if (counted == nullptr || !counts_instructions(*counted)) {
    own = parse_run(html::assets().counted, "docs/results/counted.json");
    counted = own ? &*own : nullptr;
  }
  if (counted == nullptr) {
    return;
  }
  nlohmann::json verdicts = nlohmann::json::object();
  for (const Verdict& verdict : judge(*counted)) {
    const bool asked = std::any_of(run.verdicts.begin(), run.verdicts.end(),
                                   [&](const Verdict& one) { return one.id == verdict.id; });
    if (asked && is_about_growth(verdict)) {
      verdicts[verdict.id] = verdict.summary;
    }
  }
  if (!verdicts.empty()) {
    run.details["counted"] = {{"of", source_of(*counted)},
                              {"sweep", value_at(*counted, "/run/sweep")},
                              {"verdicts", std::move(verdicts)}};
    run.verdicts = judge(run);
  }
}

}  // namespace svcbench
