/* SPDX-License-Identifier: BSD-2-Clause */
/* B's kernel is slow while A, who has made the child anew, deletes the old one (ike/create.c): A's kernel
 * takes nothing more by that as soon as it has its answer, so the answer waits until B sends by the new one. */
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

/* From REKEY on there is 1 ms between a host's message and the other's: request, answer, DELETE. */
#define BEFORE_DELETE (2 * MS + MS / 2)

static void rekey(struct host *h, uint32_t spi)
{
	struct ike_rekey q = {.handle = h->up.handle, .spi = spi};

	host_send(h, IKE_REQ_REKEY, &q, sizeof(q));
}

static void close_sa(struct host *h)
{
	struct ike_close c = {.handle = h->up.handle};

	host_send(h, IKE_REQ_CLOSE, &c, sizeof(c));
}

/* A's DELETE is with B, whose kernel does nothing. */
static struct world *world_waiting(void)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];

	w->strict = true;
	host_connect(a);
	world_run(w, 100 * MS);
	assert_private(w, 1);
	w->flowing = true;
	rekey(a, host_newest_out(a)->child.spi_in);
	world_run(w, BEFORE_DELETE);
	assert_int_equal(host_sas(a, true), 2);
	b->stalled = true;
	world_run(w, 10 * MS);
	/* asked for, and not done: what B sends A must take */
	assert_int_equal(b->n_late, 2);
	assert_int_equal(b->late[0]->type, IKE_EV_CHILD_OUT);
	assert_int_equal(b->late[1]->type, IKE_EV_CHILD_GONE);
	assert_int_equal(host_sas(a, true), 2);
	assert_int_equal(world_main_sa(a)->request.tries, 1);
	return w;
}

static void assert_one_child(struct world *w)
{
	assert_private(w, 1);
	for (int i = 0; i < HOSTS; i++) {
		const struct ike_sa *sa = world_main_sa(&w->host[i]);

		assert_int_equal(sa->request.tries, 0);
		assert_int_equal(sa->answering, 0);
		assert_int_equal(sa->children->state, CHILD_UP);
		assert_null(sa->children->next);
		assert_int_equal(w->host[i].downs, 0);
	}
}

static void end(struct world *w)
{
	w->flowing = false;
	w->tamper = NULL;
	close_sa(&w->host[A]);
	assert_empty(w);
}

static void waits(void **state)
{
	struct world *w = world_waiting();
	const struct ike_sa *sa = world_main_sa(&w->host[B]);

	(void)state;
	host_goes_on(&w->host[B]);
	assert_int_equal(sa->answering, IKE_EXCH_INFORMATIONAL);
	world_run(w, 10 * MS);
	assert_one_child(w);
	assert_int_equal(w->host[A].notes[IKE_NOTE_RETRANSMIT], 0);
	end(w);
}

static struct packet kept;

static enum fate keep_answer(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (p->to != A || !(h.flags & IKE_FLAG_RESPONSE))
		return PASS;
	free(kept.data);
	kept = *p;
	kept.data = malloc(p->len);
	memcpy(kept.data, p->data, p->len);
	return DROP;
}

/* A repeats its DELETE: it gets nothing, and later the answer, as often as it asks. */
static void repeated(void **state)
{
	struct world *w = world_waiting();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct packet first;

	(void)state;
	w->tamper = keep_answer;
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_RETRANSMIT], 1);
	assert_int_equal(b->core->stats.count[IKE_STAT_REPEATED], 1);
	assert_null(kept.data);
	host_goes_on(b);
	world_run(w, MS);
	assert_non_null(kept.data);
	first = kept;
	kept.data = NULL;
	world_run(w, 2 * SEC); /* lost; A asks again */
	assert_int_equal(a->notes[IKE_NOTE_RETRANSMIT], 2);
	assert_non_null(kept.data);
	assert_int_equal(kept.len, first.len);
	assert_memory_equal(kept.data, first.data, first.len);
	w->tamper = NULL;
	world_run(w, 4 * SEC);
	assert_one_child(w);
	free(kept.data);
	free(first.data);
	kept.data = NULL;
	end(w);
}

static enum fate keep_request(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	if (p->to == B && h.exchange == IKE_EXCH_CREATE_CHILD) {
		kept = *p;
		kept.data = malloc(p->len);
		memcpy(kept.data, p->data, p->len);
	}
	return PASS;
}

/* The request before comes late once more: that does not let the answer out. */
static void older(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	w->strict = w->flowing = true;
	host_connect(a);
	world_run(w, 100 * MS);
	w->tamper = keep_request;
	rekey(a, host_newest_out(a)->child.spi_in);
	world_run(w, BEFORE_DELETE);
	b->stalled = true;
	world_run(w, 10 * MS);
	world_inject(w, B, &kept.path, kept.data, kept.len);
	world_run(w, 10 * MS);
	assert_int_equal(world_main_sa(b)->answering, IKE_EXCH_INFORMATIONAL);
	assert_int_equal(host_sas(a, true), 2);
	host_goes_on(b);
	world_run(w, 10 * MS);
	assert_one_child(w);
	free(kept.data);
	kept.data = NULL;
	end(w);
}

