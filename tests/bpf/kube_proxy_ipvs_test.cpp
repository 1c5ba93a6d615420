// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The ipvs plane against the kernel, in namespaces of its own, and against what ipvsadm, ipset, ip and
// iptables-save see there. Needs root, and a kernel with IPVS: where there is none, each case says so.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "plane/kube_proxy/ipvs.h"
#include "plane_checks.h"
#include "private_place.h"
#include "service/cluster.h"
#include "sys/child_process.h"
#include "sys/fd.h"

namespace svcbench::kube_proxy {
namespace {

using Services = std::vector<Service>;
using test::change;
using test::check_holds;
using test::in_private_namespaces;
using test::must;
using Lines = std::multiset<std::string>;

constexpr std::size_t controller = 0;
constexpr std::size_t kernel = 1;

// Only what the kernel or the machine lacks keeps a case from running: where the family IPVS is, and the
// tools are, a plane that does not work is a failure.
bool may_run() {
  if (!test::may_program_the_kernel()) {
    return false;
  }
  if (const auto client = IpvsClient::open(); !client) {
    CHECK(client.error().message.find("no generic netlink family IPVS") != std::string::npos);
    MESSAGE("no IPVS in this kernel: not tested here");
    return false;
  }
  for (const char* tool : {"ipset", "ipvsadm", "ip"}) {
    if (!find_program(tool)) {
      MESSAGE("skipped: there is no program " << tool);
      return false;
    }
  }
  return true;
}

// Both families and protocols; 0 to 3 endpoints, not in ascending order; each third service has the address
// of the one before.
Services mixed_services(std::uint32_t count) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one;
    const std::uint32_t host = i % 3 == 2 ? i - 1 : i;
    const bool six = i % 12 >= 6;
    one.name = fmt::format("test/service-{}", i);
    one.frontend.address =
        six ? Address::from_ipv6(0xfd00'0096'0000'0000, host + 1) : Address::from_ipv4(0x0A600001U + host);
    one.frontend.port = static_cast<std::uint16_t>(80 + i);
    one.frontend.protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    for (std::uint32_t e = (i * 7) % 4; e > 0; --e) {
      one.endpoints.push_back({six ? Address::from_ipv6(0xfd00'0180'0000'0000, 100 * i + e)
                                   : Address::from_ipv4(0x0AB40000U + 100 * i + e),
                               static_cast<std::uint16_t>(8000 + e)});
    }
    services.push_back(one);
  }
  return services;
}

Services three_each(std::uint32_t count) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one;
    one.frontend = {Address::from_ipv4(0x0A600001U + i), 80, Protocol::tcp};
    for (std::uint32_t e = 0; e < 3; ++e) {
      one.endpoints.push_back({Address::from_ipv4(0x0AB40000U + 3 * i + e), 8080});
    }
    services.push_back(one);
  }
  return services;
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    if (!line.empty() && line[0] != '#') {
      lines.insert(line);
    }
  }
  return lines;
}

std::string output_of(const std::vector<std::string>& argv) {
  const auto result = run_child(argv);
  REQUIRE_MESSAGE(result, result.error().message);
  INFO(fmt::format("{}", fmt::join(argv, " ")) << ": " << result->err);
  REQUIRE(result->exit_status == 0);
  return result->out;
}

// ---- what the tools say, and what they should ----

Lines virtual_servers() { return lines_of(output_of({"ipvsadm", "-Sn"})); }

Lines expected_virtual_servers(const Services& services) {
  Lines lines;
  for (const auto& service : services) {
    const Frontend& frontend = service.frontend;
    const std::string name = fmt::format("-{} {}", frontend.protocol == Protocol::tcp ? "t" : "u",
                                         Endpoint{frontend.address, frontend.port}.text());
    lines.insert(fmt::format("-A {} -s rr", name));
    for (const auto& endpoint : service.endpoints) {
      lines.insert(fmt::format("-a {} -r {} -m -w 1", name, endpoint.text()));
    }
  }
  return lines;
}

// The addresses of kube-ipvs0, with their prefix lengths.
Lines bound_addresses() {
  Lines addresses;
  const auto found = run_child({"ip", "-o", "addr", "show", "dev", "kube-ipvs0"});
  std::istringstream input(found->out);
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line);
    std::string number;
    std::string device;
    std::string family;
    std::string address;
    words >> number >> device >> family >> address;
    addresses.insert(address);
  }
  return addresses;
}

