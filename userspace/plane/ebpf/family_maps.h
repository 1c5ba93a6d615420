// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The services of one address family in the maps of the data plane.
#pragma once

#include <bpf/bpf.h>
#include <tsl/robin_map.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory_resource>
#include <numeric>
#include <span>
#include <vector>

#include "plane/ebpf/abi_traits.h"
#include "plane/ebpf/grace_period.h"
#include "plane/ebpf/huge_page_allocator.h"
#include "plane/ebpf/kernel_map.h"
#include "plane/ebpf/maglev.h"
#include "plane/ebpf/range_allocator.h"

namespace svcbench {

// How install() writes its maps. Changes of single services are always written as in `mapped`.
enum class MapWrites {
  single,  // a syscall for every service and every backend
  batch,   // BPF_MAP_UPDATE_BATCH for both maps
  mapped,  // backends through mapped memory, services by BPF_MAP_UPDATE_BATCH
};

// What one service takes of the backends array, and how its word is made of that (abi.h).
class ServiceCells {
 public:
  // `maglev`: entries of each service's Maglev table; 0: there are none.
  ServiceCells(const Service& service, std::uint32_t maglev)
      : service_(&service), maglev_(service.endpoints.empty() && service.terminating.empty() ? 0 : maglev) {
    selectable_ = static_cast<std::uint32_t>(service.endpoints.size());
    if (maglev == 0 && !service.weights.empty()) {
      for (const std::uint16_t weight : service.weights) {
        divisor_ = std::gcd(divisor_, unsigned{weight});
        sum_ += weight;
      }
      divisor_ = std::max(divisor_, 1U);
      selectable_ = 0;
      for (const std::uint16_t weight : service.weights) {
        selectable_ += times(weight);
      }
    }
  }

  // Backends that the word counts. Without a Maglev table each stands as often as its weight says; where
  // that were more than the word can count, as near to it as SVCB_MAX_ENDPOINTS cells allow, once at least.
  [[nodiscard]] std::uint32_t selectable() const { return selectable_; }
  [[nodiscard]] std::uint32_t count() const { return maglev_ + after_table(); }
  [[nodiscard]] std::uint32_t flags() const {
    std::uint32_t flags = service_->affinity_seconds > 0 ? SVCB_SERVICE_AFFINITY : 0;
    if (service_->kind == FrontendKind::cluster_ip) {
      flags |= SVCB_SERVICE_MASQUERADE_OUTSIDE;
    } else if (!service_->local_only) {
      flags |= SVCB_SERVICE_MASQUERADE;
    }
    if (service_->local_only && service_->endpoints.empty() && !service_->cluster_endpoints.empty()) {
      flags |= SVCB_SERVICE_ELSEWHERE;
    }
    return service_->terminating.empty() ? flags : flags | SVCB_SERVICE_TERMINATING;
  }

  // Calls write(index, backend) for every cell, from `first` on.
  template <typename Abi, typename Write>
  Status each(std::uint32_t first, Write write) const {
    const std::vector<Endpoint>& endpoints = service_->endpoints;
    std::uint32_t index = first;
    if (maglev_ > 0 && !endpoints.empty()) {
      std::vector<std::uint64_t> names;
      names.reserve(endpoints.size());
      for (const Endpoint& endpoint : endpoints) {
        names.push_back(std::hash<Frontend>{}({endpoint.address, endpoint.port, Protocol::tcp}));
      }
      SVCB_TAKE(table, maglev_table(names, service_->weights, maglev_));
      for (const std::uint32_t chosen : table) {
        SVCB_CHECK(write(index++, to_abi<Abi>(endpoints[chosen])));
      }
    }
    index = first + maglev_;
    // A change of few endpoints is timed: no memory is asked for.
    std::array<std::byte, 2048> few{};
    std::pmr::monotonic_buffer_resource memory(few.data(), few.size());
    for (const typename Abi::Backend& cell : cells_after_table<Abi>(memory)) {
      SVCB_CHECK(write(index++, cell));
    }
    return {};
  }

