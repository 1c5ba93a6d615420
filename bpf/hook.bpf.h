/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a hook is asked for; hook_xdp.bpf.h and hook_tc.bpf.h answer, each in its own way. */
#ifndef SVCB_HOOK_BPF_H
#define SVCB_HOOK_BPF_H

/* The packet as the program may read it now: a helper may move it, and then it is looked for anew. */
struct svcb_view {
  void *data;
  void *end;
};

#define SVCB_VIEW(ctx) \
  ((struct svcb_view){.data = (void *)(long)(ctx)->data, .end = (void *)(long)(ctx)->data_end})

/* What becomes of a packet's transport header, whose checksum covers the addresses, too. */
struct svcb_change {
  __u64 addresses; /* a sum of what changes (checksum.bpf.h) */
  __u8 protocol;
  /* Pointers, so that they are read where they are used: each would take a place on the stack. */
  const __be16 *from_source, *from_port;
  const __be16 *source, *port;
};

static __always_inline __u64 svcb_changed_ports(const struct svcb_change *change) {
  return svcb_changed16(*change->from_source, *change->source) +
         svcb_changed16(*change->from_port, *change->port);
}

#include "hook_xdp.bpf.h"

#include "hook_tc.bpf.h"

#endif
