// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A value of a run's JSON: what it may be; the first that is otherwise is told once, at the end.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "service/json_cursor.h"
#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// See JsonCursor for what must outlive it; so must `wrong`. The first thing that is not as a run has it
// goes into `wrong`, as a sentence; whoever reads a document asks for it once, at the end. Until then a
// value that is wrong is 0 or empty.
class Field {
 public:
  Field(const JsonCursor& at, std::string& wrong) : at_(at), wrong_(&wrong) {}

  [[nodiscard]] Field at(std::string_view key) const { return {at_.member(key), *wrong_}; }
  [[nodiscard]] bool is_null() const { return at_.absent(); }
  [[nodiscard]] const nlohmann::json& json() const { return at_.value(); }

  [[nodiscard]] double number() const;                        // finite
  [[nodiscard]] std::optional<double> number_if_any() const;  // none: null
  [[nodiscard]] std::size_t count() const;                    // whole, not negative
  [[nodiscard]] std::string text() const;                     // not empty
  [[nodiscard]] std::string text_if_any() const;              // "": null
  [[nodiscard]] std::vector<double> numbers() const;          // null: none
  [[nodiscard]] std::vector<std::vector<double>> blocks() const;
  [[nodiscard]] std::vector<Field> elements() const;  // null: none
  [[nodiscard]] std::optional<stats::Estimate> estimate() const;
  [[nodiscard]] std::optional<stats::Interval> interval() const;
  [[nodiscard]] std::vector<std::string> texts() const;  // null: none
  [[nodiscard]] Verdict verdict() const;
  // The one of `all` that is called so by to_string().
  template <typename T>
  [[nodiscard]] T one_of(std::initializer_list<T> all) const {
    const std::string name = text();
    for (const T one : all) {
      if (to_string(one) == name) {
        return one;
      }
    }
    expected("a name that it may have");
    return *all.begin();
  }
  // Each member of an object, in order; null: none.
  [[nodiscard]] std::vector<std::pair<std::string, Field>> members() const;

  // Says that it is not: "run.json.cells[3].value: expected a number, found null".
  void expected(std::string_view what) const;

 private:
  [[nodiscard]] const nlohmann::json& array() const;  // null: an empty one

  JsonCursor at_;
  std::string* wrong_;
};

}  // namespace svcbench
