/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/limit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

/* Prefixes have no entries of their own: they share a fixed number of buckets by a hash that nobody
 * outside can predict. 4096 buckets are 64 KB, and an attacked prefix takes few bystanders along. */
#define BUCKETS 4096

struct rate {
	uint32_t burst;
	uint32_t per_second;
};

struct bucket {
	uint64_t at;  /* when `spent` was right; 0 never used */
	double spent; /* tokens taken and not grown back */
};

enum who { OURS, STRANGERS, HINTS, N_WHO };

static const struct {
	struct rate all, prefix;
} rates[N_WHO] = {
	[OURS] = {{LIMIT_ALL_BURST, LIMIT_ALL_RATE}, {LIMIT_PREFIX_BURST, LIMIT_PREFIX_RATE}},
	[STRANGERS] = {{LIMIT_STRANGERS_BURST, LIMIT_STRANGERS_RATE},
		{LIMIT_STRANGERS_PREFIX_BURST, LIMIT_STRANGERS_PREFIX_RATE}},
	[HINTS] = {{LIMIT_HINTS_BURST, LIMIT_HINTS_RATE}, {LIMIT_HINTS_BURST, LIMIT_HINTS_RATE}},
};

static enum who who_is(enum dns_origin origin)
{
	return origin == DNS_FROM_STRANGER ? STRANGERS : origin == DNS_FROM_HINT ? HINTS : OURS;
}

struct limits {
	uint64_t seed;
	struct bucket all[N_WHO];
	struct bucket prefix[N_WHO][BUCKETS];
};

struct limits *limits_new(void)
{
	struct limits *l = calloc(1, sizeof(*l));

	if (!l) {
		log_error("out of memory");
		abort();
	}
	/* before the loop begins the kernel may have no randomness yet: then any seed will do */
	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) != sizeof(l->seed))
		l->seed = (uintptr_t)l;
	return l;
}

void limits_free(struct limits *l)
{
	free(l);
}

/* /24 and /48: what one site usually has. */
static struct bucket *prefix_bucket(struct limits *l, enum who who, const struct addr *addr)
{
	size_t n = addr->family == AF_INET ? 3 : 6;
	uint64_t h = l->seed ^ addr->family;

	for (size_t i = 0; i < n; i++) {
		/* the mixing of splitmix64 */
		h += addr->b[i] + UINT64_C(0x9e3779b97f4a7c15);
		h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
		h ^= h >> 31;
	}
	return &l->prefix[who][h % BUCKETS];
}

static bool has_token(struct bucket *b, const struct rate *r, uint64_t now)
{
	if (b->at && now > b->at)
		b->spent -= (double)(now - b->at) * 1e-6 * r->per_second;
	if (b->spent < 0)
		b->spent = 0;
	b->at = now;
	return b->spent + 1 <= r->burst;
}

enum limit limits_take(
	struct limits *l, enum dns_origin origin, const struct addr *addr, uint64_t now)
{
	enum who who = who_is(origin);
	struct bucket *all = &l->all[who];
	struct bucket *prefix = addr->family ? prefix_bucket(l, who, addr) : NULL;

	if (origin == DNS_FROM_HOST)
		return LIMIT_NONE;
	if (!has_token(all, &rates[who].all, now) ||
		(prefix && !has_token(prefix, &rates[who].prefix, now)))
		return who == STRANGERS ? LIMIT_STRANGERS : LIMIT_RATE;
	all->spent++;
	if (prefix)
		prefix->spent++;
	return LIMIT_NONE;
}

void limits_give_back(struct limits *l, enum dns_origin origin, const struct addr *addr)
{
	enum who who = who_is(origin);
	struct bucket *prefix = addr->family ? prefix_bucket(l, who, addr) : NULL;

	if (origin == DNS_FROM_HOST)
		return;
	if (l->all[who].spent >= 1)
		l->all[who].spent--;
	if (prefix && prefix->spent >= 1)
		prefix->spent--;
}
