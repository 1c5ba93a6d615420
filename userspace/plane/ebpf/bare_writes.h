// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The floor under an eBPF update: the map syscalls that it needs and nothing else.
#pragma once

#include <memory>

#include "plane/ebpf/ebpf_plane.h"

namespace svcbench {

// Does everything but the syscall in stage(): the bookkeeping, the fresh range. commit() is one bpf(2)
// call. What EbpfPlane costs above this is what it does in user space.
class BareWrites final : public DataPlane {
 public:
  // Over a plane of its own.
  static Result<std::unique_ptr<BareWrites>> load(const EbpfOptions& options);

  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_->entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_->find(frontend);
  }

 private:
  explicit BareWrites(std::unique_ptr<EbpfPlane> plane) : plane_(std::move(plane)) {}

  template <typename Abi>
  Status stage_in(FamilyMaps<Abi>& maps, const Change& change);

  std::unique_ptr<EbpfPlane> plane_;
  // One staged syscall.
  Operation operation_ = Operation::change_endpoints;
  const KernelMap* map_ = nullptr;
  svcb_frontend6 key_{};  // the larger of the two keys
  svcb_service value_{};
};

}  // namespace svcbench
