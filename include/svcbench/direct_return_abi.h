/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space tells the backends' end of direct server return (bpf/direct_return.bpf.c). C and C++. */
#ifndef SVCBENCH_DIRECT_RETURN_ABI_H
#define SVCBENCH_DIRECT_RETURN_ABI_H

#include "svcbench/abi.h"

/* A frontend at one of its endpoints; the value is the port that this endpoint listens at (__be16). */
struct svcb_end4 {
  struct svcb_frontend4 dialled;
  __be32 endpoint;
};

struct svcb_end6 {
  struct svcb_frontend6 dialled;
  __be32 endpoint[4];
};

SVCB_STATIC_ASSERT(sizeof(struct svcb_end4) == 12, "hashed whole: no hidden padding");
SVCB_STATIC_ASSERT(sizeof(struct svcb_end6) == 36, "hashed whole: no hidden padding");

#endif
