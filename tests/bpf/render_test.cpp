// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is rendered, loaded with the real tools into namespaces of its own, and read back: it has to be the
// services, and the same bytes as the plane gives the tool. Needs root.
#include "plane/render.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "plane/ebpf/ebpf_plane.h"
#include "plane/iptables_chapter.h"
#include "plane/iptables_restore.h"
#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/ipvs.h"
#include "plane/kube_proxy/nftables.h"
#include "plane/kube_proxy/nftables_readback.h"
#include "private_place.h"
#include "service/cluster.h"
#include "service/workload.h"
#include "svcbench/abi.h"
#include "sys/child_process.h"
#include "sys/memfd.h"

#include "plane.skel.h"  // needs what abi.h declares

namespace svcbench {
namespace {

using Services = std::vector<Service>;
using test::in_private_namespaces;
using test::may_program_the_kernel;
using test::must;

constexpr std::array families{Family::ipv4, Family::ipv6};

struct Sample {
  std::string name;
  Services services;
};

// Generated ones of both families and protocols, a real cluster, and all policies on a node.
std::vector<Sample> samples() {
  std::vector<Sample> all;
  all.push_back({"generated", must(Workload::generate(40, 3, {Family::ipv4, Family::ipv6}, 1,
                                                      {Protocol::tcp, Protocol::udp}))
                                  .services()});
  for (const auto& [file, node] :
       {std::pair{"/kind-dualstack.json", ""}, {"/policies.json", "node-a"}, {"/policies.json", ""}}) {
    auto cluster = must(read_cluster(std::string(SVCBENCH_TEST_DATA) + file, {.node = node}));
    all.push_back({std::string(file) + node, std::move(cluster.services)});
  }
  return all;
}

Services of_family(const Services& services, Family family) {
  Services chosen;
  std::copy_if(services.begin(), services.end(), std::back_inserter(chosen),
               [&](const Service& service) { return service.frontend.address.family == family; });
  return chosen;
}

std::string text_of(std::string_view plane, const Services& services, const std::string& part,
                    const RenderOptions& options = {}) {
  const auto parts = must(render_plane(plane, services, options));
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const RenderedPart& one) { return one.name == part; });
  REQUIRE(found != parts.end());
  return found->text;
}

void feed(const std::vector<std::string>& argv, const std::string& text) {
  const auto input = must(memfd_of("rendered", text));
  ChildOptions options;
  options.stdin_fd = input.get();
  const auto result = must(run_child(argv, options));
  INFO(result.err);
  REQUIRE(result.exit_status == 0);
}

std::string output_of(const std::vector<std::string>& argv) {
  const auto result = must(run_child(argv));
  INFO(result.err);
  REQUIRE(result.exit_status == 0);
  return result.out;
}

// Lines without comments, which have the time, and without counters.
std::multiset<std::string> rules_of(const IptablesBackend& backend, Family family) {
  std::multiset<std::string> rules;
  std::istringstream saved(output_of({family == Family::ipv4 ? backend.save : backend.save6}));
  for (std::string line; std::getline(saved, line);) {
    if (line.starts_with("-A ") || line.starts_with(':')) {
      rules.insert(line.starts_with(':') ? line.substr(0, line.find(' ')) : line);
    }
  }
  return rules;
}

}  // namespace

TEST_CASE("render: iptables planes' text makes what the plane makes, and is read back as the services") {
  if (!may_program_the_kernel()) {
    return;
  }
  for (const char* program : {"iptables-legacy-restore", "iptables-nft-restore"}) {
    if (!find_program(program)) {
      MESSAGE(program << " is not installed: skipped");
      continue;
    }
    const auto backend = must(find_iptables(program));
    for (const Sample& sample : samples()) {
      for (const Family family : families) {
        CAPTURE(sample.name);
        const Services services = of_family(sample.services, family);
        std::multiset<std::string> rendered;
        in_private_namespaces([&] {
          const std::string restore = must(restore_program(backend, family));
          for (const char* part : {"jumps", "rules"}) {
            feed({restore, "--noflush"},
                 text_of("iptables-nft", sample.services, part, {.family = family}));
          }
          const KubeProxyIptables plane(backend, {});
          const auto saved =
              must(kube_proxy::parse_saved(must(saved_table(backend, family, "nat")),
                                           must(saved_table(backend, family, "filter")), family));
          CHECK(saved.services.size() == services.size());
          for (const Service& service : services) {
            const auto found =
                std::find_if(saved.services.begin(), saved.services.end(),
                             [&](const Service& other) { return other.frontend == service.frontend; });
            REQUIRE(found != saved.services.end());
            CHECK(*found == plane.programmed(service));
          }
          rendered = rules_of(backend, family);
        });
        in_private_namespaces([&] {
          KubeProxyIptables plane(backend, {});
          must(plane.install(services));
          CHECK(rendered == rules_of(backend, family));
        });
      }
    }
  }
}

