/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What DNS says of the peers, in virtual time: ranges that answer for others, keys asked for again
 * before their time, keys that outlive a DNS outage, keys that are withdrawn; answers that do not come,
 * and a resolver that does not answer at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keytool.h"
#include "tests/unit/agent/peers.h"

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	uint64_t now;
	unsigned int n_lookups, n_counters, n_closes, n_connects, n_verdicts, n_cancels, n_stuck;
	struct dns_lookup lookup; /* the last */
	struct ike_connect connect;
	struct ike_authorize verdict;
};

static struct keytool_public key_a, key_b;

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct world *w = arg;

	(void)to, (void)fixed_len, (void)tail, (void)tail_len;
	if (type == DNS_REQ_LOOKUP) {
		w->lookup = *(const struct dns_lookup *)fixed;
		w->n_lookups++;
	} else if (type == XFRM_REQ_COUNTERS) {
		assert_int_equal(((const struct xfrm_counters_req *)fixed)->tag, OE_COUNTERS_TAG);
		w->n_counters++;
	} else if (type == IKE_REQ_CLOSE) {
		w->n_closes++;
	} else if (type == IKE_REQ_CONNECT) {
		w->connect = *(const struct ike_connect *)fixed;
		w->n_connects++;
	} else if (type == IKE_REQ_AUTHORIZE) {
		w->verdict = *(const struct ike_authorize *)fixed;
		w->n_verdicts++;
	} else if (type == DNS_REQ_CANCEL) {
		w->n_cancels++;
	}
}

static void on_stuck(void *arg, enum oe_service service)
{
	struct world *w = arg;

	assert_int_equal(service, OE_RESOLVER);
	w->n_stuck++;
}

static struct world *world(const char *group)
{
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send, .stuck = on_stuck};

	w->policy = rules(group, "198.18.0.0/15\n2001:2::/32\n");
	w->now = 1000 * SECOND;
	w->ps = peers_new(&fx, &w->conf, w->policy, w->now);
	return w;
}

static void end(struct world *w)
{
	oe_peers_free(w->ps);
	policy_free(w->policy);
	free(w);
}

static struct pair pair_of(const char *remote)
{
	struct pair p = {0};

	assert_int_equal(addr_parse(remote, &p.remote), 0);
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

/* The answer to the last lookup; key for DNS_KEYS. */
static void answer(
	struct world *w, enum dns_class class, uint32_t ttl, const struct keytool_public *key)
{
	struct dns_answer a = {.id = w->lookup.id, .class = (uint8_t) class, .ttl = ttl};
	struct dns_key k = {.algorithm = 4};

	if (key) {
		k.spki_len = key->spki_len;
		memcpy(k.spki, key->spki, key->spki_len);
		a.n_keys = 1;
	}
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
				 a.n_keys * sizeof(k), w->now),
		0);
}

