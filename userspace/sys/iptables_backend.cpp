// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/iptables_backend.h"

#include "sys/child_process.h"

namespace svcbench {
namespace {

constexpr std::string_view iptables_name = "iptables";
constexpr std::string_view restore_suffix = "-restore";

std::string or_empty(const std::string& path) { return find_program(path).value_or(""); }

// "/usr/sbin/" and "iptables-legacy" of /usr/sbin/iptables-legacy-restore.
struct Stem {
  std::string folder;
  std::string name;
};

Result<Stem> stem_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  Stem stem;
  stem.folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  stem.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (stem.name.ends_with(restore_suffix)) {
    stem.name.resize(stem.name.size() - restore_suffix.size());
  }
  if (!stem.name.starts_with(iptables_name)) {
    return usage_error(
        "{} is not an iptables program: give the path of iptables-restore, iptables-nft-restore "
        "or iptables-legacy-restore",
        path);
  }
  return stem;
}

tl::unexpected<Error> not_found(const std::string& program, bool asked_for) {
  if (asked_for) {
    return usage_error("{} is not there or cannot be run (give the path of an iptables-restore program)",
                       program);
  }
  return failure(
      "{} is neither on PATH nor in /usr/sbin (Debian, Ubuntu: apt-get install iptables; Fedora: "
      "dnf install iptables-nft)",
      program);
}

}  // namespace

IptablesVersion parse_iptables_version(std::string_view text) {
  IptablesVersion version;
  version.backend = text.find("(nf_tables)") != std::string_view::npos ? "nft" : "legacy";
  version.label = "iptables-" + version.backend;
  // "iptables-restore v1.8.9 (nf_tables)": the number follows the first " v".
  if (const std::size_t at = text.find(" v"); at != std::string_view::npos) {
    const std::string_view rest = text.substr(at + 2);
    version.label += fmt::format(" {}", rest.substr(0, rest.find_first_of(" \n")));
  }
  return version;
}

Result<IptablesBackend> find_iptables(const std::optional<std::string>& path) {
  SVCB_TAKE(asked, stem_of(path.value_or("iptables-restore")));
  const auto restore = find_program(asked.folder + asked.name + std::string(restore_suffix));
  if (!restore) {
    return not_found(asked.folder + asked.name + std::string(restore_suffix), path.has_value());
  }
  // The name that it was found by, not what a symbolic link leads to: it is one program, which looks at its
  // name to know what it is.
  SVCB_TAKE(stem, stem_of(*restore));
  IptablesBackend backend;
  backend.restore = *restore;
  backend.save = or_empty(stem.folder + stem.name + "-save");
  if (backend.save.empty()) {
    return failure(
        "{} is there, but {}{}-save is not: what was programmed could not be read back (install the "
        "iptables package whole)",
        backend.restore, stem.folder, stem.name);
  }
  const std::string stem6 = stem.folder + "ip6tables" + stem.name.substr(iptables_name.size());
  backend.restore6 = or_empty(stem6 + "-restore");
  backend.save6 = or_empty(stem6 + "-save");
  SVCB_TAKE(answer, run_child({backend.restore, "--version"}));
  auto version = parse_iptables_version(answer.out);
  backend.backend = std::move(version.backend);
  backend.label = std::move(version.label);
  return backend;
}

}  // namespace svcbench
