/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/table.h"

struct object {
	int before;
	uint8_t key[6];
	bool in;
};

static const void *key_of(const void *object)
{
	return ((const struct object *)object)->key;
}

static const uint64_t seed[2] = {1, 2};

#define N 5000

static struct object *objects(void)
{
	struct object *o = calloc(N, sizeof(*o));

	for (unsigned int i = 0; i < N; i++) {
		o[i].key[1] = (uint8_t)i;
		o[i].key[5] = (uint8_t)(i >> 8);
	}
	return o;
}

/* Exactly those that are in are found, and met once in an iteration. */
static void check(const struct table *t, const struct object *o)
{
	size_t n = 0, met = 0, at = 0;
	const struct object *p;

	for (size_t i = 0; i < N; i++) {
		p = table_find(t, o[i].key);
		assert_ptr_equal(p, o[i].in ? &o[i] : NULL);
		n += o[i].in;
	}
	while ((p = table_next(t, &at))) {
		assert_true(p->in);
		met++;
	}
	assert_int_equal(table_count(t), n);
	assert_int_equal(met, n);
}

static void finds_what_is_in(void **state)
{
	struct object *o = objects();
	uint32_t random = 1;
	struct table t;

	(void)state;
	table_init(&t, key_of, sizeof(o->key), seed);
	check(&t, o);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < N / 2; i++) {
			struct object *p;

			random = random * 1664525 + 1013904223;
			p = &o[(random >> 8) % N];
			if (p->in)
				table_remove(&t, p);
			else
				table_add(&t, p);
			p->in = !p->in;
		}
		check(&t, o);
	}
	table_free(&t);
	for (int i = 0; i < N; i++)
		o[i].in = false;
	check(&t, o);
	free(o);
}

/* Several with one key: each is met once, whatever was put in and taken out meanwhile. */
static void one_key_again(void **state)
{
	struct object *o = objects(), *p;
	struct table t;

	(void)state;
	table_init(&t, key_of, sizeof(o->key), seed);
	for (int i = 0; i < N; i++) {
		o[i].key[5] = 0; /* about twenty with each key */
		table_add(&t, &o[i]);
	}
	for (int i = 0; i < N; i += 3)
		table_remove(&t, &o[i]);
	for (int i = 0; i < 256; i++) {
		size_t n = 0, want = 0;

		for (int j = i; j < N; j += 256)
			want += j % 3 != 0;
		for (p = table_find(&t, o[i].key); p; p = table_again(&t, p)) {
			assert_int_equal((p - o) % 256, i);
			assert_false(p->in);
			p->in = true;
			n++;
		}
		assert_int_equal(n, want);
	}
	table_free(&t);
	free(o);
}

static void all_may_go_meanwhile(void **state)
{
	struct object *o = objects(), *p;
	size_t at = 0, met = 0;
	struct table t;

	(void)state;
	table_init(&t, key_of, sizeof(o->key), seed);
	for (int i = 0; i < N; i++)
		table_add(&t, &o[i]);
	while ((p = table_next(&t, &at))) {
		table_remove(&t, p);
		met++;
	}
	assert_int_equal(met, N);
	check(&t, o);
	table_free(&t);
	free(o);
}

/* Who comes and goes leaves no lasting trace: the table does not grow. */
static void does_not_grow_by_change(void **state)
{
	struct object *o = objects();
	struct table t;
	size_t room;

	(void)state;
	table_init(&t, key_of, sizeof(o->key), seed);
	for (int i = 0; i < 1000; i++)
		table_add(&t, &o[i]);
	room = t.room;
	assert_in_range(room, 1500, 4000);
	for (int i = 0; i < 100000; i++) {
		table_remove(&t, &o[i % N]);
		table_add(&t, &o[(i + 1000) % N]);
	}
	assert_int_equal(t.room, room);
	assert_int_equal(table_count(&t), 1000);
	table_free(&t);
	free(o);
}

static void equal_keys(void **state)
{
	struct object a = {.key = {7}}, b = a;
	struct table t;

	(void)state;
	table_init(&t, key_of, sizeof(a.key), seed);
	table_add(&t, &a);
	table_add(&t, &b);
	table_remove(&t, &a);
	assert_ptr_equal(table_find(&t, b.key), &b);
	table_remove(&t, &b);
	assert_null(table_find(&t, b.key));
	table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in),
		cmocka_unit_test(one_key_again),
		cmocka_unit_test(all_may_go_meanwhile),
		cmocka_unit_test(does_not_grow_by_change),
		cmocka_unit_test(equal_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
