/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: the packet goes to its backend as it is, in an IP packet of the node's (IPv4 in
 * IPv4, IPv6 in IPv6). The backend takes that off and replies to the client itself, from the address that
 * the client had dialled, so nothing has to be remembered or translated back here. Ports cannot change on
 * the way: a backend listens at the service's port.
 *
 * Errors about what a backend has sent come to the address that the client had dialled, and so here: each
 * goes to the backend of the flow that it quotes. Those about a packet that was wrapped come to the address
 * that it was wrapped by, and become such about the packet inside, to whom that came from.
 */
#ifndef SVCB_DSR_BPF_H
#define SVCB_DSR_BPF_H

#define SVCB_HOPS 64
#define SVCB_WRAPPED_IN4 BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
#define SVCB_WRAPPED_IN6 BPF_F_ADJ_ROOM_ENCAP_L3_IPV6

/* What may not be fragmented inside may not be outside (RFC 2003); what may be needs a name of its own, as
 * its pieces are put together by that. Class and congestion marks are the inner packet's (RFC 2983, RFC
 * 6040). */
static __always_inline void svcb_wrap4(struct iphdr *outer, const struct iphdr *inner, __be32 backend,
                                       __u32 hash) {
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = SVCB_HOPS, .protocol = IPPROTO_IPIP};

  ip.tos = inner->tos;
  ip.tot_len = bpf_htons(bpf_ntohs(inner->tot_len) + sizeof(ip));
  ip.frag_off = inner->frag_off & bpf_htons(0x4000);
  if (!ip.frag_off)
    ip.id = bpf_get_prandom_u32();
  ip.saddr = settings.wrap4 | (settings.wrap_by_flow4 ? hash & settings.wrap_by_flow4 : 0);
  ip.daddr = backend;
  ip.check = svcb_checksum_after(0xFFFF, svcb_sum_words(&ip, sizeof(ip) / 4, 0));
  *outer = ip;
}

/* The inner packet's flow label, too: by that the receiver's NIC may tell flows apart (RFC 6438). */
static __always_inline void svcb_wrap6(struct ipv6hdr *outer, const struct ipv6hdr *inner,
                                       const __be32 backend[4], __u32 hash) {
  *(__be32 *)outer = *(const __be32 *)inner;
  outer->payload_len = bpf_htons(bpf_ntohs(inner->payload_len) + sizeof(*outer));
  outer->nexthdr = IPPROTO_IPV6;
  outer->hop_limit = SVCB_HOPS;
  for (__u32 i = 0; i < 4; i++) {
    outer->saddr.in6_u.u6_addr32[i] = settings.wrap6[i];
    outer->daddr.in6_u.u6_addr32[i] = backend[i];
  }
  if (settings.wrap_by_flow6)
    outer->saddr.in6_u.u6_addr32[3] |= hash & settings.wrap_by_flow6;
}

/* ---- errors about what was wrapped ---- */

/* What of an error stands before its quotation. */
struct svcb_notice4 {
  struct iphdr ip;
  struct svcb_icmp icmp;
};

struct svcb_notice6 {
  struct ipv6hdr ip;
  struct svcb_icmp6 icmp;
};

/* An error about a packet that was wrapped. Once the wrapping is no longer quoted, `left` stands in front
 * of the packet inside. */
struct svcb_wrapped_error4 {
  struct iphdr ip;
  union {
    struct {
      struct svcb_icmp icmp;
      struct iphdr outer;
    };
    struct svcb_notice4 left;
  };
  struct iphdr quoted;
  struct svcb_ports ports;
};

struct svcb_wrapped_error6 {
  struct ipv6hdr ip;
  union {
    struct {
      struct svcb_icmp6 icmp;
      struct ipv6hdr outer;
    };
    struct svcb_notice6 left;
  };
  struct ipv6hdr quoted;
  struct svcb_ports ports;
};

