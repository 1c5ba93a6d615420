// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The life of a flow under BPF_PROG_TEST_RUN, on both hooks and for both families: idle time, eviction,
// TCP's turns, strangers. Time and eviction are the test's (PlaneFixture::age, evict). docs/dataplane.md is
// what is asked.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "packet.h"
#include "plane_fixture.h"

namespace svcbench::testing {
namespace {

constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t syn_ack = 0x12;
constexpr std::uint8_t ack = 0x10;
constexpr std::uint8_t fin = 0x11;
constexpr std::uint8_t rst = 0x04;

constexpr std::uint32_t client_next = 1000;  // what each end sends next, and the other acknowledges
constexpr std::uint32_t backend_next = 900'000;

// A client, a service with one backend, and the packets between them, of one protocol on one hook.
class Talk {
 public:
  Talk(Hook hook, bool ipv6, std::uint8_t protocol, FixtureOptions options = {}, bool outsider = false)
      : plane(options), hook_(hook), protocol_(protocol) {
    client = ipv6 ? (outsider ? "2001:db8:9::9" : "fd00:1::2") : (outsider ? "203.0.113.9" : "10.1.2.3");
    service = ipv6 ? "fd00:96::1" : "10.96.0.1";
    other_service = ipv6 ? "fd00:96::2" : "10.96.0.2";
    node = ipv6 ? "2001:db8::7" : "192.0.2.7";
    backend = {ipv6 ? "fd00:244:1::17" : "10.244.1.17", 8080};
    other_backend = {ipv6 ? "fd00:244:2::4" : "10.244.2.4", 8081};
    for (const std::string& address : {service, other_service}) {
      const std::uint64_t word = plane.add_service(address, 80, protocol, {backend});
      plane.set_service(address, 80, protocol, svcb_service_flagged(word, SVCB_SERVICE_MASQUERADE_OUTSIDE));
    }
  }

  [[nodiscard]] Packet segment(std::uint16_t from, std::uint16_t to, std::uint8_t flags,
                               std::uint32_t sequence, std::uint32_t acknowledged) const {
    return protocol_ == protocol_tcp
               ? Packet(tcp(from, to).flags(flags).sequence(sequence).acknowledge(acknowledged))
               : Packet(udp(from, to));
  }
  [[nodiscard]] Bytes to_service(std::uint8_t flags, std::uint32_t sequence = client_next) const {
    return ip(client, service) / segment(port, 80, flags, sequence, backend_next) / payload(31);
  }
  [[nodiscard]] Bytes to_backend(std::uint8_t flags, std::uint32_t sequence = client_next) const {
    return ip(client, backend.address) / segment(port, backend.port, flags, sequence, backend_next) /
           payload(31);
  }
  [[nodiscard]] Bytes from_backend(std::uint8_t flags, std::uint32_t sequence = backend_next) const {
    return ip(backend.address, client) / segment(backend.port, port, flags, sequence, client_next) /
           payload(31);
  }
  [[nodiscard]] Bytes from_service(std::uint8_t flags, std::uint32_t sequence = backend_next) const {
    return ip(service, client) / segment(80, port, flags, sequence, client_next) / payload(31);
  }

  Run run(const Bytes& frame) { return plane.run(hook_, frame); }
  void becomes(const Bytes& in, const Bytes& out) {
    const Run what = run(in);
    CHECK(to_string(what.outcome) == to_string(SVCB_TRANSLATED));
    CHECK(hex(what.bytes) == hex(out));
  }
  void request(std::uint8_t flags = ack, std::uint32_t sequence = client_next) {
    becomes(to_service(flags, sequence), to_backend(flags, sequence));
  }
  void reply(std::uint8_t flags = ack, std::uint32_t sequence = backend_next) {
    becomes(from_backend(flags, sequence), from_service(flags, sequence));
  }
  // A reply whose flow is known no more leaves as it came.
  void stray_reply(std::uint8_t flags = ack) {
    const Run what = run(from_backend(flags));
    CHECK(to_string(what.outcome) == to_string(SVCB_NO_SERVICE));
    CHECK(hex(what.bytes) == hex(from_backend(flags)));
  }
  void open() {
    request(syn, client_next - 1);
    reply(syn_ack, backend_next - 1);
    request();
    reply();
  }

