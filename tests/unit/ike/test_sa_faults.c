/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE SAs when something is wrong: lost, late and forged messages, peers that will not or cannot.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

/* ---- the network */

static enum fate fate_nth;

static enum fate nth(struct world *w, struct packet *p)
{
	(void)p;
	return w->tamper_n-- == 0 ? fate_nth : PASS;
}

/* Each of the first eight messages in turn is lost, doubled or late: the SA comes up all the same.
 */
static void each_message(void **state)
{
	(void)state;
	for (int fate = DROP; fate <= LATE; fate++)
		for (unsigned int n = 0; n < 8; n++) {
			struct world *w = world_ed25519();

			fate_nth = (enum fate)fate;
			w->tamper = nth;
			w->tamper_n = n;
			world_try(w);
			assert_int_equal(w->host[A].ups, 1);
			assert_int_equal(w->host[B].ups, 1);
			assert_int_equal(w->host[A].fails + w->host[B].fails, 0);
			assert_private(w, 1);
			world_free(w);
		}
}

static enum fate weather(struct world *w, struct packet *p)
{
	uint64_t *seed = w->tamper_arg;
	unsigned int dice;

	(void)p;
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	dice = (unsigned int)(*seed >> 33) % 100;
	return dice < 25 ? DROP : dice < 40 ? TWICE : dice < 60 ? LATE : PASS;
}

/* Bad weather of all kinds, both begin: who is up has a twin, and all ends. */
static void bad_weather(void **state)
{
	unsigned int ups = 0;

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct world *w = world_ed25519();
		uint64_t seed = i * 7919;

		w->tamper = weather;
		w->tamper_arg = &seed;
		host_connect(&w->host[A]);
		if (i % 2)
			host_connect(&w->host[B]);
		world_run(w, 120 * SEC);
		/* who began is the last to know: its SAs have a twin */
		if (!(i % 2) && w->host[A].ups) {
			assert_int_equal(w->host[B].ups, 1);
			assert_private(w, 1);
		}
		ups += w->host[A].ups;
		world_free(w);
	}
	assert_true(ups > 150);
}

static enum fate drop_from(struct world *w, struct packet *p)
{
	return p->number >= w->tamper_n ? DROP : PASS;
}

static void no_answer(void **state)
{
	struct world *w = world_ed25519();
	uint64_t start = w->now;

	(void)state;
	w->tamper = drop_from;
	host_connect(&w->host[A]);
	while (!w->host[A].fails && w->now < start + 60 * SEC)
		world_run(w, 10 * MS);
	assert_int_equal(w->now - start, 5 * SEC);
	assert_failed(&w->host[A], IKE_FAIL_NO_ANSWER, 0);
	assert_true(w->host[A].notes[IKE_NOTE_RETRANSMIT] >= 2);
	assert_empty(w);
}

static void dead(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->tamper = drop_from;
	w->tamper_n = 2;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_DEAD, 0);
	assert_failed(&w->host[B], IKE_FAIL_DEAD, 0);
	assert_int_equal(w->host[A].notes[IKE_NOTE_RETRANSMIT], 4);
	assert_empty(w);
}

static void refused(void **state)
{
	struct world *w = world_ed25519();
	struct pair pair = {.local = w->host[A].addr, .remote = w->host[B].addr};

	(void)state;
	w->tamper = drop_from;
	host_connect(&w->host[A]);
	world_run(w, 1 * MS);
	ike_core_icmp_refused(w->host[A].core, &pair, w->now);
	world_run(w, 250 * MS);
	assert_int_equal(w->host[A].fails, 0);
	world_run(w, 100 * MS);
	assert_failed(&w->host[A], IKE_FAIL_REFUSED, 0);
	assert_empty(w);
}

