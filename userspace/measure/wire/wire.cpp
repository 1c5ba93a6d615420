// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/wire.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "sys/features.h"
#include "sys/interrupt.h"
#include "sys/tc_attach.h"
#include "wire.skel.h"

namespace svcbench {

namespace {

constexpr std::size_t buckets = SVCB_WIRE_BUCKETS;
constexpr std::size_t histograms_bytes = 2 * buckets * sizeof(std::uint64_t);

void copy_address(__be32 (&to)[4], const Address& address) {
  static_assert(sizeof to == sizeof address.bytes);
  std::memcpy(to, address.bytes.data(), sizeof to);
}

svcb_wire_backend key_of(std::uint32_t target, const Endpoint& backend, bool wrapped) {
  svcb_wire_backend key{};
  key.target = target;
  key.wrapped = wrapped ? 1 : 0;
  key.port = htons(backend.port);
  copy_address(key.address, backend.address);
  return key;
}

// Of a volley that leaves in batches: half of a veth's queue, and two batches of 64.
constexpr std::uint32_t most_under_way = 128;

std::uint64_t accounted(const svcb_wire_counts& counts) {
  return counts.right + counts.wrong_backend + counts.wrong_source + counts.bad_checksum +
         counts.witnessed + counts.refused;
}

}  // namespace

Result<std::unique_ptr<Wire>> Wire::create(const WireCapacity& capacity) {
  wire_bpf* skeleton = wire_bpf__open();
  if (skeleton == nullptr) {
    return failure("the wire: open its programs: {}", std::strerror(errno));
  }
  std::unique_ptr<Wire> wire(new Wire(skeleton));
  bpf_map__set_max_entries(skeleton->maps.wire_targets, std::max(1U, capacity.targets));
  bpf_map__set_max_entries(skeleton->maps.wire_backends, std::max(1U, capacity.backends));
  wire->records_capacity_ = std::max(1U, capacity.records);
  bpf_map__set_max_entries(skeleton->maps.wire_records, wire->records_capacity_);
  if (const int error = wire_bpf__load(skeleton); error != 0) {
    return failure("the wire: load its programs: {}{}", std::strerror(-error),
                   -error == EPERM ? " (needs CAP_BPF and CAP_NET_ADMIN; run it with sudo)" : "");
  }
  void* memory = mmap(nullptr, histograms_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      bpf_map__fd(skeleton->maps.wire_histogram), 0);
  if (memory == MAP_FAILED) {
    return failure("the wire: map its histogram: {}", std::strerror(errno));
  }
  wire->histograms_ = static_cast<std::uint64_t*>(memory);
  memory = mmap(nullptr, wire->records_capacity_ * sizeof(svcb_wire_record), PROT_READ, MAP_SHARED,
                bpf_map__fd(skeleton->maps.wire_records), 0);
  if (memory == MAP_FAILED) {
    return failure("the wire: map its records: {}", std::strerror(errno));
  }
  wire->records_ = static_cast<svcb_wire_record*>(memory);
  return wire;
}

Wire::~Wire() {
  if (histograms_ != nullptr) {
    munmap(histograms_, histograms_bytes);
  }
  if (records_ != nullptr) {
    munmap(records_, records_capacity_ * sizeof(svcb_wire_record));
  }
  wire_bpf__destroy(skeleton_);
}

Result<TargetRange> Wire::add_targets(std::span<const Target> targets) {
  const TargetRange range{targets_, static_cast<std::uint32_t>(targets.size())};
  for (const Target& target : targets) {
    svcb_wire_target value{};
    copy_address(value.address, target.to.address);
    value.port = htons(target.to.port);
    value.protocol = static_cast<std::uint8_t>(target.to.protocol);
    value.ipv6 = target.to.address.family == Family::ipv6 ? 1 : 0;
    if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.wire_targets), &targets_, &value, BPF_ANY) != 0) {
      return failure("the wire: no room for another target: {}", std::strerror(errno));
    }
    for (const Endpoint& backend : target.backends) {
      const svcb_wire_backend key = key_of(
          targets_, target.wrapped ? Endpoint{backend.address, target.to.port} : backend, target.wrapped);
      const std::uint64_t none = 0;
      if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.wire_backends), &key, &none, BPF_ANY) != 0) {
        return failure("the wire: no room for another backend: {}", std::strerror(errno));
      }
    }
    ++targets_;
  }
  return range;
}

