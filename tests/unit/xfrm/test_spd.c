/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy table against a kernel made of an array. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xfrm/exempt.h"
#include "xfrm/spd.h"

#define KERNEL_MAX 4096

struct standing {
	struct spd_key key;
	struct spd_value value;
};

/* What stands, and what was done to it since forget(). */
static struct {
	struct standing policy[KERNEL_MAX];
	size_t n;
	unsigned int written, removed;
	bool removed_then_written; /* a change after the first removal: the touch that bumps */
	int fail;                  /* error of the next change */
} kernel;

static struct spd *spd;
static const struct addr local4 = {.family = AF_INET, .b = {192, 0, 2, 1}};
static const struct addr peer4 = {.family = AF_INET, .b = {10, 0, 0, 7}};

static struct standing *find(const struct spd_key *key)
{
	for (size_t i = 0; i < kernel.n; i++)
		if (!memcmp(&kernel.policy[i].key, key, sizeof(*key)))
			return &kernel.policy[i];
	return NULL;
}

static void on_change(void *arg, struct spd_entry *entry, const struct spd_key *key,
	const struct spd_value *value)
{
	struct standing *s = find(key);

	(void)arg;
	if (kernel.fail) {
		int error = kernel.fail;

		kernel.fail = 0;
		spd_answer(entry, error);
		return;
	}
	if (value->kind == SPD_NONE) {
		if (!s) {
			spd_answer(entry, -ENOENT);
			return;
		}
		kernel.removed++;
		kernel.removed_then_written = false;
		*s = kernel.policy[--kernel.n];
	} else {
		if (!s) {
			assert_true(kernel.n < KERNEL_MAX);
			s = &kernel.policy[kernel.n++];
		}
		kernel.written++;
		kernel.removed_then_written = kernel.removed > 0;
		*s = (struct standing){.key = *key, .value = *value};
	}
	spd_answer(entry, 0);
}

static void forget(void)
{
	kernel.written = kernel.removed = 0;
	kernel.removed_then_written = false;
}

static void sync_all(void)
{
	forget();
	spd_sync(spd, 0, on_change, NULL);
	assert_int_equal(spd_count(spd), kernel.n);
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	spd = spd_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	spd_free(spd);
	return 0;
}

static struct xfrm_rule rule(const char *remote, enum xfrm_action action, uint32_t rank)
{
	struct xfrm_rule r = {.rank = rank, .action = (uint8_t)action};

	assert_int_equal(prefix_parse(remote, &r.remote, NULL), 0);
	return r;
}

static void want(const struct xfrm_rule *rules, size_t n, bool in_allow)
{
	spd_open(spd);
	for (size_t i = 0; i < n; i++)
		spd_want_rule(spd, &rules[i], &local4, in_allow);
	spd_close(spd);
	sync_all();
}

static enum spd_kind stands_key(struct spd_key key, uint32_t *ret_priority)
{
	struct standing *s = find(&key);

	if (s && ret_priority)
		*ret_priority = s->value.priority;
	return s ? s->value.kind : SPD_NONE;
}

static enum spd_kind stands(enum spd_dir dir, const char *remote, uint32_t *ret_priority)
{
	struct prefix p;
	struct spd_key key = {.dir = (uint8_t)dir, .family = AF_INET};

	assert_int_equal(prefix_parse(remote, &p, NULL), 0);
	memcpy(dir == SPD_OUT ? key.src : key.dst, local4.b, 16);
	memcpy(dir == SPD_OUT ? key.dst : key.src, p.addr.b, 16);
	key.src_len = dir == SPD_OUT ? 32 : p.len;
	key.dst_len = dir == SPD_OUT ? p.len : 32;
	return stands_key(key, ret_priority);
}

