// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// When each cell was visited, and what the machine did meanwhile: what tells a disturbed visit from
// another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "measure/clock.h"
#include "measure/schedule.h"
#include "sys/noise.h"

namespace svcbench {

// One visit of one step.
struct LoggedVisit {
  std::size_t step = 0;
  double begin_s = 0;  // since the run began
  double seconds = 0;  // what it took, with its checks
  Meanwhile meanwhile{};

  [[nodiscard]] nlohmann::json json() const;
  // What json() has made; zero, and unknown, is what it lacks.
  static LoggedVisit of(const nlohmann::json& kept);
};

class VisitLog {
 public:
  // `look`: what the machine has done so far; a test gives its own.
  explicit VisitLog(std::function<CpuLook()> look = CpuLook::brief) : look_(std::move(look)) {}
  VisitLog(const VisitLog&) = delete;
  VisitLog& operator=(const VisitLog&) = delete;

  // From now on every visit of these steps is taken down, and goes with its samples into a journal and
  // comes back with them. `now`: seconds since the run began. The log must outlive the steps.
  void watch(std::vector<Step>& steps, const std::function<double()>& now);

  [[nodiscard]] const std::vector<LoggedVisit>& visits() const { return visits_; }

  // A sentence on the visits of which the host took more than 5 % of a CPU away; none: there are none.
  [[nodiscard]] std::vector<std::string> disturbed() const;

  // {"steps": [{"label", "cell"}], "visits": [{"step", "begin_s", "seconds", "stolen_ms", "switches",
  // "mhz"}]}: "step" counts from 0 in "steps"; "cell" is there where the step is one cell of the run by
  // this id; what the kernel does not tell is left out.
  [[nodiscard]] nlohmann::json json() const;

 private:
  struct Watched {
    std::string label;
    std::string cell;
  };
  std::function<CpuLook()> look_;
  std::vector<Watched> steps_{};
  std::vector<LoggedVisit> visits_{};  // in the order in which they ended
};

}  // namespace svcbench
