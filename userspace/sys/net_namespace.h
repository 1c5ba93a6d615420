// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A network namespace held by a file descriptor only: gone with the last holder, never named.
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

class NetNamespace {
 public:
  // A new one, empty but for a loopback that is down; the caller stays where it is.
  static Result<NetNamespace> create();

  // The calling thread is inside while this lives.
  class Inside {
   public:
    explicit Inside(Fd home) : home_(std::move(home)) {}
    Inside(Inside&&) = default;
    Inside& operator=(Inside&&) = delete;
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside();

   private:
    Fd home_;
  };
  [[nodiscard]] Result<Inside> enter() const;

  // Another holder of the same namespace.
  [[nodiscard]] Result<NetNamespace> duplicate() const;

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit NetNamespace(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace svcbench
