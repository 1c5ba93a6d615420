// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster/yaml.h"

#include <yaml.h>

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "service/text.h"

namespace svcbench::cluster {
namespace {

class Reader {
 public:
  Reader(std::string_view text, std::string_view source, ObjectBuilder& builder)
      : source_(source), builder_(&builder) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (ready_) {
      yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                   text.size());
    }
  }
  ~Reader() {
    if (ready_) {
      yaml_parser_delete(&parser_);
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Status read() {
    if (!ready_) {
      return failure("{}: no memory to read YAML with", source_);
    }
    for (bool more = true; more;) {
      yaml_event_t event{};
      if (yaml_parser_parse(&parser_, &event) != 1) {
        return usage_error("{}: not YAML in line {}: {}; {}", source_,
                           grouped(parser_.problem_mark.line + 1),
                           printable(parser_.problem == nullptr ? "no memory" : parser_.problem), remedy);
      }
      more = event.type != YAML_STREAM_END_EVENT;
      const Status taken = take(event);
      yaml_event_delete(&event);
      SVCB_CHECK(taken);
    }
    return {};
  }

 private:
  // Whether the next node is the key of a mapping.
  [[nodiscard]] bool wants_key() const {
    return !open_.empty() && open_.back().is_mapping && open_.back().at_key;
  }
  void node_done() {
    if (!open_.empty()) {
      open_.back().at_key = !open_.back().at_key;
    }
  }

  Status take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_ALIAS_EVENT:
        return usage_error("{}: an alias (*name) in line {}, which is not followed; {}", source_,
                           grouped(event.start_mark.line + 1), remedy);
      case YAML_SCALAR_EVENT:
        take_scalar(event);
        node_done();
        return {};
      case YAML_SEQUENCE_START_EVENT:
      case YAML_MAPPING_START_EVENT: {
        if (wants_key()) {
          return usage_error("{}: a key in line {} is no text; {}", source_,
                             grouped(event.start_mark.line + 1), remedy);
        }
        const bool is_mapping = event.type == YAML_MAPPING_START_EVENT;
        open_.push_back({.is_mapping = is_mapping, .at_key = true});
        is_mapping ? builder_->start_object(0) : builder_->start_array(0);
        return {};
      }
      case YAML_SEQUENCE_END_EVENT:
        builder_->end_array();
        open_.pop_back();
        node_done();
        return {};
      case YAML_MAPPING_END_EVENT:
        builder_->end_object();
        open_.pop_back();
        node_done();
        return {};
      default:
        return {};
    }
  }

  void take_scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    std::string text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (wants_key()) {
      builder_->key(text);
      return;
    }
    if (scalar.style != YAML_PLAIN_SCALAR_STYLE || scalar.plain_implicit == 0) {
      builder_->string(text);
    } else if (text.empty()) {
      // A document of comments alone, which files of several often end with, is no object.
      if (!open_.empty()) {
        builder_->null();
      }
    } else if (text == "~" || text == "null") {
      builder_->null();
    } else if (text == "true" || text == "false") {
      builder_->boolean(text == "true");
    } else {
      take_number_or_text(text);
    }
  }

  void take_number_or_text(std::string& text) {
    const char* const end = text.data() + text.size();
    const std::size_t digits = text.front() == '-' ? 1 : 0;
    const bool leading_zero = text.size() > digits + 1 && text[digits] == '0' && text[digits + 1] != '.';
    std::int64_t whole = 0;
    double number = 0;
    if (const auto read = std::from_chars(text.data(), end, whole);
        read.ec == std::errc() && read.ptr == end && !leading_zero) {
      builder_->number_integer(whole);
    } else if (const auto real = std::from_chars(text.data(), end, number);
               real.ec == std::errc() && real.ptr == end && std::isfinite(number) && !leading_zero) {
      builder_->number_float(number, text);
    } else {
      builder_->string(text);
    }
  }

  struct Open {
    bool is_mapping;
    bool at_key;
  };

  yaml_parser_t parser_{};
  bool ready_ = false;
  std::string source_;
  ObjectBuilder* builder_;
  std::vector<Open> open_{};
};

}  // namespace

Status parse_yaml(std::string_view text, std::string_view source, ObjectBuilder& builder) {
  return Reader(text, source, builder).read();
}

}  // namespace svcbench::cluster
