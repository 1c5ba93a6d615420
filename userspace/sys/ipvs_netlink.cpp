// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/ipvs_netlink.h"

#include <arpa/inet.h>
#include <linux/ip_vs.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace svcbench {
namespace {

constexpr std::size_t address_bytes = 16;  // union nf_inet_addr, for either family

std::uint16_t number_of(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }

// ---- writing ----

// Appends to a message; remembers whether all of it fitted.
class Writer {
 public:
  Writer(int family, std::uint8_t command) {
    fits_ = genlmsg_put(message_.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, command,
                        IPVS_GENL_VERSION) != nullptr;
  }

  void service(const Frontend& frontend) {
    const auto protocol = static_cast<std::uint16_t>(frontend.protocol);
    put_u16(IPVS_SVC_ATTR_AF, number_of(frontend.address.family));
    put_u16(IPVS_SVC_ATTR_PROTOCOL, protocol);
    put(IPVS_SVC_ATTR_ADDR, frontend.address.bytes);
    put_u16(IPVS_SVC_ATTR_PORT, htons(frontend.port));
  }
  void settings(const Frontend& frontend, const std::string& scheduler, std::uint32_t persistence) {
    const ip_vs_flags flags{persistence != 0 ? std::uint32_t{IP_VS_SVC_F_PERSISTENT} : 0, ~0U};
    const bool ipv4 = frontend.address.family == Family::ipv4;
    keep(nla_put_string(message_.get(), IPVS_SVC_ATTR_SCHED_NAME, scheduler.c_str()));
    put(IPVS_SVC_ATTR_FLAGS, flags);
    put_u32(IPVS_SVC_ATTR_TIMEOUT, persistence);
    // Of what a client's address is, for persistence: a whole mask, and a whole prefix length.
    put_u32(IPVS_SVC_ATTR_NETMASK, ipv4 ? ~0U : 128);
  }
  void udp_timeout(std::uint32_t seconds) { put_u32(IPVS_CMD_ATTR_TIMEOUT_UDP, seconds); }
  void destination(const Endpoint& endpoint) {
    put(IPVS_DEST_ATTR_ADDR, endpoint.address.bytes);
    put_u16(IPVS_DEST_ATTR_PORT, htons(endpoint.port));
    put_u16(IPVS_DEST_ATTR_ADDR_FAMILY, number_of(endpoint.address.family));
  }
  void destination_settings(std::uint32_t weight) {
    put_u32(IPVS_DEST_ATTR_FWD_METHOD, IP_VS_CONN_F_MASQ);
    put_u32(IPVS_DEST_ATTR_WEIGHT, weight);
    put_u32(IPVS_DEST_ATTR_U_THRESH, 0);
    put_u32(IPVS_DEST_ATTR_L_THRESH, 0);
  }

  template <typename Body>
  void nested(int type, const Body& body) {
    nlattr* nest = nla_nest_start(message_.get(), type);
    fits_ = fits_ && nest != nullptr;
    if (fits_) {
      body();
      nla_nest_end(message_.get(), nest);
    }
  }

  [[nodiscard]] Result<NetlinkMessage> take() {
    if (!fits_) {
      return failure("IPVS: a netlink message is larger than foreseen");
    }
    return std::move(message_);
  }

 private:
  void keep(int error) { fits_ = fits_ && error >= 0; }
  void put_u16(int type, std::uint16_t value) { keep(nla_put_u16(message_.get(), type, value)); }
  void put_u32(int type, std::uint32_t value) { keep(nla_put_u32(message_.get(), type, value)); }
  template <typename Value>
  void put(int type, const Value& value) {
    keep(nla_put(message_.get(), type, static_cast<int>(sizeof value), &value));
  }

