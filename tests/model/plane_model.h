// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// docs/dataplane.md as a program: what becomes of a packet, told from nothing but that page. The fuzzer
// (tests/fuzz) holds the eBPF programs against it.
//
// Where the page leaves a choice to the plane (which endpoint a hash falls on, which free port is drawn),
// the model takes what the plane did, if that is one of what it may do, and goes on from there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/wire.h"
#include "plane/configuration.h"
#include "service/service.h"

namespace svcbench::model {

// `sent`: out by a device, further on or back to its sender.
enum class Verdict : std::uint8_t { pass, drop, sent };

// Where a packet to some address goes from the node.
struct Route {
  enum class Kind : std::uint8_t {
    plain,
    none,     // or one whose next hop is not known
    unknown,  // what the page leaves to the kernel
  };
  Kind kind = Kind::plain;
  std::uint32_t mtu = 1500;
};

// The node's device, and the router that all goes to.
struct Ways {
  Mac device{}, router{};
  Route (*route)(const Address& to) = nullptr;
};

// Under direct server return: where wrapping comes from, and which last bits of it are a flow's own.
struct WrapSource {
  Address address{};
  unsigned bits = 0;
};

struct Settings {
  FlowTimeouts timeouts{};
  PortRange ports{};
  bool move_gone = false;
  bool dsr = false;
  std::vector<Address> nodes{};  // the node's own; the first of a family masquerades
  // The cluster's pods, by whether an address is one.
  bool (*is_pod)(const Address& address) = nullptr;
  std::optional<Ways> ways{};              // none: what is translated goes on by the kernel's stack
  std::vector<WrapSource> wrap_sources{};  // one of a family
};

// What the plane made of a packet.
struct Seen {
  Verdict verdict = Verdict::pass;
  Bytes bytes{};
};

struct Expected {
  Verdict verdict = Verdict::pass;
  Bytes bytes{};  // of what is passed
  std::string why{};
  // The plane's choice cannot be told from what it did (a later fragment that begins a flow): whatever it
  // made is taken for right, and the model cannot go on.
  bool lost = false;
};

// How far a flow has come (the page's table of states).
struct Progress {
  bool midstream = false;  // begun by a segment that was no SYN, and not answered
  bool answered = false;
  bool open = false;  // and the handshake is over
  bool client_fin = false, backend_fin = false;
  bool reset = false;
};

enum class End : std::uint8_t { client, backend };

// After one more segment; `believed`: its RST is.
[[nodiscard]] Progress after(Progress progress, bool tcp, const Segment& segment, End sender,
                             bool believed);
[[nodiscard]] double idle_seconds(const FlowTimeouts& timeouts, bool tcp, const Progress& progress);
[[nodiscard]] std::string to_string(const Progress& progress);

class PlaneModel {
 public:
  explicit PlaneModel(Settings settings) : settings_(std::move(settings)) {}

  void set(const Service& service);
  void remove(const Frontend& frontend);
  void age(double seconds) { now_ += seconds; }
  // One direction's entry of a flow is lost.
  void evict(const Tuple& arrival);
  void forget();  // flows, affinities, datagrams

  [[nodiscard]] Expected packet(const Bytes& frame, const Seen& seen);

  // Arrivals that a living flow has an entry for.
  [[nodiscard]] std::vector<Tuple> entries() const;
  [[nodiscard]] std::string describe(const Tuple& arrival) const;

 private:
  struct Flow {
    Tuple in, out;  // as the client's packets arrive, and as they leave
    bool untouched = false;
    Progress progress{};
    double seen = 0;
  };
  // One direction's entry: what it tells is gone with it.
  struct Side {
    std::shared_ptr<Flow> flow;
    End sender = End::client;
    std::optional<std::uint32_t> acknowledged{};  // the last by this sender
  };
  using Table = std::map<Tuple, Side>;

  struct Session {
    std::optional<Endpoint> backend;  // none: not told by what was seen
    double seen = 0;
  };
  struct Datagram {
    std::uint16_t from = 0, to = 0;
    double seen = 0;
  };

