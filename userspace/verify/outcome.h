// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a behaviour case goes on or ends: a step has a value, or ends its case.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "sys/result.h"

namespace svcbench::verify {

// `differs`: not what the behaviour demands, and no defect either: flow tables are not all of one kind.
enum class Outcome : std::uint8_t { passed, failed, differs, not_offered };

[[nodiscard]] constexpr std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed:
      return "pass";
    case Outcome::failed:
      return "fail";
    case Outcome::differs:
      return "differs";
    case Outcome::not_offered:
      return "not offered";
  }
  return "?";
}

// Why a case ended before its end.
struct Ended {
  Ended(Error broke) : error(std::move(broke)) {}
  Ended(Outcome as, std::string why) : outcome(as), evidence(std::move(why)) {}

  Outcome outcome = Outcome::failed;
  std::string evidence{};        // one sentence
  std::optional<Error> error{};  // set: the case could not be judged, for it was this machine that refused
};

template <typename T>
using Step = tl::expected<T, Ended>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Ended> failed(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(Ended{Outcome::failed, fmt::format(format, std::forward<Args>(args)...)});
}

template <typename... Args>
[[nodiscard]] tl::unexpected<Ended> differs(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(Ended{Outcome::differs, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace svcbench::verify
