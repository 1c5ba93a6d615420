// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Kernel memory against installations whose size is known otherwise, and connection tracking entries. Needs
// root.
#include <doctest/doctest.h>
#include <netinet/in.h>  // before the kernel's own, which then leaves these names alone

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "measure/state.h"
#include "plane/ebpf/attached_ebpf.h"
#include "plane/iptables_chapter.h"
#include "plane/null_plane.h"
#include "private_place.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/memfd.h"
#include "tries.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;

constexpr double mib = 1 << 20;

std::vector<Service> services(std::uint32_t count) {
  std::vector<Service> result;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one;
    one.name = fmt::format("test/service-{}", i);
    one.frontend = {Address::from_ipv4(0xAC100000U + i), 80, Protocol::tcp};
    one.endpoints = {{Address::from_ipv4(0x0AB40000U + i), 8080}};
    result.push_back(one);
  }
  return result;
}

// The kernel's own account of this namespace's nat table (iptables-legacy).
ipt_getinfo nat_table() {
  const Fd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  ipt_getinfo info{};
  std::strcpy(info.name, "nat");
  socklen_t size = sizeof info;
  REQUIRE(getsockopt(raw.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) == 0);
  return info;
}

// The kernel keeps some of these pages, and gives them to whoever asks next.
void leave_unused_per_cpu_memory() {
  constexpr std::uint32_t most_bytes = 32768;  // of one element and CPU
  const Fd map(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "svcb_slack", sizeof(std::uint32_t), most_bytes,
                              96, nullptr));
  REQUIRE(map.valid());
}

}  // namespace

TEST_CASE("kernel memory: iptables' table and its counters, as the kernel itself counts them") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto iptables = find_iptables("iptables-legacy-restore");
  if (!iptables) {
    MESSAGE("skipped: " << iptables.error().message);
    return;
  }
  in_private_namespaces([&] {
    leave_unused_per_cpu_memory();
    const auto wanted = services(5000);
    std::unique_ptr<IptablesChapter> plane;
    ipt_getinfo table{};
    CHECK(test::in_one_of(3, [&] {
      const auto memory = must(kernel_memory(
          [&] {
            plane = std::make_unique<IptablesChapter>(*iptables);
            Status status = plane->install(wanted);
            table = nat_table();
            return status;
          },
          [&] {
            plane.reset();
            leave_unused_per_cpu_memory();  // for the next cycle
            return Status();
          }));
      // An xt_counters for each entry and CPU (there are more entries than rules: two a chain).
      const double counters =
          static_cast<double>(table.num_entries) * sizeof(xt_counters) * libbpf_num_possible_cpus();
      MESSAGE(memory.summary << fmt::format("; table {:.2f} MiB, counters {:.2f} MiB", table.size / mib,
                                            counters / mib));
      return memory.conclusive && memory.vmalloc.value == doctest::Approx(table.size).epsilon(0.05) &&
             memory.per_cpu.value == doctest::Approx(counters).epsilon(0.3);
    }));
  });
}

TEST_CASE("kernel memory: BPF maps, as their own accounting has them") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const auto wanted = services(20'000);
    std::unique_ptr<AttachedEbpf> plane;
    double own = 0;
    CHECK(test::in_one_of(3, [&] {
      const auto memory = must(kernel_memory(
          [&]() -> Status {
            plane = std::make_unique<AttachedEbpf>(EbpfHook::tc, PlaneConfiguration{});
            SVCB_CHECK(plane->install(wanted));
            SVCB_TAKE(bytes, plane->kernel_bytes());
            own = static_cast<double>(*bytes);
            return {};
          },
          [&] {
            plane.reset();
            return Status();
          }));
      MESSAGE(memory.summary << "; own account " << own / mib);
      return memory.conclusive && memory.total.value == doctest::Approx(own).epsilon(0.1);
    }));
  });
}

TEST_CASE("kernel memory: nothing installed is inconclusive, not a small figure") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto nothing = [] { return Status(); };
  CHECK(test::in_one_of(3, [&] {
    const auto memory = must(kernel_memory(nothing, nothing));
    MESSAGE(memory.summary);
    return memory.total.value < 1 * mib && !memory.conclusive;
  }));
}

TEST_CASE("connection tracking: none without a rule that asks for it, one a flow with a nat table") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const std::vector<Family> families{Family::ipv4};
    const std::vector<Protocol> protocols{Protocol::tcp, Protocol::udp};
    const Workload workload = must(Workload::generate(4, 1, families, 1, protocols));
    const auto wire = must(Wire::create(PathTargets::needs(workload.services())));
    const PathTargets targets =
        must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto rig = must(PathRig::with_plane(*wire, make_null, {}, workload.services()));
    for (const Protocol protocol : protocols) {
      CHECK(must(conntrack_per_1000_flows(*rig, targets, protocol)) == 0);
    }

    {
      // It is the target that starts the tracking, not the table; no packet of ours meets the rule.
      const auto rules = must(memfd_of(
          "rules", "*nat\n-A PREROUTING -p udp --dport 9 -j DNAT --to-destination 10.180.0.9\nCOMMIT\n"));
      const auto inside = must(rig->testbed().node().enter());
      ChildOptions options;
      options.stdin_fd = rules.get();
      const auto loaded = run_child({"iptables-restore"}, options);
      if (!loaded) {
        MESSAGE("skipped: " << loaded.error().message);
        return;
      }
      REQUIRE_MESSAGE(loaded->exit_status == 0, loaded->first_error_line());
    }
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::udp}) {  // it is emptied before
      CHECK(must(conntrack_per_1000_flows(*rig, targets, protocol)) == 1000);
    }
  });
}

}  // namespace svcbench
