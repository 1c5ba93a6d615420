/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The load balancer's two hooks: thin entry points over one core. */
#include "svcb.bpf.h"

SEC("xdp")
int svcb_xdp(struct xdp_md *ctx) { return svcb_xdp_verdict(svcb_xdp_handle(ctx)); }

SEC("tc")
int svcb_tc(struct __sk_buff *skb) { return svcb_tc_verdict(svcb_tc_handle(skb)); }

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
