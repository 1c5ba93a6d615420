// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/churn/changer.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "measure/clock.h"
#include "sys/pinned.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t slice_ns = 50'000'000;  // of a long wait, between two looks at whether to stop

}  // namespace

std::int64_t ChangeLog::issue(std::size_t place, ServiceVersion version) {
  const std::lock_guard hold(mutex_);
  version.issued_ns = monotonic_ns();
  const std::int64_t at = version.issued_ns;
  events_.push_back({place, true, at, std::move(version)});
  return at;
}

std::int64_t ChangeLog::commit(std::size_t place) {
  const std::lock_guard hold(mutex_);
  const std::int64_t at = monotonic_ns();
  events_.push_back({.place = place, .issued = false, .at_ns = at});
  return at;
}

std::vector<ChangeEvent> ChangeLog::take() {
  std::vector<ChangeEvent> events;
  const std::lock_guard hold(mutex_);
  std::swap(events, events_);
  return events;
}

Changer::Changer(InNamespace& plane, ChangeSequence& sequence, ChangeLog& log,
                 std::function<void(std::size_t place)> aim, Plan plan)
    : plane_(plane), sequence_(sequence), log_(log), aim_(std::move(aim)), plan_(plan) {
  thread_ = std::thread([this] {
    status_ = work();
    running_ = false;
  });
}

Changer::~Changer() {
  stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

Result<ChangeRun> Changer::finish() {
  thread_.join();
  SVCB_CHECK(status_);
  return std::move(done_);
}

bool Changer::wait_until(std::int64_t due_ns) const {
  for (std::int64_t now = monotonic_ns(); now < due_ns; now = monotonic_ns()) {
    if (stopped_) {
      return false;
    }
    const std::int64_t next = std::min(due_ns, now + slice_ns);
    const timespec until{next / second_ns, next % second_ns};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
  return !stopped_;
}

Status Changer::work() {
  // Where the packets are not: what a change takes from them shall be what the kernel makes it take.
  SVCB_TAKE(pinned, Pinned::off_last_cpu());
  SVCB_TAKE(inside, plane_.enter());
  DataPlane& plane = plane_.inner();
  const std::int64_t begin = monotonic_ns();
  const auto end = begin + static_cast<std::int64_t>(plan_.seconds * 1e9);
  for (std::size_t number = 0;; ++number) {
    const std::int64_t due =
        plan_.rate == 0 ? monotonic_ns()
                        : begin + static_cast<std::int64_t>(static_cast<double>(number) * 1e9 / plan_.rate);
    // One that was due and could not be made in time is not made at all, but no service is left empty.
    if ((due >= end || monotonic_ns() >= end) && !sequence_.must_refill()) {
      break;
    }
    const PlannedChange planned = sequence_.next();
    ServiceVersion version{.present = planned.present, .made_by = to_string(planned.step)};
    if (planned.present) {
      version.endpoints = planned.change.service.endpoints;
    }
    if (!wait_until(due)) {
      break;
    }
    aim_(planned.place);
    ChangeTiming timing{.step = planned.step, .due_ns = due};
    timing.issued_ns = log_.issue(planned.place, std::move(version));
    SVCB_CHECK(plane.stage(planned.change));
    SVCB_CHECK(plane.commit());
    timing.committed_ns = log_.commit(planned.place);
    done_.changes.push_back(timing);
  }
  done_.rate = plan_.rate;
  done_.seconds = plan_.seconds;
  done_.done = static_cast<std::uint64_t>(
      std::count_if(done_.changes.begin(), done_.changes.end(),
                    [end](const ChangeTiming& timing) { return timing.committed_ns <= end; }));
  done_.due = plan_.rate == 0 ? done_.done
                              : static_cast<std::uint64_t>(std::ceil(plan_.rate * plan_.seconds - 1e-9));
  return {};
}

}  // namespace svcbench
