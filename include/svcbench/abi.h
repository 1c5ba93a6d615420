/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF programs and the loader agree on: map keys and values, limits, counters.
 *
 * The one header that both worlds include, so a type stands once. Addresses and ports are in network
 * byte order. Padding is explicit and must be zero: the kernel hashes a key whole.
 */
#ifndef SVCBENCH_ABI_H
#define SVCBENCH_ABI_H

#ifdef __cplusplus
#include <linux/types.h>
#define SVCB_STATIC_ASSERT static_assert
extern "C" {
#else
#define SVCB_STATIC_ASSERT _Static_assert
#endif

/* A frontend: the address, port and protocol that a client dials. The unspecified address stands for
 * "any address of this node", which is what a NodePort is reached at. */
struct svcb_frontend4 {
  __be32 address;
  __be16 port;
  __u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
  __u8 pad;
};

struct svcb_frontend6 {
  __be32 address[4];
  __be16 port;
  __u8 protocol;
  __u8 pad;
};

/*
 * A service: where its backends stand in the backends array, in one 64-bit word.
 *
 *   bits  0-25  first    index of the first backend
 *   bits 26-37  count    number of backends that new flows may go to; 0: a service without endpoints
 *   bits 38-42  flags    SVCB_SERVICE_*
 *   bits 43-63  tag      a hash of the frontend
 *
 * From `first` on stand: its Maglev table, where the programs select by one (svcb_settings.maglev entries);
 * its backends; with SVCB_SERVICE_TERMINATING a cell that is no backend, whose address is the number of
 * cells after the table, itself one, and those that only keep the flows they have. Of the cells after the
 * table each tells in `rank` where one of them stands: the i-th cell where that of place i in ascending
 * order (svcb_precedes) does. So a backend is found among any number by halving, and none changes places.
 *
 * One word, because an update must be seen whole or not at all, and the kernel copies a map value without
 * a lock that a reader could share. The tag, because the kernel's preallocated hash hands the element of a
 * replaced or deleted entry to the next update at once: a program that was interrupted between its lookup
 * and its read of the value could read another service's word there. It compares the tag with that of the
 * frontend it looked up, and looks again when they differ. (The alternative, BPF_F_NO_PREALLOC, has the
 * same reuse since kernel 6.1; a bpf_spin_lock in the value would cost every packet an atomic operation.)
 */
struct svcb_service {
  __u64 word;
};

#define SVCB_SERVICE_AFFINITY 1U           /* a client keeps its backend (map affinity4 or affinity6) */
#define SVCB_SERVICE_MASQUERADE 2U         /* every client is masqueraded: external traffic */
#define SVCB_SERVICE_MASQUERADE_OUTSIDE 4U /* those from outside of the cluster are */
#define SVCB_SERVICE_TERMINATING 8U        /* terminating backends stand after the others */
#define SVCB_SERVICE_ELSEWHERE 16U         /* none here, but on other nodes: dropped, not refused */

struct svcb_backend4 {
  __be32 address;
  __be16 port;
  __u16 rank; /* counted from the first cell after the Maglev table */
};

struct svcb_backend6 {
  __be32 address[4];
  __be16 port;
  __u16 rank;
};

/* The addresses and ports of a packet. */
struct svcb_flow4 {
  struct svcb_frontend4 to;
  __be32 source;
  __be16 source_port;
  __u16 pad;
};

struct svcb_flow6 {
  struct svcb_frontend6 to;
  __be32 source[4];
  __be16 source_port;
  __u16 pad;
};

/*
 * What is remembered of a flow, in each of its two directions: the addresses and ports that its packets
 * leave with. The key is the flow that they arrive with, so one lookup translates either direction, and
 * either entry names the other: its key is this one's `flow` reversed, and its `flow` this one's key.
 *
 * `tag` is a hash of the key, for the reason that a service's word has one: an element of the kernel's LRU
 * hash may be given to another flow while a program reads it. It stands first, because the kernel writes a
 * value from its start on, and is read last.
 */
struct svcb_way4 {
  __u32 tag;
  struct svcb_flow4 flow;
  __u32 seen;    /* svcb_now() of the flow's last packet, in either direction */
  __u32 version; /* of its service, when its backend was last seen to be one of that (svcb_version4) */
  __u32 ack;     /* TCP: the last acknowledgement in this direction, host order; 0: none was seen */
  __u8 reply;    /* 1: from the backend to the client */
  __u8 state;    /* SVCB_FLOW_*, the same for both directions but for SVCB_FLOW_FIXED */
  __u8 paired;   /* of an unanswered flow's reply: 1: the other direction has an entry, too */
  __u8 pad;
};

struct svcb_way6 {
  __u32 tag;
  struct svcb_flow6 flow;
  __u32 seen;
  __u32 version;
  __u32 ack;
  __u8 reply;
  __u8 state;
  __u8 paired;
  __u8 pad;
};

#define SVCB_FLOW_ANSWERED 1U    /* the backend has sent a packet */
#define SVCB_FLOW_OPEN 2U        /* and the handshake is over (UDP: has none) */
#define SVCB_FLOW_FIN_CLIENT 4U  /* the client will send no more */
#define SVCB_FLOW_FIN_BACKEND 8U /* the backend will not */
#define SVCB_FLOW_RESET 16U      /* a RST was believed, and nothing came after it */
#define SVCB_FLOW_MIDSTREAM 32U  /* begun by a segment that was no SYN, and not answered yet */
#define SVCB_FLOW_FIXED 64U      /* its backend is not looked for among its service's any more */
#define SVCB_FLOW_UNTOUCHED 128U /* a connection to a backend itself, which leaves as it comes */

/* The ports of a datagram that came in fragments, of which only the first holds them. `tag` as above. */
struct svcb_datagram {
  __u32 tag;
  __be16 source_port;
  __be16 port;
  __u32 seen; /* svcb_now() of the first fragment */
};

/* Of the programs' clock, bpf_ktime_get_coarse_ns() >> SVCB_TICK_BITS: 134 ms each. */
#define SVCB_TICK_BITS 27

/* ClientIP affinity: the backend that a client of a service has. */
struct svcb_session4 {
  struct svcb_frontend4 frontend;
  __be32 client;
};

struct svcb_session6 {
  struct svcb_frontend6 frontend;
  __be32 client[4];
};

struct svcb_sticky4 {
  __u32 tag; /* a hash of the key, as a flow's */
  struct svcb_backend4 backend;
  __u32 seen; /* svcb_now() of its last new flow */
};

struct svcb_sticky6 {
  __u32 tag;
  struct svcb_backend6 backend;
  __u32 seen;
};

/* A node's own address: the key of a set (the value is a byte that nobody reads). */
struct svcb_node4 {
  __be32 address;
};

struct svcb_node6 {
  __be32 address[4];
};

#define SVCB_FIRST_BITS 26
#define SVCB_COUNT_BITS 12
#define SVCB_FLAG_BITS 5
#define SVCB_TAG_BITS 21

/* Limits that the word's layout sets. */
#define SVCB_MAX_BACKENDS (1U << SVCB_FIRST_BITS)
#define SVCB_MAX_ENDPOINTS ((1U << SVCB_COUNT_BITS) - 1)

/* Multiplicative hashing by odd constants near 2^64 / golden ratio and its relatives (Knuth, TAOCP 3, 6.4;
 * the constants are those of SplitMix64 and MurmurHash3's finalizer). */
#define SVCB_MIX_1 0x9E3779B97F4A7C15ULL
#define SVCB_MIX_2 0xBF58476D1CE4E5B9ULL
#define SVCB_MIX_3 0x94D049BB133111EBULL

static inline __u64 svcb_tag4(const struct svcb_frontend4* f) {
  __u64 key = ((__u64)f->address << 32) | ((__u64)f->port << 16) | f->protocol;

  return (key * SVCB_MIX_1) >> (64 - SVCB_TAG_BITS);
}

static inline __u64 svcb_tag6(const struct svcb_frontend6* f) {
  __u64 high = ((__u64)f->address[0] << 32) | f->address[1];
  __u64 low = ((__u64)f->address[2] << 32) | f->address[3];
  __u64 rest = ((__u64)f->port << 16) | f->protocol;

  return (high * SVCB_MIX_2 + low * SVCB_MIX_3 + rest * SVCB_MIX_1) >> (64 - SVCB_TAG_BITS);
}

/* The place of a backend in the map targets4 or targets6; its protocol is zero. */
#define SVCB_TARGET_BITS 18
#define SVCB_TARGETS (1U << SVCB_TARGET_BITS)

static inline __u32 svcb_target4(const struct svcb_frontend4* at) {
  return (__u32)(svcb_tag4(at) >> (SVCB_TAG_BITS - SVCB_TARGET_BITS));
}

static inline __u32 svcb_target6(const struct svcb_frontend6* at) {
  return (__u32)(svcb_tag6(at) >> (SVCB_TAG_BITS - SVCB_TARGET_BITS));
}

/*
 * The place of what a client dials among the services' versions: a number that rises with each change that
 * takes a backend away. A flow whose entry bears another one looks its service up again, once. Where two
 * frontends share a place, a change of one makes the other's flows look for nothing. (The alternative, the
 * services' words in an array of slots with a version in each, would cost every new flow one more read;
 * this costs the packets of a UDP flow a multiplication and a read of what stays in the cache.)
 */
#define SVCB_VERSION_BITS 12
#define SVCB_VERSIONS (1U << SVCB_VERSION_BITS)

static inline __u32 svcb_version4(const struct svcb_frontend4* dialled) {
  return (__u32)(svcb_tag4(dialled) >> (SVCB_TAG_BITS - SVCB_VERSION_BITS));
}

static inline __u32 svcb_version6(const struct svcb_frontend6* dialled) {
  return (__u32)(svcb_tag6(dialled) >> (SVCB_TAG_BITS - SVCB_VERSION_BITS));
}

/* The order of backends: of their bytes as numbers, whatever these mean. */
static inline int svcb_precedes4(const struct svcb_backend4* a, const struct svcb_backend4* b) {
  return (((__u64)a->address << 16) | a->port) < (((__u64)b->address << 16) | b->port);
}

static inline int svcb_precedes6(const struct svcb_backend6* a, const struct svcb_backend6* b) {
  __u64 high_a = ((__u64)a->address[0] << 32) | a->address[1];
  __u64 high_b = ((__u64)b->address[0] << 32) | b->address[1];
  __u64 low_a = ((__u64)a->address[2] << 32) | a->address[3];
  __u64 low_b = ((__u64)b->address[2] << 32) | b->address[3];

  if (high_a != high_b) {
    return high_a < high_b;
  }
  return low_a != low_b ? low_a < low_b : a->port < b->port;
}

static inline __u64 svcb_service_word(__u32 first, __u32 count, __u64 tag) {
  return (__u64)first | ((__u64)count << SVCB_FIRST_BITS) | (tag << (64 - SVCB_TAG_BITS));
}

static inline __u64 svcb_service_flagged(__u64 word, __u32 flags) {
  return word | ((__u64)flags << (SVCB_FIRST_BITS + SVCB_COUNT_BITS));
}

static inline __u32 svcb_service_flags(__u64 word) {
  return (word >> (SVCB_FIRST_BITS + SVCB_COUNT_BITS)) & ((1U << SVCB_FLAG_BITS) - 1);
}

static inline __u32 svcb_service_first(__u64 word) { return word & (SVCB_MAX_BACKENDS - 1); }

static inline __u32 svcb_service_count(__u64 word) {
  return (word >> SVCB_FIRST_BITS) & SVCB_MAX_ENDPOINTS;
}

static inline __u64 svcb_service_tag(__u64 word) { return word >> (64 - SVCB_TAG_BITS); }

/* What became of a packet: exactly one a packet, and the index of its counter. */
enum svcb_outcome {
  SVCB_TRANSLATED,     /* rewritten to a backend, and passed on */
  SVCB_NO_SERVICE,     /* no such frontend: passed on untouched */
  SVCB_NO_ENDPOINT,    /* a service without endpoints: refused by an ICMP error, or dropped */
  SVCB_CONTENDED,      /* the entry changed under every look at it: dropped */
  SVCB_NOT_IP,         /* neither IPv4 nor IPv6: passed on untouched, like all below */
  SVCB_VLAN,           /* carries a VLAN tag */
  SVCB_TRUNCATED,      /* ends inside a header, or claims a length that it has not */
  SVCB_FRAGMENT,       /* part of a datagram whose first part, which has the ports, was not seen */
  SVCB_IP_OPTIONS,     /* IPv4 header longer than 20 bytes */
  SVCB_IPV6_EXTENSION, /* an IPv6 extension header stands before the transport's */
  SVCB_NOT_TCP_UDP,    /* SCTP and other transports, ICMP that is no error of a translated flow */
  SVCB_NOT_REWRITTEN,  /* a kernel helper refused the rewrite: dropped */
  SVCB_ELSEWHERE,      /* a service whose endpoints are all on other nodes, and must not be: dropped */
  SVCB_NO_FLOW,        /* the flow could not be remembered, so its replies would be lost: dropped */
  SVCB_OUTCOMES
};

/* What else happened, beside the packets' outcomes: indices of the map `events`. */
enum svcb_event {
  SVCB_FLOW_OPENED,     /* a flow was begun */
  SVCB_FLOW_EXPIRED,    /* one was found that had been idle for too long, or closed */
  SVCB_FLOW_RESELECTED, /* its backend was gone: it got another */
  SVCB_FLOW_PORT,       /* its source port was taken towards that backend: it got another */
  SVCB_ICMP_TRANSLATED, /* an ICMP error that belongs to a flow */
  SVCB_REFUSED,         /* an ICMP error was sent back: port unreachable */
  SVCB_TOO_BIG,         /* the same: fragmentation needed, packet too big */
  SVCB_FLOW_RESTORED,   /* one of its entries had been evicted, and was put back */
  SVCB_ENTRY_WRITTEN,   /* of a flow, where there was none */
  SVCB_ENTRY_DELETED,
  SVCB_PORTS_FULL,     /* no port was free for a flow towards its backend: its packet was dropped */
  SVCB_ERROR_WITHHELD, /* an ICMP error was not sent: too many a second, or its source may get none */
  SVCB_EVENTS
};

/* How long a flow may be idle, by its state; and how long a datagram's ports are known. */
enum svcb_life {
  SVCB_LIFE_SYN_SENT,     /* TCP: a SYN without an answer */
  SVCB_LIFE_SYN_RECEIVED, /* answered, and the client has not acknowledged that */
  SVCB_LIFE_UNACKED,      /* begun in mid-stream, and not answered */
  SVCB_LIFE_ESTABLISHED,
  SVCB_LIFE_HALF_CLOSED, /* one end has sent a FIN */
  SVCB_LIFE_TIME_WAIT,   /* both have */
  SVCB_LIFE_CLOSE,       /* reset */
  SVCB_LIFE_UDP,         /* one way */
  SVCB_LIFE_UDP_STREAM,  /* both ways */
  SVCB_LIFE_FRAGMENTS,
  SVCB_LIVES
};

/* What the loader sets before the programs are loaded; the verifier takes the rest of the code away. */
struct svcb_settings {
  __u8 forwarding;  /* 1: translated packets go on by the routing table; 0: to the kernel's stack */
  __u8 translating; /* 0: packets are forwarded as they are, which is what the instrument compares with */
  __u8 tracking;    /* 1: flows are remembered, and their replies translated; 0: destinations only */
  __u8 dsr;         /* 1: packets are wrapped in IP to the backend, which replies to the client by itself */
  __u32 maglev;     /* entries of a service's Maglev table, a prime; 0: selection by a hash of the flow */
  __u8 move_gone;   /* 1: an open TCP flow whose backend is gone gets another one; 0: it is left alone */
  __u8 pad[3];
  __u32 ticks[SVCB_LIVES];
  /* Of the node's addresses, for flows that are masqueraded or whose port is taken: host order. */
  __u16 first_port;
  __u16 last_port;
  __u32 errors_per_second; /* ICMP errors that each CPU may send; */
  __u32 errors_at_once;    /* and how many of them in a row */
  /* Masquerade: the node's own address, 0 for none, and where the cluster's own clients are. */
  __be32 node4;
  __be32 cluster4;
  __be32 cluster_mask4;
  __be32 node6[4];
  __be32 cluster6[4];
  __be32 cluster_mask6[4];
  /* Direct server return: the source of what packets are wrapped in, and which of its bits (in IPv6 of its
   * last word) are the flow's; those are zero in the source. */
  __be32 wrap4;
  __be32 wrap_by_flow4;
  __be32 wrap6[4];
  __be32 wrap_by_flow6;
};

/* ---- the benchmark's own maps (bpf/bench.bpf.h) ---- */

/* The next packet's destination, with the checksums of the packet that has it: laid over a template, the
 * two 16-bit words at offsets 6 and 16 of the transport header are a UDP checksum or a TCP one. */
struct svcb_draw4 {
  struct svcb_frontend4 frontend;
  __be16 source_port;
  __u16 ip_checksum;
  __u16 word6;  /* bytes 6-7 of the transport header, as stored */
  __u16 word16; /* bytes 16-17 */
};

struct svcb_draw6 {
  struct svcb_frontend6 frontend;
  __be16 source_port;
  __u16 pad;
  __u16 word6;
  __u16 word16;
};

/* Time stamps a run may take. A burst is the packets between two of them. */
#define SVCB_MAX_STAMPS 257

SVCB_STATIC_ASSERT(sizeof(struct svcb_frontend4) == 8, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_frontend6) == 20, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_service) == 8, "one word, flipped whole");
SVCB_STATIC_ASSERT(sizeof(struct svcb_backend4) == 8, "backends lie side by side");
SVCB_STATIC_ASSERT(sizeof(struct svcb_backend6) == 20, "backends lie side by side");
SVCB_STATIC_ASSERT(sizeof(struct svcb_flow4) == 16, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_flow6) == 40, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_way4) == 36, "no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_way6) == 60, "no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_datagram) == 12, "no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_session4) == 12, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_session6) == 36, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_draw4) == 16, "four a cache line");
SVCB_STATIC_ASSERT(sizeof(struct svcb_draw6) == 28, "no hidden padding");
SVCB_STATIC_ASSERT(SVCB_FIRST_BITS + SVCB_COUNT_BITS + SVCB_FLAG_BITS + SVCB_TAG_BITS == 64,
                   "the word is full");

#ifdef __cplusplus
}
#endif
#endif /* SVCBENCH_ABI_H */
