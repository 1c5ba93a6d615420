// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/iptables_backend.h"
#include "sys/memfd.h"
#include "sys/sandbox.h"

namespace svcbench {
namespace {

constexpr int minimum_major = 5;
constexpr int minimum_minor = 15;

constexpr const char* privileges_remedy = "run it with sudo (in a container: --privileged)";

// What a probe finds: evidence, or an Error whose message says why not.
using Evidence = Result<std::string>;

Feature feature(std::string name, std::string_view purpose, const Evidence& evidence, std::string remedy) {
  Feature result;
  result.name = std::move(name);
  result.available = evidence.has_value();
  const std::string& seen = evidence ? *evidence : evidence.error().message;
  result.detail = seen.empty() ? std::string(purpose) : fmt::format("{}: {}", purpose, seen);
  result.remedy = evidence ? "" : std::move(remedy);
  return result;
}

// ---- children with namespaces of their own ----

void tell_parent(const Fd& report, const Status& status) {
  if (!status) {
    const auto& message = status.error().message;
    (void)!write(report.get(), message.data(), message.size());
  }
}

// Runs `probe` in a forked child that has entered private namespaces. A plain fork(): nothing is timed
// here.
Evidence in_private_namespaces(const std::function<Status()>& probe) {
  SVCB_TAKE(report, empty_memfd("probe"));
  (void)std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    return failure("{}", with_errno("cannot start a process", errno));
  }
  if (child == 0) {
    Status status = enter_private_namespaces();
    if (status) {
      status = probe();
    }
    tell_parent(report, status);
    _exit(status ? EXIT_SUCCESS
                 : EXIT_FAILURE);  // not exit(): the parent's buffers and objects are not ours
  }
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS) {
    return std::string("works");
  }
  SVCB_TAKE(why, whole_text(report));
  return failure("{}", why.empty() ? std::string("the probe ended by a signal") : why);
}

Status expect_success(const std::vector<std::string>& argv, const ChildOptions& options = {}) {
  SVCB_TAKE(result, run_child(argv, options));
  if (result.exit_status != 0) {
    return failure("{}: exit status {}, {}", argv.front(), result.exit_status, result.first_error_line());
  }
  return {};
}

// ---- kernel ----

Feature probe_kernel() {
  utsname name{};
  (void)uname(&name);
  const std::string release = name.release;
  const Evidence evidence = release_at_least(release, minimum_major, minimum_minor)
                                ? Evidence(release)
                                : failure("this is {}", release);
  return feature(fmt::format("kernel >= {}.{}", minimum_major, minimum_minor),
                 "what the BPF programs are written for", evidence, "boot a newer kernel");
}

Feature probe_privileges() {
  const Status privileges = require_privileges();
  return feature("privileges", "to load programs and to make namespaces",
                 privileges ? Evidence("CAP_NET_ADMIN, CAP_SYS_ADMIN") : tl::unexpected(privileges.error()),
                 privileges_remedy);
}

Feature probe_btf() {
  const bool there = std::filesystem::exists("/sys/kernel/btf/vmlinux");
  return feature(
      "kernel BTF", "optional",
      there ? Evidence("/sys/kernel/btf/vmlinux") : failure("no /sys/kernel/btf/vmlinux"),
      "a kernel with CONFIG_DEBUG_INFO_BTF; nothing needs it: no program touches a kernel structure whose "
      "layout could differ");
}

Evidence jit_setting() {
  std::ifstream file("/proc/sys/net/core/bpf_jit_enable");
  int setting = 0;
  if (!(file >> setting)) {
    return failure("/proc/sys/net/core/bpf_jit_enable cannot be read");
  }
  if (setting == 0) {
    return failure("net.core.bpf_jit_enable is 0: programs are interpreted, several times slower");
  }
  return fmt::format("net.core.bpf_jit_enable is {}", setting);
}

// ---- BPF maps ----

struct MapShape {
  bpf_map_type type = BPF_MAP_TYPE_HASH;
  __u32 flags = 0;
};

