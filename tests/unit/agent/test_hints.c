/* SPDX-License-Identifier: BSD-2-Clause */
/* Hints in virtual time: what the core does with them, and refuses to do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/agent/peers.h"

#define PEER "198.18.0.2"
#define LINES "198.18.0.0/15\n2001:2::/32\n"

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	uint64_t now;
	struct addr locals[2];
	unsigned int n_lookups, n_connects, n_hinted, n_closes;
	struct dns_lookup lookup; /* the last */
	struct ike_connect connect;
	struct ike_pubkey key; /* of it, the first */
	struct ike_authorize authorize;
	uint32_t tag;
	size_t taken;
};

/* Two keys; what is in them is nobody's business here. */
static const struct dns_key key_a = {.algorithm = 4, .spki_len = 44, .spki = {'a'}};
static const struct dns_key key_b = {.algorithm = 4, .spki_len = 44, .spki = {'b'}};
static const struct dns_key key_gateway = {.algorithm = 4, .fault = DNS_KEY_GATEWAY_OTHER};

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct world *w = arg;

	(void)to, (void)fixed_len;
	if (type == DNS_REQ_LOOKUP) {
		w->lookup = *(const struct dns_lookup *)fixed;
		w->n_lookups++;
	} else if (type == IKE_REQ_CLOSE) {
		w->n_closes++;
	} else if (type == IKE_REQ_AUTHORIZE) {
		w->authorize = *(const struct ike_authorize *)fixed;
	} else if (type == IKE_REQ_CONNECT) {
		w->connect = *(const struct ike_connect *)fixed;
		memset(&w->key, 0, sizeof(w->key));
		if (tail_len)
			memcpy(&w->key, tail, sizeof(w->key));
		w->n_connects++;
	}
}

static void on_hinted(void *arg, uint32_t tag, const struct dns_answer *a, size_t taken)
{
	struct world *w = arg;

	(void)a;
	w->tag = tag;
	w->taken = taken;
	w->n_hinted++;
}

static struct world *world(const char *group)
{
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send, .hinted = on_hinted};

	w->policy = rules(group, LINES);
	w->now = 1000 * SECOND;
	w->ps = peers_new(&fx, &w->conf, w->policy, w->now);
	addr_parse("198.18.255.1", &w->locals[0]);
	addr_parse("2001:2::ffff", &w->locals[1]);
	oe_peers_locals(w->ps, w->locals, 2);
	return w;
}

static void end(struct world *w)
{
	oe_peers_free(w->ps);
	policy_free(w->policy);
	free(w);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct pair pair_of(const char *remote)
{
	struct pair p = {.remote = addr_of(remote)};

	addr_parse(p.remote.family == AF_INET ? "198.18.255.1" : "2001:2::ffff", &p.local);
	return p;
}

static const struct oe_peer *peer(const struct world *w, const char *remote)
{
	struct pair pair = pair_of(remote);

	return oe_peers_find(w->ps, &pair);
}

static void event(struct world *w, uint16_t type, const void *fixed)
{
	peers_event(w->ps, type, fixed, w->now);
}

static void advance(struct world *w, uint64_t us)
{
	peers_advance(w->ps, &w->now, us);
}

static void trap(struct world *w, const char *remote)
{
	struct xfrm_trapped t = {
		.pair = pair_of(remote), .proto = IPPROTO_TCP, .held = 1, .dport = 443};

	event(w, XFRM_EV_TRAPPED, &t);
}

static int answer_full(struct world *w, struct dns_answer a, const struct dns_key *key)
{
	a.id = w->lookup.id;
	a.n_keys = key != NULL;
	return oe_peers_event(
		w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)key, key ? sizeof(*key) : 0, w->now);
}

/* The answer to the last lookup, of an address. */
static void answer(struct world *w, enum dns_class class, const struct dns_key *key)
{
	assert_int_equal(w->lookup.question, DNS_ASK_REVERSE);
	assert_int_equal(
		answer_full(w, (struct dns_answer){.class = (uint8_t) class, .ttl = 600}, key), 0);
}

