// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Flows under BPF_PROG_TEST_RUN, on both hooks: replies, masquerade, a backend that goes, ICMP errors,
// fragments. What is expected is built anew from addresses, never by changing what came out.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "packet.h"
#include "plane_fixture.h"

namespace svcbench::testing {
namespace {

// The same things in each family.
struct Cast {
  std::string pod, outsider, node, service;
  Backend backend, other_backend;
  [[nodiscard]] bool is_ipv6() const { return pod.find(':') != std::string::npos; }
};

const std::array casts{
    Cast{"10.1.2.3", "203.0.113.9", "192.0.2.7", "10.96.0.1", {"10.244.1.17", 8080}, {"10.244.2.4", 8081}},
    Cast{"fd00:1::2",
         "2001:db8:9::9",
         "2001:db8::7",
         "fd00:96::1",
         {"fd00:244:1::17", 8080},
         {"fd00:244:2::4", 8081}},
};

constexpr std::uint16_t client_port = 40'000;

void for_all(const std::function<void(Hook, const Cast&, std::uint8_t)>& test) {
  for (Hook hook : both_hooks) {
    for (const Cast& cast : casts) {
      for (std::uint8_t protocol : {protocol_tcp, protocol_udp}) {
        CAPTURE(to_string(hook));
        CAPTURE(cast.pod);
        CAPTURE(static_cast<int>(protocol));
        test(hook, cast, protocol);
      }
    }
  }
}

Bytes frame(std::uint8_t protocol, const std::string& from, std::uint16_t from_port, const std::string& to,
            std::uint16_t to_port, std::size_t size = 31) {
  const Packet segment = protocol == protocol_tcp ? Packet(tcp(from_port, to_port).flags(0x10))
                                                  : Packet(udp(from_port, to_port));
  return ip(from, to) / segment / payload(size);
}

void check_becomes(PlaneFixture& plane, Hook hook, const Bytes& in, const Bytes& expected) {
  const Run run = plane.run(hook, in);
  CHECK(run.verdict == Verdict::pass);
  CHECK(to_string(run.outcome) == to_string(SVCB_TRANSLATED));
  CHECK(hex(run.bytes) == hex(expected));
}

// ---- fragments: split and joined by themselves ----

std::uint16_t word_at(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

void put_word(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

void sum_ipv4_header(Bytes& bytes) {
  put_word(bytes, ethernet_size + 10, 0);
  const auto begin = bytes.begin() + ethernet_size;
  put_word(bytes, ethernet_size + 10, internet_checksum(Bytes(begin, begin + ipv4_size)));
}

std::size_t header_size(const Bytes& whole) {
  return ethernet_size + (whole.at(12) == 0x86 ? ipv6_size : ipv4_size);
}

constexpr std::size_t part_bytes = 1400;  // a multiple of 8

std::vector<Bytes> split(const Bytes& whole, std::uint16_t id) {
  const std::size_t header = header_size(whole);
  const bool is_ipv6 = whole.at(12) == 0x86;
  std::vector<Bytes> parts;
  for (std::size_t at = header; at < whole.size(); at += part_bytes) {
    const std::size_t end = std::min(at + part_bytes, whole.size());
    const bool more = end < whole.size();
    Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(header));
    if (is_ipv6) {
      put_word(part, ethernet_size + 4, 8 + end - at);
      const Bytes extension{part.at(ethernet_size + 6), 0, 0, 0, 0xCA, 0xFE, 0, 0};
      part.at(ethernet_size + 6) = extension_fragment;
      part.insert(part.end(), extension.begin(), extension.end());
      put_word(part, header + 2, (at - header) | (more ? 1U : 0U));
      put_word(part, header + 6, id);
    } else {
      put_word(part, ethernet_size + 2, ipv4_size + end - at);
      put_word(part, ethernet_size + 4, id);
      put_word(part, ethernet_size + 6, (at - header) / 8 | (more ? 0x2000U : 0U));
      sum_ipv4_header(part);
    }
    part.insert(part.end(), whole.begin() + static_cast<std::ptrdiff_t>(at),
                whole.begin() + static_cast<std::ptrdiff_t>(end));
    parts.push_back(std::move(part));
  }
  return parts;
}

// What a receiver makes of parts that come in order; `whole` tells what the parts do not.
Bytes joined(const std::vector<Bytes>& parts, const Bytes& whole) {
  const std::size_t header = header_size(whole);
  const bool is_ipv6 = whole.at(12) == 0x86;
  Bytes out(parts.front().begin(), parts.front().begin() + static_cast<std::ptrdiff_t>(header));
  for (const Bytes& part : parts) {
    if (is_ipv6) {
      CHECK(part.at(ethernet_size + 6) == extension_fragment);
    } else {
      const auto begin = part.begin() + ethernet_size;
      CHECK(internet_checksum(Bytes(begin, begin + ipv4_size)) == 0);
    }
    // All of one datagram, for the receiver: addresses alike.
    const std::size_t addresses = ethernet_size + (is_ipv6 ? 8U : 12U);
    CHECK(std::equal(part.begin() + static_cast<std::ptrdiff_t>(addresses),
                     part.begin() + static_cast<std::ptrdiff_t>(header),
                     out.begin() + static_cast<std::ptrdiff_t>(addresses)));
    out.insert(out.end(), part.begin() + static_cast<std::ptrdiff_t>(header + (is_ipv6 ? 8 : 0)),
               part.end());
  }
  if (is_ipv6) {
    out.at(ethernet_size + 6) = parts.front().at(header);
    put_word(out, ethernet_size + 4, out.size() - header);
  } else {
    put_word(out, ethernet_size + 2, out.size() - ethernet_size);
    put_word(out, ethernet_size + 4, word_at(whole, ethernet_size + 4));
    put_word(out, ethernet_size + 6, 0);
    sum_ipv4_header(out);
  }
  return out;
}

}  // namespace

TEST_CASE("a reply comes back from what was dialled") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    PlaneFixture plane(true);
    plane.add_service(cast.service, 80, protocol, {cast.backend});
    const auto& [backend, port] = cast.backend;
    const Bytes reply = frame(protocol, backend, port, cast.pod, client_port);
    // Before there is a flow it is a packet like any other.
    CHECK(to_string(plane.run(hook, reply).outcome) == to_string(SVCB_NO_SERVICE));
    check_becomes(plane, hook, frame(protocol, cast.pod, client_port, cast.service, 80),
                  frame(protocol, cast.pod, client_port, backend, port));
    check_becomes(plane, hook, reply, frame(protocol, cast.service, 80, cast.pod, client_port));
  });
}

