/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the data plane. Sizes are placeholders: the loader sets max_entries from the number of
 * services before it loads (userspace/plane/ebpf/). */
#ifndef SVCB_MAPS_BPF_H
#define SVCB_MAPS_BPF_H

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_frontend4);
  __type(value, struct svcb_service);
} services4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_frontend6);
  __type(value, struct svcb_service);
} services6 SEC(".maps");

/* A range for each service. Mapped into the loader's memory, so that filling a fresh range, which no packet
 * reads yet, takes no syscall; the one syscall of an update is the flip of the service's word. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_backend4);
} backends4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_backend6);
} backends6 SEC(".maps");

/* The node's own addresses: a NodePort is reached at each of them. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct svcb_node4);
  __type(value, __u8);
} nodes4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct svcb_node6);
  __type(value, __u8);
} nodes6 SEC(".maps");

/* Flows that were answered, in both directions. The kernel forgets the ones that were used least lately. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow4);
  __type(value, struct svcb_way4);
} flows4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow6);
  __type(value, struct svcb_way6);
} flows6 SEC(".maps");

/* Flows that nobody has answered yet: a SYN's by its replies' entry alone, others in both directions.
 * Apart, so that a flood of them puts out its like, and no flow that two ends talk over. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow4);
  __type(value, struct svcb_way4);
} unanswered4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow6);
  __type(value, struct svcb_way6);
} unanswered6 SEC(".maps");

/* Keyed by a flow with its datagram's identification in place of ports (fragment.bpf.h). */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow4);
  __type(value, struct svcb_datagram);
} fragments4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_flow6);
  __type(value, struct svcb_datagram);
} fragments6 SEC(".maps");

/* For services with SVCB_SERVICE_AFFINITY: the timeout in ticks, and who has which backend. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct svcb_frontend4);
  __type(value, __u32);
} affinity4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct svcb_frontend6);
  __type(value, __u32);
} affinity6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_session4);
  __type(value, struct svcb_sticky4);
} sessions4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_session6);
  __type(value, struct svcb_sticky6);
} sessions6 SEC(".maps");

/* Packets by enum svcb_outcome. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SVCB_OUTCOMES);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

/* Whether a service may have a backend at an address and port, by their hash (svcb_target4): how many there
 * are, as far as a byte counts. Mapped, and written before the word that makes new flows go there. */
struct svcb_targets {
  __u8 count[SVCB_TARGETS];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_targets);
} targets4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_targets);
} targets6 SEC(".maps");

/* What is left of the ICMP errors that a CPU may send. */
struct svcb_allowance {
  __u64 filled_ns; /* bpf_ktime_get_coarse_ns() when it was last filled up */
  __u64 left;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_allowance);
} allowances SEC(".maps");

/* What the work on a flow's entries needs room for, which is more than a program's stack has. Of each CPU,
 * and the hooks do not nest. */
struct svcb_work4 {
  struct svcb_way4 reply; /* of a new flow */
  struct svcb_way4 other; /* of the direction that a packet is not of */
  struct svcb_flow4 key;
  struct svcb_flow4 at;
  struct svcb_session4 session;
  struct svcb_sticky4 sticky;
};

struct svcb_work6 {
  struct svcb_way6 reply;
  struct svcb_way6 other;
  struct svcb_flow6 key;
  struct svcb_flow6 at;
  struct svcb_session6 session;
  struct svcb_sticky6 sticky;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_work4);
} work4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_work6);
} work6 SEC(".maps");

/* By enum svcb_event. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SVCB_EVENTS);
  __type(key, __u32);
  __type(value, __u64);
} events SEC(".maps");

const volatile struct svcb_settings settings = {.translating = 1};

/* The NodePort range (kube-apiserver's --service-node-port-range), host order. A miss outside it is final,
 * so the wildcard costs ClusterIP traffic nothing. */
const volatile __u16 nodeport_first = 30000;
const volatile __u16 nodeport_last = 32767;

/* Of the services, by svcb_version4() and its like; raised by the loader after each change that takes a
 * backend away. */
volatile __u32 versions4[SVCB_VERSIONS];
volatile __u32 versions6[SVCB_VERSIONS];

/* What was read before stays before what is read after. x86 orders loads by itself, so that only the
 * compiler must be told; other machines do not, and BPF has no fence for them: there the planes are refused
 * (probe). */
static __always_inline void svcb_read_barrier(void) { barrier(); }

static __always_inline __u32 svcb_now(void) { return bpf_ktime_get_coarse_ns() >> SVCB_TICK_BITS; }

static __always_inline void svcb_event(enum svcb_event event) {
  __u32 index = event;
  __u64 *counter = bpf_map_lookup_elem(&events, &index);

  if (counter)
    (*counter)++;
}

static __always_inline enum svcb_outcome svcb_count(enum svcb_outcome outcome) {
  __u32 index = outcome;
  __u64 *counter = bpf_map_lookup_elem(&counters, &index);

  if (counter)
    (*counter)++; /* per CPU, and the hooks do not nest: no atomic needed */
  return outcome;
}

#endif
