/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE SAs between two cores: what should work. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/sa.h"
#include "tests/unit/ike/test_sa_world.h"

static void assert_up(struct world *w)
{
	const struct host *a = &w->host[A], *b = &w->host[B];

	assert_int_equal(a->ups, 1);
	assert_int_equal(b->ups, 1);
	assert_int_equal(a->fails + b->fails + a->downs + b->downs, 0);
	assert_int_equal(a->up.spi_i, b->up.spi_i);
	assert_int_equal(a->up.spi_r, b->up.spi_r);
	assert_string_equal(a->up.suite, b->up.suite);
	assert_string_equal(a->up.esp, b->up.esp);
	assert_private(w, 1);
}

static void ed25519(void **state)
{
	static const uint16_t initiator[] = {IKE_EV_NOTE, IKE_EV_NOTE, IKE_EV_CHILD_IN, IKE_EV_SIGN,
		IKE_EV_NOTE, IKE_EV_CHILD_OUT, IKE_EV_UP};
	static const uint16_t responder[] = {IKE_EV_INBOUND, IKE_EV_IDENTITY, IKE_EV_CHILD_IN,
		IKE_EV_CHILD_OUT, IKE_EV_SIGN, IKE_EV_UP};
	struct world *w = world_ed25519();
	const struct ike_up *up = &w->host[A].up;

	(void)state;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_int_equal(w->sent, 4);
	assert_int_equal(w->host[A].n_events, sizeof(initiator) / sizeof(initiator[0]));
	assert_memory_equal(w->host[A].events, initiator, sizeof(initiator));
	assert_int_equal(w->host[B].n_events, sizeof(responder) / sizeof(responder[0]));
	assert_memory_equal(w->host[B].events, responder, sizeof(responder));
	assert_true(up->initiator && !w->host[B].up.initiator);
	assert_int_equal(up->auth_peer, IKE_AUTH_SIGNATURE);
	assert_int_equal(up->auth_self, IKE_AUTH_SIGNATURE);
	assert_int_equal(up->took_ms, 4);
	assert_string_equal(up->suite, "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519");
	assert_string_equal(up->esp, "AES-GCM-16-256 ESN");
	assert_string_equal(up->peer_id, "198.18.2.20");
	assert_int_equal(w->host[A].kernel[CHILDREN_MAX - 1].child.encap_local, 0);
	world_free(w);
}

/* One signature scheme each way. */
static void check_keys(enum test_key a, enum test_key b)
{
	struct world *w = world_new();

	world_keys(w, a, b);
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_int_equal(w->host[A].up.auth_peer, IKE_AUTH_SIGNATURE);
	assert_int_equal(w->host[B].up.auth_peer, IKE_AUTH_SIGNATURE);
	world_free(w);
}

static void all_keys(void **state)
{
	(void)state;
	check_keys(KEY_RSA, KEY_RSA);
	check_keys(KEY_P256, KEY_P384);
	check_keys(KEY_RSA, KEY_ED25519);
	check_keys(KEY_ED25519, KEY_P256);
}

/* Any of several keys may prove the peer; which one is told. */
static void second_key(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];

	(void)state;
	a->peer[2] = a->peer[0];
	a->peer[0] = world_key(KEY_RSA);
	a->peer[1] = world_key(KEY_P256);
	a->n_peer = 3;
	host_connect(a);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_int_equal(a->up.key, 2);
	world_free(w);
}

/* Of several own keys the best is used, and its index is right. */
static void own_key_choice(void **state)
{
	struct world *w = world_new();
	struct host *a = &w->host[A];

	(void)state;
	world_keys(w, KEY_RSA, KEY_ED25519_B);
	a->own[1] = world_key(KEY_P256);
	a->own[2] = world_key(KEY_ED25519);
	a->n_own = 3;
	host_own_keys(a);
	w->host[B].peer[0] = world_key(KEY_ED25519);
	host_connect(a);
	world_run(w, 10 * MS);
	assert_up(w);
	world_free(w);
}

/* While a key is replaced the other one is held and never signed with, in either role, though it comes
 * first or is of a kind that would be preferred. */
static void own_key_standby(void **state)
{
	(void)state;
	for (int initiator = A; initiator <= B; initiator++) {
		struct world *w = world_new();
		struct host *a = &w->host[A];

		world_keys(w, KEY_ED25519, KEY_ED25519_B);
		a->own[1] = world_key(KEY_RSA);
		a->n_own = 2;
		a->standby = 1 << 0;
		host_own_keys(a);
		w->host[B].peer[0] = world_key(KEY_RSA);
		host_connect(&w->host[initiator]);
		world_run(w, 10 * MS);
		assert_up(w);
		assert_int_equal(w->host[B].up.auth_peer, IKE_AUTH_SIGNATURE);
		world_free(w);
	}
}

