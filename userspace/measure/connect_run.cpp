// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/connect_run.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "measure/path.h"
#include "plane/null_plane.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

struct Stand {
  std::optional<Cgroup> cgroup{};
  std::unique_ptr<PathStand> stand{};
};

const Service* last_of(std::span<const Service> services, Family family, Protocol protocol) {
  const auto found = std::find_if(services.rbegin(), services.rend(), [&](const Service& service) {
    return service.frontend.address.family == family && service.frontend.protocol == protocol &&
           service.kind == FrontendKind::cluster_ip && !service.endpoints.empty();
  });
  return found == services.rend() ? nullptr : &*found;
}

std::optional<Target> target(const Service* service, bool translated) {
  if (service == nullptr) {
    return {};
  }
  if (translated) {
    return Target{service->frontend, service->endpoints};
  }
  const Endpoint& backend = service->endpoints.front();
  return Target{{backend.address, backend.port, service->frontend.protocol}, {backend}};
}

}  // namespace

Result<ConnectResults> run_connect(std::span<const Service> services, const ConnectOptions& options,
                                   Clock& clock, Progress& progress) {
  const std::int64_t begin = clock.now_ns();
  const Service* udp = last_of(services, options.family, Protocol::udp);
  const Service* tcp = last_of(services, options.family, Protocol::tcp);
  if (udp == nullptr && tcp == nullptr) {
    return usage_error("no {} service has endpoints: there is nothing to connect to",
                       to_string(options.family));
  }
  ConnectResults results;
  results.services = services.size();
  SVCB_TAKE(wire, Wire::create({}));
  std::deque<Stand> stands;
  std::vector<ConnectSubject> subjects;
  const auto add = [&](std::string name, const Stand& stand, bool inside, bool translated) {
    subjects.push_back({.name = std::move(name),
                        .testbed = &stand.stand->testbed(),
                        .cgroup = inside && stand.cgroup ? &*stand.cgroup : nullptr,
                        .plane = stand.stand->plane(),
                        .udp = target(udp, translated),
                        .tcp = target(tcp, translated)});
  };
  const auto install = [&](const PathStand::Make& make, bool at_sockets) -> Status {
    Stand& made = stands.emplace_back();
    PlaneSite site;
    site.services_capacity = options.services_capacity;
    site.backends_capacity = options.backends_capacity;
    if (at_sockets) {
      SVCB_TAKE(cgroup, Cgroup::create());
      made.cgroup.emplace(std::move(cgroup));
      site.cgroup = made.cgroup->path();
    }
    SVCB_TAKE(stand, PathStand::with_plane(*wire, make, site, services));
    made.stand = std::move(stand);
    return {};
  };
  SVCB_CHECK(install(make_null, false));
  add(std::string(connect_plain), stands.back(), false, false);
  for (const auto& [row, not_here] : options.planes) {
    if (row->name == "null") {
      continue;
    }
    progress.phase(fmt::format("install: {}", row->name));
    SVCB_CHECK(check_interrupted());
    if (!not_here.empty()) {
      results.missing.push_back({std::string(row->name), not_here});
      continue;
    }
    SVCB_CHECK(install(row->make, !row->off_wire.empty()));
    add(std::string(row->name), stands.back(), true, true);
    if (stands.back().cgroup) {
      add(fmt::format("{}, no service", row->name), stands.back(), true, false);
    }
  }
  progress.phase("connect");
  SVCB_TAKE(samples, measure_connects(subjects, options.counts, clock));
  results.samples = std::move(samples);
  results.seconds = static_cast<double>(clock.now_ns() - begin) / 1e9;
  progress.finished();
  return results;
}

}  // namespace svcbench
