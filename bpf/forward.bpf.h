/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the backend's address to its next hop, as a router does it: the kernel's own routing table and
 * neighbours (bpf_fib_lookup), one hop less to live, and out by the device that they name. A packet that is
 * too large for that comes back to its sender as an error. Whatever else is not a plain unicast route to a
 * known neighbour is left to the kernel's stack.
 */
#ifndef SVCB_FORWARD_BPF_H
#define SVCB_FORWARD_BPF_H

#define SVCB_AF_INET 2
#define SVCB_AF_INET6 10

#define SVCB_SECOND 1000000000ULL

/* The transport header's size, by its first bytes. */
static __always_inline __u32 svcb_header_size(const __u8 *transport, void *data_end, __u8 protocol) {
  if (protocol != IPPROTO_TCP)
    return sizeof(struct udphdr);
  if ((void *)(transport + SVCB_TCP_FLAGS) > data_end)
    return sizeof(struct tcphdr);
  return (transport[SVCB_TCP_FLAGS - 1] >> 4) * 4;
}

/* What leaves, from the IP header on: the packet, or, where it stands for many that carry `segment` bytes
 * each, one of them. */
static __always_inline __u32 svcb_leaves4(const struct iphdr *ip, void *data_end, __u32 segment) {
  const struct iphdr *last = ip;

  if (!segment)
    return bpf_ntohs(ip->tot_len);
  if (ip->protocol == IPPROTO_IPIP && (void *)(ip + 2) <= data_end)
    last = ip + 1; /* direct server return */
  return (void *)(last + 1) - (void *)ip +
         svcb_header_size((const void *)(last + 1), data_end, last->protocol) + segment;
}

static __always_inline __u32 svcb_leaves6(const struct ipv6hdr *ip, void *data_end, __u32 segment) {
  const struct ipv6hdr *last = ip;
  const __u8 *transport;
  __u8 protocol;

  if (!segment)
    return bpf_ntohs(ip->payload_len) + sizeof(*ip);
  if (ip->nexthdr == IPPROTO_IPV6 && (void *)(ip + 2) <= data_end)
    last = ip + 1;
  transport = (const void *)(last + 1);
  protocol = last->nexthdr;
  if (!protocol && (void *)(transport + sizeof(struct svcb_jumbo)) <= data_end) {
    protocol = *transport; /* the option of a jumbogram stays behind when that is cut */
    transport += sizeof(struct svcb_jumbo);
  }
  return (void *)(last + 1) - (void *)ip + svcb_header_size(transport, data_end, protocol) + segment;
}

/* The result is that of bpf_fib_lookup, or negative: for the stack. `segment` as above. */
static __always_inline long svcb_route4(void *ctx, __u32 device, void *data, void *data_end, __u32 segment,
                                        struct bpf_fib_lookup *route) {
  struct iphdr *ip = data + SVCB_L3;
  long result;

  if ((void *)(ip + 1) > data_end || ip->ttl <= 1)
    return -1;
  route->family = SVCB_AF_INET;
  route->l4_protocol = ip->protocol;
  route->tos = ip->tos;
  route->tot_len = svcb_leaves4(ip, data_end, segment);
  route->ipv4_src = ip->saddr;
  route->ipv4_dst = ip->daddr;
  route->ifindex = device;
  result = bpf_fib_lookup(ctx, route, sizeof(*route), 0);
  if (result == BPF_FIB_LKUP_RET_FRAG_NEEDED && !(ip->frag_off & bpf_htons(0x4000)))
    return -1; /* may be fragmented: the stack does that */
  if (result != BPF_FIB_LKUP_RET_SUCCESS)
    return result;
  /* The TTL and the protocol share a 16-bit word of the checksum. */
  ip->check = svcb_checksum_after(ip->check, svcb_changed16(bpf_htons(0x0100), 0));
  ip->ttl--;
  return result;
}

