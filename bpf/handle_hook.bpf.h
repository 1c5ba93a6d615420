/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One hook of handle.bpf.h. No include guard: included for each. */

static __always_inline enum svcb_outcome ON(handle)(struct ON(context) * ctx, bool tracking) {
  enum svcb_outcome outcome;
  bool ipv6;

  if (ON(tagged)(ctx))
    return svcb_count(SVCB_VLAN);
  ON(linear)(ctx, SVCB_HEADERS);
  outcome = svcb_parse_ethernet((void *)(long)ctx->data, (void *)(long)ctx->data_end, &ipv6);
  if (outcome == SVCB_TRANSLATED && settings.dsr)
    outcome = ipv6 ? ON(direct6)(ctx) : ON(direct4)(ctx);
  else if (outcome == SVCB_TRANSLATED)
    outcome = ipv6 ? ON(handle6)(ctx, tracking) : ON(handle4)(ctx, tracking);
  return svcb_count(outcome);
}
