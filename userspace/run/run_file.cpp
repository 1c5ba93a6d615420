// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/run_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "report/chapter_json.h"
#include "report/churn_json.h"
#include "report/compare_json.h"
#include "report/connect_report.h"
#include "report/results_json.h"
#include "report/ruleset_json.h"
#include "report/verify_json.h"
#include "run/cells.h"
#include "service/input_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view remedy = "give the file that --json of a measuring command wrote";

struct Kind {
  std::string_view command;
  const char* part;  // that tells it from the command's other kinds; "": none is asked for
  int newest;        // schema version
  void (*add)(const Field& document, Cells& cells);
};

void add_none(const Field&, Cells&) {}

// verify: behaviours are no figures; they stay in the document.
constexpr std::array kinds{
    Kind{"compare", "", compare_schema_version, add_compare_cells},
    Kind{"path", "", compare_schema_version, add_compare_cells},
    Kind{"nftables", "", compare_schema_version, add_compare_cells},
    Kind{"ipvs", "", compare_schema_version, add_compare_cells},
    Kind{"ebpf", "", result_schema_version, add_ebpf_cells},
    Kind{"iptables", "ruleset", ruleset_schema_version, add_ruleset_cells},
    Kind{"iptables", "", chapter_schema_version, add_chapter_cells},
    Kind{"connect", "", connect_schema_version, add_connect_cells},
    Kind{"churn", "", churn_schema_version, add_churn_cells},
    Kind{"verify", "", verify_schema_version, add_none},
};

// Version 1 of a ruleset's result said what it says of its run without a "run".
void complete_ruleset(json& document) {
  if (!document.is_object() || document.contains("run") || !document.contains("ruleset")) {
    return;
  }
  json& run = document["run"] = json::object();
  for (const char* name : {"command", "rounds", "budget_seconds"}) {
    run[name] = document.value(name, json());
  }
}

Result<const Kind*> kind_of(const json& document, const std::string& name) {
  const auto object = [&](const char* key) {
    return document.is_object() && document.contains(key) && document[key].is_object();
  };
  const json run = object("run") ? document["run"] : json::object();
  if (!run.contains("command") || !run["command"].is_string() || !object("environment")) {
    return usage_error("{}: not a run of svcbench; {}", name, remedy);
  }
  const auto& command = run["command"].get_ref<const std::string&>();
  const auto* const kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& one) {
    return one.command == command && (*one.part == '\0' || document.contains(one.part));
  });
  if (kind == kinds.end()) {
    return usage_error(
        "{}: a run of `{}`, which this svcbench does not know: read it with the one that made it", name,
        printable(command));
  }
  return kind;
}

Result<int> version_of(const json& document, const Kind& kind, const std::string& name) {
  const auto version = document.find("schema_version");
  if (version == document.end() || !version->is_number_integer() || version->get<double>() < 1) {
    return usage_error("{}: it has no schema_version; {}", name, remedy);
  }
  if (version->get<double>() > kind.newest) {
    return usage_error(
        "{}: its schema version is {}, and this svcbench reads up to {}: use a newer svcbench", name,
        printable(version->dump()), kind.newest);
  }
  return version->get<int>();
}

Status check_cells(const Cells& cells, const std::string& name) {
  std::unordered_set<std::string_view> ids;
  for (const Cell& cell : cells) {
    if (!ids.insert(cell.id).second) {
      return usage_error("{}: two of its figures are {}: no svcbench wrote it", name, cell.id);
    }
  }
  return {};
}

}  // namespace

const Cell* RunFile::find(std::string_view id) const {
  const auto found =
      std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.id == id; });
  return found == cells.end() ? nullptr : &*found;
}

Result<RunFile> parse_run(std::string_view text, const std::string& source) {
  SVCB_TAKE(document, parse_json(text, printable(source), remedy));
  return run_of(std::move(document), source);
}

Result<RunFile> run_of(json document, const std::string& source) {
  const std::string name = printable(source);
  RunFile file;
  file.path = source;
  complete_ruleset(document);
  SVCB_TAKE(kind, kind_of(document, name));
  SVCB_TAKE(version, version_of(document, *kind, name));
  file.document = std::move(document);
  file.command = kind->command;
  file.schema_version = version;
  std::string wrong;
  kind->add(Field(file.document, name, wrong), file.cells);
  if (!wrong.empty()) {
    return usage_error("{}; {}", wrong, remedy);
  }
  // A block without samples has no median.
  for (Cell& cell : file.cells) {
    std::erase_if(cell.values, [](double value) { return !std::isfinite(value); });
  }
  SVCB_CHECK(check_cells(file.cells, name));
  return file;
}

Result<RunFile> read_run(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  SVCB_TAKE(text, read_result(path, printable(name), remedy));
  return parse_run(text, name);
}

}  // namespace svcbench
