/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The instrument that BPF_PROG_TEST_RUN times: before each packet, write the next destination into it.
 *
 * The kernel's `repeat` runs a program over one packet again and again. DNAT in place leaves a packet whose
 * destination is no service, so every run but the first would time a miss; and one destination again and
 * again measures a hot cache line. So each run first draws its destination from a schedule and rewinds the
 * headers to it, with the checksums that the loader worked out beforehand. The cost of that is measured by
 * itself (svcb_*_rewind) and shown, never subtracted.
 *
 * Time is taken here, at the head of every `burst`-th packet: the kernel reports one duration in whole
 * nanoseconds a packet, too coarse for programs of a few dozen.
 */
#ifndef SVCB_BENCH_BPF_H
#define SVCB_BENCH_BPF_H

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_draw4);
} draws4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_draw6);
} draws6 SEC(".maps");

/* Set by the loader before a run. */
__u32 burst;      /* packets between two stamps, at least 1 */
__u32 draws_base; /* where the schedule starts in draws4 or draws6 */
__u32 draws_mask; /* its length, a power of two, less one */
/* Kept by the programs, zeroed by the loader before a run. */
__u32 draws_next;
__u32 until_stamp;
__u32 stamps_taken;
__u64 stamps[SVCB_MAX_STAMPS]; /* bpf_ktime_get_ns() */
__u64 bare_hits;               /* entries that the bare lookups found */
__u64 chosen;                  /* the sum of chosen backends: keeps a lookup from being optimised away */

static __always_inline void svcb_tick(void) {
  __u32 next;

  if (until_stamp) {
    until_stamp--;
    return;
  }
  until_stamp = burst - 1;
  next = stamps_taken;
  if (next < SVCB_MAX_STAMPS) {
    stamps[next] = bpf_ktime_get_ns();
    stamps_taken = next + 1;
  }
}

#define SVCB_DRAW(map)                                           \
  ({                                                             \
    __u32 draw_index = draws_base + (draws_next++ & draws_mask); \
    bpf_map_lookup_elem(map, &draw_index);                       \
  })

static __always_inline void svcb_rewind_words(void *transport, __u16 word6, __u16 word16) {
  *(__u16 *)(transport + 6) = word6;
  *(__u16 *)(transport + 16) = word16;
}

/* False where the packet is not the template's size: then nothing is translated, and the count tells. */
static __always_inline bool svcb_rewind4(void *data, void *data_end) {
  struct svcb_draw4 *draw = SVCB_DRAW(&draws4);
  struct iphdr *ip = data + SVCB_L3;
  struct tcphdr *transport = data + SVCB_L4_V4;

  if (!draw || (void *)(transport + 1) > data_end)
    return false;
  ip->protocol = draw->frontend.protocol;
  ip->check = draw->ip_checksum;
  ip->daddr = draw->frontend.address;
  transport->source = draw->source_port;
  transport->dest = draw->frontend.port;
  svcb_rewind_words(transport, draw->word6, draw->word16);
  return true;
}

static __always_inline bool svcb_rewind6(void *data, void *data_end) {
  struct svcb_draw6 *draw = SVCB_DRAW(&draws6);
  struct ipv6hdr *ip = data + SVCB_L3;
  struct tcphdr *transport = data + SVCB_L4_V6;

  if (!draw || (void *)(transport + 1) > data_end)
    return false;
  ip->nexthdr = draw->frontend.protocol;
  svcb_copy6(ip->daddr.in6_u.u6_addr32, draw->frontend.address);
  transport->source = draw->source_port;
  transport->dest = draw->frontend.port;
  svcb_rewind_words(transport, draw->word6, draw->word16);
  return true;
}

/* Parse and balance, no rewrite. */
static __always_inline enum svcb_outcome svcb_lookup4(void *data, void *data_end, __u32 length) {
  struct svcb_flow4 flow, to;
  struct svcb_segment segment;
  bool ipv6;
  enum svcb_outcome outcome = svcb_parse_ethernet(data, data_end, &ipv6);

  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? SVCB_NOT_IP : svcb_parse4(data, data_end, length, &flow, &segment);
  if (outcome == SVCB_TRANSLATED)
    outcome = svcb_balance4(&flow, &to);
  if (outcome == SVCB_TRANSLATED)
    chosen += to.to.address;
  return svcb_count(outcome);
}

static __always_inline enum svcb_outcome svcb_lookup6(void *data, void *data_end, __u32 length) {
  struct svcb_flow6 flow, to;
  struct svcb_segment segment;
  bool ipv6;
  enum svcb_outcome outcome = svcb_parse_ethernet(data, data_end, &ipv6);

  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? svcb_parse6(data, data_end, length, &flow, &segment) : SVCB_NOT_IP;
  if (outcome == SVCB_TRANSLATED)
    outcome = svcb_balance6(&flow, &to);
  if (outcome == SVCB_TRANSLATED)
    chosen += to.to.address[3];
  return svcb_count(outcome);
}

/* One bare hash lookup of the drawn frontend: what no load balancer on a hash map can go below. */
static __always_inline void svcb_bare4(void) {
  struct svcb_draw4 *draw = SVCB_DRAW(&draws4);

  if (draw && bpf_map_lookup_elem(&services4, &draw->frontend))
    bare_hits++;
}

static __always_inline void svcb_bare6(void) {
  struct svcb_draw6 *draw = SVCB_DRAW(&draws6);

  if (draw && bpf_map_lookup_elem(&services6, &draw->frontend))
    bare_hits++;
}

#endif
