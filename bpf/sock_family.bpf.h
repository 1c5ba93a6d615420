/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a dialled address to a backend, of one family (sock.bpf.h tells what for). No include guard:
 * included for each. */

/* Writes only what is new: an update of the map takes a lock, and a socket says the same again and again.
 */
static __always_inline void OF(svcb_keep_dialled)(const struct OF(svcb_peer) * peer,
                                                  const struct OF(svcb_frontend) * dialled) {
  const struct OF(svcb_frontend) *known = bpf_map_lookup_elem(&OF(peers), peer);

  if (!known || !SVCB_SAME(*known, *dialled))
    bpf_map_update_elem(&OF(peers), peer, dialled, BPF_ANY);
}

/* The backend for a dialled address, with *backend_found; else *to stays what it is, and the verdict says
 * whether the call may go on. */
static __always_inline int OF(svcb_dial)(struct bpf_sock_addr *ctx, bool connecting,
                                         struct OF(svcb_frontend) * to, bool *backend_found) {
  struct OF(svcb_peer) peer = {.cookie = bpf_get_socket_cookie(ctx), .backend = *to};
  struct OF(svcb_flow) client = {.to = *to};
  const struct OF(svcb_backend) * backend;
  enum svcb_outcome outcome;
  __u64 word = 0;
  __u32 index;

  /* The unspecified address is no frontend but the socket's own host, and in `services` a NodePort's key.
   * A client's source is still zero. */
  if (SVCB_SAME(to->address, client.source))
    return SVCB_SOCK_ALLOW;
  outcome = OF(svcb_find)(to, &word);
  if (outcome == SVCB_NO_SERVICE) {
    /* A backend itself, dialled after a frontend of it: it answers in its own name now. */
    if (svcb_is_dialled(ctx, connecting) && bpf_map_lookup_elem(&OF(peers), &peer))
      bpf_map_delete_elem(&OF(peers), &peer);
    return SVCB_SOCK_ALLOW;
  }
  if (outcome != SVCB_TRANSLATED || !svcb_service_count(word))
    return svcb_refuse(word);
  index = svcb_pick(word, svcb_draw(connecting, peer.cookie, OF(svcb_tag)(to)));
  if (svcb_service_flags(word) & SVCB_SERVICE_AFFINITY) {
    OF(svcb_name_client)(&client, bpf_get_netns_cookie(ctx));
    index = OF(svcb_stick)(&client, word, index, true);
  }
  backend = bpf_map_lookup_elem(&OF(backends), &index);
  if (!backend)
    return svcb_refuse(word);
  SVCB_SET(peer.backend.address, backend->address);
  peer.backend.port = backend->port;
  OF(svcb_keep_dialled)(&peer, to);
  *to = peer.backend;
  *backend_found = true;
  return SVCB_SOCK_ALLOW;
}
