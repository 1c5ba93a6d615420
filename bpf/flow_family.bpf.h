/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table of one family (flow.bpf.h tells what it does). No include guard: included for each. */

static __always_inline __u32 OF(svcb_flow_tag)(const struct OF(svcb_flow) * flow) {
  return OF(svcb_flow_hash)(flow) ^ 0x5bd1e995;
}

static __always_inline bool OF(svcb_same_flow)(const struct OF(svcb_flow) * a,
                                               const struct OF(svcb_flow) * b) {
  return svcb_same_words(a, b, sizeof(*a) / 4);
}

/* Where this flow's packets go; false: the entry was given away meanwhile. */
static __always_inline bool OF(svcb_read_way)(const struct OF(svcb_way) * way,
                                              const struct OF(svcb_flow) * flow,
                                              struct OF(svcb_flow) * to) {
  *to = way->flow;
  svcb_read_barrier();
  return *(volatile const __u32 *)&way->tag == OF(svcb_flow_tag)(flow);
}

static __always_inline bool OF(svcb_is_backend)(const struct OF(svcb_backend) * backend,
                                                const struct OF(svcb_frontend) * at) {
  return !(svcb_words_differ(&backend->address, &at->address, sizeof(at->address) / 4) |
           (__u32)(backend->port ^ at->port));
}

