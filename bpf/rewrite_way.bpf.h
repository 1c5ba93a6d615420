/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of rewrite.bpf.h. No include guard: included for each. */

/* A packet of the flow `from`, whose transport header stands `at` this offset, becomes one of `to`. */
static __always_inline enum svcb_outcome ON_OF(rewrite)(struct ON(context) * ctx, struct svcb_view view,
                                                        __u32 at, const struct OF(svcb_flow) * from,
                                                        const struct OF(svcb_flow) * to) {
  const struct svcb_change change = {
      .addresses = OF(svcb_changed_addresses)(from, to),
      .protocol = from->to.protocol,
      .from_source = &from->source_port,
      .from_port = &from->to.port,
      .source = &to->source_port,
      .port = &to->to.port,
  };

  if (!ON(retransport)(ctx, &view, at, &change))
    return SVCB_NOT_REWRITTEN;
  if (SVCB_FAMILY == 6)
    ON(resum)(ctx, change.addresses);
  OF(svcb_write_addresses)(view.data + SVCB_L3, to, change.addresses);
  return SVCB_TRANSLATED;
}

/* The addresses alone, which are all that a later fragment holds of its flow. */
static __always_inline enum svcb_outcome ON_OF(readdress)(struct ON(context) * ctx,
                                                          const struct OF(svcb_flow) * from,
                                                          const struct OF(svcb_flow) * to) {
  __u64 changed = OF(svcb_changed_addresses)(from, to);
  struct svcb_view view = SVCB_VIEW(ctx);

  if (view.data + OF(SVCB_L4_V) > view.end)
    return SVCB_NOT_REWRITTEN;
  if (SVCB_FAMILY == 6)
    ON(resum)(ctx, changed);
  OF(svcb_write_addresses)(view.data + SVCB_L3, to, changed);
  return SVCB_TRANSLATED;
}
