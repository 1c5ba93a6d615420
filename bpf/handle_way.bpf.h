/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family on one hook of handle.bpf.h. No include guard: included for each. */

/* Direct server return. */
static __always_inline enum svcb_outcome ON_OF(direct)(struct ON(context) * ctx) {
  struct svcb_view view = SVCB_VIEW(ctx);
  struct OF(svcb_flow) from, to;
  struct svcb_segment segment = {};
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = OF(svcb_parse)(view.data, view.end, ON(length)(ctx), &from, &segment);

  if (outcome == SVCB_NOT_TCP_UDP) {
    outcome = ON_OF(pass_error)(ctx);
    return outcome == SVCB_NOT_TCP_UDP ? ON_OF(unwrap_error)(ctx) : outcome;
  }
  if (outcome == SVCB_FRAGMENT) {
    __builtin_memset(&from, 0, sizeof(from));
    part = ON_OF(part)(ctx, &from, &segment);
    if (part)
      outcome = SVCB_TRANSLATED;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = OF(svcb_balance)(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part == SVCB_FIRST_PART)
    ON_OF(note_part)(ctx, &from);
  return ON_OF(wrap)(ctx, &from, &to);
}

/* `tracking`: flows are remembered; a constant, so that the code for the other case is not there. */
static __always_inline enum svcb_outcome ON_OF(handle)(struct ON(context) * ctx, bool tracking) {
  struct svcb_view view = SVCB_VIEW(ctx);
  struct OF(svcb_flow) from, to;
  struct svcb_segment segment = {};
  int part = SVCB_WHOLE;
  enum svcb_outcome outcome = OF(svcb_parse)(view.data, view.end, ON(length)(ctx), &from, &segment);

  if (outcome == SVCB_NOT_TCP_UDP && tracking)
    return ON_OF(icmp)(ctx);
  if ((outcome == SVCB_FRAGMENT || outcome == SVCB_IPV6_EXTENSION) && tracking) {
    __builtin_memset(&from, 0, sizeof(from));
    part = ON_OF(part)(ctx, &from, &segment);
    if (part)
      outcome = SVCB_TRANSLATED;
  }
  if (outcome == SVCB_TRANSLATED)
    outcome = tracking ? OF(svcb_track)(&from, &segment, &to) : OF(svcb_balance)(&from, &to);
  if (outcome != SVCB_TRANSLATED)
    return outcome;
  if (part)
    return ON_OF(rewrite_part)(ctx, &from, &to, part);
  return ON_OF(rewrite)(ctx, view, OF(SVCB_L4_V), &from, &to);
}
