/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: the packet goes to its backend as it is, in an IP packet of the node's (IPv4 in
 * IPv4, IPv6 in IPv6). The backend takes that off and replies to the client itself, from the address that
 * the client had dialled, so nothing has to be remembered or translated back here. Ports cannot change on
 * the way: a backend listens at the service's port.
 */
#ifndef SVCB_DSR_BPF_H
#define SVCB_DSR_BPF_H

#define SVCB_HOPS 64

/* What may not be fragmented inside may not be outside (RFC 2003). */
static __always_inline void svcb_wrap4(struct iphdr *outer, const struct iphdr *inner, __be32 backend) {
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = SVCB_HOPS, .protocol = IPPROTO_IPIP};

  ip.tot_len = bpf_htons(bpf_ntohs(inner->tot_len) + sizeof(ip));
  ip.frag_off = inner->frag_off & bpf_htons(0x4000);
  ip.saddr = settings.node4;
  ip.daddr = backend;
  ip.check = svcb_checksum_after(0xFFFF, svcb_sum_words(&ip, sizeof(ip) / 4, 0));
  *outer = ip;
}

static __always_inline void svcb_wrap6(struct ipv6hdr *outer, __be16 inner_payload,
                                       const __be32 backend[4]) {
  *(__be32 *)outer = bpf_htonl(6U << 28);
  outer->payload_len = bpf_htons(bpf_ntohs(inner_payload) + sizeof(*outer));
  outer->nexthdr = IPPROTO_IPV6;
  outer->hop_limit = SVCB_HOPS;
  for (__u32 i = 0; i < 4; i++) {
    outer->saddr.in6_u.u6_addr32[i] = settings.node6[i];
    outer->daddr.in6_u.u6_addr32[i] = backend[i];
  }
}

static __always_inline enum svcb_outcome svcb_xdp_wrap4(struct xdp_md *ctx, const struct svcb_flow4 *to) {
  struct iphdr *outer;
  struct ethhdr *eth;

  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
    return SVCB_NOT_REWRITTEN;
  eth = (void *)(long)ctx->data;
  outer = (void *)(eth + 1);
  if ((void *)(outer + 2) > (void *)(long)ctx->data_end)
    return SVCB_NOT_REWRITTEN;
  *eth = *(struct ethhdr *)((void *)eth + sizeof(*outer));
  svcb_wrap4(outer, outer + 1, to->to.address);
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_xdp_wrap6(struct xdp_md *ctx, const struct svcb_flow6 *to) {
  struct ipv6hdr *outer;
  struct ethhdr *eth;

  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
    return SVCB_NOT_REWRITTEN;
  eth = (void *)(long)ctx->data;
  outer = (void *)(eth + 1);
  if ((void *)(outer + 2) > (void *)(long)ctx->data_end)
    return SVCB_NOT_REWRITTEN;
  *eth = *(struct ethhdr *)((void *)eth + sizeof(*outer));
  svcb_wrap6(outer, outer[1].payload_len, to->to.address);
  return SVCB_TRANSLATED;
}

/* Only a packet that stands for many must know that it is wrapped, to be cut right: one that does can never
 * be made an error about itself (bpf_skb_change_tail). */
static __always_inline int svcb_tc_make_room(struct __sk_buff *skb, __u32 size, __u64 wrapped_in) {
  return bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, skb->gso_size ? wrapped_in : 0);
}

static __always_inline enum svcb_outcome svcb_tc_wrap4(struct __sk_buff *skb, const struct svcb_flow4 *to) {
  struct iphdr *outer;

  if (svcb_tc_make_room(skb, sizeof(*outer), BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
    return SVCB_NOT_REWRITTEN;
  outer = (void *)(long)skb->data + SVCB_L3;
  if ((void *)(outer + 2) > (void *)(long)skb->data_end)
    return SVCB_NOT_REWRITTEN;
  svcb_wrap4(outer, outer + 1, to->to.address);
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_tc_wrap6(struct __sk_buff *skb, const struct svcb_flow6 *to) {
  struct ipv6hdr *outer;

  if (svcb_tc_make_room(skb, sizeof(*outer), BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
    return SVCB_NOT_REWRITTEN;
  outer = (void *)(long)skb->data + SVCB_L3;
  if ((void *)(outer + 2) > (void *)(long)skb->data_end)
    return SVCB_NOT_REWRITTEN;
  svcb_wrap6(outer, outer[1].payload_len, to->to.address);
  return SVCB_TRANSLATED;
}

/* The packet as it came, for an error about it. False: it is unusable. */
__noinline int svcb_xdp_unwrap(struct xdp_md *ctx, int ipv6) {
  const int size = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
  void *data = (void *)(long)ctx->data;
  struct ethhdr eth;

  if (data + sizeof(eth) > (void *)(long)ctx->data_end)
    return false;
  eth = *(struct ethhdr *)data;
  if (bpf_xdp_adjust_head(ctx, size))
    return false;
  data = (void *)(long)ctx->data;
  if (data + sizeof(eth) > (void *)(long)ctx->data_end)
    return false;
  *(struct ethhdr *)data = eth;
  return true;
}

__noinline int svcb_tc_unwrap(struct __sk_buff *skb, int ipv6) {
  return !bpf_skb_adjust_room(skb, ipv6 ? -(int)sizeof(struct ipv6hdr) : -(int)sizeof(struct iphdr),
                              BPF_ADJ_ROOM_MAC, 0);
}

#endif
