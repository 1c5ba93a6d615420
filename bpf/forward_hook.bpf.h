/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One hook of forward.bpf.h. No include guard: included for each. */

/* Sends an error back, unless it must not be sent. */
static __always_inline int ON(answer)(struct ON(context) * ctx, bool ipv6, enum svcb_event sent) {
  if (!svcb_may_send((void *)(long)ctx->data, (void *)(long)ctx->data_end, ipv6)) {
    svcb_event(SVCB_ERROR_WITHHELD);
    return ON(drop);
  }
  svcb_event(sent);
  return ON(back)(ctx);
}

/* Turns a packet that is too large for its route into an error to its sender. False: it is unusable, or the
 * error names no flow, so that its sender would not know it. */
static __always_inline bool ON(too_big)(struct ON(context) * ctx, bool ipv6, __u32 mtu) {
  if ((settings.dsr && !ON(unwrap)(ctx, ipv6)) ||
      !ON(complain)(ctx, ipv6, SVCB_COMPLAIN_SIZE, svcb_room(mtu, ipv6)))
    return false;
  return !settings.tracking || ON(icmp)(ctx, ipv6) == SVCB_TRANSLATED;
}

/* What becomes of a translated packet. */
static __always_inline int ON(forward)(struct ON(context) * ctx) {
  struct bpf_fib_lookup route;
  bool ipv6;
  long result;

  if (!settings.forwarding)
    return ON(pass);
  result = svcb_route(ctx, ctx->ingress_ifindex, (void *)(long)ctx->data, (void *)(long)ctx->data_end,
                      ON(segment)(ctx), &ipv6, &route);
  if (result == BPF_FIB_LKUP_RET_SUCCESS)
    return bpf_redirect(route.ifindex, 0);
  if (result == BPF_FIB_LKUP_RET_FRAG_NEEDED && (settings.tracking || settings.dsr))
    return ON(too_big)(ctx, ipv6, route.mtu_result) ? ON(answer)(ctx, ipv6, SVCB_TOO_BIG) : ON(drop);
  return ON(pass);
}

/* What becomes of the others. */
static __always_inline int ON(verdict)(struct ON(context) * ctx, enum svcb_outcome outcome) {
  bool ipv6;

  if (outcome == SVCB_NO_ENDPOINT && settings.forwarding &&
      svcb_parse_ethernet((void *)(long)ctx->data, (void *)(long)ctx->data_end, &ipv6) == SVCB_TRANSLATED)
    return ON(complain)(ctx, ipv6, SVCB_COMPLAIN_PORT, 0) ? ON(answer)(ctx, ipv6, SVCB_REFUSED) : ON(drop);
  return svcb_is_dropped(outcome) ? ON(drop) : ON(pass);
}
