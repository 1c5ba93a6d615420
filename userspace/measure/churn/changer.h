// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Makes changes at a rate, in a thread of its own, and tells when each was issued and committed.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "measure/churn/churn_results.h"
#include "plane/in_namespace.h"

namespace svcbench {

struct ChangeEvent {
  std::size_t place = 0;  // in the services that change
  bool issued = false;    // else the commit of the service's last version returned
  std::int64_t at_ns = 0;
  ServiceVersion version{};  // if issued
};

// From the changer to the one that judges. A change is told before the plane is. The commit's time is taken
// under the lock: whoever has taken all events knows of every commit that had returned by then.
class ChangeLog {
 public:
  std::int64_t issue(std::size_t place, ServiceVersion version);
  std::int64_t commit(std::size_t place);
  [[nodiscard]] std::vector<ChangeEvent> take();

 private:
  std::mutex mutex_{};
  std::vector<ChangeEvent> events_{};
};

class Changer {
 public:
  struct Plan {
    double rate = 0;  // a second; 0: one after the other
    double seconds = 0;
  };
  // `plane` is used by the thread alone while it runs. `aim` is told the place of each change before it is
  // made. All must outlive this.
  Changer(InNamespace& plane, ChangeSequence& sequence, ChangeLog& log,
          std::function<void(std::size_t place)> aim, Plan plan);
  Changer(const Changer&) = delete;
  Changer& operator=(const Changer&) = delete;
  ~Changer();  // stops it

  [[nodiscard]] bool running() const { return running_; }
  void stop() { stopped_ = true; }
  // Waits for the change that is being made. Error: the plane refused one.
  Result<ChangeRun> finish();

 private:
  Status work();
  [[nodiscard]] bool wait_until(std::int64_t due_ns) const;  // false: stopped

  InNamespace& plane_;
  ChangeSequence& sequence_;
  ChangeLog& log_;
  std::function<void(std::size_t)> aim_;
  Plan plan_;
  ChangeRun done_{};
  Status status_{};
  std::atomic<bool> running_{true};
  std::atomic<bool> stopped_{false};
  std::thread thread_{};
};

}  // namespace svcbench
