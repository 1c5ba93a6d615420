// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The options that commands share: which services, how large the maps are, how often, where results go.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plane/configuration.h"
#include "report/output_file.h"
#include "service/cluster.h"
#include "service/workload.h"
#include "sys/result.h"

namespace svcbench {

struct WorkloadInput {
  std::optional<std::uint64_t> services{};
  std::vector<std::string> cluster{};  // paths or "-", taken together; empty: services are generated
  std::string node{};                  // of the cluster, for Local traffic policies
  std::uint32_t endpoints = 3;
  std::uint32_t max_endpoints = 512;
  std::string family = "ipv4";
  std::string protocol = "tcp";  // of generated services: tcp, udp, or mixed
  std::vector<std::string> sweep_texts{};
  std::uint64_t seed = 1;

  void add_options(CLI::App& app);
  // What a file or a generator gives, and notes for the user ("3 services skipped: ...").
  struct Made {
    Workload workload;
    std::vector<std::string> notes;
    std::string description;
    std::vector<Skipped> skipped{};
  };
  [[nodiscard]] Result<Made> make() const;
  // The sizes to measure: those given, or the default for `size`; ascending, the last is `size`.
  [[nodiscard]] Result<std::vector<std::size_t>> sweep(std::size_t size) const;
};

// 100, 1000, 2000, 5000, ... below `size`, then `size`; at least three sizes where there is room for them.
[[nodiscard]] std::vector<std::size_t> default_sweep(std::size_t size);
// Whole numbers, as whole_number() let them through, ascending and each once.
[[nodiscard]] std::vector<std::size_t> ascending(const std::vector<std::string>& numbers);

// Those of a cluster that no frontend was made of, a line each: "2 skipped (headless): a/b, c/d".
[[nodiscard]] std::vector<std::string> describe_skipped(const std::vector<Skipped>& skipped);
// The same as JSON: [{"name", "reason", "count"}].
[[nodiscard]] nlohmann::json skipped_json(const std::vector<Skipped>& skipped);
// What of a cluster was left out or read as something else, and that no frontend has an endpoint.
[[nodiscard]] std::vector<std::string> notes_on(const ClusterServices& cluster);

// Of the word that --family takes; with "dual" packets are IPv4's.
[[nodiscard]] Family family_of_word(std::string_view word);

// --cluster FILE, which may be given several times.
CLI::Option* add_cluster_option(CLI::App& app, std::vector<std::string>& paths);

// "300", "90s", "10m", "1h": rewritten to seconds.
[[nodiscard]] CLI::Validator duration();

struct CapacityInput {
  std::optional<std::uint32_t> services{};
  std::optional<std::uint32_t> backends{};

  void add_options(CLI::App& app);
};

// How the eBPF planes choose backends, and how packets reach them.
struct BalancerInput {
  std::string select = "random";
  std::string forward = "dnat";
  std::uint32_t table_size = default_maglev;
  std::uint32_t flows_capacity = EbpfChoice{}.flows_capacity;
  std::vector<std::string> flow_timeouts{};  // NAME=TIME
  std::string masquerade_ports =
      fmt::format("{}-{}", EbpfChoice{}.masquerade_ports.first, EbpfChoice{}.masquerade_ports.last);
  std::string gone_endpoint = "keep";
  std::uint32_t icmp_errors = EbpfChoice{}.errors_per_second;
  std::vector<std::string> wrap_sources{};  // RANGE

  // `forwards`: with --forward.
  void add_options(CLI::App& app, bool forwards);
  // Usage error: options that exclude each other.
  [[nodiscard]] Result<EbpfChoice> choice() const;
  [[nodiscard]] nlohmann::json describe() const;
};

// Of every command that measures.
struct RunInput {
  std::size_t rounds = 20;
  double budget_seconds = 0;  // its option says what it does, and is each command's own
  std::string json{};         // path, "-", or empty
  bool quiet = false;

  void add_options(CLI::App& app);
};

// Of every command that prints a result.
struct TableInput {
  bool ascii = false;
  bool full = false;

  void add_options(CLI::App& app);      // of those whose tables are over a sweep of N
  void add_full_option(CLI::App& app);  // of the others
};

// Before anything is measured. None: no path was given.
[[nodiscard]] Result<std::optional<OutputFile>> open_output(const std::string& path);

}  // namespace svcbench
