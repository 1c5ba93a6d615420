// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/json_field.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "service/text.h"

namespace svcbench {

bool JsonField::is_zero() const { return at_.value() == 0; }

tl::unexpected<Error> JsonField::expected(std::string_view what) const {
  return usage_error("{}", at_.mistake(what));
}

Result<std::vector<JsonField>> JsonField::elements() const {
  std::vector<JsonField> fields;
  if (absent()) {
    return fields;
  }
  if (!at_.value().is_array()) {
    return expected("an array");
  }
  fields.reserve(at_.value().size());
  for (std::size_t i = 0; i < at_.value().size(); ++i) {
    fields.push_back(JsonField(at_.element(i)));
  }
  return fields;
}

Result<std::string> JsonField::text() const {
  if (absent()) {
    return std::string();
  }
  if (!at_.value().is_string()) {
    return expected("a string");
  }
  return at_.value().get<std::string>();
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
  if (!at_.value().is_boolean()) {
    return expected("a boolean");
  }
  return at_.value().get<bool>();
}

Result<std::uint16_t> JsonField::port() const {
  if (!at_.value().is_number()) {
    return expected("a port number");
  }
  const bool whole = at_.value().is_number_integer();
  // Not get<int>(), which would take 2^32 + 80 for 80. A number above 2^63 is negative here.
  const auto number = whole ? at_.value().get<std::int64_t>() : 0;
  if (!whole || number < 1 || number > 65'535) {
    return usage_error("{}: {} is not a port (1 to 65535)", where(), printable(at_.value().dump()));
  }
  return static_cast<std::uint16_t>(number);
}

Result<std::uint32_t> JsonField::number(std::uint32_t low, std::uint32_t high,
                                        std::uint32_t if_absent) const {
  if (absent()) {
    return if_absent;
  }
  if (!at_.value().is_number()) {
    return expected("a number");
  }
  const bool whole = at_.value().is_number_integer();
  const auto number = whole ? at_.value().get<std::int64_t>() : 0;  // above 2^63: negative
  if (!whole || number < std::int64_t{low} || number > std::int64_t{high}) {
    return usage_error("{}: {} is not a whole number from {} to {}", where(), printable(at_.value().dump()),
                       grouped(low), grouped(high));
  }
  return static_cast<std::uint32_t>(number);
}

}  // namespace svcbench
