// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a client's program sees of a frontend that it dials: one flow, TCP or UDP, with an ordinary socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "service/service.h"
#include "sys/fd.h"
#include "sys/inet_socket.h"
#include "sys/net_namespace.h"
#include "sys/result.h"
#include "verify/backends.h"
#include "verify/outcome.h"

namespace svcbench::verify {

// How long something is waited for that comes within a millisecond where all is well, and something that
// must not come at all.
inline constexpr std::int64_t patience_ns = 1'000'000'000;
inline constexpr std::int64_t silence_ns = 300'000'000;
// A refusal (an ICMP error) may come while connect() still holds its socket, for here it comes back within
// the call that sends the SYN; Linux then drops it, and heeds the one that answers the next SYN, a second
// later.
inline constexpr std::int64_t refusal_ns = 2'500'000'000;

// For what has a timeout of its own. Error: interrupted.
Status wait_until(std::int64_t monotonic_ns);

class Flow {
 public:
  // Who serves it, as of the last answer.
  [[nodiscard]] const Served& served() const { return served_; }
  [[nodiscard]] const Endpoint& client() const { return client_; }
  [[nodiscard]] std::string text() const;  // "the flow from .. to .., served by .."
  [[nodiscard]] Endpoint peer() const;     // whom the client's socket takes itself to be connected to

  // Sends so many bytes and gets them back unchanged, from the same connection or, by UDP, from what was
  // dialled; UDP says anew who serves. The flow ends its case where that fails.
  Step<void> exchange(std::size_t bytes, std::int64_t patience = patience_ns);

  // TCP: so many bytes both ways at once, as fast as it goes; then both ends close in order. Value:
  // seconds.
  Step<double> transfer(std::size_t bytes);

  // Sends so many bytes and waits for nothing.
  Step<void> send_only(std::size_t bytes);
  // Waits for these bytes, that the backend sends unasked. Value: empty, or why they are not here, in some
  // words.
  [[nodiscard]] Result<std::string> await(const std::string& said, std::int64_t patience = patience_ns);
  // TCP: nothing more will be sent.
  Step<void> end_sending();
  [[nodiscard]] Result<TcpNumbers> numbers() const { return tcp_numbers(socket_); }

  // UDP: sends, and expects that the kernel says "connection refused" within the patience.
  Step<void> expect_refusal();

 private:
  friend struct Dialler;
  Flow(Fd socket, Frontend to, Endpoint client) : socket_(std::move(socket)), to_(to), client_(client) {}

  Step<void> exchange_tcp(const std::string& request, std::int64_t patience);
  Step<void> exchange_udp(const std::string& request, std::int64_t patience);

  Fd socket_;
  Frontend to_;
  Endpoint client_;
  Served served_{};
  std::uint32_t exchanges_ = 0;
};

// How a frontend took being dialled.
enum class Reach : std::uint8_t { answered, refused, unreachable, silent };

struct Dialled {
  Reach reach = Reach::silent;
  std::string evidence{};  // a sentence, unless answered
  std::optional<Flow> flow{};
};

// From `client`, in the namespace `place`: TCP connects and reads who serves it; UDP, on a connected
// socket, sends a datagram and gets it back. Error: interrupted, or no socket.
[[nodiscard]] Result<Dialled> dial(const NetNamespace& place, const Endpoint& client, const Frontend& to,
                                   std::int64_t patience);

// Where the answer to a client's first packet comes from, as the packet says: the SYN+ACK, or the reply to
// an unconnected UDP socket. None came within 300 ms: no value.
[[nodiscard]] Result<std::optional<Endpoint>> who_answers(const NetNamespace& place, const Endpoint& client,
                                                          const Frontend& to);

// Of a frontend that was silent: dials it again, from another client, with an eye on whatever comes to that
// client, and says in a few words what did (": the reply comes from .."); empty: nothing.
[[nodiscard]] Result<std::string> look_closer(const NetNamespace& place, const Endpoint& client,
                                              const Frontend& to);

// Where the programs of a client run.
using Places = std::function<const NetNamespace&(const Address& client)>;

// Many TCP connections, `at_once` of them at a time.
struct Crowd {
  std::size_t served = 0;
  std::size_t late = 0;     // of these, after more than half a second: a packet was lost and sent again
  std::size_t refused = 0;  // or reset
  std::size_t lost = 0;     // no answer within the patience
  std::size_t wrong = 0;    // served by none of the endpoints
  double seconds = 0;
  std::string first_trouble{};  // a sentence on the first that was not served
};
[[nodiscard]] Result<Crowd> dial_many(const Places& places, const Service& service,
                                      const std::vector<Endpoint>& clients, std::size_t at_once,
                                      std::int64_t patience);

}  // namespace svcbench::verify
