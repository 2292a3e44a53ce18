/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs that wait, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xfrm/hold.h"

#define LOG_MAX 4096
#define MS 1000ull

/* 192.0.2.1:40000 -> 10.0.0.x:53 */
/* clang-format off */
static uint8_t datagram[] = {
	0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, 0, 0, 7,
	0x9c, 0x40, 0, 53, 0, 13, 0, 0, 'h', 'e', 'l', 'l', 'o',
};
/* clang-format on */

static struct {
	struct {
		uint32_t id;
		bool accept;
		uint32_t mark;
	} verdict[LOG_MAX];
	size_t n_verdicts;
	struct xfrm_trapped trapped[LOG_MAX];
	size_t n_trapped;
	size_t n_answers;
	bool not_ours;
} seen;

static struct hold *hold;

static void on_verdict(
	void *arg, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload, size_t len)
{
	(void)arg, (void)payload, (void)len;
	seen.verdict[seen.n_verdicts].id = id;
	seen.verdict[seen.n_verdicts].accept = accept;
	seen.verdict[seen.n_verdicts++].mark = mark;
}

static void on_answer(void *arg, const struct addr *to, const uint8_t *data, size_t len)
{
	(void)arg, (void)data;
	assert_int_equal(to->b[0], 192);
	assert_true(len > 20);
	seen.n_answers++;
}

static bool on_ours(void *arg, const struct pair *pair)
{
	(void)arg, (void)pair;
	return !seen.not_ours;
}

static void on_trapped(void *arg, const struct xfrm_trapped *ev)
{
	(void)arg;
	seen.trapped[seen.n_trapped++] = *ev;
}

static uint32_t on_mtu(void *arg, const struct pair *pair)
{
	(void)arg, (void)pair;
	return 1500;
}

static const struct hold_effects effects = {
	.verdict = on_verdict,
	.answer = on_answer,
	.ours = on_ours,
	.trapped = on_trapped,
	.mtu = on_mtu,
};

static int setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	hold = hold_new(&effects, NULL);
	hold_limits(hold, true, 100, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hold_free(hold);
	return 0;
}

static const struct scope https = {.proto = IPPROTO_TCP, .dport = 443};

static struct pair pair_of(uint8_t peer)
{
	return (struct pair){
		.local = {.family = AF_INET, .b = {192, 0, 2, 1}},
		.remote = {.family = AF_INET, .b = {10, 0, 0, peer}},
	};
}

static void packet(uint64_t now, uint32_t id, uint8_t peer)
{
	datagram[19] = peer;
	hold_packet(hold, now, id, 5, datagram, sizeof(datagram));
}

static struct hold_counts decide(uint64_t now, uint8_t peer, enum hold_outcome outcome)
{
	struct hold_decision d = {.pair = pair_of(peer), .outcome = outcome};

	return hold_decide(hold, now, &d);
}

static void test_release(void **state)
{
	struct hold_counts c;
	struct pair other = pair_of(8);

	(void)state;
	packet(0, 1, 7);
	packet(1 * MS, 2, 7);
	packet(2 * MS, 3, 8);
	assert_int_equal(seen.n_verdicts, 0);
	assert_int_equal(seen.n_trapped, 2);
	assert_int_equal(seen.trapped[0].dport, 53);
	assert_int_equal(seen.trapped[0].sport, 40000);
	assert_int_equal(seen.trapped[0].length, sizeof(datagram));
	assert_int_equal(seen.trapped[0].held, 1);
	c = decide(20 * MS, 7, HOLD_CLEAR);
	/* both, in order, with our bit and their own; and nobody else's */
	assert_int_equal(c.released, 2);
	assert_int_equal(c.held_us, 20 * MS);
	assert_int_equal(seen.n_verdicts, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(seen.verdict[i].id, i + 1);
		assert_true(seen.verdict[i].accept);
		assert_int_equal(seen.verdict[i].mark, 5 | XFRM_MARK_RELEASED);
	}
	assert_int_equal(hold_now(hold, &other), 1);
}

static void test_late(void **state)
{
	(void)state;
	packet(0, 1, 7);
	decide(10 * MS, 7, HOLD_PRIVATE);
	/* it was on its way already */
	packet(11 * MS, 2, 7);
	assert_int_equal(seen.n_verdicts, 2);
	assert_true(seen.verdict[1].accept);
	assert_int_equal(seen.n_trapped, 1);
	/* but this one shows that the decision is not there */
	packet(10 * MS + HOLD_LATE, 3, 7);
	assert_int_equal(seen.n_verdicts, 2);
	assert_int_equal(seen.n_trapped, 2);
}