static void tell_range(struct world *w, enum dns_class class, const char *text, uint32_t ttl)
{
	struct dns_range r = {.class = (uint8_t) class, .ttl = ttl, .zone = "19.198.in-addr.arpa."};

	assert_int_equal(prefix_parse(text, &r.prefix, NULL), 0);
	event(w, DNS_EV_RANGE, &r);
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

/* A peer that proved key. */
static void become_private(
	struct world *w, const char *remote, const struct keytool_public *key, uint32_t ttl)
{
	struct ike_up up = {.auth_peer = IKE_AUTH_SIGNATURE, .auth_self = IKE_AUTH_SIGNATURE};

	trap(w, remote);
	answer(w, DNS_KEYS, ttl, key);
	up.handle = w->connect.handle;
	child(w, true, 0x1000);
	child(w, false, 0x2000);
	event(w, IKE_EV_UP, &up);
	assert_int_equal(peer(w, remote)->state, OE_PRIVATE);
	assert_non_null(peer(w, remote)->proof);
	advance(w, 60 * SECOND);
}

static void counters(struct world *w, const char *remote, uint64_t packets)
{
	struct xfrm_counters c = {
		.tag = OE_COUNTERS_TAG, .pair = pair_of(remote), .out_packets = packets};

	event(w, XFRM_EV_COUNTERS, &c);
}

/* ---- ranges */

static void test_range_decides(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	trap(w, "198.19.1.1");
	answer(w, DNS_INSECURE, 300, NULL);
	assert_int_equal(w->n_lookups, 1);
	tell_range(w, DNS_INSECURE, "198.19.1.0/24", 300);
	trap(w, "198.19.1.2");
	assert_int_equal(w->n_lookups, 1);
	assert_int_equal(peer(w, "198.19.1.2")->state, OE_CLEAR);
	assert_int_equal(peer(w, "198.19.1.2")->reason, OE_WHY_INSECURE);
	/* no longer than the proof */
	assert_int_equal(peer(w, "198.19.1.2")->until, w->now + 300 * SECOND);
	tell_range(w, DNS_DENIED, "2001:2:9::/48", 300);
	trap(w, "2001:2:9::1");
	assert_int_equal(peer(w, "2001:2:9::1")->reason, OE_WHY_DENIED);
	assert_int_equal(w->n_lookups, 1);
	trap(w, "198.19.2.1");
	assert_int_equal(w->n_lookups, 2);
	/* another way to DNS proves anew */
	oe_peers_flush_ranges(w->ps);
	trap(w, "198.19.1.3");
	assert_int_equal(w->n_lookups, 3);
	end(w);
}

/* What stands in the agent outlives the resolver. */
static void test_range_survives(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	tell_range(w, DNS_DENIED, "198.19.0.0/16", 300);
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	trap(w, "198.19.1.1");
	assert_int_equal(peer(w, "198.19.1.1")->state, OE_CLEAR);
	oe_peers_service(w->ps, OE_RESOLVER, true, w->now);
	trap(w, "198.19.1.2");
	assert_int_equal(peer(w, "198.19.1.2")->state, OE_CLEAR);
	assert_int_equal(w->n_lookups, 0);
	advance(w, 301 * SECOND);
	trap(w, "198.19.1.3");
	assert_int_equal(w->n_lookups, 1);
	end(w);
}

static void test_range_and_rules(void **arg)
{
	struct world *w = world("private");
	struct pair pair = pair_of("198.19.1.2");

	(void)arg;
	tell_range(w, DNS_INSECURE, "198.19.1.0/24", 300);
	trap(w, "198.19.1.1");
	assert_int_equal(peer(w, "198.19.1.1")->state, OE_BLOCKED);
	assert_int_equal(w->n_lookups, 0);
	/* an administrator's word asks in any case */
	assert_int_equal(oe_peers_up(w->ps, &pair, w->now), 0);
	assert_int_equal(w->n_lookups, 1);
	/* who believes keys of unsigned zones must look for them */
	w->conf.group[POL_PRIVATE].insecure_keys = true;
	trap(w, "198.19.1.3");
	assert_int_equal(w->n_lookups, 2);
	end(w);
}

static void test_bad_ranges(void **arg)
{
	struct world *w = world("private-or-clear");
	struct dns_range good = {.class = DNS_DENIED, .ttl = 60, .zone = "x."}, r;

	(void)arg;
	prefix_parse("198.19.0.0/16", &good.prefix, NULL);
	r = good;
	r.class = DNS_KEYS;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_RANGE, &r, NULL, 0, w->now), -EBADMSG);
	r = good;
	r.prefix.len = 33;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_RANGE, &r, NULL, 0, w->now), -EBADMSG);
	r = good;
	r.prefix.addr.b[2] = 1;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_RANGE, &r, NULL, 0, w->now), -EBADMSG);
	r = good;
	memset(r.zone, 'x', sizeof(r.zone));
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_RANGE, &r, NULL, 0, w->now), -EBADMSG);
	end(w);
}

/* ---- keys */

static void test_refresh(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	become_private(w, "198.18.0.2", &key_a, 1000);
	assert_int_equal(w->n_lookups, 1);
	/* the time ran from the answer on, 60 s ago */
	advance(w, 839 * SECOND);
	assert_int_equal(w->n_counters, 0);
	advance(w, 2 * SECOND);
	assert_int_equal(w->n_counters, 1);
	/* no traffic: no question, until the SA is to be renewed */
	counters(w, "198.18.0.2", 0);
	assert_int_equal(w->n_lookups, 1);
	counters(w, "198.18.0.2", 7);
	assert_int_equal(w->n_lookups, 2);
	answer(w, DNS_KEYS, 1000, &key_a);
	assert_int_equal(w->n_connects, 1);
	assert_int_equal(peer(w, "198.18.0.2")->dns_until, w->now + 1000 * SECOND);
	advance(w, 901 * SECOND);
	assert_int_equal(w->n_counters, 2);
	counters(w, "198.18.0.2", 7);
	assert_int_equal(w->n_lookups, 2);
	end(w);
}

