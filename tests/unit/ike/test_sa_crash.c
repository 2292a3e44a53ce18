/* SPDX-License-Identifier: BSD-2-Clause */
/* One host loses all while the other keeps its SA (RFC 6290, RFC 7296 sections 1.5 and 2.4), and
 * strangers who pretend that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

static struct world *up_world(void)
{
	struct world *w = world_ed25519();

	world_try(w);
	assert_private(w, 1);
	return w;
}

static void probe(struct host *h)
{
	struct ike_probe p = {.handle = world_only_sa(h)->handle};

	host_send(h, IKE_REQ_PROBE, &p, sizeof(p));
}

/* What the kernel of h would say of ESP by the SA that the other sends on. */
static struct ike_invalid_spi stray(struct world *w, int from, int to)
{
	return (struct ike_invalid_spi){
		.pair = {.local = w->host[to].addr, .remote = w->host[from].addr},
		.spi = world_only_sa(&w->host[from])->children->spi_out,
		.local_port = IKE_PORT,
		.remote_port = IKE_PORT};
}

/* A stranger says to A, in B's name, that there is no such SA. */
static void hint(struct world *w, uint32_t spi)
{
	struct ike_path path = {.pair = {.local = w->host[A].addr, .remote = w->host[B].addr},
		.local_port = IKE_PORT,
		.remote_port = IKE_PORT};
	struct ike_header h = {
		.spi_i = 7, .exchange = IKE_EXCH_INFORMATIONAL, .flags = IKE_FLAG_INITIATOR};
	uint8_t buf[64], data[4];
	struct wire_writer d = wire_writer(data, sizeof(data));
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);
	size_t len;

	wire_put_u32(&d, spi);
	ike_build_notify(&b, IKE_N_INVALID_SPI, data, sizeof(data));
	assert_int_equal(ike_build_end(&b, &len), 0);
	world_inject(w, A, &path, buf, len);
}

/* Both give a token, and neither shows it. */
static void tokens_given(void **state)
{
	struct world *w = up_world();

	(void)state;
	for (int i = 0; i < HOSTS; i++)
		assert_true(world_only_sa(&w->host[i])->has_token);
	assert_memory_not_equal(
		world_only_sa(&w->host[A])->token, world_only_sa(&w->host[B])->token, 32);
	world_free(w);
}

/* A question to a host that has restarted: the SA ends within one round trip. */
static void restarted(void **state)
{
	(void)state;
	for (int i = 0; i < HOSTS; i++) {
		struct world *w = up_world();
		struct host *h = &w->host[i];

		host_reboot(&w->host[!i], true);
		probe(h);
		world_run(w, 3 * MS);
		assert_int_equal(h->downs, 1);
		assert_int_equal(h->down.code, IKE_FAIL_RESTARTED);
		assert_int_equal(h->doubts, 0);
		assert_empty(w);
	}
}

/* A rekeyed IKE SA has tokens of its own, whoever began that (RFC 6290 section 4.3). */
static void restarted_after_rekey(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct world *w = up_world();
		struct host *by = &w->host[i & 1], *dies = &w->host[i >> 1],
			    *h = &w->host[!(i >> 1)];
		struct ike_rekey q = {.handle = by->up.handle};

		host_send(by, IKE_REQ_REKEY, &q, sizeof(q));
		world_run(w, 15 * SEC);
		assert_int_equal(by->rekeys, 1);
		host_reboot(dies, true);
		probe(h);
		world_run(w, 3 * MS);
		assert_int_equal(h->down.code, IKE_FAIL_RESTARTED);
		assert_empty(w);
	}
}

