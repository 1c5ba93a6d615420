// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/iptables_restore.h"

#include <unistd.h>

#include <cerrno>

namespace svcbench {

Result<ChildResult> run_restore(const std::string& program, const Fd& input, const RestoreRun& run) {
  if (lseek(input.get(), 0, SEEK_SET) < 0) {
    return failure("{}", with_errno("cannot read the rules for " + program + " from their start", errno));
  }
  ChildOptions options;
  options.stdin_fd = input.get();
  options.interruptible = run.interruptible;
  std::vector<std::string> argv{program};
  argv.insert(argv.end(), run.arguments.begin(), run.arguments.end());
  SVCB_TAKE(result, run_child(argv, options));
  if (result.exit_status != 0 || !result.err.empty()) {
    return failure("{} did not take the {}: exit status {}, {}", program, run.what, result.exit_status,
                   result.first_error_line());
  }
  return result;
}

Result<std::string> restore_program(const IptablesBackend& backend, Family family) {
  if (family == Family::ipv4) {
    return backend.restore;
  }
  if (backend.restore6.empty()) {
    return failure(
        "there are IPv6 services, but no ip6tables-restore beside {} (install the iptables package "
        "whole)",
        backend.restore);
  }
  return backend.restore6;
}

Result<std::string> saved_table(const IptablesBackend& backend, Family family, const std::string& table) {
  const auto& program = family == Family::ipv4 ? backend.save : backend.save6;
  SVCB_TAKE(saved, run_child({program, "-t", table}));
  // Not so strict about stderr: iptables-nft-save warns of legacy tables that exist, even empty ones.
  if (saved.exit_status != 0) {
    return failure("{} -t {} did not read the table back: exit status {}, {}", program, table,
                   saved.exit_status, saved.first_error_line());
  }
  return std::move(saved.out);
}

}  // namespace svcbench
