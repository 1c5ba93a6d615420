// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench verify: every plane, held to the same behaviour.
#include "verify/verify.h"

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/kube_proxy_input.h"
#include "cli/plane_choice.h"
#include "cli/run_info.h"
#include "plane/real_kube_proxy/served_cluster.h"
#include "report/progress_line.h"
#include "report/rules_text.h"
#include "report/text_table.h"
#include "report/verify_table.h"
#include "run/as_run.h"
#include "run/run_json.h"
#include "service/cluster.h"
#include "service/text.h"
#include "service/workload.h"
#include "svcbench/abi.h"
#include "sys/capabilities.h"
#include "sys/environment.h"
#include "sys/inet_socket.h"
#include "sys/sandbox.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

struct VerifyInput {
  std::vector<std::string> planes{};
  std::vector<std::string> cases{};
  std::vector<std::string> cluster{};  // paths or "-"; empty: none
  std::string node{};
  KubeProxyInput kube_proxy{};
  std::uint64_t services = 100;
  std::uint64_t seed = 1;
  std::string json{};
  TableInput tables{};
  bool quiet = false;
};

bool has_frontends(const PlaneRow& row) { return row.delivery != Delivery::direct; }

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const verify::Case* one : verify::cases()) {
    names.emplace_back(one->name);
  }
  return names;
}

