/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core in virtual time: what each group does with every outcome of DNS and IKE, with
 * late and lost messages, with services that die; and random schedules, whose invariants are that a
 * `private` peer is never in clear and that nothing is left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/peer.h"

#define SECOND UINT64_C(1000000)
#define SENT_MAX 64

struct sent {
	uint16_t type;
	union {
		struct xfrm_sa sa;
		struct xfrm_sa_id sa_id;
		struct xfrm_decide decide;
		struct dns_lookup lookup;
		struct ike_connect connect;
		struct ike_accept accept;
		struct ike_authorize authorize;
		struct ike_installed installed;
		struct ike_close close;
		struct ike_rekey rekey; /* USED too */
		struct ike_traffic traffic;
		struct ike_invalid_spi invalid_spi;
	} m;
};

struct world {
	struct oe_peers *ps;
	struct conf conf;
	struct policy *policy;
	struct sent sent[SENT_MAX];
	size_t n;
	uint64_t now;
	uint32_t spi;
	bool watch_private; /* nothing may become clear */
};

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct world *w = arg;
	struct sent *s = &w->sent[w->n % SENT_MAX];

	(void)to, (void)tail, (void)tail_len;
	s->type = type;
	memset(&s->m, 0, sizeof(s->m));
	assert_true(fixed_len <= sizeof(s->m));
	memcpy(&s->m, fixed, fixed_len);
	w->n++;
	if (w->watch_private && type == XFRM_REQ_DECIDE)
		assert_int_not_equal(s->m.decide.verdict, XFRM_VERDICT_CLEAR);
}

static void refused(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static struct policy *rules(const char *group, const char *lines)
{
	struct policy *p = policy_new();
	enum pol_group g;
	size_t bad;

	assert_true(pol_group_parse(group, &g));
	policy_parse(p, g, group, lines, strlen(lines), refused, NULL, &bad);
	return p;
}

static struct world *world(const char *group)
{
	struct world *w = calloc(1, sizeof(*w));
	struct oe_effects fx = {.arg = w, .send = on_send};

	conf_defaults(&w->conf);
	w->policy = rules(group, "198.18.0.0/16\n");
	w->now = 1000 * SECOND;
	w->ps = oe_peers_new(&fx, &w->conf, w->policy);
	oe_peers_own_key(w->ps, true);
	for (int i = 0; i < OE_N_SERVICES; i++)
		oe_peers_service(w->ps, (enum oe_service)i, true, w->now);
	w->n = 0;
	return w;
}

static void end(struct world *w)
{
	oe_peers_free(w->ps);
	policy_free(w->policy);
	free(w);
}

static struct pair pair_of(unsigned int host)
{
	uint8_t local[4] = {198, 18, 0, 1},
		remote[4] = {198, 18, (uint8_t)(host >> 8), (uint8_t)host};

	return (struct pair){addr_from_v4(local), addr_from_v4(remote)};
}

/* The last message of that type; fails where there is none since the mark. */
static const struct sent *last(const struct world *w, uint16_t type)
{
	for (size_t i = w->n; i-- > 0 && w->n - i <= SENT_MAX;)
		if (w->sent[i % SENT_MAX].type == type)
			return &w->sent[i % SENT_MAX];
	fail_msg("no message %#x was sent", type);
	return NULL;
}

static bool was_sent(const struct world *w, uint16_t type)
{
	for (size_t i = w->n; i-- > 0 && w->n - i <= SENT_MAX;)
		if (w->sent[i % SENT_MAX].type == type)
			return true;
	return false;
}

static void advance(struct world *w, uint64_t us)
{
	uint64_t until = w->now + us, due;

	while ((due = oe_peers_timers(w->ps, w->now)) <= until)
		w->now = due;
	w->now = until;
	oe_peers_timers(w->ps, w->now);
}

static void event(struct world *w, uint16_t type, const void *fixed)
{
	assert_int_equal(oe_peers_event(w->ps, type, fixed, NULL, 0, w->now), 0);
}

static void trap(struct world *w, unsigned int host)
{
	struct xfrm_trapped t = {
		.pair = pair_of(host), .proto = IPPROTO_TCP, .held = 1, .dport = 443};

	event(w, XFRM_EV_TRAPPED, &t);
}

static void answer(struct world *w, uint32_t id, enum dns_class class, uint32_t ttl)
{
	struct dns_answer a = {.id = id, .class = (uint8_t) class, .ttl = ttl};
	struct dns_key k = {.algorithm = 4, .spki_len = 44};

	a.n_keys = class == DNS_KEYS || class == DNS_INSECURE_KEYS;
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k,
				 a.n_keys * sizeof(k), w->now),
		0);
}

