// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/chrono.h>
#include <sys/stat.h>

#include <array>
#include <memory>

#include "revision.h"
#include "service/text.h"
#include "sys/sha256.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::string_view format_name = "svcbench node capture";
constexpr const char* manifest_name = "manifest.json";
constexpr std::string_view remedy = "write it with `svcbench capture`";

std::string sha256_of(std::string_view text) {
  const auto digest = sha256(text);
  std::string hex;
  for (const std::uint8_t byte : digest) {
    hex += fmt::format("{:02x}", byte);
  }
  return hex;
}

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

struct Closing {
  void operator()(struct archive* archive) const { archive_free(archive); }
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using ArchiveOwner = std::unique_ptr<struct archive, Closing>;

la_ssize_t append(struct archive* /*archive*/, void* out, const void* data, std::size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

Status add_member(struct archive* archive, const std::string& name, const std::string& text) {
  const std::unique_ptr<archive_entry, Closing> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(archive, entry.get()) != ARCHIVE_OK ||
      archive_write_data(archive, text.data(), text.size()) != static_cast<la_ssize_t>(text.size())) {
    return failure("write {} into the archive: {}", name, archive_error_string(archive));
  }
  return {};
}

Result<std::string> whole_member(struct archive* archive, const std::string& source) {
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const la_ssize_t size = archive_read_data(archive, piece.data(), piece.size());
    if (size == 0) {
      return text;
    }
    if (size < 0) {
      return usage_error("{}: damaged: {}; {} anew", source, archive_error_string(archive), remedy);
    }
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
}

Result<std::map<std::string, std::string>> members_of(const std::string& bytes, const std::string& source) {
  const ArchiveOwner archive(archive_read_new());
  archive_read_support_format_tar(archive.get());
  std::map<std::string, std::string> members;
  int status = archive_read_open_memory(archive.get(), bytes.data(), bytes.size());
  archive_entry* entry = nullptr;
  while (status == ARCHIVE_OK) {
    status = archive_read_next_header(archive.get(), &entry);
    if (status != ARCHIVE_OK) {
      break;
    }
    const std::string name = archive_entry_pathname(entry);
    SVCB_TAKE(text, whole_member(archive.get(), source));
    if (!members.emplace(name, std::move(text)).second) {
      return usage_error("{}: damaged: {} is in it twice; {} anew", source, printable(name), remedy);
    }
  }
  if (status != ARCHIVE_EOF) {
    return members.empty() ? usage_error("{}: not an archive of a node: {}; {}", source,
                                         archive_error_string(archive.get()), remedy)
                           : usage_error("{}: damaged: {}; {} anew", source,
                                         archive_error_string(archive.get()), remedy);
  }
  return members;
}

}  // namespace

json manifest_of(const NodeCapture& capture) {
  json sources = json::array();
  for (const NodeSource& source : capture.sources) {
    const bool is_read = source.reading == Reading::read;
    sources.push_back({{"member", is_read ? json(source.member) : json()},
                       {"name", source.member},
                       {"what", source.what},
                       {"status", to_string(source.reading)},
                       {"reason", text_or_null(source.reason)},
                       {"by", source.by},
                       {"exit_status", source.exit_status},
                       {"took_ms", source.took_ms},
                       {"holds", source.holds},
                       {"bytes", is_read ? json(source.text.size()) : json()},
                       {"sha256", is_read ? json(sha256_of(source.text)) : json()}});
  }
  return {{"format", format_name},
          {"format_version", capture_format_version},
          {"svcbench", fmt::format("{} ({})", SVCBENCH_VERSION, SVCBENCH_REVISION)},
          {"captured_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                      fmt::gmtime(static_cast<std::time_t>(capture.captured_at)))},
          {"namespace", text_or_null(capture.place)},
          {"anonymized", capture.anonymized},
          {"sources", std::move(sources)}};
}

Result<std::string> archive_of(const NodeCapture& capture) {
  std::string bytes;
  const ArchiveOwner archive(archive_write_new());
  archive_write_set_format_ustar(archive.get());
  archive_write_set_bytes_in_last_block(archive.get(), 1);
  if (archive_write_open(archive.get(), &bytes, nullptr, append, nullptr) != ARCHIVE_OK) {
    return failure("begin the archive: {}", archive_error_string(archive.get()));
  }
  const json manifest = manifest_of(capture);
  SVCB_CHECK(add_member(archive.get(), manifest_name,
                        manifest.dump(1, ' ', false, json::error_handler_t::replace) + "\n"));
  for (const NodeSource& source : capture.sources) {
    if (source.reading == Reading::read) {
      SVCB_CHECK(add_member(archive.get(), source.member, source.text));
    }
  }
  if (archive_write_close(archive.get()) != ARCHIVE_OK) {
    return failure("end the archive: {}", archive_error_string(archive.get()));
  }
  return bytes;
}

Result<NodeArchive> parse_node_archive(const std::string& bytes, const std::string& source) {
  NodeArchive node;
  SVCB_TAKE(members, members_of(bytes, source));
  node.members = std::move(members);
  const auto found = node.members.find(manifest_name);
  node.manifest = found == node.members.end() ? json() : json::parse(found->second, nullptr, false);
  if (!node.manifest.is_object() || node.manifest.value("format", json()) != format_name) {
    return usage_error("{}: not an archive of a node: it has no {} of svcbench's; {}", source,
                       manifest_name, remedy);
  }
  const json version = node.manifest.value("format_version", json());
  if (version != capture_format_version) {
    return usage_error(
        "{}: an archive of version {}, and this svcbench knows version {}: take the svcbench "
        "that wrote it, or capture the node anew",
        source, printable(version.dump()), capture_format_version);
  }
  node.members.erase(found);
  const json sources = node.manifest.value("sources", json::array());
  std::size_t named = 0;
  for (const json& one : sources) {
    const json member = one.is_object() ? one.value("member", json()) : json();
    if (!member.is_string()) {
      continue;
    }
    ++named;
    const auto text = node.members.find(member.get<std::string>());
    if (text == node.members.end() || one.value("sha256", json()) != sha256_of(text->second)) {
      return usage_error("{}: damaged: {} is {}; {} anew", source, printable(member.get<std::string>()),
                         text == node.members.end() ? "not in it" : "not what its sha256 says", remedy);
    }
  }
  if (named != node.members.size()) {
    return usage_error("{}: damaged: it holds more than its {} names; {} anew", source, manifest_name,
                       remedy);
  }
  return node;
}

}  // namespace svcbench
