/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of icmp.bpf.h. No include guard: included for each. */

/* A function by itself, whose frame does not add up with those of the common path. */
__noinline int ON_OF(icmp)(struct ON(context) * ctx) {
  ON(linear)(ctx, SVCB_L3 + sizeof(struct OF(svcb_error)));
  return OF(svcb_icmp)((void *)(long)ctx->data, (void *)(long)ctx->data_end, ON(length)(ctx));
}
