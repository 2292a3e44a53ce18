/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Additional key exchanges (RFC 9242, RFC 9370) between two cores: in IKE_INTERMEDIATE, and what
 * can go wrong in IKE_FOLLOWUP_KE; its good cases are in test_sa_rekey. The group is a classical
 * one where OpenSSL has no ML-KEM-768, which RFC 9370 allows; with ML-KEM all is done again.
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

static const struct ike_ke *lists[2][2];
static struct ike_profile mixed, strict;
static const char *added; /* name of the group */

static void use_group(uint16_t group)
{
	lists[0][0] = ike_ke_find(group);
	added = lists[0][0]->name;
	mixed = strict = ike_profile_default;
	mixed.addke = strict.addke = lists[0];
	strict.addke_needed = true;
}

static int classical(void **state)
{
	(void)state;
	use_group(IKE_KE_ECP_256);
	return 0;
}

static int post_quantum(void **state)
{
	(void)state;
	use_group(ike_has_post_quantum() ? IKE_KE_ML_KEM_768 : IKE_KE_MODP_2048);
	return 0;
}

/* For messages that are looked into on their way: the keys of ML-KEM go in fragments. */
static int large(void **state)
{
	(void)state;
	use_group(IKE_KE_MODP_2048);
	return 0;
}

static struct world *world_mixed(void)
{
	struct world *w = world_ed25519();

	w->host[A].core->profile = w->host[B].core->profile = &mixed;
	return w;
}

static bool is_mixed(const struct host *h)
{
	return strstr(h->up.suite, added) && strstr(h->up.suite, "Curve25519 + ");
}

static void assert_up(struct world *w, bool with)
{
	assert_private(w, 1);
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(is_mixed(&w->host[i]), with);
		assert_int_equal(w->host[i].up.auth_peer, IKE_AUTH_SIGNATURE);
	}
}

/* ---- what goes over the wire */

static uint8_t seen[16];
static size_t n_seen;

static struct ike_header header(const struct packet *p)
{
	size_t marker = p->path.local_port == IKE_PORT_NATT ? 4 : 0;
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data + marker, p->len - marker, &h), IKE_PARSE_OK);
	return h;
}

static enum fate record(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	(void)w;
	assert_true(n_seen < sizeof(seen));
	assert_int_equal(h.msgid, n_seen / 2);
	seen[n_seen++] = h.exchange;
	return PASS;
}

static void order(void **state)
{
	static const uint8_t want[] = {34, 34, 43, 43, 35, 35};
	struct world *w = world_mixed();

	(void)state;
	n_seen = 0;
	w->tamper = record;
	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	assert_up(w, true);
	assert_int_equal(n_seen, sizeof(want));
	assert_memory_equal(seen, want, sizeof(want));
	assert_int_equal(w->host[A].notes[IKE_NOTE_ADDKE_SENT], 1);
	assert_int_equal(w->host[A].note_args[IKE_NOTE_ADDKE_SENT], lists[0][0]->id);
	world_free(w);
}

/* Each of the six messages lost, doubled and late. */
static enum fate fate_nth;

static enum fate nth(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? fate_nth : PASS;
}

static void trouble(void **state)
{
	static const enum fate fates[] = {DROP, TWICE, LATE};

	(void)state;
	for (size_t f = 0; f < sizeof(fates) / sizeof(fates[0]); f++)
		for (unsigned int n = 0; n < 6; n++) {
			struct world *w = world_mixed();

			fate_nth = fates[f];
			w->tamper = nth;
			w->tamper_n = n;
			host_connect(&w->host[A]);
			world_run(w, 20 * SEC);
			assert_up(w, true);
			assert_int_equal(w->host[A].fails + w->host[B].fails, 0);
			world_free(w);
		}
}

/* The answer is lost so often that it goes in smaller pieces, under the keys of before. */
static enum fate deaf(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	return h.exchange == IKE_EXCH_INTERMEDIATE && (h.flags & IKE_FLAG_RESPONSE) &&
			       w->tamper_n++ < 4
		       ? DROP
		       : PASS;
}

