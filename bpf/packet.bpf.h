/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to a flow. Only the plain case is translated: Ethernet, an IPv4 header of 20 bytes or an IPv6
 * header without extensions, then TCP or UDP. Everything else is named by an outcome and passed on (but for
 * fragments, see fragment.bpf.h), so every offset below is a constant.
 */
#ifndef SVCB_PACKET_BPF_H
#define SVCB_PACKET_BPF_H

#define SVCB_ETH_P_IP 0x0800
#define SVCB_ETH_P_IPV6 0x86DD
#define SVCB_ETH_P_8021Q 0x8100
#define SVCB_ETH_P_8021AD 0x88A8

#define SVCB_L3 sizeof(struct ethhdr)
#define SVCB_L4_V4 (SVCB_L3 + sizeof(struct iphdr))
#define SVCB_L4_V6 (SVCB_L3 + sizeof(struct ipv6hdr))

#define SVCB_NEXT_FRAGMENT 44

/* The longest header that the programs read: TCP's behind an IPv6 fragment header of 8 bytes. */
#define SVCB_HEADERS (SVCB_L4_V6 + 8 + sizeof(struct tcphdr))

#define SVCB_TCP_FIN 0x01
#define SVCB_TCP_SYN 0x02
#define SVCB_TCP_RST 0x04
#define SVCB_TCP_ACK 0x10
/* Of the TCP header: where its flags are. */
#define SVCB_TCP_FLAGS 13

/* The hop-by-hop option in front of a jumbogram's transport header, whose IP header has no length (RFC
 * 2675). */
struct svcb_jumbo {
  __u8 next_header;
  __u8 size; /* 0: eight bytes */
  __u8 option;
  __u8 option_size;
  __be32 length;
};

#define SVCB_OPTION_JUMBO 0xC2

/* What an IPv4 header says of its packet's length, which is zero for one that is longer than it can say
 * (BIG TCP on tc: it stands for many). */
static __always_inline __u32 svcb_total(const struct iphdr *ip, __u32 length) {
  return !ip->tot_len && length > SVCB_L3 + 0xFFFF ? length - SVCB_L3 : bpf_ntohs(ip->tot_len);
}

/* What of a TCP header the flow table looks at, in host order; all zero for UDP. */
struct svcb_segment {
  __u32 sequence;
  __u32 ack; /* 0: it acknowledges nothing */
  __u32 flags;
};