/* ESP to the restarted host makes it say INVALID_SPI; the question follows by itself. */
static void stray_esp(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_invalid_spi m = stray(w, A, B);

	(void)state;
	host_reboot(b, true);
	host_send(b, IKE_REQ_INVALID_SPI, &m, sizeof(m));
	world_run(w, 5 * MS);
	assert_int_equal(a->notes[IKE_NOTE_DOUBT], 1);
	assert_int_equal(a->down.code, IKE_FAIL_RESTARTED);
	host_connect(a);
	world_run(w, SEC);
	assert_private(w, 1);
	world_free(w);
}

/* With another secret the token is nobody's: the old SA stays, and the agent begins anew beside
 * it. */
static void other_secret(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	uint64_t start = w->now;

	(void)state;
	host_reboot(b, false);
	probe(a);
	while (!a->doubts && w->now < start + 60 * SEC)
		world_run(w, MS);
	assert_true(w->now - start < 700 * MS);
	assert_int_equal(a->downs, 0);
	host_connect(a);
	world_run(w, SEC);
	assert_int_equal(a->ups, 2);
	/* the new one says that it is the only one */
	assert_int_equal(a->downs, 1);
	assert_private(w, 1);
	world_free(w);
}

/* Each repetition of the question is answered so too: that makes it no longer than it is. */
static void doubts_end(void **state)
{
	struct world *w = up_world();
	struct ike_config c = world_config();
	struct host *a = &w->host[A];

	(void)state;
	c.retransmits = 6;
	host_config(a, &c);
	host_reboot(&w->host[B], false);
	probe(a);
	world_run(w, 120 * SEC);
	assert_int_equal(a->doubts, 1);
	assert_int_equal(a->downs, 1);
	assert_int_equal(a->down.code, IKE_FAIL_DEAD);
	assert_empty(w);
}

/* They disagree about a child of an IKE SA that lives: the peer is told under that, not too often. */
static void child_lost(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_invalid_spi m = stray(w, A, B), known = m;

	(void)state;
	for (int i = 0; i < 50; i++) { /* there is nothing wrong with it */
		host_send(b, IKE_REQ_INVALID_SPI, &known, sizeof(known));
		world_run(w, MS);
	}
	m.spi ^= 1; /* nor does anybody know this one */
	for (int i = 0; i < 50; i++) {
		host_send(b, IKE_REQ_INVALID_SPI, &m, sizeof(m));
		world_run(w, MS);
	}
	assert_private(w, 1);
	assert_int_equal(b->core->stats.count[IKE_STAT_RECEIVED], 2 + 1);
	assert_int_equal(a->notes[IKE_NOTE_DOUBT], 0);
	world_run(w, 10 * SEC);

	child_gone(world_only_sa(b), world_only_sa(b)->children);
	host_send(b, IKE_REQ_INVALID_SPI, &known, sizeof(known));
	world_run(w, SEC);
	assert_int_equal(host_sas(a, false), 0);
	assert_int_equal(a->down.code, IKE_FAIL_DELETED);
	assert_empty(w);
}

/* A stranger says INVALID_SPI as often as he likes: the peer is asked once, and stays. */
static void hints(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_invalid_spi m = stray(w, A, B);
	unsigned int before = w->sent;

	(void)state;
	for (int i = 0; i < 100; i++) {
		hint(w, m.spi);
		world_run(w, 10 * MS);
	}
	assert_int_equal(a->notes[IKE_NOTE_DOUBT], 1);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(w->sent, before + 100 + 2);
	/* of an SPI that is nobody's, or of another address */
	m.spi++;
	world_run(w, 20 * SEC);
	before = w->sent;
	hint(w, m.spi);
	world_run(w, SEC);
	assert_int_equal(w->sent, before + 1);
	/* and later, once more */
	m.spi--;
	hint(w, m.spi);
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_DOUBT], 2);
	assert_int_equal(a->doubts + a->downs + b->downs, 0);
	assert_private(w, 1);
	world_free(w);
}

/* ---- between IKE_SA_INIT and IKE_AUTH */

static bool is_auth_request(const struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == IKE_EXCH_AUTH && !(h.flags & IKE_FLAG_RESPONSE);
}

