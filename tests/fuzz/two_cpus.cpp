// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fuzz/two_cpus.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "fuzz/rig.h"
#include "packet.h"

namespace svcbench::fuzz {
namespace {

using testing::Packet;
using testing::payload;

constexpr std::uint64_t flows_at_once = 8000;  // that the table holds without putting out any
constexpr std::size_t most_complaints = 10;
constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t syn_ack = 0x12;
constexpr std::uint8_t ack = 0x10;

Endpoint backend(std::size_t number) {
  return {Address::parse(fmt::format("10.244.1.{}", number + 1)).value(), 8080};
}

// What the service's endpoints are in each of its versions: some always, others come and go.
std::vector<Endpoint> endpoints_of(std::uint64_t version) {
  std::vector<Endpoint> all;
  for (std::size_t i = 0; i < 6; ++i) {
    if (i < 3 || (version >> (i - 3) & 1) != 0) {
      all.push_back(backend(i));
    }
  }
  std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(version % all.size()), all.end());
  return all;
}

bool has(std::uint64_t version, const Endpoint& endpoint) {
  const std::vector<Endpoint> all = endpoints_of(version);
  return std::find(all.begin(), all.end(), endpoint) != all.end();
}

Service service(Protocol protocol, std::uint64_t version) {
  Service made;
  made.frontend = {Address::parse("10.96.0.1").value(), 80, protocol};
  made.endpoints = endpoints_of(version);
  return made;
}

// A packet's way out, and the versions that the service may have had meanwhile.
struct Way {
  bool passed = false;
  Tuple tuple{};
  std::uint64_t first = 0, last = 0;

  [[nodiscard]] std::string text() const { return passed ? tuple.text() : "dropped"; }
};

struct Round {
  std::uint64_t number = 0;
  bool tcp = false, outsider = false;
  std::array<std::array<Way, 2>, 4> sent{};  // by turn and CPU
  std::array<std::array<Way, 2>, 2> replies{};
};

class Race {
 public:
  Race(Rig& rig, Hook hook) : rig_(rig), hook_(hook) {}

  Status run(std::uint64_t rounds, TwoCpus& result) {
    stop_ = false;
    std::array<std::thread, 2> workers;
    for (int cpu = 0; cpu < 2; ++cpu) {
      workers.at(static_cast<std::size_t>(cpu)) = std::thread([this, cpu, rounds] { work(cpu, rounds); });
    }
    Status changed;
    while (!stop_.load() && changed) {
      changed = change();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
    result.changes += std::exchange(changes_, 0);
    result.packets += rounds * 12;
    result.flows += rounds;
    result.wrong.insert(result.wrong.end(), wrong_.begin(), wrong_.end());
    wrong_.clear();
    SVCB_CHECK(changed);
    return error_;
  }

 private:
  // Before a version is made it may be met already, and after that the old one is met no more.
  Status change() {
    const std::uint64_t version = made_.load() + 1;
    coming_ = version;
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      SVCB_CHECK(rig_.change({Operation::change_endpoints, service(protocol, version)}));
    }
    made_ = version;
    ++changes_;
    return {};
  }

  [[nodiscard]] Bytes frame(const Round& round, const Tuple& tuple, std::uint8_t flags) const {
    const Packet transport = round.tcp ? Packet(testing::tcp(tuple.from.port, tuple.to.port)
                                                    .flags(flags)
                                                    .sequence(1000)
                                                    .acknowledge(1000))
                                       : Packet(testing::udp(tuple.from.port, tuple.to.port));
    return testing::ip(tuple.from.address.text(), tuple.to.address.text()) / transport /
           Packet(payload(20));
  }

  Way send(const Bytes& bytes) {
    Way way;
    way.first = made_.load();
    auto seen = rig_.run(hook_, bytes);
    way.last = coming_.load();
    if (!seen || !*seen) {
      failed_ = true;
      return way;
    }
    way.passed = (*seen)->verdict == model::Verdict::pass;
    way.tuple = model::read((*seen)->bytes).tuple;
    return way;
  }

