// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Changes under traffic: the planes of the product stand it, and planes that are broken on purpose are
// caught, each by the count that it should be caught by. In namespaces of its own. Needs root.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <doctest/doctest.h>

#include <ctime>
#include <set>

#include "measure/churn/churn_run.h"
#include "plane/registry.h"
#include "private_place.h"
#include "svcbench/abi.h"
#include "sys/fd.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::may_program_the_kernel;
using test::must;

class SilentProgress final : public Progress {
 public:
  void phase(const std::string&) override {}
  void step(const std::string&, std::size_t, std::size_t, double) override {}
  void finished() override {}
};

// Long enough for some packets to fall into it, at 20 us between two.
void moment() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t end = now.tv_sec * 1'000'000'000L + now.tv_nsec + 300'000;
  while (now.tv_sec * 1'000'000'000L + now.tv_nsec < end) {
    clock_gettime(CLOCK_MONOTONIC, &now);
  }
}

// Another plane, but for what is overridden.
class Like : public DataPlane {
 public:
  explicit Like(std::unique_ptr<DataPlane> plane) : plane_(std::move(plane)) {}
  Status install(std::span<const Service> services) override { return plane_->install(services); }
  Status stage(const Change& change) override { return plane_->stage(change); }
  Status commit() override { return plane_->commit(); }
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_->entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_->find(frontend);
  }
  Status forget_flows() override { return plane_->forget_flows(); }

 protected:
  Status make(const Change& change) const {
    SVCB_CHECK(plane_->stage(change));
    return plane_->commit();
  }
  std::unique_ptr<DataPlane> plane_;
};

// Flips in two steps: the old service goes, and then the new one comes.
class InTwoSteps final : public Like {
 public:
  using Like::Like;
  Status stage(const Change& change) override {
    change_ = change;
    return {};
  }
  Status commit() override {
    if (change_.operation != Operation::change_endpoints) {
      return make(change_);
    }
    SVCB_CHECK(make({Operation::remove_service, change_.service}));
    moment();
    return make({Operation::add_service, change_.service});
  }

 private:
  Change change_{};
};

// Takes the old endpoints away before it has the new ones.
class EmptyBetween final : public Like {
 public:
  using Like::Like;
  Status stage(const Change& change) override {
    change_ = change;
    return {};
  }
  Status commit() override {
    if (change_.operation == Operation::change_endpoints) {
      Change none = change_;
      none.service.endpoints.clear();
      SVCB_CHECK(make(none));
      moment();
    }
    return make(change_);
  }

 private:
  Change change_{};
};

// Says that a change is made when the one before it is.
class OneBehind final : public Like {
 public:
  using Like::Like;
  Status stage(const Change& change) override {
    change_ = change;
    return {};
  }
  Status commit() override {
    SVCB_CHECK(catch_up());
    pending_ = change_;
    return {};
  }
  [[nodiscard]] Result<std::size_t> entries() const override {
    SVCB_CHECK(catch_up());
    return plane_->entries();
  }

 private:
  Status catch_up() const { return pending_ ? make(*std::exchange(pending_, std::nullopt)) : Status(); }
  Change change_{};
  mutable std::optional<Change> pending_{};
};

// Ids of the BPF maps of that name that there are.
std::set<__u32> maps_named(const std::string& name) {
  std::set<__u32> ids;
  for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;) {
    const Fd fd(bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (fd.valid() && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && name == info.name) {
      ids.insert(id);
    }
  }
  return ids;
}

