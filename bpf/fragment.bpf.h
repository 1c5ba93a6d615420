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

#define SVCB_L4_PART4 SVCB_L4_V4
#define SVCB_L4_PART6 (SVCB_L4_V6 + sizeof(struct svcb_part6))

/* Which fragment of its datagram a packet is. A jumbogram is none, but its transport stands where theirs
 * does. */
enum svcb_part { SVCB_WHOLE, SVCB_FIRST_PART, SVCB_LATER_PART, SVCB_JUMBO };

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

/* The identification of a fragment's datagram; its headers are there. */
static __always_inline __u32 svcb_part_id4(const void *data) {
  return ((const struct iphdr *)(data + SVCB_L3))->id;
}

static __always_inline __u32 svcb_part_id6(const void *data) {
  return ((const struct svcb_part6 *)(data + SVCB_L4_V6))->id;
}

/* What a fragment says of itself. */
struct svcb_piece {
  __u32 size; /* of what follows its headers, if the IP header is right */
  __u8 protocol;
  bool later; /* than the first */
};

/* False: there is none. `length` as in svcb_parse4(). */
static __always_inline bool svcb_piece4(void *data, void *data_end, __u32 length,
                                        struct svcb_piece *piece) {
  struct iphdr *ip = data + SVCB_L3;

  if ((void *)(ip + 1) > data_end || bpf_ntohs(ip->tot_len) + SVCB_L3 > length)
    return false;
  piece->size = bpf_ntohs(ip->tot_len) - sizeof(*ip);
  piece->protocol = ip->protocol;
  piece->later = ip->frag_off & bpf_htons(0x1FFF);
  return bpf_ntohs(ip->tot_len) >= sizeof(*ip);
}

static __always_inline bool svcb_piece6(void *data, void *data_end, __u32 length,
                                        struct svcb_piece *piece) {
  struct ipv6hdr *ip = data + SVCB_L3;
  struct svcb_part6 *part = data + SVCB_L4_V6;

  if ((void *)(part + 1) > data_end || ip->nexthdr != SVCB_NEXT_FRAGMENT ||
      bpf_ntohs(ip->payload_len) + SVCB_L4_V6 > length ||
      (part->next_header != IPPROTO_TCP && part->next_header != IPPROTO_UDP))
    return false;
  piece->size = bpf_ntohs(ip->payload_len) - sizeof(*part);
  piece->protocol = part->next_header;
  piece->later = part->offset & bpf_htons(0xFFF8);
  return bpf_ntohs(ip->payload_len) >= sizeof(*part);
}

/* A jumbogram's protocol; 0: it is none. */
static __always_inline __u8 svcb_jumbo4(void *data, void *data_end, __u32 length) { return 0; }

static __always_inline __u8 svcb_jumbo6(void *data, void *data_end, __u32 length) {
  struct ipv6hdr *ip = data + SVCB_L3;
  struct svcb_jumbo *jumbo = data + SVCB_L4_V6;

  if ((void *)(jumbo + 1) > data_end || ip->nexthdr || ip->payload_len || jumbo->size ||
      jumbo->option != SVCB_OPTION_JUMBO || jumbo->option_size != sizeof(jumbo->length) ||
      length <= SVCB_L4_V6 + 0xFFFF || bpf_ntohl(jumbo->length) > length - SVCB_L4_V6 ||
      jumbo->next_header != IPPROTO_TCP)
    return 0;
  return jumbo->next_header;
}

#define SVCB_EACH "fragment_family.bpf.h"
#include "on_each_family.bpf.h"

#define SVCB_EACH "fragment_way.bpf.h"
#include "on_each_way.bpf.h"

#endif
