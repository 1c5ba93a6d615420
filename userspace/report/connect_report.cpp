// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/connect_report.h"

#include <array>

#include "report/json_parts.h"

namespace svcbench {

namespace {

struct Kind {
  std::string_view key;
  Blocks ConnectSamples::*blocks;
};

constexpr std::array kinds{
    Kind{"udp_connect_ns", &ConnectSamples::udp_connect_ns},
    Kind{"tcp_connect_ns", &ConnectSamples::tcp_connect_ns},
    Kind{"first_packet_ns", &ConnectSamples::first_packet_ns},
};

}  // namespace

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