static void answer_last(struct world *w, enum dns_class class, uint32_t ttl)
{
	answer(w, last(w, DNS_REQ_LOOKUP)->m.lookup.id, class, ttl);
}

static enum oe_state state(const struct world *w, unsigned int host)
{
	struct pair pair = pair_of(host);
	const struct oe_peer *p = oe_peers_find(w->ps, &pair);

	return p ? p->state : OE_N_STATES;
}

static enum oe_reason reason(const struct world *w, unsigned int host)
{
	struct pair pair = pair_of(host);

	return oe_peers_find(w->ps, &pair)->reason;
}

static void announce(struct world *w, const struct ike_child *c, bool inbound)
{
	uint8_t key[36] = {1};

	assert_int_equal(oe_peers_event(w->ps, inbound ? IKE_EV_CHILD_IN : IKE_EV_CHILD_OUT, c, key,
				 sizeof(key), w->now),
		0);
}

/* The SPIs of a pair are neighbours. */
static void child(struct world *w, uint32_t handle, bool inbound, uint32_t spi)
{
	struct ike_child c = {.handle = handle,
		.spi_in = inbound ? spi : spi - 1,
		.spi_out = inbound ? 0 : spi,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.esn = 1,
		.both = inbound && (handle & IKE_HANDLE_INBOUND)};

	announce(w, &c, inbound);
}

/* The inbound half of a child that replaces another. */
static void anew(struct world *w, uint32_t handle, uint32_t spi, uint32_t old, bool both)
{
	struct ike_child c = {.handle = handle,
		.spi_in = spi,
		.spi_out = spi + 1,
		.cipher = IKE_ESP_AES_GCM_16,
		.key_bits = 256,
		.esn = 1,
		.both = both,
		.replaces = old};

	announce(w, &c, true);
}

static void done_last(struct world *w, uint16_t type, int error)
{
	const struct sent *s = last(w, type);
	struct xfrm_done d = {.tag = type == XFRM_REQ_DECIDE ? s->m.decide.tag : s->m.sa.tag,
		.error = error,
		.released = 1,
		.held_us = 5000};

	event(w, XFRM_EV_DONE, &d);
}

static void come_up(struct world *w, uint32_t handle, uint32_t spi)
{
	struct ike_up up = {
		.handle = handle, .auth_peer = IKE_AUTH_SIGNATURE, .auth_self = IKE_AUTH_SIGNATURE};

	child(w, handle, true, spi);
	if (handle & IKE_HANDLE_INBOUND)
		child(w, handle, false, spi + 1);
	done_last(w, XFRM_REQ_SA_IN, 0);
	if (handle & IKE_HANDLE_INBOUND) {
		/* the response leaves when both directions stand, not before */
		assert_int_not_equal(w->sent[(w->n - 1) % SENT_MAX].type, IKE_REQ_INSTALLED);
		done_last(w, XFRM_REQ_SA_OUT, 0);
	}
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.error, 0);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, spi);
	if (!(handle & IKE_HANDLE_INBOUND))
		child(w, handle, false, spi + 1);
	event(w, IKE_EV_UP, &up);
	if (!(handle & IKE_HANDLE_INBOUND))
		done_last(w, XFRM_REQ_SA_OUT, 0);
}

static void fail_ike(struct world *w, uint32_t handle, enum ike_failure code, uint16_t type)
{
	struct ike_failed f = {.handle = handle, .code = (uint8_t)code};

	event(w, type, &f);
}

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

