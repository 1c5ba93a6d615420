// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A netlink socket (libnl-3) on which every request is answered before the next one is made.
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// A message that is being written, of at most `size` bytes. Without memory for it svcbench ends.
class NetlinkMessage {
 public:
  explicit NetlinkMessage(std::size_t size = 512) : message_(nlmsg_alloc_size(size)) {
    if (!message_) {
      std::terminate();
    }
  }

  [[nodiscard]] nl_msg* get() const { return message_.get(); }
  [[nodiscard]] nlmsghdr* header() const { return nlmsg_hdr(message_.get()); }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  std::unique_ptr<nl_msg, Free> message_;
};

// A message that begins with `head`, which every message of its type has (ifinfomsg, nfgenmsg).
template <typename Head>
[[nodiscard]] NetlinkMessage message_with(int type, int flags, Head head) {
  NetlinkMessage message;
  nlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags);
  nlmsg_append(message.get(), &head, sizeof head, NLMSG_ALIGNTO);
  return message;
}

// Belongs to the network namespace that it was opened in, whichever its user is in later. Move-only.
class NetlinkSocket {
 public:
  // NETLINK_ROUTE, NETLINK_GENERIC, NETLINK_NETFILTER.
  static Result<NetlinkSocket> open(int protocol);

  // For libnl's own requests.
  [[nodiscard]] nl_sock* get() const { return socket_.get(); }

  // What the kernel said: 0, or its errno. The Error is for what is not an answer (no memory, a socket that
  // broke).
  using Answer = Result<int>;
  using Each = std::function<void(nlmsghdr*)>;

  // Sends the message and waits until the kernel acknowledges or refuses it; `each` sees what comes before
  // that.
  Answer request(const NetlinkMessage& message, const Each& each = nullptr);
  // Sends the message as a dump and hands over each part.
  Answer dump(const NetlinkMessage& message, const Each& each);
  // The messages in a few packets, each acknowledged by itself. The first refusal, whose place is put into
  // `refused`; the others are carried out all the same.
  Answer batch(const std::vector<NetlinkMessage>& messages, std::size_t& refused);

  // Messages sent so far: one a request, one a dump, each one of a batch.
  [[nodiscard]] std::size_t messages_sent() const { return messages_sent_; }

 private:
  struct Free {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  explicit NetlinkSocket(nl_sock* socket) : socket_(socket) {}

  Status send(const NetlinkMessage& message, int flags);
  // Until `count` messages, whose sequence numbers start at `from`, are answered.
  Answer receive(unsigned from, std::size_t count, const Each& each, std::size_t& refused);

  std::unique_ptr<nl_sock, Free> socket_;
  std::size_t messages_sent_ = 0;
};

}  // namespace svcbench
