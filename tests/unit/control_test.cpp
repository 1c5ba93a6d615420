// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What each figure is held against.
#include "run/control.h"

#include <doctest/doctest.h>

#include "run/cells.h"

namespace svcbench {
namespace {

std::string control(const Run& run, const Cell& cell) {
  const Cell* found = control_of(run, cell);
  return found == nullptr ? "" : found->id;
}

TEST_CASE("control: the same work without a plane, at the same size where it was measured") {
  const auto path = [](std::string plane, std::size_t services, const char* flow, const char* position) {
    return path_cell(std::move(plane), services, flow, position, "UDP", "IPv4", "ns");
  };
  Run run;
  add(run, {path("null", 100, "new flow", "last"), path("null", 1000, "new flow", "last"),
            path("null", 1000, "established flow", "last"), path("sink", 1000, "new flow", "last")});
  CHECK(control(run, path("nftables", 1000, "new flow", "last")) == "path/null/1000/new/last/UDP");
  CHECK(control(run, path("nftables", 100, "new flow", "random")) == "path/null/100/new/last/UDP");
  CHECK(control(run, path("nftables", 50, "new flow", "last")) == "path/null/100/new/last/UDP");
  CHECK(control(run, path("nftables", 1000, "established flow", "first")) ==
        "path/null/1000/established/last/UDP");
  CHECK(control(run, path("nftables", 1000, "reply", "random")).empty());
  // What others are held against is held against nothing.
  CHECK(control(run, run.cells[0]).empty());
  CHECK(control(run, run.cells[3]).empty());
  const Cell throughput = throughput_cell(path("nftables", 1000, "new flow", "last"));
  CHECK(control(run, throughput).empty());
  add(run, throughput_cell(path("null", 1000, "new flow", "last")));
  CHECK(control(run, throughput) == "throughput/null/1000/new/last/UDP");
}

TEST_CASE("control: what tools do, what one call does, what a program does") {
  Run run;
  const auto program = [](const char* depth) { return program_cell("xdp", 100, depth, "uniform", "IPv4"); };
  CHECK(control(run, sync_cell("nftables", 100)).empty());  // it was not calibrated
  Run loads;
  add(loads, floor_cell("exec", ""));
  CHECK(control(loads, chapter_cell("nft", 100, "reload")) == "floor/exec");
  for (const char* name : {"multiplication", "cache-miss", "syscall", "child"}) {
    add(run, calibration_cell(name, name));
  }
  CHECK(control(run, sync_cell("nftables", 100)) == "calibration/child");
  CHECK(control(run, sync_cell("ebpf-tc", 100)) == "calibration/syscall");
  CHECK(control(run, chapter_cell("nft", 100, "reload")) == "calibration/child");
  CHECK(control(run, connect_cell("nftables", 100, "udp-connect")).empty());
  const Cell update = update_cell("ebpf", 100, "change endpoints", "");
  CHECK(control(run, update) == "calibration/syscall");
  add(run, update_cell("bare", 100, "change endpoints", ""));
  CHECK(control(run, update) == "update/bare/100/change");
  CHECK(control(run, run.cells.back()) == "calibration/syscall");
  CHECK(control(run, update_cell("ebpf", 100, "add service", "")) == "calibration/syscall");
  add(run, program("bare"));
  CHECK(control(run, program("dnat")) == "program/ebpf-xdp/100/bare/uniform/IPv4");
  CHECK(control(run, program("bare")) == "calibration/multiplication");
  add(run, connect_cell("plain", 100, "udp-connect"));
  CHECK(control(run, connect_cell("nftables", 100, "udp-connect")) == "connect/plain/100/udp-connect");
  // Bytes and entries are held against nothing.
  CHECK(control(run, state_cell("nftables", 100, "kernel-memory")).empty());
}

}  // namespace
}  // namespace svcbench
