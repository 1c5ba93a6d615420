/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One hook of dsr.bpf.h. No include guard: included for each. */

/* The packet as it came, for an error about it. False: it is unusable. */
__noinline int ON(unwrap)(struct ON(context) * ctx, int ipv6) {
  return ON(take_room)(ctx, ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}
