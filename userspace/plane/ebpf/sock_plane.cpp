// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/sock_plane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string>

#include "plane.skel.h"
#include "sock.skel.h"
#include "sys/cgroup.h"
#include "sys/fd.h"

namespace svcbench {

namespace {

// Sockets whose frontend is remembered, a family: 8 MB together.
constexpr std::uint32_t peers_capacity = 65'536;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Every map that both objects name is the plane's.
Status share_maps(const bpf_object* object, const bpf_object* plane) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const bpf_map* shared = bpf_object__find_map_by_name(plane, bpf_map__name(map));
    if (shared == nullptr || bpf_map__is_internal(map)) {
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
  detach();
  plane_.reset();
  const std::array families{Family::ipv4, Family::ipv6};
  SVCB_TAKE(plane,
            EbpfPlane::load({.capacity = MapCapacity::for_services(services, site_.services_capacity,
                                                                   site_.backends_capacity, families),
                             .programs = false}));
  plane_ = std::move(plane);
  const std::int64_t begin = now_ns();
  SVCB_CHECK(plane_->install(services));
  cost_ = SyncCost{};
  cost_.commit_ns = now_ns() - begin;
  return site_.cgroup.empty() ? Status() : attach();
}

Status SockPlane::commit() {
  const std::int64_t begin = now_ns();
  SVCB_CHECK(plane_->commit());
  cost_ = SyncCost{};
  cost_.commit_ns = now_ns() - begin;
  return {};
}

Result<std::optional<std::uint64_t>> SockPlane::kernel_bytes() const {
  SVCB_TAKE(bytes, plane_->memory_bytes());
  return std::optional(bytes);
}

bool SockPlane::refuses_by_name() {
  return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, nullptr) == 1;
}

Status SockPlane::attach() {
  const Fd cgroup(open(site_.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.valid()) {
    return failure("eBPF: {}", with_errno(fmt::format("open the clients' cgroup {}", site_.cgroup), errno));
  }
  programs_ = sock_bpf__open();
  if (programs_ == nullptr) {
    return failure("eBPF: open the socket programs: {}", std::strerror(errno));
  }
  const plane_bpf& plane = plane_->skeleton();
  SVCB_CHECK(share_maps(programs_->obj, plane.obj));
  bpf_map__set_max_entries(programs_->maps.peers4, peers_capacity);
  bpf_map__set_max_entries(programs_->maps.peers6, peers_capacity);
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
  PlaneSite site;
  site.cgroup = cgroup.path();
  return SockPlane(std::move(site)).install({});
}

Result<std::unique_ptr<DataPlane>> make_ebpf_sock(const PlaneSite& site) {
  return std::make_unique<SockPlane>(site);
}

}  // namespace svcbench
