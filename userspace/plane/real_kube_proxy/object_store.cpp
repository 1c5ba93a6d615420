// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/object_store.h"

#include <fmt/format.h>

#include <utility>

namespace svcbench::kubernetes {

namespace {

using nlohmann::json;

struct Listed {
  std::string_view version;
  std::string_view kind;
};

Listed list_of(Resource resource) {
  switch (resource) {
    case Resource::services:
      return {"v1", "ServiceList"};
    case Resource::endpoint_slices:
      return {"discovery.k8s.io/v1", "EndpointSliceList"};
    case Resource::nodes:
      return {"v1", "NodeList"};
    case Resource::service_cidrs:
      break;
  }
  return {"networking.k8s.io/v1", "ServiceCIDRList"};
}

std::string line_of(std::string_view type, const json& object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object.dump());
}

// Whether they differ in more than the version that a server gave.
bool same(const json& held, json wanted) {
  wanted["metadata"]["resourceVersion"] = held.at("metadata").at("resourceVersion");
  return held == wanted;
}

}  // namespace

void ObjectStore::note(const char* type, const ObjectKey& key, const json& object) {
  events_.push_back({version_, key.resource, line_of(type, object)});
  if (events_.size() > most_events_) {
    forgotten_ = events_.front().version;
    events_.pop_front();
  }
}

std::size_t ObjectStore::put(const Objects& objects) {
  std::size_t changed = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, object] : objects) {
      json& held = objects_[key];
      const bool is_new = held.is_null();
      if (!is_new && same(held, object)) {
        continue;
      }
      held = object;
      held["metadata"]["resourceVersion"] = std::to_string(++version_);
      note(is_new ? "ADDED" : "MODIFIED", key, held);
      ++changed;
    }
  }
  changed_.notify_all();
  return changed;
}

std::size_t ObjectStore::remove(const std::vector<ObjectKey>& keys) {
  std::size_t removed = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const ObjectKey& key : keys) {
      const auto found = objects_.find(key);
      if (found == objects_.end()) {
        continue;
      }
      found->second["metadata"]["resourceVersion"] = std::to_string(++version_);
      note("DELETED", key, found->second);
      objects_.erase(found);
      ++removed;
    }
  }
  changed_.notify_all();
  return removed;
}

std::string ObjectStore::list(Resource resource) const {
  const std::lock_guard lock(mutex_);
  const auto [version, kind] = list_of(resource);
  std::string text = fmt::format(
      "{{\"apiVersion\":\"{}\",\"kind\":\"{}\",\"metadata\":{{\"resourceVersion\":\"{}\"}},\"items\":[",
      version, kind, version_);
  bool first = true;
  for (const auto& [key, object] : objects_) {
    if (key.resource == resource) {
      text += (std::exchange(first, false) ? "" : ",") + object.dump();
    }
  }
  return text + "]}\n";
}

std::optional<std::string> ObjectStore::get(const ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.dump());
}

std::vector<Event> ObjectStore::as_added(Resource resource) const {
  const std::lock_guard lock(mutex_);
  std::vector<Event> all;
  for (const auto& [key, object] : objects_) {
    if (key.resource == resource) {
      all.push_back({version_, resource, line_of("ADDED", object)});
    }
  }
  return all;
}

std::optional<std::vector<Event>> ObjectStore::held_after(Resource resource, std::uint64_t version) const {
  if (version < forgotten_ || version > version_) {
    return std::nullopt;
  }
  std::vector<Event> found;
  for (auto event = events_.rbegin(); event != events_.rend() && event->version > version; ++event) {
    if (event->resource == resource) {
      found.push_back(*event);
    }
  }
  return std::vector<Event>(found.rbegin(), found.rend());
}

std::optional<std::vector<Event>> ObjectStore::events_after(Resource resource, std::uint64_t version,
                                                            std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  std::optional<std::vector<Event>> found;
  changed_.wait_for(lock, patience, [&] {
    found = held_after(resource, version);
    return closed_ || !found || !found->empty();
  });
  return found;
}

std::uint64_t ObjectStore::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void ObjectStore::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

bool ObjectStore::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace svcbench::kubernetes