/* ICMP can be forged: a peer that answers is believed more. */
static void refused_forged(void **state)
{
	struct world *w = world_ed25519();
	struct pair pair = {.local = w->host[A].addr, .remote = w->host[B].addr};

	(void)state;
	host_connect(&w->host[A]);
	world_run(w, 0);
	ike_core_icmp_refused(w->host[A].core, &pair, w->now);
	world_run(w, SEC);
	assert_int_equal(w->host[A].ups, 1);
	/* and an SA that is up does not care */
	ike_core_icmp_refused(w->host[A].core, &pair, w->now);
	world_run(w, SEC);
	assert_int_equal(w->host[A].downs, 0);
	assert_private(w, 1);
	world_free(w);
}

static void no_route(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[A].send_error = -ENETUNREACH;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_failed(&w->host[A], IKE_FAIL_NETWORK, 0);
	assert_empty(w);
}

/* ---- IKE_SA_INIT */

/* An unprotected error comes before the real answer: it is not believed. */
static enum fate forge_error(struct world *w, struct packet *p)
{
	struct ike_path path = {.pair.local = w->host[A].addr,
		.pair.remote = w->host[B].addr,
		.local_port = 500,
		.remote_port = 500};
	struct ike_header h;
	struct ike_builder b;
	uint8_t buf[128];
	size_t len;

	if (p->number != 0)
		return PASS;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	h.flags = IKE_FLAG_RESPONSE;
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_notify(&b, (uint16_t)w->tamper_n, NULL, 0);
	assert_int_equal(ike_build_end(&b, &len), 0);
	world_inject(w, A, &path, buf, len);
	return PASS;
}

static void forged_error(void **state)
{
	static const uint16_t types[] = {IKE_N_NO_PROPOSAL_CHOSEN, IKE_N_INVALID_SYNTAX,
		IKE_N_AUTHENTICATION_FAILED, IKE_N_INVALID_KE_PAYLOAD, IKE_N_COOKIE,
		IKE_N_INVALID_MAJOR_VERSION};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct world *w = world_ed25519();

		w->tamper = forge_error;
		w->tamper_n = types[i];
		world_try(w);
		assert_int_equal(w->host[A].ups, 1);
		assert_int_equal(w->host[A].fails, 0);
		assert_private(w, 1);
		world_free(w);
	}
}

static const struct ike_ke *const *ke_list(uint16_t first, uint16_t second)
{
	static const struct ike_ke *lists[4][3];
	static int next;
	const struct ike_ke **list = lists[next++ % 4];

	list[0] = ike_ke_find(first);
	list[1] = second ? ike_ke_find(second) : NULL;
	return list;
}

static void invalid_ke(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pa = ike_profile_default, pb = ike_profile_default;

	(void)state;
	pa.ke = ke_list(19, 31);
	pb.ke = ke_list(31, 0);
	w->host[A].core->profile = &pa;
	w->host[B].core->profile = &pb;
	world_try(w);
	assert_int_equal(w->host[A].ups, 1);
	assert_int_equal(w->host[A].notes[IKE_NOTE_INVALID_KE], 1);
	assert_int_equal(w->host[A].note_args[IKE_NOTE_INVALID_KE], 31);
	assert_int_equal(w->host[A].notes[IKE_NOTE_INIT_SENT], 2);
	assert_private(w, 1);
	world_free(w);
}

/* Both at once: cookie and INVALID_KE (2.6.1). */
static void invalid_ke_and_cookie(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pa = ike_profile_default, pb = ike_profile_default;

	(void)state;
	pa.ke = ke_list(19, 31);
	pb.ke = ke_list(31, 0);
	w->host[A].core->profile = &pa;
	w->host[B].core->profile = &pb;
	world_run(w, 0);
	w->host[B].core->cookie_until = UINT64_MAX;
	world_try(w);
	assert_int_equal(w->host[A].ups, 1);
	assert_int_equal(w->host[A].notes[IKE_NOTE_INVALID_KE], 1);
	assert_int_equal(w->host[A].notes[IKE_NOTE_COOKIE], 1);
	assert_int_equal(w->sent, 8);
	assert_private(w, 1);
	world_free(w);
}

