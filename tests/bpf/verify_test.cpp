// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Planes that are wrong on purpose: each is kube-proxy's nftables mode with one thing spoiled, and the case
// that is about this thing must catch it. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "private_place.h"
#include "report/progress_line.h"
#include "sys/child_process.h"
#include "sys/conntrack.h"
#include "sys/memfd.h"
#include "verify/quick_look.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;
using verify::CaseResult;

struct Spoil {
  std::function<void(PlaneConfiguration&)> configuration{};
  std::function<void(std::vector<Service>&)> services{};  // that are installed
  std::string rules{};                                    // of nft, once they are
  bool forgets_changes = false;                           // says yes and does nothing
  bool breaks_flows = false;                              // at every change
};

const Spoil* spoil_of_next_plane = nullptr;

class SpoiledPlane final : public DataPlane {
 public:
  SpoiledPlane(std::unique_ptr<DataPlane> plane, Spoil spoil)
      : plane_(std::move(plane)), spoil_(std::move(spoil)) {}

  Status install(std::span<const Service> services) override {
    std::vector<Service> changed(services.begin(), services.end());
    if (spoil_.services) {
      spoil_.services(changed);
    }
    SVCB_CHECK(plane_->install(changed));
    return spoil_.rules.empty() ? Status() : load(spoil_.rules);
  }
  Status stage(const Change& change) override {
    return spoil_.forgets_changes ? Status() : plane_->stage(change);
  }
  Status commit() override {
    if (spoil_.breaks_flows) {
      SVCB_CHECK(flush_conntrack());
    }
    return spoil_.forgets_changes ? Status() : plane_->commit();
  }
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_->entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_->find(frontend);
  }

 private:
  static Status load(const std::string& rules) {
    SVCB_TAKE(input, memfd_of("rules", rules));
    ChildOptions options;
    options.stdin_fd = input.get();
    SVCB_TAKE(ran, run_child({"nft", "-f", "-"}, options));
    return ran.exit_status == 0 ? Status() : failure("{}", ran.first_error_line());
  }

  std::unique_ptr<DataPlane> plane_;
  Spoil spoil_;
};

Result<std::unique_ptr<DataPlane>> make_spoiled(const PlaneConfiguration& configuration) {
  PlaneConfiguration changed = configuration;
  if (spoil_of_next_plane->configuration) {
    spoil_of_next_plane->configuration(changed);
  }
  SVCB_TAKE(plane, find_plane("nftables")->make(changed));
  return std::make_unique<SpoiledPlane>(std::move(plane), *spoil_of_next_plane);
}

// A base chain of both families with one rule, in place of what an earlier install() left.
std::string rule(std::string_view hook, int priority, std::string_view text) {
  return fmt::format(
      "add table inet spoil\ndelete table inet spoil\nadd table inet spoil\n"
      "add chain inet spoil packets {{ type filter hook {} priority {} ; }}\n{}\n",
      hook, priority, text);
}

bool same_kind(const Service& a, const Service& b) {
  return a.kind == b.kind && a.frontend.protocol == b.frontend.protocol &&
         a.frontend.address.family == b.frontend.address.family;
}

// Each service gets the endpoints of the next one of its kind.
void rotate_endpoints(std::vector<Service>& services) {
  for (std::size_t i = 0; i + 1 < services.size(); ++i) {
    for (std::size_t next = i + 1; next < services.size(); ++next) {
      if (same_kind(services[i], services[next])) {
        std::swap(services[i].endpoints, services[next].endpoints);
        break;
      }
    }
  }
}

struct Wrong {
  std::string_view what;
  std::string_view behaviour;  // the case that must fail, in every variant
  std::string_view evidence;   // words of it
  Spoil spoil;
};

