// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/ebpf_plane.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <numeric>

#include "plane.skel.h"
#include "service/address_range.h"

namespace svcbench {

namespace {

constexpr std::string_view services_flag = "--services-capacity";
constexpr std::string_view backends_flag = "--backends-capacity";
// Datagrams whose fragments are on their way, of each family: Cilium's default.
constexpr std::uint32_t fragments_capacity = 8192;

KernelMap view(const bpf_map* map, std::string_view grow_flag) {
  return {bpf_map__fd(map), bpf_map__name(map), bpf_map__max_entries(map), grow_flag};
}

Result<std::vector<std::uint64_t>> sum_over_cpus(const bpf_map* map) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) {
    return failure("eBPF: cannot learn the number of CPUs: {}", std::strerror(-cpus));
  }
  std::vector<std::uint64_t> each(static_cast<std::size_t>(cpus));
  std::vector<std::uint64_t> sums;
  for (std::uint32_t index = 0; index < bpf_map__max_entries(map); ++index) {
    SVCB_TAKE(present, view(map, "").lookup(&index, each.data()));
    static_cast<void>(present);
    sums.push_back(std::accumulate(each.begin(), each.end(), std::uint64_t{0}));
  }
  return sums;
}

std::uint32_t ticks(double seconds) {
  return static_cast<std::uint32_t>(seconds * 1e9 / static_cast<double>(1U << SVCB_TICK_BITS)) + 1;
}

// The first `bits` of 128, as four words in network order.
void write_mask(std::span<__be32> words, unsigned bits) {
  for (__be32& word : words) {
    const unsigned here = std::min(bits, 32U);
    word = htonl(here == 0 ? 0 : ~std::uint32_t{0} << (32 - here));
    bits -= here;
  }
}

// "10.0.0.0/8" as address and mask.
Status write_cidr(std::string_view text, std::span<__be32> address, std::span<__be32> mask) {
  const std::size_t slash = text.find('/');
  SVCB_TAKE(parsed, Address::parse(text.substr(0, slash)));
  unsigned bits = bits_of(parsed.family);
  if (slash != std::string_view::npos) {
    const std::string_view tail = text.substr(slash + 1);
    const unsigned most = bits;
    if (std::from_chars(tail.begin(), tail.end(), bits).ptr != tail.end() || bits > most) {
      return failure("eBPF: {} is no range of addresses", text);
    }
  }
  std::memcpy(address.data(), parsed.bytes.data(), address.size_bytes());
  write_mask(mask, bits);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    address[i] &= mask[i];
  }
  return {};
}

// Where packets that are wrapped come from: the node's addresses, unless there are ranges for that.
Status write_wrap_sources(std::span<const std::string> ranges, svcb_settings& settings) {
  settings.wrap4 = settings.node4;
  std::copy(std::begin(settings.node6), std::end(settings.node6), std::begin(settings.wrap6));
  for (const std::string& range : ranges) {
    if (range.find(':') == std::string::npos) {
      std::array<__be32, 1> mask{};
      SVCB_CHECK(write_cidr(range, {&settings.wrap4, 1}, mask));
      settings.wrap_by_flow4 = ~mask[0];
    } else {
      std::array<__be32, 4> mask{};
      SVCB_CHECK(write_cidr(range, settings.wrap6, mask));
      settings.wrap_by_flow6 = ~mask[3];
    }
  }
  return {};
}

