/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments: of a datagram larger than the MTU only the first one holds ports. It is translated like any
 * packet, and its ports are remembered by the datagram's addresses and identification, for those that come
 * after it. One that comes before its first is passed on as it came.
 *
 * Where the transport stands: in IPv4 where it always does, in IPv6 behind the fragment header. Functions
 * by themselves, so that their frames do not add up with those of the work on new flows.
 */
#ifndef SVCB_FRAGMENT_BPF_H
#define SVCB_FRAGMENT_BPF_H

#define SVCB_L4_PART6 (SVCB_L4_V6 + sizeof(struct svcb_part6))

/* Which fragment of its datagram a packet is. */
enum svcb_part { SVCB_WHOLE, SVCB_FIRST_PART, SVCB_LATER_PART };

struct svcb_part6 {
  __u8 next_header;
  __u8 reserved;
  __be16 offset; /* in 8 bytes, in its upper 13 bits; the lowest: more follow */
  __be32 id;
};

static __always_inline void svcb_name_datagram4(struct svcb_flow4 *flow, __u32 id) {
  flow->source_port = id;
  flow->to.port = 0;
}

static __always_inline void svcb_name_datagram6(struct svcb_flow6 *flow, __u32 id) {
  flow->source_port = id;
  flow->to.port = id >> 16;
}

#define SVCB_FAMILY 4
#include "fragment_family.bpf.h"
#undef SVCB_FAMILY
#define SVCB_FAMILY 6
#include "fragment_family.bpf.h"
#undef SVCB_FAMILY

/* The flow that a fragment belongs to; SVCB_WHOLE: not known. `length` as in svcb_parse4(). */
static __always_inline enum svcb_part svcb_part4(void *data, void *data_end, __u32 length,
                                                 struct svcb_flow4 *flow) {
  struct iphdr *ip = data + SVCB_L3;
  struct udphdr *ports = data + SVCB_L4_V4;

  if ((void *)(ip + 1) > data_end || bpf_ntohs(ip->tot_len) + SVCB_L3 > length)
    return SVCB_WHOLE;
  flow->to.address = ip->daddr;
  flow->to.protocol = ip->protocol;
  flow->source = ip->saddr;
  if (ip->frag_off & bpf_htons(0x1FFF)) {
    svcb_name_datagram4(flow, ip->id);
    return svcb_recall4(flow) ? SVCB_LATER_PART : SVCB_WHOLE;
  }
  if ((void *)ports + svcb_transport_size(ip->protocol) > data_end ||
      bpf_ntohs(ip->tot_len) < sizeof(*ip) + svcb_transport_size(ip->protocol))
    return SVCB_WHOLE;
  flow->source_port = ports->source;
  flow->to.port = ports->dest;
  return SVCB_FIRST_PART;
}

static __always_inline enum svcb_part svcb_part6(void *data, void *data_end, __u32 length,
                                                 struct svcb_flow6 *flow) {
  struct ipv6hdr *ip = data + SVCB_L3;
  struct svcb_part6 *part = data + SVCB_L4_V6;
  struct udphdr *ports = data + SVCB_L4_PART6;
  __u32 size;

  if ((void *)(part + 1) > data_end || bpf_ntohs(ip->payload_len) + SVCB_L4_V6 > length ||
      (part->next_header != IPPROTO_TCP && part->next_header != IPPROTO_UDP))
    return SVCB_WHOLE;
  svcb_copy6(flow->to.address, ip->daddr.in6_u.u6_addr32);
  flow->to.protocol = part->next_header;
  svcb_copy6(flow->source, ip->saddr.in6_u.u6_addr32);
  if (part->offset & bpf_htons(0xFFF8)) {
    svcb_name_datagram6(flow, part->id);
    return svcb_recall6(flow) ? SVCB_LATER_PART : SVCB_WHOLE;
  }
  size = svcb_transport_size(part->next_header);
  if ((void *)ports + size > data_end || bpf_ntohs(ip->payload_len) < sizeof(*part) + size)
    return SVCB_WHOLE;
  flow->source_port = ports->source;
  flow->to.port = ports->dest;
  return SVCB_FIRST_PART;
}

__noinline int svcb_xdp_part4(struct xdp_md *ctx, struct svcb_flow4 *flow) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  return flow ? svcb_part4(data, data_end, data_end - data, flow) : SVCB_WHOLE;
}

__noinline int svcb_xdp_part6(struct xdp_md *ctx, struct svcb_flow6 *flow) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  return flow ? svcb_part6(data, data_end, data_end - data, flow) : SVCB_WHOLE;
}

