// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/connect_report.h"

#include <array>

#include "report/figures.h"
#include "report/json_parts.h"
#include "report/text_table.h"

namespace svcbench {

namespace {

constexpr double us = 1000;

struct Kind {
  std::string_view key;
  std::string_view title;
  Blocks ConnectSamples::*blocks;
};

constexpr std::array kinds{
    Kind{"udp_connect_ns", "connect() of a UDP socket", &ConnectSamples::udp_connect_ns},
    Kind{"tcp_connect_ns", "connect() of a TCP socket: SYN and SYN+ACK", &ConnectSamples::tcp_connect_ns},
    Kind{"first_packet_ns", "a new UDP socket's first datagram and its reply",
         &ConnectSamples::first_packet_ns},
};

void add_kind(const Kind& kind, const ConnectResults& results, TextTable& table) {
  const Blocks& plain = results.samples.front().*kind.blocks;
  table.add_rule();
  table.add({std::string(kind.title), "", ""});
  for (const ConnectSamples& samples : results.samples) {
    const Blocks& blocks = samples.*kind.blocks;
    const bool is_plain = &blocks == &plain;
    table.add({"  " + samples.name, figure(stats::median_of_blocks(blocks), us),
               is_plain ? "" : figure(added_ns(blocks, plain), us)});
  }
}

}  // namespace

std::string render_connects(const ConnectResults& results) {
  TextTable table({{"us, with 95 % interval", TextTable::Align::left}, {"p50"}, {"more than plain"}});
  for (const Kind& kind : kinds) {
    add_kind(kind, results, table);
  }
  std::string out = table.text();
  for (const ConnectSamples& samples : results.samples) {
    if (samples.tcp_not_offered) {
      out += wrapped(fmt::format("{}: TCP {}", samples.name, *samples.tcp_not_offered), 0);
    }
    if (samples.from_backend > 0) {
      out += wrapped(
          fmt::format("{}: {} of {} replies came from the backend, not from what was dialled", samples.name,
                      samples.from_backend, samples.from_backend + samples.from_dialled),
          0);
    }
  }
  for (const MissingPlane& missing : results.missing) {
    out += wrapped(fmt::format("{}: not measured: {}", missing.plane, missing.why), 0);
  }
  return "\n" + out;
}

nlohmann::json to_json(const ConnectResults& results) {
  nlohmann::json planes = nlohmann::json::array();
  for (const ConnectSamples& samples : results.samples) {
    nlohmann::json one{{"plane", samples.name},
                       {"tcp_not_offered", or_null(samples.tcp_not_offered)},
                       {"replies_from_dialled", samples.from_dialled},
                       {"replies_from_backend", samples.from_backend}};
    for (const Kind& kind : kinds) {
      const Blocks& blocks = samples.*kind.blocks;
      one[kind.key] = {
          {"p50", estimate_json(stats::median_of_blocks(blocks))},
          {"more_than_plain", estimate_json(added_ns(blocks, results.samples.front().*kind.blocks))},
          {"blocks", blocks}};
    }
    planes.push_back(std::move(one));
  }
  return {{"schema_version", connect_schema_version},
          {"environment", results.environment},
          {"run", results.run},
          {"seconds", results.seconds},
          {"services", results.services},
          {"planes", std::move(planes)},
          {"missing", each(results.missing, [](const MissingPlane& missing) {
             return nlohmann::json{{"plane", missing.plane}, {"why", missing.why}};
           })}};
}

}  // namespace svcbench