  enum class Fate : std::uint8_t { translated, untouched, dropped, refused, lost };
  struct Leaves {
    Fate fate = Fate::untouched;
    Tuple as{};
    std::string why{};
    std::vector<Tuple> or_as{};  // where the endpoint does not show, and nothing is remembered
  };
  // What the plane's output tells of its choices.
  struct Hint {
    bool dropped = false;
    std::optional<Tuple> as{};  // none: dropped, or without ports
  };
  enum class Place : std::uint8_t { unoccupied, taken, own_answered, own_unanswered };

  [[nodiscard]] const Service* find(const Endpoint& dialled, std::uint8_t protocol) const;
  [[nodiscard]] bool is_backend(const Endpoint& at) const;
  [[nodiscard]] std::optional<Address> node(Family family) const;
  [[nodiscard]] bool masquerades(const Service& service, const Address& client,
                                 const Endpoint& backend) const;
  [[nodiscard]] bool is_alive(const Flow& flow) const;
  [[nodiscard]] bool still_served(const Flow& flow) const;
  static bool is_open(const Progress& progress);

  std::vector<Endpoint> choices(const Service& service, const Tuple& tuple);
  void chosen(const Service& service, const Tuple& tuple, const std::optional<Endpoint>& backend);

  Leaves track(const Tuple& tuple, const Segment& segment, const Hint& hint);
  std::optional<Leaves> meet(Table& table, const Tuple& tuple, const Segment& segment);
  Leaves begin(const Tuple& tuple, const Segment& segment, const Hint& hint);
  Leaves begin_towards(const Tuple& tuple, const Segment& segment, const Hint& hint,
                       const Endpoint& backend, const Service* service);
  Place place(const Tuple& in, const Tuple& out, const Segment& segment);
  [[nodiscard]] bool is_ambiguous(Place place, const Tuple& in, const Tuple& out,
                                  const Segment& segment) const;
  void take(Place place, const Tuple& in, const Tuple& out, const Segment& segment, bool untouched);
  [[nodiscard]] double taken_share(const Address& source, const Endpoint& backend, std::uint8_t protocol,
                                   const Tuple& in);
  Expected direct_return(const Bytes& frame, const Headers& headers, const Seen& seen);
  Expected wrap(const Bytes& frame, const Tuple& tuple, const Service& service, const Seen& seen);
  Expected of_wrapped_error(const Bytes& frame, const Headers& headers, const Seen& seen);
  [[nodiscard]] bool is_wrap_source(const Address& address) const;
  [[nodiscard]] std::optional<Bytes> translated_error(const Bytes& frame, const Headers& headers) const;
  Expected of_error(const Bytes& frame, const Headers& headers, const Seen& seen);
  [[nodiscard]] Expected refused(const Bytes& frame, const Service& service) const;
  [[nodiscard]] Expected answered(std::optional<Bytes> error, const std::string& why) const;
  // What becomes of what was made of a frame that came.
  [[nodiscard]] Expected forwarded(const Bytes& came, Bytes made, bool is_error, const Seen& seen,
                                   const std::string& why) const;
  [[nodiscard]] bool unanswerable(const Bytes& frame, const Headers& headers) const;
  [[nodiscard]] std::optional<Tuple> of_datagram(const Headers& headers) const;
  [[nodiscard]] bool in_range(std::uint16_t port) const {
    return port >= settings_.ports.first && port <= settings_.ports.last;
  }

  Settings settings_;
  double now_ = 0;
  std::map<Frontend, Service> services_{};
  std::map<Frontend, std::uint64_t> versions_{};  // raised by each change of a service
  Table answered_{}, unanswered_{};
  std::map<std::pair<Frontend, Address>, Session> sessions_{};
  std::map<std::pair<Tuple, std::uint32_t>, Datagram> datagrams_{};
  std::map<Tuple, Address> wrap_sources_{};  // of flows
  // The hash of a flow falls on the same endpoint for as long as its service is the same.
  std::map<Tuple, std::pair<std::uint64_t, Endpoint>> hashed_{};
};

}  // namespace svcbench::model
