// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/json_cursor.h"

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

JsonCursor JsonCursor::at(const nlohmann::json* value, const Step& step) const {
  JsonCursor there = *this;
  there.value_ = value;
  if (there.depth_ < most_steps) {
    there.way_[there.depth_++] = step;
  }
  return there;
}

JsonCursor JsonCursor::member(std::string_view key) const {
  if (!absent() && !value_->is_object()) {
    JsonCursor wrong = *this;
    wrong.not_an_object_ = true;
    return wrong;
  }
  const nlohmann::json* found = nullptr;
  if (!absent()) {
    const auto place = value_->find(key);
    found = place == value_->end() ? nullptr : &*place;
  }
  return at(found, {.key = key});
}

JsonCursor JsonCursor::element(std::size_t index) const {
  return at(&(*value_)[index], {.key = {}, .index = index});
}

bool JsonCursor::absent() const { return value_ == nullptr || value_->is_null(); }

const nlohmann::json& JsonCursor::value() const {
  static const nlohmann::json null;
  return value_ == nullptr || not_an_object_ ? null : *value_;
}

std::string JsonCursor::where() const {
  std::string text(document_);
  for (const Step& step : std::span(way_).first(depth_)) {
    text += step.key.empty() ? fmt::format("[{}]", step.index)
                             : fmt::format("{}{}", text.empty() ? "" : ".", step.key);
  }
  return text.empty() ? "it" : text;
}

std::string JsonCursor::mistake(std::string_view what, bool with_value) const {
  const bool as_value = with_value && value_ != nullptr && value_->is_primitive();
  return fmt::format("{}: expected {}, found {}", where(), not_an_object_ ? "an object" : what,
                     as_value ? printable(value_->dump()) : std::string(type_in_words(value_)));
}

}  // namespace svcbench
