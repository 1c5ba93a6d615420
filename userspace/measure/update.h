// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The update scenario: what it costs to change, add or remove one service when N exist.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "measure/clock.h"
#include "measure/results.h"
#include "plane/plane.h"
#include "service/workload.h"
#include "stats/random.h"

namespace svcbench {

// One plane with N services installed, and what it ought to hold.
class UpdateSubject {
 public:
  // `services` is what `plane` has installed; `serials` differ between subjects of one plane only.
  // `fresh` makes the endpoints and services that changes bring.
  UpdateSubject(std::string name, DataPlane& plane, std::span<const Service> services,
                const Workload& fresh, std::uint64_t seed);

  // `count` changes of services chosen at random, each timed; appends one block to `change`. With `verify`,
  // reads each changed service back from the kernel afterwards: an Error where it is not as it was to be.
  Status change_block(std::size_t count, bool verify, Clock& clock, UpdateCell& change);
  // `count` times one service added and removed again, each timed; appends one block to each cell.
  Status add_remove_block(std::size_t count, bool verify, Clock& clock, UpdateCell& add,
                          UpdateCell& remove);

  // N again, and a sample of untouched and changed services as they ought to be.
  Status verify_whole();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::size_t services() const { return services_.size(); }

 private:
  // A block more in each, and the controller's account from now on.
  void begin_blocks(std::initializer_list<UpdateCell*> cells, std::size_t count);
  // Appends what the change took to the cell's last blocks.
  Status timed(const Change& change, Clock& clock, UpdateCell& cell);
  Status verify(const Service& expected);
  Status verify_absent(const Service& removed);

  std::string name_;
  DataPlane* plane_;
  std::vector<Service> services_;  // as they are to be
  const Workload* fresh_;
  Random random_;
  std::uint64_t serial_ = 0;
  bool has_account_ = false;  // whether the plane's controller gives one: asked once a block
};

}  // namespace svcbench
