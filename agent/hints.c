/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define uthash_fatal(text) out_of_memory()
__attribute__((noreturn)) static void out_of_memory(void)
{
	log_error("out of memory");
	abort();
}
#include <uthash.h>

/* A full table is looked through for what has expired no more often than this. */
#define SWEEP_US UINT64_C(1000000)

struct entry {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	size_t n; /* never 0 */
	struct hint hints[HINTS_PER_ADDR]; /* in the order in which they are tried */
};

struct hints {
	struct entry *by_addr;
	size_t count;
	uint64_t swept;
};

struct hints *hints_new(void)
{
	struct hints *h = calloc(1, sizeof(*h));

	if (!h)
		out_of_memory();
	return h;
}

static struct entry *find(const struct hints *h, const struct addr *addr)
{
	struct entry *e;

	HASH_FIND(hh, h->by_addr, addr, sizeof(*addr), e);
	return e;
}

static void take_out(struct hints *h, struct entry *e, size_t i)
{
	memmove(&e->hints[i], &e->hints[i + 1], (e->n - i - 1) * sizeof(e->hints[0]));
	e->n--;
	h->count--;
}

static void drop(struct hints *h, struct entry *e, size_t i)
{
	free(e->hints[i].name);
	take_out(h, e, i);
}

static void put_in(struct hints *h, struct entry *e, size_t i, const struct hint *hint)
{
	memmove(&e->hints[i + 1], &e->hints[i], (e->n - i) * sizeof(e->hints[0]));
	e->hints[i] = *hint;
	e->n++;
	h->count++;
}

static void drop_expired(struct hints *h, struct entry *e, uint64_t now)
{
	for (size_t i = e->n; i-- > 0;)
		if (e->hints[i].until <= now)
			drop(h, e, i);
}

static void drop_empty(struct hints *h, struct entry *e)
{
	if (e->n)
		return;
	HASH_DEL(h->by_addr, e);
	free(e);
}

static void sweep(struct hints *h, uint64_t now)
{
	struct entry *e, *next;

	if (h->swept && now < h->swept + SWEEP_US)
		return;
	h->swept = now;
	HASH_ITER(hh, h->by_addr, e, next) {
		drop_expired(h, e, now);
		drop_empty(h, e);
	}
}

void hints_free(struct hints *h)
{
	struct entry *e, *next;

	if (!h)
		return;
	HASH_ITER(hh, h->by_addr, e, next) {
		drop_expired(h, e, UINT64_MAX);
		drop_empty(h, e);
	}
	free(h);
}

static struct hint *named(struct entry *e, const char *name)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (!strcmp(e->hints[i].name, name))
			return &e->hints[i];
	return NULL;
}

static struct entry *get(struct hints *h, const struct addr *addr)
{
	struct entry *e = find(h, addr);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		out_of_memory();
	e->addr = *addr;
	HASH_ADD(hh, h->by_addr, addr, sizeof(e->addr), e);
	return e;
}

/* Makes room in a full entry; false: there is none for such a one. */
static bool give_way(struct hints *h, struct entry *e, enum hint_from from, uint64_t now)
{
	const struct hint *last = &e->hints[e->n - 1];

	if (e->n < HINTS_PER_ADDR)
		return true;
	if (last->rests <= now && (from != HINT_ADMIN || last->from == HINT_ADMIN))
		return false;
	drop(h, e, e->n - 1);
	return true;
}

static size_t place_of(const struct entry *e, enum hint_from from, uint64_t now)
{
	size_t i = 0;

	while (i < e->n && e->hints[i].rests <= now &&
		(from != HINT_ADMIN || e->hints[i].from == HINT_ADMIN))
		i++;
	return i;
}

int hints_add(struct hints *h, const struct addr *addr, const char *name, enum hint_from from,
	uint64_t until, uint64_t now)
{
	struct hint hint = {.until = until, .from = (uint8_t)from}, *known;
	struct entry *e = find(h, addr);

	if (e) {
		drop_expired(h, e, now);
		drop_empty(h, e);
		e = find(h, addr);
	}
	known = named(e, name);
	if (known && !(from == HINT_ADMIN && known->from != HINT_ADMIN)) {
		known->until = until;
		return -EEXIST;
	}
	if (known) /* an administrator's word puts it first */
		drop(h, e, (size_t)(known - e->hints));
	else if (h->count >= HINTS_MAX)
		sweep(h, now);
	if (h->count >= HINTS_MAX)
		return -ENOSPC;
	e = get(h, addr); /* may have been swept away */
	if (e->n && !give_way(h, e, from, now))
		return -ENOSPC;
	hint.name = strdup(name);
	if (!hint.name)
		out_of_memory();
	put_in(h, e, place_of(e, from, now), &hint);
	return known ? -EEXIST : 0;
}

bool hints_has(const struct hints *h, const struct addr *addr, const char *name, uint64_t now)
{
	const struct hint *hint = named(find(h, addr), name);

	return hint && hint->until > now;
}

const struct hint *hints_find(const struct hints *h, const struct addr *addr, uint64_t now)
{
	const struct entry *e = find(h, addr);

	for (size_t i = 0; e && i < e->n; i++)
		if (e->hints[i].until > now && e->hints[i].rests <= now)
			return &e->hints[i];
	return NULL;
}

size_t hints_of(const struct hints *h, const struct addr *addr, const struct hint **ret)
{
	const struct entry *e = find(h, addr);

	*ret = e ? e->hints : NULL;
	return e ? e->n : 0;
}

void hints_remove(struct hints *h, const struct addr *addr, const char *name)
{
	struct entry *e = find(h, addr);
	struct hint *hint = named(e, name);

	if (!hint)
		return;
	drop(h, e, (size_t)(hint - e->hints));
	drop_empty(h, e);
}

void hints_rest(struct hints *h, const struct addr *addr, const char *name, uint64_t until)
{
	struct entry *e = find(h, addr);
	struct hint *hint = named(e, name), copy;

	if (!hint)
		return;
	copy = *hint;
	copy.rests = until;
	take_out(h, e, (size_t)(hint - e->hints));
	put_in(h, e, e->n, &copy);
}

size_t hints_count(const struct hints *h)
{
	return h->count;
}

int hint_name(const char *text, char ret[static DNS_NAME_MAX])
{
	static const char allowed[] = "-_0123456789abcdefghijklmnopqrstuvwxyz";
	size_t len = strlen(text), label = 0, labels = 0;
	bool digits = true; /* the last label: no name of a host ends in one of digits alone */
	struct addr a;

	if (len && text[len - 1] == '.')
		len--;
	if (!len || len > 253 || text[0] == '-' || addr_parse(text, &a) == 0)
		return -EINVAL;
	memset(ret, 0, DNS_NAME_MAX);
	for (size_t i = 0; i < len; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];

		ret[i] = c;
		if (c == '.') {
			if (!label)
				return -EINVAL;
			labels++;
			label = 0;
			digits = true;
			continue;
		}
		if (!strchr(allowed, c) || ++label > 63)
			return -EINVAL;
		digits = digits && c >= '0' && c <= '9';
	}
	ret[len] = '.';
	return label && labels && !digits ? 0 : -EINVAL;
}

uint64_t hint_hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	while (*name)
		h = (h ^ (uint8_t)*name++) * UINT64_C(1099511628211);
	return h;
}

const char *hint_from_name(enum hint_from from)
{
	switch (from) {
	case HINT_ADMIN:
		return "oectl";
	case HINT_UNBOUND:
		return "unbound";
	case HINT_RESOLVED:
		return "systemd-resolved";
	}
	return "?";
}
