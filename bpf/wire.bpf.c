/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wire: packets go in at the client's device and come out at the backends', through whatever the node
 * between them does.
 *
 *   client namespace         node namespace              backend namespace
 *   wire_gen ... vc ======== vn  [ data plane ]  vo ======== vb  wire_sink
 *                wire_client                         an answer goes back the same way
 *
 * wire_gen runs under BPF_PROG_TEST_RUN with live frames: what it returns XDP_TX for leaves by vc as if a
 * NIC had received it there. A frame comes back from the page pool as it left (with another packet's DNAT
 * in it), so every byte is written for every packet.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "svcbench/wire_abi.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define L3 sizeof(struct ethhdr)
#define L4_V4 (L3 + sizeof(struct iphdr))
#define L4_V6 (L3 + sizeof(struct ipv6hdr))
#define TTL 64

/* Sequence numbers of a connection: the client's data is sent again and again, which is in its window. */
#define CLIENT_SEQUENCE 1000
#define SERVER_SEQUENCE 5000
#define WINDOW 65535

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_wire_target);
} wire_targets SEC(".maps");

/* The value counts the packets that came out there. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct svcb_wire_backend);
  __type(value, __u64);
} wire_backends SEC(".maps");

/* Of the packets, and behind them of their answers. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 2 * SVCB_WIRE_BUCKETS);
  __type(key, __u32);
  __type(value, __u64);
} wire_histogram SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct svcb_wire_record);
} wire_records SEC(".maps");

struct svcb_wire_run run;
struct svcb_wire_counts counts;

/* Where every second packet goes to when run.mixed; moves while a volley is on its way. */
__u32 focus;
static __u64 next_sent_ns;

/* Packets of this volley that are on their way no more, though nobody saw them arrive; and how often that
 * was found by waiting in vain. */
__s64 forgone;
__u32 vain_waits;

/* How long wire_redirect_tc and wire_redirect_xdp hold a packet, and where they send it. */
__u64 delay_ns;
__u32 redirect_to;
__u8 redirect_source[6];
__u8 redirect_destination[6];

#define COUNT(what) __sync_fetch_and_add(&counts.what, 1)

static __always_inline __u16 folded(__u64 sum) {
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return ~sum;
}

/* Two 32-bit halves, as the ones' complement sum takes them. */
static __always_inline __u64 halves(__u64 word) { return (word & 0xFFFFFFFF) + (word >> 32); }

/* Sum of the pseudo header's constant part and of `size` bytes (a constant multiple of 4). */
static __always_inline __u64 sum_of(void *bytes, __u32 size, __u8 protocol, __u32 transport_length) {
  return (__u64)(__u32)bpf_csum_diff(0, 0, bytes, size, 0) + bpf_htons(protocol) +
         bpf_htons(transport_length);
}

static __always_inline struct svcb_wire_mark *mark_at(void *data, __u32 transport, __u8 protocol) {
  return data + transport + (protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr));
}

/* The transport header and an empty payload behind it, checksum zero. */
static __always_inline void write_transport(void *transport, __u32 size, __u8 protocol, __be16 source,
                                            __be16 port, bool tcp_data) {
  __builtin_memset(transport, 0, size);
  if (protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = transport;

    tcp->source = source;
    tcp->dest = port;
    tcp->doff = sizeof(*tcp) / 4;
    tcp->window = bpf_htons(WINDOW);
    if (tcp_data) {
      tcp->seq = bpf_htonl(CLIENT_SEQUENCE + 1);
      tcp->ack_seq = bpf_htonl(SERVER_SEQUENCE + 1);
      tcp->ack = 1;
      tcp->psh = 1;
    } else {
      tcp->seq = bpf_htonl(CLIENT_SEQUENCE);
      tcp->syn = 1;
    }
  } else {
    struct udphdr *udp = transport;

    udp->source = source;
    udp->dest = port;
    udp->len = bpf_htons(size);
  }
}

static __always_inline void write_checksum(void *transport, __u8 protocol, __u16 checksum) {
  if (protocol == IPPROTO_TCP)
    ((struct tcphdr *)transport)->check = checksum;
  else
    ((struct udphdr *)transport)->check = checksum ? checksum : 0xFFFF;
}

