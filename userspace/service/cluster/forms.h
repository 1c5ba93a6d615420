// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The forms that a cluster's objects come in, taken apart into objects.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench::cluster {

inline constexpr std::string_view remedy = "write it with `kubectl get services,endpointslices -A -o json`";

// Gets an object, of whose members only those are there that are read of any; or what stands in an object's
// place and is none.
using TakeObject = std::function<void(const nlohmann::json& object)>;

// Hands on every object of `text`: JSON, one document or several one after another (JSON lines, files put
// together), or YAML; each document an object, a List of any kind (List, ServiceList), or an array of
// either. An item that has no kind of its own, as in what the API server answers, gets that of its list. A
// list comes itself, without its items, after them.
//
// Nothing else is kept: a file may be a hundred times larger than its largest object. Error: usage: it is
// neither, or breaks off; names the line, or quotes it.
[[nodiscard]] Status each_object(std::string_view text, std::string_view source, const TakeObject& take);

}  // namespace svcbench::cluster