static void test_actions(void **state)
{
	static const struct {
		enum xfrm_action action;
		bool in_allow;
		enum spd_kind out, in;
	} cases[] = {
		{XFRM_ACTION_ALLOW, false, SPD_ALLOW, SPD_NONE},
		{XFRM_ACTION_ALLOW, true, SPD_ALLOW, SPD_ALLOW},
		{XFRM_ACTION_TRAP, false, SPD_REQUIRED, SPD_NONE},
		{XFRM_ACTION_TRAP, true, SPD_REQUIRED, SPD_ALLOW},
		{XFRM_ACTION_GUARD, false, SPD_REQUIRED, SPD_REQUIRED},
		{XFRM_ACTION_GUARD, true, SPD_REQUIRED, SPD_REQUIRED},
		{XFRM_ACTION_BLOCK, false, SPD_BLOCK, SPD_BLOCK},
	};
	uint32_t priority = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xfrm_rule r = rule("10.0.0.0/8", cases[i].action, 7);

		want(&r, 1, cases[i].in_allow);
		assert_int_equal(stands(SPD_OUT, "10.0.0.0/8", &priority), cases[i].out);
		assert_int_equal(priority, XFRM_PRIO_RULES + XFRM_PRIO_STEP * 7);
		assert_int_equal(stands(SPD_IN, "10.0.0.0/8", NULL), cases[i].in);
	}
	want(NULL, 0, false);
	assert_int_equal(kernel.n, 0);
}

static void test_ports_by_direction(void **state)
{
	struct spd_key out, in;
	struct pair pair = {.local = local4,
		.remote = peer4,
		.scope = {.proto = IPPROTO_TCP, .sport = 25, .dport = 80}};
	struct pair back;

	(void)state;
	out = spd_pair_key(SPD_OUT, &pair);
	in = spd_pair_key(SPD_IN, &pair);
	assert_int_equal(out.sport, 25);
	assert_int_equal(out.dport, 80);
	assert_int_equal(in.sport, 80);
	assert_int_equal(in.dport, 25);
	assert_memory_equal(in.src, peer4.b, 4);
	assert_memory_equal(out.src, local4.b, 4);
	back = spd_key_pair(&in);
	assert_memory_equal(&back, &pair, sizeof(pair));
	back = spd_key_pair(&out);
	assert_memory_equal(&back, &pair, sizeof(pair));
}

/* Decisions of one pair under different rules, and about a part of a rule's traffic. */
static void test_decisions_by_scope(void **state)
{
	struct xfrm_rule all = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);
	struct xfrm_rule web = rule("0.0.0.0/0", XFRM_ACTION_GUARD, 6);
	struct pair pair = {.local = local4, .remote = peer4}, part = pair;
	struct xfrm_rule both[2];
	uint32_t priority = 0;
	size_t n;

	(void)state;
	web.proto = IPPROTO_TCP;
	web.dport = 443;
	both[0] = web;
	both[1] = all;
	want(both, 2, false);
	n = spd_count(spd);
	spd_decide(spd, SPD_OUT, &pair, &all, SPD_ALLOW, true);
	part.scope = (struct scope){.proto = IPPROTO_TCP, .sport = 22};
	spd_decide(spd, SPD_OUT, &part, &all, SPD_REQUIRED, false);
	spd_decide(spd, SPD_IN, &part, &all, SPD_REQUIRED, false);
	sync_all();
	assert_int_equal(spd_count(spd), n + 3);
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", &priority), SPD_ALLOW);
	assert_int_equal(priority, XFRM_PRIO_RULES + XFRM_PRIO_STEP * 9 - 1);
	assert_int_equal(stands_key(spd_pair_key(SPD_OUT, &part), &priority), SPD_REQUIRED);
	/* before the decision about the rest, behind the rule that is more specific */
	assert_true(priority < XFRM_PRIO_RULES + XFRM_PRIO_STEP * 9 - 1);
	assert_true(priority > XFRM_PRIO_RULES + XFRM_PRIO_STEP * 6);
	/* each goes alone */
	spd_undecide(spd, SPD_OUT, &pair);
	sync_all();
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", NULL), SPD_NONE);
	assert_int_equal(stands_key(spd_pair_key(SPD_IN, &part), NULL), SPD_REQUIRED);
	spd_undecide(spd, SPD_OUT, &part);
	spd_undecide(spd, SPD_IN, &part);
	sync_all();
	assert_int_equal(spd_count(spd), n);
}

