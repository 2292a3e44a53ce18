/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairs of hosts that wait for a decision, with their held packets. No I/O and no clock: packets,
 * acquires and time go in, verdicts and questions come out through struct hold_effects. Times in
 * microseconds.
 *
 * A decision acts on the packets within the scope of its pair. Where rules name protocols or ports,
 * which only the agent can tell apart, it is asked for each flow, else once for the two hosts.
 *
 * A pair is in here from its first packet or ACQUIRE until one second after its decision: packets
 * that were already on their way then get the same verdict at once. One that comes later shows that
 * the decision does not stand in the kernel (any more), so the agent is asked anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xfrm/xfrm.h"

#define HOLD_ACQUIRE_DELAY 2000 /* an ACQUIRE waits for its packet, which says more */
#define HOLD_ASK_AGAIN 1000000  /* TRAPPED is repeated at most this often */
#define HOLD_LATE 1000000       /* a decision covers packets that come within this */
#define HOLD_AGE_MAX 60000000   /* without a decision held packets are dropped after this */
#define HOLD_CAPTURE 2048       /* of each packet, enough for a SYN as a whole */

struct hold_effects {
	/* The kernel's packet id goes on (with the released mark added, and with these bytes
	 * instead of its own where payload is not NULL) or is dropped. */
	void (*verdict)(void *arg, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload,
		size_t len);
	/* An IP packet for our own application. */
	void (*answer)(void *arg, const struct addr *to, const uint8_t *data, size_t len);
	/* Whether the agent can be asked about the pair. */
	bool (*ours)(void *arg, const struct pair *pair);
	void (*trapped)(void *arg, const struct xfrm_trapped *ev);
	/* MTU of the path, 0 unknown. */
	uint32_t (*mtu)(void *arg, const struct pair *pair);
};

enum hold_outcome {
	HOLD_CLEAR,
	HOLD_PRIVATE,
	HOLD_BLOCK,
	HOLD_DROP,
};

struct hold_decision {
	struct pair pair;
	enum hold_outcome outcome;
	bool encap; /* private, in UDP */
};

struct hold_counts {
	uint32_t released;
	uint32_t held_us; /* of the oldest released */
};

struct hold;

/* effects and arg must outlive it. */
struct hold *hold_new(const struct hold_effects *effects, void *arg);
/* Accepts NULL. No verdicts: the kernel drops what is queued when the queue is closed. */
void hold_free(struct hold *h);
/* enabled false: nothing is held, the packet is dropped and the question asked. */
void hold_limits(struct hold *h, bool enabled, uint32_t max, uint32_t peer_max);
/* Whether rules name protocols or ports. */
void hold_ports(struct hold *h, bool named);

/* A packet in the queue; data is its first len bytes. */
void hold_packet(
	struct hold *h, uint64_t now, uint32_t id, uint32_t mark, const uint8_t *data, size_t len);
/* An ACQUIRE. The question is asked at the earliest in HOLD_ACQUIRE_DELAY, by hold_tick(). */
void hold_acquire(
	struct hold *h, uint64_t now, const struct pair *hosts, const struct scope *flow);
/* Acts on the held packets of the pair. The decision must stand in the kernel already. */
struct hold_counts hold_decide(struct hold *h, uint64_t now, const struct hold_decision *d);
/* The pair is as if never seen; its held packets wait no longer: dropped. Returns how many. */
uint32_t hold_forget(struct hold *h, const struct pair *pair);
/* An address of ours went: so do its pairs. */
void hold_forget_local(struct hold *h, const struct addr *local);
void hold_tick(struct hold *h, uint64_t now);
/* Whether an ACQUIRE waits for hold_tick(). */
bool hold_has_acquires(const struct hold *h);

uint32_t hold_now(const struct hold *h, const struct pair *pair);
uint64_t hold_total(const struct hold *h);
uint64_t hold_dropped(const struct hold *h);