/* A millisecond and more, at 20 ns a reading. */
#define MOST_WAITS (1U << 17)

static long is_over(__u32 reading, void *end) { return bpf_ktime_get_ns() >= *(__u64 *)end; }

/* At least run.gap_ns after the last one that was sent. */
static __always_inline void keep_gap(void) {
  __u64 end = next_sent_ns;

  if (run.gap_ns)
    bpf_loop(MOST_WAITS, is_over, &end, 0);
}

/* Packets, and answers, that have left and have not arrived. */
static __always_inline __s64 under_way(void) {
  volatile struct svcb_wire_counts *now = &counts;

  return now->sent - now->right - now->wrong_backend - now->wrong_source - now->bad_checksum -
         now->witnessed - now->refused + now->answered - now->replies;
}

/* A packet that is not there by then is lost, if its CPU was not kept from it; where many are, nobody waits
 * for the next one. */
#define PATIENCE_NS 5000000
#define MOST_VAIN_WAITS 40
#define MOST_LOOKS (1U << 20)

static long has_room(__u32 reading, void *end) {
  return under_way() - forgone <= (__s64)run.most_under_way || bpf_ktime_get_ns() >= *(__u64 *)end;
}

/* Until at most run.most_under_way packets are on their way: whoever has found the node's device idle
 * empties its queue from then on, and where that is another CPU, this one would be ahead of it; packets
 * would wait in the queue, or find it full. Where it is this CPU, all that left has arrived before. */
static __always_inline void keep_room(void) {
  __s64 missing = under_way();
  __u64 end;

  if (missing < forgone)
    forgone = missing; /* late, not lost */
  if (missing - forgone <= (__s64)run.most_under_way || vain_waits >= MOST_VAIN_WAITS)
    return;
  end = bpf_ktime_get_ns() + PATIENCE_NS;
  bpf_loop(MOST_LOOKS, has_room, &end, 0);
  missing = under_way();
  if (missing - forgone > (__s64)run.most_under_way) {
    forgone = missing;
    vain_waits++;
  }
}

/* The packet's entry, not seen yet; null where packets are not recorded. */
static __always_inline struct svcb_wire_record *new_record(__u32 sequence, __u32 target, __u32 flow) {
  struct svcb_wire_record *record;

  if (!run.recorded)
    return 0;
  record = bpf_map_lookup_elem(&wire_records, &sequence);
  if (record) {
    __builtin_memset(record, 0, sizeof(*record));
    record->target = target;
    record->flow = flow;
  }
  return record;
}

/* The flow and the target of the next packet; whether it is data of an open flow. */
static __always_inline bool next_flow(__u32 sequence, __u32 *flow, __u32 *target) {
  if (!run.mixed) {
    *flow = run.first_flow + sequence % run.flows;
    *target = run.first_target + *flow % run.targets;
    return run.tcp_data;
  }
  if (sequence % 4 == 0) {
    *flow = run.first_open + sequence / 4 % run.open_flows;
    *target = run.first_target + *flow % run.targets;
    return true;
  }
  *flow = run.first_flow + sequence;
  *target = sequence % 2 ? *(volatile __u32 *)&focus : run.first_target + *flow / 4 % run.targets;
  return false;
}

