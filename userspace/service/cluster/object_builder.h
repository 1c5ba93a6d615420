// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Makes objects of the events of a parser, JSON's or YAML's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "service/cluster/forms.h"

namespace svcbench::cluster {

// A member that is read of an object, and what of its own members: all, where none is named.
struct Wanted {
  std::string_view key{};
  std::vector<Wanted> members{};

  [[nodiscard]] const Wanted* of(std::string_view member) const;  // null: not read
};

// The interface that nlohmann::json::sax_parse() asks for.
class ObjectBuilder {
 public:
  using json = nlohmann::json;

  explicit ObjectBuilder(const TakeObject& take) : take_(&take) {}

  bool null() { return scalar(json()); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(std::int64_t value) { return scalar(value); }
  bool number_unsigned(std::uint64_t value) { return scalar(value); }
  bool number_float(double value, const std::string& /*text*/) { return scalar(value); }
  bool string(std::string& value) { return is_skipping() || scalar(std::move(value)); }
  bool binary(json::binary_t& /*value*/) { return true; }  // JSON has none
  bool start_object(std::size_t /*size*/) { return begin(json::object()); }
  bool key(std::string& name);
  bool end_object() { return end(); }
  bool start_array(std::size_t /*size*/) { return begin(json::array()); }
  bool end_array() { return end(); }
  bool parse_error(std::size_t at, const std::string& /*token*/, const json::exception& error) {
    error_at_ = at;
    out_of_range_ = dynamic_cast<const json::out_of_range*>(&error) != nullptr;
    return false;
  }

  [[nodiscard]] std::size_t error_at() const { return error_at_; }  // bytes, from 1
  [[nodiscard]] bool out_of_range() const { return out_of_range_; }

 private:
  // One that has begun and not ended.
  struct Open {
    bool is_list = false;            // an array of objects: a document, or items
    json* value = nullptr;           // where members or elements go; null of a list
    const Wanted* wanted = nullptr;  // of its members or elements
    const Wanted* next = nullptr;    // of the member whose key came last; null: not read
    std::string key{};               // of that member
    std::unique_ptr<json> object{};  // of an object of a cluster: all of it
    std::vector<json> unnamed{};     // items without a kind, until their list's is known
  };

  [[nodiscard]] bool is_skipping() const;
  bool scalar(json&& value);
  bool begin(json&& container);
  bool end();
  void begin_object();
  void finish(Open object);
  void hand_on(json&& item);
  json* place(json&& value);

  const TakeObject* take_;
  std::vector<Open> open_{};
  std::size_t skipped_depth_ = 0;
  std::size_t error_at_ = 0;
  bool out_of_range_ = false;
};

}  // namespace svcbench::cluster
