// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench capture, of a stand-in node: everything is in the archive, and the node is as it was.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "capture/archive.h"
#include "private_place.h"
#include "program.h"
#include "sys/fd.h"
#include "sys/sysctl.h"

namespace svcbench::testing {
namespace {

using test::in_private_namespaces;

void run_or_fail(const std::vector<std::string>& argv, const std::string& input = "") {
  const Ran ran = run_program(argv, input);
  INFO(ran.err);
  REQUIRE(ran.status == 0);
}

// 300 services in the legacy tables, 100 in nftables, a firewall in iptables-nft and one in nft, sets.
void make_stand_in_node() {
  // Addresses that the kernel gives by itself come while others are looked at.
  REQUIRE(write_sysctl("net/ipv6/conf/default/disable_ipv6", "1"));
  run_or_fail({"ip", "link", "add", "wanacme0", "type", "veth", "peer", "name", "caliacme1"});
  run_or_fail({"ip", "addr", "add", "10.77.5.9/24", "dev", "wanacme0"});
  run_or_fail({"ip", "link", "set", "wanacme0", "up"});
  run_or_fail({"ip", "link", "set", "caliacme1", "up"});
  run_or_fail({"ip", "route", "add", "10.88.0.0/16", "via", "10.77.5.1", "table", "77"});
  run_or_fail({"ip", "rule", "add", "iif", "caliacme1", "table", "77"});
  run_or_fail({"iptables-legacy-restore"},
              svcbench({"render", "iptables-legacy", "--services", "300", "--endpoints", "2"}).out);
  run_or_fail({"nft", "-f", "-"}, svcbench({"render", "nftables", "--services", "100"}).out);
  run_or_fail({"ipset", "restore"},
              "create acmedeny hash:net counters comment\n"
              "add acmedeny 10.77.9.0/24 comment \"acme blocks\"\n"
              "create acmeports hash:ip,port\n"
              "add acmeports 10.77.5.9,tcp:80\n");
  run_or_fail({"iptables-nft-restore"},
              "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:FORWARD ACCEPT\n:acmewall -\n"
              "-A OUTPUT -p udp --dport 9 -m comment --comment \"acme traffic\"\n"
              "-A OUTPUT -j acmewall\n"
              "-A acmewall -m set --match-set acmedeny dst -j DROP\n"
              "-A FORWARD -i wanacme0 -s 10.77.0.0/16 -j LOG --log-prefix \"acme: \"\nCOMMIT\n");
  run_or_fail({"nft", "-f", "-"},
              "table inet acmenft {\n"
              "  set acmeset { type ipv4_addr; flags interval; elements = { 10.77.1.3-10.77.1.9 }; }\n"
              "  chain acmein { type filter hook input priority 5;\n"
              "    iifname \"wanacme0\" ip saddr @acmeset counter drop comment \"acme\"; }\n}\n");
}

// Whatever a capture could have touched, with counters but for the times in comments.
std::string dumps() {
  std::string all;
  for (const std::vector<std::string>& argv : std::initializer_list<std::vector<std::string>>{
           {"iptables-nft-save", "-c", "-t", "filter"},
           {"nft", "list", "ruleset"},
           {"ipset", "save"},
           {"ip", "-d", "addr"},
           {"ip", "route", "show", "table", "all"},
           {"ip", "rule"},
           {"cat", "/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names",
            "/proc/sys/net/netfilter/nf_conntrack_max"},
           {"iptables-legacy-save", "-c", "-t", "nat"},
           {"iptables-legacy-save", "-c", "-t", "filter"}}) {
    const Ran ran = run_program(argv);
    REQUIRE(ran.status == 0);
    all += ran.out;
  }
  std::string out;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    if (all[at] != '#') {
      out += all.substr(at, end + 1 - at);
    }
    at = end + 1;
  }
  return out;
}

// Of each line that counts: without its numbers.
std::string without_numbers(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    if (const std::size_t counter = line.find("counter packets "); counter != std::string::npos) {
      const std::size_t bytes = line.find(" bytes ", counter) + 7;
      line.erase(counter, line.find_first_not_of("0123456789", bytes) - counter);
    }
    if (line.starts_with(':') || line.starts_with('[')) {
      const std::size_t open = line.rfind('[');
      line.erase(line.starts_with(':') ? open : 0, line.find(']') + 1 - (line.starts_with(':') ? open : 0));
    }
    out += line + "\n";
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

// Datagrams to loopback's discard port until it is told to stop; how many they were.
class Traffic {
 public:
  Traffic() : thread_([this] { run(); }) {}
  ~Traffic() { static_cast<void>(stop()); }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  std::size_t stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    return sent_;
  }

 private:
  void run() {
    const Fd listener(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // nobody refuses
    const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    do {
      sent_ += sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 1 ? 1 : 0;
      usleep(200);
    } while (!stop_);
  }

  std::atomic<bool> stop_{false};
  std::size_t sent_ = 0;
  std::thread thread_;
};

NodeArchive archive_in(const std::string& path) {
  auto archive = parse_node_archive(read_file(path), path);
  REQUIRE_MESSAGE(archive, archive.error().message);
  return *archive;
}

TEST_CASE("a capture leaves a node as it was, byte for byte, with counters") {
  const TemporaryFolder folder;
  in_private_namespaces([&] {
    make_stand_in_node();
    const std::string before = dumps();
    const Ran ran = svcbench({"capture", "-o", folder.path("node.tar")});
    INFO(ran.err);
    REQUIRE(ran.status == 0);
    const bool as_it_was = dumps() == before;
    CHECK(as_it_was);
    CHECK(ran.out.find("nothing on it changed") != std::string::npos);

    // And while packets flow: rules are the same, and these packets are all that was counted.
    Traffic traffic;
    REQUIRE(svcbench({"capture", "-o", folder.path("again.tar")}).status == 0);
    const std::size_t sent = traffic.stop();
    REQUIRE(sent > 0);
    const std::string after = dumps();
    const bool same_rules = without_numbers(after) == without_numbers(before);
    CHECK(same_rules);
    CHECK(after.find(fmt::format("[{}:{}] -A OUTPUT -p udp", sent, 29 * sent)) != std::string::npos);
    CHECK(after.find(fmt::format("[{}:{}] -A OUTPUT -j acmewall", sent, 29 * sent)) != std::string::npos);

    const NodeArchive archive = archive_in(folder.path("node.tar"));
    const NodeArchive again = archive_in(folder.path("again.tar"));
    for (const auto& [name, text] : archive.members) {
      CAPTURE(name);
      const bool same = again.members.at(name) == text || name == "conntrack.json";
      CHECK(same);
    }
    CHECK(archive.members.at("iptables-legacy.save").find("-j KUBE-SVC-") != std::string::npos);
    CHECK(archive.members.at("iptables-nft.save").find("--match-set acmedeny dst") != std::string::npos);
    CHECK(archive.members.at("nftables.rules").find("table inet acmenft {") != std::string::npos);
    CHECK(archive.members.at("nftables.rules").find("counter drop") != std::string::npos);
    CHECK(archive.members.at("ipset.save").find("add acmedeny 10.77.9.0/24 comment") != std::string::npos);
    CHECK(archive.members.at("ipset.save").find("packets") == std::string::npos);
    CHECK(archive.members.at("routes.json").find("\"10.88.0.0/16\"") != std::string::npos);
    CHECK(archive.members.at("rules.json").find("caliacme1") != std::string::npos);
    CHECK(archive.members.at("links.json").find("\"veth\"") != std::string::npos);
    CHECK(archive.members.at("kube-proxy.json").find("KUBE-SERVICES") != std::string::npos);
    for (const auto& source : archive.manifest["sources"]) {
      CAPTURE(source.dump());
      CHECK(source["status"] != "failed");
      CHECK(source["holds"].get<std::string>().size() > 3);
      CHECK((source["status"] == "read") == source["reason"].is_null());
    }
  });
}

TEST_CASE("a table that is not there is not made, and is named as such") {
  const TemporaryFolder folder;
  in_private_namespaces([&] {
    REQUIRE(svcbench({"capture", "-o", folder.path("node.tar")}).status == 0);
    CHECK(run_program({"nft", "list", "ruleset"}).out.empty());
    CHECK(run_program({"cat", "/proc/thread-self/net/ip_tables_names"}).out.empty());
    CHECK(run_program({"cat", "/proc/thread-self/net/ip6_tables_names"}).out.empty());
  });
  const NodeArchive archive = archive_in(folder.path("node.tar"));
  for (const auto& source : archive.manifest["sources"]) {
    if (source["name"] == "iptables-legacy.save" || source["name"] == "nftables.rules") {
      CHECK(source["status"] != "read");
      CHECK(source["reason"].get<std::string>().size() > 3);
    }
  }
}

TEST_CASE("a namespace is found by its path, and a cluster's services go along") {
  const TemporaryFolder folder;
  const std::string services =
      folder.write("services.json", R"({"items": [{"metadata": {"name": "cart"}}]})");
  const Ran ran = svcbench({"capture", "--netns", fmt::format("/proc/{}/ns/net", getpid()), "--services",
                            services, "-o", folder.path("node.tar")});
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  const NodeArchive archive = archive_in(folder.path("node.tar"));
  CHECK(archive.members.at("services.json") == read_file(services));
  CHECK(archive.manifest["namespace"] == fmt::format("/proc/{}/ns/net", getpid()));
}

// Words of a text that are addresses or networks: "10.0.0.1" of "10.0.0.1:80".
std::set<std::string> addresses_in(const std::string& text) {
  std::set<std::string> found;
  std::string word;
  for (const char c : text + " ") {
    if ((c >= '0' && c <= '9') || c == '.') {
      word += c;
    } else {
      if (std::count(word.begin(), word.end(), '.') == 3) {
        found.insert(word);
      }
      word.clear();
    }
  }
  return found;
}

TEST_CASE("without its names a capture has none of its addresses and names, and still loads") {
  const TemporaryFolder folder;
  std::string bytes;
  NodeArchive archive;
  in_private_namespaces([&] {
    make_stand_in_node();
    const std::string original = run_program({"iptables-legacy-save"}).out +
                                 run_program({"nft", "list", "ruleset"}).out +
                                 run_program({"ipset", "save"}).out + run_program({"ip", "addr"}).out;
    const Ran ran = svcbench({"capture", "--anonymize", "-o", folder.path("node.tar")});
    INFO(ran.err);
    REQUIRE(ran.status == 0);
    bytes = read_file(folder.path("node.tar"));
    archive = archive_in(folder.path("node.tar"));
    for (const std::string name : {"acme", "bench/svc-", "svc-1", "wan"}) {
      CHECK_MESSAGE(bytes.find(name) == std::string::npos, name);
    }
    const auto now = addresses_in(bytes);
    // Of every machine, and the networks that private addresses are told by.
    const std::set<std::string> kept{"0.0.0.0", "127.0.0.0", "127.0.0.1", "127.255.255.255", "10.0.0.0"};
    std::size_t looked_for = 0;
    for (const std::string& address : addresses_in(original)) {
      if (!kept.contains(address)) {
        ++looked_for;
        CHECK_MESSAGE(!now.contains(address), address);
      }
    }
    CHECK(looked_for > 600);
    const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
    CHECK(lines(archive.members.at("iptables-legacy.save")) ==
          lines(run_program({"iptables-legacy-save"}).out));
    CHECK(lines(archive.members.at("ipset.save")) == 4);
  });
  in_private_namespaces([&] {
    run_or_fail({"ipset", "restore"}, archive.members.at("ipset.save"));
    run_or_fail({"iptables-legacy-restore"}, archive.members.at("iptables-legacy.save"));
    run_or_fail({"iptables-nft-restore"}, archive.members.at("iptables-nft.save"));
    // What iptables-nft has is in this, too, in words that nft does not read back.
    const std::string& rules = archive.members.at("nftables.rules");
    run_or_fail({"nft", "-f", "-"}, rules.substr(rules.find("table inet ")));
    const std::size_t begin = rules.find("table ip kube-proxy {");
    run_or_fail({"nft", "-f", "-"}, rules.substr(begin, rules.find("\n}\n", begin) + 3 - begin));
  });
}

TEST_CASE("what cannot be captured is refused in one sentence, and no file is left") {
  const TemporaryFolder folder;
  const std::string path = folder.path("node.tar");
  const auto refused = [&](const std::vector<std::string>& more, int status, const std::string& word) {
    std::vector<std::string> arguments{"capture"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = svcbench(arguments);
    INFO(ran.err);
    CHECK(ran.status == status);
    CHECK(ran.out.empty());
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.err.find(word) != std::string::npos);
    CHECK(access(path.c_str(), F_OK) != 0);
  };
  refused({}, 2, "--output");
  refused({"--netns", "nowhere", "-o", path}, 2, "/run/netns/nowhere: No such file or directory");
  refused({"--netns", "/proc/self/ns/mnt", "-o", path}, 2, "is not a network namespace");
  refused({"--netns", "/etc/hostname", "-o", path}, 2, "/etc/hostname");
  refused({"--netns", "4194305", "-o", path}, 2, "/proc/4194305/ns/net");
  refused({"-o", folder.path("no/folder.tar")}, 2, "there is no folder");
  refused({"-o", folder.path()}, 2, "is a folder");
  refused({"--services", folder.write("bad.json", "{"), "-o", path}, 2, "not JSON");
  const Ran ran = run_program({"setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all",
                               SVCBENCH_BINARY, "capture", "-o", "/tmp/svcbench-capture-no-rights.tar"});
  INFO(ran.err);
  CHECK(ran.status == 1);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(access("/tmp/svcbench-capture-no-rights.tar", F_OK) != 0);
}

}  // namespace
}  // namespace svcbench::testing
