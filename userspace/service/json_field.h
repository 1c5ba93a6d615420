// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A value of one of Kubernetes' objects: what it may be, or a sentence that says what it is instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "service/json_cursor.h"
#include "sys/result.h"

namespace svcbench {

// See JsonCursor for what must outlive it. All errors are usage errors that begin with where().
class JsonField {
 public:
  explicit JsonField(const nlohmann::json& value) : at_(value) {}

  [[nodiscard]] JsonField get(std::string_view key) const { return JsonField(at_.member(key)); }

  [[nodiscard]] bool absent() const { return at_.absent(); }
  [[nodiscard]] bool is_zero() const;                              // the number 0
  [[nodiscard]] std::string where() const { return at_.where(); }  // "spec.ports[0].port"

  [[nodiscard]] Result<std::vector<JsonField>> elements() const;  // absent: none
  [[nodiscard]] Result<std::string> text() const;                 // absent: ""
  [[nodiscard]] Result<std::string> required_text() const;        // absent or "": an error
  [[nodiscard]] Result<bool> boolean(bool if_absent) const;
  [[nodiscard]] Result<std::uint16_t> port() const;  // 1 to 65535; absent: an error

  // A whole number from `low` to `high`.
  [[nodiscard]] Result<std::uint32_t> number(std::uint32_t low, std::uint32_t high,
                                             std::uint32_t if_absent) const;

  // "<where>: expected <what>, found <type>".
  [[nodiscard]] tl::unexpected<Error> expected(std::string_view what) const;

 private:
  explicit JsonField(const JsonCursor& at) : at_(at) {}

  JsonCursor at_;
};

}  // namespace svcbench
