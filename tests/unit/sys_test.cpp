// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/environment.h"
#include "sys/fd.h"
#include "sys/features.h"
#include "sys/interrupt.h"
#include "sys/iptables_backend.h"
#include "sys/memfd.h"

namespace svcbench {
namespace {

void pause_ms(long ms) {
  const timespec time{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

// Exit status of a forked child that runs `body`.
template <typename Body>
pid_t fork_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  return child;
}

int status_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class TemporaryFolder {
 public:
  TemporaryFolder() : path_("/tmp/svcbench-test-XXXXXX") { REQUIRE(mkdtemp(path_.data()) != nullptr); }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string path(const std::string& name = "") const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << text;
  }
  void write_program(const std::string& name, const std::string& text) const {
    write(name, "#!/bin/sh\n" + text);
    std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("fd: one owner, closed once") {
  Fd memory = *memfd_of("test", "x");
  const int number = memory.get();
  Fd moved = std::move(memory);
  CHECK(moved.get() == number);
  moved.reset();
  CHECK(!moved.valid());
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("memfd: holds the text, and is read from its start") {
  const auto memory = memfd_of("test", "some text");
  REQUIRE(memory);
  std::string read(16, '\0');
  CHECK(::read(memory->get(), read.data(), read.size()) == 9);
  CHECK(read.substr(0, 9) == "some text");
  CHECK(*whole_text(*memory) == "some text");  // wherever the offset is
}

TEST_CASE("child: both streams, the exit code, and what it cost") {
  const auto result = run_child({"sh", "-c", "echo out; echo err >&2; exit 3"});
  REQUIRE(result);
  CHECK(result->exit_status == 3);
  CHECK(result->out == "out\n");
  CHECK(result->err == "err\n");
  CHECK(result->first_error_line() == "err");
  CHECK(result->wall_ns > 0);
  CHECK(result->wall_ns < 10'000'000'000);
}

TEST_CASE("child: CPU time is the child's") {
  const auto result = run_child({"sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"});
  REQUIRE(result);
  CHECK(result->user_us > 1000);
  CHECK((result->user_us + result->system_us) * 1000 <= result->wall_ns * 2);
}

TEST_CASE("child: ended by a signal is 128 + its number") {
  const auto result = run_child({"sh", "-c", "kill -TERM $$"});
  REQUIRE(result);
  CHECK(result->exit_status == 128 + SIGTERM);
}

TEST_CASE("child: a program that is not there is an error with a remedy") {
  for (const char* name : {"svcbench-no-such-program", "/nonexistent/program"}) {
    const auto result = run_child({name});
    REQUIRE(!result);
    CHECK(result.error().kind == Error::Kind::failure);
    CHECK(result.error().message.find(name) != std::string::npos);
    CHECK(result.error().message.find("install") != std::string::npos);
  }
}

TEST_CASE("child: what exec refuses is an error, not a result") {
  const TemporaryFolder folder;
  folder.write("broken",
               "\x7f"
               "ELF but nothing more");
  std::filesystem::permissions(folder.path("broken"), std::filesystem::perms::owner_all);
  const auto result = run_child({folder.path("broken")});
  REQUIRE(!result);
  CHECK(result.error().message.find("Exec format error") != std::string::npos);
}

TEST_CASE("child: much output on both streams neither blocks nor is cut") {
  const auto result =
      run_child({"sh", "-c", "head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait"});
  REQUIRE(result);
  CHECK(result->exit_status == 0);
  CHECK(result->out.size() == 3'000'000);
  CHECK(result->err.size() == 2'000'000);
}

TEST_CASE("child: more output than the limit is an error") {
  ChildOptions options;
  options.capture_limit = 100'000;
  const auto result = run_child({"head", "-c", "100001", "/dev/zero"}, options);
  REQUIRE(!result);
  CHECK(result.error().message.find("100000 bytes") != std::string::npos);
  CHECK(run_child({"head", "-c", "100000", "/dev/zero"}, options)->out.size() == 100'000);
}

TEST_CASE("child: reads the given stdin, else nothing") {
  const auto input = memfd_of("input", "given");
  REQUIRE(input);
  ChildOptions options;
  options.stdin_fd = input->get();
  CHECK(run_child({"cat"}, options)->out == "given");
  CHECK(run_child({"cat"})->out.empty());
}

TEST_CASE("child: its environment is ours, LC_ALL=C and the extra ones") {
  setenv("LC_ALL", "de_DE.UTF-8", 1);
  setenv("SVCBENCH_TEST_INHERITED", "yes", 1);
  ChildOptions options;
  options.environment = {"SVCBENCH_TEST_EXTRA=1"};
  const auto result = run_child({"env"}, options);
  unsetenv("LC_ALL");
  unsetenv("SVCBENCH_TEST_INHERITED");
  REQUIRE(result);
  CHECK(result->out.find("LC_ALL=C\n") != std::string::npos);
  CHECK(result->out.find("de_DE") == std::string::npos);
  CHECK(result->out.find("SVCBENCH_TEST_INHERITED=yes\n") != std::string::npos);
  CHECK(result->out.find("SVCBENCH_TEST_EXTRA=1\n") != std::string::npos);
}

TEST_CASE("child: no signal is blocked in it, and our mask is as before") {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigset_t before;
  sigprocmask(SIG_BLOCK, &mask, &before);
  const auto result = run_child({"grep", "SigBlk", "/proc/self/status"});
  sigset_t after;
  sigprocmask(SIG_SETMASK, &before, &after);
  REQUIRE(result);
  CHECK(result->out == "SigBlk:\t0000000000000000\n");
  CHECK(sigismember(&after, SIGUSR1) == 1);
  CHECK(sigismember(&after, SIGINT) == 0);
}

TEST_CASE("child: SIGTERM to svcbench kills it, and the error says interrupted") {
  const pid_t child = fork_child([] {
    catch_interrupts();
    const auto result = run_child({"sleep", "60"});
    const bool told = !result && result.error().kind == Error::Kind::interrupted &&
                      result.error().message == "interrupted by SIGTERM; nothing was left behind";
    const bool reaped = waitpid(-1, nullptr, 0) == -1 && errno == ECHILD;
    ChildOptions cleanup;
    cleanup.interruptible = false;
    const bool refused = !run_child({"true"});
    const bool cleans_up = run_child({"true"}, cleanup).has_value();
    return told && reaped && refused && cleans_up && interrupted() == SIGTERM ? 0 : 1;
  });
  pause_ms(100);
  kill(child, SIGTERM);
  CHECK(status_of(child) == 0);
}

TEST_CASE("child: one that has to put things back gets SIGTERM, and is waited for") {
  const pid_t child = fork_child([] {
    catch_interrupts();
    const auto file = empty_memfd("stderr");
    ChildOptions options;
    options.ended_by = SIGTERM;
    options.stderr_fd = file->get();
    const auto result = run_child(
        {"sh", "-c", "trap 'sleep 0.2; echo put back >&2; exit 0' TERM; sleep 60 & wait"}, options);
    const bool told = !result && result.error().kind == Error::Kind::interrupted;
    return told && *whole_text(*file) == "put back\n" ? 0 : 1;
  });
  pause_ms(200);
  kill(child, SIGTERM);
  CHECK(status_of(child) == 0);
}

TEST_CASE("child: does not outlive a svcbench that was killed") {
  // Its orphan becomes ours, so that its end can be seen.
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const pid_t child = fork_child([] { return run_child({"sleep", "60"}) ? 0 : 1; });
  pause_ms(100);
  kill(child, SIGKILL);
  CHECK(status_of(child) == 128 + SIGKILL);
  CHECK(status_of(-1) == 128 + SIGKILL);  // the sleep
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("interrupt: an ignored signal stays ignored") {
  const pid_t child = fork_child([] {
    (void)std::signal(SIGHUP, SIG_IGN);
    catch_interrupts();
    (void)std::raise(SIGHUP);
    const bool ignored = interrupted() == 0 && check_interrupted();
    (void)std::raise(SIGINT);
    return ignored && interrupted() == SIGINT && !check_interrupted() ? 0 : 1;
  });
  CHECK(status_of(child) == 0);
}

TEST_CASE("find_program: PATH first, the administrator's folders too, a path as it is") {
  const TemporaryFolder folder;
  folder.write_program("svcbench-test-program", "exit 0\n");
  folder.write("svcbench-test-data", "not executable");
  const std::string before = std::getenv("PATH");
  setenv("PATH", (":" + folder.path() + ":/bin").c_str(), 1);
  CHECK(find_program("svcbench-test-program") == folder.path() + "/svcbench-test-program");
  CHECK(!find_program("svcbench-test-data"));
  setenv("PATH", "/nonexistent", 1);
  CHECK(!find_program("svcbench-test-program"));
  CHECK(find_program("chroot").has_value());  // in /usr/sbin everywhere
  setenv("PATH", before.c_str(), 1);
  CHECK(find_program("/bin/sh") == "/bin/sh");
  CHECK(!find_program("/bin"));
  CHECK(!find_program(""));
}

TEST_CASE("capabilities: what is missing is named") {
  const auto bit = [](unsigned n) { return std::uint64_t{1} << n; };
  CHECK(missing_capabilities(bit(CAP_NET_ADMIN) | bit(CAP_SYS_ADMIN)).empty());
  CHECK(missing_capabilities(bit(CAP_NET_ADMIN) | bit(CAP_BPF)) ==
        std::vector<std::string>{"CAP_SYS_ADMIN"});
  CHECK(missing_capabilities(bit(CAP_SYS_ADMIN)) == std::vector<std::string>{"CAP_NET_ADMIN"});
  CHECK(missing_capabilities(0) == std::vector<std::string>{"CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_BPF"});
}

TEST_CASE("features: releases") {
  CHECK(release_at_least("5.15.0-91-generic", 5, 15));
  CHECK(release_at_least("6.1", 5, 15));
  CHECK(!release_at_least("5.4.0", 5, 15));
  CHECK(!release_at_least("4.19.1", 5, 15));
  CHECK(!release_at_least("unknown", 5, 15));
}

TEST_CASE("iptables: back end and label from --version") {
  CHECK(parse_iptables_version("iptables-restore v1.8.9 (nf_tables)\n").backend == "nft");
  CHECK(parse_iptables_version("iptables-restore v1.8.9 (nf_tables)\n").label == "iptables-nft 1.8.9");
  CHECK(parse_iptables_version("iptables-restore v1.8.9 (legacy)\n").label == "iptables-legacy 1.8.9");
  CHECK(parse_iptables_version("iptables-restore v1.6.1\n").label == "iptables-legacy 1.6.1");
  CHECK(parse_iptables_version("").label == "iptables-legacy");
}

TEST_CASE("iptables: the programs beside the one that is named") {
  const TemporaryFolder folder;
  for (const char* name : {"iptables-legacy", "iptables-legacy-restore", "iptables-legacy-save",
                           "ip6tables-legacy-restore", "ip6tables-legacy-save", "iptables-restore"}) {
    folder.write_program(name, "echo 'iptables-restore v1.8.10 (legacy)'\n");
  }
  for (const char* name : {"iptables-legacy", "iptables-legacy-restore"}) {
    const auto found = find_iptables(folder.path(name));
    REQUIRE(found);
    CHECK(found->restore == folder.path("iptables-legacy-restore"));
    CHECK(found->save == folder.path("iptables-legacy-save"));
    CHECK(found->restore6 == folder.path("ip6tables-legacy-restore"));
    CHECK(found->save6 == folder.path("ip6tables-legacy-save"));
    CHECK(found->label == "iptables-legacy 1.8.10");
    CHECK(found->backend == "legacy");
  }
  CHECK(find_iptables(folder.path("iptables-restore")).error().message.find("-save is not") !=
        std::string::npos);
  CHECK(find_iptables(folder.path("iptables-nft")).error().kind == Error::Kind::usage);
  CHECK(find_iptables("/bin/sh").error().kind == Error::Kind::usage);
}

TEST_CASE("environment: a fake machine, told as it is") {
  const TemporaryFolder root;
  root.write("proc/sys/kernel/osrelease", "6.1.0-test\n");
  root.write("etc/os-release", "NAME=x\nPRETTY_NAME=\"Test Linux 1\"\n");
  root.write("proc/cpuinfo",
             "processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu hypervisor sse\n\n"
             "processor\t: 1\nmodel name\t: Test CPU\nflags\t\t: fpu hypervisor sse\n");
  root.write("proc/sys/net/core/bpf_jit_enable", "1\n");
  root.write("sys/kernel/rcu_expedited", "1\n");
  root.write("proc/loadavg", "0.50 0.25 0.10 1/100 1234\n");
  root.write("proc/meminfo", "MemTotal:       16000 kB\n");
  root.write("proc/uptime", "12.5 20.0\n");
  const std::string cpu = "sys/devices/system/cpu/";
  root.write(cpu + "smt/active", "1\n");
  root.write(cpu + "cpufreq/policy0/scaling_governor", "powersave\n");
  root.write(cpu + "cpufreq/policy1/scaling_governor", "performance\n");
  root.write(cpu + "intel_pstate/no_turbo", "1\n");
  root.write(cpu + "vulnerabilities/meltdown", "Mitigation: PTI\n");
  root.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");

  const auto told = describe_environment(root.path());
  CHECK(told["kernel"]["release"] == "6.1.0-test");
  CHECK(told["distribution"] == "Test Linux 1");
  CHECK(told["cpu"]["model"] == "Test CPU");
  CHECK(told["cpu"]["logical"] == 2);
  CHECK(told["cpu"]["hypervisor"] == true);
  CHECK(told["cpu"]["smt_active"] == true);
  CHECK(told["cpu"]["governor"] == "performance, powersave");
  CHECK(told["cpu"]["boost"] == false);
  CHECK(told["cpu"]["vulnerabilities"]["meltdown"] == "Mitigation: PTI");
  CHECK(told["bpf"]["jit_enable"] == 1);
  CHECK(told["bpf"]["jit_harden"].is_null());
  CHECK(told["rcu"]["expedited"] == 1);
  CHECK(told["rcu"]["normal"].is_null());
  CHECK(told["clocksource"] == "tsc");
  CHECK(told["load_average"] == nlohmann::json{0.5, 0.25, 0.1});
  CHECK(told["memory_total_kib"] == 16000);
  CHECK(told["uptime_seconds"] == 12.5);
  CHECK(told["versions"]["libbpf"].is_string());
}

TEST_CASE("environment: nothing readable is null, never guessed") {
  const TemporaryFolder root;
  const auto told = describe_environment(root.path());
  for (const char* key :
       {"distribution", "clocksource", "load_average", "memory_total_kib", "uptime_seconds"}) {
    CHECK_MESSAGE(told[key].is_null(), key);
  }
  for (const char* key :
       {"model", "logical", "hypervisor", "smt_active", "governor", "boost", "vulnerabilities"}) {
    CHECK_MESSAGE(told["cpu"][key].is_null(), key);
  }
  CHECK(told["cpu"]["governor_reason"] == "no cpufreq");
  CHECK(told["kernel"]["release"].is_null());
  CHECK(told["bpf"]["jit_enable"].is_null());
}

}  // namespace svcbench
