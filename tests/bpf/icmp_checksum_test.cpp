// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Errors that the plane makes of a kernel's own packets, whose checksums may be left to a device: what
// comes back to the sender, byte for byte, with the checksums done by the sender's device or not, and by
// the node's. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "packet.h"
#include "private_place.h"
#include "sys/device_offload.h"
#include "sys/inet_socket.h"
#include "sys/stopwatch.h"
#include "verify/verify.h"

namespace svcbench::testing {
namespace {

using test::in_private_namespaces;
using test::must;
using verify::Who;
using verify::World;

constexpr std::uint32_t mtu = 1300;
constexpr std::int64_t patience_ns = 3'000'000'000;

struct Captured {
  Bytes frame;
  bool left_to_do = false;  // its checksum, by the device that it goes to
};

// Every frame that leaves or reaches the device of the namespace that the calling thread is in.
class Capture {
 public:
  explicit Capture(const std::string& device) : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)) {
    const int on = 1;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
    REQUIRE(socket_.valid());
    REQUIRE(setsockopt(socket_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0);
    REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }

  // The next ICMP error; the packets before it are in sent().
  std::optional<Captured> error() {
    const std::int64_t deadline = monotonic_ns() + patience_ns;
    while (must(wait_for(socket_, POLLIN, deadline)) != 0) {
      if (const auto one = take()) {
        if (is_error(one->frame)) {
          return one;
        }
        sent_.push_back(*one);
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] const std::vector<Captured>& sent() const { return sent_; }

 private:
  std::optional<Captured> take() {
    Captured one;
    one.frame.resize(1U << 17);
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec into{one.frame.data(), one.frame.size()};
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket_.get(), &message, 0);
    if (size <= 0) {
      return std::nullopt;
    }
    one.frame.resize(static_cast<std::size_t>(size));
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
        tpacket_auxdata data{};
        std::memcpy(&data, CMSG_DATA(part), sizeof data);
        one.left_to_do = (data.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
      }
    }
    return one;
  }

  static bool is_error(const Bytes& frame) {
    const bool four = frame.at(12) == 0x08 && frame.at(13) == 0x00;
    return four ? frame.at(23) == IPPROTO_ICMP && frame.at(34) == 3
                : frame.at(12) == 0x86 && frame.at(20) == IPPROTO_ICMPV6 && frame.at(54) < 128;
  }

  Fd socket_;
  std::vector<Captured> sent_{};
};

struct Kind {
  std::string plane;
  Family family = Family::ipv4;
  Protocol protocol = Protocol::udp;
  bool sender_sums = false, node_sums = false;  // in software, before the packet leaves by the device
};

// A packet too large for its way has its own size; the others are as small as may be.
enum class About : std::uint8_t { size, port };

// A frame's addresses exchanged, an ICMP error about what it holds.
Bytes expected_error(const Bytes& sent, About about, const std::string& plane) {
  const bool four = sent.at(12) == 0x08;
  const std::size_t header = four ? ipv4_size : ipv6_size;
  const std::size_t wraps = plane == "ebpf-tc-dsr" ? header : 0;
  const std::size_t quoted = header + 8;
  const std::size_t first = ethernet_size + (four ? 12 : 8);
  const std::size_t width = four ? 4 : 16;
  const auto address = [&](std::size_t at) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(four ? AF_INET : AF_INET6, sent.data() + at, text.data(), text.size());
    return std::string(text.data());
  };
  Raw icmp;
  const bool size = about == About::size;
  icmp.content = {static_cast<std::uint8_t>(four   ? 3
                                            : size ? 2
                                                   : 1),
                  static_cast<std::uint8_t>(four ? (size ? 4 : 3) : (size ? 0 : 4)),
                  0,
                  0,
                  0,
                  0,
                  0,
                  0};
  if (size) {
    icmp.content[6] = static_cast<std::uint8_t>((mtu - wraps) >> 8);
    icmp.content[7] = static_cast<std::uint8_t>(mtu - wraps);
  }
  icmp.content.insert(icmp.content.end(), sent.begin() + ethernet_size,
                      sent.begin() + static_cast<std::ptrdiff_t>(ethernet_size + quoted));
  icmp.protocol = four ? 1 : 58;
  icmp.checksum = four ? Raw::Checksum::plain : Raw::Checksum::with_pseudo_header;
  const std::string from = address(first + width);
  const std::string to = address(first);
  Bytes frame = four ? Bytes(Packet(ipv4().from(from).to(to).id(0)) / Packet(icmp))
                     : Bytes(Packet(ipv6().from(from).to(to)) / Packet(icmp));
  std::copy_n(sent.begin() + 6, 6, frame.begin());
  std::copy_n(sent.begin(), 6, frame.begin() + 6);
  return frame;
}

