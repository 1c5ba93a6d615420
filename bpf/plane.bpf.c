/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The load balancer's two hooks: thin entry points over one core. Each is put on the device that clients'
 * packets come in by and, where replies are translated, on the one that backends' packets come in by. */
#include "svcb.bpf.h"

SEC("xdp")
int svcb_xdp(struct xdp_md *ctx) {
  enum svcb_outcome outcome =
      settings.translating ? svcb_xdp_handle(ctx, settings.tracking) : SVCB_TRANSLATED;

  return outcome == SVCB_TRANSLATED ? svcb_xdp_forward(ctx) : svcb_xdp_verdict(ctx, outcome);
}

SEC("tc")
int svcb_tc(struct __sk_buff *skb) {
  enum svcb_outcome outcome =
      settings.translating ? svcb_tc_handle(skb, settings.tracking) : SVCB_TRANSLATED;

  return outcome == SVCB_TRANSLATED ? svcb_tc_forward(skb) : svcb_tc_verdict(skb, outcome);
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