/* The version of the service that is reached at what was dialled. */
static __always_inline __u32 OF(svcb_version_of)(const struct OF(svcb_frontend) * dialled) {
  return OF(versions)[OF(svcb_version)(dialled) & (SVCB_VERSIONS - 1)];
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

/* Whether the flow's service still has its backend. One to a backend itself, whose port was changed, is by
 * way of no service. */
__noinline int OF(svcb_still)(const struct OF(svcb_flow) * flow, const struct OF(svcb_flow) * to) {
  struct OF(svcb_frontend) dialled;
  __u64 word = 0;

  if (!flow || !to)
    return false;
  if (SVCB_SAME(flow->to.address, to->to.address) && flow->to.port == to->to.port)
    return true;
  dialled = flow->to;
  return OF(svcb_find)(&dialled, &word) == SVCB_TRANSLATED && OF(svcb_where)(word, &to->to) != SVCB_NOWHERE;
}

static __always_inline struct OF(svcb_work) * OF(svcb_worktop)(void) {
  __u32 zero = 0;

  return bpf_map_lookup_elem(&OF(work), &zero);
}

/* What is remembered of work->session: a copy in work->sticky, and the entry. Null: nothing. What is not
 * found is looked for once more (SVCB_READ_SERVICE tells why), and what was given away meanwhile is not
 * found. */
static __always_inline struct OF(svcb_sticky) * OF(svcb_recollect)(struct OF(svcb_work) * work, __u32 tag) {
  struct OF(svcb_sticky) * sticky;

  for (__u32 look = 0; look < 2; look++) {
    sticky = bpf_map_lookup_elem(&OF(sessions), &work->session);
    if (!sticky)
      continue;
    work->sticky = *sticky;
    svcb_read_barrier();
    if (*(volatile const __u32 *)&sticky->tag == tag)
      return sticky;
  }
  return 0;
}

/* The index of the backend that this client has by affinity; else `chosen`, which it then has, if that is
 * to be remembered. */
__noinline __u32 OF(svcb_stick)(const struct OF(svcb_flow) * flow, __u64 word, __u32 chosen,
                                int remembered) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  struct OF(svcb_sticky) * sticky;
  struct OF(svcb_frontend) at = {};
  struct OF(svcb_backend) * backend;
  __u32 now = svcb_now(), tag, *ticks, index;

  if (!flow || !work)
    return chosen;
  work->key = *flow;
  work->key.source_port = 0;
  ticks = bpf_map_lookup_elem(&OF(affinity), &work->key.to);
  if (!ticks) { /* a NodePort is one service, at whichever address of the node */
    SVCB_SET(work->key.to.address, at.address);
    ticks = bpf_map_lookup_elem(&OF(affinity), &work->key.to);
  }
  if (!ticks)
    return chosen;
  tag = OF(svcb_flow_tag)(&work->key);
  work->session.frontend = work->key.to;
  SVCB_SET(work->session.client, flow->source);
  sticky = OF(svcb_recollect)(work, tag);
  if (sticky && now - work->sticky.seen <= *ticks) {
    SVCB_SET(at.address, work->sticky.backend.address);
    at.port = work->sticky.backend.port;
    index = OF(svcb_where)(word, &at);
    if (index < svcb_service_first(word) + settings.maglev + svcb_service_count(word)) {
      if (remembered && work->sticky.seen != now)
        sticky->seen = now;
      return index;
    }
  }
  backend = bpf_map_lookup_elem(&OF(backends), &chosen);
  if (backend && remembered) {
    work->sticky.backend = *backend;
    work->sticky.seen = now;
    work->sticky.tag = tag;
    bpf_map_update_elem(&OF(sessions), &work->session, &work->sticky, BPF_ANY);
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
__noinline int OF(svcb_choose)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                               int remembered) {
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
    index = OF(svcb_stick)(to, word, index, remembered);
  backend = bpf_map_lookup_elem(&OF(backends), &index);
  if (!backend)
    return SVCB_NO_ENDPOINT;
  SVCB_SET(to->to.address, backend->address);
  to->to.port = backend->port;
  if (OF(svcb_masquerades)(flow, word, &to->to))
    OF(svcb_take_node)(to);
  return SVCB_TRANSLATED;
}

/* Whether a service may have a backend where this flow goes. */
static __always_inline bool OF(svcb_is_target)(const struct OF(svcb_flow) * flow) {
  struct OF(svcb_frontend) at = flow->to;
  __u32 zero = 0;
  struct svcb_targets *targets = bpf_map_lookup_elem(&OF(targets), &zero);

  at.protocol = 0;
  return targets && targets->count[OF(svcb_target)(&at) & (SVCB_TARGETS - 1)];
}

static __always_inline bool OF(svcb_write)(void *table, const struct OF(svcb_flow) * key,
                                           struct OF(svcb_way) * way, __u64 flags) {
  way->tag = OF(svcb_flow_tag)(key);
  if (bpf_map_update_elem(table, key, way, flags))
    return false;
  svcb_event(SVCB_ENTRY_WRITTEN);
  return true;
}

static __always_inline void OF(svcb_delete)(void *table, const struct OF(svcb_flow) * key) {
  if (!bpf_map_delete_elem(table, key))
    svcb_event(SVCB_ENTRY_DELETED);
}

/* Whether this entry, found by `key` in the table of the flows that were answered, or of the others, is of
 * a flow that lives: by its own time or by that of the other direction's. */
__noinline int OF(svcb_is_live)(const struct OF(svcb_way) * way, const struct OF(svcb_flow) * key,
                                int answered) {
  struct OF(svcb_flow) at;
  struct OF(svcb_way) * other;
  __u32 now = svcb_now(), life;

  if (!way || !key)
    return false;
  life = svcb_life(key->to.protocol, way->state);
  if (now - way->seen <= life)
    return true;
  OF(svcb_turn)(&way->flow, &at);
  other = answered ? bpf_map_lookup_elem(&OF(flows), &at) : bpf_map_lookup_elem(&OF(unanswered), &at);
  if (!other || now - other->seen > life)
    return false;
  OF(svcb_turn)(key, &at);
  return OF(svcb_same_flow)(&other->flow, &at);
}

/* The client's entry of a flow beside that of its replies, work->reply, which stands at work->key. */
__noinline int OF(svcb_pair)(__u32 state, int answered) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();

  if (!work)
    return false;
  OF(svcb_turn)(&work->reply.flow, &work->at);
  OF(svcb_turn)(&work->key, &work->other.flow);
  work->other.seen = work->reply.seen;
  work->other.version = work->reply.version;
  work->other.ack = 0;
  work->other.reply = 0;
  work->other.state = svcb_entry_state(work->key.to.protocol, state, false);
  work->other.paired = 0;
  return answered ? OF(svcb_write)(&OF(flows), &work->at, &work->other, BPF_NOEXIST)
                  : OF(svcb_write)(&OF(unanswered), &work->at, &work->other, BPF_NOEXIST);
}

