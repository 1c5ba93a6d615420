// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What decides over a packet on a node, read and only read: its rules, sets, virtual servers, addresses,
// routes, settings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// Whether a source was read. empty: it is there and holds nothing. absent: this node has no such thing, or
// not the program that reads it. failed: it is there and could not be read.
enum class Reading : std::uint8_t { read, empty, absent, failed };

[[nodiscard]] std::string_view to_string(Reading reading);  // "read", ...

struct NodeSource {
  std::string member{};           // its name in the archive: "iptables-nft.save"
  std::string what{};             // a few words
  std::string holds{};            // which lock of the kernel's a reading holds, and for how long
  std::vector<std::string> by{};  // command lines and files, in their order
  Reading reading = Reading::read;
  std::string reason{};  // of all but read
  int exit_status = 0;   // of the last command
  double took_ms = 0;    // all of it
  std::string text{};    // only of read
};

struct NodeCapture {
  std::int64_t captured_at = 0;  // seconds since 1970
  std::string place{};           // the namespace as the user gave it; "": that of svcbench
  bool anonymized = false;
  std::vector<NodeSource> sources{};
};

// Moves this process into a network namespace: the name of one (ip netns), a process number, or a path.
// Error: usage, if it is none.
[[nodiscard]] Status enter_network_namespace(const std::string& name);

// Reads this process's network namespace. Runs no command that changes a table, and none whose mere call
// would make the kernel load a module or a table: which are there is looked at first. Counters are left
// out. Error: interrupted. What cannot be read is in `sources` with its reason.
[[nodiscard]] Result<NodeCapture> capture_node();

}  // namespace svcbench