/* The next packet, stamped last. */
SEC("xdp")
int wire_gen(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  __u32 flow, index, sequence = counts.sent;
  bool tcp_data = next_flow(sequence, &flow, &index);
  struct svcb_wire_target *target = bpf_map_lookup_elem(&wire_targets, &index);
  struct svcb_wire_record *record;
  struct svcb_wire_mark *mark;
  __be16 source_port = bpf_htons(SVCB_WIRE_FIRST_PORT + flow % SVCB_WIRE_PORTS);
  __u32 client = flow / SVCB_WIRE_PORTS;
  void *transport;
  __u8 protocol;
  __u64 sum, now;

  if (!target || data + SVCB_WIRE_FRAME > data_end)
    return XDP_DROP;
  record = new_record(sequence, index, flow);
  keep_room();
  keep_gap();
  protocol = target->protocol;
  __builtin_memcpy(eth->h_dest, run.gateway_mac, sizeof(eth->h_dest));
  __builtin_memcpy(eth->h_source, run.source_mac, sizeof(eth->h_source));
  if (!target->ipv6) {
    struct iphdr *ip = data + L3;
    __be32 source = bpf_htonl(bpf_ntohl(run.clients4) + client);

    eth->h_proto = bpf_htons(ETH_P_IP);
    __builtin_memset(ip, 0, sizeof(*ip));
    ip->version = 4;
    ip->ihl = 5;
    ip->tot_len = bpf_htons(SVCB_WIRE_FRAME - L3);
    ip->frag_off = bpf_htons(0x4000); /* don't fragment */
    ip->ttl = TTL;
    ip->protocol = protocol;
    ip->saddr = source;
    ip->daddr = target->address[0];
    ip->check = folded((__u32)bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
    transport = data + L4_V4;
    write_transport(transport, SVCB_WIRE_FRAME - L4_V4, protocol, source_port, target->port, tcp_data);
    mark = mark_at(data, L4_V4, protocol);
    mark->magic = SVCB_WIRE_MAGIC;
    mark->run = run.run;
    mark->target = index;
    mark->flow = flow;
    mark->sequence = sequence;
    sum = sum_of(transport, SVCB_WIRE_FRAME - L4_V4, protocol, SVCB_WIRE_FRAME - L4_V4) + source +
          target->address[0];
  } else {
    struct ipv6hdr *ip = data + L3;
    __be32 *from = ip->saddr.in6_u.u6_addr32;
    __be32 *to = ip->daddr.in6_u.u6_addr32;

    eth->h_proto = bpf_htons(ETH_P_IPV6);
    __builtin_memset(ip, 0, sizeof(*ip));
    ip->version = 6;
    ip->payload_len = bpf_htons(SVCB_WIRE_FRAME - L4_V6);
    ip->nexthdr = protocol;
    ip->hop_limit = TTL;
    from[0] = run.clients6[0];
    from[1] = run.clients6[1];
    from[2] = run.clients6[2];
    from[3] = bpf_htonl(bpf_ntohl(run.clients6[3]) + client);
    to[0] = target->address[0];
    to[1] = target->address[1];
    to[2] = target->address[2];
    to[3] = target->address[3];
    transport = data + L4_V6;
    write_transport(transport, SVCB_WIRE_FRAME - L4_V6, protocol, source_port, target->port, tcp_data);
    mark = mark_at(data, L4_V6, protocol);
    mark->magic = SVCB_WIRE_MAGIC;
    mark->run = run.run;
    mark->target = index;
    mark->flow = flow;
    mark->sequence = sequence;
    sum = sum_of(transport, SVCB_WIRE_FRAME - L4_V6, protocol, SVCB_WIRE_FRAME - L4_V6) + from[0] +
          from[1] + from[2] + from[3] + to[0] + to[1] + to[2] + to[3];
  }
  counts.sent++;
  now = bpf_ktime_get_ns();
  if (!counts.first_sent_ns)
    counts.first_sent_ns = now;
  mark->sent_low = (__u32)now;
  mark->sent_high = now >> 32;
  next_sent_ns = now + run.gap_ns;
  if (record)
    record->sent_ns = now;
  write_checksum(transport, protocol, folded(sum + halves(now)));
  return XDP_TX;
}

/* Where a frame of the wire's size holds what. */
struct packet {
  struct svcb_wire_mark *mark;
  struct svcb_wire_backend at; /* its destination, and its target */
  __be32 source[4];
  __be16 source_port;
  __u64 addresses; /* their sum */
  __u64 rest;      /* the sum of the rest that a transport checksum covers, itself included */
  __u8 protocol;
  bool ipv6;
};

static __always_inline bool parse(struct xdp_md *ctx, struct packet *packet) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct udphdr *ports;

  __builtin_memset(packet, 0, sizeof(*packet));
  if (data + SVCB_WIRE_FRAME > data_end)
    return false;
  if (eth->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr *ip = data + L3;

    if (ip->version != 4 || ip->ihl != 5 || ip->tot_len != bpf_htons(SVCB_WIRE_FRAME - L3))
      return false;
    packet->protocol = ip->protocol;
    packet->source[0] = ip->saddr;
    packet->at.address[0] = ip->daddr;
    packet->addresses = (__u64)ip->saddr + ip->daddr;
    ports = data + L4_V4;
    packet->mark = mark_at(data, L4_V4, ip->protocol);
    packet->rest = sum_of(ports, SVCB_WIRE_FRAME - L4_V4, ip->protocol, SVCB_WIRE_FRAME - L4_V4);
  } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip = data + L3;
    __be32 *from = ip->saddr.in6_u.u6_addr32;
    __be32 *to = ip->daddr.in6_u.u6_addr32;

    if (ip->version != 6 || ip->payload_len != bpf_htons(SVCB_WIRE_FRAME - L4_V6))
      return false;
    packet->ipv6 = true;
    packet->protocol = ip->nexthdr;
    for (int i = 0; i < 4; i++) {
      packet->source[i] = from[i];
      packet->at.address[i] = to[i];
      packet->addresses += (__u64)from[i] + to[i];
    }
    ports = data + L4_V6;
    packet->mark = mark_at(data, L4_V6, ip->nexthdr);
    packet->rest = sum_of(ports, SVCB_WIRE_FRAME - L4_V6, ip->nexthdr, SVCB_WIRE_FRAME - L4_V6);
  } else {
    return false;
  }
  if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
    return false;
  packet->source_port = ports->source;
  packet->at.port = ports->dest;
  packet->at.target = packet->mark->target;
  return true;
}

