// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Running iptables-restore and iptables-save. Which lock iptables-legacy takes is decided by where this
// runs: /run must be private (sys/sandbox.h), or it is the host's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/iptables_backend.h"
#include "sys/result.h"

namespace svcbench {

struct RestoreRun {
  std::vector<std::string> arguments{};  // after the program's name
  std::string_view what = "nat table";   // for the error
  // Whether SIGINT and its like end it. Not so for what cleans up: it runs because of the signal.
  bool interruptible = true;
};

// Runs `program` over `input` from its start. An exit status or anything on stderr is an Error with the
// program's words: what a warning warns of may be that the rules are not what was asked for.
[[nodiscard]] Result<ChildResult> run_restore(const std::string& program, const Fd& input,
                                              const RestoreRun& run = {});

// The family's program of `backend`. Error: IPv6 without an ip6tables-restore.
[[nodiscard]] Result<std::string> restore_program(const IptablesBackend& backend, Family family);

// What the kernel holds in `table` of `family`, as iptables-save prints it.
[[nodiscard]] Result<std::string> saved_table(const IptablesBackend& backend, Family family,
                                              const std::string& table);

}  // namespace svcbench