static enum fate reboot_once(struct world *w, struct packet *p)
{
	if (is_auth_request(p) && !w->tamper_n++)
		host_reboot(&w->host[B], true);
	return PASS;
}

/* The responder restarts before IKE_AUTH comes: we begin anew, soon. */
static void restarted_before_auth(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];

	(void)state;
	w->tamper = reboot_once;
	host_connect(a);
	world_run(w, 700 * MS);
	assert_int_equal(a->ups, 1);
	assert_int_equal(a->fails, 0);
	assert_int_equal(a->notes[IKE_NOTE_INIT_SENT], 2);
	assert_private(w, 1);
	world_free(w);
}

/* A stranger answers in the responder's place: "there is no such SA". */
static enum fate forge_no_sa(struct world *w, struct packet *p)
{
	struct ike_path path = {.pair = {.local = w->host[A].addr, .remote = w->host[B].addr},
		.local_port = IKE_PORT,
		.remote_port = IKE_PORT};
	uint8_t buf[128];
	struct ike_builder b;
	struct ike_header h;
	size_t len;

	if (!is_auth_request(p) || w->now >= *(uint64_t *)w->tamper_arg)
		return PASS;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	h.flags = IKE_FLAG_RESPONSE;
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_notify(&b, IKE_N_INVALID_IKE_SPI, NULL, 0);
	assert_int_equal(ike_build_end(&b, &len), 0);
	/* it stands for the question, which is lost */
	free(p->data);
	p->data = malloc(len);
	memcpy(p->data, buf, len);
	p->len = len;
	p->to = A;
	p->path = path;
	return PASS;
}

/* It costs one beginning at most, and nothing where the responder answers in time. */
static void forged_before_auth(void **state)
{
	static const struct {
		uint64_t until;
		unsigned int begun, ups, fails;
	} cases[] = {{250 * MS, 1, 1, 0}, {900 * MS, 2, 1, 0}, {100 * SEC, 2, 0, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_ed25519();
		struct host *a = &w->host[A];
		uint64_t until = w->now + cases[i].until;

		w->tamper = forge_no_sa;
		w->tamper_arg = &until;
		host_connect(a);
		world_run(w, 60 * SEC);
		assert_int_equal(a->notes[IKE_NOTE_INIT_SENT], cases[i].begun);
		assert_int_equal(a->ups, cases[i].ups);
		assert_int_equal(a->fails, cases[i].fails);
		if (a->fails)
			assert_empty(w);
		else
			world_free(w);
	}
}

/* The agent closes it while it is in doubt: nothing is begun anew for it. */
static void closed_in_doubt(void **state)
{
	(void)state;
	for (uint64_t t = 5 * MS; t < 500 * MS; t += 20 * MS) {
		struct world *w = world_ed25519();
		struct ike_close c = {.handle = host_connect(&w->host[A])};
		uint64_t until = w->now + 100 * SEC;

		w->tamper = forge_no_sa;
		w->tamper_arg = &until;
		world_run(w, t);
		host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
		world_run(w, 60 * SEC);
		assert_int_equal(w->host[A].fails, 1);
		assert_int_equal(w->host[A].notes[IKE_NOTE_INIT_SENT], 1);
		assert_empty(w);
	}
}

static enum fate drop_all(struct world *w, struct packet *p)
{
	(void)w, (void)p;
	return DROP;
}

/* The hint comes while the path is broken: a new SA is wanted soon, but the old one ends no sooner
 * than its retransmissions do. */
static void hint_in_a_storm(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A];
	struct ike_invalid_spi m = stray(w, A, B);

	(void)state;
	hint(w, m.spi);
	world_run(w, 0);
	w->tamper = drop_all;
	world_run(w, 700 * MS);
	assert_int_equal(a->doubts, 1);
	world_run(w, 5 * SEC);
	assert_int_equal(a->downs, 0);
	w->tamper = NULL;
	world_run(w, 10 * SEC);
	assert_int_equal(a->downs, 0);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_private(w, 1);
	world_free(w);
}

