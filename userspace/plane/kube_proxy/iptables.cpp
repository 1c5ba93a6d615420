// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/iptables.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "plane/iptables_restore.h"
#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

using Sync = kube_proxy::IptablesRules::Sync;

constexpr std::array families{Family::ipv4, Family::ipv6};

// Without --noflush: both tables lose every rule and every chain that is not the kernel's.
constexpr std::string_view empty_tables = "*filter\nCOMMIT\n*nat\nCOMMIT\n";

// As kube-proxy calls it. -w: wait for the lock, seconds.
RestoreRun sync_run() {
  return {.arguments = {"-w", "5", "--noflush", "--counters"}, .what = "services' rules"};
}

// Why a restore failed, where it is that the kernel lacks the match of session affinity: the tools say no
// more than "No such file or directory", or that some line failed.
Status check_affinity_match(const kube_proxy::IptablesRules& rules, const std::string& program) {
  if (!rules.has_affinity()) {
    return {};
  }
  SVCB_TAKE(input,
            memfd_of("try-recent",
                     "*nat\n:KUBE-TRY-RECENT - [0:0]\n"
                     "-A KUBE-TRY-RECENT -m recent --name KUBE-TRY-RECENT --rcheck --seconds 1 --reap\n"
                     "-F KUBE-TRY-RECENT\n-X KUBE-TRY-RECENT\nCOMMIT\n"));
  if (!run_restore(program, input, sync_run())) {
    return failure(
        "{} cannot load rules of services with session affinity: this kernel has no match `recent` "
        "(modprobe xt_recent, or measure services without it)",
        program);
  }
  return {};
}

// What each back end is called, and what it needs.
struct Flavour {
  std::string_view restore;  // the program
  std::string_view install;  // how to come by it
  std::string_view kernel;   // what the kernel must have
};
constexpr Flavour legacy{"iptables-legacy-restore",
                         "Debian, Ubuntu: apt-get install iptables; Fedora: dnf install iptables-legacy",
                         "modprobe iptable_nat iptable_filter ip6table_nat ip6table_filter"};
constexpr Flavour nft{"iptables-nft-restore",
                      "Debian, Ubuntu: apt-get install iptables; Fedora: dnf install iptables-nft",
                      "modprobe nf_tables nft_compat"};

Result<IptablesBackend> find_backend(const Flavour& flavour) {
  if (!find_program(flavour.restore)) {
    return failure("{} is neither on PATH nor in /usr/sbin ({})", flavour.restore, flavour.install);
  }
  return find_iptables(std::string(flavour.restore));
}

// One service of each kind, so that every match and target is loaded once.
std::vector<Service> probe_services() {
  const Endpoint one{Address::from_ipv4(0x0AB40001), 8080};
  const Endpoint two{Address::from_ipv4(0x0AB40002), 8080};
  const Address any = Address::from_ipv4(0);
  const Address first = Address::from_ipv4(0x0A600001);
  const Address second = Address::from_ipv4(0x0A600002);
  return {
      {"probe/web:http", FrontendKind::cluster_ip, {first, 80, Protocol::tcp}, {one, two}},
      {"probe/web:http", FrontendKind::node_port, {any, 30080, Protocol::tcp}, {one, two}},
      {"probe/dns:dns", FrontendKind::cluster_ip, {first, 53, Protocol::udp}, {one}},
      {"probe/none:http", FrontendKind::cluster_ip, {second, 80, Protocol::tcp}, {}},
      {"probe/none:http", FrontendKind::node_port, {any, 30081, Protocol::tcp}, {}},
  };
}

Status probe(const Flavour& flavour) {
  SVCB_TAKE(backend, find_backend(flavour));
  KubeProxyIptables plane(backend, PlaneConfiguration{});
  auto loaded = plane.install(probe_services());
  if (loaded) {
    if (const auto entries = plane.entries(); !entries) {
      loaded = tl::unexpected(entries.error());
    }
  }
  if (!loaded) {
    return failure(
        "{} cannot load kube-proxy's rules here: {} (the kernel needs the matches comment, statistic, "
        "mark, addrtype and conntrack, and the targets MARK, DNAT, MASQUERADE and REJECT: {})",
        backend.label, loaded.error().message, flavour.kernel);
  }
  return {};
}

Result<std::unique_ptr<DataPlane>> make(const Flavour& flavour, const PlaneConfiguration& configuration) {
  SVCB_TAKE(backend, find_backend(flavour));
  return std::make_unique<KubeProxyIptables>(std::move(backend), configuration);
}

}  // namespace

KubeProxyIptables::KubeProxyIptables(IptablesBackend backend, const PlaneConfiguration& configuration)
    : backend_(std::move(backend)),
      version_(configuration.kube_proxy.version),
      tables_{Table{kube_proxy::IptablesRules(Family::ipv4, configuration)},
              Table{kube_proxy::IptablesRules(Family::ipv6, configuration)}} {}

KubeProxyIptables::~KubeProxyIptables() {
  const auto empty = memfd_of("empty-tables", empty_tables);
  for (const Family family : families) {
    const auto program = restore_program(backend_, family);
    if (empty && program && table(family).touched) {
      // Nobody to tell of a failure: the namespace, and all in it, ends with the process anyway.
      (void)run_restore(*program, *empty, {.arguments = {"-w", "5"}, .interruptible = false});
    }
  }
}

