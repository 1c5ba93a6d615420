// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/page_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "measure/compare_run.h"
#include "run/cells.h"
#include "stats/growth.h"
#include "stats/verdict.h"

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

// What the wire is measured with: no plane to choose.
bool is_instrument(std::string_view plane) {
  constexpr std::array names{instrument_sink, instrument_redirect_xdp, instrument_redirect_tc,
                             instrument_route_xdp, instrument_route_tc};
  return std::find(names.begin(), names.end(), plane) != names.end();
}

bool is_of(const Cell& cell, const std::vector<std::string_view>& scenarios) {
  return std::find(scenarios.begin(), scenarios.end(), cell.scenario) != scenarios.end() &&
         !is_instrument(cell.plane);
}

}  // namespace

std::vector<std::string> PageRun::planes(const std::vector<std::string_view>& scenarios) const {
  std::vector<std::string> names;
  const auto listed = file_->document.find("planes");
  std::vector<std::string> order;
  if (listed != file_->document.end() && listed->is_array()) {
    for (const auto& one : *listed) {
      if (one.is_string()) {
        order.push_back(one.get<std::string>());
      }
    }
  }
  std::set<std::string> seen;
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios)) {
      seen.insert(cell.plane);
    }
  }
  for (const std::string& name : order) {
    if (seen.contains(name)) {
      add_unique(names, name);
    }
  }
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios)) {
      add_unique(names, cell.plane);
    }
  }
  return names;
}

std::vector<std::size_t> PageRun::sizes(const std::vector<std::string_view>& scenarios) const {
  std::set<std::size_t> sizes;
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios) && cell.services > 0) {
      sizes.insert(cell.services);
    }
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<const Cell*> PageRun::over_sizes(std::string_view scenario, std::string_view plane,
                                             std::string_view rest) const {
  std::vector<const Cell*> cells;
  for (const std::size_t services : sizes({scenario})) {
    if (const Cell* cell = find(cell_id(scenario, plane, services, rest))) {
      cells.push_back(cell);
    }
  }
  return cells;
}

std::string_view PageRun::protocol() const {
  const bool udp = std::any_of(file_->cells.begin(), file_->cells.end(), [](const Cell& cell) {
    return cell.scenario == "path" && cell.id.ends_with("/UDP");
  });
  return udp ? "UDP" : "TCP";
}

std::vector<std::string> PageRun::ways(std::string_view plane) const {
  std::vector<std::string> ways;
  for (const Cell& cell : file_->cells) {
    const std::string stem = cell_id("update", plane, cell.services, "change");
    if (cell.scenario != "update" || !cell.id.starts_with(stem)) {
      continue;
    }
    add_unique(ways, cell.id.size() > stem.size() ? cell.id.substr(stem.size() + 1) : "");
  }
  return ways;
}

void add_unique(std::vector<std::string>& names, std::string name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    names.push_back(std::move(name));
  }
}

std::string cell_id(std::string_view scenario, std::string_view plane, std::size_t services,
                    std::string_view rest) {
  return fmt::format("{}/{}/{}{}{}", scenario, id_part(plane), services, rest.empty() ? "" : "/", rest);
}

std::string growth_id(std::string_view plane, std::string_view what) {
  return fmt::format("growth/{}/{}", id_part(plane), id_part(what));
}

std::string_view trend_of(const Cell& growth) {
  return to_string(
      classify({.exponent = growth.value, .interval = growth.interval, .rounds = growth.samples}));
}

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
