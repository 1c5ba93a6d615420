// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Reads YAML, as kubectl -o yaml writes it.
#pragma once

#include <string_view>

#include "service/cluster/object_builder.h"
#include "sys/result.h"

namespace svcbench::cluster {

// Gives `builder` the events of all of the documents. Scalars are what YAML 1.2's JSON schema makes of
// them: what is not quoted, and reads as null, true, false or a number, is that. Error: usage: not YAML,
// names the line; an alias (*name), which kubectl writes none of.
[[nodiscard]] Status parse_yaml(std::string_view text, std::string_view source, ObjectBuilder& builder);

}  // namespace svcbench::cluster
