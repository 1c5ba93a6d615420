/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is the same for IPv4 and IPv6 but for the types stands in a *_family.bpf.h once, and is included
 * with SVCB_FAMILY as 4 and as 6. What is the same on XDP and tc, too, stands in a *_hook.bpf.h or, where
 * the family matters, in a *_way.bpf.h, with SVCB_HOOK as xdp and as tc. on_each_*.bpf.h include them.
 */
#ifndef SVCB_FAMILY_BPF_H
#define SVCB_FAMILY_BPF_H

#define SVCB_JOIN_(a, b) a##b
#define SVCB_JOIN(a, b) SVCB_JOIN_(a, b)
/* OF(svcb_pick) is svcb_pick4 or svcb_pick6. */
#define OF(name) SVCB_JOIN(name, SVCB_FAMILY)
/* ON(forward) is svcb_xdp_forward or svcb_tc_forward, ON_OF(wrap) one of svcb_xdp_wrap4 and its like. */
#define ON(name) SVCB_JOIN(SVCB_JOIN(svcb_, SVCB_HOOK), _##name)
#define ON_OF(name) OF(ON(name))

/* Addresses are a word or an array of four. */
#define SVCB_SET(to, from) __builtin_memcpy(&(to), &(from), sizeof(to))
#define SVCB_SAME(a, b) svcb_same_words(&(a), &(b), sizeof(a) / 4)

/* Zero where they are the same; without a branch, which the verifier would follow both ways. */
static __always_inline __u32 svcb_words_differ(const void *a, const void *b, __u32 words) {
  const __u32 *left = a, *right = b;
  __u32 differ = 0;

  for (__u32 i = 0; i < words; i++)
    differ |= left[i] ^ right[i];
  return differ;
}

static __always_inline bool svcb_same_words(const void *a, const void *b, __u32 words) {
  return !svcb_words_differ(a, b, words);
}

#endif
