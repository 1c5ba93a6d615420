// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/run_file.h"

#include <unordered_set>

#include "run/old/old_run.h"
#include "run/run_json.h"
#include "service/input_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view remedy = "give the file that --json of a measuring command wrote";

bool is_old(const json& document) {
  const auto version = document.find("schema_version");  // none in what is no object
  return version == document.end() || !version->is_number_integer() ||
         version->get<double>() <= newest_old_version;
}

// Each of the alphabet, and once.
Status check_ids(const Run& run, const std::string& name) {
  std::unordered_set<std::string_view> ids;
  for (const auto* cells : {&run.cells, &run.unmeasured}) {
    for (const Cell& cell : *cells) {
      if (cell.id.find_first_not_of(id_alphabet) != std::string::npos) {
        return usage_error("{}: \"{}\" is no figure's id: no svcbench wrote it", name, printable(cell.id));
      }
      if (!ids.insert(cell.id).second) {
        return usage_error("{}: two of its figures are {}: no svcbench wrote it", name, cell.id);
      }
    }
  }
  return {};
}

}  // namespace

Result<Run> parse_run(std::string_view text, const std::string& source) {
  SVCB_TAKE(document, parse_json(text, printable(source), remedy));
  return run_of(std::move(document), source);
}

Result<Run> run_of(json document, const std::string& source) {
  const std::string name = printable(source);
  SVCB_TAKE(run, is_old(document) ? read_old_run(std::move(document), name) : run_of_json(document, name));
  run.path = source;
  SVCB_CHECK(check_ids(run, name));
  return run;
}

Result<Run> read_run(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  SVCB_TAKE(text, read_result(path, printable(name), remedy));
  return parse_run(text, name);
}

}  // namespace svcbench
