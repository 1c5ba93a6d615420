// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One figure of a run, whatever command made it. A run is its cells (run.h): tables, the page, exports,
// diff and explain render these and nothing else. Medians, quantiles, maxima and units are decided where a
// cell is made (run/*_cells.cpp), once; whoever prints one only rounds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/shared_plane.h"
#include "stats/quantile.h"

namespace svcbench {

// Where a figure is from.
enum class Origin : std::uint8_t {
  measured,  // in this run
  // From another run, of a plane that this machine lacks: a cost is that run's ratio to a plane that both
  // runs measured, times what that plane costs here (see `by_way_of`); exponents and counts are that run's
  // own, and have nothing in `by_way_of`.
  scaled,
  predicted,  // not measured: `value` is what the smaller sizes let expect, `reason` why it was left out
  left_out,   // not measured, and nothing is known: no value
};

enum class Better : std::uint8_t { less, more, neither };

// Of a histogram: `count` values in [low, high).
struct Bucket {
  double low = 0;
  double high = 0;
  double count = 0;
};

struct Cell {
  // The same in every run that measures the same thing, and used once in a run: the scenario, the plane,
  // the number of services, then what sets it apart: "path/ebpf-xdp/1000/new/last/UDP". Of
  // [A-Za-z0-9._+:-] and '/' alone, whatever the file says.
  std::string id;
  // "sync", "update", "fill", "path", "throughput", "program", "state", "chapter", "ruleset", "floor",
  // "connect", "churn", "instrument", "growth", "calibration".
  std::string scenario;
  std::string plane;         // as the file names it: text that nobody has checked
  std::size_t services = 0;  // 0: it belongs to no size
  std::string what;          // as tables print it: "new flow, last UDP"; text that nobody has checked
  // "ns", "instructions" (where an emulator's clock counts those), "bytes", "entries", "packets/s",
  // "packets", "changes/s", "exponent". Everything below is in it, unless its name says otherwise.
  std::string unit;

  double value = 0;
  std::optional<stats::Interval> interval{};
  std::size_t samples = 0;
  // What the value and the interval were made of, in the order in which they were measured (of churn, by
  // service), in `unit`: one a repeat, or the median of a block or a volley. Empty where the file has none.
  std::vector<double> values{};
  // Beside it, by name; the name ends in the unit where that is another: "p90", "p99", "p99.9", "p99.99",
  // "max", "stage_ns", "tool_user_ns", "input_bytes".
  std::map<std::string, double> also{};

  // What else sets it apart, by name, as tables print it:
  //   path, throughput  flow ("new flow", "established flow", "reply"), position ("first", "last",
  //   "random",
  //                     "missing"), protocol ("UDP", "TCP"), family ("IPv4", "IPv6")
  //   update            operation ("change endpoints", "add service", "remove service"), way (of the
  //   plane's
  //                     ways of being changed; absent where it has one)
  //   program           hook ("xdp", "tc"), depth ("empty", "rewind", "bare", "lookup", "dnat"), family,
  //                     destination ("hot", "uniform", "zipf", "miss"; absent where the depth has none)
  //   fill              writes ("single", "batch", "mapped"), batched ("no": this kernel has no batches)
  //   state             kept ("conntrack", "flow-table", "kernel-memory", "user-memory"), method
  //   chapter, ruleset  backend ("legacy", "nft"), load ("first load", "reload")
  //   floor             name ("exec", "empty transaction"), backend
  //   calibration       name ("multiplication", "cache-miss", "syscall", "child")
  //   connect           call ("udp-connect", "tcp-connect", "first-packet")
  //   churn             phase ("before", "during", ...), flow, which ("changing", "steady") of its
  //   latencies growth            of ("sync", "update", "path", "chapter") and the coordinates of what
  //   grows
  // Names are plain words; values are text that nobody has checked.
  std::map<std::string, std::string> at{};
  Better better = Better::less;

  Origin origin = Origin::measured;
  std::string reason{};  // predicted, left out: why it was not measured, a sentence without its end
  std::vector<SharedPlane> by_way_of{};

  // The raw samples, where a value is the median of a block: values[i] is blocks[i]'s.
  std::vector<std::vector<double>> blocks{};
  // Of all packets of a path or of a phase of churn, ascending.
  std::vector<Bucket> histogram{};
  // Of what stands beside it, the raw samples, one block a repeat or all in one block: "stage_ns",
  // "tool_user_ns", "p99" (of each volley).
  std::map<std::string, std::vector<std::vector<double>>> parts{};
  // Every check that its measurement passed, a few words each; of the second instrument too, where that
  // agreed.
  std::vector<std::string> checks{};

  [[nodiscard]] std::string_view coordinate(const std::string& name) const {
    const auto found = at.find(name);
    return found == at.end() ? std::string_view() : std::string_view(found->second);
  }
};

[[nodiscard]] std::string_view to_string(Origin origin);  // "measured", "scaled", "predicted", "left out"
[[nodiscard]] std::string_view to_string(Better better);  // "less", "more", "neither"

}  // namespace svcbench
