/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet of one flow becomes one of another: addresses, ports and checksums. */
#ifndef SVCB_REWRITE_BPF_H
#define SVCB_REWRITE_BPF_H

#define svcb_ip4 iphdr
#define svcb_ip6 ipv6hdr

static __always_inline __u64 svcb_changed_addresses4(const struct svcb_flow4 *from,
                                                     const struct svcb_flow4 *to) {
  return svcb_changed32(from->source, to->source) + svcb_changed32(from->to.address, to->to.address);
}

static __always_inline __u64 svcb_changed_addresses6(const struct svcb_flow6 *from,
                                                     const struct svcb_flow6 *to) {
  return svcb_changed128(from->source, to->source) + svcb_changed128(from->to.address, to->to.address);
}

static __always_inline void svcb_write_addresses4(struct iphdr *ip, const struct svcb_flow4 *to,
                                                  __u64 changed) {
  ip->saddr = to->source;
  ip->daddr = to->to.address;
  ip->check = svcb_checksum_after(ip->check, changed);
}

static __always_inline void svcb_write_addresses6(struct ipv6hdr *ip, const struct svcb_flow6 *to,
                                                  __u64 changed) {
  svcb_copy6(ip->saddr.in6_u.u6_addr32, to->source);
  svcb_copy6(ip->daddr.in6_u.u6_addr32, to->to.address);
}

#define SVCB_EACH "rewrite_way.bpf.h"
#include "on_each_way.bpf.h"

#endif
