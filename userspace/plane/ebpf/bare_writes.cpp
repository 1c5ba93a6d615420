// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/bare_writes.h"

#include <cstring>

namespace svcbench {

Result<std::unique_ptr<BareWrites>> BareWrites::load(const EbpfOptions& options) {
  SVCB_TAKE(plane, EbpfPlane::load(options));
  return std::unique_ptr<BareWrites>(new BareWrites(std::move(plane)));
}

Status BareWrites::install(std::span<const Service> services) { return plane_->install(services); }

Status BareWrites::stage(const Change& change) {
  operation_ = change.operation;
  return change.service.frontend.address.family == Family::ipv4 ? stage_in(plane_->ipv4(), change)
                                                                : stage_in(plane_->ipv6(), change);
}

template <typename Abi>
Status BareWrites::stage_in(FamilyMaps<Abi>& maps, const Change& change) {
  const auto key = to_abi<Abi>(change.service.frontend);
  map_ = &maps.services();
  std::memcpy(&key_, &key, sizeof(key));
  SVCB_TAKE(value, maps.account(change, plane_->grace()));
  value_ = value;
  return {};
}

Status BareWrites::commit() {
  switch (operation_) {
    case Operation::change_endpoints:
      return map_->update(&key_, &value_, BPF_EXIST);
    case Operation::add_service:
      return map_->update(&key_, &value_, BPF_NOEXIST);
    case Operation::remove_service:
      return map_->remove(&key_);
  }
  return {};
}

}  // namespace svcbench
