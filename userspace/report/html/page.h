// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The report: one page that needs nothing from anywhere.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace svcbench::html {

// The page around its data (page_data.h): style, scripts and the plotting library are inside it, and its
// policy (Content-Security-Policy) lets a browser run those, by their hashes, and fetch nothing.
[[nodiscard]] std::string render_page(const nlohmann::json& data);

// JSON as the content of a <script> element: no `<`, `>` or `&`, and nothing but ASCII, so that no text in
// it can end the element. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string script_safe(const nlohmann::json& data);

// "'sha256-...'", as a policy names an inline script or style.
[[nodiscard]] std::string policy_hash(std::string_view content);

}  // namespace svcbench::html
