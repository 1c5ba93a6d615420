// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The backends' end of direct server return (bpf/direct_return.bpf.c): what an agent on their node does for
// them. It is the same for every plane that wraps packets, and no part of any.
#pragma once

#include <memory>
#include <span>

#include "service/service.h"
#include "sys/result.h"

struct direct_return_bpf;

namespace svcbench::verify {

class DirectReturn {
 public:
  // In the calling thread's network namespace, and as long as that lives: packets come in by the device
  // `arrives`, and replies leave by `replies`.
  static Result<std::unique_ptr<DirectReturn>> attach(unsigned arrives, unsigned replies);
  DirectReturn(const DirectReturn&) = delete;
  DirectReturn& operator=(const DirectReturn&) = delete;
  ~DirectReturn();

  // Packets to this frontend (an address and a port that clients dial) may be for any of these endpoints.
  // What was told stays: a balancer that goes on using an endpoint must be seen.
  Status tell(const Frontend& dialled, std::span<const Endpoint> endpoints);

 private:
  explicit DirectReturn(direct_return_bpf* skeleton) : skeleton_(skeleton) {}

  direct_return_bpf* skeleton_;
};

}  // namespace svcbench::verify
