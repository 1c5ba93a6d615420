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
  svcb_read_barrier();
  if (*(volatile const __u32 *)&known->tag != OF(svcb_flow_tag)(&key))
    return false; /* the entry was given away meanwhile */
  if (svcb_now() - ports.seen > settings.ticks[SVCB_LIFE_FRAGMENTS])
    return false; /* an identification that comes again */
  flow->source_port = ports.source_port;
  flow->to.port = ports.port;
  return true;
}

static __always_inline void OF(svcb_note)(const struct OF(svcb_flow) * flow, __u32 id) {
  struct OF(svcb_flow) key = *flow;
  struct svcb_datagram ports = {
      .source_port = flow->source_port, .port = flow->to.port, .seen = svcb_now()};

  OF(svcb_name_datagram)(&key, id);
  ports.tag = OF(svcb_flow_tag)(&key);
  bpf_map_update_elem(&OF(fragments), &key, &ports, BPF_ANY);
}

/* The flow that a fragment belongs to; SVCB_WHOLE: not known. */
static __always_inline enum svcb_part OF(svcb_part)(void *data, void *data_end, __u32 length,
                                                    struct OF(svcb_flow) * flow,
                                                    struct svcb_segment *segment) {
  struct udphdr *ports = data + OF(SVCB_L4_PART);
  struct svcb_piece piece;
  __u8 jumbo = OF(svcb_jumbo)(data, data_end, length);

  if (jumbo) {
    if ((void *)ports + sizeof(struct tcphdr) > data_end)
      return SVCB_WHOLE;
    OF(svcb_read_addresses)(data + SVCB_L3, flow);
    flow->to.protocol = jumbo;
    flow->source_port = ports->source;
    flow->to.port = ports->dest;
    svcb_read_segment(ports, data_end, jumbo, segment);
    return SVCB_JUMBO;
  }
  if (!OF(svcb_piece)(data, data_end, length, &piece))
    return SVCB_WHOLE;
  OF(svcb_read_addresses)(data + SVCB_L3, flow);
  flow->to.protocol = piece.protocol;
  if (piece.later) {
    OF(svcb_name_datagram)(flow, OF(svcb_part_id)(data));
    return OF(svcb_recall)(flow) ? SVCB_LATER_PART : SVCB_WHOLE;
  }
  if ((void *)ports + svcb_transport_size(piece.protocol) > data_end ||
      piece.size < svcb_transport_size(piece.protocol))
    return SVCB_WHOLE;
  flow->source_port = ports->source;
  flow->to.port = ports->dest;
  return SVCB_FIRST_PART;
}
