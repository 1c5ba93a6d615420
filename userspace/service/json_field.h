// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A value in a JSON document that knows where it stands, so that a wrong one is reported as a sentence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// Refers to the document, and to the names of members that it was asked for, which must outlive it. Absent
// and null are the same, as they are to Kubernetes. A member of something that is no object is an error of
// whatever is then asked of that member, so a chain of get() needs one check, at its end. All errors are
// usage errors that begin with where(). Copies are cheap: a path becomes text only in an error.
class JsonField {
 public:
  explicit JsonField(const nlohmann::json& value) : value_(&value) {}

  [[nodiscard]] JsonField get(std::string_view key) const;

  [[nodiscard]] bool absent() const;
  [[nodiscard]] bool is_zero() const;       // the number 0
  [[nodiscard]] std::string where() const;  // "spec.ports[0].port"

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
  struct Step {
    std::string_view key;  // empty: an element
    std::size_t index = 0;
  };
  static constexpr std::size_t most_steps = 12;  // what is read of Kubernetes' objects is less deep

  [[nodiscard]] JsonField at(const nlohmann::json* value, const Step& step) const;

  const nlohmann::json* value_;  // null: absent
  std::array<Step, most_steps> path_{};
  std::size_t depth_ = 0;
  bool not_an_object_ = false;  // a member was asked of *value_, which has none
};

}  // namespace svcbench
