// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/attached_ebpf.h"

#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "plane.skel.h"
#include "sys/stopwatch.h"
#include "sys/tc_attach.h"

namespace svcbench {

namespace {

// Kubernetes' default timeout of ClientIP affinity.
constexpr std::uint32_t usual_affinity_seconds = 10'800;

Result<std::unique_ptr<DataPlane>> make(EbpfHook hook, const PlaneConfiguration& configuration) {
  return std::make_unique<AttachedEbpf>(hook, configuration);
}

Result<std::unique_ptr<DataPlane>> make_maglev(EbpfHook hook, PlaneConfiguration configuration, bool dsr) {
  configuration.ebpf.maglev = configuration.ebpf.maglev == 0 ? default_maglev : configuration.ebpf.maglev;
  configuration.ebpf.dsr = dsr;
  return make(hook, configuration);
}

// On lo, in a namespace that is thrown away: generic XDP there, for veth's native one is tried by the wire.
Status probe() {
#if !defined(__x86_64__) && !defined(__i386__)
  // What a program reads of an entry it reads before the entry's tag, in an order that only these machines
  // keep by themselves (svcb_read_barrier()).
  return failure(
      "eBPF: the programs rely on x86's order of loads; on this machine they could mix two flows up");
#endif
  SVCB_TAKE(plane, EbpfPlane::load({.capacity = {}, .forwarding = true, .tracking = true}));
  return {};
}

}  // namespace

AttachedEbpf::~AttachedEbpf() { detach(); }

Status AttachedEbpf::check_choice(std::span<const Service> services) const {
  const EbpfChoice& choice = configuration_.ebpf;
  if (choice.dsr && configuration_.ingress != 0 && configuration_.node_addresses.empty()) {
    return failure("eBPF: direct server return wraps packets in the node's name, and it has no address");
  }
  for (const Service& service : services) {
    if (choice.maglev > 0 && service.endpoints.size() > choice.maglev) {
      return usage_error(
          "{} has {} endpoints, more than the {} entries of a Maglev table: give --table-size a larger "
          "prime",
          service.name, service.endpoints.size(), choice.maglev);
    }
  }
  return {};
}

Status AttachedEbpf::install(std::span<const Service> services) {
  SVCB_CHECK(check_choice(services));
  const EbpfOptions options = options_for(services);
  if (plane_ != nullptr && options.capacity == capacity_) {
    SVCB_CHECK(plane_->clear());
  } else {
    SVCB_CHECK(load(options));
  }
  const std::int64_t begin = monotonic_ns();
  if (configuration_.ebpf.affinity) {
    std::vector<Service> sticky(services.begin(), services.end());
    for (Service& service : sticky) {
      service.affinity_seconds =
          service.affinity_seconds == 0 ? usual_affinity_seconds : service.affinity_seconds;
    }
    SVCB_CHECK(plane_->install(sticky));
  } else {
    SVCB_CHECK(plane_->install(services));
  }
  cost_ = SyncCost{};
  cost_.commit_ns = monotonic_ns() - begin;
  for (const unsigned device : {configuration_.ingress, configuration_.egress}) {
    if (device != 0 && std::find(attached_.begin(), attached_.end(), device) == attached_.end()) {
      SVCB_CHECK(attach(device));
    }
  }
  return {};
}

Status AttachedEbpf::load(const EbpfOptions& options) {
  detach();
  plane_.reset();
  SVCB_TAKE(plane, EbpfPlane::load(options));
  plane_ = std::move(plane);
  capacity_ = options.capacity;
  return {};
}

EbpfOptions AttachedEbpf::options_for(std::span<const Service> services) const {
  const std::array families{Family::ipv4, Family::ipv6};
  const bool tracking = translating_ && !configuration_.ebpf.dsr;
  return {.capacity = MapCapacity::for_services(
              services, configuration_.services_capacity, configuration_.backends_capacity, families,
              configuration_.ebpf.maglev, tracking ? configuration_.ebpf.flows_capacity : 1),
          .xdp = hook_ == EbpfHook::xdp,
          .tc = hook_ == EbpfHook::tc,
          .forwarding = true,
          .translating = translating_,
          .tracking = tracking,
          .dsr = configuration_.ebpf.dsr,
          .maglev = configuration_.ebpf.maglev,
          .flows = configuration_.ebpf,
          .node_addresses = configuration_.node_addresses,
          .cluster_cidr = configuration_.cluster_cidr};
}

Status AttachedEbpf::commit() {
  const std::int64_t begin = monotonic_ns();
  SVCB_CHECK(plane_->commit());
  cost_ = SyncCost{};
  cost_.commit_ns = monotonic_ns() - begin;
  return {};
}

Result<std::optional<std::uint64_t>> AttachedEbpf::kernel_bytes() const {
  SVCB_TAKE(bytes, plane_->memory_bytes());
  return std::optional(bytes);
}

Delivery AttachedEbpf::delivery() const {
  if (!translating_) {
    return Delivery::direct;
  }
  return configuration_.ebpf.dsr ? Delivery::wrapped : Delivery::translated;
}

Result<std::optional<FlowTable>> AttachedEbpf::flow_table() const {
  SVCB_TAKE(report, plane_->flows());
  return std::optional(static_cast<FlowTable>(report));
}

Status AttachedEbpf::attach(unsigned index) {
  const plane_bpf& skeleton = plane_->skeleton();
  const int error = hook_ == EbpfHook::xdp
                        ? bpf_xdp_attach(static_cast<int>(index), bpf_program__fd(skeleton.progs.svcb_xdp),
                                         XDP_FLAGS_DRV_MODE, nullptr)
                        : attach_tc(index, BPF_TC_INGRESS, skeleton.progs.svcb_tc);
  if (error != 0) {
    return failure("eBPF: attach the {} program to the node's device: {}",
                   hook_ == EbpfHook::xdp ? "XDP" : "tc", std::strerror(-error));
  }
  attached_.push_back(index);
  return {};
}

void AttachedEbpf::detach() {
  for (const unsigned index : std::exchange(attached_, {})) {
    const auto device = static_cast<int>(index);
    if (hook_ == EbpfHook::xdp) {
      bpf_xdp_detach(device, XDP_FLAGS_DRV_MODE, nullptr);
    } else {
      LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device,
                  .attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
      bpf_tc_hook_destroy(&hook);
    }
  }
}

Status probe_ebpf_xdp() { return probe(); }
Status probe_ebpf_tc() { return probe(); }
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp(const PlaneConfiguration& configuration) {
  return make(EbpfHook::xdp, configuration);
}
Result<std::unique_ptr<DataPlane>> make_ebpf_tc(const PlaneConfiguration& configuration) {
  return make(EbpfHook::tc, configuration);
}
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp_maglev(const PlaneConfiguration& configuration) {
  return make_maglev(EbpfHook::xdp, configuration, false);
}
Result<std::unique_ptr<DataPlane>> make_ebpf_tc_maglev(const PlaneConfiguration& configuration) {
  return make_maglev(EbpfHook::tc, configuration, false);
}
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp_dsr(const PlaneConfiguration& configuration) {
  return make_maglev(EbpfHook::xdp, configuration, true);
}
Result<std::unique_ptr<DataPlane>> make_ebpf_tc_dsr(const PlaneConfiguration& configuration) {
  return make_maglev(EbpfHook::tc, configuration, true);
}

}  // namespace svcbench
