// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/node_capture.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "capture/kernel_parts.h"
#include "capture/text_pieces.h"
#include "service/text.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/stopwatch.h"
#include "sys/sysctl.h"

namespace svcbench {

namespace {

using nlohmann::json;

// How a source ends that was not read.
struct NotRead {
  Reading reading;
  std::string reason;
};

// Fills in text and `by`; nothing: it was read.
using Reader = std::function<Result<std::optional<NotRead>>(NodeSource& source)>;

std::string net_file(std::string_view name) { return fmt::format("/proc/thread-self/net/{}", name); }

// Appends what the command printed.
Result<std::optional<NotRead>> run_into(NodeSource& source, const std::vector<std::string>& argv) {
  if (!find_program(argv[0])) {
    return NotRead{Reading::absent, fmt::format("{} is neither on PATH nor in /usr/sbin", argv[0])};
  }
  std::string line;
  for (const std::string& word : argv) {
    line += (line.empty() ? "" : " ") + word;
  }
  source.by.push_back(line);
  auto ran = run_child(argv);
  if (!ran && ran.error().kind == Error::Kind::interrupted) {
    return tl::unexpected(std::move(ran).error());
  }
  if (!ran) {
    source.exit_status = -1;
    return NotRead{Reading::failed, ran.error().message};
  }
  source.exit_status = ran->exit_status;
  if (ran->exit_status != 0) {
    return NotRead{Reading::failed, fmt::format("{}: {}", argv[0], printable(ran->first_error_line()))};
  }
  source.text += ran->out;
  return std::optional<NotRead>{};
}

// ---- rules ----

constexpr std::array<std::string_view, 5> iptables_tables{"filter", "mangle", "nat", "raw", "security"};

// iptables-save's text without counters and times.
std::string without_counters(std::string_view text) {
  return changed_lines(text, [](std::string_view line) {
    if (line.starts_with('#')) {
      return std::string(line.substr(0, line.find(" on ")));
    }
    return line.starts_with(':') && line.ends_with(']')
               ? std::string(line.substr(0, line.rfind('['))) + "[0:0]"
               : std::string(line);
  });
}

Result<std::optional<NotRead>> read_tables(NodeSource& source, const std::string& program,
                                           const std::vector<std::string>& tables) {
  if (tables.empty()) {
    return NotRead{Reading::empty, "there is no such table"};
  }
  for (const std::string& table : tables) {
    SVCB_TAKE(not_read, run_into(source, {program, "-t", table}));
    if (not_read) {
      return not_read;
    }
  }
  source.text = without_counters(source.text);
  return std::optional<NotRead>{};
}

Reader legacy_tables(std::string program, std::string names_file) {
  return [program = std::move(program),
          names_file = std::move(names_file)](NodeSource& source) -> Result<std::optional<NotRead>> {
    source.by.push_back(names_file);
    auto tables = lines_of_file(net_file(names_file.substr(names_file.rfind('/') + 1)));
    if (!tables) {
      return NotRead{Reading::absent,
                     fmt::format("this kernel has no legacy tables now: there is no {}", names_file)};
    }
    std::sort(tables->begin(), tables->end());
    return read_tables(source, program, *tables);
  };
}

// "ip nat" of each table of nftables; none: nft was not asked, or failed.
struct NftTables {
  std::optional<NotRead> not_read{};
  std::vector<std::string> command{};  // that was run
  std::set<std::string> names{};
};

Result<NftTables> nft_tables() {
  NftTables tables;
  if (!kernel_has("nf_tables")) {
    tables.not_read = NotRead{Reading::absent, "the module nf_tables is not loaded; to ask would load it"};
    return tables;
  }
  NodeSource asked;
  SVCB_TAKE(not_read, run_into(asked, {"nft", "list", "tables"}));
  tables.not_read = not_read;
  tables.command = asked.by;
  std::string_view rest = asked.text;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.starts_with("table ")) {
      tables.names.emplace(trimmed(line.substr(6)));
    }
  }
  return tables;
}

Reader nft_iptables(std::string program, std::string family, const NftTables& there) {
  return [program = std::move(program), family = std::move(family),
          &there](NodeSource& source) -> Result<std::optional<NotRead>> {
    source.by = there.command;
    if (there.not_read) {
      return there.not_read;
    }
    std::vector<std::string> tables;
    for (const std::string_view table : iptables_tables) {
      if (there.names.contains(fmt::format("{} {}", family, table))) {
        tables.emplace_back(table);
      }
    }
    return read_tables(source, program, tables);
  };
}

Reader nft_ruleset(const NftTables& there) {
  return [&there](NodeSource& source) -> Result<std::optional<NotRead>> {
    source.by = there.command;
    if (there.not_read) {
      return there.not_read;
    }
    if (there.names.empty()) {
      return NotRead{Reading::empty, "there is no table"};
    }
    return run_into(source, {"nft", "--stateless", "list", "ruleset"});
  };
}

