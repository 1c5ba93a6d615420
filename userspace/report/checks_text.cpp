// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/checks_text.h"

#include <fmt/format.h>

#include <cmath>

#include "measure/path_results.h"
#include "measure/wire/agreement.h"
#include "measure/wire/latency_histogram.h"
#include "plane/registry.h"
#include "report/quantity.h"
#include "report/tables.h"
#include "run/relative.h"
#include "service/text.h"

namespace svcbench {

namespace {

// "1.25 times [1.22, 1.28]".
std::string times_text(const stats::Estimate& ratio) {
  const std::string figure = quantity(ratio.value, ratio.interval, "");
  const std::size_t space = figure.find(' ');
  return fmt::format("{} times{}", figure.substr(0, space), figure.substr(space));
}

// ns, or instructions where the clock counts those.
std::string estimate_in(const RunView& run, const Field& ns) {
  const auto estimate = run.in_unit(ns.estimate());
  return estimate ? quantity(estimate->value, estimate->interval, run.path_unit()) : "-";
}

std::string whole(double services) {
  return grouped(static_cast<std::size_t>(std::lround(std::max(services, 0.0))));
}

// What two instruments say of a difference. Where the clock counts instructions, again from the figures:
// the sentence in the document is in ns.
std::string summary_in(const RunView& run, const Field& one, const char* first, const char* second,
                       const Instruments& instruments) {
  if (run.unit().name == "ns") {
    return one.at("summary").text();
  }
  Comparison comparison{
      .instruments = instruments, .first = one.at(first).estimate(), .second = one.at(second).estimate()};
  for (const Agreement agreement : {Agreement::agree, Agreement::disagree}) {
    if (one.at("agreement").text() == to_string(agreement)) {
      comparison.agreement = agreement;
    }
  }
  return summary_of(comparison, run.unit());
}

class InstrumentLines {
 public:
  explicit InstrumentLines(const RunView& run) : run_(run) {
    if (const auto sizes = run.sizes({"path"}); !sizes.empty()) {
      services_ = sizes.back();
    }
  }

  std::vector<std::string> lines() {
    if (const Cell* clock = run_.find("instrument/clock")) {
      lines_.push_back(fmt::format(
          "The instrument: one reading of its clock takes {}; a latency read from its histogram is off by "
          "at most {:.1f} %.",
          quantity(std::round(clock->value), clock->unit), 100 * LatencyHistogram::relative_error));
    }
    constexpr std::string_view redirects = "that only redirects to a fixed device";
    constexpr std::string_view routes = "one that only routes and redirects";
    add("ebpf-xdp takes", "ebpf-xdp", "new/last", fmt::format("an XDP program {}", redirects),
        instrument_redirect_xdp, "new/last");
    add("ebpf-xdp takes", "ebpf-xdp", "new/last", routes, instrument_route_xdp, "new/last");
    add("ebpf-tc takes", "ebpf-tc", "new/last", fmt::format("a tc program {}", redirects),
        instrument_redirect_tc, "new/last");
    add("ebpf-tc takes", "ebpf-tc", "new/last", routes, instrument_route_tc, "new/last");
    for (const std::string& plane : run_.planes({"path"})) {
      const PlaneRow* row = find_plane(plane);
      if (row != nullptr && row->kind == PlaneKind::ebpf) {
        add_ratios(plane, *row);
      }
    }
    return std::move(lines_);
  }

 private:
  // An eBPF plane's kinds of packets beside each other, beside its variants and beside other planes.
  void add_ratios(const std::string& plane, const PlaneRow& row) {
    add(fmt::format("{}: a flow's later packet takes", plane), plane, "established/random", "its first",
        plane, "new/random");
    add(fmt::format("{}: a reply takes", plane), plane, "reply/random", "a later packet of its flow", plane,
        "established/random");
    std::vector<std::string> others;
    for (const PlaneRow& other : planes()) {
      if (is_netfilter(other.kind) && other.make != nullptr) {
        others.emplace_back(other.name);
      }
    }
    if (!row.variant_of.empty()) {
      others = {std::string(row.variant_of)};
      add(fmt::format("{}: a new flow's packet takes", plane), plane, "new/random", others.front() + "'s",
          others.front(), "new/random");
    }
    for (const std::string& other : others) {
      add(fmt::format("{}: an established flow's packet takes", plane), plane, "established/random",
          other + "'s", other, "established/random");
    }
  }

  void add(std::string_view what, std::string_view plane, std::string_view kind, std::string_view than,
           std::string_view other, std::string_view other_kind) {
    const auto find = [&](std::string_view name, std::string_view packets) {
      return run_.find(cell_id("path", name, services_, fmt::format("{}/{}", packets, run_.protocol())));
    };
    if (const auto ratio = times_of(run_.file(), find(plane, kind), find(other, other_kind))) {
      lines_.push_back(fmt::format("{} {} {}.", what, times_text(*ratio), than));
    }
  }

