/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet through the data plane, counted, on either hook. `tracking`: flows are remembered; a constant,
 * so that the code for the other case is not there. */
#ifndef SVCB_HANDLE_BPF_H
#define SVCB_HANDLE_BPF_H

static __always_inline enum svcb_outcome svcb_xdp_handle4(struct xdp_md *ctx, bool tracking) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct svcb_flow4 from, to;
  __u8 tcp_flags = 0;
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = svcb_parse4(data, data_end, data_end - data, &from, &tcp_flags);

  if (outcome == SVCB_NOT_TCP_UDP && tracking)
    return svcb_xdp_icmp(ctx, false);
  if (outcome == SVCB_FRAGMENT && tracking) {
    __builtin_memset(&from, 0, sizeof(from));
    part = svcb_xdp_part4(ctx, &from);
    outcome = part ? SVCB_TRANSLATED : SVCB_FRAGMENT;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = tracking ? svcb_track4(&from, tcp_flags, &to) : svcb_balance4(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part)
    return svcb_xdp_rewrite_part4(ctx, &from, &to, part);
  return settings.dsr ? svcb_xdp_wrap4(ctx, &to) : svcb_xdp_rewrite4(data, data_end, &from, &to);
}

static __always_inline enum svcb_outcome svcb_xdp_handle6(struct xdp_md *ctx, bool tracking) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct svcb_flow6 from, to;
  __u8 tcp_flags = 0;
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = svcb_parse6(data, data_end, data_end - data, &from, &tcp_flags);

  if (outcome == SVCB_NOT_TCP_UDP && tracking)
    return svcb_xdp_icmp(ctx, true);
  if (outcome == SVCB_FRAGMENT && tracking) {
    __builtin_memset(&from, 0, sizeof(from));
    part = svcb_xdp_part6(ctx, &from);
    outcome = part ? SVCB_TRANSLATED : SVCB_FRAGMENT;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = tracking ? svcb_track6(&from, tcp_flags, &to) : svcb_balance6(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part)
    return svcb_xdp_rewrite_part6(ctx, &from, &to, part);
  return settings.dsr ? svcb_xdp_wrap6(ctx, &to) : svcb_xdp_rewrite6(data, data_end, &from, &to);
}

static __always_inline enum svcb_outcome svcb_tc_handle4(struct __sk_buff *skb, bool tracking) {
  void *data = (void *)(long)skb->data;
  void *data_end = (void *)(long)skb->data_end;
  struct svcb_flow4 from, to;
  __u8 tcp_flags = 0;
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = svcb_parse4(data, data_end, skb->len, &from, &tcp_flags);

  if (outcome == SVCB_NOT_TCP_UDP && tracking)
    return svcb_tc_icmp(skb, false);
  if (outcome == SVCB_FRAGMENT && tracking) {
    __builtin_memset(&from, 0, sizeof(from));
    part = svcb_tc_part4(skb, &from);
    outcome = part ? SVCB_TRANSLATED : SVCB_FRAGMENT;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = tracking ? svcb_track4(&from, tcp_flags, &to) : svcb_balance4(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part)
    return svcb_tc_rewrite_part4(skb, &from, &to, part);
  return settings.dsr ? svcb_tc_wrap4(skb, &to) : svcb_tc_rewrite4(skb, &from, &to);
}

static __always_inline enum svcb_outcome svcb_tc_handle6(struct __sk_buff *skb, bool tracking) {
  void *data = (void *)(long)skb->data;
  void *data_end = (void *)(long)skb->data_end;
  struct svcb_flow6 from, to;
  __u8 tcp_flags = 0;
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = svcb_parse6(data, data_end, skb->len, &from, &tcp_flags);

  if (outcome == SVCB_NOT_TCP_UDP && tracking)
    return svcb_tc_icmp(skb, true);
  if (outcome == SVCB_FRAGMENT && tracking) {
    __builtin_memset(&from, 0, sizeof(from));
    part = svcb_tc_part6(skb, &from);
    outcome = part ? SVCB_TRANSLATED : SVCB_FRAGMENT;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = tracking ? svcb_track6(&from, tcp_flags, &to) : svcb_balance6(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part)
    return svcb_tc_rewrite_part6(skb, &from, &to, part);
  return settings.dsr ? svcb_tc_wrap6(skb, &to) : svcb_tc_rewrite6(skb, &from, &to);
}

static __always_inline enum svcb_outcome svcb_xdp_handle(struct xdp_md *ctx, bool tracking) {
  bool ipv6;
  enum svcb_outcome outcome =
      svcb_parse_ethernet((void *)(long)ctx->data, (void *)(long)ctx->data_end, &ipv6);

  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? svcb_xdp_handle6(ctx, tracking) : svcb_xdp_handle4(ctx, tracking);
  return svcb_count(outcome);
}

static __always_inline enum svcb_outcome svcb_tc_handle(struct __sk_buff *skb, bool tracking) {
  enum svcb_outcome outcome;
  bool ipv6;

  if (skb->vlan_present) /* the tag was taken off the frame, not off the packet */
    return svcb_count(SVCB_VLAN);
  svcb_tc_linear(skb, SVCB_HEADERS);
  outcome = svcb_parse_ethernet((void *)(long)skb->data, (void *)(long)skb->data_end, &ipv6);
  if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? svcb_tc_handle6(skb, tracking) : svcb_tc_handle4(skb, tracking);
  return svcb_count(outcome);
}

#endif