/* A client's packet met its flow by the replies' entry alone: what it has of TCP counts all the same. A SYN
 * changes nothing, and a RST does not come here. */
static __always_inline void OF(svcb_go_on)(struct OF(svcb_way) * known, __u32 flags) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();

  if (work && !svcb_opens(flags))
    known->state =
        svcb_entry_state(work->key.to.protocol,
                         svcb_state_after(work->key.to.protocol, known->state, flags, false, false), true);
}

/* The client's entry of the flow whose replies' is at hand (work->reply, at work->key); its key is then in
 * work->at. Null: there is none, or another flow's stands there. */
static __always_inline struct OF(svcb_way) * OF(svcb_partner)(void *table, struct OF(svcb_work) * work) {
  struct OF(svcb_way) * other;

  OF(svcb_turn)(&work->reply.flow, &work->at);
  OF(svcb_turn)(&work->key, &work->other.flow);
  other = bpf_map_lookup_elem(table, &work->at);
  return other && OF(svcb_same_flow)(&other->flow, &work->other.flow) ? other : 0;
}

/* A SYN of a flow that is known comes by the replies' entry alone, and keeps the client's alive, too. */
static __always_inline void OF(svcb_touch)(void *table) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  struct OF(svcb_way) *other = work ? OF(svcb_partner)(table, work) : 0;

  if (other)
    other->seen = work->reply.seen;
}

/* Whether a flow of the table of answered flows has the place of the entry that a new one needs for its
 * replies (work->reply, at work->key): SVCB_NO_FLOW. One that has ended makes room, and this flow's own
 * means that its other entry was evicted, and that is put back: SVCB_TRANSLATED. SVCB_UNKNOWN: the place is
 * free. */
__noinline int OF(svcb_claim)(__u32 flags) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  struct OF(svcb_way) * known;
  bool live, own;

  if (!work)
    return SVCB_NO_FLOW;
  known = bpf_map_lookup_elem(&OF(flows), &work->key);
  if (!known)
    return SVCB_UNKNOWN;
  own = OF(svcb_same_flow)(&known->flow, &work->reply.flow);
  live = OF(svcb_is_live)(known, &work->key, true) && !(own && svcb_renews(flags, known->state));
  if (live && !own)
    return SVCB_NO_FLOW;
  if (!live) {
    OF(svcb_delete)(&OF(flows), &work->key);
    if (own) {
      svcb_event(SVCB_FLOW_EXPIRED);
      if (OF(svcb_partner)(&OF(flows), work)) /* another's may stand there by now */
        OF(svcb_delete)(&OF(flows), &work->at);
    }
    return SVCB_UNKNOWN;
  }
  known->seen = work->reply.seen;
  OF(svcb_go_on)(known, flags);
  if (OF(svcb_pair)(known->state, true))
    svcb_event(SVCB_FLOW_RESTORED);
  else
    OF(svcb_touch)(&OF(flows));
  return SVCB_TRANSLATED;
}

/* The same of the unanswered flows, where the entry is written, unless it is there: it is this flow's then,
 * or one that has ended makes room. A SYN takes no other: one that is sent again may as well go elsewhere.
 * Of whatever else more may come before an answer, and its service may have changed by then. */
