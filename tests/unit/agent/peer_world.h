/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core between doubles of the services, in virtual time: what it sends is kept, what the
 * services would say comes from the test.
 */
#ifndef PEER_WORLD_H
#define PEER_WORLD_H

#include "tests/unit/agent/peers.h"

#define SENT_MAX 64

struct sent {
	uint16_t type;
	size_t tail_len;
	union {
		struct xfrm_sa sa;
		struct xfrm_sa_id sa_id;
		struct xfrm_decide decide;
		struct dns_lookup lookup;
		struct ike_connect connect;
		struct ike_accept accept;
		struct ike_authorize authorize;
		struct ike_installed installed;
		struct ike_close close;
		struct ike_rekey rekey; /* USED too */
		struct ike_traffic traffic;
		struct ike_invalid_spi invalid_spi;
	} m;
};

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	struct sent sent[SENT_MAX];
	size_t n;
	uint64_t now;
	uint32_t spi;
	bool watch_private; /* nothing may become clear */
};

/* An agent with all services up and a key in DNS; 198.18.0.0/16 is in that group. */
struct world *world(const char *group);
void end(struct world *w);
/* Host 2 is 198.18.0.2; we are 198.18.0.1. */
struct pair pair_of(unsigned int host);
/* The last message of that type; fails where there is none since the mark. */
const struct sent *last(const struct world *w, uint16_t type);
bool was_sent(const struct world *w, uint16_t type);
/* Time goes on by so many microseconds, timer by timer. */
void advance(struct world *w, uint64_t us);
void event(struct world *w, uint16_t type, const void *fixed);
void trap(struct world *w, unsigned int host);
/* DNS says so; DNS_KEYS with one key of Ed25519. */
void answer(struct world *w, uint32_t id, enum dns_class class, uint32_t ttl);
void answer_last(struct world *w, enum dns_class class, uint32_t ttl);
enum oe_state state(const struct world *w, unsigned int host);
enum oe_reason reason(const struct world *w, unsigned int host);
/* One half of a child; the SPIs of a pair are neighbours. */
void child(struct world *w, uint32_t handle, bool inbound, uint32_t spi);
/* The inbound half of a child that replaces another. */
void anew(struct world *w, uint32_t handle, uint32_t spi, uint32_t old, bool both);
/* The kernel has done (or not) what the last message of that type asked. */
void done_last(struct world *w, uint16_t type, int error);
/* An exchange ends well: child, SAs in the kernel, UP. */
void come_up(struct world *w, uint32_t handle, uint32_t spi);
/* The same, with how the peer proves itself. */
void come_up_by(struct world *w, uint32_t handle, uint32_t spi, enum ike_auth_kind peer);
void fail_ike(struct world *w, uint32_t handle, enum ike_failure code, uint16_t type);
/* The host calls us; returns the handle. */
uint32_t inbound(struct world *w, unsigned int host);
/* It says who it is: ID_IPV4_ADDR (1), ID_FQDN (2) or another type. */
void identity(struct world *w, uint32_t handle, unsigned int host, uint8_t type, bool null_auth);
/* All the way from the trapped packet; the SAs have spi and its neighbour. */
void make_private(struct world *w, unsigned int host, uint32_t spi);

#endif