Result<Arrivals> Wire::send(const Testbed& testbed, const Volley& volley) {
  svcb_wire_run& run = skeleton_->bss->run;
  run.run = ++run_;
  run.first_target = volley.targets.first;
  run.targets = volley.targets.count;
  run.first_flow = volley.first_flow;
  run.flows = volley.flows;
  run.tcp_data = volley.open ? 0 : 1;
  run.answer = volley.answered ? 1 : 0;
  std::memcpy(&run.clients4, clients_of(Family::ipv4).address.bytes.data(), sizeof run.clients4);
  std::memcpy(run.clients6, clients_of(Family::ipv6).address.bytes.data(), sizeof run.clients6);
  std::memcpy(run.source_mac, Testbed::client_mac().data(), sizeof run.source_mac);
  std::memcpy(run.gateway_mac, Testbed::ingress_mac().data(), sizeof run.gateway_mac);
  run.recorded = volley.recorded ? 1 : 0;
  run.mixed = volley.mixed ? 1 : 0;
  run.first_open = volley.first_open;
  run.open_flows = volley.open_flows;
  run.gap_ns = volley.gap_ns;
  run.most_under_way = volley.batch > 1 ? most_under_way : 0;
  set_redirect(testbed, volley.delay_ns);
  std::memset(&skeleton_->bss->counts, 0, sizeof skeleton_->bss->counts);
  skeleton_->bss->forgone = 0;
  skeleton_->bss->vain_waits = 0;
  std::memset(histograms_, 0, histograms_bytes);

  std::array<std::uint8_t, SVCB_WIRE_FRAME> frame{};
  xdp_md context{};
  context.data_end = frame.size();
  context.ingress_ifindex = testbed.client_device();
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size(),
              .ctx_in = &context, .ctx_size_in = sizeof context, .repeat = static_cast<int>(volley.packets),
              .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = volley.batch);
  SVCB_TAKE(inside, testbed.client().enter());
  const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.wire_gen), &options);
  if (error != 0 && error != -EINTR) {
    SVCB_CHECK(probe_live_frames());  // a kernel that cannot send them says no more than "invalid"
    return failure("the wire: send packets: {}", std::strerror(-error));
  }
  SVCB_CHECK(check_interrupted());
  Arrivals arrivals;
  arrivals.cut_off = error == -EINTR;
  wait_for_stragglers(volley);
  arrivals.counts = skeleton_->bss->counts;
  arrivals.latency = LatencyHistogram::of({histograms_, buckets});
  arrivals.replies = LatencyHistogram::of({histograms_ + buckets, buckets});
  return arrivals;
}

// The kernel may leave packets to ksoftirqd, which runs after us.
void Wire::wait_for_stragglers(const Volley& volley) const {
  MonotonicClock clock;
  const auto* counts = static_cast<const volatile svcb_wire_counts*>(&skeleton_->bss->counts);
  const std::int64_t end = clock.now_ns() + volley.patience_ns;
  while (accounted(const_cast<const svcb_wire_counts&>(*counts)) < volley.packets && clock.now_ns() < end) {
    const timespec moment{0, 100'000};
    nanosleep(&moment, nullptr);
  }
}

Result<std::uint64_t> Wire::hits(std::uint32_t target, const Endpoint& backend, bool wrapped) const {
  const svcb_wire_backend key = key_of(target, backend, wrapped);
  std::uint64_t count = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.wire_backends), &key, &count) != 0) {
    return failure("the wire: {} is no backend of target {}", backend.text(), target);
  }
  return count;
}

Result<double> Wire::clock_ns(const Testbed& testbed) {
  std::array<std::uint8_t, SVCB_WIRE_FRAME> frame{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size(),
              .repeat = 1);
  SVCB_TAKE(inside, testbed.client().enter());
  constexpr double readings = 1000;
  if (const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.wire_clock), &options);
      error != 0) {
    return failure("the wire: time the clock: {}", std::strerror(-error));
  }
  return static_cast<double>(skeleton_->bss->counts.total_ns) / readings;
}

