/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family of direct_return.bpf.c. No include guard: included for each. */

/* How a packet of the flow that a quoted one belongs to is handed on, in the other direction. */
static __always_inline bool OF(svcb_way_back)(const struct OF(svcb_flow) * reply,
                                              struct OF(svcb_flow) * back) {
  struct OF(svcb_flow) *way = bpf_map_lookup_elem(&OF(ways), reply);

  if (!way)
    return false;
  *back = *way;
  return true;
}

/* A packet that was wrapped for this endpoint, without its wrapping, or an error about one of the
 * endpoint's. False: not to be delivered. */
static __always_inline bool OF(svcb_deliver)(struct __sk_buff *skb, struct OF(svcb_end) * end) {
  struct OF(svcb_flow) from, to, reply, back;
  struct svcb_segment segment;
  enum svcb_outcome outcome;
  __be16 *port;

  svcb_tc_linear(skb, SVCB_HEADERS);
  outcome = OF(svcb_parse)((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &from, &segment);
  if (outcome == SVCB_NOT_TCP_UDP)
    return OF(svcb_tc_icmp)(skb) == SVCB_TRANSLATED &&
           OF(svcb_is_for)((void *)(long)skb->data, (void *)(long)skb->data_end, end);
  if (outcome != SVCB_TRANSLATED)
    return false;
  end->dialled = from.to;
  port = bpf_map_lookup_elem(&OF(ends), end);
  if (!port)
    return false;
  to = from;
  SVCB_SET(to.to.address, end->endpoint);
  to.to.port = *port;
  reply = OF(svcb_reverse)(&to);
  back = OF(svcb_reverse)(&from);
  if (bpf_map_update_elem(&OF(ways), &reply, &back, BPF_ANY) ||
      bpf_map_update_elem(&OF(ways), &from, &to, BPF_ANY))
    return false;
  return OF(svcb_tc_rewrite)(skb, SVCB_VIEW(skb), OF(SVCB_L4_V), &from, &to) == SVCB_TRANSLATED;
}

static __always_inline void OF(svcb_answer)(struct __sk_buff *skb) {
  struct OF(svcb_flow) reply, back;
  struct svcb_segment segment;
  enum svcb_outcome outcome =
      OF(svcb_parse)((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &reply, &segment);

  if (outcome == SVCB_NOT_TCP_UDP)
    OF(svcb_tc_icmp)(skb);
  else if (outcome == SVCB_TRANSLATED && OF(svcb_way_back)(&reply, &back))
    OF(svcb_tc_rewrite)(skb, SVCB_VIEW(skb), OF(SVCB_L4_V), &reply, &back);
}