static enum fate drop_questions(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return p->to == B && !(h.flags & IKE_FLAG_RESPONSE) ? DROP : PASS;
}

/* The peer is heard while we ask in haste: the question has its usual time again. */
static void heard_in_haste(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_invalid_spi m = stray(w, A, B);

	(void)state;
	hint(w, m.spi);
	world_run(w, 0);
	w->tamper = drop_questions;
	world_run(w, 450 * MS);
	probe(b);
	world_run(w, 5 * SEC);
	assert_int_equal(b->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(a->doubts + a->downs, 0);
	w->tamper = NULL;
	world_run(w, 10 * SEC);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_private(w, 1);
	world_free(w);
}

/* ---- forged answers to a question that is out */

static struct packet question;
static unsigned int n_questions;

static enum fate keep_question(struct world *w, struct packet *p)
{
	(void)w;
	if (!n_questions++) {
		question = *p;
		question.data = malloc(p->len);
		memcpy(question.data, p->data, p->len);
	}
	return DROP;
}

static void answer(struct world *w, const uint8_t *token, size_t len, unsigned int n, uint32_t off)
{
	struct ike_path path = {.pair = {.local = w->host[A].addr, .remote = w->host[B].addr},
		.local_port = IKE_PORT,
		.remote_port = IKE_PORT};
	uint8_t buf[2048];
	struct ike_builder b;
	struct ike_header h;
	size_t size;

	assert_int_equal(ike_header_parse(question.data, question.len, &h), IKE_PARSE_OK);
	h.flags = IKE_FLAG_RESPONSE;
	h.msgid += off;
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_notify(&b, IKE_N_INVALID_IKE_SPI, NULL, 0);
	for (unsigned int i = 0; i < n; i++)
		ike_build_notify(&b, IKE_N_QUICK_CRASH_DETECTION, token, len);
	assert_int_equal(ike_build_end(&b, &size), 0);
	world_inject(w, A, &path, buf, size);
	world_run(w, 1);
}

static void forged_tokens(void **state)
{
	static const uint8_t zero[200];
	struct world *w = up_world();
	struct host *a = &w->host[A];

	(void)state;
	n_questions = 0;
	w->tamper = keep_question;
	probe(a);
	world_run(w, 1 * MS);
	assert_int_equal(n_questions, 1);
	/* of all lengths, too many, of another message ID, without any */
	for (size_t len = 0; len <= sizeof(zero); len += 8)
		answer(w, zero, len, 1, 0);
	answer(w, zero, 32, 20, 0);
	answer(w, zero, 16, 1, 1);
	answer(w, NULL, 0, 0, 0);
	for (unsigned int i = 0; i < 500; i++)
		answer(w, zero, 16, 4, 0);
	assert_int_equal(a->downs, 0);
	assert_int_equal(a->notes[IKE_NOTE_DOUBT], 1);
	w->tamper = NULL;
	world_run(w, 5 * SEC);
	assert_int_equal(a->downs, 0);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_private(w, 1);
	free(question.data);
	world_free(w);
}

static unsigned int clear_answers;

static enum fate count_clear(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	clear_answers += h.next == IKE_PL_NOTIFY;
	return PASS;
}

/* Nobody gets the token of an SA that lives (RFC 6290 section 9.2): not from another address, not
 * by another role, not with one SPI only. */
static void no_token_for_living(void **state)
{
	struct world *w = up_world();
	struct ike_sa *a = world_only_sa(&w->host[A]);
	struct ike_path path = {.pair = {.local = w->host[B].addr, .remote = w->host[A].addr},
		.local_port = 500,
		.remote_port = 500};
	uint8_t buf[256], junk[64] = {0};
	size_t len;

	(void)state;
	w->tamper = count_clear;
	clear_answers = 0;
	for (int i = 0; i < 16; i++) {
		struct ike_header h = {.spi_i = a->spi_i ^ (i & 1),
			.spi_r = a->spi_r,
			.exchange = IKE_EXCH_INFORMATIONAL,
			.flags = i & 2 ? IKE_FLAG_INITIATOR : 0,
			.msgid = 7};
		struct ike_builder b = ike_build(buf, sizeof(buf), &h);

		if (i & 4)
			assert_int_equal(addr_parse("198.18.77.7", &path.pair.remote), 0);
		ike_build_raw(&b, i & 8 ? IKE_PL_SKF : IKE_PL_SK, junk, sizeof(junk));
		assert_int_equal(ike_build_end(&b, &len), 0);
		world_inject(w, B, &path, buf, len);
		world_run(w, MS);
	}
	assert_int_equal(clear_answers, 0);
	/* but of one that nobody has */
	struct ike_header h = {.spi_i = 1, .spi_r = 2, .exchange = IKE_EXCH_INFORMATIONAL};
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);

	ike_build_raw(&b, IKE_PL_SK, junk, sizeof(junk));
	assert_int_equal(ike_build_end(&b, &len), 0);
	for (int i = 0; i < 1000; i++)
		world_inject(w, B, &path, buf, len);
	world_run(w, 10 * MS);
	/* in bounds */
	assert_true(clear_answers >= 1 && clear_answers <= 200);
	assert_private(w, 1);
	world_free(w);
}

