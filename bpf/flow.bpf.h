/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows that are remembered: an established flow keeps its backend when endpoints come and go, and replies
 * are translated back.
 *
 * An entry for each direction, keyed by the flow as its packets arrive, holding the flow as they leave:
 *
 *   client -> frontend   leaves as   client (or node) -> backend
 *   backend -> client    leaves as   frontend -> client
 *
 * so one lookup translates either, masqueraded or not. A flow ends by FIN, RST, or being idle: its entry
 * then counts as absent. When the loader has taken a backend away (`generation`), each flow looks its
 * service up once more: with its backend gone it gets another one. A TCP flow is reset by that, by the new
 * backend's own kernel; terminating backends keep theirs.
 */
#ifndef SVCB_FLOW_BPF_H
#define SVCB_FLOW_BPF_H

/* Of the cells of a service, that its 16-bit ranks can tell apart, until none is left. */
#define SVCB_HALVINGS 17
#define SVCB_NOWHERE 0xFFFFFFFFU

#define SVCB_PORT_TRIES 8
#define SVCB_FIRST_FREE_PORT 16384

static __always_inline bool svcb_is_live(__u8 protocol, __u8 closing, __u32 idle) {
  if (closing)
    return idle <= settings.closing_ticks;
  return idle <= (protocol == IPPROTO_TCP ? settings.tcp_ticks : settings.udp_ticks);
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
