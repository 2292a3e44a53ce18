/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of hints: what is a name, which of several is used, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/hints.h"

#define SECOND UINT64_C(1000000)
#define PEER "198.18.0.2"

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void test_names(void **arg)
{
	static const struct {
		const char *text, *name;
	} table[] = {
		{"host.example.org", "host.example.org."},
		{"Host.EXAMPLE.org.", "host.example.org."},
		{"_x.a-b.example", "_x.a-b.example."},
		{"1.2.3.4a", "1.2.3.4a."},
		{"", NULL}, {".", NULL}, {"localhost", NULL}, {"a..b", NULL}, {".a.b", NULL},
		{"a.b..", NULL}, {"192.0.2.1", NULL}, {"2001:db8::1", NULL}, {"1.2.3", NULL},
		{"-a.b", NULL}, {"a b.c", NULL}, {"a\tb.c", NULL}, {"a.b\n", NULL},
		{"a\x01.b", NULL}, {"a\xff.b", NULL}, {"a\\000.b", NULL}, {"$(id).b", NULL},
		{"a/b.c", NULL}, {"\"a\".b", NULL}, {"a;b.c", NULL}, {"*.b", NULL},
	};
	char name[DNS_NAME_MAX], longest[300];

	(void)arg;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(hint_name(table[i].text, name), table[i].name ? 0 : -EINVAL);
		if (table[i].name)
			assert_string_equal(name, table[i].name);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	longest[253] = '\0';
	assert_int_equal(hint_name(longest, name), 0);
	assert_int_equal(strlen(name), 254);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(hint_name(longest, name), -EINVAL);
	memset(longest, 'a', 70);
	strcpy(longest + 64, ".b");
	assert_int_equal(hint_name(longest, name), -EINVAL);
}

static void assert_order(const struct hints *h, const struct addr *a, const char *names)
{
	const struct hint *list;
	char text[64] = "";
	size_t n = hints_of(h, a, &list);

	for (size_t i = 0; i < n; i++) {
		strcat(text, list[i].name);
		strcat(text, " ");
	}
	assert_string_equal(text, names);
}

static void test_order(void **arg)
{
	struct hints *h = hints_new();
	struct addr a = addr_of(PEER);

	(void)arg;
	assert_null(hints_find(h, &a, 10));
	assert_int_equal(hints_add(h, &a, "a.", HINT_UNBOUND, 100, 10), 0);
	assert_int_equal(hints_add(h, &a, "b.", HINT_RESOLVED, 200, 10), 0);
	assert_int_equal(hints_add(h, &a, "a.", HINT_UNBOUND, 150, 10), -EEXIST);
	assert_int_equal(hints_add(h, &a, "c.", HINT_ADMIN, 200, 10), 0);
	assert_order(h, &a, "c. a. b. ");
	/* an administrator's word about a known one puts it before the others */
	assert_int_equal(hints_add(h, &a, "b.", HINT_ADMIN, 200, 10), -EEXIST);
	assert_order(h, &a, "c. b. a. ");
	hints_rest(h, &a, "c.", 50);
	assert_order(h, &a, "b. a. c. ");
	assert_string_equal(hints_find(h, &a, 20)->name, "b.");
	assert_int_equal(hints_add(h, &a, "d.", HINT_UNBOUND, 200, 20), 0);
	assert_order(h, &a, "b. a. d. c. ");
	/* four are the most: a resting one gives way */
	assert_int_equal(hints_add(h, &a, "e.", HINT_UNBOUND, 200, 20), 0);
	assert_order(h, &a, "b. a. d. e. ");
	assert_int_equal(hints_add(h, &a, "f.", HINT_UNBOUND, 200, 20), -ENOSPC);
	assert_int_equal(hints_add(h, &a, "f.", HINT_ADMIN, 200, 20), 0);
	assert_order(h, &a, "b. f. a. d. ");
	/* a. has expired */
	assert_int_equal(hints_add(h, &a, "g.", HINT_UNBOUND, 300, 160), 0);
	assert_order(h, &a, "b. f. d. g. ");
	assert_true(hints_has(h, &a, "g.", 299));
	assert_false(hints_has(h, &a, "g.", 300));
	assert_string_equal(hints_find(h, &a, 250)->name, "g.");
	assert_null(hints_find(h, &a, 300));
	hints_remove(h, &a, "g.");
	hints_remove(h, &a, "x.");
	assert_int_equal(hints_count(h), 3);
	hints_free(h);
}

static void test_full(void **arg)
{
	struct hints *h = hints_new();
	struct addr a = addr_of("10.0.0.0");
	const uint64_t now = 10 * SECOND;

	(void)arg;
	for (unsigned int i = 0; i < 2 * HINTS_MAX; i++) {
		a.b[2] = (uint8_t)(i >> 8);
		a.b[3] = (uint8_t)i;
		a.b[1] = (uint8_t)(i >> 16);
		assert_int_equal(hints_add(h, &a, "a.b.", HINT_UNBOUND, 2 * now, now),
			i < HINTS_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(hints_count(h), HINTS_MAX);
	/* what has expired makes room */
	assert_int_equal(hints_add(h, &a, "a.b.", HINT_UNBOUND, 4 * now, 3 * now), 0);
	assert_int_equal(hints_count(h), 1);
	hints_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
