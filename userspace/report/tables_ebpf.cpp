// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of ebpf, the main job.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "plane/registry.h"
#include "report/tables.h"
#include "run/relative.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::array operations{"change", "add", "remove"};

// The plane whose whole table is reloaded beside the maps: "iptables-nft"; "" where there is none.
std::string iptables_of(const RunView& run) {
  for (const Cell* cell : run.all_of("update")) {
    if (kind_of(cell->plane) == PlaneKind::iptables) {
      return cell->plane;
    }
  }
  return "";
}

const Cell* update_of(const RunView& run, const std::string& plane, std::size_t services,
                      std::string_view operation) {
  return run.find(cell_id("update", plane, services, operation));
}

// Its figure, or what it would have been.
Entry iptables_entry(const RunView& run, const std::string& plane, std::size_t services,
                     std::string_view operation) {
  if (const Cell* cell = update_of(run, plane, services, operation)) {
    return Entry::of(cell);
  }
  const Cell* left_out = run.find_unmeasured(cell_id("update", plane, services, operation));
  return left_out == nullptr ? Entry{} : predicted_entry(*left_out);
}

const Cell* program_of(const RunView& run, const std::string& hook, std::size_t services,
                       const std::string& depth, const std::string& destination,
                       const std::string& family) {
  return run.find(
      cell_id("program", "ebpf-" + hook, services,
              fmt::format("{}{}{}/{}", depth, destination.empty() ? "" : "/", destination, family)));
}

std::vector<std::string> families_of(const RunView& run) {
  std::vector<std::string> families;
  for (const Cell* program : run.all_of("program")) {
    add_unique(families, std::string(program->coordinate("family")));
  }
  return families;
}

}  // namespace

Section main_job_table(const RunView& run) {
  const std::string iptables = iptables_of(run);
  const std::string family = families_of(run).empty() ? "" : families_of(run).front();
  Section out{.title =
                  "What N services cost: medians, +- the wider half of the 95 % interval; [?]: too few "
                  "rounds for it"};
  out.columns = {
      {.title = "services"},
      {.title = "change by map update, times a bare call", .brief = "map update,|x bare call"},
      {.title = "change of endpoints by map update", .brief = "change of endpoints|by map update"},
      {.title = "by iptables-restore", .brief = "by|" + (iptables.empty() ? "iptables" : iptables)},
      {.title = "times"},
      {.title = "XDP program, times a bare lookup", .brief = "the program,|x bare lookup"},
      {.title = "XDP program, lookup and DNAT", .brief = "the program|alone (XDP)"},
      {.title = "first packet, XDP, times plain forwarding", .brief = "ebpf-xdp,|x plain"},
      {.title = "first packet, XDP", .brief = "first packet|by ebpf-xdp"},
      {.title = "first packet, tc, times plain forwarding", .brief = "ebpf-tc,|x plain"},
      {.title = "first packet, tc", .brief = "first packet|by ebpf-tc"}};
  constexpr std::size_t most = 10;
  for (const std::size_t services : some_of(run.sizes({"update"}), most)) {
    const Cell* maps = update_of(run, "ebpf", services, "change");
    const Cell* program = program_of(run, "xdp", services, "dnat", "uniform", family);
    const auto packet = [&](const char* plane) {
      return run.find(cell_id("path", plane, services, fmt::format("new/last/{}", run.protocol())));
    };
    const auto times = times_of(run.file(), update_of(run, iptables, services, "change"), maps);
    out.add({Entry::words(grouped(services)), times_known_work(run, maps), Entry::of(maps),
             iptables_entry(run, iptables, services, "change"),
             times ? number_entry(times->value, "x") : Entry{}, times_known_work(run, program),
             Entry::of(program), times_known_work(run, packet("ebpf-xdp")), Entry::of(packet("ebpf-xdp")),
             times_known_work(run, packet("ebpf-tc")), Entry::of(packet("ebpf-tc"))});
  }
  return out;
}