#define SVCB_ICMP_HOST 1
#define SVCB_ICMP6_ADDRESS 3
#define SVCB_ICMP6_PARAMETER 4
#define SVCB_IPV6_LEAST_MTU 1280

/* A sum of what goes, as of changed fields. */
static __always_inline __u64 svcb_gone(const void *from, __u32 words) {
  const __be32 *word = from;
  __u64 sum = 0;

  for (__u32 i = 0; i < words; i++)
    sum += svcb_changed32(word[i], 0);
  return sum;
}

/* Whether packets are wrapped by this address. */
static __always_inline bool svcb_is_wrap6(const __be32 address[4]) {
  return !((address[0] ^ settings.wrap6[0]) | (address[1] ^ settings.wrap6[1]) |
           (address[2] ^ settings.wrap6[2]) | ((address[3] & ~settings.wrap_by_flow6) ^ settings.wrap6[3]));
}

/* Writes what is to stand in front of the packet inside; *moved: what that adds to a sum over the packet.
 * False: this is no error about a wrapped packet. It tells of the way's MTU, else that there is no way (RFC
 * 2003 4, RFC 2473 8); what its sender has added by RFC 4884 counts as quoted. */
static __always_inline bool svcb_tell_sender4(void *data, void *data_end, __u32 length, __u64 *moved) {
  struct svcb_wrapped_error4 *error = data + SVCB_L3;
  struct svcb_icmp icmp = {.type = SVCB_ICMP_UNREACHABLE, .code = SVCB_ICMP_HOST};
  struct svcb_frontend4 dialled = {};
  struct svcb_flow4 reply;
  struct iphdr ip;
  __u64 word = 0, changed;
  __u32 mtu;

  if ((void *)(error + 1) > data_end ||
      svcb_check_error4(&error->ip, &error->icmp, sizeof(*error), length) != SVCB_TRANSLATED ||
      error->outer.version != 4 || error->outer.ihl != 5 || error->outer.protocol != IPPROTO_IPIP ||
      error->outer.frag_off & bpf_htons(0x1FFF) || error->outer.saddr != error->ip.daddr ||
      (error->outer.saddr & ~settings.wrap_by_flow4) != settings.wrap4 ||
      !svcb_is_host4(error->quoted.saddr) || !svcb_quoted4(&error->quoted, &error->ports, &reply))
    return false;
  dialled.address = reply.source;
  dialled.port = reply.source_port;
  dialled.protocol = reply.to.protocol;
  if (svcb_find4(&dialled, &word) != SVCB_TRANSLATED)
    return false;
  if (error->icmp.type == SVCB_ICMP_UNREACHABLE && error->icmp.code == SVCB_ICMP_TOO_BIG) {
    mtu = bpf_ntohs(error->icmp.mtu);
    icmp.code = SVCB_ICMP_TOO_BIG;
    icmp.mtu = bpf_htons(mtu > sizeof(ip) ? mtu - sizeof(ip) : 0);
  }
  changed = svcb_changed16(*(__u16 *)&error->icmp, 0) + svcb_changed16(error->icmp.unused, 0) +
            svcb_changed16(error->icmp.mtu, 0) + svcb_gone(&error->outer, sizeof(ip) / 4) +
            svcb_sum_words(&icmp, sizeof(icmp) / 4, 0);
  icmp.checksum = svcb_checksum_after(error->icmp.checksum, changed);

  ip = error->ip;
  ip.tot_len = bpf_htons(bpf_ntohs(ip.tot_len) - sizeof(ip));
  ip.daddr = reply.to.address;
  if (ip.saddr == error->outer.daddr)
    ip.saddr = reply.source;
  ip.check = svcb_checksum_after(ip.check, svcb_changed16(error->ip.tot_len, ip.tot_len) +
                                               svcb_changed32(error->ip.saddr, ip.saddr) +
                                               svcb_changed32(error->ip.daddr, ip.daddr));
  *moved = svcb_gone(&error->left, sizeof(error->left) / 4);
  error->left.ip = ip;
  error->left.icmp = icmp;
  *moved += svcb_sum_words(&error->left, sizeof(error->left) / 4, 0);
  return true;
}