/* The receiver's check: over the pseudo header and everything behind it the sum is zero. */
static __always_inline bool checksum_holds(const struct packet *packet) {
  return folded(packet->addresses + packet->rest) == 0;
}

/* Whether the packet still comes from the client that sent it. */
static __always_inline bool source_holds(const struct packet *packet) {
  __u32 flow = packet->mark->flow;
  __u32 client = flow / SVCB_WIRE_PORTS;

  if (packet->source_port != bpf_htons(SVCB_WIRE_FIRST_PORT + flow % SVCB_WIRE_PORTS))
    return false;
  if (!packet->ipv6)
    return packet->source[0] == bpf_htonl(bpf_ntohl(run.clients4) + client);
  return packet->source[0] == run.clients6[0] && packet->source[1] == run.clients6[1] &&
         packet->source[2] == run.clients6[2] &&
         packet->source[3] == bpf_htonl(bpf_ntohl(run.clients6[3]) + client);
}

static __always_inline void swap_macs(struct ethhdr *eth) {
  __u16 *to = (__u16 *)eth->h_dest;
  __u16 *from = (__u16 *)eth->h_source;

  for (int i = 0; i < 3; i++) {
    __u16 half = to[i];

    to[i] = from[i];
    from[i] = half;
  }
}

static __always_inline void swap_words(__be32 *to, __be32 *from, int words) {
  for (int i = 0; i < words; i++) {
    __be32 word = to[i];

    to[i] = from[i];
    from[i] = word;
  }
}

