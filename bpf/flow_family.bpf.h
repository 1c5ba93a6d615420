/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table of one family (flow.bpf.h tells what it does). No include guard: included for each. */

static __always_inline __u32 OF(svcb_flow_tag)(const struct OF(svcb_flow) * flow) {
  return OF(svcb_flow_hash)(flow) ^ 0x5bd1e995;
}

static __always_inline bool OF(svcb_same_flow)(const struct OF(svcb_flow) * a,
                                               const struct OF(svcb_flow) * b) {
  return svcb_same_words(a, b, sizeof(*a) / 4);
}

/* A copy of what is remembered of this flow; false: nothing, or the entry was given away meanwhile. */
static __always_inline bool OF(svcb_read_way)(const struct OF(svcb_way) * way,
                                              const struct OF(svcb_flow) * flow,
                                              struct OF(svcb_flow) * to) {
  *to = way->flow;
  barrier();
  return *(volatile const __u32 *)&way->tag == OF(svcb_flow_tag)(flow);
}

static __always_inline bool OF(svcb_is_backend)(const struct OF(svcb_backend) * backend,
                                                const struct OF(svcb_frontend) * at) {
  return !(svcb_words_differ(&backend->address, &at->address, sizeof(at->address) / 4) |
           (__u32)(backend->port ^ at->port));
}

/* The index of the service's backend at this address, terminating ones included; SVCB_NOWHERE: it has none
 * there. Found by halving, as abi.h tells: in as many steps as its service's number has bits, whichever
 * that is. A function by itself, verified once. */
__noinline __u32 OF(svcb_where)(__u64 word, const struct OF(svcb_frontend) * at) {
  __u32 first = svcb_service_first(word) + settings.maglev;
  __u32 count = svcb_service_count(word), low = 0, index;
  struct OF(svcb_backend) wanted = {}, *cell;

  if (!at)
    return SVCB_NOWHERE;
  SVCB_SET(wanted.address, at->address);
  wanted.port = at->port;
  if (svcb_service_flags(word) & SVCB_SERVICE_TERMINATING) {
    index = first + count;
    cell = bpf_map_lookup_elem(&OF(backends), &index);
    if (!cell)
      return SVCB_NOWHERE;
    count = *(__u32 *)&cell->address;
  }
  for (__u32 step = 0; step < SVCB_HALVINGS; step++) {
    __u32 half = count / 2;

    if (!count)
      break;
    index = first + low + half;
    cell = bpf_map_lookup_elem(&OF(backends), &index);
    if (!cell)
      break;
    index = first + cell->rank;
    cell = bpf_map_lookup_elem(&OF(backends), &index);
    if (!cell)
      break;
    if (OF(svcb_is_backend)(cell, at))
      return index;
    if (OF(svcb_precedes)(cell, &wanted)) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return SVCB_NOWHERE;
}

/* Whether the flow's service still has its backend. */
static __always_inline bool OF(svcb_still)(const struct OF(svcb_flow) * flow,
                                           const struct OF(svcb_flow) * to) {
  __u64 word = 0;

  return OF(svcb_find)(&flow->to, &word) == SVCB_TRANSLATED &&
         OF(svcb_where)(word, &to->to) != SVCB_NOWHERE;
}

/* The index of the backend that this client has by affinity; else `chosen`, which it then has. */
__noinline __u32 OF(svcb_stick)(const struct OF(svcb_flow) * flow, __u64 word, __u32 chosen) {
  struct OF(svcb_session) key = {};
  struct OF(svcb_sticky) fresh = {}, *sticky;
  struct OF(svcb_frontend) at = {};
  struct OF(svcb_backend) * backend;
  __u32 now = svcb_now(), *ticks, index;

  if (!flow)
    return chosen;
  key.frontend = flow->to;
  SVCB_SET(key.client, flow->source);
  ticks = bpf_map_lookup_elem(&OF(affinity), &key.frontend);
  if (!ticks)
    return chosen;
  sticky = bpf_map_lookup_elem(&OF(sessions), &key);
  if (sticky && now - sticky->seen <= *ticks) {
    SVCB_SET(at.address, sticky->backend.address);
    at.port = sticky->backend.port;
    index = OF(svcb_where)(word, &at);
    if (index < svcb_service_first(word) + settings.maglev + svcb_service_count(word)) {
      sticky->seen = now;
      return index;
    }
  }
  backend = bpf_map_lookup_elem(&OF(backends), &chosen);
  if (backend) {
    fresh.backend = *backend;
    fresh.seen = now;
    bpf_map_update_elem(&OF(sessions), &key, &fresh, BPF_ANY);
  }
  return chosen;
}

/* Whether the backend must reply to the node, so that the client gets its reply from there: kube-proxy's
 * rules for its mark 0x4000. */
static __always_inline bool OF(svcb_masquerades)(const struct OF(svcb_flow) * flow, __u64 word,
                                                 const struct OF(svcb_frontend) * backend) {
  __u32 flags = svcb_service_flags(word);

  if (!OF(svcb_has_node)())
    return false;
  if (flags & SVCB_SERVICE_MASQUERADE || SVCB_SAME(flow->source, backend->address))
    return true;
  return flags & SVCB_SERVICE_MASQUERADE_OUTSIDE && !OF(svcb_in_cluster)(flow);
}

/* Where a new flow goes, or one whose backend is gone: *to. The work on new flows is split into functions
 * by themselves because their frames together are more than a program may have. */
__noinline int OF(svcb_choose)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to) {
  struct OF(svcb_frontend) dialled; /* on the stack: kernel 6.1 takes no argument's memory as a key */
  struct OF(svcb_backend) * backend;
  __u64 word = 0;
  __u32 index;
  enum svcb_outcome outcome;

  if (!flow || !to)
    return SVCB_NOT_REWRITTEN;
  *to = *flow;
  dialled = to->to;
  outcome = OF(svcb_find)(&dialled, &word);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (!svcb_service_count(word))
    return svcb_nobody(word);
  index = svcb_pick(word, OF(svcb_flow_hash)(to));
  if (svcb_service_flags(word) & SVCB_SERVICE_AFFINITY)
    index = OF(svcb_stick)(to, word, index);
  backend = bpf_map_lookup_elem(&OF(backends), &index);
  if (!backend)
    return SVCB_NO_ENDPOINT;
  SVCB_SET(to->to.address, backend->address);
  to->to.port = backend->port;
  if (OF(svcb_masquerades)(flow, word, &to->to))
    OF(svcb_take_node)(to);
  return SVCB_TRANSLATED;
}