static void answer_lost(void **state)
{
	struct world *w = world_mixed();

	(void)state;
	w->tamper = deaf;
	host_connect(&w->host[A]);
	world_run(w, 60 * SEC);
	assert_true(w->tamper_n > 4);
	assert_up(w, true);
	world_free(w);
}

/* ---- fragments: what AUTH is over does not depend on them */

static uint8_t fragment[2][IKE_DATAGRAM_MAX];
static size_t fragment_len[2];
static struct ike_path fragment_path;

static enum fate split(struct world *w, struct packet *p)
{
	struct ike_sa *sa = world_sender(w, p);
	struct ike_header h = header(p);
	struct ike_payloads outer;
	struct ike_bytes chain;
	size_t half;

	if (h.exchange != IKE_EXCH_INTERMEDIATE || h.next != IKE_PL_SK ||
		(h.flags & IKE_FLAG_RESPONSE))
		return PASS;
	assert_int_equal(ike_payloads_parse(h.next, p->data + IKE_HEADER_LEN,
				 p->len - IKE_HEADER_LEN, false, &outer),
		IKE_PARSE_OK);
	assert_int_equal(ike_sk_open(&sa->ei, p->data, p->len, &outer.sk, &chain), 0);
	half = chain.len / 2;
	for (uint16_t i = 0; i < 2; i++) {
		struct ike_builder b = ike_build(fragment[i], sizeof(fragment[i]), &h);

		ike_build_skf(&b, i ? IKE_PL_NONE : outer.sk_next, i + 1u, 2, sa->ei.encr->iv_len);
		wire_put(&b.w, chain.p + i * half, i ? chain.len - half : half);
		assert_int_equal(ike_sk_seal(&b, &sa->ei, (UINT64_C(1) << 60) + w->sent + i,
					 &fragment_len[i]),
			0);
	}
	fragment_path = p->path;
	w->tamper_n++;
	return DROP;
}

static void fragments(void **state)
{
	struct world *w = world_mixed();

	(void)state;
	w->tamper = split;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	assert_int_equal(w->tamper_n, 1);
	for (int i = 0; i < 2; i++)
		world_inject(w, B, &fragment_path, fragment[i], fragment_len[i]);
	world_run(w, 100 * MS);
	assert_int_equal(w->host[B].notes[IKE_NOTE_REASSEMBLED], 1);
	assert_up(w, true);
	world_free(w);
}

/* ---- somebody in the middle */

/* A payload more that nobody heeds: AUTH notices. */
static void add_vendor(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
	else
		ike_build_raw(b, IKE_PL_VENDOR, "x", 1);
}

static enum fate change(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	if (h.exchange == IKE_EXCH_INTERMEDIATE && !(h.flags & IKE_FLAG_RESPONSE)) {
		world_edit(w, p, add_vendor, NULL);
		w->tamper_n++;
	}
	return PASS;
}

static void changed(void **state)
{
	struct world *w = world_mixed();

	(void)state;
	w->tamper = change;
	world_try(w);
	assert_int_equal(w->tamper_n, 1);
	assert_int_equal(w->host[B].failed.code, IKE_FAIL_PEER_KEY);
	assert_failed(&w->host[A], IKE_FAIL_SELF_REFUSED, IKE_N_AUTHENTICATION_FAILED);
	assert_nothing(w);
	assert_empty(w);
}

/* A value that is none. */
static void spoil_ke(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type == IKE_PL_KE)
		ike_build_ke(b, lists[0][0]->id, body.p, body.len - 5);
	else if (type)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate spoil(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	if (h.exchange == IKE_EXCH_INTERMEDIATE && !(h.flags & IKE_FLAG_RESPONSE))
		world_edit(w, p, spoil_ke, NULL);
	return PASS;
}