static __always_inline long svcb_route6(void *ctx, __u32 device, void *data, void *data_end, __u32 segment,
                                        struct bpf_fib_lookup *route) {
  struct ipv6hdr *ip = data + SVCB_L3;
  long result;

  if ((void *)(ip + 1) > data_end || ip->hop_limit <= 1)
    return -1;
  route->family = SVCB_AF_INET6;
  route->l4_protocol = ip->nexthdr;
  route->tot_len = svcb_leaves6(ip, data_end, segment);
  route->flowinfo = *(__be32 *)ip & bpf_htonl(0x0FFFFFFF);
  svcb_copy6(route->ipv6_src, ip->saddr.in6_u.u6_addr32);
  svcb_copy6(route->ipv6_dst, ip->daddr.in6_u.u6_addr32);
  route->ifindex = device;
  result = bpf_fib_lookup(ctx, route, sizeof(*route), 0);
  if (result != BPF_FIB_LKUP_RET_SUCCESS)
    return result;
  ip->hop_limit--;
  return result;
}

/* On success the frame is readdressed to the next hop, whose device is in route->ifindex. */
static __always_inline long svcb_route(void *ctx, __u32 device, void *data, void *data_end, __u32 segment,
                                       bool *ipv6, struct bpf_fib_lookup *route) {
  struct ethhdr *eth = data;
  long result;

  __builtin_memset(route, 0, sizeof(*route));
  if ((void *)(eth + 1) > data_end)
    return -1;
  *ipv6 = eth->h_proto == bpf_htons(SVCB_ETH_P_IPV6);
  result = *ipv6 ? svcb_route6(ctx, device, data, data_end, segment, route)
                 : svcb_route4(ctx, device, data, data_end, segment, route);
  if (result != BPF_FIB_LKUP_RET_SUCCESS)
    return result;
  __builtin_memcpy(eth->h_dest, route->dmac, sizeof(eth->h_dest));
  __builtin_memcpy(eth->h_source, route->smac, sizeof(eth->h_source));
  return result;
}

/* What the sender's packet may have, if what leaves may have `mtu`. */
static __always_inline __u32 svcb_room(__u32 mtu, bool ipv6) {
  return settings.dsr ? mtu - (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) : mtu;
}

static __always_inline bool svcb_is_dropped(enum svcb_outcome outcome) {
  return outcome == SVCB_NO_ENDPOINT || outcome == SVCB_CONTENDED || outcome == SVCB_NOT_REWRITTEN ||
         outcome == SVCB_NO_FLOW || outcome == SVCB_ELSEWHERE;
}

/* Whether an error that the plane has made may be sent, by the addresses that it has: not to more than one,
 * and not about a frame that was sent to more than one. */
static __always_inline bool svcb_may_receive(void *data, void *data_end, bool ipv6) {
  struct ethhdr *eth = data;
  struct iphdr *ip = data + SVCB_L3;
  struct ipv6hdr *ip6 = data + SVCB_L3;

  if ((void *)(ip6 + 1) > data_end || eth->h_source[0] & 1)
    return false;
  return ipv6 ? svcb_is_host6(ip6->daddr.in6_u.u6_addr32) : svcb_is_host4(ip->daddr);
}

/* Takes one from what this CPU may send: a bucket that is filled by so many a second, and holds so many. */
static __always_inline bool svcb_take_allowance(void) {
  __u32 zero = 0;
  struct svcb_allowance *allowance = bpf_map_lookup_elem(&allowances, &zero);
  __u64 now = bpf_ktime_get_coarse_ns(), more, spacing;

  if (!settings.errors_per_second)
    return true;
  if (!allowance)
    return false;
  spacing = SVCB_SECOND / settings.errors_per_second;
  more = (now - allowance->filled_ns) / spacing;
  if (more >= settings.errors_at_once) {
    allowance->left = settings.errors_at_once;
    allowance->filled_ns = now;
  } else if (more) {
    allowance->left += more;
    if (allowance->left > settings.errors_at_once)
      allowance->left = settings.errors_at_once;
    allowance->filled_ns += more * spacing;
  }
  if (!allowance->left)
    return false;
  allowance->left--;
  return true;
}

static __always_inline bool svcb_may_send(void *data, void *data_end, bool ipv6) {
  return svcb_may_receive(data, data_end, ipv6) && svcb_take_allowance();
}

#define SVCB_EACH "forward_hook.bpf.h"
#include "on_each_hook.bpf.h"

#endif