static void null_both(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (int i = 0; i < HOSTS; i++)
		w->host[i].allow = IKE_ALLOW_ANONYMOUS_PEER | IKE_ALLOW_ANONYMOUS_SELF;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_int_equal(w->host[A].up.auth_peer, IKE_AUTH_NONE);
	assert_int_equal(w->host[B].up.auth_peer, IKE_AUTH_NONE);
	assert_string_equal(w->host[B].up.peer_id, "(anonymous)");
	world_free(w);
}

/* An anonymous client of a server with a key, and the reverse. */
static void check_null_one_way(int anonymous)
{
	struct world *w = world_ed25519();
	struct host *anon = &w->host[anonymous], *proven = &w->host[!anonymous];

	anon->n_own = 0;
	anon->allow = IKE_ALLOW_ANONYMOUS_SELF;
	host_own_keys(anon);
	proven->n_peer = 0;
	proven->allow = IKE_ALLOW_ANONYMOUS_PEER;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_int_equal(anon->up.auth_peer, IKE_AUTH_SIGNATURE);
	assert_int_equal(anon->up.auth_self, IKE_AUTH_NONE);
	assert_int_equal(proven->up.auth_peer, IKE_AUTH_NONE);
	assert_int_equal(proven->up.auth_self, IKE_AUTH_SIGNATURE);
	world_free(w);
}

static void null_one_way(void **state)
{
	(void)state;
	check_null_one_way(A);
	check_null_one_way(B);
}

static void ipv6(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	assert_int_equal(addr_parse("2001:2::a", &w->host[A].addr), 0);
	assert_int_equal(addr_parse("2001:2::b", &w->host[B].addr), 0);
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_string_equal(w->host[B].up.peer_id, "2001:2::a");
	world_free(w);
}

static void fqdn(void **state)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();

	(void)state;
	strcpy(c.id_fqdn, "a.example.test");
	host_config(&w->host[A], &c);
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_string_equal(w->host[B].up.peer_id, "a.example.test");
	world_free(w);
}

/* A's addresses and ports are changed on the way: both float to 4500, ESP goes in UDP. */
static void nat(void **state)
{
	struct world *w = world_ed25519();
	const struct host *a = &w->host[A], *b = &w->host[B];
	unsigned int sent;

	(void)state;
	w->nat = true;
	w->nat_shift = 10000;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	assert_true(a->up.nat_self && !a->up.nat_peer);
	assert_true(b->up.nat_peer && !b->up.nat_self);
	assert_int_equal(a->note_args[IKE_NOTE_NAT], 1);
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (a->kernel[i].used) {
			assert_int_equal(a->kernel[i].child.encap_local, 4500);
			assert_int_equal(a->kernel[i].child.encap_remote, 4500);
		}
		if (b->kernel[i].used) {
			assert_int_equal(b->kernel[i].child.encap_local, 4500);
			assert_int_equal(b->kernel[i].child.encap_remote, 14500);
		}
	}
	/* keepalives of the one behind the NAT only */
	sent = w->sent;
	world_run(w, 61 * SEC);
	assert_int_equal(w->sent, sent + 3);
	world_run(w, 3 * SEC);
	assert_int_equal(b->stats.count[IKE_STAT_KEEPALIVE], 3);
	world_free(w);
}

/* The NAT gives A another port later: B follows on the first authentic packet. */
static void nat_port_changes(void **state)
{
	struct world *w = world_ed25519();
	struct ike_probe probe;

	(void)state;
	w->nat = true;
	w->nat_shift = 10000;
	probe.handle = host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_up(w);
	w->nat_shift = 20000;
	host_send(&w->host[A], IKE_REQ_PROBE, &probe, sizeof(probe));
	world_run(w, 10 * MS);
	/* the answer came back, so it went to the new port */
	assert_int_equal(w->host[A].notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(w->host[A].note_args[IKE_NOTE_LIVENESS], 2 * MS);
	world_free(w);
}

static void cookie(void **state)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();

	(void)state;
	/* no half-open SA is too many: set so that the first one is asked already */
	c.cookie_above = 0;
	host_config(&w->host[B], &c);
	w->host[B].ignore = true;
	w->host[B].deaf = true;
	host_connect(&w->host[A]); /* stays half-open at B */
	world_run(w, 100 * MS);
	w->host[B].deaf = w->host[B].ignore = false;
	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	assert_int_equal(w->host[A].ups, 1);
	assert_int_equal(w->host[B].ups, 1);
	assert_int_equal(w->host[A].notes[IKE_NOTE_COOKIE], 1);
	assert_private(w, 1);
	world_free(w);
}

