// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/sock_plane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "plane.skel.h"
#include "sock.skel.h"
#include "sys/cgroup.h"
#include "sys/fd.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

// Sockets whose frontend is remembered, and clients whose affinity is, a family each.
constexpr std::uint32_t peers_capacity = 65'536;

// Kubernetes' default timeout of ClientIP affinity.
constexpr std::uint32_t usual_affinity_seconds = 10'800;

// Every map that both objects name is the plane's, but for those whose content is ours.
Status share_maps(const bpf_object* object, const bpf_object* plane) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const bpf_map* shared = bpf_object__find_map_by_name(plane, bpf_map__name(map));
    const std::string_view name = bpf_map__name(map);
    if (shared == nullptr || bpf_map__is_internal(map) || name.starts_with("sessions")) {
      continue;
    }
    if (const int error = bpf_map__reuse_fd(map, bpf_map__fd(shared)); error != 0) {
      return failure("eBPF: share map {}: {}", bpf_map__name(map), std::strerror(-error));
    }
  }
  return {};
}

}  // namespace

SockPlane::~SockPlane() { detach(); }

Status SockPlane::install(std::span<const Service> services) {
  std::vector<Service> own(services.begin(), services.end());
  std::transform(own.begin(), own.end(), own.begin(),
                 [this](const Service& service) { return at_socket(service); });
  const std::array families{Family::ipv4, Family::ipv6};
  const MapCapacity capacity =
      MapCapacity::for_services(own, configuration_.services_capacity, configuration_.backends_capacity,
                                families, configuration_.ebpf.maglev);
  if (plane_ != nullptr && capacity == capacity_) {
    SVCB_CHECK(plane_->clear());
    SVCB_CHECK(forget_flows());
  } else {
    SVCB_CHECK(load(capacity));
  }
  const Stopwatch stopwatch;
  SVCB_CHECK(plane_->install(own));
  cost_ = SyncCost{};
  cost_.commit_ns = stopwatch.ns();
  if (configuration_.cgroup.empty() || programs_ != nullptr) {
    return {};
  }
  Status attached = attach();
  if (!attached) {
    detach();
  }
  return attached;
}

Status SockPlane::load(const MapCapacity& capacity) {
  detach();
  plane_.reset();
  SVCB_TAKE(plane, EbpfPlane::load({.capacity = capacity,
                                    .programs = false,
                                    .maglev = configuration_.ebpf.maglev,
                                    .node_addresses = configuration_.node_addresses,
                                    .cluster_cidr = configuration_.cluster_cidr}));
  plane_ = std::move(plane);
  capacity_ = capacity;
  return {};
}

Status SockPlane::stage(const Change& change) {
  if (!change.service.local_only && !configuration_.ebpf.affinity) {
    return plane_->stage(change);  // as it is: a copy would be a good part of the cost
  }
  staged_ = {change.operation, at_socket(change.service)};
  return plane_->stage(staged_);
}

Status SockPlane::commit() {
  const Stopwatch stopwatch;
  SVCB_CHECK(plane_->commit());
  cost_ = SyncCost{};
  cost_.commit_ns = stopwatch.ns();
  return {};
}

Status SockPlane::forget_flows() {
  if (programs_ == nullptr) {
    return {};
  }
  const auto clear = [](const bpf_map* map) {
    return KernelMap(bpf_map__fd(map), bpf_map__name(map), bpf_map__max_entries(map), "")
        .clear(bpf_map__key_size(map), bpf_map__value_size(map));
  };
  SVCB_CHECK(clear(programs_->maps.sessions4));
  return clear(programs_->maps.sessions6);
}

// Clients at this node's sockets are the node and its pods: a traffic policy for external addresses does
// not bind them.
Service SockPlane::programmed(const Service& service) const {
  Service own = service;
  if (service.local_only && service.kind != FrontendKind::cluster_ip) {
    own.endpoints = std::exchange(own.cluster_endpoints, {});
    own.local_only = false;
    own.weights.clear();  // they are of the endpoints here
  }
  return own;
}

Service SockPlane::at_socket(const Service& service) const {
  Service own = programmed(service);
  if (configuration_.ebpf.affinity && own.affinity_seconds == 0) {
    own.affinity_seconds = usual_affinity_seconds;
  }
  return own;
}

Result<std::optional<std::uint64_t>> SockPlane::kernel_bytes() const {
  SVCB_TAKE(bytes, plane_->memory_bytes());
  return std::optional(bytes);
}

bool SockPlane::refuses_by_name() {
  return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, nullptr) == 1;
}

Status SockPlane::attach() {
  const Fd cgroup(open(configuration_.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.valid()) {
    return failure("eBPF: {}",
                   with_errno(fmt::format("open the clients' cgroup {}", configuration_.cgroup), errno));
  }
  programs_ = sock_bpf__open();
  if (programs_ == nullptr) {
    return failure("eBPF: open the socket programs: {}", std::strerror(errno));
  }
  const plane_bpf& plane = plane_->skeleton();
  SVCB_CHECK(share_maps(programs_->obj, plane.obj));
  auto& maps = programs_->maps;
  for (bpf_map* map : {maps.peers4, maps.peers6, maps.sessions4, maps.sessions6}) {
    bpf_map__set_max_entries(map, peers_capacity);
  }
  std::memcpy(&programs_->rodata->settings, &plane.rodata->settings, sizeof(svcb_settings));
  programs_->rodata->nodeport_first = plane.rodata->nodeport_first;
  programs_->rodata->nodeport_last = plane.rodata->nodeport_last;
  programs_->rodata->chooses_errno = refuses_by_name();
  if (const int error = sock_bpf__load(programs_); error != 0) {
    return failure("eBPF: load the socket programs: {}{}", std::strerror(-error),
                   -error == EPERM    ? " (needs CAP_BPF and CAP_NET_ADMIN; run it with sudo)"
                   : -error == EINVAL ? " (the kernel needs CONFIG_CGROUP_BPF)"
                                      : "");
  }
  // The skeleton keeps a link a program.
  for (int i = 0; i < programs_->skeleton->prog_cnt; ++i) {
    const bpf_prog_skeleton& program = programs_->skeleton->progs[i];
    *program.link = bpf_program__attach_cgroup(*program.prog, cgroup.get());
    if (*program.link == nullptr) {
      return failure("eBPF: attach {} to the clients' cgroup: {}", program.name, std::strerror(errno));
    }
  }
  return {};
}

void SockPlane::detach() {
  sock_bpf__destroy(programs_);
  programs_ = nullptr;
}

// In a cgroup that is thrown away.
Status probe_ebpf_sock() {
  SVCB_TAKE(cgroup, Cgroup::create());
  PlaneConfiguration configuration;
  configuration.cgroup = cgroup.path();
  return SockPlane(std::move(configuration)).install({});
}

Result<std::unique_ptr<DataPlane>> make_ebpf_sock(const PlaneConfiguration& configuration) {
  return std::make_unique<SockPlane>(configuration);
}

}  // namespace svcbench
