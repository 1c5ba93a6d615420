// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a result must tell of the machine that it was measured on.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace svcbench {

// Read from proc, sys and etc below `root` (a test gives a fake tree), and from the programs installed;
// what tests/vm/run says of its guest, from SVCBENCH_EMULATED and SVCBENCH_KERNEL_SOURCE.
// What cannot be read is null, never guessed. Call it before enter_private_namespaces(): the BPF JIT's
// settings are not to be seen inside.
[[nodiscard]] nlohmann::json describe_environment(const std::filesystem::path& root = "/");

}  // namespace svcbench
