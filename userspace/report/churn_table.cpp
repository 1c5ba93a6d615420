// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/churn_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/figures.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr auto left = TextTable::Align::left;
constexpr double us = 1e3;

std::string rate_text(double rate) {
  return fmt::format("{}/s",
                     rate < 10 ? fmt::format("{:.2f}", rate) : grouped(static_cast<std::uint64_t>(rate)));
}

// "31.2 us", "4.1 ms", "1.9 s".
std::string time_text(double ns) {
  if (ns < 1e6) {
    return number(ns, us) + " us";
  }
  return ns < 1e9 ? number(ns, 1e6) + " ms" : number(ns, 1e9) + " s";
}

// "p50 3.1 us, p99 12.0 us, most 80 us"; sorts.
std::string spread_text(std::vector<double>& ns) {
  if (ns.empty()) {
    return "-";
  }
  std::sort(ns.begin(), ns.end());
  const auto at = [&](double p) {
    const auto place = static_cast<std::size_t>(p * static_cast<double>(ns.size()));
    return time_text(ns[std::min(place, ns.size() - 1)]);
  };
  return fmt::format("p50 {}, p99 {}, most {}", at(0.5), at(0.99), time_text(ns.back()));
}

void add_rows(TextTable& table, const ChurnResults& results, const ChurnPhase& phase) {
  const ChurnPhase* before = results.phase("before");
  std::string name = phase.name;
  const auto add = [&](std::string_view flows, std::string_view services, const ChurnTally& tally,
                       const ChurnTally& usual) {
    const auto slow = delayed(usual, tally);
    table.add({std::exchange(name, ""), std::string(flows), std::string(services), grouped(tally.sent),
               grouped(tally.count(PacketOutcome::wrong)),
               grouped(tally.count(PacketOutcome::half_changed)), grouped(tally.count(PacketOutcome::lost)),
               grouped(tally.count(PacketOutcome::reset)), number(tally.latency.quantile(0.5), us),
               number(tally.latency.quantile(0.99), us), slow ? grouped(*slow) : "-"});
  };
  add("new", "changing", phase.fresh.changing, before->fresh.changing);
  add("", "steady", phase.fresh.steady, before->fresh.steady);
  add("open", "changing", phase.established.changing, before->established.changing);
  add("", "steady", phase.established.steady, before->established.steady);
}

std::string packets_table(const ChurnResults& results) {
  TextTable table({{"", left},
                   {"flows", left},
                   {"services", left},
                   {"packets"},
                   {"wrong"},
                   {"half-changed"},
                   {"lost"},
                   {"reset"},
                   {"p50 us"},
                   {"p99 us"},
                   {"delayed"}});
  for (const ChurnPhase& phase : results.phases) {
    add_rows(table, results, phase);
  }
  return table.text();
}

std::string drops_text(const ChurnPhase& phase) {
  std::string text;
  for (const auto& [name, count] : phase.dropped) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, grouped(count));
  }
  return text;
}

std::string packets_notes(const ChurnResults& results) {
  std::string out;
  for (const ChurnPhase& phase : results.phases) {
    const ChurnTally all = phase.all();
    std::string line;
    const auto tell = [&](std::uint64_t count, std::string_view what) {
      if (count != 0) {
        line += fmt::format("{}{} {}", line.empty() ? "" : "; ", grouped(count), what);
      }
    };
    tell(all.count(PacketOutcome::damaged), "damaged (wrong checksum, wrong client, or twice)");
    tell(all.count(PacketOutcome::kept),
         "of open flows kept a backend that they may have had, as Kubernetes allows");
    tell(all.count(PacketOutcome::no_endpoint),
         "not delivered while their service had no endpoints, as is right");
    tell(phase.refusals, "refusals came back to clients (TCP resets, ICMP)");
    tell(phase.overrun, "of the lost ones never got to the plane (the ingress queue overran)");
    tell(phase.late, "of the lost ones came out late");
    if (phase.lost() != 0) {
      line += fmt::format("{}the node's counters: {}", line.empty() ? "" : "; ",
                          phase.dropped.empty() ? "none moved" : drops_text(phase));
    }
    out += line.empty() ? "" : wrapped(fmt::format("{}: {}", phase.name, line), 0);
  }
  return out;
}

std::string flow_table_text(const std::optional<FlowTable>& table) {
  if (!table) {
    return {};
  }
  const std::string hits =
      table->hit_rate() ? fmt::format("{:.1f} %", 100 * *table->hit_rate()) : std::string("none");
  return wrapped(
      fmt::format(
          "Flow table: {} entries in use, of {} a family; {} of {} packets found theirs, the others "
          "opened {} flows; {} entries made room for others",
          grouped(table->entries), grouped(table->capacity), hits, grouped(table->packets),
          grouped(table->opened), grouped(table->evicted)),
      0);
}

std::string changes_text(const ChurnResults& results) {
  const ChangeRun& changes = results.changes;
  std::string out =
      wrapped(fmt::format("Changes: {} for {:.0f} s to {} services: {} due, {} made in time; {}",
                          rate_text(changes.rate), changes.seconds, grouped(results.changing),
                          grouped(changes.due), grouped(changes.done),
                          changes.kept_up() ? "the plane kept up"
                                            : fmt::format("the plane fell behind: it reached {}",
                                                          rate_text(changes.rate_reached()))),
              0);
  TextTable table({{"change", left}, {"made"}, {"bad packets"}, {"stage and commit", left}});
  std::vector<double> lag;
  for (std::size_t step = 0; step < churn_steps; ++step) {
    std::vector<double> took;
    for (const ChangeTiming& change : changes.changes) {
      if (static_cast<std::size_t>(change.step) == step) {
        took.push_back(static_cast<double>(change.committed_ns - change.issued_ns));
        lag.push_back(static_cast<double>(change.issued_ns - change.due_ns));
      }
    }
    if (!took.empty()) {
      const std::string name(to_string(static_cast<ChurnStep>(step)));
      const auto bad = results.bad_after.find(name);
      const std::string made = grouped(took.size());
      table.add({name, made, grouped(bad == results.bad_after.end() ? 0 : bad->second), spread_text(took)});
    }
  }
  out += "\n" + table.text() + "\n";
  out += wrapped("Issued after they were due: " + spread_text(lag), 0);
  std::vector<double> effect = results.effect_ns;
  out += wrapped(
      fmt::format("From issue to the first packet that shows it: {} ({} of {} changes that packets can "
                  "show)",
                  spread_text(effect), grouped(results.effect_ns.size()), grouped(results.changes_to_see)),
      0);
  if (results.search) {
    const auto highest = results.search->highest();
    out += wrapped(fmt::format("Highest rate that the plane sustained: {} (without pauses {})",
                               highest ? rate_text(*highest) : "none of those tried",
                               rate_text(results.search->trials.front().rate_reached())),
                   0);
  }
  out += flow_table_text(results.flow_table);
  return out;
}

}  // namespace

std::string render_churn(const ChurnResults& results, const Verdict& verdict, bool colour) {
  std::string out = wrapped(
      fmt::format("{}: {} services; packets go to {} that change and {} that do not, {} a second{}",
                  results.plane, grouped(results.services), grouped(results.changing),
                  grouped(results.steady), grouped(static_cast<std::uint64_t>(results.packets_per_second)),
                  results.packets_limited_by.empty() ? "" : " (" + results.packets_limited_by + ")"),
      0);
  out += "\n" + packets_table(results) + "\n" + packets_notes(results) + "\n" + changes_text(results);
  return out + verdict_text({verdict}, colour);
}

}  // namespace svcbench
