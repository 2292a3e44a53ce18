/* SPDX-License-Identifier: BSD-2-Clause */
/* SAs for a protocol and its ports (RFC 7296 sections 2.9, 2.23.1): what is asked, granted and taken. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

static const struct scope https = {.proto = IPPROTO_TCP, .dport = 443};
static const struct scope https_server = {.proto = IPPROTO_TCP, .sport = 443};

static struct world *scope_world(void)
{
	struct world *w = world_ed25519();

	w->host[A].scope = https;
	w->host[B].scope = https_server;
	return w;
}

static void asked_and_granted(void **state)
{
	struct world *w = scope_world();
	const struct ike_wish *wish = &w->host[B].identity.wishes[0];

	(void)state;
	world_try(w);
	assert_private(w, 1);
	assert_int_equal(w->host[B].identity.n_wishes, 1);
	assert_int_equal(wish->proto, IPPROTO_TCP);
	assert_int_equal(wish->sport_first, 443);
	assert_int_equal(wish->sport_last, 443);
	assert_int_equal(wish->dport_first, 0);
	assert_int_equal(wish->dport_last, UINT16_MAX);
	world_free(w);
}

static void assert_wish(const struct ike_wish *w, uint8_t proto, uint16_t sport_first,
	uint16_t sport_last, uint16_t dport_first, uint16_t dport_last)
{
	assert_int_equal(w->proto, proto);
	assert_int_equal(w->sport_first, sport_first);
	assert_int_equal(w->sport_last, sport_last);
	assert_int_equal(w->dport_first, dport_first);
	assert_int_equal(w->dport_last, dport_last);
}

/* The packet that waits is the first selector on each side, then comes what the SA is for (2.9). The child that
 * takes its place later is asked for no packet. */
static void packet_first(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_rekey q;

	(void)state;
	a->packet = (struct scope){.proto = IPPROTO_TCP, .sport = 5000, .dport = 443};
	host_connect(a);
	world_run(w, SEC);
	assert_private(w, 1);
	assert_int_equal(b->identity.n_wishes, 4);
	assert_wish(&b->identity.wishes[0], IPPROTO_TCP, 443, 443, 5000, 5000);
	assert_wish(&b->identity.wishes[3], 0, 0, UINT16_MAX, 0, UINT16_MAX);
	q = (struct ike_rekey){
		.handle = world_only_sa(a)->handle, .spi = world_only_sa(a)->children->spi_in};
	host_send(a, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_CREATED], 1);
	assert_private(w, 1);
	world_free(w);

	/* a protocol without ports */
	w = world_ed25519();
	w->host[A].packet = (struct scope){.proto = IPPROTO_ICMP};
	world_try(w);
	assert_private(w, 1);
	assert_wish(&w->host[B].identity.wishes[0], IPPROTO_ICMP, 0, UINT16_MAX, 0, UINT16_MAX);
	world_free(w);

	/* it is all that the SA is for: one selector */
	w = scope_world();
	w->host[A].packet = w->host[A].scope;
	world_try(w);
	assert_int_equal(w->host[B].identity.n_wishes, 1);
	world_free(w);
}

/* A packet that the SA is not for. */
static void packet_elsewhere(void **state)
{
	struct world *w = scope_world();
	struct ike_connect c = {.handle = 77,
		.pair.local = w->host[A].addr,
		.pair.remote = w->host[B].addr,
		.pair.scope = https,
		.packet = {.proto = IPPROTO_TCP, .sport = 5000, .dport = 80}};

	(void)state;
	assert_int_equal(ike_core_request(w->host[A].core, IKE_REQ_CONNECT, &c, NULL, 0, w->now),
		-EBADMSG);
	c.packet = (struct scope){.dport = 443};
	assert_int_equal(ike_core_request(w->host[A].core, IKE_REQ_CONNECT, &c, NULL, 0, w->now),
		-EBADMSG);
	world_free(w);
}

/* B lets A have less than it wants, as its rules may say: A takes all or nothing. */
static void less_than_asked(void **state)
{
	struct world *w = scope_world();

	(void)state;
	w->host[A].scope = (struct scope){0};
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, 0);
	assert_non_null(strstr(w->host[A].failed.why, "narrows"));
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_int_equal(w->host[B].identity.wishes[0].proto, 0);
	assert_int_equal(w->host[B].identity.wishes[0].sport_last, UINT16_MAX);
	assert_empty(w);
}