static enum fate answer_seen(struct world *w, struct packet *p)
{
	if (p->to == A) {
		struct packet *kept = w->tamper_arg;

		free(kept->data);
		*kept = *p;
		kept->data = malloc(p->len);
		memcpy(kept->data, p->data, p->len);
		return DROP;
	}
	return PASS;
}

/* Sends bytes to B as if from A; what B answers is left in *ret (data NULL: nothing). */
static void ask(struct world *w, const void *data, size_t len, struct packet *ret)
{
	struct ike_path path = {.pair.local = w->host[B].addr,
		.pair.remote = w->host[A].addr,
		.local_port = 500,
		.remote_port = 500};

	*ret = (struct packet){0};
	w->tamper = answer_seen;
	w->tamper_arg = ret;
	world_inject(w, B, &path, data, len);
	world_run(w, 10 * MS);
}

/* The one notify of an unprotected answer; 0 if it is none. */
static uint16_t answered(const struct packet *p, uint16_t *ret_value)
{
	struct ike_payloads pl;
	struct ike_header h;

	if (!p->data)
		return 0;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	assert_int_equal(ike_payloads_parse(h.next, p->data + IKE_HEADER_LEN,
				 p->len - IKE_HEADER_LEN, false, &pl),
		IKE_PARSE_OK);
	assert_true(h.flags & IKE_FLAG_RESPONSE);
	assert_int_equal(pl.n_notify, 1);
	if (ret_value && pl.notify[0].data.len == 2)
		*ret_value = (uint16_t)(pl.notify[0].data.p[0] << 8 | pl.notify[0].data.p[1]);
	return pl.notify[0].type;
}

/* As Libreswan 4.10 begins: KE is MODP-2048, but Curve25519 stands in the offer. */
static void modp_first(void **state)
{
	struct world *w = world_ed25519();
	struct ike_header h = {
		.spi_i = 77, .exchange = IKE_EXCH_SA_INIT, .flags = IKE_FLAG_INITIATOR};
	uint8_t buf[1024], ke[256] = {2}, nonce[32] = {1};
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);
	struct packet answer;
	uint16_t group = 0;
	size_t len;

	(void)state;
	ike_build_offer_ike(&b, &ike_profile_default, 0, 0);
	ike_build_ke(&b, 14, ke, sizeof(ke));
	ike_build_nonce(&b, nonce, sizeof(nonce));
	assert_int_equal(ike_build_end(&b, &len), 0);
	ask(w, buf, len, &answer);
	assert_int_equal(answered(&answer, &group), IKE_N_INVALID_KE_PAYLOAD);
	assert_int_equal(group, 31);
	assert_int_equal(w->host[B].inbounds, 0);
	free(answer.data);
	world_free(w);
}

static void no_proposal(void **state)
{
	struct world *w = world_ed25519();
	struct ike_profile pa = ike_profile_default, pb = ike_profile_default;

	(void)state;
	pa.ke = ke_list(19, 0);
	pb.ke = ke_list(31, 0);
	w->host[A].core->profile = &pa;
	w->host[B].core->profile = &pb;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_PROPOSAL, IKE_N_NO_PROPOSAL_CHOSEN);
	assert_int_equal(w->host[B].inbounds, 0);
	assert_empty(w);
}

static void major_version(void **state)
{
	struct world *w = world_ed25519();
	uint8_t buf[64] = {0};
	struct packet answer;

	(void)state;
	buf[7] = 9;
	buf[17] = 0x30;
	buf[18] = IKE_EXCH_SA_INIT;
	buf[19] = IKE_FLAG_INITIATOR;
	buf[27] = sizeof(buf);
	ask(w, buf, sizeof(buf), &answer);
	assert_int_equal(answered(&answer, NULL), IKE_N_INVALID_MAJOR_VERSION);
	free(answer.data);
	/* IKEv1 is met with silence, and so is a response */
	buf[17] = 0x10;
	ask(w, buf, sizeof(buf), &answer);
	assert_null(answer.data);
	buf[17] = 0x30;
	buf[19] = IKE_FLAG_RESPONSE;
	ask(w, buf, sizeof(buf), &answer);
	assert_null(answer.data);
	world_free(w);
}

