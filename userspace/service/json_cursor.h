// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A place in a JSON document that knows its way there, so that what is wrong is reported by where it
// stands.
#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace svcbench {

// Refers to the document, to its name and to the names of members that it was asked for, which must outlive
// it. Absent and null are the same. A member of something that is no object is an error of whatever is then
// asked of that member, so a chain of member() needs one check, at its end. Copies are cheap: the way
// becomes text only in an error.
class JsonCursor {
 public:
  explicit JsonCursor(const nlohmann::json& value, std::string_view document = {})
      : value_(&value), document_(document) {}
  // `value` is that member of the document.
  JsonCursor(const nlohmann::json& value, std::string_view document, std::string_view member)
      : value_(&value), document_(document), way_{Step{.key = member}}, depth_(1) {}

  [[nodiscard]] JsonCursor member(std::string_view key) const;
  [[nodiscard]] JsonCursor element(std::size_t index) const;  // of an array that has it

  [[nodiscard]] bool absent() const;
  // A JSON null where it is absent, or a member of something that is no object.
  [[nodiscard]] const nlohmann::json& value() const;

  // "spec.ports[0].port", after the document's name; "it" without either.
  [[nodiscard]] std::string where() const;
  // "<where>: expected <what>, found <type>"; "found <value>" where the value itself is short and wanted.
  [[nodiscard]] std::string mistake(std::string_view what, bool with_value = false) const;

 private:
  struct Step {
    std::string_view key;  // empty: an element
    std::size_t index = 0;
  };
  static constexpr std::size_t most_steps = 12;  // neither Kubernetes' objects nor runs are deeper

  [[nodiscard]] JsonCursor at(const nlohmann::json* value, const Step& step) const;

  const nlohmann::json* value_;  // null: absent
  std::string_view document_;
  std::array<Step, most_steps> way_{};
  std::size_t depth_ = 0;
  bool not_an_object_ = false;  // a member was asked of *value_, which has none
};

}  // namespace svcbench