Lines expected_addresses(const Services& services) {
  std::set<std::string> addresses;
  for (const auto& service : services) {
    const Address& address = service.frontend.address;
    addresses.insert(address.text() + (address.family == Family::ipv4 ? "/32" : "/128"));
  }
  return {addresses.begin(), addresses.end()};
}

Lines ipset_lines() { return lines_of(output_of({"ipset", "save"})); }

Lines members_in(const Lines& saved, const std::string& set) {
  Lines members;
  for (const auto& line : saved) {
    if (line.starts_with("add " + set + " ")) {
      members.insert(line.substr(set.size() + 5));
    }
  }
  return members;
}

// Every rule that svcbench or another made, both families, without the lines that carry the time.
Lines rules() {
  Lines all;
  for (const char* save : {"iptables-save", "ip6tables-save"}) {
    for (const auto& line : lines_of(output_of({save}))) {
      all.insert(std::string(save) + " " + line);
    }
  }
  return all;
}

bool mentions_kube(const Lines& lines) {
  return std::any_of(lines.begin(), lines.end(),
                     [](const auto& line) { return line.find("KUBE") != std::string::npos; });
}

// All that a plane leaves in the kernel. ipsets' hash seeds differ from one to the next.
struct Everything {
  Lines virtual_servers;
  Lines addresses;
  Lines sets;
  Lines rules;

  bool operator==(const Everything&) const = default;
};

Everything everything() {
  Everything all{virtual_servers(), bound_addresses(), {}, rules()};
  for (auto line : ipset_lines()) {
    if (const auto seed = line.find(" initval"); seed != std::string::npos) {
      line.resize(seed);
    }
    all.sets.insert(line);
  }
  return all;
}

std::unique_ptr<KubeProxyIpvs> made() { return must(KubeProxyIpvs::make({})); }

std::unique_ptr<KubeProxyIpvs> installed(const Services& services) {
  auto plane = made();
  must(plane->install(services));
  return plane;
}

void expect_entries_error(const KubeProxyIpvs& plane, const std::string& part) {
  const auto entries = plane.entries();
  REQUIRE(!entries);
  CHECK_MESSAGE(entries.error().message.find(part) != std::string::npos, entries.error().message);
}

// Changes of each kind, made in `way`; what is to be afterwards.
Services make_changes(KubeProxyIpvs& plane, std::size_t way, Services services) {
  REQUIRE(plane.choose_way(way));
  const std::size_t ipv4 =
      static_cast<std::size_t>(std::count_if(services.begin(), services.end(), [](const auto& s) {
        return s.frontend.address.family == Family::ipv4;
      }));
  // Messages and processes of the controller's reading, for `count` services.
  const auto reading = [way](std::size_t count) { return way == controller ? 3 * count + 4 : 0; };
  const std::size_t processes = way == controller ? 55 : 0;
  const std::size_t again = way == controller ? 1 : 0;  // a look at an endpoint that goes

  // Endpoint .101 goes, .150 and .151 come.
  services[1].endpoints = {{Address::from_ipv4(0x0AB40096), 8000}, {Address::from_ipv4(0x0AB40097), 8000}};
  for (std::uint32_t e = 2; e <= 3; ++e) {
    services[1].endpoints.push_back(
        {Address::from_ipv4(0x0AB40000U + 100 + e), static_cast<std::uint16_t>(8000 + e)});
  }
  change(plane, Operation::change_endpoints, services[1]);
  CHECK(plane.netlink_messages() == reading(ipv4) + 3 + again);
  CHECK(plane.sync_cost().tools == processes);
  CHECK(plane.sync_cost().commit_ns > 0);

  services[7].endpoints.clear();  // IPv6
  change(plane, Operation::change_endpoints, services[7]);

  // An address of its own, then another port of that address.
  Service added = mixed_services(1)[0];
  added.frontend.address = Address::from_ipv4(0x0A61FFFF);
  added.endpoints = {{Address::from_ipv4(0x0AB5FFFF), 80}, {Address::from_ipv4(0x0AB5FFFE), 80}};
  change(plane, Operation::add_service, added);
  CHECK(plane.netlink_messages() == reading(ipv4 + 1) + 4);
  CHECK(plane.sync_cost().tools == processes + 2);
  Service second = added;
  second.frontend.port = 81;
  change(plane, Operation::add_service, second);
  CHECK(plane.netlink_messages() == reading(ipv4 + 2) + 3);
  CHECK(plane.sync_cost().tools == processes + 1);
  services.push_back(second);

  // The first of the two goes: the address stays. Then both that had another address.
  change(plane, Operation::remove_service, added);
  CHECK(plane.netlink_messages() == reading(ipv4 + 1) + 1);
  CHECK(plane.sync_cost().tools == processes + 1);
  for (int i = 0; i < 2; ++i) {
    change(plane, Operation::remove_service, services[4]);
    CHECK(!plane.find(services[4].frontend)->has_value());
    services.erase(services.begin() + 4);
  }
  CHECK(plane.netlink_messages() == reading(ipv4 - 1) + 2);
  CHECK(plane.sync_cost().tools == processes + 2);
  return services;
}

}  // namespace