/* A peer that the policy does not talk to hears nothing. */
static void ignored(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[B].ignore = true;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_ANSWER, 0);
	assert_true(w->host[B].inbounds >= 3);
	assert_int_equal(w->host[B].fails, 0);
	assert_empty(w);
}

/* A copy of the first request that comes when the SA is up makes no new one. */
static enum fate keep_first(struct world *w, struct packet *p)
{
	struct packet *kept = w->tamper_arg;

	if (p->number == 0) {
		*kept = *p;
		kept->data = malloc(p->len);
		memcpy(kept->data, p->data, p->len);
	}
	return PASS;
}

static void late_copy(void **state)
{
	struct world *w = world_ed25519();
	struct packet kept;

	(void)state;
	w->tamper = keep_first;
	w->tamper_arg = &kept;
	host_connect(&w->host[A]);
	world_run(w, SEC);
	world_inject(w, B, &kept.path, kept.data, kept.len);
	world_run(w, 3 * SEC);
	assert_int_equal(w->host[B].inbounds, 1);
	assert_int_equal(w->host[B].stats.count[IKE_STAT_REPEATED], 1);
	assert_int_equal(w->host[B].core->stats.half_open, 0);
	free(kept.data);
	world_free(w);
}

static void half_open_limit(void **state)
{
	struct world *w = world_ed25519();
	struct ike_config c = world_config();

	(void)state;
	c.half_open_max = 3;
	host_config(&w->host[B], &c);
	w->tamper = drop_from;
	w->tamper_n = UINT32_MAX;
	w->host[A].deaf = true;
	for (int i = 0; i < 5; i++)
		host_connect(&w->host[A]);
	world_run(w, 3 * SEC);
	assert_int_equal(w->host[B].inbounds, 3);
	assert_true(w->host[B].stats.count[IKE_STAT_HALF_OPEN] >= 2);
	assert_empty(w);
}

static void agent_silent(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	w->host[B].deaf = true;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_ANSWER, 0);
	w->host[B].deaf = false;
	assert_empty(w);
}

/* ---- after IKE_AUTH */

/* A request of A's out of nothing; returns the error notify in B's answer, which A does not see. */
struct asked {
	uint16_t notify;
	bool seen;
};

static void read_notify(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	struct asked *asked = arg;

	(void)b;
	asked->seen = true;
	if (type == IKE_PL_NOTIFY)
		asked->notify = (uint16_t)(body.p[2] << 8 | body.p[3]);
}

static enum fate read_answer(struct world *w, struct packet *p)
{
	if (p->to == B)
		return PASS;
	world_edit(w, p, read_notify, w->tamper_arg);
	return DROP;
}

static uint16_t ask_create_child(struct world *w, uint32_t rekey_spi, bool with_ts)
{
	struct ike_sa *sa = world_only_sa(&w->host[A]);
	struct ike_builder b = sa_build(sa, IKE_EXCH_CREATE_CHILD, false);
	struct ike_ts ts = ike_ts_host(&w->host[A].addr);
	struct asked asked = {0};
	uint8_t nonce[32] = {3};
	uint32_t spi = 0x1234567;

	if (rekey_spi)
		ike_build_notify_esp(&b, IKE_N_REKEY_SA, rekey_spi);
	ike_build_offer_esp(&b, &ike_profile_default, NULL, &spi, 1);
	ike_build_nonce(&b, nonce, sizeof(nonce));
	if (with_ts) {
		ike_build_ts(&b, IKE_PL_TSI, &ts, 1);
		ike_build_ts(&b, IKE_PL_TSR, &ts, 1);
	} else {
		ike_build_ke(&b, 31, nonce, sizeof(nonce));
	}
	w->tamper = read_answer;
	w->tamper_arg = &asked;
	sa_send_request(sa, &b, IKE_EXCH_CREATE_CHILD);
	world_run(w, 10 * MS);
	assert_true(asked.seen);
	sa_request_done(sa);
	return asked.notify;
}

