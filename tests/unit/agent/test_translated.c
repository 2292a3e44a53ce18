/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers that call themselves by a name and come through a NAT: who is taken, and who would be a thief. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "peer_world.h"

#define PEER 2

/* The host calls us by that name. Returns the handle; the reverse lookup may be under way. */
static uint32_t call(struct world *w, const char *name, bool nat)
{
	uint32_t handle = inbound(w, PEER);
	struct ike_identity id = {
		.handle = handle, .id_type = 2, .nat = nat, .id_len = (uint16_t)strlen(name)};

	memcpy(id.id, name, strlen(name));
	event(w, IKE_EV_IDENTITY, &id);
	return handle;
}

/* The last question for a name is answered: a key, and whether the name's addresses hold the peer's. */
static void answer_name(struct world *w, enum dns_class class, bool matches)
{
	const struct dns_lookup *q = &last(w, DNS_REQ_LOOKUP)->m.lookup;
	struct dns_answer a = {
		.id = q->id, .class = (uint8_t) class, .ttl = 300, .addr_matches = matches};
	struct dns_key k = {.algorithm = 4, .spki_len = 44};

	assert_int_equal(q->question, DNS_ASK_FORWARD);
	assert_true(strlen(q->name) > 0);
	memcpy(a.name, q->name, sizeof(a.name));
	a.n_keys = class == DNS_KEYS;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
				 a.n_keys * sizeof(k), w->now),
		0);
}

static void is_taken(const struct world *w, uint32_t handle)
{
	const struct ike_authorize *a = &last(w, IKE_REQ_AUTHORIZE)->m.authorize;

	assert_int_equal(a->handle, handle);
	assert_int_equal(a->n_keys, 1);
	assert_int_equal(a->allow & IKE_ALLOW_ANONYMOUS_PEER, 0);
}

static const struct oe_peer *peer(const struct world *w)
{
	struct pair pair = pair_of(PEER);

	return oe_peers_find(w->ps, &pair);
}

static void is_refused(const struct world *w, uint32_t handle, enum oe_reason why)
{
	const struct ike_authorize *a = &last(w, IKE_REQ_AUTHORIZE)->m.authorize;
	const struct journal *j = &peer(w)->journal;
	bool said = false;

	assert_int_equal(a->handle, handle);
	assert_int_equal(a->n_keys, 0);
	assert_int_equal(a->allow, 0);
	for (size_t i = 0; i < journal_count(j); i++)
		said = said ||
		       (journal_at(j, i)->step == JOURNAL_REFUSED && journal_at(j, i)->code == why);
	if (!said)
		fail_msg("refused, but not for %s", oe_reason_name(why));
}

static bool asks(const struct world *w)
{
	return was_sent(w, IKE_REQ_AUTHORIZE);
}

/* A caller by name, and what DNS says of the address and of the name. */
static uint32_t judged(
	struct world *w, bool nat, enum dns_class reverse, enum dns_class name, bool matches)
{
	uint32_t handle = inbound(w, PEER), lookup = last(w, DNS_REQ_LOOKUP)->m.lookup.id;
	struct ike_identity id = {.handle = handle, .id_type = 2, .nat = nat, .id_len = 14};

	answer(w, lookup, reverse, 300);
	memcpy(id.id, "a.example.test", 14);
	event(w, IKE_EV_IDENTITY, &id);
	answer_name(w, name, matches);
	return handle;
}

/* ---- who is taken */

static void test_taken(void **state)
{
	static const enum dns_class none[] = {
		DNS_DENIED, DNS_UNUSABLE, DNS_INSECURE, DNS_INSECURE_KEYS};
	static const char *const groups[] = {"private-or-clear", "clear-or-private"};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t g = 0; g < 2; g++) {
			struct world *w = world(groups[g]);
			uint32_t handle = judged(w, true, none[i], DNS_KEYS, false);

			is_taken(w, handle);
			end(w);
		}
}

/* One whose name has its address needs nothing of this, with a NAT or without, in any group. */
static void test_matching(void **state)
{
	(void)state;
	for (int nat = 0; nat < 2; nat++) {
		struct world *w = world("private");

		is_taken(w, judged(w, nat, DNS_DENIED, DNS_KEYS, true));
		end(w);
		w = world("private");
		is_taken(w, judged(w, nat, DNS_KEYS, DNS_KEYS, true));
		end(w);
	}
}

/* ---- who is not */

