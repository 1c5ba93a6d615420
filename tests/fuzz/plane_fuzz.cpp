// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF programs against the model of docs/dataplane.md: sequences of packets from a seed, on both
// hooks, for both families, in every mode. Needs root. Ends with 1 on the first difference, and shows as
// few steps as make it.
//
//   plane_fuzz                       a minute, with a seed of its own, which it prints
//   plane_fuzz --seed 7              again (SVCB_FUZZ_SEED=7 does the same under ctest)
//   plane_fuzz --packets 10000000    a longer run
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "fuzz/differential.h"
#include "fuzz/two_cpus.h"
#include "sys/capabilities.h"
#include "sys/sandbox.h"

namespace svcbench::fuzz {
namespace {

constexpr int skipped = 77;  // ctest's SKIP_RETURN_CODE

struct Options {
  std::uint64_t seed = 0;
  std::uint64_t packets = 0;
  double seconds = 60;
  std::size_t length = 300;
  std::string mode{};
  bool two_cpus = false;
};

// Sequence by sequence from one seed: SplitMix64's step.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t sequence) {
  std::uint64_t z = seed + (sequence + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Status show(Differential& both, const Mismatch& mismatch, const Options& options, std::uint64_t sequence,
            std::uint64_t packets) {
  fmt::print(
      "mode {}, seed {}, sequence {}, step {}, after {} packets: the plane and the model differ\n  {}\n",
      both.mode().name, options.seed, sequence, mismatch.step, packets, mismatch.what);
  SVCB_TAKE(steps, both.shrunk(both.steps()));
  SVCB_TAKE(again, both.run(steps));
  fmt::print("as few steps as differ ({} of {}):\n", steps.size(), mismatch.step + 1);
  for (const Step& step : steps) {
    fmt::print("  {}\n", to_string(step));
  }
  fmt::print("  {}\n", again.mismatch ? again.mismatch->what
                                      : "which does not come again: it was the machine's time");
  return {};
}

Result<int> fuzz(const Options& options) {
  SVCB_CHECK(enter_private_namespaces());
  std::vector<std::unique_ptr<Differential>> all;
  for (const Mode& mode : modes()) {
    if (options.mode.empty() || options.mode == mode.name) {
      SVCB_TAKE(made, Differential::create(mode));
      all.push_back(std::move(made));
    }
  }
  if (all.empty()) {
    return failure("no mode is called {}", options.mode);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::uint64_t packets = 0;
  std::uint64_t sequence = 0;
  for (; options.packets > 0 ? packets < options.packets : elapsed() < options.seconds; ++sequence) {
    Differential& both = *all[sequence % all.size()];
    SVCB_TAKE(result, both.run(seed_of(options.seed, sequence), options.length));
    packets += result.packets;
    if (result.mismatch) {
      SVCB_CHECK(show(both, *result.mismatch, options, sequence, packets));
      return 1;
    }
  }
  fmt::print("{} packets in {} sequences, {:.0f} s: no difference (seed {})\n", packets, sequence,
             elapsed(), options.seed);
  return 0;
}

Result<int> race(const Options& options) {
  SVCB_CHECK(enter_private_namespaces());
  SVCB_TAKE(result, run_on_two_cpus(options.packets, options.seconds / 2));
  for (const std::string& wrong : result.wrong) {
    fmt::print("{}\n", wrong);
  }
  fmt::print("{} packets of {} flows on two CPUs, {} changes: {}\n", result.packets, result.flows,
             result.changes, result.wrong.empty() ? "none went wrong" : "these went wrong");
  return result.wrong.empty() ? 0 : 1;
}

int run(int argc, char** argv) {
  Options options;
  options.seed = std::random_device{}();
  if (const char* given = std::getenv("SVCB_FUZZ_SEED"); given != nullptr) {
    options.seed = std::strtoull(given, nullptr, 10);
  }
  CLI::App app{"The eBPF planes against the model of docs/dataplane.md"};
  app.add_option("--seed", options.seed, "of the first sequence; the others follow from it");
  app.add_option("--packets", options.packets, "how many; else a time is given");
  app.add_option("--seconds", options.seconds, "how long");
  app.add_option("--length", options.length, "steps of a sequence");
  app.add_option("--mode", options.mode, "one alone");
  app.add_flag(
      "--two-cpus", options.two_cpus,
      "the same flows opened on two CPUs at once, their services changed under both (no seed, no model)");
  CLI11_PARSE(app, argc, argv);
  if (const Status may = require_privileges(); !may) {
    fmt::print(stderr, "skipped: {}\n", may.error().message);
    return skipped;
  }
  if (!options.two_cpus) {
    fmt::print("seed {}\n", options.seed);
  }
  static_cast<void>(std::fflush(stdout));
  const auto result = options.two_cpus ? race(options) : fuzz(options);
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    return 1;
  }
  return *result;
}

}  // namespace
}  // namespace svcbench::fuzz

int main(int argc, char** argv) { return svcbench::fuzz::run(argc, argv); }
