// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/churn/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace svcbench {

std::string_view to_string(PacketOutcome outcome) {
  switch (outcome) {
    case PacketOutcome::right:
      return "right";
    case PacketOutcome::kept:
      return "kept";
    case PacketOutcome::no_endpoint:
      return "no endpoint";
    case PacketOutcome::wrong:
      return "wrong backend";
    case PacketOutcome::half_changed:
      return "half-changed";
    case PacketOutcome::damaged:
      return "damaged";
    case PacketOutcome::lost:
      return "lost";
    case PacketOutcome::reset:
      break;
  }
  return "reset";
}

ServiceHistory::ServiceHistory(const Service& service) : frontend_(service.frontend) {
  versions_.push_back({.endpoints = service.endpoints});
}

void ServiceHistory::issue(ServiceVersion version) { versions_.push_back(std::move(version)); }

void ServiceHistory::commit(std::int64_t now_ns) {
  if (versions_.size() > 1) {
    versions_[versions_.size() - 2].superseded_ns = now_ns;
  }
}

bool ServiceHistory::leads_to(const ServiceVersion& version, const Endpoint& at) const {
  if (!version.present) {
    return at.address == frontend_.address && at.port == frontend_.port;
  }
  return std::find(version.endpoints.begin(), version.endpoints.end(), at) != version.endpoints.end();
}

ChurnJudge::ChurnJudge(std::span<const Service> targets, std::span<const Service> others)
    : others_(others), gathered_(targets.size(), 0) {
  histories_.reserve(targets.size());
  for (const Service& service : targets) {
    histories_.emplace_back(service);
  }
}

std::size_t ChurnJudge::Hash::operator()(const Endpoint& endpoint) const {
  return std::hash<Frontend>()({endpoint.address, endpoint.port, Protocol::tcp});
}

bool ChurnJudge::is_anyones(const Endpoint& endpoint) {
  if (backends_.empty()) {
    for (const Service& service : others_) {
      backends_.insert(service.endpoints.begin(), service.endpoints.end());
    }
  }
  for (std::size_t i = 0; i < histories_.size(); ++i) {
    const auto& versions = histories_[i].versions();
    for (; gathered_[i] < versions.size(); ++gathered_[i]) {
      const auto& endpoints = versions[gathered_[i]].endpoints;
      backends_.insert(endpoints.begin(), endpoints.end());
    }
  }
  return backends_.contains(endpoint);
}

PacketOutcome ChurnJudge::judge_missing(const PacketFacts& packet) const {
  const auto& versions = histories_[packet.target].versions();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->superseded_ns < packet.sent_ns) {
      break;
    }
    if (version->issued_ns <= packet.looked_ns && version->present && version->endpoints.empty()) {
      return PacketOutcome::no_endpoint;
    }
  }
  return packet.refused_ns != 0 ? PacketOutcome::reset : PacketOutcome::lost;
}

PacketOutcome ChurnJudge::judge(const PacketFacts& packet) {
  if (packet.seen_ns == 0) {
    return judge_missing(packet);
  }
  if (packet.damaged) {
    return PacketOutcome::damaged;
  }
  ServiceHistory& history = histories_[packet.target];
  auto& versions = history.versions();
  bool had = false;
  for (std::size_t i = versions.size(); i-- > 0;) {
    ServiceVersion& version = versions[i];
    const bool led = history.leads_to(version, packet.at);
    const bool over = version.superseded_ns < packet.sent_ns;
    const bool begun = version.issued_ns <= packet.seen_ns;
    if (led && begun && !over) {
      // Endpoints are never used again, so that only one that the version before it had too is no sign.
      const bool sign = i > 0 && !history.leads_to(versions[i - 1], packet.at);
      if (sign && (version.first_seen_ns == 0 || packet.seen_ns < version.first_seen_ns)) {
        version.first_seen_ns = packet.seen_ns;
      }
      return PacketOutcome::right;
    }
    if (led && begun && packet.opened_ns != 0 && version.superseded_ns >= packet.opened_ns) {
      return PacketOutcome::kept;
    }
    had = had || (led && version.present);
  }
  return had || is_anyones(packet.at) ? PacketOutcome::wrong : PacketOutcome::half_changed;
}

const ServiceVersion* ChurnJudge::last_change(const PacketFacts& packet) const {
  const auto& versions = histories_[packet.target].versions();
  for (std::size_t i = versions.size(); i-- > 1;) {
    if (versions[i].issued_ns <= packet.seen_ns) {
      return &versions[i];
    }
  }
  return nullptr;
}

std::string ChurnJudge::describe(const PacketFacts& packet, PacketOutcome outcome) const {
  const ServiceHistory& history = histories_[packet.target];
  const std::string to = history.frontend().text();
  if (packet.seen_ns == 0) {
    return fmt::format("{}: a packet to {}", to_string(outcome), to);
  }
  std::string text =
      fmt::format("{}: a packet to {} came out at {}", to_string(outcome), to, packet.at.text());
  if (outcome == PacketOutcome::damaged) {
    return text + ", with a wrong checksum or from another client";
  }
  const ServiceVersion* last = last_change(packet);
  const std::string beside =
      last == nullptr
          ? ""
          : fmt::format(" ({:.1f} us after {} was issued)",
                        static_cast<double>(packet.seen_ns - last->issued_ns) / 1e3, last->made_by);
  if (packet.at.address == history.frontend().address && packet.at.port == history.frontend().port) {
    return text + ", untranslated" + beside;
  }
  const auto& versions = history.versions();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (!version->present || !history.leads_to(*version, packet.at)) {
      continue;
    }
    if (version->issued_ns > packet.seen_ns) {
      return text + ", before it was to be a backend" + beside;
    }
    return fmt::format("{}, sent {:.1f} us after the commit that took it away had returned{}", text,
                       static_cast<double>(packet.sent_ns - version->superseded_ns) / 1e3, beside);
  }
  return text + (backends_.contains(packet.at) ? ", another service's backend" : ", nobody's backend") +
         beside;
}

}  // namespace svcbench
