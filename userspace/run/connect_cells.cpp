// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>

#include <array>

#include "run/cells.h"

namespace svcbench {

namespace {

struct Kind {
  const char* key;
  std::string_view id;
  std::string_view what;
};

constexpr std::array kinds{
    Kind{"udp_connect_ns", "udp-connect", "connect() of a UDP socket"},
    Kind{"tcp_connect_ns", "tcp-connect", "connect() of a TCP socket: SYN and SYN+ACK"},
    Kind{"first_packet_ns", "first-packet", "a new UDP socket's first datagram and its reply"},
};

}  // namespace

void add_connect_cells(const Field& document, Cells& cells) {
  for (const Field& plane : document.at("planes").elements()) {
    for (const Kind& kind : kinds) {
      const Field field = plane.at(kind.key);
      Cell cell;
      cell.scenario = "connect";
      cell.plane = plane.at("plane").text();
      cell.services = document.at("services").count();
      cell.what = kind.what;
      cell.unit = "ns";
      cell.id = fmt::format("{}/{}", id_of(cell), kind.id);
      if (!take_estimate(cell, field.at("p50"))) {
        continue;
      }
      cell.values = stats::block_medians(field.at("blocks").blocks());
      if (const auto more = field.at("more_than_plain").estimate()) {
        cell.also["more_than_plain_ns"] = more->value;
      }
      cells.push_back(std::move(cell));
    }
  }
}

}  // namespace svcbench
