/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors: those that belong to a translated flow are translated like its packets, outside and inside;
 * and those that the node itself has to send to a client: no endpoints, packet too big.
 *
 * An error quotes the packet that it is about as that packet left the node. The flow table knows by that
 * what the sender had sent (svcb_way_back), so the quotation becomes that again, and the error goes to
 * where that came from. It comes from the address that the sender had dialled, where the backend itself
 * sent it. Of the quotation only the IP header and the ports are changed: a transport checksum in it is
 * nobody's.
 */
#ifndef SVCB_ICMP_BPF_H
#define SVCB_ICMP_BPF_H

struct svcb_icmp {
  __u8 type;
  __u8 code;
  __u16 checksum;
  __u16 unused;
  __be16 mtu;
};

struct svcb_icmp6 {
  __u8 type;
  __u8 code;
  __u16 checksum;
  __be32 mtu;
};

/* What of a transport header an error quotes at least. */
struct svcb_ports {
  __be16 source;
  __be16 dest;
  __u32 rest;
};

/* From the IP header on. */
struct svcb_error4 {
  struct iphdr ip;
  struct svcb_icmp icmp;
  struct iphdr quoted;
  struct svcb_ports ports;
};

struct svcb_error6 {
  struct ipv6hdr ip;
  struct svcb_icmp6 icmp;
  struct ipv6hdr quoted;
  struct svcb_ports ports;
};

#define SVCB_ICMPV6 58
#define SVCB_ICMP_UNREACHABLE 3
#define SVCB_ICMP_PORT 3
#define SVCB_ICMP_TOO_BIG 4
#define SVCB_ICMP_TIME_EXCEEDED 11
#define SVCB_ICMP_PARAMETER 12
#define SVCB_ICMP6_UNREACHABLE 1
#define SVCB_ICMP6_PORT 4
#define SVCB_ICMP6_TOO_BIG 2
#define SVCB_ICMP6_LAST_ERROR 127