// Of a UDP packet the quotation has the checksum, which is nobody's there: as it was left by the plane.
Bytes without_quoted_checksum(Bytes frame, bool four, Protocol protocol) {
  const std::size_t icmp = ethernet_size + (four ? ipv4_size : ipv6_size);
  const std::size_t checksum = icmp + 8 + (four ? ipv4_size : ipv6_size) + 6;
  frame.at(icmp + 2) = frame.at(icmp + 3) = 0;  // it is held against the whole by itself
  if (protocol == Protocol::udp) {
    frame.at(checksum) = frame.at(checksum + 1) = 0;
  }
  return frame;
}

bool icmp_checksum_holds(const Bytes& frame, bool four) {
  Bytes summed;
  const auto at = [&](std::size_t offset) { return frame.begin() + static_cast<std::ptrdiff_t>(offset); };
  if (!four) {
    summed.insert(summed.end(), at(ethernet_size + 8), at(ethernet_size + ipv6_size));
    const std::size_t length = frame.size() - ethernet_size - ipv6_size;
    for (const std::size_t byte : {std::size_t{0}, std::size_t{0}, length >> 8, length & 0xFF,
                                   std::size_t{0}, std::size_t{0}, std::size_t{0}, std::size_t{58}}) {
      summed.push_back(static_cast<std::uint8_t>(byte));
    }
  }
  summed.insert(summed.end(), at(ethernet_size + (four ? ipv4_size : ipv6_size)), frame.end());
  return internet_checksum(summed) == 0;
}

// The sender's packet that the error quotes, by its ports (and, of TCP, its number).
std::optional<Captured> quoted_by(const Bytes& error, const std::vector<Captured>& sent, bool four) {
  const std::size_t header = four ? ipv4_size : ipv6_size;
  const std::size_t quoted = ethernet_size + header + 8;
  for (auto one = sent.rbegin(); one != sent.rend(); ++one) {
    if (one->frame.size() >= ethernet_size + header + 8 &&
        std::equal(error.begin() + static_cast<std::ptrdiff_t>(quoted + header),
                   error.begin() + static_cast<std::ptrdiff_t>(quoted + header + 6),
                   one->frame.begin() + static_cast<std::ptrdiff_t>(ethernet_size + header)) &&
        one->frame.size() > ethernet_size + header + 8) {
      return *one;
    }
  }
  return std::nullopt;
}

void check_error(Capture& capture, const Kind& kind, About about, bool is_long) {
  const bool four = kind.family == Family::ipv4;
  const auto error = capture.error();
  REQUIRE_MESSAGE(error, "no error came back");
  const auto sent = quoted_by(error->frame, capture.sent(), four);
  REQUIRE_MESSAGE(sent, "quotes nothing that was sent: " << hex(error->frame));
  // The case is the one that it is to be.
  CHECK(sent->left_to_do == !kind.sender_sums);
  CHECK((sent->frame.size() > ethernet_size + mtu + 200) == is_long);
  CHECK_FALSE(error->left_to_do);
  CHECK(icmp_checksum_holds(error->frame, four));
  CHECK(hex(without_quoted_checksum(error->frame, four, kind.protocol)) ==
        hex(without_quoted_checksum(expected_error(sent->frame, about, kind.plane), four, kind.protocol)));
}

struct Place {
  explicit Place(const Kind& kind)
      : row(*find_plane(kind.plane)),
        world(must(World::create(verify::works_of(row), row.delivery))),
        plane(must(verify::make_in_node(row, *world, {}))),
        client(world->client(Who::pod, kind.family)) {
    offload(world->node(), "vn", !kind.node_sums);
    offload(world->place_of(client.address), "vc", !kind.sender_sums);
  }

  static void offload(const NetNamespace& place, const std::string& device, bool on) {
    const auto inside = must(place.enter());
    must(leave_checksums_to_device(device, on));
  }