 private:
  [[nodiscard]] std::uint32_t after_table() const {
    const auto terminating = static_cast<std::uint32_t>(service_->terminating.size());
    return selectable_ + (terminating == 0 ? 0 : 1 + terminating);
  }

  [[nodiscard]] std::uint32_t times(std::uint16_t weight) const {
    if (sum_ / divisor_ <= SVCB_MAX_ENDPOINTS) {
      return weight / divisor_;
    }
    const std::uint64_t spare =
        SVCB_MAX_ENDPOINTS - std::min<std::uint64_t>(SVCB_MAX_ENDPOINTS, service_->endpoints.size());
    return std::max(1U, static_cast<std::uint32_t>(weight * spare / sum_));
  }

  template <typename Abi>
  [[nodiscard]] std::pmr::vector<typename Abi::Backend> cells_after_table(
      std::pmr::memory_resource& memory) const {
    using Backend = typename Abi::Backend;
    std::pmr::vector<Backend> cells(&memory);
    cells.reserve(after_table());
    for (std::size_t i = 0; i < service_->endpoints.size(); ++i) {
      const bool once = maglev_ > 0 || service_->weights.empty();
      cells.insert(cells.end(), once ? 1U : times(service_->weights[i]),
                   to_abi<Abi>(service_->endpoints[i]));
    }
    if (!service_->terminating.empty()) {
      cells.push_back(Abi::number_cell(after_table()));
      for (const Endpoint& endpoint : service_->terminating) {
        cells.push_back(to_abi<Abi>(endpoint));
      }
    }
    std::pmr::vector<std::uint16_t> order(cells.size(), &memory);
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::sort(order.begin(), order.end(),
              [&cells](std::uint16_t a, std::uint16_t b) { return Abi::precedes(cells[a], cells[b]); });
    for (std::size_t i = 0; i < cells.size(); ++i) {
      cells[i].rank = order[i];
    }
    return cells;
  }

  const Service* service_;
  std::uint32_t maglev_;
  std::uint32_t divisor_ = 0;
  std::uint64_t sum_ = 0;  // of the weights
  std::uint32_t selectable_ = 0;
};

// The maps of one family, and what their entries are made with.
struct FamilyKernelMaps {
  KernelMap services;
  KernelMap backends;
  KernelMap affinity;
  KernelMap targets;
  std::uint32_t maglev = 0;
};

// Keeps which range of backends each service has, and writes in the one order that a running program may
// watch: a fresh range first, then the service's word, which the kernel copies whole; the old range is
// reused after a grace period only. Owns the mapping of the backends; the maps belong to the skeleton.
template <typename Abi>
class FamilyMaps {
 public:
  static Result<FamilyMaps> over(FamilyKernelMaps maps) {
    SVCB_TAKE(memory, MappedArray::map(maps.backends, sizeof(typename Abi::Backend)));
    SVCB_TAKE(targets, MappedArray::map(maps.targets, SVCB_TARGETS));
    return FamilyMaps(std::move(maps), std::move(memory), std::move(targets));
  }

