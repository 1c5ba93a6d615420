// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Addresses and names replaced by others, the same by the same everywhere.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "capture/address_map.h"
#include "capture/node_capture.h"

namespace svcbench {

// Texts are gone over twice: the first time tells which names there are, so that no new one is an old
// one's.
class Anonymizer {
 public:
  explicit Anonymizer(const AddressMap::Key& key) : key_(key), addresses_(key) {}

  // After the first time.
  void begin_again(const AddressMap::Key& key);

  // A name of the user's: "n12". The text itself where it is a number, or a word of Kubernetes' own.
  [[nodiscard]] std::string word(std::string_view text);
  // Of a device: "vethif3"; of a pattern, "cali+" or "cali*": with its kind alone. lo and kube-ipvs0 stay.
  [[nodiscard]] std::string device(std::string_view name);
  [[nodiscard]] bool is_device(std::string_view name) const { return devices_.contains(name); }
  // Of a chain, a table or a set: kube-proxy's own stay, their hashes are others.
  [[nodiscard]] std::string chain(std::string_view name);
  // A chain, a table or a set is there of that name, whether it is replaced or not.
  void declare(std::string_view name) { declared_.emplace(name); }
  [[nodiscard]] bool is_declared(std::string_view name) const { return declared_.contains(name); }

  // 10.0.0.0/8, [fd00::1]:80, 10.0.0.1-10.0.0.9, 02:00:00:00:00:01 and lists of these, with commas or not;
  // what is none of that is given back.
  [[nodiscard]] std::string value(std::string_view text);
  // A sentence, word by word.
  [[nodiscard]] std::string sentence(std::string_view text);

  // Addresses that were replaced by one that was there before: by chance.
  [[nodiscard]] std::size_t met() const;

 private:
  // One of the forms of value(); "": it is none.
  [[nodiscard]] std::string address_form(std::string_view text);
  [[nodiscard]] std::string address(const Address& original);
  [[nodiscard]] std::string range(const Address& first, const Address& last);
  [[nodiscard]] std::string mac(std::string_view text);
  [[nodiscard]] std::string hash(std::string_view text) const;
  [[nodiscard]] std::string endpoint_path(std::string_view text);
  [[nodiscard]] std::string fresh(std::string_view prefix, std::size_t& count);

  AddressMap::Key key_;
  AddressMap addresses_;
  std::set<std::string, std::less<>> declared_{};
  std::set<std::string, std::less<>> originals_{};  // words and devices that are replaced
  std::set<std::string, std::less<>> patterns_{};   // what devices' patterns begin with
  std::set<std::string> before_{};                  // addresses
  std::set<std::string> after_{};
  std::map<std::string, std::string, std::less<>> words_{};
  std::map<std::string, std::string, std::less<>> devices_{};
  std::size_t word_count_ = 0;
  std::size_t device_count_ = 0;
};

// What a tool printed, with every address and name replaced.
[[nodiscard]] std::string anonymized_iptables(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_nft(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_ipset(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_ipvs(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_settings(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_ip_json(std::string_view text, Anonymizer& names);
[[nodiscard]] std::string anonymized_kubectl_json(std::string_view text, Anonymizer& names);

// Of a whole capture. Takes other keys, made of this one, where by chance an address becomes one that was
// there before.
void anonymize(NodeCapture& capture, const AddressMap::Key& key);

}  // namespace svcbench