static void test_outage(void **arg)
{
	static const enum dns_class outages[] = {
		DNS_FAILED, DNS_BOGUS, DNS_UNAVAILABLE, DNS_LIMITED};
	struct pair pair = pair_of("198.18.0.2");

	(void)arg;
	for (size_t i = 0; i < sizeof(outages) / sizeof(outages[0]); i++) {
		struct world *w = world("private-or-clear");

		become_private(w, "198.18.0.2", &key_a, 1000);
		advance(w, 841 * SECOND);
		counters(w, "198.18.0.2", 7);
		answer(w, outages[i], 5, NULL);
		assert_int_equal(peer(w, "198.18.0.2")->dns_class, DNS_KEYS);
		assert_int_equal(peer(w, "198.18.0.2")->n_keys, 1);
		assert_int_equal(peer(w, "198.18.0.2")->key_gone, 0);
		/* and it serves for a new negotiation */
		oe_peers_down(w->ps, &pair.remote, w->now);
		trap(w, "198.18.0.2");
		assert_int_equal(w->n_connects, 2);
		assert_int_equal(w->n_lookups, 2);
		/* not beyond its time */
		oe_peers_down(w->ps, &pair.remote, w->now);
		advance(w, 100 * SECOND);
		trap(w, "198.18.0.2");
		assert_int_equal(w->n_lookups, 3);
		answer(w, outages[i], 5, NULL);
		assert_int_equal(peer(w, "198.18.0.2")->state, OE_CLEAR);
		assert_int_equal(w->n_connects, 2);
		end(w);
	}
}

static void soft_expire(struct world *w, const char *remote)
{
	struct xfrm_expire e = {.pair = pair_of(remote), .spi = 0x2000};

	event(w, XFRM_EV_EXPIRE, &e);
}

static void withdrawn(enum dns_class class, const struct keytool_public *key, bool ends)
{
	struct world *w = world("private-or-clear");

	become_private(w, "198.18.0.2", &key_a, 1000);
	advance(w, 841 * SECOND);
	counters(w, "198.18.0.2", 7);
	answer(w, class, 300, key);
	/* the SA serves until its time */
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_PRIVATE);
	assert_int_equal(w->n_closes, 0);
	soft_expire(w, "198.18.0.2");
	assert_int_equal(w->n_closes, ends);
	assert_int_equal(peer(w, "198.18.0.2")->state, ends ? OE_IDLE : OE_PRIVATE);
	if (ends) {
		assert_int_equal(peer(w, "198.18.0.2")->reason, OE_WHY_KEY_GONE);
		trap(w, "198.18.0.2");
		assert_int_equal(w->n_connects, key ? 2 : 1);
		assert_int_equal(peer(w, "198.18.0.2")->state, key ? OE_NEGOTIATING : OE_CLEAR);
	}
	end(w);
}

static void test_withdrawn(void **arg)
{
	(void)arg;
	withdrawn(DNS_KEYS, &key_a, false);
	withdrawn(DNS_KEYS, &key_b, true);
	withdrawn(DNS_DENIED, NULL, true);
	withdrawn(DNS_INSECURE, NULL, true);
	withdrawn(DNS_FAILED, NULL, false);
}

/* Who was decided for want of an answer need not wait for its back-off. */
static void test_dns_back(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	trap(w, "198.18.0.2");
	answer(w, DNS_DENIED, 300, NULL);
	trap(w, "198.18.0.3");
	answer(w, DNS_UNAVAILABLE, 5, NULL);
	assert_int_equal(peer(w, "198.18.0.3")->state, OE_CLEAR);
	assert_int_equal(w->n_lookups, 2);
	oe_peers_dns_back(w->ps, w->now);
	assert_int_equal(w->n_lookups, 3);
	assert_true(addr_equal(&w->lookup.addr, &peer(w, "198.18.0.3")->pair.remote));
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_connects, 1);
	end(w);
}

/* ---- an answer that does not come */

static uint32_t call(struct world *w, const char *remote)
{
	static uint32_t next = IKE_HANDLE_INBOUND;
	struct ike_inbound in = {.handle = ++next, .pair = pair_of(remote), .remote_port = 500};

	event(w, IKE_EV_INBOUND, &in);
	return in.handle;
}