  const RunView& run_;
  std::size_t services_ = 0;
  std::vector<std::string> lines_{};
};

std::string sync_check_line(const Field& check) {
  const std::string what = fmt::format(
      "Second instrument (perf's records of the tools' processes), {}, sync of {} services over a no-op "
      "child",
      check.at("plane").text(), grouped(check.at("services").count()));
  if (const std::string why = check.at("not_offered").text_if_any(); !why.empty()) {
    return fmt::format("{}: not offered: {}", what, why);
  }
  const auto side = [&](const char* name) {
    const auto ratio = check.at(name).at("kernels_over_ours").estimate();
    return fmt::format("{}{}", check.at(name).at("summary").text(),
                       ratio && ratio->interval
                           ? fmt::format(" ({:.3f} x [{:.3f}, {:.3f}] in pairs)", ratio->value,
                                         ratio->interval->low, ratio->interval->high)
                           : "");
  };
  const auto no_op = stats::median_of(check.at("wall").at("rounds").at("ours_no_op_ns").numbers());
  return fmt::format("{}: wall time: {}. CPU time: {}. A no-op child takes {} by our stopwatch.", what,
                     side("wall"), side("cpu"),
                     no_op ? quantity(no_op->value, no_op->interval, "ns") : std::string("-"));
}

// "nft is costlier than legacy from 430 services [310, 620] on".
std::string load_crossing(const Field& measured) {
  const auto services = measured.at("services").number_if_any();
  const auto interval = measured.at("interval").interval();
  const auto sizes = measured.at("sizes").numbers();
  const std::string kind = measured.at("kind").text();
  const std::string_view word = kind.find("costlier") != std::string::npos ? "costlier" : "cheaper";
  const std::string range =
      sizes.size() == 2 ? fmt::format("from {} to {} services", whole(sizes[0]), whole(sizes[1])) : "";
  if (kind.starts_with("becomes") && services) {
    return fmt::format(
        "nft is {} than legacy from {} services on{}", word, whole(*services),
        interval ? fmt::format(" [{}, {}]", whole(interval->low), whole(interval->high)) : "");
  }
  if (kind.ends_with("throughout")) {
    return fmt::format("nft is {} than legacy {}", word, range);
  }
  const auto share = [&](const char* name) { return 100 * measured.at("shares").at(name).number(); };
  return fmt::format(
      "undecided {}: of 1,000 resamples nft is costlier throughout in {:.0f} %, cheaper throughout in "
      "{:.0f} %, becomes costlier in {:.0f} %, cheaper in {:.0f} % ({} rounds)",
      range, share("costlier_throughout"), share("cheaper_throughout"), share("becomes_costlier"),
      share("becomes_cheaper"), measured.at("rounds").count());
}

}  // namespace

std::vector<std::string> instrument_lines(const RunView& run) { return InstrumentLines(run).lines(); }

std::vector<std::string> second_instrument_lines(const RunView& run) {
  std::vector<std::string> lines;
  for (const Field& one : run.details().at("agreements").elements()) {
    lines.push_back(fmt::format(
        "Second instrument (UDP round trips of real sockets), {}, new flows, {} against {} services: {}",
        one.at("plane").text(), grouped(one.at("more_services").count()),
        grouped(one.at("less_services").count()), summary_in(run, one, "wire_ns", "round_trip_ns", {})));
  }
  for (const Field& check : run.details().at("sync_checks").elements()) {
    const bool offered = check.at("not_offered").is_null();
    // None where the budget held none.
    if (!offered || !check.at("wall").at("rounds").at("ours_sync_ns").numbers().empty()) {
      lines.push_back(sync_check_line(check));
    }
  }
  return lines;
}

std::vector<std::string> account_lines(const RunView& run) {
  std::vector<std::string> lines;
  for (const Field& check : run.details().at("account_checks").elements()) {
    const std::string what =
        fmt::format("Second instrument (the kernel's bpf_stats), {}", check.at("hook").text());
    if (const std::string why = check.at("not_offered").text_if_any(); !why.empty()) {
      lines.push_back(fmt::format("{}: not offered: {}", what, why));
      continue;
    }
    lines.push_back(fmt::format(
        "{}, lookup + DNAT over an empty program, {}, {} services: {}. Its floor is {} a run (an empty "
        "program); keeping it adds {} to each run.",
        what, check.at("destination").text_if_any(), grouped(check.at("services").count()),
        summary_in(run, check, "own_clock_ns", "account_ns",
                   {.first = "the program's own clock", .second = "the kernel's account"}),
        estimate_in(run, check.at("account_floor_ns")), estimate_in(run, check.at("cost_of_account_ns"))));
  }
  return lines;
}

std::vector<std::string> load_comparisons(const RunView& run) {
  std::vector<std::string> lines;
  for (const std::string& plane : run.planes({"chapter"})) {
    const auto sizes = run.sizes({"chapter"});
    for (auto services = sizes.rbegin(); services != sizes.rend(); ++services) {
      const auto ratio = times_of(run.file(), run.find(cell_id("chapter", plane, *services, "reload")),
                                  run.find(cell_id("chapter", plane, *services, "first")));
      if (ratio) {
        lines.push_back(fmt::format("{}: a reload takes {} the first load ({} services).", plane,
                                    times_text(*ratio), grouped(*services)));
        break;
      }
    }
  }
  for (const Field& crossing : run.details().at("crossings").elements()) {
    const Field predicted = crossing.at("predicted");
    std::string text = crossing.at("kind").is_null()
                           ? "fewer than two sizes where both back ends were measured"
                           : load_crossing(crossing);
    if (!predicted.is_null()) {
      text += fmt::format("; predicted from the two lines, not measured: {} at about {} services",
                          predicted.at("becomes_costlier").json() == true ? "costlier" : "cheaper",
                          whole(predicted.at("services").number()));
    }
    lines.push_back(fmt::format("{}: {}", crossing.at("what").text(), text));
  }
  return lines;
}

}  // namespace svcbench
