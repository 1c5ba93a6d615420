/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The data plane at the socket: a client that dials a frontend is given a backend's address before there is
 * a packet, and packets on the wire carry the backend's address both ways.
 *
 * The client must not notice. What it dialled is remembered by socket and backend, and given back where the
 * kernel would show the backend: as the source of a datagram, and as the socket's peer.
 *
 * The balance core finds the service. Its choice by a hash of the five-tuple has no source port to hash
 * here: the kernel binds a socket only after these hooks.
 */
#ifndef SVCB_SOCK_BPF_H
#define SVCB_SOCK_BPF_H

#define SVCB_ECONNREFUSED 111
#define SVCB_EHOSTUNREACH 113

#define SVCB_ESTABLISHED 1 /* of a UDP socket: connected */

/* Verdicts of a cgroup's program. */
#define SVCB_SOCK_REFUSE 0
#define SVCB_SOCK_ALLOW 1

/* Whom a socket talks to: its cookie, which the kernel never gives to another socket, and a backend in the
 * form of a frontend. */
struct svcb_peer4 {
  __u64 cookie;
  struct svcb_frontend4 backend;
};

struct svcb_peer6 {
  __u64 cookie;
  struct svcb_frontend6 backend;
  __u32 pad;
};

/* Whom it dialled. One of two frontends with a backend in common is lost to a socket that dials both: the
 * later one answers. An entry outlives its socket and is evicted as the oldest (a hook for the release of
 * a socket could not name its entries without walking them). */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_peer4);
  __type(value, struct svcb_frontend4);
} peers4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_peer6);
  __type(value, struct svcb_frontend6);
} peers6 SEC(".maps");

/* Whether these programs may call bpf_set_retval(): kernel 6.1. Without it a refused call fails with
 * EPERM. */
const volatile bool chooses_errno = false;

/* A store at a constant offset from the context, which is all that the verifier takes: left to itself,
 * clang merges the stores of two branches into one at a computed address. */
#define SVCB_WRITE_CTX(ctx, field, value)                                                        \
  asm volatile("*(u32 *)(%[base] + %[offset]) = %[word]"                                         \
               :                                                                                 \
               : [base] "r"(ctx), [offset] "i"(__builtin_offsetof(struct bpf_sock_addr, field)), \
                 [word] "r"((__u64)(value))                                                      \
               : "memory")

/* A service that the socket cannot go to. Where a packet would be dropped, for the endpoints are all on
 * other nodes, there is no packet yet: the caller is told, and need not wait. */
static __always_inline int svcb_refuse(__u64 word) {
  if (chooses_errno)
    bpf_set_retval(svcb_nobody(word) == SVCB_ELSEWHERE ? -SVCB_EHOSTUNREACH : -SVCB_ECONNREFUSED);
  return SVCB_SOCK_REFUSE;
}

static __always_inline bool svcb_balanced(const struct bpf_sock_addr *ctx) {
  return ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP;
}

/* ::ffff:a.b.c.d, by which an IPv6 socket means an IPv4 address. */
static __always_inline bool svcb_is_mapped(const struct bpf_sock_addr *ctx) {
  return !ctx->user_ip6[0] && !ctx->user_ip6[1] && ctx->user_ip6[2] == bpf_htonl(0xFFFF);
}

/* The address that the context holds now: dialled on the way out, a backend's on the way in. */
static __always_inline struct svcb_frontend4 svcb_address4(const struct bpf_sock_addr *ctx,
                                                           __be32 address) {
  struct svcb_frontend4 result = {
      .address = address, .port = (__be16)ctx->user_port, .protocol = (__u8)ctx->protocol};

  return result;
}

static __always_inline struct svcb_frontend6 svcb_address6(const struct bpf_sock_addr *ctx) {
  struct svcb_frontend6 result = {.port = (__be16)ctx->user_port, .protocol = (__u8)ctx->protocol};

  result.address[0] = ctx->user_ip6[0];
  result.address[1] = ctx->user_ip6[1];
  result.address[2] = ctx->user_ip6[2];
  result.address[3] = ctx->user_ip6[3];
  return result;
}

/* What a backend is drawn by. A connection takes any. Datagrams of one unconnected socket to one frontend
 * go to one backend as long as the service keeps its endpoints, as they do under connection tracking. */
static __always_inline __u32 svcb_draw(bool connecting, __u64 cookie, __u64 tag) {
  return connecting ? bpf_get_prandom_u32() : svcb_mix(cookie * SVCB_MIX_1 + tag * SVCB_MIX_2);
}

/* Whether an address that is no frontend is dialled by the user. Not where an IPv6 socket is connected to a
 * mapped address: the kernel hands each of its datagrams to the IPv4 hook as if its peer were dialled. */
static __always_inline bool svcb_is_dialled(const struct bpf_sock_addr *ctx, bool connecting) {
  const struct bpf_sock *sk = ctx->sk;

  return connecting || (sk && sk->state != SVCB_ESTABLISHED);
}

