// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane_fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <stdexcept>

#include "plane.skel.h"

namespace svcbench::testing {
namespace {

// linux/bpf.h has it since 6.16.
constexpr std::uint32_t test_skb_checksum_complete = 1U << 2;
constexpr int load_64_bits = 0x18;  // BPF_LD | BPF_DW | BPF_IMM: an instruction of two

// An address as the maps hold it: copied as it is on the wire.
template <typename T>
T from_bytes(const Bytes& bytes) {
  T value{};

  std::memcpy(&value, bytes.data(), std::min(sizeof(value), bytes.size()));
  return value;
}

svcb_frontend4 frontend4(const Bytes& address, std::uint16_t port, std::uint8_t protocol) {
  return {.address = from_bytes<__be32>(address), .port = htons(port), .protocol = protocol, .pad = 0};
}

svcb_frontend6 frontend6(const Bytes& address, std::uint16_t port, std::uint8_t protocol) {
  svcb_frontend6 frontend{};

  std::memcpy(frontend.address, address.data(), sizeof(frontend.address));
  frontend.port = htons(port);
  frontend.protocol = protocol;
  return frontend;
}

void update(bpf_map* map, const void* key, const void* value) {
  if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) != 0) {
    throw std::runtime_error(fmt::format("{}: {}", bpf_map__name(map), std::strerror(errno)));
  }
}

class Fd {
 public:
  explicit Fd(int fd, const char* what) : fd_(fd) {
    if (fd < 0) {
      throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
    }
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(fd_); }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

bpf_insn instruction(int code, int destination, int source, int offset, int immediate) {
  bpf_insn made{};

  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = static_cast<std::uint8_t>(destination & 0xF);
  made.src_reg = static_cast<std::uint8_t>(source & 0xF);
  made.off = static_cast<std::int16_t>(offset);
  made.imm = immediate;
  return made;
}

bpf_insn move(int destination, int immediate) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, destination, 0, 0, immediate);
}

bpf_insn move_register(int destination, int source) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0);
}

bpf_insn call(int helper) { return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }

// A tc program that calls helper(skb, first, second) and goes on with the first program of `programs`. It
// makes what BPF_PROG_TEST_RUN cannot be asked for.
int load_wrapper(int programs, int helper, int first, int second) {
  const std::vector<bpf_insn> code{
      move_register(BPF_REG_6, BPF_REG_1),
      move(BPF_REG_2, first),
      move(BPF_REG_3, second),
      call(helper),
      instruction(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 6, 0),  // refused: to the end
      move_register(BPF_REG_1, BPF_REG_6),
      instruction(load_64_bits, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, programs),
      instruction(0, 0, 0, 0, 0),
      move(BPF_REG_3, 0),
      call(BPF_FUNC_tail_call),
      move(BPF_REG_0, 99),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };

  return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "wrapper", "GPL", code.data(), code.size(), nullptr);
}

Verdict verdict_of(Hook hook, std::uint32_t value) {
  switch (hook) {
    case Hook::xdp:
      return value == XDP_PASS ? Verdict::pass : value == XDP_DROP ? Verdict::drop : Verdict::other;
    case Hook::tc:
      return value == TC_ACT_OK ? Verdict::pass : value == TC_ACT_SHOT ? Verdict::drop : Verdict::other;
  }
  return Verdict::other;
}

// doctest has no third result, so it is told before doctest starts.
[[maybe_unused]] const bool may_load = [] {
  // The smallest XDP program asks for what ours ask for. (Ours would not do: the verifier's "no" is
  // EACCES.)
  const std::array code{move(BPF_REG_0, XDP_PASS), instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
  const int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", code.data(), code.size(), nullptr);

  if (fd < 0) {
    static_cast<void>(
        std::fprintf(stderr, "skipped: BPF programs cannot be loaded here: %s\n", std::strerror(errno)));
    std::exit(77);  // nothing is owned yet
  }
  close(fd);
  return true;
}();

}  // namespace

std::string_view to_string(Hook hook) { return hook == Hook::xdp ? "xdp" : "tc"; }

