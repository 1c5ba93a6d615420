// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "plane/iptables_chapter.h"
#include "service/text.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

// Packets of each schedule that are checked byte for byte before a program is timed.
constexpr std::size_t packets_verified = 256;

}  // namespace

std::string name_of(const MapsAtSize& size, std::string_view what) {
  return fmt::format("{} services: {}", grouped(size.services.size()), what);
}

Maps::Maps(const Setting& setting, const IptablesBackend& iptables)
    : setting_(&setting), iptables_(iptables) {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto& all = setting.workload.services();
    if (std::any_of(all.begin(), all.end(),
                    [&](const Service& service) { return service.frontend.address.family == family; })) {
      families_.push_back(family);
    }
  }
}

EbpfOptions Maps::options(const MapsAtSize& size) const {
  return {.capacity = MapCapacity::for_services(size.services, setting_->selection.services_capacity,
                                                setting_->selection.backends_capacity, families_),
          .writes = MapWrites::mapped,
          .programs = false};
}

Result<std::unique_ptr<Maps>> Maps::load(Setting& setting, const IptablesBackend& iptables) {
  std::unique_ptr<Maps> maps(new Maps(setting, iptables));
  for (const std::size_t n : setting.selection.sweep) {
    SVCB_CHECK(check_interrupted());
    MapsAtSize& size = maps->sizes_.emplace_back();
    size.services = setting.services(n);
    setting.progress.phase(name_of(size, "load and check"));
    SVCB_CHECK(maps->load_maps(size));
    SVCB_CHECK(maps->load_table(size));
  }
  return maps;
}

Status Maps::load_maps(MapsAtSize& size) {
  EbpfOptions with = options(size);
  SVCB_TAKE(maps, EbpfPlane::load(with));
  size.maps = std::move(maps);
  SVCB_CHECK(size.maps->install(size.services));
  SVCB_TAKE(bare, BareWrites::load(with));
  size.bare = std::move(bare);
  SVCB_CHECK(size.bare->install(size.services));
  with.programs = true;
  SVCB_TAKE(unchanging, EbpfPlane::load(with));
  size.unchanging = std::move(unchanging);
  SVCB_CHECK(size.unchanging->install(size.services));

  SVCB_TAKE(programs, ProgramBench::load(*size.unchanging, size.services, setting_->selection.seed));
  size.programs = std::move(programs);
  for (const Hook hook : all_hooks) {
    for (const Family family : size.programs->families()) {
      SVCB_CHECK(size.programs->verify(hook, family, packets_verified));
    }
  }
  return {};
}

Status Maps::load_table(MapsAtSize& size) {
  const std::size_t n = size.services.size();
  const double budget = setting_->selection.budget_seconds;
  // A visit is three reloads: a change, an addition, a removal.
  const double predicted = table_seconds_.at(n).value_or(0);
  SVCB_TAKE(left_out, decided(setting_->selection.journal, name_of(size, iptables_.label),
                              budget_for(3 * predicted) > budget));
  if (left_out) {
    size.table_left_out = why_left_out("one reload", predicted, budget, budget_for(3 * predicted));
    size.table_predicted_seconds = predicted;
    table_seconds_.add(n, predicted);
    setting_->progress.say(name_of(size, size.table_left_out));
    return {};
  }
  SVCB_TAKE(place, NetNamespace::create());
  auto chapter = std::make_unique<IptablesChapter>(iptables_);
  const IptablesChapter& inside = *chapter;
  size.table = std::make_unique<InNamespace>(std::move(place), std::move(chapter));
  const std::int64_t start = setting_->clock.now_ns();
  SVCB_CHECK(size.table->install(size.services));
  table_seconds_.add(n, seconds_between(start, setting_->clock.now_ns()));
  size.rules = inside.rules();
  return {};
}

std::vector<ChangingPlane> Maps::changing() const {
  std::vector<ChangingPlane> planes;
  for (const MapsAtSize& size : sizes_) {
    ChangingPlane one{.services = size.services, .seed = setting_->selection.seed + size.services.size()};
    const auto add = [&planes, &one](std::string name, DataPlane* plane) {
      one.name = std::move(name);
      one.plane = plane;
      planes.push_back(one);
    };
    add("ebpf", size.maps.get());
    add("bare", size.bare.get());
    one.rules = size.rules;
    one.left_out = size.table_left_out;
    one.predicted_seconds = size.table_predicted_seconds;
    add("iptables-" + iptables_.backend, size.table.get());
  }
  return planes;
}

}  // namespace svcbench
