/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core: how what stands ends, is renewed or is taken over, with services that die, a
 * kernel that refuses, settings that change, messages that come late or make no sense.
 */
#include "tests/unit/agent/peer_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ends, services, settings */

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
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.error, -EINVAL);
	assert_int_equal(last(w, IKE_REQ_INSTALLED)->m.installed.spi, 0x1000);
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

/* The peer calls while DNS is asked, but does not go on: then we do. */
static void test_adopted_called(void **arg)
{
	struct world *w = world("private");
	struct xfrm_adopted a = {.pair = pair_of(2), .spi = 0x5000};
	uint32_t h;

	(void)arg;
	event(w, XFRM_EV_ADOPTED, &a);
	a.inbound = 1;
	a.spi = 0x5001;
	event(w, XFRM_EV_ADOPTED, &a);
	advance(w, 30 * SECOND);
	h = inbound(w, 2);
	answer_last(w, DNS_KEYS, 300);
	assert_false(was_sent(w, IKE_REQ_CONNECT));
	advance(w, 20 * SECOND);
	fail_ike(w, h, IKE_FAIL_DEAD, IKE_EV_FAILED);
	advance(w, 20 * SECOND);
	assert_true(was_sent(w, IKE_REQ_CONNECT));
	end(w);
}

/* The peer is behind a NAT, which lets nobody call it: it is told of the SA that has no IKE SA, so
 * that it asks and calls. */
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

static void reload(struct world *w, const char *group)
{
	struct policy *old = w->policy;

	w->policy = rules(group, "198.18.0.0/16\n");
	oe_peers_configure(w->ps, &w->conf, w->policy, w->now);
	policy_free(old);
}

/* What was made with a peer that proved nothing ends where that is not enough any more. */
static void test_reload_anonymous(void **arg)
{
	struct world *w = world("private-or-clear");
	uint32_t h = inbound(w, 2);

	(void)arg;
	identity(w, h, 2, 13, true);
	answer_last(w, DNS_DENIED, 300);
	come_up_by(w, h, 0x3000, IKE_AUTH_NONE);
	assert_int_equal(state(w, 2), OE_PRIVATE);
	make_private(w, 3, 0x1000);
	w->n = 0;
	reload(w, "clear-or-private");
	assert_false(was_sent(w, IKE_REQ_CLOSE));
	reload(w, "private");
	assert_int_equal(last(w, IKE_REQ_CLOSE)->m.close.handle, h);
	assert_int_not_equal(state(w, 2), OE_PRIVATE);
	assert_int_equal(state(w, 3), OE_PRIVATE);
	end(w);

	/* the same by the setting of the group */
	w = world("private-or-clear");
	h = inbound(w, 2);
	identity(w, h, 2, 13, true);
	answer_last(w, DNS_DENIED, 300);
	come_up_by(w, h, 0x3000, IKE_AUTH_NONE);
	w->conf.group[POL_PRIVATE_OR_CLEAR].anonymous = CONF_ANON_NEVER;
	reload(w, "private-or-clear");
	assert_int_equal(last(w, IKE_REQ_CLOSE)->m.close.handle, h);
	assert_int_not_equal(state(w, 2), OE_PRIVATE);
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

/* A private one sends by a child SA that is not here: it is told, and nothing else is done. */
static void test_stray_of_private(void **arg)
{
	struct world *w = world("private");
	struct xfrm_stray s = {.pair = pair_of(2), .spi = 0x7777};

	(void)arg;
	make_private(w, 2, 0x1000);
	w->n = 0;
	event(w, XFRM_EV_STRAY, &s);
	assert_int_equal(w->n, 1);
	assert_int_equal(last(w, IKE_REQ_INVALID_SPI)->m.invalid_spi.spi, 0x7777);
	assert_int_equal(state(w, 2), OE_PRIVATE);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(test_adopted_called),
		cmocka_unit_test(test_adopted_behind_nat),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_reload_anonymous),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_renewal_waits),
		cmocka_unit_test(test_renewal_fails),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_stray_of_private),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_ours_anew),
		cmocka_unit_test(test_liveness),
		cmocka_unit_test(test_bad_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
