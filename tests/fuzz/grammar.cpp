// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fuzz/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "packet.h"

namespace svcbench::fuzz {
namespace {

using testing::Packet;

constexpr std::uint8_t fin = 0x01;
constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t rst = 0x04;
constexpr std::uint8_t psh = 0x08;
constexpr std::uint8_t ack = 0x10;

constexpr std::uint32_t client_next = 1000;  // what each end sends next, as far as the other knows
constexpr std::uint32_t backend_next = 900'000;

Address address(std::string_view text) { return Address::parse(text).value(); }

const std::vector<Address>& clients(Family family) {
  // Two pods, two from outside, and a backend, which dials itself, too.
  static const std::array<std::vector<Address>, 2> all{
      std::vector<Address>{address("10.1.2.3"), address("10.1.2.4"), address("203.0.113.9"),
                           address("198.51.100.7"), address("10.244.1.1")},
      std::vector<Address>{address("fd00:1::2"), address("fd00:1::3"), address("2001:db8:9::9"),
                           address("2001:db8:a::1"), address("fd00:244:1::1")}};
  return all.at(static_cast<std::size_t>(family));
}

const std::vector<Endpoint>& backends(Family family) {
  const auto made = [](std::string_view prefix) {
    std::vector<Endpoint> all;
    for (int i = 1; i <= 4; ++i) {
      all.push_back({address(fmt::format("{}{}", prefix, i)), 8080});
    }
    all.push_back({address(fmt::format("{}{}", prefix, 1)), 8081});
    all.push_back({address(fmt::format("{}{}", prefix, 2)), 80});
    return all;
  };
  static const std::array<std::vector<Endpoint>, 2> all{made("10.244.1."), made("fd00:244:1::")};
  return all.at(static_cast<std::size_t>(family));
}

void add_services(std::vector<Service>& all, Family family, Protocol protocol) {
  const bool four = family == Family::ipv4;
  const auto vip = [&](int i) { return address(fmt::format("{}{}", four ? "10.96.0." : "fd00:96::", i)); };
  const std::vector<Endpoint>& pool = backends(family);
  const auto add = [&](FrontendKind kind, const Address& at, std::uint16_t port,
                       std::vector<Endpoint> endpoints) {
    Service service;
    service.kind = kind;
    service.frontend = {at, port, protocol};
    service.endpoints = std::move(endpoints);
    all.push_back(service);
  };
  const Address any{.bytes = {}, .family = family};
  add(FrontendKind::cluster_ip, vip(1), 80, {pool[0], pool[1], pool[2]});
  add(FrontendKind::cluster_ip, vip(2), 80, {pool[0], pool[3]});
  all.back().affinity_seconds = 45;
  add(FrontendKind::node_port, any, 30'080, {pool[1], pool[2]});
  add(FrontendKind::node_port, any, 30'081, {pool[0], pool[2]});
  all.back().affinity_seconds = 95;
  add(FrontendKind::load_balancer, vip(3), 443, {pool[2], pool[4]});
  all.back().local_only = true;
  add(FrontendKind::cluster_ip, vip(1), 8443, {pool[0]});
  add(FrontendKind::external_ip, vip(4), 53, {pool[3], pool[5]});
  all.back().weights = {3, 1};
  // It keeps every backend known as one, whatever becomes of the others.
  add(FrontendKind::cluster_ip, vip(9), 9, pool);
}

std::string text(const Tuple& tuple) { return tuple.text(); }

void put16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

std::string to_string(const Step& step) {
  if (const auto* send = std::get_if<SendPacket>(&step)) {
    const model::Headers headers = model::read(send->frame);
    static constexpr std::array<std::string_view, 6> shapes{"another packet", "packet",
                                                            "first fragment", "later fragment",
                                                            "error about",    "error about wrapped"};
    std::string said = fmt::format("{} {}", send->hook == Hook::xdp ? "XDP" : "tc",
                                   shapes.at(static_cast<std::size_t>(headers.shape)));
    if (headers.shape != model::Shape::other) {
      said += " " + text(headers.tuple);
    }
    const model::Segment& segment = headers.segment;
    said += fmt::format("{}{}{}{}", segment.syn ? " SYN" : "", segment.ack ? " ACK" : "",
                        segment.fin ? " FIN" : "", segment.rst ? " RST" : "");
    if (headers.shape == model::Shape::whole && headers.tuple.protocol == 6) {
      said += fmt::format(" seq {} ack {}", segment.sequence, segment.acknowledged);
    }
    return said;
  }
  if (const auto* time = std::get_if<PassTime>(&step)) {
    return time->seconds == 0 ? "a tick passes" : fmt::format("{:.0f} s pass", time->seconds);
  }
  if (const auto* evict = std::get_if<Evict>(&step)) {
    return "evict " + text(evict->arrival);
  }
  const auto& change = std::get<Change>(step);
  std::string said = fmt::format("{} {}:", to_string(change.operation), change.service.frontend.text());
  for (const Endpoint& endpoint : change.service.endpoints) {
    said += " " + endpoint.text();
  }
  for (const Endpoint& endpoint : change.service.terminating) {
    said += " (" + endpoint.text() + ")";
  }
  return said;
}

std::vector<Service> services() {
  std::vector<Service> all;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      add_services(all, family, protocol);
    }
  }
  return all;
}

Grammar::Grammar(std::uint64_t seed, const Mode& mode)
    : random_(seed),
      dsr_(mode.dsr),
      forwarding_(mode.forwarding),
      family_(once_in(2) ? Family::ipv4 : Family::ipv6),
      hooks_(static_cast<int>(below(3))),
      services_(services()) {
  const bool four = family_ == Family::ipv4;
  wrapping_ = mode.wrap_sources.empty() ? nodes().at(four ? 0 : 2)
                                        : address(four ? "198.18.7.77" : "2001:db8:77::7777");
}

std::size_t Grammar::below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

Hook Grammar::hook() { return hooks_ == 0 || (hooks_ == 2 && once_in(2)) ? Hook::xdp : Hook::tc; }

void Grammar::translated(const Tuple& in, const Tuple& out) {
  translated_.emplace_back(in, out);
  if (translated_.size() > 32) {
    translated_.pop_front();
  }
}

// A client of a frontend, or of a backend itself.
Tuple Grammar::client_tuple() {
  Tuple tuple;
  tuple.from.address = any(clients(family_));
  tuple.from.port = static_cast<std::uint16_t>(40'000 + below(3));
  if (once_in(8)) {
    tuple.to = any(backends(family_));
    tuple.protocol = once_in(3) ? 17 : 6;
    return tuple;
  }
  const Service* service = nullptr;
  do {
    service = &any(services_);
  } while (service->frontend.address.family != family_ || service->frontend.port == 9);
  tuple.to = {service->frontend.address, service->frontend.port};
  tuple.protocol = static_cast<std::uint8_t>(service->frontend.protocol);
  if (tuple.to.address.is_unspecified()) {
    tuple.to.address = nodes().at((family_ == Family::ipv4 ? 0 : 2) + below(2));
  }
  if (once_in(60)) {
    ++tuple.to.port;
  }
  return tuple;
}

// Of any packet that could pass the plane.
Tuple Grammar::some_tuple() {
  if (translated_.empty() || once_in(3)) {
    return once_in(12) ? client_tuple().reversed() : client_tuple();
  }
  const auto& [in, out] = translated_.at(below(translated_.size()));
  switch (below(8)) {
    case 0:
      return in;
    case 1:
      return out;
    case 2:
      return in.reversed();
    default:
      return out.reversed();
  }
}

std::uint8_t Grammar::some_flags() {
  static const std::vector<std::uint8_t> likely{
      syn,       syn,       syn,       syn,       ack,       ack,       ack, ack,       ack, ack,
      psh | ack, psh | ack, syn | ack, syn | ack, fin | ack, fin | ack, rst, rst | ack, fin};
  return once_in(40) ? static_cast<std::uint8_t>(below(256)) : any(likely);
}

// A conversation as TCP or UDP has it, of which some end is left away at times.
void Grammar::plan() {
  const Tuple in = client_tuple();
  const std::vector<Turn> opening{
      {false, syn, in}, {true, syn | ack, in}, {false, ack, in}, {true, ack, in}};
  turns_.assign(opening.begin(), opening.end() - static_cast<std::ptrdiff_t>(below(3)));
  for (std::size_t more = below(5); more > 0; --more) {
    turns_.push_back({once_in(2), once_in(3) ? static_cast<std::uint8_t>(fin | ack) : ack, in});
  }
}

Bytes Grammar::segment(const Tuple& tuple, std::uint8_t flags, bool from_client) {
  static const std::vector<std::uint32_t> off{
      0, 0, 0, 0, 0, 1, 1000, 65'534, 65'535, 65'536, 100'000, 0U - 1, 0U - 1000, 0x40000000, 0x80000000};
  testing::Layer transport;
  if (tuple.protocol == 6) {
    auto layer =
        testing::tcp(tuple.from.port, tuple.to.port)
            .flags(flags)
            .sequence((from_client ? client_next : backend_next) + any(off))
            .acknowledge((flags & ack) == 0 ? 0 : (from_client ? backend_next : client_next) + any(off));
    if (once_in(50)) {
      layer.acknowledge(0);
    }
    if (once_in(5)) {
      layer.options(Bytes(4 * (1 + below(10)), 1));
    }
    if (once_in(30)) {
      layer.checksum(
          static_cast<std::uint16_t>(once_in(2) ? random_() : any(std::vector<int>{0, 0xFFFF, 1})));
    }
    transport = layer;
  } else {
    auto layer = testing::udp(tuple.from.port, tuple.to.port);
    if (once_in(8)) {
      layer.no_checksum();
    } else if (once_in(30)) {
      layer.checksum(static_cast<std::uint16_t>(once_in(2) ? random_() : 0xFFFF));
    }
    transport = layer;
  }
  Bytes data(payload_size(tuple));
  std::generate(data.begin(), data.end(), [this] { return static_cast<std::uint8_t>(random_()); });
  const Packet inner = Packet(transport) / Packet(testing::payload(std::move(data)));
  Bytes frame;
  if (family_ == Family::ipv4) {
    auto header = testing::ipv4()
                      .from(tuple.from.address.text())
                      .to(tuple.to.address.text())
                      .id(static_cast<std::uint16_t>(random_()))
                      .ttl(static_cast<std::uint8_t>(once_in(9) ? below(256) : 64))
                      .tos(static_cast<std::uint8_t>(once_in(5) ? below(256) : 0));
    if (once_in(2)) {
      header.dont_fragment();
    }
    if (once_in(100)) {
      header.reserved_bit();
    }
    frame = Packet(header) / inner;
  } else {
    auto header = testing::ipv6()
                      .from(tuple.from.address.text())
                      .to(tuple.to.address.text())
                      .hop_limit(static_cast<std::uint8_t>(once_in(9) ? below(256) : 64))
                      .traffic_class(static_cast<std::uint8_t>(once_in(5) ? below(256) : 0))
                      .flow_label(static_cast<std::uint32_t>(below(1U << 20)));
    frame = Packet(header) / inner;
  }
  return once_in(12) ? testing::padded(std::move(frame), 1 + below(20)) : frame;
}

// Where there are narrow ways, at times about what these take, wrapped or not. What a flow's first packet
// became shows only if it was no error: so mostly of flows that are known.
std::size_t Grammar::payload_size(const Tuple& tuple) {
  const bool known = dsr_ || std::any_of(translated_.begin(), translated_.end(), [&](const auto& pair) {
                       return pair.first == tuple || pair.second.reversed() == tuple;
                     });
  if (!forwarding_ || !once_in(known ? 3 : 20)) {
    return below(64);
  }
  const std::size_t headers = (family_ == Family::ipv4 ? testing::ipv4_size : testing::ipv6_size) +
                              (tuple.protocol == 6 ? testing::tcp_size : testing::udp_size);
  return narrow_mtu - headers - 50 + below(60);
}

Bytes Grammar::fragment(const Tuple& tuple) {
  const bool later = once_in(2);
  const auto id = static_cast<std::uint16_t>(below(3));
  testing::Raw data = testing::payload(8 * (1 + below(8)));
  data.protocol = tuple.protocol;
  Packet content(data);
  if (!later) {
    content =
        testing::transport(tuple.protocol, tuple.from.port, tuple.to.port) / Packet(testing::payload(56));
  }
  if (family_ == Family::ipv4) {
    auto header = testing::ipv4().from(tuple.from.address.text()).to(tuple.to.address.text()).id(id);
    if (later) {
      header.offset(static_cast<std::uint16_t>(1 + below(0x1FFE)));
    }
    if (!later || once_in(2)) {
      header.more_fragments();
    }
    return Packet(header) / content;
  }
  testing::Raw part = testing::fragment6(
      later ? static_cast<std::uint16_t>(1 + below(0x1FFE)) : std::uint16_t{0}, !once_in(3));
  part.content.back() = static_cast<std::uint8_t>(id);
  return Packet(testing::ipv6().from(tuple.from.address.text()).to(tuple.to.address.text())) /
         Packet(part) / content;
}

// About a packet as it left the node, mostly; from where that went, or a router.
Bytes Grammar::icmp_error() {
  Tuple quoted = client_tuple();
  const bool wrapped = dsr_ && once_in(2);
  if (dsr_) {
    quoted = wrapped || once_in(8) ? quoted : quoted.reversed();
  } else if (!translated_.empty()) {
    const auto& [in, out] = translated_.at(below(translated_.size()));
    quoted = once_in(4) ? in.reversed() : once_in(20) ? in : out;
  }
  Bytes about = once_in(6) ? fragment(quoted) : segment(quoted, some_flags(), true);
  std::size_t header = family_ == Family::ipv4 ? testing::ipv4_size : testing::ipv6_size;
  if (wrapped) {
    quoted = {{once_in(9) ? any(clients(family_)) : wrapping_, 0}, {any(backends(family_)).address, 0}, 4};
    testing::Raw inside = testing::payload({about.begin() + testing::ethernet_size, about.end()});
    inside.protocol = family_ == Family::ipv4 ? 4 : 41;
    about = testing::ip(quoted.from.address.text(), quoted.to.address.text()) / Packet(inside);
    header *= 2;
  }
  about.erase(about.begin(), about.begin() + testing::ethernet_size);
  about.resize(std::min(about.size(), header + (once_in(4) ? below(9) : 8 + below(40))));
  static const std::vector<std::uint8_t> types4{3, 3, 3, 11, 12, 5, 0, 8};
  static const std::vector<std::uint8_t> types6{1, 1, 2, 3, 4, 128, 0, 127};
  testing::Raw icmp;
  icmp.content = {any(family_ == Family::ipv4 ? types4 : types6), static_cast<std::uint8_t>(below(6)), 0,
                  0};
  put16(icmp.content, below(3) * 7);
  put16(icmp.content, once_in(10) ? below(40) : 1280 + below(200));
  icmp.content.insert(icmp.content.end(), about.begin(), about.end());
  icmp.protocol = family_ == Family::ipv4 ? 1 : 58;
  icmp.checksum =
      family_ == Family::ipv4 ? testing::Raw::Checksum::plain : testing::Raw::Checksum::with_pseudo_header;
  const std::string from = (once_in(3) ? any(clients(family_)) : quoted.to.address).text();
  return testing::ip(from, quoted.from.address.text()) / Packet(icmp);
}

// What is none of the plane's business.
Bytes Grammar::stranger() {
  const Tuple tuple = some_tuple();
  const Packet ip = testing::ip(tuple.from.address.text(), tuple.to.address.text());
  const Packet inner =
      testing::transport(tuple.protocol, tuple.from.port, tuple.to.port) / Packet(testing::payload(40));
  switch (below(6)) {
    case 0:
      return Packet(testing::ethernet().vlan(7)) / ip / inner;
    case 1:
      return Packet(testing::arp()).bytes();
    case 2:
      return family_ == Family::ipv4
                 ? Packet(testing::ipv4()
                              .from(tuple.from.address.text())
                              .to(tuple.to.address.text())
                              .options(Bytes(4, 1))) /
                       inner
                 : ip / Packet(testing::extension(testing::extension_hop_by_hop)) / inner;
    case 3:
      return ip / Packet(testing::sctp(tuple.from.port, tuple.to.port)) / Packet(testing::payload(20));
    case 4:
      return ip / Packet(family_ == Family::ipv4 ? testing::icmp() : testing::icmpv6()) /
             Packet(testing::payload(20));
    default: {
      Bytes noise(14 + below(90));
      std::generate(noise.begin(), noise.end(), [this] { return static_cast<std::uint8_t>(random_()); });
      return noise;
    }
  }
}

Bytes Grammar::mutated(Bytes frame) {
  for (std::size_t times = 1 + below(3); times > 0; --times) {
    switch (below(5)) {
      case 0:  // a byte of the headers
        frame.at(12 + below(std::min<std::size_t>(frame.size() - 12, 60))) =
            static_cast<std::uint8_t>(random_());
        break;
      case 1:  // a bit of it
        frame.at(below(frame.size())) ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 2:
        frame.resize(std::max<std::size_t>(14, frame.size() - std::min(frame.size(), below(40))));
        break;
      case 3:
        frame.resize(std::max<std::size_t>(14, below(frame.size() + 1)));
        break;
      default: {  // its length
        const std::size_t at = family_ == Family::ipv4 ? 17 : 19;
        if (frame.size() > at) {
          frame.at(at) = static_cast<std::uint8_t>(frame.at(at) + below(9) - 4);
        }
      }
    }
  }
  return frame;
}

Bytes Grammar::plain_frame() {
  const std::size_t kind = below(100);
  if (kind < 8) {
    return fragment(some_tuple());
  }
  if (kind < 15) {
    return icmp_error();
  }
  const Tuple tuple = some_tuple();
  const bool from_client = tuple.from.port != 8080 && tuple.from.port != 8081 && tuple.from.port != 80;
  return segment(tuple, some_flags(), from_client);
}

Change Grammar::some_change() {
  Service* service = nullptr;
  do {
    service = &services_.at(below(services_.size()));
  } while (service->frontend.address.family != family_ || service->frontend.port == 9);
  service->endpoints.clear();
  service->terminating.clear();
  service->weights.clear();
  service->cluster_endpoints.clear();
  for (const Endpoint& backend : backends(family_)) {
    switch (below(5)) {
      case 0:
      case 1:
        service->endpoints.push_back(backend);
        break;
      case 2:
        if (once_in(2)) {
          service->terminating.push_back(backend);
        }
        break;
      default:
        break;
    }
  }
  std::shuffle(service->endpoints.begin(), service->endpoints.end(), random_);
  if (once_in(4)) {
    for (std::size_t i = 0; i < service->endpoints.size(); ++i) {
      service->weights.push_back(static_cast<std::uint16_t>(1 + below(5)));
    }
  }
  if (service->local_only) {
    service->cluster_endpoints = backends(family_);
  }
  return {Operation::change_endpoints, *service};
}

Step Grammar::next() {
  const std::size_t kind = below(1000);
  if (!turns_.empty() && kind < 700) {
    const Turn turn = turns_.front();
    turns_.pop_front();
    if (!turn.reply) {
      return SendPacket{hook(), segment(turn.in, turn.flags, true)};
    }
    const auto known = std::find_if(translated_.rbegin(), translated_.rend(),
                                    [&](const auto& pair) { return pair.first == turn.in; });
    if (known != translated_.rend()) {
      return SendPacket{hook(), segment(known->second.reversed(), turn.flags, false)};
    }
  }
  if (turns_.empty() && kind < 60) {
    plan();
  }
  if (kind >= 990) {
    return some_change();
  }
  if (kind >= 960 && ages_left_ > 0) {
    --ages_left_;
    static const std::vector<double> ages{10,  20,  30,  40,  60,  70,  120, 130, 140,
                                          150, 180, 190, 300, 310, 500, 510, 1010};
    return PassTime{any(ages)};
  }
  if (kind >= 950 && ticks_left_ > 0) {
    --ticks_left_;
    return PassTime{0};
  }
  if (kind >= 930 && !dsr_ && !translated_.empty()) {
    const auto& [in, out] = translated_.at(below(translated_.size()));
    return Evict{once_in(2) ? in : out.reversed()};
  }
  if (kind >= 900) {
    return SendPacket{hook(), stranger()};
  }
  if (kind >= 820) {
    return SendPacket{hook(), mutated(plain_frame())};
  }
  return SendPacket{hook(), plain_frame()};
}

}  // namespace svcbench::fuzz
