// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/verify.h"

#include <algorithm>
#include <memory>

#include "plane/in_namespace.h"
#include "sys/inet_socket.h"
#include "sys/interrupt.h"
#include "sys/stopwatch.h"
#include "verify/world.h"

namespace svcbench::verify {

namespace {

// What cases add to what they install.
constexpr std::uint32_t spare_services = 64;
constexpr std::uint32_t spare_backends = 256;
// Entries of a flow table that is to be filled.
constexpr std::uint32_t brief_table = 1024;

// A world that does not work would be told as a plane that does not: before there is any plane, a pod and
// an outsider dial an endpoint itself.
Status check_world(World& world) {
  for (const Variant& variant : every_variant) {
    for (const Who who : {Who::pod, Who::outsider}) {
      const Endpoint server{world.new_endpoint_address(variant.family), 8080};
      SVCB_CHECK(world.own(server.address));
      SVCB_CHECK(world.backends().serve(server, variant.protocol));
      const Endpoint client = world.client(who, variant.family);
      SVCB_TAKE(dialled, dial(world.place_of(client.address), client,
                              {server.address, server.port, variant.protocol}, 5 * patience_ns));
      if (!dialled.flow || dialled.flow->served().by != server) {
        return failure(
            "verify: without any plane in the way a backend cannot be reached here ({}): nothing "
            "can be said of planes",
            dialled.flow ? "another one answers" : dialled.evidence);
      }
    }
  }
  world.backends().close_all();
  return {};
}

PlaneConfiguration configuration_of(const PlaneRow& row, const World& world, const VerifyOptions& options) {
  const std::span<const Service> cluster = options.cluster;
  PlaneConfiguration configuration = world.configuration();
  std::size_t backends = 0;
  for (const Service& service : cluster) {
    backends += service.endpoints.size() + service.terminating.size();
  }
  configuration.services_capacity = static_cast<std::uint32_t>(cluster.size()) + spare_services;
  configuration.backends_capacity = static_cast<std::uint32_t>(backends) + spare_backends;
  configuration.ebpf = options.ebpf;
  configuration.kube_proxy.version = options.kube_proxy.version;
  configuration.kube_proxy.binary = options.kube_proxy.binary;
  if (const std::uint32_t entries = configuration.ebpf.maglev > 0 ? configuration.ebpf.maglev
                                    : !row.variant_of.empty()     ? default_maglev
                                                                  : 0;
      entries > 0) {  // a table a service
    *configuration.backends_capacity += entries * *configuration.services_capacity;
  }
  return configuration;
}

const Lack* lack_of(std::span<const Lack> lacks, const Case& one) {
  const auto found = std::find_if(lacks.begin(), lacks.end(),
                                  [&](const Lack& lack) { return lack.behaviour == one.name; });
  return found == lacks.end() ? nullptr : &*found;
}

bool has_variant(std::span<const Service> cluster, const Variant& variant) {
  return std::any_of(cluster.begin(), cluster.end(), [&](const Service& service) {
    return service.frontend.address.family == variant.family &&
           service.frontend.protocol == variant.protocol;
  });
}

struct Task {
  const Case* which;
  Variant variant;
};

// A plane in a node, as it is or with brief lives.
struct Tried {
  std::unique_ptr<World> world;
  std::unique_ptr<DataPlane> plane;  // goes first
  Sittings sittings{};
};

Result<Tried> make_tried(const PlaneRow& row, VerifyOptions options, Delivery delivery, Lives lives) {
  if (lives == Lives::brief) {
    options.ebpf = with_brief_lives(options.ebpf);
  }
  SVCB_TAKE(world, World::create(works_of(row), delivery, lives));
  SVCB_CHECK(check_world(*world));
  SVCB_TAKE(plane, make_in_node(row, *world, options));
  return Tried{.world = std::move(world), .plane = std::move(plane)};
}

std::vector<Task> tasks_of(const VerifyOptions& options) {
  std::vector<Task> tasks;
  for (const Case* one : options.cases) {
    for (const Variant& variant : one->variants) {
      if (!one->of_cluster || has_variant(options.cluster, variant)) {
        tasks.push_back({one, variant});
      }
    }
  }
  // A world is made once: those of brief lives come last.
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.which->lives < b.which->lives; });
  return tasks;
}

