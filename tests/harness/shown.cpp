// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "shown.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "report/full.h"
#include "run/judge.h"
#include "run/run_file.h"
#include "run/run_json.h"

namespace svcbench::test {

Run run_of_command(Run run, const std::string& command) {
  run.command = command;
  run.run["command"] = command;
  return run;
}

void check_judged_again(const Run& run) {
  const auto back = parse_run(run_json(run).dump(), "x");
  REQUIRE_MESSAGE(back, (back ? "" : back.error().message));
  const std::vector<Verdict> again = judge(*back);
  REQUIRE(again.size() == run.verdicts.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    CHECK(again[i].id == run.verdicts[i].id);
    CHECK(again[i].outcome == run.verdicts[i].outcome);
    CHECK(again[i].summary == run.verdicts[i].summary);
    CHECK(again[i].evidence == run.verdicts[i].evidence);
    CHECK(again[i].would_settle == run.verdicts[i].would_settle);
  }
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