static void test_levels(void **state)
{
	struct xfrm_rule r = {0};

	(void)state;
	assert_int_equal(spd_level(&r), 0);
	r.proto = IPPROTO_TCP;
	assert_int_equal(spd_level(&r), 1);
	r.sport = 1;
	assert_int_equal(spd_level(&r), 2);
	r.dport = 1;
	assert_int_equal(spd_level(&r), 4);
	r.sport = 0;
	assert_int_equal(spd_level(&r), 3);
}

static void test_first_of_two(void **state)
{
	struct xfrm_rule r[2] = {
		rule("10.0.0.0/8", XFRM_ACTION_TRAP, 1), rule("10.0.0.0/8", XFRM_ACTION_BLOCK, 2)};

	(void)state;
	/* one key twice: the first, more specific rule stays */
	want(r, 2, false);
	assert_int_equal(stands(SPD_OUT, "10.0.0.0/8", NULL), SPD_REQUIRED);
}

static void test_difference_only(void **state)
{
	struct xfrm_rule set[3] = {
		rule("10.0.0.0/8", XFRM_ACTION_TRAP, 5),
		rule("10.1.0.0/16", XFRM_ACTION_GUARD, 4),
		rule("0.0.0.0/0", XFRM_ACTION_ALLOW, 6),
	};

	(void)state;
	want(set, 3, false);
	assert_int_equal(kernel.written, 4);
	want(set, 3, false);
	assert_int_equal(kernel.written + kernel.removed, 0);
	set[1].rank = 3;
	want(set, 3, false);
	assert_int_equal(kernel.written, 2);
	assert_int_equal(kernel.removed, 0);
	want(set, 2, false);
	/* the open one went: another is written behind it, or connected sockets go on */
	assert_int_equal(kernel.removed, 1);
	assert_true(kernel.removed_then_written);
	want(set, 1, false);
	assert_int_equal(kernel.removed, 2);
	assert_false(kernel.removed_then_written);
}

static void test_decisions(void **state)
{
	struct xfrm_rule trap = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);
	struct xfrm_rule own = rule("10.0.0.7/32", XFRM_ACTION_GUARD, 2);
	struct xfrm_rule both[2] = {own, trap};
	struct pair pair = {.local = local4, .remote = peer4};
	uint32_t priority = 0;

	(void)state;
	want(&trap, 1, false);
	spd_decide(spd, SPD_OUT, &pair, &trap, SPD_ALLOW, true);
	sync_all();
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", &priority), SPD_ALLOW);
	assert_int_equal(priority, XFRM_PRIO_RULES + XFRM_PRIO_STEP * 9 - 1);
	/* back to the rule, which is the wildcard: removed, and another written behind */
	spd_undecide(spd, SPD_OUT, &pair);
	sync_all();
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", NULL), SPD_NONE);
	assert_true(kernel.removed_then_written);
	/* a rule with the very selector: its own policies come back */
	want(both, 2, false);
	spd_decide(spd, SPD_OUT, &pair, &own, SPD_BLOCK, false);
	spd_decide(spd, SPD_IN, &pair, &own, SPD_BLOCK, false);
	sync_all();
	assert_int_equal(stands(SPD_IN, "10.0.0.7", &priority), SPD_BLOCK);
	assert_int_equal(priority, XFRM_PRIO_RULES + XFRM_PRIO_STEP * 2 - 1);
	/* the rules change under a decision: it stands */
	want(&trap, 1, false);
	assert_int_equal(stands(SPD_IN, "10.0.0.7", NULL), SPD_BLOCK);
	want(both, 2, false);
	spd_undecide(spd, SPD_OUT, &pair);
	spd_undecide(spd, SPD_IN, &pair);
	sync_all();
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", &priority), SPD_REQUIRED);
	assert_int_equal(priority, XFRM_PRIO_RULES + XFRM_PRIO_STEP * 2);
	assert_int_equal(stands(SPD_IN, "10.0.0.7", NULL), SPD_REQUIRED);
	assert_int_equal(kernel.removed, 0);
}

