// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of connect, churn and verify.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "report/tables.h"
#include "run/cells.h"
#include "service/text.h"

namespace svcbench {

namespace {

struct Call {
  const char* id;  // of its cells
  const char* title;
  const char* brief;
};
constexpr std::array calls{
    Call{"udp-connect", "connect() of a UDP socket", "connect()|of a UDP socket"},
    Call{"tcp-connect", "connect() of a TCP socket: SYN and SYN+ACK",
         "connect() of a TCP|socket: SYN, SYN+ACK"},
    Call{"first-packet", "a new UDP socket's first datagram and its reply",
         "first UDP datagram|and its reply"},
};

}  // namespace

Section connect_table(const RunView& run) {
  const auto cells = run.all_of("connect");
  const std::size_t services = cells.empty() ? 0 : cells.front()->services;
  Section out{
      .id = "connect",
      .title = fmt::format("connect() and the first datagram at {} services, median [95 % interval]",
                           grouped(services))};
  out.columns = {{"plane", true}};
  for (const Call& call : calls) {
    out.columns.push_back({.title = call.title, .brief = call.brief});
  }
  for (const Call& call : calls) {
    out.columns.push_back({.title = fmt::format("{}, more than without a plane", call.title),
                           .brief = fmt::format("{}|more than plain", call.brief)});
  }
  for (const Field& plane : run.details().at("replies").elements()) {
    const std::string name = plane.at("plane").text();
    std::vector<Entry> row{Entry::words(name)};
    for (const Call& call : calls) {
      row.push_back(Entry::of(run.find(cell_id("connect", name, services, call.id))));
    }
    for (const Call& call : calls) {
      const Cell* cell = run.find(cell_id("connect", name, services, call.id));
      row.push_back(
          name == "plain"
              ? Entry::words(" ")
              : figure_entry(cell == nullptr ? std::nullopt : beside(*cell, "more_than_plain_ns"), "ns"));
    }
    out.add(std::move(row));
    if (const std::string why = plane.at("tcp_not_offered").text_if_any(); !why.empty()) {
      out.after.push_back(fmt::format("{}: TCP {}", name, why));
    }
    if (const std::size_t backend = plane.at("from_backend").count(); backend > 0) {
      out.after.push_back(
          fmt::format("{}: {} of {} replies came from the backend, not from what was dialled", name,
                      backend, backend + plane.at("from_dialled").count()));
    }
  }
  return out;
}

Section churn_table(const RunView& run) {
  const auto cells = run.all_of("churn");
  const std::string plane = cells.empty() ? "" : cells.front()->plane;
  const std::size_t services = cells.empty() ? 0 : cells.front()->services;
  Section out{
      .id = "churn",
      .title = fmt::format("What became of every packet of {}, {} services", plane, grouped(services)),
      .caption =
          "Wrong: at a backend of another service, or one that its service no longer, or not yet, "
          "has. Half-changed: at an address that is nobody's backend."};
  out.columns = {{"phase", true}, {"flows", true}, {"services", true},
                 {"packets"},     {"wrong"},       {.title = "half-changed", .brief = "half-|changed"},
                 {"damaged"},     {"lost"},        {"reset"},
                 {"delayed"},     {"p50"},         {"p99"}};
  for (const Field& phase : run.details().at("churn").at("phases").elements()) {
    const std::string name = phase.at("name").text();
    for (const char* flow : {"new", "established"}) {
      for (const char* which : {"changing", "steady"}) {
        const std::string id =
            cell_id("churn", plane, services, fmt::format("{}/{}/{}", id_part(name), flow, which));
        const Cell* timed = run.find(id);
        const Cell* cell = timed == nullptr ? run.find_unmeasured(id) : timed;
        if (cell == nullptr) {
          continue;
        }
        std::vector<Entry> row{Entry::words(name), Entry::words(flow[0] == 'n' ? "new" : "open"),
                               Entry::words(which), number_entry(static_cast<double>(cell->samples), "")};
        for (const char* outcome : {"wrong", "half_changed", "damaged", "lost", "reset", "delayed"}) {
          const auto count = beside(*cell, outcome);
          row.push_back(number_entry(count ? std::optional(count->value) : std::nullopt, ""));
        }
        // Of thousands of packets: it has no interval.
        row.push_back(timed == nullptr ? Entry{} : number_entry(timed->value, timed->unit));
        row.push_back(Entry::of(timed, "p99"));
        out.add(std::move(row));
      }
    }
  }
  return out;
}

std::vector<std::string> failed_cases(const RunView& run) {
  struct Failure {
    std::vector<std::string> variants{};
    std::string evidence{};
  };
  std::map<std::pair<std::string, std::string>, Failure> failures;
  for (const Field& one : run.details().at("cases").elements()) {
    if (one.at("outcome").text() == "fail") {
      Failure& failure = failures[{one.at("plane").text(), one.at("behaviour").text()}];
      failure.variants.push_back(one.at("family").text() + " " + one.at("protocol").text());
      failure.evidence = one.at("evidence").text_if_any();
    }
  }
  std::vector<std::string> lines;
  for (const auto& [what, failure] : failures) {
    lines.push_back(fmt::format("{} fails {} ({}): {}", what.first, what.second,
                                fmt::join(failure.variants, ", "), failure.evidence));
  }
  return lines;
}

Section behaviour_counts(const RunView& run) {
  struct Counts {
    std::map<std::string, std::size_t> by_outcome{};
    std::vector<std::string> failed{};
  };
  std::vector<std::string> planes;
  std::map<std::string, Counts> all;
  for (const Field& one : run.details().at("cases").elements()) {
    const std::string plane = one.at("plane").text();
    const std::string outcome = one.at("outcome").text();
    add_unique(planes, plane);
    ++all[plane].by_outcome[outcome];
    if (outcome == "fail") {
      add_unique(all[plane].failed, one.at("behaviour").text());
    }
  }
  Section out{.title = "Behaviours that a Service must have, tried over each family and protocol"};
  out.columns = {{"plane", true}, {"pass"}, {"fail"}, {"differs"}, {"not offered"}, {"what fails", true}};
  for (const std::string& plane : planes) {
    Counts& counts = all[plane];
    std::vector<Entry> row{Entry::words(plane)};
    for (const char* outcome : {"pass", "fail", "differs", "not offered"}) {
      row.push_back(Entry::words(grouped(counts.by_outcome[outcome])));
    }
    row.push_back(Entry::words(counts.failed.empty() ? std::string(" ")
                                                     : fmt::format("{}", fmt::join(counts.failed, ", "))));
    out.add(std::move(row));
  }
  return out;
}

}  // namespace svcbench
