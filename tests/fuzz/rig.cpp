// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fuzz/rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "plane.skel.h"
#include "svcbench/abi.h"
#include "sys/net_namespace.h"
#include "sys/route_socket.h"
#include "sys/sysctl.h"

namespace svcbench::fuzz {
namespace {

constexpr std::uint32_t flow_entries =
    65'536;  // more than a sequence makes: the kernel evicts nothing by itself
constexpr std::size_t shortest_on_tc = 54;  // what newer kernels ask for: an Ethernet and an IPv6 header

// Where in a value the time stands.
struct Table {
  const bpf_map* map;
  std::size_t seen;
};

std::vector<Table> flow_tables(const plane_bpf& skeleton) {
  return {{skeleton.maps.flows4, offsetof(svcb_way4, seen)},
          {skeleton.maps.flows6, offsetof(svcb_way6, seen)},
          {skeleton.maps.unanswered4, offsetof(svcb_way4, seen)},
          {skeleton.maps.unanswered6, offsetof(svcb_way6, seen)}};
}

std::vector<Table> timed_tables(const plane_bpf& skeleton) {
  std::vector<Table> tables = flow_tables(skeleton);
  tables.push_back({skeleton.maps.fragments4, offsetof(svcb_datagram, seen)});
  tables.push_back({skeleton.maps.fragments6, offsetof(svcb_datagram, seen)});
  tables.push_back({skeleton.maps.sessions4, offsetof(svcb_sticky4, seen)});
  tables.push_back({skeleton.maps.sessions6, offsetof(svcb_sticky6, seen)});
  return tables;
}

std::vector<Bytes> keys(const bpf_map* map) {
  std::vector<Bytes> all;
  Bytes next(bpf_map__key_size(map));
  const std::uint8_t* previous = nullptr;
  while (bpf_map_get_next_key(bpf_map__fd(map), previous, next.data()) == 0) {
    all.push_back(next);
    previous = all.back().data();
  }
  return all;
}

template <typename Flow>
Bytes key_of(const Tuple& arrival) {
  Flow flow{};
  std::memcpy(&flow.to.address, arrival.to.address.bytes.data(), sizeof(flow.to.address));
  std::memcpy(&flow.source, arrival.from.address.bytes.data(), sizeof(flow.source));
  flow.to.port = htons(arrival.to.port);
  flow.to.protocol = arrival.protocol;
  flow.source_port = htons(arrival.from.port);
  Bytes key(sizeof(flow));
  std::memcpy(key.data(), &flow, sizeof(flow));
  return key;
}

template <typename Flow>
Tuple tuple_of(const Bytes& key, Family family) {
  Flow flow{};
  std::memcpy(&flow, key.data(), sizeof(flow));
  Tuple tuple;
  tuple.from.address.family = tuple.to.address.family = family;
  std::memcpy(tuple.to.address.bytes.data(), &flow.to.address, sizeof(flow.to.address));
  std::memcpy(tuple.from.address.bytes.data(), &flow.source, sizeof(flow.source));
  tuple.to.port = ntohs(flow.to.port);
  tuple.from.port = ntohs(flow.source_port);
  tuple.protocol = flow.to.protocol;
  return tuple;
}

Address address(std::string_view text) { return Address::parse(text).value(); }

constexpr MacAddress device_mac{2, 0, 0, 0, 0, 1};
constexpr MacAddress router_mac{2, 0, 0, 0, 0, 2};

Prefix backends(bool four) { return {address(four ? "10.244.0.0" : "fd00:244::"), four ? 16U : 32U}; }
// One of the clients' networks.
Prefix unreached(bool four) { return {address(four ? "198.51.100.0" : "2001:db8:a::"), four ? 24U : 48U}; }

bool lies_in(const Address& at, const Prefix& prefix) {
  for (unsigned byte = 0; byte < prefix.length / 8; ++byte) {
    if (at.bytes.at(byte) != prefix.address.bytes.at(byte)) {
      return false;
    }
  }
  return true;
}

// Of wrapping: "198.18.7.0/24", or a node's address.
model::WrapSource wrap_source(std::string_view range) {
  const std::size_t slash = range.find('/');
  model::WrapSource source{address(range.substr(0, slash)), 0};
  const unsigned all = source.address.family == Family::ipv4 ? 32 : 128;
  source.bits = slash == std::string_view::npos
                    ? 0
                    : all - static_cast<unsigned>(std::stoul(std::string(range.substr(slash + 1))));
  return source;
}

}  // namespace

const std::vector<Mode>& modes() {
  static const std::vector<Mode> all{
      {.name = "plain"},
      {.name = "few-ports", .ports = {20'000, 20'005}},
      {.name = "move", .move_gone = true},
      {.name = "maglev", .maglev = 31},
      {.name = "no-masquerade", .masquerade = false},
      {.name = "dsr", .dsr = true},
      {.name = "dsr-maglev",
       .maglev = 31,
       .dsr = true,
       .wrap_sources = {"198.18.7.0/24", "2001:db8:77::/112"}},
      {.name = "routed", .forwarding = true},
      {.name = "routed-dsr", .dsr = true, .forwarding = true},
  };
  return all;
}

FlowTimeouts timeouts() {
  return {.established = 1005,
          .half_closed = 505,
          .syn_sent = 125,
          .syn_received = 65,
          .unacknowledged = 305,
          .time_wait = 145,
          .close = 15,
          .udp = 35,
          .udp_stream = 185,
          .fragments = 25};
}

const std::vector<Address>& nodes() {
  static const std::vector<Address> all{address("192.0.2.7"), address("192.0.2.8"), address("2001:db8::7"),
                                        address("2001:db8::8")};
  return all;
}

bool is_pod(const Address& address) {
  return address.bytes[0] == (address.family == Family::ipv4 ? 10 : 0xFD);
}

model::Settings model_settings(const Mode& mode) {
  model::Settings settings{.timeouts = timeouts(),
                           .ports = mode.ports,
                           .move_gone = mode.move_gone,
                           .dsr = mode.dsr,
                           .nodes = mode.masquerade ? nodes() : std::vector<Address>{},
                           .is_pod = is_pod};
  if (mode.forwarding) {
    settings.ways = model::Ways{.device = device_mac, .router = router_mac, .route = route_to};
  }
  for (const std::string& range : mode.wrap_sources) {
    settings.wrap_sources.push_back(wrap_source(range));
  }
  if (mode.wrap_sources.empty() && mode.dsr) {
    settings.wrap_sources = {{nodes().at(0)}, {nodes().at(2)}};
  }
  return settings;
}

// A node's network namespace: a device behind which a router is, and the routes that route_to() tells.
class Ways {
 public:
  static Result<std::shared_ptr<const Ways>> shared() {
    static std::weak_ptr<const Ways> one;
    std::shared_ptr<const Ways> ways = one.lock();
    if (!ways) {
      SVCB_TAKE(place, NetNamespace::create());
      SVCB_TAKE(beyond, NetNamespace::create());
      std::shared_ptr<Ways> made(new Ways(std::move(place), std::move(beyond)));
      SVCB_CHECK(made->build());
      one = ways = made;
    }
    return ways;
  }

