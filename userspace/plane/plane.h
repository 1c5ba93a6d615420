// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A data plane: something that is programmed with services. One implementation a file, one row each in the
// registry (userspace/plane/registry.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// What install(), or stage() and commit(), was made of. Times are CLOCK_MONOTONIC; CPU times are the
// kernel's own account of the tools that were run.
struct SyncCost {
  std::int64_t generate_ns = 0;  // our own work before anything is handed over: the text, the messages
  std::int64_t commit_ns = 0;    // from handing it over until the kernel has it; for a tool, launch to exit
  std::int64_t user_us = 0;      // of `commit_ns`: CPU time of the tools in user space (reading the input)
  std::int64_t system_us = 0;    //                 and in the kernel
  std::size_t tools = 0;         // processes that were run; 0: system calls of our own
  std::size_t input_bytes = 0;   // that they were given on standard input
};

// How a client's packet to a frontend comes out at a backend.
enum class Delivery : std::uint8_t {
  direct,      // not at all: nothing translates a frontend, clients must dial a backend themselves
  translated,  // with the backend's address and port
  wrapped,     // as it was sent, in an IP packet to the backend's address (direct server return)
};

// What a plane's own table of flows holds, and what it did since flows were last forgotten.
struct FlowTable {
  std::size_t capacity = 0;   // entries of each family
  std::size_t entries = 0;    // now; a flow may take several
  std::uint64_t packets = 0;  // translated
  std::uint64_t opened = 0;   // flows: each by a packet that found no entry, while the other packets did
  std::uint64_t evicted = 0;  // entries that made room for others

  // Of the packets; none: there were no packets.
  [[nodiscard]] std::optional<double> hit_rate() const {
    return packets == 0 ? std::nullopt
                        : std::optional(1 - static_cast<double>(opened) / static_cast<double>(packets));
  }
};

// What a controller that is another program says, or the kernel says of it.
struct ControllersAccount {
  std::int64_t sync_ns = 0;  // that its syncs took, by its own clock, since this was last asked for
  // Resident at once in it and its tools, at most so far; none: the kernel does not list those.
  std::optional<std::uint64_t> peak_bytes{};
};

class WholeSync;

// Owns what it programs: the destructor undoes install(). Not thread-safe.
class DataPlane {
 public:
  DataPlane() = default;
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;
  virtual ~DataPlane() = default;

  // Replaces whatever was there by these services.
  virtual Status install(std::span<const Service> services) = 0;

  // A change in two steps, timed apart. stage() does what a controller computes before it touches the
  // kernel (a ruleset's text); commit() makes the last staged change true in the kernel, and returns when
  // it is. A plane that has nothing to prepare does everything in commit(), until when the change must
  // live.
  virtual Status stage(const Change& change) = 0;
  virtual Status commit() = 0;

  // The ways in which a change may be made, the one that the plane's real controller takes first. After
  // choose_way(i) stage() and commit() work in way i.
  [[nodiscard]] virtual std::span<const std::string_view> ways() const {
    static constexpr std::array<std::string_view, 1> only{"incremental"};
    return only;
  }
  virtual Status choose_way(std::size_t way) {
    return way == 0 ? Status() : failure("this plane has one way of being changed, not {}", way + 1);
  }

  // Of the last install(), or of the last stage() and commit().
  [[nodiscard]] virtual SyncCost sync_cost() const { return {}; }

  // The second instrument of what a change took; none: it has no such controller, or that says nothing. To
  // be asked before and after what is measured, and never within: it takes a millisecond and more.
  [[nodiscard]] virtual std::optional<ControllersAccount> controllers_account() { return std::nullopt; }

  // Its controller's whole syncs (plane/whole_sync.h); null: they are not made here.
  [[nodiscard]] virtual WholeSync* whole_sync() { return nullptr; }

  // What the kernel holds now, read back from it.
  [[nodiscard]] virtual Result<std::size_t> entries() const = 0;  // services
  [[nodiscard]] virtual Result<std::optional<Service>> find(const Frontend& frontend) const = 0;

  // Kernel memory that the plane's own accounting knows of; none: it must be measured from outside.
  [[nodiscard]] virtual Result<std::optional<std::uint64_t>> kernel_bytes() const {
    return std::optional<std::uint64_t>{};
  }

  // Forgets the flows that it remembers by itself (the connection tracker's are forgotten by whoever
  // measures), as soon as it can: one measurement's flows must not slow the next one's. To be called before
  // each.
  virtual Status forget_flows() { return {}; }

  // None: it has none of its own, and the connection tracker holds what there is.
  [[nodiscard]] virtual Result<std::optional<FlowTable>> flow_table() const {
    return std::optional<FlowTable>{};
  }

  [[nodiscard]] virtual Delivery delivery() const { return Delivery::translated; }

  // What of a service this plane programs: all of it, but for the chapter's shape, which has one endpoint.
  [[nodiscard]] virtual Service programmed(const Service& service) const { return service; }
};

}  // namespace svcbench