Result<svcb_settings> settings_of(const EbpfOptions& options) {
  svcb_settings settings{};
  settings.forwarding = options.forwarding;
  settings.translating = options.translating;
  settings.tracking = options.tracking;
  settings.dsr = options.dsr;
  settings.maglev = options.maglev;
  const FlowTimeouts& lives = options.flows.timeouts;
  settings.ticks[SVCB_LIFE_SYN_SENT] = ticks(lives.syn_sent);
  settings.ticks[SVCB_LIFE_SYN_RECEIVED] = ticks(lives.syn_received);
  settings.ticks[SVCB_LIFE_UNACKED] = ticks(lives.unacknowledged);
  settings.ticks[SVCB_LIFE_ESTABLISHED] = ticks(lives.established);
  settings.ticks[SVCB_LIFE_HALF_CLOSED] = ticks(lives.half_closed);
  settings.ticks[SVCB_LIFE_TIME_WAIT] = ticks(lives.time_wait);
  settings.ticks[SVCB_LIFE_CLOSE] = ticks(lives.close);
  settings.ticks[SVCB_LIFE_UDP] = ticks(lives.udp);
  settings.ticks[SVCB_LIFE_UDP_STREAM] = ticks(lives.udp_stream);
  settings.ticks[SVCB_LIFE_FRAGMENTS] = ticks(lives.fragments);
  settings.move_gone = options.flows.move_gone;
  settings.first_port = options.flows.masquerade_ports.first;
  settings.last_port = options.flows.masquerade_ports.last;
  settings.errors_per_second = options.flows.errors_per_second;
  settings.errors_at_once = options.flows.errors_at_once;
  for (const Address& address : options.node_addresses) {
    if (address.family == Family::ipv4 && settings.node4 == 0) {
      std::memcpy(&settings.node4, address.bytes.data(), sizeof(settings.node4));
    } else if (address.family == Family::ipv6 &&
               std::all_of(std::begin(settings.node6), std::end(settings.node6),
                           [](__be32 word) { return word == 0; })) {
      std::memcpy(settings.node6, address.bytes.data(), sizeof(settings.node6));
    }
  }
  SVCB_CHECK(write_wrap_sources(options.flows.wrap_sources, settings));
  SVCB_CHECK(write_cidr(options.cluster_cidr.ipv4, {&settings.cluster4, 1}, {&settings.cluster_mask4, 1}));
  SVCB_CHECK(write_cidr(options.cluster_cidr.ipv6, settings.cluster6, settings.cluster_mask6));
  return settings;
}

// Of the programs' memory, which they read meanwhile.
void raise(volatile std::uint32_t& version) { version = version + 1; }

// Entries for flows that nobody has answered, beside so many for those that were: few, so that they stay in
// the CPU's cache.
std::uint32_t unanswered(std::uint32_t flows) { return std::max(flows / 16, std::min(flows, 1024U)); }

std::uint32_t with_head_room(std::uint64_t count, std::uint64_t at_least) {
  const std::uint64_t room = count + std::max<std::uint64_t>(count / 4, at_least);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(room, SVCB_MAX_BACKENDS));
}

std::vector<const Service*> of_family(std::span<const Service> services, Family family) {
  std::vector<const Service*> chosen;
  chosen.reserve(services.size());
  for (const Service& service : services) {
    if (service.frontend.address.family == family) {
      chosen.push_back(&service);
    }
  }
  return chosen;
}

}  // namespace

MapCapacity MapCapacity::for_services(std::span<const Service> services,
                                      std::optional<std::uint32_t> services_given,
                                      std::optional<std::uint32_t> backends_given,
                                      std::span<const Family> later, std::uint32_t maglev,
                                      std::uint32_t flows) {
  struct Need {
    bool used = false;
    std::uint64_t services = 0;
    std::uint64_t backends = 0;
    std::uint64_t largest = 0;  // endpoints of one service
  };
  std::array<Need, 2> needs{};
  for (const Family family : later) {
    needs[static_cast<std::size_t>(family)].used = true;
  }
  for (const Service& service : services) {
    Need& need = needs[static_cast<std::size_t>(service.frontend.address.family)];
    need.used = true;
    ++need.services;
    const std::uint32_t cells = ServiceCells(service, maglev).count();
    need.backends += cells;
    need.largest = std::max<std::uint64_t>(need.largest, cells);
  }
  const auto services_for = [&](const Need& need) {
    return services_given.value_or(need.used ? with_head_room(need.services, 64) : 1);
  };
  const auto backends_for = [&](const Need& need) {
    // A thousand Maglev tables would be larger than all else; a grace period every 64 changes is no burden.
    const std::uint64_t at_least = std::max<std::uint64_t>(4096, (maglev > 0 ? 64 : 1024) * need.largest);
    return backends_given.value_or(need.used ? with_head_room(need.backends, at_least) : 1);
  };
  return {services_for(needs[0]), services_for(needs[1]),    backends_for(needs[0]),
          backends_for(needs[1]), needs[0].used ? flows : 1, needs[1].used ? flows : 1};
}