  // Into empty maps, services of this family only.
  Status install(std::span<const Service* const> services, MapWrites writes) {
    if (services.size() > services_.max_entries()) {
      return services_.full();
    }
    std::size_t cells = 0;
    for (const Service* service : services) {
      cells += ServiceCells(*service, maglev_).count();
      SVCB_CHECK(write_affinity(to_abi<Abi>(service->frontend), *service));
    }
    if (cells > ranges_.capacity()) {
      return backends_.full();
    }
    SVCB_TAKE(entries, assign_ranges(services));
    SVCB_CHECK(write(services, entries, writes));
    for (const auto& [key, range] : held_) {
      count_targets(range, 1);
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
    SVCB_TAKE(range, write_service(key, service, BPF_EXIST, grace));
    ranges_.retire(known->second);
    known.value() = range;
    return {};
  }

  Status add(const Service& service, GracePeriod& grace) {
    const auto key = to_abi<Abi>(service.frontend);
    SVCB_TAKE(range, write_service(key, service, BPF_NOEXIST, grace));
    held_.emplace(key, range);
    return {};
  }

  Status remove(const Service& service) {
    const auto key = to_abi<Abi>(service.frontend);
    SVCB_CHECK(services_.remove(&key));
    if (service.affinity_seconds > 0) {
      SVCB_CHECK(affinity_.forget(&key));
    }
    const auto known = held_.find(key);
    ranges_.retire(known->second);
    held_.erase(known);
    return {};
  }

  // Every service goes, and all room is free again after a grace period.
  Status clear(GracePeriod& grace) {
    for (const auto& [key, range] : held_) {
      SVCB_CHECK(services_.remove(&key));
      SVCB_CHECK(affinity_.forget(&key));
      ranges_.retire(range);
    }
    held_.clear();
    if (ranges_.retired() > 0) {
      SVCB_CHECK(grace.wait());
      reclaim();
    }
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
    SVCB_TAKE(affinity, affinity_.memory_bytes());
    return services + backends + affinity;
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
    return word_of(key, change.service, range);
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

  FamilyMaps(FamilyKernelMaps maps, MappedArray memory, MappedArray targets)
      : services_(std::move(maps.services)),
        backends_(std::move(maps.backends)),
        affinity_(std::move(maps.affinity)),
        maglev_(maps.maglev),
        memory_(std::move(memory)),
        targets_(std::move(targets)),
        ranges_(backends_.max_entries()) {}

  [[nodiscard]] svcb_service word_of(const Key& key, const Service& service, Range range) const {
    const ServiceCells cells(service, maglev_);
    return {svcb_service_flagged(svcb_service_word(range.first, cells.selectable(), Abi::tag(key)),
                                 cells.flags())};
  }

  // Before the word that tells programs to look there. Seconds that the kernel's ticks cannot count are
  // for ever.
  Status write_affinity(const Key& key, const Service& service) {
    if (service.affinity_seconds == 0) {
      return {};
    }
    const auto ticks = static_cast<std::uint32_t>(
        std::min<std::uint64_t>((std::uint64_t{service.affinity_seconds} * 1'000'000'000) >> SVCB_TICK_BITS,
                                std::numeric_limits<std::uint32_t>::max() / 2));
    return affinity_.update(&key, &ticks, BPF_ANY);
  }

  // A range for the service, waiting for running programs only when nothing but retired ranges is left.
  Result<Range> fresh_range(const Service& service, GracePeriod& grace) {
    const std::uint32_t count = ServiceCells(service, maglev_).count();
    auto range = ranges_.allocate(count);
    if (!range && ranges_.retired() > 0) {
      SVCB_CHECK(grace.wait());
      reclaim();
      range = ranges_.allocate(count);
    }
    if (!range) {
      return backends_.full();
    }
    return *range;
  }

  // A range of its own. Where it cannot be filled it is given back, which needs no grace period: no program
  // knows of it, but the allocator has no other way.
  Result<Range> write_range(const Service& service, GracePeriod& grace) {
    SVCB_TAKE(range, fresh_range(service, grace));
    const Status written =
        ServiceCells(service, maglev_)
            .template each<Abi>(range.first, [this](std::uint32_t index, const Backend& backend) -> Status {
              std::memcpy(memory_.at(index), &backend, sizeof(backend));
              return {};
            });
    count_targets(range, 1);
    if (!written) {
      ranges_.retire(range);
      return tl::unexpected(written.error());
    }
    return range;
  }

  // The backends of a range become known as such, or are no more (-1); a count that a byte cannot hold
  // stays. The cell that is no backend counts as one: nobody connects to where it seems to be.
  void count_targets(Range range, int by) {
    auto* counts = static_cast<std::uint8_t*>(targets_.at(0));
    for (std::uint32_t i = maglev_; i < range.count; ++i) {
      typename Abi::Backend cell{};
      std::memcpy(&cell, memory_.at(range.first + i), sizeof(cell));
      std::uint8_t& count = counts[Abi::target(cell)];
      if (count < std::numeric_limits<std::uint8_t>::max()) {
        count = static_cast<std::uint8_t>(count + by);
      }
    }
  }

  void reclaim() {
    for (const Range& range : ranges_.reclaim()) {
      count_targets(range, -1);
    }
  }

  // The service in the maps, in a range of its own: the caller's, once this has succeeded.
  Result<Range> write_service(const Key& key, const Service& service, std::uint64_t flags,
                              GracePeriod& grace) {
    SVCB_TAKE(range, write_range(service, grace));
    Status written = write_affinity(key, service);
    if (written) {
      const svcb_service value = word_of(key, service, range);
      written = services_.update(&key, &value, flags);
    }
    if (!written) {
      ranges_.retire(range);
      return tl::unexpected(written.error());
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
      const auto range = ranges_.allocate(ServiceCells(*service, maglev_).count());
      if (!range) {
        return backends_.full();
      }
      entries.keys.push_back(to_abi<Abi>(service->frontend));
      entries.values.push_back(word_of(entries.keys.back(), *service, *range));
      held_.emplace(entries.keys.back(), *range);
    }
    return entries;
  }

  // Calls write(index, backend) for every cell of the backends array that the services take.
  template <typename Write>
  Status each_backend(std::span<const Service* const> services, const Entries& entries, Write write) const {
    for (std::size_t i = 0; i < services.size(); ++i) {
      SVCB_CHECK(ServiceCells(*services[i], maglev_)
                     .template each<Abi>(svcb_service_first(entries.values[i].word), write));
    }
    return {};
  }

  Status write(std::span<const Service* const> services, const Entries& entries, MapWrites writes) {
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
    const std::uint32_t flags = svcb_service_flags(value.word);
    const std::uint32_t first = svcb_service_first(value.word) + maglev_;
    const std::uint32_t count = svcb_service_count(value.word);
    const auto backend_at = [&](std::uint32_t index) -> Result<Backend> {
      Backend backend{};
      SVCB_TAKE(present, backends_.lookup(&index, &backend));
      if (!present) {
        return failure("eBPF: {} points past the end of {}", service.frontend.text(), backends_.name());
      }
      return backend;
    };
    std::vector<std::uint16_t> times;
    for (std::uint32_t i = 0; i < count; ++i) {
      SVCB_TAKE(backend, backend_at(first + i));
      const Endpoint endpoint = from_abi<Abi>(backend);
      if (i > 0 && service.endpoints.back() == endpoint) {
        ++times.back();
      } else {
        service.endpoints.push_back(endpoint);
        times.push_back(1);
      }
    }
    if (times.size() < count) {
      service.weights = std::move(times);
    }
    if ((flags & SVCB_SERVICE_TERMINATING) != 0) {
      SVCB_TAKE(number, backend_at(first + count));
      for (std::uint32_t i = count + 1; i < Abi::number_of_cells(number); ++i) {
        SVCB_TAKE(backend, backend_at(first + i));
        service.terminating.push_back(from_abi<Abi>(backend));
      }
    }
    if ((flags & SVCB_SERVICE_AFFINITY) != 0) {
      std::uint32_t ticks = 0;
      SVCB_TAKE(present, affinity_.lookup(&key, &ticks));
      service.affinity_seconds =
          present
              ? static_cast<std::uint32_t>(((std::uint64_t{ticks} + 1) << SVCB_TICK_BITS) / 1'000'000'000)
              : 0;
    }
    return service;
  }

  KernelMap services_;
  KernelMap backends_;
  KernelMap affinity_;
  std::uint32_t maglev_;
  MappedArray memory_;
  MappedArray targets_;
  RangeAllocator ranges_;
  bool batched_ = false;
  // A flat table: a lookup touches one cache line where a node-based map touches three, and after a syscall
  // those are what an update waits for.
  tsl::robin_map<Key, Range, Hash, Equal, HugePageAllocator<std::pair<Key, Range>>> held_{};
};

}  // namespace svcbench
