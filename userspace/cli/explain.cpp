// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench explain: how a figure of a finished run was made.
#include <memory>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/nearest.h"
#include "report/explain.h"
#include "run/run_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::size_t most_suggested = 5;

struct ExplainInput {
  std::string run{};
  std::string cell{};
  std::string json{};  // path, "-", or empty
};

tl::unexpected<Error> no_such_cell(const Run& run, const std::string& wanted) {
  std::vector<std::string> ids;
  std::vector<std::string> holding;  // those that `wanted` is a part of
  for (const Cell& cell : run.cells) {
    ids.push_back(cell.id);
    if (cell.id.find(wanted) != std::string::npos && holding.size() < most_suggested) {
      holding.push_back(cell.id);
    }
  }
  return usage_error("{} has no figure {}{}; `svcbench explain {}` lists all", printable(run.path),
                     printable(wanted),
                     holding.empty() ? did_you_mean(wanted, ids)
                                     : fmt::format(" (it has {}, ...)", fmt::join(holding, ", ")),
                     printable(run.path));
}

Result<int> run(const ExplainInput& input) {
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(run, read_run(input.run));
  if (run.cells.empty()) {
    return usage_error("{}: a run of `{}` has no figures to explain", printable(run.path), run.command);
  }
  const Cell* cell = run.find(input.cell);
  if (cell == nullptr && !input.cell.empty()) {
    return no_such_cell(run, input.cell);
  }
  if (json) {
    const nlohmann::json told = cell == nullptr ? cells_json(run) : explain_json(run, *cell);
    SVCB_CHECK(json->write(told.dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", cell == nullptr ? list_cells(run) : explain_cell(run, *cell));
  }
  return 0;
}

}  // namespace

Action configure_explain(CLI::App& app) {
  auto input = std::make_shared<ExplainInput>();
  app.add_option("RUN", input->run,
                 "The file that --json of a measuring command wrote (- reads standard input)")
      ->type_name(file_value)
      ->required();
  app.add_option("CELL", input->cell, "The figure's id; without one, all are listed");
  app.add_option("--json", input->json, "Write the same facts here (- is standard output)")
      ->type_name(file_value);
  app.footer(
      "How a figure was made: what was timed and what not, the checks that it passed, its samples, their\n"
      "spread and their drift over the run, what the instrument itself costs, what a second instrument\n"
      "says, and what could make it wrong. Measures nothing, and needs no rights.\n"
      "\n"
      "More examples:\n"
      "  svcbench explain run.json path/ebpf-xdp/1000/new/last/UDP\n"
      "  svcbench explain run.json path/ebpf-xdp/1000/new/last/UDP --json -");
  return [input] { return run(*input); };
}

}  // namespace svcbench