/* The same, of a name, which has the address or not. */
static void answer_name(
	struct world *w, enum dns_class class, bool matches, const struct dns_key *key)
{
	assert_int_equal(w->lookup.question, DNS_ASK_FORWARD);
	assert_int_equal(
		answer_full(w,
			(struct dns_answer){
				.class = (uint8_t) class, .ttl = 300, .addr_matches = matches},
			key),
		0);
}

static int hint_from(struct world *w, enum hint_from from, const char *name, const char *claim)
{
	struct addr a = claim ? addr_of(claim) : (struct addr){0};
	struct oe_hint h = {
		.name = name, .claims = &a, .n_claims = claim != NULL, .from = from, .tag = 7};

	return oe_peers_hint(w->ps, &h, w->now);
}

/* The answer to a hint: the name has this address. */
static void answer_hint(
	struct world *w, enum dns_class class, const char *addr, const struct dns_key *key)
{
	struct dns_answer a = {.class = (uint8_t) class, .ttl = 300};

	assert_int_equal(w->lookup.question, DNS_ASK_HINT);
	if (addr) {
		a.addrs[0] = addr_of(addr);
		a.n_addrs = 1;
	} else {
		a.addr_class = DNS_INSECURE;
	}
	assert_int_equal(answer_full(w, a, key), 0);
}

static void hint(struct world *w, const char *name, const char *addr)
{
	unsigned int before = w->n_hinted;

	assert_int_equal(hint_from(w, HINT_ADMIN, name, NULL), 0);
	answer_hint(w, DNS_KEYS, addr, &key_a);
	assert_int_equal(w->n_hinted, before + 1);
	assert_int_equal(w->taken, 1);
}

static void child(struct world *w, bool inbound, uint32_t spi)
{
	struct ike_child c = {.handle = w->connect.handle,
		.spi_in = inbound ? spi : spi - 0x1000,
		.spi_out = inbound ? 0 : spi,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256};

	peers_child(w->ps, &c, inbound, w->now);
}

static void come_up(struct world *w)
{
	struct ike_up up = {.handle = w->connect.handle,
		.auth_peer = IKE_AUTH_SIGNATURE,
		.auth_self = IKE_AUTH_SIGNATURE};

	child(w, true, 0x1000);
	child(w, false, 0x2000);
	event(w, IKE_EV_UP, &up);
	assert_int_equal(peer(w, PEER)->state, OE_PRIVATE);
}

static void ike_fails(struct world *w)
{
	struct ike_failed f = {.handle = w->connect.handle, .code = IKE_FAIL_PEER_KEY};

	event(w, IKE_EV_FAILED, &f);
}

/* A packet, no key in the reverse tree, and the name's key. */
static void reach_connect(struct world *w)
{
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->n_connects, 1);
}

/* ---- use */

static void test_before_the_packet(void **arg)
{
	struct world *w = world("private-or-clear");
	struct oe_peers_stats stats;

	(void)arg;
	assert_int_equal(hint_from(w, HINT_ADMIN, "Host.example", NULL), 0);
	assert_int_equal(w->lookup.question, DNS_ASK_HINT);
	assert_int_equal(w->lookup.origin, DNS_FROM_HOST);
	assert_string_equal(w->lookup.name, "host.example.");
	answer_hint(w, DNS_KEYS, PEER, &key_a);
	assert_int_equal(w->n_hinted, 1);
	assert_int_equal(w->tag, 7);
	assert_int_equal(w->taken, 1);
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(w->lookup.question, DNS_ASK_FORWARD);
	assert_string_equal(w->lookup.name, "host.example.");
	assert_string_equal(addr_str(&w->lookup.addr), PEER);
	assert_int_equal(w->n_connects, 0);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->n_connects, 1);
	assert_memory_equal(w->key.spki, key_a.spki, 44);
	assert_int_equal(w->connect.allow & IKE_ALLOW_ANONYMOUS_PEER, 0);
	come_up(w);
	assert_int_equal(peer(w, PEER)->sas->by_hint, 1);
	oe_peers_get_stats(w->ps, &stats);
	assert_int_equal(stats.hints_taken, 1);
	assert_int_equal(stats.by_hint, 1);
	assert_int_equal(stats.hints, 1);
	/* another address of the same network has no hint */
	trap(w, "198.18.0.3");
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, "198.18.0.3")->state, OE_CLEAR);
	end(w);
}

