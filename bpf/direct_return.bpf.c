/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The backends' end of direct server return, as an agent on their node does it: takes the IP packet off
 * that the balancer (dsr.bpf.h) has wrapped a client's packet in, or an ICMP error about a reply, hands it
 * to the endpoint that it was addressed to, at the endpoint's own port, and lets replies, and ICMP errors,
 * leave from what the client had dialled. For behaviour tests, where one namespace has every endpoint: no
 * part of the data plane that is measured.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "svcbench/direct_return_abi.h"

#include "family.bpf.h"

#include "packet.bpf.h"

#include "checksum.bpf.h"

#include "hook.bpf.h"

#include "rewrite.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 20);
  __type(key, struct svcb_end4);
  __type(value, __be16);
} ends4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 20);
  __type(key, struct svcb_end6);
  __type(value, __be16);
} ends6 SEC(".maps");

/* By how a flow's packets come, in either direction: how they are handed on. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1 << 17);
  __type(key, struct svcb_flow4);
  __type(value, struct svcb_flow4);
} ways4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1 << 17);
  __type(key, struct svcb_flow6);
  __type(value, struct svcb_flow6);
} ways6 SEC(".maps");

static __always_inline bool svcb_is_for4(const void *data, const void *data_end,
                                         const struct svcb_end4 *end) {
  const struct iphdr *ip = data + SVCB_L3;

  return (const void *)(ip + 1) <= data_end && ip->daddr == end->endpoint;
}

static __always_inline bool svcb_is_for6(const void *data, const void *data_end,
                                         const struct svcb_end6 *end) {
  const struct ipv6hdr *ip = data + SVCB_L3;

  return (const void *)(ip + 1) <= data_end && !svcb_words_differ(&ip->daddr, end->endpoint, 4);
}

/* icmp.bpf.h needs the way back, and counts; nothing is counted here. */
static __always_inline void svcb_event(enum svcb_event event) {}
static __always_inline bool svcb_way_back4(const struct svcb_flow4 *reply, struct svcb_flow4 *back);
static __always_inline bool svcb_way_back6(const struct svcb_flow6 *reply, struct svcb_flow6 *back);

#include "icmp.bpf.h"

#define SVCB_EACH "direct_return_family.bpf.h"
#include "on_each_family.bpf.h"

static __always_inline bool take_off(struct __sk_buff *skb, int size) {
  return !bpf_skb_adjust_room(skb, -size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

SEC("tc")
int direct_return_arrive(struct __sk_buff *skb) {
  struct svcb_end4 end4 = {};
  struct svcb_end6 end6 = {};
  struct ipv6hdr *ip6;
  struct iphdr *ip;
  bool ipv6;

  svcb_tc_linear(skb, SVCB_HEADERS);
  if (svcb_parse_ethernet((void *)(long)skb->data, (void *)(long)skb->data_end, &ipv6) != SVCB_TRANSLATED)
    return svcb_tc_pass;
  if (ipv6) {
    ip6 = (void *)(long)skb->data + SVCB_L3;
    if ((void *)(ip6 + 1) > (void *)(long)skb->data_end || ip6->nexthdr != IPPROTO_IPV6)
      return svcb_tc_pass;
    svcb_copy6(end6.endpoint, ip6->daddr.in6_u.u6_addr32);
    return take_off(skb, sizeof(*ip6)) && svcb_deliver6(skb, &end6) ? svcb_tc_pass : svcb_tc_drop;
  }
  ip = (void *)(long)skb->data + SVCB_L3;
  if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->ihl != 5 || ip->protocol != IPPROTO_IPIP)
    return svcb_tc_pass;
  end4.endpoint = ip->daddr;
  return take_off(skb, sizeof(*ip)) && svcb_deliver4(skb, &end4) ? svcb_tc_pass : svcb_tc_drop;
}

SEC("tc")
int direct_return_reply(struct __sk_buff *skb) {
  bool ipv6;

  svcb_tc_linear(skb, SVCB_HEADERS);
  if (svcb_parse_ethernet((void *)(long)skb->data, (void *)(long)skb->data_end, &ipv6) == SVCB_TRANSLATED) {
    if (ipv6)
      svcb_answer6(skb);
    else
      svcb_answer4(skb);
  }
  return svcb_tc_pass;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
