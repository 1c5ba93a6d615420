// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Waiting until every BPF program that was running has ended.
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

// XDP and tc programs run inside an RCU read section. The kernel promises user space one way to wait for
// them: an update of a map of maps returns only when every program that could use the old inner map has
// ended (maybe_wait_bpf_programs in kernel/bpf/syscall.c calls synchronize_rcu). So this keeps a
// map of maps with one entry, and waits by writing it.
// (The alternative, membarrier(MEMBARRIER_CMD_GLOBAL), does the same by its implementation, not by its
// contract, and refuses to work on nohz_full kernels.)
class GracePeriod {
 public:
  static Result<GracePeriod> create();

  // Returns when every program that was running at the call has ended: milliseconds.
  Status wait();

 private:
  GracePeriod(Fd inner, Fd outer) : inner_(std::move(inner)), outer_(std::move(outer)) {}

  Fd inner_;
  Fd outer_;
};

}  // namespace svcbench
