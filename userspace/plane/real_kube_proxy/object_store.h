// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The objects that an API server has, and what became of them: lists, and events to those who watch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plane/real_kube_proxy/kubernetes_objects.h"

namespace svcbench::kubernetes {

// One line of a watch: {"type": ..., "object": ...}.
struct Event {
  std::uint64_t version = 0;  // the store's after it
  Resource resource = Resource::services;
  std::string line{};
};

// May be used by several threads at once.
class ObjectStore {
 public:
  // `most_events`: kept for those who watch; who comes later than that must list again.
  explicit ObjectStore(std::size_t most_events = 10'000) : most_events_(most_events) {}

  // What is in `objects` and not, or otherwise, in the store is put there. Returns how many that were.
  std::size_t put(const Objects& objects);
  // Of these, those that are there go. Returns how many that were.
  std::size_t remove(const std::vector<ObjectKey>& keys);

  // The list's text, as the API gives it.
  [[nodiscard]] std::string list(Resource resource) const;
  // One object's; none: there is none.
  [[nodiscard]] std::optional<std::string> get(const ObjectKey& key) const;
  // The objects that are there, as events.
  [[nodiscard]] std::vector<Event> as_added(Resource resource) const;

  // Events after `version`, in order; waits for the first one, at most `patience`. None: the store no
  // longer has all of those, or never had that version.
  [[nodiscard]] std::optional<std::vector<Event>> events_after(Resource resource, std::uint64_t version,
                                                               std::chrono::milliseconds patience) const;
  [[nodiscard]] std::uint64_t version() const;
  // Wakes all who wait, now and from now on.
  void close();
  [[nodiscard]] bool is_closed() const;

 private:
  // With `mutex_` held.
  void note(const char* type, const ObjectKey& key, const nlohmann::json& object);
  [[nodiscard]] std::optional<std::vector<Event>> held_after(Resource resource,
                                                             std::uint64_t version) const;

  std::size_t most_events_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Objects objects_;
  std::deque<Event> events_;
  std::uint64_t version_ = 1;
  std::uint64_t forgotten_ = 1;  // events up to this version are no longer there
  bool closed_ = false;
};

}  // namespace svcbench::kubernetes
