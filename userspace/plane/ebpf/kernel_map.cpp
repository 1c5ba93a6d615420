// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/kernel_map.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

namespace svcbench {

Status KernelMap::refused(std::string_view what, int error) const {
  if (error == E2BIG) {
    return full();
  }
  return failure("eBPF: {} {}: {}", what, name_, std::strerror(error));
}

tl::unexpected<Error> KernelMap::full() const {
  return failure("map {} is full: it holds {} entries; raise {}", name_, max_entries_, grow_flag_);
}

Status KernelMap::update(const void* key, const void* value, std::uint64_t flags) const {
  if (bpf_map_update_elem(fd_, key, value, flags) != 0) {
    return refused("update an entry of", errno);
  }
  return {};
}

Result<bool> KernelMap::update_batch(const void* keys, std::size_t key_size, const void* values,
                                     std::size_t value_size, std::uint32_t count) const {
  if (count == 0) {
    return true;
  }
  std::uint32_t done = count;
  if (bpf_map_update_batch(fd_, keys, values, &done, nullptr) == 0) {
    return true;
  }
  constexpr int kernel_enotsupp = 524;  // the kernel's own ENOTSUPP, which has no name in user space
  if (errno != EINVAL && errno != EOPNOTSUPP && errno != kernel_enotsupp) {
    return tl::unexpected(refused("update a batch of entries of", errno).error());
  }
  const auto* key = static_cast<const std::byte*>(keys);
  const auto* value = static_cast<const std::byte*>(values);
  for (std::uint32_t i = 0; i < count; ++i) {
    SVCB_CHECK(update(key + i * key_size, value + i * value_size, BPF_ANY));
  }
  return false;
}

Status KernelMap::remove(const void* key) const {
  if (bpf_map_delete_elem(fd_, key) != 0) {
    return refused("delete an entry of", errno);
  }
  return {};
}

Status KernelMap::forget(const void* key) const {
  return bpf_map_delete_elem(fd_, key) == 0 || errno == ENOENT ? Status()
                                                               : refused("delete an entry of", errno);
}

Result<std::size_t> KernelMap::walk(std::size_t key_size, std::size_t value_size, bool deleting) const {
  // A batch must hold the fullest bucket of the hash.
  constexpr std::uint32_t most = 4096;
  std::vector<std::byte> keys(most * key_size);
  std::vector<std::byte> values(most * value_size);
  std::uint64_t place = 0;  // the kernel's own
  std::size_t seen = 0;
  for (bool first = true;; first = false) {
    std::uint32_t got = most;
    void* from = first ? nullptr : &place;
    const int error =
        deleting
            ? bpf_map_lookup_and_delete_batch(fd_, from, &place, keys.data(), values.data(), &got, nullptr)
            : bpf_map_lookup_batch(fd_, from, &place, keys.data(), values.data(), &got, nullptr);
    if (error != 0 && errno != ENOENT) {
      return tl::unexpected(refused(deleting ? "empty" : "count the entries of", errno).error());
    }
    seen += got;
    if (error != 0 || seen > 4 * std::size_t{max_entries_}) {
      return seen;
    }
  }
}

Status KernelMap::clear(std::size_t key_size, std::size_t value_size) const {
  SVCB_TAKE(deleted, walk(key_size, value_size, true));
  static_cast<void>(deleted);
  return {};
}

Result<std::size_t> KernelMap::count(std::size_t key_size, std::size_t value_size) const {
  return walk(key_size, value_size, false);
}

Result<bool> KernelMap::lookup(const void* key, void* value) const {
  if (bpf_map_lookup_elem(fd_, key, value) == 0) {
    return true;
  }
  if (errno == ENOENT) {
    return false;
  }
  return failure("eBPF: read an entry of {}: {}", name_, std::strerror(errno));
}

Result<bool> KernelMap::next_key(const void* key, void* next) const {
  if (bpf_map_get_next_key(fd_, key, next) == 0) {
    return true;
  }
  if (errno == ENOENT) {
    return false;
  }
  return failure("eBPF: walk {}: {}", name_, std::strerror(errno));
}

Result<std::uint64_t> KernelMap::memory_bytes() const {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", fd_));
  std::string word;
  while (info >> word) {
    std::uint64_t bytes = 0;
    if (word == "memlock:" && info >> bytes) {
      return bytes;
    }
  }
  return failure("eBPF: no memory accounting for {} in /proc/self/fdinfo", name_);
}

Result<MappedArray> MappedArray::map(const KernelMap& array, std::size_t value_size) {
  MappedArray mapped;
  mapped.stride_ = (value_size + 7) / 8 * 8;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped.length_ = (mapped.stride_ * array.max_entries() + page - 1) / page * page;
  void* base = mmap(nullptr, mapped.length_, PROT_READ | PROT_WRITE, MAP_SHARED, array.fd(), 0);
  if (base == MAP_FAILED) {
    return failure("eBPF: map {} into memory: {}", array.name(), std::strerror(errno));
  }
  mapped.base_ = static_cast<std::byte*>(base);
  return mapped;
}

MappedArray::MappedArray(MappedArray&& other) noexcept { *this = std::move(other); }

MappedArray& MappedArray::operator=(MappedArray&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(stride_, other.stride_);
  std::swap(length_, other.length_);
  return *this;
}

MappedArray::~MappedArray() {
  if (base_ != nullptr) {
    munmap(base_, length_);
  }
}

}  // namespace svcbench
