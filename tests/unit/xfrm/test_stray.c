/* SPDX-License-Identifier: BSD-2-Clause */
/* ESP without an SA: what a raw socket gives, and how often it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "xfrm/stray.h"

static const uint8_t header4[20] = {
	0x45, 0, 0, 60, 0, 0, 0, 0, 64, 50, 0, 0, 198, 18, 1, 1, 198, 18, 2, 2};
static const uint8_t udp[8] = {0x30, 0x39, 0x11, 0x94, 0, 40, 0, 0}; /* 12345 -> 4500 */
static const uint8_t esp[8] = {0x01, 0x02, 0x03, 0x04, 0, 0, 0, 1};

static size_t put(uint8_t *at, const void *part, size_t len)
{
	memcpy(at, part, len);
	return len;
}

static size_t make(enum stray_kind kind, uint8_t *buf)
{
	size_t n = 0;

	if (kind == STRAY_ESP4 || kind == STRAY_UDP4)
		n += put(buf + n, header4, sizeof(header4));
	if (kind == STRAY_UDP4 || kind == STRAY_UDP6)
		n += put(buf + n, udp, sizeof(udp));
	return n + put(buf + n, esp, sizeof(esp));
}

static void each_kind(void **state)
{
	(void)state;
	for (int kind = STRAY_ESP4; kind <= STRAY_UDP6; kind++) {
		struct stray_packet p = {0};
		uint8_t buf[96];
		size_t len = make((enum stray_kind)kind, buf);
		bool encap = kind == STRAY_UDP4 || kind == STRAY_UDP6;

		assert_true(stray_parse((enum stray_kind)kind, buf, len, &p));
		assert_int_equal(p.spi, 0x01020304);
		assert_int_equal(p.encap_local, encap ? 4500 : 0);
		assert_int_equal(p.encap_remote, encap ? 12345 : 0);
		if (kind == STRAY_ESP4) {
			assert_string_equal(addr_str(&p.pair.remote), "198.18.1.1");
			assert_string_equal(addr_str(&p.pair.local), "198.18.2.2");
		}
		/* cut anywhere before the end of the SPI: nothing, and nothing is written */
		for (size_t cut = 0; cut < len - 4; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);
			struct stray_packet q = {.spi = 7};

			memcpy(copy, buf, cut);
			assert_false(stray_parse((enum stray_kind)kind, copy, cut, &q));
			assert_int_equal(q.spi, 7);
			free(copy);
		}
	}
}

static void not_esp(void **state)
{
	struct stray_packet p = {0};
	uint8_t buf[96] = {0};
	size_t len = make(STRAY_UDP4, buf);

	(void)state;
	buf[20 + 2] = 0; /* another port */
	assert_false(stray_parse(STRAY_UDP4, buf, len, &p));
	len = make(STRAY_UDP4, buf);
	memset(buf + 28, 0, 4); /* IKE's marker */
	assert_false(stray_parse(STRAY_UDP4, buf, len, &p));
	len = make(STRAY_ESP4, buf);
	memset(buf + 20, 0, 3); /* a reserved SPI */
	assert_false(stray_parse(STRAY_ESP4, buf, len, &p));
	len = make(STRAY_ESP4, buf);
	buf[0] = 0x44; /* a header too short */
	assert_false(stray_parse(STRAY_ESP4, buf, len, &p));
	buf[0] = 0x4f; /* one with options that are not there */
	assert_false(stray_parse(STRAY_ESP4, buf, len, &p));
}

static void limits(void **state)
{
	struct stray_limit l = {0};
	struct pair pair = {0};
	uint64_t now = 5000000;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(addr_parse("198.18.1.1", &pair.local), 0);
	assert_int_equal(addr_parse("198.18.2.2", &pair.remote), 0);
	assert_true(stray_allowed(&l, &pair, now));
	assert_false(stray_allowed(&l, &pair, now + 299999));
	assert_true(stray_allowed(&l, &pair, now + 300000));
	now += 10000000;
	for (unsigned int i = 0; i < 10000; i++) {
		pair.remote.b[2] = (uint8_t)(i >> 8);
		pair.remote.b[3] = (uint8_t)i;
		n += stray_allowed(&l, &pair, now);
	}
	assert_int_equal(n, 100);
	pair.remote.b[1] = 99;
	assert_false(stray_allowed(&l, &pair, now + 999999));
	assert_true(stray_allowed(&l, &pair, now + 1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(not_esp),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
