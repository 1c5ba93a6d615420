// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/heading.h"

#include <fmt/format.h>

#include <cmath>

#include "measure/emulation.h"
#include "report/progress_line.h"
#include "run/merged_run.h"
#include "service/text.h"

namespace svcbench {

namespace {

// "iptables-legacy 1.8.9; iptables-nft 1.8.9, which plain iptables-restore is".
std::string programs_of(const Field& backends) {
  std::string programs;
  for (const Field& backend : backends.elements()) {
    if (backend.at("missing").is_null()) {
      programs += (programs.empty() ? "" : "; ") + backend.at("label").text() +
                  (backend.at("is_default").json() == true ? ", which plain iptables-restore is" : "");
    }
  }
  return programs;
}

// "rules.txt: 570 rules of IPv4, 216 chains (filter 12, nat 558), 81,015 bytes".
std::string ruleset_text(const Field& ruleset) {
  std::string tables;
  for (const Field& table : ruleset.at("tables").elements()) {
    tables += fmt::format("{}{} {}", tables.empty() ? "" : ", ", table.at("name").text(),
                          grouped(table.at("rules").count()));
  }
  return fmt::format("{}: {} ({}), {} bytes{}", ruleset.at("file").text_if_any(), ruleset_words(ruleset),
                     tables, grouped(ruleset.at("bytes").count()), whole_or_not(ruleset));
}

std::string subject_of(const RunView& run) {
  const Field details = run.details();
  std::string workload = run.about().at("workload").text_if_any();
  const std::string& command = run.file().command;
  if (command == "verify") {
    return "Behaviour of Services: real sockets, programs of pods and outsiders, one node.";
  }
  if (command == "ebpf") {
    return fmt::format("{}; beside them {} with the chapter's three rules a service", workload,
                       run.about().at("iptables").at("label").text_if_any());
  }
  if (const Field ruleset = details.at("ruleset"); !ruleset.is_null()) {
    return ruleset_text(ruleset);
  }
  if (std::string programs = programs_of(details.at("backends")); !programs.empty()) {
    return programs;
  }
  return workload;
}

std::string text_or_unknown(const Field& field) {
  return field.json().is_string() ? field.json().get<std::string>() : "unknown";
}

}  // namespace

std::string runs_words(const Run& run) {
  const std::size_t runs = runs_of(run);
  if (runs == 1) {
    return "";
  }
  // What a machine does in less time is not all that it does (docs/trust.md).
  constexpr double long_enough = 1800;
  return fmt::format("{} runs together: intervals hold what differs within {}{}", runs,
                     duration_text(run.seconds),
                     run.seconds < long_enough ? "; to spread them: --across 2h" : "");
}

std::string one_run_words(const Run& run) {
  return runs_of(run) > 1 || run.command == "churn" || run.command == "verify"
             ? ""
             : "Intervals are of this run alone: see --runs.";
}

std::string kube_proxy_words(const nlohmann::json& kube_proxy) {
  const auto text = [&](const char* name) {
    const auto found = kube_proxy.is_object() ? kube_proxy.find(name) : kube_proxy.end();
    return found != kube_proxy.end() && found->is_string() ? printable(found->get<std::string>()) : "";
  };
  const std::string version = text("version");
  const std::string binary = text("binary_version");
  return version.empty()
             ? ""
             : fmt::format("kube-proxy {}{}", version, binary.empty() ? "" : "; the binary is " + binary);
}

std::string ruleset_words(const Field& ruleset) {
  const bool is_ipvs = ruleset.at("kind").text_if_any() == "ipvs";
  return fmt::format("{} {} of {}, {} {}", grouped(ruleset.at("rules").count()),
                     is_ipvs ? "servers" : "rules", ruleset.at("family").text(),
                     grouped(ruleset.at("chains").count()), is_ipvs ? "virtual services" : "chains");
}

std::string whole_or_not(const Field& ruleset) {
  return ruleset.at("incomplete").elements().empty() ? "" : " (not whole)";
}

std::vector<std::string> heading_lines(const RunView& run) {
  const Field about = run.about();
  std::vector<std::string> out;
  if (const std::string mark = emulation_line(run.emulation()); !mark.empty()) {
    out.push_back(mark);
  }
  const double seconds = run.file().seconds;
  out.push_back(fmt::format("svcbench {} ({}), kernel {}, CPU {}{}{}",
                            text_or_unknown(about.at("svcbench_version")),
                            text_or_unknown(about.at("git_revision")),
                            text_or_unknown(run.environment().at("kernel").at("release")),
                            text_or_unknown(run.environment().at("cpu").at("model")),
                            about.at("seed").is_null() ? "" : ", seed " + about.at("seed").json().dump(),
                            seconds > 0 ? fmt::format(", {} s", std::lround(seconds)) : ""));
  if (const std::string words = runs_words(run.file()); !words.empty()) {
    out.push_back(words);
  }
  if (std::string subject = subject_of(run); !subject.empty()) {
    out.push_back(std::move(subject));
  }
  if (const std::string words = kube_proxy_words(about.at("kube_proxy").json()); !words.empty()) {
    out.push_back("Rules and syncs of " + words);
  }
  return out;
}

}  // namespace svcbench
