// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF data plane: its programs and maps, programmed with services.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "plane/ebpf/family_maps.h"
#include "svcbench/plane.h"

struct plane_bpf;

namespace svcbench {

// Entries that the maps are made for. Each is at least 1.
struct MapCapacity {
  std::uint32_t services4 = 1;
  std::uint32_t services6 = 1;
  std::uint32_t backends4 = 1;
  std::uint32_t backends6 = 1;

  // Room for the services and a quarter more; for the backends at least 4,096 more, and 1,024 times
  // the largest service's, so that a thousand changes need no grace period. A family that has no services
  // gets one entry, unless it is one of `later`: those that changes may bring. What is given (the flags
  // --services-capacity and
  // --backends-capacity) is taken as it is, for both families.
  static MapCapacity for_services(std::span<const Service> services,
                                  std::optional<std::uint32_t> services_given = {},
                                  std::optional<std::uint32_t> backends_given = {},
                                  std::span<const Family> later = {});
};

struct EbpfOptions {
  MapCapacity capacity;
  MapWrites writes = MapWrites::mapped;
  bool programs = true;     // false: maps only, which saves the verifier's time
  bool forwarding = false;  // translated packets go on by the routing table; else to the kernel's stack
  bool translating = true;  // false: packets are forwarded as they are, a plane's cost without its work
};

class EbpfPlane final : public DataPlane {
 public:
  // Loads programs and maps. Nothing is pinned: all of it goes with this object, or with the process.
  static Result<std::unique_ptr<EbpfPlane>> load(const EbpfOptions& options);
  ~EbpfPlane() override;

  Status install(std::span<const Service> services) override;  // once, into the empty maps
  Status stage(const Change& change) override;                 // nothing to compute: remembers it
  Status commit() override;
  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;

  // Every service that the kernel holds. Names are not in the maps: they come back empty.
  [[nodiscard]] Result<std::vector<Service>> read_all() const;
  // Of the four maps that grow with the services.
  [[nodiscard]] Result<std::uint64_t> memory_bytes() const;

  // Whether the kernel took the services in batches, where it was to.
  [[nodiscard]] bool batched() const { return ipv4_->batched() && ipv6_->batched(); }

  // The loaded objects, for the benchmark programs that share the maps.
  [[nodiscard]] const plane_bpf& skeleton() const { return *skeleton_; }

  // For BareWrites: the maps, and what they wait with.
  [[nodiscard]] FamilyMaps<Ipv4Abi>& ipv4() { return *ipv4_; }
  [[nodiscard]] FamilyMaps<Ipv6Abi>& ipv6() { return *ipv6_; }
  [[nodiscard]] GracePeriod& grace() { return grace_; }

 private:
  EbpfPlane(plane_bpf* skeleton, MapWrites writes, GracePeriod grace)
      : skeleton_(skeleton), writes_(writes), grace_(std::move(grace)) {}

  plane_bpf* skeleton_;
  MapWrites writes_;
  GracePeriod grace_;
  std::optional<FamilyMaps<Ipv4Abi>> ipv4_{};
  std::optional<FamilyMaps<Ipv6Abi>> ipv6_{};
  const Change* staged_ = nullptr;
};

}  // namespace svcbench
