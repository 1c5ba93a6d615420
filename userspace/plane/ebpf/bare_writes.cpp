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
  if (change.service.frontend.address.family == Family::ipv4) {
    stage_in(plane_->ipv4(), change);
  } else {
    stage_in(plane_->ipv6(), change);
  }
  return {};
}

template <typename Abi>
void BareWrites::stage_in(FamilyMaps<Abi>& maps, const Change& change) {
  const auto key = to_abi<Abi>(change.service.frontend);
  map_ = &maps.services();
  std::memcpy(&key_, &key, sizeof(key));
  if (change.operation == Operation::remove_service) {
    return;
  }
  const auto count = static_cast<std::uint32_t>(change.service.endpoints.size());
  const Range range = maps.set_aside(count).value_or(Range{});
  std::uint32_t index = range.first;
  for (const Endpoint& endpoint : change.service.endpoints) {
    const auto backend = to_abi<Abi>(endpoint);
    std::memcpy(maps.memory().at(index++), &backend, sizeof(backend));
  }
  value_.word = svcb_service_word(range.first, range.count, Abi::tag(key));
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
