// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The services of one address family in the maps of the data plane.
#pragma once

#include <bpf/bpf.h>
#include <tsl/robin_map.h>

#include <cstdint>
#include <span>
#include <vector>

#include "plane/ebpf/abi_traits.h"
#include "plane/ebpf/grace_period.h"
#include "plane/ebpf/huge_page_allocator.h"
#include "plane/ebpf/kernel_map.h"
#include "plane/ebpf/range_allocator.h"

namespace svcbench {

// How install() writes its maps. Changes of single services are always written as in `mapped`.
enum class MapWrites {
  single,  // a syscall for every service and every backend
  batch,   // BPF_MAP_UPDATE_BATCH for both maps
  mapped,  // backends through mapped memory, services by BPF_MAP_UPDATE_BATCH
};

// Keeps which range of backends each service has, and writes in the one order that a running program may
// watch: a fresh range first, then the service's word, which the kernel copies whole; the old range is
// reused after a grace period only. Owns the mapping of the backends; the maps belong to the skeleton.
template <typename Abi>
class FamilyMaps {
 public:
  static Result<FamilyMaps> over(KernelMap services, KernelMap backends) {
    SVCB_TAKE(memory, MappedArray::map(backends, sizeof(typename Abi::Backend)));
    return FamilyMaps(std::move(services), std::move(backends), std::move(memory));
  }

  // Into empty maps, services of this family only.
  Status install(std::span<const Service* const> services, MapWrites writes) {
    if (services.size() > services_.max_entries()) {
      return services_.full();
    }
    std::size_t endpoints = 0;
    for (const Service* service : services) {
      endpoints += service->endpoints.size();
    }
    if (endpoints > ranges_.capacity()) {
      return backends_.full();
    }
    SVCB_TAKE(entries, assign_ranges(services));
    switch (writes) {
      case MapWrites::single:
        return write_singly(services, entries);
      case MapWrites::batch:
        return write_batched(services, entries);
      case MapWrites::mapped:
        return write_mapped(services, entries);
    }
    return {};
  }

  // One syscall: the fresh range is written through memory, then the word is flipped.
  Status change(const Service& service, GracePeriod& grace) {
    const auto key = to_abi<Abi>(service.frontend);
    auto known = held_.find(key);
    if (known == held_.end()) {
      return failure("eBPF: {} is not in {}", service.frontend.text(), services_.name());
    }
    SVCB_TAKE(range, write_range(service, grace));
    const svcb_service value = word_of(key, range);
    SVCB_CHECK(services_.update(&key, &value, BPF_EXIST));
    ranges_.retire(known->second);
    known.value() = range;
    return {};
  }

  Status add(const Service& service, GracePeriod& grace) {
    const auto key = to_abi<Abi>(service.frontend);
    SVCB_TAKE(range, write_range(service, grace));
    const svcb_service value = word_of(key, range);
    if (auto status = services_.update(&key, &value, BPF_NOEXIST); !status) {
      ranges_.retire(range);
      return status;
    }
    held_.emplace(key, range);
    return {};
  }

  Status remove(const Frontend& frontend) {
    const auto key = to_abi<Abi>(frontend);
    SVCB_CHECK(services_.remove(&key));
    const auto known = held_.find(key);
    ranges_.retire(known->second);
    held_.erase(known);
    return {};
  }

  // Endpoints as the kernel holds them; nothing where it has no such service.
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const {
    const auto key = to_abi<Abi>(frontend);
    svcb_service value{};
    SVCB_TAKE(present, services_.lookup(&key, &value));
    if (!present) {
      return std::optional<Service>{};
    }
    SVCB_TAKE(service, read(key, value));
    return std::optional<Service>(std::move(service));
  }

