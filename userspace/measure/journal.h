// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run has measured so far, beside the result that it will write: RUN.json.part. A first line that
// says what the run is, then a line a visit. A run that was cut off is continued from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

struct Step;

class Journal {
 public:
  // Of the result that will be written to `path`.
  [[nodiscard]] static std::string path_of(const std::string& path) { return path + ".part"; }

  // A new one, in place of one that lies there. `identity`: an object of what must be the same for figures
  // to belong together; each is told by its name when it is not.
  static Result<Journal> begin(const std::string& path, nlohmann::json identity);
  // The one that a run left which was cut off. Error, usage: there is none, or it is another run's.
  static Result<Journal> resume(const std::string& path, const nlohmann::json& identity);

  // Once for each part of the run, when it is known what will be run, every step under a label of its own:
  // a new part's repeats are taken down; one that had begun gets them back, and lets each step restore what
  // was measured.
  Status plan(std::vector<Step>& steps);
  // What a pilot decided, kept under a name of its own: as the run that was cut off had it, else as given.
  Result<bool> decided(const std::string& name, bool now);
  // Visits of the step that are there already.
  [[nodiscard]] std::size_t done(const std::string& label) const;
  [[nodiscard]] std::size_t restored() const { return restored_; }

  // The step's last visit, written at once: it outlives the process. What outlives the machine is at most a
  // second older.
  Status add(const Step& step);

  // Visits that it holds.
  [[nodiscard]] std::size_t kept() const { return kept_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // The result is written: nothing is left to continue. One that holds no visit goes with this object.
  void discard();

  Journal(Journal&& other) noexcept = default;
  Journal& operator=(Journal&&) = delete;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

 private:
  Journal(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  Status append(const nlohmann::json& line);

  std::string path_;
  Fd file_;
  std::map<std::string, std::size_t> repeats_{};            // of a resumed one, by label
  std::map<std::string, std::vector<nlohmann::json>> old_;  // visits by label, until they are restored
  std::map<std::string, std::size_t> done_;
  std::map<std::string, bool> decided_;
  std::size_t restored_ = 0;
  std::size_t kept_ = 0;
  std::chrono::steady_clock::time_point synced_{};
};

// The same where there may be no journal.
Result<bool> decided(Journal* journal, const std::string& name, bool now);

}  // namespace svcbench
