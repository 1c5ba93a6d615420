// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// iptables as the chapter's Table 4.1 has it: three nat rules a service, the whole table reloaded at every
// change. (Not what kube-proxy programs: that has more rules a service, all endpoints, and a partial sync.)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plane/plane.h"
#include "sys/fd.h"
#include "sys/iptables_backend.h"

namespace svcbench {

// Rules of a table without services: three jumps from the kernel's chains, the mark, three to masquerade.
constexpr std::size_t chapter_base_rules = 7;
constexpr std::size_t chapter_rules_per_service = 3;

// The family's nat table as iptables-restore input: 3 rules for each service of that family, and 7. Pure.
//
//   KUBE-SERVICES:  the frontend's match -> KUBE-SVC-x; a NodePort matches every local address
//   KUBE-SVC-x:     -> KUBE-SEP-y
//   KUBE-SEP-y:     DNAT to the first endpoint. For a service without endpoints RETURN: the nat table can
//                   refuse nothing (kube-proxy does that in the filter table, which the chapter leaves
//                   out), so its packets pass untranslated, after the same scan as the others'.
[[nodiscard]] std::string chapter_nat_table(std::span<const Service> services, Family family);

// What of such a table iptables-save printed. Only what chapter_nat_table() writes is understood.
struct ChapterTable {
  std::size_t rules = 0;                                        // -A lines
  std::vector<std::pair<Frontend, std::string>> services;       // KUBE-SERVICES: frontend, chain
  std::unordered_map<std::string, std::string> service_chains;  // KUBE-SVC-x: the chain it jumps to
  std::unordered_map<std::string, Endpoint> endpoint_chains;    // KUBE-SEP-y with a DNAT: where to
};
[[nodiscard]] Result<ChapterTable> parse_chapter_table(std::string_view save, Family family);

class IptablesChapter : public DataPlane {
 public:
  // What the last commit() or install() cost in *-restore processes (one a family that it reloaded).
  struct Cost {
    std::int64_t wall_ns = 0;
    std::int64_t user_us = 0;
    std::int64_t system_us = 0;
    std::size_t tools = 0;
  };

  // Programs the network namespace that it is made, used and destroyed in: a private one.
  explicit IptablesChapter(IptablesBackend backend) : backend_(std::move(backend)) {}
  // Empties the nat tables that it programmed: the next plane in this namespace starts clean.
  ~IptablesChapter() override;
  IptablesChapter(const IptablesChapter&) = delete;
  IptablesChapter& operator=(const IptablesChapter&) = delete;

  Status install(std::span<const Service> services) override;
  // Generates the table of the changed service's family: the other family's is another table, which
  // kube-proxy has a second proxy for. If commit() fails then, the kernel still holds the table before.
  Status stage(const Change& change) override;
  Status commit() override;
  // generate_ns: the text, and the memory file that it is handed over in. commit_ns: the tools, launch to
  // exit.
  [[nodiscard]] SyncCost sync_cost() const override;

  // Also checks that the kernel holds 3N + 7 rules a family.
  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  // The first endpoint only, and no name: the rules carry no comment.
  [[nodiscard]] Service programmed(const Service& service) const override;

  [[nodiscard]] const IptablesBackend& backend() const { return backend_; }
  [[nodiscard]] std::size_t rules() const;        // in the tables as last loaded
  [[nodiscard]] std::size_t input_bytes() const;  // of the text that the last commit() or install() gave
  [[nodiscard]] const Cost& cost() const { return cost_; }

 private:
  struct Table {
    Fd staged;                     // valid between stage() and commit()
    std::size_t staged_bytes = 0;  //
    std::size_t staged_rules = 0;  //
    std::size_t rules = 0;         // in the kernel; 0: never programmed
    bool touched = false;          // a load was begun, whatever became of it
  };

  Status replace_services(std::span<const Service> services);
  Status apply(const Change& change);
  Status stage_table(Family family);
  Status load(Family family);
  [[nodiscard]] Result<ChapterTable> read_back(Family family) const;
  [[nodiscard]] Table& table(Family family) { return tables_[static_cast<std::size_t>(family)]; }
  [[nodiscard]] const Table& table(Family family) const {
    return tables_[static_cast<std::size_t>(family)];
  }

  IptablesBackend backend_;
  std::vector<Service> services_;                       // in the order of KUBE-SERVICES
  std::unordered_map<Frontend, std::size_t> position_;  // in services_
  std::array<Table, 2> tables_;                         // by Family
  std::size_t input_bytes_ = 0;
  std::int64_t generate_ns_ = 0;  // of the last stage() or install()
  Cost cost_;
};

}  // namespace svcbench
