// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench export: a finished run in other formats.
#include <memory>

#include "cli/command.h"
#include "cli/export_input.h"
#include "cli/input.h"
#include "run/run_file.h"
#include "service/text.h"

namespace svcbench {

Status Exports::add(const std::string& path, const char* option, ExportFormat format) {
  if (!path.empty()) {
    SVCB_TAKE(file, OutputFile::at(path, option));
    files_.emplace_back(format, std::move(file));
  }
  return {};
}

Status Exports::write(const Run& run) const {
  for (const auto& [format, file] : files_) {
    SVCB_CHECK(file.write(export_run(run, format)));
  }
  return {};
}

bool Exports::use_standard_output() const {
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& file) { return file.second.is_standard_output(); });
}

void ExportInput::add_options(CLI::App& app) {
  app.add_option("--csv", csv, "Write every figure as a row here (- is standard output)")
      ->type_name(file_value);
  app.add_option("--markdown", markdown, "Write tables for a pull request or an issue here")
      ->type_name(file_value);
  app.add_option("--prometheus", prometheus,
                 "Write Prometheus' text format here, for the textfile collector")
      ->type_name(file_value);
}

Result<Exports> ExportInput::open() const {
  Exports exports;
  SVCB_CHECK(exports.add(csv, "--csv", ExportFormat::csv));
  SVCB_CHECK(exports.add(markdown, "--markdown", ExportFormat::markdown));
  SVCB_CHECK(exports.add(prometheus, "--prometheus", ExportFormat::prometheus));
  return exports;
}

namespace {

struct Input {
  std::string run{};
  bool csv = false;
  bool markdown = false;
  bool prometheus = false;
  std::string output = "-";
};

Result<int> run(const Input& input) {
  if (int{input.csv} + int{input.markdown} + int{input.prometheus} != 1) {
    return usage_error("export: give one format: --csv, --markdown or --prometheus");
  }
  const ExportFormat format = input.csv        ? ExportFormat::csv
                              : input.markdown ? ExportFormat::markdown
                                               : ExportFormat::prometheus;
  SVCB_TAKE(output, OutputFile::at(input.output, "--output"));
  SVCB_TAKE(run, read_run(input.run));
  if (run.cells.empty()) {
    return usage_error("{}: a run of `{}` has no figures to export", printable(run.path), run.command);
  }
  SVCB_CHECK(output.write(export_run(run, format)));
  return 0;
}

}  // namespace

Action configure_export(CLI::App& app) {
  auto input = std::make_shared<Input>();
  app.add_option("RUN", input->run,
                 "The file that --json of a measuring command wrote (- reads standard input)")
      ->type_name(file_value)
      ->required();
  app.add_flag("--csv", input->csv, "CSV (RFC 4180): a row for each figure, a column for each unit");
  app.add_flag("--markdown", input->markdown, "Verdicts and tables for a pull request or an issue");
  app.add_flag("--prometheus", input->prometheus,
               "Text format for the node exporter's textfile collector, in seconds and bytes");
  app.add_option("-o,--output", input->output, "Write here: whole, or not at all")
      ->type_name(file_value)
      ->capture_default_str();
  app.footer(
      "Measures nothing, and needs no rights. The commands compare, path, nftables, ipvs, ebpf and "
      "iptables\n"
      "take the same formats as options with a file each.\n"
      "\n"
      "More examples:\n"
      "  svcbench export run.json --markdown | gh pr comment --body-file -\n"
      "  svcbench export run.json --prometheus -o /var/lib/node_exporter/svcbench.prom");
  return [input] { return run(*input); };
}

}  // namespace svcbench
