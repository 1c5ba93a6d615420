// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every service was to be, from when to when: by this a packet is judged.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "service/service.h"

namespace svcbench {

// What a service was to be between two changes. Times are CLOCK_MONOTONIC, which is bpf_ktime_get_ns() too.
struct ServiceVersion {
  static constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();

  bool present = true;                   // false: no such service; its packets go on as they were sent
  std::vector<Endpoint> endpoints{};     // none: its packets are refused or dropped
  std::int64_t issued_ns = 0;            // just before the plane was told
  std::int64_t superseded_ns = forever;  // the commit of the next version had returned
  std::string_view made_by{};            // the kind of change; empty: it was there at first
  std::int64_t first_seen_ns = 0;  // the first packet that only this version explains arrived; 0: none
};

// A service's versions, the oldest first; there is always one.
class ServiceHistory {
 public:
  explicit ServiceHistory(const Service& service);

  // Before the plane is told. `version.issued_ns` is set.
  void issue(ServiceVersion version);
  // After the plane's commit of the last one returned.
  void commit(std::int64_t now_ns);

  [[nodiscard]] const Frontend& frontend() const { return frontend_; }
  [[nodiscard]] const std::vector<ServiceVersion>& versions() const { return versions_; }
  [[nodiscard]] std::vector<ServiceVersion>& versions() { return versions_; }

  // Whether a packet that this version holds for comes out at `at`.
  [[nodiscard]] bool leads_to(const ServiceVersion& version, const Endpoint& at) const;

 private:
  Frontend frontend_;
  std::vector<ServiceVersion> versions_;
};

// What is known of one packet.
struct PacketFacts {
  std::uint32_t target = 0;  // index of its service
  std::int64_t sent_ns = 0;
  std::int64_t seen_ns = 0;     // when it came out; 0: it did not
  std::int64_t refused_ns = 0;  // the client was told that it did not; 0: it was not
  std::int64_t looked_ns = 0;   // until when it could have come out
  std::int64_t opened_ns = 0;   // of an established flow: when it was opened; 0: a new flow
  Endpoint at{};                // where it came out
  bool damaged = false;         // it came out with a wrong checksum, or from another client
};

enum class PacketOutcome : std::uint8_t {
  right,
  kept,          // an established flow's, at a backend that it may have had: Kubernetes allows that
  no_endpoint,   // did not come out, and its service may have had no endpoints then
  wrong,         // at a backend of another service, or one that its service no longer, or not yet, has
  half_changed,  // at an address that is nobody's backend, untranslated ones of a service that is there too
  damaged,
  lost,
  reset,  // refused, though its service had endpoints
};

[[nodiscard]] std::string_view to_string(PacketOutcome outcome);

// Judges packets by the histories of their services.
//
// A version is possible for a packet that arrived after it was issued and was sent before the next one's
// commit had returned: while a plane is being told, both the old and the new one are right. A packet of a
// new flow must have come out where a possible version leads to. One of an established flow may also be
// where any version led to that was possible since the flow was opened.
class ChurnJudge {
 public:
  // `targets`: the services that packets go to, by target. `others`: all services, for telling another's
  // backend from nobody's. Both must outlive this.
  ChurnJudge(std::span<const Service> targets, std::span<const Service> others);

  [[nodiscard]] ServiceHistory& of(std::uint32_t target) { return histories_[target]; }
  [[nodiscard]] const std::vector<ServiceHistory>& histories() const { return histories_; }

  // Also notes the first packet that a version alone explains.
  [[nodiscard]] PacketOutcome judge(const PacketFacts& packet);
  // The last change of its service that was issued before a packet came out; null: none was.
  [[nodiscard]] const ServiceVersion* last_change(const PacketFacts& packet) const;
  // "wrong backend: a packet to 10.96.0.1:80/TCP came out at 10.128.0.1:8080, sent 12.3 us after the commit
  // that took it away had returned (16.1 us after replace was issued)".
  [[nodiscard]] std::string describe(const PacketFacts& packet, PacketOutcome outcome) const;

 private:
  struct Hash {
    std::size_t operator()(const Endpoint& endpoint) const;
  };
  [[nodiscard]] PacketOutcome judge_missing(const PacketFacts& packet) const;
  [[nodiscard]] bool is_anyones(const Endpoint& endpoint);

  std::span<const Service> others_;
  std::vector<ServiceHistory> histories_;
  // Every backend that any version had; filled when the first packet is nowhere where it should be.
  std::unordered_set<Endpoint, Hash> backends_;
  std::vector<std::size_t> gathered_;  // versions of each history that are in it
};

}  // namespace svcbench
