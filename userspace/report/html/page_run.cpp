// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/page_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace svcbench::html {

namespace {

struct Look {
  std::string_view plane;
  std::string_view label;
  std::string_view slot;  // web/report.css: --plane-SLOT
  std::string_view mark;  // web/figure.js: styles
};

constexpr std::array looks{
    Look{"null", "plain forwarding", "null", "circle"},
    Look{"plain", "no plane", "null", "circle"},
    Look{"iptables-legacy", "iptables-legacy", "legacy", "circle"},
    Look{"iptables-nft", "iptables-nft", "nft", "square"},
    Look{"nftables", "nftables", "nftables", "triangle"},
    Look{"ipvs", "IPVS", "ipvs", "cross"},
    Look{"ebpf-xdp", "eBPF, XDP", "xdp", "diamond"},
    Look{"ebpf-tc", "eBPF, tc", "tc", "pill"},
    Look{"ebpf-sock", "eBPF, socket", "sock", "star"},
    Look{"ebpf", "eBPF maps", "xdp", "diamond"},
    Look{"bare", "bare bpf(2) call", "null", "square"},
};

const Look* look_of(std::string_view plane) {
  const auto* const found =
      std::find_if(looks.begin(), looks.end(), [&](const Look& look) { return look.plane == plane; });
  return found == looks.end() ? nullptr : found;
}

}  // namespace

std::string label_of(std::string_view plane) {
  const Look* look = look_of(plane);
  return std::string(look == nullptr ? plane : look->label);
}

nlohmann::json planes_json(const std::vector<PageRun>& runs) {
  nlohmann::json out = nlohmann::json::object();
  for (const Look& look : looks) {
    out[std::string(look.plane)] = {{"label", look.label}, {"slot", look.slot}, {"mark", look.mark}};
  }
  for (const PageRun& run : runs) {
    for (const Cell& cell : run.file().cells) {
      if (!out.contains(cell.plane)) {
        out[cell.plane] = {{"label", cell.plane}, {"slot", "other"}, {"mark", "circle"}};
      }
    }
  }
  return out;
}

}  // namespace svcbench::html
