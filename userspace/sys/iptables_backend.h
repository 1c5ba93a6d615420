// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which iptables programs there are, and which half of the kernel they speak to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

// One installed flavour. The two back ends keep tables of their own: neither sees what the other
// programmed, though packets meet both.
struct IptablesBackend {
  std::string restore;   // paths
  std::string save;      //
  std::string restore6;  // empty when it is not installed
  std::string save6;     //
  std::string label;     // "iptables-nft 1.8.9" or "iptables-legacy 1.8.9"
  std::string backend;   // "nft" or "legacy"
};

// Back end and label from what --version prints. Before 1.8 there was only the legacy one, and no word of
// it.
struct IptablesVersion {
  std::string backend;
  std::string label;
};
[[nodiscard]] IptablesVersion parse_iptables_version(std::string_view text);

// The programs beside `path`, which is a *-restore program or an iptables-like one
// (/usr/sbin/iptables-legacy), with or without its folder; by default iptables-restore. Errors: failure
// when nothing is installed, usage when `path` names something else.
[[nodiscard]] Result<IptablesBackend> find_iptables(const std::optional<std::string>& path);

}  // namespace svcbench