/* The secret behind cookies changes; the one before is still good, those before it are not. */
static enum fate keep_cookie_request(struct world *w, struct packet *p)
{
	struct packet *kept = w->tamper_arg;

	/* a request with a COOKIE notify as its first payload */
	if (p->to == B && p->data[16] == 41 && !kept->data) {
		*kept = *p;
		kept->data = malloc(p->len);
		memcpy(kept->data, p->data, p->len);
	}
	return PASS;
}

static void cookie_ages(void **state)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();
	struct packet kept = {0};

	(void)state;
	c.cookie_above = 0;
	host_config(&w->host[B], &c);
	w->tamper = keep_cookie_request;
	w->tamper_arg = &kept;
	w->host[B].deaf = true;
	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	host_connect(&w->host[A]);
	world_run(w, 35 * SEC);
	assert_non_null(kept.data);
	w->tamper = NULL;
	for (int i = 0; i < 3; i++) {
		uint64_t asked = w->host[B].stats.count[IKE_STAT_COOKIE];

		/* one SA half-open again, or no cookie would be asked for */
		host_connect(&w->host[A]);
		world_run(w, 5 * SEC);
		world_inject(w, B, &kept.path, kept.data, kept.len);
		world_run(w, 55 * SEC);
		if (i == 0)
			assert_int_equal(w->host[B].stats.count[IKE_STAT_COOKIE], asked);
		if (i == 2)
			assert_true(w->host[B].stats.count[IKE_STAT_COOKIE] > asked);
	}
	free(kept.data);
	world_free(w);
}

/* DELETE by the initiator, by the responder, by both at once. */
static void check_close(bool a_closes, bool b_closes, bool silent)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_close ca = {.handle = host_connect(a), .silent = silent}, cb = ca;

	world_run(w, 10 * MS);
	assert_up(w);
	cb.handle = b->up.handle;
	if (a_closes)
		host_send(a, IKE_REQ_CLOSE, &ca, sizeof(ca));
	if (b_closes)
		host_send(b, IKE_REQ_CLOSE, &cb, sizeof(cb));
	world_run(w, 60 * SEC);
	assert_int_equal(a->downs, !silent || a_closes);
	assert_int_equal(b->downs, !silent || b_closes);
	if (a->downs)
		assert_int_equal(a->down.code, a_closes ? IKE_FAIL_CLOSED : IKE_FAIL_DELETED);
	if (b->downs)
		assert_int_equal(b->down.code, b_closes ? IKE_FAIL_CLOSED : IKE_FAIL_DELETED);
	assert_int_equal(host_sas(a, true), a->downs ? 0 : 1);
	assert_int_equal(host_sas(b, false), b->downs ? 0 : 1);
	assert_int_equal(a->stats.established, a->downs ? 0 : 1);
	world_free(w);
}

static void closing(void **state)
{
	(void)state;
	check_close(true, false, false);
	check_close(false, true, false);
	check_close(true, true, false);
	check_close(true, false, true);
}

static void probes(void **state)
{
	struct world *w = world_ed25519();
	struct ike_probe pa = {.handle = host_connect(&w->host[A])}, pb;

	(void)state;
	world_run(w, 10 * MS);
	pb.handle = w->host[B].up.handle;
	for (int i = 0; i < 3; i++) {
		host_send(&w->host[A], IKE_REQ_PROBE, &pa, sizeof(pa));
		host_send(&w->host[B], IKE_REQ_PROBE, &pb, sizeof(pb));
		world_run(w, 10 * MS);
	}
	assert_int_equal(w->host[A].notes[IKE_NOTE_LIVENESS], 3);
	assert_int_equal(w->host[B].notes[IKE_NOTE_LIVENESS], 3);
	assert_up(w);
	world_free(w);
}

static enum fate drop_all(struct world *w, struct packet *p)
{
	(void)w, (void)p;
	return DROP;
}

/* With liveness_s the agent is asked when nothing is heard; an SA on which packets leave and none
 * come is probed, and ends when nothing answers. */
