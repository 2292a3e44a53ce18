/* SPDX-License-Identifier: BSD-2-Clause */
/* Rekeying of child and IKE SAs between two cores, and what may collide with it. In all of them both
 * hosts send all the time, and nothing may get lost. All is done once with one key exchange, once with an
 * additional one (RFC 9370), whose group is a classical one, for it need not be of OpenSSL 3.5. */
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

/* ---- two hosts with one SA */

static struct ike_profile profile;
static const struct ike_ke *addke[2];

static int one_exchange(void **state)
{
	(void)state;
	profile = ike_profile_default;
	addke[0] = NULL;
	return 0;
}

static int two_exchanges(void **state)
{
	(void)state;
	profile = ike_profile_default;
	addke[0] = ike_ke_find(IKE_KE_ECP_384);
	profile.addke = addke;
	return 0;
}

/* Of those that make an SA: what is lost of it hurts most. */
static uint8_t last_exchange(void)
{
	return addke[0] ? IKE_EXCH_FOLLOWUP_KE : IKE_EXCH_CREATE_CHILD;
}

static struct world *world_up(void)
{
	struct world *w = world_ed25519();

	w->host[A].core->profile = w->host[B].core->profile = &profile;

	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	assert_private(w, 1);
	w->flowing = true;
	return w;
}

static const struct kernel_sa *inbound(const struct host *h)
{
	const struct kernel_sa *out = host_newest_out(h);

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (h->kernel[i].used && h->kernel[i].inbound &&
			h->kernel[i].child.spi_in == out->child.spi_in)
			return &h->kernel[i];
	fail_msg("no inbound SA");
	return NULL;
}

/* ike: the IKE SA, else the child. */
static void rekey(struct host *h, bool ike)
{
	struct ike_rekey q = {.handle = h->up.handle};

	if (!ike)
		q.spi = inbound(h)->child.spi_in;
	host_send(h, IKE_REQ_REKEY, &q, sizeof(q));
}

static size_t count_children(const struct host *h)
{
	struct child *child;
	size_t n;

	DL_COUNT(world_main_sa(h)->children, child, n);
	return n;
}

/* IKE SAs but those that answer repetitions only. */
static size_t count_live(const struct host *h)
{
	const struct ike_sa *sa;
	size_t n = 0, at = 0;

	while ((sa = table_next(&h->core->by_spi, &at)))
		n += sa->state != SA_LINGER;
	return n;
}

/* One IKE SA and one child on both sides, the same; nothing is under way. */
static void assert_settled(struct world *w)
{
	const struct ike_sa *a = world_main_sa(&w->host[A]), *b = world_main_sa(&w->host[B]);

	assert_private(w, 1);
	for (int i = 0; i < HOSTS; i++) {
		const struct ike_sa *sa = world_main_sa(&w->host[i]);

		assert_non_null(sa);
		assert_int_equal(count_live(&w->host[i]), 1);
		assert_int_equal(table_count(&w->host[i].core->by_handle), 1);
		assert_int_equal(sa->state, SA_UP);
		assert_null(sa->mine);
		assert_null(sa->theirs);
		assert_int_equal(sa->request.tries, 0);
		assert_int_equal(count_children(&w->host[i]), 1);
		assert_int_equal(sa->children->state, CHILD_UP);
		assert_null(sa->children->keys);
		assert_int_equal(w->host[i].downs, 0);
		assert_int_equal(w->host[i].core->stats.established, 1);
	}
	assert_int_equal(a->spi_i, b->spi_i);
	assert_int_equal(a->spi_r, b->spi_r);
	assert_int_equal(a->initiator, !b->initiator);
	assert_int_equal(a->secrets.len, b->secrets.len);
	assert_memory_equal(a->secrets.p, b->secrets.p, a->secrets.len);
}

static void close_and_free(struct world *w)
{
	struct ike_close c = {.handle = w->host[A].up.handle};

	w->flowing = false;
	w->tamper = NULL;
	host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
	assert_empty(w);
}