static __always_inline bool svcb_is_transport(__u8 protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* SVCB_TRANSLATED: an ICMP error of `size` bytes from its IP header on, or more. `length`: of the whole
 * frame. */
static __always_inline enum svcb_outcome svcb_check_error4(const struct iphdr *ip,
                                                           const struct svcb_icmp *icmp, __u32 size,
                                                           __u32 length) {
  if (ip->ihl != 5 || ip->protocol != IPPROTO_ICMP || ip->frag_off & bpf_htons(0x3FFF) ||
      (icmp->type != SVCB_ICMP_UNREACHABLE && icmp->type != SVCB_ICMP_TIME_EXCEEDED &&
       icmp->type != SVCB_ICMP_PARAMETER))
    return SVCB_NOT_TCP_UDP;
  if (bpf_ntohs(ip->tot_len) < size || bpf_ntohs(ip->tot_len) + SVCB_L3 > length)
    return SVCB_TRUNCATED;
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_check_error6(const struct ipv6hdr *ip,
                                                           const struct svcb_icmp6 *icmp, __u32 size,
                                                           __u32 length) {
  if (ip->nexthdr != SVCB_ICMPV6 || !icmp->type || icmp->type > SVCB_ICMP6_LAST_ERROR)
    return SVCB_NOT_TCP_UDP;
  if (bpf_ntohs(ip->payload_len) + sizeof(*ip) < size || bpf_ntohs(ip->payload_len) + SVCB_L4_V6 > length)
    return SVCB_TRUNCATED;
  return SVCB_TRANSLATED;
}

/* How replies to a packet of which the IP header and the ports are quoted arrive; false: it has none. A
 * later fragment names no ports, and so no flow. */
static __always_inline bool svcb_quoted4(const struct iphdr *quoted, const struct svcb_ports *ports,
                                         struct svcb_flow4 *reply) {
  if (quoted->version != 4 || quoted->ihl != 5 || quoted->frag_off & bpf_htons(0x1FFF) ||
      !svcb_is_transport(quoted->protocol))
    return false;
  __builtin_memset(reply, 0, sizeof(*reply));
  reply->to.address = quoted->saddr;
  reply->to.port = ports->source;
  reply->to.protocol = quoted->protocol;
  reply->source = quoted->daddr;
  reply->source_port = ports->dest;
  return true;
}

static __always_inline bool svcb_quoted6(const struct ipv6hdr *quoted, const struct svcb_ports *ports,
                                         struct svcb_flow6 *reply) {
  if (quoted->version != 6 || !svcb_is_transport(quoted->nexthdr))
    return false;
  __builtin_memset(reply, 0, sizeof(*reply));
  svcb_copy6(reply->to.address, quoted->saddr.in6_u.u6_addr32);
  reply->to.port = ports->source;
  reply->to.protocol = quoted->nexthdr;
  svcb_copy6(reply->source, quoted->daddr.in6_u.u6_addr32);
  reply->source_port = ports->dest;
  return true;
}

/* `length`: of the whole frame. */
static __always_inline enum svcb_outcome svcb_icmp4(void *data, void *data_end, __u32 length) {
  struct svcb_error4 *error = data + SVCB_L3;
  struct svcb_flow4 reply, back; /* to what is quoted; see svcb_way_back4() */
  enum svcb_outcome outcome;
  __u64 changed;
  __u16 checksum;

  if ((void *)(error + 1) > data_end)
    return SVCB_NOT_TCP_UDP;
  outcome = svcb_check_error4(&error->ip, &error->icmp, sizeof(*error), length);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (!svcb_quoted4(&error->quoted, &error->ports, &reply) || !svcb_way_back4(&reply, &back))
    return SVCB_NOT_TCP_UDP;

  changed = svcb_changed32(reply.to.address, back.to.address) + svcb_changed32(reply.source, back.source);
  checksum = svcb_checksum_after(error->quoted.check, changed);
  changed += svcb_changed16(error->quoted.check, checksum) + svcb_changed16(reply.to.port, back.to.port) +
             svcb_changed16(reply.source_port, back.source_port);
  error->quoted.check = checksum;
  error->quoted.saddr = back.to.address;
  error->quoted.daddr = back.source;
  error->ports.source = back.to.port;
  error->ports.dest = back.source_port;
  error->icmp.checksum = svcb_checksum_after(error->icmp.checksum, changed);

  changed = svcb_changed32(error->ip.daddr, back.to.address);
  if (error->ip.saddr == reply.source) {
    changed += svcb_changed32(error->ip.saddr, back.source);
    error->ip.saddr = back.source;
  }
  error->ip.daddr = back.to.address;
  error->ip.check = svcb_checksum_after(error->ip.check, changed);
  svcb_event(SVCB_ICMP_TRANSLATED);
  return SVCB_TRANSLATED;
}

static __always_inline enum svcb_outcome svcb_icmp6(void *data, void *data_end, __u32 length) {
  struct svcb_error6 *error = data + SVCB_L3;
  struct svcb_flow6 reply, back;
  enum svcb_outcome outcome;
  __be32 outer[4];
  __u64 changed;

  if ((void *)(error + 1) > data_end)
    return SVCB_NOT_TCP_UDP;
  outcome = svcb_check_error6(&error->ip, &error->icmp, sizeof(*error), length);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (!svcb_quoted6(&error->quoted, &error->ports, &reply) || !svcb_way_back6(&reply, &back))
    return SVCB_NOT_TCP_UDP;

  changed = svcb_changed128(reply.to.address, back.to.address) +
            svcb_changed128(reply.source, back.source) + svcb_changed16(reply.to.port, back.to.port) +
            svcb_changed16(reply.source_port, back.source_port);
  svcb_copy6(error->quoted.saddr.in6_u.u6_addr32, back.to.address);
  svcb_copy6(error->quoted.daddr.in6_u.u6_addr32, back.source);
  error->ports.source = back.to.port;
  error->ports.dest = back.source_port;

  svcb_copy6(outer, error->ip.daddr.in6_u.u6_addr32); /* the pseudo header holds the outer addresses */
  changed += svcb_changed128(outer, back.to.address);
  svcb_copy6(error->ip.daddr.in6_u.u6_addr32, back.to.address);
  svcb_copy6(outer, error->ip.saddr.in6_u.u6_addr32);
  if (svcb_same_words(outer, reply.source, 4)) {
    changed += svcb_changed128(outer, back.source);
    svcb_copy6(error->ip.saddr.in6_u.u6_addr32, back.source);
  }
  error->icmp.checksum = svcb_checksum_after(error->icmp.checksum, changed);
  svcb_event(SVCB_ICMP_TRANSLATED);
  return SVCB_TRANSLATED;
}

/* Whether an address is one host's (RFC 1812 4.3.2.7, RFC 4443 2.4): none of this network, of loopback, of
 * multicast, reserved or broadcast. */
static __always_inline bool svcb_is_host4(__be32 address) {
  __u32 first = bpf_ntohl(address) >> 24;

  return first != 0 && first != 127 && first < 224;
}

static __always_inline bool svcb_is_host6(const __be32 address[4]) {
  return (address[0] & bpf_htonl(0xFF000000)) != bpf_htonl(0xFF000000) &&
         (address[0] | address[1] | address[2] | (address[3] & bpf_htonl(~1U)));
}

/* ---- errors of the node's own ---- */

/* What an error is made from: the packet that it is about, as it stood. */
struct svcb_quote {
  __u8 to[6];   /* of the Ethernet header */
  __u8 from[6]; /* */
  union {
    struct {
      struct iphdr ip;
      struct svcb_ports ports;
    } v4;
    struct {
      struct ipv6hdr ip;
      struct svcb_ports ports;
    } v6;
    __u32 words[12];
  };
};

static __always_inline bool svcb_take_quote(void *data, void *data_end, bool ipv6,
                                            struct svcb_quote *quote) {
  struct ethhdr *eth = data;
  __u32 *words = data + SVCB_L3;

  if (data + SVCB_L3 + (ipv6 ? sizeof(quote->v6) : sizeof(quote->v4)) > data_end)
    return false;
  __builtin_memcpy(quote->to, eth->h_dest, 6);
  __builtin_memcpy(quote->from, eth->h_source, 6);
  for (__u32 i = 0; i < sizeof(quote->v4) / 4; i++)
    quote->words[i] = words[i];
  if (ipv6) /* not one loop of either length: clang 19 makes a call to memcpy() of it */
    for (__u32 i = sizeof(quote->v4) / 4; i < sizeof(quote->v6) / 4; i++)
      quote->words[i] = words[i];
  return true;
}

/* A jumbogram's option is its sender's kernel's own: by what stands behind it the sender knows the packet.
 */
static __always_inline void svcb_quote_behind_jumbo(void *data, void *data_end, struct svcb_quote *quote) {
  struct svcb_jumbo *jumbo = data + SVCB_L4_V6;
  struct svcb_ports *ports = (void *)(jumbo + 1);

  if (quote->v6.ip.nexthdr || (void *)(ports + 1) > data_end)
    return;
  quote->v6.ip.nexthdr = jumbo->next_header;
  quote->v6.ports = *ports;
}

/* Whether an error may be about this packet: about no other error, nor a later fragment (RFC 1812 4.3.2.7,
 * RFC 4443 2.4). */
static __always_inline bool svcb_may_be_quoted(const struct svcb_quote *quote, bool ipv6) {
  if (ipv6)
    return svcb_is_transport(quote->v6.ip.nexthdr) || quote->v6.ip.nexthdr == SVCB_NEXT_FRAGMENT;
  return svcb_is_transport(quote->v4.ip.protocol) && !(quote->v4.ip.frag_off & bpf_htons(0x1FFF));
}

static __always_inline __u64 svcb_sum_words(const void *from, __u32 words, __u64 sum) {
  const __u32 *word = from;

  for (__u32 i = 0; i < words; i++)
    sum += word[i];
  return sum;
}

static __always_inline void svcb_write_ethernet(struct ethhdr *eth, const struct svcb_quote *quote,
                                                __be16 type) {
  __builtin_memcpy(eth->h_dest, quote->from, 6);
  __builtin_memcpy(eth->h_source, quote->to, 6);
  eth->h_proto = type;
}

/* Writes the error over a frame that has its size, back to where the quoted packet came from, and from
 * where it was going. */
static __always_inline bool svcb_write_error4(void *data, void *data_end, const struct svcb_quote *quote,
                                              __u8 code, __u16 mtu) {
  struct svcb_error4 *error = data + SVCB_L3;
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_ICMP};
  struct svcb_icmp icmp = {.type = SVCB_ICMP_UNREACHABLE, .code = code, .mtu = bpf_htons(mtu)};
  __u32 *words;

  if ((void *)(error + 1) > data_end)
    return false;
  ip.tot_len = bpf_htons(sizeof(*error));
  ip.saddr = quote->v4.ip.daddr;
  ip.daddr = quote->v4.ip.saddr;
  ip.check = svcb_checksum_after(0xFFFF, svcb_sum_words(&ip, sizeof(ip) / 4, 0));
  icmp.checksum = svcb_checksum_after(0xFFFF, svcb_sum_words(quote->words, sizeof(quote->v4) / 4,
                                                             svcb_sum_words(&icmp, sizeof(icmp) / 4, 0)));
  svcb_write_ethernet(data, quote, bpf_htons(SVCB_ETH_P_IP));
  error->ip = ip;
  error->icmp = icmp;
  words = (__u32 *)&error->quoted;
  for (__u32 i = 0; i < sizeof(quote->v4) / 4; i++)
    words[i] = quote->words[i];
  return true;
}

static __always_inline bool svcb_write_error6(void *data, void *data_end, const struct svcb_quote *quote,
                                              __u8 type, __u8 code, __u32 mtu) {
  struct svcb_error6 *error = data + SVCB_L3;
  struct svcb_icmp6 icmp = {.type = type, .code = code, .mtu = bpf_htonl(mtu)};
  const __u16 length = sizeof(struct svcb_icmp6) + sizeof(quote->v6);
  __u64 sum;
  __u32 *words;

  if ((void *)(error + 1) > data_end)
    return false;
  sum = svcb_sum_words(&quote->v6.ip.saddr, 8, 0); /* both addresses */
  sum += bpf_htonl(length) + (__u64)bpf_htonl(SVCB_ICMPV6);
  sum = svcb_sum_words(&icmp, sizeof(icmp) / 4, sum);
  icmp.checksum = svcb_checksum_after(0xFFFF, svcb_sum_words(quote->words, sizeof(quote->v6) / 4, sum));
  svcb_write_ethernet(data, quote, bpf_htons(SVCB_ETH_P_IPV6));
  *(__be32 *)&error->ip = bpf_htonl(6U << 28);
  error->ip.payload_len = bpf_htons(length);
  error->ip.nexthdr = SVCB_ICMPV6;
  error->ip.hop_limit = 64;
  svcb_copy6(error->ip.saddr.in6_u.u6_addr32, quote->v6.ip.daddr.in6_u.u6_addr32);
  svcb_copy6(error->ip.daddr.in6_u.u6_addr32, quote->v6.ip.saddr.in6_u.u6_addr32);
  error->icmp = icmp;
  words = (__u32 *)&error->quoted;
  for (__u32 i = 0; i < sizeof(quote->v6) / 4; i++)
    words[i] = quote->words[i];
  return true;
}

enum svcb_complaint { SVCB_COMPLAIN_PORT, SVCB_COMPLAIN_SIZE };

static __always_inline bool svcb_write_error(void *data, void *data_end, bool ipv6,
                                             const struct svcb_quote *quote, enum svcb_complaint what,
                                             __u32 mtu) {
  if (ipv6)
    return svcb_write_error6(data, data_end, quote,
                             what == SVCB_COMPLAIN_PORT ? SVCB_ICMP6_UNREACHABLE : SVCB_ICMP6_TOO_BIG,
                             what == SVCB_COMPLAIN_PORT ? SVCB_ICMP6_PORT : 0, mtu);
  return svcb_write_error4(data, data_end, quote,
                           what == SVCB_COMPLAIN_PORT ? SVCB_ICMP_PORT : SVCB_ICMP_TOO_BIG, mtu);
}

#define SVCB_EACH "icmp_way.bpf.h"
#include "on_each_way.bpf.h"

#define SVCB_EACH "icmp_hook.bpf.h"
#include "on_each_hook.bpf.h"

#endif
