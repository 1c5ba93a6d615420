// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <array>

#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"
#include "run/speeds.h"

namespace svcbench {

namespace {

constexpr std::array calls{std::pair{"udp-connect", &ConnectSamples::udp_connect_ns},
                           std::pair{"tcp-connect", &ConnectSamples::tcp_connect_ns},
                           std::pair{"first-packet", &ConnectSamples::first_packet_ns}};

}  // namespace

Run as_run(const ConnectResults& results) {
  Run run = run_of(results.environment, results.run, results.seconds);
  add(run, results.calibration);
  for (const ConnectSamples& samples : results.samples) {
    for (const auto& [call, blocks] : calls) {
      Cell cell = connect_cell(samples.name, results.services, call);
      if (take(cell, stats::median_of_blocks(samples.*blocks))) {
        take_blocks(cell, samples.*blocks);
        take_beside(cell, "more_than_plain", added_ns(samples.*blocks, results.samples.front().*blocks));
      } else {
        leave_out(cell, samples.tcp_not_offered.value_or("no block of it was measured"), std::nullopt);
      }
      add(run, std::move(cell));
    }
  }
  run.details = {{"missing", missing_json(results.missing)},
                 {"replies", each(results.samples, [](const ConnectSamples& samples) -> nlohmann::json {
                    return {{"plane", samples.name},
                            {"tcp_not_offered", or_null(samples.tcp_not_offered)},
                            {"from_dialled", samples.from_dialled},
                            {"from_backend", samples.from_backend}};
                  })}};
  add_speeds(run);
  return run;
}

}  // namespace svcbench