std::vector<Wrong> wrong_planes() {
  std::vector<Wrong> all;
  const auto add = [&](std::string_view what, std::string_view behaviour, std::string_view evidence,
                       Spoil spoil) {
    all.push_back({what, behaviour, evidence, std::move(spoil)});
  };
  const auto rules = [](std::string text) {
    Spoil spoil;
    spoil.rules = std::move(text);
    return spoil;
  };
  const auto services = [](std::function<void(std::vector<Service>&)> change) {
    Spoil spoil;
    spoil.services = std::move(change);
    return spoil;
  };

  add("services have each other's endpoints", "right-backend", "none of its endpoints",
      services(rotate_endpoints));
  add("the first of five endpoints counts twice", "spread",
      "p = ", services([](std::vector<Service>& installed) {
        for (Service& service : installed) {
          if (!service.endpoints.empty()) {
            service.endpoints.push_back(service.endpoints.front());
          }
        }
      }));
  const std::string other_source =
      rule("postrouting", 300,
           "add rule inet spoil packets ip saddr 198.18.0.0/16 ip saddr set 198.19.255.1\n"
           "add rule inet spoil packets ip6 saddr 2001:db8:73:4::/64 ip6 saddr set 2001:db8:73:5::ffff");
  add("replies come from another address", "reply-source", "198.19.255.1", rules(other_source));
  add("NodePorts are dropped at one of the node's addresses", "node-port", "within 1000 ms",
      rules(rule("prerouting", -300,
                 "add rule inet spoil packets ip daddr 192.168.74.1 drop\n"
                 "add rule inet spoil packets ip6 daddr 2001:db8:73:2::1 drop")));
  add("outsiders are dropped", "from-outside", "within 1000 ms",
      rules(rule("prerouting", -300,
                 "add rule inet spoil packets ip saddr 203.0.113.0/24 drop\n"
                 "add rule inet spoil packets ip6 saddr 2001:db8:73:3::/64 drop")));
  add("what has no endpoints is dropped", "no-endpoints", "should be refused",
      services([](std::vector<Service>& installed) {
        std::erase_if(installed, [](const Service& service) { return service.endpoints.empty(); });
      }));
  add("another port leads to the service too", "unknown-port", "is answered, by",
      services([](std::vector<Service>& installed) {
        const std::vector<Service> before = installed;
        for (Service service : before) {
          service.frontend.port = 81;
          service.name = service.name.substr(0, service.name.find(':')) + "x:p";
          installed.push_back(std::move(service));
        }
      }));
  const std::string no_masquerade =
      "add table ip kube-proxy\nadd chain ip kube-proxy masquerading\n"
      "add table ip6 kube-proxy\nadd chain ip6 kube-proxy masquerading\n"
      "flush chain ip kube-proxy masquerading\nflush chain ip6 kube-proxy masquerading\n";
  add("nothing is masqueraded", "hairpin", "within 1000 ms", rules(no_masquerade));
  add("nothing is masqueraded", "masquerade", "no address of the node", rules(no_masquerade));
  Spoil everybody;
  everybody.configuration = [](PlaneConfiguration& configuration) {
    configuration.cluster_cidr = {"192.0.2.0/24", "2001:db8:ffff::/64"};
  };
  add("pods are masqueraded", "source-kept", "the backend saw", everybody);
  Spoil breaking;
  breaking.breaks_flows = true;
  add("flows are forgotten when services change", "keeps-backend", "the flow from", breaking);
  add("flows are forgotten when services change", "terminating", "the flow from", breaking);
  add("fragments are dropped", "fragments", "no reply to a datagram of 2000 bytes",
      rules(rule("prerouting", -450,
                 "add rule inet spoil packets ip frag-off & 0x3fff != 0 drop\n"
                 "add rule inet spoil packets exthdr frag exists drop")));
  add("large packets are dropped", "bulk", "were sent and",
      rules(rule("forward", 0, "add rule inet spoil packets meta length > 1200 drop")));
  add("ICMP errors are dropped", "icmp-error", "no error came",
      rules(rule("forward", 0, "add rule inet spoil packets meta l4proto { icmp, ipv6-icmp } drop")));
  add("one of 500 clients gets no answer", "crowd", "were lost",
      rules(rule("prerouting", -300,
                 "add rule inet spoil packets tcp dport 80 jhash tcp sport mod 500 == 7 drop")));
  Spoil forgetful;
  forgetful.forgets_changes = true;
  add("changes are forgotten", "change", "none of its endpoints", forgetful);
  add("changes are forgotten", "udp-moves", "which is no endpoint of", forgetful);
  add("removals are forgotten", "removal", "is answered, by", forgetful);
  // A backend's words are of a length that nothing else has: 177 bytes.
  const std::string unheard =
      rule("forward", 0,
           "add rule inet spoil packets meta l4proto udp udp sport 8080 udp length 185 drop\n"
           "add rule inet spoil packets meta l4proto tcp tcp sport 8080 meta length { 229, 249 } drop");
  add("what a backend sends unasked is dropped", "one-way-udp", "does not come within", rules(unheard));
  add("what a backend sends unasked is dropped", "half-close", "does not come within", rules(unheard));
  add("what a backend sends unasked is dropped", "blind-reset", "does not come within", rules(unheard));
  add("what a backend sends unasked is dropped", "flood", "does not come within", rules(unheard));
  add("pods may not dial backends", "direct-dial", "dialled",
      rules(
          rule("prerouting", -300,
               "add rule inet spoil packets ip saddr 10.73.0.0/24 ip daddr 10.73.128.0/17 drop\n"
               "add rule inet spoil packets ip6 saddr fd73:7663:c::/64 ip6 daddr fd73:7663:e::/64 drop")));
  add("the node may not dial backends", "node-probe", "dialled",
      rules(rule("output", -300,
                 "add rule inet spoil packets ip daddr 10.73.128.0/17 drop\n"
                 "add rule inet spoil packets ip6 daddr fd73:7663:e::/64 drop")));
  add("ICMP errors are dropped", "too-big", "goes on with 1500 bytes",
      rules(rule("forward", 0, "add rule inet spoil packets meta l4proto { icmp, ipv6-icmp } drop")));
  return all;
}

}  // namespace