/* ---- without a collision */

static void check_child(int who)
{
	struct world *w = world_up();
	struct host *h = &w->host[who], *other = &w->host[!who];
	uint32_t was = inbound(h)->child.spi_in;
	uint8_t key[32];

	memcpy(key, host_newest_out(h)->key, sizeof(key));
	rekey(h, false);
	world_run(w, 2 * SEC);
	assert_settled(w);
	assert_int_not_equal(inbound(h)->child.spi_in, was);
	assert_int_equal(inbound(h)->child.replaces, was);
	assert_memory_not_equal(host_newest_out(h)->key, key, sizeof(key));
	assert_int_equal(h->notes[IKE_NOTE_REKEY_CHILD], 1);
	/* a key exchange of its own, or two */
	assert_int_equal(h->note_args[IKE_NOTE_CREATED], addke[0] ? 20 << 16 | 31 : 31);
	assert_int_equal(other->note_args[IKE_NOTE_CREATED], addke[0] ? 20 << 16 | 31 : 31);
	assert_int_equal(h->notes[IKE_NOTE_ADDKE_SENT], addke[0] ? 1 + (who == A) : 0);
	/* the algorithms stay */
	assert_int_equal(inbound(h)->child.esn, 1);
	assert_int_equal(inbound(h)->child.key_bits, 256);
	close_and_free(w);
}

static void child(void **state)
{
	(void)state;
	check_child(A);
	check_child(B);
}

static void check_ike(int who)
{
	struct world *w = world_up();
	struct host *h = &w->host[who];
	uint64_t spi_i = h->up.spi_i;
	uint32_t spi = inbound(h)->child.spi_in;

	rekey(h, true);
	world_run(w, 2 * SEC);
	assert_settled(w);
	/* the children stay */
	assert_int_equal(inbound(h)->child.spi_in, spi);
	assert_int_equal(w->host[A].rekeys, 1);
	assert_int_equal(w->host[B].rekeys, 1);
	assert_int_not_equal(h->rekeyed.spi_i, spi_i);
	assert_int_equal(world_main_sa(h)->spi_i, h->rekeyed.spi_i);
	assert_int_equal(h->rekeyed.initiator, 1);
	assert_string_equal(h->rekeyed.suite, h->up.suite);
	assert_int_equal(!strstr(h->up.suite, "+ ECP-384"), !addke[0]);
	assert_int_equal(h->notes[IKE_NOTE_ADDKE_SENT], addke[0] ? 1 + (who == A) : 0);
	close_and_free(w);
}

static void ike(void **state)
{
	(void)state;
	check_ike(A);
	check_ike(B);
}

/* Each in turn, by either side, many times: nothing is left behind. */
static void many(void **state)
{
	struct world *w = world_up();

	(void)state;
	for (int i = 0; i < 40; i++) {
		rekey(&w->host[i / 2 % 2], i % 3 == 0);
		world_run(w, SEC);
		assert_settled(w);
	}
	close_and_free(w);
}

/* Each message of the exchanges lost once: all comes to the same end. */
static enum fate lose_one(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? DROP : PASS;
}

static enum fate double_one(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? TWICE : PASS;
}

static enum fate delay_one(struct world *w, struct packet *p)
{
	return p->number == w->tamper_n ? LATE : PASS;
}

static void each_message(void **state)
{
	enum fate (*const fates[])(struct world *, struct packet *) = {
		lose_one, double_one, delay_one};

	(void)state;
	for (int i = 0; i < 3 * 2 * 2 * 7; i++) {
		struct world *w = world_up();

		w->tamper = fates[i % 3];
		w->tamper_n = w->sent + (unsigned int)(i / 12);
		rekey(&w->host[i / 3 % 2], i / 6 % 2);
		world_run(w, 100 * SEC);
		assert_settled(w);
		close_and_free(w);
	}
}

