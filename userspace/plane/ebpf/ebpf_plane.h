// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF data plane: its programs and maps, programmed with services.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "plane/configuration.h"
#include "plane/ebpf/family_maps.h"
#include "plane/plane.h"

struct plane_bpf;

namespace svcbench {

// Entries that the maps are made for. Each is at least 1.
struct MapCapacity {
  std::uint32_t services4 = 1;
  std::uint32_t services6 = 1;
  std::uint32_t backends4 = 1;
  std::uint32_t backends6 = 1;
  std::uint32_t flows4 = 1;
  std::uint32_t flows6 = 1;

  bool operator==(const MapCapacity&) const = default;

  // Room for the services and a quarter more; for the backends at least 4,096 more, and 1,024 times
  // the largest service's, so that a thousand changes need no grace period. A family that has no services
  // gets one entry, unless it is one of `later`: those that changes may bring. What is given (the flags
  // --services-capacity and
  // --backends-capacity) is taken as it is, for both families. `maglev` as in EbpfOptions, `flows` for each
  // family that is used.
  static MapCapacity for_services(std::span<const Service> services,
                                  std::optional<std::uint32_t> services_given = {},
                                  std::optional<std::uint32_t> backends_given = {},
                                  std::span<const Family> later = {}, std::uint32_t maglev = 0,
                                  std::uint32_t flows = 1);
};

struct EbpfOptions {
  MapCapacity capacity;
  MapWrites writes = MapWrites::mapped;
  bool programs = true;  // false: maps only, which saves the verifier's time
  bool xdp = true;       // of the programs, which are loaded
  bool tc = true;
  bool forwarding = false;   // translated packets go on by the routing table; else to the kernel's stack
  bool translating = true;   // false: packets are forwarded as they are, a plane's cost without its work
  bool tracking = false;     // flows are remembered, and their replies translated
  bool dsr = false;          // direct server return (bpf/dsr.bpf.h)
  std::uint32_t maglev = 0;  // entries of each service's Maglev table, a prime; 0: none
  EbpfChoice flows{};        // of which: how flows live (the rest stands above)
  std::vector<Address> node_addresses{};  // for NodePorts and masquerading
  ClusterCidr cluster_cidr{};             // clients that are not masqueraded
};

// What the programs did beside translating, since flows were last forgotten. A translated flow has two
// entries.
struct FlowReport : FlowTable {
  std::uint64_t expired = 0;       // entries that were found too old, or closed
  std::uint64_t reselected = 0;    // flows whose backend was gone
  std::uint64_t port_changed = 0;  // flows that needed another source port
  std::uint64_t icmp = 0;          // ICMP errors translated
  std::uint64_t refused = 0;       // packets to services without endpoints
  std::uint64_t too_big = 0;
  std::uint64_t restored = 0;    // flows of which an entry had been evicted
  std::uint64_t ports_full = 0;  // packets of new flows, dropped: no port was free
  std::uint64_t withheld = 0;    // ICMP errors that were not sent
};

class EbpfPlane final : public DataPlane {
 public:
  // Loads programs and maps. Nothing is pinned: all of it goes with this object, or with the process.
  static Result<std::unique_ptr<EbpfPlane>> load(const EbpfOptions& options);
  ~EbpfPlane() override;

  Status install(std::span<const Service> services) override;  // into empty maps
  Status stage(const Change& change) override;                 // nothing to compute: remembers it
  Status commit() override;
  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;

  // All services go, flows and affinities too: install() may follow.
  Status clear();

  // Entries of the flow table and of the clients' affinities are deleted.
  Status forget_flows() override;
  [[nodiscard]] Result<FlowReport> flows() const;

  // Every service that the kernel holds. Names are not in the maps: they come back empty.
  [[nodiscard]] Result<std::vector<Service>> read_all() const;
  // Of the maps that grow with the services.
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
  struct Counts {
    std::vector<std::uint64_t> outcomes;  // by enum svcb_outcome
    std::vector<std::uint64_t> events;    // by enum svcb_event
  };

  [[nodiscard]] Result<Counts> counts() const;
  void announce(const Frontend& changed);
  Status fill_nodes(std::span<const Address> addresses);
  EbpfPlane(plane_bpf* skeleton, MapWrites writes, GracePeriod grace)
      : skeleton_(skeleton), writes_(writes), grace_(std::move(grace)) {}

  plane_bpf* skeleton_;
  MapWrites writes_;
  GracePeriod grace_;
  std::vector<Address> node_addresses_{};  // which a NodePort is dialled at
  std::optional<FamilyMaps<Ipv4Abi>> ipv4_{};
  std::optional<FamilyMaps<Ipv6Abi>> ipv6_{};
  const Change* staged_ = nullptr;
  Counts forgotten_{};  // what had been counted when flows were last forgotten; empty: never
};

}  // namespace svcbench