Result<CaseResult> run_task(std::span<const Lack> lacks, const Task& task, const VerifyOptions& options,
                            Tried& tried) {
  CaseResult result{task.which, task.variant};
  if (const Lack* lack = lack_of(lacks, *task.which)) {
    result.outcome = Outcome::not_offered;
    result.evidence = lack->reason;
    return result;
  }
  const std::int64_t begin = monotonic_ns();
  Scene scene(*tried.world, *tried.plane, options.cluster, task.variant, options.seed, tried.sittings);
  const Step<std::string> step = task.which->run(scene);
  SVCB_CHECK(check_interrupted());
  if (!step && step.error().error) {
    return tl::unexpected(*step.error().error);
  }
  result.outcome = step ? Outcome::passed : step.error().outcome;
  result.evidence = step ? *step : step.error().evidence;
  result.seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
  return result;
}

Result<Delivery> delivery_of(const PlaneRow& row, const EbpfChoice& ebpf) {
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  PlaneConfiguration configuration;
  configuration.ebpf = ebpf;
  SVCB_TAKE(plane, row.make(configuration));
  return plane->delivery();
}

}  // namespace

EbpfChoice with_brief_lives(EbpfChoice choice) {
  choice.flows_capacity = brief_table;
  FlowTimeouts& timeouts = choice.timeouts;
  for (double* ends : {&timeouts.time_wait, &timeouts.close, &timeouts.udp, &timeouts.udp_stream}) {
    *ends = brief_life_seconds;
  }
  return choice;
}

Works works_of(const PlaneRow& row) {
  return row.sees_frames ? Works::on_frames : row.off_wire.empty() ? Works::on_packets : Works::at_sockets;
}

Result<std::unique_ptr<DataPlane>> make_in_node(const PlaneRow& row, const World& world,
                                                const VerifyOptions& options) {
  SVCB_TAKE(place, world.node().duplicate());
  SVCB_TAKE(inside, place.enter());
  SVCB_TAKE(plane, row.make(configuration_of(row, world, options)));
  return std::make_unique<InNamespace>(std::move(place), std::move(plane));
}

Result<std::vector<CaseResult>> verify_plane(const PlaneRow& row, const VerifyOptions& options,
                                             Progress& progress) {
  const auto tasks = tasks_of(options);
  std::vector<CaseResult> results;
  SVCB_TAKE(delivery, delivery_of(row, options.ebpf));
  const auto lacks = delivery == row.delivery ? row.lacks : lacks_of_direct_return();
  std::optional<Tried> tried;
  std::optional<Lives> lives;
  const std::int64_t begin = monotonic_ns();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Task& task = tasks[i];
    const double seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
    const double left =
        i == 0 ? 0 : seconds / static_cast<double>(i) * static_cast<double>(tasks.size() - i);
    progress.step(fmt::format("{}: {}, {}", row.name, task.which->title, task.variant.text()), i,
                  tasks.size(), left);
    if (lives != task.which->lives) {  // two planes at once would be in each other's way, at sockets
      tried.reset();
      SVCB_TAKE(made, make_tried(row, options, delivery, task.which->lives));
      tried.emplace(std::move(made));
      lives = task.which->lives;
    }
    SVCB_TAKE(result, run_task(lacks, task, options, *tried));
    results.push_back(std::move(result));
  }
  return results;
}

Result<std::vector<PlaneResult>> verify_planes(std::span<const ProbedPlane> planes,
                                               const VerifyOptions& options, Progress& progress) {
  std::vector<PlaneResult> results;
  for (const auto& [row, not_here] : planes) {
    SVCB_CHECK(check_interrupted());
    if (row->delivery == Delivery::direct) {
      continue;
    }
    PlaneResult result{.plane = std::string(row->name), .not_here = not_here};
    if (!not_here.empty()) {
      results.push_back(std::move(result));
      continue;
    }
    SVCB_TAKE(cases, verify_plane(*row, options, progress));
    result.cases = std::move(cases);
    results.push_back(std::move(result));
  }
  progress.finished();
  return results;
}

int exit_code(std::span<const PlaneResult> planes) {
  constexpr int a_claim_does_not_hold = 3;
  for (const PlaneResult& plane : planes) {
    for (const CaseResult& one : plane.cases) {
      if (one.outcome == Outcome::failed) {
        return a_claim_does_not_hold;
      }
    }
  }
  return 0;
}

Status check_cluster(std::span<const Service> cluster) {
  const auto check = [](const Service& service, const Address& address) -> Status {
    return World::is_taken(address)
               ? usage_error(
                     "verify: {} of the service {} is an address that the test's own clients, "
                     "endpoints or services have: give --cluster a file without it",
                     address.text(), service.name)
               : Status();
  };
  for (const Service& service : cluster) {
    SVCB_CHECK(check(service, service.frontend.address));
    for (const Endpoint& endpoint : service.endpoints) {
      SVCB_CHECK(check(service, endpoint.address));
    }
  }
  return {};
}

}  // namespace svcbench::verify