// "add NAME ELEMENT packets 1 bytes 60 ..." without these.
std::string without_set_counters(std::string_view text) {
  return changed_lines(text, [](std::string_view taken) {
    std::string line(taken);
    if (line.starts_with("add ")) {
      const std::size_t comment = line.find(" comment ");
      for (const std::string_view word : {" packets ", " bytes "}) {
        if (const std::size_t at = line.find(word); at < comment) {
          line.erase(at, line.find(' ', at + word.size()) - at);
        }
      }
    }
    return line;
  });
}

Result<std::optional<NotRead>> read_ipsets(NodeSource& source) {
  if (!kernel_has("ip_set")) {
    return NotRead{Reading::absent, "the module ip_set is not loaded; to ask would load it"};
  }
  SVCB_TAKE(not_read, run_into(source, {"ipset", "save"}));
  if (not_read) {
    return not_read;
  }
  source.text = without_set_counters(source.text);
  return source.text.empty() ? std::optional(NotRead{Reading::empty, "there is no set"}) : std::nullopt;
}

Result<std::optional<NotRead>> read_ipvs(NodeSource& source) {
  source.by.emplace_back("/proc/net/ip_vs");
  const auto lines = lines_of_file(net_file("ip_vs"));
  if (!lines) {
    return NotRead{Reading::absent, "this kernel has no IPVS now: there is no /proc/net/ip_vs"};
  }
  if (lines->size() <= 3) {  // its heading
    return NotRead{Reading::empty, "there is no virtual server"};
  }
  return run_into(source, {"ipvsadm", "-Sn"});
}

// ---- links, addresses, routes ----

// Of each object of a JSON list those members that are wanted; those of linkinfo become its own.
Reader ip_lists(std::vector<std::vector<std::string>> commands, std::vector<std::string> wanted) {
  return [commands = std::move(commands),
          wanted = std::move(wanted)](NodeSource& source) -> Result<std::optional<NotRead>> {
    json lists = json::array();
    for (const auto& command : commands) {
      source.text.clear();
      SVCB_TAKE(not_read, run_into(source, command));
      if (not_read) {
        return not_read;
      }
      const json list = json::parse(source.text.empty() ? "[]" : source.text, nullptr, false);
      if (!list.is_array()) {
        return NotRead{Reading::failed, fmt::format("{}: no JSON", source.by.back())};
      }
      for (json one : list) {
        if (one.contains("linkinfo") && one["linkinfo"].is_object()) {
          one.update(json(one["linkinfo"]));
        }
        json kept = wanted.empty() ? one : json::object();
        for (const std::string& name : wanted) {
          if (one.contains(name)) {
            kept[name] = one[name];
          }
        }
        if (!kept.empty()) {
          lists.push_back(std::move(kept));
        }
      }
    }
    source.text = lists.dump(1) + "\n";
    return std::optional<NotRead>{};
  };
}

// ---- settings ----

