// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "shown.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "report/full.h"

namespace svcbench::test {

RunFile run_of_command(nlohmann::json document, const std::string& command) {
  for (const char* part : {"run", "environment"}) {
    if (!document.contains(part) || !document[part].is_object()) {
      document[part] = nlohmann::json::object();
    }
  }
  document["run"]["command"] = command;
  auto run = run_of(std::move(document), "a test's run");
  REQUIRE_MESSAGE(run.has_value(), run.error().message);
  return std::move(*run);
}

std::string full_text(nlohmann::json document, const std::string& command) {
  return render_full(run_of_command(std::move(document), command), false, Bars::digits);
}

std::string full_line(nlohmann::json document, const std::string& command) {
  std::string text = full_text(std::move(document), command);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace svcbench::test
