// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A value in a JSON document that knows where it stands, so that a wrong one is reported as a sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "svcbench/result.h"

namespace svcbench {

// Refers to the document, which must outlive it. Absent and null are the same, as they are to Kubernetes.
// A member of something that is no object is an error of whatever is then asked of that member, so a chain
// of get() needs one check, at its end. All errors are usage errors that begin with where().
class JsonField {
 public:
  // `context`: what the value belongs to, for errors: "services.json: Service default/web".
  JsonField(const nlohmann::json& value, std::string context);

  // The same value under another context, from which paths then start.
  [[nodiscard]] JsonField in(std::string context) const;

  [[nodiscard]] JsonField get(std::string_view key) const;

  [[nodiscard]] bool absent() const;
  [[nodiscard]] bool is_zero() const;       // the number 0
  [[nodiscard]] std::string where() const;  // "<context>: spec.ports[0].port"

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
  JsonField(const nlohmann::json* value, std::string context, std::string path)
      : value_(value), context_(std::move(context)), path_(std::move(path)) {}

  const nlohmann::json* value_;  // null: absent
  std::string context_;
  std::string path_;
  bool not_an_object_ = false;  // a member was asked of *value_, which has none
};

}  // namespace svcbench
