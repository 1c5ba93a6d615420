// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench as its users have it: the binary, its output, its exit code.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "temporary_folder.h"

namespace svcbench::testing {

struct Ran {
  int status = 0;  // exit code, or 128 + signal
  std::string out;
  std::string err;
};

// Where it is not run by root, this test program ends with 77 ("skipped") before its first case.

// Runs svcbench with these arguments; `input` is its standard input.
[[nodiscard]] Ran svcbench(const std::vector<std::string>& arguments, const std::string& input = "");
[[nodiscard]] Ran run_program(const std::vector<std::string>& argv, const std::string& input = "");

[[nodiscard]] std::string read_file(const std::string& path);
[[nodiscard]] nlohmann::json read_json(const std::string& path);

// CHECKs that the result in the file `path` is what docs/SCHEMA.schema.json allows.
void check_against_schema(const std::string& path, const std::string& schema);

// Of a run's cells those of one scenario that were measured; the others; and one by its id, or null.
[[nodiscard]] std::vector<nlohmann::json> cells_of(const nlohmann::json& run, const std::string& scenario);
[[nodiscard]] std::vector<nlohmann::json> left_out_of(const nlohmann::json& run,
                                                      const std::string& scenario);
[[nodiscard]] nlohmann::json cell_of(const nlohmann::json& run, const std::string& id);

// What svcbench must leave as it was: BPF programs and maps of its names, links, network namespaces, rules.
// Another svcbench that runs meanwhile is seen too: the e2e ring wants to be alone.
struct HostState {
  std::set<std::string> lines;
  static HostState now();
};
// Waits a moment for the kernel to free what its owner let go.
[[nodiscard]] bool host_becomes(const HostState& before);

// A svcbench that runs while the test goes on. Killed in the destructor.
class Background {
 public:
  explicit Background(const std::vector<std::string>& arguments);
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background();

  // Until standard error holds `text`; false after half a minute.
  [[nodiscard]] bool wait_for(const std::string& text) const;
  void signal(int number) const;
  int wait();  // exit code, or 128 + signal
  [[nodiscard]] std::string err() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  TemporaryFolder folder_{};
  pid_t pid_ = -1;
};

}  // namespace svcbench::testing
