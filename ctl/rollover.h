/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing this host's key while others hold its records in their caches: where it stands, and
 * what may be done when. Pure but for the two functions that keep it in a file.
 *
 *   MADE        the new key exists; its records are being added beside the old ones. Signed with: old
 *   PUBLISHED   both are in DNS; whoever looked before may have the old record alone for its TTL. Old
 *   SWITCHED    everybody who can have a record has the new one. Signed with: new
 *   REMOVED     the old records are out of DNS; the old key can go
 *
 * Whoever has looked the name up at any time is proved to by a key that is among what was found
 * there and is not out of date: that is what the order is for (compare RFC 6781 section 4.1.1.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROLLOVER_OWNERS_MAX 32
#define ROLLOVER_NAME_MAX 64
/* oed itself believes a record for at least so many seconds, whatever its TTL
 * (resolver/answer.c). */
#define ROLLOVER_TTL_MIN 60
/* And for at most so many: what is waited where the TTL is not known. */
#define ROLLOVER_TTL_MAX 86400
/* The clocks of servers and caches, and the time that a transfer to the secondaries takes. */
#define ROLLOVER_MARGIN 30

enum rollover_step {
	ROLLOVER_NONE,
	ROLLOVER_MADE,
	ROLLOVER_PUBLISHED,
	ROLLOVER_SWITCHED,
	ROLLOVER_REMOVED,
};

struct rollover {
	enum rollover_step step;
	bool by_hand;      /* the records are changed by the admin, not by updates */
	uint8_t precedence; /* of the key's records, before and afterwards */
	uint32_t ttl;      /* the longest of the old records */
	uint64_t started;  /* seconds since 1970; of the other steps 0 before they were reached */
	uint64_t published;
	uint64_t switched;
	char name[ROLLOVER_NAME_MAX]; /* of the key's file, without .pem */
	char old_key[64];  /* fingerprints */
	char new_key[64];
	size_t n_owners;
	char owner[ROLLOVER_OWNERS_MAX][256]; /* where the records stand */
};

/* What is to be done next. */
enum rollover_action {
	ROLLOVER_DO_NOTHING, /* none is under way */
	ROLLOVER_DO_PUBLISH,
	ROLLOVER_DO_WAIT,    /* until rollover_due() */
	ROLLOVER_DO_SWITCH,
	ROLLOVER_DO_REMOVE,
	ROLLOVER_DO_FINISH,
};

enum rollover_action rollover_next(const struct rollover *r, uint64_t now);
/* When the old records alone can be in nobody's cache any more; 0 before they are published. */
uint64_t rollover_due(const struct rollover *r);
/* Steps that were done. Each is allowed after the one before it only: -EINVAL. */
int rollover_advance(struct rollover *r, enum rollover_step to, uint64_t now);
/* Whether it can be taken back: nobody was shown a proof by the new key. */
bool rollover_can_abort(const struct rollover *r);
const char *rollover_step_text(const struct rollover *r); /* "both records are published" */

/* Text of JSON, to be freed. */
char *rollover_format(const struct rollover *r);
/* Returns 0, or -EBADMSG where it is not what rollover_format() writes. */
int rollover_parse(const char *text, struct rollover *ret);

/* DIR/rollover.json: replaced as a whole, through to the disk; step NONE removes it. Return 0 or
 * -errno; without a file *ret has step NONE. */
int rollover_save(const char *dir, const struct rollover *r);
int rollover_load(const char *dir, struct rollover *ret);