// Writes a service's new entry first, and the backends that it points to after it, into ranges that it
// takes in turn without waiting for anybody. IPv4.
class BackendsLast final : public Like {
 public:
  using Like::Like;
  Status install(std::span<const Service> services) override {
    const auto services_before = maps_named("services4");
    const auto backends_before = maps_named("backends4");
    SVCB_CHECK(plane_->install(services));
    services_ = the_new("services4", services_before);
    backends_ = the_new("backends4", backends_before);
    bpf_map_info info{};
    __u32 size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(backends_.get(), &info, &size) == 0);
    first_ = info.max_entries - ranges * longest;
    return {};
  }
  Status stage(const Change& change) override {
    change_ = change;
    return {};
  }
  Status commit() override {
    if (change_.operation != Operation::change_endpoints) {
      return make(change_);
    }
    const Service& service = change_.service;
    svcb_frontend4 key{};
    std::memcpy(&key.address, service.frontend.address.bytes.data(), sizeof key.address);
    key.port = htons(service.frontend.port);
    key.protocol = static_cast<__u8>(service.frontend.protocol);
    const __u32 first = first_ + next_++ % ranges * longest;
    const svcb_service value{
        svcb_service_word(first, static_cast<__u32>(service.endpoints.size()), svcb_tag4(&key))};
    if (bpf_map_update_elem(services_.get(), &key, &value, BPF_EXIST) != 0) {
      return failure("the entry of {}: {}", service.frontend.text(), std::strerror(errno));
    }
    moment();
    __u32 index = first;
    for (const Endpoint& endpoint : service.endpoints) {
      svcb_backend4 backend{};
      std::memcpy(&backend.address, endpoint.address.bytes.data(), sizeof backend.address);
      backend.port = htons(endpoint.port);
      if (bpf_map_update_elem(backends_.get(), &index, &backend, BPF_ANY) != 0) {
        return failure("a backend of {}: {}", service.frontend.text(), std::strerror(errno));
      }
      ++index;
    }
    return {};
  }

 private:
  static constexpr __u32 ranges = 64;
  static constexpr __u32 longest = 8;

  static Fd the_new(const std::string& name, const std::set<__u32>& before) {
    for (const __u32 id : maps_named(name)) {
      if (!before.contains(id)) {
        return Fd(bpf_map_get_fd_by_id(id));
      }
    }
    FAIL("no map ", name);
    return {};
  }

  Fd services_{};
  Fd backends_{};
  __u32 first_ = 0;
  __u32 next_ = 0;
  Change change_{};
};

template <typename Broken>
Result<std::unique_ptr<DataPlane>> broken(const PlaneConfiguration& configuration) {
  SVCB_TAKE(plane, find_plane("ebpf-xdp")->make(configuration));
  return std::make_unique<Broken>(std::move(plane));
}

ChurnOptions small(std::string plane) {
  ChurnOptions options;
  options.plane = std::move(plane);
  options.rate = 200;
  options.seconds = 2;
  options.quiet_seconds = 0.5;
  return options;
}

ChurnResults churned(const ChurnOptions& options, std::uint64_t services = 40,
                     Family family = Family::ipv4) {
  const Workload workload =
      must(Workload::generate(services, 3, {family}, 1, {Protocol::tcp, Protocol::udp}));
  SilentProgress progress;
  return must(run_churn(workload, options, progress));
}

template <typename Broken>
ChurnResults churned_broken() {
  ChurnOptions options = small("broken");
  options.make = broken<Broken>;
  ChurnResults results = churned(options);
  MESSAGE(results.count(PacketOutcome::wrong)
          << " wrong, " << results.count(PacketOutcome::half_changed) << " half-changed, "
          << results.count(PacketOutcome::lost) << " lost of "
          << results.phase("during")->fresh.changing.sent);
  if (!results.examples.empty()) {
    MESSAGE(results.examples.front());
  }
  return results;
}

std::uint64_t bad(const ChurnTally& tally) {
  return tally.count(PacketOutcome::wrong) + tally.count(PacketOutcome::half_changed) +
         tally.count(PacketOutcome::damaged);
}

void check_sums(const ChurnResults& results) {
  for (const ChurnPhase& phase : results.phases) {
    for (const ChurnTally* tally : {&phase.fresh.changing, &phase.fresh.steady, &phase.established.changing,
                                    &phase.established.steady}) {
      CHECK(tally->sent > 0);
      std::uint64_t sum = 0;
      for (const std::uint64_t count : tally->by_outcome) {
        sum += count;
      }
      CHECK(sum == tally->sent);
      CHECK(tally->latency.count() ==
            tally->count(PacketOutcome::right) + tally->count(PacketOutcome::kept));
    }
  }
}

}  // namespace

TEST_CASE("churn: no packet is wrong or half-changed under the eBPF planes, and the changes are seen") {
  if (!may_program_the_kernel()) {
    return;
  }
  for (const char* plane : {"ebpf-xdp", "ebpf-tc"}) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      CAPTURE(std::string(plane));
      CAPTURE(to_string(family));
      in_private_namespaces([&] {
        ChurnOptions options = small(plane);
        options.make = find_plane(plane)->make;
        const ChurnResults results = churned(options, 40, family);
        for (const std::string& example : results.examples) {
          MESSAGE(options.plane << ": " << example);
        }
        CHECK(results.count(PacketOutcome::wrong) == 0);
        CHECK(results.count(PacketOutcome::half_changed) == 0);
        CHECK(results.count(PacketOutcome::damaged) == 0);
        CHECK(results.count(PacketOutcome::reset) == 0);
        CHECK(judge_churn(results).outcome == Outcome::holds);
        CHECK(results.changes.due == 400);
        CHECK(results.changes.changes.size() + 1 >= results.changes.done);
        CHECK(results.effect_ns.size() > results.changes_to_see / 10);
        CHECK(results.packets_limited_by.empty());
        check_sums(results);
      });
    }
  }
}

