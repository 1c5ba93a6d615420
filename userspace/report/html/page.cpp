// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/page.h"

#include <fmt/format.h>
#include <nettle/base64.h>

#include <array>
#include <utility>

#include "report/html/assets.h"
#include "sys/sha256.h"

namespace svcbench::html {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A browser hashes what stands between the tags, after it has made every line end a newline: the files have
// no other.
std::string policy_of(std::span<const std::string_view> scripts, std::string_view style) {
  std::string hashes;
  for (const std::string_view script : scripts) {
    hashes += " " + policy_hash(script);
  }
  return fmt::format("default-src 'none'; script-src{}; style-src {}; base-uri 'none'; form-action 'none'",
                     hashes, policy_hash(style));
}

}  // namespace

std::string policy_hash(std::string_view content) {
  const auto digest = sha256(content);
  std::array<char, BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE)> text{};
  base64_encode_raw(text.data(), digest.size(), digest.data());
  return fmt::format("'sha256-{}'", std::string_view(text.data(), text.size()));
}

std::string script_safe(const nlohmann::json& data) {
  const std::string text = data.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {  // only inside strings
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string render_page(const nlohmann::json& data) {
  const Assets& all = assets();
  const std::array scripts{all.library, all.format, all.figure, all.build};
  std::string tags;
  for (const std::string_view script : scripts) {
    tags += fmt::format("<script>{}</script>\n", script);
  }
  const std::array<std::pair<std::string_view, std::string>, 5> parts{{
      {"policy", policy_of(scripts, all.style)},
      {"style", std::string(all.style)},
      {"licences", escaped(all.licence)},
      {"data", script_safe(data)},
      {"scripts", std::move(tags)},
  }};
  // Once from the left: what was put in is not looked at again, whatever it says.
  std::string out;
  std::string_view rest = all.page;
  for (const auto& [name, content] : parts) {
    const std::string place = fmt::format("{{{{{}}}}}", name);
    const std::size_t at = rest.find(place);
    out.append(rest.substr(0, at));
    out += content;
    rest.remove_prefix(at + place.size());
  }
  return out.append(rest);
}

}  // namespace svcbench::html