static void test_local_went(void **state)
{
	struct xfrm_rule trap = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);
	struct pair pair = {.local = local4, .remote = peer4};

	(void)state;
	want(&trap, 1, false);
	spd_decide(spd, SPD_OUT, &pair, &trap, SPD_ALLOW, false);
	spd_decide(spd, SPD_IN, &pair, &trap, SPD_REQUIRED, false);
	sync_all();
	assert_int_equal(kernel.n, 3);
	spd_undecide_local(spd, &local4);
	want(NULL, 0, false);
	assert_int_equal(kernel.n, 0);
}

static void test_predecessor(void **state)
{
	struct xfrm_rule guard = rule("10.0.0.0/8", XFRM_ACTION_GUARD, 9);
	struct pair pair = {.local = local4, .remote = peer4};
	struct standing left[4];
	struct spd *old;

	(void)state;
	/* it left a guard, a rule that is no more, a private pair and a clear one */
	want(&guard, 1, false);
	spd_decide(spd, SPD_IN, &pair, &guard, SPD_REQUIRED, false);
	spd_decide(spd, SPD_OUT, &pair, &guard, SPD_ALLOW, true);
	sync_all();
	assert_int_equal(kernel.n, 4);
	memcpy(left, kernel.policy, sizeof(left));
	old = spd;
	spd = spd_new();
	spd_free(old);
	for (size_t i = 0; i < 4; i++)
		spd_found(spd, &left[i].key, &left[i].value, left[i].key.src_len == 32);
	sync_all();
	assert_int_equal(kernel.written + kernel.removed, 0);
	want(&guard, 1, false);
	assert_int_equal(kernel.removed, 1);
	assert_int_equal(stands(SPD_OUT, "10.0.0.7", NULL), SPD_NONE);
	assert_int_equal(stands(SPD_IN, "10.0.0.7", NULL), SPD_REQUIRED);
	assert_int_equal(stands(SPD_OUT, "10.0.0.0/8", NULL), SPD_REQUIRED);
	spd_undecide(spd, SPD_IN, &pair);
	sync_all();
	assert_int_equal(kernel.n, 2);
}

static void test_errors(void **state)
{
	struct xfrm_rule trap = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);

	(void)state;
	kernel.fail = -ENOMEM;
	spd_open(spd);
	spd_want_rule(spd, &trap, &local4, false);
	spd_close(spd);
	spd_sync(spd, 0, on_change, NULL);
	assert_int_equal(spd_take_error(spd), -ENOMEM);
	assert_int_equal(spd_take_error(spd), 0);
	assert_int_equal(kernel.n, 0);
	/* tried again */
	sync_all();
	assert_int_equal(stands(SPD_OUT, "0.0.0.0/0", NULL), SPD_REQUIRED);
	/* somebody else took it away */
	kernel.n = 0;
	want(NULL, 0, false);
	assert_int_equal(spd_take_error(spd), 0);
	assert_int_equal(spd_count(spd), 0);
}

static void test_mortal(void **state)
{
	struct xfrm_rule trap = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);
	struct pair pair = {.local = local4, .remote = peer4};
	struct spd_key key = spd_pair_key(SPD_OUT, &pair);

	(void)state;
	want(&trap, 1, false);
	for (uint8_t i = 0; i < 10; i++) {
		pair.remote.b[3] = i;
		spd_decide(spd, SPD_OUT, &pair, &trap, SPD_ALLOW, true);
		spd_sync(spd, 1000 + i, on_change, NULL);
	}
	forget();
	spd_rearm(spd, 2000, 1005, 100, on_change, NULL);
	assert_int_equal(kernel.written, 5);
	forget();
	spd_rearm(spd, 2001, 1005, 100, on_change, NULL);
	assert_int_equal(kernel.written, 0);
	spd_rearm(spd, 2001, 2000, 3, on_change, NULL);
	assert_int_equal(kernel.written, 3);
	/* one that died all the same is put back */
	assert_non_null(find(&key));
	*find(&key) = kernel.policy[--kernel.n];
	spd_lost(spd, &key);
	sync_all();
	assert_non_null(find(&key));
}