__noinline int OF(svcb_begin)(__u32 flags) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  struct OF(svcb_way) * known;
  bool live, own;

  if (!work)
    return SVCB_NO_SERVICE;
  work->reply.paired = !svcb_opens(flags);
  if (!OF(svcb_write)(&OF(unanswered), &work->key, &work->reply, BPF_NOEXIST)) {
    known = bpf_map_lookup_elem(&OF(unanswered), &work->key);
    if (!known)
      return SVCB_NO_SERVICE; /* the table refuses it for another reason */
    own = OF(svcb_same_flow)(&known->flow, &work->reply.flow);
    live = OF(svcb_is_live)(known, &work->key, false) && !(own && svcb_renews(flags, known->state));
    if (live && !own)
      return SVCB_NO_FLOW;
    if (live) {
      known->seen = work->reply.seen;
      known->version = work->reply.version;
      OF(svcb_go_on)(known, flags);
      if (work->reply.paired) {
        known->paired = 1;
        OF(svcb_pair)(known->state, false);
      } else if (known->paired) {
        OF(svcb_touch)(&OF(unanswered));
      }
      return SVCB_TRANSLATED;
    }
    svcb_event(SVCB_FLOW_EXPIRED);
    if (own && known->paired) {
      OF(svcb_turn)(&work->reply.flow, &work->at);
      OF(svcb_delete)(&OF(unanswered), &work->at);
    }
    if (bpf_map_update_elem(&OF(unanswered), &work->key, &work->reply, BPF_ANY))
      return SVCB_NO_SERVICE;
  }
  svcb_event(SVCB_FLOW_OPENED);
  if (work->reply.paired)
    OF(svcb_pair)(work->reply.state, false);
  return SVCB_TRANSLATED;
}

/* A flow that goes to where *to says, and its source port there: the client's own, unless the flow is
 * masqueraded, or another one's replies would look like its own (two flows of one client to one backend, by
 * way of two services, or one to the backend itself): then one of the range for that. */
__noinline int OF(svcb_remember)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                                 __u32 at_version, __u32 flags) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  __u32 draw, ports = settings.last_port - settings.first_port + 1;
  bool masqueraded, direct;
  int outcome;

  if (!flow || !to || !work || !ports)
    return SVCB_NOT_REWRITTEN;
  masqueraded = !SVCB_SAME(flow->source, to->source);
  direct = SVCB_SAME(flow->to.address, to->to.address) && flow->to.port == to->to.port;
  draw = OF(svcb_flow_hash)(flow);
  work->reply.seen = svcb_now();
  work->reply.version = at_version;
  OF(svcb_turn)(flow, &work->reply.flow);
  work->reply.ack = 0;
  work->reply.reply = 1;
  OF(svcb_turn)(to, &work->key);
  for (__u32 tries = 0; tries < SVCB_PORT_TRIES; tries++) {
    work->reply.state = svcb_first_state(flow->to.protocol, flags, direct && !tries);
    if (masqueraded || tries) {
      draw = svcb_mix((draw + 1) * SVCB_MIX_1);
      work->key.to.port = bpf_htons(settings.first_port + draw % ports);
    }
    outcome = OF(svcb_claim)(flags);
    if (outcome == SVCB_UNKNOWN)
      outcome = OF(svcb_begin)(flags);
    if (outcome == SVCB_TRANSLATED) {
      to->source_port = work->key.to.port;
      if (tries)
        svcb_event(SVCB_FLOW_PORT);
      return direct && !tries ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
    }
    if (outcome != SVCB_NO_FLOW)
      return SVCB_NO_FLOW;
  }
  svcb_event(SVCB_PORTS_FULL);
  return SVCB_NO_FLOW;
}

/* One packet more of a flow that is in this table, by its own direction's entry: what a packet of an
 * established flow needs once a tick, and each turn of a TCP connection. SVCB_UNKNOWN: it has no entry
 * there, or its flow has ended, and both are gone. `answered`: it is the table of answered flows. */