  NetlinkMessage message_;
  bool fits_ = false;
};

Result<NetlinkMessage> about_service(int family, std::uint8_t command, const Frontend& frontend) {
  Writer writer(family, command);
  writer.nested(IPVS_CMD_ATTR_SERVICE, [&] { writer.service(frontend); });
  return writer.take();
}

// ---- reading ----

std::uint16_t u16_of(nlattr* attribute) { return attribute == nullptr ? 0 : nla_get_u16(attribute); }
std::uint32_t u32_of(nlattr* attribute) { return attribute == nullptr ? 0 : nla_get_u32(attribute); }
std::uint64_t u64_of(nlattr* attribute) { return attribute == nullptr ? 0 : nla_get_u64(attribute); }

Address address_of(nlattr* attribute, std::uint16_t family) {
  Address address;
  address.family = family == AF_INET6 ? Family::ipv6 : Family::ipv4;
  // What the kernel gives of an IPv4 address is 16 bytes too, and the last twelve need not be zero.
  const std::size_t size = address.family == Family::ipv4 ? 4 : address_bytes;
  if (attribute != nullptr && static_cast<std::size_t>(nla_len(attribute)) >= size) {
    std::memcpy(address.bytes.data(), nla_data(attribute), size);
  }
  return address;
}

IpvsStats stats_of(nlattr* attribute) {
  std::array<nlattr*, IPVS_STATS_ATTR_MAX + 1> part{};
  if (attribute == nullptr || nla_parse_nested(part.data(), IPVS_STATS_ATTR_MAX, attribute, nullptr) < 0) {
    return {};
  }
  return {u64_of(part[IPVS_STATS_ATTR_CONNS]), u64_of(part[IPVS_STATS_ATTR_INPKTS]),
          u64_of(part[IPVS_STATS_ATTR_OUTPKTS]), u64_of(part[IPVS_STATS_ATTR_INBYTES]),
          u64_of(part[IPVS_STATS_ATTR_OUTBYTES])};
}

// The attributes nested in the message's attribute `type`; false if there are none.
template <std::size_t Size>
bool parse(nlmsghdr* header, int type, std::array<nlattr*, Size>& parts) {
  std::array<nlattr*, IPVS_CMD_ATTR_MAX + 1> outer{};
  return genlmsg_parse(header, 0, outer.data(), IPVS_CMD_ATTR_MAX, nullptr) >= 0 &&
         outer.at(static_cast<std::size_t>(type)) != nullptr &&
         nla_parse_nested(parts.data(), static_cast<int>(Size) - 1,
                          outer.at(static_cast<std::size_t>(type)), nullptr) >= 0;
}

// Null: a virtual server by firewall mark.
std::optional<IpvsService> parse_service(nlmsghdr* header) {
  std::array<nlattr*, IPVS_SVC_ATTR_MAX + 1> part{};
  if (!parse(header, IPVS_CMD_ATTR_SERVICE, part) || part[IPVS_SVC_ATTR_ADDR] == nullptr) {
    return std::nullopt;
  }
  IpvsService service;
  service.frontend.address = address_of(part[IPVS_SVC_ATTR_ADDR], u16_of(part[IPVS_SVC_ATTR_AF]));
  service.frontend.port = ntohs(u16_of(part[IPVS_SVC_ATTR_PORT]));
  service.frontend.protocol = static_cast<Protocol>(u16_of(part[IPVS_SVC_ATTR_PROTOCOL]));
  if (nlattr* name = part[IPVS_SVC_ATTR_SCHED_NAME]; name != nullptr) {
    service.scheduler = nla_get_string(name);
  }
  if (nlattr* flags = part[IPVS_SVC_ATTR_FLAGS];
      flags != nullptr && nla_len(flags) == static_cast<int>(sizeof(ip_vs_flags))) {
    ip_vs_flags value{};
    std::memcpy(&value, nla_data(flags), sizeof value);
    service.flags = value.flags;
  }
  service.timeout = u32_of(part[IPVS_SVC_ATTR_TIMEOUT]);
  service.stats = stats_of(part[IPVS_SVC_ATTR_STATS64]);
  return service;
}

std::optional<IpvsDestination> parse_destination(nlmsghdr* header, Family family) {
  std::array<nlattr*, IPVS_DEST_ATTR_MAX + 1> part{};
  if (!parse(header, IPVS_CMD_ATTR_DEST, part)) {
    return std::nullopt;
  }
  IpvsDestination destination;
  const std::uint16_t own = u16_of(part[IPVS_DEST_ATTR_ADDR_FAMILY]);
  destination.endpoint.address = address_of(part[IPVS_DEST_ATTR_ADDR], own != 0 ? own : number_of(family));
  destination.endpoint.port = ntohs(u16_of(part[IPVS_DEST_ATTR_PORT]));
  destination.forwarding = u32_of(part[IPVS_DEST_ATTR_FWD_METHOD]);
  destination.weight = u32_of(part[IPVS_DEST_ATTR_WEIGHT]);
  destination.active_connections = u32_of(part[IPVS_DEST_ATTR_ACTIVE_CONNS]);
  destination.inactive_connections = u32_of(part[IPVS_DEST_ATTR_INACT_CONNS]);
  destination.stats = stats_of(part[IPVS_DEST_ATTR_STATS64]);
  return destination;
}

// The kernel's errno, in the family's own meaning.
std::string_view meaning(int error) {
  switch (error) {
    case ESRCH:
      return "there is no such virtual server";
    case EEXIST:
      return "it is there already";
    case ENOENT:
      return "there is no such destination, or no such scheduler";
    case EPERM:
      return "not permitted (needs CAP_NET_ADMIN; run with sudo)";
    default:
      return std::strerror(error);
  }
}

std::string_view verb(std::uint8_t command) {
  switch (command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_NEW_DEST:
      return "add";
    case IPVS_CMD_SET_SERVICE:
    case IPVS_CMD_SET_DEST:
      return "change";
    default:
      return "remove";
  }
}

}  // namespace

