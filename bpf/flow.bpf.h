/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows that are remembered: an established flow keeps its backend when endpoints come and go, and replies
 * are translated back. docs/dataplane.md is the specification.
 *
 * An entry for each direction, keyed by the flow as its packets arrive, holding the flow as they leave:
 *
 *   client -> frontend   leaves as   client (or node) -> backend
 *   backend -> client    leaves as   frontend -> client
 *
 * so one lookup translates either, masqueraded or not. Both hold the same state and the same time: whatever
 * changes them writes both, and puts back the one that the kernel has evicted. Time is written when its
 * tick changes, so that the packets of an established flow between two ticks write nothing.
 *
 * A flow that was not answered yet is in a table by itself: a SYN by its replies' entry alone, whatever
 * else by both.
 */
#ifndef SVCB_FLOW_BPF_H
#define SVCB_FLOW_BPF_H

/* Of the cells of a service, that its 16-bit ranks can tell apart, until none is left. */
#define SVCB_HALVINGS 17
#define SVCB_NOWHERE 0xFFFFFFFFU

#define SVCB_PORT_TRIES 16

/* How far beyond what the other end has acknowledged a RST is believed: a window that is not scaled. */
#define SVCB_RST_WINDOW 65535

/* No entry, or none that is alive: beside the outcomes. */
#define SVCB_UNKNOWN SVCB_OUTCOMES

/* What makes a packet one that no flow stays as it was by. */
#define SVCB_TCP_TURNS (SVCB_TCP_SYN | SVCB_TCP_FIN | SVCB_TCP_RST)

static __always_inline bool svcb_opens(__u32 flags) {
  return (flags & (SVCB_TCP_SYN | SVCB_TCP_ACK | SVCB_TCP_RST)) == SVCB_TCP_SYN;
}

/* A SYN of a client that has ended the connection of these ports, or that was reset, begins another one. */
static __always_inline bool svcb_renews(__u32 flags, __u8 state) {
  return svcb_opens(flags) && state & (SVCB_FLOW_RESET | SVCB_FLOW_FIN_CLIENT);
}

/* A connection that its client goes on with. */
static __always_inline bool svcb_is_open(__u8 state) {
  return (state & (SVCB_FLOW_OPEN | SVCB_FLOW_RESET | SVCB_FLOW_FIN_CLIENT)) == SVCB_FLOW_OPEN;
}

/* In ticks. */
static __always_inline __u32 svcb_life(__u8 protocol, __u8 state) {
  const __u8 fins = SVCB_FLOW_FIN_CLIENT | SVCB_FLOW_FIN_BACKEND;

  if (protocol != IPPROTO_TCP)
    return state & SVCB_FLOW_ANSWERED ? settings.ticks[SVCB_LIFE_UDP_STREAM]
                                      : settings.ticks[SVCB_LIFE_UDP];
  if (state & SVCB_FLOW_RESET)
    return settings.ticks[SVCB_LIFE_CLOSE];
  if ((state & fins) == fins)
    return settings.ticks[SVCB_LIFE_TIME_WAIT];
  if (!(state & SVCB_FLOW_ANSWERED))
    return state & SVCB_FLOW_MIDSTREAM ? settings.ticks[SVCB_LIFE_UNACKED]
                                       : settings.ticks[SVCB_LIFE_SYN_SENT];
  if (state & fins)
    return settings.ticks[SVCB_LIFE_HALF_CLOSED];
  return state & SVCB_FLOW_OPEN ? settings.ticks[SVCB_LIFE_ESTABLISHED]
                                : settings.ticks[SVCB_LIFE_SYN_RECEIVED];
}

/* A RST that could be its sender's: where the other end's acknowledgements, of which `ack` is the last, are
 * known, its number must be what they ask for, or little more. */
static __always_inline bool svcb_is_believed(const struct svcb_segment *segment, __u8 state, __u32 ack) {
  return !(state & SVCB_FLOW_OPEN) || !ack || segment->sequence - ack <= SVCB_RST_WINDOW;
}

/* The state of a flow after one more of its packets. `believed`: what it has of a RST is. */
static __always_inline __u8 svcb_state_after(__u8 protocol, __u8 state, __u32 flags, bool reply,
                                             bool believed) {
  if (reply)
    state |= SVCB_FLOW_ANSWERED;
  if (flags & SVCB_TCP_RST)
    return believed ? state | SVCB_FLOW_RESET : state;
  if (flags & SVCB_TCP_SYN)
    return state;
  state &= ~SVCB_FLOW_RESET;
  if (state & SVCB_FLOW_ANSWERED)
    state |= SVCB_FLOW_OPEN;
  if (flags & SVCB_TCP_FIN &&
      state & (SVCB_FLOW_ANSWERED | SVCB_FLOW_MIDSTREAM)) /* what a SYN waits for is an answer */
    state |= reply ? SVCB_FLOW_FIN_BACKEND : SVCB_FLOW_FIN_CLIENT;
  return state;
}

/* By its first packet, as its replies' entry bears it. */
static __always_inline __u8 svcb_first_state(__u8 protocol, __u32 flags, bool untouched) {
  __u8 state = SVCB_FLOW_FIXED;

  if (untouched)
    state |= SVCB_FLOW_UNTOUCHED;
  if (protocol != IPPROTO_TCP || svcb_opens(flags))
    return state;
  return state | SVCB_FLOW_MIDSTREAM | (flags & SVCB_TCP_FIN ? SVCB_FLOW_FIN_CLIENT : 0);
}

/* A flow's state as one direction's entry bears it. */
static __always_inline __u8 svcb_entry_state(__u8 protocol, __u8 state, bool reply) {
  bool left_alone = protocol == IPPROTO_TCP && state & SVCB_FLOW_OPEN && !settings.move_gone;

  return reply || left_alone || state & SVCB_FLOW_UNTOUCHED ? state | SVCB_FLOW_FIXED
                                                            : state & ~SVCB_FLOW_FIXED;
}

static __always_inline bool svcb_has_node4(void) { return settings.node4; }

static __always_inline bool svcb_in_cluster4(const struct svcb_flow4 *flow) {
  return (flow->source & settings.cluster_mask4) == settings.cluster4;
}

static __always_inline void svcb_take_node4(struct svcb_flow4 *flow) { flow->source = settings.node4; }

static __always_inline bool svcb_has_node6(void) {
  return settings.node6[0] | settings.node6[1] | settings.node6[2] | settings.node6[3];
}

static __always_inline bool svcb_in_cluster6(const struct svcb_flow6 *flow) {
  for (__u32 i = 0; i < 4; i++)
    if ((flow->source[i] & settings.cluster_mask6[i]) != settings.cluster6[i])
      return false;
  return true;
}

static __always_inline void svcb_take_node6(struct svcb_flow6 *flow) {
  for (__u32 i = 0; i < 4; i++)
    flow->source[i] = settings.node6[i];
}

#define SVCB_EACH "flow_family.bpf.h"
#include "on_each_family.bpf.h"

#endif
