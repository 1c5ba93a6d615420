// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "read_back_scenario.h"

#include <deque>

#include "measure/installations.h"
#include "measure/scenario/cell_step.h"

namespace svcbench::example {

namespace {

class ReadBack final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    for (PlaneAtSize* one : setting.planes->there()) {
      if (one->changing == nullptr) {
        continue;  // plain forwarding has no services
      }
      Cell& cell = cells_.emplace_back(plain_cell("read-back", std::string(one->row->name), one->services,
                                                  "read one service back", "ns"));
      cell.checks = {"found as it was given"};
      const auto visit = [one, &setting](std::size_t repeat) { return read_back(*one, setting, repeat); };
      SVCB_TAKE(pilot_ns, visit(0));
      steps.push_back(cell_step(cell, "read back, " + name_of(*one), pilot_ns / 1e9, setting, visit));
    }
    return {};
  }

  void tell(Findings& findings) override { tell_cells(cells_, findings.cells); }

 private:
  // ns. Each visit asks for another service.
  static Result<double> read_back(PlaneAtSize& one, const Setting& setting, std::size_t repeat) {
    const auto services = setting.services(one.services);
    const Service& wanted = services[repeat * 7919 % services.size()];
    SVCB_TAKE(inside, one.changing->enter());
    const std::int64_t begin = setting.clock.now_ns();
    SVCB_TAKE(found, one.changing->inner().find(wanted.frontend));
    const std::int64_t end = setting.clock.now_ns();
    if (!found || found->endpoints.size() != wanted.endpoints.size()) {
      return failure("{}: {} was to be there with {} endpoints: no figure is given", one.row->name,
                     wanted.frontend.text(), wanted.endpoints.size());
    }
    return static_cast<double>(end - begin);
  }

  std::deque<Cell> cells_{};  // steps point at them
};

std::unique_ptr<Scenario> make_read_back() { return std::make_unique<ReadBack>(); }

}  // namespace

const ScenarioRow& read_back_row() {
  static constexpr ScenarioRow row{.name = "read-back",
                                   .summary = "one service is read back from the kernel, where N exist",
                                   .make = make_read_back,
                                   .changes_planes = true};
  return row;
}

}  // namespace svcbench::example