static __always_inline __u32 svcb_transport_size(__u8 protocol) {
  return protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

/* The verifier has to see TCP's own length compared once more. */
static __always_inline void svcb_read_segment(void *transport, void *data_end, __u8 protocol,
                                              struct svcb_segment *segment) {
  struct tcphdr *tcp = transport;

  __builtin_memset(segment, 0, sizeof(*segment));
  if (protocol != IPPROTO_TCP || (void *)(tcp + 1) > data_end)
    return;
  segment->flags = *(__u8 *)(transport + SVCB_TCP_FLAGS);
  segment->sequence = bpf_ntohl(tcp->seq);
  if (segment->flags & SVCB_TCP_ACK)
    segment->ack = bpf_ntohl(tcp->ack_seq);
}

/* Which family's parser is to go on: SVCB_TRANSLATED stands for "go on", with *ipv6 set. */
static __always_inline enum svcb_outcome svcb_parse_ethernet(void *data, void *data_end, bool *ipv6) {
  struct ethhdr *eth = data;

  if ((void *)(eth + 1) > data_end)
    return SVCB_TRUNCATED;
  *ipv6 = eth->h_proto == bpf_htons(SVCB_ETH_P_IPV6);
  if (*ipv6 || eth->h_proto == bpf_htons(SVCB_ETH_P_IP))
    return SVCB_TRANSLATED;
  if (eth->h_proto == bpf_htons(SVCB_ETH_P_8021Q) || eth->h_proto == bpf_htons(SVCB_ETH_P_8021AD))
    return SVCB_VLAN;
  return SVCB_NOT_IP;
}

static __always_inline void svcb_copy6(__be32 to[4], const __be32 from[4]) {
  to[0] = from[0];
  to[1] = from[1];
  to[2] = from[2];
  to[3] = from[3];
}

static __always_inline void svcb_read_addresses4(const struct iphdr *ip, struct svcb_flow4 *flow) {
  flow->to.address = ip->daddr;
  flow->source = ip->saddr;
}

static __always_inline void svcb_read_addresses6(const struct ipv6hdr *ip, struct svcb_flow6 *flow) {
  svcb_copy6(flow->to.address, ip->daddr.in6_u.u6_addr32);
  svcb_copy6(flow->source, ip->saddr.in6_u.u6_addr32);
}

/* `length`: of the whole frame, which on tc may reach beyond data_end. */
static __always_inline enum svcb_outcome svcb_parse4(void *data, void *data_end, __u32 length,
                                                     struct svcb_flow4 *flow,
                                                     struct svcb_segment *segment) {
  struct iphdr *ip = data + SVCB_L3;
  struct udphdr *ports = data + SVCB_L4_V4; /* TCP's ports stand where UDP's do */
  __u32 size;

  if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5)
    return SVCB_TRUNCATED;
  if (ip->ihl > 5)
    return SVCB_IP_OPTIONS;
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
    return SVCB_NOT_TCP_UDP;
  if (ip->frag_off & bpf_htons(0x3FFF)) /* more fragments, or an offset */
    return SVCB_FRAGMENT;
  size = svcb_transport_size(ip->protocol);
  if ((void *)ports + size > data_end || svcb_total(ip, length) < sizeof(*ip) + size ||
      svcb_total(ip, length) + SVCB_L3 > length)
    return SVCB_TRUNCATED;

  svcb_read_addresses4(ip, flow);
  flow->to.port = ports->dest;
  flow->to.protocol = ip->protocol;
  flow->to.pad = 0;
  flow->source_port = ports->source;
  flow->pad = 0;
  svcb_read_segment(ports, data_end, ip->protocol, segment);
  return SVCB_TRANSLATED;
}

static __always_inline bool svcb_is_extension(__u8 next_header) {
  switch (next_header) {
    case 0:   /* hop-by-hop options */
    case 43:  /* routing */
    case 51:  /* authentication */
    case 60:  /* destination options */
    case 135: /* mobility */
    case 139: /* host identity */
    case 140: /* shim6 */
      return true;
    default:
      return false;
  }
}

static __always_inline enum svcb_outcome svcb_parse6(void *data, void *data_end, __u32 length,
                                                     struct svcb_flow6 *flow,
                                                     struct svcb_segment *segment) {
  struct ipv6hdr *ip = data + SVCB_L3;
  struct udphdr *ports = data + SVCB_L4_V6;
  __u32 size;

  if ((void *)(ip + 1) > data_end || ip->version != 6)
    return SVCB_TRUNCATED;
  if (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_UDP) {
    if (ip->nexthdr == SVCB_NEXT_FRAGMENT)
      return SVCB_FRAGMENT;
    return svcb_is_extension(ip->nexthdr) ? SVCB_IPV6_EXTENSION : SVCB_NOT_TCP_UDP;
  }
  size = svcb_transport_size(ip->nexthdr);
  if ((void *)ports + size > data_end || bpf_ntohs(ip->payload_len) < size ||
      bpf_ntohs(ip->payload_len) + SVCB_L4_V6 > length)
    return SVCB_TRUNCATED;

  svcb_read_addresses6(ip, flow);
  flow->to.port = ports->dest;
  flow->to.protocol = ip->nexthdr;
  flow->to.pad = 0;
  flow->source_port = ports->source;
  flow->pad = 0;
  svcb_read_segment(ports, data_end, ip->nexthdr, segment);
  return SVCB_TRANSLATED;
}

#define SVCB_EACH "reverse_family.bpf.h"
#include "on_each_family.bpf.h"

#endif