/* The client whose affinity it is: a network namespace, so a pod, or the node itself. */
static __always_inline void svcb_name_client4(struct svcb_flow4 *client, __u64 netns) {
  client->source = (__be32)netns;
}

static __always_inline void svcb_name_client6(struct svcb_flow6 *client, __u64 netns) {
  client->source[0] = (__be32)netns;
  client->source[1] = (__be32)(netns >> 32);
}

#define SVCB_EACH "sock_family.bpf.h"
#include "on_each_family.bpf.h"

/* connect() and sendmsg() of an IPv4 socket; of an IPv6 socket, svcb_sock_out6(). The kernel hands a
 * datagram for a mapped address to the IPv4 hook by itself, a connection not. */
static __always_inline int svcb_sock_out4(struct bpf_sock_addr *ctx, bool connecting) {
  struct svcb_frontend4 to;
  bool found = false;
  int verdict;

  if (!svcb_balanced(ctx))
    return SVCB_SOCK_ALLOW;
  to = svcb_address4(ctx, ctx->user_ip4);
  verdict = svcb_dial4(ctx, connecting, &to, &found);
  if (found) {
    SVCB_WRITE_CTX(ctx, user_ip4, to.address);
    SVCB_WRITE_CTX(ctx, user_port, to.port);
  }
  return verdict;
}

static __always_inline int svcb_sock_out6(struct bpf_sock_addr *ctx, bool connecting) {
  struct svcb_frontend4 mapped;
  struct svcb_frontend6 to;
  bool found = false;
  int verdict;

  if (!svcb_balanced(ctx))
    return SVCB_SOCK_ALLOW;
  if (svcb_is_mapped(ctx)) {
    mapped = svcb_address4(ctx, ctx->user_ip6[3]);
    verdict = svcb_dial4(ctx, connecting, &mapped, &found);
    if (found) {
      SVCB_WRITE_CTX(ctx, user_ip6[3], mapped.address);
      SVCB_WRITE_CTX(ctx, user_port, mapped.port);
    }
    return verdict;
  }
  to = svcb_address6(ctx);
  verdict = svcb_dial6(ctx, connecting, &to, &found);
  if (found) {
    SVCB_WRITE_CTX(ctx, user_ip6[0], to.address[0]);
    SVCB_WRITE_CTX(ctx, user_ip6[1], to.address[1]);
    SVCB_WRITE_CTX(ctx, user_ip6[2], to.address[2]);
    SVCB_WRITE_CTX(ctx, user_ip6[3], to.address[3]);
    SVCB_WRITE_CTX(ctx, user_port, to.port);
  }
  return verdict;
}

/* What the socket dialled, where the kernel is about to show a backend; null: it dialled the backend. */
static __always_inline const struct svcb_frontend4 *svcb_dialled4(struct bpf_sock_addr *ctx,
                                                                  __be32 address) {
  struct svcb_peer4 peer = {.cookie = bpf_get_socket_cookie(ctx), .backend = svcb_address4(ctx, address)};

  return bpf_map_lookup_elem(&peers4, &peer);
}

/* recvmsg() and getpeername(): these hooks may not refuse. */
static __always_inline int svcb_sock_in4(struct bpf_sock_addr *ctx) {
  const struct svcb_frontend4 *dialled;

  if (!svcb_balanced(ctx))
    return SVCB_SOCK_ALLOW;
  dialled = svcb_dialled4(ctx, ctx->user_ip4);
  if (dialled) {
    SVCB_WRITE_CTX(ctx, user_ip4, dialled->address);
    SVCB_WRITE_CTX(ctx, user_port, dialled->port);
  }
  return SVCB_SOCK_ALLOW;
}

static __always_inline int svcb_sock_in6(struct bpf_sock_addr *ctx) {
  struct svcb_peer6 peer = {};
  const struct svcb_frontend4 *mapped;
  const struct svcb_frontend6 *dialled;

  if (!svcb_balanced(ctx))
    return SVCB_SOCK_ALLOW;
  if (svcb_is_mapped(ctx)) {
    mapped = svcb_dialled4(ctx, ctx->user_ip6[3]);
    if (mapped) {
      SVCB_WRITE_CTX(ctx, user_ip6[3], mapped->address);
      SVCB_WRITE_CTX(ctx, user_port, mapped->port);
    }
    return SVCB_SOCK_ALLOW;
  }
  peer.cookie = bpf_get_socket_cookie(ctx);
  peer.backend = svcb_address6(ctx);
  dialled = bpf_map_lookup_elem(&peers6, &peer);
  if (dialled) {
    SVCB_WRITE_CTX(ctx, user_ip6[0], dialled->address[0]);
    SVCB_WRITE_CTX(ctx, user_ip6[1], dialled->address[1]);
    SVCB_WRITE_CTX(ctx, user_ip6[2], dialled->address[2]);
    SVCB_WRITE_CTX(ctx, user_ip6[3], dialled->address[3]);
    SVCB_WRITE_CTX(ctx, user_port, dialled->port);
  }
  return SVCB_SOCK_ALLOW;
}

#endif
