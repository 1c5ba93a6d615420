// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/json_field.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>

#include "service/text.h"

namespace svcbench {
namespace {

std::string_view type_in_words(const nlohmann::json* value) {
  if (value == nullptr) {
    return "nothing";
  }
  switch (value->type()) {
    case nlohmann::json::value_t::null:
      return "null";
    case nlohmann::json::value_t::object:
      return "an object";
    case nlohmann::json::value_t::array:
      return "an array";
    case nlohmann::json::value_t::string:
      return "a string";
    case nlohmann::json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

}  // namespace

JsonField JsonField::at(const nlohmann::json* value, const Step& step) const {
  JsonField member = *this;
  member.value_ = value;
  if (member.depth_ < most_steps) {
    member.path_[member.depth_++] = step;
  }
  return member;
}

std::string JsonField::where() const {
  std::string text;
  for (const Step& step : std::span(path_).first(depth_)) {
    text += step.key.empty() ? fmt::format("[{}]", step.index)
                             : fmt::format("{}{}", text.empty() ? "" : ".", step.key);
  }
  return text.empty() ? "it" : text;
}

bool JsonField::absent() const { return value_ == nullptr || value_->is_null(); }

bool JsonField::is_zero() const { return !absent() && !not_an_object_ && *value_ == 0; }

JsonField JsonField::get(std::string_view key) const {
  if (!absent() && !value_->is_object()) {
    JsonField wrong = *this;
    wrong.not_an_object_ = true;
    return wrong;
  }
  const nlohmann::json* member = nullptr;
  if (!absent()) {
    const auto found = value_->find(key);
    member = found == value_->end() ? nullptr : &*found;
  }
  return at(member, {.key = key});
}

tl::unexpected<Error> JsonField::expected(std::string_view what) const {
  return usage_error("{}: expected {}, found {}", where(), not_an_object_ ? "an object" : what,
                     type_in_words(value_));
}

Result<std::vector<JsonField>> JsonField::elements() const {
  std::vector<JsonField> fields;
  if (absent()) {
    return fields;
  }
  if (not_an_object_ || !value_->is_array()) {
    return expected("an array");
  }
  fields.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    fields.push_back(at(&(*value_)[i], {.key = {}, .index = i}));
  }
  return fields;
}

Result<std::string> JsonField::text() const {
  if (absent()) {
    return std::string();
  }
  if (not_an_object_ || !value_->is_string()) {
    return expected("a string");
  }
  return value_->get<std::string>();
}

Result<std::string> JsonField::required_text() const {
  SVCB_TAKE(value, text());
  if (value.empty()) {
    return absent() ? expected("a string") : usage_error("{}: is empty", where());
  }
  return value;
}

Result<bool> JsonField::boolean(bool if_absent) const {
  if (absent()) {
    return if_absent;
  }
  if (not_an_object_ || !value_->is_boolean()) {
    return expected("a boolean");
  }
  return value_->get<bool>();
}

Result<std::uint16_t> JsonField::port() const {
  if (absent() || not_an_object_ || !value_->is_number()) {
    return expected("a port number");
  }
  const bool whole = value_->is_number_integer();
  // Not get<int>(), which would take 2^32 + 80 for 80. A number above 2^63 is negative here.
  const auto number = whole ? value_->get<std::int64_t>() : 0;
  if (!whole || number < 1 || number > 65'535) {
    return usage_error("{}: {} is not a port (1 to 65535)", where(), printable(value_->dump()));
  }
  return static_cast<std::uint16_t>(number);
}

Result<std::uint32_t> JsonField::number(std::uint32_t low, std::uint32_t high,
                                        std::uint32_t if_absent) const {
  if (absent()) {
    return if_absent;
  }
  if (not_an_object_ || !value_->is_number()) {
    return expected("a number");
  }
  const bool whole = value_->is_number_integer();
  const auto number = whole ? value_->get<std::int64_t>() : 0;  // above 2^63: negative
  if (!whole || number < std::int64_t{low} || number > std::int64_t{high}) {
    return usage_error("{}: {} is not a whole number from {} to {}", where(), printable(value_->dump()),
                       grouped(low), grouped(high));
  }
  return static_cast<std::uint32_t>(number);
}

}  // namespace svcbench