static void create_child(void **state)
{
	struct world *w = world_ed25519();
	uint32_t spi = 0;

	(void)state;
	host_connect(&w->host[A]);
	world_run(w, SEC);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (w->host[A].kernel[i].used && w->host[A].kernel[i].inbound)
			spi = w->host[A].kernel[i].child.spi_in;
	/* a tunnel; a new IKE SA by a proposal for ESP; a tunnel in the place of the child */
	assert_int_equal(ask_create_child(w, 0, true), IKE_N_NO_PROPOSAL_CHOSEN);
	assert_int_equal(ask_create_child(w, 0, false), IKE_N_NO_PROPOSAL_CHOSEN);
	assert_int_equal(ask_create_child(w, spi, true), IKE_N_NO_PROPOSAL_CHOSEN);
	assert_int_equal(ask_create_child(w, spi + 1, true), IKE_N_CHILD_SA_NOT_FOUND);
	assert_int_equal(w->host[B].downs, 0);
	assert_private(w, 1);
	world_free(w);
}

/* The peer deletes just the child: we answer with our half, and end what is left. */
static void delete_child(void **state)
{
	struct world *w = world_ed25519();
	struct ike_builder b;
	struct ike_sa *sa;
	uint32_t spis[2];

	(void)state;
	host_connect(&w->host[A]);
	world_run(w, SEC);
	sa = world_only_sa(&w->host[A]);
	spis[0] = 0x99999999;
	spis[1] = sa->children->spi_in;
	b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
	ike_build_delete_esp(&b, spis, 2);
	sa_send_request(sa, &b, IKE_EXCH_INFORMATIONAL);
	world_run(w, SEC);
	assert_int_equal(host_sas(&w->host[B], true), 0);
	assert_int_equal(host_sas(&w->host[B], false), 0);
	/* an IKE SA without a child serves nobody */
	assert_int_equal(w->host[B].downs, 1);
	assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
	assert_int_equal(sa->next_out, 3);
	world_free(w);
}

/* A critical payload that nobody knows is named, and the SA lives on. */
static void critical_payload(void **state)
{
	struct world *w = world_ed25519();
	struct asked asked = {0};
	struct ike_builder b;
	struct ike_sa *sa;
	size_t at;

	(void)state;
	host_connect(&w->host[A]);
	world_run(w, SEC);
	sa = world_only_sa(&w->host[A]);
	b = sa_build(sa, IKE_EXCH_INFORMATIONAL, false);
	at = b.w.pos;
	ike_build_raw(&b, (enum ike_payload)200, "", 0);
	wire_patch_u8(&b.w, at + 1, 0x80);
	w->tamper = read_answer;
	w->tamper_arg = &asked;
	sa_send_request(sa, &b, IKE_EXCH_INFORMATIONAL);
	world_run(w, 10 * MS);
	assert_int_equal(asked.notify, IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD);
	assert_int_equal(w->host[B].downs, 0);
	world_free(w);
}

/* The DELETE or its answer is lost: it is said again, and answered again. */
static void delete_lost(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 2; n++) {
		struct world *w = world_ed25519();
		struct ike_close c = {.handle = host_connect(&w->host[A])};

		world_run(w, SEC);
		fate_nth = DROP;
		w->tamper = nth;
		w->tamper_n = n;
		host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
		world_run(w, 5 * SEC);
		assert_int_equal(w->host[A].downs, 1);
		assert_int_equal(w->host[B].downs, 1);
		assert_int_equal(table_count(&w->host[A].core->by_spi), 0);
		assert_empty(w);
	}
}