static void test_other_selector(void **state)
{
	struct hold_decision d = {.pair = pair_of(7), .outcome = HOLD_CLEAR};

	(void)state;
	d.pair.scope = (struct scope){.proto = IPPROTO_UDP, .dport = 54};
	hold_ports(hold, true);
	packet(0, 1, 7);
	assert_int_equal(seen.n_trapped, 1);
	/* decided for port 54; this is of port 53, and goes on waiting */
	assert_int_equal(hold_decide(hold, 1 * MS, &d).released, 0);
	assert_int_equal(hold_now(hold, &d.pair), 0);
	packet(2 * MS, 2, 7);
	assert_int_equal(seen.n_verdicts, 0);
	assert_int_equal(seen.n_trapped, 1);
	d.pair.scope.dport = 53;
	assert_int_equal(hold_now(hold, &d.pair), 2);
	assert_int_equal(hold_decide(hold, 3 * MS, &d).released, 2);
	packet(4 * MS, 3, 7);
	assert_int_equal(seen.n_trapped, 1);
	assert_int_equal(seen.n_verdicts, 3);
}

static void to_port(uint64_t now, uint32_t id, uint8_t peer, uint8_t port)
{
	datagram[23] = port;
	packet(now, id, peer);
	datagram[23] = 53;
}

/* Two flows to one host: where a rule may tell them apart each is asked for, and each has its decision. */
static void test_two_flows(void **state)
{
	struct hold_decision d = {.pair = pair_of(7), .outcome = HOLD_CLEAR};

	(void)state;
	to_port(0, 1, 7, 53);
	to_port(1 * MS, 2, 7, 54);
	assert_int_equal(seen.n_trapped, 1);
	decide(2 * MS, 7, HOLD_DROP);
	hold_ports(hold, true);
	to_port(3 * MS, 3, 7, 53);
	to_port(4 * MS, 4, 7, 54);
	to_port(5 * MS, 5, 7, 54);
	assert_int_equal(seen.n_trapped, 3);
	assert_int_equal(seen.trapped[2].dport, 54);
	d.pair.scope = (struct scope){.proto = IPPROTO_UDP, .dport = 54};
	assert_int_equal(hold_decide(hold, 6 * MS, &d).released, 2);
	assert_int_equal(seen.verdict[2].id, 4);
	assert_true(seen.verdict[2].accept && seen.verdict[3].accept);
	d.pair.scope.dport = 53;
	d.outcome = HOLD_BLOCK;
	assert_int_equal(hold_decide(hold, 7 * MS, &d).released, 1);
	assert_int_equal(seen.verdict[4].id, 3);
	assert_false(seen.verdict[4].accept);
	/* what is forgotten of one flow leaves the other's packet where it is */
	to_port(2000 * MS, 6, 7, 53);
	to_port(2000 * MS, 7, 7, 54);
	assert_int_equal(hold_forget(hold, &d.pair), 1);
	d.pair.scope.dport = 54;
	assert_int_equal(hold_now(hold, &d.pair), 1);
}

static void test_asks_again(void **state)
{
	(void)state;
	packet(0, 1, 7);
	packet(999 * MS, 2, 7);
	assert_int_equal(seen.n_trapped, 1);
	packet(1000 * MS, 3, 7);
	assert_int_equal(seen.n_trapped, 2);
}

static void test_block_and_drop(void **state)
{
	struct hold_counts c;

	(void)state;
	packet(0, 1, 7);
	c = decide(1 * MS, 7, HOLD_BLOCK);
	assert_int_equal(c.released, 1);
	assert_false(seen.verdict[0].accept);
	assert_int_equal(seen.n_answers, 1);
	packet(2 * MS, 2, 8);
	decide(3 * MS, 8, HOLD_DROP);
	assert_false(seen.verdict[1].accept);
	assert_int_equal(seen.n_answers, 1);
	/* nothing was decided: asked at once */
	packet(4 * MS, 3, 8);
	assert_int_equal(seen.n_trapped, 3);
}

static void test_acquire(void **state)
{
	struct pair pair = pair_of(7);

	(void)state;
	hold_acquire(hold, 0, &pair, &https);
	hold_tick(hold, 1 * MS);
	assert_int_equal(seen.n_trapped, 0);
	assert_true(hold_has_acquires(hold));
	/* its packet comes in time and speaks for both */
	packet(1 * MS, 1, 7);
	hold_tick(hold, 5 * MS);
	assert_int_equal(seen.n_trapped, 1);
	assert_int_equal(seen.trapped[0].held, 1);
	assert_false(hold_has_acquires(hold));
	/* none comes: the ACQUIRE is the question, and the packet that comes yet says more */
	pair = pair_of(8);
	hold_acquire(hold, 10 * MS, &pair, &https);
	hold_tick(hold, 12 * MS);
	assert_int_equal(seen.n_trapped, 2);
	assert_int_equal(seen.trapped[1].held, 0);
	assert_int_equal(seen.trapped[1].dport, 443);
	packet(20 * MS, 2, 8);
	assert_int_equal(seen.n_trapped, 3);
	packet(21 * MS, 3, 8);
	assert_int_equal(seen.n_trapped, 3);
	/* one more of a waiting pair says nothing */
	hold_acquire(hold, 22 * MS, &pair, &https);
	hold_tick(hold, 30 * MS);
	assert_int_equal(seen.n_trapped, 3);
}