TEST_CASE("ipvs plane: the probe says whether it works, and leaves nothing") {
  if (!may_run()) {
    in_private_namespaces([] { CHECK(!probe_ipvs()); });
    return;
  }
  in_private_namespaces([] {
    const auto usable = probe_ipvs();
    CHECK_MESSAGE(usable, usable.error().message);
    CHECK(virtual_servers().empty());
    CHECK(bound_addresses().empty());
    CHECK(ipset_lines().empty());
    CHECK(!mentions_kube(rules()));
  });
}

TEST_CASE("ipvs plane: install, read back by itself and by the tools, and gone again") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    for (const auto& services : {mixed_services(200), three_each(200)}) {
      {
        const auto plane = installed(services);
        check_holds(*plane, services);
        CHECK(virtual_servers() == expected_virtual_servers(services));
        CHECK(bound_addresses() == expected_addresses(services));

        std::array<Lines, 2> members;
        for (const auto& service : services) {
          members.at(static_cast<std::size_t>(service.frontend.address.family))
              .insert(cluster_ip_member(service.frontend));
        }
        const auto saved = ipset_lines();
        CHECK(members_in(saved, "KUBE-CLUSTER-IP") == members[0]);
        CHECK(members_in(saved, "KUBE-6-CLUSTER-IP") == members[1]);
        CHECK(members_in(saved, "KUBE-LOOP-BACK").empty());
        CHECK(plane->sync_cost().generate_ns > 0);
        CHECK(plane->sync_cost().commit_ns > 0);
        CHECK(plane->sync_cost().input_bytes > 0);
        CHECK(!plane->find({Address::from_ipv4(0x0A600001U), 9, Protocol::tcp})->has_value());

        // A device that is down, and its addresses are the node's own.
        CHECK(output_of({"ip", "link", "show", "dev", "kube-ipvs0"}).find("state DOWN") !=
              std::string::npos);
        for (const auto& service : {services.front(), services.at(6)}) {
          const std::string address = service.frontend.address.text();
          CHECK(output_of({"ip", "route", "get", address}).starts_with("local " + address));
        }
        CHECK(output_of({"cat", "/proc/sys/net/ipv4/vs/conntrack"}) == "1\n");
      }
      CHECK(virtual_servers().empty());
      CHECK(bound_addresses().empty());
      CHECK(ipset_lines().empty());
      CHECK(!mentions_kube(rules()));
    }
  });
}

TEST_CASE("ipvs plane: changed in either way it is what a fresh install is") {
  if (!may_run()) {
    return;
  }
  const auto before = mixed_services(24);
  for (const std::size_t way : {kernel, controller}) {
    CAPTURE(way);
    in_private_namespaces([&] {
      Services after;
      Everything changed;
      {
        const auto plane = installed(before);
        after = make_changes(*plane, way, before);
        check_holds(*plane, after);
        changed = everything();
      }
      const auto fresh = installed(after);
      const auto expected = everything();
      CHECK(changed.virtual_servers == expected.virtual_servers);
      CHECK(changed.addresses == expected.addresses);
      CHECK(changed.sets == expected.sets);
      CHECK(changed.rules == expected.rules);
    });
  }
}

