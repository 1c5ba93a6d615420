// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/program/program_bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <utility>

#include "bench.skel.h"
#include "plane.skel.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

// XDP_PASS and TC_ACT_OK: what both hooks return for a packet that goes on.
std::uint32_t pass_verdict(Hook hook) { return hook == Hook::xdp ? 2 : 0; }

// The size of draws4 and draws6: four schedules, one after another; one entry where a family is not there.
template <typename Schedules>
std::uint32_t draws_size(const Schedules& schedules) {
  std::size_t size = 0;
  for (const auto& draws : schedules.draws) {
    size += draws.size();
  }
  return static_cast<std::uint32_t>(std::max<std::size_t>(size, 1));
}

Status share(bpf_map* map, bpf_map* with) {
  if (const int error = bpf_map__reuse_fd(map, bpf_map__fd(with)); error != 0) {
    return failure("eBPF: share map {}: {}", bpf_map__name(with), std::strerror(-error));
  }
  return {};
}

template <typename Overlay>
Status write_array(bpf_map* map, const std::vector<Overlay>& overlays) {
  const KernelMap array(bpf_map__fd(map), bpf_map__name(map), bpf_map__max_entries(map), "");
  std::vector<std::uint32_t> indices(overlays.size());
  std::iota(indices.begin(), indices.end(), 0U);
  SVCB_CHECK(array.update_batch(indices.data(), sizeof(std::uint32_t), overlays.data(), sizeof(Overlay),
                                static_cast<std::uint32_t>(overlays.size())));
  return {};
}

}  // namespace

std::string_view to_string(Hook hook) { return hook == Hook::xdp ? "xdp" : "tc"; }

std::string_view to_string(Depth depth) {
  switch (depth) {
    case Depth::empty:
      return "empty";
    case Depth::rewind:
      return "rewind";
    case Depth::bare:
      return "bare";
    case Depth::lookup:
      return "lookup";
    case Depth::dnat:
      return "dnat";
  }
  return "";
}

Result<std::unique_ptr<ProgramBench>> ProgramBench::load(const EbpfPlane& plane,
                                                         std::span<const Service> services,
                                                         std::uint64_t seed) {
  bench_bpf* skeleton = bench_bpf__open();
  if (skeleton == nullptr) {
    return failure("eBPF: open the benchmark programs: {}", std::strerror(errno));
  }
  std::unique_ptr<ProgramBench> bench(new ProgramBench(skeleton));
  const auto& shared = plane.skeleton().maps;
  auto& maps = skeleton->maps;
  SVCB_CHECK(share(maps.services4, shared.services4));
  SVCB_CHECK(share(maps.services6, shared.services6));
  SVCB_CHECK(share(maps.backends4, shared.backends4));
  SVCB_CHECK(share(maps.backends6, shared.backends6));
  SVCB_CHECK(share(maps.nodes4, shared.nodes4));
  SVCB_CHECK(share(maps.nodes6, shared.nodes6));
  SVCB_CHECK(share(maps.counters, shared.counters));

  for (const Service& service : services) {
    auto& own = service.frontend.address.family == Family::ipv4 ? bench->ipv4_ : bench->ipv6_;
    own.services.push_back(&service);
  }
  for (const Family family : bench->families()) {
    auto& own = family == Family::ipv4 ? bench->ipv4_ : bench->ipv6_;
    const std::size_t length = schedule_length(own.services.size());
    for (const Destination destination : all_destinations) {
      own.draws.push_back(
          make_schedule(own.services, destination, length, seed + static_cast<std::uint64_t>(destination)));
    }
  }
  bpf_map__set_max_entries(maps.draws4, draws_size(bench->ipv4_));
  bpf_map__set_max_entries(maps.draws6, draws_size(bench->ipv6_));
  if (const int error = bench_bpf__load(skeleton); error != 0) {
    return failure("eBPF: load the benchmark programs: {}", std::strerror(-error));
  }
  for (const Family family : bench->families()) {
    SVCB_CHECK(bench->write_draws(family));
  }
  return bench;
}