static __always_inline int OF(svcb_renew)(void *table, bool answered, const struct OF(svcb_flow) * flow,
                                          struct OF(svcb_flow) * to, const struct svcb_segment *segment) {
  struct OF(svcb_work) *work = OF(svcb_worktop)();
  struct OF(svcb_way) * way, *other;
  __u8 state, protocol;
  __u32 now = svcb_now(), life, version;
  bool live, own, believed;

  if (!flow || !to || !segment || !work)
    return SVCB_NOT_REWRITTEN;
  work->key = *flow; /* kernel 6.1 takes no argument's memory as a key */
  version = OF(svcb_version_of)(&work->key.to);
  way = bpf_map_lookup_elem(table, &work->key);
  if (!way || !OF(svcb_read_way)(way, &work->key, to))
    return SVCB_UNKNOWN;
  protocol = flow->to.protocol;
  OF(svcb_turn)(flow, &work->other.flow);
  OF(svcb_turn)(to, &work->at);
  other = bpf_map_lookup_elem(table, &work->at);
  own = other && OF(svcb_same_flow)(&other->flow, &work->other.flow);
  state = way->state;
  life = svcb_life(protocol, state);
  if (other && !own && way->reply && answered && now - way->seen <= life)
    /* The client's flow goes elsewhere by now: what its old backend still sends. */
    return state & SVCB_FLOW_UNTOUCHED ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
  live = (now - way->seen <= life || (own && now - other->seen <= life)) && (!other || own || way->reply) &&
         !(!way->reply && svcb_renews(segment->flags, state));
  if (!live)
    svcb_event(SVCB_FLOW_EXPIRED);
  if (live && !(state & SVCB_FLOW_FIXED) && way->version != version) {
    live = OF(svcb_still)(flow, to);
    if (live)
      way->version = version;
    else
      svcb_event(SVCB_FLOW_RESELECTED);
  }
  if (!live) {
    OF(svcb_delete)(table, &work->key);
    if (own)
      OF(svcb_delete)(table, &work->at);
    return SVCB_UNKNOWN;
  }
  believed = svcb_is_believed(segment, state, own ? other->ack : 0);
  state = svcb_state_after(protocol, state, segment->flags, way->reply, believed);
  work->other.seen = now;
  work->other.version = way->version;
  work->other.ack = own ? other->ack : 0;
  work->other.reply = !way->reply;
  work->other.paired = !answered;
  if (!answered && way->reply && !(segment->flags & SVCB_TCP_RST)) {
    /* The first answer: the flow goes to the other table. A SYN that somebody has made up, and that another
     * backend answers, does not take an open connection's place there. */
    struct OF(svcb_way) *open = bpf_map_lookup_elem(&OF(flows), &work->at);

    if (open && !OF(svcb_same_flow)(&open->flow, &work->other.flow) && svcb_is_open(open->state) &&
        now - open->seen <= svcb_life(protocol, open->state))
      return state & SVCB_FLOW_UNTOUCHED ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
    state &= ~SVCB_FLOW_MIDSTREAM;
    work->other.state = svcb_entry_state(protocol, state, false);
    OF(svcb_write)(&OF(flows), &work->at, &work->other, BPF_ANY);
    if (way->paired)
      OF(svcb_delete)(table, &work->at);
    work->other.flow = *to;
    work->other.ack = segment->ack ?: way->ack;
    work->other.reply = 1;
    work->other.state = svcb_entry_state(protocol, state, true);
    OF(svcb_write)(&OF(flows), &work->key, &work->other, BPF_ANY);
    OF(svcb_delete)(table, &work->key);
  } else {
    way->seen = now;
    way->state = svcb_entry_state(protocol, state, way->reply);
    if (segment->ack)
      way->ack = segment->ack;
    work->other.state = svcb_entry_state(protocol, state, !way->reply);
    if (own) {
      other->seen = now;
      other->state = work->other.state;
    } else if (answered || !way->reply) {
      OF(svcb_write)(table, &work->at, &work->other, BPF_NOEXIST);
      svcb_event(SVCB_FLOW_RESTORED);
    }
  }
  return state & SVCB_FLOW_UNTOUCHED ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
}

/* One for each table: so each verifies by itself. */
__noinline int OF(svcb_meet)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                             const struct svcb_segment *segment) {
  return OF(svcb_renew)(&OF(flows), true, flow, to, segment);
}

