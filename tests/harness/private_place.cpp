// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "private_place.h"

#include <exception>
#include <thread>

#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/sandbox.h"

namespace svcbench::test {

bool may_program_the_kernel() {
  const auto privileges = require_privileges();
  if (!privileges) {
    MESSAGE("skipped: " << privileges.error().message);
  }
  return privileges.has_value();
}

void in_private_namespaces(const std::function<void()>& body) {
  std::thread([&] {
    const auto entered = enter_private_namespaces();
    CHECK_MESSAGE(entered, entered.error().message);
    if (!entered) {
      return;
    }
    try {
      body();
    } catch (const std::exception& error) {
      FAIL_CHECK("the test ended early: " << error.what());
    } catch (...) {  // a REQUIRE that failed, which doctest has counted
      FAIL_CHECK("the test ended early");
    }
  }).join();
}

bool kernel_has_physdev() {
  const auto input = memfd_of("try-physdev",
                              "*nat\n-A INPUT -m physdev ! --physdev-is-in\n"
                              "-D INPUT -m physdev ! --physdev-is-in\nCOMMIT\n");
  REQUIRE(input);
  ChildOptions options;
  options.stdin_fd = input->get();
  const auto tried = run_child({"iptables-restore", "--noflush"}, options);
  return tried && tried->exit_status == 0;
}

}  // namespace svcbench::test
