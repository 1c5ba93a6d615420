// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench capture: a node's rules and settings in an archive. Reads, and only reads.
#include <sys/random.h>

#include <algorithm>
#include <memory>

#include "capture/anonymizer.h"
#include "capture/archive.h"
#include "capture/node_capture.h"
#include "cli/command.h"
#include "report/output_file.h"
#include "service/input_file.h"
#include "service/text.h"
#include "sys/capabilities.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

struct CaptureInput {
  std::string netns{};
  std::string services{};
  bool anonymize = false;
  std::string output{};
};

// What kubectl printed, as a source like the node's own.
Result<NodeSource> services_in(const std::string& path) {
  const Stopwatch reading;
  const std::string name = "--services " + (path == "-" ? "standard input" : path);
  SVCB_TAKE(text, read_whole(path, name));
  SVCB_TAKE(parsed, parse_json(text, name, "write it with kubectl get services,endpointslices -A -o json"));
  static_cast<void>(parsed);
  NodeSource source{.member = "services.json",
                    .what = "services and their endpoints, as kubectl printed them",
                    .holds = "no lock",
                    .by = {"--services"}};
  source.text = std::move(text);
  source.took_ms = static_cast<double>(reading.ns()) / 1e6;
  return source;
}

Result<AddressMap::Key> random_key() {
  AddressMap::Key key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    return failure("take a random key for --anonymize: {}", std::strerror(errno));
  }
  return key;
}

std::string summary(const NodeCapture& capture, const std::string& output, std::size_t bytes) {
  std::string out;
  std::size_t width = 0;
  for (const NodeSource& source : capture.sources) {
    width = std::max(width, source.member.size());
  }
  for (const NodeSource& source : capture.sources) {
    out +=
        fmt::format("{:<{}}  {:<6}  {}\n", source.member, width, to_string(source.reading),
                    source.reading == Reading::read
                        ? fmt::format("{} bytes in {:.1f} ms", grouped(source.text.size()), source.took_ms)
                        : source.reason);
  }
  return out + fmt::format("\n{}: {} bytes{}; the node was read, and nothing on it changed.\n", output,
                           grouped(bytes), capture.anonymized ? ", without its addresses and names" : "");
}

Result<int> run(const CaptureInput& input) {
  SVCB_TAKE(output, OutputFile::at(input.output, "-o"));
  std::optional<NodeSource> services;
  if (!input.services.empty()) {
    SVCB_TAKE(read, services_in(input.services));
    services = std::move(read);
  }
  SVCB_CHECK(require_privileges());
  if (!input.netns.empty()) {
    SVCB_CHECK(enter_network_namespace(input.netns));
  }
  SVCB_TAKE(capture, capture_node());
  capture.place = input.netns;
  if (services) {
    capture.sources.push_back(std::move(*services));
  }
  if (input.anonymize) {
    SVCB_TAKE(key, random_key());
    anonymize(capture, key);
  }
  SVCB_TAKE(bytes, archive_of(capture));
  SVCB_CHECK(parse_node_archive(bytes, output.path()));
  SVCB_CHECK(output.write(bytes));
  if (!output.is_standard_output()) {
    fmt::print("{}", summary(capture, output.path(), bytes.size()));
  }
  return 0;
}

}  // namespace

Action configure_capture(CLI::App& app) {
  auto input = std::make_shared<CaptureInput>();
  app.add_option("-o,--output", input->output, "The archive to write, a tar file (- is standard output)")
      ->type_name(file_value)
      ->required();
  app.add_option("--netns", input->netns,
                 "The node's network namespace: a name of `ip netns list`, a process number,\n"
                 "or a path (default: the one that this runs in)");
  app.add_option("--services", input->services,
                 "Take this along: what kubectl get services,endpointslices -A -o json\n"
                 "printed (- reads standard input)")
      ->type_name(file_value);
  app.add_flag("--anonymize", input->anonymize,
               "Replace addresses, names and comments, the same by the same; ports and\ncounts stay");
  app.footer(
      "What it does:\n"
      "  reads rules, sets, virtual servers, devices, routes and settings with the node's own tools, "
      "without\n"
      "  counters, and changes nothing: what would make the kernel load a module or a table is not asked.\n"
      "  manifest.json in the archive says how each was read, what that held, and why one is not there.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench capture --anonymize -o node.tar\n"
      "  kubectl get services,endpointslices -A -o json | sudo ./svcbench capture --services - -o "
      "node.tar");
  return [input] { return run(*input); };
}

}  // namespace svcbench
