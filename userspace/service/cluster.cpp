// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "service/cluster/forms.h"
#include "service/cluster/frontends.h"
#include "service/cluster/objects.h"
#include "service/input_file.h"
#include "service/input_text.h"

namespace svcbench {
namespace {

Status take_objects(std::string_view text, std::string_view source, cluster::Objects& objects) {
  return cluster::each_object(text, source, [&](const nlohmann::json& object) { objects.take(object); });
}

Status check_standard_input(const std::vector<std::string>& paths) {
  return std::count(paths.begin(), paths.end(), "-") > 1
             ? usage_error("--cluster -: standard input can be read once")
             : Status();
}

std::string joined(const std::vector<std::string>& sources) {
  return fmt::format("{}", fmt::join(sources, ", "));
}

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

Result<ClusterText> text_of(const std::string& path) {
  SVCB_TAKE(bytes, read_whole(path, "cannot read " + name_of(path)));
  SVCB_TAKE(text, utf8_text(std::move(bytes), name_of(path), cluster::remedy));
  return ClusterText{name_of(path), std::move(text)};
}

}  // namespace

std::string names_of_files(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  std::transform(paths.begin(), paths.end(), std::back_inserter(names), name_of);
  return joined(names);
}

Result<ClusterServices> parse_cluster(std::string_view text, std::string_view source_name,
                                      const ClusterOptions& options) {
  cluster::Objects objects(options);
  SVCB_TAKE(utf8, utf8_text(std::string(text), source_name, cluster::remedy));
  SVCB_CHECK(take_objects(utf8, source_name, objects));
  return cluster::frontends_of(std::move(objects), source_name, options);
}

Result<ClusterServices> read_cluster(const std::vector<std::string>& paths, const ClusterOptions& options) {
  SVCB_CHECK(check_standard_input(paths));
  cluster::Objects objects(options);
  for (const std::string& path : paths) {
    SVCB_TAKE(one, text_of(path));  // one file's text at a time
    SVCB_CHECK(take_objects(one.text, one.source, objects));
  }
  return cluster::frontends_of(std::move(objects), names_of_files(paths), options);
}

Result<std::vector<ClusterText>> cluster_texts(const std::vector<std::string>& paths) {
  SVCB_CHECK(check_standard_input(paths));
  std::vector<ClusterText> texts;
  for (const std::string& path : paths) {
    SVCB_TAKE(one, text_of(path));
    texts.push_back(std::move(one));
  }
  return texts;
}

Result<ClusterServices> parse_cluster(std::span<const ClusterText> texts, const ClusterOptions& options) {
  cluster::Objects objects(options);
  std::vector<std::string> sources;
  for (const ClusterText& one : texts) {
    SVCB_CHECK(take_objects(one.text, one.source, objects));
    sources.push_back(one.source);
  }
  return cluster::frontends_of(std::move(objects), joined(sources), options);
}

Result<std::vector<nlohmann::json>> cluster_objects(std::span<const ClusterText> texts) {
  std::vector<nlohmann::json> all;
  for (const ClusterText& one : texts) {
    SVCB_CHECK(cluster::each_object(one.text, one.source,
                                    [&](const nlohmann::json& object) { all.push_back(object); }));
  }
  return all;
}

Result<ClusterServices> read_cluster(const std::string& path, const ClusterOptions& options) {
  return read_cluster(std::vector{path}, options);
}

}  // namespace svcbench
