/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One family of direct_return.bpf.c. No include guard: included for each. */

/* How a reply leaves: from what the client had dialled. Reversed it is what the client had sent. */
static __always_inline bool OF(svcb_way_back)(const struct OF(svcb_flow) * reply,
                                              struct OF(svcb_flow) * back) {
  struct OF(svcb_frontend) *dialled = bpf_map_lookup_elem(&OF(replies), reply);

  if (!dialled)
    return false;
  *back = *reply;
  SVCB_SET(back->source, dialled->address);
  back->source_port = dialled->port;
  return true;
}

/* A packet that was wrapped for this endpoint, without its wrapping. False: not to be delivered. */
static __always_inline bool OF(svcb_deliver)(struct __sk_buff *skb, struct OF(svcb_end) * end) {
  struct OF(svcb_flow) from, to, reply;
  struct svcb_segment segment;
  __be16 *port;

  svcb_tc_linear(skb, SVCB_HEADERS);
  if (OF(svcb_parse)((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &from, &segment) !=
      SVCB_TRANSLATED)
    return false;
  end->dialled = from.to;
  port = bpf_map_lookup_elem(&OF(ends), end);
  if (!port)
    return false;
  to = from;
  SVCB_SET(to.to.address, end->endpoint);
  to.to.port = *port;
  reply = OF(svcb_reverse)(&to);
  if (bpf_map_update_elem(&OF(replies), &reply, &from.to, BPF_ANY))
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
