/* SPDX-License-Identifier: BSD-2-Clause */
/* Open addressing with linear probing, at most two slots of three in use. Where an object was removed a
 * mark stays, so that neither a search nor table_next() is led astray. */
#include "base/table.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ROOM_FIRST 16

static char mark;

static void *must(void *p)
{
	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

/* ---- SipHash-1-3 (Aumasson and Bernstein, 2012) */

static uint64_t rotate(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static uint64_t siphash(const uint64_t seed[static 2], const void *data, size_t len)
{
	uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575),
		seed[1] ^ UINT64_C(0x646f72616e646f6d), seed[0] ^ UINT64_C(0x6c7967656e657261),
		seed[1] ^ UINT64_C(0x7465646279746573)};
	const uint8_t *p = data;
	uint64_t word;
	size_t left = len;

	for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sip_word(v, le64toh(word));
	}
	word = 0;
	memcpy(&word, p, left);
	sip_word(v, le64toh(word) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- slots */

/* Where the search for key begins. */
static size_t home(const struct table *t, const void *key)
{
	return (size_t)siphash(t->seed, key, t->key_len) & (t->room - 1);
}

static void put(struct table *t, void *object)
{
	size_t i = home(t, t->key(object));

	while (t->slots[i] && t->slots[i] != &mark)
		i = (i + 1) & (t->room - 1);
	t->marks -= t->slots[i] == &mark;
	t->slots[i] = object;
	t->used++;
}

/* Anew without marks, and half empty, so that the next time is far. */
static void rebuild(struct table *t)
{
	size_t room = t->room ? t->room : ROOM_FIRST;
	struct table old = *t;

	while (2 * (t->used + 1) > room)
		room *= 2;
	while (8 * (t->used + 1) < room && room > ROOM_FIRST)
		room /= 2;
	t->slots = must(calloc(room, sizeof(*t->slots)));
	t->room = room;
	t->used = t->marks = 0;
	for (size_t i = 0; i < old.room; i++)
		if (old.slots[i] && old.slots[i] != &mark)
			put(t, old.slots[i]);
	free(old.slots);
}

/* ---- */

void table_init(struct table *t, const void *(*key)(const void *object), size_t key_len,
	const uint64_t seed[static 2])
{
	*t = (struct table){.key = key, .key_len = key_len, .seed = {seed[0], seed[1]}};
}

void table_free(struct table *t)
{
	free(t->slots);
	table_init(t, t->key, t->key_len, t->seed);
}

void table_add(struct table *t, void *object)
{
	if (3 * (t->used + t->marks + 1) > 2 * t->room)
		rebuild(t);
	put(t, object);
}

/* The first with the key from slot i on. */
static void *find_from(const struct table *t, size_t i, const void *key)
{
	for (; t->slots[i]; i = (i + 1) & (t->room - 1))
		if (t->slots[i] != &mark && !memcmp(t->key(t->slots[i]), key, t->key_len))
			return t->slots[i];
	return NULL;
}

static size_t slot_of(const struct table *t, const void *object)
{
	size_t i = home(t, t->key(object));

	while (t->slots[i] != object) {
		assert(t->slots[i]);
		i = (i + 1) & (t->room - 1);
	}
	return i;
}

void *table_find(const struct table *t, const void *key)
{
	return t->used ? find_from(t, home(t, key), key) : NULL;
}

void *table_again(const struct table *t, const void *object)
{
	return find_from(t, (slot_of(t, object) + 1) & (t->room - 1), t->key(object));
}

void table_remove(struct table *t, const void *object)
{
	size_t i = slot_of(t, object);

	/* before a slot that was never used no mark is needed */
	if (t->slots[(i + 1) & (t->room - 1)]) {
		t->slots[i] = &mark;
		t->marks++;
	} else {
		t->slots[i] = NULL;
	}
	if (--t->used == 0)
		table_free(t);
}

size_t table_count(const struct table *t)
{
	return t->used;
}

void *table_next(const struct table *t, size_t *at)
{
	while (*at < t->room) {
		void *p = t->slots[(*at)++];

		if (p && p != &mark)
			return p;
	}
	return NULL;
}