  [[nodiscard]] const NetNamespace& place() const { return place_; }
  [[nodiscard]] unsigned device() const { return device_; }

 private:
  Ways(NetNamespace place, NetNamespace beyond) : place_(std::move(place)), beyond_(std::move(beyond)) {}

  Status build() {
    SVCB_TAKE(inside, place_.enter());
    SVCB_CHECK(write_sysctl("net/ipv4/conf/all/forwarding", "1"));
    SVCB_CHECK(write_sysctl("net/ipv6/conf/all/forwarding", "1"));
    SVCB_TAKE(route, RouteSocket::open());
    SVCB_CHECK(route.add_veth({.name = "d0", .mac = device_mac, .place = &place_},
                              {.name = "d1", .mac = router_mac, .place = &beyond_}));
    SVCB_CHECK(route.bring_up("d0"));
    SVCB_TAKE(device, route.index_of("d0"));
    device_ = device;
    for (const bool four : {true, false}) {
      const Address router = address(four ? "10.9.0.2" : "fd00:9::2");
      const Address silent = address(four ? "10.9.0.3" : "fd00:9::3");  // no neighbour is known there
      const Address any{.bytes = {}, .family = router.family};
      SVCB_CHECK(route.add_address(device, {address(four ? "10.9.0.1" : "fd00:9::1"), four ? 24U : 64U}));
      SVCB_CHECK(route.add_neighbour(device, router, router_mac));
      SVCB_CHECK(route.add_route(device, {any, 0}, router));
      SVCB_CHECK(route.add_route(device, backends(four), router, narrow_mtu));
      SVCB_CHECK(route.add_route(device, unreached(four), silent));
    }
    return {};
  }