Result<std::unique_ptr<EbpfPlane>> EbpfPlane::load(const EbpfOptions& options) {
  SVCB_TAKE(grace, GracePeriod::create());
  plane_bpf* skeleton = plane_bpf__open();
  if (skeleton == nullptr) {
    return failure("eBPF: open the programs: {}", std::strerror(errno));
  }
  std::unique_ptr<EbpfPlane> plane(new EbpfPlane(skeleton, options.writes, std::move(grace)));
  bpf_map__set_max_entries(skeleton->maps.services4, options.capacity.services4);
  bpf_map__set_max_entries(skeleton->maps.services6, options.capacity.services6);
  bpf_map__set_max_entries(skeleton->maps.backends4, options.capacity.backends4);
  bpf_map__set_max_entries(skeleton->maps.backends6, options.capacity.backends6);
  for (bpf_map* map : {skeleton->maps.flows4, skeleton->maps.sessions4}) {
    bpf_map__set_max_entries(map, options.capacity.flows4);
  }
  for (bpf_map* map : {skeleton->maps.flows6, skeleton->maps.sessions6}) {
    bpf_map__set_max_entries(map, options.capacity.flows6);
  }
  bpf_map__set_max_entries(skeleton->maps.unanswered4, unanswered(options.capacity.flows4));
  bpf_map__set_max_entries(skeleton->maps.unanswered6, unanswered(options.capacity.flows6));
  for (bpf_map* map : {skeleton->maps.fragments4, skeleton->maps.fragments6}) {
    bpf_map__set_max_entries(map, options.tracking || options.dsr ? fragments_capacity : 1);
  }
  bpf_map__set_max_entries(skeleton->maps.affinity4, options.capacity.services4);
  bpf_map__set_max_entries(skeleton->maps.affinity6, options.capacity.services6);
  SVCB_TAKE(settings, settings_of(options));
  std::memcpy(&skeleton->rodata->settings, &settings, sizeof(settings));
  bpf_program__set_autoload(skeleton->progs.svcb_xdp, options.programs && options.xdp);
  bpf_program__set_autoload(skeleton->progs.svcb_tc, options.programs && options.tc);
  if (const int error = plane_bpf__load(skeleton); error != 0) {
    return failure("eBPF: load programs and maps: {}{}", std::strerror(-error),
                   -error == EPERM ? " (needs CAP_BPF and CAP_NET_ADMIN; run it with sudo)" : "");
  }
  SVCB_TAKE(ipv4, FamilyMaps<Ipv4Abi>::over({view(skeleton->maps.services4, services_flag),
                                             view(skeleton->maps.backends4, backends_flag),
                                             view(skeleton->maps.affinity4, services_flag),
                                             view(skeleton->maps.targets4, ""), options.maglev}));
  SVCB_TAKE(ipv6, FamilyMaps<Ipv6Abi>::over({view(skeleton->maps.services6, services_flag),
                                             view(skeleton->maps.backends6, backends_flag),
                                             view(skeleton->maps.affinity6, services_flag),
                                             view(skeleton->maps.targets6, ""), options.maglev}));
  plane->ipv4_.emplace(std::move(ipv4));
  plane->ipv6_.emplace(std::move(ipv6));
  SVCB_CHECK(plane->fill_nodes(options.node_addresses));
  plane->node_addresses_ = options.node_addresses;
  return plane;
}

EbpfPlane::~EbpfPlane() { plane_bpf__destroy(skeleton_); }

