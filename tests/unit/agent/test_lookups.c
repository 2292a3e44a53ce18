/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What DNS says of the peers, in virtual time: ranges that answer for others, keys asked for again
 * before their time, keys that outlive a DNS outage, keys that are withdrawn; and the table of
 * ranges alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keytool.h"
#include "agent/peer.h"
#include "agent/ranges.h"

#define SECOND UINT64_C(1000000)

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	uint64_t now;
	unsigned int n_lookups, n_counters, n_closes, n_connects;
	struct dns_lookup lookup; /* the last */
	struct ike_connect connect;
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
	}
}

static void refused(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static struct world *world(const char *group)
{
	static const char lines[] = "198.18.0.0/15\n2001:2::/32\n";
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send};
	enum pol_group g;
	size_t bad;

	conf_defaults(&w->conf);
	w->policy = policy_new();
	assert_true(pol_group_parse(group, &g));
	policy_parse(w->policy, g, group, lines, strlen(lines), refused, NULL, &bad);
	w->now = 1000 * SECOND;
	w->ps = oe_peers_new(&fx, &w->conf, w->policy);
	oe_peers_own_key(w->ps, true);
	for (int i = 0; i < OE_N_SERVICES; i++)
		oe_peers_service(w->ps, (enum oe_service)i, true, w->now);
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
	struct pair p;

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
	assert_int_equal(oe_peers_event(w->ps, type, fixed, NULL, 0, w->now), 0);
}

static void advance(struct world *w, uint64_t us)
{
	uint64_t until = w->now + us, due;

	while ((due = oe_peers_timers(w->ps, w->now)) <= until)
		w->now = due;
	w->now = until;
	oe_peers_timers(w->ps, w->now);
}

static void trap(struct world *w, const char *remote)
{
	struct xfrm_trapped t = {
		.pair = pair_of(remote), .proto = IPPROTO_TCP, .held = 1, .dport = 443};

	event(w, XFRM_EV_TRAPPED, &t);
}

/* The answer to the last lookup; key for DNS_KEYS. */
static void answer(struct world *w, enum dns_class class, uint32_t ttl,
	const struct keytool_public *key)
{
	struct dns_answer a = {.id = w->lookup.id, .class = (uint8_t)class, .ttl = ttl};
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
	struct dns_range r = {.class = (uint8_t)class, .ttl = ttl, .zone = "19.198.in-addr.arpa."};

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
	uint8_t key[36] = {1};

	assert_int_equal(oe_peers_event(w->ps, inbound ? IKE_EV_CHILD_IN : IKE_EV_CHILD_OUT, &c,
				 key, sizeof(key), w->now),
		0);
}

/* A peer that proved key. */
static void become_private(struct world *w, const char *remote, const struct keytool_public *key,
	uint32_t ttl)
{
	struct ike_up up = {
		.auth_peer = IKE_AUTH_SIGNATURE, .auth_self = IKE_AUTH_SIGNATURE};

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

static bool has(struct ranges *r, const char *text, const char *prefix, uint64_t now)
{
	const struct range *found;
	char buf[PREFIX_STRLEN];
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	found = ranges_find(r, &a, now);
	return prefix ? found && !strcmp(prefix_format(&found->told.prefix, buf), prefix) : !found;
}

static void put(struct ranges *r, const char *prefix, uint32_t ttl, uint64_t now)
{
	struct dns_range d = {.class = DNS_DENIED, .ttl = ttl};

	assert_int_equal(prefix_parse(prefix, &d.prefix, NULL), 0);
	ranges_add(r, &d, now);
}

static void test_table(void **arg)
{
	struct ranges *r = ranges_new();
	char text[32];

	(void)arg;
	put(r, "198.0.0.0/8", 100, 0);
	put(r, "198.19.0.0/16", 10, 0);
	put(r, "2001:2::/32", 100, 0);
	assert_true(has(r, "198.19.1.1", "198.19.0.0/16", 0));
	assert_true(has(r, "198.20.1.1", "198.0.0.0/8", 0));
	assert_true(has(r, "199.0.0.0", NULL, 0));
	assert_true(has(r, "2001:2:ffff::1", "2001:2::/32", 0));
	assert_true(has(r, "2001:3::", NULL, 0));
	/* the first bytes are those of 198.0.0.0/8 */
	assert_true(has(r, "c600::1", NULL, 0));
	assert_true(has(r, "198.19.1.1", "198.0.0.0/8", 10 * SECOND));
	assert_int_equal(ranges_count(r), 2);
	put(r, "198.0.0.0/8", 100, 50 * SECOND);
	assert_true(has(r, "198.1.1.1", "198.0.0.0/8", 149 * SECOND));
	assert_true(has(r, "198.1.1.1", NULL, 150 * SECOND));
	/* the one that ends first makes room */
	for (unsigned int i = 0; i < RANGES_MAX + 10; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
		put(r, text, 1000 + i, 0);
	}
	assert_int_equal(ranges_count(r), RANGES_MAX);
	assert_true(has(r, "10.0.9.1", NULL, 0));
	assert_true(has(r, "10.0.12.1", "10.0.12.0/24", 0));
	ranges_flush(r);
	assert_int_equal(ranges_count(r), 0);
	assert_true(has(r, "10.0.12.1", NULL, 0));
	ranges_free(r);
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
	static const enum dns_class outages[] = {DNS_FAILED, DNS_BOGUS, DNS_UNAVAILABLE,
		DNS_LIMITED};
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
		assert_int_equal(
			peer(w, "198.18.0.2")->state, key ? OE_NEGOTIATING : OE_CLEAR);
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

/* ---- budgets */

static void test_limited(void **arg)
{
	struct world *w = world("private-or-clear");
	struct ike_inbound in = {
		.handle = 1 | IKE_HANDLE_INBOUND, .pair = pair_of("198.18.0.3"), .remote_port = 500};
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
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_dns_back),
		cmocka_unit_test(test_limited),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