ProgramBench::~ProgramBench() { bench_bpf__destroy(skeleton_); }

std::vector<Family> ProgramBench::families() const {
  std::vector<Family> present;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto& own = schedules(family).services;
    if (std::any_of(own.begin(), own.end(), [](const Service* s) { return !s->endpoints.empty(); })) {
      present.push_back(family);
    }
  }
  return present;
}

Status ProgramBench::write_draws(Family family) {
  if (family == Family::ipv4) {
    std::vector<svcb_draw4> overlays;
    for (const auto& schedule : ipv4_.draws) {
      std::transform(schedule.begin(), schedule.end(), std::back_inserter(overlays), overlay4);
    }
    return write_array(skeleton_->maps.draws4, overlays);
  }
  std::vector<svcb_draw6> overlays;
  for (const auto& schedule : ipv6_.draws) {
    std::transform(schedule.begin(), schedule.end(), std::back_inserter(overlays), overlay6);
  }
  return write_array(skeleton_->maps.draws6, overlays);
}

Result<int> ProgramBench::program(Hook hook, Depth depth, Family family) const {
  const std::string family_suffix = family == Family::ipv4 ? "4" : "6";
  const std::string name = fmt::format("bench_{}_{}{}", to_string(hook), to_string(depth),
                                       depth == Depth::empty ? "" : family_suffix);
  const bpf_program* found = bpf_object__find_program_by_name(skeleton_->obj, name.c_str());
  if (found == nullptr) {
    return failure("eBPF: no program {}", name);
  }
  return bpf_program__fd(found);
}

void ProgramBench::rewind_to(Family family, Destination destination, std::size_t first,
                             std::uint32_t packets_a_burst) {
  const auto length = static_cast<std::uint32_t>(draws(family, destination).size());
  auto& state = *skeleton_->bss;
  state.burst = packets_a_burst;
  state.draws_base = static_cast<std::uint32_t>(destination) * length;
  state.draws_mask = length - 1;
  state.draws_next = static_cast<std::uint32_t>(first);
  state.until_stamp = 0;
  state.stamps_taken = 0;
  state.bare_hits = 0;
}

Result<ProgramBench::Run> ProgramBench::run(int program, Family family, std::uint32_t packets) {
  const PacketBytes in = packet_of(draws(family, Destination::hot).front());
  Run result{.out = PacketBytes(in.size() + 64)};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = result.out.data(),
              .data_size_in = static_cast<__u32>(in.size()),
              .data_size_out = static_cast<__u32>(result.out.size()), .repeat = static_cast<int>(packets));
  const int error = bpf_prog_test_run_opts(program, &options);
  SVCB_CHECK(check_interrupted());
  result.cut_off = error == -EINTR;
  if (error != 0 && !result.cut_off) {
    return failure("eBPF: BPF_PROG_TEST_RUN: {}", std::strerror(errno));
  }
  result.verdict = options.retval;
  result.kernel_ns = options.duration;
  result.out.resize(options.data_size_out);
  return result;
}

Result<ProgramBench::Counters> ProgramBench::counters() const {
  const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<std::uint64_t> of_cpus(cpus);
  Counters sums{};
  for (std::uint32_t outcome = 0; outcome < SVCB_OUTCOMES; ++outcome) {
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &outcome, of_cpus.data()) != 0) {
      return failure("eBPF: read the counters: {}", std::strerror(errno));
    }
    sums[outcome] = std::accumulate(of_cpus.begin(), of_cpus.end(), std::uint64_t{0});
  }
  return sums;
}

// Every packet counted once, and each as its destination says.
Status ProgramBench::check_counts(const Counters& before, const Counters& after, Destination destination,
                                  std::uint64_t packets, std::string_view what) const {
  const auto expected = destination == Destination::miss ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
  for (std::size_t outcome = 0; outcome < SVCB_OUTCOMES; ++outcome) {
    const std::uint64_t counted = after[outcome] - before[outcome];
    const std::uint64_t wanted = outcome == expected ? packets : 0;
    if (counted != wanted) {
      return failure(
          "{}, {}: {} packets were counted under outcome {} where {} were to be: no figure is given", what,
          to_string(destination), counted, outcome, wanted);
    }
  }
  return {};
}

