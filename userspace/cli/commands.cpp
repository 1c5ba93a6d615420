// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <algorithm>
#include <array>
#include <charconv>

#include "cli/command.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

std::span<const Command> commands() {
  static constexpr std::array<Command, 19> table{{
      {"ebpf", "measure eBPF map updates and lookups over a sweep of N, beside iptables-restore",
       configure_ebpf},
      {"compare", "measure all data planes side by side: sync, update, path, state; Table 4.2, measured",
       configure_compare},
      {"path", "a packet from wire to wire through one plane", configure_path},
      {"verify", "whether every data plane behaves as Kubernetes Services do, with real sockets",
       configure_verify},
      {"churn", "services change at a rate while packets flow: wrong, half-changed, lost, delayed",
       configure_churn},
      {"connect", "what connect() and a first datagram take, by every plane", configure_connect},
      {"nftables", "kube-proxy's nftables mode in depth", configure_nftables},
      {"ipvs", "kube-proxy's IPVS mode in depth", configure_ipvs},
      {"iptables", "measure iptables-restore of the whole table beside the chapter's Table 4.1",
       configure_iptables},
      {"report", "finished runs as one page: verdicts, curves, tables, evidence", configure_report},
      {"maps", "load a cluster's services into the eBPF maps and print what the kernel then holds",
       configure_maps},
      {"render", "print what a plane would program: rules, sets, maps, as its tools take them",
       configure_render},
      {"diff", "what changed from one run to another, figure by figure; for CI too", configure_diff},
      {"export", "a finished run as CSV, Markdown or Prometheus' text format", configure_export},
      {"explain", "how a figure of a finished run was made, and what could make it wrong",
       configure_explain},
      {"probe", "say what this machine can measure, and how to get what is missing", configure_probe},
      {"list", "name the data planes and the scenarios", configure_list},
      {"completions", "print a script that completes command lines in bash, zsh or fish",
       configure_completions},
      {"man", "print the manual page", configure_man},
  }};
  return table;
}

CLI::Validator whole_number(std::uint64_t low, std::uint64_t high) {
  const auto range = fmt::format("{} to {}", grouped(low), grouped(high));
  return {[=](std::string& text) {
            std::uint64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
              return fmt::format("'{}' is not a whole number from {}", text, range);
            }
            return std::string();
          },
          range};
}

}  // namespace svcbench
