/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Includes SVCB_EACH for IPv4 and for IPv6 (family.bpf.h). No include guard: included for each part. */
#define SVCB_FAMILY 4
#include SVCB_EACH
#undef SVCB_FAMILY
#define SVCB_FAMILY 6
#include SVCB_EACH
#undef SVCB_FAMILY
#undef SVCB_EACH