  [[nodiscard]] FlowKey forward_key() const { return {client, port, service, 80, protocol_}; }
  [[nodiscard]] FlowKey reply_key() const {
    return {backend.address, backend.port, client, port, protocol_};
  }
  [[nodiscard]] std::uint8_t protocol() const { return protocol_; }

  PlaneFixture plane;
  std::string client, service, other_service, node;
  Backend backend, other_backend;
  std::uint16_t port = 40'000;

 private:
  Hook hook_;
  std::uint8_t protocol_;
};

void on_each(const std::vector<std::uint8_t>& protocols,
             const std::function<void(Hook, bool, std::uint8_t)>& test) {
  for (const Hook hook : both_hooks) {
    for (const bool ipv6 : {false, true}) {
      for (const std::uint8_t protocol : protocols) {
        CAPTURE(to_string(hook));
        CAPTURE(ipv6);
        CAPTURE(static_cast<int>(protocol));
        test(hook, ipv6, protocol);
      }
    }
  }
}

const std::vector<std::uint8_t> both{protocol_tcp, protocol_udp};
const std::vector<std::uint8_t> tcp_alone{protocol_tcp};
const std::vector<std::uint8_t> udp_alone{protocol_udp};

}  // namespace

TEST_CASE("flow life: whichever end sends keeps both directions") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool client_sends : {true, false}) {
      CAPTURE(client_sends);
      Talk talk(hook, ipv6, protocol);
      talk.open();
      const double step = protocol == protocol_tcp ? 50'000 : 80;
      for (int i = 0; i < 5; ++i) {
        talk.plane.age(step);
        if (client_sends) {
          talk.request();
        } else {
          talk.reply();
        }
      }
      talk.request();
      talk.reply();
      CHECK(talk.plane.events(SVCB_FLOW_OPENED) == 1);
      CHECK(talk.plane.events(SVCB_FLOW_EXPIRED) == 0);
      // And one direction's time alone, however old, ends nothing.
      CHECK(talk.plane.age(client_sends ? talk.reply_key() : talk.forward_key(), 1'000'000));
      if (client_sends) {
        talk.reply();
      } else {
        talk.request();
      }
      CHECK(talk.plane.events(SVCB_FLOW_EXPIRED) == 0);
    }
  });
}

TEST_CASE("flow life: a client that nobody answers keeps its replies' way") {
  on_each(udp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool outsider : {false, true}) {
      CAPTURE(outsider);
      Talk talk(hook, ipv6, protocol, {}, outsider);
      const Run first = talk.run(talk.to_service(0));
      REQUIRE(to_string(first.outcome) == to_string(SVCB_TRANSLATED));
      for (int i = 0; i < 10; ++i) {
        talk.plane.age(20);
        CHECK(hex(talk.run(talk.to_service(0)).bytes) == hex(first.bytes));
      }
      CHECK(talk.plane.events(SVCB_FLOW_OPENED) == 1);
      if (!outsider) {
        talk.reply();
      }
    }
  });
}

TEST_CASE("flow life: an entry that was evicted is put back by the other one") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol);
    talk.open();
    talk.plane.age(1);
    REQUIRE(talk.plane.evict(talk.reply_key()));
    talk.request();
    talk.reply();
    talk.plane.age(1);
    REQUIRE(talk.plane.evict(talk.forward_key()));
    talk.reply();
    CHECK(talk.plane.remembers(talk.forward_key()));
    talk.request();
    CHECK(talk.plane.events(SVCB_FLOW_RESTORED) == 2);
    CHECK(talk.plane.events(SVCB_FLOW_OPENED) == 1);
    // Also by a packet of the direction that lost its entry: its reply's way is still there.
    talk.plane.age(1);
    REQUIRE(talk.plane.evict(talk.forward_key()));
    talk.request();
    talk.reply();
    CHECK(talk.plane.events(SVCB_FLOW_OPENED) == 1);
  });
}

