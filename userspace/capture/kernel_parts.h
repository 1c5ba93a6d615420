// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the kernel has already. A netlink message to a part that is not there would load its module, and
// reading a legacy table would make it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svcbench {

// Whether that module ("nf_tables") is loaded or built in; true, too, where the kernel loads none at all.
// False where it cannot be seen.
[[nodiscard]] bool kernel_has(std::string_view module);

// Loaded modules by their names; nothing: this kernel has none.
[[nodiscard]] std::vector<std::string> loaded_modules();

// The words of a file with one a line; none: it is not there.
[[nodiscard]] std::optional<std::vector<std::string>> lines_of_file(const std::string& path);

}  // namespace svcbench