static uint32_t inbound(struct world *w, unsigned int host)
{
	static uint32_t next = IKE_HANDLE_INBOUND;
	struct ike_inbound in = {.handle = ++next, .pair = pair_of(host), .remote_port = 500};

	event(w, IKE_EV_INBOUND, &in);
	assert_int_equal(last(w, IKE_REQ_ACCEPT)->m.accept.answer, 1);
	return in.handle;
}

static void identity(
	struct world *w, uint32_t handle, unsigned int host, uint8_t type, bool null_auth)
{
	struct ike_identity id = {.handle = handle, .id_type = type, .null_auth = null_auth};
	struct pair pair = pair_of(host);

	if (type == 1) {
		id.id_len = 4;
		memcpy(id.id, pair.remote.b, 4);
	} else if (type == 2) {
		id.id_len = 14;
		memcpy(id.id, "a.example.test", 14);
	}
	event(w, IKE_EV_IDENTITY, &id);
}

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

/* ---- ends, services, settings */

static void make_private(struct world *w, unsigned int host, uint32_t spi)
{
	trap(w, host);
	answer_last(w, DNS_KEYS, 300);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, spi);
	assert_int_equal(state(w, host), OE_PRIVATE);
}

static void test_down(void **arg)
{
	struct world *w = world("private");

	(void)arg;
	make_private(w, 2, 0x1000);
	fail_ike(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, IKE_FAIL_DELETED, IKE_EV_DOWN);
	assert_int_equal(state(w, 2), OE_IDLE);
	assert_true(was_sent(w, XFRM_REQ_SA_DELETE));
	/* the next packet begins again, with the answer that is known */
	w->n = 0;
	trap(w, 2);
	assert_false(was_sent(w, DNS_REQ_LOOKUP));
	assert_true(was_sent(w, IKE_REQ_CONNECT));
	end(w);
}

static void test_kernel_refuses(void **arg)
{
	struct world *w = world("private");
	uint32_t h;

	(void)arg;
	trap(w, 2);
	answer_last(w, DNS_KEYS, 300);
	h = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	child(w, h, true, 0x1000);
	done_last(w, XFRM_REQ_SA_IN, -ENOSYS);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.error, -ENOSYS);
	child(w, h, false, 0x1001);
	done_last(w, XFRM_REQ_SA_OUT, -EINVAL);
	assert_int_equal(last(w, IKE_REQ_CLOSE)->m.close.handle, h);
	end(w);

	/* a responder's refusal goes into its response */
	w = world("private");
	h = inbound(w, 2);
	child(w, h, true, 0x1000);
	child(w, h, false, 0x1001);
	done_last(w, XFRM_REQ_SA_IN, 0);
	done_last(w, XFRM_REQ_SA_OUT, -EINVAL);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.error, -EINVAL);
	assert_false(was_sent(w, IKE_REQ_CLOSE));
	end(w);
}

static void test_ike_service_dies(void **arg)
{
	struct world *w = world("private");

	(void)arg;
	make_private(w, 2, 0x1000);
	trap(w, 3);
	answer_last(w, DNS_KEYS, 300);
	w->n = 0;
	oe_peers_service(w->ps, OE_IKE, false, w->now);
	assert_int_equal(state(w, 2), OE_PRIVATE); /* its SAs go on */
	assert_int_equal(state(w, 3), OE_NEGOTIATING);
	oe_peers_service(w->ps, OE_IKE, true, w->now);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x2000);
	assert_int_equal(state(w, 3), OE_PRIVATE);
	/* a new SA in place of the orphan, in the background */
	w->n = 0;
	advance(w, 30 * SECOND);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x3000);
	w->n = 0;
	advance(w, 10 * SECOND);
	assert_int_equal(last(w, XFRM_REQ_SA_DELETE)->m.sa_id.last, 0);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