TEST_CASE("flow life: each state lives as long as its setting says") {
  struct State {
    const char* name;
    double seconds;
    std::function<void(Talk&)> reach;
  };
  const std::vector<State> states{
      {"SYN sent", 120, [](Talk& talk) { talk.request(syn); }},
      {"SYN received", 60,
       [](Talk& talk) {
         talk.request(syn);
         talk.reply(syn_ack);
       }},
      {"begun in mid-stream", 300, [](Talk& talk) { talk.request(ack); }},
      {"established", 86'400, [](Talk& talk) { talk.open(); }},
      {"half-closed by the client", 3600,
       [](Talk& talk) {
         talk.open();
         talk.request(fin);
       }},
      {"half-closed by the backend", 3600,
       [](Talk& talk) {
         talk.open();
         talk.reply(fin);
       }},
      {"both closed", 120,
       [](Talk& talk) {
         talk.open();
         talk.reply(fin);
         talk.request(fin);
       }},
      {"reset", 10,
       [](Talk& talk) {
         talk.open();
         talk.reply(rst);
       }},
  };
  on_each(tcp_alone, [&](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const State& state : states) {
      CAPTURE(state.name);
      Talk lives(hook, ipv6, protocol);
      state.reach(lives);
      lives.plane.age(state.seconds - 2);
      lives.reply();
      Talk ends(hook, ipv6, protocol);
      state.reach(ends);
      ends.plane.age(state.seconds + 2);
      ends.stray_reply();
    }
  });
  on_each(udp_alone, [&](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool answered : {false, true}) {
      CAPTURE(answered);
      const double seconds = answered ? 120 : 30;
      Talk talk(hook, ipv6, protocol);
      talk.request();
      if (answered) {
        talk.reply();
      }
      talk.plane.age(seconds - 2);
      talk.reply();
      Talk ends(hook, ipv6, protocol);
      ends.request();
      if (answered) {
        ends.reply();
      }
      ends.plane.age(seconds + 2);
      ends.stray_reply();
    }
  });
}

TEST_CASE("flow life: after one end's FIN the other end's data goes on") {
  on_each(tcp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol);
    talk.open();
    talk.request(fin);
    for (int i = 0; i < 3; ++i) {
      talk.plane.age(3000);
      talk.reply();
    }
    talk.plane.age(3000);
    talk.request();
    talk.reply();
  });
}

TEST_CASE(
    "flow life: a RST that is not its sender's changes nothing, and data after one opens the flow again") {
  on_each(tcp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool from_client : {true, false}) {
      CAPTURE(from_client);
      const auto reset = [&](Talk& talk, std::uint32_t off) {
        if (from_client) {
          talk.request(rst, client_next + off);
        } else {
          talk.reply(rst, backend_next + off);
        }
      };
      for (const std::uint32_t off : {0x40000000U, 0x80000000U, 100'000U, 0U - 1000U}) {
        CAPTURE(off);
        Talk talk(hook, ipv6, protocol);
        talk.open();
        reset(talk, off);
        talk.plane.age(5000);
        talk.reply();
        talk.request();
      }
      Talk reopened(hook, ipv6, protocol);
      reopened.open();
      reset(reopened, 0);
      reopened.plane.age(5);
      reopened.reply();
      reopened.plane.age(5000);
      reopened.reply();
      reopened.request();

      // A SYN after it is another connection, which may go to another backend.
      Talk again(hook, ipv6, protocol);
      again.open();
      reset(again, 0);
      again.plane.add_service(again.service, 80, protocol, {again.other_backend});
      const Run what = again.run(again.to_service(syn));
      CHECK(hex(what.bytes) ==
            hex(ip(again.client, again.other_backend.address) /
                again.segment(again.port, again.other_backend.port, syn, client_next, backend_next) /
                payload(31)));
    }
  });
}