TEST_CASE("churn: backends that are written after the entry that points to them are caught") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const ChurnResults results = churned_broken<BackendsLast>();
    // In the range there is nothing yet, or what other services had.
    CHECK(results.count(PacketOutcome::wrong) > 0);
    CHECK(judge_churn(results).outcome == Outcome::does_not_hold);
    // The services that do not change are left in peace, and so is everyone before the changes.
    CHECK(bad(results.phase("before")->all()) == 0);
    CHECK(bad(results.phase("during")->fresh.steady) == 0);
    CHECK(bad(results.phase("after")->all()) == 0);
    check_sums(results);
  });
}

TEST_CASE("churn: a change in two steps is caught between them") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const ChurnResults results = churned_broken<InTwoSteps>();
    CHECK(results.count(PacketOutcome::half_changed) > 0);
    CHECK(results.count(PacketOutcome::wrong) == 0);
    CHECK(judge_churn(results).outcome == Outcome::does_not_hold);
    CHECK(bad(results.phase("during")->fresh.steady) == 0);
    CHECK(bad(results.phase("after")->all()) == 0);
  });
}

TEST_CASE("churn: a commit that returns too early is caught by the packets sent after it") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const ChurnResults results = churned_broken<OneBehind>();
    CHECK(results.count(PacketOutcome::wrong) > 0);
    CHECK(judge_churn(results).outcome == Outcome::does_not_hold);
    CHECK(bad(results.phase("before")->all()) == 0);
    CHECK(bad(results.phase("during")->fresh.steady) == 0);
  });
}

TEST_CASE("churn: packets that a plane has nowhere to send for a moment are refused, and none is wrong") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const ChurnResults results = churned_broken<EmptyBetween>();
    const ChurnPhase& during = *results.phase("during");
    CHECK(during.refusals > 0);
    CHECK(during.fresh.changing.count(PacketOutcome::reset) +
              during.fresh.changing.count(PacketOutcome::lost) >
          0);
    CHECK(during.fresh.steady.count(PacketOutcome::lost) <= during.overrun);
    CHECK(judge_churn(results).outcome == Outcome::holds);
  });
}

TEST_CASE("churn: kube-proxy's iptables refuses what has no endpoints, and nothing else") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const PlaneRow& row = *find_plane("iptables-nft");
    if (const Status usable = row.probe(); !usable) {
      MESSAGE("skipped: " << usable.error().message);
      return;
    }
    ChurnOptions options = small("iptables-nft");
    options.make = row.make;
    options.rate = 5;
    options.seconds = 8;
    const ChurnResults results = churned(options, 8);
    const ChurnPhase& during = *results.phase("during");
    CHECK(during.refusals > 0);
    CHECK(during.fresh.changing.count(PacketOutcome::no_endpoint) > 0);
    CHECK(during.fresh.steady.count(PacketOutcome::reset) == 0);
    CHECK(results.phase("before")->refusals == 0);
    CHECK(results.count(PacketOutcome::wrong) == 0);
    // Its two tables are loaded one after the other: a service that gets endpoints again is no longer
    // refused, and not yet translated. At no other change may anything be half-changed.
    for (const auto& [change, packets] : results.bad_after) {
      CHECK_MESSAGE(change == "refill", packets << " packets after " << change);
    }
    MESSAGE(during.refusals << " refusals, " << during.all().count(PacketOutcome::reset) << " reset, "
                            << results.count(PacketOutcome::wrong) << " wrong, "
                            << results.count(PacketOutcome::half_changed) << " half-changed");
    check_sums(results);
  });
}

TEST_CASE("churn: a plane that is asked for too much says how far it got") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    ChurnOptions options = small("slow");
    options.make = broken<InTwoSteps>;  // 300 us a change and more
    options.rate = 100'000;
    options.seconds = 1;
    options.find_rate = true;
    const ChurnResults results = churned(options);
    CHECK(results.changes.due == 100'000);
    CHECK_FALSE(results.changes.kept_up());
    CHECK(results.changes.done > 10);
    CHECK(results.changes.rate_reached() < 10'000);  // a tenth of what was asked for
    REQUIRE(results.search);
    REQUIRE(results.search->trials.size() >= 2);
    CHECK(results.search->trials[0].rate == 0);
    CHECK(results.search->highest().value_or(0) < 10'000);
    CHECK(results.phase("find rate") != nullptr);
  });
}

}  // namespace svcbench
