/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/addr.h"

static struct addr a(const char *text)
{
	struct addr r;

	assert_int_equal(addr_parse(text, &r), 0);
	return r;
}

static void test_parse(void **arg)
{
	static const char *const good[] = {"192.0.2.1", "0.0.0.0", "::", "2001:db8::1", "fe80::1"};
	static const char *const bad[] = {"", "192.0.2", "192.0.2.256", "2001:db8::g",
		"192.0.2.1/24", "host.example", "fe80::1%eth0"};
	char buf[ADDR_STRLEN];
	struct addr r = {.family = 77};

	(void)arg;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct addr x = a(good[i]);

		assert_true(addr_valid(&x));
		assert_string_equal(addr_format(&x, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(addr_parse(bad[i], &r) < 0);
		assert_int_equal(r.family, 77);
	}
}

static void test_valid(void **arg)
{
	struct addr x = a("192.0.2.1");
	struct pair p = {.local = a("192.0.2.1"), .remote = a("2001:db8::1")};

	(void)arg;
	x.b[15] = 1;
	assert_false(addr_valid(&x));
	x = a("::1");
	x.pad[1] = 1;
	assert_false(addr_valid(&x));
	assert_false(addr_valid(&(struct addr){.family = 1}));
	assert_false(addr_valid(&(struct addr){0}));
	assert_false(pair_valid(&p));
	p.remote = a("192.0.2.2");
	assert_true(pair_valid(&p));
	p.scope.dport = 443; /* of no protocol */
	assert_false(pair_valid(&p));
	p.scope.proto = IPPROTO_TCP;
	assert_true(pair_valid(&p));
	p.scope.pad[2] = 1;
	assert_false(pair_valid(&p));
}

static void test_kinds(void **arg)
{
	struct addr x;

	(void)arg;
#define IS(fn, text, want) (x = a(text), assert_int_equal(fn(&x), want))
	IS(addr_is_loopback, "127.3.4.5", 1);
	IS(addr_is_loopback, "::1", 1);
	IS(addr_is_loopback, "::2", 0);
	IS(addr_is_link_local, "169.254.1.1", 1);
	IS(addr_is_link_local, "febf::1", 1);
	IS(addr_is_link_local, "fec0::1", 0);
	IS(addr_is_multicast, "224.0.0.1", 1);
	IS(addr_is_multicast, "255.255.255.255", 1);
	IS(addr_is_multicast, "240.0.0.1", 0);
	IS(addr_is_multicast, "ff02::1", 1);
	IS(addr_is_any, "0.0.0.0", 1);
	IS(addr_is_any, "::1", 0);
}

static void test_prefix(void **arg)
{
	static const struct {
		const char *text, *want;
		bool host_bits;
	} good[] = {{"10.0.0.0/8", "10.0.0.0/8", false}, {"10.1.2.3/8", "10.0.0.0/8", true},
		{"10.1.2.3", "10.1.2.3/32", false}, {"0.0.0.0/0", "0.0.0.0/0", false},
		{"1.2.3.4/0", "0.0.0.0/0", true},
		{"255.255.255.255/31", "255.255.255.254/31", true},
		{"2001:db8::/32", "2001:db8::/32", false},
		{"2001:db8::1/127", "2001:db8::/127", true}, {"::/0", "::/0", false}};
	static const char *const bad[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1",
		"10.0.0.0/ 8", "10.0.0.0/8x", "10.0.0.0/99999999999999999999", "/8", "10/8",
		"10.0.0.0/+8"};
	char buf[PREFIX_STRLEN];
	struct prefix p;
	bool had;

	(void)arg;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(prefix_parse(good[i].text, &p, &had), 0);
		assert_true(prefix_valid(&p));
		assert_int_equal(had, good[i].host_bits);
		assert_string_equal(prefix_format(&p, buf), good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(prefix_parse(bad[i], &p, NULL) < 0);
}

static void test_contains(void **arg)
{
	struct prefix p;
	struct addr x;

	(void)arg;
	assert_int_equal(prefix_parse("198.18.128.0/17", &p, NULL), 0);
	x = a("198.18.128.0");
	assert_true(prefix_contains(&p, &x));
	x = a("198.18.255.255");
	assert_true(prefix_contains(&p, &x));
	x = a("198.18.127.255");
	assert_false(prefix_contains(&p, &x));
	x = a("2001:db8::1");
	assert_false(prefix_contains(&p, &x));
	assert_int_equal(prefix_parse("0.0.0.0/0", &p, NULL), 0);
	assert_false(prefix_contains(&p, &x));
	p.addr.b[0] = 1;
	assert_false(prefix_valid(&p));
}

static void test_reverse(void **arg)
{
	char buf[ADDR_REVERSE_LEN];
	struct addr x = a("203.0.113.7");

	(void)arg;
	assert_string_equal(addr_reverse_name(&x, buf), "7.113.0.203.in-addr.arpa.");
	x = a("255.255.255.255");
	assert_string_equal(addr_reverse_name(&x, buf), "255.255.255.255.in-addr.arpa.");
	x = a("2001:db8::567:89ab"); /* RFC 3596 section 2.5 has its like */
	assert_string_equal(addr_reverse_name(&x, buf),
		"b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
}

static void test_sockaddr(void **arg)
{
	struct addr x = a("2001:db8::1"), y;
	struct sockaddr_storage ss;
	uint16_t port;

	(void)arg;
	assert_int_equal(addr_to_sockaddr(&x, 500, &ss), sizeof(struct sockaddr_in6));
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &y, &port), 0);
	assert_true(addr_equal(&x, &y));
	assert_int_equal(port, 500);
	x = a("::ffff:192.0.2.1");
	addr_to_sockaddr(&x, 1, &ss);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &y, NULL), 0);
	x = a("192.0.2.1");
	assert_true(addr_equal(&x, &y));
	assert_true(addr_valid(&y));
	ss.ss_family = AF_UNIX;
	assert_true(addr_from_sockaddr((struct sockaddr *)&ss, &y, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