static void spoiled(void **state)
{
	struct world *w = world_mixed();

	(void)state;
	w->tamper = spoil;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
	assert_failed(&w->host[B], IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX);
	assert_empty(w);
}

/* IKE_AUTH at once, under the keys of IKE_SA_INIT, is not taken. */
static void skipped(void **state)
{
	struct world *w = world_mixed();
	struct ike_sa *sa;

	(void)state;
	w->tamper = nth;
	w->tamper_n = 2;
	fate_nth = DROP;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	sa = world_main_sa(&w->host[A]);
	assert_int_equal(sa->state, SA_I_MIX);
	sa->hs->suite.addke = NULL;
	sa_request_done(sa);
	sa->next_out = 1;
	auth_start(sa);
	world_run(w, 60 * SEC);
	assert_int_equal(w->host[B].identities, 0);
	assert_true(w->host[B].stats.count[IKE_STAT_EXCHANGE] > 0);
	assert_nothing(w);
	assert_empty(w);
}

/* ---- who has it and who has not */

static void one_side(void **state)
{
	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		struct world *w = world_ed25519();

		w->host[i].core->profile = &mixed;
		host_connect(&w->host[A]);
		world_run(w, 100 * MS);
		assert_up(w, false);
		world_free(w);
	}
}

static void required(void **state)
{
	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		struct world *w = world_ed25519();

		w->host[i].core->profile = &strict;
		world_try(w);
		assert_failed(&w->host[A], IKE_FAIL_NO_PROPOSAL, IKE_N_NO_PROPOSAL_CHOSEN);
		if (i == A)
			assert_non_null(strstr(w->host[A].failed.why, "required here"));
		assert_empty(w);
	}
	for (int i = 0; i < HOSTS; i++) {
		struct world *w = world_mixed();

		w->host[i].core->profile = &strict;
		host_connect(&w->host[A]);
		world_run(w, 100 * MS);
		assert_up(w, true);
		world_free(w);
	}
}

/* Required, and nothing there to do it with. */
static void lacking(void **state)
{
	struct world *w = world_ed25519();

	(void)state;
	strict.addke = lists[1]; /* empty */
	w->host[A].core->profile = &strict;
	world_try(w);
	assert_failed(&w->host[A], IKE_FAIL_NO_PROPOSAL, 0);
	assert_non_null(strstr(w->host[A].failed.why, "OpenSSL"));
	assert_int_equal(w->sent, 0);
	assert_empty(w);
	classical(NULL);
}

/* A request with such proposals that does not announce IKE_INTERMEDIATE (RFC 9370 2.2.1). */
static enum fate no_intermediate(struct world *w, struct packet *p)
{
	static const uint8_t notify[] = {0, 0, 0x40, 0x36};
	uint8_t *at = memmem(p->data, p->len, notify, sizeof(notify));

	(void)w;
	if (at && header(p).exchange == IKE_EXCH_SA_INIT)
		at[2] = 0x4f;
	return PASS;
}

static void unannounced(void **state)
{
	struct world *w = world_mixed();

	(void)state;
	w->tamper = no_intermediate;
	host_connect(&w->host[A]);
	world_run(w, 10 * MS);
	/* that AUTH fails is due to the change */
	assert_int_equal(w->host[A].notes[IKE_NOTE_ADDKE_SENT], 0);
	assert_int_equal(w->host[B].identities, 1);
	world_free(w);
}

/* In the cookie's and the other group's second round the notify and the proposals stand again. */
static void rounds(void **state)
{
	const struct ike_ke *const p384[] = {ike_ke_find(IKE_KE_ECP_384), NULL};
	struct ike_profile other = mixed;
	struct ike_config c = world_config();
	struct world *w = world_mixed();

	(void)state;
	other.ke = p384;
	c.cookie_above = 0;
	w->host[B].core->profile = &other;
	host_config(&w->host[B], &c);
	host_connect(&w->host[A]);
	world_run(w, SEC);
	assert_private(w, 1);
	assert_non_null(strstr(w->host[A].up.suite, "ECP-384 + "));
	assert_non_null(strstr(w->host[A].up.suite, added));
	world_free(w);
}

