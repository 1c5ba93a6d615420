// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/input_file.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::uintmax_t most_bytes = 512U << 20U;

Result<std::string> read_all(std::FILE* file, const std::string& name) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  std::size_t count = 0;
  while ((count = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
    text.append(buffer.data(), count);
  }
  if (std::ferror(file) != 0) {
    return usage_error("{}", with_errno(name, errno));
  }
  return text;
}

}  // namespace

Result<std::string> read_whole(const std::string& path, const std::string& name) {
  if (path == "-") {
    return read_all(stdin, name);
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) {
    return usage_error("{}", with_errno(name, errno));
  }
  return read_all(file.get(), name);
}

Result<std::string> read_result(const std::string& path, const std::string& name, std::string_view remedy) {
  std::error_code error;
  if (path != "-" && std::filesystem::exists(path, error)) {
    if (!std::filesystem::is_regular_file(path, error)) {
      return usage_error("{}: not a file; {}", name, remedy);
    }
    if (std::filesystem::file_size(path, error) > most_bytes || error) {
      return usage_error("{}: larger than {} MiB, which no result is", name, most_bytes >> 20U);
    }
  }
  return read_whole(path, name);
}

tl::unexpected<Error> not_json(std::string_view /*text*/, std::size_t byte, std::string_view name,
                               std::string_view remedy) {
  return usage_error("{}: not JSON at byte {}; {}", name, grouped(byte), remedy);
}

Result<nlohmann::json> parse_json(std::string_view text, std::string_view name, std::string_view remedy,
                                  NotJson* otherwise) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    return otherwise(text, error.byte, name, remedy);
  } catch (const nlohmann::json::exception&) {
    // The one other exception of parse(): a number that no double holds, 1e999.
    return usage_error("{}: a number in it is out of range; {}", name, remedy);
  }
}

}  // namespace svcbench
