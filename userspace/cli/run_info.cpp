// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/run_info.h"

#include <fmt/ranges.h>
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "report/full.h"
#include "report/screen.h"
#include "revision.h"
#include "sys/environment.h"

namespace svcbench {

namespace {

// The command line as it was typed, from the kernel: the program and its arguments.
std::vector<std::string> typed_words() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) {
    words.push_back(word);
  }
  return words;
}

// Of the locale that the environment asks for, without making it the program's: what is a letter in an id
// stays as in C. One that is not installed is C.
bool locale_is_utf8() {
  const locale_t locale = newlocale(LC_CTYPE_MASK, "", nullptr);
  if (locale == nullptr) {
    return false;
  }
  const bool utf8 = std::string_view(nl_langinfo_l(CODESET, locale)) == "UTF-8";
  freelocale(locale);
  return utf8;
}

}  // namespace

bool wants_colour() { return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

Bars wanted_bars(const TableInput& input) {
  return !input.ascii && locale_is_utf8() ? Bars::blocks : Bars::digits;
}

nlohmann::json describe_shape(const WorkloadInput& input) {
  if (!input.cluster.empty()) {
    return {};
  }
  return {{"endpoints", input.endpoints}, {"family", input.family}, {"protocol", input.protocol}};
}

nlohmann::json describe_command(std::string_view command, std::uint64_t seed) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  std::vector<std::string> words = typed_words();
  const std::string line = fmt::format("{}", fmt::join(words, " "));
  words.erase(words.begin(), words.begin() + std::min<std::ptrdiff_t>(1, std::ssize(words)));
  return {{"command", command},
          {"command_line", line},
          {"arguments", words},
          {"svcbench_version", SVCBENCH_VERSION},
          {"git_revision", SVCBENCH_REVISION},
          {"started_unix_seconds", now.count()},
          {"seed", seed},
          {"bpf_compiler", SVCBENCH_BPF_COMPILER}};
}

nlohmann::json describe_run(std::string_view command, const WorkloadInput& input,
                            const std::vector<std::size_t>& sweep, const WorkloadInput::Made& made,
                            std::size_t rounds, double budget_seconds) {
  nlohmann::json run = describe_command(command, input.seed);
  run.update({{"rounds", rounds},
              {"budget_seconds", budget_seconds},
              {"sweep", sweep},
              {"workload", made.description},
              {"shape", describe_shape(input)},
              {"notes", made.notes}});
  if (!input.cluster.empty()) {
    run["skipped"] = skipped_json(made.skipped);
  }
  return run;
}

void add_notes(nlohmann::json& run, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    run["notes"].push_back(note);
  }
}

Surroundings::Surroundings()
    : environment_(describe_environment()),
      warnings_(noise_warnings(environment_)),
      before_(CpuLook::now()) {
  environment_["noise"]["warnings"] = warnings_;
}

nlohmann::json Surroundings::finished() const {
  const Meanwhile meanwhile = between(before_, CpuLook::now());
  nlohmann::json out = environment_;
  const auto or_null = [](const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  out["noise"]["meanwhile"] = noise_meanwhile(meanwhile);
  for (const std::string& sentence : visits_.disturbed()) {
    out["noise"]["meanwhile"].push_back(sentence);
  }
  out["noise"]["steal_share"] = or_null(meanwhile.steal_share);
  out["noise"]["mhz_ratio"] = or_null(meanwhile.mhz_ratio);
  out["noise"]["involuntary_switches"] = meanwhile.switches;
  if (!visits_.visits().empty()) {
    out["noise"]["visits"] = nlohmann::json::array({visits_.json()});
  }
  return out;
}

std::string printed(const Run& run, const TableInput& input) {
  return input.full ? render_full(run, wants_colour(), wanted_bars(input))
                    : render_screen(run, wants_colour());
}

std::string printed(const Run& run, const TableInput& input, const std::string& everything) {
  return input.full ? full_heading(run) + everything : render_screen(run, wants_colour());
}

}  // namespace svcbench
