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
	static const uint16_t responder[] = {IKE_EV_INBOUND, IKE_EV_IDENTITY, IKE_EV_SIGN,
		IKE_EV_CHILD_IN, IKE_EV_CHILD_OUT, IKE_EV_UP};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
