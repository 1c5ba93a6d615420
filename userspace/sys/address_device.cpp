// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/address_device.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace svcbench {
namespace {

std::uint8_t number_of(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }
std::size_t bytes_of(Family family) { return family == Family::ipv4 ? 4 : 16; }

NetlinkMessage about_link(int type, int flags, int index) {
  ifinfomsg head{};
  head.ifi_index = index;
  return message_with(type, flags, head);
}

NetlinkMessage new_dummy(const std::string& name) {
  auto message = about_link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
  nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
  nlattr* info = nla_nest_start(message.get(), IFLA_LINKINFO);
  nla_put_string(message.get(), IFLA_INFO_KIND, "dummy");
  nla_nest_end(message.get(), info);
  return message;
}

NetlinkMessage about_address(int type, int flags, int index, const Address& address) {
  const auto size = bytes_of(address.family);
  ifaddrmsg head{};
  head.ifa_family = number_of(address.family);
  head.ifa_prefixlen = static_cast<std::uint8_t>(size * 8);
  head.ifa_index = static_cast<unsigned>(index);
  auto message = message_with(type, flags, head);
  nla_put(message.get(), IFA_LOCAL, static_cast<int>(size), address.bytes.data());
  nla_put(message.get(), IFA_ADDRESS, static_cast<int>(size), address.bytes.data());
  return message;
}

bool is_link_local(const Address& address) {
  return address.family == Family::ipv6 && address.bytes[0] == 0xFE && (address.bytes[1] & 0xC0) == 0x80;
}

// Null: of another device (0 is any), or of another family.
std::optional<Address> parse_address(nlmsghdr* header, int index) {
  const auto* head = static_cast<const ifaddrmsg*>(nlmsg_data(header));
  std::array<nlattr*, IFA_MAX + 1> part{};
  if (nlmsg_parse(header, sizeof *head, part.data(), IFA_MAX, nullptr) < 0 ||
      (index != 0 && head->ifa_index != static_cast<unsigned>(index))) {
    return std::nullopt;
  }
  Address address;
  address.family = head->ifa_family == AF_INET6 ? Family::ipv6 : Family::ipv4;
  nlattr* bytes = part[IFA_LOCAL] != nullptr ? part[IFA_LOCAL] : part[IFA_ADDRESS];
  const std::size_t size = bytes_of(address.family);
  if (head->ifa_family != number_of(address.family) || bytes == nullptr ||
      static_cast<std::size_t>(nla_len(bytes)) != size) {
    return std::nullopt;
  }
  std::memcpy(address.bytes.data(), nla_data(bytes), size);
  return address;
}

}  // namespace

Result<AddressDevice> AddressDevice::create(const std::string& name) {
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_ROUTE));
  SVCB_TAKE(error, socket.request(new_dummy(name)));
  switch (error) {
    case 0:
      break;
    case EOPNOTSUPP:
      return failure(
          "this kernel has no dummy devices, which hold the addresses of virtual servers: load the module "
          "dummy, or run tests/vm/run");
    case EEXIST:
      return failure("there is a device {} already: another service proxy programs this network namespace",
                     name);
    default:
      return failure("make the dummy device {}: {} (needs CAP_NET_ADMIN; run with sudo)", name,
                     std::strerror(error));
  }
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) {
    return failure("the dummy device {} was made, but is not there: {}", name, std::strerror(errno));
  }
  return AddressDevice(std::move(socket), name, static_cast<int>(index));
}

AddressDevice::AddressDevice(AddressDevice&& other) noexcept
    : socket_(std::move(other.socket_)),
      name_(std::move(other.name_)),
      index_(std::exchange(other.index_, 0)) {}

AddressDevice::~AddressDevice() {
  if (index_ != 0) {
    (void)socket_.request(about_link(RTM_DELLINK, 0, index_));  // it ends with its namespace anyway
  }
}

Status AddressDevice::bind(std::span<const Address> addresses) {
  return change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, addresses, "bind");
}

Status AddressDevice::unbind(std::span<const Address> addresses) {
  return change(RTM_DELADDR, 0, addresses, "unbind");
}

Result<std::vector<Address>> AddressDevice::bound() { return list(index_); }

Result<std::vector<Address>> AddressDevice::all_addresses() { return list(0); }

Result<bool> AddressDevice::present() {
  SVCB_TAKE(error, socket_.request(about_link(RTM_GETLINK, 0, index_)));
  return error == 0;
}

Status AddressDevice::change(int type, int flags, std::span<const Address> addresses, const char* verb) {
  std::vector<NetlinkMessage> messages;
  messages.reserve(addresses.size());
  for (const Address& address : addresses) {
    messages.push_back(about_address(type, flags, index_, address));
  }
  std::size_t refused = 0;
  SVCB_TAKE(error, socket_.batch(messages, refused));
  if (error != 0) {
    return failure("{} {} at the device {}: {}", verb, addresses[refused].text(), name_,
                   std::strerror(error));
  }
  return {};
}

Result<std::vector<Address>> AddressDevice::list(int index) {
  const auto message = message_with(RTM_GETADDR, 0, ifaddrmsg{});
  std::vector<Address> addresses;
  SVCB_TAKE(error, socket_.dump(message, [&](nlmsghdr* header) {
    const auto address = parse_address(header, index);
    if (address && !(index != 0 && is_link_local(*address))) {
      addresses.push_back(*address);
    }
  }));
  if (error != 0) {
    return failure("list the addresses of the device {}: {}", name_, std::strerror(error));
  }
  return addresses;
}

}  // namespace svcbench
