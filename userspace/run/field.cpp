// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/field.h"

#include <cmath>

namespace svcbench {

namespace {

constexpr double most = 1e18;  // ns: thirty years; bytes: an exabyte
constexpr double most_services = 1e9;

std::optional<double> number_in(const nlohmann::json& value) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  return std::isfinite(number) && std::abs(number) <= most ? std::optional(number) : std::nullopt;
}

}  // namespace

void Field::expected(std::string_view what) const {
  if (wrong_->empty()) {
    *wrong_ = at_.mistake(what, true);
  }
}

double Field::number() const {
  const auto number = number_in(json());
  if (!number) {
    expected("a number");
  }
  return number.value_or(0);
}

std::optional<double> Field::number_if_any() const {
  return is_null() ? std::nullopt : std::optional(number());
}

std::size_t Field::count() const {
  const double number = json().is_number_integer() ? json().get<double>() : -1;
  if (number < 0 || number > most_services) {
    expected("a count");
    return 0;
  }
  return static_cast<std::size_t>(number);
}

std::string Field::text() const {
  if (!json().is_string() || json().get_ref<const std::string&>().empty()) {
    expected("a name");
    return {};
  }
  return json().get<std::string>();
}

std::string Field::text_if_any() const { return is_null() ? std::string() : text(); }

const nlohmann::json& Field::array() const {
  static const nlohmann::json none = nlohmann::json::array();
  if (is_null()) {
    return none;
  }
  if (!json().is_array()) {
    expected("an array");
    return none;
  }
  return json();
}

std::vector<Field> Field::elements() const {
  std::vector<Field> all;
  const nlohmann::json& values = array();
  all.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    all.emplace_back(at_.element(i), *wrong_);
  }
  return all;
}

// Not by elements(): a run has tens of thousands of samples, and none needs its place as text.
std::vector<double> Field::numbers() const {
  std::vector<double> all;
  const nlohmann::json& values = array();
  all.reserve(values.size());
  for (const nlohmann::json& one : values) {
    const auto number = number_in(one);
    if (!number) {
      expected("numbers");
      return {};
    }
    all.push_back(*number);
  }
  return all;
}

std::vector<std::vector<double>> Field::blocks() const {
  std::vector<std::vector<double>> all;
  for (const Field& block : elements()) {
    all.push_back(block.numbers());
  }
  return all;
}

std::vector<std::pair<std::string, Field>> Field::members() const {
  std::vector<std::pair<std::string, Field>> all;
  if (!is_null() && !json().is_object()) {
    expected("an object");
  } else if (!is_null()) {
    for (const auto& [name, value] : json().get_ref<const nlohmann::json::object_t&>()) {
      all.emplace_back(name, at(name));
    }
  }
  return all;
}

std::vector<std::string> Field::texts() const {
  std::vector<std::string> all;
  for (const Field& one : elements()) {
    all.push_back(one.text());
  }
  return all;
}

Verdict Field::verdict() const {
  return {.id = at("id").text(),
          .claim = at("claim").text(),
          .outcome = at("outcome").one_of({Outcome::holds, Outcome::does_not_hold, Outcome::inconclusive}),
          .summary = at("summary").text(),
          .evidence = at("evidence").texts(),
          .would_settle = at("would_settle").text_if_any()};
}

std::optional<stats::Interval> Field::interval() const {
  if (is_null()) {
    return std::nullopt;
  }
  const std::vector<double> ends = numbers();
  if (ends.size() != 2 || ends[0] > ends[1]) {
    expected("an interval");
    return std::nullopt;
  }
  return stats::Interval{.low = ends[0], .high = ends[1]};
}

std::optional<stats::Estimate> Field::estimate() const {
  if (is_null()) {
    return std::nullopt;
  }
  return stats::Estimate{.value = at("value").number(),
                         .interval = at("interval").interval(),
                         .samples = at("samples").count()};
}

}  // namespace svcbench