TEST_CASE("ipvs plane: the first service of a family that was not there") {
  if (!may_run()) {
    return;
  }
  const auto services = mixed_services(12);
  const Services ipv4(services.begin(), services.begin() + 6);
  for (const std::size_t way : {kernel, controller}) {
    in_private_namespaces([&] {
      auto wanted = ipv4;
      wanted.push_back(services[6]);
      Everything changed;
      {
        const auto plane = installed(ipv4);
        CHECK(!mentions_kube(lines_of(output_of({"ip6tables-save"}))));
        REQUIRE(plane->choose_way(way));
        change(*plane, Operation::add_service, services[6]);
        check_holds(*plane, wanted);
        changed = everything();
      }
      const auto fresh = installed(wanted);
      CHECK(changed == everything());
    });
  }
}

namespace {

// policies.json on `node`, on a node with three addresses.
std::unique_ptr<KubeProxyIpvs> plane_of_node() {
  PlaneConfiguration configuration;
  for (const char* address : {"192.168.7.1", "192.168.8.1", "fd00:7::1"}) {
    configuration.node_addresses.push_back(*Address::parse(address));
  }
  auto plane = KubeProxyIpvs::make(configuration);
  REQUIRE_MESSAGE(plane, plane.error().message);
  return std::move(*plane);
}

}  // namespace

TEST_CASE("ipvs plane: policies, affinity, external addresses and NodePorts, on each node") {
  if (!may_run()) {
    return;
  }
  for (const std::string node : {"node-a", "node-c", ""}) {
    in_private_namespaces([&] {
      CAPTURE(node);
      auto cluster = read_cluster(SVCBENCH_TEST_DATA "/policies.json", {.node = node});
      REQUIRE_MESSAGE(cluster, cluster.error().message);
      Services& services = cluster->services;
      const bool externals = test::kernel_has_physdev();
      if (!externals) {
        MESSAGE("no match physdev in this kernel: external IPs are not tested here");
        std::erase_if(services, [](const Service& one) { return one.kind == FrontendKind::external_ip; });
      }
      const auto plane = plane_of_node();
      const auto status = plane->install(services);
      REQUIRE_MESSAGE(status, status.error().message);
      check_holds(*plane, services);
      const std::vector<Address> nodes{*Address::parse("192.168.7.1"), *Address::parse("192.168.8.1"),
                                       *Address::parse("fd00:7::1")};
      CHECK(virtual_servers() == lines_of(ipvsadm_restore(services, nodes, Family::ipv4) +
                                          ipvsadm_restore(services, nodes, Family::ipv6)));
      for (const std::size_t way : {kernel, controller}) {
        CAPTURE(way);
        REQUIRE(plane->choose_way(way));
        const auto edit = [&](const std::string& name, const auto& change_of) {
          for (Service& service : services) {
            if (service.name == name) {
              change_of(service);
              change(*plane, Operation::change_endpoints, service);
            }
          }
          check_holds(*plane, services);
        };
        edit("shop/web:http", [&](Service& service) { service.affinity_seconds = way == kernel ? 0 : 90; });
        edit("shop/rolling:http",
             [](Service& service) { std::swap(service.endpoints, service.terminating); });
        edit("shop/edge:http", [](Service& service) {
          if (service.local_only) {
            service.endpoints = {service.cluster_endpoints.back()};
          }
        });
        for (const char* frontend : {"0.0.0.0:31080/TCP", "192.0.2.10:80/TCP", "203.0.113.12:53/UDP"}) {
          const auto place = std::find_if(services.begin(), services.end(), [&](const Service& service) {
            return service.frontend.text() == frontend;
          });
          if (place == services.end() && !externals) {
            continue;
          }
          REQUIRE(place != services.end());
          const Service service = *place;
          services.erase(place);
          change(*plane, Operation::remove_service, service);
          check_holds(*plane, services);
          services.push_back(service);
          change(*plane, Operation::add_service, service);
          check_holds(*plane, services);
        }
        // A fresh installation knows nothing of what ends.
        edit("shop/rolling:http", [](Service& service) { service.terminating.clear(); });
        const auto changed = everything();
        const auto again = plane->install(services);
        REQUIRE_MESSAGE(again, again.error().message);
        CHECK(changed == everything());
      }
    });
  }
}

