/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a flow to a backend: one hash lookup, one array read.
 *
 * The backend is chosen by a hash of the five-tuple, so every packet of a flow meets the same one as long
 * as the service keeps its endpoints, with no state.
 */
#ifndef SVCB_BALANCE_BPF_H
#define SVCB_BALANCE_BPF_H

/* An entry may be replaced between lookup and read (abi.h); twice in a row takes two interruptions. */
#define SVCB_LOOKS 4

static __always_inline __u32 svcb_mix(__u64 hash) {
  hash ^= hash >> 29;
  hash *= SVCB_MIX_3;
  return hash >> 32;
}

static __always_inline __u32 svcb_flow_hash4(const struct svcb_flow4 *flow) {
  __u64 addresses = ((__u64)flow->source << 32) | flow->to.address;
  __u64 ports = ((__u64)flow->source_port << 32) | ((__u64)flow->to.port << 8) | flow->to.protocol;

  return svcb_mix(addresses * SVCB_MIX_1 + ports * SVCB_MIX_2);
}

static __always_inline __u32 svcb_flow_hash6(const struct svcb_flow6 *flow) {
  __u64 source = (((__u64)flow->source[0] << 32) | flow->source[1]) * SVCB_MIX_1 +
                 (((__u64)flow->source[2] << 32) | flow->source[3]) * SVCB_MIX_2;
  __u64 to = (((__u64)flow->to.address[0] << 32) | flow->to.address[1]) * SVCB_MIX_3 +
             (((__u64)flow->to.address[2] << 32) | flow->to.address[3]);
  __u64 ports = ((__u64)flow->source_port << 32) | ((__u64)flow->to.port << 8) | flow->to.protocol;

  return svcb_mix((source ^ (to >> 31) ^ to) * SVCB_MIX_1 + ports * SVCB_MIX_2);
}

/* The index of the backend that `hash` falls on, by the service's Maglev table or among its backends: a
 * multiplication in place of a modulo. */
static __always_inline __u32 svcb_pick(__u64 word, __u32 hash) {
  __u32 choices = settings.maglev ? settings.maglev : svcb_service_count(word);

  return svcb_service_first(word) + (__u32)(((__u64)hash * choices) >> 32);
}

/* A service that new flows cannot go to. */
static __always_inline enum svcb_outcome svcb_nobody(__u64 word) {
  return svcb_service_flags(word) & SVCB_SERVICE_ELSEWHERE ? SVCB_ELSEWHERE : SVCB_NO_ENDPOINT;
}

static __always_inline bool svcb_in_nodeport_range(__be16 port) {
  __u16 host = bpf_ntohs(port);

  return host >= nodeport_first && host <= nodeport_last;
}

/* Reads a service's word until its tag says that it is this frontend's. SVCB_TRANSLATED: *word holds. What
 * is not found is looked for once more, in whatever order that and an entry of another's come: the kernel
 * replaces an entry by putting the new one before its chain and then taking the old one out, and a lookup
 * that is in between on its way meets neither. */
#define SVCB_READ_SERVICE(map, frontend, expected_tag, word)                            \
  ({                                                                                    \
    enum svcb_outcome read_outcome = SVCB_CONTENDED;                                    \
    __u32 missed = 0;                                                                   \
    _Pragma("unroll") for (int look = 0; look < SVCB_LOOKS; look++) {                   \
      const volatile struct svcb_service *service = bpf_map_lookup_elem(map, frontend); \
      if (!service) {                                                                   \
        if (missed++) {                                                                 \
          read_outcome = SVCB_NO_SERVICE;                                               \
          break;                                                                        \
        }                                                                               \
        continue;                                                                       \
      }                                                                                 \
      *(word) = service->word;                                                          \
      if (svcb_service_tag(*(word)) == (expected_tag)) {                                \
        read_outcome = SVCB_TRANSLATED;                                                 \
        break;                                                                          \
      }                                                                                 \
    }                                                                                   \
    read_outcome;                                                                       \
  })

static __always_inline enum svcb_outcome svcb_find4(const struct svcb_frontend4 *to, __u64 *word) {
  enum svcb_outcome outcome = SVCB_READ_SERVICE(&services4, to, svcb_tag4(to), word);

  if (outcome == SVCB_NO_SERVICE && svcb_in_nodeport_range(to->port)) {
    struct svcb_node4 node = {.address = to->address};
    struct svcb_frontend4 any = {.port = to->port, .protocol = to->protocol};

    if (bpf_map_lookup_elem(&nodes4, &node))
      outcome = SVCB_READ_SERVICE(&services4, &any, svcb_tag4(&any), word);
  }
  return outcome;
}

static __always_inline enum svcb_outcome svcb_find6(const struct svcb_frontend6 *to, __u64 *word) {
  enum svcb_outcome outcome = SVCB_READ_SERVICE(&services6, to, svcb_tag6(to), word);

  if (outcome == SVCB_NO_SERVICE && svcb_in_nodeport_range(to->port)) {
    struct svcb_node6 node;
    struct svcb_frontend6 any = {.port = to->port, .protocol = to->protocol};

    svcb_copy6(node.address, to->address);
    if (bpf_map_lookup_elem(&nodes6, &node))
      outcome = SVCB_READ_SERVICE(&services6, &any, svcb_tag6(&any), word);
  }
  return outcome;
}

/* Where a flow's packets go without any memory of it: to its service's backend. */
static __always_inline enum svcb_outcome svcb_balance4(const struct svcb_flow4 *flow,
                                                       struct svcb_flow4 *to) {
  __u64 word = 0;
  enum svcb_outcome outcome = svcb_find4(&flow->to, &word);
  struct svcb_backend4 *backend;
  __u32 index;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (!svcb_service_count(word))
    return svcb_nobody(word);
  index = svcb_pick(word, svcb_flow_hash4(flow));
  backend = bpf_map_lookup_elem(&backends4, &index);
  if (!backend)
    return SVCB_NO_ENDPOINT;
  *to = *flow;
  to->to.address = backend->address;
  to->to.port = backend->port;
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_balance6(const struct svcb_flow6 *flow,
                                                       struct svcb_flow6 *to) {
  __u64 word = 0;
  enum svcb_outcome outcome = svcb_find6(&flow->to, &word);
  struct svcb_backend6 *backend;
  __u32 index;

  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (!svcb_service_count(word))
    return svcb_nobody(word);
  index = svcb_pick(word, svcb_flow_hash6(flow));
  backend = bpf_map_lookup_elem(&backends6, &index);
  if (!backend)
    return SVCB_NO_ENDPOINT;
  *to = *flow;
  svcb_copy6(to->to.address, backend->address);
  to->to.port = backend->port;
  return SVCB_TRANSLATED;
}

#endif