TEST_CASE("an outsider is masqueraded where the service says so, a pod is not") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    PlaneFixture plane(true);
    const std::uint64_t word = plane.add_service(cast.service, 80, protocol, {cast.backend});
    plane.set_service(cast.service, 80, protocol,
                      svcb_service_flagged(word, SVCB_SERVICE_MASQUERADE_OUTSIDE));
    const auto& [backend, port] = cast.backend;
    check_becomes(plane, hook, frame(protocol, cast.pod, client_port, cast.service, 80),
                  frame(protocol, cast.pod, client_port, backend, port));
    // With a port of the masqueraded ones' range.
    const Run run = plane.run(hook, frame(protocol, cast.outsider, client_port, cast.service, 80));
    const std::uint16_t given = word_at(run.bytes, header_size(run.bytes));
    CHECK(given >= FixtureOptions{}.first_port);
    CHECK(given <= FixtureOptions{}.last_port);
    CHECK(hex(run.bytes) == hex(frame(protocol, cast.node, given, backend, port)));
    check_becomes(plane, hook, frame(protocol, backend, port, cast.node, given),
                  frame(protocol, cast.service, 80, cast.outsider, client_port));
  });
}

TEST_CASE("a flow stays with its backend until it is taken away") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    PlaneFixture plane(true);
    const Bytes in = frame(protocol, cast.pod, client_port, cast.service, 80);
    const Bytes to_first = frame(protocol, cast.pod, client_port, cast.backend.address, cast.backend.port);
    const Bytes to_other =
        frame(protocol, cast.pod, client_port, cast.other_backend.address, cast.other_backend.port);
    plane.add_service(cast.service, 80, protocol, {cast.backend});
    check_becomes(plane, hook, in, to_first);
    check_becomes(plane, hook, in,
                  to_first);  // the second packet of a flow that nobody answers is remembered
    plane.add_service(cast.service, 80, protocol, {cast.other_backend, cast.backend});
    plane.announce_change(cast.service, 80, protocol);
    check_becomes(plane, hook, in, to_first);
    plane.add_service(cast.service, 80, protocol, {cast.other_backend});
    plane.announce_change(cast.service, 80, protocol);
    check_becomes(plane, hook, in, to_other);
  });
}

TEST_CASE("a client keeps its backend, for as long as its affinity lives and its entry is its own") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    const std::vector<Backend> backends{cast.backend, cast.other_backend};
    // Where this port's flow goes by its own hash: the client's first port meets one backend, others the
    // other.
    PlaneFixture without(true);
    without.add_service(cast.service, 80, protocol, backends);
    const auto goes_to = [&](PlaneFixture& plane, std::uint16_t port) {
      const Bytes in = frame(protocol, cast.pod, port, cast.service, 80);
      const Bytes out = plane.run(hook, in).bytes;
      const auto at = [&](const Backend& backend) {
        return out == frame(protocol, cast.pod, port, backend.address, backend.port);
      };
      REQUIRE(at(cast.backend) != at(cast.other_backend));
      return at(cast.backend);
    };
    const bool first = goes_to(without, client_port);
    std::vector<std::uint16_t> others;
    for (std::uint16_t port = client_port + 1; others.size() < 4; ++port) {
      if (goes_to(without, port) != first) {
        others.push_back(port);
      }
    }

    PlaneFixture plane(true);
    const std::uint64_t word = plane.add_service(cast.service, 80, protocol, backends);
    plane.set_service(cast.service, 80, protocol, svcb_service_flagged(word, SVCB_SERVICE_AFFINITY));
    plane.set_affinity(cast.service, 80, protocol, 100);
    CHECK(goes_to(plane, client_port) == first);
    CHECK(goes_to(plane, others[0]) == first);
    plane.age_affinity(98);
    CHECK(goes_to(plane, others[1]) == first);  // and begins anew
    plane.age_affinity(98);
    CHECK(goes_to(plane, others[2]) == first);
    // The kernel has given the element to another client while it was read: it is not this one's.
    plane.give_affinity_away();
    CHECK(goes_to(plane, others[3]) != first);
    plane.age_affinity(102);
    CHECK(goes_to(plane, static_cast<std::uint16_t>(client_port - 1)) ==
          goes_to(without, static_cast<std::uint16_t>(client_port - 1)));
  });
}

