/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses and ports on tc: the packet is an skb, whose checksum may be left to hardware
 * (CHECKSUM_PARTIAL: the field holds the pseudo-header's sum alone) or already summed over
 * (CHECKSUM_COMPLETE). Only the kernel's helper knows which, so the transport checksum goes through
 * bpf_l4_csum_replace; the IP header's does not depend on it and is written directly, as are addresses and
 * ports (their change and the checksum's cancel out).
 */
#ifndef SVCB_REWRITE_TC_BPF_H
#define SVCB_REWRITE_TC_BPF_H

/* Flags for bpf_l4_csum_replace: UDP keeps zero as "none" and never comes out as zero. */
static __always_inline __u64 svcb_checksum_flags(__u8 protocol) {
  return protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline __u32 svcb_checksum_offset(__u8 protocol) {
  return protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
                                 : __builtin_offsetof(struct udphdr, check);
}

/* A sum of changes as the 32 bits that the helper takes as a difference. */
static __always_inline __u32 svcb_difference(__u64 changed) {
  changed = (changed & 0xFFFFFFFF) + (changed >> 32);
  return (changed & 0xFFFFFFFF) + (changed >> 32);
}

/* The transport checksum after addresses changed by `addresses` and the ports from those of `from` to those
 * of `to`. False: the kernel refuses. A size of zero: the value is a difference already. */
#define SVCB_TC_CHECKSUM(skb, offset, flags, addresses, from, to)                                  \
  (!bpf_l4_csum_replace(skb, offset, 0, svcb_difference(addresses), (flags) | BPF_F_PSEUDO_HDR) && \
   (((from)->to.port == (to)->to.port && (from)->source_port == (to)->source_port) ||              \
    !bpf_l4_csum_replace(skb, offset, 0,                                                           \
                         svcb_difference(svcb_changed16((from)->to.port, (to)->to.port) +          \
                                         svcb_changed16((from)->source_port, (to)->source_port)),  \
                         flags)))

static __always_inline enum svcb_outcome svcb_tc_rewrite4(struct __sk_buff *skb,
                                                          const struct svcb_flow4 *from,
                                                          const struct svcb_flow4 *to) {
  __u64 changed =
      svcb_changed32(from->source, to->source) + svcb_changed32(from->to.address, to->to.address);
  __u32 offset = SVCB_L4_V4 + svcb_checksum_offset(from->to.protocol);
  __u64 flags = svcb_checksum_flags(from->to.protocol);
  void *data, *data_end;
  struct iphdr *ip;
  struct udphdr *ports;

  if (!SVCB_TC_CHECKSUM(skb, offset, flags, changed, from, to))
    return SVCB_NOT_REWRITTEN;
  data = (void *)(long)skb->data; /* the helper may have moved the packet */
  data_end = (void *)(long)skb->data_end;
  ip = data + SVCB_L3;
  ports = data + SVCB_L4_V4;
  if ((void *)(ports + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  ip->saddr = to->source;
  ip->daddr = to->to.address;
  ip->check = svcb_checksum_after(ip->check, changed);
  ports->source = to->source_port;
  ports->dest = to->to.port;
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_tc_rewrite6(struct __sk_buff *skb,
                                                          const struct svcb_flow6 *from,
                                                          const struct svcb_flow6 *to) {
  __u64 changed =
      svcb_changed128(from->source, to->source) + svcb_changed128(from->to.address, to->to.address);
  __u32 offset = SVCB_L4_V6 + svcb_checksum_offset(from->to.protocol);
  __u64 flags = svcb_checksum_flags(from->to.protocol);
  void *data, *data_end;
  struct ipv6hdr *ip;
  struct udphdr *ports;

  if (!SVCB_TC_CHECKSUM(skb, offset, flags, changed, from, to))
    return SVCB_NOT_REWRITTEN;
  /* For BPF_F_PSEUDO_HDR the helper also moves a CHECKSUM_COMPLETE skb's sum over the packet, for the
   * change of an IPv4 header's checksum. IPv6 has none (the addresses' change and the transport checksum's
   * cancel out), so that is taken back. BPF_F_IPV6 would say so, but kernels before 6.16 refuse it. An
   * error means that the skb bears no such sum. */
  bpf_csum_update(skb, svcb_difference(changed));
  data = (void *)(long)skb->data;
  data_end = (void *)(long)skb->data_end;
  ip = data + SVCB_L3;
  ports = data + SVCB_L4_V6;
  if ((void *)(ports + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  svcb_copy6(ip->saddr.in6_u.u6_addr32, to->source);
  svcb_copy6(ip->daddr.in6_u.u6_addr32, to->to.address);
  ports->source = to->source_port;
  ports->dest = to->to.port;
  return SVCB_TRANSLATED;
}

/* Brings the headers into the linear part of the skb, where programs can read them. A packet shorter than
 * `most` is whole there after it. */
static __always_inline void svcb_tc_linear(struct __sk_buff *skb, __u32 most) {
  __u32 headers = skb->len < most ? skb->len : most;

  if ((void *)(long)skb->data + headers > (void *)(long)skb->data_end)
    bpf_skb_pull_data(skb, headers);
}

#endif
