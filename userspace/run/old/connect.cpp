// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <array>

#include "run/old/old_run.h"

namespace svcbench::old {

void add_connect(const Field& document, Run& run) {
  constexpr std::array calls{std::pair{"udp_connect_ns", "udp-connect"},
                             std::pair{"tcp_connect_ns", "tcp-connect"},
                             std::pair{"first_packet_ns", "first-packet"}};
  nlohmann::json replies = nlohmann::json::array();
  for (const Field& plane : document.at("planes").elements()) {
    const std::string name = plane.at("plane").text();
    replies.push_back({{"plane", name},
                       {"tcp_not_offered", plane.at("tcp_not_offered").json()},
                       {"from_dialled", plane.at("replies_from_dialled").json()},
                       {"from_backend", plane.at("replies_from_backend").json()}});
    for (const auto& [key, call] : calls) {
      Cell cell = connect_cell(name, document.at("services").count(), call);
      if (take(cell, plane.at(key).at("p50").estimate())) {
        take_blocks(cell, plane.at(key).at("blocks").blocks());
        take_beside(cell, "more_than_plain", plane.at(key).at("more_than_plain").estimate());
        add(run, std::move(cell));
      }
    }
  }
  run.details.erase("planes");
  run.details["replies"] = std::move(replies);
}

}  // namespace svcbench::old