std::vector<const verify::Case*> chosen_cases(const std::vector<std::string>& names) {
  std::vector<const verify::Case*> chosen;
  for (const verify::Case* one : verify::cases()) {
    if (names.empty() || std::find(names.begin(), names.end(), one->name) != names.end()) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

// Endpoints of generated services whose rules are compared.
constexpr std::uint32_t rules_endpoints = 3;

struct Subject {
  std::vector<ClusterText> texts{};
  std::vector<Service> services{};
  std::vector<std::string> notes{};
  std::vector<Skipped> skipped{};
};

std::string node_of_rules(const VerifyInput& input) {
  return input.node.empty() ? std::string(verify::rules_node) : input.node;
}

Result<Subject> read_subject(const VerifyInput& input) {
  Subject subject;
  if (input.cluster.empty()) {
    return subject;
  }
  ClusterOptions options;
  if (!input.node.empty()) {
    options.node = input.node;
  }
  SVCB_TAKE(texts, cluster_texts(input.cluster));
  SVCB_TAKE(read, parse_cluster(texts, options));
  subject.texts = std::move(texts);
  SVCB_CHECK(verify::check_cluster(read.services));
  subject.notes = notes_on(read);
  subject.skipped = read.skipped;
  subject.notes.push_back(fmt::format("{} frontends of {} are installed beside the test's own",
                                      read.services.size(), names_of_files(input.cluster)));
  subject.services = std::move(read.services);
  return subject;
}

// What both write the rules of: the whole cluster, also what no plane is tried with, or generated services.
Result<verify::RulesSubject> rules_subject_of(const VerifyInput& input, const Subject& read) {
  if (input.cluster.empty()) {
    SVCB_TAKE(made, Workload::generate(input.services, rules_endpoints, {Family::ipv4, Family::ipv6},
                                       input.seed, {Protocol::tcp, Protocol::udp}));
    return verify::rules_subject(made.services(),
                                 fmt::format("{} generated services", grouped(input.services)));
  }
  const std::string node = node_of_rules(input);
  SVCB_TAKE(cluster,
            parse_cluster(
                read.texts,
                {.max_endpoints = SVCB_MAX_ENDPOINTS, .node = node, .sctp = true, .may_be_empty = true}));
  SVCB_TAKE(objects, cluster_objects(read.texts));
  const auto addresses = verify::rules_node_addresses(cluster.services);
  return verify::RulesSubject{.what = names_of_files(input.cluster),
                              .services = std::move(cluster.services),
                              .objects = kubernetes::served_cluster(objects, node, addresses),
                              .service_cidrs = std::move(cluster.service_cidrs)};
}

Result<int> run(const VerifyInput& input) {
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(kube_proxy, input.kube_proxy.chosen(input.planes, BinaryUse::rules_too));
  SVCB_TAKE(subject, read_subject(input));
  SVCB_CHECK(require_privileges());

  verify::VerifyResults results;
  results.environment = describe_environment();
  results.run = describe_command("verify", input.seed);
  results.run["notes"] = subject.notes;
  results.run["kube_proxy"] = describe_kube_proxy(kube_proxy);
  if (!input.cluster.empty()) {
    results.run["skipped"] = skipped_json(subject.skipped);
  }
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.quiet);
  const verify::VerifyOptions options{.cases = chosen_cases(input.cases),
                                      .cluster = subject.services,
                                      .seed = input.seed,
                                      .kube_proxy = kube_proxy};
  const std::int64_t begin = monotonic_ns();
  SVCB_TAKE(probed, probe_planes(chosen_planes(input.planes, has_frontends)));
  leave_out_unknown(probed, kube_proxy.version);
  SVCB_TAKE(planes, verify::verify_planes(probed, options, *progress));
  results.planes = std::move(planes);
  if (!kube_proxy.binary.empty()) {
    SVCB_TAKE(of_both, rules_subject_of(input, subject));
    SVCB_TAKE(rules, verify::compare_with_kube_proxy(of_both, modes_of_rules(input.planes),
                                                     node_of_rules(input), kube_proxy));
    results.rules = std::move(rules);
  }
  results.seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
  const Run run = as_run(results);
  if (json) {
    SVCB_CHECK(json->write(run_json(run).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", printed(run, input.tables, render_behaviours(results.planes)));
    if (results.rules) {
      fmt::print("{}", render_rules(*results.rules));
    }
  }
  return std::max(verify::exit_code(results.planes), results.rules ? verify::exit_code(*results.rules) : 0);
}

std::string footer() {
  std::string text =
      "Every plane gets the same services, in network namespaces of its own, and real clients and servers\n"
      "talk through it. What each behaviour demands:\n";
  for (const verify::Case* one : verify::cases()) {
    text += wrapped(fmt::format("{:<17}{}", one->name, one->demands), 19).substr(17);
  }
  return text +
         "\nWhere a plane does otherwise without being wrong (conntrack, a flow table and none have "
         "different\n"
         "answers to what happens when an entry is gone) the table says \"differs\", and how.\n\n"
         "With --kube-proxy the rules that the binary writes, in the modes of the planes that are named or "
         "in\n"
         "both, are compared with svcbench's for its version, rule by rule, as the kernel lists them.\n\n"
         "Exit codes: 0 no behaviour fails and no rule differs, 3 one does.\n\n"
         "More examples:\n"
         "  sudo ./svcbench verify --plane nftables,ebpf-tc --cases hairpin,masquerade\n"
         "  sudo ./svcbench verify --kube-proxy ./kube-proxy --plane nftables --cluster services.json\n"
         "  kubectl get services,endpointslices -A -o json | sudo ./svcbench verify --cluster -";
}

}  // namespace

Action configure_verify(CLI::App& app) {
  auto input = std::make_shared<VerifyInput>();
  app.add_option("--plane,--planes", input->planes,
                 "Only these, e.g. iptables-nft,ebpf-tc (default: all that can run here)")
      ->delimiter(',')
      ->check(one_of(plane_names(has_frontends)));
  app.add_option("--cases", input->cases, "Only these behaviours, e.g. spread,hairpin (default: all)")
      ->delimiter(',')
      ->check(one_of(case_names()));
  add_cluster_option(app, input->cluster);
  app.add_option("--node", input->node, "The node of that cluster whose Local policies count");
  input->kube_proxy.add_options(app);
  auto* const binary = input->kube_proxy.add_binary_option(app);
  app.add_option("--rules-services", input->services,
                 "Of how many generated services rules are compared, where no --cluster is given")
      ->needs(binary)
      ->check(whole_number(1, Generator::max_services))
      ->capture_default_str();
  app.add_option("--seed", input->seed, "The same seed makes the same choices")
      ->check(whole_number(0, UINT64_MAX))
      ->capture_default_str();
  app.add_option("--json", input->json,
                 "Write every case, its evidence and the environment here (- is standard output)")
      ->type_name(file_value);
  input->tables.add_full_option(app);
  app.add_flag("--quiet", input->quiet, "No progress on standard error");
  app.footer(footer());
  return [input] { return run(*input); };
}

}  // namespace svcbench
