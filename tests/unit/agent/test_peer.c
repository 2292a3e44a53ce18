/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core: what each group does with every outcome of DNS and IKE, called and calling;
 * peers configured by hand; and random schedules, whose invariants are that a `private` peer is
 * never in clear and that nothing is left over.
 */
#include "tests/unit/agent/peer_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what each group does with each outcome */

static void test_private_with_key(void **arg)
{
	struct world *w = world("private");

	(void)arg;
	trap(w, 2);
	assert_int_equal(state(w, 2), OE_RESOLVING);
	answer_last(w, DNS_KEYS, 300);
	assert_int_equal(state(w, 2), OE_NEGOTIATING);
	assert_int_equal(last(w, IKE_REQ_CONNECT)->m.connect.n_keys, 1);
	assert_int_equal(last(w, IKE_REQ_CONNECT)->m.connect.allow, 0);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_int_equal(reason(w, 2), OE_WHY_MUTUAL);
	end(w);
}

static void test_no_key(void **arg)
{
	static const enum dns_class classes[] = {
		DNS_DENIED, DNS_UNUSABLE, DNS_INSECURE, DNS_INSECURE_KEYS};

	(void)arg;
	for (size_t i = 0; i < 4; i++) {
		struct world *w = world("private-or-clear");

		trap(w, 2);
		answer_last(w, classes[i], 300);
		assert_int_equal(state(w, 2), OE_CLEAR);
		assert_int_equal(last(w, XFRM_REQ_DECIDE)->m.decide.verdict, XFRM_VERDICT_CLEAR);
		assert_false(was_sent(w, IKE_REQ_CONNECT));
		/* as long as the answer may be believed, then the trap decides anew */
		advance(w, 299 * SECOND);
		assert_int_equal(state(w, 2), OE_CLEAR);
		advance(w, 2 * SECOND);
		assert_int_equal(state(w, 2), OE_IDLE);
		assert_int_equal(last(w, XFRM_REQ_DECIDE)->m.decide.verdict, XFRM_VERDICT_FORGET);
		end(w);

		w = world("private");
		w->watch_private = true;
		trap(w, 2);
		answer_last(w, classes[i], 300);
		assert_int_equal(state(w, 2), OE_BLOCKED);
		assert_int_equal(last(w, XFRM_REQ_DECIDE)->m.decide.verdict, XFRM_VERDICT_BLOCK);
		end(w);
	}
}

static void test_unknown(void **arg)
{
	static const struct {
		enum dns_class class;
		enum oe_reason reason;
	} cases[] = {{DNS_BOGUS, OE_WHY_BOGUS}, {DNS_FAILED, OE_WHY_DNS_FAILED},
		{DNS_UNAVAILABLE, OE_WHY_DNS_UNAVAILABLE}};

	(void)arg;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world("private-or-clear");

		trap(w, 2);
		answer_last(w, cases[i].class, 30);
		assert_int_equal(state(w, 2), OE_CLEAR);
		assert_int_equal(reason(w, 2), cases[i].reason);
		/* asked again in the background; a key then counts */
		w->n = 0;
		advance(w, 31 * SECOND);
		answer_last(w, DNS_KEYS, 300);
		assert_int_equal(state(w, 2), OE_CLEAR);
		come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x1000);
		assert_int_equal(state(w, 2), OE_PRIVATE);
		end(w);

		w = world("private");
		w->watch_private = true;
		trap(w, 2);
		answer_last(w, cases[i].class, 30);
		assert_int_equal(state(w, 2), OE_BLOCKED);
		assert_int_equal(reason(w, 2), cases[i].reason);
		end(w);
	}
}

static void test_hold_limit(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t id;

	(void)arg;
	trap(w, 2);
	id = last(w, DNS_REQ_LOOKUP)->m.lookup.id;
	advance(w, w->conf.dns_hold_limit_ms * UINT64_C(1000) + 1);
	assert_int_equal(state(w, 2), OE_CLEAR);
	assert_int_equal(reason(w, 2), OE_WHY_DNS_TIMEOUT);
	answer(w, id, DNS_KEYS, 300);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

static void test_ike_fails(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t first;

	(void)arg;
	trap(w, 2);
	answer_last(w, DNS_KEYS, 3000);
	first = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	fail_ike(w, first, IKE_FAIL_NO_ANSWER, IKE_EV_FAILED);
	assert_int_equal(state(w, 2), OE_CLEAR);
	assert_int_equal(reason(w, 2), OE_WHY_DOWNGRADED);
	/* tried again in the background */
	advance(w, (w->conf.group[POL_PRIVATE_OR_CLEAR].retry_after_s + 1) * SECOND);
	assert_int_not_equal(last(w, IKE_REQ_CONNECT)->m.connect.handle, first);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);

	w = world("private-or-clear");
	w->conf.group[POL_PRIVATE_OR_CLEAR].downgrade_refuse = true;
	w->watch_private = true;
	trap(w, 2);
	answer_last(w, DNS_KEYS, 3000);
	fail_ike(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, IKE_FAIL_NO_ANSWER, IKE_EV_FAILED);
	assert_int_equal(state(w, 2), OE_BLOCKED);
	assert_int_equal(reason(w, 2), OE_WHY_IKE_FAILED);
	end(w);
}

