/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc: the packet is an skb, whose checksum may be left to hardware (CHECKSUM_PARTIAL: the field holds the
 * pseudo-header's sum alone) or already summed over (CHECKSUM_COMPLETE). Only the kernel's helper knows
 * which, so the transport checksum goes through bpf_l4_csum_replace; the IP header's does not depend on it
 * and is written directly, as are addresses and ports (their change and the checksum's cancel out).
 */
#ifndef SVCB_HOOK_TC_BPF_H
#define SVCB_HOOK_TC_BPF_H

#define svcb_tc_context __sk_buff
#define svcb_tc_pass 0 /* TC_ACT_OK, TC_ACT_SHOT: pkt_cls.h is no part of vmlinux.h */
#define svcb_tc_drop 2

/* What each of the packets carries that an skb stands for; 0: it stands for itself. */
static __always_inline __u32 svcb_tc_segment(struct __sk_buff *skb) { return skb->gso_size; }

static __always_inline int svcb_tc_back(struct __sk_buff *skb) { return bpf_redirect(skb->ifindex, 0); }

/* Of the whole frame, which may reach beyond data_end. */
static __always_inline __u32 svcb_tc_length(struct __sk_buff *skb) { return skb->len; }

/* A VLAN tag was taken off the frame, not off the packet. */
static __always_inline bool svcb_tc_tagged(struct __sk_buff *skb) { return skb->vlan_present; }

/* Brings the headers into the linear part of the skb, where programs can read them. A packet shorter than
 * `most` is whole there after it. */
static __always_inline void svcb_tc_linear(struct __sk_buff *skb, __u32 most) {
  __u32 headers = skb->len < most ? skb->len : most;

  if ((void *)(long)skb->data + headers > (void *)(long)skb->data_end)
    bpf_skb_pull_data(skb, headers);
}

/* A sum of changes as the 32 bits that the helpers take as a difference. */
static __always_inline __u32 svcb_difference(__u64 changed) {
  changed = (changed & 0xFFFFFFFF) + (changed >> 32);
  return (changed & 0xFFFFFFFF) + (changed >> 32);
}

/*
 * For BPF_F_PSEUDO_HDR bpf_l4_csum_replace also moves a CHECKSUM_COMPLETE skb's sum over the packet, for
 * the change of an IPv4 header's checksum. IPv6 has none (the addresses' change and the transport
 * checksum's cancel out; those of a later fragment are balanced by nothing), so its sum is moved back.
 * BPF_F_IPV6 would say so, but kernels before 6.16 refuse it. An error means that the skb bears no such
 * sum.
 */
static __always_inline void svcb_tc_resum(struct __sk_buff *skb, __u64 changed) {
  bpf_csum_update(skb, svcb_difference(changed));
}

/* These bytes were made room for as zeroes. Most packets bear no sum, and are not summed for it. */
static __always_inline void svcb_tc_sum_more(struct __sk_buff *skb, void *bytes, __u32 size) {
  if (bpf_csum_update(skb, 0) >= 0)
    bpf_csum_update(skb, bpf_csum_diff(0, 0, bytes, size, 0));
}

/* The transport header at this offset. False: the kernel refuses. A size of zero: the value is a difference
 * already. UDP keeps zero as "none" and never comes out as zero. */
static __always_inline bool svcb_tc_retransport(struct __sk_buff *skb, struct svcb_view *view, __u32 at,
                                                const struct svcb_change *change) {
  __u32 sum = at + (change->protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
                                                    : __builtin_offsetof(struct udphdr, check));
  __u64 flags = change->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  struct udphdr *ports; /* TCP's stand where UDP's do */

  if (bpf_l4_csum_replace(skb, sum, 0, svcb_difference(change->addresses), flags | BPF_F_PSEUDO_HDR) ||
      ((*change->from_port != *change->port || *change->from_source != *change->source) &&
       bpf_l4_csum_replace(skb, sum, 0, svcb_difference(svcb_changed_ports(change)), flags)))
    return false;
  *view = SVCB_VIEW(skb);
  ports = view->data + at;
  if ((void *)(ports + 1) > view->end)
    return false;
  ports->source = *change->source;
  ports->dest = *change->port;
  return true;
}

/* Only a packet that stands for many must know that it is wrapped, to be cut right: one that does can never
 * be made an error about itself (bpf_skb_change_tail). */
static __always_inline bool svcb_tc_make_room(struct __sk_buff *skb, int size, __u64 wrapped_in) {
  return !bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, skb->gso_size ? wrapped_in : 0);
}

static __always_inline bool svcb_tc_take_room(struct __sk_buff *skb, int size) {
  return !bpf_skb_adjust_room(skb, -size, BPF_ADJ_ROOM_MAC, 0);
}

/* Beyond where the checksum of a packet begins that the programs read, from its IP header on. */
#define SVCB_TC_BEYOND 64

/*
 * No more than `length` in all, without regard for what stands there: it is to be written over. Nor is
 * there any sum over it then, nor a checksum that is left to a device (CHECKSUM_PARTIAL), which would write
 * it into the middle of something else. The kernel gives up the one where a packet's length changes, the
 * other where bytes are written after those that its checksum begins at were cut off (when they are, it may
 * be looked at too early: kernels before 6.2).
 */
static __always_inline bool svcb_tc_resize(struct __sk_buff *skb, __u32 head, __u32 length) {
  __u32 nothing = 0;

  if (bpf_skb_change_tail(skb, length + SVCB_TC_BEYOND + 1, 0) ||
      bpf_skb_change_tail(skb, length + SVCB_TC_BEYOND, 0) ||
      bpf_skb_adjust_room(skb, -SVCB_TC_BEYOND, BPF_ADJ_ROOM_MAC, 0) ||
      bpf_skb_store_bytes(skb, SVCB_L3, &nothing, sizeof(nothing), BPF_F_RECOMPUTE_CSUM))
    return false;
  svcb_tc_linear(skb, length);
  return true;
}

#endif
