/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNAT on XDP: the frame is raw memory, and its checksums are whole. */
#ifndef SVCB_REWRITE_XDP_BPF_H
#define SVCB_REWRITE_XDP_BPF_H

/* False, and nothing written, where the verifier cannot see that the header is there (the parser did). */
static __always_inline bool svcb_rewrite_transport(void *transport, void *data_end, __u8 protocol,
                                                   __be16 port, __u64 changed) {
  if (protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = transport;

    if ((void *)(tcp + 1) > data_end)
      return false;
    tcp->check = svcb_checksum_after(tcp->check, changed + svcb_changed16(tcp->dest, port));
    tcp->dest = port;
  } else {
    struct udphdr *udp = transport;

    if ((void *)(udp + 1) > data_end)
      return false;
    udp->check = svcb_udp_checksum_after(udp->check, changed + svcb_changed16(udp->dest, port));
    udp->dest = port;
  }
  return true;
}

static __always_inline enum svcb_outcome svcb_xdp_handle4(void *data, void *data_end) {
  struct svcb_flow4 flow;
  struct svcb_backend4 *backend;
  enum svcb_outcome outcome = svcb_parse4(data, data_end, data_end - data, &flow);
  struct iphdr *ip = data + SVCB_L3;
  __u64 changed;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  outcome = svcb_balance4(&flow, &backend);
  if (outcome != SVCB_TRANSLATED)
    return outcome;

  changed = svcb_changed32(flow.to.address, backend->address);
  if (!svcb_rewrite_transport(data + SVCB_L4_V4, data_end, flow.to.protocol, backend->port, changed))
    return SVCB_NOT_REWRITTEN;
  ip->daddr = backend->address;
  ip->check = svcb_checksum_after(ip->check, changed);
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_xdp_handle6(void *data, void *data_end) {
  struct svcb_flow6 flow;
  struct svcb_backend6 *backend;
  enum svcb_outcome outcome = svcb_parse6(data, data_end, data_end - data, &flow);
  struct ipv6hdr *ip = data + SVCB_L3;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  outcome = svcb_balance6(&flow, &backend);
  if (outcome != SVCB_TRANSLATED)
    return outcome;

  if (!svcb_rewrite_transport(data + SVCB_L4_V6, data_end, flow.to.protocol, backend->port,
                              svcb_changed128(flow.to.address, backend->address)))
    return SVCB_NOT_REWRITTEN;
  svcb_copy6(ip->daddr.in6_u.u6_addr32, backend->address);
  return SVCB_TRANSLATED;
}

/* One packet through the data plane, counted. */
static __always_inline enum svcb_outcome svcb_xdp_handle(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  bool ipv6;
  enum svcb_outcome outcome = svcb_parse_ethernet(data, data_end, &ipv6);

  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? svcb_xdp_handle6(data, data_end) : svcb_xdp_handle4(data, data_end);
  return svcb_count(outcome);
}

static __always_inline int svcb_xdp_verdict(enum svcb_outcome outcome) {
  switch (outcome) {
    case SVCB_NO_ENDPOINT:
    case SVCB_CONTENDED:
    case SVCB_NOT_REWRITTEN:
      return XDP_DROP;
    default:
      return XDP_PASS;
  }
}

#endif
