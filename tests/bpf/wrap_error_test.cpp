// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Direct server return beside whole packets: fragments, the wrapping's source, and ICMP errors, about what
// a backend sends itself and about what was wrapped for it. On both hooks, byte for byte.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "packet.h"
#include "plane_fixture.h"

namespace svcbench::testing {
namespace {

constexpr std::uint16_t flows = 24;

struct FamilyCase {
  bool four;
  std::string client, service, node, router, stranger;
  std::vector<std::string> backends;
};

const std::array families{FamilyCase{true,
                                     "203.0.113.9",
                                     "10.96.0.1",
                                     "192.0.2.7",
                                     "172.16.5.1",
                                     "192.0.2.99",
                                     {"10.244.1.17", "10.244.1.18", "10.244.1.19"}},
                          FamilyCase{false,
                                     "2001:db8:9::9",
                                     "fd00:96::1",
                                     "2001:db8::7",
                                     "fd00:5::1",
                                     "2001:db8::99",
                                     {"fd00:244:1::17", "fd00:244:1::18", "fd00:244:1::19"}}};

std::size_t ip_size(const FamilyCase& family) { return family.four ? ipv4_size : ipv6_size; }

Bytes cut(const Bytes& bytes, std::size_t from, std::size_t size = SIZE_MAX) {
  const std::size_t until = std::min(bytes.size(), size == SIZE_MAX ? bytes.size() : from + size);
  return {bytes.begin() + static_cast<std::ptrdiff_t>(from),
          bytes.begin() + static_cast<std::ptrdiff_t>(until)};
}

Bytes behind_ethernet(const Bytes& frame) { return cut(frame, ethernet_size); }

// An ICMP message from one to the other: type, code, the four bytes of the rest, a quotation.
Bytes icmp_message(const FamilyCase& family, const std::string& from, const std::string& to,
                   const std::array<std::uint8_t, 6>& head, const Bytes& quotation) {
  Raw icmp;
  icmp.content = {head[0], head[1], 0, 0, head[2], head[3], head[4], head[5]};
  icmp.content.insert(icmp.content.end(), quotation.begin(), quotation.end());
  icmp.protocol = family.four ? 1 : 58;
  icmp.checksum = family.four ? Raw::Checksum::plain : Raw::Checksum::with_pseudo_header;
  return family.four ? Bytes(Packet(ipv4().from(from).to(to).ttl(57).tos(0x20)) / Packet(icmp))
                     : Bytes(Packet(ipv6().from(from).to(to).hop_limit(57)) / Packet(icmp));
}

// Type and code of "packet too big", and its MTU.
std::array<std::uint8_t, 6> too_big(const FamilyCase& family, std::uint16_t mtu) {
  const auto high = static_cast<std::uint8_t>(mtu >> 8);
  const auto low = static_cast<std::uint8_t>(mtu);
  return family.four ? std::array<std::uint8_t, 6>{3, 4, 0, 0, high, low}
                     : std::array<std::uint8_t, 6>{2, 0, 0, 0, high, low};
}

class Node {
 public:
  Node(const FamilyCase& family, const FixtureOptions& options) : family_(family), plane_(options) {
    std::vector<Backend> backends;
    for (const std::string& address : family.backends) {
      backends.push_back({address, 80});
    }
    for (const std::uint8_t protocol : {protocol_tcp, protocol_udp}) {
      plane_.add_service(family.service, 80, protocol, backends);
    }
    plane_.add_service(family.service, 81, protocol_udp, {});
  }

  [[nodiscard]] Bytes packet(std::uint8_t protocol, std::uint16_t port, std::size_t size = 20) const {
    return ip(family_.client, family_.service) / transport(protocol, port, 80) / Packet(payload(size));
  }

  // Where a packet was wrapped for, if what is inside is the packet.
  std::optional<std::string> wrapped_for(const Run& run, const Bytes& in) const {
    const std::size_t size = ip_size(family_);
    if (run.outcome != SVCB_TRANSLATED || run.bytes.size() != in.size() + size ||
        cut(run.bytes, ethernet_size + size) != behind_ethernet(in)) {
      return std::nullopt;
    }
    const std::size_t at = ethernet_size + (family_.four ? 16 : 24);
    for (const std::string& backend : family_.backends) {
      if (cut(run.bytes, at, address_bytes(backend).size()) == address_bytes(backend)) {
        return backend;
      }
    }
    return std::nullopt;
  }

