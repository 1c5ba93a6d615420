// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/visit_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace svcbench {

namespace {

using nlohmann::json;

// A microsecond is as fine as anybody looks.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::optional<double> number_at(const json& kept, const char* name) {
  const auto found = kept.find(name);
  return found != kept.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

}  // namespace

json LoggedVisit::json() const {
  nlohmann::json out{{"step", step},
                     {"begin_s", rounded(begin_s)},
                     {"seconds", rounded(seconds)},
                     {"switches", meanwhile.switches}};
  if (meanwhile.stolen_ms) {
    out["stolen_ms"] = rounded(*meanwhile.stolen_ms);
  }
  if (meanwhile.mhz) {
    out["mhz"] = *meanwhile.mhz;
  }
  return out;
}

LoggedVisit LoggedVisit::of(const nlohmann::json& kept) {
  LoggedVisit visit;
  if (kept.is_object()) {
    visit.begin_s = number_at(kept, "begin_s").value_or(0);
    visit.seconds = number_at(kept, "seconds").value_or(0);
    visit.meanwhile.switches = number_at(kept, "switches").value_or(0);
    visit.meanwhile.stolen_ms = number_at(kept, "stolen_ms");
    visit.meanwhile.mhz = number_at(kept, "mhz");
  }
  return visit;
}

void VisitLog::watch(std::vector<Step>& steps, const std::function<double()>& now) {
  for (Step& step : steps) {
    const std::size_t index = steps_.size();
    steps_.push_back({step.label, step.cell});
    step.run = [this, index, now, run = std::move(step.run)](std::size_t repeat) -> Status {
      LoggedVisit visit{.step = index, .begin_s = now()};
      const CpuLook before = look_();
      SVCB_CHECK(run(repeat));
      visit.meanwhile = between(before, look_());
      visit.seconds = now() - visit.begin_s;
      visits_.push_back(visit);
      return {};
    };
    if (!step.samples || !step.restore) {
      continue;
    }
    step.samples = [this, samples = std::move(step.samples)]() -> nlohmann::json {
      return {{"visit", visits_.back().json()}, {"samples", samples()}};
    };
    step.restore = [this, index, restore = std::move(step.restore)](const nlohmann::json& kept) -> Status {
      if (!kept.is_object() || !kept.contains("samples")) {
        return failure("what was kept of it cannot be read");
      }
      SVCB_CHECK(restore(kept.at("samples")));
      LoggedVisit visit = LoggedVisit::of(kept.value("visit", nlohmann::json()));
      visit.step = index;
      visits_.push_back(visit);
      return {};
    };
  }
}

std::vector<std::string> VisitLog::disturbed() const {
  constexpr double much = 0.05;
  const auto share = [](const LoggedVisit& visit) {
    return visit.meanwhile.stolen_ms.value_or(0) / std::max(visit.seconds * 1e3, 1e-3);
  };
  std::size_t disturbed = 0;
  const LoggedVisit* worst = nullptr;
  for (const LoggedVisit& visit : visits_) {
    if (share(visit) > much) {
      ++disturbed;
      if (worst == nullptr || *worst->meanwhile.stolen_ms < *visit.meanwhile.stolen_ms) {
        worst = &visit;
      }
    }
  }
  if (worst == nullptr) {
    return {};
  }
  return {
      fmt::format("In {} of {} visits the host took more than {:.0f} % of a CPU away, most of all {:.0f} "
                  "ms of {:.0f} ({})",
                  disturbed, visits_.size(), 100 * much, *worst->meanwhile.stolen_ms, worst->seconds * 1e3,
                  steps_[worst->step].label)};
}

json VisitLog::json() const {
  nlohmann::json steps = nlohmann::json::array();
  for (const Watched& step : steps_) {
    nlohmann::json& one = steps.emplace_back(nlohmann::json{{"label", step.label}});
    if (!step.cell.empty()) {
      one["cell"] = step.cell;
    }
  }
  nlohmann::json visits = nlohmann::json::array();
  for (const LoggedVisit& visit : visits_) {
    visits.push_back(visit.json());
  }
  return {{"steps", std::move(steps)}, {"visits", std::move(visits)}};
}

}  // namespace svcbench
