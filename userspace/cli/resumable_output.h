// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --json and --resume: the file that a run's result goes to, and what is kept beside it, in FILE.part,
// until the result is whole.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "measure/journal.h"
#include "report/output_file.h"
#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

class ResumableOutput {
 public:
  // "-" and no file at all have no journal. Error, usage: both are given, or the file cannot be written.
  [[nodiscard]] static Result<ResumableOutput> open(const std::string& json, const std::string& resume);

  // Once it is known what the run is (see identity_of()): begins its journal, or takes up the one of the
  // run that was cut off. Error, usage: see Journal::resume().
  [[nodiscard]] Status keep(nlohmann::json identity);
  // For what measures; null where nothing is kept.
  [[nodiscard]] Journal* journal() { return journal_ ? &*journal_ : nullptr; }

  // The error that ended the run, with what is kept and how to go on.
  [[nodiscard]] Error with_way_to_resume(Error error) const;
  // Adds to a result's notes, an array, how many visits are of the part that was cut off.
  void note_restored(nlohmann::json& notes) const;

  [[nodiscard]] bool wanted() const { return file_.has_value(); }
  [[nodiscard]] bool is_standard_output() const { return file_ && file_->is_standard_output(); }
  // The whole result: then nothing is left to go on with.
  [[nodiscard]] Status write(const Run& run);

 private:
  std::optional<OutputFile> file_{};
  bool resumes_ = false;
  std::optional<Journal> journal_{};
};

void add_resume_option(CLI::App& app, std::string& resume);

// What two parts of one run must have in common, by the names that an Error tells. `run` is what
// describe_command() or describe_run() gives. What else decides about figures is the command's to add.
[[nodiscard]] nlohmann::json identity_of(const nlohmann::json& run, const nlohmann::json& environment);

}  // namespace svcbench
