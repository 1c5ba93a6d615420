// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/netlink_socket.h"

#include <linux/netlink.h>
#include <netlink/errno.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace svcbench {
namespace {

// Each answer takes about 1 KiB of the socket's receive buffer, of which libnl asks for 32 KiB (the kernel
// gives the double).
constexpr std::size_t batch_messages = 32;

// A part of a dump is 32 KiB at most (NLMSG_GOODSIZE and max_recvmsg_len in net/netlink/af_netlink.c).
constexpr std::size_t receive_bytes = std::size_t{32} << 10;

struct FreeBuffer {
  void operator()(unsigned char* buffer) const { std::free(buffer); }
};

// Of NLMSG_ERROR (0: an acknowledgement) and of NLMSG_DONE, which carry a negative errno.
int error_of(nlmsghdr* header) {
  if (header->nlmsg_type == NLMSG_DONE && nlmsg_datalen(header) < static_cast<int>(sizeof(int))) {
    return 0;
  }
  int error = 0;
  std::memcpy(&error, nlmsg_data(header), sizeof error);
  return -error;
}

tl::unexpected<Error> broken(std::string_view what, int libnl_error) {
  return failure("netlink: {}: {}", what, nl_geterror(libnl_error));
}

}  // namespace

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  NetlinkSocket made(nl_socket_alloc());
  if (made.get() == nullptr) {
    return failure("netlink: no memory for a socket");
  }
  if (const int error = nl_connect(made.get(), protocol); error < 0) {
    return broken("open a socket", error);
  }
  nl_socket_disable_msg_peek(made.get());  // it would take two system calls for each answer
  nl_socket_set_msg_buf_size(made.get(), receive_bytes);
  return made;
}

NetlinkSocket::Answer NetlinkSocket::request(const NetlinkMessage& message, const Each& each) {
  SVCB_CHECK(send(message, NLM_F_ACK));
  std::size_t refused = 0;
  return receive(message.header()->nlmsg_seq, 1, each, refused);
}

NetlinkSocket::Answer NetlinkSocket::dump(const NetlinkMessage& message, const Each& each) {
  SVCB_CHECK(send(message, NLM_F_DUMP));
  std::size_t refused = 0;
  return receive(message.header()->nlmsg_seq, 1, each, refused);
}

NetlinkSocket::Answer NetlinkSocket::batch(const std::vector<NetlinkMessage>& messages,
                                           std::size_t& refused) {
  int first_error = 0;
  std::vector<unsigned char> packet;
  for (std::size_t from = 0; from < messages.size(); from += batch_messages) {
    const std::size_t count = std::min(batch_messages, messages.size() - from);
    packet.clear();
    for (std::size_t i = from; i < from + count; ++i) {
      nlmsghdr* header = messages[i].header();
      nl_complete_msg(socket_.get(), messages[i].get());
      header->nlmsg_flags |= NLM_F_ACK;
      const auto* bytes = reinterpret_cast<const unsigned char*>(header);
      packet.insert(packet.end(), bytes, bytes + header->nlmsg_len);
      packet.resize(NLMSG_ALIGN(packet.size()));
    }
    messages_sent_ += count;
    if (const int error = nl_sendto(socket_.get(), packet.data(), packet.size()); error < 0) {
      return broken("send", error);
    }
    std::size_t place = 0;
    SVCB_TAKE(error, receive(messages[from].header()->nlmsg_seq, count, nullptr, place));
    if (error != 0 && first_error == 0) {
      first_error = error;
      refused = from + place;
    }
  }
  return first_error;
}

Status NetlinkSocket::send(const NetlinkMessage& message, int flags) {
  nl_complete_msg(socket_.get(), message.get());
  message.header()->nlmsg_flags =
      static_cast<std::uint16_t>((message.header()->nlmsg_flags & ~NLM_F_ACK) | flags);
  ++messages_sent_;
  if (const int error = nl_send(socket_.get(), message.get()); error < 0) {
    return broken("send", error);
  }
  return {};
}

NetlinkSocket::Answer NetlinkSocket::receive(unsigned from, std::size_t count, const Each& each,
                                             std::size_t& refused) {
  int first_error = 0;
  for (std::size_t answered = 0; answered < count;) {
    sockaddr_nl sender{};
    unsigned char* bytes = nullptr;
    int size = nl_recv(socket_.get(), &sender, &bytes, nullptr);
    const std::unique_ptr<unsigned char, FreeBuffer> buffer(bytes);
    if (size <= 0) {
      return broken("receive", size);
    }
    for (auto* header = reinterpret_cast<nlmsghdr*>(bytes); nlmsg_ok(header, size) != 0;
         header = nlmsg_next(header, &size)) {
      const unsigned place = header->nlmsg_seq - from;
      if (place >= count) {
        continue;  // of a request that was given up
      }
      if (header->nlmsg_type != NLMSG_ERROR && header->nlmsg_type != NLMSG_DONE) {
        if (each) {
          each(header);
        }
        continue;
      }
      ++answered;
      if (const int error = error_of(header); error != 0 && first_error == 0) {
        first_error = error;
        refused = place;
      }
    }
  }
  return first_error;
}

}  // namespace svcbench
