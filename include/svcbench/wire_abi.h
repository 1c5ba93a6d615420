/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the wire's programs (bpf/wire.bpf.c) and the loader (userspace/measure/wire/) agree on.
 *
 * The wire sends packets to targets through a node, and checks at the other end that each came out at a
 * backend that its target may use. Addresses and ports are in network byte order; an IPv4 address stands in
 * the first word, and the other three are zero.
 */
#ifndef SVCBENCH_WIRE_ABI_H
#define SVCBENCH_WIRE_ABI_H

#include "svcbench/abi.h"

/* Every frame has this size: Ethernet, IPv6, TCP and the mark fit, and what follows an IPv4 header or an
 * IPv6 one is a multiple of four bytes, as the kernel's checksum helper wants it. */
#define SVCB_WIRE_FRAME 106

/* The first bytes of the payload. */
#define SVCB_WIRE_MAGIC 0x73766362U /* "svcb", a packet of the generator */
#define SVCB_WIRE_REPLY 0x62637673U /* an answer of the sink */

struct svcb_wire_mark {
  __u32 magic;
  __u32 run;    /* the run that sent it: a packet that comes late is known */
  __u32 target; /* index in wire_targets */
  __u32 flow;
  /* bpf_ktime_get_ns(), in halves: where the kernel wants loads aligned, 64 bits of a packet never are. */
  __u32 sent_low;
  __u32 sent_high;
  __u32 sequence; /* in its volley: index in wire_records */
  __u32 pad;      /* the checksum helper takes words; so it may take two */
};

/* What a packet is addressed to. */
struct svcb_wire_target {
  __be32 address[4];
  __be16 port;
  __u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
  __u8 ipv6;     /* 1, or 0 for IPv4 */
};

/* Key of wire_backends: where a packet to this target may come out. */
struct svcb_wire_backend {
  __u32 target;
  __be16 port;
  __u16 wrapped; /* 1: in an IP packet to `address`, the packet within as it was sent */
  __be32 address[4];
};

/* What the loader sets before a run. */
struct svcb_wire_run {
  __u32 run;
  __u32 first_target;
  __u32 targets; /* flows take them in turn: flow f goes to first_target + f % targets */
  __u32 first_flow;
  __u32 flows;     /* packets take them in turn; a number that is never reached: every packet a new one */
  __u32 tcp_data;  /* 1: TCP packets carry data of an open connection; 0: they are SYNs */
  __u32 answer;    /* 1: the sink answers each packet; 0: it drops it */
  __be32 clients4; /* addresses of clients: flow f has this one plus f / SVCB_WIRE_PORTS */
  __be32 clients6[4];  /* the same; the last word counts */
  __u8 source_mac[6];  /* of the client's device */
  __u8 gateway_mac[6]; /* of the node's */
  __u32 recorded;      /* 1: every packet has its entry in wire_records */
  /* 1: packets take turns instead, four by four: data of an open flow, which has flow % targets as above;
   * the target `focus`; flow / 4 % targets; the focus again. All but the first begin a flow each. */
  __u32 mixed;
  __u32 first_open; /* flow numbers of the open flows */
  __u32 open_flows;
  __u64 gap_ns;         /* packets leave at least so far apart; 0: as fast as they can */
  __u32 most_under_way; /* none leaves while more than that have not arrived */
  __u32 pad;
};

/* Source ports of a client: from SVCB_WIRE_FIRST_PORT on, a power of two of them. */
#define SVCB_WIRE_FIRST_PORT 16384
#define SVCB_WIRE_PORTS 32768

/* What became of one packet, for those who judge packets one by one (wire_witness, wire_refused). */
struct svcb_wire_record {
  __u64 sent_ns;    /* bpf_ktime_get_ns(), as all three */
  __u64 seen_ns;    /* came out at the backends' end; 0: it did not */
  __u64 refused_ns; /* the client was told that it did not: a TCP reset, an ICMP error; 0: it was not */
  __u32 target;
  __u32 flow;
  __be32 address[4]; /* where it came out */
  __be16 port;
  __u8 harm;   /* SVCB_WIRE_BAD_CHECKSUM, SVCB_WIRE_WRONG_SOURCE */
  __u8 copies; /* how often it came out */
  __u32 pad;
};

#define SVCB_WIRE_BAD_CHECKSUM 1
#define SVCB_WIRE_WRONG_SOURCE 2

/* What became of the packets of a run. */
struct svcb_wire_counts {
  __u64 sent;
  __u64 right;         /* at a backend that the target may use, unharmed; these are timed */
  __u64 wrong_backend; /* elsewhere */
  __u64 wrong_source;  /* not from the client that sent it */
  __u64 bad_checksum;
  __u64 stale;   /* of an earlier run */
  __u64 foreign; /* no packet of the wire: passed on */
  __u64 answered;
  __u64 replies;        /* answers that came back to the client */
  __u64 replies_as_vip; /* of those: from the address that the client had dialled */
  __u64 total_ns;       /* of the timed ones */
  __u64 max_ns;
  __u64 first_sent_ns; /* bpf_ktime_get_ns() */
  __u64 last_right_ns;
  __u64 witnessed; /* by wire_witness: of this run, wherever and however they came out */
  __u64 refused;   /* by wire_refused: resets and ICMP errors that came back to clients */
};

/*
 * A log-linear histogram of ns: values below 2 * SVCB_WIRE_STEPS have a bucket each, above that every
 * octave has SVCB_WIRE_STEPS buckets. A bucket is at most 1 / SVCB_WIRE_STEPS of its value wide.
 */
#define SVCB_WIRE_STEP_BITS 7
#define SVCB_WIRE_STEPS (1U << SVCB_WIRE_STEP_BITS)
#define SVCB_WIRE_OCTAVES 33 /* up to 2^40 ns, 18 minutes; longer ones are counted in the last bucket */
#define SVCB_WIRE_BUCKETS 4352U

/* The octave by halving: BPF has no instruction that counts leading zeros, and clang 14 never ends when it
 * is asked for one. */
static inline __u32 svcb_wire_bucket(__u64 ns) {
  __u64 rest = ns >> SVCB_WIRE_STEP_BITS;
  __u32 shift = 0, bucket;

  if (ns >= 1ULL << (SVCB_WIRE_STEP_BITS + SVCB_WIRE_OCTAVES)) {
    return SVCB_WIRE_BUCKETS - 1;
  }
  for (__u32 half = 32; half; half /= 2) {
    if (rest >> half) {
      rest >>= half;
      shift += half;
    }
  }
  bucket = shift * SVCB_WIRE_STEPS + (__u32)(ns >> shift);
  return bucket;
}

SVCB_STATIC_ASSERT(SVCB_WIRE_BUCKETS == (SVCB_WIRE_OCTAVES + 1) * SVCB_WIRE_STEPS,
                   "an octave each, and one");
SVCB_STATIC_ASSERT(sizeof(struct svcb_wire_mark) == 32, "no hidden padding; fills the frame");
SVCB_STATIC_ASSERT(sizeof(struct svcb_wire_target) == 20, "no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_wire_backend) == 24, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_wire_record) == 56, "mapped as an array: no hidden padding");

#endif /* SVCBENCH_WIRE_ABI_H */