// The packet that came out: untouched for a miss, sent to one of its service's backends otherwise.
Status ProgramBench::check_bytes(const Run& run, Hook hook, Family family, Destination destination,
                                 std::size_t place) const {
  const Draw& draw = draws(family, destination)[place];
  if (run.verdict != pass_verdict(hook)) {
    return failure("{}: a packet to {} got verdict {}, not {}: no figure is given", to_string(hook),
                   draw.frontend.text(), run.verdict, pass_verdict(hook));
  }
  if (destination == Destination::miss) {
    if (run.out == packet_of(draw)) {
      return {};
    }
    return failure("{}: a packet to {}, which is no service, was changed: no figure is given",
                   to_string(hook), draw.frontend.text());
  }
  const auto& endpoints = schedules(family).services[draw.service]->endpoints;
  const bool right = std::any_of(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
    return run.out == packet_to(draw, endpoint);
  });
  if (!right) {
    return failure("{}: a packet to {} came out as no packet to one of its {} backends: no figure is given",
                   to_string(hook), draw.frontend.text(), endpoints.size());
  }
  return {};
}

Status ProgramBench::verify(Hook hook, Family family, std::size_t packets) {
  SVCB_TAKE(fd, program(hook, Depth::dnat, family));
  for (const Destination destination : all_destinations) {
    const std::size_t count = std::min(packets, draws(family, destination).size());
    SVCB_TAKE(before, counters());
    for (std::size_t place = 0; place < count; ++place) {
      rewind_to(family, destination, place, 1);
      SVCB_TAKE(result, run(fd, family, 1));
      SVCB_CHECK(check_bytes(result, hook, family, destination, place));
    }
    SVCB_TAKE(after, counters());
    SVCB_CHECK(check_counts(before, after, destination, count, to_string(hook)));
  }
  return {};
}

Status ProgramBench::measure(ProgramCell& cell, Hook hook, Depth depth, Family family,
                             Destination destination) {
  constexpr std::uint32_t packets = packets_a_run;
  const std::string what = fmt::format("{} {}", to_string(hook), to_string(depth));
  SVCB_TAKE(fd, program(hook, depth, family));
  Counters before{};
  Run result;
  do {
    SVCB_TAKE(now, counters());
    rewind_to(family, destination, 0, burst);
    SVCB_TAKE(ran, run(fd, family, packets));
    before = now;
    result = std::move(ran);
  } while (result.cut_off);
  SVCB_TAKE(after, counters());

  const auto& state = *skeleton_->bss;
  if (state.stamps_taken != bursts + 1) {
    return failure("{}: {} packets ran where {} were to run: no figure is given", what,
                   std::uint64_t{state.stamps_taken} * burst, packets);
  }
  const std::size_t last = (packets - 1) & (draws(family, destination).size() - 1);
  if (depth == Depth::lookup || depth == Depth::dnat) {
    SVCB_CHECK(check_counts(before, after, destination, packets, what));
  }
  if (depth == Depth::dnat) {
    SVCB_CHECK(check_bytes(result, hook, family, destination, last));
  }
  const std::uint64_t hits = destination == Destination::miss ? 0 : packets;
  if (depth == Depth::bare && state.bare_hits != hits) {
    return failure("{}, {}: {} lookups hit where {} were to: no figure is given", what,
                   to_string(destination), std::uint64_t{state.bare_hits}, hits);
  }

  auto& block = cell.ns_per_packet.emplace_back();
  for (std::uint32_t i = 1; i <= bursts; ++i) {
    block.push_back(static_cast<double>(state.stamps[i] - state.stamps[i - 1]) / burst);
  }
  cell.kernel_ns.push_back(result.kernel_ns);
  cell.packets_per_sample = burst;
  return {};
}

}  // namespace svcbench
