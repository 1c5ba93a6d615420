// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A device that carries no packets and makes addresses the node's own (rtnetlink).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "service/service.h"
#include "sys/netlink_socket.h"
#include "sys/result.h"

namespace svcbench {

// A link of type dummy, down: its addresses are local all the same, of both families, and no ARP is
// answered for them by it. The destructor removes the link, with the addresses.
class AddressDevice {
 public:
  // In the current network namespace. Error: a link of that name is there, or there are no dummy links.
  static Result<AddressDevice> create(const std::string& name);
  ~AddressDevice();
  AddressDevice(AddressDevice&& other) noexcept;
  AddressDevice& operator=(AddressDevice&&) = delete;
  AddressDevice(const AddressDevice&) = delete;
  AddressDevice& operator=(const AddressDevice&) = delete;

  // As /32 or /128. An address that is bound already is an Error, and so is the removal of one that is not.
  // Cost: the kernel keeps a device's addresses of a family in one list, which it walks for each of them.
  Status bind(std::span<const Address> addresses);
  Status unbind(std::span<const Address> addresses);

  // What is bound now, read back from the kernel; the link-local address that IPv6 may add is left out.
  [[nodiscard]] Result<std::vector<Address>> bound();
  // Of every device of the namespace.
  [[nodiscard]] Result<std::vector<Address>> all_addresses();
  // Whether the link is still there.
  [[nodiscard]] Result<bool> present();

  [[nodiscard]] std::size_t requests() const { return socket_.messages_sent(); }

 private:
  AddressDevice(NetlinkSocket socket, std::string name, int index)
      : socket_(std::move(socket)), name_(std::move(name)), index_(index) {}

  Status change(int type, int flags, std::span<const Address> addresses, const char* verb);
  // 0: of every device.
  Result<std::vector<Address>> list(int index);

  NetlinkSocket socket_;
  std::string name_;
  int index_;  // 0: moved from
};

}  // namespace svcbench