/* The frame's headers turned round, ready for its transport's checksum. */
static __always_inline void turn_round4(void *data) {
  struct iphdr *ip = data + L3;

  swap_macs(data);
  swap_words(&ip->daddr, &ip->saddr, 1);
  ip->ttl = TTL;
  ip->check = 0;
  ip->check = folded((__u32)bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __always_inline void turn_round6(void *data) {
  struct ipv6hdr *ip = data + L3;

  swap_macs(data);
  swap_words(ip->daddr.in6_u.u6_addr32, ip->saddr.in6_u.u6_addr32, 4);
  ip->hop_limit = TTL;
}

/* The transport header of the answer: a SYN's is a SYN+ACK. `size`: of it and what follows, a constant. */
static __always_inline void answer_transport(const struct packet *packet, void *transport, __u32 size) {
  struct udphdr *ports = transport;
  struct svcb_wire_mark *mark = mark_at(transport, 0, packet->protocol);

  ports->dest = packet->source_port;
  ports->source = packet->at.port;
  if (packet->protocol == IPPROTO_TCP) {
    struct tcphdr *tcp = transport;

    tcp->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + tcp->syn);
    tcp->seq = bpf_htonl(tcp->syn ? SERVER_SEQUENCE : SERVER_SEQUENCE + 1);
    tcp->ack = 1;
    tcp->psh = 0;
    tcp->check = 0;
  } else {
    ports->check = 0;
  }
  mark->magic = SVCB_WIRE_REPLY;
  write_checksum(transport, packet->protocol,
                 folded(packet->addresses + sum_of(transport, size, packet->protocol, size)));
}

/* The answer's own stamp, in place of the packet's: `old` and `now` are what the checksum sees of them. */
static __always_inline void restamp(const struct packet *packet, void *transport) {
  struct svcb_wire_mark *mark = mark_at(transport, 0, packet->protocol);
  __u16 *check = packet->protocol == IPPROTO_TCP ? &((struct tcphdr *)transport)->check
                                                 : &((struct udphdr *)transport)->check;
  __u64 old = (__u64)mark->sent_low + mark->sent_high, now = bpf_ktime_get_ns();
  __u16 sum;

  mark->sent_low = (__u32)now;
  mark->sent_high = now >> 32;
  sum = folded((__u16) ~*check + (__u16)folded(old) + (__u64)(__u16)~folded(halves(now)));
  write_checksum(transport, packet->protocol, sum);
}

/* Makes the packet its own answer. */
static __always_inline int answer(struct xdp_md *ctx, const struct packet *packet) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;

  if (data + SVCB_WIRE_FRAME > data_end)
    return XDP_DROP;
  if (packet->ipv6) {
    turn_round6(data);
    answer_transport(packet, data + L4_V6, SVCB_WIRE_FRAME - L4_V6);
    restamp(packet, data + L4_V6);
  } else {
    turn_round4(data);
    answer_transport(packet, data + L4_V4, SVCB_WIRE_FRAME - L4_V4);
    restamp(packet, data + L4_V4);
  }
  COUNT(answered);
  return XDP_TX;
}

static __always_inline void add_latency(__u64 ns, __u32 first_bucket) {
  __u32 index = first_bucket + svcb_wire_bucket(ns);
  __u64 *bucket = bpf_map_lookup_elem(&wire_histogram, &index);

  if (bucket)
    __sync_fetch_and_add(bucket, 1);
}

static __always_inline bool differ(const __be32 a[4], const __be32 b[4]) {
  return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
}

/* Takes the IP packet off that a packet of the wire's is wrapped in; *to: where that was addressed to.
 * False: it is not wrapped, or not as it should be. */
static __always_inline bool unwrap(struct xdp_md *ctx, __be32 to[4]) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data, kept;
  __u32 size;

  if (data + SVCB_WIRE_FRAME + sizeof(struct iphdr) > data_end)
    return false;
  kept = *eth;
  if (eth->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr *outer = data + L3;

    size = sizeof(*outer);
    if (outer->version != 4 || outer->ihl != 5 || outer->protocol != IPPROTO_IPIP || !outer->saddr ||
        outer->tot_len != bpf_htons(SVCB_WIRE_FRAME - L3 + size) ||
        folded((__u32)bpf_csum_diff(0, 0, (__be32 *)outer, sizeof(*outer), 0)))
      return false;
    to[0] = outer->daddr;
  } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr *outer = data + L3;

    size = sizeof(*outer);
    if (outer->version != 6 || outer->nexthdr != IPPROTO_IPV6 ||
        outer->payload_len != bpf_htons(SVCB_WIRE_FRAME - L3))
      return false;
    for (int i = 0; i < 4; i++)
      to[i] = outer->daddr.in6_u.u6_addr32[i];
  } else {
    return false;
  }
  if (bpf_xdp_adjust_head(ctx, size))
    return false;
  data = (void *)(long)ctx->data;
  data_end = (void *)(long)ctx->data_end;
  eth = data;
  if ((void *)(eth + 1) > data_end)
    return false;
  *eth = kept;
  return true;
}

/* Times, checks and drops (or answers) what came through. Others' packets go their way: sockets may use the
 * same namespaces. */