static void test_refused(void **state)
{
	static const struct {
		const char *group;
		bool nat;
		enum dns_class reverse, name;
		enum oe_reason why;
	} table[] = {
		/* no NAT: another's address */
		{"private-or-clear", false, DNS_DENIED, DNS_KEYS, OE_WHY_ID_MISMATCH},
		/* the address has a key, which alone speaks for it */
		{"private-or-clear", true, DNS_KEYS, DNS_KEYS, OE_WHY_ID_MISMATCH},
		/* it may have one: who keeps DNS from us wins nothing */
		{"private-or-clear", true, DNS_BOGUS, DNS_KEYS, OE_WHY_BOGUS},
		{"private-or-clear", true, DNS_FAILED, DNS_KEYS, OE_WHY_DNS_FAILED},
		/* the budget of strangers is spent: nothing is known */
		{"private-or-clear", true, DNS_LIMITED, DNS_KEYS, OE_WHY_DNS_FAILED},
		{"private-or-clear", true, DNS_UNAVAILABLE, DNS_KEYS, OE_WHY_DNS_UNAVAILABLE},
		/* private: whose the address is must be proved */
		{"private", true, DNS_DENIED, DNS_KEYS, OE_WHY_NAME_ONLY},
		/* a name without a believed key is worth nothing */
		{"private-or-clear", true, DNS_DENIED, DNS_DENIED, OE_WHY_NO_KEYS},
		{"private-or-clear", true, DNS_DENIED, DNS_BOGUS, OE_WHY_BOGUS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world *w = world(table[i].group);

		is_refused(w, judged(w, table[i].nat, table[i].reverse, table[i].name, false),
			table[i].why);
		end(w);
	}
}

/* Who believes keys of unsigned zones has found one for the address. */
static void test_insecure_keys(void **state)
{
	struct world *w = world("private-or-clear");

	(void)state;
	w->conf.group[POL_PRIVATE_OR_CLEAR].insecure_keys = true;
	is_refused(w, judged(w, true, DNS_INSECURE_KEYS, DNS_KEYS, false), OE_WHY_ID_MISMATCH);
	end(w);
}

static void test_trust_names(void **state)
{
	struct world *w = world("private");

	(void)state;
	w->conf.group[POL_PRIVATE].trust_names = true;
	is_taken(w, judged(w, true, DNS_DENIED, DNS_KEYS, false));
	end(w);
	w = world("private");
	w->conf.group[POL_PRIVATE].trust_names = true;
	is_refused(w, judged(w, true, DNS_KEYS, DNS_KEYS, false), OE_WHY_ID_MISMATCH);
	end(w);
}

/* ---- while the reverse lookup is under way */

static void test_waits(void **state)
{
	struct world *w = world("private-or-clear");
	uint32_t handle, reverse;

	(void)state;
	handle = inbound(w, PEER);
	reverse = last(w, DNS_REQ_LOOKUP)->m.lookup.id;
	assert_int_equal(last(w, DNS_REQ_LOOKUP)->m.lookup.question, DNS_ASK_REVERSE);
	event(w, IKE_EV_IDENTITY,
		&(struct ike_identity){.handle = handle,
			.id_type = 2,
			.nat = 1,
			.id_len = 14,
			.id = "a.example.test"});
	answer_name(w, DNS_KEYS, false);
	assert_false(asks(w));
	/* the name once more, of the resolver's memory */
	w->n = 0;
	answer(w, reverse, DNS_DENIED, 300);
	assert_string_equal(last(w, DNS_REQ_LOOKUP)->m.lookup.name, "a.example.test");
	assert_false(asks(w));
	answer_name(w, DNS_KEYS, false);
	is_taken(w, handle);
	end(w);

	/* that finds a key of the address */
	w = world("private-or-clear");
	handle = call(w, "a.example.test", true);
	answer_name(w, DNS_KEYS, false);
	answer(w, last(w, DNS_REQ_LOOKUP)->m.lookup.id - 1, DNS_KEYS, 300);
	answer_name(w, DNS_KEYS, false);
	is_refused(w, handle, OE_WHY_ID_MISMATCH);
	end(w);

	/* no answer in time: refused, and what it claimed is forgotten with it */
	w = world("private-or-clear");
	handle = call(w, "a.example.test", true);
	answer_name(w, DNS_KEYS, false);
	advance(w, 20 * SECOND);
	is_refused(w, handle, OE_WHY_DNS_TIMEOUT);
	fail_ike(w, handle, IKE_FAIL_NOT_AUTHORIZED, IKE_EV_FAILED);
	end(w);
}

/* ---- thieves of a translated peer's SA */

static void test_second_name(void **state)
{
	struct world *w = world("private-or-clear");
	uint32_t handle = judged(w, true, DNS_DENIED, DNS_KEYS, false);

	(void)state;
	is_taken(w, handle);
	come_up(w, handle, 0x1000);
	assert_int_equal(peer(w)->state, OE_PRIVATE);
	/* another name from the very same port, as one on the way can send it */
	w->n = 0;
	handle = call(w, "thief.example.test", true);
	answer_name(w, DNS_KEYS, false);
	is_refused(w, handle, OE_WHY_SHARED_NAT);
	assert_true(was_sent(w, IKE_REQ_PROBE));
	fail_ike(w, handle, IKE_FAIL_NOT_AUTHORIZED, IKE_EV_FAILED);
	assert_int_equal(peer(w)->state, OE_PRIVATE);
	/* the same name anew */
	w->n = 0;
	handle = call(w, "a.example.test", true);
	answer_name(w, DNS_KEYS, false);
	is_taken(w, handle);
	end(w);
}

/* The rule becomes private: what was proved by a name alone does not serve it. */
static void test_rule_changes(void **state)
{
	struct world *w = world("private-or-clear");
	struct policy *old = w->policy;
	uint32_t handle = judged(w, true, DNS_DENIED, DNS_KEYS, false);

	(void)state;
	come_up(w, handle, 0x1000);
	w->policy = rules("private", "198.18.0.0/16\n");
	w->watch_private = true;
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
	assert_true(was_sent(w, IKE_REQ_CLOSE));
	assert_true(!peer(w) || peer(w)->state != OE_PRIVATE);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_matching),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_insecure_keys),
		cmocka_unit_test(test_trust_names),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_second_name),
		cmocka_unit_test(test_rule_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