  // The backend of a flow.
  std::string backend_of(Hook hook, std::uint8_t protocol, std::uint16_t port) {
    const Bytes in = packet(protocol, port);
    const auto backend = wrapped_for(plane_.run(hook, in), in);
    REQUIRE(backend);
    return *backend;
  }

  PlaneFixture& plane() { return plane_; }

 private:
  const FamilyCase& family_;
  PlaneFixture plane_;
};

void on_each(const std::function<void(Hook, const FamilyCase&)>& test) {
  for (const Hook hook : both_hooks) {
    for (const FamilyCase& family : families) {
      CAPTURE(to_string(hook));
      CAPTURE(family.four);
      test(hook, family);
    }
  }
}

constexpr FixtureOptions wraps{.dsr = true};

}  // namespace

TEST_CASE("wrap: the source is the flow's, where there is a range for that, and its backend is the same") {
  on_each([](Hook hook, const FamilyCase& family) {
    Node plain(family, wraps);
    Node node(family, {.dsr = true, .wrap_by_flow = true});
    const std::size_t at = ethernet_size + (family.four ? 12 : 8);
    const std::size_t width = family.four ? 4 : 16;
    const Bytes range = address_bytes(family.four ? "198.51.100.0" : "2001:db8:77::");
    std::set<Bytes> sources;
    for (std::uint16_t port = 4000; port < 4000 + flows; ++port) {
      const Bytes in = node.packet(protocol_udp, port);
      const Run run = node.plane().run(hook, in);
      const Bytes source = cut(run.bytes, at, width);
      CHECK(hex(cut(source, 0, family.four ? 3 : 12)) == hex(cut(range, 0, family.four ? 3 : 12)));
      CHECK(hex(cut(node.plane().run(hook, in).bytes, at, width)) == hex(source));
      CHECK(node.wrapped_for(run, in) == plain.backend_of(hook, protocol_udp, port));
      if (family.four) {
        CHECK(internet_checksum(cut(run.bytes, ethernet_size, ipv4_size)) == 0);
      }
      sources.insert(source);
    }
    CHECK(sources.size() >
          flows / 2);  // of 24 draws from 256 that fewer than 13 differ has a chance of 1e-14
    CHECK(hex(cut(plain.plane().run(hook, plain.packet(protocol_udp, 4000)).bytes, at, width)) ==
          hex(address_bytes(family.node)));
  });
}

TEST_CASE("wrap: a datagram's fragments go where the flow's other packets go") {
  on_each([](Hook hook, const FamilyCase& family) {
    Node node(family, wraps);
    std::set<std::string> met;
    for (std::uint16_t port = 4000; port < 4000 + flows; ++port) {
      const auto fragment = [&](std::uint16_t offset) {
        Raw data = payload(64);
        data.protocol = protocol_udp;
        const Packet content = offset == 0 ? udp(port, 80) / Packet(payload(56)) : Packet(data);
        if (family.four) {
          Ipv4 header = ipv4().from(family.client).to(family.service).id(port).offset(offset);
          return Bytes(Packet(offset == 0 ? header.more_fragments() : header) / content);
        }
        Raw part = fragment6(offset, offset == 0);
        part.content.at(6) = static_cast<std::uint8_t>(port >> 8);
        part.content.at(7) = static_cast<std::uint8_t>(port);
        return Bytes(ip(family.client, family.service) / Packet(part) / content);
      };
      const Bytes later = fragment(8);
      const Run early = node.plane().run(hook, later);  // its first one was not seen
      CHECK(early.outcome == SVCB_FRAGMENT);
      CHECK(hex(early.bytes) == hex(later));
      const std::string backend = node.backend_of(hook, protocol_udp, port);
      const Bytes first = fragment(0);
      CHECK(node.wrapped_for(node.plane().run(hook, first), first) == backend);
      CHECK(node.wrapped_for(node.plane().run(hook, later), later) == backend);
      met.insert(backend);
      node.plane().age(60);  // the identification comes again
      CHECK(hex(node.plane().run(hook, later).bytes) == hex(later));
    }
    CHECK(met.size() > 1);
  });
}

TEST_CASE("wrap: an error about what a backend has sent goes to that backend") {
  on_each([](Hook hook, const FamilyCase& family) {
    Node node(family, wraps);
    std::set<std::string> met;
    for (const std::uint8_t protocol : {protocol_tcp, protocol_udp}) {
      for (std::uint16_t port = 4000; port < 4000 + flows; ++port) {
        const Bytes reply =
            ip(family.service, family.client) / transport(protocol, 80, port) / Packet(payload(300));
        for (const std::size_t quoted : {ip_size(family) + 8, ip_size(family) + 101}) {
          const Bytes error = icmp_message(family, family.router, family.service, too_big(family, 1300),
                                           cut(behind_ethernet(reply), 0, quoted));
          const auto backend = node.wrapped_for(node.plane().run(hook, error), error);
          CHECK(backend == node.backend_of(hook, protocol, port));
          met.insert(backend.value_or(""));
        }
      }
    }
    CHECK(met.size() > 1);
    CHECK(node.plane().events(SVCB_ICMP_TRANSLATED) == 4 * flows);
  });
}

TEST_CASE("wrap: errors that are no flow's pass untouched") {
  on_each([](Hook hook, const FamilyCase& family) {
    Node node(family, wraps);
    const auto passes = [&](const std::string& to, const Bytes& about) {
      const Bytes error = icmp_message(family, family.router, to, too_big(family, 1300),
                                       cut(behind_ethernet(about), 0, ip_size(family) + 8));
      const Run run = node.plane().run(hook, error);
      CHECK(run.verdict == Verdict::pass);
      CHECK(hex(run.bytes) == hex(error));
    };
    const auto reply = [&](const std::string& from, std::uint16_t port) {
      return Bytes(ip(from, family.client) / transport(protocol_udp, port, 4000) / Packet(payload(30)));
    };
    passes(family.node, reply(family.service, 80));  // to another than who sent what is quoted
    passes(family.service, reply(family.service, 9));
    passes(family.service,
           reply(family.service, 81));  // a service without endpoints: no error about an error
    passes(family.stranger, reply(family.stranger, 80));
    // Of no fragment but the first the ports are known.
    if (family.four) {
      Raw data = payload(64);
      data.protocol = protocol_udp;
      passes(family.service,
             Packet(ipv4().from(family.service).to(family.client).offset(5)) / Packet(data));
    }
  });
}

TEST_CASE("wrap: an error about what was wrapped becomes one about the packet inside, to its sender") {
  on_each([](Hook hook, const FamilyCase& family) {
    for (const bool by_flow : {false, true}) {
      CAPTURE(by_flow);
      Node node(family, {.dsr = true, .wrap_by_flow = by_flow});
      const std::size_t header = ip_size(family);
      for (const std::uint8_t protocol : {protocol_tcp, protocol_udp}) {
        for (std::uint16_t port = 4000; port < 4006; ++port) {
          const Bytes in = node.packet(protocol, port, 333);
          const Bytes outer = behind_ethernet(node.plane().run(hook, in).bytes);
          std::string source;
          {
            // As text, of the wrapping.
            const Bytes bytes = cut(outer, family.four ? 12 : 8, family.four ? 4 : 16);
            for (std::size_t i = 0; i < bytes.size(); ++i) {
              char part[8];
              std::snprintf(part, sizeof part, family.four ? "%u" : "%02x", bytes[i]);
              source += std::string(source.empty() || (!family.four && i % 2 == 1) ? ""
                                    : family.four                                  ? "."
                                                                                   : ":") +
                        part;
            }
          }
          const std::string backend = node.backend_of(hook, protocol, port);
          for (const std::size_t quoted : {2 * header + 8, 2 * header + 61}) {
            const Bytes quotation = cut(outer, 0, quoted);
            const Bytes inside = cut(quotation, header);
            struct Told {
              std::array<std::uint8_t, 6> by_router, to_client;
            };
            const std::vector<Told> all =
                family.four ? std::vector<Told>{{{3, 4, 0, 0, 0x05, 0x14}, {3, 4, 0, 0, 0x05, 0x00}},
                                                {{3, 4, 0, 0, 0, 0}, {3, 4, 0, 0, 0, 0}},
                                                {{3, 4, 0, 7, 0x05, 0x14}, {3, 4, 0, 0, 0x05, 0x00}},
                                                {{3, 1, 0, 0, 0, 0}, {3, 1, 0, 0, 0, 0}},
                                                {{3, 0, 0, 0, 0, 0}, {3, 1, 0, 0, 0, 0}},
                                                {{11, 0, 0, 0, 0, 0}, {3, 1, 0, 0, 0, 0}},
                                                {{12, 0, 20, 0, 0, 0}, {3, 1, 0, 0, 0, 0}}}
                            : std::vector<Told>{{{2, 0, 0, 0, 0x05, 0xDC}, {2, 0, 0, 0, 0x05, 0xB4}},
                                                {{2, 0, 0, 0, 0x05, 0x00}, {2, 0, 0, 0, 0x05, 0x00}},
                                                {{1, 0, 0, 0, 0, 0}, {1, 3, 0, 0, 0, 0}},
                                                {{3, 0, 0, 0, 0, 0}, {1, 3, 0, 0, 0, 0}},
                                                {{4, 1, 0, 0, 0, 40}, {1, 3, 0, 0, 0, 0}}};
            for (const Told& told : all) {
              CAPTURE(hex(Bytes(told.by_router.begin(), told.by_router.end())));
              for (const bool by_backend : {false, true}) {
                const Bytes error = icmp_message(family, by_backend ? backend : family.router, source,
                                                 told.by_router, quotation);
                const Run run = node.plane().run(hook, error);
                CHECK(run.outcome == SVCB_TRANSLATED);
                CHECK(hex(run.bytes) ==
                      hex(icmp_message(family, by_backend ? family.service : family.router, family.client,
                                       told.to_client, inside)));
              }
            }
          }
        }
      }
    }
  });
}

TEST_CASE("wrap: errors about what others have wrapped, or about errors, are left alone") {
  on_each([](Hook hook, const FamilyCase& family) {
    Node node(family, wraps);
    const std::size_t header = ip_size(family);
    const auto passes = [&](const std::string& to, const Bytes& quotation) {
      const Bytes error = icmp_message(family, family.router, to, too_big(family, 1400), quotation);
      const Run run = node.plane().run(hook, error);
      CHECK(run.verdict == Verdict::pass);
      CHECK(hex(run.bytes) == hex(error));
    };
    const auto wrapped = [&](const std::string& from, const Bytes& inner) {
      Raw content = payload(behind_ethernet(inner));
      content.protocol = family.four ? 4 : 41;
      return behind_ethernet(ip(from, family.backends.front()) / Packet(content));
    };
    const Bytes in = node.packet(protocol_tcp, 4000);
    passes(family.stranger, wrapped(family.stranger, in));
    passes(family.stranger, wrapped(family.node, in));
    passes(family.node, cut(wrapped(family.node, in), 0, 2 * header + 7));
    // For no service.
    passes(family.node,
           wrapped(family.node, ip(family.client, family.service) / udp(4000, 9) / Packet(payload(9))));
    // Of a sender that is many.
    passes(family.node, wrapped(family.node, ip(family.four ? "224.0.0.9" : "ff02::9", family.service) /
                                                 udp(4000, 80) / Packet(payload(9))));
    // Inside is an error that was passed to a backend.
    passes(family.node,
           wrapped(family.node, icmp_message(family, family.router, family.service, too_big(family, 1300),
                                             cut(behind_ethernet(in), 0, header + 8))));
  });
}

TEST_CASE("wrap: an error that a NIC has summed is right, or without a sum, after it") {
  for (const FamilyCase& family : families) {
    CAPTURE(family.four);
    Node node(family, wraps);
    const Bytes in = node.packet(protocol_udp, 4000, 100);
    const Bytes quotation = behind_ethernet(node.plane().run(Hook::tc, in).bytes);
    const auto run = node.plane().run_checksum_complete(
        icmp_message(family, family.router, family.node, too_big(family, 1400), quotation));
    if (!run) {
      MESSAGE("skipped: this kernel makes no such packet");
      return;
    }
    CHECK(run->outcome == SVCB_TRANSLATED);
    const Bytes reply = ip(family.service, family.client) / udp(80, 4000) / Packet(payload(100));
    const Bytes error =
        icmp_message(family, family.router, family.service, too_big(family, 1400), behind_ethernet(reply));
    CHECK(node.wrapped_for(*node.plane().run_checksum_complete(error), error));
  }
}

}  // namespace svcbench::testing
