/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One hook of icmp.bpf.h. No include guard: included for each. */

static __always_inline int ON(icmp)(struct ON(context) * ctx, bool ipv6) {
  return ipv6 ? ON(icmp6)(ctx) : ON(icmp4)(ctx);
}

/* Turns the packet into an error about itself, to be sent back by the device that it came in by. Where the
 * packet had been translated already, the error is to be, too (above). False: it is unusable. */
__noinline int ON(complain)(struct ON(context) * ctx, int ipv6, int what, __u32 mtu) {
  const __u32 length = SVCB_L3 + (ipv6 ? sizeof(struct svcb_error6) : sizeof(struct svcb_error4));
  const __u32 quoted = SVCB_L3 + (ipv6 ? 48 : 28);
  struct svcb_quote quote = {};

  if (!svcb_take_quote((void *)(long)ctx->data, (void *)(long)ctx->data_end, ipv6, &quote))
    return false;
  if (ipv6)
    svcb_quote_behind_jumbo((void *)(long)ctx->data, (void *)(long)ctx->data_end, &quote);
  if (!svcb_may_be_quoted(&quote, ipv6) || !ON(resize)(ctx, length - quoted, length))
    return false;
  return svcb_write_error((void *)(long)ctx->data, (void *)(long)ctx->data_end, ipv6, &quote, what, mtu);
}
