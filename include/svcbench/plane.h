// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A data plane: something that is programmed with services. One implementation a file, one row each in the
// registry (userspace/plane/registry.h).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "svcbench/result.h"
#include "svcbench/service.h"

namespace svcbench {

// Owns what it programs: the destructor undoes install(). Not thread-safe.
class DataPlane {
 public:
  DataPlane() = default;
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;
  virtual ~DataPlane() = default;

  // Replaces whatever was there by these services.
  virtual Status install(std::span<const Service> services) = 0;

  // A change in two steps, timed apart. stage() does what a controller computes before it touches the
  // kernel (a ruleset's text); commit() makes the last staged change true in the kernel, and returns when
  // it is. A plane that has nothing to prepare does everything in commit().
  virtual Status stage(const Change& change) = 0;
  virtual Status commit() = 0;

  // What the kernel holds now, read back from it.
  [[nodiscard]] virtual Result<std::size_t> entries() const = 0;  // services
  [[nodiscard]] virtual Result<std::optional<Service>> find(const Frontend& frontend) const = 0;

  // What of a service this plane programs: all of it, but for the chapter's shape, which has one endpoint.
  [[nodiscard]] virtual Service programmed(const Service& service) const { return service; }
};

}  // namespace svcbench