TEST_CASE("flow life: nothing is remembered of a RST or a SYN+ACK that meets no flow") {
  on_each(tcp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const std::uint8_t flags : {rst, static_cast<std::uint8_t>(rst | ack), syn_ack}) {
      Talk talk(hook, ipv6, protocol);
      talk.request(flags);
      CHECK(talk.plane.entries() == 0);
      // Which port a masqueraded one had is not known: it must not meet another's flow.
      Talk outside(hook, ipv6, protocol, {}, true);
      const Run what = outside.run(outside.to_service(flags));
      CHECK(what.verdict == (what.outcome == SVCB_NO_FLOW ? Verdict::drop : Verdict::pass));
      CHECK(to_string(what.outcome) == to_string(SVCB_NO_FLOW));
      CHECK(outside.plane.entries() == 0);
    }
    // A late segment begins one, as conntrack's tcp_loose has it.
    Talk late(hook, ipv6, protocol);
    late.request(ack);
    late.reply(ack);
    CHECK(late.plane.answered_entries() == 2);
  });
}

TEST_CASE(
    "flow life: a SYN takes one entry, and a flood of first packets puts out no flow that was answered") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol, {.flows = 512});
    const std::uint16_t first = talk.port;
    constexpr std::uint16_t alive = 50;
    talk.request(syn);
    CHECK(talk.plane.entries() == (protocol == protocol_tcp ? 1 : 2));
    for (std::uint16_t i = 0; i < alive; ++i) {
      talk.port = static_cast<std::uint16_t>(first + i);
      talk.open();
    }
    const std::size_t before = talk.plane.answered_entries();
    CHECK(before == 2 * alive);
    for (std::uint16_t i = 0; i < 3000; ++i) {
      talk.port = static_cast<std::uint16_t>(10'000 + i);
      static_cast<void>(talk.run(talk.to_service(syn)));
    }
    CHECK(talk.plane.answered_entries() == before);
    for (std::uint16_t i = 0; i < alive; ++i) {
      talk.port = static_cast<std::uint16_t>(first + i);
      talk.reply();
      talk.request();
    }
  });
}

TEST_CASE("flow life: masqueraded flows have ports of their own range, and a full one is counted") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol, {.first_port = 25'000, .last_port = 25'002}, true);
    std::set<std::uint16_t> ports;
    std::uint64_t dropped = 0;
    constexpr std::uint16_t flows = 8;
    for (std::uint16_t i = 0; i < flows; ++i) {
      ++talk.port;
      const Run what = talk.run(talk.to_service(syn));
      if (what.outcome == SVCB_NO_FLOW) {
        CHECK(what.verdict == Verdict::drop);
        ++dropped;
        continue;
      }
      const std::size_t at = ethernet_size + (ipv6 ? ipv6_size : ipv4_size);
      ports.insert(static_cast<std::uint16_t>(what.bytes.at(at) << 8 | what.bytes.at(at + 1)));
    }
    CHECK(*ports.begin() >= 25'000);
    CHECK(*ports.rbegin() <= 25'002);
    CHECK(ports.size() + dropped == flows);
    CHECK(dropped >= flows - 3);
    CHECK(talk.plane.events(SVCB_PORTS_FULL) == dropped);
  });
}

TEST_CASE("flow life: a connection to a backend itself and one by way of its service do not meet") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    // Whichever was first: the later one's port is changed towards the backend, and its replies' back.
    Talk direct_first(hook, ipv6, protocol);
    const Run untouched = direct_first.run(direct_first.to_backend(syn));
    CHECK(to_string(untouched.outcome) == to_string(SVCB_NO_SERVICE));
    CHECK(hex(untouched.bytes) == hex(direct_first.to_backend(syn)));
    const Run later = direct_first.run(direct_first.to_service(syn));
    CHECK(to_string(later.outcome) == to_string(SVCB_TRANSLATED));
    CHECK(hex(later.bytes) != hex(direct_first.to_backend(syn)));
    for (int i = 0; i < 3; ++i) {
      const Run answer = direct_first.run(direct_first.from_backend(i == 0 ? syn_ack : ack));
      CHECK(to_string(answer.outcome) == to_string(SVCB_NO_SERVICE));
      CHECK(hex(answer.bytes) == hex(direct_first.from_backend(i == 0 ? syn_ack : ack)));
      const Run more = direct_first.run(direct_first.to_backend(ack));
      CHECK(to_string(more.outcome) == to_string(SVCB_NO_SERVICE));
      CHECK(hex(more.bytes) == hex(direct_first.to_backend(ack)));
    }

    Talk service_first(hook, ipv6, protocol);
    service_first.open();
    const Run moved = service_first.run(service_first.to_backend(syn));
    CHECK(to_string(moved.outcome) == to_string(SVCB_TRANSLATED));
    CHECK(hex(moved.bytes) != hex(service_first.to_backend(syn)));
    const std::size_t at = ethernet_size + (ipv6 ? ipv6_size : ipv4_size);
    const auto port = static_cast<std::uint16_t>(moved.bytes.at(at) << 8 | moved.bytes.at(at + 1));
    const Backend& backend = service_first.backend;
    for (const std::uint8_t flags : {syn_ack, ack}) {
      service_first.becomes(
          ip(backend.address, service_first.client) /
              service_first.segment(backend.port, port, flags, backend_next, client_next) / payload(31),
          service_first.from_backend(flags));
      service_first.reply(ack);
    }
    // What is for neither a service nor a backend is not remembered.
    Talk neither(hook, ipv6, protocol);
    const Bytes elsewhere = ip(neither.client, neither.backend.address) /
                            neither.segment(neither.port, 9999, syn, client_next, 0) / payload(31);
    CHECK(to_string(neither.run(elsewhere).outcome) == to_string(SVCB_NO_SERVICE));
    CHECK(neither.plane.entries() == 0);
  });
}

