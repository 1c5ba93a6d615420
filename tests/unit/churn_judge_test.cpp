// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which packets are right while a service changes, and which are not.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "measure/churn/history.h"

namespace svcbench {
namespace {

Endpoint pod(std::uint32_t number, std::uint16_t port = 8080) {
  return {Address::from_ipv4(0x0A80'0000 + number), port};
}

Service service(std::uint32_t number, std::vector<Endpoint> endpoints) {
  return {.name = {},
          .kind = FrontendKind::cluster_ip,
          .frontend = {Address::from_ipv4(0x0A60'0000 + number), 80, Protocol::tcp},
          .endpoints = std::move(endpoints)};
}

// Target 0 has pods 1 and 2. At 1,000 a change to pods 2 and 3 is issued, at 1,100 its commit returns.
// Target 1 has pod 9 and never changes; pod 20 belongs to a service that no packet is sent to.
struct Changed {
  std::vector<Service> targets{service(0, {pod(1), pod(2)}), service(1, {pod(9)})};
  std::vector<Service> all{targets[0], targets[1], service(2, {pod(20)})};
  ChurnJudge judge{targets, all};

  Changed() {
    judge.of(0).issue({.endpoints = {pod(2), pod(3)}, .issued_ns = 1000, .made_by = "replace"});
    judge.of(0).commit(1100);
  }
  PacketOutcome outcome(std::int64_t sent, std::int64_t seen, const Endpoint& at, std::int64_t opened = 0) {
    return judge.judge(
        {.target = 0, .sent_ns = sent, .seen_ns = seen, .looked_ns = 5000, .opened_ns = opened, .at = at});
  }
};

}  // namespace

TEST_CASE("churn judge: the old version until the commit has returned, the new one from its issue on") {
  Changed c;
  CHECK(c.outcome(500, 510, pod(1)) == PacketOutcome::right);
  CHECK(c.outcome(1050, 1060, pod(1)) == PacketOutcome::right);
  CHECK(c.outcome(1100, 1900, pod(1)) == PacketOutcome::right);  // sent as it returned, and slow
  CHECK(c.outcome(1101, 1102, pod(1)) == PacketOutcome::wrong);
  CHECK(c.outcome(4000, 4010, pod(1)) == PacketOutcome::wrong);

  CHECK(c.outcome(980, 999, pod(3)) == PacketOutcome::wrong);  // before anybody was told
  CHECK(c.outcome(980, 1000, pod(3)) == PacketOutcome::right);
  CHECK(c.outcome(4000, 4010, pod(3)) == PacketOutcome::right);

  // In both versions.
  CHECK(c.outcome(500, 510, pod(2)) == PacketOutcome::right);
  CHECK(c.outcome(4000, 4010, pod(2)) == PacketOutcome::right);
}

TEST_CASE(
    "churn judge: another's backend is wrong; nobody's, and an untranslated packet, is half-changed") {
  Changed c;
  CHECK(c.outcome(1050, 1060, pod(9)) == PacketOutcome::wrong);
  CHECK(c.outcome(1050, 1060, pod(20)) == PacketOutcome::wrong);
  CHECK(c.outcome(1050, 1060, pod(77)) == PacketOutcome::half_changed);
  CHECK(c.outcome(1050, 1060, pod(3, 8081)) ==
        PacketOutcome::half_changed);  // one version's address, nobody's port
  CHECK(c.outcome(1050, 1060, {}) == PacketOutcome::half_changed);
  const Frontend to = c.targets[0].frontend;
  CHECK(c.outcome(1050, 1060, {to.address, to.port}) == PacketOutcome::half_changed);
  // A backend that a later version of another service brings is that service's.
  c.judge.of(1).issue({.endpoints = {pod(77)}, .issued_ns = 3000});
  CHECK(c.outcome(1050, 1060, pod(77)) == PacketOutcome::wrong);
}

TEST_CASE("churn judge: a flow may stay with what it had, and with nothing older") {
  Changed c;
  CHECK(c.outcome(4000, 4010, pod(1), 500) == PacketOutcome::kept);
  CHECK(c.outcome(4000, 4010, pod(1), 1100) == PacketOutcome::kept);  // opened as the commit returned
  CHECK(c.outcome(4000, 4010, pod(1), 1101) == PacketOutcome::wrong);
  CHECK(c.outcome(4000, 4010, pod(3), 500) == PacketOutcome::right);  // it may also move
  CHECK(c.outcome(4000, 4010, pod(9), 500) == PacketOutcome::wrong);
  CHECK(c.outcome(4000, 4010, pod(77), 500) == PacketOutcome::half_changed);
  CHECK(c.outcome(980, 990, pod(3), 500) == PacketOutcome::wrong);
}

TEST_CASE("churn judge: a service that goes leaves its packets untranslated, and comes back") {
  Changed c;
  const Endpoint untranslated{c.targets[0].frontend.address, c.targets[0].frontend.port};
  c.judge.of(0).issue({.present = false, .issued_ns = 2000});
  CHECK(c.outcome(2010, 2020, pod(3)) == PacketOutcome::right);  // still being removed
  CHECK(c.outcome(2010, 2020, untranslated) == PacketOutcome::right);
  CHECK(c.outcome(1900, 1999, untranslated) == PacketOutcome::half_changed);
  c.judge.of(0).commit(2100);
  CHECK(c.outcome(2101, 2110, pod(3)) == PacketOutcome::wrong);
  CHECK(c.outcome(2101, 2110, untranslated) == PacketOutcome::right);
  c.judge.of(0).issue({.endpoints = {pod(4)}, .issued_ns = 3000});
  c.judge.of(0).commit(3100);
  CHECK(c.outcome(3050, 3060, untranslated) == PacketOutcome::right);
  CHECK(c.outcome(3050, 3060, pod(4)) == PacketOutcome::right);
  CHECK(c.outcome(3101, 3110, untranslated) == PacketOutcome::half_changed);
}

TEST_CASE("churn judge: what does not arrive is lost, unless there was nowhere to go") {
  Changed c;
  const auto missing = [&](std::int64_t sent, std::int64_t refused) {
    return c.judge.judge({.target = 0, .sent_ns = sent, .refused_ns = refused, .looked_ns = sent + 100});
  };
  c.judge.of(0).issue({.endpoints = {}, .issued_ns = 2000});
  c.judge.of(0).commit(2100);
  c.judge.of(0).issue({.endpoints = {pod(5)}, .issued_ns = 3000});
  c.judge.of(0).commit(3100);
  CHECK(missing(1800, 0) == PacketOutcome::lost);
  CHECK(missing(1950, 0) == PacketOutcome::no_endpoint);  // could have been on its way
  CHECK(missing(2500, 0) == PacketOutcome::no_endpoint);
  CHECK(missing(2500, 2510) == PacketOutcome::no_endpoint);
  CHECK(missing(3100, 0) == PacketOutcome::no_endpoint);
  CHECK(missing(3101, 0) == PacketOutcome::lost);
  CHECK(missing(3101, 3110) == PacketOutcome::reset);
  // And what arrives all the same must not.
  CHECK(c.outcome(2101, 2110, pod(3)) == PacketOutcome::wrong);
}

TEST_CASE("churn judge: damage is damage wherever it came out") {
  Changed c;
  CHECK(c.judge.judge({.target = 0, .sent_ns = 1, .seen_ns = 2, .at = pod(1), .damaged = true}) ==
        PacketOutcome::damaged);
}

TEST_CASE("churn judge: the first packet that only the new version explains") {
  Changed c;
  auto& version = c.judge.of(0).versions()[1];
  c.outcome(1050, 1060, pod(2));  // both have it
  CHECK(version.first_seen_ns == 0);
  c.outcome(1060, 1080, pod(3));
  c.outcome(1050, 1070, pod(3));  // told later, came out earlier
  c.outcome(1090, 1095, pod(3));
  CHECK(version.first_seen_ns == 1070);
}

TEST_CASE("churn judge: what went wrong, in a sentence") {
  Changed c;
  const auto told = [&](std::int64_t sent, const Endpoint& at) {
    const PacketFacts packet{.target = 0, .sent_ns = sent, .seen_ns = sent + 5, .at = at};
    return c.judge.describe(packet, c.judge.judge(packet));
  };
  const std::string to = ": a packet to 10.96.0.0:80/TCP came out at ";
  const std::string after = " (2.6 us after replace was issued)";
  CHECK(told(3600, pod(1)) ==
        "wrong backend" + to +
            "10.128.0.1:8080, sent 2.5 us after the commit that took it away had returned" + after);
  CHECK(told(3600, pod(9)) == "wrong backend" + to + "10.128.0.9:8080, another service's backend" + after);
  CHECK(told(3600, pod(77)) == "half-changed" + to + "10.128.0.77:8080, nobody's backend" + after);
  CHECK(told(3600, {c.targets[0].frontend.address, 80}) ==
        "half-changed" + to + "10.96.0.0:80, untranslated" + after);
  CHECK(told(900, pod(3)) == "wrong backend" + to + "10.128.0.3:8080, before it was to be a backend");
}

}  // namespace svcbench