/* A kernel that says nothing: A is answered all the same, long before it gives up. */
static void silent(void **state)
{
	struct world *w = world_waiting();
	struct host *b = &w->host[B];

	(void)state;
	world_run(w, 2 * SEC - 20 * MS);
	assert_int_equal(world_main_sa(b)->answering, IKE_EXCH_INFORMATIONAL);
	w->flowing = false;
	world_run(w, 30 * MS);
	assert_int_equal(world_main_sa(b)->answering, 0);
	assert_int_equal(host_sas(&w->host[A], true), 1);
	host_goes_on(b);
	world_run(w, SEC);
	assert_one_child(w);
	end(w);
}

/* One that refuses: the SA ends on both sides, and the DELETE has its answer. */
static void fails(void **state)
{
	struct world *w = world_waiting();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	w->flowing = false;
	b->out_error = -ENOBUFS;
	host_goes_on(b);
	world_run(w, 10 * MS);
	assert_int_equal(b->downs, 1);
	assert_int_equal(b->down.code, IKE_FAIL_INSTALL);
	assert_int_equal(a->downs, 1);
	assert_int_equal(a->down.code, IKE_FAIL_DELETED);
	assert_int_equal(a->notes[IKE_NOTE_RETRANSMIT], 0);
	assert_nothing(w);
	assert_empty(w);
}

/* B ends the SA meanwhile. */
static void ends(void **state)
{
	struct world *w = world_waiting();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	w->flowing = false;
	close_sa(b);
	world_run(w, 10 * MS);
	assert_int_equal(b->down.code, IKE_FAIL_CLOSED);
	assert_int_equal(a->down.code, IKE_FAIL_DELETED);
	host_goes_on(b);
	world_run(w, 10 * MS);
	assert_nothing(w);
	assert_empty(w);
}

/* B rekeys the IKE SA meanwhile: the child has gone to the new one, the DELETE came by the old one. */
static void rekeyed(void **state)
{
	struct world *w = world_waiting();
	struct host *b = &w->host[B];

	(void)state;
	rekey(b, 0);
	world_run(w, 20 * MS);
	assert_int_equal(host_sas(&w->host[A], true), 2);
	host_goes_on(b);
	world_run(w, 20 * SEC);
	assert_int_equal(w->host[A].rekeys, b->rekeys);
	assert_one_child(w);
	end(w);
}

/* Whoever asks deletes the old one when the kernel has both of the new one, not before. */
static void asks(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];

	(void)state;
	w->strict = w->flowing = true;
	host_connect(a);
	world_run(w, 100 * MS);
	rekey(a, host_newest_out(a)->child.spi_in);
	world_run(w, MS);
	a->stalled = true;
	world_run(w, SEC);
	assert_int_equal(a->n_late, 2);
	assert_int_equal(a->late[1]->type, IKE_EV_CHILD_OUT);
	assert_int_equal(host_sas(&w->host[B], true), 2);
	assert_int_equal(world_main_sa(a)->request.tries, 0);
	host_goes_on(a);
	world_run(w, 10 * MS);
	assert_one_child(w);
	end(w);
}

/* The kernel refuses the new one, which was to be made anew itself meanwhile: the old one serves on, alone,
 * and the agent is told that there will be no other by this IKE SA. */
static void refused(void **state)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];
	uint32_t was;

	(void)state;
	w->strict = w->flowing = true;
	host_connect(a);
	world_run(w, 100 * MS);
	was = host_newest_out(a)->child.spi_in;
	rekey(a, was);
	world_run(w, MS);
	a->stalled = true;
	world_run(w, 2 * MS);
	assert_int_equal(a->late[0]->type, IKE_EV_CHILD_IN);
	rekey(a, ((const struct ike_child *)a->late[0]->fixed)->spi_in);
	world_run(w, 2 * MS);
	a->install_error = -ENOBUFS;
	host_goes_on(a);
	world_run(w, MS);
	a->install_error = 0;
	world_run(w, 10 * SEC);
	assert_one_child(w);
	assert_int_equal(host_newest_out(a)->child.spi_in, was);
	assert_int_equal(a->stales, 1);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits),
		cmocka_unit_test(repeated),
		cmocka_unit_test(older),
		cmocka_unit_test(silent),
		cmocka_unit_test(fails),
		cmocka_unit_test(ends),
		cmocka_unit_test(rekeyed),
		cmocka_unit_test(asks),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