static void test_upgrades_from_clear(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	trap(w, PEER);
	answer(w, DNS_INSECURE, NULL);
	assert_int_equal(peer(w, PEER)->state, OE_CLEAR);
	hint(w, "host.example", PEER);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->n_connects, 1);
	come_up(w);
	end(w);
}

/* The packet is faster than the answer to the hint. */
static void test_claims(void **arg)
{
	struct world *w = world("private-or-clear");
	struct dns_lookup question;

	(void)arg;
	assert_int_equal(hint_from(w, HINT_UNBOUND, "host.example.", PEER), 0);
	question = w->lookup;
	assert_int_equal(question.origin, DNS_FROM_HINT);
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->n_connects, 1);
	/* what the name does not have is forgotten */
	assert_int_equal(hint_from(w, HINT_UNBOUND, "other.example.", "198.18.0.3"), 0);
	answer_hint(w, DNS_KEYS, "198.18.0.4", &key_a);
	trap(w, "198.18.0.3");
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, "198.18.0.3")->state, OE_CLEAR);
	/* known: nothing is asked */
	assert_int_equal(hint_from(w, HINT_UNBOUND, "other.example.", "198.18.0.4"), -EALREADY);
	end(w);
}

static void test_reverse_key_outranks(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	hint(w, "host.example", PEER);
	trap(w, PEER);
	answer(w, DNS_KEYS, &key_b);
	assert_int_equal(w->lookup.question, DNS_ASK_REVERSE);
	assert_int_equal(w->n_connects, 1);
	assert_memory_equal(w->key.spki, key_b.spki, 44);
	ike_fails(w);
	/* nor does it help one out */
	assert_int_equal(peer(w, PEER)->reason, OE_WHY_DOWNGRADED);
	assert_int_equal(w->lookup.question, DNS_ASK_REVERSE);
	end(w);
}

/* Somebody names an address that is not his: nothing is worse than without him. */
static void test_false_hint(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	w->conf.group[POL_PRIVATE_OR_CLEAR].downgrade_refuse = true;
	hint(w, "evil.example", PEER);
	hint(w, "good.example", PEER);
	reach_connect(w);
	assert_string_equal(peer(w, PEER)->hint, "evil.example.");
	ike_fails(w);
	assert_int_equal(peer(w, PEER)->state, OE_CLEAR);
	/* the other name gets its turn */
	advance(w, 61 * SECOND);
	assert_int_equal(w->lookup.question, DNS_ASK_FORWARD);
	assert_string_equal(w->lookup.name, "good.example.");
	answer_name(w, DNS_KEYS, true, &key_b);
	assert_int_equal(w->n_connects, 2);
	assert_memory_equal(w->key.spki, key_b.spki, 44);
	end(w);

	/* who trusts names is told by them */
	w = world("private-or-clear");
	w->conf.group[POL_PRIVATE_OR_CLEAR].downgrade_refuse = true;
	w->conf.group[POL_PRIVATE_OR_CLEAR].trust_names = true;
	hint(w, "host.example", PEER);
	reach_connect(w);
	ike_fails(w);
	assert_int_equal(peer(w, PEER)->state, OE_BLOCKED);
	end(w);
}