Result<Fd> scratch_map(const MapShape& shape, int inner = -1) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = shape.flags);
  if (inner >= 0) {
    options.inner_map_fd = static_cast<__u32>(inner);
  }
  Fd map(bpf_map_create(shape.type, "svcb_probe", sizeof(__u32), sizeof(__u32), 2, &options));
  if (!map.valid()) {
    return failure("{}", with_errno("cannot create a map", errno));
  }
  return map;
}

Evidence probe_map(const MapShape& shape) {
  SVCB_TAKE(map, scratch_map(shape));
  return std::string("works");
}

Evidence probe_batch(const MapShape& shape) {
  SVCB_TAKE(map, scratch_map(shape));
  const std::array<__u32, 2> keys{0, 1};
  const std::array<__u32, 2> values{7, 8};
  __u32 count = 2;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  if (const int error = bpf_map_update_batch(map.get(), keys.data(), values.data(), &count, &options);
      error != 0) {
    return failure("{}", with_errno("the kernel refused BPF_MAP_UPDATE_BATCH", -error));
  }
  __u32 value = 0;
  if (bpf_map_lookup_elem(map.get(), &keys[1], &value) != 0 || value != values[1]) {
    return failure("BPF_MAP_UPDATE_BATCH did not write the second of two elements");
  }
  return std::string("works");
}

Evidence probe_mmapable() {
  SVCB_TAKE(map, scratch_map({BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE}));
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (memory == MAP_FAILED) {
    return failure("{}", with_errno("cannot map an array into memory", errno));
  }
  munmap(memory, page);
  return std::string("works");
}

Evidence probe_map_in_map() {
  SVCB_TAKE(inner, scratch_map({BPF_MAP_TYPE_HASH, 0}));
  SVCB_TAKE(outer, scratch_map({BPF_MAP_TYPE_ARRAY_OF_MAPS, 0}, inner.get()));
  const __u32 key = 0;
  const int inner_fd = inner.get();
  if (const int error = bpf_map_update_elem(outer.get(), &key, &inner_fd, BPF_ANY); error != 0) {
    return failure("{}", with_errno("cannot put a map into an array of maps", -error));
  }
  return std::string("works");
}

// ---- BPF programs ----

constexpr int scratch_verdict = 2;  // XDP_PASS, TC_ACT_SHOT: any that is not the default

// "return 2", or another verdict.
Result<Fd> scratch_program(bpf_prog_type type, int verdict = scratch_verdict) {
  const std::array<bpf_insn, 2> program{{
      {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  }};
  Fd fd(bpf_prog_load(type, "svcb_probe", "Dual BSD/GPL", program.data(), program.size(), nullptr));
  if (!fd.valid()) {
    return failure("{}", with_errno("cannot load a program of two instructions", errno));
  }
  return fd;
}

Evidence probe_program_type(bpf_prog_type type) {
  const int answer = libbpf_probe_bpf_prog_type(type, nullptr);
  if (answer < 0) {
    return failure("{}", with_errno("cannot ask the kernel", -answer));
  }
  if (answer == 0) {
    SVCB_CHECK(scratch_program(type));  // whose error says why
    return failure("the kernel refuses the program type");
  }
  return std::string("works");
}

// A frame for the programs to look at.
std::array<char, 64> scratch_packet() {
  std::array<char, 64> packet{};
  packet[12] = 0x08;  // Ethernet type 0x0800: IPv4
  return packet;
}

Evidence probe_test_run(bpf_prog_type type) {
  SVCB_TAKE(program, scratch_program(type));
  const auto packet = scratch_packet();
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(), .data_size_in = packet.size(),
              .repeat = 1);
  if (const int error = bpf_prog_test_run_opts(program.get(), &options); error != 0) {
    return failure("{}", with_errno("the kernel refused BPF_PROG_TEST_RUN", -error));
  }
  if (options.retval != scratch_verdict) {
    return failure("BPF_PROG_TEST_RUN gave {} for a program that returns {}", options.retval,
                   scratch_verdict);
  }
  return std::string("works");
}