static enum fate drop_deletes(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == IKE_EXCH_INFORMATIONAL ? DROP : PASS;
}

static enum fate drop_creates(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == last_exchange() ? DROP : PASS;
}

static enum fate drop_created(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == last_exchange() && h.flags & IKE_FLAG_RESPONSE ? DROP : PASS;
}

static enum fate drop_answers(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.flags & IKE_FLAG_RESPONSE ? DROP : PASS;
}

/* A peer that offers again all that it has, as strongSwan does: the PRF stays as it was, although it
 * is not our favourite. */
static void same_prf(void **state)
{
	const struct ike_prf *const sha256[] = {ike_prf_find(IKE_PRF_HMAC_SHA2_256), NULL};
	struct ike_profile modest = ike_profile_default;
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];
	uint8_t bytes[32] = {9};
	struct ike_builder q;

	(void)state;
	modest.prf = sha256;
	a->core->profile = &modest;
	host_connect(a);
	world_run(w, 100 * MS);
	assert_private(w, 1);
	assert_int_equal(world_main_sa(b)->prf->id, IKE_PRF_HMAC_SHA2_256);
	assert_int_not_equal(ike_profile_default.prf[0]->id, IKE_PRF_HMAC_SHA2_256);

	q = sa_build(world_main_sa(a), IKE_EXCH_CREATE_CHILD, false);
	ike_build_offer_ike(&q, &ike_profile_default, IKE_KE_CURVE25519, 0x1234);
	ike_build_nonce(&q, bytes, sizeof(bytes));
	ike_build_ke(&q, IKE_KE_CURVE25519, bytes, sizeof(bytes));
	w->tamper = drop_answers;
	sa_send_request(world_main_sa(a), &q, IKE_EXCH_CREATE_CHILD);
	world_run(w, 10 * MS);
	assert_int_equal(world_main_sa(b)->spi_i, 0x1234);
	assert_int_equal(world_main_sa(b)->prf->id, IKE_PRF_HMAC_SHA2_256);
	world_free(w);
}

/* A's child has another life than B's: what USED says lets B send before A deletes. */
static void traffic_switches(void **state)
{
	struct world *w = world_up();
	struct host *b = &w->host[B];
	uint32_t was = host_newest_out(b)->child.spi_out;
	struct ike_used used = {.handle = b->up.handle};
	const struct child *new;

	(void)state;
	w->tamper = drop_deletes;
	rekey(&w->host[A], false);
	world_run(w, 100 * MS);
	assert_int_equal(host_newest_out(b)->child.spi_out, was);
	new = world_main_sa(b)->children->next;
	assert_non_null(new);
	assert_false(new->out);
	used.spi = new->spi_in;
	host_send(b, IKE_REQ_USED, &used, sizeof(used));
	world_run(w, 100 * MS);
	assert_int_equal(host_newest_out(b)->child.spi_out, new->spi_out);
	w->tamper = NULL;
	world_run(w, 10 * SEC);
	assert_settled(w);
	close_and_free(w);
}