static void test_private(void **arg)
{
	struct world *w = world("private");

	(void)arg;
	hint(w, "host.example", PEER);
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, PEER)->state, OE_BLOCKED);
	assert_int_equal(w->lookup.question, DNS_ASK_REVERSE);
	end(w);

	w = world("private");
	w->conf.group[POL_PRIVATE].trust_names = true;
	hint(w, "host.example", PEER);
	reach_connect(w);
	come_up(w);
	end(w);

	/* while the address's own key cannot be asked for, no name takes its place */
	w = world("private");
	w->conf.group[POL_PRIVATE].trust_names = true;
	hint(w, "host.example", PEER);
	trap(w, PEER);
	answer(w, DNS_BOGUS, NULL);
	assert_int_equal(peer(w, PEER)->state, OE_BLOCKED);
	assert_int_equal(w->lookup.question, DNS_ASK_REVERSE);
	end(w);
}

/* What a hint made is not enough for a rule that has become `private`, or trusts no names any more. */
static void test_reload(void **arg)
{
	struct world *w = world("private-or-clear");
	struct policy *old = w->policy;

	(void)arg;
	hint(w, "host.example", PEER);
	reach_connect(w);
	come_up(w);
	w->policy = rules("private", LINES);
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
	assert_int_equal(peer(w, PEER)->state, OE_IDLE);
	assert_int_equal(w->n_closes, 1);
	trap(w, PEER);
	assert_int_equal(peer(w, PEER)->state, OE_BLOCKED);
	end(w);

	w = world("private");
	w->conf.group[POL_PRIVATE].trust_names = true;
	hint(w, "host.example", PEER);
	reach_connect(w);
	come_up(w);
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	assert_int_equal(peer(w, PEER)->state, OE_PRIVATE);
	w->conf.group[POL_PRIVATE].trust_names = false;
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	assert_int_equal(peer(w, PEER)->state, OE_IDLE);
	end(w);
}

/* The name turns out to be of no use for this address. */
static void test_no_help(void **arg)
{
	static const struct {
		enum dns_class class;
		bool matches, again;
	} table[] = {
		{DNS_KEYS, false, false}, /* its address is another's, or not signed */
		{DNS_DENIED, false, false},
		{DNS_INSECURE_KEYS, true, false},
		{DNS_UNUSABLE, true, false},
		{DNS_BOGUS, false, true}, /* another time perhaps */
		{DNS_FAILED, false, true},
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world *w = world("private-or-clear");
		unsigned int n;

		hint(w, "host.example", PEER);
		trap(w, PEER);
		answer(w, DNS_DENIED, NULL);
		answer_name(w, table[i].class, table[i].matches,
			table[i].class == DNS_KEYS || table[i].class == DNS_INSECURE_KEYS ? &key_a
											  : NULL);
		assert_int_equal(peer(w, PEER)->state, OE_CLEAR);
		assert_int_equal(peer(w, PEER)->reason, OE_WHY_DENIED);
		assert_int_equal(w->n_connects, 0);
		n = w->n_lookups;
		advance(w, 31 * SECOND);
		assert_int_equal(oe_peers_up(w->ps, &peer(w, PEER)->pair, w->now), 0);
		answer(w, DNS_DENIED, NULL);
		assert_int_equal(w->n_lookups - n, table[i].again ? 2 : 1);
		end(w);
	}
}

