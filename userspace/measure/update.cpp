// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/update.h"

namespace svcbench {

namespace {

std::string describe(const std::optional<Service>& service) {
  if (!service) {
    return "nothing";
  }
  std::string text;
  for (const Endpoint& endpoint : service->endpoints) {
    text += (text.empty() ? "" : ", ") + endpoint.text();
  }
  return text.empty() ? "no endpoints" : text;
}

}  // namespace

UpdateSubject::UpdateSubject(std::string name, DataPlane& plane, std::span<const Service> services,
                             const Workload& fresh, std::uint64_t seed)
    : name_(std::move(name)),
      plane_(&plane),
      services_(services.begin(), services.end()),
      fresh_(&fresh),
      random_(seed) {}

Result<UpdateSubject::Timed> UpdateSubject::timed(const Change& change, Clock& clock) {
  const std::int64_t start = clock.now_ns();
  SVCB_CHECK(plane_->stage(change));
  const std::int64_t staged = clock.now_ns();
  SVCB_CHECK(plane_->commit());
  const std::int64_t committed = clock.now_ns();
  return Timed{static_cast<double>(staged - start), static_cast<double>(committed - staged)};
}

Status UpdateSubject::change_block(std::size_t count, bool verify_all, Clock& clock, UpdateCell& cell) {
  std::vector<Change> changes;
  std::vector<std::size_t> places;
  changes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    places.push_back(draw_below(random_, services_.size()));
    changes.push_back({Operation::change_endpoints, fresh_->changed(services_[places.back()], serial_++)});
  }
  auto& commits = cell.commit_ns.emplace_back();
  auto& stages = cell.stage_ns.emplace_back();
  commits.reserve(count);
  stages.reserve(count);
  for (const Change& change : changes) {
    SVCB_TAKE(times, timed(change, clock));
    commits.push_back(times.commit_ns);
    stages.push_back(times.stage_ns);
  }
  for (std::size_t i = 0; i < count; ++i) {
    services_[places[i]] = std::move(changes[i].service);
  }
  if (verify_all) {
    for (const std::size_t place : places) {
      SVCB_CHECK(verify(services_[place]));
    }
  }
  return {};
}

Status UpdateSubject::add_remove_block(std::size_t count, bool verify_last, Clock& clock, UpdateCell& add,
                                       UpdateCell& remove) {
  auto& add_commits = add.commit_ns.emplace_back();
  auto& add_stages = add.stage_ns.emplace_back();
  auto& remove_commits = remove.commit_ns.emplace_back();
  auto& remove_stages = remove.stage_ns.emplace_back();
  for (std::size_t i = 0; i < count; ++i) {
    Change change{Operation::add_service, fresh_->added(serial_++)};
    SVCB_TAKE(added, timed(change, clock));
    add_commits.push_back(added.commit_ns);
    add_stages.push_back(added.stage_ns);
    if (verify_last && i + 1 == count) {
      SVCB_CHECK(verify(change.service));
    }
    change.operation = Operation::remove_service;
    SVCB_TAKE(removed, timed(change, clock));
    remove_commits.push_back(removed.commit_ns);
    remove_stages.push_back(removed.stage_ns);
    if (verify_last && i + 1 == count) {
      SVCB_CHECK(verify_absent(change.service));
    }
  }
  return {};
}

Status UpdateSubject::verify(const Service& expected) {
  const Service programmed = plane_->programmed(expected);
  SVCB_TAKE(found, plane_->find(expected.frontend));
  if (!found || found->endpoints != programmed.endpoints) {
    return failure(
        "{}: {} was to have {}, and the kernel has {}: its figures would be of wrong work, so "
        "none is given",
        name_, expected.frontend.text(), describe(programmed), describe(found));
  }
  return {};
}

Status UpdateSubject::verify_absent(const Service& removed) {
  SVCB_TAKE(found, plane_->find(removed.frontend));
  if (found) {
    return failure("{}: {} was removed, and the kernel still has it with {}", name_,
                   removed.frontend.text(), describe(found));
  }
  return {};
}

Status UpdateSubject::verify_whole() {
  SVCB_TAKE(entries, plane_->entries());
  if (entries != services_.size()) {
    return failure("{}: {} services were to be there, and the kernel has {}", name_, services_.size(),
                   entries);
  }
  return {};
}

}  // namespace svcbench