TEST_CASE("render: plain ClusterIPs have 5 + S(2 + 3E) rules in nat, in the chapter's shape 3S + 7") {
  const auto services = must(Workload::generate(100, 10, {Family::ipv4}, 1)).services();
  const auto rules = [](const std::string& text) {
    std::size_t count = 0;
    std::istringstream lines(text.substr(text.find("*nat\n")));
    for (std::string line; std::getline(lines, line);) {
      count += line.starts_with("-A ") ? 1 : 0;
    }
    return count;
  };
  CHECK(rules(text_of("iptables-nft", services, "rules")) == 5 + 100 * (2 + 3 * 10));
  const auto chapter = text_of("iptables-legacy", services, "rules", {.chapter = true});
  CHECK(rules(chapter) == 3 * 100 + 7);
  CHECK(chapter == chapter_nat_table(services, Family::ipv4));
}

TEST_CASE("render: nftables' text is one transaction, and is read back as the services") {
  if (!may_program_the_kernel()) {
    return;
  }
  const auto nft = find_program("nft");
  if (!nft) {
    MESSAGE("nft is not installed: skipped");
    return;
  }
  for (const Sample& sample : samples()) {
    in_private_namespaces([&] {
      CAPTURE(sample.name);
      feed({*nft, "-f", "-"}, text_of("nftables", sample.services, "rules"));
      const KubeProxyNftables plane(*nft, {});
      for (const Family family : families) {
        const Services services = of_family(sample.services, family);
        const auto table = must(kube_proxy::NftTable::parse(
            output_of({*nft, "-j", "list", "table", family == Family::ipv4 ? "ip" : "ip6", "kube-proxy"}),
            family));
        CHECK(must(table.services({})) == services.size());
        for (const Service& service : services) {
          const auto found = must(table.find(service.frontend));
          REQUIRE(found);
          CHECK(*found == plane.programmed(service));
        }
      }
      // One family's text makes that family's table alone.
      feed({*nft, "-f", "-"}, "flush ruleset\n");
      feed({*nft, "-f", "-"}, text_of("nftables", sample.services, "rules", {.family = Family::ipv6}));
      CHECK(output_of({*nft, "list", "tables"}) == "table ip6 kube-proxy\n");
    });
  }
}

