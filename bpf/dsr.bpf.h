/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: the packet goes to its backend as it is, in an IP packet of the node's (IPv4 in
 * IPv4, IPv6 in IPv6). The backend takes that off and replies to the client itself, from the address that
 * the client had dialled, so nothing has to be remembered or translated back here. Ports cannot change on
 * the way: a backend listens at the service's port.
 */
#ifndef SVCB_DSR_BPF_H
#define SVCB_DSR_BPF_H

#define SVCB_HOPS 64
#define SVCB_WRAPPED_IN4 BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
#define SVCB_WRAPPED_IN6 BPF_F_ADJ_ROOM_ENCAP_L3_IPV6

/* What may not be fragmented inside may not be outside (RFC 2003); what may be needs a name of its own, as
 * its pieces are put together by that. Class and congestion marks are the inner packet's (RFC 2983, RFC
 * 6040). */
static __always_inline void svcb_wrap4(struct iphdr *outer, const struct iphdr *inner, __be32 backend) {
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = SVCB_HOPS, .protocol = IPPROTO_IPIP};

  ip.tos = inner->tos;
  ip.tot_len = bpf_htons(bpf_ntohs(inner->tot_len) + sizeof(ip));
  ip.frag_off = inner->frag_off & bpf_htons(0x4000);
  if (!ip.frag_off)
    ip.id = bpf_get_prandom_u32();
  ip.saddr = settings.node4;
  ip.daddr = backend;
  ip.check = svcb_checksum_after(0xFFFF, svcb_sum_words(&ip, sizeof(ip) / 4, 0));
  *outer = ip;
}

/* The inner packet's flow label, too: by that the receiver's NIC may tell flows apart (RFC 6438). */
static __always_inline void svcb_wrap6(struct ipv6hdr *outer, const struct ipv6hdr *inner,
                                       const __be32 backend[4]) {
  *(__be32 *)outer = *(const __be32 *)inner;
  outer->payload_len = bpf_htons(bpf_ntohs(inner->payload_len) + sizeof(*outer));
  outer->nexthdr = IPPROTO_IPV6;
  outer->hop_limit = SVCB_HOPS;
  for (__u32 i = 0; i < 4; i++) {
    outer->saddr.in6_u.u6_addr32[i] = settings.node6[i];
    outer->daddr.in6_u.u6_addr32[i] = backend[i];
  }
}

#define SVCB_EACH "dsr_way.bpf.h"
#include "on_each_way.bpf.h"

#define SVCB_EACH "dsr_hook.bpf.h"
#include "on_each_hook.bpf.h"

#endif
