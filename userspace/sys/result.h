// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How functions fail: a value or an Error, which is one sentence for a person and a kind for the exit code.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace svcbench {

struct Error {
  enum class Kind {
    usage,        // what the user gave cannot be used: exit code 2, nothing was changed
    failure,      // the machine refused: exit code 1
    interrupted,  // SIGINT or SIGTERM: exit code 130 or 143
  };

  Kind kind = Kind::failure;
  std::string message;  // what, where, the remedy; no full stop, no newline
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> failure(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(Error{Error::Kind::failure, fmt::format(format, std::forward<Args>(args)...)});
}

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> usage_error(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(Error{Error::Kind::usage, fmt::format(format, std::forward<Args>(args)...)});
}

// "what: errno in words". Libbpf's negative returns are errno values: pass -err.
[[nodiscard]] inline std::string with_errno(std::string_view what, int error) {
  return fmt::format("{}: {}", what, std::strerror(error));
}

}  // namespace svcbench

// Returns the error of `expression` (a Status, or a Result whose value is not wanted) from the function.
#define SVCB_CHECK(expression)                               \
  do {                                                       \
    if (auto svcb_status = (expression); !svcb_status) {     \
      return tl::unexpected(std::move(svcb_status).error()); \
    }                                                        \
  } while (false)

// Declares `name` with the value of `expression` (a Result), or returns its error from the function.
#define SVCB_TAKE(name, expression)                          \
  auto name##_result = (expression);                         \
  if (!name##_result) {                                      \
    return tl::unexpected(std::move(name##_result).error()); \
  }                                                          \
  auto name = std::move(*name##_result)