__noinline int svcb_tc_part4(struct __sk_buff *skb, struct svcb_flow4 *flow) {
  return flow ? svcb_part4((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, flow)
              : SVCB_WHOLE;
}

__noinline int svcb_tc_part6(struct __sk_buff *skb, struct svcb_flow6 *flow) {
  return flow ? svcb_part6((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, flow)
              : SVCB_WHOLE;
}

/* A fragment of the flow `from` becomes one of `to`. The first one's checksum is its datagram's. */
__noinline int svcb_xdp_rewrite_part4(struct xdp_md *ctx, const struct svcb_flow4 *from,
                                      const struct svcb_flow4 *to, int part) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
  struct iphdr *ip = data + SVCB_L3;
  __u64 changed;

  if (!from || !to || (void *)(ip + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  if (part == SVCB_FIRST_PART) {
    svcb_note4(from, ip->id);
    return svcb_xdp_rewrite4(data, data_end, from, to);
  }
  changed = svcb_changed32(from->source, to->source) + svcb_changed32(from->to.address, to->to.address);
  ip->saddr = to->source;
  ip->daddr = to->to.address;
  ip->check = svcb_checksum_after(ip->check, changed);
  return SVCB_TRANSLATED;
}

__noinline int svcb_xdp_rewrite_part6(struct xdp_md *ctx, const struct svcb_flow6 *from,
                                      const struct svcb_flow6 *to, int part) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
  struct ipv6hdr *ip = data + SVCB_L3;
  struct svcb_part6 *header = data + SVCB_L4_V6;
  __u64 changed;

  if (!from || !to || (void *)(header + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  if (part == SVCB_FIRST_PART) {
    svcb_note6(from, header->id);
    changed = svcb_changed128(from->source, to->source) + svcb_changed128(from->to.address, to->to.address);
    if (!svcb_rewrite_transport(data + SVCB_L4_PART6, data_end, from->to.protocol, to->source_port,
                                to->to.port, changed))
      return SVCB_NOT_REWRITTEN;
  }
  svcb_copy6(ip->saddr.in6_u.u6_addr32, to->source);
  svcb_copy6(ip->daddr.in6_u.u6_addr32, to->to.address);
  return SVCB_TRANSLATED;
}

__noinline int svcb_tc_rewrite_part4(struct __sk_buff *skb, const struct svcb_flow4 *from,
                                     const struct svcb_flow4 *to, int part) {
  void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
  struct iphdr *ip = data + SVCB_L3;
  __u64 changed;

  if (!from || !to || (void *)(ip + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  if (part == SVCB_FIRST_PART) {
    svcb_note4(from, ip->id);
    return svcb_tc_rewrite4(skb, from, to);
  }
  changed = svcb_changed32(from->source, to->source) + svcb_changed32(from->to.address, to->to.address);
  ip->saddr = to->source;
  ip->daddr = to->to.address;
  ip->check = svcb_checksum_after(ip->check, changed);
  return SVCB_TRANSLATED;
}

__noinline int svcb_tc_rewrite_part6(struct __sk_buff *skb, const struct svcb_flow6 *from,
                                     const struct svcb_flow6 *to, int part) {
  void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
  struct svcb_part6 *header = data + SVCB_L4_V6;
  __u64 changed;
  struct ipv6hdr *ip;

  if (!from || !to || (void *)(header + 1) > data_end)
    return SVCB_NOT_REWRITTEN;
  changed = svcb_changed128(from->source, to->source) + svcb_changed128(from->to.address, to->to.address);
  if (part == SVCB_FIRST_PART) {
    struct udphdr *ports;

    svcb_note6(from, header->id);
    if (!SVCB_TC_CHECKSUM(skb, SVCB_L4_PART6 + svcb_checksum_offset(from->to.protocol),
                          svcb_checksum_flags(from->to.protocol), changed, from, to))
      return SVCB_NOT_REWRITTEN;
    ports = (void *)(long)skb->data + SVCB_L4_PART6;
    if ((void *)(ports + 1) > (void *)(long)skb->data_end)
      return SVCB_NOT_REWRITTEN;
    ports->source = to->source_port;
    ports->dest = to->to.port;
  }
  /* A sum over the packet: of the first as svcb_tc_rewrite6() tells; the addresses of a later one are
   * balanced by no checksum of its own. */
  bpf_csum_update(skb, svcb_difference(changed));
  ip = (void *)(long)skb->data + SVCB_L3;
  if ((void *)(ip + 1) > (void *)(long)skb->data_end)
    return SVCB_NOT_REWRITTEN;
  svcb_copy6(ip->saddr.in6_u.u6_addr32, to->source);
  svcb_copy6(ip->daddr.in6_u.u6_addr32, to->to.address);
  return SVCB_TRANSLATED;
}

#endif