Status EbpfPlane::install(std::span<const Service> services) {
  SVCB_CHECK(ipv4_->install(of_family(services, Family::ipv4), writes_));
  return ipv6_->install(of_family(services, Family::ipv6), writes_);
}

Status EbpfPlane::clear() {
  SVCB_CHECK(ipv4_->clear(grace_));
  SVCB_CHECK(ipv6_->clear(grace_));
  for (std::uint32_t place = 0; place < SVCB_VERSIONS; ++place) {
    raise(skeleton_->bss->versions4[place]);
    raise(skeleton_->bss->versions6[place]);
  }
  return forget_flows();
}

// To be called after the word is written: a flow that was opened by an old one must look again.
void EbpfPlane::announce(const Frontend& changed) {
  const auto dialled_at = [&](const Address& address) {
    const Frontend dialled{address, changed.port, changed.protocol};
    if (address.family == Family::ipv4) {
      const auto key = to_abi<Ipv4Abi>(dialled);
      raise(skeleton_->bss->versions4[svcb_version4(&key)]);
    } else {
      const auto key = to_abi<Ipv6Abi>(dialled);
      raise(skeleton_->bss->versions6[svcb_version6(&key)]);
    }
  };
  if (!changed.address.is_unspecified()) {
    dialled_at(changed.address);
    return;
  }
  for (const Address& address : node_addresses_) {
    if (address.family == changed.address.family) {
      dialled_at(address);
    }
  }
}

Status EbpfPlane::stage(const Change& change) {
  staged_ = &change;
  return {};
}

Status EbpfPlane::commit() {
  const Service& service = staged_->service;
  const auto apply = [&](auto& maps) -> Status {
    switch (staged_->operation) {
      case Operation::change_endpoints:
        return maps.change(service, grace_);
      case Operation::add_service:
        return maps.add(service, grace_);
      case Operation::remove_service:
        return maps.remove(service);
    }
    return {};
  };
  SVCB_CHECK(service.frontend.address.family == Family::ipv4 ? apply(*ipv4_) : apply(*ipv6_));
  if (staged_->operation != Operation::add_service) {
    announce(service.frontend);
  }
  return {};
}

Status EbpfPlane::fill_nodes(std::span<const Address> addresses) {
  const std::uint8_t present = 1;
  for (const Address& address : addresses) {
    bpf_map* map = address.family == Family::ipv4 ? skeleton_->maps.nodes4 : skeleton_->maps.nodes6;
    SVCB_CHECK(view(map, "").update(address.bytes.data(), &present, BPF_ANY));
  }
  return {};
}

Result<EbpfPlane::Counts> EbpfPlane::counts() const {
  SVCB_TAKE(outcomes, sum_over_cpus(skeleton_->maps.counters));
  SVCB_TAKE(events, sum_over_cpus(skeleton_->maps.events));
  return Counts{std::move(outcomes), std::move(events)};
}

Status EbpfPlane::forget_flows() {
  SVCB_TAKE(now, counts());
  forgotten_ = std::move(now);
  SVCB_CHECK(view(skeleton_->maps.flows4, "").clear(sizeof(svcb_flow4), sizeof(svcb_way4)));
  SVCB_CHECK(view(skeleton_->maps.flows6, "").clear(sizeof(svcb_flow6), sizeof(svcb_way6)));
  SVCB_CHECK(view(skeleton_->maps.unanswered4, "").clear(sizeof(svcb_flow4), sizeof(svcb_way4)));
  SVCB_CHECK(view(skeleton_->maps.unanswered6, "").clear(sizeof(svcb_flow6), sizeof(svcb_way6)));
  SVCB_CHECK(view(skeleton_->maps.sessions4, "").clear(sizeof(svcb_session4), sizeof(svcb_sticky4)));
  SVCB_CHECK(view(skeleton_->maps.sessions6, "").clear(sizeof(svcb_session6), sizeof(svcb_sticky6)));
  SVCB_CHECK(view(skeleton_->maps.fragments4, "").clear(sizeof(svcb_flow4), sizeof(svcb_datagram)));
  return view(skeleton_->maps.fragments6, "").clear(sizeof(svcb_flow6), sizeof(svcb_datagram));
}

