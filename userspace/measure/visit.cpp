// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/visit.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "svcbench/wire_abi.h"

namespace svcbench {

namespace {

using nlohmann::json;

Status damaged() { return failure("what was kept of it cannot be read"); }

// A block of numbers, none of them missing.
std::optional<std::vector<double>> block_of(const json& value) {
  if (!value.is_array()) {
    return std::nullopt;
  }
  std::vector<double> block;
  for (const json& sample : value) {
    if (!sample.is_number()) {
      return std::nullopt;
    }
    block.push_back(sample.get<double>());
  }
  return block;
}

constexpr std::array sync_members{
    std::pair{"generate_ns", &SyncCost::generate_ns}, std::pair{"commit_ns", &SyncCost::commit_ns},
    std::pair{"user_us", &SyncCost::user_us}, std::pair{"system_us", &SyncCost::system_us}};
constexpr std::array sync_counts{std::pair{"tools", &SyncCost::tools},
                                 std::pair{"input_bytes", &SyncCost::input_bytes}};

constexpr std::array accounts{std::pair{"controller_sync_ns", &UpdateCell::controller_sync_ns},
                              std::pair{"controller_peak_bytes", &UpdateCell::controller_peak_bytes}};

}  // namespace

void PathVisit::add_to(PathCell& cell) const {
  cell.sent += sent;
  cell.latency.merge(latency);
  if (const auto p50 = latency.quantile(0.5)) {
    cell.p50_ns.push_back(*p50);
  }
  if (const auto p99 = latency.quantile(0.99)) {
    cell.p99_ns.push_back(*p99);
  }
  if (packets_per_second) {
    cell.packets_per_second.push_back(*packets_per_second);
  }
}

json PathVisit::json() const {
  nlohmann::json buckets = nlohmann::json::array();
  for (const auto& [bucket, count] : latency.buckets()) {
    buckets.push_back({bucket, count});
  }
  nlohmann::json out{{"sent", sent}, {"buckets", std::move(buckets)}};
  if (packets_per_second) {
    out["packets_per_second"] = *packets_per_second;
  }
  return out;
}

Result<PathVisit> PathVisit::of(const nlohmann::json& samples) {
  PathVisit visit;
  if (!samples.is_object() || !samples.contains("sent") || !samples.at("sent").is_number_unsigned() ||
      !samples.contains("buckets") || !samples.at("buckets").is_array()) {
    return tl::unexpected(damaged().error());
  }
  visit.sent = samples.at("sent").get<std::uint64_t>();
  for (const nlohmann::json& entry : samples.at("buckets")) {
    const bool whole = entry.is_array() && entry.size() == 2 && entry[0].is_number_unsigned() &&
                       entry[1].is_number_unsigned() && entry[0].get<std::uint64_t>() < SVCB_WIRE_BUCKETS;
    if (!whole) {
      return tl::unexpected(damaged().error());
    }
    visit.latency.add_bucket(entry[0].get<std::uint32_t>(), entry[1].get<std::uint64_t>());
  }
  if (visit.sent == 0 || visit.latency.count() != visit.sent) {
    return tl::unexpected(damaged().error());
  }
  if (samples.contains("packets_per_second") && samples.at("packets_per_second").is_number()) {
    visit.packets_per_second = samples.at("packets_per_second").get<double>();
  }
  return visit;
}

json to_json(const SyncCost& cost) {
  json out = json::object();
  for (const auto& [name, member] : sync_members) {
    out[name] = cost.*member;
  }
  for (const auto& [name, member] : sync_counts) {
    out[name] = cost.*member;
  }
  return out;
}

Result<SyncCost> sync_cost_of(const json& samples) {
  SyncCost cost;
  const auto take = [&](const char* name, auto& member) {
    const bool there =
        samples.is_object() && samples.contains(name) && samples.at(name).is_number_integer();
    if (there) {
      member = samples.at(name).get<std::remove_reference_t<decltype(member)>>();
    }
    return there;
  };
  bool whole = true;
  for (const auto& [name, member] : sync_members) {
    whole = take(name, cost.*member) && whole;
  }
  for (const auto& [name, member] : sync_counts) {
    whole = take(name, cost.*member) && whole;
  }
  return whole ? Result<SyncCost>(cost) : tl::unexpected(damaged().error());
}

json last_blocks(std::initializer_list<const UpdateCell*> cells) {
  const auto last = [](const Blocks& blocks) {
    return blocks.empty() ? std::vector<double>{} : blocks.back();
  };
  json out = json::array();
  for (const UpdateCell* cell : cells) {
    json& one =
        out.emplace_back(json{{"commit_ns", last(cell->commit_ns)}, {"stage_ns", last(cell->stage_ns)}});
    for (const auto& [name, member] : accounts) {
      if (const auto block = last(cell->*member); !block.empty()) {
        one[name] = block;
      }
    }
  }
  return out;
}

Status add_blocks(std::initializer_list<UpdateCell*> cells, const json& samples) {
  if (!samples.is_array() || samples.size() != cells.size()) {
    return damaged();
  }
  auto visit = samples.begin();
  for (UpdateCell* cell : cells) {
    const json& blocks = *visit++;
    const auto commit = blocks.is_object() ? block_of(blocks.value("commit_ns", json())) : std::nullopt;
    const auto stage = blocks.is_object() ? block_of(blocks.value("stage_ns", json())) : std::nullopt;
    if (!commit || !stage || commit->empty()) {
      return damaged();
    }
    cell->commit_ns.push_back(*commit);
    if (!stage->empty()) {
      cell->stage_ns.push_back(*stage);
    }
    for (const auto& [name, member] : accounts) {
      const auto account = block_of(blocks.value(name, json::array()));
      if (!account) {
        return damaged();
      }
      (cell->*member).push_back(*account);
    }
  }
  return {};
}

Status add_number(std::vector<double>& numbers, const json& samples) {
  if (!samples.is_number()) {
    return damaged();
  }
  numbers.push_back(samples.get<double>());
  return {};
}

json last_run(const ProgramCell& cell) {
  return {{"packets_per_sample", cell.packets_per_sample},
          {"ns_per_packet", cell.ns_per_packet.back()},
          {"kernel_ns", cell.kernel_ns.back()}};
}

Status add_run(ProgramCell& cell, const json& samples) {
  const auto block = samples.is_object() ? block_of(samples.value("ns_per_packet", json())) : std::nullopt;
  if (!block || block->empty() || !samples.value("kernel_ns", json()).is_number() ||
      !samples.value("packets_per_sample", json()).is_number_unsigned()) {
    return damaged();
  }
  cell.packets_per_sample = samples.at("packets_per_sample").get<std::size_t>();
  cell.ns_per_packet.push_back(*block);
  cell.kernel_ns.push_back(samples.at("kernel_ns").get<double>());
  return {};
}

json last_round(const AccountCheck& check) {
  if (!check.not_offered.empty()) {
    return {{"not_offered", check.not_offered}};
  }
  json out = json::object();
  for (const auto& [name, member] : AccountCheck::rounds) {
    out[name] = (check.*member).back();
  }
  return out;
}

Status add_round(AccountCheck& check, const json& samples) {
  if (samples.is_object() && samples.contains("not_offered") && samples.at("not_offered").is_string()) {
    check.not_offered = samples.at("not_offered").get<std::string>();
    return {};
  }
  for (const auto& [name, member] : AccountCheck::rounds) {
    if (!samples.is_object() || !samples.value(name, json()).is_number()) {
      return damaged();
    }
    (check.*member).push_back(samples.at(name).get<double>());
  }
  return {};
}

json to_json(const std::vector<SyncCost>& costs) {
  json out = json::array();
  for (const SyncCost& cost : costs) {
    out.push_back(to_json(cost));
  }
  return out;
}

Result<std::vector<SyncCost>> sync_costs_of(const json& samples) {
  std::vector<SyncCost> costs;
  if (!samples.is_array() || samples.empty()) {
    return tl::unexpected(damaged().error());
  }
  for (const json& one : samples) {
    SVCB_TAKE(cost, sync_cost_of(one));
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace svcbench
