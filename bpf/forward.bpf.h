/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the backend's address to its next hop, as a router does it: the kernel's own routing table and
 * neighbours (bpf_fib_lookup), one hop less to live, and out by the device that they name. Whatever is not
 * a plain unicast route to a known neighbour is left to the kernel's stack.
 */
#ifndef SVCB_FORWARD_BPF_H
#define SVCB_FORWARD_BPF_H

#define SVCB_AF_INET 2
#define SVCB_AF_INET6 10

/* Set by a loader that attaches the programs to a device. Otherwise they only rewrite, and pass on. */
const volatile bool forwarding = false;
/* Unset: packets are forwarded as they are, which is what the instrument compares with. */
const volatile bool translating = true;

static __always_inline bool svcb_route4(void *ctx, __u32 device, void *data, void *data_end,
                                        struct bpf_fib_lookup *route) {
  struct iphdr *ip = data + SVCB_L3;

  if ((void *)(ip + 1) > data_end || ip->ttl <= 1)
    return false;
  route->family = SVCB_AF_INET;
  route->l4_protocol = ip->protocol;
  route->tos = ip->tos;
  route->tot_len = bpf_ntohs(ip->tot_len);
  route->ipv4_src = ip->saddr;
  route->ipv4_dst = ip->daddr;
  route->ifindex = device;
  if (bpf_fib_lookup(ctx, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
    return false;
  /* The TTL and the protocol share a 16-bit word of the checksum. */
  ip->check = svcb_checksum_after(ip->check, svcb_changed16(bpf_htons(0x0100), 0));
  ip->ttl--;
  return true;
}

static __always_inline bool svcb_route6(void *ctx, __u32 device, void *data, void *data_end,
                                        struct bpf_fib_lookup *route) {
  struct ipv6hdr *ip = data + SVCB_L3;

  if ((void *)(ip + 1) > data_end || ip->hop_limit <= 1)
    return false;
  route->family = SVCB_AF_INET6;
  route->l4_protocol = ip->nexthdr;
  route->tot_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
  route->flowinfo = *(__be32 *)ip & bpf_htonl(0x0FFFFFFF);
  svcb_copy6(route->ipv6_src, ip->saddr.in6_u.u6_addr32);
  svcb_copy6(route->ipv6_dst, ip->daddr.in6_u.u6_addr32);
  route->ifindex = device;
  if (bpf_fib_lookup(ctx, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
    return false;
  ip->hop_limit--;
  return true;
}

/* The frame readdressed to the next hop, whose device is in route->ifindex; false: for the stack. */
static __always_inline bool svcb_forward(void *ctx, __u32 device, void *data, void *data_end,
                                         struct bpf_fib_lookup *route) {
  struct ethhdr *eth = data;
  bool found;

  __builtin_memset(route, 0, sizeof(*route));
  if ((void *)(eth + 1) > data_end)
    return false;
  found = eth->h_proto == bpf_htons(SVCB_ETH_P_IPV6) ? svcb_route6(ctx, device, data, data_end, route)
                                                     : svcb_route4(ctx, device, data, data_end, route);
  if (!found)
    return false;
  __builtin_memcpy(eth->h_dest, route->dmac, sizeof(eth->h_dest));
  __builtin_memcpy(eth->h_source, route->smac, sizeof(eth->h_source));
  return true;
}

/* What becomes of a translated packet. */
static __always_inline int svcb_xdp_forward(struct xdp_md *ctx) {
  struct bpf_fib_lookup route;

  if (forwarding &&
      svcb_forward(ctx, ctx->ingress_ifindex, (void *)(long)ctx->data, (void *)(long)ctx->data_end, &route))
    return bpf_redirect(route.ifindex, 0);
  return XDP_PASS;
}

static __always_inline int svcb_tc_forward(struct __sk_buff *skb) {
  struct bpf_fib_lookup route;

  if (forwarding &&
      svcb_forward(skb, skb->ingress_ifindex, (void *)(long)skb->data, (void *)(long)skb->data_end, &route))
    return bpf_redirect(route.ifindex, 0);
  return SVCB_TC_ACT_OK;
}

#endif
