// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a controller does at a sync, all of it: it looks at what the kernel has, generates, hands over, and
// cleans up. A plane's stage() and commit() are the transaction alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "plane/plane.h"
#include "service/service.h"
#include "sys/result.h"
#include "sys/stopwatch.h"

namespace svcbench {

// Times are CLOCK_MONOTONIC, one after the other, without a gap: their sum is the whole.
struct SyncParts {
  std::int64_t stale_ns = 0;      // chains that the sync before put out of use, deleted by a run of its own
  std::int64_t jumps_ns = 0;      // chains and jumps that are made sure of, a run each
  std::int64_t list_ns = 0;       // what the kernel has: list or save, parse, compare
  std::int64_t generate_ns = 0;   // the text
  std::int64_t commit_ns = 0;     // launch of the tool until it ended: it parses, the kernel commits
  std::int64_t conntrack_ns = 0;  // stale flows looked for, and deleted

  std::size_t runs = 0;          // processes
  std::size_t listed_bytes = 0;  // that they printed of what the kernel has
  std::size_t input_bytes = 0;   // that the transaction was given
  std::size_t flows_ended = 0;

  [[nodiscard]] std::int64_t whole_ns() const {
    return stale_ns + jumps_ns + list_ns + generate_ns + commit_ns + conntrack_ns;
  }
};

struct SyncPartRow {
  const char* name;        // as Cell::also has it
  std::string_view title;  // of a column
  std::int64_t SyncParts::*ns;
};
inline constexpr std::array<SyncPartRow, 6> sync_part_rows{{
    {"stale_ns", "stale chains", &SyncParts::stale_ns},
    {"jumps_ns", "jumps", &SyncParts::jumps_ns},
    {"list_ns", "list, parse", &SyncParts::list_ns},
    {"generate_ns", "generate", &SyncParts::generate_ns},
    {"commit_ns", "exec, commit", &SyncParts::commit_ns},
    {"conntrack_ns", "conntrack", &SyncParts::conntrack_ns},
}};

// Gives each part the time since the one before ended.
class SyncLaps {
 public:
  void end(std::int64_t& part) {
    const std::int64_t now = watch_.ns();
    part += now - last_;
    last_ = now;
  }

 private:
  Stopwatch watch_{};
  std::int64_t last_ = 0;
};

// A plane whose controller's syncs can be made whole. Each call is one sync, whose parts sync_parts() has.
class WholeSync {
 public:
  WholeSync() = default;
  WholeSync(const WholeSync&) = delete;
  WholeSync& operator=(const WholeSync&) = delete;
  virtual ~WholeSync() = default;

  // The controller starts, and the kernel has nothing of it.
  virtual Status sync_from_nothing(std::span<const Service> services) = 0;
  // The controller starts, and the kernel has the rules of the same services from before.
  virtual Status sync_after_restart() = 0;
  // One change. `gone`: endpoints that the service had and has no more.
  virtual Status sync_change(const Change& change, std::span<const Endpoint> gone) = 0;

  [[nodiscard]] virtual const SyncParts& sync_parts() const = 0;
};

}  // namespace svcbench