void Wire::set_redirect(const Testbed& testbed, std::uint64_t delay_ns) {
  auto& redirect = *skeleton_->bss;
  redirect.delay_ns = delay_ns;
  redirect.redirect_to = testbed.egress();
  std::memcpy(redirect.redirect_source, Testbed::egress_mac().data(), sizeof redirect.redirect_source);
  std::memcpy(redirect.redirect_destination, Testbed::backend_mac().data(),
              sizeof redirect.redirect_destination);
}

Status Wire::attach_redirect(const Testbed& testbed, Hook hook) {
  SVCB_TAKE(inside, testbed.node().enter());
  const int error =
      hook == Hook::xdp
          ? bpf_xdp_attach(static_cast<int>(testbed.ingress()),
                           bpf_program__fd(skeleton_->progs.wire_redirect_xdp), XDP_FLAGS_DRV_MODE, nullptr)
          : attach_tc(testbed.ingress(), BPF_TC_INGRESS, skeleton_->progs.wire_redirect_tc, true);
  return error == 0 ? Status()
                    : failure("the wire: attach a redirecting program: {}", std::strerror(-error));
}

Status Wire::sink_at_node(const Testbed& testbed) {
  SVCB_TAKE(inside, testbed.node().enter());
  const int error =
      bpf_xdp_attach(static_cast<int>(testbed.ingress()), bpf_program__fd(skeleton_->progs.wire_sink),
                     XDP_FLAGS_DRV_MODE, nullptr);
  return error == 0 ? Status() : failure("the wire: attach the sink: {}", std::strerror(-error));
}

Status Wire::witness(const Testbed& testbed) {
  const auto replace = [](const NetNamespace& place, unsigned device,
                          const bpf_program* program) -> Status {
    SVCB_TAKE(inside, place.enter());
    const int error =
        bpf_xdp_attach(static_cast<int>(device), bpf_program__fd(program), XDP_FLAGS_DRV_MODE, nullptr);
    return error == 0
               ? Status()
               : failure("the wire: attach {}: {}", bpf_program__name(program), std::strerror(-error));
  };
  SVCB_CHECK(replace(testbed.backend(), testbed.backend_device(), skeleton_->progs.wire_witness));
  return replace(testbed.client(), testbed.client_device(), skeleton_->progs.wire_refused);
}

std::span<const svcb_wire_record> Wire::records() const {
  const auto sent = static_cast<std::size_t>(skeleton_->bss->counts.sent);
  return {records_, std::min<std::size_t>(sent, records_capacity_)};
}

void Wire::focus_on(std::uint32_t target) {
  *static_cast<volatile std::uint32_t*>(&skeleton_->bss->focus) = target;
}

double Arrivals::packets_per_second() const {
  const auto ns = static_cast<double>(counts.last_right_ns - counts.first_sent_ns);
  return ns > 0 ? static_cast<double>(counts.right) * 1e9 / ns : 0;
}

Status require_all_right(const Arrivals& arrivals, const NetCounters& dropped) {
  const svcb_wire_counts& counts = arrivals.counts;
  if (counts.right == counts.sent &&
      counts.wrong_backend + counts.wrong_source + counts.bad_checksum == 0) {
    return {};
  }
  std::string where;
  const auto tell = [&where](std::uint64_t count, std::string_view what) {
    if (count != 0) {
      where += fmt::format("{}{} {}", where.empty() ? "" : ", ", count, what);
    }
  };
  tell(counts.wrong_backend, "at an address that is no backend of their service");
  tell(counts.wrong_source, "from another client than sent them");
  tell(counts.bad_checksum, "with a wrong checksum");
  tell(counts.stale, "of an earlier volley");
  const std::uint64_t arrived = accounted(counts);
  tell(counts.sent > arrived ? counts.sent - arrived : 0, "not at all");
  std::string why;
  for (const auto& [name, count] : dropped) {
    why += fmt::format("{}{} +{}", why.empty() ? "; the node counted: " : ", ", name, count);
  }
  return failure("of {} packets {} came out right, {}{}: no figure is given", counts.sent, counts.right,
                 where, why);
}

}  // namespace svcbench