static void test_clear(void **state)
{
	struct own own[2] = {
		{.addr = local4,
			.broadcast = {.family = AF_INET, .b = {192, 0, 2, 255}},
			.usable = true},
		{.addr = {.family = AF_INET6, .b = {0x20, 1, 0xd, 0xb8, [15] = 1}}, .usable = true},
	};
	struct xfrm_exempt dns = {.remote = peer4, .port = 53, .proto = IPPROTO_UDP};
	struct xfrm_rule trap = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 9);
	struct spd_key key = {.dir = SPD_OUT,
		.family = AF_INET,
		.proto = IPPROTO_UDP,
		.dport = 53,
		.dst_len = 32};

	(void)state;
	memcpy(key.dst, peer4.b, 16);
	spd_open(spd);
	exempt_want(spd, own, 2, &dns, 1);
	spd_want_rule(spd, &trap, &local4, false);
	spd_close(spd);
	sync_all();
	assert_non_null(find(&key));
	for (size_t i = 0; i < kernel.n; i++)
		if (kernel.policy[i].value.kind == SPD_ALLOW)
			assert_int_equal(kernel.policy[i].value.priority, XFRM_PRIO_EXEMPT);
	spd_clear(spd);
	sync_all();
	assert_int_equal(kernel.n, 0);
}

/* After any history the kernel has what a fresh table would write. */
static void test_random_history(void **state)
{
	static const char *const remotes[] = {
		"0.0.0.0/0", "10.0.0.0/8", "10.0.0.7/32", "10.0.0.8/32"};
	enum spd_kind decided[2][2] = {{SPD_NONE}};
	struct xfrm_rule set[4], host = rule("0.0.0.0/0", XFRM_ACTION_TRAP, 20);
	size_t n = 0;

	(void)state;
	srandom(7);
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int peer = (unsigned int)random() & 1, dir = (unsigned int)random() & 1;
		struct pair pair = {.local = local4, .remote = peer4};
		struct standing got[16];
		struct spd *live = spd;
		size_t n_got;

		pair.remote.b[3] = (uint8_t)(7 + peer);
		switch (random() % 4) {
		case 0:
			n = 0;
			for (size_t i = 0; i < 4; i++)
				if (random() & 1)
					set[n++] =
						rule(remotes[i], (enum xfrm_action)(random() % 4),
							(uint32_t)random() % 20);
			want(set, n, true);
			break;
		case 1:
			decided[peer][dir] = SPD_NONE;
			spd_undecide(spd, (enum spd_dir)dir, &pair);
			break;
		case 2:
			decided[peer][dir] = SPD_ALLOW + (enum spd_kind)(random() % 3);
			spd_decide(spd, (enum spd_dir)dir, &pair, &host, decided[peer][dir], false);
			break;
		case 3:
			kernel.fail = random() % 8 ? 0 : -ENOBUFS;
			spd_sync(spd, round, on_change, NULL);
			kernel.fail = 0;
			break;
		}
		sync_all();
		n_got = kernel.n;
		assert_true(n_got <= 16);
		memcpy(got, kernel.policy, sizeof(got));
		kernel.n = 0;
		spd = spd_new();
		for (unsigned int i = 0; i < 4; i++) {
			pair.remote.b[3] = (uint8_t)(7 + (i & 1));
			spd_decide(spd, (enum spd_dir)(i >> 1), &pair, &host,
				decided[i & 1][i >> 1], false);
		}
		want(set, n, true);
		assert_int_equal(kernel.n, n_got);
		for (size_t i = 0; i < n_got; i++) {
			struct standing *s = find(&got[i].key);

			assert_non_null(s);
			assert_int_equal(s->value.kind, got[i].value.kind);
			assert_int_equal(s->value.priority, got[i].value.priority);
		}
		spd_free(spd);
		spd = live;
		memcpy(kernel.policy, got, sizeof(got));
		kernel.n = n_got;
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_actions),
		TEST(test_ports_by_direction),
		TEST(test_first_of_two),
		TEST(test_difference_only),
		TEST(test_decisions),
		TEST(test_decisions_by_scope),
		TEST(test_levels),
		TEST(test_local_went),
		TEST(test_predecessor),
		TEST(test_errors),
		TEST(test_mortal),
		TEST(test_clear),
		TEST(test_random_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
