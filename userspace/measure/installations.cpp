// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/installations.h"

#include <fmt/format.h>

#include <algorithm>

#include "plane/ebpf/attached_ebpf.h"
#include "plane/null_plane.h"
#include "service/text.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

// What all installations together may take of the budget.
constexpr double installations_share = 0.4;

}  // namespace

std::string name_of(const PlaneAtSize& one) {
  return fmt::format("{} services, {}", grouped(one.services), one.row->name);
}

std::vector<PlaneAtSize*> Installations::there() const {
  std::vector<PlaneAtSize*> found;
  for (const auto& one : all_) {
    if (one->left_out.empty()) {
      found.push_back(one.get());
    }
  }
  return found;
}

double Installations::end_seconds() const {
  double sum = 0;
  for (const auto& one : all_) {
    const int planes = (one->rig ? 1 : 0) + (one->changing ? 1 : 0);
    sum += (one->changing ? one->read_seconds : 0) + 0.5 * planes * one->install_seconds;
  }
  return sum;
}

std::size_t Installations::overruns() const {
  std::size_t sum = 0;
  for (const auto& one : all_) {
    sum += one->rig ? one->rig->overruns() : 0;
  }
  for (const auto& [name, rig] : instruments_) {
    sum += rig->overruns();
  }
  return sum;
}

Result<std::unique_ptr<InNamespace>> Installations::another(const PlaneAtSize& like) const {
  SVCB_TAKE(place, namespace_with_loopback());
  SVCB_TAKE(inside, place.enter());
  SVCB_TAKE(plane, like.row->make(setting_->selection.configuration()));
  return std::make_unique<InNamespace>(std::move(place), std::move(plane));
}

Status Installations::make_wire() {
  const Selection& selection = setting_->selection;
  WireCapacity capacity{};
  for (const std::size_t size : selection.sweep) {
    const WireCapacity needs = PathTargets::needs(setting_->services(size));
    capacity.targets += needs.targets;
    capacity.backends += needs.backends;
  }
  SVCB_TAKE(wire, Wire::create(capacity));
  wire_ = std::move(wire);
  for (const std::size_t size : selection.sweep) {
    SVCB_TAKE(targets, PathTargets::add(*wire_, setting_->services(size), setting_->workload,
                                        selection.family, selection.seed));
    targets_.emplace(size, std::move(targets));
  }
  return make_instruments();
}

Status Installations::make_instruments() {
  const auto keep = [this](std::string_view name, Result<std::unique_ptr<PathRig>> made) -> Status {
    if (!made) {
      return tl::unexpected(made.error());
    }
    instruments_.emplace(name, std::move(*made));
    return {};
  };
  const PlaneConfiguration configuration = setting_->selection.configuration();
  const auto route = [&](EbpfHook hook) {
    const PathRig::Make make = [hook](const PlaneConfiguration& at) -> Result<std::unique_ptr<DataPlane>> {
      return std::make_unique<AttachedEbpf>(hook, at, false);
    };
    return PathRig::with_plane(*wire_, make, configuration, {});
  };
  SVCB_CHECK(keep(instrument_sink, PathRig::with_sink(*wire_)));
  if (std::find(names_.begin(), names_.end(), instrument_null) == names_.end()) {
    SVCB_CHECK(keep(instrument_null, PathRig::with_plane(*wire_, make_null, configuration, {})));
  }
  SVCB_CHECK(keep(instrument_redirect_xdp, PathRig::with_redirect(*wire_, Wire::Hook::xdp, 0)));
  SVCB_CHECK(keep(instrument_redirect_tc, PathRig::with_redirect(*wire_, Wire::Hook::tc, 0)));
  SVCB_CHECK(keep(instrument_route_xdp, route(EbpfHook::xdp)));
  SVCB_CHECK(keep(instrument_route_tc, route(EbpfHook::tc)));
  SVCB_TAKE(clock_ns, wire_->clock_ns(instruments_.at(std::string(instrument_sink))->testbed()));
  clock_ns_ = clock_ns;
  return {};
}

Status Installations::install(PlaneAtSize& one, const Wants& wants) {
  SVCB_CHECK(check_interrupted());
  const double budget = setting_->selection.budget_seconds;
  CostCurve& curve = curves_[one.row];
  const double predicted = curve.at(one.services).value_or(0);
  const double enough = std::max(budget_for(predicted), (spent_ + predicted) / installations_share);
  SVCB_TAKE(left_out, decided(setting_->selection.journal, "install " + name_of(one),
                              predicted > 0 && enough > budget));
  if (left_out) {
    one.install_seconds = predicted;
    one.left_out = why_left_out(fmt::format("installing {} services", grouped(one.services)), predicted,
                                budget, std::max(enough, budget));
    curve.add(one.services, predicted);
    setting_->progress.say(fmt::format("{}: {}", one.row->name, one.left_out));
    return {};
  }
  setting_->progress.phase(fmt::format("install {} services: {}", grouped(one.services), one.row->name));
  const auto wanted = setting_->services(one.services);
  const std::int64_t start = setting_->clock.now_ns();
  std::int64_t begin = start;
  if (wants.packets) {
    SVCB_TAKE(rig, PathRig::with_plane(*wire_, one.row->make, setting_->selection.configuration(), wanted));
    one.rig = std::move(rig);
  }
  if ((wants.changes || !wants.packets) && one.row->kind != PlaneKind::none) {
    SVCB_TAKE(plane, another(one));
    one.changing = std::move(plane);
    begin = setting_->clock.now_ns();
    SVCB_CHECK(one.changing->install(wanted));
  }
  const std::int64_t end = setting_->clock.now_ns();
  one.install_seconds = seconds_between(begin, end);
  spent_ += seconds_between(start, end);
  curve.add(one.services, one.install_seconds);
  if (const DataPlane* plane = one.plane()) {
    SVCB_TAKE(held, plane->entries());
    one.read_seconds = seconds_between(end, setting_->clock.now_ns());
    if (held != wanted.size()) {
      return failure("{} holds {} services after {} were installed", one.row->name, held, wanted.size());
    }
  }
  return {};
}

Result<std::unique_ptr<Installations>> Installations::make(Setting& setting, const Wants& wants) {
  std::unique_ptr<Installations> made(new Installations(setting));
  for (const ProbedPlane& plane : setting.selection.planes) {
    if (plane.not_here.empty()) {
      made->names_.emplace_back(plane.row->name);
    }
  }
  if (wants.packets) {
    SVCB_CHECK(made->make_wire());
  }
  for (const std::size_t size : wants.planes ? setting.selection.sweep : std::vector<std::size_t>()) {
    for (const ProbedPlane& plane : setting.selection.planes) {
      if (plane.not_here.empty()) {
        made->all_.push_back(std::make_unique<PlaneAtSize>());
        made->all_.back()->row = plane.row;
        made->all_.back()->services = size;
        SVCB_CHECK(made->install(*made->all_.back(), wants));
      }
    }
  }
  return made;
}

}  // namespace svcbench