  // Every service that the kernel holds, in the order of its hash.
  [[nodiscard]] Result<std::vector<Service>> read_all() const {
    std::vector<Service> all;
    typename Abi::Frontend key{};
    SVCB_TAKE(more, services_.next_key(nullptr, &key));
    while (more) {
      SVCB_TAKE(service, find(from_abi<Abi>(key)));
      if (service) {
        all.push_back(std::move(*service));
      }
      const auto previous = key;
      SVCB_TAKE(again, services_.next_key(&previous, &key));
      more = again;
    }
    return all;
  }

  [[nodiscard]] Result<std::size_t> entries() const {
    std::size_t count = 0;
    typename Abi::Frontend key{};
    SVCB_TAKE(more, services_.next_key(nullptr, &key));
    while (more) {
      ++count;
      const auto previous = key;
      SVCB_TAKE(again, services_.next_key(&previous, &key));
      more = again;
    }
    return count;
  }

  [[nodiscard]] Result<std::uint64_t> memory_bytes() const {
    SVCB_TAKE(services, services_.memory_bytes());
    SVCB_TAKE(backends, backends_.memory_bytes());
    return services + backends;
  }

  // Whether the kernel took the last install() in batches; false also after MapWrites::single.
  [[nodiscard]] bool batched() const { return batched_; }

  [[nodiscard]] const KernelMap& services() const { return services_; }
  [[nodiscard]] const KernelMap& backends() const { return backends_; }
  // Everything of a change but its syscall, for one who makes that himself and has no packets to mind: the
  // value to write (nothing to be read of it for a removal), the old range retired before it is replaced.
  Result<svcb_service> account(const Change& change, GracePeriod& grace) {
    const auto key = to_abi<Abi>(change.service.frontend);
    if (const auto known = held_.find(key); known != held_.end()) {
      ranges_.retire(known->second);
      held_.erase(known);
    }
    if (change.operation == Operation::remove_service) {
      return svcb_service{};
    }
    SVCB_TAKE(range, write_range(change.service, grace));
    held_.emplace(key, range);
    return word_of(key, range);
  }

 private:
  using Key = typename Abi::Frontend;
  using Backend = typename Abi::Backend;

  struct Hash {
    std::size_t operator()(const Key& key) const { return Abi::hash(key); }
  };
  struct Equal {
    bool operator()(const Key& a, const Key& b) const { return std::memcmp(&a, &b, sizeof(Key)) == 0; }
  };

  FamilyMaps(KernelMap services, KernelMap backends, MappedArray memory)
      : services_(std::move(services)),
        backends_(std::move(backends)),
        memory_(std::move(memory)),
        ranges_(backends_.max_entries()) {}

  static svcb_service word_of(const Key& key, Range range) {
    return {svcb_service_word(range.first, range.count, Abi::tag(key))};
  }

  // A range for the service, waiting for running programs only when nothing but retired ranges is left.
  Result<Range> fresh_range(const Service& service, GracePeriod& grace) {
    const auto count = static_cast<std::uint32_t>(service.endpoints.size());
    auto range = ranges_.allocate(count);
    if (!range && ranges_.retired() > 0) {
      SVCB_CHECK(grace.wait());
      ranges_.reclaim();
      range = ranges_.allocate(count);
    }
    if (!range) {
      return backends_.full();
    }
    return *range;
  }

  Result<Range> write_range(const Service& service, GracePeriod& grace) {
    SVCB_TAKE(range, fresh_range(service, grace));
    std::uint32_t index = range.first;
    for (const Endpoint& endpoint : service.endpoints) {
      const Backend backend = to_abi<Abi>(endpoint);
      std::memcpy(memory_.at(index++), &backend, sizeof(backend));
    }
    return range;
  }

  // Keys and values of the services map, side by side, in the order of the services.
  struct Entries {
    std::vector<Key> keys{};
    std::vector<svcb_service> values{};
  };

