// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF planes' maps and programs by themselves, without traffic, beside the chapter's whole table: what
// the main job measures besides paths.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "measure/program/program_bench.h"
#include "measure/scenario/scenario.h"
#include "measure/scenario/update.h"
#include "plane/ebpf/bare_writes.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane/in_namespace.h"
#include "sys/iptables_backend.h"

namespace svcbench {

// What exists at one size. Planes are declared before what uses them.
struct MapsAtSize {
  std::span<const Service> services{};
  std::unique_ptr<EbpfPlane> maps{};
  std::unique_ptr<BareWrites> bare{};
  std::unique_ptr<DataPlane> table{};       // of iptables; null where the size is left out
  std::unique_ptr<EbpfPlane> unchanging{};  // what the programs are timed over
  std::unique_ptr<ProgramBench> programs{};
  std::size_t rules = 0;  // of the table
  std::string table_left_out{};
  std::optional<double> table_predicted_seconds{};
};

class Maps {
 public:
  // Ascending in N, so that what a table costs can be foretold.
  static Result<std::unique_ptr<Maps>> load(Setting& setting, const IptablesBackend& iptables);

  [[nodiscard]] const std::deque<MapsAtSize>& sizes() const { return sizes_; }
  [[nodiscard]] EbpfOptions options(const MapsAtSize& size) const;
  // For UpdateScenario.
  [[nodiscard]] std::vector<ChangingPlane> changing() const;

 private:
  Maps(const Setting& setting, const IptablesBackend& iptables);
  Status load_maps(MapsAtSize& size);
  Status load_table(MapsAtSize& size);

  const Setting* setting_;
  IptablesBackend iptables_;
  // Of the whole workload: a smaller size may get them by an added service.
  std::vector<Family> families_{};
  std::deque<MapsAtSize> sizes_{};
  CostCurve table_seconds_{};
};

// "5,000 services: ", of labels.
[[nodiscard]] std::string name_of(const MapsAtSize& size, std::string_view what);

// All services into empty maps.
[[nodiscard]] std::unique_ptr<Scenario> make_fill(const Maps& maps);
// The programs under BPF_PROG_TEST_RUN, and the kernel's own account of them.
[[nodiscard]] std::unique_ptr<Scenario> make_program(const Maps& maps);

}  // namespace svcbench
