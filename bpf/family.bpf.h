/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is the same for IPv4 and IPv6 but for the types stands in a *_family.bpf.h once, and is included
 * with SVCB_FAMILY as 4 and as 6. */
#ifndef SVCB_FAMILY_BPF_H
#define SVCB_FAMILY_BPF_H

#define SVCB_JOIN_(a, b) a##b
#define SVCB_JOIN(a, b) SVCB_JOIN_(a, b)
/* OF(svcb_pick) is svcb_pick4 or svcb_pick6. */
#define OF(name) SVCB_JOIN(name, SVCB_FAMILY)

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
