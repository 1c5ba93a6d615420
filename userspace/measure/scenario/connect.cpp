// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/connect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>

#include "measure/path.h"
#include "measure/visit.h"
#include "plane/null_plane.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

struct Dialled {
  std::optional<Cgroup> cgroup{};
  std::unique_ptr<PathRig> rig{};
};

const Service* last_of(std::span<const Service> services, Family family, Protocol protocol) {
  const auto found = std::find_if(services.rbegin(), services.rend(), [&](const Service& service) {
    return service.frontend.address.family == family && service.frontend.protocol == protocol &&
           service.kind == FrontendKind::cluster_ip && !service.endpoints.empty();
  });
  return found == services.rend() ? nullptr : &*found;
}

std::optional<Target> target_of(const Service* service, bool translated) {
  if (service == nullptr) {
    return {};
  }
  if (translated) {
    return Target{service->frontend, service->endpoints};
  }
  const Endpoint& backend = service->endpoints.front();
  return Target{{backend.address, backend.port, service->frontend.protocol}, {backend}};
}

class ConnectScenario final : public Scenario {
 public:
  explicit ConnectScenario(std::size_t connects) : connects_(connects) {}

  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    setting_ = &setting;
    SVCB_CHECK(add_subjects());
    SVCB_TAKE(dialling, Connects::create(subjects_, setting.clock));
    dialling_ = std::move(dialling);
    Step step;
    step.label = "connect";
    // A block is all subjects in turn; the first one tells what it takes.
    step.seconds = 0.002 * static_cast<double>(connects_ * subjects_.size());
    step.fewest = stats::fewest_repeats;
    step.most = setting.selection.rounds;
    step.run = [this](std::size_t) { return dialling_->block(connects_); };
    steps.push_back(std::move(step));
    return {};
  }

  void tell(Findings& findings) override {
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      findings.connects.push_back(std::move(dialling_->samples(i)));
    }
  }

 private:
  Status add_subjects() {
    const Selection& selection = setting_->selection;
    const auto services = setting_->services(selection.sweep.back());
    udp_ = last_of(services, selection.family, Protocol::udp);
    tcp_ = last_of(services, selection.family, Protocol::tcp);
    if (udp_ == nullptr && tcp_ == nullptr) {
      return usage_error("no {} service has endpoints: there is nothing to connect to",
                         to_string(selection.family));
    }
    SVCB_TAKE(wire, Wire::create({}));
    wire_ = std::move(wire);
    SVCB_CHECK(install(make_null, false));
    add(std::string(connect_plain), false, false);
    for (const auto& [row, not_here] : selection.planes) {
      if (row->kind == PlaneKind::none || !not_here.empty()) {
        continue;
      }
      setting_->progress.phase(fmt::format("install: {}", row->name));
      SVCB_CHECK(check_interrupted());
      SVCB_CHECK(install(row->make, !row->off_wire.empty()));
      add(std::string(row->name), true, true);
      if (dialled_.back().cgroup) {
        add(fmt::format("{}, no service", row->name), true, false);
      }
    }
    return {};
  }

  Status install(const PathRig::Make& make, bool at_sockets) {
    Dialled& made = dialled_.emplace_back();
    PlaneConfiguration configuration = setting_->selection.configuration();
    if (at_sockets) {
      SVCB_TAKE(cgroup, Cgroup::create());
      made.cgroup.emplace(std::move(cgroup));
      configuration.cgroup = made.cgroup->path();
    }
    SVCB_TAKE(rig, PathRig::with_plane(*wire_, make, configuration,
                                       setting_->services(setting_->selection.sweep.back())));
    made.rig = std::move(rig);
    return {};
  }

  // Who dials through the plane that was installed last.
  void add(std::string name, bool inside, bool translated) {
    const Dialled& last = dialled_.back();
    subjects_.push_back({.name = std::move(name),
                         .testbed = &last.rig->testbed(),
                         .cgroup = inside && last.cgroup ? &*last.cgroup : nullptr,
                         .plane = last.rig->plane(),
                         .udp = target_of(udp_, translated),
                         .tcp = target_of(tcp_, translated)});
  }

  std::size_t connects_;
  Setting* setting_ = nullptr;
  const Service* udp_ = nullptr;
  const Service* tcp_ = nullptr;
  // In the order in which they need each other.
  std::unique_ptr<Wire> wire_{};
  std::deque<Dialled> dialled_{};
  std::vector<ConnectSubject> subjects_{};
  std::unique_ptr<Connects> dialling_{};
};

}  // namespace

std::unique_ptr<Scenario> make_connect(std::size_t connects) {
  return std::make_unique<ConnectScenario>(connects);
}

}  // namespace svcbench