/* Closed at every moment of the handshake. */
static void close_early(void **state)
{
	(void)state;
	for (uint64_t t = 0; t <= 5 * MS; t += MS / 2)
		for (uint8_t silent = 0; silent < 2; silent++) {
			struct world *w = world_ed25519();
			struct ike_close c = {
				.handle = host_connect(&w->host[A]), .silent = silent};

			world_run(w, t);
			host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
			world_run(w, 60 * SEC);
			assert_int_equal(w->host[A].fails + w->host[A].downs, 1);
			assert_int_equal(w->host[A].core->stats.established, 0);
			assert_int_equal(host_sas(&w->host[A], true), 0);
			assert_int_equal(host_sas(&w->host[A], false), 0);
			if (!silent)
				assert_empty(w);
			else
				world_free(w);
		}
}

/* Values out of range are refused and change nothing. */
static void bad_requests(void **state)
{
	struct world *w = world_ed25519();
	struct ike_core *core = w->host[A].core;
	struct ike_connect c = {.handle = 5,
		.pair = {.local = w->host[A].addr, .remote = w->host[B].addr},
		.n_keys = 1};
	struct ike_pubkey key = {.len = 44};
	struct ike_config config = world_config();
	struct ike_own_keys own = {.count = 2};
	struct ike_signed s = {.error = 1};
	struct ike_accept accept = {.answer = 2};

	(void)state;
	world_run(w, 0);
#define BAD(type, what, tail, len) \
	assert_int_equal(ike_core_request(core, type, what, tail, len, w->now), -EBADMSG)
	BAD(IKE_REQ_CONNECT, &c, NULL, 0);
	c.handle = IKE_HANDLE_INBOUND;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	c.handle = 5;
	key.len = 0;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	key.len = IKE_SPKI_MAX + 1;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	key.len = 44;
	c.allow = 4;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	c.allow = 0;
	c.pair.remote.family = AF_INET6;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	config.retransmit_ms = 0;
	BAD(IKE_REQ_CONFIG, &config, NULL, 0);
	config = world_config();
	memset(config.id_fqdn, 'a', sizeof(config.id_fqdn));
	BAD(IKE_REQ_CONFIG, &config, NULL, 0);
	BAD(IKE_REQ_OWN_KEYS, &own, (uint8_t *)&key, sizeof(key));
	BAD(IKE_REQ_SIGNED, &s, NULL, 0);
	BAD(IKE_REQ_ACCEPT, &accept, NULL, 0);
	BAD(0x3ff, &accept, NULL, 0);
	/* a handle twice */
	host_connect(&w->host[A]);
	world_run(w, 0);
	c.handle = w->host[A].next_handle;
	c.pair.remote = w->host[B].addr;
	BAD(IKE_REQ_CONNECT, &c, (uint8_t *)&key, sizeof(key));
	world_run(w, SEC);
	assert_int_equal(w->host[A].ups, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message),
		cmocka_unit_test(bad_weather),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(dead),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_forged),
		cmocka_unit_test(no_route),
		cmocka_unit_test(forged_error),
		cmocka_unit_test(invalid_ke),
		cmocka_unit_test(invalid_ke_and_cookie),
		cmocka_unit_test(modp_first),
		cmocka_unit_test(no_proposal),
		cmocka_unit_test(major_version),
		cmocka_unit_test(ignored),
		cmocka_unit_test(late_copy),
		cmocka_unit_test(half_open_limit),
		cmocka_unit_test(agent_silent),
		cmocka_unit_test(create_child),
		cmocka_unit_test(delete_child),
		cmocka_unit_test(critical_payload),
		cmocka_unit_test(delete_lost),
		cmocka_unit_test(close_early),
		cmocka_unit_test(bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
