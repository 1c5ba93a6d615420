/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNAT on tc: the packet is an skb, whose checksum may be left to hardware (CHECKSUM_PARTIAL: the field
 * holds the pseudo-header's sum alone) or already summed over (CHECKSUM_COMPLETE). Only the kernel's helper
 * knows which, so the transport checksum goes through bpf_l4_csum_replace; the IP header's does not depend
 * on it and is written directly, as are addresses and ports (their change and the checksum's cancel out).
 */
#ifndef SVCB_REWRITE_TC_BPF_H
#define SVCB_REWRITE_TC_BPF_H

#define SVCB_TC_ACT_OK 0
#define SVCB_TC_ACT_SHOT 2

/* Flags for bpf_l4_csum_replace: UDP keeps zero as "none" and never comes out as zero. */
static __always_inline __u64 svcb_checksum_flags(__u8 protocol) {
  return protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline __u32 svcb_checksum_offset(__u8 protocol) {
  return protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
                                 : __builtin_offsetof(struct udphdr, check);
}

static __always_inline enum svcb_outcome svcb_tc_handle4(struct __sk_buff *skb) {
  void *data = (void *)(long)skb->data;
  void *data_end = (void *)(long)skb->data_end;
  struct svcb_flow4 flow;
  struct svcb_backend4 *backend;
  enum svcb_outcome outcome = svcb_parse4(data, data_end, skb->len, &flow);
  __be32 address;
  __be16 port;
  __u32 checksum;
  __u64 flags;
  struct iphdr *ip;
  struct udphdr *ports;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  outcome = svcb_balance4(&flow, &backend);
  if (outcome != SVCB_TRANSLATED)
    return outcome;

  address = backend->address;
  port = backend->port;
  checksum = SVCB_L4_V4 + svcb_checksum_offset(flow.to.protocol);
  flags = svcb_checksum_flags(flow.to.protocol);
  if (bpf_l4_csum_replace(skb, checksum, flow.to.address, address,
                          flags | BPF_F_PSEUDO_HDR | sizeof(address)))
    return SVCB_NOT_REWRITTEN;
  if (port != flow.to.port && bpf_l4_csum_replace(skb, checksum, flow.to.port, port, flags | sizeof(port)))
    return SVCB_NOT_REWRITTEN;

  data = (void *)(long)skb->data; /* the helper may have moved the packet */
  data_end = (void *)(long)skb->data_end;
  ip = data + SVCB_L3;
  ports = data + SVCB_L4_V4;
  if ((void *)(ports + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  ip->daddr = address;
  ip->check = svcb_checksum_after(ip->check, svcb_changed32(flow.to.address, address));
  ports->dest = port;
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_tc_handle6(struct __sk_buff *skb) {
  void *data = (void *)(long)skb->data;
  void *data_end = (void *)(long)skb->data_end;
  struct svcb_flow6 flow;
  struct svcb_backend6 *backend;
  enum svcb_outcome outcome = svcb_parse6(data, data_end, skb->len, &flow);
  __be32 address[4];
  __be16 port;
  __u32 checksum;
  __u64 flags;
  __s64 changed;
  struct ipv6hdr *ip;
  struct udphdr *ports;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  outcome = svcb_balance6(&flow, &backend);
  if (outcome != SVCB_TRANSLATED)
    return outcome;

  svcb_copy6(address, backend->address);
  port = backend->port;
  checksum = SVCB_L4_V6 + svcb_checksum_offset(flow.to.protocol);
  flags = svcb_checksum_flags(flow.to.protocol);
  changed = bpf_csum_diff(flow.to.address, sizeof(address), address, sizeof(address), 0);
  if (changed < 0)
    return SVCB_NOT_REWRITTEN;
  /* A size of zero: the value is a difference already. */
  if (bpf_l4_csum_replace(skb, checksum, 0, changed, flags | BPF_F_PSEUDO_HDR))
    return SVCB_NOT_REWRITTEN;
  /* For BPF_F_PSEUDO_HDR the helper also moves a CHECKSUM_COMPLETE skb's sum over the packet, for the
   * change of an IPv4 header's checksum. IPv6 has none (the address's change and the transport checksum's
   * cancel out), so that is taken back. BPF_F_IPV6 would say so, but kernels before 6.16 refuse it. An
   * error means that the skb bears no such sum. */
  bpf_csum_update(skb, changed);
  if (port != flow.to.port && bpf_l4_csum_replace(skb, checksum, flow.to.port, port, flags | sizeof(port)))
    return SVCB_NOT_REWRITTEN;

  data = (void *)(long)skb->data;
  data_end = (void *)(long)skb->data_end;
  ip = data + SVCB_L3;
  ports = data + SVCB_L4_V6;
  if ((void *)(ports + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  svcb_copy6(ip->daddr.in6_u.u6_addr32, address);
  ports->dest = port;
  return SVCB_TRANSLATED;
}

/* Brings the headers into the linear part of the skb, where programs can read them. A packet shorter than
 * the longest header is whole there after it. */
static __always_inline void svcb_tc_linear(struct __sk_buff *skb) {
  __u32 headers = skb->len < SVCB_HEADERS ? skb->len : SVCB_HEADERS;

  if ((void *)(long)skb->data + headers > (void *)(long)skb->data_end)
    bpf_skb_pull_data(skb, headers);
}

/* One packet through the data plane, counted. */
static __always_inline enum svcb_outcome svcb_tc_handle(struct __sk_buff *skb) {
  enum svcb_outcome outcome;
  bool ipv6;

  if (skb->vlan_present) /* the tag was taken off the frame, not off the packet */
    return svcb_count(SVCB_VLAN);
  svcb_tc_linear(skb);
  outcome = svcb_parse_ethernet((void *)(long)skb->data, (void *)(long)skb->data_end, &ipv6);
  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? svcb_tc_handle6(skb) : svcb_tc_handle4(skb);
  return svcb_count(outcome);
}

static __always_inline int svcb_tc_verdict(enum svcb_outcome outcome) {
  switch (outcome) {
    case SVCB_NO_ENDPOINT:
    case SVCB_CONTENDED:
    case SVCB_NOT_REWRITTEN:
      return SVCB_TC_ACT_SHOT;
    default:
      return SVCB_TC_ACT_OK;
  }
}

#endif
