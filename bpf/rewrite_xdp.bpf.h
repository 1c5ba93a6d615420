/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and ports on XDP: the frame is raw memory, and its checksums are whole. */
#ifndef SVCB_REWRITE_XDP_BPF_H
#define SVCB_REWRITE_XDP_BPF_H

/* False, and nothing written, where the verifier cannot see that the header is there (the parser did). */
static __always_inline bool svcb_rewrite_transport(void *transport, void *data_end, __u8 protocol,
                                                   __be16 source, __be16 port, __u64 changed) {
  if (protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = transport;

    if ((void *)(tcp + 1) > data_end)
      return false;
    changed += svcb_changed16(tcp->source, source) + svcb_changed16(tcp->dest, port);
    tcp->check = svcb_checksum_after(tcp->check, changed);
    tcp->source = source;
    tcp->dest = port;
  } else {
    struct udphdr *udp = transport;

    if ((void *)(udp + 1) > data_end)
      return false;
    changed += svcb_changed16(udp->source, source) + svcb_changed16(udp->dest, port);
    udp->check = svcb_udp_checksum_after(udp->check, changed);
    udp->source = source;
    udp->dest = port;
  }
  return true;
}

static __always_inline enum svcb_outcome svcb_xdp_rewrite4(void *data, void *data_end,
                                                           const struct svcb_flow4 *from,
                                                           const struct svcb_flow4 *to) {
  struct iphdr *ip = data + SVCB_L3;
  __u64 changed =
      svcb_changed32(from->source, to->source) + svcb_changed32(from->to.address, to->to.address);

  if (!svcb_rewrite_transport(data + SVCB_L4_V4, data_end, from->to.protocol, to->source_port, to->to.port,
                              changed))
    return SVCB_NOT_REWRITTEN;
  ip->saddr = to->source;
  ip->daddr = to->to.address;
  ip->check = svcb_checksum_after(ip->check, changed);
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_xdp_rewrite6(void *data, void *data_end,
                                                           const struct svcb_flow6 *from,
                                                           const struct svcb_flow6 *to) {
  struct ipv6hdr *ip = data + SVCB_L3;
  __u64 changed =
      svcb_changed128(from->source, to->source) + svcb_changed128(from->to.address, to->to.address);

  if (!svcb_rewrite_transport(data + SVCB_L4_V6, data_end, from->to.protocol, to->source_port, to->to.port,
                              changed))
    return SVCB_NOT_REWRITTEN;
  svcb_copy6(ip->saddr.in6_u.u6_addr32, to->source);
  svcb_copy6(ip->daddr.in6_u.u6_addr32, to->to.address);
  return SVCB_TRANSLATED;
}

#endif
