/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The load balancer's hooks at a cgroup's sockets: thin entry points over one core. It shares the maps of
 * services and backends with the plane (userspace/plane/ebpf/sock_plane.cpp). */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "svcbench/abi.h"

#include "family.bpf.h"
#include "maps.bpf.h"

#include "packet.bpf.h"

#include "balance.bpf.h"

#include "flow.bpf.h"

#include "sock.bpf.h"

SEC("cgroup/connect4")
int svcb_connect4(struct bpf_sock_addr *ctx) { return svcb_sock_out4(ctx, true); }

SEC("cgroup/connect6")
int svcb_connect6(struct bpf_sock_addr *ctx) { return svcb_sock_out6(ctx, true); }

SEC("cgroup/sendmsg4")
int svcb_sendmsg4(struct bpf_sock_addr *ctx) { return svcb_sock_out4(ctx, false); }

SEC("cgroup/sendmsg6")
int svcb_sendmsg6(struct bpf_sock_addr *ctx) { return svcb_sock_out6(ctx, false); }

SEC("cgroup/recvmsg4")
int svcb_recvmsg4(struct bpf_sock_addr *ctx) { return svcb_sock_in4(ctx); }

SEC("cgroup/recvmsg6")
int svcb_recvmsg6(struct bpf_sock_addr *ctx) { return svcb_sock_in6(ctx); }

SEC("cgroup/getpeername4")
int svcb_getpeername4(struct bpf_sock_addr *ctx) { return svcb_sock_in4(ctx); }

SEC("cgroup/getpeername6")
int svcb_getpeername6(struct bpf_sock_addr *ctx) { return svcb_sock_in6(ctx); }

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
