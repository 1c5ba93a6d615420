// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What tests/fuzz found, each as few packets as show it, under BPF_PROG_TEST_RUN on both hooks and for both
// families. docs/dataplane.md is what is asked.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fuzz/rig.h"
#include "packet.h"
#include "private_place.h"

namespace svcbench::fuzz {
namespace {

using testing::hex;
using testing::Packet;
using testing::payload;

constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t syn_ack = 0x12;
constexpr std::uint8_t ack = 0x10;
constexpr std::uint8_t fin = 0x11;
constexpr std::uint8_t rst = 0x04;

using test::must;

// A pod, a service of two frontends, and backends; the programs' times are those of timeouts().
struct Place {
  Place(Hook on, bool six, const std::string& mode = "plain") : hook(on), ipv6(six) {
    pod = ipv6 ? "fd00:1::2" : "10.1.2.3";
    outsider = ipv6 ? "2001:db8:9::9" : "203.0.113.9";
    vip = ipv6 ? "fd00:96::1" : "10.96.0.1";
    other_vip = ipv6 ? "fd00:96::2" : "10.96.0.2";
    backend = ipv6 ? "fd00:244:1::1" : "10.244.1.1";
    other_backend = ipv6 ? "fd00:244:1::2" : "10.244.1.2";
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      services.push_back(service(vip, protocol, {backend}));
      services.push_back(service(other_vip, protocol, {backend}));
      services.push_back(service(ipv6 ? "fd00:96::9" : "10.96.0.9", protocol, {backend, other_backend}));
    }
    Service sticky = service(ipv6 ? "::" : "0.0.0.0", Protocol::tcp, {other_backend, backend});
    sticky.kind = FrontendKind::node_port;
    sticky.frontend.port = 30'080;
    sticky.affinity_seconds = 95;
    services.push_back(sticky);
    const auto wanted =
        std::find_if(modes().begin(), modes().end(), [&](const Mode& one) { return one.name == mode; });
    rig = must(Rig::create(*wanted, services));
  }

  static Service service(const std::string& at, Protocol protocol,
                         const std::vector<std::string>& endpoints) {
    Service made;
    made.frontend = {Address::parse(at).value(), 80, protocol};
    for (const std::string& endpoint : endpoints) {
      made.endpoints.push_back({Address::parse(endpoint).value(), 8080});
    }
    return made;
  }