std::string_view to_string(svcb_outcome outcome) {
  static constexpr std::array<std::string_view, SVCB_OUTCOMES + 1> names{
      "translated",     "no service",    "no endpoint", "contended",  "not IP",
      "VLAN",           "truncated",     "fragment",    "IP options", "extension",
      "not TCP or UDP", "not rewritten", "elsewhere",   "no flow",    "no outcome"};

  return names.at(outcome);
}

namespace {

// In the next free cells, with the places that they have in ascending order (abi.h). The first one's index.
template <typename Cell>
std::uint32_t put_backends(bpf_map* map, std::uint32_t& next, const std::vector<Backend>& backends,
                           int (*precedes)(const Cell*, const Cell*)) {
  std::vector<Cell> cells;
  std::multimap<Cell, std::uint16_t, std::function<bool(const Cell&, const Cell&)>> ascending(
      [precedes](const Cell& a, const Cell& b) { return precedes(&a, &b) != 0; });
  for (const Backend& backend : backends) {
    Cell cell{};
    std::memcpy(&cell.address, address_bytes(backend.address).data(), sizeof(cell.address));
    cell.port = htons(backend.port);
    ascending.emplace(cell, static_cast<std::uint16_t>(cells.size()));
    cells.push_back(cell);
  }
  const std::uint32_t first = next;
  auto place = ascending.begin();
  for (Cell& cell : cells) {
    cell.rank = (place++)->second;
    update(map, &next, &cell);
    ++next;
  }
  return first;
}

// What the programs' clock counts, rounded up.
std::uint32_t ticks(double seconds) {
  return static_cast<std::uint32_t>(seconds * 1e9 / (1U << SVCB_TICK_BITS)) + 1;
}

// The next key of a map; nothing at its end.
std::optional<Bytes> next_key(int map, const Bytes* key, std::size_t size) {
  Bytes next(size);
  return bpf_map_get_next_key(map, key == nullptr ? nullptr : key->data(), next.data()) == 0
             ? std::optional(next)
             : std::nullopt;
}

std::vector<Bytes> all_keys(int map, std::size_t size) {
  std::vector<Bytes> keys;
  for (auto key = next_key(map, nullptr, size); key; key = next_key(map, &*key, size)) {
    keys.push_back(*key);
  }
  return keys;
}

// The bytes of a value's time go back.
void age_entry(int map, const Bytes& key, std::size_t value_size, std::size_t seen, double seconds) {
  Bytes value(value_size);
  if (bpf_map_lookup_elem(map, key.data(), value.data()) != 0) {
    return;
  }
  std::uint32_t time = 0;
  std::memcpy(&time, value.data() + seen, sizeof(time));
  time -= ticks(seconds);
  std::memcpy(value.data() + seen, &time, sizeof(time));
  if (bpf_map_update_elem(map, key.data(), value.data(), BPF_EXIST) != 0) {
    throw std::runtime_error(fmt::format("age an entry: {}", std::strerror(errno)));
  }
}

template <typename T>
Bytes bytes_of(const T& value) {
  Bytes bytes(sizeof(value));
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

std::uint64_t sum_over_cpus(int map, std::uint32_t index) {
  static const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<std::uint64_t> of_cpus(cpus);
  if (bpf_map_lookup_elem(map, &index, of_cpus.data()) != 0) {
    throw std::runtime_error(fmt::format("a counter: {}", std::strerror(errno)));
  }
  return std::accumulate(of_cpus.begin(), of_cpus.end(), std::uint64_t{0});
}

}  // namespace

void PlaneFixture::Destroy::operator()(plane_bpf* skeleton) const { plane_bpf::destroy(skeleton); }

PlaneFixture::PlaneFixture(const FixtureOptions& options) : skeleton_(plane_bpf::open()) {
  if (!skeleton_) {
    throw std::runtime_error("plane.bpf.o cannot be opened");
  }
  bpf_map__set_max_entries(skeleton_->maps.services4, max_services);
  bpf_map__set_max_entries(skeleton_->maps.services6, max_services);
  bpf_map__set_max_entries(skeleton_->maps.backends4, max_backends);
  bpf_map__set_max_entries(skeleton_->maps.backends6, max_backends);
  if (options.tracking) {
    for (bpf_map* map : {skeleton_->maps.flows4, skeleton_->maps.flows6, skeleton_->maps.sessions4,
                         skeleton_->maps.sessions6, skeleton_->maps.affinity4, skeleton_->maps.affinity6,
                         skeleton_->maps.fragments4, skeleton_->maps.fragments6,
                         skeleton_->maps.unanswered4, skeleton_->maps.unanswered6}) {
      bpf_map__set_max_entries(map, options.flows);
    }
    svcb_settings settings{};
    settings.translating = 1;
    settings.tracking = !options.dsr;
    settings.dsr = options.dsr;
    for (const auto& [life, seconds] : {std::pair{SVCB_LIFE_SYN_SENT, 120},
                                        {SVCB_LIFE_SYN_RECEIVED, 60},
                                        {SVCB_LIFE_UNACKED, 300},
                                        {SVCB_LIFE_ESTABLISHED, 86'400},
                                        {SVCB_LIFE_HALF_CLOSED, 3600},
                                        {SVCB_LIFE_TIME_WAIT, 120},
                                        {SVCB_LIFE_CLOSE, 10},
                                        {SVCB_LIFE_UDP, 30},
                                        {SVCB_LIFE_UDP_STREAM, 120},
                                        {SVCB_LIFE_FRAGMENTS, 30}}) {
      settings.ticks[life] = ticks(seconds);
    }
    settings.forwarding = options.forwarding;
    settings.first_port = options.first_port;
    settings.last_port = options.last_port;
    settings.move_gone = options.move_gone;
    settings.errors_per_second = options.errors_per_second;
    settings.errors_at_once = options.errors_at_once;
    settings.node4 = from_bytes<__be32>(address_bytes("192.0.2.7"));
    settings.cluster4 = from_bytes<__be32>(address_bytes("10.0.0.0"));
    settings.cluster_mask4 = from_bytes<__be32>(address_bytes("255.0.0.0"));
    std::memcpy(settings.node6, address_bytes("2001:db8::7").data(), sizeof(settings.node6));
    settings.wrap4 = settings.node4;
    std::copy(std::begin(settings.node6), std::end(settings.node6), std::begin(settings.wrap6));
    if (options.wrap_by_flow) {
      settings.wrap4 = from_bytes<__be32>(address_bytes("198.51.100.0"));
      settings.wrap_by_flow4 = htonl(0xFF);
      std::memcpy(settings.wrap6, address_bytes("2001:db8:77::").data(), sizeof(settings.wrap6));
      settings.wrap_by_flow6 = ~__be32{0};
    }
    std::memcpy(settings.cluster6, address_bytes("fd00::").data(), sizeof(settings.cluster6));
    std::memcpy(settings.cluster_mask6, address_bytes("ff00::").data(), sizeof(settings.cluster_mask6));
    std::memcpy(&skeleton_->rodata->settings, &settings, sizeof(settings));
  }
  if (const int error = plane_bpf::load(skeleton_.get()); error != 0) {
    throw std::runtime_error(fmt::format("plane.bpf.o cannot be loaded: {}", std::strerror(-error)));
  }
}

PlaneFixture::~PlaneFixture() = default;

std::uint64_t PlaneFixture::add_service(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                                        const std::vector<Backend>& backends) {
  const bool ipv6 = address_bytes(address).size() == 16;
  const std::uint64_t tagged = tag(address, port, protocol);
  std::uint32_t first = 0;
  if (ipv6) {
    first =
        put_backends<svcb_backend6>(skeleton_->maps.backends6, next_backend6_, backends, svcb_precedes6);
  } else {
    first =
        put_backends<svcb_backend4>(skeleton_->maps.backends4, next_backend4_, backends, svcb_precedes4);
  }
  for (const Backend& backend : backends) {
    add_target(backend);
  }
  const std::uint64_t word = svcb_service_word(first, static_cast<std::uint32_t>(backends.size()), tagged);
  set_service(address, port, protocol, word);
  return word;
}

void PlaneFixture::add_target(const Backend& backend) {
  const Bytes address = address_bytes(backend.address);
  const bool ipv6 = address.size() == 16;
  bpf_map* map = ipv6 ? skeleton_->maps.targets6 : skeleton_->maps.targets4;
  const auto at4 = frontend4(address, backend.port, 0);
  svcb_frontend6 at6{};
  if (ipv6) {
    at6 = frontend6(address, backend.port, 0);
  }
  const std::uint32_t zero = 0;
  Bytes counts(SVCB_TARGETS);
  bpf_map_lookup_elem(bpf_map__fd(map), &zero, counts.data());
  ++counts.at(ipv6 ? svcb_target6(&at6) : svcb_target4(&at4));
  update(map, &zero, counts.data());
}

std::vector<PlaneFixture::Table> PlaneFixture::tables(bool with_fragments) const {
  const auto way4 = [](bpf_map* map) {
    return Table{map, sizeof(svcb_flow4), sizeof(svcb_way4), offsetof(svcb_way4, seen)};
  };
  const auto way6 = [](bpf_map* map) {
    return Table{map, sizeof(svcb_flow6), sizeof(svcb_way6), offsetof(svcb_way6, seen)};
  };
  std::vector<Table> all{way4(skeleton_->maps.flows4), way6(skeleton_->maps.flows6),
                         way4(skeleton_->maps.unanswered4), way6(skeleton_->maps.unanswered6)};
  if (with_fragments) {
    constexpr std::size_t seen = offsetof(svcb_datagram, seen);
    all.push_back({skeleton_->maps.fragments4, sizeof(svcb_flow4), sizeof(svcb_datagram), seen});
    all.push_back({skeleton_->maps.fragments6, sizeof(svcb_flow6), sizeof(svcb_datagram), seen});
  }
  return all;
}

std::optional<std::pair<PlaneFixture::Table, Bytes>> PlaneFixture::find(const FlowKey& key) const {
  const Bytes from = address_bytes(key.from);
  const Bytes to = address_bytes(key.to);
  Bytes wanted;
  if (from.size() == 16) {
    svcb_flow6 flow{};
    flow.to = frontend6(to, key.port, key.protocol);
    std::memcpy(flow.source, from.data(), sizeof(flow.source));
    flow.source_port = htons(key.from_port);
    wanted = bytes_of(flow);
  } else {
    svcb_flow4 flow{};
    flow.to = frontend4(to, key.port, key.protocol);
    flow.source = from_bytes<__be32>(from);
    flow.source_port = htons(key.from_port);
    wanted = bytes_of(flow);
  }
  for (const Table& table : tables(false)) {
    Bytes value(table.value_size);
    if (table.key_size == wanted.size() &&
        bpf_map_lookup_elem(bpf_map__fd(table.map), wanted.data(), value.data()) == 0) {
      return std::pair{table, wanted};
    }
  }
  return std::nullopt;
}

void PlaneFixture::age(double seconds) {
  for (const Table& table : tables(true)) {
    const int map = bpf_map__fd(table.map);
    for (const Bytes& key : all_keys(map, table.key_size)) {
      age_entry(map, key, table.value_size, table.seen, seconds);
    }
  }
}

bool PlaneFixture::age(const FlowKey& key, double seconds) {
  const auto found = find(key);
  if (found) {
    const auto& [table, bytes] = *found;
    age_entry(bpf_map__fd(table.map), bytes, table.value_size, table.seen, seconds);
  }
  return found.has_value();
}

bool PlaneFixture::evict(const FlowKey& key) {
  const auto found = find(key);
  return found && bpf_map_delete_elem(bpf_map__fd(found->first.map), found->second.data()) == 0;
}

bool PlaneFixture::remembers(const FlowKey& key) const { return find(key).has_value(); }

std::array<PlaneFixture::Table, 2> PlaneFixture::sessions() const {
  return {Table{skeleton_->maps.sessions4, sizeof(svcb_session4), sizeof(svcb_sticky4),
                offsetof(svcb_sticky4, seen)},
          Table{skeleton_->maps.sessions6, sizeof(svcb_session6), sizeof(svcb_sticky6),
                offsetof(svcb_sticky6, seen)}};
}

void PlaneFixture::set_affinity(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                                double seconds) {
  const Bytes bytes = address_bytes(address);
  const std::uint32_t value = ticks(seconds);

  if (bytes.size() == 16) {
    const svcb_frontend6 key = frontend6(bytes, port, protocol);
    update(skeleton_->maps.affinity6, &key, &value);
  } else {
    const svcb_frontend4 key = frontend4(bytes, port, protocol);
    update(skeleton_->maps.affinity4, &key, &value);
  }
}

void PlaneFixture::age_affinity(double seconds) {
  for (const Table& table : sessions()) {
    const int map = bpf_map__fd(table.map);
    for (const Bytes& key : all_keys(map, table.key_size)) {
      age_entry(map, key, table.value_size, table.seen, seconds);
    }
  }
}

void PlaneFixture::give_affinity_away() {
  static_assert(offsetof(svcb_sticky4, tag) == 0 && offsetof(svcb_sticky6, tag) == 0);
  for (const Table& table : sessions()) {
    const int map = bpf_map__fd(table.map);
    for (const Bytes& key : all_keys(map, table.key_size)) {
      Bytes value(table.value_size);
      bpf_map_lookup_elem(map, key.data(), value.data());
      value.at(0) ^= 2;
      bpf_map_update_elem(map, key.data(), value.data(), BPF_EXIST);
    }
  }
}

std::size_t PlaneFixture::entries() const {
  std::size_t count = 0;
  for (const Table& table : tables(false)) {
    count += all_keys(bpf_map__fd(table.map), table.key_size).size();
  }
  return count;
}

std::size_t PlaneFixture::answered_entries() const {
  return all_keys(bpf_map__fd(skeleton_->maps.flows4), sizeof(svcb_flow4)).size() +
         all_keys(bpf_map__fd(skeleton_->maps.flows6), sizeof(svcb_flow6)).size();
}

std::uint64_t PlaneFixture::events(svcb_event event) const {
  return sum_over_cpus(bpf_map__fd(skeleton_->maps.events), event);
}

void PlaneFixture::set_service(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                               std::uint64_t word) {
  const Bytes bytes = address_bytes(address);
  const svcb_service value{.word = word};

  if (bytes.size() == 16) {
    const svcb_frontend6 key = frontend6(bytes, port, protocol);
    update(skeleton_->maps.services6, &key, &value);
  } else {
    const svcb_frontend4 key = frontend4(bytes, port, protocol);
    update(skeleton_->maps.services4, &key, &value);
  }
}

void PlaneFixture::add_node(std::string_view address) {
  const Bytes bytes = address_bytes(address);
  const std::uint8_t value = 0;

  update(bytes.size() == 16 ? skeleton_->maps.nodes6 : skeleton_->maps.nodes4, bytes.data(), &value);
}

void PlaneFixture::announce_change(std::string_view address, std::uint16_t port, std::uint8_t protocol) {
  const Bytes bytes = address_bytes(address);

  if (bytes.size() == 16) {
    const svcb_frontend6 key = frontend6(bytes, port, protocol);
    ++skeleton_->bss->versions6[svcb_version6(&key)];
  } else {
    const svcb_frontend4 key = frontend4(bytes, port, protocol);
    ++skeleton_->bss->versions4[svcb_version4(&key)];
  }
}

std::uint64_t PlaneFixture::tag(std::string_view address, std::uint16_t port, std::uint8_t protocol) {
  const Bytes bytes = address_bytes(address);

  if (bytes.size() == 16) {
    const svcb_frontend6 key = frontend6(bytes, port, protocol);
    return svcb_tag6(&key);
  }
  const svcb_frontend4 key = frontend4(bytes, port, protocol);
  return svcb_tag4(&key);
}

Run PlaneFixture::run(Hook hook, const Bytes& frame, const Arrival& arrival) {
  const bpf_program* program = hook == Hook::xdp ? skeleton_->progs.svcb_xdp : skeleton_->progs.svcb_tc;

  return run_program(bpf_program__fd(program), hook, frame, {.arrival = arrival}).value();
}

std::optional<Run> PlaneFixture::run_checksum_complete(const Bytes& frame) {
  return run_program(bpf_program__fd(skeleton_->progs.svcb_tc), Hook::tc, frame,
                     {.flags = test_skb_checksum_complete, .linear = 0, .may_be_refused = true});
}

Run PlaneFixture::run_vlan_in_metadata(const Bytes& frame, std::uint16_t tci) {
  return run_after(BPF_FUNC_skb_vlan_push, htons(0x8100), tci, frame);
}

Run PlaneFixture::run_cut_on_tc(const Bytes& frame, std::size_t size) {
  return run_after(BPF_FUNC_skb_change_tail, static_cast<int>(size), 0, frame);
}

// tc alone has such helpers.
Run PlaneFixture::run_after(int helper, int first, int second, const Bytes& frame) {
  const Fd programs(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "programs", 4, 4, 1, nullptr), "program array");
  const Fd wrapper(load_wrapper(programs.get(), helper, first, second), "wrapper");
  const std::uint32_t key = 0;
  const int program = bpf_program__fd(skeleton_->progs.svcb_tc);

  if (bpf_map_update_elem(programs.get(), &key, &program, BPF_ANY) != 0) {
    throw std::runtime_error(fmt::format("program array: {}", std::strerror(errno)));
  }
  return run_program(wrapper.get(), Hook::tc, frame, {}).value();
}

std::optional<Run> PlaneFixture::run_non_linear(const Bytes& frame, std::uint32_t linear) {
  return run_program(bpf_program__fd(skeleton_->progs.svcb_tc), Hook::tc, frame,
                     {.flags = 0, .linear = linear, .may_be_refused = true});
}

PlaneFixture::Counters PlaneFixture::counters() const {
  Counters sums{};
  for (std::uint32_t outcome = 0; outcome < SVCB_OUTCOMES; outcome++) {
    sums.at(outcome) = sum_over_cpus(bpf_map__fd(skeleton_->maps.counters), outcome);
  }
  return sums;
}

std::optional<Run> PlaneFixture::run_program(int program, Hook hook, const Bytes& frame, How how) {
  const Counters before = counters();
  __sk_buff context{};
  bpf_test_run_opts options{};
  Run run;

  run.bytes.resize(frame.size() + 256);
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.data_out = run.bytes.data();
  options.data_size_out = static_cast<std::uint32_t>(run.bytes.size());
  options.repeat = 1;
  options.flags = how.flags;
  if (how.linear != 0) {
    context.data_end = how.linear;
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
  }
  xdp_md frame_context{};
  if (how.arrival.device != 0 || how.arrival.segment != 0) {
    context.ifindex = context.ingress_ifindex = how.arrival.device;
    context.gso_size = how.arrival.segment;
    frame_context.data_end = static_cast<std::uint32_t>(frame.size());
    frame_context.ingress_ifindex = how.arrival.device;
    options.ctx_in = hook == Hook::tc ? static_cast<void*>(&context) : &frame_context;
    options.ctx_size_in = hook == Hook::tc ? sizeof(context) : sizeof(frame_context);
  }
  if (const int error = bpf_prog_test_run_opts(program, &options); error != 0) {
    if (how.may_be_refused && error == -EINVAL) {
      return std::nullopt;
    }
    throw std::runtime_error(fmt::format("{}: BPF_PROG_TEST_RUN of {} bytes: {}", to_string(hook),
                                         frame.size(), std::strerror(-error)));
  }
  run.bytes.resize(options.data_size_out);
  run.verdict = verdict_of(hook, options.retval);

  const Counters after = counters();
  std::uint64_t total = 0;
  for (std::uint32_t outcome = 0; outcome < SVCB_OUTCOMES; outcome++) {
    const std::uint64_t count = after.at(outcome) - before.at(outcome);
    total += count;
    if (count != 0) {
      run.outcome = static_cast<svcb_outcome>(outcome);
    }
  }
  REQUIRE_MESSAGE(total == 1, "a packet is counted exactly once, not " << total << " times");
  return run;
}

}  // namespace svcbench::testing
