/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of fragment.bpf.h. No include guard: included for each. */

__noinline int ON_OF(part)(struct ON(context) * ctx, struct OF(svcb_flow) * flow,
                           struct svcb_segment *segment) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  return flow && segment ? OF(svcb_part)(data, data_end, ON(length)(ctx), flow, segment) : SVCB_WHOLE;
}

/* The ports of a first fragment's datagram, for those that come after it. */
__noinline int ON_OF(note_part)(struct ON(context) * ctx, const struct OF(svcb_flow) * from) {
  struct svcb_view view = SVCB_VIEW(ctx);

  if (!from || view.data + OF(SVCB_L4_PART) > view.end)
    return false;
  OF(svcb_note)(from, OF(svcb_part_id)(view.data));
  return true;
}

/* A fragment of the flow `from` becomes one of `to`. The first one's checksum is its datagram's. */
__noinline int ON_OF(rewrite_part)(struct ON(context) * ctx, const struct OF(svcb_flow) * from,
                                   const struct OF(svcb_flow) * to, int part) {
  struct svcb_view view = SVCB_VIEW(ctx);

  if (!from || !to)
    return SVCB_NOT_REWRITTEN;
  if (part == SVCB_LATER_PART)
    return ON_OF(readdress)(ctx, from, to);
  if (view.data + OF(SVCB_L4_PART) > view.end)
    return SVCB_NOT_REWRITTEN;
  if (part == SVCB_FIRST_PART)
    OF(svcb_note)(from, OF(svcb_part_id)(view.data));
  return ON_OF(rewrite)(ctx, view, OF(SVCB_L4_PART), from, to);
}