// Below /proc/sys/net: folders of which every file counts, with what their names begin with.
std::vector<std::string> settings_that_matter() {
  std::vector<std::string> files{"net/ipv4/ip_forward",          "net/ipv4/ip_early_demux",
                                 "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports",
                                 "net/ipv4/ip_nonlocal_bind",    "net/ipv4/fib_multipath_hash_policy",
                                 "net/ipv4/fwmark_reflect",      "net/ipv6/fwmark_reflect",
                                 "net/ipv6/bindv6only",          "net/core/netdev_budget",
                                 "net/core/netdev_max_backlog",  "net/core/bpf_jit_enable",
                                 "net/core/bpf_jit_harden"};
  const auto add_folder = [&](const std::string& folder, std::string_view prefix) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/sys/" + folder, error)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(prefix) && name != "nf_conntrack_count") {  // that is conntrack.json's
        files.push_back(fmt::format("{}/{}", folder, name));
      }
    }
  };
  add_folder("net/netfilter", "nf_conntrack_");
  add_folder("net/netfilter", "nf_flowtable_");
  add_folder("net/ipv4/vs", "");
  add_folder("net/bridge", "bridge-nf-");
  for (const std::string family : {"ipv4", "ipv6"}) {
    std::error_code error;
    const std::string devices = "net/" + family + "/conf";
    for (const auto& device : std::filesystem::directory_iterator("/proc/sys/" + devices, error)) {
      for (const std::string name :
           {"accept_local", "arp_announce", "arp_ignore", "disable_ipv6", "forwarding", "proxy_arp",
            "route_localnet", "rp_filter", "src_valid_mark"}) {
        files.push_back(fmt::format("{}/{}/{}", devices, device.path().filename().string(), name));
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::optional<NotRead>> read_settings(NodeSource& source) {
  source.by.emplace_back("/proc/sys/net");
  for (const std::string& file : settings_that_matter()) {
    if (const auto value = read_sysctl(file)) {
      source.text += fmt::format("{} = {}\n", file, *value);
    }
  }
  return std::optional<NotRead>{};
}

Result<std::optional<NotRead>> read_conntrack(NodeSource& source) {
  source.by.emplace_back("/proc/sys/net/netfilter");
  json limits;
  for (const auto& [name, file] : {std::pair{"entries", "net/netfilter/nf_conntrack_count"},
                                   std::pair{"limit", "net/netfilter/nf_conntrack_max"},
                                   std::pair{"buckets", "net/netfilter/nf_conntrack_buckets"}}) {
    if (const auto value = read_sysctl(file)) {
      limits[name] = json::parse(*value, nullptr, false);
    }
  }
  if (!limits.contains("entries")) {
    return NotRead{Reading::absent, "this kernel tracks no connections now"};
  }
  source.text = limits.dump(1) + "\n";
  return std::optional<NotRead>{};
}

// ---- kube-proxy, kernel ----

// "ipvs" of a line `mode: "ipvs"` of its configuration file, of --proxy-mode; "": it does not say.
std::string mode_in(const std::string& process, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    std::string value = equals != std::string::npos ? word.substr(equals + 1)
                        : i + 1 < words.size()      ? words[i + 1]
                                                    : "";
    if (name == "--proxy-mode") {
      return value;
    }
    if (name == "--config") {
      for (const std::string& line :
           lines_of_file(fmt::format("{}/root{}", process, value)).value_or(std::vector<std::string>{})) {
        if (line.starts_with("mode:")) {
          std::string mode = line.substr(5);
          std::erase_if(mode, [](char c) { return c == ' ' || c == '"' || c == '\''; });
          return mode;
        }
      }
    }
  }
  return "";
}

bool same_namespace(const std::string& process) {
  struct stat own {};
  struct stat other {};
  return stat("/proc/thread-self/ns/net", &own) == 0 && stat((process + "/ns/net").c_str(), &other) == 0 &&
         own.st_ino == other.st_ino;
}

// Its own word is at a port on loopback, where a question would be packets that rules count.
Result<std::optional<NotRead>> read_kube_proxy(NodeSource& source, const std::vector<NodeSource>& before) {
  source.by.emplace_back("/proc/PID/cmdline");
  json processes = json::array();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string process = entry.path();
    const auto lines = lines_of_file(process + "/cmdline");
    if (!lines || lines->empty()) {
      continue;
    }
    std::vector<std::string> words{""};
    for (const char c : lines->front()) {
      if (c == '\0') {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    if (std::filesystem::path(words.front()).filename() == "kube-proxy" && same_namespace(process)) {
      const std::string mode = mode_in(process, words);
      processes.push_back({{"mode", mode.empty() ? json("kube-proxy's default") : json(mode)}});
    }
  }
  json seen = json::array();
  for (const NodeSource& one : before) {
    for (const std::string_view sign :
         {"KUBE-SERVICES", "table ip kube-proxy {", "table ip6 kube-proxy {", "kube-ipvs0"}) {
      if ((one.member.ends_with(".save") || one.member.ends_with(".rules") || one.member == "links.json") &&
          one.text.find(sign) != std::string::npos) {
        seen.push_back({{"in", one.member}, {"sign", sign}});
      }
    }
  }
  if (processes.empty() && seen.empty()) {
    return NotRead{Reading::absent, "no kube-proxy runs in this namespace, and nothing is as it writes it"};
  }
  source.text = json{{"processes", processes}, {"signs", seen}}.dump(1) + "\n";
  return std::optional<NotRead>{};
}

Result<std::optional<NotRead>> read_kernel(NodeSource& source) {
  source.by = {"uname(2)", "/proc/modules"};
  utsname kernel{};
  uname(&kernel);
  source.text =
      json{{"release", kernel.release}, {"machine", kernel.machine}, {"modules", loaded_modules()}}.dump(
          1) +
      "\n";
  return std::optional<NotRead>{};
}

// ---- all of them ----

constexpr std::string_view holds_legacy =
    "the mutex of that family's legacy tables, while one table is copied: a reload of rules waits so long";
constexpr std::string_view holds_nothing_nft =
    "no lock: the list is read under RCU, and read again where a change came between";
constexpr std::string_view holds_rtnl =
    "the kernel's rtnl mutex, on older kernels, while one message of up to 32 KiB is filled";
constexpr std::string_view holds_none = "no lock";

Status take(NodeCapture& capture, NodeSource source, const Reader& read) {
  const Stopwatch reading;
  SVCB_TAKE(not_read, read(source));
  source.took_ms = static_cast<double>(reading.ns()) / 1e6;
  if (not_read) {
    source.reading = not_read->reading;
    source.reason = not_read->reason;
    source.text.clear();
  }
  capture.sources.push_back(std::move(source));
  return {};
}

}  // namespace

std::string_view to_string(Reading reading) {
  switch (reading) {
    case Reading::read:
      return "read";
    case Reading::empty:
      return "empty";
    case Reading::absent:
      return "absent";
    case Reading::failed:
      break;
  }
  return "failed";
}

Status enter_network_namespace(const std::string& name) {
  const bool is_pid = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
  const std::string path = name.find('/') != std::string::npos ? name
                           : is_pid                            ? fmt::format("/proc/{}/ns/net", name)
                                                               : "/run/netns/" + name;
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    return usage_error("--netns {}: {}: {}; give a name of `ip netns list`, a process number or a path",
                       printable(name), printable(path), std::strerror(errno));
  }
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return usage_error(
        "--netns {}: {} is not a network namespace; give a name of `ip netns list`, a "
        "process number or a path such as /proc/1/ns/net",
        printable(name), printable(path));
  }
  if (setns(fd.get(), CLONE_NEWNET) != 0) {
    return failure("--netns {}: enter the namespace: {} (needs CAP_SYS_ADMIN; run it with sudo)",
                   printable(name), std::strerror(errno));
  }
  return {};
}