TEST_CASE("flow life: an open TCP flow whose endpoint is gone is left alone, others get another one") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool move : {false, true}) {
      CAPTURE(move);
      Talk talk(hook, ipv6, protocol, {.move_gone = move});
      talk.open();
      talk.plane.add_service(talk.service, 80, protocol, {talk.other_backend});
      talk.plane.announce_change(talk.service, 80, protocol);
      const Run what = talk.run(talk.to_service(ack));
      const bool stays = protocol == protocol_tcp && !move;
      const Backend& at = stays ? talk.backend : talk.other_backend;
      CHECK(hex(what.bytes) ==
            hex(ip(talk.client, at.address) /
                talk.segment(talk.port, at.port, ack, client_next, backend_next) / payload(31)));
    }
  });
}

TEST_CASE("flow life: a change of a service makes its own flows look it up again, and no other's") {
  on_each(udp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    for (const bool answered : {false, true}) {
      CAPTURE(answered);
      Talk talk(hook, ipv6, protocol);
      talk.request();
      if (answered) {
        talk.reply();
      }
      // What the flow would find, if it looked.
      talk.plane.add_service(talk.service, 80, protocol, {talk.other_backend});
      talk.plane.announce_change(talk.other_service, 80, protocol);
      talk.plane.announce_change(talk.service, 81, protocol);
      talk.plane.announce_change(talk.service, 80, protocol_tcp);
      talk.request();
      talk.plane.announce_change(talk.service, 80, protocol);
      const Bytes moved = talk.run(talk.to_service(ack)).bytes;
      CHECK(hex(moved) ==
            hex(ip(talk.client, talk.other_backend.address) /
                talk.segment(talk.port, talk.other_backend.port, ack, client_next, backend_next) /
                payload(31)));
      // Once.
      talk.plane.add_service(talk.service, 80, protocol, {talk.backend});
      CHECK(hex(talk.run(talk.to_service(ack)).bytes) == hex(moved));
      CHECK(talk.plane.events(SVCB_FLOW_RESELECTED) == 1);
    }
  });
}

TEST_CASE("flow life: a fragment's identification that comes again is not taken for the old one's") {
  on_each(udp_alone, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol);
    const auto part = [&](bool later) -> Bytes {
      Raw data = payload(64);
      data.protocol = protocol;
      const Packet content =
          later ? Packet(data) : Packet(talk.segment(talk.port, 80, 0, 0, 0) / payload(56));
      if (ipv6) {
        return ip(talk.client, talk.service) / Packet(fragment6(later ? 8 : 0, !later)) / content;
      }
      Ipv4 header = ipv4().from(talk.client).to(talk.service).id(77);
      return Packet(later ? header.offset(8) : header.more_fragments()) / content;
    };
    CHECK(to_string(talk.run(part(false)).outcome) == to_string(SVCB_TRANSLATED));
    CHECK(to_string(talk.run(part(true)).outcome) == to_string(SVCB_TRANSLATED));
    talk.plane.age(28);
    CHECK(to_string(talk.run(part(true)).outcome) == to_string(SVCB_TRANSLATED));
    talk.plane.age(4);
    CHECK(to_string(talk.run(part(true)).outcome) == to_string(SVCB_FRAGMENT));
  });
}