static void nothing_granted(void **state)
{
	struct world *w = scope_world();

	(void)state;
	w->host[B].no_scope = 1;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE);
	assert_failed(&w->host[B], IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE);
	assert_non_null(strstr(w->host[B].failed.why, "no policy line"));
	assert_empty(w);
}

/* The agent grants what the peer did not ask for: that cannot be told to it. */
static void more_than_asked(void **state)
{
	struct world *w = scope_world();

	(void)state;
	w->host[B].scope = (struct scope){0};
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE);
	assert_empty(w);
}

/* ---- what a peer may answer */

struct answer {
	const struct ike_ts *ts; /* instead of TSr */
	size_t n;
};

static void copy(uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	if (type == IKE_PL_NONE) /* the end */
		return;
	ike_build_open(b, (enum ike_payload)type);
	wire_put(&b->w, body.p, body.len);
	ike_build_close(b);
}

static void change_tsr(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	const struct answer *a = arg;

	if (type == IKE_PL_TSR)
		ike_build_ts(b, IKE_PL_TSR, a->ts, a->n);
	else
		copy(type, body, b);
}

static enum fate change_answer(struct world *w, struct packet *p)
{
	if (p->to == A && p->data[18] == IKE_EXCH_AUTH)
		world_edit(w, p, change_tsr, w->tamper_arg);
	return PASS;
}

static struct ike_ts ts_of(const struct world *w, uint8_t proto, uint16_t first, uint16_t last)
{
	struct ike_ts ts = ike_ts_host(&w->host[B].addr);

	ts.proto = proto;
	ts.port_first = first;
	ts.port_last = last;
	return ts;
}

/* A asks for TCP to port 443, or for TCP; NULL: it is up. */
static void answers(struct scope asked, uint8_t proto, uint16_t first, uint16_t last, bool beside,
	const char *why)
{
	struct world *w = scope_world();
	struct ike_ts ts[2] = {ts_of(w, proto, first, last),
		ts_of(w, asked.proto, asked.dport, asked.dport ? asked.dport : UINT16_MAX)};
	struct answer a = {ts, beside ? 2 : 1};

	w->host[A].scope = asked;
	w->host[B].scope = scope_swap(&asked);
	w->tamper = change_answer;
	w->tamper_arg = &a;
	world_try(w);
	if (!why) {
		assert_private(w, 1);
		world_free(w);
		return;
	}
	assert_failed(&w->host[A], IKE_FAIL_SELECTORS, 0);
	assert_non_null(strstr(w->host[A].failed.why, why));
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_empty(w);
}

static void narrowing(void **state)
{
	static const struct scope tcp = {.proto = IPPROTO_TCP};

	(void)state;
	answers(https, IPPROTO_TCP, 443, 443, false, NULL);
	answers(https, IPPROTO_TCP, 0, UINT16_MAX, false, "wider");
	answers(https, 0, 443, 443, false, "wider");
	answers(https, IPPROTO_TCP, 442, 443, false, "wider");
	answers(https, IPPROTO_TCP, 80, 80, false, "do not hold the packet");
	answers(https, IPPROTO_UDP, 443, 443, false, "do not hold the packet");
	/* opaque ports (3.13.1) */
	answers(https, IPPROTO_TCP, UINT16_MAX, 0, false, "do not hold the packet");
	answers(tcp, IPPROTO_TCP, 443, 443, false, "narrows");
	answers(tcp, IPPROTO_TCP, 1024, UINT16_MAX, false, "narrows");
	/* a part beside the whole adds nothing; anything else does */
	answers(tcp, IPPROTO_TCP, 443, 443, true, NULL);
	answers(tcp, IPPROTO_UDP, 0, UINT16_MAX, true, "do not hold the packet");
	answers(tcp, 0, 0, UINT16_MAX, true, "wider");
}

/* ---- later */

