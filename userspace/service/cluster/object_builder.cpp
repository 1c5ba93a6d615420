// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster/object_builder.h"

#include <algorithm>
#include <utility>

namespace svcbench::cluster {
namespace {

using nlohmann::json;

// Deeper than anything that is read.
constexpr std::size_t deepest = 64;

const Wanted& wanted_of_objects() {
  static const Wanted wanted{
      "",
      {{"apiVersion"},
       {"kind"},
       {"message"},  // of a Status: what the API server answered in place of objects
       {"metadata",
        {{"name"},
         {"namespace"},
         {"creationTimestamp"},
         {"resourceVersion"},
         {"continue"},
         {"remainingItemCount"},
         {"labels",
          {{"kubernetes.io/service-name"},
           {"service.kubernetes.io/service-proxy-name"},
           {"service.kubernetes.io/headless"},
           {"topology.kubernetes.io/zone"}}},
         {"annotations", {{"svcbench/weight"}, {"endpoints.kubernetes.io/over-capacity"}}}}},
       {"spec",
        {{"type"},
         {"clusterIP"},
         {"clusterIPs"},
         {"externalIPs"},
         {"ports", {{"name"}, {"port"}, {"protocol"}, {"nodePort"}}},
         {"sessionAffinity"},
         {"sessionAffinityConfig"},
         {"internalTrafficPolicy"},
         {"externalTrafficPolicy"},
         {"healthCheckNodePort"},
         {"loadBalancerSourceRanges"},
         {"cidrs"}}},
       {"status", {{"loadBalancer", {{"ingress", {{"ip"}, {"hostname"}, {"ipMode"}}}}}}},
       {"addressType"},
       {"endpoints",
        {{"addresses"},
         {"conditions"},
         {"nodeName"},
         {"hints"},
         {"topology", {{"kubernetes.io/hostname"}}}}},
       {"ports", {{"name"}, {"port"}, {"protocol"}}},
       {"subsets",
        {{"addresses", {{"ip"}, {"nodeName"}}},
         {"notReadyAddresses", {{"ip"}, {"nodeName"}}},
         {"ports", {{"name"}, {"port"}, {"protocol"}}}}}}};
  return wanted;
}

bool has_kind(const json& object) { return object.is_object() && object.contains("kind"); }

// Of an item without one, as its list has it: a ServiceList's is Service. Not of a plain List.
void take_kind(json& item, const json& list) {
  constexpr std::string_view ending = "List";
  const auto kind = list.find("kind");
  if (kind == list.end() || !kind->is_string()) {
    return;
  }
  std::string name = kind->get<std::string>();
  if (name.size() <= ending.size() || !name.ends_with(ending)) {
    return;
  }
  name.resize(name.size() - ending.size());
  item["kind"] = std::move(name);
  if (const auto version = list.find("apiVersion"); version != list.end()) {
    item["apiVersion"] = *version;
  }
}

}  // namespace

const Wanted* Wanted::of(std::string_view member) const {
  if (members.empty()) {
    return this;
  }
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const Wanted& one) { return one.key == member; });
  return found == members.end() ? nullptr : &*found;
}

bool ObjectBuilder::is_skipping() const {
  return skipped_depth_ != 0 || (!open_.empty() && !open_.back().is_list && open_.back().value != nullptr &&
                                 open_.back().value->is_object() && open_.back().next == nullptr);
}

bool ObjectBuilder::key(std::string& name) {
  if (skipped_depth_ == 0) {
    Open& top = open_.back();
    top.next = top.wanted->of(name);
    if (top.next != nullptr || top.object) {
      top.key = std::move(name);
    }
  }
  return true;
}

// Where `value` stands in what is open.
json* ObjectBuilder::place(json&& value) {
  Open& top = open_.back();
  if (top.value->is_array()) {
    top.value->push_back(std::move(value));
    return &top.value->back();
  }
  json& member = (*top.value)[top.key];
  member = std::move(value);
  return &member;
}

bool ObjectBuilder::scalar(json&& value) {
  if (is_skipping()) {
    return true;
  }
  if (open_.empty() || open_.back().is_list) {
    (*take_)(value);
  } else {
    place(std::move(value));
  }
  return true;
}

void ObjectBuilder::begin_object() {
  Open object;
  object.object = std::make_unique<json>(json::object());
  object.value = object.object.get();
  object.wanted = &wanted_of_objects();
  open_.push_back(std::move(object));
}

bool ObjectBuilder::begin(json&& container) {
  if (skipped_depth_ != 0 || open_.size() >= deepest) {
    ++skipped_depth_;
    return true;
  }
  const bool is_array = container.is_array();
  if (open_.empty() || open_.back().is_list) {
    if (is_array) {
      open_.push_back({.is_list = true});
    } else {
      begin_object();
    }
    return true;
  }
  if (open_.back().object && open_.back().key == "items" && is_array) {
    (*open_.back().value)["items"] = true;  // that it has some is all that is kept of them
    open_.push_back({.is_list = true});
    return true;
  }
  if (is_skipping()) {
    ++skipped_depth_;
    return true;
  }
  Open& top = open_.back();
  const Wanted* const below = top.value->is_array() ? top.wanted : top.next;
  json* const value = place(std::move(container));
  open_.push_back({.value = value, .wanted = below});
  return true;
}

bool ObjectBuilder::end() {
  if (skipped_depth_ != 0) {
    --skipped_depth_;
    return true;
  }
  Open closed = std::move(open_.back());
  open_.pop_back();
  if (closed.object) {
    finish(std::move(closed));
  }
  return true;
}

void ObjectBuilder::finish(Open object) {
  for (json& item : object.unnamed) {
    take_kind(item, *object.object);
    (*take_)(item);
  }
  hand_on(std::move(*object.object));
}

void ObjectBuilder::hand_on(json&& item) {
  // A list's own object is right below the array of its items.
  Open* const owner =
      open_.size() >= 2 && open_[open_.size() - 2].object ? &open_[open_.size() - 2] : nullptr;
  if (!has_kind(item) && owner != nullptr) {
    if (item.contains("addressType")) {  // these may be large, and nothing else has it
      item["kind"] = "EndpointSlice";
      item["apiVersion"] = "discovery.k8s.io/v1";
    } else if (has_kind(*owner->object)) {
      take_kind(item, *owner->object);
    } else {
      owner->unnamed.push_back(std::move(item));
      return;
    }
  }
  (*take_)(item);
}

}  // namespace svcbench::cluster
