/* SPDX-License-Identifier: BSD-2-Clause */
/* Two IKE SAs with one peer: one stays, also where one of the two has been lost on the other side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

/* chance: another one, another order of the two. */
static struct world *world_twins(struct ike_sa *ret_sas[2], unsigned int chance)
{
	struct world *w = world_ed25519();
	struct host *a = &w->host[A];

	a->random += chance;
	for (unsigned int n = 1; n <= 2; n++) {
		uint32_t handle = host_connect(a);

		while (a->ups < n)
			world_run(w, MS);
		ret_sas[n - 1] = table_find(&a->core->by_handle, &handle);
		assert_non_null(ret_sas[n - 1]);
	}
	assert_int_equal(table_count(&a->core->by_handle), 2);
	return w;
}

static struct ike_sa *other(const struct ike_sa *sa, struct ike_sa *sas[2])
{
	return sas[sas[0] == sa];
}

static struct ike_sa *loser(struct ike_sa *sas[2])
{
	return sas[sas[0]->origin > sas[1]->origin];
}

static void close_and_free(struct world *w)
{
	struct ike_close c = {.handle = world_main_sa(&w->host[A])->handle};

	host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
	assert_empty(w);
}

static void one_stays(void **state)
{
	struct ike_sa *sas[2];
	struct world *w = world_twins(sas, 0);
	uint64_t stays = other(loser(sas), sas)->spi_i;

	(void)state;
	world_run(w, SEC);
	assert_private(w, 1);
	assert_int_equal(world_main_sa(&w->host[A])->spi_i, stays);
	assert_int_equal(w->host[A].down.code, IKE_FAIL_REPLACED);
	close_and_free(w);
}

/* A forgets one of them: B sees nothing of that, for packets come all the time. */
static void one_is_lost(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct ike_sa *sas[2];
		struct world *w = world_twins(sas, 0);
		struct ike_close c = {.handle = sas[i & 1]->handle, .silent = 1};
		struct ike_config config = world_config();

		/* without liveness too, but later */
		config.liveness_s = i & 2 ? 20 : 0;
		host_config(&w->host[B], &config);
		w->host[B].traffic_in = w->host[B].traffic_out = 1;
		host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
		world_run(w, 100 * SEC);
		assert_private(w, 1);
		assert_int_equal(table_count(&w->host[A].core->by_handle), 1);
		assert_int_equal(table_count(&w->host[B].core->by_handle), 1);
		close_and_free(w);
	}
}

static enum fate drop_created(struct world *w, struct packet *p)
{
	struct ike_header h;

	(void)w;
	assert_int_equal(ike_header_parse(p->data, p->len, &h), IKE_PARSE_OK);
	return h.exchange == IKE_EXCH_CREATE_CHILD && h.flags & IKE_FLAG_RESPONSE ? DROP : PASS;
}

/* The one that goes is being rekeyed when that is decided: its heir goes in its place. */
static void rekeyed_meanwhile(void **state)
{
	struct ike_sa *sas[2];
	struct world *w = world_twins(sas, 0);
	struct ike_rekey q = {.handle = loser(sas)->handle};

	(void)state;
	w->tamper = drop_created;
	host_send(&w->host[A], IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, 2 * SEC);
	assert_true(loser(sas)->closing);
	assert_non_null(loser(sas)->mine);
	w->tamper = NULL;
	world_run(w, 30 * SEC);
	assert_private(w, 1);
	assert_int_equal(table_count(&w->host[A].core->by_handle), 1);
	close_and_free(w);
}

static enum fate drop_farewells(struct world *w, struct packet *p)
{
	const struct ike_sa *sa = world_sender(w, p);

	return p->to == B && sa && sa->closing ? DROP : PASS;
}

/* The peer does not hear that one goes, but would answer by the other: it may be sending by the one that goes,
 * and nothing of that may get lost. */
static void farewell_lost(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct ike_sa *sas[2];
		struct world *w = world_twins(sas, i);

		w->flowing = true;
		w->tamper = drop_farewells;
		world_run(w, 30 * SEC);
		w->tamper = NULL;
		world_run(w, 30 * SEC);
		assert_private(w, 1);
		assert_int_equal(w->host[A].down.code, IKE_FAIL_REPLACED);
		w->flowing = false;
		close_and_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_stays),
		cmocka_unit_test(one_is_lost),
		cmocka_unit_test(rekeyed_meanwhile),
		cmocka_unit_test(farewell_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
