/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One hook of dsr.bpf.h. No include guard: included for each. */

/* The packet as it came, for an error about it. False: it is unusable, or was not wrapped. */
__noinline int ON(unwrap)(struct ON(context) * ctx, int ipv6) {
  struct svcb_view view = SVCB_VIEW(ctx);
  struct ipv6hdr *ip6 = view.data + SVCB_L3;
  struct iphdr *ip = view.data + SVCB_L3;

  if ((void *)(ip + 1) > view.end)
    return false;
  if (!ipv6)
    return ip->protocol == IPPROTO_IPIP && ON(take_room)(ctx, sizeof(*ip));
  return (void *)(ip6 + 1) <= view.end && ip6->nexthdr == IPPROTO_IPV6 && ON(take_room)(ctx, sizeof(*ip6));
}
