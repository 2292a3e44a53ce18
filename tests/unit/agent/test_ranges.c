/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of ranges: the most specific that still holds, and room for no more than so many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/ranges.h"

#define SECOND UINT64_C(1000000)

static bool has(struct ranges *r, const char *text, const char *prefix, uint64_t now)
{
	const struct range *found;
	char buf[PREFIX_STRLEN];
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	found = ranges_find(r, &a, now);
	return prefix ? found && !strcmp(prefix_format(&found->told.prefix, buf), prefix) : !found;
}

static void put(struct ranges *r, const char *prefix, uint32_t ttl, uint64_t now)
{
	struct dns_range d = {.class = DNS_DENIED, .ttl = ttl};

	assert_int_equal(prefix_parse(prefix, &d.prefix, NULL), 0);
	ranges_add(r, &d, now);
}

static void test_table(void **arg)
{
	struct ranges *r = ranges_new();
	char text[32];

	(void)arg;
	put(r, "198.0.0.0/8", 100, 0);
	put(r, "198.19.0.0/16", 10, 0);
	put(r, "2001:2::/32", 100, 0);
	assert_true(has(r, "198.19.1.1", "198.19.0.0/16", 0));
	assert_true(has(r, "198.20.1.1", "198.0.0.0/8", 0));
	assert_true(has(r, "199.0.0.0", NULL, 0));
	assert_true(has(r, "2001:2:ffff::1", "2001:2::/32", 0));
	assert_true(has(r, "2001:3::", NULL, 0));
	/* the first bytes are those of 198.0.0.0/8 */
	assert_true(has(r, "c600::1", NULL, 0));
	assert_true(has(r, "198.19.1.1", "198.0.0.0/8", 10 * SECOND));
	assert_int_equal(ranges_count(r), 2);
	put(r, "198.0.0.0/8", 100, 50 * SECOND);
	assert_true(has(r, "198.1.1.1", "198.0.0.0/8", 149 * SECOND));
	assert_true(has(r, "198.1.1.1", NULL, 150 * SECOND));
	/* the one that ends first makes room */
	for (unsigned int i = 0; i < RANGES_MAX + 10; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
		put(r, text, 1000 + i, 0);
	}
	assert_int_equal(ranges_count(r), RANGES_MAX);
	assert_true(has(r, "10.0.9.1", NULL, 0));
	assert_true(has(r, "10.0.12.1", "10.0.12.0/24", 0));
	ranges_flush(r);
	assert_int_equal(ranges_count(r), 0);
	assert_true(has(r, "10.0.12.1", NULL, 0));
	ranges_free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