Status KubeProxyIptables::install(std::span<const Service> services) {
  const Stopwatch generating;
  for (const Family family : families) {
    auto& rules = table(family).rules;
    SVCB_CHECK(rules.replace(services));
    // A family that was programmed before is synced even if nothing is left for it to hold.
    const bool only_one = family == Family::ipv4 && services.empty();
    if (only_one || table(family).touched || rules.counts().services != 0) {
      SVCB_CHECK(stage_input(family, Sync::full));
    }
  }
  cost_ = {.generate_ns = generating.ns()};
  return commit();
}

Status KubeProxyIptables::stage(const Change& change) {
  const Stopwatch generating;
  const Family family = change.service.frontend.address.family;
  SVCB_CHECK(table(family).rules.apply(change));
  SVCB_CHECK(stage_input(family, way_));
  stale_flows_.note(change);
  cost_ = {.generate_ns = generating.ns()};
  return {};
}

Status KubeProxyIptables::commit() {
  cost_ = {.generate_ns = cost_.generate_ns};
  for (const Family family : families) {
    if (table(family).staged.valid()) {
      SVCB_CHECK(load(family));
    }
  }
  return stale_flows_.end(cost_);
}

std::span<const std::string_view> KubeProxyIptables::ways() const {
  static constexpr std::array<std::string_view, 2> names{"partial", "full"};
  return names;
}

Status KubeProxyIptables::choose_way(std::size_t way) {
  if (way >= ways().size()) {
    return failure("kube-proxy's iptables mode has 2 ways of being changed, not {}", way + 1);
  }
  way_ = way == 0 ? Sync::partial : Sync::full;
  return {};
}

Result<std::size_t> KubeProxyIptables::entries() const {
  std::size_t services = 0;
  for (const Family family : families) {
    const auto& loaded = table(family).loaded;
    if (loaded.nat == 0) {
      continue;
    }
    SVCB_TAKE(saved, read_back(family));
    for (const auto& [name, rules, expected] :
         {std::tuple{"nat", saved.nat, loaded.nat + kube_proxy::nat_jumps},
          std::tuple{"filter", saved.filter, loaded.filter + kube_proxy::filter_jumps}}) {
      if (rules != expected) {
        return failure("the {} {} table of {} has {} rules, and was to have {} for {} services",
                       to_string(family), name, backend_.label, rules, expected, loaded.services);
      }
    }
    services += saved.services.size();
  }
  return services;
}

Result<std::optional<Service>> KubeProxyIptables::find(const Frontend& frontend) const {
  if (table(frontend.address.family).loaded.nat == 0) {
    return std::nullopt;
  }
  SVCB_TAKE(saved, read_back(frontend.address.family));
  const auto found = std::find_if(saved.services.begin(), saved.services.end(),
                                  [&](const Service& service) { return service.frontend == frontend; });
  if (found == saved.services.end()) {
    return std::nullopt;
  }
  return std::move(*found);
}

Service KubeProxyIptables::programmed(const Service& service) const {
  Service result = kube_proxy::readable(service);
  const bool has_portal = !result.endpoints.empty() || !result.cluster_endpoints.empty();
  if (!has_portal && result.kind == FrontendKind::load_balancer) {
    result.kind = FrontendKind::external_ip;  // the filter table calls both external
  }
  return result;
}

Status KubeProxyIptables::stage_input(Family family, Sync sync) {
  auto& staged = table(family);
  const std::string text = staged.rules.restore_input(sync);
  SVCB_TAKE(input, memfd_of("restore-input", text));
  staged.staged = std::move(input);
  staged.staged_bytes = text.size();
  return {};
}

Status KubeProxyIptables::make_jumps(Family family, const std::string& program) {
  SVCB_TAKE(input, memfd_of("jumps", kube_proxy::jumps_input()));
  SVCB_CHECK(run_restore(program, input, sync_run()));
  table(family).has_jumps = true;
  return {};
}

Status KubeProxyIptables::load(Family family) {
  SVCB_TAKE(program, restore_program(backend_, family));
  auto& loaded = table(family);
  const Fd input = std::move(loaded.staged);
  loaded.touched = true;
  if (!loaded.has_jumps) {
    SVCB_CHECK(make_jumps(family, program));
  }
  auto result = run_restore(program, input, sync_run());
  if (!result) {
    if (result.error().kind != Error::Kind::interrupted) {
      SVCB_CHECK(check_affinity_match(loaded.rules, program));
    }
    return tl::unexpected(result.error());
  }
  loaded.rules.synced();
  loaded.loaded = loaded.rules.counts();
  cost_.commit_ns += result->wall_ns;
  cost_.user_us += result->user_us;
  cost_.system_us += result->system_us;
  cost_.tools += 1;
  cost_.input_bytes += loaded.staged_bytes;
  return {};
}

Result<kube_proxy::SavedRules> KubeProxyIptables::read_back(Family family) const {
  SVCB_TAKE(nat, saved_table(backend_, family, "nat"));
  SVCB_TAKE(filter, saved_table(backend_, family, "filter"));
  auto saved = kube_proxy::parse_saved(nat, filter, family);
  if (!saved) {
    return failure("{} holds other {} rules than were to be: {}", backend_.label, to_string(family),
                   saved.error().message);
  }
  return saved;
}

Status probe_iptables_legacy() { return probe(legacy); }
Status probe_iptables_nft() { return probe(nft); }
Result<std::unique_ptr<DataPlane>> make_iptables_legacy(const PlaneConfiguration& configuration) {
  return make(legacy, configuration);
}
Result<std::unique_ptr<DataPlane>> make_iptables_nft(const PlaneConfiguration& configuration) {
  return make(nft, configuration);
}

}  // namespace svcbench
