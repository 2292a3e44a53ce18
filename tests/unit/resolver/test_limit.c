/* SPDX-License-Identifier: BSD-2-Clause */
/* The budgets of lookups, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/limit.h"

#define S UINT64_C(1000000)

static const struct addr none;

static struct addr v4(unsigned int b, unsigned int c, unsigned int d)
{
	uint8_t bytes[4] = {198, (uint8_t)b, (uint8_t)c, (uint8_t)d};

	return addr_from_v4(bytes);
}

/* How many of n lookups of addresses in 198.b.c.0/24 pass at now. */
static unsigned int passed(struct limits *l, enum dns_origin origin, unsigned int b, unsigned int c,
	unsigned int n, uint64_t now)
{
	unsigned int ok = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct addr a = v4(b, c, i % 256);

		ok += limits_take(l, origin, &a, now) == LIMIT_NONE;
	}
	return ok;
}

static void one_prefix(void **state)
{
	struct limits *l = limits_new();

	(void)state;
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 18, 0, 1000, S), LIMIT_PREFIX_BURST);
	/* it comes back by the second, and no further than full */
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 18, 0, 1000, 2 * S), LIMIT_PREFIX_RATE);
	assert_int_equal(
		passed(l, DNS_FROM_TRAFFIC, 18, 0, 1000, 9999 * S), LIMIT_PREFIX_BURST);
	/* a clock that stands still or goes back gives nothing */
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 18, 0, 10, 9998 * S), 0);
	limits_free(l);
}

static void all_prefixes(void **state)
{
	struct limits *l = limits_new();
	unsigned int ok = 0;

	(void)state;
	for (unsigned int c = 0; c < 250; c++)
		ok += passed(l, DNS_FROM_TRAFFIC, 18, c, 20, S);
	assert_int_equal(ok, LIMIT_ALL_BURST);
	assert_int_equal(limits_take(l, DNS_FROM_TRAFFIC, &none, S), LIMIT_RATE);
	/* neither the host's own business nor the strangers' budget is touched by that */
	assert_int_equal(limits_take(l, DNS_FROM_HOST, &none, S), LIMIT_NONE);
	assert_int_equal(
		passed(l, DNS_FROM_STRANGER, 18, 0, 100, S), LIMIT_STRANGERS_PREFIX_BURST);
	limits_free(l);
}

static void strangers(void **state)
{
	struct limits *l = limits_new();
	unsigned int ok = 0;

	(void)state;
	for (unsigned int c = 0; c < 250; c++)
		ok += passed(l, DNS_FROM_STRANGER, 19, c, 5, S);
	assert_int_equal(ok, LIMIT_STRANGERS_BURST);
	assert_int_equal(limits_take(l, DNS_FROM_STRANGER, &none, S), LIMIT_STRANGERS);
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 19, 0, 256, S), 256);
	limits_free(l);
}

/* Names that a web page makes a browser ask for. */
static void hints(void **state)
{
	struct limits *l = limits_new();
	unsigned int ok = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		ok += limits_take(l, DNS_FROM_HINT, &none, S) == LIMIT_NONE;
	assert_int_equal(ok, LIMIT_HINTS_BURST);
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 19, 0, 256, S), 256);
	assert_int_equal(passed(l, DNS_FROM_STRANGER, 20, 0, 10, S), 10);
	limits_give_back(l, DNS_FROM_HINT, &none);
	assert_int_equal(limits_take(l, DNS_FROM_HINT, &none, S), LIMIT_NONE);
	assert_int_equal(limits_take(l, DNS_FROM_HINT, &none, S), LIMIT_RATE);
	limits_free(l);
}

static void given_back(void **state)
{
	struct limits *l = limits_new();
	struct addr a = v4(18, 0, 1);

	(void)state;
	for (unsigned int i = 0; i < 5000; i++) {
		assert_int_equal(limits_take(l, DNS_FROM_TRAFFIC, &a, S), LIMIT_NONE);
		limits_give_back(l, DNS_FROM_TRAFFIC, &a);
	}
	/* no more than was taken */
	limits_give_back(l, DNS_FROM_TRAFFIC, &a);
	assert_int_equal(passed(l, DNS_FROM_TRAFFIC, 18, 0, 1000, S), LIMIT_PREFIX_BURST);
	limits_free(l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_prefix),
		cmocka_unit_test(all_prefixes),
		cmocka_unit_test(strangers),
		cmocka_unit_test(hints),
		cmocka_unit_test(given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