  [[nodiscard]] Service service(const Kind& kind, bool with_endpoint) const {
    Service made{
        "test/s:p", FrontendKind::cluster_ip, {world->new_cluster_ip(kind.family), 80, kind.protocol}, {}};
    if (with_endpoint) {
      made.endpoints.push_back({world->new_endpoint_address(kind.family), 80});
    }
    return made;
  }

  const PlaneRow& row;
  std::unique_ptr<World> world;
  std::unique_ptr<DataPlane> plane;
  Endpoint client;
};

// A socket whose kernel does not heed what it is told of the way.
Fd probing_socket(const Kind& kind, const Endpoint& client) {
  Fd socket = must(bound_socket(kind.protocol, client));
  const bool four = kind.family == Family::ipv4;
  const int probe = four ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
  REQUIRE(setsockopt(socket.get(), four ? IPPROTO_IP : IPPROTO_IPV6,
                     four ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &probe, sizeof probe) == 0);
  return socket;
}

void on_each(const std::function<void(const Kind&)>& test) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const char* plane : {"ebpf-tc", "ebpf-tc-dsr"}) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
        for (const bool sender_sums : {false, true}) {
          for (const bool node_sums : {false, true}) {
            CAPTURE(std::string(plane));
            CAPTURE(to_string(family));
            CAPTURE(to_string(protocol));
            CAPTURE(sender_sums);
            CAPTURE(node_sums);
            in_private_namespaces([&] { test({plane, family, protocol, sender_sums, node_sums}); });
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE(
    "ICMP checksums: an error about a packet that is too large is right, whoever does the checksums") {
  on_each([](const Kind& kind) {
    Place place(kind);
    World& world = *place.world;
    const Service service = place.service(kind, true);
    const Endpoint& endpoint = service.endpoints.front();
    must(world.own(endpoint.address));
    must(world.backends().serve(endpoint, kind.protocol));
    must(world.tell_backends(service));
    must(world.narrow(endpoint.address, mtu));
    must(place.plane->install(std::vector{service}));
    const auto inside = must(world.place_of(place.client.address).enter());
    Capture capture("vc");
    if (kind.protocol == Protocol::udp) {
      const Fd socket = probing_socket(kind, place.client);
      const SocketAddress to = socket_address({service.frontend.address, service.frontend.port});
      const std::string datagram(1400, 'x');
      REQUIRE(sendto(socket.get(), datagram.data(), datagram.size(), 0, to.get(), to.size) == 1400);
      check_error(capture, kind, About::size, false);
      return;
    }
    auto dialled = must(verify::dial(world.place_of(place.client.address), place.client, service.frontend,
                                     verify::patience_ns));
    REQUIRE_MESSAGE(dialled.flow, dialled.evidence);
    // What its own kernel cuts is no longer than the client's device takes; else it stands for many.
    REQUIRE(dialled.flow->send_only(kind.sender_sums ? 1400 : 10'000));
    // Wrapped, one that stands for many is dropped; then its kernel tries with less.
    check_error(capture, kind, About::size, !kind.sender_sums && kind.plane == "ebpf-tc");
  });
}

TEST_CASE("ICMP checksums: a refusal is right, whoever does the checksums") {
  on_each([](const Kind& kind) {
    Place place(kind);
    const Service service = place.service(kind, false);
    must(place.plane->install(std::vector{service}));
    const auto inside = must(place.world->place_of(place.client.address).enter());
    const SocketAddress to = socket_address({service.frontend.address, service.frontend.port});
    if (kind.protocol == Protocol::tcp) {
      Capture capture("vc");
      const Fd socket = must(bound_socket(kind.protocol, place.client));
      REQUIRE(connect(socket.get(), to.get(), to.size) != 0);
      check_error(capture, kind, About::port, false);
      return;
    }
    for (const std::size_t size : {std::size_t{1}, std::size_t{28}, std::size_t{500}}) {
      CAPTURE(size);
      Capture capture("vc");
      const Fd socket = must(bound_socket(kind.protocol, {place.client.address, place.world->next_port()}));
      const std::string datagram(size, 'x');
      REQUIRE(sendto(socket.get(), datagram.data(), size, 0, to.get(), to.size) ==
              static_cast<ssize_t>(size));
      check_error(capture, kind, About::port, false);
    }
  });
}

}  // namespace svcbench::testing
