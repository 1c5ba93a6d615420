// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/update.h"

#include <algorithm>
#include <limits>

#include "measure/compare_analysis.h"
#include "measure/cost.h"
#include "measure/installations.h"
#include "measure/scenario/rows.h"
#include "measure/visit.h"
#include "plane/registry.h"
#include "service/text.h"

namespace svcbench {

namespace {

// A block of updates takes about so long.
constexpr double block_seconds = 0.02;
constexpr std::size_t most_changes_of_a_plane = 500;
// A file keeps every sample: so many blocks a round are enough.
constexpr std::size_t most_blocks_a_round = 4;
// Reading a service back may cost as much as changing it.
constexpr std::size_t blocks_between_looks = 5;

std::vector<ChangingPlane> installed_planes(Setting& setting) {
  std::vector<ChangingPlane> planes;
  for (PlaneAtSize* one : setting.planes->there()) {
    if (one->changing) {
      planes.push_back({.name = std::string(one->row->name),
                        .plane = &one->changing->inner(),
                        .place = one->changing.get(),
                        .services = setting.services(one->services),
                        .seed = setting.selection.seed});
    }
  }
  return planes;
}

// Inside, where the plane is in a place of its own.
Result<std::optional<NetNamespace::Inside>> enter(const ChangingPlane& plane) {
  std::optional<NetNamespace::Inside> inside;
  if (plane.place != nullptr) {
    SVCB_TAKE(entered, plane.place->enter());
    inside.emplace(std::move(entered));
  }
  return inside;
}

}  // namespace

std::unique_ptr<Scenario> make_update() {
  return std::make_unique<UpdateScenario>(installed_planes, most_changes_of_a_plane);
}

Status UpdateScenario::prepare(Setting& setting, std::vector<Step>& steps) {
  setting_ = &setting;
  for (ChangingPlane& plane : planes_(setting)) {
    SVCB_CHECK(prepare(changing_.emplace_back(std::move(plane)), steps));
  }
  return {};
}

Status UpdateScenario::prepare(const ChangingPlane& plane, std::vector<Step>& steps) {
  if (plane.plane != nullptr) {
    subjects_.emplace_back(plane.name, *plane.plane, plane.services, setting_->workload, plane.seed);
  }
  const auto ways = plane.plane != nullptr ? plane.plane->ways() : std::span<const std::string_view>();
  for (std::size_t i = 0; i < std::max<std::size_t>(ways.size(), 1); ++i) {
    Way& way = ways_.emplace_back();
    way.plane = &plane;
    way.way = i;
    const auto cell = [&](Operation operation) {
      UpdateCell made{.plane = plane.name, .services = plane.services.size(), .operation = operation};
      made.rules = plane.rules;
      made.way = ways.size() > 1 ? std::string(ways[i]) : "";
      made.skipped = plane.left_out;
      if (plane.predicted_seconds) {
        made.predicted_ns = *plane.predicted_seconds * 1e9;
      }
      return made;
    };
    way.change = cell(Operation::change_endpoints);
    way.add = cell(Operation::add_service);
    way.remove = cell(Operation::remove_service);
    if (plane.plane != nullptr) {
      way.subject = &subjects_.back();
      SVCB_CHECK(add_step(way, steps));
    }
  }
  return {};
}

Status UpdateScenario::add_step(Way& way, std::vector<Step>& steps) {
  SVCB_TAKE(inside, enter(*way.plane));
  // Pilots, thrown away: how many changes make a block. The first one meets cold caches, any a neighbour.
  SVCB_CHECK(way.plane->plane->choose_way(way.way));
  UpdateCell pilot = way.change;
  double seconds = std::numeric_limits<double>::infinity();
  for (std::size_t tries = 0; tries < 3 && (tries == 0 || seconds < block_seconds); ++tries) {
    const std::int64_t begin = setting_->clock.now_ns();
    SVCB_CHECK(way.subject->change_block(1, false, setting_->clock, pilot));
    seconds = std::min(seconds, std::max(seconds_between(begin, setting_->clock.now_ns()), 1e-6));
  }
  way.changes = static_cast<std::size_t>(
      std::clamp(block_seconds / seconds, 1.0, static_cast<double>(most_changes_)));
  Step step;
  step.label = fmt::format("update, {} services, {}{}{}", grouped(way.plane->services.size()),
                           way.plane->name, way.change.way.empty() ? "" : " ", way.change.way);
  step.seconds = 4 * seconds * static_cast<double>(way.changes);
  step.fewest = affordable_visits(
      step.seconds, setting_->selection.budget_seconds,
      bears(way.plane->name, "update-flat") ? visits_for_flatness : stats::fewest_repeats);
  step.most = std::min(most_visits_, most_blocks_a_round * setting_->selection.rounds);
  step.droppable = way.way > 0;
  step.run = [this, &way](std::size_t repeat) { return visit(way, repeat); };
  step.samples = [&way] { return last_blocks({&way.change, &way.add, &way.remove}); };
  step.restore = [&way](const nlohmann::json& samples) {
    return add_blocks({&way.change, &way.add, &way.remove}, samples);
  };
  step.spread = [&way] { return spread_of(update_cost(way.change)); };
  step.figure = [&way] {
    const auto median = stats::median_of(way.change.commit_ns.back());
    return median ? std::optional(StepFigure{.value = median->value, .unit = "ns"}) : std::nullopt;
  };
  step.leave_out = [&way, seconds](const std::string& why) {
    for (UpdateCell* cell : {&way.change, &way.add, &way.remove}) {
      cell->skipped = why;
      cell->predicted_ns = seconds * 1e9;
    }
  };
  steps.push_back(std::move(step));
  return {};
}

Status UpdateScenario::visit(Way& way, std::size_t repeat) {
  SVCB_TAKE(inside, enter(*way.plane));
  SVCB_CHECK(way.plane->plane->choose_way(way.way));
  const bool look = repeat % blocks_between_looks == 0;
  SVCB_CHECK(way.subject->change_block(way.changes, look, setting_->clock, way.change));
  return way.subject->add_remove_block(way.changes, look, setting_->clock, way.add, way.remove);
}

Status UpdateScenario::check() {
  std::size_t i = 0;
  for (const ChangingPlane& plane : changing_) {
    if (plane.plane != nullptr) {
      SVCB_TAKE(inside, enter(plane));
      SVCB_CHECK(subjects_[i++].verify_whole());
    }
  }
  return {};
}

void UpdateScenario::tell(Findings& findings) {
  for (Way& way : ways_) {
    for (UpdateCell* cell : {&way.change, &way.add, &way.remove}) {
      findings.updates.push_back(std::move(*cell));
    }
  }
}

}  // namespace svcbench
