// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF data plane at work: its program at a device, sending translated packets on by itself.
#pragma once

#include <memory>

#include "plane/configuration.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane/plane.h"

namespace svcbench {

enum class EbpfHook : std::uint8_t { xdp, tc };

class AttachedEbpf final : public DataPlane {
 public:
  // Not `translating`: its programs only forward, by the routing table.
  AttachedEbpf(EbpfHook hook, PlaneConfiguration configuration, bool translating = true)
      : hook_(hook), configuration_(std::move(configuration)), translating_(translating) {}
  // Takes its program off the device. An XDP program that it had replaced is not put back.
  ~AttachedEbpf() override;

  // Maps as large as these services need (or as the configuration says), filled; then the program at
  // configuration.ingress, and, for replies, at configuration.egress, in place of what was there. Once
  // more, where the maps have the room, the programs stay. sync_cost() is the fill alone: programs are
  // loaded once in a node's life.
  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override { return plane_->stage(change); }
  Status commit() override;
  Status forget_flows() override { return plane_->forget_flows(); }
  [[nodiscard]] Delivery delivery() const override;
  [[nodiscard]] Result<std::optional<FlowTable>> flow_table() const override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_->entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_->find(frontend);
  }
  [[nodiscard]] Result<std::optional<std::uint64_t>> kernel_bytes() const override;
  [[nodiscard]] Result<FlowReport> flows() const { return plane_->flows(); }

 private:
  [[nodiscard]] Status check_choice(std::span<const Service> services) const;
  [[nodiscard]] EbpfOptions options_for(std::span<const Service> services) const;
  Status load(const EbpfOptions& options);
  Status attach(unsigned device);
  void detach();

  EbpfHook hook_;
  PlaneConfiguration configuration_;
  bool translating_;
  std::unique_ptr<EbpfPlane> plane_{};
  MapCapacity capacity_{};            // of plane_
  std::vector<unsigned> attached_{};  // devices
  SyncCost cost_{};
};

// For the registry.
Status probe_ebpf_xdp();
Status probe_ebpf_tc();
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp(const PlaneConfiguration& configuration);
Result<std::unique_ptr<DataPlane>> make_ebpf_tc(const PlaneConfiguration& configuration);
// The same with Maglev tables, of the configuration's size or default_maglev.
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp_maglev(const PlaneConfiguration& configuration);
Result<std::unique_ptr<DataPlane>> make_ebpf_tc_maglev(const PlaneConfiguration& configuration);
// With Maglev tables and direct server return: no flow is remembered.
Result<std::unique_ptr<DataPlane>> make_ebpf_xdp_dsr(const PlaneConfiguration& configuration);
Result<std::unique_ptr<DataPlane>> make_ebpf_tc_dsr(const PlaneConfiguration& configuration);

}  // namespace svcbench
