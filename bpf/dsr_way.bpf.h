/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of dsr.bpf.h. No include guard: included for each. */

/* A packet of the flow `from`, or an error about one, goes to the backend of `to`. */
static __always_inline enum svcb_outcome ON_OF(wrap)(struct ON(context) * ctx,
                                                     const struct OF(svcb_flow) * from,
                                                     const struct OF(svcb_flow) * to) {
  struct OF(svcb_ip) * outer;
  /* A datagram is as long as its sender has said; of a stream each piece may be a little shorter. */
  __u64 fixed = to->to.protocol == IPPROTO_UDP ? BPF_F_ADJ_ROOM_FIXED_GSO : 0;

  if (!ON(make_room)(ctx, sizeof(*outer), OF(SVCB_WRAPPED_IN) | fixed))
    return SVCB_NOT_REWRITTEN;
  outer = (void *)(long)ctx->data + SVCB_L3;
  if ((void *)(outer + 2) > (void *)(long)ctx->data_end)
    return SVCB_NOT_REWRITTEN;
  OF(svcb_wrap)(outer, outer + 1, to->to.address, OF(svcb_flow_hash)(from));
  if (SVCB_FAMILY == 6) /* which has no checksum that would make the sum over it zero */
    ON(sum_more)(ctx, outer, sizeof(*outer));
  return SVCB_TRANSLATED;
}

/* An error about a packet that was wrapped becomes one about the packet inside. It and the next are
 * functions by themselves, whose frames do not add up. */
__noinline int ON_OF(unwrap_error)(struct ON(context) * ctx) {
  struct svcb_view view;
  __u64 changed;

  ON(linear)(ctx, SVCB_L3 + sizeof(struct OF(svcb_wrapped_error)));
  view = SVCB_VIEW(ctx);
  if (!OF(svcb_tell_sender)(view.data, view.end, ON(length)(ctx), &changed))
    return SVCB_NOT_TCP_UDP;
  ON(resum)(ctx, changed);
  if (!ON(take_room)(ctx, sizeof(struct OF(svcb_ip))))
    return SVCB_NOT_REWRITTEN;
  svcb_event(SVCB_ICMP_TRANSLATED);
  return SVCB_TRANSLATED;
}

/* An error about a packet that a backend has sent goes to that backend. */
__noinline int ON_OF(pass_error)(struct ON(context) * ctx) {
  struct svcb_view view;
  struct OF(svcb_error) * error;
  struct OF(svcb_flow) sent, to;

  ON(linear)(ctx, SVCB_L3 + sizeof(*error));
  view = SVCB_VIEW(ctx);
  error = view.data + SVCB_L3;
  if ((void *)(error + 1) > view.end ||
      OF(svcb_check_error)(&error->ip, &error->icmp, sizeof(*error), ON(length)(ctx)) != SVCB_TRANSLATED)
    return SVCB_NOT_TCP_UDP;
  if (!OF(svcb_quoted)(&error->quoted, &error->ports, &sent) ||
      svcb_words_differ(&sent.to.address, &error->ip.daddr, sizeof(sent.to.address) / 4) ||
      OF(svcb_balance)(&sent, &to) != SVCB_TRANSLATED)
    return SVCB_NOT_TCP_UDP;
  svcb_event(SVCB_ICMP_TRANSLATED);
  return ON_OF(wrap)(ctx, &sent, &to);
}
