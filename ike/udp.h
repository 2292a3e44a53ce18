/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four sockets of IKE: UDP 500 and 4500, IPv4 and IPv6, on all addresses of the host. Each
 * datagram says to which address it came and leaves from the one it should. The kernel takes ESP in
 * UDP out of the stream on 4500 by itself, and IPsec policies do not apply to these sockets.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/core.h"

struct udp;

/* data may be changed; it lives until the function returns. */
typedef void (*udp_datagram_fn)(void *arg, const struct ike_path *path, uint8_t *data, size_t len);
/* ICMP port unreachable came for a datagram of ours. Only for those from port 500: the kernel keeps
 * it to itself where a socket takes ESP in UDP. First contact is from there. */
typedef void (*udp_refused_fn)(void *arg, const struct pair *pair);

/* Binds the sockets; needs CAP_NET_BIND_SERVICE and CAP_NET_ADMIN. A family that the host does not
 * have is left out, and a thing that cannot be had is said in udp_why(). Returns 0, or -errno after
 * a logged line where no family is left. */
int udp_open(struct udp **ret);
/* Closes and frees; accepts NULL. */
void udp_free(struct udp *u);
bool udp_has(const struct udp *u, sa_family_t family);
/* "" or the first thing that could not be had. */
const char *udp_why(const struct udp *u);
/* From now on datagrams are taken in. Fatal when out of memory. */
void udp_start(struct udp *u, struct event_base *base, udp_datagram_fn on_datagram,
	udp_refused_fn on_refused, void *arg);
/* path->local_port chooses the socket. Returns 0 or -errno. */
int udp_send(struct udp *u, const struct ike_path *path, const void *data, size_t len);