SEC("xdp")
int wire_sink(struct xdp_md *ctx) {
  __u64 now = bpf_ktime_get_ns();
  __be32 wrapped_to[4] = {};
  bool wrapped = unwrap(ctx, wrapped_to);
  struct packet packet;
  __u64 *hits;
  __u64 ns;

  if (!parse(ctx, &packet) || packet.mark->magic != SVCB_WIRE_MAGIC) {
    COUNT(foreign);
    return XDP_PASS;
  }
  if (packet.mark->run != run.run) {
    COUNT(stale);
    return XDP_DROP;
  }
  if (!checksum_holds(&packet)) {
    COUNT(bad_checksum);
    return XDP_DROP;
  }
  if (!source_holds(&packet)) {
    COUNT(wrong_source);
    return XDP_DROP;
  }
  if (wrapped) {
    struct svcb_wire_target *target = bpf_map_lookup_elem(&wire_targets, &packet.at.target);

    if (!target || differ(packet.at.address, target->address)) {
      COUNT(wrong_backend);
      return XDP_DROP;
    }
    packet.at.wrapped = 1;
    __builtin_memcpy(packet.at.address, wrapped_to, sizeof(wrapped_to));
  }
  hits = bpf_map_lookup_elem(&wire_backends, &packet.at);
  if (!hits) {
    COUNT(wrong_backend);
    return XDP_DROP;
  }
  __sync_fetch_and_add(hits, 1);
  ns = now - ((__u64)packet.mark->sent_high << 32 | packet.mark->sent_low);
  add_latency(ns, 0);
  __sync_fetch_and_add(&counts.total_ns, ns);
  if (ns > counts.max_ns)
    counts.max_ns = ns;
  counts.last_right_ns = now;
  COUNT(right);
  return run.answer ? answer(ctx, &packet) : XDP_DROP;
}

/* The client's end: counts answers, and whether they come from whom the client dialled. */
SEC("xdp")
int wire_client(struct xdp_md *ctx) {
  __u64 now = bpf_ktime_get_ns(), ns;
  struct packet packet;
  struct svcb_wire_target *target;

  if (!parse(ctx, &packet) || packet.mark->magic != SVCB_WIRE_REPLY || packet.mark->run != run.run)
    return XDP_PASS;
  COUNT(replies);
  target = bpf_map_lookup_elem(&wire_targets, &packet.at.target);
  if (target && target->port == packet.source_port && !differ(target->address, packet.source) &&
      checksum_holds(&packet))
    COUNT(replies_as_vip);
  ns = now - ((__u64)packet.mark->sent_high << 32 | packet.mark->sent_low);
  add_latency(ns, SVCB_WIRE_BUCKETS);
  return XDP_DROP;
}

/* ---- packet by packet: for those who judge each one by what was true when it was sent ---- */

/* In wire_sink's place: writes down where each packet came out, and judges nothing. */
SEC("xdp")
int wire_witness(struct xdp_md *ctx) {
  __u64 now = bpf_ktime_get_ns();
  struct svcb_wire_record *record;
  struct packet packet;
  __u32 sequence;

  if (!parse(ctx, &packet) || packet.mark->magic != SVCB_WIRE_MAGIC) {
    COUNT(foreign);
    return XDP_PASS;
  }
  if (packet.mark->run != run.run) {
    COUNT(stale);
    return XDP_DROP;
  }
  COUNT(witnessed);
  sequence = packet.mark->sequence;
  record = bpf_map_lookup_elem(&wire_records, &sequence);
  if (!record)
    return XDP_DROP;
  __builtin_memcpy(record->address, packet.at.address, sizeof(record->address));
  record->port = packet.at.port;
  record->harm = (checksum_holds(&packet) ? 0 : SVCB_WIRE_BAD_CHECKSUM) |
                 (source_holds(&packet) ? 0 : SVCB_WIRE_WRONG_SOURCE);
  record->copies++;
  record->seen_ns = now;
  return XDP_DROP;
}

/* The packet last sent by this client's port, told as refused. */
static __always_inline void note_refused(__u32 client, __be16 port) {
  __u32 flow = client * SVCB_WIRE_PORTS + bpf_ntohs(port) - SVCB_WIRE_FIRST_PORT;
  __u32 sequence = flow - run.first_flow, last = (__u32)counts.sent - 1, place = flow - run.first_open;
  struct svcb_wire_record *record;

  if (!run.mixed)
    return;
  COUNT(refused);
  if (place < run.open_flows && place <= last / 4)
    sequence = 4 * (last / 4 - (last / 4 - place) % run.open_flows);
  record = bpf_map_lookup_elem(&wire_records, &sequence);
  if (record && record->flow == flow)
    record->refused_ns = bpf_ktime_get_ns();
}

