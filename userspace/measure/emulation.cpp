// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/emulation.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "service/text.h"

namespace svcbench {

std::string emulation_of(const nlohmann::json& environment) {
  if (!environment.is_object()) {
    return "";
  }
  const auto found = environment.find("emulated");
  return found != environment.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::string emulation_line(std::string_view emulation) {
  if (emulation.empty()) {
    return "";
  }
  if (emulation == "uml") {
    return "EMULATED (user-mode Linux): no BPF JIT, crossings between user and kernel space are slow: only "
           "in-kernel packet costs count";
  }
  if (emulation == "icount") {
    return "EMULATED (qemu TCG, instruction-counting clock): 1 ns is half a guest instruction; figures are "
           "instructions, not time";
  }
  if (emulation == "kvm") {
    return "VIRTUAL (qemu KVM): ratios inside this run count, absolute times are the guest's";
  }
  return fmt::format("EMULATED ({}): ratios inside this run count, absolute times do not",
                     emulation == "tcg" ? "qemu TCG" : emulation);
}

DisplayUnit display_unit(std::string_view emulation) {
  return emulation == "icount" ? DisplayUnit{.ns = 2, .name = "instr"} : DisplayUnit{};
}

void withhold_absolute(std::vector<Verdict>& verdicts, std::string_view emulation) {
  if (emulation.empty() || emulation == "kvm") {
    return;
  }
  for (Verdict& verdict : verdicts) {
    if (verdict.id.ends_with("-2-5us")) {
      verdict.outcome = Outcome::inconclusive;
      verdict.summary = fmt::format(
          "inconclusive: the claim is in microseconds, and this machine ({}) has no time of its own",
          emulation);
      verdict.would_settle = "the same run outside the guest, or under KVM";
    }
  }
}

}  // namespace svcbench
