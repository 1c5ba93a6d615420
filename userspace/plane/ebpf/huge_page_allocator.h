// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Memory of large tables, in huge pages where the kernel has some.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace svcbench {

// An update of one service looks at one random line of the loader's table. In pages of 4 KiB that line's
// address is seldom in the TLB, and the walk costs more than the line; in pages of 2 MiB it mostly is.
// Tables below a few pages are left to the ordinary allocator.
template <typename T>
struct HugePageAllocator {
  using value_type = T;

  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  static constexpr std::size_t worth_it = std::size_t{16} << 10;

  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>&) {
  }  // NOLINT(google-explicit-constructor): allocators convert

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size = count * sizeof(T);
    const bool huge = size >= worth_it;
    const std::size_t alignment = huge ? huge_page : alignof(std::max_align_t);
    const std::size_t whole = (size + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    if (huge) {
      madvise(memory, whole, MADV_HUGEPAGE);  // a hint: where it is refused, pages stay small
    }
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }

  template <typename U>
  bool operator==(const HugePageAllocator<U>&) const {
    return true;
  }
};

}  // namespace svcbench
