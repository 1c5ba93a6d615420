// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// tc programs at a device.
#pragma once

#include <bpf/libbpf.h>

namespace svcbench {

// The device's only program there, in the calling thread's network namespace, behind a clsact queueing
// discipline that is made where there is none; both go with the device. `replaces`: one of ours may be
// there already. The value is 0, or a negative errno.
[[nodiscard]] int attach_tc(unsigned device, bpf_tc_attach_point point, const bpf_program* program,
                            bool replaces = false);

}  // namespace svcbench