/* The ike service is away for longer than the orphans' SAs wait to be made anew. */
static void test_ike_service_away(void **arg)
{
	struct world *w = world("private");

	(void)arg;
	make_private(w, 2, 0x1000);
	oe_peers_service(w->ps, OE_IKE, false, w->now);
	advance(w, 60 * SECOND);
	w->n = 0;
	oe_peers_service(w->ps, OE_IKE, true, w->now);
	advance(w, 30 * SECOND);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x3000);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

/* An IKE SA whose child has just gone is nothing without the service that spoke for it. */
static void test_ike_service_dies_childless(void **arg)
{
	struct world *w = world("private");
	struct ike_child_gone gone = {.spi_in = 0x1000, .spi_out = 0x1001};

	(void)arg;
	make_private(w, 2, 0x1000);
	gone.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	event(w, IKE_EV_CHILD_GONE, &gone);
	oe_peers_service(w->ps, OE_IKE, false, w->now);
	advance(w, 60 * SECOND);
	assert_int_not_equal(state(w, 2), OE_PRIVATE);
	oe_peers_service(w->ps, OE_IKE, true, w->now);
	end(w);
}

static void test_other_services_die(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t id;

	(void)arg;
	trap(w, 2);
	id = last(w, DNS_REQ_LOOKUP)->m.lookup.id;
	w->n = 0;
	oe_peers_service(w->ps, OE_RESOLVER, false, w->now);
	oe_peers_service(w->ps, OE_RESOLVER, true, w->now);
	assert_int_equal(last(w, DNS_REQ_LOOKUP)->m.lookup.id, id);
	answer(w, id, DNS_DENIED, 300);
	w->n = 0;
	oe_peers_service(w->ps, OE_XFRM, false, w->now);
	oe_peers_service(w->ps, OE_XFRM, true, w->now);
	assert_int_equal(last(w, XFRM_REQ_DECIDE)->m.decide.verdict, XFRM_VERDICT_CLEAR);
	end(w);
}

static void test_adopted(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5000};

	(void)arg;
	event(w, XFRM_EV_ADOPTED, &a);
	a.inbound = 1;
	a.spi = 0x5001;
	event(w, XFRM_EV_ADOPTED, &a);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_int_equal(reason(w, 2), OE_WHY_ADOPTED);
	advance(w, 30 * SECOND);
	answer_last(w, DNS_KEYS, 300);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x6000);
	assert_int_equal(reason(w, 2), OE_WHY_MUTUAL);
	end(w);
}

/* The kernel's SAs are told when a new one is up already. */
static void test_adopted_late(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5000};

	(void)arg;
	make_private(w, 2, 0x1000);
	advance(w, 60 * SECOND);
	event(w, XFRM_EV_ADOPTED, &a);
	advance(w, 60 * SECOND);
	assert_int_equal(last(w, XFRM_REQ_SA_DELETE)->m.sa_id.spi, 0x5000);
	assert_int_equal(last(w, XFRM_REQ_SA_DELETE)->m.sa_id.last, 0);
	end(w);
}

/* And when that one ends, the orphans are all there is. */
static void test_adopted_last(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5000};
	uint32_t h;

	(void)arg;
	make_private(w, 2, 0x1000);
	h = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	event(w, XFRM_EV_ADOPTED, &a);
	fail_ike(w, h, IKE_FAIL_DELETED, IKE_EV_DOWN);
	w->n = 0;
	advance(w, 30 * SECOND);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x2000);
	end(w);
}

/* Half a pair, of a negotiation that was cut short: the peer may send by it for a while. */
static void test_adopted_half(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5001, .inbound = 1};

	(void)arg;
	event(w, XFRM_EV_ADOPTED, &a);
	advance(w, 500 * SECOND);
	assert_false(was_sent(w, XFRM_REQ_SA_DELETE));
	advance(w, 800 * SECOND);
	assert_int_equal(last(w, XFRM_REQ_SA_DELETE)->m.sa_id.spi, 0x5001);
	assert_int_equal(state(w, 2), OE_N_STATES);
	end(w);
}

/* The peer is behind a NAT, which lets nobody call it: it is told of the SA that has no IKE SA, so that it asks
 * and calls. */
