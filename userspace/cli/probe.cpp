// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench probe: what this machine can measure.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "report/output_file.h"
#include "report/text_table.h"
#include "sys/environment.h"
#include "sys/features.h"

namespace svcbench {

namespace {

nlohmann::json features_json(const std::vector<Feature>& features) {
  nlohmann::json out = nlohmann::json::array();
  for (const Feature& feature : features) {
    out.push_back({{"name", feature.name},
                   {"available", feature.available},
                   {"detail", feature.detail},
                   {"remedy", feature.available ? nlohmann::json() : nlohmann::json(feature.remedy)}});
  }
  return {{"environment", describe_environment()}, {"features", out}};
}

std::string to_text(const std::vector<Feature>& features) {
  std::size_t widest = 0;
  for (const Feature& feature : features) {
    widest = std::max(widest, feature.name.size());
  }
  const std::size_t indent = 5 + widest + 2;  // after "yes  name  "
  std::string out;
  std::size_t missing = 0;
  for (const Feature& feature : features) {
    out += fmt::format("{}  {:<{}}  ", feature.available ? "yes" : "no ", feature.name, widest);
    out += wrapped(feature.detail, indent).substr(indent);
    if (!feature.available) {
      out += wrapped("to get it: " + feature.remedy, indent);
      ++missing;
    }
  }
  return out + (missing == 0 ? "\nNothing is missing.\n" : fmt::format("\n{} missing.\n", missing));
}

Result<int> run(const std::string& json) {
  if (json.empty()) {
    fmt::print("{}", to_text(probe_features()));
    return 0;
  }
  SVCB_TAKE(file, OutputFile::at(json));
  SVCB_CHECK(file.write(features_json(probe_features()).dump(1) + "\n"));
  return 0;
}

}  // namespace

Action configure_probe(CLI::App& app) {
  auto json = std::make_shared<std::string>();
  app.add_option("--json", *json, "Write the answers here, with the environment (- is standard output)")
      ->type_name(file_value);
  app.footer("Every feature is tried, not guessed from a version; nothing of the host is changed.");
  return [json] { return run(*json); };
}

}  // namespace svcbench
