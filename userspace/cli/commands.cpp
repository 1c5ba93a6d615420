// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/command.h"
#include "cli/nearest.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

std::span<const Command> commands() {
  static constexpr std::array<Command, 21> table{{
      {"ebpf", "Do eBPF's updates and packets cost the same at any number of Services?",
       "sudo ./svcbench ebpf --services 5000", configure_ebpf},
      {"compare", "What do all data planes cost, side by side, and which claims hold?",
       "sudo ./svcbench compare --services 1000", configure_compare},
      {"path", "How long is a packet on its way through one data plane?",
       "sudo ./svcbench path --plane nftables --services 1000", configure_path},
      {"verify", "Does each data plane behave as a Kubernetes Service must?", "sudo ./svcbench verify",
       configure_verify},
      {"churn", "Do packets go wrong while Services change?",
       "sudo ./svcbench churn --plane ebpf-xdp --rate 1000 --services 5000", configure_churn},
      {"connect", "How long does a client wait in connect(), and for a first reply?",
       "sudo ./svcbench connect --services 1000", configure_connect},
      {"nftables", "What does kube-proxy's nftables mode cost, in every part?",
       "sudo ./svcbench nftables --services 1000", configure_nftables},
      {"ipvs", "What does kube-proxy's IPVS mode cost, in every part?",
       "sudo ./svcbench ipvs --services 1000", configure_ipvs},
      {"iptables", "How long does iptables take to load its whole table, as in Table 4.1?",
       "sudo ./svcbench iptables --shape chapter", configure_iptables},
      {"report", "How do I look at finished runs in a browser?",
       "./svcbench report run.json -o report.html", configure_report},
      {"maps", "What do the eBPF maps hold, once a cluster's Services are loaded?",
       "sudo ./svcbench maps --cluster cluster.json", configure_maps},
      {"render", "Which rules, sets or maps does a data plane make of Services?",
       "./svcbench render nftables --services 3", configure_render},
      {"capture", "How do I keep what decides over a packet on my node?",
       "sudo ./svcbench capture -o node.tar", configure_capture},
      {"rerun", "Does this machine find a run's figures once more?", "sudo ./svcbench rerun run.json",
       configure_rerun},
      {"diff", "What changed from one run to another?", "./svcbench diff old.json new.json",
       configure_diff},
      {"export", "How do I get a run's figures as CSV, Markdown or for Prometheus?",
       "./svcbench export run.json --csv -o run.csv", configure_export},
      {"explain", "How was a figure made, and what could make it wrong?", "./svcbench explain run.json",
       configure_explain},
      {"probe", "What can this machine measure, and how do I get what is missing?", "sudo ./svcbench probe",
       configure_probe},
      {"list", "Which data planes and which kinds of measurement are there?", "./svcbench list",
       configure_list},
      {"completions", "How does my shell complete svcbench's command lines?", "./svcbench completions bash",
       configure_completions},
      {"man", "Where is the manual page?", "./svcbench man", configure_man},
  }};
  return table;
}

const Command* find_command(std::string_view name) {
  const auto all = commands();
  const auto row =
      std::find_if(all.begin(), all.end(), [&](const Command& command) { return command.name == name; });
  return row == all.end() ? nullptr : &*row;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    names.emplace_back(command.name);
  }
  return names;
}

CLI::Validator one_of(std::vector<std::string> names) {
  const std::string all = fmt::format("{{{}}}", fmt::join(names, ","));
  return {[names = std::move(names)](const std::string& word) {
            if (std::find(names.begin(), names.end(), word) != names.end()) {
              return std::string();
            }
            return fmt::format("'{}' is none of {}{}", printable(word), fmt::join(names, ", "),
                               did_you_mean(word, names));
          },
          all};
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
