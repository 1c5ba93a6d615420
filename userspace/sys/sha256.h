// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <nettle/sha2.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace svcbench {

// FIPS 180-4, by nettle. Pure.
[[nodiscard]] inline std::array<std::uint8_t, SHA256_DIGEST_SIZE> sha256(std::string_view text) {
  sha256_ctx context{};
  sha256_init(&context);
  sha256_update(&context, text.size(), reinterpret_cast<const std::uint8_t*>(text.data()));
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  sha256_digest(&context, digest.size(), digest.data());
  return digest;
}

}  // namespace svcbench
