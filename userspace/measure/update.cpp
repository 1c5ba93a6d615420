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

void UpdateSubject::begin_blocks(std::initializer_list<UpdateCell*> cells, std::size_t count) {
  for (UpdateCell* cell : cells) {
    for (Blocks* blocks :
         {&cell->stage_ns, &cell->commit_ns, &cell->controller_sync_ns, &cell->controller_peak_bytes}) {
      blocks->emplace_back().reserve(count);
    }
  }
  has_account_ = plane_->controllers_account().has_value();
}

Status UpdateSubject::timed(const Change& change, Clock& clock, UpdateCell& cell) {
  const std::int64_t start = clock.now_ns();
  SVCB_CHECK(plane_->stage(change));
  const std::int64_t staged = clock.now_ns();
  SVCB_CHECK(plane_->commit());
  const std::int64_t committed = clock.now_ns();
  cell.stage_ns.back().push_back(static_cast<double>(staged - start));
  cell.commit_ns.back().push_back(static_cast<double>(committed - staged));
  const auto account = has_account_ ? plane_->controllers_account() : std::nullopt;
  if (account) {
    cell.controller_sync_ns.back().push_back(static_cast<double>(account->sync_ns));
    if (account->peak_bytes) {
      cell.controller_peak_bytes.back().push_back(static_cast<double>(*account->peak_bytes));
    }
  }
  return {};
}

Status UpdateSubject::change_block(std::size_t count, bool verify_all, Clock& clock, UpdateCell& cell) {
  std::vector<Change> changes;
  std::vector<std::size_t> places;
  changes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    places.push_back(draw_below(random_, services_.size()));
    changes.push_back({Operation::change_endpoints, fresh_->changed(services_[places.back()], serial_++)});
  }
  begin_blocks({&cell}, count);
  for (const Change& change : changes) {
    SVCB_CHECK(timed(change, clock, cell));
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
  begin_blocks({&add, &remove}, count);
  for (std::size_t i = 0; i < count; ++i) {
    Change change{Operation::add_service, fresh_->added(serial_++)};
    SVCB_CHECK(timed(change, clock, add));
    if (verify_last && i + 1 == count) {
      SVCB_CHECK(verify(change.service));
    }
    change.operation = Operation::remove_service;
    SVCB_CHECK(timed(change, clock, remove));
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