static void test_limits(void **state)
{
	struct pair pair;

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		packet(0, i, 7);
	/* 3 for a peer */
	assert_int_equal(seen.n_verdicts, 2);
	assert_false(seen.verdict[0].accept);
	assert_int_equal(hold_dropped(hold), 2);
	/* 100 in all, pairs too */
	for (unsigned int i = 8; i < 120; i++)
		packet(0, i, (uint8_t)i);
	assert_int_equal(hold_total(hold), 100);
	pair = pair_of(200);
	hold_acquire(hold, 0, &pair, &https);
	hold_tick(hold, 1000 * MS);
	pair = pair_of(119);
	assert_int_equal(hold_now(hold, &pair), 0);
	/* every packet has one verdict at most, and they all end */
	hold_tick(hold, HOLD_AGE_MAX);
	assert_int_equal(seen.n_verdicts, 5 + 112);
}

static void test_switched_off(void **state)
{
	(void)state;
	hold_limits(hold, false, 100, 3);
	packet(0, 1, 7);
	assert_int_equal(seen.n_verdicts, 1);
	assert_false(seen.verdict[0].accept);
	assert_int_equal(seen.n_trapped, 1);
	assert_int_equal(seen.trapped[0].held, 0);
}

static void test_not_ours(void **state)
{
	struct pair pair = pair_of(7);

	(void)state;
	seen.not_ours = true;
	packet(0, 1, 7);
	hold_acquire(hold, 0, &pair, &https);
	hold_packet(hold, 0, 2, 0, datagram, 19);
	hold_tick(hold, 10 * MS);
	assert_int_equal(seen.n_trapped, 0);
	assert_int_equal(seen.n_verdicts, 2);
	assert_false(seen.verdict[0].accept || seen.verdict[1].accept);
}

static void test_forget(void **state)
{
	struct pair pair = pair_of(7);

	(void)state;
	packet(0, 1, 7);
	packet(0, 2, 8);
	assert_int_equal(hold_forget(hold, &pair), 1);
	assert_int_equal(hold_forget(hold, &pair), 0);
	assert_int_equal(seen.n_verdicts, 1);
	hold_forget_local(hold, &pair.local);
	assert_int_equal(seen.n_verdicts, 2);
	packet(1, 3, 7);
	assert_int_equal(seen.n_trapped, 3);
}

/* Whatever happens, each packet gets one verdict, and none is let go that nobody let go. */
static void test_random_history(void **state)
{
	static uint8_t verdicts[20000];
	uint64_t now = 0;

	(void)state;
	srandom(3);
	for (uint32_t id = 0; id < sizeof(verdicts); id++) {
		uint8_t peer = (uint8_t)(random() % 40);
		struct pair pair = pair_of(peer);

		now += (uint64_t)random() % (20 * MS);
		packet(now, id, peer);
		if (random() % 4 == 0)
			decide(now, (uint8_t)(random() % 40), (enum hold_outcome)(random() % 4));
		if (random() % 50 == 0)
			hold_forget(hold, &pair);
		if (random() % 9 == 0)
			hold_acquire(hold, now, &pair, &https);
		if (random() % 16 == 0)
			hold_tick(hold, now);
		for (size_t i = 0; i < seen.n_verdicts; i++)
			verdicts[seen.verdict[i].id]++;
		seen.n_verdicts = seen.n_trapped = 0;
	}
	for (uint8_t peer = 0; peer < 40; peer++)
		decide(now, peer, HOLD_DROP);
	for (size_t i = 0; i < seen.n_verdicts; i++)
		verdicts[seen.verdict[i].id]++;
	for (size_t i = 0; i < sizeof(verdicts); i++)
		assert_int_equal(verdicts[i], 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_release),
		TEST(test_late),
		TEST(test_other_selector),
		TEST(test_two_flows),
		TEST(test_asks_again),
		TEST(test_block_and_drop),
		TEST(test_acquire),
		TEST(test_limits),
		TEST(test_switched_off),
		TEST(test_not_ours),
		TEST(test_forget),
		TEST(test_random_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
