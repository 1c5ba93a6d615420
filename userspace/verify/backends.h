// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The servers behind every endpoint: a thread that answers with the endpoint's own name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "service/service.h"
#include "sys/fd.h"
#include "sys/net_namespace.h"
#include "sys/result.h"

namespace svcbench::verify {

// What a server says of itself and of its client, as it sees them: "10.0.0.1:8080 10.1.0.1:4321\n". TCP:
// when a connection is accepted, and everything that it then receives is sent back until the client has
// nothing more to send. UDP: before each datagram, which is sent back.
struct Served {
  Endpoint by;
  Endpoint client;

  [[nodiscard]] std::string line() const;
  // Of the bytes up to and with the newline; none: they are no such line.
  [[nodiscard]] static std::optional<Served> parse(std::string_view line);

  static constexpr std::size_t longest_line = 128;
};

class Backends {
 public:
  // In this namespace, whose addresses they must be.
  static Result<std::unique_ptr<Backends>> start(const NetNamespace& place);
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;
  ~Backends();

  // From now on a server listens there. One that does already goes on.
  Status serve(const Endpoint& at, Protocol protocol);
  // All of them end, and so do their connections; those to come behave as they used to.
  void close_all();

  struct Manners {
    bool silent = false;   // datagrams are not answered
    bool lingers = false;  // a connection stays open when its client has nothing more to send
  };
  void behave(Manners manners);

  // Sends these bytes to a client that was served, unasked. False: the connection is gone, or has no room.
  [[nodiscard]] bool say(const Served& to, Protocol protocol, std::string_view bytes);
  // How large a packet the server's kernel takes its way to this client for; none: there is no such
  // connection.
  [[nodiscard]] std::optional<std::uint32_t> path_mtu(const Served& to) const;

  // Connections and datagrams that came to any of them.
  [[nodiscard]] std::uint64_t arrivals() const;
  [[nodiscard]] std::optional<Served> last_arrival() const;

 private:
  struct Listener {
    Fd socket;
    Endpoint at;
    Protocol protocol = Protocol::tcp;
  };
  struct Connection {
    Fd socket;
    Served served;
    std::string unsent{};  // what the client's window had no room for
    bool at_end = false;   // the client has nothing more to send
  };
  using Id = std::uint64_t;  // in epoll's events: what they are about may be gone when they are read

  explicit Backends(const NetNamespace& place) : place_(&place) {}
  void run();
  void handle(Id id);
  void accept_all(const Listener& listener);
  void answer_all(const Listener& listener);
  // False: it is over.
  bool echo(Id id, Connection& connection);
  void note(const Served& arrival);
  [[nodiscard]] const Connection* connection_of(const Served& served) const;
  [[nodiscard]] bool watch(const Fd& socket, Id id, std::uint32_t events, int operation) const;

  const NetNamespace* place_;
  Fd epoll_{};
  Fd stop_{};
  mutable std::mutex mutex_{};  // of all that follows
  std::map<Id, Listener> listeners_{};
  std::map<Id, Connection> connections_{};
  Id next_id_ = 1;  // 0 is stop_
  std::uint64_t arrivals_ = 0;
  std::optional<Served> last_{};
  Manners manners_{};
  std::vector<char> buffer_{};  // of the thread
  std::thread thread_{};
};

}  // namespace svcbench::verify
