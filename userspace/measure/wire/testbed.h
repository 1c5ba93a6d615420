// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Three network namespaces in a row, as a packet meets them:
//
//   client              node                   backend
//   vc ================ vn  [ data plane ]  vo ================ vb
//
// The node forwards: to clients by vn, everywhere else (so to every backend) by vo. Nothing has to be asked
// for on the way: neighbours are known for good.
#pragma once

#include <memory>

#include "sys/net_namespace.h"
#include "sys/result.h"
#include "sys/route_socket.h"

struct wire_bpf;

namespace svcbench {

// Addresses that clients have: pods of the cluster, as kube-proxy's --cluster-cidr tells them from others.
// No service or endpoint of a run may lie in them.
[[nodiscard]] Prefix clients_of(Family family);

class Testbed {
 public:
  // With the wire's programs at its four devices; `wire` must outlive it.
  static Result<Testbed> create(const wire_bpf& wire);

  // Where the plane belongs, and the device there that clients' packets come in by.
  [[nodiscard]] const NetNamespace& node() const { return node_; }
  [[nodiscard]] unsigned ingress() const { return ingress_; }
  // The node's own, of both families: those on the side of the backends.
  [[nodiscard]] static std::vector<Address> node_addresses();
  // What a plane that forwards by itself may send to: the device towards the backends, and the addresses of
  // a frame that leaves by it.
  [[nodiscard]] unsigned egress() const { return egress_; }
  static const MacAddress& egress_mac();
  static const MacAddress& backend_mac();

  // Where wire_gen is run, and the device that its frames leave by.
  [[nodiscard]] const NetNamespace& client() const { return client_; }
  [[nodiscard]] unsigned client_device() const { return client_device_; }
  static const MacAddress& client_mac();
  static const MacAddress& ingress_mac();

  // Sockets in it may listen at every address there is.
  [[nodiscard]] const NetNamespace& backend() const { return backend_; }
  [[nodiscard]] unsigned backend_device() const { return backend_device_; }

 private:
  Testbed(NetNamespace client, NetNamespace node, NetNamespace backend)
      : client_(std::move(client)), node_(std::move(node)), backend_(std::move(backend)) {}
  Status connect();
  Status configure_client();
  Status configure_node();
  Status configure_backend();
  Status attach(const wire_bpf& wire) const;
  Status wait_for_links() const;

  NetNamespace client_;
  NetNamespace node_;
  NetNamespace backend_;
  unsigned client_device_ = 0;
  unsigned ingress_ = 0;
  unsigned egress_ = 0;
  unsigned backend_device_ = 0;
};

}  // namespace svcbench