/* ---- IKE_FOLLOWUP_KE */

static struct world *world_up(void)
{
	struct world *w = world_mixed();

	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	assert_up(w, true);
	return w;
}

static void rekey(struct host *h, bool ike)
{
	struct ike_rekey q = {
		.handle = h->up.handle, .spi = ike ? 0 : host_newest_out(h)->child.spi_in};

	host_send(h, IKE_REQ_REKEY, &q, sizeof(q));
}

static enum fate drop_followups(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	(void)w;
	return h.exchange == IKE_EXCH_FOLLOWUP_KE ? DROP : PASS;
}

/* The peer does not go on: what is kept for it goes after 20 seconds, and then we can. */
static void abandoned(void **state)
{
	(void)state;
	for (int ike = 0; ike < 2; ike++) {
		struct world *w = world_up();
		struct host *a = &w->host[A], *b = &w->host[B];

		w->tamper = drop_followups;
		rekey(a, ike);
		world_run(w, 10 * MS);
		assert_true(followup_waits(world_main_sa(b)));
		assert_true(world_main_sa(a)->mine->followed);
		assert_int_equal(host_sas(b, true), 1);
		rekey(b, ike); /* is put off by that */
		/* A forgets all about it */
		create_free(&world_main_sa(a)->mine);
		sa_request_done(world_main_sa(a));
		world_main_sa(a)->next_out--;
		w->tamper = NULL;
		world_run(w, 15 * SEC);
		assert_true(followup_waits(world_main_sa(b)));
		world_run(w, 10 * SEC);
		assert_null(world_main_sa(b)->theirs);
		assert_null(world_main_sa(b)->mine);
		assert_int_equal(b->notes[IKE_NOTE_ADDKE_SENT], 1);
		assert_int_equal(a->downs + b->downs, 0);
		world_free(w);
	}
}