static void test_refused(void **arg)
{
	struct world *w = world("private-or-clear");
	struct oe_peers_stats stats;

	(void)arg;
	assert_int_equal(hint_from(w, HINT_UNBOUND, "no name", NULL), -EINVAL);
	assert_int_equal(hint_from(w, HINT_UNBOUND, "plain.example", NULL), 0);
	answer_hint(w, DNS_INSECURE_KEYS, PEER, &key_a);
	assert_int_equal(w->taken, 0);
	/* a browser that asks again and again costs nothing, an administrator is answered */
	assert_int_equal(hint_from(w, HINT_RESOLVED, "plain.example", NULL), -EALREADY);
	assert_int_equal(hint_from(w, HINT_ADMIN, "plain.example", NULL), 0);
	/* a secure key, but no secure address */
	answer_hint(w, DNS_KEYS, NULL, &key_a);
	assert_int_equal(w->taken, 0);
	advance(w, 61 * SECOND);
	assert_int_equal(hint_from(w, HINT_UNBOUND, "plain.example", NULL), 0);
	/* nor does a name make the loopback a peer */
	answer_hint(w, DNS_KEYS, "127.0.0.1", &key_a);
	assert_int_equal(w->taken, 0);
	oe_peers_get_stats(w->ps, &stats);
	assert_int_equal(stats.hints, 0);
	assert_int_equal(stats.hints_refused, 4);
	/* a key whose gateway is its own address counts for that one */
	assert_int_equal(hint_from(w, HINT_ADMIN, "gateway.example", NULL), 0);
	answer_hint(w, DNS_UNUSABLE, PEER, &key_gateway);
	assert_int_equal(w->taken, 1);
	end(w);
}

static void test_bounds(void **arg)
{
	struct world *w = world("private-or-clear");
	struct dns_answer a = {.class = DNS_KEYS, .n_addrs = DNS_ADDRS_MAX + 1};
	struct oe_peers_stats stats;
	char name[32];
	int ok = 0;

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		ok += hint_from(w, HINT_UNBOUND, name, PEER) == 0;
	}
	assert_int_equal(ok, 64);
	assert_int_equal(w->n_lookups, 64);
	oe_peers_get_stats(w->ps, &stats);
	assert_int_equal(stats.hints_over_limit, 936);
	assert_int_equal(stats.hints, HINTS_PER_ADDR);
	answer_hint(w, DNS_DENIED, NULL, NULL);
	assert_int_equal(hint_from(w, HINT_UNBOUND, "one-more.example", NULL), 0);
	/* a resolver that tells of more addresses than there may be, or of none that are */
	assert_int_equal(answer_full(w, a, &key_a), -EBADMSG);
	a.n_addrs = 1;
	assert_int_equal(answer_full(w, a, &key_a), -EBADMSG);
	end(w);
}

static void test_expires(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	hint(w, "host.example", PEER);
	advance(w, 301 * SECOND);
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, PEER)->state, OE_CLEAR);
	end(w);
}

/* Traffic keeps the key fresh; withdrawn, it ends the SA at its renewal. */
static void test_refresh(void **arg)
{
	struct world *w = world("private-or-clear");
	struct xfrm_counters c = {.tag = OE_COUNTERS_TAG, .pair = pair_of(PEER), .out_packets = 1};

	(void)arg;
	hint(w, "host.example", PEER);
	reach_connect(w);
	come_up(w);
	assert_int_equal(peer(w, PEER)->dns_until, w->now + 300 * SECOND);
	advance(w, 271 * SECOND);
	event(w, XFRM_EV_COUNTERS, &c);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, PEER)->n_keys, 1);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(peer(w, PEER)->key_gone, 0);
	assert_int_equal(peer(w, PEER)->dns_until, w->now + 300 * SECOND);
	/* DNS fails: what was secure stays so */
	advance(w, 271 * SECOND);
	c.out_packets++;
	event(w, XFRM_EV_COUNTERS, &c);
	answer(w, DNS_FAILED, NULL);
	assert_int_equal(peer(w, PEER)->n_keys, 1);
	assert_int_equal(peer(w, PEER)->key_gone, 0);
	event(w, XFRM_EV_COUNTERS, &c);
	advance(w, 300 * SECOND);
	assert_int_equal(oe_peers_up(w->ps, &peer(w, PEER)->pair, w->now), 0);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(peer(w, PEER)->n_keys, 0);
	assert_int_equal(peer(w, PEER)->key_gone, 1);
	end(w);
}

/* ---- as responder */

