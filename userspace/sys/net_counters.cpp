// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/net_counters.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

namespace svcbench {

namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) {
    out.push_back(word);
  }
  return out;
}

void add(NetCounters& counters, const std::string& name, std::uint64_t count) {
  if (count != 0) {
    counters[name] += count;
  }
}

// /proc/net/dev: "vn: bytes packets errs drop fifo frame compressed multicast | the same for sending".
void add_devices(NetCounters& counters) {
  std::ifstream file("/proc/thread-self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) {
      continue;
    }
    const auto name = words(line.substr(0, colon));
    const auto values = words(line.substr(colon + 1));
    if (name.empty() || values.size() < 12) {
      continue;
    }
    add(counters, name.front() + " rx_dropped", std::stoull(values[3]));
    add(counters, name.front() + " tx_errors", std::stoull(values[10]));
    add(counters, name.front() + " tx_dropped", std::stoull(values[11]));
  }
}

// A line of names and a line of values, both headed by `head`: /proc/net/snmp, /proc/net/netstat.
void add_pair_of_lines(NetCounters& counters, const std::string& path, std::string_view head,
                       std::span<const std::string_view> lossy) {
  std::ifstream file(path);
  std::string names;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(head)) {
      continue;
    }
    if (names.empty()) {
      names = line;
      continue;
    }
    const auto keys = words(names);
    const auto values = words(line);
    for (std::size_t i = 1; i < keys.size() && i < values.size(); ++i) {
      if (std::find(lossy.begin(), lossy.end(), keys[i]) != lossy.end()) {
        add(counters, "IPv4 " + keys[i], std::stoull(values[i]));
      }
    }
    return;
  }
}

// What came in and had no route to go on by is counted apart from the rest, in netstat.
void add_ipv4(NetCounters& counters) {
  constexpr std::array<std::string_view, 6> lossy{"InHdrErrors", "InAddrErrors", "InDiscards",
                                                  "OutDiscards", "OutNoRoutes",  "InUnknownProtos"};
  constexpr std::array<std::string_view, 2> lossy_too{"InNoRoutes", "InTruncatedPkts"};
  add_pair_of_lines(counters, "/proc/thread-self/net/snmp", "Ip:", lossy);
  add_pair_of_lines(counters, "/proc/thread-self/net/netstat", "IpExt:", lossy_too);
}

// /proc/net/snmp6: a name and a value a line.
void add_ipv6(NetCounters& counters) {
  std::ifstream file("/proc/thread-self/net/snmp6");
  for (std::string line; std::getline(file, line);) {
    const auto pair = words(line);
    if (pair.size() == 2 && pair[0].starts_with("Ip6") &&
        (pair[0].ends_with("Discards") || pair[0].ends_with("NoRoutes") || pair[0].ends_with("Errors"))) {
      add(counters, "IPv6 " + pair[0].substr(3), std::stoull(pair[1]));
    }
  }
}

// /proc/net/stat/nf_conntrack: names, then a line of hexadecimal values a CPU.
void add_conntrack(NetCounters& counters) {
  constexpr std::array<std::string_view, 4> lossy{"drop", "early_drop", "insert_failed", "error"};
  std::ifstream file("/proc/thread-self/net/stat/nf_conntrack");
  std::string line;
  if (!std::getline(file, line)) {
    return;
  }
  const auto keys = words(line);
  while (std::getline(file, line)) {
    const auto values = words(line);
    for (std::size_t i = 0; i < keys.size() && i < values.size(); ++i) {
      if (std::find(lossy.begin(), lossy.end(), keys[i]) != lossy.end()) {
        add(counters, "conntrack " + keys[i], std::stoull(values[i], nullptr, 16));
      }
    }
  }
}

}  // namespace

NetCounters loss_counters() {
  NetCounters counters;
  add_devices(counters);
  add_ipv4(counters);
  add_ipv6(counters);
  add_conntrack(counters);
  return counters;
}

NetCounters moved(const NetCounters& before, const NetCounters& after) {
  NetCounters difference;
  for (const auto& [name, count] : after) {
    const auto old = before.find(name);
    const std::uint64_t base = old == before.end() ? 0 : old->second;
    add(difference, name, count > base ? count - base : 0);
  }
  return difference;
}

}  // namespace svcbench