/* name NULL: the peer's address is who it says it is. */
static void identity(struct world *w, uint32_t handle, const char *remote, const char *name)
{
	struct ike_identity id = {.handle = handle, .id_type = name ? 2 : 1};
	struct pair pair = pair_of(remote);

	id.id_len = name ? (uint8_t)strlen(name) : 4;
	memcpy(id.id, name ? name : (const char *)pair.remote.b, id.id_len);
	event(w, IKE_EV_IDENTITY, &id);
}

static void assert_verdict(const struct world *w, unsigned int n, uint32_t handle, uint32_t keys)
{
	assert_int_equal(w->n_verdicts, n);
	assert_int_equal(w->verdict.handle, handle);
	assert_int_equal(w->verdict.n_keys, keys);
	assert_int_equal(w->verdict.allow, 0);
}

static unsigned int refused_for(const struct world *w, const char *remote)
{
	const struct journal *j = &peer(w, remote)->journal;

	for (size_t i = journal_count(j); i-- > 0;)
		if (journal_at(j, i)->step == JOURNAL_REFUSED)
			return journal_at(j, i)->code;
	return OE_WHY_NONE;
}

static void fail_ike(struct world *w, uint32_t handle)
{
	struct ike_failed f = {.handle = handle, .code = IKE_FAIL_NOT_AUTHORIZED};

	event(w, IKE_EV_FAILED, &f);
}

/* The peer's exchange waits no longer than its packet; the answer, when it comes, is not lost. */
static void test_verdict_bounded(void **arg)
{
	struct world *w = world("clear-or-private");
	uint64_t limit = w->conf.dns_hold_limit_ms * UINT64_C(1000);
	uint32_t first = call(w, "198.18.0.2"), second;

	(void)arg;
	advance(w, SECOND);
	identity(w, first, "198.18.0.2", NULL);
	advance(w, limit - 1);
	assert_int_equal(w->n_verdicts, 0);
	advance(w, 1);
	assert_verdict(w, 1, first, 0);
	assert_int_equal(refused_for(w, "198.18.0.2"), OE_WHY_DNS_TIMEOUT);
	fail_ike(w, first);
	/* it tries again, and DNS is as slow as ever */
	second = call(w, "198.18.0.2");
	identity(w, second, "198.18.0.2", NULL);
	assert_int_equal(w->n_lookups, 1);
	advance(w, limit);
	assert_verdict(w, 2, second, 0);
	fail_ike(w, second);
	/* now the answer comes: we begin ourselves, and the peer would be let in at once */
	assert_int_equal(w->n_cancels, 0);
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_verdicts, 2);
	assert_int_equal(w->n_connects, 1);
	first = call(w, "198.18.0.2");
	identity(w, first, "198.18.0.2", NULL);
	assert_verdict(w, 3, first, 1);
	assert_int_equal(w->n_lookups, 1);
	end(w);
}

/* What is no key begins nothing. */
static void test_verdict_late_denial(void **arg)
{
	static const enum dns_class classes[] = {DNS_DENIED, DNS_INSECURE, DNS_BOGUS, DNS_FAILED};

	(void)arg;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct world *w = world("private-or-clear");
		uint32_t h = call(w, "198.18.0.2");

		identity(w, h, "198.18.0.2", NULL);
		advance(w, 3 * SECOND);
		assert_verdict(w, 1, h, 0);
		answer(w, classes[i], 300, NULL);
		assert_int_equal(w->n_connects, 0);
		assert_int_equal(peer(w, "198.18.0.2")->state, OE_IDLE);
		/* nor does it the next time */
		fail_ike(w, h);
		advance(w, 301 * SECOND);
		h = call(w, "198.18.0.2");
		answer(w, DNS_KEYS, 300, &key_a);
		assert_int_equal(w->n_connects, 0);
		identity(w, h, "198.18.0.2", NULL);
		assert_verdict(w, 2, h, 1);
		end(w);
	}
}

static void test_verdict_by_name(void **arg)
{
	struct world *w = world("clear-or-private");
	uint32_t h = call(w, "198.18.0.2"), id;

	(void)arg;
	answer(w, DNS_DENIED, 300, NULL);
	identity(w, h, "198.18.0.2", "host.example.test");
	assert_int_equal(w->lookup.question, DNS_ASK_FORWARD);
	id = w->lookup.id;
	advance(w, 3 * SECOND);
	assert_verdict(w, 1, h, 0);
	assert_int_equal(refused_for(w, "198.18.0.2"), OE_WHY_DNS_TIMEOUT);
	/* a verdict is given once, even where the answer was under way */
	assert_int_equal(w->n_cancels, 1);
	w->lookup.id = id;
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_verdicts, 1);
	end(w);
}