__noinline int OF(svcb_hear)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                             const struct svcb_segment *segment) {
  return OF(svcb_renew)(&OF(unanswered), false, flow, to, segment);
}

/* A packet that no flow is known for: it begins one, where there is a service for it, or a backend. Not a
 * RST, nor a SYN+ACK. */
static __always_inline int OF(svcb_open)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * to,
                                         __u32 flags) {
  /* Before the service is read: a change meanwhile must show. */
  __u32 started_at = OF(svcb_version_of)(&flow->to);
  bool fleeting;
  int outcome;

  svcb_read_barrier();
  fleeting = flags & (SVCB_TCP_SYN | SVCB_TCP_RST) && !svcb_opens(flags);
  outcome = OF(svcb_choose)(flow, to, !fleeting);
  if (outcome != SVCB_TRANSLATED && (outcome != SVCB_NO_SERVICE || !OF(svcb_is_target)(flow)))
    return outcome;
  if (fleeting) /* which port is its own, nobody knows */
    return outcome == SVCB_TRANSLATED && !SVCB_SAME(flow->source, to->source) ? SVCB_NO_FLOW : outcome;
  return OF(svcb_remember)(flow, to, started_at, flags);
}

/* How the packets of a flow leave: by its entry, where it has a live one. A SYN chooses again, and finds
 * its flow, where it has one, by the replies' entry (svcb_claim). */
static __always_inline enum svcb_outcome OF(svcb_track)(const struct OF(svcb_flow) * flow,
                                                        const struct svcb_segment *segment,
                                                        struct OF(svcb_flow) * to) {
  struct OF(svcb_way) * way;
  int outcome = SVCB_UNKNOWN;

  if (svcb_opens(segment->flags)) {
    *to = *flow; /* the verifier wants it whole, here and below */
    return OF(svcb_open)(flow, to, segment->flags);
  }
  way = bpf_map_lookup_elem(&OF(flows), flow);
  if (way && OF(svcb_read_way)(way, flow, to)) {
    __u8 state = way->state;

    if (way->seen == svcb_now() && (state & (SVCB_FLOW_OPEN | SVCB_FLOW_RESET)) == SVCB_FLOW_OPEN &&
        !(segment->flags & SVCB_TCP_TURNS) &&
        (state & SVCB_FLOW_FIXED || way->version == OF(svcb_version_of)(&flow->to))) {
      if (segment->ack && way->ack != segment->ack)
        way->ack = segment->ack;
      return state & SVCB_FLOW_UNTOUCHED ? SVCB_NO_SERVICE : SVCB_TRANSLATED;
    }
    outcome = OF(svcb_meet)(flow, to, segment);
  } else {
    *to = *flow;
  }
  if (outcome == SVCB_UNKNOWN && bpf_map_lookup_elem(&OF(unanswered), flow))
    outcome = OF(svcb_hear)(flow, to, segment);
  if (outcome == SVCB_UNKNOWN && !way && bpf_map_lookup_elem(&OF(flows), flow))
    outcome = OF(svcb_meet)(flow, to, segment); /* another CPU has put it there between the two looks */
  return outcome == SVCB_UNKNOWN ? OF(svcb_open)(flow, to, segment->flags) : outcome;
}

/* How replies to a packet leave, by what they arrive with; false: not known. Reversed it is what the packet
 * itself had arrived with. A flow that has ended is as if it had never been, also among those that were
 * answered. */
static __always_inline bool OF(svcb_way_back)(const struct OF(svcb_flow) * reply,
                                              struct OF(svcb_flow) * back) {
  struct OF(svcb_way) *way = bpf_map_lookup_elem(&OF(flows), reply);

  if (!way || !OF(svcb_read_way)(way, reply, back) || !OF(svcb_is_live)(way, reply, true)) {
    way = bpf_map_lookup_elem(&OF(unanswered), reply);
    if (!way || !OF(svcb_read_way)(way, reply, back) || !OF(svcb_is_live)(way, reply, false))
      return false;
  }
  return !(way->state & SVCB_FLOW_UNTOUCHED);
}
