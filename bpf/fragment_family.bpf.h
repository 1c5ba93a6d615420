/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ports of datagrams of one family (fragment.bpf.h tells what for). No include guard: included for
 * each. */

/* The ports in place of the name of their datagram; false: its first fragment was not seen. */
static __always_inline bool OF(svcb_recall)(struct OF(svcb_flow) * flow) {
  struct OF(svcb_flow) key = *flow;
  struct svcb_datagram *known = bpf_map_lookup_elem(&OF(fragments), &key), ports;

  if (!known)
    return false;
  ports = *known;
  barrier();
  if (*(volatile const __u32 *)&known->tag != OF(svcb_flow_tag)(&key))
    return false; /* the entry was given away meanwhile */
  flow->source_port = ports.source_port;
  flow->to.port = ports.port;
  return true;
}

static __always_inline void OF(svcb_note)(const struct OF(svcb_flow) * flow, __u32 id) {
  struct OF(svcb_flow) key = *flow;
  struct svcb_datagram ports = {.source_port = flow->source_port, .port = flow->to.port};

  OF(svcb_name_datagram)(&key, id);
  ports.tag = OF(svcb_flow_tag)(&key);
  bpf_map_update_elem(&OF(fragments), &key, &ports, BPF_ANY);
}
