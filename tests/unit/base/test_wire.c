/* SPDX-License-Identifier: BSD-2-Clause */
/* The cursors: every access at every bound, and the sticky error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/wire.h"

static void test_read(void **arg)
{
	static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct wire_reader r = wire_reader(data, sizeof(data));

	(void)arg;
	assert_int_equal(wire_u8(&r), 1);
	assert_int_equal(wire_u16(&r), 0x0203);
	assert_int_equal(wire_u32(&r), 0x04050607);
	assert_true(wire_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(wire_left(&r), 0);
	assert_false(r.bad);
	assert_int_equal(wire_u8(&r), 0);
	assert_true(r.bad);
}

/* For each length of buffer: what fits is read, the first that does not sticks. */
static void test_truncated(void **arg)
{
	uint8_t data[16], copy[4];

	(void)arg;
	memset(data, 0xff, sizeof(data));
	for (size_t len = 0; len < 15; len++) {
		struct wire_reader r = wire_reader(data, len);

		wire_u64(&r);
		wire_copy(&r, copy, 4);
		wire_u16(&r);
		wire_u8(&r);
		assert_true(r.bad);
		assert_int_equal(wire_left(&r), 0);
		memset(copy, 1, sizeof(copy));
		wire_copy(&r, copy, sizeof(copy));
		assert_int_equal(copy[0] | copy[3], 0);
		assert_null(wire_bytes(&r, 0));
		assert_true(wire_sub(&r, 0).bad);
	}
}

static void test_sub(void **arg)
{
	static const uint8_t data[] = {1, 2, 3, 4};
	struct wire_reader r = wire_reader(data, 4), s = wire_sub(&r, 2);

	(void)arg;
	assert_int_equal(wire_left(&s), 2);
	wire_u32(&s);
	assert_true(s.bad);
	assert_false(r.bad);
	assert_int_equal(wire_u16(&r), 0x0304);
	/* a length that would wrap around */
	wire_skip(&r, SIZE_MAX);
	assert_true(r.bad);
}

static void test_empty(void **arg)
{
	struct wire_reader r = wire_reader(NULL, 0);

	(void)arg;
	assert_non_null(wire_bytes(&r, 0));
	assert_false(r.bad);
	wire_copy(&r, NULL, 0);
	assert_false(r.bad);
	assert_null(wire_bytes(&r, 1));
}

static void test_write(void **arg)
{
	static const uint8_t want[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 9, 8};
	uint8_t buf[9];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)arg;
	wire_put_u8(&w, 0);
	wire_put_u16(&w, 0x2233);
	wire_put_u32(&w, 0);
	wire_put(&w, want + 7, 2);
	wire_patch_u8(&w, 0, 0x11);
	wire_patch_u32(&w, 3, 0x44556677);
	assert_false(w.bad);
	assert_memory_equal(buf, want, sizeof(want));
	wire_put_u8(&w, 1);
	assert_true(w.bad);
	assert_null(wire_reserve(&w, 0));
}

static void test_patch_bounds(void **arg)
{
	uint8_t buf[8] = {0};

	(void)arg;
	for (size_t at = 0; at < 8; at++) {
		struct wire_writer w = wire_writer(buf, sizeof(buf));

		wire_put_u32(&w, 0);
		wire_patch_u16(&w, at, 1);
		assert_int_equal(w.bad, at > 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_sub),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_patch_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
