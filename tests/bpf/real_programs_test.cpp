// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Programs that nobody made for this talk through every plane: curl with a web server, iperf3 with itself.
// Needs root.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "plane/registry.h"
#include "private_place.h"
#include "sys/child_process.h"
#include "temporary_folder.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;
using testing::TemporaryFolder;
using verify::Who;
using verify::World;

constexpr std::array families{Family::ipv4, Family::ipv6};
constexpr std::uint16_t iperf_port = 5201;

std::string bracketed(const Address& address) {
  return address.family == Family::ipv6 ? "[" + address.text() + "]" : address.text();
}

// A program in a namespace, until this object goes.
class Server {
 public:
  Server(const NetNamespace& place, const std::vector<std::string>& argv) {
    const auto inside = must(place.enter());
    std::vector<char*> words;
    for (const std::string& word : argv) {
      words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int nothing = open("/dev/null", O_WRONLY);
      dup2(nothing, STDOUT_FILENO);
      dup2(nothing, STDERR_FILENO);
      execvp(words[0], words.data());
      _exit(127);
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

ChildResult run_in(const NetNamespace& place, const std::vector<std::string>& argv) {
  const auto inside = must(place.enter());
  return must(run_child(argv));
}

// Endpoints with a web server each, which serves its own name at /name and `page` at /page.
class Web {
 public:
  Web(World& world, Family family, const std::string& page) {
    service_.name = "test/web:http";
    service_.frontend = {world.new_cluster_ip(family), 80, Protocol::tcp};
    for (int i = 0; i < 2; ++i) {
      const Endpoint at{world.new_endpoint_address(family), 8080};
      must(world.own(at.address));
      const auto& folder = folders_.emplace_back(std::make_unique<TemporaryFolder>());
      static_cast<void>(folder->write("name", at.text()));
      static_cast<void>(folder->write("page", page));
      servers_.push_back(std::make_unique<Server>(
          world.backend_place(),
          std::vector<std::string>{"python3", "-m", "http.server", std::to_string(at.port), "--bind",
                                   at.address.text(), "--directory", folder->path()}));
      service_.endpoints.push_back(at);
    }
  }

  [[nodiscard]] const Service& service() const { return service_; }

  void wait_for_servers(const World& world) const {
    for (const Endpoint& endpoint : service_.endpoints) {
      const auto answer =
          run_in(world.backend_place(),
                 {"curl", "--silent", "--fail", "--retry", "50", "--retry-connrefused", "--retry-delay",
                  "1", "--max-time", "60",
                  "http://" + bracketed(endpoint.address) + ":" + std::to_string(endpoint.port) + "/name"});
      REQUIRE_MESSAGE(answer.out == endpoint.text(), answer.first_error_line());
    }
  }

 private:
  Service service_{};
  std::vector<std::unique_ptr<TemporaryFolder>> folders_{};
  std::vector<std::unique_ptr<Server>> servers_{};
};

void browse(World& world, const Service& web, const std::string& page) {
  const std::string url = "http://" + bracketed(web.frontend.address);
  const auto fetch = [&](const std::string& what) {
    const Address client = world.client(Who::pod, web.frontend.address.family).address;
    return run_in(world.place_of(client), {"curl", "--silent", "--show-error", "--fail", "--max-time", "20",
                                           "--interface", client.text(), url + what});
  };
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i) {
    const auto answer = fetch("/name");
    REQUIRE_MESSAGE(answer.exit_status == 0, answer.first_error_line());
    names.insert(answer.out);
  }
  std::set<std::string> endpoints;
  for (const Endpoint& endpoint : web.endpoints) {
    endpoints.insert(endpoint.text());
  }
  CHECK(names == endpoints);  // one of two is missed once in 2^19
  const auto large = fetch("/page");
  REQUIRE_MESSAGE(large.exit_status == 0, large.first_error_line());
  CHECK(large.out == page);
}

using Figures = std::vector<std::int64_t>;

// Those of what iperf3 printed (`/end/sum/packets`); none: it has not told them all.
std::optional<Figures> figures_of(const std::string& printed, const std::vector<std::string>& wanted) {
  const auto told = nlohmann::json::parse(printed, nullptr, false);
  Figures figures;
  for (const std::string& one : wanted) {
    const nlohmann::json::json_pointer pointer(one);
    if (!told.is_object() || !told.contains(pointer) || !told.at(pointer).is_number()) {
      return {};
    }
    figures.push_back(told.at(pointer).get<std::int64_t>());
  }
  return figures;
}

// What `iperf3 MORE...` says at its end. On a busy machine it may give up by itself, or find its server not
// yet done with the last client: it says so in place of figures, and is asked again.
Figures transfer(World& world, const Frontend& to, const std::vector<std::string>& more,
                 const std::vector<std::string>& wanted) {
  constexpr int tries = 3;
  const Address client = world.client(Who::pod, to.address.family).address;
  std::vector<std::string> argv{"iperf3",
                                "--json",
                                "--client",
                                to.address.text(),
                                "--port",
                                std::to_string(to.port),
                                "--bind",
                                client.text(),
                                "--connect-timeout",
                                "5000"};
  argv.insert(argv.end(), more.begin(), more.end());
  std::string said;
  for (int i = 0; i < tries; ++i) {
    const auto ran = run_in(world.place_of(client), argv);
    const auto figures = figures_of(ran.out, wanted);
    if (ran.exit_status == 0 && figures) {
      return *figures;
    }
    said += fmt::format("exit status {}: {}{}\n", ran.exit_status, ran.out, ran.first_error_line());
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  FAIL("iperf3 to " << to.text() << " told no figures " << tries << " times:\n" << said);
  return {};
}

void transfer_bulk(World& world, const Frontend& to) {
  constexpr std::int64_t bytes = std::int64_t{32} << 20;
  for (const char* direction : {"", "--reverse"}) {
    CAPTURE(std::string(direction));
    std::vector<std::string> more{"--bytes", std::to_string(bytes)};
    if (*direction != 0) {
      more.emplace_back(direction);
    }
    const Figures end = transfer(world, to, more, {"/end/sum_sent/bytes", "/end/sum_received/bytes"});
    const std::int64_t sent = end[0];
    const std::int64_t received = end[1];
    CHECK(sent >= bytes);
    CHECK(received >= bytes / 2);  // the rest is on its way when it stops
    CHECK(received <= sent);
  }
}

void transfer_datagrams(World& world, const Frontend& to) {
  const Figures end =
      transfer(world, to, {"--udp", "--bitrate", "40M", "--length", "1200", "--bytes", "3M"},
               {"/end/sum/packets", "/end/sum/lost_packets"});
  const std::int64_t packets = end[0];
  const std::int64_t lost = end[1];
  CHECK(packets > 1000);
  CHECK(lost <= packets / 20);
}

}  // namespace

TEST_CASE("real programs: curl and a web server, iperf3 by TCP and UDP, through every plane") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const char* program : {"curl", "iperf3", "python3"}) {
    if (!find_program(program)) {
      MESSAGE("skipped: no " << std::string(program) << " here");
      return;
    }
  }
  std::string page;
  for (int line = 0; page.size() < std::size_t{2} << 20; ++line) {
    page += fmt::format("line {} of a page that takes many segments\n", line);
  }
  for (const PlaneRow& row : planes()) {
    if (row.make == nullptr || row.delivery != Delivery::translated || !row.variant_of.empty()) {
      continue;
    }
    CAPTURE(std::string(row.name));
    in_private_namespaces([&] {
      if (const Status usable = row.probe(); !usable) {
        MESSAGE("not tested: " << std::string(row.name) << ": " << usable.error().message);
        return;
      }
      const auto world = must(World::create(verify::works_of(row)));
      const auto plane = must(verify::make_in_node(row, *world, {}));
      std::vector<Web> webs;
      webs.reserve(families.size());
      std::vector<std::unique_ptr<Server>> iperfs;
      std::vector<Service> services;
      std::vector<Frontend> iperf_frontends;
      for (const Family family : families) {
        services.push_back(webs.emplace_back(*world, family, page).service());
        const Endpoint at{world->new_endpoint_address(family), iperf_port};
        must(world->own(at.address));
        iperfs.push_back(std::make_unique<Server>(
            world->backend_place(),
            std::vector<std::string>{"iperf3", "--server", "--bind", at.address.text(), "--port",
                                     std::to_string(at.port)}));
        const Address vip = world->new_cluster_ip(family);
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {  // its test, and what it measures
          services.push_back({"test/iperf:" + std::string(to_string(protocol)),
                              FrontendKind::cluster_ip,
                              Frontend{vip, iperf_port, protocol},
                              {at}});
        }
        iperf_frontends.push_back({vip, iperf_port, Protocol::tcp});
      }
      must(plane->install(services));
      for (const Web& web : webs) {
        CAPTURE(to_string(web.service().frontend.address.family));
        web.wait_for_servers(*world);
        browse(*world, web.service(), page);
      }
      for (const Frontend& to : iperf_frontends) {
        CAPTURE(to_string(to.address.family));
        transfer_bulk(*world, to);
        transfer_datagrams(*world, to);
      }
    });
  }
}

}  // namespace svcbench
