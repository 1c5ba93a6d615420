// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A captured node as a tar archive: manifest.json, then a member for each source that was read.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "capture/node_capture.h"
#include "sys/result.h"

namespace svcbench {

inline constexpr int capture_format_version = 1;

// manifest.json: the format's version, when and where, and of each source how it was read, what that held,
// and the sha256 of its member.
[[nodiscard]] nlohmann::json manifest_of(const NodeCapture& capture);

// The bytes of the archive. The same capture gives the same bytes: members in the sources' order, owned by
// root, without times.
[[nodiscard]] Result<std::string> archive_of(const NodeCapture& capture);

struct NodeArchive {
  nlohmann::json manifest;
  std::map<std::string, std::string> members{};  // by name, without the manifest
};

// Every member that the manifest names must be there with its sum, and none beside. Error: usage, begins
// with `source`: no archive of this kind, damaged, or of a version that this svcbench does not know.
[[nodiscard]] Result<NodeArchive> parse_node_archive(const std::string& bytes, const std::string& source);

}  // namespace svcbench
