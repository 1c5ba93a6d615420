// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF data plane at the sockets of a cgroup: a service is translated once, at connect() or at each
// datagram of an unconnected socket, and no packet is touched.
#pragma once

#include <memory>

#include "plane/configuration.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane/plane.h"

struct sock_bpf;

namespace svcbench {

// For sockets that were opened in the cgroup, in whatever network namespace: two of these planes with a
// frontend in common need a cgroup each. What such a socket gets to see is bpf/sock.bpf.h's subject.
// Beside the services, the kernel keeps what each socket dialled, of the last 65,536 a family. Affinity is
// by network namespace: a socket has no address yet when it is translated.
class SockPlane final : public DataPlane {
 public:
  explicit SockPlane(PlaneConfiguration configuration) : configuration_(std::move(configuration)) {}
  // Takes its programs off the cgroup. Connections that it has translated go on.
  ~SockPlane() override;

  // Maps as large as these services need (or as the configuration says), filled; then the programs at
  // configuration.cgroup. Once more, where the maps have the room, the programs stay. sync_cost() is the
  // fill alone: programs are loaded once in a node's life.
  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;
  // Clients' affinities; what sockets have dialled is theirs as long as they live.
  Status forget_flows() override;
  // External frontends are reached at all endpoints, whatever their traffic policy.
  [[nodiscard]] Service programmed(const Service& service) const override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_->entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_->find(frontend);
  }
  // Of the services; without what sockets have dialled.
  [[nodiscard]] Result<std::optional<std::uint64_t>> kernel_bytes() const override;

  // Whether clients of a service without endpoints are told ECONNREFUSED; before kernel 6.1 a program can
  // only have the call fail with EPERM.
  static bool refuses_by_name();

 private:
  [[nodiscard]] Service at_socket(const Service& service) const;
  Status load(const MapCapacity& capacity);
  Status attach();
  void detach();

  PlaneConfiguration configuration_;
  std::unique_ptr<EbpfPlane> plane_{};
  MapCapacity capacity_{};        // of plane_
  sock_bpf* programs_ = nullptr;  // with its links
  Change staged_{};               // where it is not what the caller staged
  SyncCost cost_{};
};

// For the registry.
Status probe_ebpf_sock();
Result<std::unique_ptr<DataPlane>> make_ebpf_sock(const PlaneConfiguration& configuration);
// Why the wire cannot measure it.
inline constexpr std::string_view ebpf_sock_off_wire =
    "it translates at connect() and sendmsg(), so no packet that a client sends carries a frontend";

}  // namespace svcbench