static void test_connect_limit(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t handle;

	(void)arg;
	trap(w, 2);
	answer_last(w, DNS_KEYS, 3000);
	handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	advance(w, w->conf.ike_connect_limit_ms * UINT64_C(1000) + 1);
	assert_int_equal(state(w, 2), OE_CLEAR);
	/* late, and still good */
	come_up(w, handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

static void test_group_clear(void **arg)
{
	struct ike_inbound in = {.handle = IKE_HANDLE_INBOUND | 1, .pair = pair_of(2)};
	static const char *const silent[] = {"clear", "block"};

	(void)arg;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world(silent[i]);

		event(w, IKE_EV_INBOUND, &in);
		assert_int_equal(last(w, IKE_REQ_ACCEPT)->m.accept.answer, 0);
		assert_false(was_sent(w, DNS_REQ_LOOKUP));
		assert_int_equal(state(w, 2), OE_N_STATES);
		end(w);
	}
}

/* ---- the peer calls */

static void test_responder(void **arg)
{
	struct world *w = world("clear-or-private");
	uint32_t h = inbound(w, 2);

	(void)arg;
	identity(w, h, 2, 1, false);
	/* the verdict waits for DNS */
	assert_false(was_sent(w, IKE_REQ_AUTHORIZE));
	answer_last(w, DNS_KEYS, 300);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.n_keys, 1);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.allow, 0);
	come_up(w, h, 0x2000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_false(was_sent(w, IKE_REQ_CONNECT));
	end(w);
}

static void test_responder_refuses(void **arg)
{
	struct world *w = world("private");
	uint32_t h = inbound(w, 2);

	(void)arg;
	answer_last(w, DNS_DENIED, 300);
	identity(w, h, 2, 1, false); /* no key: cannot be proved */
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.n_keys, 0);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.allow, 0);
	h = inbound(w, 2);
	identity(w, h, 3, 1, false); /* another's address */
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.handle, h);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.n_keys, 0);
	h = inbound(w, 2);
	identity(w, h, 2, 13, true); /* anonymous = never is private's default */
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.handle, h);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.allow, 0);
	end(w);
}

static void test_anonymous(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t h = inbound(w, 2), proved;

	(void)arg;
	identity(w, h, 2, 13, true);
	answer_last(w, DNS_DENIED, 300);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.allow, IKE_ALLOW_ANONYMOUS_PEER);
	end(w);

	/* never in place of one that was authenticated */
	w = world("private-or-clear");
	proved = inbound(w, 2);
	identity(w, proved, 2, 1, false);
	answer_last(w, DNS_KEYS, 300);
	come_up(w, proved, 0x3000);
	h = inbound(w, 2);
	identity(w, h, 2, 13, true);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.handle, h);
	assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.allow, 0);
	end(w);
}

static void test_name_identity(void **arg)
{
	struct world *w = world("private");
	struct dns_answer a = {.class = DNS_KEYS, .n_keys = 1, .ttl = 60};
	struct dns_key k = {.spki_len = 44};
	uint32_t h = inbound(w, 2);

	(void)arg;
	answer_last(w, DNS_DENIED, 300); /* the reverse name */
	for (int matches = 0; matches < 2; matches++) {
		identity(w, h, 2, 2, false);
		assert_int_equal(last(w, DNS_REQ_LOOKUP)->m.lookup.question, DNS_ASK_FORWARD);
		assert_string_equal(last(w, DNS_REQ_LOOKUP)->m.lookup.name, "a.example.test");
		a.id = last(w, DNS_REQ_LOOKUP)->m.lookup.id;
		a.addr_matches = (uint8_t)matches;
		assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
					 sizeof(k), w->now),
			0);
		assert_int_equal(last(w, IKE_REQ_AUTHORIZE)->m.authorize.n_keys, matches);
		h = inbound(w, 2);
	}
	end(w);
}