/* Both entries of a new flow, the replies' first. Two flows of one client to one backend by way of two
 * services would look alike there: the later one gets another source port. */
__noinline int OF(svcb_remember)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                                 __u32 at_generation, __u32 closing) {
  struct OF(svcb_flow) key;
  struct OF(svcb_way) way = {.closing = closing}, *known;
  __u32 draw, now = svcb_now();
  bool written = false;

  if (!flow || !to)
    return SVCB_NOT_REWRITTEN;
  draw = OF(svcb_flow_hash)(flow);
  way.seen = now;
  way.reply = 1;
  way.flow = OF(svcb_reverse)(flow);
  for (__u32 tries = 0; tries < SVCB_PORT_TRIES; tries++) {
    key = OF(svcb_reverse)(to);
    way.tag = OF(svcb_flow_tag)(&key);
    written = !bpf_map_update_elem(&OF(flows), &key, &way, BPF_NOEXIST);
    if (written)
      break;
    known = bpf_map_lookup_elem(&OF(flows), &key);
    if (!known)
      break; /* the table refuses it for another reason */
    if (OF(svcb_same_flow)(&known->flow, &way.flow) ||
        !svcb_is_live(key.to.protocol, known->closing, now - known->seen)) {
      written = !bpf_map_update_elem(&OF(flows), &key, &way, BPF_ANY);
      svcb_event(SVCB_FLOW_REPLACED);
      break;
    }
    draw = svcb_mix((draw + 1) * SVCB_MIX_1);
    to->source_port = bpf_htons(SVCB_FIRST_FREE_PORT + draw % (65536 - SVCB_FIRST_FREE_PORT));
  }
  if (!written)
    return SVCB_NO_FLOW;
  if (key.to.port != flow->source_port)
    svcb_event(SVCB_FLOW_PORT);
  key = *flow;
  way.tag = OF(svcb_flow_tag)(&key);
  way.flow = *to;
  way.reply = 0;
  way.generation = at_generation;
  if (bpf_map_update_elem(&OF(flows), &key, &way, BPF_ANY))
    return SVCB_NO_FLOW;
  svcb_event(SVCB_FLOW_OPENED);
  return SVCB_TRANSLATED;
}

/* The other direction of a flow that has seen a FIN or a RST. */
static __always_inline void OF(svcb_close)(struct OF(svcb_way) * way, const struct OF(svcb_flow) * to) {
  struct OF(svcb_flow) key = OF(svcb_reverse)(to);
  struct OF(svcb_way) *other = bpf_map_lookup_elem(&OF(flows), &key);

  way->closing = 1;
  if (other)
    other->closing = 1;
}

/* How the packets of a flow leave: by its entry, where it has a live one. */
static __always_inline enum svcb_outcome OF(svcb_track)(const struct OF(svcb_flow) * flow, __u8 tcp_flags,
                                                        struct OF(svcb_flow) * to) {
  struct OF(svcb_way) *way = bpf_map_lookup_elem(&OF(flows), flow);
  bool ends = tcp_flags & (SVCB_TCP_FIN | SVCB_TCP_RST);
  enum svcb_outcome outcome;
  __u32 now, started_at;

  if (way && OF(svcb_read_way)(way, flow, to)) {
    bool live, current;

    now = svcb_now();
    live = svcb_is_live(flow->to.protocol, way->closing, now - way->seen) &&
           !(way->closing && (tcp_flags & (SVCB_TCP_SYN | SVCB_TCP_ACK)) == SVCB_TCP_SYN);
    current = way->reply || way->generation == generation;
    if (live && !current) {
      __u32 seen_generation = generation;

      current = OF(svcb_still)(flow, to);
      if (current)
        way->generation = seen_generation;
    }
    if (live && current) {
      if (way->seen != now)
        way->seen = now;
      if (ends && !way->closing)
        OF(svcb_close)(way, to);
      return SVCB_TRANSLATED;
    }
    svcb_event(live ? SVCB_FLOW_RESELECTED : SVCB_FLOW_EXPIRED);
  }
  *to = *flow;             /* the verifier wants it whole */
  started_at = generation; /* before the service is read: a change meanwhile must show */
  barrier();
  outcome = OF(svcb_choose)(flow, to);
  return outcome == SVCB_TRANSLATED ? OF(svcb_remember)(flow, to, started_at, ends) : outcome;
}

/* How replies to a packet leave, by what they arrive with; false: not known. Reversed it is what the packet
 * itself had arrived with. */
static __always_inline bool OF(svcb_way_back)(const struct OF(svcb_flow) * reply,
                                              struct OF(svcb_flow) * back) {
  struct OF(svcb_way) *way = bpf_map_lookup_elem(&OF(flows), reply);

  return way && OF(svcb_read_way)(way, reply, back);
}
