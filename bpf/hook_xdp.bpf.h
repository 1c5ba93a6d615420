/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP: the frame is raw memory, and its checksums are whole. */
#ifndef SVCB_HOOK_XDP_BPF_H
#define SVCB_HOOK_XDP_BPF_H

#define svcb_xdp_context xdp_md
#define svcb_xdp_pass XDP_PASS
#define svcb_xdp_drop XDP_DROP

/* What the hook sees is what goes over the wire. */
static __always_inline __u32 svcb_xdp_segment(struct xdp_md *ctx) { return 0; }

static __always_inline int svcb_xdp_back(struct xdp_md *ctx) { return XDP_TX; }

static __always_inline __u32 svcb_xdp_length(struct xdp_md *ctx) { return ctx->data_end - ctx->data; }

/* A VLAN tag stands in the frame. */
static __always_inline bool svcb_xdp_tagged(struct xdp_md *ctx) { return false; }

static __always_inline void svcb_xdp_linear(struct xdp_md *ctx, __u32 most) {}

static __always_inline void svcb_xdp_resum(struct xdp_md *ctx, __u64 changed) {}

static __always_inline void svcb_xdp_sum_more(struct xdp_md *ctx, void *bytes, __u32 size) {}

/* The transport header at this offset. False, and nothing written, where the verifier cannot see that it is
 * there (the parser did). */
static __always_inline bool svcb_xdp_retransport(struct xdp_md *ctx, struct svcb_view *view, __u32 at,
                                                 const struct svcb_change *change) {
  __u64 changed = change->addresses + svcb_changed_ports(change);

  if (change->protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = view->data + at;

    if ((void *)(tcp + 1) > view->end)
      return false;
    tcp->check = svcb_checksum_after(tcp->check, changed);
    tcp->source = *change->source;
    tcp->dest = *change->port;
  } else {
    struct udphdr *udp = view->data + at;

    if ((void *)(udp + 1) > view->end)
      return false;
    udp->check = svcb_udp_checksum_after(udp->check, changed);
    udp->source = *change->source;
    udp->dest = *change->port;
  }
  return true;
}

/* Room for an IP header between that of Ethernet and the one that follows it. */
static __always_inline bool svcb_xdp_make_room(struct xdp_md *ctx, int size, __u64 wrapped_in) {
  struct ethhdr *eth;

  if (bpf_xdp_adjust_head(ctx, -size))
    return false;
  eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) + size > (void *)(long)ctx->data_end)
    return false;
  *eth = *(struct ethhdr *)((void *)eth + size);
  return true;
}

static __always_inline bool svcb_xdp_take_room(struct xdp_md *ctx, int size) {
  void *data = (void *)(long)ctx->data;
  struct ethhdr eth;

  if (data + sizeof(eth) > (void *)(long)ctx->data_end)
    return false;
  eth = *(struct ethhdr *)data;
  if (bpf_xdp_adjust_head(ctx, size))
    return false;
  data = (void *)(long)ctx->data;
  if (data + sizeof(eth) > (void *)(long)ctx->data_end)
    return false;
  *(struct ethhdr *)data = eth;
  return true;
}

/* `head` more bytes in front, and no more than `length` in all. */
static __always_inline bool svcb_xdp_resize(struct xdp_md *ctx, __u32 head, __u32 length) {
  int before = ctx->data_end - ctx->data;

  return !bpf_xdp_adjust_head(ctx, -(int)head) && !bpf_xdp_adjust_tail(ctx, (int)(length - head) - before);
}

#endif