Result<NodeCapture> capture_node() {
  NodeCapture capture;
  capture.captured_at = std::time(nullptr);
  const auto add = [&](std::string member, std::string what, std::string_view holds, const Reader& read) {
    return take(capture, {std::move(member), std::move(what), std::string(holds)}, read);
  };
  SVCB_CHECK(add("iptables-legacy.save", "IPv4 rules of the legacy tables", holds_legacy,
                 legacy_tables("iptables-legacy-save", "/proc/net/ip_tables_names")));
  SVCB_CHECK(add("ip6tables-legacy.save", "IPv6 rules of the legacy tables", holds_legacy,
                 legacy_tables("ip6tables-legacy-save", "/proc/net/ip6_tables_names")));
  SVCB_TAKE(there, nft_tables());
  SVCB_CHECK(add("iptables-nft.save", "IPv4 rules of iptables' tables in nf_tables", holds_nothing_nft,
                 nft_iptables("iptables-nft-save", "ip", there)));
  SVCB_CHECK(add("ip6tables-nft.save", "IPv6 rules of iptables' tables in nf_tables", holds_nothing_nft,
                 nft_iptables("ip6tables-nft-save", "ip6", there)));
  SVCB_CHECK(add("nftables.rules", "the ruleset of nf_tables", holds_nothing_nft, nft_ruleset(there)));
  SVCB_CHECK(
      add("ipset.save", "sets of ipset",
          "ipset's netlink mutex, while the list begins; a set that is being listed cannot be destroyed",
          read_ipsets));
  SVCB_CHECK(add("ipvs.save", "IPVS's virtual servers and their destinations",
                 "IPVS's mutex of this namespace, while one message of the list is filled", read_ipvs));
  SVCB_CHECK(add("links.json", "devices and their kinds", holds_rtnl,
                 ip_lists({{"ip", "-d", "-j", "link", "show"}},
                          {"ifindex", "ifname", "flags", "mtu", "operstate", "link_type", "address", "link",
                           "master", "info_kind", "info_slave_kind"})));
  SVCB_CHECK(add("addresses.json", "addresses of the devices", holds_rtnl,
                 ip_lists({{"ip", "-j", "addr", "show"}}, {"ifname", "addr_info"})));
  SVCB_CHECK(add("routes.json", "routes of all tables", holds_rtnl,
                 ip_lists({{"ip", "-4", "-d", "-j", "route", "show", "table", "all"},
                           {"ip", "-6", "-d", "-j", "route", "show", "table", "all"}},
                          {})));
  SVCB_CHECK(add("rules.json", "policy rules", holds_rtnl,
                 ip_lists({{"ip", "-4", "-j", "rule", "show"}, {"ip", "-6", "-j", "rule", "show"}}, {})));
  SVCB_CHECK(add("sysctls.txt", "settings that a packet's way depends on", holds_none, read_settings));
  SVCB_CHECK(
      add("conntrack.json", "how many connections are tracked, and may be", holds_none, read_conntrack));
  SVCB_CHECK(add("kube-proxy.json", "kube-proxy's mode, where it can be seen", holds_none,
                 [&](NodeSource& source) { return read_kube_proxy(source, capture.sources); }));
  SVCB_CHECK(add("kernel.json", "kernel and modules", holds_none, read_kernel));
  return capture;
}

}  // namespace svcbench