static void liveness(void **state)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();
	struct host *a = &w->host[A];

	(void)state;
	c.liveness_s = 30;
	host_config(a, &c);
	host_connect(a);
	/* neither way */
	world_run(w, 95 * SEC);
	assert_int_equal(a->idles, 3);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 0);
	/* for long */
	world_run(w, 150 * SEC);
	assert_int_equal(a->idles, 8);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	a->idles = 3;
	a->notes[IKE_NOTE_LIVENESS] = 0;
	/* both ways */
	a->traffic_in = a->traffic_out = 1;
	world_run(w, 90 * SEC);
	assert_int_equal(a->idles, 6);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 0);
	/* out only */
	a->traffic_in = 0;
	world_run(w, 90 * SEC);
	assert_up(w);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 3);
	w->tamper = drop_all;
	world_run(w, 60 * SEC);
	assert_int_equal(w->host[A].downs, 1);
	assert_int_equal(w->host[A].down.code, IKE_FAIL_DEAD);
	world_free(w);
}

static void assert_one_left(struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *h = &w->host[i];

		assert_int_equal(h->downs, 1);
		assert_int_equal(h->core->stats.established, 1);
		assert_int_equal(table_count(&h->core->by_spi), 1);
	}
	/* who had begun it closes it */
	assert_int_not_equal(w->host[A].down.code == IKE_FAIL_REPLACED,
		w->host[B].down.code == IKE_FAIL_REPLACED);
	assert_private(w, 1);
}

/* Both begin at once: one SA stays, the same on both hosts, and nothing is lost meanwhile. */
static void simultaneous(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->flowing = true;
	host_connect(&w->host[A]);
	host_connect(&w->host[B]);
	world_run(w, 60 * SEC);
	assert_int_equal(w->host[A].ups, 2);
	assert_int_equal(w->host[B].ups, 2);
	assert_one_left(w);
	world_free(w);
}

static enum fate lose_nth(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? DROP : PASS;
}

/* The same whatever the delay between the two, and whichever message is lost on the way; and
 * INITIAL_CONTACT of the one never kills the other's SA. */
static void crossing(void **state)
{
	(void)state;
	for (uint64_t delay = 0; delay <= 6 * MS; delay += MS / 2)
		for (unsigned int lost = 0; lost < 13; lost++) {
			struct world *w = world_ed25519();

			w->flowing = true;
			w->tamper = lose_nth;
			w->tamper_n = lost;
			host_connect(&w->host[A]);
			world_run(w, delay);
			host_connect(&w->host[B]);
			world_run(w, 100 * SEC);
			assert_int_equal(w->host[A].ups + w->host[B].ups, 4);
			assert_one_left(w);
			world_free(w);
		}
}

/* A starts anew without a word: INITIAL_CONTACT removes what B still holds. */
static void initial_contact(void **state)
{
	struct world *w = world_ed25519();
	struct ike_close c = {.handle = host_connect(&w->host[A]), .silent = 1};

	(void)state;
	world_run(w, SEC);
	host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
	world_run(w, SEC);
	host_connect(&w->host[A]);
	world_run(w, SEC);
	assert_int_equal(w->host[B].ups, 2);
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_REPLACED);
	assert_private(w, 1);
	world_free(w);
}

/* An anonymous peer's word ends no SA of another (RFC 7619 2.3). */
static void initial_contact_anonymous(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	host_connect(a);
	world_run(w, SEC);
	a->n_own = 0;
	a->allow = IKE_ALLOW_ANONYMOUS_SELF;
	host_own_keys(a);
	b->allow = IKE_ALLOW_ANONYMOUS_PEER;
	host_connect(a);
	world_run(w, SEC);
	assert_int_equal(b->ups, 2);
	/* of the two, the one that proves less goes */
	assert_int_equal(b->downs, 1);
	assert_int_equal(b->down.handle, b->up.handle);
	assert_int_equal(a->down.code, IKE_FAIL_REPLACED);
	assert_private(w, 1);
	world_free(w);
}

/* An established SA is small. */
static void memory(void **state)
{
	(void)state;
	assert_true(sizeof(struct ike_sa) + sizeof(struct child) + sizeof(struct ike_peer) <= 1048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519),
		cmocka_unit_test(all_keys),
		cmocka_unit_test(second_key),
		cmocka_unit_test(own_key_choice),
		cmocka_unit_test(own_key_standby),
		cmocka_unit_test(null_both),
		cmocka_unit_test(null_one_way),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(fqdn),
		cmocka_unit_test(nat),
		cmocka_unit_test(nat_port_changes),
		cmocka_unit_test(cookie),
		cmocka_unit_test(cookie_ages),
		cmocka_unit_test(closing),
		cmocka_unit_test(probes),
		cmocka_unit_test(liveness),
		cmocka_unit_test(simultaneous),
		cmocka_unit_test(crossing),
		cmocka_unit_test(initial_contact),
		cmocka_unit_test(initial_contact_anonymous),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
