/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other direction of a flow of one family. No include guard: included for each (packet.bpf.h). */

static __always_inline void OF(svcb_turn)(const struct OF(svcb_flow) * flow, struct OF(svcb_flow) * other) {
  SVCB_SET(other->to.address, flow->source);
  other->to.port = flow->source_port;
  other->to.protocol = flow->to.protocol;
  other->to.pad = 0;
  SVCB_SET(other->source, flow->to.address);
  other->source_port = flow->to.port;
  other->pad = 0;
}

static __always_inline struct OF(svcb_flow) OF(svcb_reverse)(const struct OF(svcb_flow) * flow) {
  struct OF(svcb_flow) other;

  OF(svcb_turn)(flow, &other);
  return other;
}
