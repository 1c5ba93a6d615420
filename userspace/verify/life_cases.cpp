// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is remembered of flows, and for how long: flows that one end only speaks in, that are half closed,
// that strangers would end, whose ports others have too, that a full table has no room for.
#include <netinet/tcp.h>

#include <array>
#include <cstring>
#include <vector>

#include "sys/inet_socket.h"
#include "sys/stopwatch.h"
#include "verify/cases.h"
#include "verify/forged.h"

namespace svcbench::verify {

namespace {

// Longer than a brief life, which is counted in ticks of up to 134 ms by a plane, in whole seconds by
// netfilter.
constexpr std::int64_t later_ns = std::int64_t{brief_life_seconds} * 1'000'000'000 + 250'000'000;

// What a backend says unasked; its length is no other datagram's.
const std::string said(177, 'b');

// The case ends unless what the flow's backend says reaches its client.
Step<void> expect_heard(Scene& scene, Flow& flow, std::string_view when) {
  if (!scene.world().backends().say(flow.served(), scene.protocol(), said)) {
    return failed("{}: {}, its connection is gone at the backend", flow.text(), when);
  }
  SVCB_TAKE(missing, flow.await(said));
  return missing.empty() ? Step<void>()
                         : failed("{}: {}, what the backend sends {}", flow.text(), when, missing);
}

// ---- one way only ----

Step<std::string> send_one_way(Scene& scene, const Service& service, const Service& node_port) {
  constexpr int turns = 6;
  constexpr std::int64_t turn_ns = later_ns / 5;
  SVCB_TAKE(client_speaks, scene.dial(service));
  SVCB_TAKE(backend_speaks, scene.dial(service));
  SVCB_TAKE(nobody_speaks, scene.dial(service));
  std::vector<Flow> outside;  // masqueraded, where the plane does that
  if (!scene.world().has_pods_apart()) {
    const Address node = scene.world().node_addresses(scene.family()).front();
    SVCB_TAKE(flow, scene.dial(at_node(node_port, node), scene.outsider()));
    outside.push_back(std::move(flow));
  }
  Backends& backends = scene.world().backends();
  backends.behave({.silent = true, .lingers = true});
  for (int turn = 0; turn < turns; ++turn) {
    SVCB_CHECK(wait_until(monotonic_ns() + turn_ns));
    SVCB_CHECK(client_speaks.send_only(32));
    for (Flow& flow : outside) {
      SVCB_CHECK(flow.send_only(32));
    }
    SVCB_CHECK(expect_heard(scene, backend_speaks,
                            fmt::format("{:.1f} s after the client's last datagram",
                                        static_cast<double>((turn + 1) * turn_ns) / 1e9)));
  }
  const std::string silent_for =
      fmt::format("{:.1f} s after the backend's last datagram, with one of the client's every {:.1f} s",
                  turns * turn_ns / 1e9, turn_ns / 1e9);
  SVCB_CHECK(expect_heard(scene, client_speaks, silent_for));
  for (Flow& flow : outside) {
    SVCB_CHECK(expect_heard(scene, flow, silent_for));
  }
  (void)backends.say(nobody_speaks.served(), Protocol::udp, said);
  SVCB_TAKE(ended, nobody_speaks.await(said, silence_ns / 2));
  backends.behave({.lingers = true});
  const Endpoint keeper = backend_speaks.served().by;
  SVCB_CHECK(backend_speaks.exchange(100));
  if (backend_speaks.served().by != keeper) {
    return failed("{}: it was {}'s while only that sent, and the client's next datagram went elsewhere",
                  backend_speaks.text(), keeper.text());
  }
  return fmt::format("for {:.1f} s each way; {}", turns * turn_ns / 1e9,
                     ended.empty() ? "an idle flow lived on as well" : "an idle flow had ended by then");
}

// ---- how connections end, and do not ----

// Its client has nothing more to send.
Step<Flow> close_half(Scene& scene, const Service& service) {
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_CHECK(flow.exchange(100));
  SVCB_CHECK(flow.end_sending());
  return flow;
}

Step<std::string> judge_half_closed(Scene& scene, Flow& flow) {
  SVCB_CHECK(expect_heard(
      scene, flow, fmt::format("{:.2f} s after the client had ended its direction", later_ns / 1e9)));
  return fmt::format("data {:.2f} s later", later_ns / 1e9);
}

// Whether a RST with this number lies at the raw socket.
bool holds_reset(const Fd& raw, Family family, std::uint32_t number) {
  while (const auto segment = take_segment(raw, family)) {
    if ((segment->flags & TH_RST) != 0 && segment->number == number) {
      return true;
    }
  }
  return false;
}

struct Attacked {
  Flow flow;
  Fd raw;  // at the backend
  std::uint32_t number = 0;
};

// A RST of either end, beyond every window.
Step<Attacked> attack(Scene& scene, const Service& service) {
  constexpr std::uint32_t far = 1U << 30U;
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_CHECK(flow.exchange(100));
  SVCB_TAKE(numbers, flow.numbers());
  const Served ends = flow.served();
  // A plane at sockets: what is on the wire is addressed to the backend itself.
  const Endpoint dialled =
      scene.world().has_pods_apart() ? ends.by : Endpoint{service.frontend.address, service.frontend.port};
  Fd raw;
  {
    SVCB_TAKE(inside, scene.world().backend_place().enter());
    SVCB_TAKE(made, raw_tcp_socket(scene.family()));
    raw = std::move(made);
    SVCB_CHECK(send_reset(ends.by, ends.client, numbers.receives + far));
  }
  SVCB_TAKE(inside, scene.world().place_of(flow.client().address).enter());
  SVCB_CHECK(send_reset(flow.client(), dialled, numbers.sends + far));
  return Attacked{std::move(flow), std::move(raw), numbers.sends + far};
}

Step<std::string> judge_attacked(Scene& scene, Attacked& attacked) {
  SVCB_CHECK(
      expect_heard(scene, attacked.flow,
                   fmt::format("{:.2f} s after a RST of either end that lies far outside of the window",
                               later_ns / 1e9)));
  SVCB_CHECK(attacked.flow.exchange(100));
  if (holds_reset(attacked.raw, scene.family(), attacked.number)) {
    return differs(
        "the flow goes on, and the RST is passed on to the backend, whose kernel ignores it: no windows "
        "are followed here, and conntrack, which does, drops it on the way");
  }
  return std::string("the RST did not reach the backend");
}

// ---- what these three wait for ----

Step<Sitting> sit(Scene& scene) {
  Scene datagrams = scene.with(Protocol::udp);
  Scene streams = scene.with(Protocol::tcp);
  SVCB_TAKE(udp, datagrams.cluster_ip(3));
  SVCB_TAKE(tcp, streams.cluster_ip(2));
  const Service node_port = datagrams.node_port_of(udp);
  SVCB_CHECK(streams.install({udp, node_port, tcp}));
  scene.world().backends().behave({.lingers = true});
  Step<Flow> half_closed = close_half(streams, tcp);
  Step<Attacked> attacked = attack(streams, tcp);
  const std::int64_t later = monotonic_ns() + later_ns;
  Step<std::string> one_way = send_one_way(datagrams, udp, node_port);
  SVCB_CHECK(wait_until(later));
  Step<std::string> late =
      half_closed ? judge_half_closed(streams, *half_closed) : tl::unexpected(half_closed.error());
  Step<std::string> survived =
      attacked ? judge_attacked(streams, *attacked) : tl::unexpected(attacked.error());
  return Sitting{std::move(one_way), std::move(late), std::move(survived)};
}

Step<std::string> of_sitting(Scene& scene, Step<std::string> Sitting::*which) {
  auto had = scene.sittings().find(scene.family());
  if (had == scene.sittings().end()) {
    SVCB_TAKE(sitting, sit(scene));
    had = scene.sittings().emplace(scene.family(), std::move(sitting)).first;
  }
  return had->second.*which;
}

Step<std::string> one_way_udp(Scene& scene) { return of_sitting(scene, &Sitting::one_way_udp); }
Step<std::string> half_close(Scene& scene) { return of_sitting(scene, &Sitting::half_close); }
Step<std::string> blind_reset(Scene& scene) { return of_sitting(scene, &Sitting::blind_reset); }

// ---- ports that others have, too ----

Step<void> exchange_in_turns(Flow& one, Flow& other) {
  for (int i = 0; i < 3; ++i) {
    SVCB_CHECK(one.exchange(100));
    SVCB_CHECK(other.exchange(100));
  }
  return {};
}

Step<std::string> direct_dial(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  const Endpoint backend = service.endpoints.front();
  const Frontend direct{backend.address, backend.port, scene.protocol()};
  for (const bool direct_first : {false, true}) {
    const Endpoint client = scene.pod();
    const NetNamespace& place = scene.world().place_of(client.address);
    SVCB_TAKE(first, scene.dial_from(place, client, direct_first ? direct : service.frontend));
    SVCB_TAKE(second, scene.dial_from(place, client, direct_first ? service.frontend : direct));
    SVCB_CHECK(exchange_in_turns(first, second));
    for (const Flow* flow : {&first, &second}) {
      if (flow->served().by != backend) {
        return failed("{}: that is not whom it was to reach", flow->text());
      }
    }
  }
  return std::string("either first, and both go on");
}

// The kubelet asks a pod how it is, from a port that the kernel gave it.
Step<std::string> node_probe(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  const Service node_port = scene.node_port_of(service);
  SVCB_CHECK(scene.install({service, node_port}));
  const Endpoint backend = service.endpoints.front();
  const Frontend direct{backend.address, backend.port, scene.protocol()};
  const NetNamespace& node = scene.world().node();
  for (const Address& address : scene.world().node_addresses(scene.family())) {
    if (scene.world().has_pods_apart()) {
      SVCB_TAKE(probe, scene.dial_from(node, {address, scene.world().next_ephemeral_port()}, direct));
      SVCB_CHECK(probe.exchange(100));
      continue;
    }
    for (const bool probe_first : {true, false}) {
      // Were the outsider masqueraded with its own port, both would look alike to the backend.
      const Endpoint own{address, scene.world().next_ephemeral_port()};
      const Endpoint outsider{scene.outsider().address, own.port};
      const NetNamespace& outside = scene.world().place_of(outsider.address);
      const Frontend dialled = at_node(node_port, address).frontend;
      SVCB_TAKE(first, probe_first ? scene.dial_from(node, own, direct)
                                   : scene.dial_from(outside, outsider, dialled));
      SVCB_TAKE(second, probe_first ? scene.dial_from(outside, outsider, dialled)
                                    : scene.dial_from(node, own, direct));
      SVCB_CHECK(exchange_in_turns(first, second));
    }
  }
  return std::string(scene.world().has_pods_apart() ? "at each of the node's addresses"
                                                    : "beside an outsider with its port");
}

// ---- errors about what the backend sends ----

Step<std::string> too_big(Scene& scene) {
  constexpr std::uint32_t mtu = 1400;
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_CHECK(flow.exchange(100));
  SVCB_TAKE(numbers, flow.numbers());
  {
    SVCB_TAKE(inside, scene.world().place_of(flow.client().address).enter());
    SVCB_CHECK(send_too_big({service.frontend.address, service.frontend.port}, flow.client(),
                            numbers.receives, mtu));
  }
  const std::int64_t deadline = monotonic_ns() + patience_ns;
  std::optional<std::uint32_t> known;
  while (true) {
    known = scene.world().backends().path_mtu(flow.served());
    if (known == mtu) {
      break;
    }
    if (monotonic_ns() > deadline) {
      return failed(
          "{}: a router of {} bytes answered the backend's packet, which bears {} as its sender, and the "
          "backend {}",
          flow.text(), mtu, service.frontend.text(),
          known ? fmt::format("goes on with {} bytes", *known) : std::string("has lost the connection"));
    }
    SVCB_CHECK(wait_until(monotonic_ns() + 10'000'000));
  }
  SVCB_CHECK(flow.exchange(100));
  return fmt::format("the backend learned of {} bytes", mtu);
}

// ---- what a table has no room for ----

// The same endpoints at the same address, by datagrams.
Service over_udp(Service service) {
  service.frontend.protocol = Protocol::udp;
  service.name += "-udp";
  return service;
}

// So many datagrams, each of a flow of its own, no faster than their server takes them. The case ends
// unless they come.
Step<void> send_strangers(Scene& scene, const Frontend& to, std::size_t flows) {
  constexpr std::size_t at_once = 64;  // a socket's buffer has room for some 250
  const Backends& backends = scene.world().backends();
  std::uint64_t came = backends.arrivals();
  std::size_t sent = 0;
  const SocketAddress address = socket_address({to.address, to.port});
  for (std::size_t pod = 0; pod < World::clients_of_a_kind; ++pod) {
    const Address client = scene.pod(pod).address;
    SVCB_TAKE(inside, scene.world().place_of(client).enter());
    for (std::size_t i = 0; i < flows / World::clients_of_a_kind; ++i) {
      SVCB_TAKE(socket, bound_socket(Protocol::udp, {client, scene.world().next_port()}));
      if (sendto(socket.get(), "?", 1, 0, address.get(), address.size) != 1) {
        return failed("a datagram to {} could not be sent: {}", to.text(), std::strerror(errno));
      }
      if (++sent % at_once == 0) {
        const std::int64_t deadline = monotonic_ns() + silence_ns;
        while (backends.arrivals() - came < at_once && monotonic_ns() < deadline) {
          SVCB_CHECK(wait_until(monotonic_ns() + 100'000));
        }
        const std::uint64_t now = backends.arrivals();
        if (now - came < at_once / 2) {
          return failed("of {} datagrams of other flows to {} {} came, after {}", at_once, to.text(),
                        now - came, sent - at_once);
        }
        came = now;
      }
    }
  }
  return {};
}

Step<std::string> flood(Scene& scene) {
  constexpr std::size_t flows = 4096;
  SVCB_TAKE(service, scene.cluster_ip(1));
  const Service flooded = over_udp(service);
  SVCB_CHECK(scene.install({service, flooded}));
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_CHECK(flow.exchange(100));
  Backends& backends = scene.world().backends();
  backends.behave({.silent = true});
  SVCB_CHECK(backends.serve(flooded.endpoints.front(), Protocol::udp));
  SVCB_CHECK(send_strangers(scene, flooded.frontend, flows));
  SVCB_CHECK(expect_heard(scene, flow, fmt::format("after {} other flows, that nobody answered", flows)));
  SVCB_CHECK(flow.exchange(100));
  SVCB_TAKE(room, scene.room_for_flows());
  return fmt::format("{} flows beside it; {}", flows,
                     room ? fmt::format("the table has {} entries", *room) : "no table");
}

struct Idle {
  std::vector<Flow> client_first;
  Flow backend_first;
};

Step<Idle> dial_idle(Scene& scene, const Service& service) {
  constexpr std::size_t many = 6;
  std::vector<Flow> flows;
  for (std::size_t i = 0; i < many; ++i) {
    SVCB_TAKE(flow, scene.dial(service));
    flows.push_back(std::move(flow));
  }
  SVCB_TAKE(other, scene.dial(service));
  return Idle{std::move(flows), std::move(other)};
}

// The case ends as "differs" unless all of them go on.
Step<std::string> expect_to_go_on(Scene& scene, Idle& idle, std::string_view when) {
  std::size_t resumed = 0;
  for (Flow& flow : idle.client_first) {
    const Step<void> exchanged = flow.exchange(100, silence_ns);
    if (!exchanged && exchanged.error().error) {
      return tl::unexpected(exchanged.error());
    }
    resumed += exchanged ? 1 : 0;
  }
  Flow& flow = idle.backend_first;
  const Endpoint client = flow.client();
  Fd raw;
  {
    SVCB_TAKE(inside, scene.world().place_of(client.address).enter());
    SVCB_TAKE(made, raw_tcp_socket(scene.family()));
    raw = std::move(made);
  }
  const bool is_said = scene.world().backends().say(flow.served(), scene.protocol(), said);
  SVCB_TAKE(missing, flow.await(said, silence_ns));
  const bool heard = is_said && missing.empty();
  const std::size_t all = idle.client_first.size();
  if (resumed == all && heard) {
    return fmt::format("{} connections went on", all + 1);
  }
  bool as_itself = false;
  while (const auto segment = take_segment(raw, scene.family())) {
    as_itself = as_itself || (segment->to_port == client.port && segment->from == flow.served().by);
  }
  return differs(
      "{}, {} idle connections go on whose client sends first, and what a backend sends first {}", when,
      resumed == all ? "all"
      : resumed == 0 ? "no"
                     : "some",
      heard       ? "arrives"
      : as_itself ? "comes with its own address, so that the client's kernel refuses it"
                  : "does not come");
}

Step<std::string> evicted(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(idle, dial_idle(scene, service));
  SVCB_CHECK(scene.forget_flows());
  SVCB_TAKE(seen, expect_to_go_on(scene, idle, "once nothing is remembered of them"));
  SVCB_TAKE(fresh, scene.dial(service));
  SVCB_CHECK(fresh.exchange(100));
  return seen;
}

Step<std::string> crowded_out(Scene& scene) {
  constexpr std::size_t flows = 1500;
  SVCB_TAKE(service, scene.cluster_ip(3));
  const Service crowd = over_udp(service);
  SVCB_CHECK(scene.install({service, crowd}));
  for (const Endpoint& endpoint : crowd.endpoints) {
    SVCB_CHECK(scene.world().backends().serve(endpoint, Protocol::udp));
  }
  SVCB_TAKE(idle, dial_idle(scene, service));
  for (std::size_t i = 0; i < flows; ++i) {
    SVCB_TAKE(answered, scene.dial(crowd));
    SVCB_CHECK(answered.exchange(32));  // the kernel's LRU keeps what was looked up more often
  }
  return expect_to_go_on(scene, idle, fmt::format("after {} newer flows, all of them answered", flows));
}

}  // namespace

std::span<const Case> life_cases() {
  static constexpr std::array rows{
      Case{"one-way-udp", "UDP that one end sends only",
           "a UDP flow lives on while either end alone sends, longer than an idle one would", udp_variants,
           one_way_udp, false, Lives::brief},
      Case{"half-close", "half-closed, data later",
           "a connection whose client has ended its direction brings what the backend sends later than an "
           "ended one would live",
           tcp_variants, half_close, false, Lives::brief},
      Case{"blind-reset", "a stranger's RST",
           "a RST of either end outside of the window neither ends the flow nor reaches the backend",
           tcp_variants, blind_reset, false, Lives::brief},
      Case{"direct-dial", "backend dialled by same port",
           "a pod dials a backend itself from a port that it also reaches it by the service from, either "
           "first, and both flows go on",
           every_variant, direct_dial, false, Lives::brief},
      Case{"node-probe", "a probe of the node's own",
           "a program of the node's own (the kubelet) reaches an endpoint itself, also from the port of an "
           "outsider who is served by the same endpoint",
           every_variant, node_probe, false, Lives::brief},
      Case{"flood", "a flood nobody answers",
           "an answered connection outlives 4,096 other flows that nobody answered", tcp_variants, flood,
           false, Lives::brief},
      Case{"crowded-out", "a crowd that is answered",
           "idle connections go on after 1,500 newer flows that were answered", tcp_variants, crowded_out,
           false, Lives::brief},
      Case{"evicted", "reply after eviction",
           "a connection goes on when what is remembered of it is gone, whichever end sends first",
           tcp_variants, evicted, false, Lives::brief},
      Case{"too-big", "path MTU of replies",
           "a router's \"packet too big\" about a reply, addressed to the frontend, reaches the backend",
           tcp_variants, too_big, false, Lives::brief},
  };
  return rows;
}

}  // namespace svcbench::verify