static enum fate drop_created(struct world *w, struct packet *p)
{
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (h.exchange == IKE_EXCH_CREATE_CHILD && p->to == A)
		return DROP;
	return count_clear(w, p);
}

/* Nor that of one that will: B has answered the rekeying, and goes on with an SA that A does not know yet. */
static void no_token_for_unborn(void **state)
{
	struct world *w = up_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_rekey q = {.handle = a->up.handle};
	struct ike_probe p = {.handle = b->up.handle};

	(void)state;
	clear_answers = 0;
	w->tamper = drop_created;
	host_send(a, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, 10 * MS);
	assert_int_equal(b->rekeys, 1);
	host_send(b, IKE_REQ_PROBE, &p, sizeof(p));
	world_run(w, SEC);
	w->tamper = NULL;
	world_run(w, 30 * SEC);
	assert_int_equal(clear_answers, 0);
	assert_int_equal(a->rekeys, 1);
	assert_int_equal(b->notes[IKE_NOTE_LIVENESS], 1);
	assert_private(w, 1);
	world_free(w);
}

/* The answer is no longer than the question, or hardly. */
static enum fate answer_length(struct world *w, struct packet *p)
{
	(void)w;
	if (p->to == A)
		assert_true(p->len <= 60);
	return PASS;
}

static void short_answer(void **state)
{
	struct world *w = up_world();

	(void)state;
	host_reboot(&w->host[B], true);
	w->tamper = answer_length;
	probe(&w->host[A]);
	world_run(w, SEC);
	assert_int_equal(w->host[A].downs, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_given),
		cmocka_unit_test(restarted),
		cmocka_unit_test(restarted_after_rekey),
		cmocka_unit_test(stray_esp),
		cmocka_unit_test(other_secret),
		cmocka_unit_test(doubts_end),
		cmocka_unit_test(child_lost),
		cmocka_unit_test(hints),
		cmocka_unit_test(hint_in_a_storm),
		cmocka_unit_test(heard_in_haste),
		cmocka_unit_test(restarted_before_auth),
		cmocka_unit_test(forged_before_auth),
		cmocka_unit_test(closed_in_doubt),
		cmocka_unit_test(forged_tokens),
		cmocka_unit_test(no_token_for_living),
		cmocka_unit_test(no_token_for_unborn),
		cmocka_unit_test(short_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
