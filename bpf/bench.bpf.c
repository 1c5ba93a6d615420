/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `svcbench ebpf` times, a program a cell: hook x depth x family. The names are put together by
 * userspace/measure/program/. */
#include "svcb.bpf.h"

#include "bench.bpf.h"

#define SVCB_DATA(ctx) ((void *)(long)(ctx)->data)
#define SVCB_DATA_END(ctx) ((void *)(long)(ctx)->data_end)
#define SVCB_LENGTH_xdp(ctx) ((ctx)->data_end - (ctx)->data)
#define SVCB_LENGTH_tc(ctx) ((ctx)->len)

/* empty: the kernel's loop and the clock. */
#define SVCB_BENCH_EMPTY(section, hook, context, pass) \
  SEC(section)                                         \
  int bench_##hook##_empty(struct context *ctx) {      \
    svcb_tick();                                       \
    return pass;                                       \
  }

/* rewind: and the instrument. bare: a hash lookup in place of a packet. lookup: parse and balance.
 * dnat: lookup and rewrite, without the flow table and without forwarding. */
#define SVCB_BENCH(section, hook, context, pass, family)                                        \
  SEC(section)                                                                                  \
  int bench_##hook##_rewind##family(struct context *ctx) {                                      \
    svcb_tick();                                                                                \
    svcb_rewind##family(SVCB_DATA(ctx), SVCB_DATA_END(ctx));                                    \
    return pass;                                                                                \
  }                                                                                             \
  SEC(section)                                                                                  \
  int bench_##hook##_bare##family(struct context *ctx) {                                        \
    svcb_tick();                                                                                \
    svcb_bare##family();                                                                        \
    return pass;                                                                                \
  }                                                                                             \
  SEC(section)                                                                                  \
  int bench_##hook##_lookup##family(struct context *ctx) {                                      \
    svcb_tick();                                                                                \
    svcb_rewind##family(SVCB_DATA(ctx), SVCB_DATA_END(ctx));                                    \
    return svcb_##hook##_verdict(                                                               \
        ctx, svcb_lookup##family(SVCB_DATA(ctx), SVCB_DATA_END(ctx), SVCB_LENGTH_##hook(ctx))); \
  }                                                                                             \
  SEC(section)                                                                                  \
  int bench_##hook##_dnat##family(struct context *ctx) {                                        \
    svcb_tick();                                                                                \
    svcb_rewind##family(SVCB_DATA(ctx), SVCB_DATA_END(ctx));                                    \
    return svcb_##hook##_verdict(ctx, svcb_##hook##_handle(ctx, false));                        \
  }

SVCB_BENCH_EMPTY("xdp", xdp, xdp_md, XDP_PASS)
SVCB_BENCH("xdp", xdp, xdp_md, XDP_PASS, 4)
SVCB_BENCH("xdp", xdp, xdp_md, XDP_PASS, 6)
SVCB_BENCH_EMPTY("tc", tc, __sk_buff, svcb_tc_pass)
SVCB_BENCH("tc", tc, __sk_buff, svcb_tc_pass, 4)
SVCB_BENCH("tc", tc, __sk_buff, svcb_tc_pass, 6)

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