TEST_CASE("ipvs plane: what another did to it is noticed, and the controller's sync undoes it") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    const auto services = three_each(5);
    const auto plane = installed(services);
    const auto untouched = everything();
    const auto& service = services[2];
    const std::string name = service.frontend.address.text() + ":80";

    // A real server too many.
    output_of({"ipvsadm", "-a", "-t", name, "-r", "10.1.2.3:80", "-m"});
    const auto found = plane->find(service.frontend);
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(**found != plane->programmed(service));
    // One that takes no new connections, one that is twice as heavy, and one that is not masqueraded.
    output_of({"ipvsadm", "-e", "-t", name, "-r", "10.1.2.3:80", "-m", "-w", "0"});
    CHECK(**plane->find(service.frontend) != plane->programmed(service));
    output_of({"ipvsadm", "-e", "-t", name, "-r", "10.1.2.3:80", "-m", "-w", "2"});
    CHECK(!plane->find(service.frontend));
    output_of({"ipvsadm", "-e", "-t", name, "-r", "10.1.2.3:80", "-g", "-w", "1"});
    CHECK(!plane->find(service.frontend));
    // Persistent, and another scheduler.
    output_of({"ipvsadm", "-E", "-t", services[1].frontend.address.text() + ":80", "-s", "rr", "-p", "60"});
    CHECK(**plane->find(services[1].frontend) != plane->programmed(services[1]));
    output_of({"ipvsadm", "-E", "-t", services[3].frontend.address.text() + ":80", "-s", "wrr"});
    CHECK(!plane->find(services[3].frontend));
    CHECK(plane->entries().has_value());  // the number is right still

    output_of({"ipset", "del", "KUBE-CLUSTER-IP", cluster_ip_member(service.frontend)});
    expect_entries_error(*plane, "not in the ipsets KUBE-CLUSTER-IP");
    output_of({"ipset", "add", "KUBE-CLUSTER-IP", cluster_ip_member(service.frontend)});
    output_of({"ipset", "add", "KUBE-CLUSTER-IP", "10.9.9.9,tcp:80"});
    expect_entries_error(*plane, "KUBE-CLUSTER-IP has 6 members for 5 virtual servers");
    output_of({"ipset", "del", "KUBE-CLUSTER-IP", "10.9.9.9,tcp:80"});
    output_of({"ipset", "add", "KUBE-IPVS-IPS", "10.9.9.9"});
    expect_entries_error(*plane, "KUBE-IPVS-IPS has 6 members for 5 service addresses");
    output_of({"ipset", "del", "KUBE-IPVS-IPS", "10.9.9.9"});

    output_of({"ip", "addr", "add", "10.9.9.9/32", "dev", "kube-ipvs0"});
    expect_entries_error(*plane, "6 addresses for 5");
    output_of({"ip", "addr", "del", service.frontend.address.text() + "/32", "dev", "kube-ipvs0"});
    expect_entries_error(*plane, "is not bound to kube-ipvs0");
    output_of({"ipvsadm", "-A", "-u", "10.8.8.8:53", "-s", "rr"});
    CHECK(!plane->entries());
    output_of({"iptables", "-t", "nat", "-F", "KUBE-POSTROUTING"});
    output_of({"iptables", "-t", "nat", "-D", "OUTPUT", "1"});
    output_of({"ipvsadm", "-D", "-t", services[4].frontend.address.text() + ":80"});
    output_of({"ipset", "del", "KUBE-CLUSTER-IP", cluster_ip_member(service.frontend)});

    REQUIRE(plane->choose_way(controller));
    change(*plane, Operation::change_endpoints, services[0]);
    check_holds(*plane, services);
    CHECK(everything() == untouched);
  });
}

TEST_CASE("ipvs plane: what it cannot program it refuses") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    auto services = three_each(3);
    services[1].kind = FrontendKind::node_port;
    services[1].frontend.address = Address::from_ipv4(0);
    auto plane = made();
    auto status = plane->install(services);
    REQUIRE(!status);
    CHECK(status.error().message.find("NodePort 0.0.0.0:80/TCP") != std::string::npos);
    CHECK(virtual_servers().empty());

    services[1] = services[0];
    status = plane->install(services);
    REQUIRE(!status);
    CHECK(status.error().message.find("two services have the frontend") != std::string::npos);

    CHECK(!plane->commit());
    services = three_each(3);
    REQUIRE(plane->install(services));
    CHECK(!plane->commit());
    CHECK(!plane->stage({Operation::add_service, services[0]}));
    CHECK(!plane->stage({Operation::remove_service, three_each(4)[3]}));
    CHECK(!plane->choose_way(2));
    check_holds(*plane, services);

    // Another proxy's device.
    const auto other = KubeProxyIpvs::make({});
    REQUIRE(other);
    status = (*other)->install(services);
    REQUIRE(!status);
    CHECK(status.error().message.find("kube-ipvs0 already") != std::string::npos);
    check_holds(*plane, services);
  });
}