/* The peer never deletes: we send by the new one after a while, and then delete for it. */
static void drop_payload(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg;
	if (type != IKE_PL_NONE && type != IKE_PL_DELETE)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate undelete(struct world *w, struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (h.exchange == IKE_EXCH_INFORMATIONAL && p->to == B && !(h.flags & IKE_FLAG_RESPONSE))
		world_edit(w, p, drop_payload, NULL);
	return PASS;
}

static void forgetful(void **state)
{
	struct world *w = world_up();
	struct host *b = &w->host[B];
	uint32_t was = host_newest_out(b)->child.spi_out;

	(void)state;
	w->flowing = false;
	w->tamper = undelete;
	rekey(&w->host[A], false);
	world_run(w, 179 * SEC);
	assert_int_equal(host_newest_out(b)->child.spi_out, was);
	world_run(w, 2 * SEC);
	assert_int_not_equal(host_newest_out(b)->child.spi_out, was);
	assert_int_equal(host_sas(b, true), 2);
	world_run(w, 40 * SEC);
	assert_settled(w);
	close_and_free(w);
}

/* The same, and while B asks whether it lives the peer rekeys the IKE SA. */
static void forgetful_rekeys(void **state)
{
	struct world *w = world_up();

	(void)state;
	w->flowing = false;
	w->tamper = undelete;
	rekey(&w->host[A], false);
	world_run(w, 179 * SEC);
	w->tamper = drop_deletes;
	world_run(w, 2 * SEC);
	assert_true(world_main_sa(&w->host[B])->probing);
	rekey(&w->host[A], true);
	world_run(w, 100 * MS);
	assert_int_equal(w->host[B].rekeys, 1);
	w->tamper = NULL;
	world_run(w, 60 * SEC);
	assert_settled(w);
	close_and_free(w);
}

/* The answers are lost for long. That the peer lives does not say that it has had one: nothing may be
 * sent by what it cannot know yet. */
static void answers_lost(void **state)
{
	struct world *w = world_up();
	struct ike_config c = world_config();

	(void)state;
	c.retransmits = 8;
	host_config(&w->host[A], &c);
	w->tamper = drop_created;
	rekey(&w->host[A], false);
	world_run(w, 3 * SEC);
	w->tamper = drop_creates; /* nor does B see that they are asked for */
	world_run(w, 20 * SEC);
	w->tamper = NULL;
	world_run(w, 60 * SEC);
	assert_settled(w);
	close_and_free(w);
}

static void other_spi(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	uint8_t notify[8];

	(void)arg;
	if (type == IKE_PL_NOTIFY &&
		body.len == sizeof(notify)) { /* REKEY_SA: 4 bytes and the SPI */
		memcpy(notify, body.p, sizeof(notify));
		notify[7] ^= 1;
		body.p = notify;
	}
	if (type != IKE_PL_NONE)
		ike_build_raw(b, (enum ike_payload)type, body.p, body.len);
}

static enum fate no_such_child(struct world *w, struct packet *p)
{
	if (p->number == w->tamper_n)
		world_edit(w, p, other_spi, NULL);
	return p->number > w->tamper_n + 1 ? drop_created(w, p) : PASS;
}

/* The peer does not know the child: A makes one from scratch (2.25), whose answer is lost for a while. B goes on
 * sending by what both have. */
static void from_scratch(void **state)
{
	struct world *w = world_up();

	(void)state;
	w->tamper = no_such_child;
	w->tamper_n = w->sent;
	rekey(&w->host[A], false);
	world_run(w, 2 * SEC);
	assert_int_equal(w->host[A].notes[IKE_NOTE_REKEY_CHILD], 2);
	assert_int_equal(host_sas(&w->host[B], true), 2);
	w->tamper = NULL;
	world_run(w, 20 * SEC);
	assert_settled(w);
	close_and_free(w);
}

/* ---- both at one time */

/* shift: B begins so many microseconds after A. */
static void check_both(bool ike_a, bool ike_b, uint64_t shift, unsigned int lost)
{
	struct world *w = world_up();

	if (lost) {
		w->tamper = lose_one;
		w->tamper_n = w->sent + lost - 1;
	}
	rekey(&w->host[A], ike_a);
	world_run(w, shift);
	rekey(&w->host[B], ike_b);
	world_run(w, 100 * SEC);
	assert_settled(w);
	close_and_free(w);
}

static void collisions(bool ike_a, bool ike_b)
{
	unsigned int messages = addke[0] ? 16 : 12;

	for (uint64_t shift = 0; shift < messages * MS / 2; shift += MS / 2)
		for (unsigned int lost = 0; lost < messages; lost++)
			check_both(ike_a, ike_b, shift, lost);
}

static void child_child(void **state)
{
	(void)state;
	collisions(false, false);
}

static void ike_ike(void **state)
{
	(void)state;
	collisions(true, true);
}

static void child_ike(void **state)
{
	(void)state;
	collisions(false, true);
	collisions(true, false);
}

/* Both see it, and agree which one stays. */
static void check_noticed(bool ike)
{
	struct world *w = world_up();
	const struct host *a = &w->host[A], *b = &w->host[B];

	rekey(&w->host[A], ike);
	rekey(&w->host[B], ike);
	world_run(w, 100 * SEC);
	assert_settled(w);
	assert_int_equal(a->notes[IKE_NOTE_COLLISION], 1);
	assert_int_equal(b->notes[IKE_NOTE_COLLISION], 1);
	assert_int_equal(a->note_args[IKE_NOTE_COLLISION] + b->note_args[IKE_NOTE_COLLISION], 1);
	close_and_free(w);
}

static void noticed(void **state)
{
	(void)state;
	check_noticed(false);
	check_noticed(true);
}

/* B's request and A's DELETE of the old IKE SA are lost. */
static enum fate lose_old(struct world *w, struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (h.flags & IKE_FLAG_RESPONSE)
		return PASS;
	if (h.exchange == IKE_EXCH_CREATE_CHILD)
		return p->to == A ? DROP : PASS;
	return p->to == B && world_sender(w, p)->ended ? DROP : PASS;
}

/* Both rekey the IKE SA; B answers A's request while its own is out, and what A does next is to delete a
 * child under the new SA: it is that one's from the moment that B has answered (2.18). */
static void deletes_at_once(void **state)
{
	struct world *w = world_up();

	(void)state;
	w->tamper = lose_old;
	rekey(&w->host[A], false);
	rekey(&w->host[A], true);
	world_run(w, 2 * MS);
	rekey(&w->host[B], true);
	world_run(w, 5 * SEC + 500 * MS);
	assert_int_equal(w->host[A].rekeys, 1);
	world_run(w, SEC);
	w->tamper = NULL;
	world_run(w, 100 * SEC);
	assert_settled(w);
	close_and_free(w);
}

static enum fate lose_for_b(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return p->to == B && h.exchange == IKE_EXCH_CREATE_CHILD && h.flags & IKE_FLAG_RESPONSE
		       ? DROP
		       : PASS;
}

/* Both rekey the child. While the answer for B is lost A goes on, and rekeys what it has made: B has lost
 * to a child that is no more. */
static void rival_replaced(void **state)
{
	unsigned int lost = 0;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct world *w = world_up();
		struct host *b = &w->host[B];

		b->random += i;
		w->host[A].random += i;
		w->tamper = lose_for_b;
		rekey(&w->host[A], false);
		rekey(b, false);
		world_run(w, 20 * MS);
		rekey(&w->host[A], false);
		world_run(w, 300 * MS);
		w->tamper = NULL;
		world_run(w, 60 * SEC);
		assert_settled(w);
		assert_int_equal(b->notes[IKE_NOTE_COLLISION], 1);
		lost += !b->note_args[IKE_NOTE_COLLISION];
		close_and_free(w);
	}
	assert_in_range(lost, 1, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child),
		cmocka_unit_test(ike),
		cmocka_unit_test(many),
		cmocka_unit_test(each_message),
		cmocka_unit_test(same_prf),
		cmocka_unit_test(traffic_switches),
		cmocka_unit_test(forgetful),
		cmocka_unit_test(forgetful_rekeys),
		cmocka_unit_test(answers_lost),
		cmocka_unit_test(from_scratch),
		cmocka_unit_test(child_child),
		cmocka_unit_test(ike_ike),
		cmocka_unit_test(child_ike),
		cmocka_unit_test(noticed),
		cmocka_unit_test(deletes_at_once),
		cmocka_unit_test(rival_replaced),
	};

	return cmocka_run_group_tests_name("one key exchange", tests, one_exchange, NULL) +
	       cmocka_run_group_tests_name("two key exchanges", tests, two_exchanges, NULL);
}
