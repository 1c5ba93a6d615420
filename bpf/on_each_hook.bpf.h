/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Includes SVCB_EACH for XDP and for tc (family.bpf.h). No include guard: included for each part. */
#define SVCB_HOOK xdp
#include SVCB_EACH
#undef SVCB_HOOK
#define SVCB_HOOK tc
#include SVCB_EACH
#undef SVCB_HOOK
#undef SVCB_EACH
