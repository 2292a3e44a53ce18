/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of objects that hold their own key: 12 to 32 bytes for each, and nothing in the
 * objects. Keys may be a stranger's choice: the hash (SipHash-1-3) is keyed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table {
	void **slots;
	size_t room;        /* of them, a power of two, or 0 */
	size_t used, marks; /* slots with an object; where one was removed */
	const void *(*key)(const void *object);
	size_t key_len;
	uint64_t seed[2];
};

/* Empty. key: where an object has its key, key_len bytes, which stay as they are while it is in.
 * seed: unpredictable where strangers choose keys. */
void table_init(struct table *t, const void *(*key)(const void *object), size_t key_len,
	const uint64_t seed[static 2]);
/* Frees the table, not the objects; it is empty then. */
void table_free(struct table *t);
/* Two with the same key: find gives one of them, again the others. Fatal when out of memory. */
void table_add(struct table *t, void *object);
/* NULL: none. */
void *table_find(const struct table *t, const void *key);
/* The next with the key of object, which must be in; NULL behind the last. */
void *table_again(const struct table *t, const void *object);
/* The object must be in. */
void table_remove(struct table *t, const void *object);
size_t table_count(const struct table *t);
/* Every object, in no order: begin with *at 0, until NULL. Any may be removed meanwhile, none
 * added. */
void *table_next(const struct table *t, size_t *at);