  void work(int cpu, std::uint64_t rounds) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0) {
      failed_ = true;
    }
    const auto mine = static_cast<std::size_t>(cpu);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      if (cpu == 0) {
        round_ = {.number = number_++, .tcp = i % 2 == 0, .outsider = i % 3 == 0};
      }
      together_.arrive_and_wait();
      turn(mine, 0, syn);
      turn(mine, 1, syn);
      reply(mine, 0, syn_ack);
      turn(mine, 2, ack);
      reply(mine, 1, ack);
      turn(mine, 3, ack);
      if (cpu == 0) {
        judge();
      }
      together_.arrive_and_wait();
    }
    if (cpu == 0) {
      stop_ = true;
      if (failed_) {
        error_ = failure("two CPUs: a program could not be run on both");
      }
    }
  }

  [[nodiscard]] Tuple dialled() const {
    const std::uint64_t number = round_.number;
    return {{Address::parse(round_.outsider ? "203.0.113.9" : "10.1.2.3").value(),
             static_cast<std::uint16_t>(1024 + number % 60'000)},
            {Address::parse("10.96.0.1").value(), 80},
            static_cast<std::uint8_t>(round_.tcp ? 6 : 17)};
  }

  // The client's packet, on both CPUs at once.
  void turn(std::size_t cpu, std::size_t number, std::uint8_t flags) {
    const Bytes bytes = frame(round_, dialled(), flags);
    together_.arrive_and_wait();
    round_.sent.at(number).at(cpu) = send(bytes);
    together_.arrive_and_wait();
  }

  // The reply of the backend that the last packet on the first CPU went to.
  void reply(std::size_t cpu, std::size_t number, std::uint8_t flags) {
    const Bytes bytes = frame(round_, round_.sent.at(number == 0 ? 1 : 2)[0].tuple.reversed(), flags);
    together_.arrive_and_wait();
    round_.replies.at(number).at(cpu) = send(bytes);
    together_.arrive_and_wait();
  }

  void complain(const std::string& what) {
    if (wrong_.size() >= most_complaints) {
      return;
    }
    std::string text = fmt::format("{} {}: {}:", hook_ == Hook::xdp ? "XDP" : "tc", dialled().text(), what);
    for (const auto& pair : round_.sent) {
      text += fmt::format(" [{} (versions {} to {}) | {} ({} to {})]", pair[0].text(), pair[0].first,
                          pair[0].last, pair[1].text(), pair[1].first, pair[1].last);
    }
    for (const auto& pair : round_.replies) {
      text += fmt::format(" reply [{} | {}]", pair[0].text(), pair[1].text());
    }
    wrong_.push_back(text);
  }

  // Whether an endpoint was one of the service's all of that time.
  static bool stayed(const Endpoint& endpoint, std::uint64_t first, std::uint64_t last) {
    bool all = true;
    for (std::uint64_t version = first; version <= last; ++version) {
      all = all && has(version, endpoint);
    }
    return all;
  }

  void judge() {
    const std::uint64_t begun = std::min(round_.sent[0][0].first, round_.sent[0][1].first);
    for (std::size_t number = 0; number < round_.sent.size(); ++number) {
      const auto& [one, other] = round_.sent.at(number);
      const std::uint64_t first = std::min(one.first, other.first);
      const std::uint64_t last = std::max(one.last, other.last);
      for (const Way* way : {&one, &other}) {
        bool legal = false;
        for (std::uint64_t version = begun; version <= way->last; ++version) {
          legal = legal || has(version, way->tuple.to);
        }
        if (!way->passed || !legal) {
          return complain("a packet to a wrong backend");
        }
      }
      // A SYN chooses, as does a first packet: alike, unless there was a change.
      const bool chooses = number == 0 || (round_.tcp && number == 1);
      const bool same = one.tuple == other.tuple;
      if (chooses && !same && first == last) {
        return complain("the flow is two");
      }
      if (number == 0) {
        continue;
      }
      // What comes later goes where the packets before it went, for as long as that is an endpoint; an open
      // TCP flow does so for ever.
      const auto& before = round_.sent.at(number - 1);
      const bool was_one = before[0].tuple == before[1].tuple;
      const std::uint64_t since = std::min(before[0].first, before[1].first);
      const bool open = round_.tcp && number == 3 && is_whole(0) && is_whole(1);
      if (was_one && (chooses ? since == last : open || stayed(before[0].tuple.to, since, last)) &&
          (!same || one.tuple != before[0].tuple)) {
        return complain("the flow does not stay");
      }
    }
    for (std::size_t number = 0; number < round_.replies.size(); ++number) {
      const auto& asked = round_.sent.at(number + 1);
      if (asked[0].tuple == asked[1].tuple && !is_whole(number)) {
        return complain("a reply is not the client's");
      }
    }
  }

  // Both replies of a turn came back from what the client had dialled.
  [[nodiscard]] bool is_whole(std::size_t number) const {
    const auto& pair = round_.replies.at(number);
    return std::all_of(pair.begin(), pair.end(),
                       [this](const Way& way) { return way.passed && way.tuple == dialled().reversed(); });
  }

  Rig& rig_;
  Hook hook_;
  std::barrier<> together_{2};
  std::atomic<bool> stop_{false}, failed_{false};
  std::atomic<std::uint64_t> made_{0}, coming_{0};  // versions
  std::uint64_t number_ = 0, changes_ = 0;
  Round round_{};
  std::vector<std::string> wrong_{};
  Status error_{};
};

}  // namespace

Result<TwoCpus> run_on_two_cpus(std::uint64_t packets, double seconds) {
  if (std::thread::hardware_concurrency() < 2) {
    return failure("two CPUs: this machine has one");
  }
  TwoCpus result;
  for (const Hook hook : {Hook::xdp, Hook::tc}) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Service> first{service(Protocol::tcp, 0), service(Protocol::udp, 0)};
    SVCB_TAKE(rig, Rig::create(modes().front(), first));
    Race race(*rig, hook);
    const std::uint64_t before = result.packets;
    while (packets > 0 ? result.packets - before < packets
                       : std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
                             seconds) {
      const std::uint64_t rounds = packets > 0 ? std::min(flows_at_once, packets / 12 + 1) : 500;
      SVCB_CHECK(race.run(rounds, result));
      if (!result.wrong.empty()) {
        return result;
      }
      SVCB_CHECK(rig->forget());
    }
  }
  return result;
}

}  // namespace svcbench::fuzz
