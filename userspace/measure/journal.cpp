// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "measure/schedule.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view kind = "svcbench journal";
constexpr int version = 2;
constexpr std::chrono::seconds sync_every{1};

// A line that was cut off in the middle is none.
std::vector<json> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<json> lines;
  for (std::string text; std::getline(in, text);) {
    json line = in.eof() ? json() : json::parse(text, nullptr, false);
    if (line.is_object()) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

// The first name of what differs; empty: nothing does.
std::string difference(const json& one, const json& other) {
  for (const auto& [name, value] : one.items()) {
    if (!other.contains(name) || other.at(name) != value) {
      return name;
    }
  }
  return {};
}

}  // namespace

Result<Journal> Journal::begin(const std::string& path, json identity) {
  const std::string name = path_of(path);
  Fd file(open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666));
  if (!file.valid()) {
    return failure("{}", with_errno(fmt::format("write {}", name), errno));
  }
  Journal journal(name, std::move(file));
  SVCB_CHECK(journal.append({{"kind", kind}, {"version", version}, {"run", std::move(identity)}}));
  return journal;
}

Result<Journal> Journal::resume(const std::string& path, const json& identity) {
  const std::string name = path_of(path);
  if (access(name.c_str(), R_OK) != 0) {
    return usage_error("--resume: there is no {}: no run that was to write {} was cut off", name, path);
  }
  const std::vector<json> lines = lines_of(name);
  if (lines.empty() || lines.front().value("kind", "") != kind ||
      lines.front().value("version", 0) != version || !lines.front().contains("run")) {
    return usage_error("--resume: {} is no journal of this version of svcbench: start the run anew", name);
  }
  const json& run = lines.front().at("run");
  if (const std::string differs = difference(identity, run); !differs.empty()) {
    return usage_error(
        "--resume: the run in {} had another {} ({}, not {}): give it the same options on the same machine",
        name, differs, run.value(differs, json()).dump(), identity.at(differs).dump());
  }
  Fd file(open(name.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file.valid()) {
    return failure("{}", with_errno(fmt::format("write {}", name), errno));
  }
  Journal journal(name, std::move(file));
  // What was cut off in the middle of a line ends there.
  if (write(journal.file_.get(), "\n", 1) != 1) {
    return failure("{}", with_errno(fmt::format("write {}", name), errno));
  }
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const json& line = lines[i];
    if (line.contains("repeats") && line.at("repeats").is_object()) {
      for (const auto& [label, repeats] : line.at("repeats").items()) {
        if (repeats.is_number_unsigned()) {
          journal.repeats_[label] = repeats.get<std::size_t>();
        }
      }
    } else if (line.contains("decided") && line.at("decided").is_string() && line.contains("as") &&
               line.at("as").is_boolean()) {
      journal.decided_[line.at("decided").get<std::string>()] = line.at("as").get<bool>();
    } else if (line.contains("step") && line.at("step").is_string() && line.contains("samples")) {
      journal.old_[line.at("step").get<std::string>()].push_back(line.at("samples"));
      ++journal.kept_;
    }
  }
  return journal;
}

Status Journal::plan(std::vector<Step>& steps) {
  json repeats = json::object();
  bool begun = false;
  for (const Step& step : steps) {
    if (repeats.contains(step.label)) {
      return failure("two cells of this run are called \"{}\": this is a defect of svcbench", step.label);
    }
    repeats[step.label] = step.repeats;
    begun = begun || repeats_.contains(step.label);
  }
  if (!begun) {
    return append({{"repeats", std::move(repeats)}});
  }
  for (Step& step : steps) {
    const auto planned = repeats_.find(step.label);
    if (planned == repeats_.end()) {
      return failure("{} knows nothing of \"{}\": start the run anew", path_, step.label);
    }
    step.repeats = planned->second;
    if (!step.restore) {
      continue;
    }
    for (const json& samples : old_[step.label]) {
      if (const Status restored = step.restore(samples); !restored) {
        return failure("{}: {}: {}: start the run anew", path_, step.label, restored.error().message);
      }
      ++done_[step.label];
      ++restored_;
    }
    old_.erase(step.label);
  }
  return {};
}

Result<bool> Journal::decided(const std::string& name, bool now) {
  if (const auto before = decided_.find(name); before != decided_.end()) {
    return before->second;
  }
  decided_[name] = now;
  SVCB_CHECK(append({{"decided", name}, {"as", now}}));
  return now;
}

std::size_t Journal::done(const std::string& label) const {
  const auto found = done_.find(label);
  return found == done_.end() ? 0 : found->second;
}

Status Journal::add(const Step& step) {
  if (!step.samples) {
    return {};
  }
  ++kept_;
  return append({{"step", step.label}, {"samples", step.samples()}});
}

Journal::~Journal() {
  if (file_.valid() && kept() == 0) {
    discard();
  }
}

void Journal::discard() {
  unlink(path_.c_str());
  file_.reset();
}

Status Journal::append(const json& line) {
  const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  // One call: a line is there whole, or its end is missing.
  if (write(file_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return failure("{}", with_errno(fmt::format("write {}", path_), errno));
  }
  if (const auto now = std::chrono::steady_clock::now(); now - synced_ >= sync_every) {
    if (fdatasync(file_.get()) != 0) {
      return failure("{}", with_errno(fmt::format("write {}", path_), errno));
    }
    synced_ = now;
  }
  return {};
}

Result<bool> decided(Journal* journal, const std::string& name, bool now) {
  return journal == nullptr ? now : journal->decided(name, now);
}

}  // namespace svcbench
