// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/calibration.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <numeric>
#include <vector>

#include "measure/scenario/cell_step.h"
#include "measure/selection.h"
#include "stats/random.h"

namespace svcbench {

namespace {

// What the compiler may neither see through nor leave out.
void keep(std::uint64_t& value) { asm volatile("" : "+r"(value)); }

// Each multiplication waits for the one before.
void multiply(std::size_t count) {
  std::uint64_t value = 1;
  for (std::size_t i = 0; i < count; ++i) {
    value = value * 6364136223846793005U + 1442695040888963407U;
    keep(value);
  }
}

void call_kernel(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    ::syscall(SYS_getppid);  // no library answers it from memory
  }
}

// One cycle through memory that no cache of the usual sizes holds, in an order that no prefetcher knows:
// each load waits for the one before.
class Chain {
 public:
  Chain() : lines_(bytes / sizeof(Line)) {
    // Sattolo's shuffle: one cycle through all of them.
    std::vector<std::uint32_t> next(lines_.size());
    std::iota(next.begin(), next.end(), 0U);
    Random random(1);
    for (std::size_t i = next.size() - 1; i > 0; --i) {
      std::swap(next[i], next[draw_below(random, i)]);
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
      lines_[i].next = next[i];
    }
  }

  void follow(std::size_t count) {
    std::uint64_t at = at_;
    for (std::size_t i = 0; i < count; ++i) {
      at = lines_[at].next;
      keep(at);
    }
    at_ = at;
  }

 private:
  static constexpr std::size_t bytes = std::size_t{32} << 20U;
  struct alignas(64) Line {
    std::uint32_t next = 0;
  };

  std::vector<Line> lines_;
  std::uint64_t at_ = 0;
};

class Calibration final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    using Work = std::function<void(std::size_t count)>;
    const auto add = [&](const char* name, const char* what, std::size_t count,
                         const Work& work) -> Status {
      return add_step(name, what, setting, steps, [count, work, &setting]() -> Result<double> {
        const std::int64_t begin = setting.clock.now_ns();
        work(count);
        return static_cast<double>(setting.clock.now_ns() - begin) / static_cast<double>(count);
      });
    };
    SVCB_CHECK(add("multiplication", "a multiplication that waits for the one before", 20'000, multiply));
    SVCB_CHECK(add("cache-miss", "a load from 32 MiB that waits for the one before", 1000,
                   [this](std::size_t count) { chain_.follow(count); }));
    SVCB_CHECK(add("syscall", "a system call that does nothing", 500, call_kernel));
    return add_step("child", "a program that does nothing, launch to exit", setting, steps,
                    []() -> Result<double> {
                      SVCB_TAKE(cost, run_nothing());
                      return static_cast<double>(cost.commit_ns);
                    });
  }

  void tell(Findings& findings) override {
    for (Cell& cell : cells_) {
      std::vector<double> sorted = cell.values;
      std::sort(sorted.begin(), sorted.end());
      take_beside(cell, "p10", stats::quantile(sorted, 0.1));
      take_beside(cell, "p90", stats::quantile(sorted, 0.9));
    }
    tell_cells(cells_, findings.calibration);
  }

 private:
  Status add_step(const char* name, const char* what, const Setting& setting, std::vector<Step>& steps,
                  const std::function<Result<double>()>& visit) {
    Cell& cell = cells_.emplace_back(calibration_cell(name, what));
    const std::int64_t begin = setting.clock.now_ns();
    SVCB_TAKE(first, visit());  // warms up; no sample
    static_cast<void>(first);
    Step step =
        cell_step(cell, std::string("calibration, ") + name, seconds_between(begin, setting.clock.now_ns()),
                  setting, [visit](std::size_t) { return visit(); });
    step.spread = {};  // its visits are as many as the rounds have room for, and no more
    steps.push_back(std::move(step));
    return {};
  }

  Chain chain_{};
  std::deque<Cell> cells_{};
};

}  // namespace

std::unique_ptr<Scenario> make_calibration() { return std::make_unique<Calibration>(); }

}  // namespace svcbench