Result<FlowReport> EbpfPlane::flows() const {
  std::size_t entries = 0;
  for (const bpf_map* map : {skeleton_->maps.flows4, skeleton_->maps.unanswered4}) {
    SVCB_TAKE(count, view(map, "").count(sizeof(svcb_flow4), sizeof(svcb_way4)));
    entries += count;
  }
  for (const bpf_map* map : {skeleton_->maps.flows6, skeleton_->maps.unanswered6}) {
    SVCB_TAKE(count, view(map, "").count(sizeof(svcb_flow6), sizeof(svcb_way6)));
    entries += count;
  }
  SVCB_TAKE(now, counts());
  const auto since = [](const std::vector<std::uint64_t>& all, const std::vector<std::uint64_t>& before,
                        std::size_t which) { return all[which] - (before.empty() ? 0 : before[which]); };
  const auto event = [&](svcb_event which) { return since(now.events, forgotten_.events, which); };
  FlowReport report;
  report.entries = entries;
  report.capacity = bpf_map__max_entries(skeleton_->maps.flows4);
  report.packets = since(now.outcomes, forgotten_.outcomes, SVCB_TRANSLATED);
  report.opened = event(SVCB_FLOW_OPENED);
  report.expired = event(SVCB_FLOW_EXPIRED);
  report.reselected = event(SVCB_FLOW_RESELECTED);
  report.port_changed = event(SVCB_FLOW_PORT);
  report.icmp = event(SVCB_ICMP_TRANSLATED);
  report.refused = event(SVCB_REFUSED);
  report.too_big = event(SVCB_TOO_BIG);
  report.restored = event(SVCB_FLOW_RESTORED);
  report.ports_full = event(SVCB_PORTS_FULL);
  report.withheld = event(SVCB_ERROR_WITHHELD);
  const std::uint64_t gone = event(SVCB_ENTRY_DELETED) + entries;
  report.evicted = event(SVCB_ENTRY_WRITTEN) > gone ? event(SVCB_ENTRY_WRITTEN) - gone : 0;
  return report;
}

Result<std::size_t> EbpfPlane::entries() const {
  SVCB_TAKE(ipv4, ipv4_->entries());
  SVCB_TAKE(ipv6, ipv6_->entries());
  return ipv4 + ipv6;
}

Result<std::optional<Service>> EbpfPlane::find(const Frontend& frontend) const {
  return frontend.address.family == Family::ipv4 ? ipv4_->find(frontend) : ipv6_->find(frontend);
}

Result<std::vector<Service>> EbpfPlane::read_all() const {
  SVCB_TAKE(all, ipv4_->read_all());
  SVCB_TAKE(ipv6, ipv6_->read_all());
  all.insert(all.end(), std::make_move_iterator(ipv6.begin()), std::make_move_iterator(ipv6.end()));
  return all;
}

Result<std::uint64_t> EbpfPlane::memory_bytes() const {
  SVCB_TAKE(ipv4, ipv4_->memory_bytes());
  SVCB_TAKE(ipv6, ipv6_->memory_bytes());
  std::uint64_t flows = 0;
  for (const bpf_map* map : {skeleton_->maps.flows4, skeleton_->maps.flows6, skeleton_->maps.unanswered4,
                             skeleton_->maps.unanswered6, skeleton_->maps.targets4,
                             skeleton_->maps.targets6, skeleton_->maps.sessions4, skeleton_->maps.sessions6,
                             skeleton_->maps.fragments4, skeleton_->maps.fragments6}) {
    SVCB_TAKE(bytes, view(map, "").memory_bytes());
    flows += bytes;
  }
  return ipv4 + ipv6 + flows;
}

}  // namespace svcbench
