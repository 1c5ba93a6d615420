// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A word that is not known, and the known one that was probably meant: commands, options, planes, cases.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace svcbench {

// Letters that must be put in, left out, replaced or swapped with their neighbour to make `b` of `a`, none
// of them twice ("optimal string alignment").
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of the nearest of `known`; none where more than a third of the letters would have to change. A
// word that one of them begins with is one mistake: what is missing was not typed wrong.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

// "; did you mean ebpf-xdp?", to end a sentence about a wrong word; empty where none is near.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace svcbench