Result<IpvsClient> IpvsClient::open() {
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_GENERIC));
  const int family = genl_ctrl_resolve(socket.get(), IPVS_GENL_NAME);
  if (family < 0) {
    return failure(
        "this kernel has no IPVS (no generic netlink family IPVS): load the module ip_vs, or run "
        "tests/vm/run");
  }
  return IpvsClient(std::move(socket), family);
}

Status IpvsClient::flush() {
  Writer writer(family_, IPVS_CMD_FLUSH);
  SVCB_TAKE(message, writer.take());
  SVCB_TAKE(error, socket_.request(message));
  return error == 0 ? Status() : failure("IPVS: flush: {}", meaning(error));
}

Status IpvsClient::set_udp_timeout(std::uint32_t seconds) {
  Writer writer(family_, IPVS_CMD_SET_CONFIG);
  writer.udp_timeout(seconds);
  SVCB_TAKE(message, writer.take());
  SVCB_TAKE(error, socket_.request(message));
  return error == 0 ? Status() : failure("IPVS: set the timeout of UDP connections: {}", meaning(error));
}

Status IpvsClient::add_service(const Frontend& frontend, const std::string& scheduler,
                               std::uint32_t persistence) {
  return service_command(IPVS_CMD_NEW_SERVICE, frontend, scheduler, persistence);
}

Status IpvsClient::set_service(const Frontend& frontend, const std::string& scheduler,
                               std::uint32_t persistence) {
  return service_command(IPVS_CMD_SET_SERVICE, frontend, scheduler, persistence);
}

Status IpvsClient::remove_service(const Frontend& frontend) {
  return service_command(IPVS_CMD_DEL_SERVICE, frontend, "", 0);
}

