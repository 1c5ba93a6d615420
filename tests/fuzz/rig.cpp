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

}  // namespace

const std::vector<Mode>& modes() {
  static const std::vector<Mode> all{
      {.name = "plain"},
      {.name = "few-ports", .ports = {20'000, 20'005}},
      {.name = "move", .move_gone = true},
      {.name = "maglev", .maglev = 31},
      {.name = "no-masquerade", .masquerade = false},
      {.name = "dsr", .dsr = true},
      {.name = "dsr-maglev", .maglev = 31, .dsr = true},
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
  return {.timeouts = timeouts(),
          .ports = mode.ports,
          .move_gone = mode.move_gone,
          .dsr = mode.dsr,
          .nodes = mode.masquerade ? nodes() : std::vector<Address>{},
          .is_pod = is_pod};
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
  SVCB_TAKE(plane, EbpfPlane::load(options));
  std::unique_ptr<Rig> rig(new Rig(std::move(plane)));
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
  if (const int error = bpf_prog_test_run_opts(program(hook), &options); error != 0) {
    if (error == -EINVAL && frame.size() < shortest_on_tc) {
      return std::optional<model::Seen>{};
    }
    return failure("run a frame of {} bytes: {}", frame.size(), std::strerror(-error));
  }
  seen.bytes.resize(options.data_size_out);
  const std::uint32_t pass = hook == Hook::xdp ? std::uint32_t{XDP_PASS} : std::uint32_t{TC_ACT_OK};
  const std::uint32_t drop = hook == Hook::xdp ? std::uint32_t{XDP_DROP} : std::uint32_t{TC_ACT_SHOT};
  if (options.retval != pass && options.retval != drop) {
    return failure("a verdict of {}", options.retval);
  }
  seen.verdict = options.retval == pass ? model::Verdict::pass : model::Verdict::drop;
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