static __always_inline bool svcb_tell_sender6(void *data, void *data_end, __u32 length, __u64 *moved) {
  struct svcb_wrapped_error6 *error = data + SVCB_L3;
  struct svcb_icmp6 icmp = {.type = SVCB_ICMP6_UNREACHABLE, .code = SVCB_ICMP6_ADDRESS};
  struct svcb_frontend6 dialled = {};
  __u64 word = 0, changed;
  __be32 address[4];
  __u32 mtu;

  if ((void *)(error + 1) > data_end ||
      svcb_check_error6(&error->ip, &error->icmp, sizeof(*error), length) != SVCB_TRANSLATED ||
      error->icmp.type > SVCB_ICMP6_PARAMETER || error->outer.version != 6 ||
      error->outer.nexthdr != IPPROTO_IPV6)
    return false;
  svcb_copy6(address, error->outer.saddr.in6_u.u6_addr32);
  if (svcb_words_differ(address, &error->ip.daddr, 4))
    return false;
  if (!svcb_is_wrap6(address) || error->quoted.version != 6 || !svcb_is_transport(error->quoted.nexthdr))
    return false;
  svcb_copy6(address, error->quoted.saddr.in6_u.u6_addr32);
  if (!svcb_is_host6(address))
    return false;
  svcb_copy6(dialled.address, error->quoted.daddr.in6_u.u6_addr32);
  dialled.port = error->ports.dest;
  dialled.protocol = error->quoted.nexthdr;
  if (svcb_find6(&dialled, &word) != SVCB_TRANSLATED)
    return false;
  if (error->icmp.type == SVCB_ICMP6_TOO_BIG) {
    mtu = bpf_ntohl(error->icmp.mtu);
    icmp.type = SVCB_ICMP6_TOO_BIG;
    icmp.code = 0;
    icmp.mtu = bpf_htonl(mtu > SVCB_IPV6_LEAST_MTU + sizeof(struct ipv6hdr) ? mtu - sizeof(struct ipv6hdr)
                                                                            : SVCB_IPV6_LEAST_MTU);
  }
  svcb_copy6(address, error->ip.saddr.in6_u.u6_addr32);
  if (!svcb_words_differ(address, &error->outer.daddr, 4))
    svcb_copy6(address, dialled.address);
  changed = svcb_changed16(*(__u16 *)&error->icmp, 0) + svcb_changed32(error->icmp.mtu, 0) +
            svcb_gone(&error->outer, sizeof(struct ipv6hdr) / 4) +
            svcb_sum_words(&icmp, sizeof(icmp) / 4, 0) +
            svcb_changed128(error->ip.saddr.in6_u.u6_addr32, address) +
            svcb_changed128(error->ip.daddr.in6_u.u6_addr32, error->quoted.saddr.in6_u.u6_addr32) +
            svcb_changed16(bpf_htons(sizeof(struct ipv6hdr)), 0); /* the pseudo header's length */
  icmp.checksum = svcb_checksum_after(error->icmp.checksum, changed);

  *moved = svcb_gone(&error->left, sizeof(error->left) / 4);
  error->left.ip = error->ip;
  error->left.ip.payload_len = bpf_htons(bpf_ntohs(error->ip.payload_len) - sizeof(struct ipv6hdr));
  svcb_copy6(error->left.ip.saddr.in6_u.u6_addr32, address);
  svcb_copy6(error->left.ip.daddr.in6_u.u6_addr32, error->quoted.saddr.in6_u.u6_addr32);
  error->left.icmp = icmp;
  *moved += svcb_sum_words(&error->left, sizeof(error->left) / 4, 0);
  return true;
}

#define SVCB_EACH "dsr_way.bpf.h"
#include "on_each_way.bpf.h"

#define SVCB_EACH "dsr_hook.bpf.h"
#include "on_each_hook.bpf.h"

#endif