TEST_CASE("ipvs plane: a way chosen after stage() is for the next change") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    auto services = three_each(3);
    const auto plane = installed(services);
    services[0].endpoints.pop_back();
    REQUIRE(plane->choose_way(kernel));
    REQUIRE(plane->stage({Operation::change_endpoints, services[0]}));
    REQUIRE(plane->choose_way(controller));
    REQUIRE(plane->commit());
    CHECK(plane->netlink_messages() == 1);
    check_holds(*plane, services);
  });
}

TEST_CASE("ipvs client: services and destinations, and what the kernel refuses") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    auto ipvs = IpvsClient::open();
    REQUIRE(ipvs);
    const auto refused = [](const Status& status, const std::string& part) {
      REQUIRE(!status);
      CHECK_MESSAGE(status.error().message.find(part) != std::string::npos, status.error().message);
    };
    for (const char* address : {"10.96.0.1", "fd00::1"}) {
      const Frontend frontend{*Address::parse(address), 80, Protocol::udp};
      const Endpoint endpoint{
          *Address::parse(frontend.address.family == Family::ipv4 ? "10.0.0.9" : "fd00::9"), 8080};
      refused(ipvs->remove_service(frontend),
              "remove virtual server " + frontend.text() + ": there is no such");
      refused(ipvs->add_service(frontend, "nonsense"), "no such scheduler");
      REQUIRE(ipvs->add_service(frontend, "rr"));
      refused(ipvs->add_service(frontend, "rr"), "it is there already");
      REQUIRE(ipvs->set_service(frontend, "wrr"));
      const auto service = ipvs->service(frontend);
      REQUIRE(service->has_value());
      CHECK((*service)->frontend == frontend);
      CHECK((*service)->scheduler == "wrr");

      refused(ipvs->remove_destination(frontend, endpoint), "no such destination");
      REQUIRE(ipvs->add_destination(frontend, endpoint));
      refused(ipvs->add_destination(frontend, endpoint), endpoint.text() + " of " + frontend.text());
      REQUIRE(ipvs->set_destination(frontend, endpoint, 7));
      const auto destinations = ipvs->destinations(frontend);
      REQUIRE(destinations->size() == 1);
      CHECK(destinations->front().endpoint == endpoint);
      CHECK(destinations->front().weight == 7);
      REQUIRE(ipvs->remove_destination(frontend, endpoint));
      CHECK(ipvs->destinations(frontend)->empty());
    }
    CHECK(ipvs->services()->size() == 2);
    output_of({"ipvsadm", "-A", "-f", "1", "-s", "rr"});
    CHECK(!ipvs->services());  // by firewall mark
    REQUIRE(ipvs->flush());
    CHECK(ipvs->services()->empty());
  });
}

TEST_CASE("address device: what is refused in a batch is named, the rest is bound") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    auto device = AddressDevice::create("addresses");
    if (!device) {
      CHECK_MESSAGE(device.error().message.find("no dummy devices") != std::string::npos,
                    device.error().message);
      MESSAGE("no dummy devices in this kernel: not tested here");
      return;
    }
    // More than one packet's worth.
    std::vector<Address> addresses;
    for (std::uint32_t i = 0; i < 100; ++i) {
      addresses.push_back(i % 2 == 0 ? Address::from_ipv4(0x0A600001U + i)
                                     : Address::from_ipv6(0xfd00'0096'0000'0000, i));
    }
    const std::size_t before = device->requests();
    REQUIRE(device->bind({&addresses[70], 1}));
    const auto status = device->bind(addresses);
    REQUIRE(!status);
    CHECK(status.error().message.find("bind " + addresses[70].text() + " at") != std::string::npos);
    CHECK(device->requests() == before + 101);

    auto bound = *device->bound();
    std::sort(bound.begin(), bound.end());
    std::sort(addresses.begin(), addresses.end());
    CHECK(bound == addresses);
    CHECK(device->all_addresses()->size() == addresses.size() + 2);  // lo's
    CHECK(*device->present());

    REQUIRE(device->unbind(addresses));
    CHECK(device->bound()->empty());
    CHECK(!device->unbind(addresses));
    output_of({"ip", "link", "del", "addresses"});
    CHECK(!*device->present());
  });
}