TEST_CASE("verify: each plane that is wrong on purpose fails the case that is about it") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  Status here;
  in_private_namespaces([&] { here = find_plane("nftables")->probe(); });
  if (!here) {
    MESSAGE("skipped: " << here.error().message);
    return;
  }
  for (const Wrong& wrong : wrong_planes()) {
    in_private_namespaces([&] {
      CAPTURE(wrong.what);
      CAPTURE(wrong.behaviour);
      spoil_of_next_plane = &wrong.spoil;
      const PlaneRow row{"spoiled", wrong.what, "", nullptr, make_spoiled};
      verify::VerifyOptions options;
      for (const verify::Case* one : verify::cases()) {
        if (one->name == wrong.behaviour) {
          options.cases.push_back(one);
        }
      }
      REQUIRE(options.cases.size() == 1);
      const auto progress = make_progress(true);
      const auto results = must(verify::verify_plane(row, options, *progress));
      CHECK(results.size() == options.cases.front()->variants.size());
      for (const CaseResult& result : results) {
        CAPTURE(result.variant.text());
        CAPTURE(result.evidence);
        CHECK(result.outcome == verify::Outcome::failed);
        const bool is_named = result.evidence.find(wrong.evidence) != std::string::npos;
        CHECK((is_named || result.variant.family == Family::ipv6));  // addresses are IPv4's
      }
    });
  }
}

TEST_CASE("a quick look marks the plane that fails, by the behaviours that it fails") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([&] {
    if (!find_plane("nftables")->probe()) {
      MESSAGE("skipped: nftables cannot run here");
      return;
    }
    Spoil spoil;
    spoil.services = rotate_endpoints;
    spoil_of_next_plane = &spoil;
    const PlaneRow spoiled{"spoiled", "", "", find_plane("nftables")->probe, make_spoiled};
    const std::array<const PlaneRow*, 2> rows{&spoiled, find_plane("nftables")};
    const auto progress = make_progress(true);
    const BehaviourCheck check =
        must(verify::look_at(must(probe_planes(rows)), 1, EbpfChoice{}, {}, *progress));
    CHECK(check.behaviours.size() == 4);
    CHECK(check.not_done.empty());
    CHECK(check.failed.size() == 4);  // every one of them dials a service
    for (const FailedBehaviour& one : check.failed) {
      CHECK(one.plane == "spoiled");
      CHECK(one.variants == "TCP IPv4, UDP IPv4, TCP IPv6, UDP IPv6");
    }
  });
}

}  // namespace svcbench
