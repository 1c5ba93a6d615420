// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "service/cluster/forms.h"
#include "service/cluster/frontends.h"
#include "service/cluster/objects.h"
#include "service/input_file.h"
#include "service/input_text.h"

namespace svcbench {
namespace {

Status take_text(std::string bytes, std::string_view source, cluster::Objects& objects) {
  SVCB_TAKE(text, utf8_text(std::move(bytes), source, cluster::remedy));
  return cluster::each_object(text, source, [&](const nlohmann::json& object) { objects.take(object); });
}

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace

std::string names_of_files(const std::vector<std::string>& paths) {
  std::string names;
  for (const std::string& path : paths) {
    names += (names.empty() ? "" : ", ") + name_of(path);
  }
  return names;
}

Result<ClusterServices> parse_cluster(std::string_view text, std::string_view source_name,
                                      const ClusterOptions& options) {
  cluster::Objects objects(options);
  SVCB_CHECK(take_text(std::string(text), source_name, objects));
  return cluster::frontends_of(std::move(objects), source_name, options);
}

Result<ClusterServices> read_cluster(const std::vector<std::string>& paths, const ClusterOptions& options) {
  if (std::count(paths.begin(), paths.end(), "-") > 1) {
    return usage_error("--cluster -: standard input can be read once");
  }
  cluster::Objects objects(options);
  for (const std::string& path : paths) {
    SVCB_TAKE(bytes, read_whole(path, "cannot read " + name_of(path)));
    SVCB_CHECK(take_text(std::move(bytes), name_of(path), objects));
  }
  return cluster::frontends_of(std::move(objects), names_of_files(paths), options);
}

Result<ClusterServices> read_cluster(const std::string& path, const ClusterOptions& options) {
  return read_cluster(std::vector{path}, options);
}

}  // namespace svcbench
