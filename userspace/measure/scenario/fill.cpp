// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Fill: all N services into empty maps, by each way of writing them.
#include <algorithm>
#include <utility>

#include "measure/scenario/maps.h"
#include "measure/visit.h"

namespace svcbench {

namespace {

class FillScenario final : public Scenario {
 public:
  explicit FillScenario(const Maps& maps) : maps_(maps) {}

  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    static constexpr std::pair<MapWrites, std::string_view> all_writes[] = {
        {MapWrites::single, "single"}, {MapWrites::batch, "batch"}, {MapWrites::mapped, "mapped"}};
    clock_ = &setting.clock;
    for (const MapsAtSize& size : maps_.sizes()) {
      for (const auto& [writes, name] : all_writes) {
        FillCell& cell = cells_.emplace_back();
        cell.writes = name;
        cell.services = size.services.size();
        for (const Service& service : size.services) {
          cell.backends += service.endpoints.size();
        }
        const std::int64_t start = clock_->now_ns();
        SVCB_TAKE(pilot, fill(size, writes));
        const double seconds = seconds_between(start, clock_->now_ns());
        SVCB_TAKE(entries, pilot.plane->entries());
        if (entries != size.services.size()) {
          return failure("fill: {} services were to be in the maps, and there are {}", size.services.size(),
                         entries);
        }
        SVCB_TAKE(bytes, pilot.plane->memory_bytes());
        cell.map_bytes = bytes;
        cell.batched = writes == MapWrites::single || pilot.plane->batched();
        Step step;
        step.label = name_of(size, fmt::format("fill, {}", name));
        step.run = [this, &size, kind = writes, &cell](std::size_t) -> Status {
          SVCB_TAKE(filled, fill(size, kind));
          cell.ns.push_back(filled.ns);
          return {};
        };
        step.seconds = seconds;
        step.fewest = stats::fewest_repeats;
        step.samples = [&cell] { return nlohmann::json(cell.ns.back()); };
        step.restore = [&cell](const nlohmann::json& samples) { return add_number(cell.ns, samples); };
        steps.push_back(std::move(step));
      }
    }
    return {};
  }

  void tell(Findings& findings) override {
    std::move(cells_.begin(), cells_.end(), std::back_inserter(findings.fills));
  }

 private:
  struct Filled {
    std::unique_ptr<EbpfPlane> plane;
    double ns;
  };
  [[nodiscard]] Result<Filled> fill(const MapsAtSize& size, MapWrites writes) const {
    EbpfOptions options = maps_.options(size);
    options.writes = writes;
    SVCB_TAKE(plane, EbpfPlane::load(options));
    const std::int64_t start = clock_->now_ns();
    SVCB_CHECK(plane->install(size.services));
    const auto ns = static_cast<double>(clock_->now_ns() - start);
    for (const Service* service : {&size.services.front(), &size.services.back()}) {
      SVCB_TAKE(found, plane->find(service->frontend));
      if (!found || found->endpoints != service->endpoints) {
        return failure("fill: {} was to be in the maps as given, and is not: no figure is given",
                       service->frontend.text());
      }
    }
    return Filled{std::move(plane), ns};
  }

  const Maps& maps_;
  Clock* clock_ = nullptr;
  std::deque<FillCell> cells_{};  // steps point at them
};

}  // namespace

std::unique_ptr<Scenario> make_fill(const Maps& maps) { return std::make_unique<FillScenario>(maps); }

}  // namespace svcbench