static void test_peer_first(void **arg)
{
	/* the peer's exchange runs when our packet is trapped: it serves both */
	struct world *w = world("private-or-clear");
	uint32_t h = inbound(w, 2);

	(void)arg;
	trap(w, 2);
	answer_last(w, DNS_KEYS, 300);
	assert_false(was_sent(w, IKE_REQ_CONNECT));
	fail_ike(w, h, IKE_FAIL_PROTOCOL, IKE_EV_FAILED);
	/* it came to nothing: now we call */
	assert_true(was_sent(w, IKE_REQ_CONNECT));
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x4000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

/* ---- random schedules */

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void check_peer(void *arg, const struct oe_peer *p)
{
	(void)arg;
	assert_true(p->state != OE_CLEAR || p->rule->group != POL_PRIVATE);
	/* who waits has a deadline */
	if (p->state != OE_PRIVATE)
		assert_true(p->until != 0);
	if (p->state == OE_PRIVATE)
		assert_non_null(p->sas);
}

/* The service never announces an SPI twice. */
static uint32_t next_spi(struct world *w)
{
	w->spi += 2;
	return 0x1000 + w->spi;
}

static void random_step(struct world *w, uint32_t *seed)
{
	unsigned int host = 2 + dice(seed) % 6;
	const struct sent *s =
		w->n ? &w->sent[(w->n - 1 - dice(seed) % (w->n < 20 ? w->n : 20)) % SENT_MAX]
		     : NULL;

	switch (dice(seed) % 10) {
	case 0:
	case 1:
		trap(w, host);
		return;
	case 2:
		advance(w, dice(seed) % (20 * SECOND));
		return;
	case 3:
		if (dice(seed) % 8 == 0) {
			enum oe_service service = (enum oe_service)(dice(seed) % OE_N_SERVICES);

			oe_peers_service(w->ps, service, false, w->now);
			advance(w, dice(seed) % SECOND);
			oe_peers_service(w->ps, service, true, w->now);
		}
		return;
	default:
		break;
	}
	if (!s)
		return;
	/* a service answers something that it was asked lately, maybe twice, maybe too late */
	struct ike_up up = {.handle = s->m.connect.handle, .auth_peer = IKE_AUTH_SIGNATURE};
	struct xfrm_done d = {.tag = s->m.sa.tag, .error = dice(seed) % 4 ? 0 : -EINVAL};

	switch (s->type) {
	case DNS_REQ_LOOKUP:
		answer(w, s->m.lookup.id, (enum dns_class)(dice(seed) % 8), dice(seed) % 100);
		break;
	case IKE_REQ_CONNECT:
		if (dice(seed) % 3 == 0) {
			fail_ike(w, up.handle, IKE_FAIL_NO_ANSWER, IKE_EV_FAILED);
		} else if (dice(seed) % 2) {
			child(w, up.handle, true, next_spi(w));
		} else {
			uint32_t spi = next_spi(w);

			child(w, up.handle, true, spi);
			child(w, up.handle, false, spi + 1);
			event(w, IKE_EV_UP, &up);
		}
		break;
	case IKE_REQ_CLOSE:
		fail_ike(w, s->m.close.handle, IKE_FAIL_CLOSED, IKE_EV_DOWN);
		break;
	case XFRM_REQ_SA_IN:
	case XFRM_REQ_SA_OUT:
	case XFRM_REQ_DECIDE:
		event(w, XFRM_EV_DONE, &d);
		break;
	default:
		break;
	}
}

static void test_random(void **arg)
{
	(void)arg;
	for (uint32_t run = 0; run < 2000; run++) {
		struct world *w = world(run % 2 ? "private" : "private-or-clear");
		struct oe_peers_stats stats;
		uint32_t seed = run;

		w->watch_private = run % 2;
		for (int i = 0; i < 200; i++) {
			random_step(w, &seed);
			oe_peers_each(w->ps, check_peer, NULL);
		}
		/* and when all is quiet, all is forgotten that holds no SA */
		for (int i = 0; i < SENT_MAX; i++)
			if (w->n > (size_t)i && w->sent[i].type == IKE_REQ_CONNECT)
				fail_ike(
					w, w->sent[i].m.connect.handle, IKE_FAIL_DEAD, IKE_EV_DOWN);
		oe_peers_get_stats(w->ps, &stats);
		assert_true(stats.peers <= 6);
		end(w);
	}
}

static void count_peer(void *arg, const struct oe_peer *p)
{
	(void)p;
	++*(size_t *)arg;
}

static void test_many(void **arg)
{
	struct world *w = world("private-or-clear");
	size_t n = 0;

	(void)arg;
	for (unsigned int host = 2; host < 60000; host++) {
		trap(w, host);
		answer_last(w, host % 2 ? DNS_DENIED : DNS_FAILED, 60);
	}
	oe_peers_each(w->ps, count_peer, &n);
	assert_int_equal(n, 59998);
	/* two hours later nobody is remembered: no packet came */
	for (int i = 0; i < 720; i++)
		advance(w, 10 * SECOND);
	n = 0;
	oe_peers_each(w->ps, count_peer, &n);
	assert_true(n < 59998);
	end(w);
}

/* Too many wait at one time: the next goes by what the rule says of an unknown answer, and is counted. */
static void test_full(void **arg)
{
	static const char *const groups[] = {"private-or-clear", "private"};

	(void)arg;
	for (int i = 0; i < 2; i++) {
		struct world *w = world(groups[i]);
		struct oe_peers_stats stats;

		for (unsigned int host = 2; host < 2 + 8192; host++)
			trap(w, host);
		assert_int_equal(state(w, 8193), OE_RESOLVING);
		w->n = 0;
		trap(w, 8194);
		assert_int_equal(state(w, 8194), i ? OE_BLOCKED : OE_CLEAR);
		assert_int_equal(reason(w, 8194), OE_WHY_LIMIT);
		assert_false(was_sent(w, DNS_REQ_LOOKUP));
		oe_peers_get_stats(w->ps, &stats);
		assert_int_equal(stats.refused_limit, 1);
		end(w);
	}
}

/* ---- configured by hand */

static struct manual *by_hand(const char *secret)
{
	struct manual *m = manual_new();
	char text[200];

	snprintf(text, sizeof(text), "[peer x]\naddress = 198.18.0.2\nauth = psk\nsecret = %s\n",
		secret);
	assert_int_equal(
		manual_parse(m, NULL, NULL, "x.conf", text, strlen(text), refused, NULL), 0);
	return m;
}

/* DNS is not asked, neither for us nor for the peer; the terms go along. */
static void test_manual(void **arg)
{
	struct world *w = world("private-or-clear");
	struct manual *m = by_hand("one");
	struct ike_inbound in = {.handle = IKE_HANDLE_INBOUND | 1, .pair = pair_of(2)};
	struct ike_identity id = {.handle = in.handle, .id_type = 2, .id_len = 4, .id = "name"};
	const struct ike_connect *c;
	const struct ike_authorize *a;

	(void)arg;
	w->conf.group[POL_PRIVATE_OR_CLEAR].downgrade_refuse = true;
	oe_peers_manual(w->ps, m, w->now);
	trap(w, 2);
	assert_int_equal(state(w, 2), OE_NEGOTIATING);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	c = &last(w, IKE_REQ_CONNECT)->m.connect;
	assert_int_equal(c->allow, 0);
	assert_int_equal(c->n_keys, 0);
	assert_string_equal(c->terms.psk, "one");
	assert_int_equal(c->terms.peer_type, 1);
	assert_memory_equal(c->terms.peer_id, "\xc6\x12\0\2", 4);
	/* it has a key, so to say: downgrade = refuse holds */
	fail_ike(w, c->handle, IKE_FAIL_PEER_KEY, IKE_EV_FAILED);
	assert_int_equal(state(w, 2), OE_BLOCKED);
	event(w, IKE_EV_INBOUND, &in);
	event(w, IKE_EV_IDENTITY, &id);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	a = &last(w, IKE_REQ_AUTHORIZE)->m.authorize;
	assert_int_equal(a->allow, 0);
	assert_string_equal(a->terms.psk, "one");
	come_up(w, in.handle, 0x1000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	/* another one is asked for in DNS */
	trap(w, 3);
	assert_true(was_sent(w, DNS_REQ_LOOKUP));
	end(w);
	manual_free(m);
}

/* A reload ends only what it changes. */
static void test_manual_reload(void **arg)
{
	struct world *w = world("private");
	struct manual *one = by_hand("one"), *same = by_hand("one"), *two = by_hand("two");

	(void)arg;
	oe_peers_manual(w->ps, one, w->now);
	trap(w, 2);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x1000);
	trap(w, 3);
	answer_last(w, DNS_KEYS, 300);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x2000);
	w->n = 0;
	oe_peers_manual(w->ps, same, w->now);
	manual_free(one);
	assert_int_equal(w->n, 0);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	oe_peers_manual(w->ps, two, w->now);
	manual_free(same);
	assert_true(was_sent(w, IKE_REQ_CLOSE));
	assert_int_equal(state(w, 2), OE_IDLE);
	assert_int_equal(state(w, 3), OE_PRIVATE);
	trap(w, 2);
	assert_string_equal(last(w, IKE_REQ_CONNECT)->m.connect.terms.psk, "two");
	/* no longer by hand: DNS is asked */
	oe_peers_manual(w->ps, NULL, w->now);
	manual_free(two);
	assert_int_equal(state(w, 2), OE_IDLE);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	trap(w, 2);
	assert_int_equal(state(w, 2), OE_RESOLVING);
	assert_true(was_sent(w, DNS_REQ_LOOKUP));
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_with_key),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_hold_limit),
		cmocka_unit_test(test_ike_fails),
		cmocka_unit_test(test_connect_limit),
		cmocka_unit_test(test_group_clear),
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_responder_refuses),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_name_identity),
		cmocka_unit_test(test_peer_first),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_manual_reload),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
