/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent may ask, and the kernel's counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xfrm/check.h"
#include "xfrm/stat.h"

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct pair pair_of(const char *local, const char *remote)
{
	return (struct pair){.local = address(local), .remote = address(remote)};
}

static void test_pair(void **state)
{
	struct pair p = pair_of("192.0.2.1", "10.0.0.7");

	(void)state;
	assert_true(check_pair(&p));
	p.remote.b[4] = 1;
	assert_false(check_pair(&p));
	p = pair_of("192.0.2.1", "10.0.0.7");
	p.local.pad[2] = 1;
	assert_false(check_pair(&p));
	p = pair_of("2001:db8::1", "10.0.0.7");
	assert_false(check_pair(&p));
	p = pair_of("192.0.2.1", "224.0.0.1");
	assert_false(check_pair(&p));
	p = pair_of("2001:db8::1", "ff02::1");
	assert_false(check_pair(&p));
	p = pair_of("2001:db8::1", "::1");
	assert_false(check_pair(&p));
	p = pair_of("0.0.0.0", "10.0.0.7");
	assert_false(check_pair(&p));
	p = pair_of("10.0.0.7", "10.0.0.7");
	assert_false(check_pair(&p));
	p = pair_of("2001:db8::1", "2001:db8::2");
	assert_true(check_pair(&p));
}

static void test_rule(void **state)
{
	struct xfrm_rule r = {.rank = XFRM_RANK_MAX, .action = XFRM_ACTION_BLOCK}, bad;

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.0/8", &r.remote, NULL), 0);
	assert_true(check_rule(&r));
	bad = r;
	bad.rank++;
	assert_false(check_rule(&bad));
	bad = r;
	bad.action++;
	assert_false(check_rule(&bad));
	bad = r;
	bad.dport = 80; /* of which protocol? */
	assert_false(check_rule(&bad));
	bad.proto = IPPROTO_TCP;
	assert_true(check_rule(&bad));
	bad = r;
	bad.remote.addr.b[3] = 1; /* a host bit */
	assert_false(check_rule(&bad));
	bad = r;
	bad.remote.len = 33;
	assert_false(check_rule(&bad));
	bad = r;
	bad.pad[1] = 1;
	assert_false(check_rule(&bad));
}

static void test_sa(void **state)
{
	struct xfrm_sa sa = {
		.pair = pair_of("192.0.2.1", "10.0.0.7"),
		.spi = 256,
		.cipher = XFRM_CIPHER_AES_GCM_16,
	};
	struct xfrm_sa bad;

	(void)state;
	assert_true(check_sa(&sa, true, 36) && check_sa(&sa, false, 20));
	assert_false(check_sa(&sa, true, 32) || check_sa(&sa, true, 0) || check_sa(&sa, true, 28) ||
		     check_sa(&sa, true, 4) || check_sa(&sa, true, 128));
	bad = sa;
	bad.cipher = XFRM_CIPHER_CHACHA20_POLY1305;
	assert_true(check_sa(&bad, true, 36));
	assert_false(check_sa(&bad, true, 20));
	/* a key of 16 or 32, and that of the HMAC */
	bad.cipher = XFRM_CIPHER_AES_CBC_SHA2_256;
	assert_true(check_sa(&bad, true, 64) && check_sa(&bad, true, 48));
	assert_false(
		check_sa(&bad, true, 36) || check_sa(&bad, true, 32) || check_sa(&bad, true, 16));
	bad.cipher = XFRM_CIPHER_AES_CBC_SHA2_384;
	assert_true(check_sa(&bad, true, 80) && check_sa(&bad, true, 64));
	assert_false(check_sa(&bad, true, 48));
	bad.cipher = XFRM_CIPHER_AES_CBC_SHA2_512;
	assert_true(check_sa(&bad, true, 96) && check_sa(&bad, true, 80));
	assert_false(check_sa(&bad, true, 64));
	bad.cipher++;
	assert_false(check_sa(&bad, true, 36) || check_sa(&bad, true, 96));
	bad.cipher = 0;
	assert_false(check_sa(&bad, true, 36));
	bad = sa;
	bad.spi = 255;
	assert_false(check_sa(&bad, true, 36));
	bad = sa;
	bad.esn = 2;
	assert_false(check_sa(&bad, true, 36));
	bad = sa;
	bad.replay_window = 4097;
	assert_false(check_sa(&bad, true, 36));
	bad = sa;
	bad.encap_local = 4500;
	assert_false(check_sa(&bad, true, 36));
	bad.encap_remote = 1024;
	assert_true(check_sa(&bad, true, 36));
	bad = sa;
	bad.soft_seconds = 20;
	bad.hard_seconds = 10;
	assert_false(check_sa(&bad, true, 36));
	bad = sa;
	bad.rule.rank = XFRM_RANK_MAX + 1;
	assert_false(check_sa(&bad, false, 36));
	assert_false(check_sa(&bad, true, 36));
	/* no more than its rule, and only a scope that can be */
	bad = sa;
	bad.rule.proto = IPPROTO_TCP;
	bad.rule.dport = 443;
	assert_false(check_sa(&bad, true, 36));
	bad.pair.scope = (struct scope){.proto = IPPROTO_TCP, .sport = 5, .dport = 443};
	assert_true(check_sa(&bad, true, 36));
	bad.pair.scope.proto = 0;
	assert_false(check_sa(&bad, true, 36));
}

static void test_others(void **state)
{
	struct xfrm_decide d = {
		.pair = pair_of("192.0.2.1", "10.0.0.7"), .verdict = XFRM_VERDICT_FORGET};
	struct xfrm_sa_id id = {.pair = d.pair, .spi = 256, .inbound = 1, .last = 1};
	struct xfrm_exempt e = {.remote = address("10.0.0.53"), .port = 53, .proto = IPPROTO_UDP};
	struct xfrm_config c = {.hold = 1, .hold_max = 1, .hold_peer_max = 1};

	(void)state;
	assert_true(check_decide(&d) && check_sa_id(&id) && check_exempt(&e) && check_config(&c));
	d.verdict++;
	id.last = 2;
	e.proto = IPPROTO_ICMP;
	c.hold_max = 0;
	assert_false(check_decide(&d) || check_sa_id(&id) || check_exempt(&e) || check_config(&c));
	e.proto = IPPROTO_TCP;
	e.port = 0; /* would open all of TCP to that host */
	assert_false(check_exempt(&e));
}

static void test_stat(void **state)
{
	static const char text[] =
		"XfrmInError             \t0\nXfrmInNoStates          \t7\n"
		"XfrmInNoStatesEver\t99\nXfrmOutNoStates\t411\nXfrmInTmplMismatch\t15";
	struct xfrm_counters c = {.out_pol_block = 3};

	(void)state;
	stat_parse(text, &c);
	assert_int_equal(c.in_no_states, 7);
	assert_int_equal(c.out_no_states, 411);
	assert_int_equal(c.in_tmpl_mismatch, 15);
	assert_int_equal(c.out_pol_block, 3);
	stat_parse("", &c);
	stat_parse("\n\n\nXfrmInNoStates", &c);
	assert_int_equal(c.in_no_states, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_sa),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_stat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
