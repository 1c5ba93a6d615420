// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Sequences of packets that clients, backends, routers and strangers might send, and of what happens to the
// plane in between. A small world: few addresses and ports, so that flows meet.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "fuzz/rig.h"

namespace svcbench::fuzz {

struct SendPacket {
  Hook hook = Hook::xdp;
  Bytes frame{};
};
struct PassTime {
  double seconds = 0;
};
struct Evict {
  Tuple arrival{};
};
using Step = std::variant<SendPacket, PassTime, Evict, Change>;

[[nodiscard]] std::string to_string(const Step& step);

// The services that every sequence begins with, of both families. Their backends are all that there are.
[[nodiscard]] std::vector<Service> services();

class Grammar {
 public:
  Grammar(std::uint64_t seed, const Mode& mode);

  [[nodiscard]] Step next();
  // What became of a packet of the last step, so that it can be answered.
  void translated(const Tuple& in, const Tuple& out);

 private:
  struct Turn {  // of a conversation that was planned
    bool reply = false;
    std::uint8_t flags = 0;
    Tuple in{};
  };
  using Random = std::mt19937_64;

  [[nodiscard]] std::size_t below(std::size_t bound);
  [[nodiscard]] bool once_in(std::size_t times) { return below(times) == 0; }
  template <typename T>
  [[nodiscard]] const T& any(const std::vector<T>& all) {
    return all.at(below(all.size()));
  }
  [[nodiscard]] Tuple client_tuple();
  [[nodiscard]] Tuple some_tuple();
  [[nodiscard]] std::uint8_t some_flags();
  void plan();
  [[nodiscard]] Bytes segment(const Tuple& tuple, std::uint8_t flags, bool from_client);
  [[nodiscard]] Bytes fragment(const Tuple& tuple);
  [[nodiscard]] Bytes icmp_error();
  [[nodiscard]] std::size_t payload_size(const Tuple& tuple);
  [[nodiscard]] Bytes stranger();
  [[nodiscard]] Bytes mutated(Bytes frame);
  [[nodiscard]] Bytes plain_frame();
  [[nodiscard]] Change some_change();
  [[nodiscard]] Hook hook();

  Random random_;
  bool dsr_, forwarding_;
  Family family_;
  Address wrapping_;  // of direct server return: an address that packets are wrapped by
  int hooks_;         // 0: XDP, 1: tc, else both
  int ages_left_ = 15, ticks_left_ = 8;
  std::vector<Service> services_;
  std::deque<std::pair<Tuple, Tuple>> translated_{};
  std::deque<Turn> turns_{};
};

}  // namespace svcbench::fuzz
