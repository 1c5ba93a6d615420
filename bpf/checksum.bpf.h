/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Incremental Internet checksums, RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). */
#ifndef SVCB_CHECKSUM_BPF_H
#define SVCB_CHECKSUM_BPF_H

/* The sum ~m + m' of one changed 32-bit or 16-bit field, unfolded; sums add up. */
static __always_inline __u64 svcb_changed32(__be32 from, __be32 to) { return (__u64)(__u32)~from + to; }

static __always_inline __u64 svcb_changed16(__be16 from, __be16 to) { return (__u64)(__u16)~from + to; }

static __always_inline __u64 svcb_changed128(const __be32 from[4], const __be32 to[4]) {
  return svcb_changed32(from[0], to[0]) + svcb_changed32(from[1], to[1]) + svcb_changed32(from[2], to[2]) +
         svcb_changed32(from[3], to[3]);
}

/* The checksum after a change. A sum of a dozen 32-bit words folds to 16 bits in three steps. */
static __always_inline __u16 svcb_checksum_after(__u16 checksum, __u64 changed) {
  __u64 sum = (__u16)~checksum + changed;

  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return ~sum;
}

/* UDP: zero on the wire means "none", and stays so; a sum that comes out as zero is sent as 0xFFFF. */
static __always_inline __u16 svcb_udp_checksum_after(__u16 checksum, __u64 changed) {
  if (!checksum)
    return 0;
  checksum = svcb_checksum_after(checksum, changed);
  return checksum ? checksum : 0xFFFF;
}

#endif