/* It comes too late, or with a link that is none: begun anew. */
static void spoil_link(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	uint8_t wrong[8] = {1};

	(void)arg;
	if (type == IKE_PL_NOTIFY)
		ike_build_notify(b, IKE_N_ADDITIONAL_KEY_EXCHANGE, wrong, sizeof(wrong));
	else if (type)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate change_link(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	if (h.exchange == IKE_EXCH_FOLLOWUP_KE && !(h.flags & IKE_FLAG_RESPONSE) && !w->tamper_n++)
		world_edit(w, p, spoil_link, NULL);
	return PASS;
}

static void wrong_link(void **state)
{
	(void)state;
	for (int ike = 0; ike < 2; ike++) {
		struct world *w = world_up();
		struct host *a = &w->host[A];
		uint64_t spi = world_main_sa(a)->spi_i;
		uint32_t child = host_newest_out(a)->child.spi_in;

		w->tamper = change_link;
		rekey(a, ike);
		world_run(w, 60 * SEC);
		assert_int_equal(a->note_args[IKE_NOTE_REKEY_REFUSED], IKE_N_STATE_NOT_FOUND);
		assert_private(w, 1);
		assert_int_equal(spi != world_main_sa(a)->spi_i, ike);
		assert_int_equal(child != host_newest_out(a)->child.spi_in, !ike);
		assert_int_equal(a->downs + w->host[B].downs, 0);
		world_free(w);
	}
}

/* A value that is none ends the SA on both sides (RFC 7296 2.21.3). */
static enum fate spoil_followup(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	if (h.exchange == IKE_EXCH_FOLLOWUP_KE && !(h.flags & IKE_FLAG_RESPONSE))
		world_edit(w, p, spoil_ke, NULL);
	return PASS;
}

static void spoiled_followup(void **state)
{
	(void)state;
	for (int ike = 0; ike < 2; ike++) {
		struct world *w = world_up();

		w->tamper = spoil_followup;
		rekey(&w->host[A], ike);
		world_run(w, 60 * SEC);
		assert_int_equal(w->host[A].down.code, IKE_FAIL_PROTOCOL);
		assert_int_equal(w->host[B].down.code, IKE_FAIL_PROTOCOL);
		assert_int_equal(w->host[B].down.notify, IKE_N_INVALID_SYNTAX);
		assert_nothing(w);
		assert_empty(w);
	}
}

/* The peer chooses it and sends no link: there is no way to go on. */
static void drop_link(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type && (type != IKE_PL_NOTIFY || memcmp(body.p + 2, "\x40\x39", 2) != 0))
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate no_link(struct world *w, struct packet *p)
{
	struct ike_header h = header(p);

	if (h.exchange == IKE_EXCH_CREATE_CHILD && (h.flags & IKE_FLAG_RESPONSE))
		world_edit(w, p, drop_link, NULL);
	return PASS;
}

static void unlinked(void **state)
{
	(void)state;
	for (int ike = 0; ike < 2; ike++) {
		struct world *w = world_up();

		w->tamper = no_link;
		rekey(&w->host[A], ike);
		world_run(w, 60 * SEC);
		assert_int_equal(w->host[A].down.code, IKE_FAIL_PROTOCOL);
		assert_int_equal(w->host[B].down.code, IKE_FAIL_DELETED);
		assert_nothing(w);
		assert_empty(w);
	}
}

/* A peer that has it no more when rekeying: without it, for SK_d keeps what was mixed in. */
static void given_up(void **state)
{
	(void)state;
	for (int ike = 0; ike < 2; ike++) {
		struct world *w = world_up();
		struct host *a = &w->host[A];

		w->host[B].core->profile = &ike_profile_default;
		world_main_sa(&w->host[B])->addke = 0;
		rekey(a, ike);
		world_run(w, 10 * SEC);
		assert_private(w, 1);
		assert_int_equal(a->notes[IKE_NOTE_ADDKE_SENT], 1);
		assert_int_equal(a->notes[IKE_NOTE_CREATED] + a->rekeys, 1);
		assert_int_equal(world_main_sa(a)->addke, ike ? 0 : lists[0][0]->id);
		world_free(w);
	}
}

/* A FOLLOWUP_KE that belongs to nothing. */
static void unasked(void **state)
{
	struct world *w = world_up();
	struct ike_sa *sa = world_main_sa(&w->host[A]);
	struct ike_builder b = sa_build(sa, IKE_EXCH_FOLLOWUP_KE, false);

	(void)state;
	ike_build_ke(&b, lists[0][0]->id, "x", 1);
	sa_send_request(sa, &b, IKE_EXCH_FOLLOWUP_KE);
	world_run(w, SEC);
	assert_int_equal(sa->request.tries, 0); /* answered */
	assert_private(w, 1);
	assert_int_equal(w->host[B].downs, 0);
	world_free(w);
}

#define BOTH(f) \
	cmocka_unit_test_setup(f, classical), \
	{ #f " (post-quantum)", f, post_quantum, NULL, NULL }
#define BOTH_WHOLE(f) \
	cmocka_unit_test_setup(f, classical), \
	{ #f " (large)", f, large, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_WHOLE(order),
		BOTH(trouble),
		BOTH(answer_lost),
		BOTH_WHOLE(fragments),
		BOTH_WHOLE(changed),
		BOTH_WHOLE(spoiled),
		cmocka_unit_test_setup(skipped, classical),
		cmocka_unit_test_setup(one_side, classical),
		cmocka_unit_test_setup(required, classical),
		cmocka_unit_test_setup(lacking, classical),
		cmocka_unit_test_setup(unannounced, classical),
		cmocka_unit_test_setup(rounds, classical),
		BOTH(abandoned),
		BOTH_WHOLE(wrong_link),
		BOTH_WHOLE(spoiled_followup),
		BOTH(unlinked),
		BOTH(given_up),
		cmocka_unit_test_setup(unasked, classical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
