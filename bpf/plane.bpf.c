/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The load balancer's two hooks: thin entry points over one core. */
#include "svcb.bpf.h"

SEC("xdp")
int svcb_xdp(struct xdp_md *ctx) {
  enum svcb_outcome outcome = translating ? svcb_xdp_handle(ctx) : SVCB_TRANSLATED;

  return outcome == SVCB_TRANSLATED ? svcb_xdp_forward(ctx) : svcb_xdp_verdict(outcome);
}

SEC("tc")
int svcb_tc(struct __sk_buff *skb) {
  enum svcb_outcome outcome = translating ? svcb_tc_handle(skb) : SVCB_TRANSLATED;

  return outcome == SVCB_TRANSLATED ? svcb_tc_forward(skb) : svcb_tc_verdict(outcome);
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
