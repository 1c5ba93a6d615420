// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster/forms.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "service/cluster/object_builder.h"
#include "service/cluster/yaml.h"
#include "service/input_text.h"
#include "service/text.h"

namespace svcbench::cluster {
namespace {

constexpr std::string_view blanks = " \t\r\n";

// Whether a line may be the first of kubectl's YAML; JSON begins with none of it.
bool begins_yaml(std::string_view line) {
  constexpr std::array<std::string_view, 11> openings{
      "---",   "%YAML",   "apiVersion:", "items:", "kind:",       "metadata:",
      "spec:", "status:", "#",           "- ",     "addressType:"};
  return std::any_of(openings.begin(), openings.end(),
                     [&](std::string_view opening) { return line.starts_with(opening); });
}

bool begins_json(std::string_view text) { return text.starts_with('{') || text.starts_with('['); }

std::string_view first_line(std::string_view text) { return trimmed(text.substr(0, text.find('\n'))); }

// `rest`: of `text`, from what is neither JSON nor YAML on.
tl::unexpected<Error> neither(std::string_view text, std::string_view rest, std::string_view source) {
  const std::string_view line = first_line(rest);
  const auto number = grouped(line_of(text, text.size() - rest.size()));
  if (line.starts_with("NAME ") || line.starts_with("NAMESPACE ")) {
    return usage_error("{}: kubectl's table, which does not have all that is needed; {}", source, remedy);
  }
  if (line.starts_with('<')) {
    return usage_error("{}: HTML or XML (line {}: \"{}\"); {}", source, number, printable(line), remedy);
  }
  const std::size_t after = rest.find('\n');
  const bool json_follows =
      after != std::string_view::npos && rest.find("\n{", after) != std::string_view::npos;
  if (json_follows || rest.size() != text.size()) {
    return usage_error(
        "{}: not JSON in line {}, \"{}\": if kubectl said it beside its output, leave out 2>&1; {}", source,
        number, printable(line), remedy);
  }
  return usage_error("{}: neither JSON nor YAML in line {}, \"{}\"; {}", source, number, printable(line),
                     remedy);
}

tl::unexpected<Error> not_json_at(std::string_view text, std::size_t byte, std::string_view source) {
  // The parser counts the end of the text as one more byte.
  if (byte > text.size()) {
    return usage_error("{}: the JSON breaks off at byte {}, its last; {}", source, grouped(text.size()),
                       remedy);
  }
  return usage_error("{}: not JSON at byte {}, in line {}; {}", source, grouped(byte),
                     grouped(line_of(text, byte - 1)), remedy);
}

// A parser's place in a text, which it tells: where one document ends, the next may begin.
class Place {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Place(const char* at, const char*& furthest) : at_(at), furthest_(&furthest) {}
  reference operator*() const { return *at_; }
  Place& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  bool operator==(const Place& other) const { return at_ == other.at_; }
  bool operator!=(const Place& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// Between documents: blanks, and the lines --- that YAML has there.
std::string_view next_document(std::string_view rest) {
  constexpr std::string_view separator = "---";
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    if (!rest.starts_with(separator)) {
      return rest;
    }
    rest.remove_prefix(separator.size());
  }
}

Status parse_json_documents(std::string_view text, std::string_view source, const TakeObject& take) {
  // The parser would take a NUL for the end, and not see what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return not_json_at(text, nul + 1, source);
  }
  for (std::string_view rest = next_document(text); !rest.empty(); rest = next_document(rest)) {
    if (!begins_json(rest)) {
      return neither(text, rest, source);
    }
    ObjectBuilder builder(take);
    const char* at = rest.data();
    const char* unused = nullptr;
    const bool strict = false;  // more may follow
    if (!nlohmann::json::sax_parse(Place(at, at), Place(rest.data() + rest.size(), unused), &builder,
                                   nlohmann::json::input_format_t::json, strict)) {
      if (builder.out_of_range()) {
        return usage_error("{}: a number in it is out of range; {}", source, remedy);
      }
      return not_json_at(text, text.size() - rest.size() + builder.error_at(), source);
    }
    rest.remove_prefix(static_cast<std::size_t>(at - rest.data()));
  }
  return {};
}

}  // namespace

Status each_object(std::string_view text, std::string_view source, const TakeObject& take) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) {
    return usage_error("{}: empty; {}", source, remedy);
  }
  const std::string_view rest = text.substr(begin);
  const std::string_view document = next_document(rest);
  if (begins_json(document)) {
    return parse_json_documents(text, source, take);
  }
  if (!begins_yaml(rest)) {
    return neither(text, rest, source);
  }
  ObjectBuilder builder(take);
  return parse_yaml(text, source, builder);
}

}  // namespace svcbench::cluster