namespace {

// An ICMP error of the backend's about what came to it.
Bytes error_about(const Talk& talk, bool ipv6, Bytes about) {
  Raw icmp;
  icmp.content = ipv6 ? Bytes{1, 4, 0, 0, 0, 0, 0, 0} : Bytes{3, 3, 0, 0, 0, 0, 0, 0};
  icmp.protocol = ipv6 ? 58 : 1;
  icmp.checksum = ipv6 ? Raw::Checksum::with_pseudo_header : Raw::Checksum::plain;
  about.resize(ethernet_size + (ipv6 ? ipv6_size : ipv4_size) + 8);
  icmp.content.insert(icmp.content.end(), about.begin() + ethernet_size, about.end());
  return ip(talk.backend.address, talk.client) / Packet(icmp);
}

}  // namespace

TEST_CASE("flow life: an ICMP error is translated where it names a flow that lives, and is whole") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol);
    talk.request(syn);
    const Bytes error = error_about(talk, ipv6, talk.to_backend(syn));
    CHECK(to_string(talk.run(error).outcome) == to_string(SVCB_TRANSLATED));
    // Its IP header says that it is shorter, or longer, than what it quotes.
    for (const std::uint8_t length : {std::uint8_t{30}, std::uint8_t{200}}) {
      const Bytes wrong = with_bytes(error, ethernet_size + (ipv6 ? 4U : 2U), {0, length});
      const Run what = talk.run(wrong);
      CHECK(to_string(what.outcome) == to_string(SVCB_TRUNCATED));
      CHECK(hex(what.bytes) == hex(wrong));
    }
    if (!ipv6) {
      Bytes later = talk.to_backend(syn);
      later.at(ethernet_size + 7) = 5;  // a fragment's offset
      const Bytes about_fragment = error_about(talk, ipv6, later);
      const Run what = talk.run(about_fragment);
      CHECK(to_string(what.outcome) == to_string(SVCB_NOT_TCP_UDP));
      CHECK(hex(what.bytes) == hex(about_fragment));
    }
    talk.plane.age(500);
    CHECK(to_string(talk.run(error).outcome) == to_string(SVCB_NOT_TCP_UDP));
  });
}

TEST_CASE("flow life: errors of the plane's own are few a second, and go to one address") {
  on_each(both, [](Hook hook, bool ipv6, std::uint8_t protocol) {
    Talk talk(hook, ipv6, protocol, {.forwarding = true, .errors_per_second = 1, .errors_at_once = 5});
    talk.plane.add_service(talk.service, 80, protocol, {});
    for (const std::string& nobody :
         ipv6 ? std::vector<std::string>{"ff02::1", "::"}
              : std::vector<std::string>{"224.0.0.1", "255.255.255.255", "0.0.0.0"}) {
      const Run what =
          talk.run(ip(nobody, talk.service) / talk.segment(talk.port, 80, syn, 0, 0) / payload(31));
      CHECK(what.verdict == Verdict::drop);
    }
    CHECK(talk.plane.events(SVCB_REFUSED) == 0);
    const std::uint64_t withheld = talk.plane.events(SVCB_ERROR_WITHHELD);
    CHECK(withheld == (ipv6 ? 2 : 3));
    constexpr std::uint64_t packets = 40;
    for (std::uint64_t i = 0; i < packets; ++i) {
      static_cast<void>(talk.run(talk.to_service(syn)));
    }
    CHECK(talk.plane.events(SVCB_REFUSED) >= 5);
    CHECK(talk.plane.events(SVCB_REFUSED) <
          5 + packets / 2);  // a second each, of which 40 packets take none
    CHECK(talk.plane.events(SVCB_REFUSED) + talk.plane.events(SVCB_ERROR_WITHHELD) == packets + withheld);
  });
}

}  // namespace svcbench::testing