static void test_adopted_behind_nat(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5000, .encap_remote = 14500};
	const struct ike_invalid_spi *told;

	(void)arg;
	event(w, XFRM_EV_ADOPTED, &a);
	a.inbound = 1;
	a.spi = 0x5001;
	event(w, XFRM_EV_ADOPTED, &a);
	advance(w, 30 * SECOND);
	answer_last(w, DNS_KEYS, 300);
	assert_false(was_sent(w, IKE_REQ_INVALID_SPI));
	fail_ike(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, IKE_FAIL_NO_ANSWER, IKE_EV_FAILED);
	assert_true(was_sent(w, IKE_REQ_INVALID_SPI));
	told = &last(w, IKE_REQ_INVALID_SPI)->m.invalid_spi;
	assert_int_equal(told->spi, 0x5001);
	assert_int_equal(told->local_port, 4500);
	assert_int_equal(told->remote_port, 14500);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	end(w);
}

static void test_reload(void **arg)
{
	struct world *w = world("private-or-clear");
	struct policy *old = w->policy;

	(void)arg;
	make_private(w, 2, 0x1000);
	trap(w, 3);
	answer_last(w, DNS_DENIED, 300);
	w->n = 0;
	/* the same rules: nothing moves */
	w->policy = rules("private-or-clear", "198.18.0.0/16\n");
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
	assert_int_equal(w->n, 0);
	old = w->policy;
	w->policy = rules("private", "198.18.0.0/16\n");
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_int_equal(state(w, 3), OE_IDLE);
	assert_int_equal(last(w, XFRM_REQ_DECIDE)->m.decide.verdict, XFRM_VERDICT_FORGET);
	assert_false(was_sent(w, IKE_REQ_CLOSE));
	old = w->policy;
	w->policy = rules("clear", "198.18.0.0/16\n");
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
	assert_int_equal(state(w, 2), OE_IDLE);
	assert_true(was_sent(w, IKE_REQ_CLOSE));
	end(w);
}

/* The kernel says that an outbound SA is old: it is rekeyed, and what it was goes without a gap. */
static void test_expire(void **arg)
{
	struct world *w = world("private");
	struct xfrm_expire e = {.pair = pair_of(2), .spi = 0x1001};
	struct ike_child_gone gone = {.spi_in = 0x1000, .spi_out = 0x1001};
	struct ike_rekeyed rekeyed = {.suite = "some suite"};
	const struct sent *s;
	uint32_t h;

	(void)arg;
	make_private(w, 2, 0x1000);
	h = gone.handle = rekeyed.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	assert_int_equal(last(w, XFRM_REQ_SA_IN)->m.sa.tell_use, 0);
	w->n = 0;
	event(w, XFRM_EV_EXPIRE, &e);
	assert_int_equal(last(w, IKE_REQ_REKEY)->m.rekey.handle, h);
	assert_int_equal(last(w, IKE_REQ_REKEY)->m.rekey.spi, 0x1000);
	/* of the peer's making: inbound first; outbound when the peer sends on it */
	anew(w, h, 0x2000, 0x1000, false);
	assert_int_equal(last(w, XFRM_REQ_SA_IN)->m.sa.tell_use, 1);
	done_last(w, XFRM_REQ_SA_IN, 0);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, 0x2000);
	e.spi = 0x2000;
	e.inbound = 1;
	event(w, XFRM_EV_EXPIRE, &e);
	assert_int_equal(last(w, IKE_REQ_USED)->m.rekey.spi, 0x2000);
	assert_false(was_sent(w, XFRM_REQ_SA_OUT));
	child(w, h, false, 0x2001);
	assert_true(was_sent(w, XFRM_REQ_SA_OUT));
	/* the old one: outbound at once, inbound takes what is under way; the policies stay */
	event(w, IKE_EV_CHILD_GONE, &gone);
	s = last(w, XFRM_REQ_SA_DELETE);
	assert_int_equal(s->m.sa_id.spi, 0x1000);
	assert_int_not_equal(s->m.sa_id.grace, 0);
	assert_int_equal(s[-1].m.sa_id.spi, 0x1001);
	assert_int_equal(s[-1].m.sa_id.last, 0);
	assert_int_equal(s[-1].m.sa_id.grace, 0);
	event(w, IKE_EV_REKEYED, &rekeyed);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	/* with the last one they go */
	gone = (struct ike_child_gone){.handle = h, .spi_in = 0x2000, .spi_out = 0x2001};
	event(w, IKE_EV_CHILD_GONE, &gone);
	s = last(w, XFRM_REQ_SA_DELETE);
	assert_int_equal(s->m.sa_id.grace, 0);
	assert_int_equal(s[-1].m.sa_id.last, 1);
	end(w);
}

