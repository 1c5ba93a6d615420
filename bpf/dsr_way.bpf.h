/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of dsr.bpf.h. No include guard: included for each. */

static __always_inline enum svcb_outcome ON_OF(wrap)(struct ON(context) * ctx,
                                                     const struct OF(svcb_flow) * to) {
  struct OF(svcb_ip) * outer;
  /* A datagram is as long as its sender has said; of a stream each piece may be a little shorter. */
  __u64 fixed = to->to.protocol == IPPROTO_UDP ? BPF_F_ADJ_ROOM_FIXED_GSO : 0;

  if (!ON(make_room)(ctx, sizeof(*outer), OF(SVCB_WRAPPED_IN) | fixed))
    return SVCB_NOT_REWRITTEN;
  outer = (void *)(long)ctx->data + SVCB_L3;
  if ((void *)(outer + 2) > (void *)(long)ctx->data_end)
    return SVCB_NOT_REWRITTEN;
  OF(svcb_wrap)(outer, outer + 1, to->to.address);
  return SVCB_TRANSLATED;
}