/* A key that is asked for anew is good as long as it was: a refresh keeps nobody waiting for more than
 * the limit, and refuses nobody. */
static void test_verdict_while_refreshing(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t h;

	(void)arg;
	become_private(w, "198.18.0.2", &key_a, 1000);
	advance(w, 841 * SECOND);
	counters(w, "198.18.0.2", 7);
	h = call(w, "198.18.0.2");
	identity(w, h, "198.18.0.2", NULL);
	assert_int_equal(w->n_verdicts, 0);
	advance(w, 2 * SECOND);
	assert_verdict(w, 1, h, 1);
	end(w);
}

/* A packet of ours that waited for the peer's exchange waits for DNS no longer than any other. */
static void test_verdict_and_traffic(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t h = call(w, "198.18.0.2");

	(void)arg;
	identity(w, h, "198.18.0.2", NULL);
	advance(w, SECOND);
	trap(w, "198.18.0.2");
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_NEGOTIATING);
	advance(w, SECOND);
	assert_verdict(w, 1, h, 0);
	fail_ike(w, h);
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_RESOLVING);
	advance(w, SECOND - 1);
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_RESOLVING);
	advance(w, 1);
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_CLEAR);
	assert_int_equal(peer(w, "198.18.0.2")->reason, OE_WHY_DNS_TIMEOUT);
	assert_int_equal(w->n_lookups, 1);
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_connects, 1);
	end(w);
}

/* Why there is no key is told apart, and the same limit holds where a question is asked again. */
static void test_verdict_reasons(void **arg)
{
	static const struct {
		enum dns_class class;
		enum oe_reason reason;
	} cases[] = {{DNS_DENIED, OE_WHY_NO_KEYS}, {DNS_INSECURE_KEYS, OE_WHY_NO_KEYS},
		{DNS_BOGUS, OE_WHY_BOGUS}, {DNS_FAILED, OE_WHY_DNS_FAILED},
		{DNS_UNAVAILABLE, OE_WHY_DNS_UNAVAILABLE}, {DNS_LIMITED, OE_WHY_LIMIT}};
	struct world *w;
	uint32_t h;

	(void)arg;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w = world("clear-or-private");
		h = call(w, "198.18.0.2");
		identity(w, h, "198.18.0.2", NULL);
		answer(w, cases[i].class, 5, NULL);
		assert_verdict(w, 1, h, 0);
		assert_int_equal(refused_for(w, "198.18.0.2"), cases[i].reason);
		end(w);
	}
	w = world("private-or-clear");
	fail_ike(w, call(w, "198.18.0.2"));
	trap(w, "198.18.0.2");
	h = call(w, "198.18.0.2");
	identity(w, h, "198.18.0.2", NULL);
	answer(w, DNS_LIMITED, 5, NULL);
	assert_int_equal(w->n_lookups, 2);
	assert_int_equal(w->n_verdicts, 0);
	advance(w, 3 * SECOND);
	assert_verdict(w, 1, h, 0);
	end(w);
}

/* ---- a resolver that is no more */

/* What was asked is asked again, once, when the new one is ready; holds end by their limit. */
static void test_resolver_dies(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	trap(w, "198.18.0.2");
	trap(w, "198.18.0.3");
	assert_int_equal(w->n_lookups, 2);
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	/* nobody is there to be asked */
	trap(w, "198.18.0.4");
	assert_int_equal(w->n_lookups, 2);
	assert_int_equal(peer(w, "198.18.0.4")->state, OE_RESOLVING);
	advance(w, SECOND);
	oe_peers_service(w->ps, OE_RESOLVER, true, w->now);
	assert_int_equal(w->n_lookups, 5);
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_connects, 1);
	advance(w, SECOND);
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_CLEAR);
	assert_int_equal(peer(w, "198.18.0.2")->reason, OE_WHY_DNS_TIMEOUT);
	assert_int_equal(peer(w, "198.18.0.4")->state, OE_NEGOTIATING);
	assert_int_equal(w->n_stuck, 0);
	end(w);
}