TEST_CASE("a port unreachable of a backend's becomes one of what was dialled, about what was sent") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    PlaneFixture plane(true);
    plane.add_service(cast.service, 80, protocol, {cast.backend});
    const auto& [backend, port] = cast.backend;
    const Bytes sent = frame(protocol, cast.pod, client_port, cast.service, 80);
    const Bytes left = frame(protocol, cast.pod, client_port, backend, port);
    check_becomes(plane, hook, sent, left);
    // Of the transport's header an error quotes at least 8 bytes; of TCP's that leaves the checksum out.
    const auto error = [&](const std::string& from, const Bytes& about) -> Bytes {
      Raw icmp;
      icmp.content = cast.is_ipv6() ? Bytes{1, 4, 0, 0, 0, 0, 0, 0} : Bytes{3, 3, 0, 0, 0, 0, 0, 0};
      icmp.protocol = cast.is_ipv6() ? 58 : 1;
      icmp.checksum = cast.is_ipv6() ? Raw::Checksum::with_pseudo_header : Raw::Checksum::plain;
      const std::size_t end = header_size(about) + 4;  // ports
      icmp.content.insert(icmp.content.end(), about.begin() + ethernet_size,
                          about.begin() + static_cast<std::ptrdiff_t>(end));
      // A transport checksum in a quotation is nobody's: the same on both sides.
      icmp.content.insert(icmp.content.end(), {0, 39, 0, 0});
      return ip(from, cast.pod) / Packet(icmp);
    };
    check_becomes(plane, hook, error(backend, left), error(cast.service, sent));
    // One about a flow that is not known goes on as it came.
    const Bytes foreign = error(backend, frame(protocol, cast.pod, client_port + 1, backend, port));
    CHECK(plane.run(hook, foreign).bytes == foreign);
  });
}

TEST_CASE("later fragments follow their first one, both ways, whatever comes between") {
  for_all([](Hook hook, const Cast& cast, std::uint8_t protocol) {
    PlaneFixture plane(true);
    plane.add_service(cast.service, 80, protocol, {cast.backend});
    const auto& [backend, port] = cast.backend;
    const auto pass = [&](const std::vector<Bytes>& parts) {
      std::vector<Bytes> out;
      for (const Bytes& part : parts) {
        const Run run = plane.run(hook, part);
        CHECK(to_string(run.outcome) == to_string(SVCB_TRANSLATED));
        out.push_back(run.bytes);
      }
      return out;
    };
    for (const std::size_t size : {1400U, 1500U, 5000U}) {
      CAPTURE(size);
      const auto id = static_cast<std::uint16_t>(size);
      const Bytes request = frame(protocol, cast.pod, client_port, cast.service, 80, size);
      const Bytes request_out = frame(protocol, cast.pod, client_port, backend, port, size);
      const Bytes reply = frame(protocol, backend, port, cast.pod, client_port, size);
      const Bytes reply_out = frame(protocol, cast.service, 80, cast.pod, client_port, size);
      CHECK(hex(joined(split(request, id), request)) == hex(request));
      CHECK(hex(joined(pass(split(request, id)), request)) == hex(request_out));
      CHECK(hex(joined(pass(split(reply, id)), reply)) == hex(reply_out));

      // Another datagram's later part, whose first was not seen, and a part of another client's.
      for (const Bytes& stranger :
           {split(request, static_cast<std::uint16_t>(id + 1)).back(),
            split(frame(protocol, cast.outsider, client_port, cast.service, 80, size), id).back()}) {
        const Run run = plane.run(hook, stranger);
        CHECK(run.verdict == Verdict::pass);
        CHECK(to_string(run.outcome) == to_string(SVCB_FRAGMENT));
        CHECK(run.bytes == stranger);
      }
    }
  });
}

TEST_CASE("fragments of a summed skb stay summed") {
  for (const Cast& cast : casts) {
    PlaneFixture plane(true);
    plane.add_service(cast.service, 80, protocol_udp, {cast.backend});
    const Bytes request = frame(protocol_udp, cast.pod, client_port, cast.service, 80, 3000);
    for (const Bytes& part : split(request, 7)) {
      const auto run = plane.run_checksum_complete(part);
      if (!run) {
        MESSAGE("skipped: this kernel makes no such skb");
        return;
      }
      CHECK(to_string(run->outcome) == to_string(SVCB_TRANSLATED));
    }
  }
}

}  // namespace svcbench::testing