TEST_CASE("ipvs: the kernel's counters are those of the packets sent") {
  if (!may_run()) {
    return;
  }
  in_private_namespaces([] {
    // Client and real server are this namespace itself.
    output_of({"ip", "addr", "add", "10.180.0.1/32", "dev", "lo"});
    Service service;
    service.frontend = {Address::from_ipv4(0x0A600001U), 53, Protocol::udp};
    service.endpoints = {{Address::from_ipv4(0x0AB40001U), 5353}};
    const auto plane = installed({service});

    const Fd server(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const Fd client(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{5, 0};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(5353);
    address.sin_addr.s_addr = htonl(0x0AB40001U);
    REQUIRE(setsockopt(server.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    REQUIRE(bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    address.sin_port = htons(53);
    address.sin_addr.s_addr = htonl(0x0A600001U);
    REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);

    auto ipvs = IpvsClient::open();
    REQUIRE(ipvs);
    CHECK((*ipvs->service(service.frontend))->stats.packets_in == 0);
    constexpr std::uint64_t packets = 7;
    for (std::uint64_t i = 0; i < packets; ++i) {
      std::array<char, 8> received{};
      REQUIRE(send(client.get(), "question", 8, 0) == 8);
      REQUIRE(recv(server.get(), received.data(), received.size(), 0) == 8);
    }
    // The kernel sums up every two seconds.
    auto services = ipvs->services();
    auto destinations = ipvs->destinations(service.frontend);
    for (int i = 0; i < 100 && (services->at(0).stats.packets_in != packets ||
                                destinations->at(0).stats.packets_in != packets);
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      services = ipvs->services();
      destinations = ipvs->destinations(service.frontend);
    }
    REQUIRE(services->size() == 1);
    CHECK(services->front().stats.packets_in == packets);
    CHECK(services->front().stats.connections == 1);
    CHECK(services->front().stats.bytes_in == packets * (20 + 8 + 8));
    REQUIRE(destinations->size() == 1);
    CHECK(destinations->front().stats.packets_in == packets);
    CHECK(destinations->front().inactive_connections == 1);
  });
}

// Not a test: figures for a person to look at. --no-skip
TEST_CASE("ipvs plane: costs" * doctest::skip()) {
  if (!may_run()) {
    return;
  }
  for (const std::uint32_t count : {100U, 1000U}) {
    in_private_namespaces([&] {
      auto services = three_each(count);
      const auto plane = installed(services);
      const auto tell = [&](std::string_view what) {
        const auto cost = plane->sync_cost();
        MESSAGE(
            fmt::format("{} services, {}: {} netlink messages, {} processes, generate {} us, commit {} us "
                        "(tools: user {} us, system {} us), input {} bytes",
                        count, what, plane->netlink_messages(), cost.tools, cost.generate_ns / 1000,
                        cost.commit_ns / 1000, cost.user_us, cost.system_us, cost.input_bytes));
      };
      tell("install");
      const auto spare = three_each(count + 1).back();
      for (const std::size_t way : {kernel, controller}) {
        REQUIRE(plane->choose_way(way));
        for (int round = 0; round < 2; ++round) {
          std::swap(services[0].endpoints, services[1].endpoints);
          change(*plane, Operation::change_endpoints, services[0]);
          tell(fmt::format("{}, change endpoints", plane->ways()[way]));
          change(*plane, Operation::change_endpoints, services[1]);
          change(*plane, Operation::add_service, spare);
          tell(fmt::format("{}, add service", plane->ways()[way]));
          change(*plane, Operation::remove_service, spare);
          tell(fmt::format("{}, remove service", plane->ways()[way]));
        }
      }
      check_holds(*plane, services);
    });
  }
}

}  // namespace svcbench::kube_proxy
