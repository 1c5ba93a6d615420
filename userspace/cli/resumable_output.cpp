// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/resumable_output.h"

#include <array>
#include <utility>

#include "cli/command.h"
#include "cli/input.h"
#include "run/run_json.h"
#include "service/text.h"

namespace svcbench {

Result<ResumableOutput> ResumableOutput::open(const std::string& json, const std::string& resume) {
  if (!resume.empty() && !json.empty()) {
    return usage_error("--resume {} goes on writing to that file: leave --json out", resume);
  }
  ResumableOutput output;
  output.resumes_ = !resume.empty();
  SVCB_TAKE(file, open_output(output.resumes_ ? resume : json));
  output.file_ = std::move(file);
  return output;
}

Status ResumableOutput::keep(nlohmann::json identity) {
  if (!file_ || file_->is_standard_output()) {
    return {};
  }
  SVCB_TAKE(journal, resumes_ ? Journal::resume(file_->path(), identity)
                              : Journal::begin(file_->path(), std::move(identity)));
  journal_.emplace(std::move(journal));
  return {};
}

Error ResumableOutput::with_way_to_resume(Error error) const {
  if (journal_ && journal_->kept() > 0) {
    error.message +=
        fmt::format("; {} visits are kept in {}: with --resume {} in place of --json it goes on",
                    grouped(journal_->kept()), journal_->path(), file_->path());
  }
  return error;
}

void ResumableOutput::note_restored(nlohmann::json& notes) const {
  if (journal_ && journal_->restored() > 0) {
    notes.push_back(fmt::format("{} visits of cells are of an earlier part of this run, which was cut off",
                                grouped(journal_->restored())));
  }
}

Status ResumableOutput::write(const Run& run) {
  if (!file_) {
    return {};
  }
  SVCB_CHECK(file_->write(run_json(run).dump(1) + "\n"));
  if (journal_) {
    journal_->discard();
  }
  return {};
}

void add_resume_option(CLI::App& app, std::string& resume) {
  app.add_option("--resume", resume,
                 "Continue the run that was to write this file by --json, and was cut off: with the same\n"
                 "options otherwise. What it had measured is in FILE.part")
      ->type_name(file_value);
}

nlohmann::json identity_of(const nlohmann::json& run, const nlohmann::json& environment) {
  nlohmann::json identity{{"kernel", environment.at("kernel").at("release")},
                          {"CPU", environment.at("cpu").at("model")}};
  constexpr std::array names{std::pair{"command", "command"},   std::pair{"git_revision", "revision"},
                             std::pair{"workload", "services"}, std::pair{"sweep", "sweep"},
                             std::pair{"seed", "seed"},         std::pair{"rounds", "rounds"}};
  for (const auto& [name, member] : names) {
    if (run.contains(name)) {
      identity[member] = run.at(name);
    }
  }
  return identity;
}

}  // namespace svcbench