/* A peer that does not rekey gets a new IKE SA; without an ike service so does every peer. */
static void test_stale(void **arg)
{
	struct world *w = world("private");
	struct ike_stale stale = {.notify = 35};
	uint32_t h;

	(void)arg;
	make_private(w, 2, 0x1000);
	h = stale.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	w->n = 0;
	event(w, IKE_EV_STALE, &stale);
	assert_int_not_equal(last(w, IKE_REQ_CONNECT)->m.connect.handle, h);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x7000);
	fail_ike(w, h, IKE_FAIL_REPLACED, IKE_EV_DOWN);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	assert_int_equal(last(w, XFRM_REQ_SA_DELETE)->m.sa_id.last, 0);
	end(w);
}

/* The time to renew comes while the peer tries, and the peer gives up. */
static void test_renewal_waits(void **arg)
{
	struct world *w = world("private");
	struct ike_stale stale = {.notify = 35};
	uint32_t theirs;

	(void)arg;
	make_private(w, 2, 0x1000);
	stale.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	advance(w, 100 * SECOND);
	theirs = inbound(w, 2);
	w->n = 0;
	event(w, IKE_EV_STALE, &stale);
	advance(w, 30 * SECOND);
	assert_false(was_sent(w, IKE_REQ_CONNECT));
	fail_ike(w, theirs, IKE_FAIL_DEAD, IKE_EV_FAILED);
	advance(w, 30 * SECOND);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x7000);
	end(w);
}

/* The renewal fails while the peer tries, and then the peer's attempt fails too. */
static void test_renewal_fails(void **arg)
{
	struct world *w = world("private");
	struct ike_stale stale = {.notify = 35};
	uint32_t ours, theirs;

	(void)arg;
	make_private(w, 2, 0x1000);
	stale.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	advance(w, 100 * SECOND);
	event(w, IKE_EV_STALE, &stale);
	ours = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	theirs = inbound(w, 2);
	fail_ike(w, ours, IKE_FAIL_NO_ANSWER, IKE_EV_FAILED);
	fail_ike(w, theirs, IKE_FAIL_DEAD, IKE_EV_FAILED);
	w->n = 0;
	advance(w, 60 * SECOND);
	come_up(w, last(w, IKE_REQ_CONNECT)->m.connect.handle, 0x7000);
	end(w);
}

/* Both directions of a child of ours are announced at once, and answered once. */
static void test_ours_anew(void **arg)
{
	struct world *w = world("private");
	uint32_t h;

	(void)arg;
	make_private(w, 2, 0x1000);
	h = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	w->n = 0;
	anew(w, h, 0x2000, 0x1000, true);
	child(w, h, false, 0x2001);
	done_last(w, XFRM_REQ_SA_IN, 0);
	assert_false(was_sent(w, IKE_REQ_INSTALLED));
	done_last(w, XFRM_REQ_SA_OUT, 0);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, 0x2000);
	end(w);
}

