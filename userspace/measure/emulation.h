// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run inside tests/vm/run's guests may claim: describe_environment()'s "emulated".
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "stats/verdict.h"

namespace svcbench {

// "tcg", "icount", "uml", "kvm", or another text as it was given; "" outside a guest.
[[nodiscard]] std::string emulation_of(const nlohmann::json& environment);

// The line that a header begins with: what of this run's figures counts. "" outside a guest.
[[nodiscard]] std::string emulation_line(std::string_view emulation);

// What figures too fine for us are told in: guest instructions where the clock counts those, else ns.
// tests/vm/run counts with shift=1: 2 ns an instruction.
[[nodiscard]] DisplayUnit display_unit(std::string_view emulation);

// A guest at another speed than its processor's cannot decide a claim in microseconds: such verdicts become
// inconclusive. KVM runs at the processor's own speed, and keeps them.
void withhold_absolute(std::vector<Verdict>& verdicts, std::string_view emulation);

}  // namespace svcbench