/* One that says nothing is told of once, and has its time again when it is a new one. */
static void test_resolver_stuck(void **arg)
{
	struct world *w = world("private-or-clear");
	struct dns_lookup first;
	uint64_t limit = (DNS_DEADLINE_S + 5) * SECOND;

	(void)arg;
	advance(w, 100 * SECOND);
	assert_int_equal(w->n_stuck, 0);
	trap(w, "198.18.0.2");
	first = w->lookup;
	advance(w, SECOND);
	trap(w, "198.18.0.3");
	/* the hold is over long before */
	advance(w, 2 * SECOND);
	assert_int_equal(peer(w, "198.18.0.3")->state, OE_CLEAR);
	advance(w, limit - 3 * SECOND - 1);
	assert_int_equal(w->n_stuck, 0);
	advance(w, 1);
	assert_int_equal(w->n_stuck, 1);
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	advance(w, 12 * SECOND);
	oe_peers_service(w->ps, OE_RESOLVER, true, w->now);
	assert_int_equal(w->n_lookups, 4);
	advance(w, limit - 1);
	assert_int_equal(w->n_stuck, 1);
	answer(w, DNS_DENIED, 300, NULL);
	w->lookup = first;
	answer(w, DNS_KEYS, 300, &key_a);
	assert_int_equal(w->n_connects, 1);
	assert_int_equal(peer(w, "198.18.0.3")->state, OE_CLEAR);
	assert_int_equal(peer(w, "198.18.0.3")->reason, OE_WHY_DENIED);
	advance(w, 100 * SECOND);
	assert_int_equal(w->n_stuck, 1);
	end(w);
}

/* Nor is one waited for that never gets ready. */
static void test_resolver_never_ready(void **arg)
{
	struct world *w = world("private-or-clear");

	(void)arg;
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	trap(w, "198.18.0.2");
	advance(w, (DNS_DEADLINE_S + 6) * SECOND);
	assert_int_equal(w->n_stuck, 1);
	advance(w, (DNS_DEADLINE_S + 6) * SECOND);
	assert_int_equal(w->n_stuck, 2);
	end(w);
}

/* ---- budgets */

static void test_limited(void **arg)
{
	struct world *w = world("private-or-clear");
	struct ike_inbound in = {.handle = 1 | IKE_HANDLE_INBOUND,
		.pair = pair_of("198.18.0.3"),
		.remote_port = 500};
	struct ike_failed failed = {.handle = in.handle, .code = IKE_FAIL_REPLACED};
	struct oe_peers_stats stats;

	(void)arg;
	trap(w, "198.18.0.2");
	assert_int_equal(w->lookup.origin, DNS_FROM_TRAFFIC);
	answer(w, DNS_LIMITED, 5, NULL);
	assert_int_equal(peer(w, "198.18.0.2")->state, OE_CLEAR);
	assert_int_equal(peer(w, "198.18.0.2")->reason, OE_WHY_LIMIT);
	oe_peers_get_stats(w->ps, &stats);
	assert_int_equal(stats.refused_limit, 1);
	/* a stranger's question that had no budget is asked again on behalf of our own packet */
	event(w, IKE_EV_INBOUND, &in);
	assert_int_equal(w->lookup.origin, DNS_FROM_STRANGER);
	event(w, IKE_EV_FAILED, &failed);
	trap(w, "198.18.0.3");
	assert_int_equal(w->n_lookups, 2);
	answer(w, DNS_LIMITED, 5, NULL);
	assert_int_equal(w->n_lookups, 3);
	assert_int_equal(w->lookup.origin, DNS_FROM_TRAFFIC);
	end(w);
}

static int make_keys(void **arg)
{
	struct keytool_public *out[] = {&key_a, &key_b};

	(void)arg;
	for (size_t i = 0; i < 2; i++) {
		EVP_PKEY *key;

		assert_int_equal(keytool_generate("ed25519", &key), 0);
		assert_int_equal(keytool_public(key, out[i]), 0);
		EVP_PKEY_free(key);
	}
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_decides),
		cmocka_unit_test(test_range_survives),
		cmocka_unit_test(test_range_and_rules),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_dns_back),
		cmocka_unit_test(test_verdict_bounded),
		cmocka_unit_test(test_verdict_late_denial),
		cmocka_unit_test(test_verdict_by_name),
		cmocka_unit_test(test_verdict_while_refreshing),
		cmocka_unit_test(test_verdict_and_traffic),
		cmocka_unit_test(test_verdict_reasons),
		cmocka_unit_test(test_resolver_dies),
		cmocka_unit_test(test_resolver_stuck),
		cmocka_unit_test(test_resolver_never_ready),
		cmocka_unit_test(test_limited),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