Status attach_clsact() {
  SVCB_TAKE(program, scratch_program(BPF_PROG_TYPE_SCHED_CLS));
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(if_nametoindex("lo")),
              .attach_point = BPF_TC_INGRESS);
  // Libbpf prints what the kernel says to stderr; it is in our sentence already.
  libbpf_set_print(nullptr);
  if (const int error = bpf_tc_hook_create(&hook); error != 0) {
    return failure("{}", with_errno("cannot create a clsact queueing discipline", -error));
  }
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program.get());
  if (const int error = bpf_tc_attach(&hook, &options); error != 0) {
    return failure("{}", with_errno("cannot attach a program to clsact", -error));
  }
  return {};
}

void add_bpf(std::vector<Feature>& features) {
  const std::string bpf_remedy = fmt::format("{}; the kernel needs CONFIG_BPF_SYSCALL", privileges_remedy);
  const std::string newer = fmt::format("{}, on a kernel >= 5.15", privileges_remedy);
  const MapShape hash{BPF_MAP_TYPE_HASH, 0};
  const MapShape array{BPF_MAP_TYPE_ARRAY, 0};
  features.push_back(feature("BPF system call", "everything eBPF", probe_map(array), bpf_remedy));
  features.push_back(feature("BPF hash map", "services by frontend", probe_map(hash), bpf_remedy));
  features.push_back(
      feature("batch update, hash map", "installing many services at once", probe_batch(hash), newer));
  features.push_back(
      feature("batch update, array", "installing many backends at once", probe_batch(array), newer));
  features.push_back(
      feature("mmapable array", "the schedule of packets, and time stamps", probe_mmapable(), newer));
  features.push_back(feature("map in map", "tables that are replaced whole", probe_map_in_map(), newer));
  features.push_back(
      feature("XDP programs", "the plane on XDP", probe_program_type(BPF_PROG_TYPE_XDP), newer));
  features.push_back(feature("sched_cls programs", "the plane on tc",
                             probe_program_type(BPF_PROG_TYPE_SCHED_CLS),
                             fmt::format("{}; the kernel needs CONFIG_NET_CLS_ACT", privileges_remedy)));
  features.push_back(feature("BPF_PROG_TEST_RUN, XDP", "timing a program without a network",
                             probe_test_run(BPF_PROG_TYPE_XDP), newer));
  features.push_back(feature("BPF_PROG_TEST_RUN, sched_cls", "timing a program without a network",
                             probe_test_run(BPF_PROG_TYPE_SCHED_CLS), newer));
  const Status live_frames = probe_live_frames();
  features.push_back(
      feature("BPF_PROG_TEST_RUN, live frames", "the path of a packet from wire to wire",
              live_frames ? Evidence("works") : tl::unexpected(live_frames.error()),
              fmt::format("{}, on a kernel >= 5.18; or run it in another kernel: tests/vm/run",
                          privileges_remedy)));
  features.push_back(feature("BPF JIT", "timings that mean something", jit_setting(),
                             "sysctl net.core.bpf_jit_enable=1, on a kernel with CONFIG_BPF_JIT"));
  features.push_back(
      feature("clsact", "attaching the plane on tc", in_private_namespaces(attach_clsact),
              fmt::format("{}; the kernel needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF "
                          "(modprobe sch_ingress cls_bpf)",
                          privileges_remedy)));
}

// ---- netfilter ----

Status restore_empty_nat(const std::string& program) {
  SVCB_TAKE(input, memfd_of("empty-nat", "*nat\nCOMMIT\n"));
  ChildOptions options;
  options.stdin_fd = input.get();
  return expect_success({program}, options);
}

// The flavour that has this back end, by its own name, or as what plain iptables is.
Result<IptablesBackend> find_flavour(const std::string& backend) {
  for (const std::string& program : {"iptables-" + backend + "-restore", std::string("iptables-restore")}) {
    const auto found = find_iptables(find_program(program));
    if (found && found->backend == backend) {
      return *found;
    }
  }
  return failure("no iptables-restore with the {} back end is on PATH or in /usr/sbin", backend);
}

Evidence try_iptables(const std::string& backend) {
  SVCB_TAKE(found, find_flavour(backend));
  SVCB_TAKE(works, in_private_namespaces([&] { return restore_empty_nat(found.restore); }));
  return fmt::format("{}, {}, {}", found.label, found.restore, works);
}