/* The child that takes the place of another, and the IKE SA that does, are for the same traffic. */
static void rekeyed(void **state)
{
	struct world *w = scope_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_rekey q;

	(void)state;
	host_connect(a);
	world_run(w, SEC);
	q = (struct ike_rekey){
		.handle = world_only_sa(a)->handle, .spi = world_only_sa(a)->children->spi_in};
	host_send(a, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_CREATED], 1);
	q = (struct ike_rekey){.handle = world_only_sa(b)->handle};
	host_send(b, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(a->rekeys, 1);
	world_run(w, 60 * SEC);
	q = (struct ike_rekey){
		.handle = world_only_sa(b)->handle, .spi = world_only_sa(b)->children->spi_in};
	host_send(b, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(b->notes[IKE_NOTE_CREATED], 2);
	assert_int_equal(a->downs + b->downs, 0);
	assert_true(scope_equal(&world_only_sa(a)->scope, &https));
	assert_true(scope_equal(&world_only_sa(b)->scope, &https_server));
	assert_private(w, 1);
	world_free(w);
}

static struct ike_ts whole(const struct host *h)
{
	return ike_ts_host(&h->addr);
}

static uint16_t refused_with;

static void read_refusal(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type == IKE_PL_NOTIFY && body.len >= 4)
		refused_with = (uint16_t)(body.p[2] << 8 | body.p[3]);
	copy(type, body, b);
}

static enum fate read_answer(struct world *w, struct packet *p)
{
	if (p->to == A && p->data[18] == IKE_EXCH_CREATE_CHILD)
		world_edit(w, p, read_refusal, NULL);
	return PASS;
}

/* One IKE SA is for the traffic of one line: a child for other traffic needs another. */
static void no_child_for_others(void **state)
{
	struct world *w = scope_world();
	struct host *a = &w->host[A];
	struct ike_ts tsi = whole(a), tsr = whole(&w->host[B]);
	uint8_t nonce[32] = {3};
	uint32_t spi = 0x1234567;
	struct ike_builder b;

	(void)state;
	host_connect(a);
	world_run(w, SEC);
	tsi.proto = tsr.proto = IPPROTO_TCP;
	tsr.port_first = tsr.port_last = 80;
	b = sa_build(world_only_sa(a), IKE_EXCH_CREATE_CHILD, false);
	ike_build_notify(&b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	ike_build_offer_esp(&b, &ike_profile_default, NULL, &spi, 1);
	ike_build_nonce(&b, nonce, sizeof(nonce));
	ike_build_ts(&b, IKE_PL_TSI, &tsi, 1);
	ike_build_ts(&b, IKE_PL_TSR, &tsr, 1);
	w->tamper = read_answer;
	refused_with = 0;
	sa_send_request(world_only_sa(a), &b, IKE_EXCH_CREATE_CHILD);
	world_run(w, 10 * MS);
	assert_int_equal(refused_with, IKE_N_TS_UNACCEPTABLE);
	assert_int_equal(w->host[B].downs, 0);
	sa_request_done(world_only_sa(a));
	world_free(w);
}

/* Two SAs between two hosts are no twins where their traffic differs. */
static void two_lines(void **state)
{
	struct world *w = scope_world();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	host_connect(a);
	world_run(w, SEC);
	a->scope.dport = b->scope.sport = 80;
	host_connect(a);
	world_run(w, 200 * SEC);
	assert_int_equal(a->ups, 2);
	assert_int_equal(a->downs + b->downs, 0);
	assert_int_equal(table_count(&a->core->by_spi), 2);
	assert_private(w, 2);
	world_free(w);
}

/* The NAT changes the client's address and port; the selectors keep protocol and ports (2.23.1). */
static void behind_nat(void **state)
{
	struct world *w = scope_world();

	(void)state;
	w->nat = true;
	w->nat_shift = 1000;
	world_try(w);
	assert_private(w, 1);
	assert_int_equal(w->host[B].identity.n_wishes, 1);
	assert_int_equal(w->host[B].identity.wishes[0].sport_first, 443);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_and_granted),
		cmocka_unit_test(packet_first),
		cmocka_unit_test(packet_elsewhere),
		cmocka_unit_test(less_than_asked),
		cmocka_unit_test(nothing_granted),
		cmocka_unit_test(more_than_asked),
		cmocka_unit_test(narrowing),
		cmocka_unit_test(rekeyed),
		cmocka_unit_test(no_child_for_others),
		cmocka_unit_test(two_lines),
		cmocka_unit_test(behind_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