static void test_liveness(void **arg)
{
	struct world *w = world("private");
	struct xfrm_traffic t = {.pair = pair_of(2), .out = 1};
	struct ike_idle idle = {0};

	(void)arg;
	make_private(w, 2, 0x1000);
	idle.handle = last(w, IKE_REQ_CONNECT)->m.connect.handle;
	event(w, IKE_EV_IDLE, &idle);
	assert_true(was_sent(w, XFRM_REQ_TRAFFIC));
	event(w, XFRM_EV_TRAFFIC, &t);
	assert_int_equal(last(w, IKE_REQ_TRAFFIC)->m.traffic.handle, idle.handle);
	assert_int_equal(last(w, IKE_REQ_TRAFFIC)->m.traffic.in, 0);
	assert_int_equal(last(w, IKE_REQ_TRAFFIC)->m.traffic.out, 1);
	end(w);
}

/* What the peer sent before it heard of the end does not begin everything anew. */
static void test_under_way(void **arg)
{
	struct world *w = world("private");
	struct xfrm_stray s = {.pair = pair_of(2), .spi = 0x1000};

	(void)arg;
	make_private(w, 2, 0x1000);
	assert_int_equal(oe_peers_forget(w->ps, &s.pair.remote, w->now), 1);
	w->n = 0;
	event(w, XFRM_EV_STRAY, &s);
	advance(w, 2 * SECOND);
	event(w, XFRM_EV_STRAY, &s);
	assert_int_equal(w->n, 0);
	/* it has not heard */
	advance(w, 10 * SECOND);
	event(w, XFRM_EV_STRAY, &s);
	assert_true(was_sent(w, IKE_REQ_INVALID_SPI));
	end(w);
}

static void test_bad_messages(void **arg)
{
	struct world *w = world("private");
	struct xfrm_trapped t = {0};
	struct ike_inbound in = {.handle = 1, .pair = pair_of(2)};
	struct ike_failed f = {.handle = 1, .code = 200};
	struct dns_answer a = {.n_keys = 3};
	struct dns_key k = {.spki_len = 60000};

	(void)arg;
	assert_int_equal(oe_peers_event(w->ps, XFRM_EV_TRAPPED, &t, NULL, 0, w->now), -EBADMSG);
	assert_int_equal(oe_peers_event(w->ps, IKE_EV_INBOUND, &in, NULL, 0, w->now), -EBADMSG);
	assert_int_equal(oe_peers_event(w->ps, IKE_EV_FAILED, &f, NULL, 0, w->now), -EBADMSG);
	assert_int_equal(oe_peers_event(w->ps, DNS_EV_ANSWER, &a, NULL, 0, w->now), -EBADMSG);
	a.n_keys = 1;
	assert_int_equal(
		oe_peers_event(w->ps, DNS_EV_ANSWER, &a, (const uint8_t *)&k, sizeof(k), w->now),
		-EBADMSG);
	/* a second identity while the first is looked up: it would leave a lookup without its SA */
	struct ike_identity id = {.handle = inbound(w, 2), .id_type = 2, .id_len = 14};

	memcpy(id.id, "a.example.test", 14);
	event(w, IKE_EV_IDENTITY, &id);
	assert_int_equal(oe_peers_event(w->ps, IKE_EV_IDENTITY, &id, NULL, 0, w->now), -EBADMSG);
	assert_int_equal(oe_peers_event(w->ps, 0x7777, &t, NULL, 0, w->now), -EBADMSG);
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

/* ---- configured by hand */

static struct manual *by_hand(const char *secret)
{
	struct manual *m = manual_new();
	char text[200];

	snprintf(text, sizeof(text),
		"[peer x]\naddress = 198.18.0.2\nauth = psk\nsecret = %s\n", secret);
	assert_int_equal(manual_parse(m, NULL, "x.conf", text, strlen(text), refused, NULL), 0);
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
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_kernel_refuses),
		cmocka_unit_test(test_ike_service_dies),
		cmocka_unit_test(test_ike_service_away),
		cmocka_unit_test(test_ike_service_dies_childless),
		cmocka_unit_test(test_other_services_die),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_adopted_late),
		cmocka_unit_test(test_adopted_last),
		cmocka_unit_test(test_adopted_half),
		cmocka_unit_test(test_adopted_behind_nat),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_renewal_waits),
		cmocka_unit_test(test_renewal_fails),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_ours_anew),
		cmocka_unit_test(test_liveness),
		cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_manual_reload),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