  NetNamespace place_, beyond_;
  unsigned device_ = 0;
};

model::Route route_to(const Address& to) {
  const bool four = to.family == Family::ipv4;
  using Kind = model::Route::Kind;
  if (lies_in(to, backends(four))) {
    return {Kind::plain, narrow_mtu};
  }
  if (lies_in(to, unreached(four))) {
    return {Kind::none};
  }
  const bool own = lies_in(to, {address(four ? "10.9.0.0" : "fd00:9::"), four ? 24U : 64U});
  const bool local = !four && to.bytes[0] == 0xFE;
  return {own || local || !model::is_host(to) ? Kind::unknown : Kind::plain};
}

Result<std::unique_ptr<Rig>> Rig::create(const Mode& mode, std::span<const Service> services) {
  EbpfOptions options;
  options.capacity = {.services4 = 64,
                      .services6 = 64,
                      .backends4 = 8192,
                      .backends6 = 8192,
                      .flows4 = flow_entries,
                      .flows6 = flow_entries};
  options.tracking = !mode.dsr;
  options.dsr = mode.dsr;
  options.maglev = mode.maglev;
  options.flows.timeouts = timeouts();
  options.flows.masquerade_ports = mode.ports;
  options.flows.move_gone = mode.move_gone;
  options.node_addresses = mode.masquerade ? nodes() : std::vector<Address>{};
  options.forwarding = mode.forwarding;
  options.flows.errors_per_second = 0;
  options.flows.wrap_sources = mode.wrap_sources;
  std::shared_ptr<const Ways> ways;
  if (mode.forwarding) {
    SVCB_TAKE(made, Ways::shared());
    ways = made;
  }
  SVCB_TAKE(plane, EbpfPlane::load(options));
  std::unique_ptr<Rig> rig(new Rig(std::move(plane), std::move(ways)));
  SVCB_CHECK(rig->plane_->install(services));
  return rig;
}

int Rig::program(Hook hook) const {
  const auto& programs = plane_->skeleton().progs;
  return bpf_program__fd(hook == Hook::xdp ? programs.svcb_xdp : programs.svcb_tc);
}

Result<std::optional<model::Seen>> Rig::run(Hook hook, const Bytes& frame) {
  model::Seen seen;
  seen.bytes.resize(frame.size() + 256);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_out = seen.bytes.data(),
              .data_size_in = static_cast<std::uint32_t>(frame.size()),
              .data_size_out = static_cast<std::uint32_t>(seen.bytes.size()));
  __sk_buff skb{};
  xdp_md xdp{};
  std::optional<NetNamespace::Inside> inside;
  if (ways_) {
    SVCB_TAKE(entered, ways_->place().enter());
    inside.emplace(std::move(entered));
    skb.ifindex = skb.ingress_ifindex = xdp.ingress_ifindex = ways_->device();
    xdp.data_end = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = hook == Hook::tc ? static_cast<void*>(&skb) : &xdp;
    options.ctx_size_in = hook == Hook::tc ? sizeof(skb) : sizeof(xdp);
  }
  if (const int error = bpf_prog_test_run_opts(program(hook), &options); error != 0) {
    if (error == -EINVAL && frame.size() < shortest_on_tc) {
      return std::optional<model::Seen>{};
    }
    return failure("run a frame of {} bytes: {}", frame.size(), std::strerror(-error));
  }
  seen.bytes.resize(options.data_size_out);
  const std::uint32_t pass = hook == Hook::xdp ? std::uint32_t{XDP_PASS} : std::uint32_t{TC_ACT_OK};
  const std::uint32_t drop = hook == Hook::xdp ? std::uint32_t{XDP_DROP} : std::uint32_t{TC_ACT_SHOT};
  const bool sent = hook == Hook::xdp ? options.retval == XDP_TX || options.retval == XDP_REDIRECT
                                      : options.retval == TC_ACT_REDIRECT;
  if (options.retval != pass && options.retval != drop && !(sent && ways_)) {
    return failure("a verdict of {}", options.retval);
  }
  seen.verdict = sent                     ? model::Verdict::sent
                 : options.retval == pass ? model::Verdict::pass
                                          : model::Verdict::drop;
  return std::optional(std::move(seen));
}

Status Rig::change(const Change& change) {
  SVCB_CHECK(plane_->stage(change));
  return plane_->commit();
}

Status Rig::age(double seconds, std::uint32_t ticks) {
  ticks += static_cast<std::uint32_t>(std::lround(seconds * 1e9 / (1U << SVCB_TICK_BITS)));
  for (const Table& table : timed_tables(plane_->skeleton())) {
    const int map = bpf_map__fd(table.map);
    Bytes value(bpf_map__value_size(table.map));
    for (const Bytes& key : keys(table.map)) {
      if (bpf_map_lookup_elem(map, key.data(), value.data()) != 0) {
        continue;
      }
      std::uint32_t time = 0;
      std::memcpy(&time, value.data() + table.seen, sizeof(time));
      time -= ticks;
      std::memcpy(value.data() + table.seen, &time, sizeof(time));
      if (bpf_map_update_elem(map, key.data(), value.data(), BPF_EXIST) != 0) {
        return failure("age an entry of {}: {}", bpf_map__name(table.map), std::strerror(errno));
      }
    }
  }
  return {};
}

Status Rig::evict(const Tuple& arrival) {
  const auto& maps = plane_->skeleton().maps;
  const bool four = arrival.from.address.family == Family::ipv4;
  const Bytes key = four ? key_of<svcb_flow4>(arrival) : key_of<svcb_flow6>(arrival);
  for (const bpf_map* map :
       four ? std::array{maps.flows4, maps.unanswered4} : std::array{maps.flows6, maps.unanswered6}) {
    if (bpf_map_delete_elem(bpf_map__fd(map), key.data()) == 0) {
      break;
    }
  }
  return {};
}

Status Rig::forget() { return plane_->forget_flows(); }

std::set<Tuple> Rig::entries() const {
  std::set<Tuple> all;
  for (const Table& table : flow_tables(plane_->skeleton())) {
    const bool four = bpf_map__key_size(table.map) == sizeof(svcb_flow4);
    for (const Bytes& key : keys(table.map)) {
      all.insert(four ? tuple_of<svcb_flow4>(key, Family::ipv4) : tuple_of<svcb_flow6>(key, Family::ipv6));
    }
  }
  return all;
}

}  // namespace svcbench::fuzz