Evidence try_nft() {
  const auto nft = find_program("nft");
  if (!nft) {
    return failure("nft is neither on PATH nor in /usr/sbin");
  }
  SVCB_TAKE(works, in_private_namespaces([&] {
              return expect_success({*nft, "add", "table", "ip", "svcbench-probe"});
            }));
  SVCB_TAKE(version, run_child({*nft, "--version"}));
  return fmt::format("{}, {}, {}", version.out.substr(0, version.out.find('\n')), *nft, works);
}

// Not by asking netlink for the family "IPVS": the kernel would load the module to answer.
Evidence look_for_ipvs() {
  if (std::filesystem::exists("/proc/net/ip_vs")) {
    return std::string("/proc/net/ip_vs is there");
  }
  const auto modprobe = find_program("modprobe");
  if (!modprobe) {
    return failure(
        "this kernel has no IPVS: no /proc/net/ip_vs, and no modprobe to look for the module with");
  }
  SVCB_TAKE(dry_run, run_child({*modprobe, "--dry-run", "ip_vs"}));
  if (dry_run.exit_status != 0) {
    return failure("this kernel has no IPVS: no /proc/net/ip_vs, and no module ip_vs");
  }
  return std::string("the module ip_vs is not loaded, but can be");
}

// What helps depends on how far a probe came.
std::string remedy_for(bool installed, const std::string& package, const std::string& kernel) {
  if (!installed) {
    return "apt-get install " + package;
  }
  return require_privileges() ? "the kernel needs " + kernel : privileges_remedy;
}

void add_netfilter(std::vector<Feature>& features) {
  const std::string purpose = "the plane iptables";
  features.push_back(feature("iptables-restore, nft back end", purpose, try_iptables("nft"),
                             remedy_for(find_flavour("nft").has_value(), "iptables (1.8 or later)",
                                        "CONFIG_NFT_COMPAT and CONFIG_NFT_NAT")));
  features.push_back(feature("iptables-restore, legacy back end", purpose, try_iptables("legacy"),
                             remedy_for(find_flavour("legacy").has_value(), "iptables",
                                        "CONFIG_IP_NF_NAT (modprobe iptable_nat), and since 6.17 "
                                        "CONFIG_NETFILTER_XTABLES_LEGACY")));
  features.push_back(feature("nft", "for the plane nftables", try_nft(),
                             remedy_for(find_program("nft").has_value(), "nftables", "CONFIG_NF_TABLES")));
  features.push_back(
      feature("IPVS", "for the plane ipvs", look_for_ipvs(),
              "modprobe ip_vs, or install the package with the kernel's extra modules (Ubuntu: "
              "linux-modules-extra), or boot a kernel built with CONFIG_IP_VS; or run it in another "
              "kernel: tests/vm/run"));
}

}  // namespace

bool release_at_least(const std::string& release, int major, int minor) {
  int has_major = 0;
  int has_minor = 0;
  // NOLINTNEXTLINE(cert-err34-c): a release that does not parse is told by the count
  if (std::sscanf(release.c_str(), "%d.%d", &has_major, &has_minor) != 2) {
    return false;
  }
  return has_major > major || (has_major == major && has_minor >= minor);
}

Status probe_live_frames() {
  SVCB_TAKE(program, scratch_program(BPF_PROG_TYPE_XDP, XDP_DROP));
  const auto packet = scratch_packet();
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(), .data_size_in = packet.size(),
              .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);
  const int error = bpf_prog_test_run_opts(program.get(), &options);
  if (error == -EINVAL) {  // as a flag that the kernel does not know
    return failure("this kernel sends no live frames with BPF_PROG_TEST_RUN (5.18 and newer do)");
  }
  return error == 0 ? Status()
                    : failure("{}", with_errno("send a live frame with BPF_PROG_TEST_RUN", -error));
}

std::vector<Feature> probe_features() {
  std::vector<Feature> features;
  features.push_back(probe_kernel());
  features.push_back(probe_privileges());
  features.push_back(feature("private network namespaces", "rules and traffic that meet nobody else's",
                             in_private_namespaces([] { return Status(); }),
                             fmt::format("{}; the kernel needs CONFIG_NET_NS", privileges_remedy)));
  add_bpf(features);
  features.push_back(probe_btf());
  add_netfilter(features);
  return features;
}

}  // namespace svcbench
