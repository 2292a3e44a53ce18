/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ranges.h"

#include <stdlib.h>

#include "base/log.h"

#define uthash_fatal(text) out_of_memory()
static void out_of_memory(void)
{
	log_error("out of memory");
	abort();
}
#include <uthash.h>

struct entry {
	UT_hash_handle hh; /* by range.told.prefix */
	struct range range;
};

struct ranges {
	struct entry *by_prefix;
	uint32_t of_len[2]
		       [129]; /* entries of that length, IPv4 and IPv6: which need be looked for */
};

struct ranges *ranges_new(void)
{
	struct ranges *r = calloc(1, sizeof(*r));

	if (!r)
		out_of_memory();
	return r;
}

static uint32_t *of_len(struct ranges *r, const struct prefix *p)
{
	return &r->of_len[p->addr.family == AF_INET6][p->len];
}

static void drop(struct ranges *r, struct entry *e)
{
	--*of_len(r, &e->range.told.prefix);
	HASH_DEL(r->by_prefix, e);
	free(e);
}

void ranges_flush(struct ranges *r)
{
	struct entry *e, *next;

	HASH_ITER(hh, r->by_prefix, e, next)
		drop(r, e);
}

void ranges_free(struct ranges *r)
{
	if (r)
		ranges_flush(r);
	free(r);
}

size_t ranges_count(const struct ranges *r)
{
	return HASH_COUNT(r->by_prefix);
}

static struct entry *find(const struct ranges *r, const struct prefix *p)
{
	struct entry *e;

	HASH_FIND(hh, r->by_prefix, p, sizeof(*p), e);
	return e;
}

static void make_room(struct ranges *r)
{
	struct entry *e, *next, *first = r->by_prefix;

	HASH_ITER(hh, r->by_prefix, e, next)
		if (e->range.until < first->range.until)
			first = e;
	drop(r, first);
}

void ranges_add(struct ranges *r, const struct dns_range *range, uint64_t now)
{
	struct entry *e = find(r, &range->prefix);

	if (!e) {
		if (ranges_count(r) >= RANGES_MAX)
			make_room(r);
		e = calloc(1, sizeof(*e));
		if (!e)
			out_of_memory();
		e->range.told = *range;
		HASH_ADD(hh, r->by_prefix, range.told.prefix, sizeof(range->prefix), e);
		++*of_len(r, &range->prefix);
	}
	e->range.told = *range;
	e->range.until = now + range->ttl * UINT64_C(1000000);
}

const struct range *ranges_find(struct ranges *r, const struct addr *addr, uint64_t now)
{
	struct prefix p = prefix_host(addr);
	struct entry *e;

	for (;;) {
		e = *of_len(r, &p) ? find(r, &p) : NULL;
		if (e && e->range.until > now)
			return &e->range;
		if (e)
			drop(r, e);
		if (p.len == 0)
			return NULL;
		p.len--;
		p.addr.b[p.len / 8] &= (uint8_t) ~(0x80u >> p.len % 8);
	}
}
