// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/ebpf_plane.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "plane.skel.h"

namespace svcbench {

namespace {

constexpr std::string_view services_flag = "--services-capacity";
constexpr std::string_view backends_flag = "--backends-capacity";

KernelMap view(bpf_map* map, std::string_view grow_flag) {
  return {bpf_map__fd(map), bpf_map__name(map), bpf_map__max_entries(map), grow_flag};
}

std::uint32_t with_head_room(std::uint64_t count, std::uint64_t at_least) {
  const std::uint64_t room = count + std::max<std::uint64_t>(count / 4, at_least);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(room, SVCB_MAX_BACKENDS));
}

std::vector<const Service*> of_family(std::span<const Service> services, Family family) {
  std::vector<const Service*> chosen;
  chosen.reserve(services.size());
  for (const Service& service : services) {
    if (service.frontend.address.family == family) {
      chosen.push_back(&service);
    }
  }
  return chosen;
}

}  // namespace

MapCapacity MapCapacity::for_services(std::span<const Service> services,
                                      std::optional<std::uint32_t> services_given,
                                      std::optional<std::uint32_t> backends_given,
                                      std::span<const Family> later) {
  struct Need {
    bool used = false;
    std::uint64_t services = 0;
    std::uint64_t backends = 0;
    std::uint64_t largest = 0;  // endpoints of one service
  };
  std::array<Need, 2> needs{};
  for (const Family family : later) {
    needs[static_cast<std::size_t>(family)].used = true;
  }
  for (const Service& service : services) {
    Need& need = needs[static_cast<std::size_t>(service.frontend.address.family)];
    need.used = true;
    ++need.services;
    need.backends += service.endpoints.size();
    need.largest = std::max<std::uint64_t>(need.largest, service.endpoints.size());
  }
  const auto services_for = [&](const Need& need) {
    return services_given.value_or(need.used ? with_head_room(need.services, 64) : 1);
  };
  const auto backends_for = [&](const Need& need) {
    const std::uint64_t at_least = std::max<std::uint64_t>(4096, 1024 * need.largest);
    return backends_given.value_or(need.used ? with_head_room(need.backends, at_least) : 1);
  };
  return {services_for(needs[0]), services_for(needs[1]), backends_for(needs[0]), backends_for(needs[1])};
}

Result<std::unique_ptr<EbpfPlane>> EbpfPlane::load(const EbpfOptions& options) {
  SVCB_TAKE(grace, GracePeriod::create());
  plane_bpf* skeleton = plane_bpf__open();
  if (skeleton == nullptr) {
    return failure("eBPF: open the programs: {}", std::strerror(errno));
  }
  std::unique_ptr<EbpfPlane> plane(new EbpfPlane(skeleton, options.writes, std::move(grace)));
  bpf_map__set_max_entries(skeleton->maps.services4, options.capacity.services4);
  bpf_map__set_max_entries(skeleton->maps.services6, options.capacity.services6);
  bpf_map__set_max_entries(skeleton->maps.backends4, options.capacity.backends4);
  bpf_map__set_max_entries(skeleton->maps.backends6, options.capacity.backends6);
  skeleton->rodata->forwarding = options.forwarding;
  skeleton->rodata->translating = options.translating;
  if (!options.programs) {
    bpf_program__set_autoload(skeleton->progs.svcb_xdp, false);
    bpf_program__set_autoload(skeleton->progs.svcb_tc, false);
  }
  if (const int error = plane_bpf__load(skeleton); error != 0) {
    return failure("eBPF: load programs and maps: {}{}", std::strerror(-error),
                   -error == EPERM ? " (needs CAP_BPF and CAP_NET_ADMIN; run it with sudo)" : "");
  }
  SVCB_TAKE(ipv4, FamilyMaps<Ipv4Abi>::over(view(skeleton->maps.services4, services_flag),
                                            view(skeleton->maps.backends4, backends_flag)));
  SVCB_TAKE(ipv6, FamilyMaps<Ipv6Abi>::over(view(skeleton->maps.services6, services_flag),
                                            view(skeleton->maps.backends6, backends_flag)));
  plane->ipv4_.emplace(std::move(ipv4));
  plane->ipv6_.emplace(std::move(ipv6));
  return plane;
}

EbpfPlane::~EbpfPlane() { plane_bpf__destroy(skeleton_); }

Status EbpfPlane::install(std::span<const Service> services) {
  SVCB_CHECK(ipv4_->install(of_family(services, Family::ipv4), writes_));
  return ipv6_->install(of_family(services, Family::ipv6), writes_);
}

Status EbpfPlane::stage(const Change& change) {
  staged_ = &change;
  return {};
}

Status EbpfPlane::commit() {
  const Service& service = staged_->service;
  const auto apply = [&](auto& maps) -> Status {
    switch (staged_->operation) {
      case Operation::change_endpoints:
        return maps.change(service, grace_);
      case Operation::add_service:
        return maps.add(service, grace_);
      case Operation::remove_service:
        return maps.remove(service.frontend);
    }
    return {};
  };
  return service.frontend.address.family == Family::ipv4 ? apply(*ipv4_) : apply(*ipv6_);
}

Result<std::size_t> EbpfPlane::entries() const {
  SVCB_TAKE(ipv4, ipv4_->entries());
  SVCB_TAKE(ipv6, ipv6_->entries());
  return ipv4 + ipv6;
}

Result<std::optional<Service>> EbpfPlane::find(const Frontend& frontend) const {
  return frontend.address.family == Family::ipv4 ? ipv4_->find(frontend) : ipv6_->find(frontend);
}

Result<std::vector<Service>> EbpfPlane::read_all() const {
  SVCB_TAKE(all, ipv4_->read_all());
  SVCB_TAKE(ipv6, ipv6_->read_all());
  all.insert(all.end(), std::make_move_iterator(ipv6.begin()), std::make_move_iterator(ipv6.end()));
  return all;
}

Result<std::uint64_t> EbpfPlane::memory_bytes() const {
  SVCB_TAKE(ipv4, ipv4_->memory_bytes());
  SVCB_TAKE(ipv6, ipv6_->memory_bytes());
  return ipv4 + ipv6;
}

}  // namespace svcbench