  [[nodiscard]] Bytes frame(const std::string& from, std::uint16_t from_port, const std::string& to,
                            std::uint16_t port, std::uint8_t flags, std::size_t size = 20) const {
    const Packet transport =
        flags == 0 ? Packet(testing::udp(from_port, port))
                   : Packet(testing::tcp(from_port, port).flags(flags).sequence(1000).acknowledge(900));
    return testing::ip(from, to) / transport / Packet(payload(size));
  }
  // A client's packet to a frontend, and what the backend sends back to it.
  [[nodiscard]] Bytes asked(std::uint8_t flags) const { return frame(pod, 40'000, vip, 80, flags); }
  [[nodiscard]] Bytes answered(std::uint8_t flags) const {
    return frame(backend, 8080, pod, 40'000, flags);
  }
  // As they leave.
  [[nodiscard]] Bytes asked_of(const std::string& at, std::uint8_t flags) const {
    return frame(pod, 40'000, at, 8080, flags);
  }
  [[nodiscard]] Bytes answer(std::uint8_t flags) const { return frame(vip, 80, pod, 40'000, flags); }

  void becomes(const Bytes& in, const Bytes& out) const {
    const auto seen = must(rig->run(hook, in));
    REQUIRE(seen);
    CHECK(hex(seen->bytes) == hex(out));
  }
  void send(const Bytes& what) const { static_cast<void>(must(rig->run(hook, what))); }
  // A tick goes by first: what is missing is put back by the first packet of one.
  void evict(const std::string& from, std::uint16_t from_port, const std::string& to, std::uint16_t port,
             std::uint8_t protocol) const {
    must(rig->age(0, 1));
    must(rig->evict(tuple(from, from_port, to, port, protocol)));
  }
  void age(double seconds) const { must(rig->age(seconds, 0)); }
  void change(const std::string& at, Protocol protocol, const std::vector<std::string>& endpoints,
              const std::vector<std::string>& terminating = {}) const {
    Service made = service(at, protocol, endpoints);
    made.terminating = service(at, protocol, terminating).endpoints;
    must(rig->change({Operation::change_endpoints, made}));
  }
  static Tuple tuple(const std::string& from, std::uint16_t from_port, const std::string& to,
                     std::uint16_t port, std::uint8_t protocol) {
    return {{Address::parse(from).value(), from_port}, {Address::parse(to).value(), port}, protocol};
  }

  Hook hook;
  bool ipv6;
  std::string pod, outsider, vip, other_vip, backend, other_backend;
  std::vector<Service> services{};
  std::unique_ptr<Rig> rig{};
};

void on_each(const std::function<void(Place&)>& test, const std::string& mode = "plain") {
  for (const Hook hook : {Hook::xdp, Hook::tc}) {
    for (const bool ipv6 : {false, true}) {
      CAPTURE(static_cast<int>(hook));
      CAPTURE(ipv6);
      Place place(hook, ipv6, mode);
      test(place);
    }
  }
}

}  // namespace

TEST_CASE("flow found: a flow that takes the place of one that ended has both its entries") {
  on_each([](Place& place) {
    place.send(place.frame(place.pod, 40'000, place.backend, 8080, 0));
    place.age(120);
    place.send(place.asked(0));
    CHECK(place.rig->entries().contains(Place::tuple(place.pod, 40'000, place.vip, 80, 17)));
  });
}

TEST_CASE("flow found: a FIN that puts its flow's entry back counts") {
  on_each([](Place& place) {
    place.send(place.asked(syn));
    place.send(place.answered(syn_ack));
    place.send(place.asked(ack));
    place.evict(place.pod, 40'000, place.vip, 80, 6);
    place.becomes(place.asked(fin), place.asked_of(place.backend, fin));
    place.age(510);  // half-closed: 505 s; established: 1,005 s
    place.becomes(place.answered(ack), place.answered(ack));
  });
}

TEST_CASE("flow found: a SYN that comes again keeps both entries alive") {
  on_each([](Place& place) {
    for (const bool answered : {false, true}) {
      must(place.rig->forget());
      place.send(place.asked(ack));
      if (answered) {
        place.send(place.answered(ack));
      }
      place.age(answered ? 1000 : 300);  // of 1,005 s and 305 s
      place.send(place.asked(syn));
      place.age(answered ? 1000 : 300);
      place.evict(place.backend, 8080, place.pod, 40'000, 6);
      place.change(place.vip, Protocol::tcp, {place.other_backend}, {place.backend});
      place.becomes(place.asked(ack), place.asked_of(place.backend, ack));
      place.change(place.vip, Protocol::tcp, {place.backend});
    }
  });
}

TEST_CASE("flow found: what a backend has acknowledged by a RST is known after its answer") {
  on_each([](Place& place) {
    place.send(place.asked(ack));
    place.send(place.answered(rst | ack));
    place.send(place.answered(0x01));  // a FIN that acknowledges nothing
    const Bytes blind = testing::ip(place.pod, place.vip) /
                        Packet(testing::tcp(40'000, 80).flags(rst).sequence(0x40000000)) /
                        Packet(payload(20));
    place.send(blind);
    place.age(20);  // reset: 15 s
    place.becomes(place.answered(ack), place.answer(ack));
  });
}

TEST_CASE("flow found: a client's segment before the answer leaves the SYN sent") {
  on_each([](Place& place) {
    place.send(place.asked(syn));
    place.send(place.asked(ack));
    place.send(place.asked(fin));
    place.age(130);  // SYN sent: 125 s; begun in mid-stream: 305 s
    place.becomes(place.answered(ack), place.answered(ack));
  });
}

TEST_CASE("flow found: a SYN after a FIN that nobody answered begins a flow without that FIN") {
  on_each([](Place& place) {
    place.send(place.asked(fin));
    place.send(place.asked(syn));
    place.send(place.asked(ack));
    place.send(place.answered(syn_ack));
    place.send(place.asked(ack));
    place.age(510);  // half-closed would be over
    place.becomes(place.answered(ack), place.answer(ack));
  });
}

TEST_CASE("flow found: replies of a backend that its client has left end with that flow's time") {
  on_each([](Place& place) {
    place.send(place.asked(syn));
    place.send(place.answered(syn_ack));
    place.change(place.vip, Protocol::tcp, {place.other_backend});
    place.send(place.asked(syn));
    const auto from_other = [&](std::uint8_t flags) {
      return place.frame(place.other_backend, 8080, place.pod, 40'000, flags);
    };
    place.becomes(from_other(syn_ack), place.answer(syn_ack));
    place.send(place.asked(ack));
    place.becomes(place.answered(ack), place.answer(ack));
    place.age(70);  // SYN received: 65 s
    place.becomes(place.answered(ack), place.answered(ack));
    place.becomes(from_other(ack), place.answer(ack));
  });
}

TEST_CASE("flow found: an answer counts although an older flow of the client's was not answered") {
  on_each([](Place& place) {
    place.send(place.asked(ack));  // to the backend, which is silent, and ends
    place.change(place.vip, Protocol::tcp, {place.other_backend}, {place.backend});
    place.send(place.asked(syn));
    place.send(place.frame(place.other_backend, 8080, place.pod, 40'000, syn_ack));
    place.becomes(place.asked(ack), place.asked_of(place.other_backend, ack));
    place.age(510);  // established
    place.becomes(place.asked(ack), place.asked_of(place.other_backend, ack));
  });
}

TEST_CASE(
    "flow found: a SYN to where an ended flow went leaves the open one of the same client its entry") {
  on_each([](Place& place) {
    place.send(place.asked(syn));
    place.send(place.answered(syn_ack));
    place.change(place.vip, Protocol::tcp, {place.other_backend});
    place.send(place.asked(syn));
    place.send(place.frame(place.other_backend, 8080, place.pod, 40'000, syn_ack));
    place.send(place.asked(ack));
    place.age(70);
    place.change(place.vip, Protocol::tcp, {place.backend});
    place.send(place.asked(syn));
    place.becomes(place.asked(ack), place.asked_of(place.other_backend, ack));
  });
}

TEST_CASE("flow found: where an answered flow has ended, the one that was not answered is met") {
  on_each([](Place& place) {
    place.send(place.asked(ack));  // begun in mid-stream: 305 s, at the backend
    place.change(place.vip, Protocol::tcp, {place.other_backend}, {place.backend});
    place.send(place.asked(syn));
    place.send(place.frame(place.other_backend, 8080, place.pod, 40'000, syn_ack));
    place.age(70);  // SYN received is over: 65 s
    place.becomes(place.asked(ack), place.asked_of(place.backend, ack));
  });
}

TEST_CASE("flow found: a flow to a backend itself that got another port keeps it through changes") {
  on_each([](Place& place) {
    place.send(place.asked(0));
    const Bytes direct = place.frame(place.pod, 40'000, place.backend, 8080, 0);
    const auto first = must(place.rig->run(place.hook, direct));
    REQUIRE(first);
    const Tuple out = model::read(first->bytes).tuple;
    CHECK(out.from.port != 40'000);
    place.send(place.frame(place.backend, 8080, place.pod, out.from.port, 0));
    place.change(place.other_vip, Protocol::udp, {place.other_backend});
    place.becomes(direct, first->bytes);
    place.age(40);  // one way: 35 s; answered: 185 s
    const Bytes reply = place.frame(place.backend, 8080, place.pod, out.from.port, 0);
    CHECK(hex(must(place.rig->run(place.hook, reply))->bytes) != hex(reply));
  });
}

TEST_CASE("flow found: what passes untouched keeps a wrong checksum as it is") {
  on_each([](Place& place) {
    // Two flows of one arrival: one with another port, which is open; one untouched, which that is before.
    place.send(place.asked(syn));
    const Bytes direct = place.frame(place.pod, 40'000, place.backend, 8080, syn);
    const Tuple out = model::read(must(place.rig->run(place.hook, direct))->bytes).tuple;
    REQUIRE(out.from.port != 40'000);
    place.send(place.frame(place.backend, 8080, place.pod, out.from.port, ack));
    place.age(130);  // the service's SYN is forgotten
    place.send(direct);
    const Bytes reply = testing::ip(place.backend, place.pod) /
                        Packet(testing::tcp(8080, 40'000).flags(ack).checksum(0xFFFF)) /
                        Packet(payload(20));
    place.becomes(reply, reply);
  });
}

TEST_CASE("flow found: a RST of no flow gives its client no affinity, and a NodePort has affinity") {
  on_each([](Place& place) {
    const std::string node = nodes().at(place.ipv6 ? 2 : 0).text();
    const std::string second_node = nodes().at(place.ipv6 ? 3 : 1).text();
    const auto dial = [&](const std::string& at, std::uint16_t port, std::uint8_t flags) {
      const auto seen =
          must(place.rig->run(place.hook, place.frame(place.outsider, port, at, 30'080, flags)));
      return seen && seen->verdict == model::Verdict::pass
                 ? model::read(seen->bytes).tuple.to.address.text()
                 : std::string("dropped");
    };
    // Where each goes by its hash alone: with no affinity before it.
    std::vector<std::string> alone;
    for (std::uint16_t port = 1000; port < 1016; ++port) {
      must(place.rig->forget());
      CHECK(dial(node, port, rst) == "dropped");
      CHECK(dial(node, static_cast<std::uint16_t>(port + 100), rst) == "dropped");
      alone.push_back(dial(node, port, syn));
    }
    // The RSTs before have decided nothing: by one hash all of them would have gone to one.
    CHECK(std::set<std::string>(alone.begin(), alone.end()).size() == 2);
    must(place.rig->forget());
    const std::string first = dial(node, 2000, syn);
    for (std::uint16_t port = 2001; port < 2016; ++port) {
      CHECK(dial(port % 2 == 0 ? node : second_node, port, syn) == first);
    }
    must(place.rig->forget());
    CHECK(dial(node, 3000, rst) == "dropped");
    for (std::uint16_t port = 1000; port < 1016; ++port) {
      must(place.rig->forget());
      static_cast<void>(dial(node, 3000, rst));
      CHECK(dial(node, port, syn) == alone.at(port - 1000U));
    }
  });
}

TEST_CASE("flow found: an ICMP error that quotes no IP header of its family passes untouched") {
  on_each([](Place& place) {
    place.send(place.asked(0));
    testing::Raw icmp;
    icmp.content = place.ipv6 ? Bytes{1, 4, 0, 0, 0, 0, 0, 0} : Bytes{3, 3, 0, 0, 0, 0, 0, 0};
    Bytes about = place.asked_of(place.backend, 0);
    icmp.content.insert(icmp.content.end(), about.begin() + testing::ethernet_size, about.end());
    icmp.protocol = place.ipv6 ? 58 : 1;
    icmp.checksum = place.ipv6 ? testing::Raw::Checksum::with_pseudo_header : testing::Raw::Checksum::plain;
    const Bytes error = testing::ip(place.backend, place.pod) / Packet(icmp);
    CHECK(hex(must(place.rig->run(place.hook, error))->bytes) != hex(error));
    Bytes wrong = error;
    wrong.at(testing::ethernet_size + (place.ipv6 ? testing::ipv6_size : testing::ipv4_size) + 8) ^= 0x30;
    place.becomes(wrong, wrong);
  });
}

// The flow that has ended has its client's place among the answered ones still.
TEST_CASE(
    "flow found: an ICMP error is of the flow that lives, though another of its client's had been "
    "answered") {
  on_each([](Place& place) {
    const bool ipv6 = place.ipv6;
    const std::string node = ipv6 ? "2001:db8::7" : "192.0.2.7";
    const auto left_by = [&](const Bytes& in) {
      return model::read(must(place.rig->run(place.hook, in))->bytes).tuple.from.port;
    };
    // Masqueraded, with a port that the node's own connection to the same backend has, too.
    const std::uint16_t port = left_by(place.frame(place.outsider, 40'000, place.vip, 80, syn));
    const std::uint16_t other = left_by(place.frame(node, port, place.backend, 8080, fin));
    REQUIRE(other != port);
    place.age(190);  // the first one's time is over; the node dials again, and is reset
    CHECK(left_by(place.frame(node, port, place.backend, 8080, syn)) == port);
    place.send(place.frame(place.backend, 8080, node, port, ack));
    place.send(place.frame(place.backend, 8080, node, port, rst));
    place.age(20);
    const auto error_about = [&](std::uint16_t to_port) {
      const Bytes about = place.frame(place.backend, 8080, node, to_port, ack);
      testing::Raw icmp;
      icmp.content = {static_cast<std::uint8_t>(ipv6 ? 1 : 3), 0, 0, 0, 0, 0, 0, 0};
      icmp.content.insert(icmp.content.end(), about.begin() + testing::ethernet_size, about.end());
      icmp.protocol = ipv6 ? 58 : 1;
      icmp.checksum = ipv6 ? testing::Raw::Checksum::with_pseudo_header : testing::Raw::Checksum::plain;
      return Bytes(testing::ip(node, place.backend) / Packet(icmp));
    };
    // Inside, the transport's checksum is nobody's: it stays that of the packet with its old port.
    const Bytes came = error_about(port);
    const auto seen = must(place.rig->run(place.hook, came));
    CHECK(model::read(seen->bytes).tuple.to.port == other);
    CHECK(model::read(came).tuple.to.port == port);
  });
}

// By the narrow way it would be an error from the backend, about a packet that the client never sent.
TEST_CASE("flow found: a RST of no flow that is too large for its way is dropped") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  test::in_private_namespaces([] {
    on_each(
        [](Place& place) {
          const auto large = [&](std::uint8_t flags) {
            const Packet tcp = testing::tcp(40'000, 80).flags(flags).sequence(1000).acknowledge(900);
            const Packet ip = place.ipv6
                                  ? Packet(testing::ip(place.pod, place.vip))
                                  : Packet(testing::ipv4().from(place.pod).to(place.vip).dont_fragment());
            return must(place.rig->run(place.hook, ip / tcp / Packet(payload(1400))))->verdict;
          };
          CHECK(large(rst) == model::Verdict::drop);
          CHECK(large(ack) == model::Verdict::sent);  // of a flow: its error is the client's
        },
        "routed");
  });
}

}  // namespace svcbench::fuzz
