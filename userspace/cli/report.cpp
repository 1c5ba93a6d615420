// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench report: finished runs as one page.
#include <memory>

#include "cli/command.h"
#include "report/html/page.h"
#include "report/html/page_data.h"
#include "report/output_file.h"
#include "run/run_file.h"

namespace svcbench {

namespace {

struct ReportInput {
  std::vector<std::string> runs{};
  std::string output = "report.html";
};

Result<int> run(const ReportInput& input) {
  SVCB_TAKE(output, OutputFile::at(input.output, "--output"));
  std::vector<Run> files;
  for (const std::string& path : input.runs) {
    SVCB_TAKE(file, read_run(path));
    files.push_back(std::move(file));
  }
  SVCB_TAKE(data, html::page_data(files));
  SVCB_CHECK(output.write(html::render_page(data)));
  return 0;
}

}  // namespace

Action configure_report(CLI::App& app) {
  auto input = std::make_shared<ReportInput>();
  app.add_option("RUN.json", input->runs,
                 "What --json of compare, path, ebpf, iptables, verify, churn or connect wrote;\n"
                 "one page for all of them (- reads standard input)")
      ->type_name(file_value)
      ->required();
  app.add_option("-o,--output", input->output, "The page (- is standard output)")
      ->type_name(file_value)
      ->capture_default_str();
  app.footer(
      "One HTML file without network: verdicts, the book's Figure 4.1 and Table 4.2, growth curves,\n"
      "percentiles, the evidence of every figure, the machine and the command to repeat the run.\n\n"
      "More examples:\n"
      "  ./svcbench report compare.json ebpf.json chapter.json verify.json -o report.html");
  return [input] { return run(*input); };
}

}  // namespace svcbench