Result<std::optional<IpvsService>> IpvsClient::service(const Frontend& frontend) {
  SVCB_TAKE(message, about_service(family_, IPVS_CMD_GET_SERVICE, frontend));
  std::optional<IpvsService> found;
  SVCB_TAKE(error, socket_.request(message, [&](nlmsghdr* header) { found = parse_service(header); }));
  if (error != 0 && error != ESRCH) {
    return failure("IPVS: look for virtual server {}: {}", frontend.text(), meaning(error));
  }
  return found;
}

Result<std::vector<IpvsService>> IpvsClient::services() {
  Writer writer(family_, IPVS_CMD_GET_SERVICE);
  SVCB_TAKE(message, writer.take());
  std::vector<IpvsService> all;
  bool by_mark = false;
  SVCB_TAKE(error, socket_.dump(message, [&](nlmsghdr* header) {
    auto service = parse_service(header);
    by_mark = by_mark || !service;
    if (service) {
      all.push_back(std::move(*service));
    }
  }));
  if (error != 0) {
    return failure("IPVS: list the virtual servers: {}", meaning(error));
  }
  if (by_mark) {
    return failure(
        "IPVS: this namespace has a virtual server by firewall mark, which svcbench did not make");
  }
  return all;
}

Status IpvsClient::add_destination(const Frontend& frontend, const Endpoint& endpoint,
                                   std::uint32_t weight) {
  return destination_command(IPVS_CMD_NEW_DEST, frontend, endpoint, weight);
}

Status IpvsClient::set_destination(const Frontend& frontend, const Endpoint& endpoint,
                                   std::uint32_t weight) {
  return destination_command(IPVS_CMD_SET_DEST, frontend, endpoint, weight);
}

Status IpvsClient::remove_destination(const Frontend& frontend, const Endpoint& endpoint) {
  return destination_command(IPVS_CMD_DEL_DEST, frontend, endpoint, 0);
}

Result<std::vector<IpvsDestination>> IpvsClient::destinations(const Frontend& frontend) {
  SVCB_TAKE(message, about_service(family_, IPVS_CMD_GET_DEST, frontend));
  std::vector<IpvsDestination> all;
  bool understood = true;
  SVCB_TAKE(error, socket_.dump(message, [&](nlmsghdr* header) {
    auto destination = parse_destination(header, frontend.address.family);
    understood = understood && destination;
    if (destination) {
      all.push_back(*destination);
    }
  }));
  if (error != 0 || !understood) {
    return failure("IPVS: list the destinations of {}: {}", frontend.text(),
                   error != 0 ? meaning(error) : "an answer that is not understood");
  }
  return all;
}

Status IpvsClient::service_command(std::uint8_t command, const Frontend& frontend,
                                   const std::string& scheduler, std::uint32_t persistence) {
  Writer writer(family_, command);
  writer.nested(IPVS_CMD_ATTR_SERVICE, [&] {
    writer.service(frontend);
    if (command != IPVS_CMD_DEL_SERVICE) {
      writer.settings(frontend, scheduler, persistence);
    }
  });
  SVCB_TAKE(message, writer.take());
  SVCB_TAKE(error, socket_.request(message));
  if (error != 0) {
    return failure("IPVS: {} virtual server {}: {}", verb(command), frontend.text(), meaning(error));
  }
  return {};
}

Status IpvsClient::destination_command(std::uint8_t command, const Frontend& frontend,
                                       const Endpoint& endpoint, std::uint32_t weight) {
  Writer writer(family_, command);
  writer.nested(IPVS_CMD_ATTR_SERVICE, [&] { writer.service(frontend); });
  writer.nested(IPVS_CMD_ATTR_DEST, [&] {
    writer.destination(endpoint);
    if (command != IPVS_CMD_DEL_DEST) {
      writer.destination_settings(weight);
    }
  });
  SVCB_TAKE(message, writer.take());
  SVCB_TAKE(error, socket_.request(message));
  if (error != 0) {
    return failure("IPVS: {} destination {} of {}: {}", verb(command), endpoint.text(), frontend.text(),
                   meaning(error));
  }
  return {};
}

}  // namespace svcbench
