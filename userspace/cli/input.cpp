// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "cli/command.h"
#include "plane/ebpf/maglev.h"
#include "report/text_table.h"
#include "service/address_range.h"
#include "service/text.h"
#include "svcbench/abi.h"

namespace svcbench {

namespace {

constexpr std::uint64_t most_services = Generator::max_services;

std::string joined(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() <= most ? text : fmt::format("{}, and {} more", text, names.size() - most);
}

}  // namespace

void WorkloadInput::add_options(CLI::App& app) {
  app.add_option("--services", services,
                 "How many services to make (with --cluster: its shape, scaled to so many)")
      ->check(whole_number(1, most_services));
  add_cluster_option(app, cluster);
  app.add_option("--node", node,
                 "Which of the cluster's nodes this one stands for, where a traffic policy is Local")
      ->needs("--cluster");
  app.add_option("--endpoints", endpoints, "Endpoints of each generated service")
      ->check(whole_number(1, SVCB_MAX_ENDPOINTS))
      ->capture_default_str();
  app.add_option("--max-endpoints", max_endpoints, "Most endpoints that one service of a cluster may have")
      ->check(whole_number(1, SVCB_MAX_ENDPOINTS))
      ->capture_default_str();
  app.add_option("--family", family, "Address family of generated services: ipv4, ipv6 or dual")
      ->check(one_of({"ipv4", "ipv6", "dual"}))
      ->capture_default_str();
  app.add_option("--protocol", protocol, "Protocol of generated services: tcp, udp, or mixed (in turn)")
      ->check(one_of({"tcp", "udp", "mixed"}))
      ->capture_default_str();
  app.add_option("--sweep", sweep_texts, "Sizes to measure, e.g. 100,1000,5000 (default: up to --services)")
      ->delimiter(',')
      ->check(whole_number(1, most_services));
  app.add_option("--seed", seed, "The same seed gives the same services, packets and order")
      ->check(whole_number(0, UINT64_MAX))
      ->capture_default_str();
}

Family family_of_word(std::string_view word) { return word == "ipv6" ? Family::ipv6 : Family::ipv4; }

CLI::Option* add_cluster_option(CLI::App& app, std::vector<std::string>& paths) {
  return app
      .add_option(
          "--cluster", paths,
          "Services of a real cluster: the output of\nkubectl get services,endpointslices -A -o json\n"
          "(or -o yaml; - reads standard input; given twice: both together)")
      ->type_name(file_value)
      ->allow_extra_args(false);
}

nlohmann::json skipped_json(const std::vector<Skipped>& skipped) {
  nlohmann::json out = nlohmann::json::array();
  for (const Skipped& one : skipped) {
    out.push_back({{"name", one.name}, {"reason", one.reason}, {"count", one.count}});
  }
  return out;
}

std::vector<std::string> notes_on(const ClusterServices& cluster) {
  std::vector<std::string> notes = describe_skipped(cluster.skipped);
  notes.insert(notes.end(), cluster.notes.begin(), cluster.notes.end());
  if (!cluster.why_no_endpoint.empty()) {
    notes.push_back("no Service has an endpoint: " + cluster.why_no_endpoint);
  }
  return notes;
}

std::vector<std::string> describe_skipped(const std::vector<Skipped>& skipped) {
  struct Group {
    std::size_t count = 0;
    std::vector<std::string> names{};
  };
  std::map<std::string, Group> by_reason;
  for (const Skipped& one : skipped) {
    by_reason[one.reason].count += one.count;
    by_reason[one.reason].names.push_back(one.name);
  }
  std::vector<std::string> lines;
  for (const auto& [reason, group] : by_reason) {
    lines.push_back(fmt::format("{} skipped ({}): {}", group.count, reason, joined(group.names, 5)));
  }
  return lines;
}

Result<WorkloadInput::Made> WorkloadInput::make() const {
  if (cluster.empty()) {
    std::vector<Family> families{Family::ipv4};
    if (family != "ipv4") {
      families = family == "ipv6" ? std::vector{Family::ipv6} : std::vector{Family::ipv4, Family::ipv6};
    }
    std::uint64_t count = services.value_or(0);
    for (const std::string& text : sweep_texts) {
      count = services ? count : std::max<std::uint64_t>(count, std::stoull(text));
    }
    if (count == 0) {
      return usage_error("give --services N or --cluster FILE: how many services, or which");
    }
    std::vector<Protocol> protocols{Protocol::tcp};
    if (protocol != "tcp") {
      protocols =
          protocol == "udp" ? std::vector{Protocol::udp} : std::vector{Protocol::tcp, Protocol::udp};
    }
    SVCB_TAKE(workload, Workload::generate(count, endpoints, families, seed, protocols));
    return Made{std::move(workload),
                {},
                fmt::format("{} services of {} endpoints, {}{}", grouped(count), endpoints, family,
                            protocol == "tcp"   ? ""
                            : protocol == "udp" ? ", UDP"
                                                : ", TCP and UDP in turn")};
  }

  SVCB_TAKE(read, read_cluster(cluster, {.max_endpoints = max_endpoints, .node = node}));
  const std::string files = names_of_files(cluster);
  if (!read.why_no_endpoint.empty()) {
    return usage_error("{}: no Service has an endpoint, so that there is nothing to measure: {}", files,
                       read.why_no_endpoint);
  }
  std::vector<std::string> notes = notes_on(read);
  std::vector<Skipped> skipped = read.skipped;
  std::map<FrontendKind, std::size_t> others;
  for (const Service& service : read.services) {
    if (service.kind != FrontendKind::cluster_ip) {
      ++others[service.kind];
    }
  }
  std::size_t frontends = read.services.size();
  for (const auto& [kind, count] : others) {
    frontends -= count;
    notes.push_back(fmt::format("{} {} frontends are not measured: only ClusterIP frontends are", count,
                                to_string(kind)));
  }
  if (services) {
    SVCB_TAKE(workload, Workload::scale_cluster(read, *services, seed));
    return Made{std::move(workload), std::move(notes),
                fmt::format("{} services in the shape of {} ({} frontends)", grouped(*services), files,
                            grouped(frontends)),
                std::move(skipped)};
  }
  SVCB_TAKE(workload, Workload::from_cluster(std::move(read), seed));
  return Made{std::move(workload), std::move(notes),
              fmt::format("{} frontends of {}", grouped(frontends), files), std::move(skipped)};
}

std::vector<std::size_t> default_sweep(std::size_t size) {
  std::vector<std::size_t> sizes;
  for (const std::size_t anchor : {100, 1000, 2000, 5000, 10'000, 100'000, 1'000'000}) {
    if (anchor < size) {
      sizes.push_back(anchor);
    }
  }
  if (sizes.size() < 2) {
    sizes.push_back(std::max<std::size_t>(1, size / 10));
    sizes.push_back(std::max<std::size_t>(1, size / 2));
  }
  sizes.push_back(size);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

std::vector<std::size_t> ascending(const std::vector<std::string>& numbers) {
  std::vector<std::size_t> values;
  for (const std::string& number : numbers) {
    values.push_back(std::stoull(number));
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

Result<std::vector<std::size_t>> WorkloadInput::sweep(std::size_t size) const {
  if (sweep_texts.empty()) {
    return default_sweep(size);
  }
  for (const std::string& text : sweep_texts) {
    if (std::stoull(text) > size) {
      return usage_error("--sweep: {} is more than the {} services of this run; raise --services", text,
                         size);
    }
  }
  std::vector<std::size_t> sizes = ascending(sweep_texts);
  if (sizes.back() != size) {
    sizes.push_back(size);
  }
  return sizes;
}

namespace {

// "90s", "10m", "1h", "300", in seconds.
std::optional<std::uint64_t> seconds_of(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const std::uint64_t seconds = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || seconds == 0 || value == 0 || value > 1'000'000) {
    return std::nullopt;
  }
  return value * seconds;
}

struct NamedTimeout {
  std::string_view name;
  double FlowTimeouts::*seconds;
};

// As conntrack's and kube-proxy's own options name them.
constexpr std::array named_timeouts{
    NamedTimeout{"tcp-syn-sent", &FlowTimeouts::syn_sent},
    NamedTimeout{"tcp-syn-recv", &FlowTimeouts::syn_received},
    NamedTimeout{"tcp-unacknowledged", &FlowTimeouts::unacknowledged},
    NamedTimeout{"tcp-established", &FlowTimeouts::established},
    NamedTimeout{"tcp-close-wait", &FlowTimeouts::half_closed},
    NamedTimeout{"tcp-time-wait", &FlowTimeouts::time_wait},
    NamedTimeout{"tcp-close", &FlowTimeouts::close},
    NamedTimeout{"udp", &FlowTimeouts::udp},
    NamedTimeout{"udp-stream", &FlowTimeouts::udp_stream},
    NamedTimeout{"fragments", &FlowTimeouts::fragments},
};

// In lines for the help, or in one.
std::string timeouts_text(std::string_view line_end) {
  std::string all;
  for (const NamedTimeout& timeout : named_timeouts) {
    const bool breaks = timeout.name == "tcp-established" || timeout.name == "udp";
    all += fmt::format("{}{}={:.0f}",
                       all.empty() ? ""
                       : breaks    ? line_end
                                   : " ",
                       timeout.name, FlowTimeouts{}.*timeout.seconds);
  }
  return all;
}

Status read_timeout(const std::string& text, FlowTimeouts& timeouts) {
  const std::size_t equals = text.find('=');
  const auto* named =
      std::find_if(named_timeouts.begin(), named_timeouts.end(),
                   [&](const NamedTimeout& timeout) { return timeout.name == text.substr(0, equals); });
  const auto seconds = equals == std::string::npos ? std::nullopt : seconds_of(text.substr(equals + 1));
  if (named == named_timeouts.end() || !seconds) {
    return usage_error(
        "--flow-timeout {} is no NAME=TIME such as udp=90s; the names and their defaults: {}", text,
        timeouts_text(" "));
  }
  timeouts.*named->seconds = static_cast<double>(*seconds);
  return {};
}

Result<PortRange> read_ports(std::string_view text) {
  PortRange range;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, range.first);
  const bool dash = first.ec == std::errc() && first.ptr != end && *first.ptr == '-';
  const auto last = std::from_chars(dash ? first.ptr + 1 : end, end, range.last);
  if (!dash || last.ec != std::errc() || last.ptr != end || range.first == 0 || range.first > range.last) {
    return usage_error("--masquerade-ports {} is no range of ports such as 16384-29999", text);
  }
  return range;
}

// One of each family at most, as "198.51.100.0/24".
Result<std::vector<std::string>> wrap_sources_of(const std::vector<std::string>& ranges) {
  constexpr unsigned least_bits = 8;
  std::set<Family> families;
  std::vector<std::string> texts;
  for (const std::string& text : ranges) {
    const auto range = AddressRange::parse(text);
    if (!range || range->length < least_bits) {
      return usage_error("--wrap-sources {} is no range of addresses such as 198.51.100.0/24", text);
    }
    if (!families.insert(range->first.family).second) {
      return usage_error("--wrap-sources {} is a second range of its family: one of each is enough", text);
    }
    texts.push_back(range->text());
  }
  return texts;
}

}  // namespace

CLI::Validator duration() {
  return {[](std::string& text) {
            const auto seconds = seconds_of(text);
            if (!seconds) {
              return fmt::format("'{}' is not a duration such as 90s, 10m or 1h", text);
            }
            text = std::to_string(*seconds);
            return std::string();
          },
          "90s, 10m, 1h"};
}

void CapacityInput::add_options(CLI::App& app) {
  app.add_option("--services-capacity", services,
                 "Entries of the services maps (default: a quarter more than needed)")
      ->check(whole_number(1, SVCB_MAX_BACKENDS - 1));
  app.add_option("--backends-capacity", backends,
                 "Entries of the backends maps (default: a quarter more than needed)")
      ->check(whole_number(1, SVCB_MAX_BACKENDS - 1));
}

void BalancerInput::add_options(CLI::App& app, bool forwards) {
  app.add_option("--select", select,
                 "How the eBPF planes choose a new flow's backend: random (a hash of the flow), maglev (a\n"
                 "Maglev table a service), affinity (every service has ClientIP affinity)")
      ->check(one_of({"random", "maglev", "affinity"}))
      ->capture_default_str();
  app.add_option("--table-size", table_size,
                 "Entries of a Maglev table, a prime, e.g. 251, 509, 1021, 16381")
      ->check(whole_number(2, 131'071))
      ->capture_default_str();
  if (forwards) {
    app.add_option(
           "--forward", forward,
           "How the eBPF planes send packets on: dnat, or dsr (direct server return: in IP-in-IP, no\n"
           "flow is remembered, backends reply to clients themselves)")
        ->check(one_of({"dnat", "dsr"}))
        ->capture_default_str();
  }
  app.add_option(
         "--flows-capacity", flows_capacity,
         "Entries of the eBPF planes' flow table, of each family; a flow takes two. A sixteenth as\n"
         "many again are for flows that nobody has answered")
      ->check(whole_number(64, 64U << 20U))
      ->capture_default_str();
  app.add_option(
         "--flow-timeout", flow_timeouts,
         fmt::format("How long a flow of the eBPF planes may be idle, by its state (kube-proxy's and\n"
                     "conntrack's defaults): {}",
                     timeouts_text("\n")))
      ->type_name("NAME=TIME");
  app.add_option(
         "--masquerade-ports", masquerade_ports,
         "Source ports of the eBPF planes' masqueraded flows (neither NodePorts nor the node's own)")
      ->type_name("FIRST-LAST")
      ->capture_default_str();
  app.add_option("--gone-endpoint", gone_endpoint,
                 "What the eBPF planes do with an open TCP flow whose endpoint is gone: keep (nothing, as\n"
                 "kube-proxy) or move (to another endpoint, which resets it)")
      ->check(one_of({"keep", "move"}))
      ->capture_default_str();
  app.add_option(
         "--icmp-errors", icmp_errors,
         "ICMP errors that the eBPF planes send a second on each CPU, as net.ipv4.icmp_msgs_per_sec\n"
         "has it; 0: any number")
      ->check(whole_number(0, 1'000'000))
      ->capture_default_str();
  if (forwards) {
    app.add_option("--wrap-sources", wrap_sources,
                   "Under direct server return, where packets that are wrapped come from, by their flow:\n"
                   "a range that is routed to the node, of each family (default: the node's address)")
        ->type_name("RANGE");
  }
}

Result<EbpfChoice> BalancerInput::choice() const {
  EbpfChoice choice;
  choice.dsr = forward == "dsr";
  choice.affinity = select == "affinity";
  choice.flows_capacity = flows_capacity;
  choice.move_gone = gone_endpoint == "move";
  choice.errors_per_second = icmp_errors;
  SVCB_TAKE(ranges, wrap_sources_of(wrap_sources));
  choice.wrap_sources = std::move(ranges);
  for (const std::string& timeout : flow_timeouts) {
    SVCB_CHECK(read_timeout(timeout, choice.timeouts));
  }
  SVCB_TAKE(ports, read_ports(masquerade_ports));
  choice.masquerade_ports = ports;
  if (select == "maglev") {
    if (!is_prime(table_size)) {
      return usage_error(
          "--table-size {} is no prime: a Maglev table needs one, e.g. 251, 509, 1021, 16381", table_size);
    }
    choice.maglev = table_size;
  } else if (table_size != default_maglev) {
    return usage_error("--table-size is of Maglev tables: give --select maglev, too");
  }
  if (choice.dsr && choice.affinity) {
    return usage_error(
        "--select affinity remembers clients, and with --forward dsr nothing is remembered: choose maglev "
        "or random");
  }
  return choice;
}

nlohmann::json BalancerInput::describe() const {
  nlohmann::json out{{"select", select}, {"forward", forward}, {"flows_capacity", flows_capacity}};
  if (!flow_timeouts.empty()) {
    out["flow_timeouts"] = flow_timeouts;
  }
  if (masquerade_ports != BalancerInput{}.masquerade_ports) {
    out["masquerade_ports"] = masquerade_ports;
  }
  if (gone_endpoint != BalancerInput{}.gone_endpoint) {
    out["gone_endpoint"] = gone_endpoint;
  }
  if (icmp_errors != BalancerInput{}.icmp_errors) {
    out["icmp_errors"] = icmp_errors;
  }
  if (!wrap_sources.empty()) {
    out["wrap_sources"] = wrap_sources;
  }
  if (select == "maglev") {
    out["table_size"] = table_size;
  }
  return out;
}

void RunInput::add_options(CLI::App& app) {
  app.add_option("--rounds", rounds,
                 "How often each cell (a plane at a size) is measured, in a shuffled order")
      ->check(whole_number(1, 10'000))
      ->capture_default_str();
  app.add_option("--json", json, "Write every raw sample and the environment here (- is standard output)")
      ->type_name(file_value);
  app.add_flag("--quiet", quiet, "No progress on standard error");
}

void TableInput::add_full_option(CLI::App& app) {
  app.add_flag("--full", full, "Print every table, second instrument and note, not the answer alone");
}

void TableInput::add_options(CLI::App& app) {
  add_full_option(app);
  app.add_flag(
      "--ascii", ascii,
      "With --full: draw curves with digits, not with bars (as is done where the locale has no UTF-8)");
}

Result<std::optional<OutputFile>> open_output(const std::string& path) {
  if (path.empty()) {
    return std::nullopt;
  }
  SVCB_TAKE(file, OutputFile::at(path));
  return file;
}

}  // namespace svcbench