  Result<Entries> assign_ranges(std::span<const Service* const> services) {
    Entries entries;
    entries.keys.reserve(services.size());
    entries.values.reserve(services.size());
    held_.max_load_factor(0.85F);  // half of the memory that the default takes, and few more probes
    held_.reserve(services.size());
    for (const Service* service : services) {
      const auto range = ranges_.allocate(static_cast<std::uint32_t>(service->endpoints.size()));
      if (!range) {
        return backends_.full();
      }
      entries.keys.push_back(to_abi<Abi>(service->frontend));
      entries.values.push_back(word_of(entries.keys.back(), *range));
      held_.emplace(entries.keys.back(), *range);
    }
    return entries;
  }

  // Calls write(index, backend) for every endpoint, with its place in the backends array.
  template <typename Write>
  static Status each_backend(std::span<const Service* const> services, const Entries& entries,
                             Write write) {
    for (std::size_t i = 0; i < services.size(); ++i) {
      std::uint32_t index = svcb_service_first(entries.values[i].word);
      for (const Endpoint& endpoint : services[i]->endpoints) {
        SVCB_CHECK(write(index++, to_abi<Abi>(endpoint)));
      }
    }
    return {};
  }

  Status write_singly(std::span<const Service* const> services, const Entries& entries) {
    SVCB_CHECK(each_backend(services, entries, [this](std::uint32_t index, const Backend& backend) {
      return backends_.update(&index, &backend, BPF_ANY);
    }));
    for (std::size_t i = 0; i < services.size(); ++i) {
      SVCB_CHECK(services_.update(&entries.keys[i], &entries.values[i], BPF_NOEXIST));
    }
    return {};
  }

  Status write_batched(std::span<const Service* const> services, const Entries& entries) {
    std::vector<std::uint32_t> indices;
    std::vector<Backend> backends;
    SVCB_CHECK(each_backend(services, entries, [&](std::uint32_t index, const Backend& backend) -> Status {
      indices.push_back(index);
      backends.push_back(backend);
      return {};
    }));
    SVCB_TAKE(batched, backends_.update_batch(indices.data(), sizeof(std::uint32_t), backends.data(),
                                              sizeof(Backend), static_cast<std::uint32_t>(indices.size())));
    batched_ = batched;
    return write_services(entries);
  }

  Status write_mapped(std::span<const Service* const> services, const Entries& entries) {
    SVCB_CHECK(
        each_backend(services, entries, [this](std::uint32_t index, const Backend& backend) -> Status {
          std::memcpy(memory_.at(index), &backend, sizeof(backend));
          return {};
        }));
    batched_ = true;
    return write_services(entries);
  }

  Status write_services(const Entries& entries) {
    SVCB_TAKE(batched, services_.update_batch(entries.keys.data(), sizeof(Key), entries.values.data(),
                                              sizeof(svcb_service),
                                              static_cast<std::uint32_t>(entries.keys.size())));
    batched_ = batched_ && batched;
    return {};
  }

  Result<Service> read(const Key& key, const svcb_service& value) const {
    Service service;
    service.frontend = from_abi<Abi>(key);
    service.kind =
        service.frontend.address.is_unspecified() ? FrontendKind::node_port : FrontendKind::cluster_ip;
    const std::uint32_t first = svcb_service_first(value.word);
    for (std::uint32_t i = 0; i < svcb_service_count(value.word); ++i) {
      const std::uint32_t index = first + i;
      Backend backend{};
      SVCB_TAKE(present, backends_.lookup(&index, &backend));
      if (!present) {
        return failure("eBPF: {} points past the end of {}", service.frontend.text(), backends_.name());
      }
      service.endpoints.push_back(from_abi<Abi>(backend));
    }
    return service;
  }

  KernelMap services_;
  KernelMap backends_;
  MappedArray memory_;
  RangeAllocator ranges_;
  bool batched_ = false;
  // A flat table: a lookup touches one cache line where a node-based map touches three, and after a syscall
  // those are what an update waits for.
  tsl::robin_map<Key, Range, Hash, Equal, HugePageAllocator<std::pair<Key, Range>>> held_{};
};

}  // namespace svcbench
