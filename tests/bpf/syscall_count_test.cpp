// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How many bpf(2) calls a change takes, counted where libbpf makes them.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>

#include "plane/ebpf/ebpf_plane.h"
#include "service/workload.h"

namespace {
long bpf_calls = 0;
}

// Takes the place of the C library's in this program and in libbpf, which calls bpf(2) through it.
extern "C" long syscall(long number, ...) noexcept {
  using Syscall = long (*)(long, long, long, long, long, long, long);
  static const auto real = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  long argument[6];
  va_list list;
  va_start(list, number);
  for (long& one : argument) {
    one = va_arg(list, long);
  }
  va_end(list);
  bpf_calls += number == SYS_bpf ? 1 : 0;
  return real(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

namespace svcbench::testing {
namespace {

long calls_of(EbpfPlane& plane, Operation operation, const Service& service) {
  const Change change{operation, service};
  const long before = bpf_calls;
  REQUIRE(plane.stage(change));
  REQUIRE(plane.commit());
  return bpf_calls - before;
}

TEST_CASE(
    "a change of a service of three endpoints is one bpf(2) call, and so are adding and removing it") {
  const Workload workload = Workload::generate(100, 3, {Family::ipv4, Family::ipv6}, 1).value();
  auto plane =
      EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services()), .programs = false})
          .value();
  REQUIRE(plane->install(workload.services()));
  CHECK(bpf_calls > 0);  // the count counts
  for (const std::size_t place : {0U, 1U}) {
    CHECK(calls_of(*plane, Operation::change_endpoints,
                   workload.changed(workload.services()[place], place)) == 1);
    CHECK(calls_of(*plane, Operation::add_service, workload.added(place)) == 1);
    CHECK(calls_of(*plane, Operation::remove_service, workload.added(place)) == 1);
  }
}

TEST_CASE("an install is two batches a family, one where backends are written through memory") {
  const Workload workload = Workload::generate(1000, 3, {Family::ipv4}, 1).value();
  const auto calls = [&](MapWrites writes) {
    auto plane = EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services()),
                                  .writes = writes,
                                  .programs = false})
                     .value();
    const long before = bpf_calls;
    REQUIRE(plane->install(workload.services()));
    return bpf_calls - before;
  };
  CHECK(calls(MapWrites::single) == 4000);
  CHECK(calls(MapWrites::batch) == 2);
  CHECK(calls(MapWrites::mapped) == 1);
}

}  // namespace
}  // namespace svcbench::testing
