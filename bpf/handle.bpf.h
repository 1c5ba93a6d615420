/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet through the data plane, counted, on either hook. */
#ifndef SVCB_HANDLE_BPF_H
#define SVCB_HANDLE_BPF_H

#define SVCB_EACH "handle_way.bpf.h"
#include "on_each_way.bpf.h"

#define SVCB_EACH "handle_hook.bpf.h"
#include "on_each_hook.bpf.h"

#endif
