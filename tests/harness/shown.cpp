// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "shown.h"

#include <algorithm>
#include <utility>

#include "report/full.h"

namespace svcbench::test {

Run run_of_command(Run run, const std::string& command) {
  run.command = command;
  run.run["command"] = command;
  return run;
}

std::string full_text(Run run, const std::string& command) {
  return render_full(run_of_command(std::move(run), command), false, Bars::digits);
}

std::string full_line(Run run, const std::string& command) {
  std::string text = full_text(std::move(run), command);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace svcbench::test