static void call(struct world *w, bool null)
{
	struct ike_inbound in = {.handle = IKE_HANDLE_INBOUND | 1, .pair = pair_of(PEER)};
	struct ike_identity id = {.handle = in.handle,
		.id_type = null ? 13 : 1,
		.null_auth = null,
		.id_len = null ? 0 : 4};

	memcpy(id.id, in.pair.remote.b, 4);
	event(w, IKE_EV_INBOUND, &in);
	event(w, IKE_EV_IDENTITY, &id);
}

static void test_responder(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	hint(w, "host.example", PEER);
	call(w, false);
	answer(w, DNS_DENIED, NULL);
	assert_int_equal(w->authorize.handle, 0);
	assert_int_equal(w->lookup.origin, DNS_FROM_STRANGER);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->authorize.handle, IKE_HANDLE_INBOUND | 1);
	assert_int_equal(w->authorize.n_keys, 1);
	end(w);

	/* a hint that came after the answer counts as well */
	w = world("private-or-clear");
	trap(w, PEER);
	answer(w, DNS_DENIED, NULL);
	hint(w, "host.example", PEER);
	answer_name(w, DNS_FAILED, false, NULL);
	advance(w, 31 * SECOND);
	call(w, false);
	assert_int_equal(w->lookup.question, DNS_ASK_FORWARD);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->authorize.n_keys, 1);
	end(w);
}

static void test_anonymous(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	/* a name keeps no anonymous peer out, unless names are trusted */
	hint(w, "host.example", PEER);
	call(w, true);
	answer(w, DNS_DENIED, NULL);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->authorize.allow, IKE_ALLOW_ANONYMOUS_PEER);
	end(w);

	w = world("private-or-clear");
	w->conf.group[POL_PRIVATE_OR_CLEAR].trust_names = true;
	hint(w, "host.example", PEER);
	call(w, true);
	answer(w, DNS_DENIED, NULL);
	answer_name(w, DNS_KEYS, true, &key_a);
	assert_int_equal(w->authorize.allow, 0);
	end(w);

	w = world("private-or-clear");
	w->conf.group[POL_PRIVATE_OR_CLEAR].anonymous = CONF_ANON_INITIATE;
	hint(w, "host.example", PEER);
	reach_connect(w);
	assert_int_equal(w->connect.n_keys, 1);
	assert_int_equal(w->connect.allow, IKE_ALLOW_ANONYMOUS_PEER);
	end(w);
}

/* ---- warming up */

static void test_warm(void **arg)
{
	struct world *w = world("private-or-clear");
	struct dns_range r = {.class = DNS_INSECURE, .ttl = 300, .zone = "19.198.in-addr.arpa."};
	struct addr a = addr_of(PEER), other = addr_of("198.19.0.1"), loop = addr_of("127.0.0.1");

	(void)arg;
	oe_peers_warm(w->ps, &a, w->now);
	assert_int_equal(w->lookup.origin, DNS_FROM_HINT);
	assert_string_equal(addr_str(&w->lookup.addr), PEER);
	answer(w, DNS_KEYS, &key_a);
	assert_null(peer(w, PEER));
	assert_int_equal(w->n_lookups, 1);
	oe_peers_warm(w->ps, &loop, w->now);
	prefix_parse("198.19.0.0/16", &r.prefix, NULL);
	event(w, DNS_EV_RANGE, &r);
	oe_peers_warm(w->ps, &other, w->now);
	assert_int_equal(w->n_lookups, 1);
	for (unsigned int i = 0; i < 1000; i++) {
		a.b[3] = (uint8_t)i;
		oe_peers_warm(w->ps, &a, w->now);
	}
	assert_int_equal(w->n_lookups, 65);
	/* a new resolver is asked all of them */
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	oe_peers_service(w->ps, OE_RESOLVER, true, w->now);
	assert_int_equal(w->n_lookups, 129);
	end(w);

	w = world("clear");
	oe_peers_warm(w->ps, &a, w->now);
	assert_int_equal(w->n_lookups, 0);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_packet),
		cmocka_unit_test(test_upgrades_from_clear),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_reverse_key_outranks),
		cmocka_unit_test(test_false_hint),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_no_help),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_warm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
