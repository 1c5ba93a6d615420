// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "program.h"

#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/memfd.h"

namespace svcbench::testing {

namespace {

constexpr const char* binary = SVCBENCH_BINARY;

int code_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

void add_lines(std::set<std::string>& lines, const std::string& what,
               const std::vector<std::string>& argv) {
  const auto result = run_child(argv);
  std::istringstream text(result ? result->out : "");
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with("#")) {  // the date of iptables-save
      lines.insert(fmt::format("{} {}", what, line));
    }
  }
}

// Whether a BPF object bears one of svcbench's names: what others load meanwhile is not its doing.
bool is_ours(const std::string& name) {
  static constexpr const char* prefixes[] = {"svcb_",  "bench_", "wire_",    "services", "backends",
                                             "nodes4", "nodes6", "counters", "draws"};
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [&](const char* prefix) { return name.starts_with(prefix); });
}

template <typename Info, typename Next, typename Open>
void add_objects(std::set<std::string>& lines, const std::string& what, Next next, Open open_by_id) {
  for (__u32 id = 0; next(id, &id) == 0;) {
    const Fd fd(open_by_id(id));
    Info info{};
    __u32 size = sizeof(info);
    if (fd.valid() && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && is_ours(info.name)) {
      lines.insert(fmt::format("{} {} {}", what, id, info.name));
    }
  }
}

// doctest has no third result, so it is told before doctest starts.
[[maybe_unused]] const bool as_root = [] {
  if (geteuid() != 0) {
    std::puts("skipped: needs root");
    std::exit(77);
  }
  return true;
}();

}  // namespace

Ran run_program(const std::vector<std::string>& argv, const std::string& input) {
  const auto stdin_file = memfd_of("input", input).value();
  const auto result = run_child(argv, {.stdin_fd = stdin_file.get(), .environment = {}});
  if (!result) {
    return {-1, "", result.error().message};
  }
  return {result->exit_status, result->out, result->err};
}

Ran svcbench(const std::vector<std::string>& arguments, const std::string& input) {
  std::vector<std::string> argv{binary};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_program(argv, input);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

nlohmann::json read_json(const std::string& path) { return nlohmann::json::parse(read_file(path)); }

namespace {

std::vector<nlohmann::json> chosen(const nlohmann::json& run, const std::string& scenario, bool measured) {
  std::vector<nlohmann::json> cells;
  for (const nlohmann::json& cell : run["cells"]) {
    if (cell["scenario"] == scenario && (cell["origin"] == "measured") == measured) {
      cells.push_back(cell);
    }
  }
  return cells;
}

}  // namespace

std::vector<nlohmann::json> cells_of(const nlohmann::json& run, const std::string& scenario) {
  return chosen(run, scenario, true);
}

std::vector<nlohmann::json> left_out_of(const nlohmann::json& run, const std::string& scenario) {
  return chosen(run, scenario, false);
}

nlohmann::json cell_of(const nlohmann::json& run, const std::string& id) {
  for (const nlohmann::json& cell : run["cells"]) {
    if (cell["id"] == id) {
      return cell;
    }
  }
  return {};
}

void check_against_schema(const std::string& path, const std::string& schema) {
  if (run_program({"python3", "-c", "import jsonschema"}).status != 0) {
    MESSAGE("no jsonschema for python3 here: the schema is not checked");
    return;
  }
  const std::string root = std::filesystem::path(SVCBENCH_TEST_DATA).parent_path().parent_path();
  const Ran ran = run_program(
      {"python3", root + "/tests/validate_json.py", root + "/docs/" + schema + ".schema.json", path});
  CHECK_MESSAGE(ran.status == 0, ran.err);
}

HostState HostState::now() {
  HostState state;
  add_objects<bpf_prog_info>(state.lines, "bpf program", bpf_prog_get_next_id, bpf_prog_get_fd_by_id);
  add_objects<bpf_map_info>(state.lines, "bpf map", bpf_map_get_next_id, bpf_map_get_fd_by_id);
  add_lines(state.lines, "namespace", {"ip", "netns", "list"});
  for (const char* save : {"iptables-nft-save", "iptables-legacy-save", "ip6tables-nft-save"}) {
    add_lines(state.lines, save, {save});
  }
  std::ifstream links("/proc/net/dev");
  for (std::string line; std::getline(links, line);) {
    state.lines.insert("link " + line.substr(0, line.find(':')));
  }
  return state;
}

bool host_becomes(const HostState& before) {
  for (int tries = 0; tries < 50; ++tries) {
    const HostState after = HostState::now();
    if (std::includes(before.lines.begin(), before.lines.end(), after.lines.begin(), after.lines.end())) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

Background::Background(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const std::string err = folder_.path("err");
  const std::string out = folder_.path("out");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    execv(binary, argv.data());
    _exit(127);
  }
}

Background::~Background() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

std::string Background::err() const { return read_file(folder_.path("err")); }

bool Background::wait_for(const std::string& text) const {
  for (int tries = 0; tries < 300; ++tries) {
    if (err().find(text) != std::string::npos) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

void Background::signal(int number) const { kill(pid_, number); }

int Background::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return code_of(status);
}

}  // namespace svcbench::testing
