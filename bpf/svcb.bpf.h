/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The data plane, in the order in which a packet meets it: parse, balance or find its flow,
 * rewrite or wrap, forward. */
#ifndef SVCB_BPF_H
#define SVCB_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "svcbench/abi.h"

#include "family.bpf.h"
#include "maps.bpf.h"

#include "packet.bpf.h"

#include "balance.bpf.h"

#include "checksum.bpf.h"

#include "flow.bpf.h"

#include "hook.bpf.h"

#include "rewrite.bpf.h"

#include "fragment.bpf.h"

#include "icmp.bpf.h"

#include "dsr.bpf.h"

#include "handle.bpf.h"

#include "forward.bpf.h"

#endif