TEST_CASE("render: IPVS's texts make what the plane makes") {
  if (!may_program_the_kernel()) {
    return;
  }
  if (!IpvsClient::open() || !find_program("ipvsadm") || !find_program("ipset") || !find_program("ip")) {
    MESSAGE("no IPVS in this kernel, or no ipvsadm, ipset or ip: not tested here");
    return;
  }
  PlaneConfiguration configuration;
  configuration.node_addresses = {must(Address::parse("192.168.7.1")), must(Address::parse("fd00:7::1"))};
  const auto backend = must(find_iptables(std::nullopt));
  const auto everything = [&] {
    std::multiset<std::string> all;
    for (const Family family : families) {
      all.merge(rules_of(backend, family));
    }
    for (const auto& argv : {std::vector<std::string>{"ipvsadm", "-Sn"},
                             {"ipset", "save"},
                             {"ip", "-o", "addr", "show", "dev", "kube-ipvs0"}}) {
      std::istringstream lines(output_of(argv));
      for (std::string line; std::getline(lines, line);) {
        if (argv[0] == "ip") {
          line = line.substr(line.find("inet"), line.find(" scope") - line.find("inet"));
        }
        all.insert(line.substr(0, line.find(" initval")));
      }
    }
    return all;
  };
  auto all = samples();
  for (Sample& sample : all) {
    CAPTURE(sample.name);
    std::multiset<std::string> rendered;
    in_private_namespaces([&] {
      if (!test::kernel_has_physdev()) {
        std::erase_if(sample.services,
                      [](const Service& one) { return one.kind == FrontendKind::external_ip; });
      }
      for (const Family family : families) {
        const RenderOptions options{.configuration = configuration, .family = family};
        std::string address = text_of("ipvs", sample.services, "address", options);
        if (family == Family::ipv6) {
          address = address.substr(address.find('\n') + 1);  // the device is there
        }
        feed({"ip", "-batch", "-"}, address);
        feed({"ipset", "restore", "-exist"}, text_of("ipvs", sample.services, "ipset", options));
        feed({must(restore_program(backend, family)), "--noflush"},
             text_of("ipvs", sample.services, "iptables", options));
        feed({"ipvsadm", "-R"}, text_of("ipvs", sample.services, "ipvsadm", options));
      }
      rendered = everything();
    });
    in_private_namespaces([&] {
      const auto plane = must(kube_proxy::KubeProxyIpvs::make(configuration));
      must(plane->install(sample.services));
      CHECK(must(plane->entries()) == sample.services.size());
      CHECK(rendered == everything());
    });
  }
}

TEST_CASE("render: the eBPF maps' bytes are those that the kernel's maps have") {
  if (!may_program_the_kernel()) {
    return;
  }
  const auto bytes_of = [](const std::string& hex) {
    std::vector<std::uint8_t> bytes;
    std::istringstream words(hex);
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(word, nullptr, 16)));
    }
    return bytes;
  };
  for (const Sample& sample : samples()) {
    for (const std::uint32_t maglev : {0U, 251U}) {
      CAPTURE(sample.name);
      RenderOptions render;
      render.configuration.ebpf.maglev = maglev;
      const auto maps = nlohmann::json::parse(text_of("ebpf-xdp", sample.services, "maps", render))["maps"];
      REQUIRE(maps.size() == 6);
      EbpfOptions options;
      options.capacity = MapCapacity::for_services(sample.services, {}, {}, {}, maglev);
      options.maglev = maglev;
      auto plane = must(EbpfPlane::load(options));
      must(plane->install(sample.services));
      CHECK(must(plane->entries()) == sample.services.size());
      std::size_t services = 0;
      for (const auto& map : maps) {
        const auto name = map["name"].get<std::string>();
        const bpf_map* held = bpf_object__find_map_by_name(plane->skeleton().obj, name.c_str());
        REQUIRE(held != nullptr);
        CHECK(bpf_map__max_entries(held) == map["max_entries"]);
        services += name.starts_with("services") ? map["entries"].size() : 0;
        for (const auto& entry : map["entries"]) {
          std::vector<std::uint8_t> key(sizeof(std::uint32_t));
          if (entry["key"].is_number()) {
            const auto index = entry["key"].get<std::uint32_t>();
            std::memcpy(key.data(), &index, sizeof index);
          } else {
            key = bytes_of(entry["key"]);
          }
          std::vector<std::uint8_t> value(bpf_map__value_size(held));
          REQUIRE(bpf_map__key_size(held) == key.size());
          REQUIRE(bpf_map_lookup_elem(bpf_map__fd(held), key.data(), value.data()) == 0);
          CHECK(value == bytes_of(entry["value"]));
        }
      }
      CHECK(services == sample.services.size());
    }
  }
}

TEST_CASE("render: what cannot be rendered is refused") {
  const auto services = must(Workload::generate(1, 1, {Family::ipv4}, 1)).services();
  for (const char* plane : {"null", "bare", "calico", ""}) {
    const auto parts = render_plane(plane, services, {});
    REQUIRE(!parts);
    CHECK(parts.error().kind == Error::Kind::usage);
  }
  CHECK(!render_plane("nftables", services, {.chapter = true}));
}

}  // namespace svcbench
