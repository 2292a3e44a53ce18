/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policies that should stand in the kernel, as a pure table: what the agent's rules and
 * exemptions ask for on this host's addresses, what was decided for single pairs, and what the
 * kernel has. The difference is handed out as changes.
 *
 * A policy's identity is its direction and selector, never its priority (doc/kernel.md: a second
 * one with another priority is EEXIST). So a decision on the same selector as a rule takes the
 * rule's place, and the rule's own policy comes back when the decision goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xfrm/xfrm.h"

enum spd_dir {
	SPD_IN = 0, /* as XFRM_POLICY_IN, XFRM_POLICY_OUT of linux/xfrm.h */
	SPD_OUT = 1,
};

/* All bytes count in comparisons: initialise it whole. Ports in host order, 0 any; for ICMP they
 * are type and code. */
struct spd_key {
	uint8_t dir; /* enum spd_dir */
	uint8_t family;
	uint8_t proto;
	uint8_t src_len; /* prefix lengths */
	uint8_t dst_len;
	uint8_t resolver; /* 1: only packets with XFRM_MARK_RESOLVER */
	uint16_t sport;
	uint16_t dport;
	uint8_t src[16];
	uint8_t dst[16];
};

enum spd_kind {
	SPD_NONE,
	SPD_ALLOW,
	SPD_REQUIRED, /* our ESP transport template */
	SPD_BLOCK,
	SPD_OTHER, /* in the kernel, in our band, but nothing we would write */
};

struct spd_value {
	uint32_t priority;
	uint8_t kind;   /* enum spd_kind */
	uint8_t mortal; /* 1: dies after the clear lifetime unless written again */
	uint8_t level;  /* SPD_REQUIRED: of the rule, see xfrm.h */
	uint8_t pad;
};

struct spd;
struct spd_entry;

struct spd *spd_new(void);
/* Accepts NULL. */
void spd_free(struct spd *spd);

/* ---- what should stand */

/* Begins a new picture of all rules and exemptions; spd_want() adds to it, spd_close() ends it:
 * what was in the picture before and is not in the new one is no longer wanted. Of two wants with
 * one key the first stays. */
void spd_open(struct spd *spd);
void spd_want(struct spd *spd, const struct spd_key *key, enum spd_kind kind, uint32_t priority);
unsigned int spd_level(const struct xfrm_rule *rule);
void spd_close(struct spd *spd);

/* The rule's policies on the host's address local, of the same family. in_allow: some rule behind
 * this one closes the inbound side, so that this one must open it. */
void spd_want_rule(
	struct spd *spd, const struct xfrm_rule *rule, const struct addr *local, bool in_allow);

/* The selector of a decision for the pair. */
struct spd_key spd_pair_key(enum spd_dir dir, const struct pair *pair);
/* The other way round; what the key says of prefixes is lost. */
struct pair spd_key_pair(const struct spd_key *key);
/* Decides for the pair, under the rule: takes the place of what was decided before on the same
 * selector. SPD_NONE: no decision. */
void spd_decide(struct spd *spd, enum spd_dir dir, const struct pair *pair,
	const struct xfrm_rule *rule, enum spd_kind kind, bool mortal);
/* No decision of the pair in the direction stands any longer. */
void spd_undecide(struct spd *spd, enum spd_dir dir, const struct pair *pair);
/* No decision of pairs with this local address. */
void spd_undecide_local(struct spd *spd, const struct addr *local);

/* ---- what stands */

/* The kernel has this: found in a dump. It stays until the first spd_close() that does not want it;
 * a required inbound policy of a pair is kept as a decision where keep is set. */
void spd_found(
	struct spd *spd, const struct spd_key *key, const struct spd_value *value, bool keep);
/* The kernel let it go by itself: it is put back by the next spd_sync() if still wanted. */
void spd_lost(struct spd *spd, const struct spd_key *key);

/* One change to make: kind SPD_NONE in value removes the policy. Whoever makes it tells the
 * kernel's answer by spd_answer(), before the next call of anything else here. */
typedef void (*spd_change_fn)(void *arg, struct spd_entry *entry, const struct spd_key *key,
	const struct spd_value *value);
/* Hands out all changes, new and changed policies first, then removals. When an open OUT policy was
 * removed one policy of that family is written again: only an insert makes connected sockets look
 * again (doc/kernel.md, section 4). now: microseconds, for spd_rearm(). */
void spd_sync(struct spd *spd, uint64_t now, spd_change_fn fn, void *arg);
/* The entry may be gone afterwards. */
void spd_answer(struct spd_entry *entry, int error);
/* The first error answered since the last call, 0 none. */
int spd_take_error(struct spd *spd);
/* Writes those mortal policies again that were written before deadline, oldest first, at most max.
 */
void spd_rearm(struct spd *spd, uint64_t now, uint64_t deadline, unsigned int max, spd_change_fn fn,
	void *arg);
/* Nothing is wanted, nothing is decided: spd_sync() removes all that is ours. */
void spd_clear(struct spd *spd);
/* Policies of ours in the kernel. */
size_t spd_count(const struct spd *spd);
