// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One BPF map: element and batch operations with errors as sentences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

// A view of a map that someone else owns. Keys and values are given as pointers to objects of the sizes
// that the map was made with.
class KernelMap {
 public:
  KernelMap() = default;
  // `grow_flag` is the option that makes this map larger, for the error of a full one.
  KernelMap(int fd, std::string_view name, std::uint32_t max_entries, std::string_view grow_flag)
      : fd_(fd), name_(name), grow_flag_(grow_flag), max_entries_(max_entries) {}

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint32_t max_entries() const { return max_entries_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  // `flags`: BPF_ANY, BPF_NOEXIST or BPF_EXIST.
  Status update(const void* key, const void* value, std::uint64_t flags) const;
  // `count` elements, keys and values side by side, by BPF_MAP_UPDATE_BATCH; one by one where the kernel
  // has no batches for this map: then the value is false. Existing keys are overwritten: a batch takes no
  // flags.
  Result<bool> update_batch(const void* keys, std::size_t key_size, const void* values,
                            std::size_t value_size, std::uint32_t count) const;
  Status remove(const void* key) const;
  // The same, where there may be no such entry.
  Status forget(const void* key) const;
  // Deletes every entry of a hash, whose programs may go on adding some.
  Status clear(std::size_t key_size, std::size_t value_size) const;
  // Entries of a hash, counted by walking it.
  [[nodiscard]] Result<std::size_t> count(std::size_t key_size, std::size_t value_size) const;
  // False where there is no such key.
  [[nodiscard]] Result<bool> lookup(const void* key, void* value) const;
  // The key after `key` (the first for nullptr); false at the end.
  [[nodiscard]] Result<bool> next_key(const void* key, void* next) const;
  // What the kernel accounts for this map, in bytes: "memlock" in its fdinfo. Since kernel 6.4 that is the
  // map's own reckoning of its memory, before it an estimate from the element sizes.
  [[nodiscard]] Result<std::uint64_t> memory_bytes() const;

  // "services4 is full: ..., raise --services-capacity".
  [[nodiscard]] tl::unexpected<Error> full() const;

 private:
  // Calls bpf(2) for batches until it has seen all, or nothing more than `max_entries` of them.
  Result<std::size_t> walk(std::size_t key_size, std::size_t value_size, bool deleting) const;
  [[nodiscard]] Status refused(std::string_view what, int error) const;

  int fd_ = -1;
  std::string name_;
  std::string grow_flag_;
  std::uint32_t max_entries_ = 0;
};

// A map's elements in this process's memory (BPF_F_MMAPABLE), each at a multiple of 8 bytes. Owns the
// mapping.
class MappedArray {
 public:
  MappedArray() = default;
  static Result<MappedArray> map(const KernelMap& array, std::size_t value_size);
  MappedArray(MappedArray&& other) noexcept;
  MappedArray& operator=(MappedArray&& other) noexcept;
  ~MappedArray();

  [[nodiscard]] void* at(std::uint32_t index) const {
    return base_ + static_cast<std::size_t>(index) * stride_;
  }

 private:
  std::byte* base_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t length_ = 0;
};

}  // namespace svcbench