Section map_update_table(const RunView& run) {
  const std::string iptables = iptables_of(run);
  Section out{.title =
                  "Update of one service where N exist, median [95 % interval]: map updates, bare bpf(2) "
                  "calls, iptables-restore of the whole table, and how many map updates that is"};
  out.columns = {{"N"},    {"", true}, {"eBPF"},     {"p99"},  {"max"},
                 {"bare"}, {"rules"},  {"iptables"}, {"ratio"}};
  for (const std::size_t services : run.sizes({"update"})) {
    for (const char* operation : operations) {
      const Cell* maps = update_of(run, "ebpf", services, operation);
      const Cell* bare = update_of(run, "bare", services, operation);
      const Cell* table = iptables.empty() ? nullptr : update_of(run, iptables, services, operation);
      const auto times = times_of(run.file(), table, maps);
      out.add({Entry::words(grouped(services)), Entry::words(operation), Entry::of(maps),
               Entry::of(maps, "p99"), Entry::of(maps, "max"),
               bare == nullptr ? Entry{} : number_entry(bare->value, bare->unit), Entry::of(table, "rules"),
               iptables_entry(run, iptables, services, operation),
               times ? number_entry(times->value, "x") : Entry{}});
    }
  }
  return out;
}

Section fill_table(const RunView& run) {
  Section out{.title = "Fill: all N services into empty maps",
              .caption =
                  "Single: a syscall an entry; batch: BPF_MAP_UPDATE_BATCH; mapped: backends through "
                  "mapped memory, services in a batch; gain: over single."};
  out.columns = {{"N"}, {"single"}, {"batch"}, {"mapped"}, {"batch gain"}, {"mapped gain"}, {"maps"}};
  for (const std::size_t services : run.sizes({"fill"})) {
    const auto fill = [&](const char* writes) {
      return run.find(cell_id("fill", "ebpf", services, writes));
    };
    const auto gain = [&](const char* writes) {
      const auto times = times_of(run.file(), fill("single"), fill(writes));
      return times ? number_entry(times->value, "x") : Entry{};
    };
    out.add({Entry::words(grouped(services)), Entry::of(fill("single")), Entry::of(fill("batch")),
             Entry::of(fill("mapped")), gain("batch"), gain("mapped"),
             Entry::of(fill("mapped"), "map_bytes")});
  }
  for (const Cell* fill : run.all_of("fill")) {
    if (fill->coordinate("batched") == "no") {
      out.after = {"This kernel has no BPF_MAP_UPDATE_BATCH: entries went one by one."};
    }
  }
  return out;
}

std::vector<Section> program_tables(const RunView& run) {
  std::vector<Section> all;
  const auto sizes = run.sizes({"program"});
  if (sizes.empty()) {
    return all;
  }
  for (const std::string& family : families_of(run)) {
    for (const std::string hook : {"xdp", "tc"}) {
      Section out{.title = fmt::format(
                      "Program alone, a packet, {}, {} (BPF_PROG_TEST_RUN: no flow table, no forwarding)",
                      hook, family)};
      out.columns = {{"N"}, {"program", true}, {"hot"}, {"uniform"}, {"zipf"}, {"miss"}};
      for (const char* depth : {"empty", "rewind"}) {
        out.add({Entry::words("any"), Entry::words(depth),
                 Entry::of(program_of(run, hook, sizes.back(), depth, "", family)), Entry::words(" "),
                 Entry::words(" "), Entry::words(" ")});
      }
      for (const std::size_t services : sizes) {
        for (const std::string depth : {"bare", "lookup", "dnat"}) {
          std::vector<Entry> row{Entry::words(grouped(services)),
                                 Entry::words(depth == "dnat" ? "lookup+DNAT" : depth)};
          for (const char* destination : {"hot", "uniform", "zipf", "miss"}) {
            row.push_back(Entry::of(program_of(run, hook, services, depth, destination, family)));
          }
          out.add(std::move(row));
        }
      }
      const auto times =
          times_of(run.file(), program_of(run, hook, sizes.back(), "dnat", "uniform", family),
                   program_of(run, hook, sizes.back(), "bare", "uniform", family));
      if (times) {
        out.after.push_back(
            fmt::format("Lookup and DNAT cost {} the bare hash lookup (uniform, {} services).",
                        entry_text(ratio_entry(times), run.file()), grouped(sizes.back())));
      }
      all.push_back(std::move(out));
    }
  }
  return all;
}

}  // namespace svcbench
