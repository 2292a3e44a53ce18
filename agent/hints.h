/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hints: names that are said to stand for an address, learnt before its first packet. The table
 * only says under which names a key may be looked for; whether it counts, the resolver says at each
 * use: the name's key and its address must both be secure. So nobody gains by filling it but to
 * waste a question, and what he can fill is bounded. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "resolver/resolver.h"

#define HINTS_MAX 8192 /* pairs of address and name */
#define HINTS_PER_ADDR 4

enum hint_from {
	HINT_ADMIN,    /* root, by oectl hint */
	HINT_UNBOUND,  /* who else may use the socket of hints: unbound's hook */
	HINT_RESOLVED, /* systemd-resolved, of what local applications asked */
};

struct hint {
	char *name;        /* canonical, see hint_name() */
	uint64_t until;    /* microseconds */
	uint64_t rests;    /* not used until then: it led to nothing */
	uint8_t from;      /* enum hint_from */
};

struct hints;

/* Fatal when out of memory. */
struct hints *hints_new(void);
/* Accepts NULL. */
void hints_free(struct hints *h);
/*
 * Of several names of one address the first that does not rest is used. Their order: those of an
 * administrator, then as they came; one that led to nothing goes to the end. At HINTS_PER_ADDR a
 * new one takes the place of a resting last one, an administrator's that of any other's. Returns 0
 * where it is new, -EEXIST where it was known, and now lives until until, -ENOSPC where there is no
 * room.
 */
int hints_add(struct hints *h, const struct addr *addr, const char *name, enum hint_from from,
	uint64_t until, uint64_t now);
bool hints_has(const struct hints *h, const struct addr *addr, const char *name, uint64_t now);
/* The one to use; NULL none. Valid until the next call that changes h. */
const struct hint *hints_find(const struct hints *h, const struct addr *addr, uint64_t now);
/* All that addr has, in that order, also those that have expired. Returns how many. */
size_t hints_of(const struct hints *h, const struct addr *addr, const struct hint **ret);
void hints_remove(struct hints *h, const struct addr *addr, const char *name);
void hints_rest(struct hints *h, const struct addr *addr, const char *name, uint64_t until);
/* Pairs, also those that have expired and are not cleared away yet. */
size_t hints_count(const struct hints *h);

/* The canonical form of what somebody gives as a host's name: lower case, with closing dot.
 * Letters, digits, hyphens and underscores, in two or more labels of 1 to 63 (RFC 1035 section
 * 2.3.4); no address. Returns 0 or -EINVAL. */
int hint_name(const char *text, char ret[static DNS_NAME_MAX]);
uint64_t hint_hash(const char *name);
const char *hint_from_name(enum hint_from from); /* "oectl" */
