// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The machine that a run was made on, and how to repeat the run.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "measure/emulation.h"
#include "report/checks_text.h"
#include "report/html/page_run.h"
#include "report/left_out.h"
#include "report/quantity.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

// A value as a person reads it; "" for null.
std::string shown(const json& value) {
  if (value.is_null()) {
    return "";
  }
  if (value.is_boolean()) {
    return value.get<bool>() ? "yes" : "no";
  }
  if (value.is_array()) {
    std::string out;
    for (const json& one : value) {
      out += (out.empty() ? "" : ", ") + shown(one);
    }
    return out;
  }
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string at(const json& document, const char* pointer) {
  const json::json_pointer where(pointer);
  return document.contains(where) ? shown(document[where]) : "";
}

// One line of a shell: no control characters.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; },
      ' ');
  return text;
}

// Those that say something.
std::string joined(std::vector<std::string> parts) {
  std::erase(parts, "");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string processor(const json& environment) {
  const std::string count = at(environment, "/cpu/logical");
  const bool guest = at(environment, "/cpu/hypervisor") == "yes";
  return joined({at(environment, "/cpu/model"), count.empty() ? "" : count + " logical CPUs",
                 guest ? "in a virtual machine" : ""});
}

std::string governor(const json& environment) {
  const std::string name = at(environment, "/cpu/governor");
  const std::string boost = at(environment, "/cpu/boost");
  return joined({name.empty() ? at(environment, "/cpu/governor_reason") : name,
                 boost.empty() ? "" : "boost: " + boost});
}

std::string memory(const json& environment) {
  const json::json_pointer where("/memory_total_kib");
  return environment.contains(where) && environment[where].is_number()
             ? fmt::format("{:.1f} GiB", environment[where].get<double>() / (1024 * 1024))
             : "";
}

std::string versions(const json& environment) {
  std::vector<std::string> parts;
  const json::json_pointer where("/versions");
  if (environment.contains(where) && environment[where].is_object()) {
    for (const auto& [name, version] : environment[where].items()) {
      const std::string text = shown(version);
      parts.push_back(text.empty() || name == "iptables" ? text : fmt::format("{} {}", name, text));
    }
  }
  return joined(parts);
}

json facts_of(const PageRun& page_run) {
  const json& environment = page_run.file().environment;
  const json& run = page_run.file().run;
  const json& details = page_run.file().details;
  const double seconds = page_run.file().seconds;
  const std::string rounds = at(run, "/rounds");
  const std::string budget = at(run, "/budget_seconds");
  json facts = json::array();
  const auto add = [&facts](const char* name, const std::string& value) {
    if (!value.empty()) {
      facts.push_back(json::array({name, value}));
    }
  };
  add("Measured",
      joined({started_text(run), seconds > 0 ? fmt::format("{} s", std::lround(seconds)) : ""}));
  add("Services", at(run, "/workload"));
  add("kube-proxy", at(run, "/kube_proxy/version"));
  add("kube-proxy's binary", at(run, "/kube_proxy/binary_version"));
  const std::string rules = at(details, "/ruleset/rules");
  add("Ruleset", rules.empty() ? "" : fmt::format("{} rules of {}", rules, at(details, "/ruleset/family")));
  add("Processor", processor(environment));
  add("Memory", memory(environment));
  add("Kernel", joined({at(environment, "/kernel/release"), at(environment, "/kernel/machine")}));
  add("Distribution", at(environment, "/distribution"));
  add("Governor", governor(environment));
  add("Clock source", at(environment, "/clocksource"));
  const std::string jit = at(environment, "/bpf/jit_enable");
  add("BPF JIT", jit == "0" ? "off" : jit == "1" ? "on" : jit);
  add("Load before", at(environment, "/load_average"));
  add("Versions", versions(environment));
  add("svcbench", joined({at(run, "/svcbench_version"), at(run, "/git_revision")}));
  add("Rounds",
      joined({rounds.empty() ? "" : "at most " + rounds, budget.empty() ? "" : "budget " + budget + " s"}));
  add("Seed", at(run, "/seed"));
  return facts;
}

json commands_of(const PageRun& page_run) {
  const json& run = page_run.file().run;
  const std::string line = one_line(at(run, "/command_line"));
  const std::string revision = one_line(at(run, "/git_revision"));
  const std::string seed = one_line(at(run, "/seed"));
  json commands = json::array();
  if (revision.ends_with("-dirty")) {
    commands.push_back(fmt::format("# built from {}, with changes that no commit has", revision));
  } else if (!revision.empty()) {
    commands.push_back("git checkout " + revision + " && scripts/build");
  }
  // Wherever the program stood.
  const std::size_t arguments = line.find(fmt::format(" {}", page_run.file().command));
  const std::string again =
      arguments == std::string::npos ? line : "sudo ./svcbench" + line.substr(arguments);
  if (!again.empty()) {
    commands.push_back(
        again + (seed.empty() || again.find("--seed") != std::string::npos ? "" : " --seed " + seed));
  }
  return commands;
}

// "cpu.vulnerabilities.mds", "Not affected".
void flatten(const json& value, const std::string& name, json& out) {
  if (value.is_object()) {
    for (const auto& [key, one] : value.items()) {
      flatten(one, name.empty() ? key : fmt::format("{}.{}", name, key), out);
    }
  } else {
    const std::string text = shown(value);
    out.push_back(json::array({name, text.empty() ? "unknown" : text}));
  }
}

json left_out_of(const PageRun& run) {
  std::vector<std::string> out = left_out_lines(run);
  for (const auto& part : {second_instrument_lines(run), note_lines(run), work_notes(run)}) {
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

}  // namespace

json machine_json(const PageRun& run) {
  const json& environment = run.file().environment;
  const std::string emulation = emulation_of(environment);
  json everything = json::array();
  flatten(environment, "", everything);
  const json& about = run.file().run;
  std::string day = started_text(about);
  day = day.substr(0, day.find(' '));
  const std::string& path = run.file().path;
  return {{"file", path.substr(path.rfind('/') + 1)},  // folders are nobody's business
          {"command", run.file().command},
          {"mark", emulation_line(emulation)},
          {"mark_short", emulation == "kvm" ? "virtual" : "emulated"},
          {"brief",
           joined({at(environment, "/cpu/model"), "Linux " + at(environment, "/kernel/release"), day})},
          {"workload", at(about, "/workload")},
          {"facts", facts_of(run)},
          {"commands", commands_of(run)},
          {"noise", noise_lines(run)},
          {"left_out", left_out_of(run)},
          {"everything", std::move(everything)}};
}

}  // namespace svcbench::html