/* Of an ICMP error: the type, and the packet that it is about. */
#define ICMP_UNREACHABLE 3
#define ICMP6_UNREACHABLE 1
#define ICMP_HEADER 8
#define NEXT_ICMP6 58

/* In wire_client's place: TCP resets, and ICMP's "destination unreachable". */
SEC("xdp")
int wire_refused(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *data_end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;

  if ((void *)(eth + 1) > data_end)
    return XDP_PASS;
  if (eth->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr *ip = data + L3, *about = data + L4_V4 + ICMP_HEADER;
    struct tcphdr *tcp = data + L4_V4;
    struct udphdr *ports = (void *)(about + 1);

    if ((void *)(tcp + 1) > data_end || ip->version != 4 || ip->ihl != 5)
      return XDP_PASS;
    if (ip->protocol == IPPROTO_TCP && tcp->rst)
      note_refused(bpf_ntohl(ip->daddr) - bpf_ntohl(run.clients4), tcp->dest);
    else if (ip->protocol == IPPROTO_ICMP && *(__u8 *)(data + L4_V4) == ICMP_UNREACHABLE &&
             (void *)(ports + 1) <= data_end)
      note_refused(bpf_ntohl(about->saddr) - bpf_ntohl(run.clients4), ports->source);
  } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip = data + L3, *about = data + L4_V6 + ICMP_HEADER;
    struct tcphdr *tcp = data + L4_V6;
    struct udphdr *ports = (void *)(about + 1);

    if ((void *)(tcp + 1) > data_end || ip->version != 6)
      return XDP_PASS;
    if (ip->nexthdr == IPPROTO_TCP && tcp->rst)
      note_refused(bpf_ntohl(ip->daddr.in6_u.u6_addr32[3]) - bpf_ntohl(run.clients6[3]), tcp->dest);
    else if (ip->nexthdr == NEXT_ICMP6 && *(__u8 *)(data + L4_V6) == ICMP6_UNREACHABLE &&
             (void *)(ports + 1) <= data_end)
      note_refused(bpf_ntohl(about->saddr.in6_u.u6_addr32[3]) - bpf_ntohl(run.clients6[3]), ports->source);
  }
  return XDP_PASS;
}

/* Native XDP between the ends of a veth wants a program at both. */
SEC("xdp")
int wire_pass(struct xdp_md *ctx) { return XDP_PASS; }

/* ---- known costs, to test and to place the instrument with ---- */

#define MOST_READS 4096

static __always_inline void wait_for(__u64 ns) {
  __u64 end = bpf_ktime_get_ns() + ns;

  if (!ns)
    return;
  for (int i = 0; i < MOST_READS; i++)
    if (bpf_ktime_get_ns() >= end)
      return;
}

/* A data plane that only redirects, after delay_ns. What has no Ethernet header it drops. */
static __always_inline int redirected(void *data, void *data_end, int drop) {
  struct ethhdr *eth = data;

  if ((void *)(eth + 1) > data_end)
    return drop;
  wait_for(delay_ns);
  __builtin_memcpy(eth->h_source, redirect_source, sizeof(eth->h_source));
  __builtin_memcpy(eth->h_dest, redirect_destination, sizeof(eth->h_dest));
  return bpf_redirect(redirect_to, 0);
}

SEC("tc")
int wire_redirect_tc(struct __sk_buff *skb) {
  return redirected((void *)(long)skb->data, (void *)(long)skb->data_end, 2 /* TC_ACT_SHOT */);
}

SEC("xdp")
int wire_redirect_xdp(struct xdp_md *ctx) {
  return redirected((void *)(long)ctx->data, (void *)(long)ctx->data_end, XDP_DROP);
}

/* What it costs to read the clock: the time of 1000 readings. */
SEC("xdp")
int wire_clock(struct xdp_md *ctx) {
  __u64 begin = bpf_ktime_get_ns();
  __u64 last = begin;

  for (int i = 0; i < 1000; i++)
    last = bpf_ktime_get_ns();
  counts.total_ns = last - begin;
  return XDP_DROP;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
