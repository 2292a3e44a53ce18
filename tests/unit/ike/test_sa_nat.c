/* SPDX-License-Identifier: BSD-2-Clause */
/* A NAT between the two (RFC 7296 section 2.23): whom ports are followed for, and whom not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

static struct world *nat_world(void)
{
	struct world *w = world_ed25519();

	w->nat = true;
	w->nat_shift = 1000;
	world_try(w);
	assert_private(w, 1);
	assert_true(world_only_sa(&w->host[A])->nat_self);
	assert_true(world_only_sa(&w->host[B])->nat_peer);
	return w;
}

static void probe(struct host *h)
{
	struct ike_probe p = {.handle = world_only_sa(h)->handle};

	host_send(h, IKE_REQ_PROBE, &p, sizeof(p));
}

/* The NAT forgets, and gives A another port: B follows by A's next message, and says so once. */
static void port_changes(void **state)
{
	struct world *w = nat_world();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	assert_int_equal(b->moves, 0);
	w->nat_shift = 2000;
	probe(a);
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 1);
	assert_int_equal(b->moved_to, 4500 + 2000);
	assert_int_equal(a->moves, 0);
	/* what B begins arrives too */
	probe(b);
	probe(a);
	world_run(w, SEC);
	assert_int_equal(b->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 1);
	world_free(w);
}

/* The NAT has another address: B goes on there after A's next message, and says so; children are made anew
 * by either, and what is authentic but not new changes nothing. */
static void address_changes(void **state)
{
	struct world *w = nat_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_rekey q = {
		.handle = world_only_sa(b)->handle, .spi = world_only_sa(b)->children->spi_in};

	(void)state;
	w->nat_moved = true;
	w->nat_shift = 2000;
	probe(a);
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 1);
	assert_int_equal(b->moved_to, 4500 + 2000);
	assert_string_equal(addr_str(&b->moved_addr), "198.18.9.10");
	assert_string_equal(addr_str(&world_only_sa(b)->peer->pair.remote), "198.18.9.10");
	assert_int_equal(table_count(&b->core->by_pair), 1);
	host_send(b, IKE_REQ_REKEY, &q, sizeof(q));
	world_run(w, SEC);
	assert_int_equal(b->notes[IKE_NOTE_CREATED], 1);
	assert_int_equal(b->moves, 1);
	assert_int_equal(a->moves + a->downs + b->downs, 0);
	assert_private(w, 1);
	world_free(w);
}

/* The kernel saw it first, by ESP; A, behind the NAT, follows nobody. */
static void address_told_by_esp(void **state)
{
	struct world *w = nat_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_moved m = {.handle = world_only_sa(b)->handle, .remote_port = 4500 + 1000};

	(void)state;
	assert_int_equal(addr_parse("198.18.9.10", &m.remote), 0);
	w->nat_moved = true;
	host_send(b, IKE_REQ_MOVED, &m, sizeof(m));
	probe(b);
	world_run(w, SEC);
	assert_int_equal(b->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 0);
	m.handle = world_only_sa(a)->handle;
	host_send(a, IKE_REQ_MOVED, &m, sizeof(m));
	probe(a);
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_true(addr_equal(&world_only_sa(a)->peer->pair.remote, &b->addr));
	world_free(w);
}

/* The kernel saw it first, by ESP. */
static void told_by_esp(void **state)
{
	struct world *w = nat_world();
	struct host *b = &w->host[B];
	struct ike_moved m = {.handle = world_only_sa(b)->handle, .remote_port = 4500 + 3000};

	(void)state;
	w->nat_shift = 3000;
	host_send(b, IKE_REQ_MOVED, &m, sizeof(m));
	probe(b);
	world_run(w, SEC);
	assert_int_equal(b->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 0);
	world_free(w);
}

static uint8_t *kept;
static size_t kept_len;
static struct ike_path kept_path;

static enum fate keep(struct world *w, struct packet *p)
{
	(void)w;
	if (p->to == B && !kept) {
		kept = malloc(p->len);
		memcpy(kept, p->data, p->len);
		kept_len = p->len;
		kept_path = p->path;
	}
	return PASS;
}

/* Old messages and forged ones from elsewhere move nothing. */
static void replayed(void **state)
{
	struct world *w = nat_world();
	struct host *b = &w->host[B];

	(void)state;
	kept = NULL;
	w->tamper = keep;
	probe(&w->host[A]);
	world_run(w, SEC);
	probe(&w->host[A]);
	world_run(w, SEC);
	assert_non_null(kept);
	kept_path.remote_port = 6666;
	world_inject(w, B, &kept_path, kept, kept_len);
	world_run(w, SEC);
	kept[4 + 23]++; /* the message ID that is awaited, with a wrong ICV */
	kept[4 + 23]++;
	world_inject(w, B, &kept_path, kept, kept_len);
	world_run(w, SEC);
	kept_path.pair.remote.b[3]++;
	world_inject(w, B, &kept_path, kept, kept_len);
	world_run(w, SEC);
	assert_int_equal(b->moves, 0);
	assert_int_equal(world_only_sa(b)->remote_port, 4500 + 1000);
	assert_int_equal(world_only_sa(b)->peer->pair.remote.b[3], 9);
	free(kept);
	world_free(w);
}

static enum fate lose_answers(struct world *w, struct packet *p)
{
	(void)w;
	return p->to == A ? DROP : PASS;
}

/* B's answer is lost, and the NAT forgets: what A repeats comes from elsewhere, and is answered there (RFC
 * 7296 section 2.11). It is not new, so nothing moves. */
static void check_answered(bool address)
{
	struct world *w = nat_world();
	struct host *a = &w->host[A], *b = &w->host[B];

	w->tamper = lose_answers;
	probe(a);
	world_run(w, 10 * MS);
	w->tamper = NULL;
	w->nat_moved = address;
	w->nat_shift = 2000;
	world_run(w, SEC);
	assert_int_equal(a->notes[IKE_NOTE_RETRANSMIT], 1);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 0);
	assert_int_equal(world_only_sa(b)->remote_port, 4500 + 1000);
	assert_string_equal(addr_str(&world_only_sa(b)->peer->pair.remote), "198.18.9.9");
	world_free(w);
}

static void answered_where_asked(void **state)
{
	(void)state;
	check_answered(false);
	check_answered(true);
}

static enum fate redirect(struct world *w, struct packet *p)
{
	if (p->to == B && w->tamper_n++ == 0)
		p->path.pair.remote.b[3] = 77;
	return PASS;
}

/* Somebody on the way takes A's next message and sends it on from another address. B goes there, as it must
 * for a NAT; but A, who repeats what it asked, is answered where it is, what is sent by a child goes there
 * only after an answer from there, and A's next message brings all back. */
static void redirected(void **state)
{
	struct world *w = nat_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_rekey q = {
		.handle = world_only_sa(b)->handle, .spi = world_only_sa(b)->children->spi_in};
	uint32_t was = host_newest_out(b)->child.spi_out;

	(void)state;
	w->tamper = redirect;
	w->tamper_n = 0;
	probe(a);
	world_run(w, 100 * MS);
	assert_int_equal(b->moves, 1);
	assert_string_equal(addr_str(&b->moved_addr), "198.18.9.77");
	host_send(b, IKE_REQ_REKEY, &q, sizeof(q)); /* its agent makes the child anew */
	world_run(w, 900 * MS);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(b->moves, 1);
	assert_int_equal(b->notes[IKE_NOTE_CREATED], 0);
	assert_int_equal(host_newest_out(b)->child.spi_out, was);
	probe(a);
	world_run(w, 2 * SEC);
	assert_int_equal(a->notes[IKE_NOTE_LIVENESS], 2);
	assert_int_equal(b->moves, 2);
	assert_string_equal(addr_str(&b->moved_addr), "198.18.9.9");
	assert_int_equal(b->notes[IKE_NOTE_CREATED], 1);
	assert_int_not_equal(host_newest_out(b)->child.spi_out, was);
	assert_int_equal(a->downs + b->downs, 0);
	assert_private(w, 1);
	world_free(w);
}

/* Where there is no NAT nobody moves. */
static void no_nat(void **state)
{
	struct world *w = world_ed25519();
	struct ike_moved m;

	(void)state;
	world_try(w);
	m = (struct ike_moved){.handle = world_only_sa(&w->host[B])->handle, .remote_port = 7777};
	host_send(&w->host[B], IKE_REQ_MOVED, &m, sizeof(m));
	probe(&w->host[B]);
	world_run(w, SEC);
	assert_int_equal(w->host[B].notes[IKE_NOTE_LIVENESS], 1);
	assert_int_equal(world_only_sa(&w->host[B])->remote_port, IKE_PORT);
	world_free(w);
}

/* One byte every 20 s, only from behind the NAT (RFC 3948 section 4). */
static unsigned int keepalives[HOSTS];

static enum fate count_keepalives(struct world *w, struct packet *p)
{
	(void)w;
	if (p->len == 1 && p->data[0] == 0xff)
		keepalives[!p->to]++;
	return PASS;
}

static void keepalive(void **state)
{
	struct world *w = nat_world();

	(void)state;
	keepalives[A] = keepalives[B] = 0;
	w->tamper = count_keepalives;
	world_run(w, 200 * SEC);
	assert_int_equal(keepalives[A], 10);
	assert_int_equal(keepalives[B], 0);
	assert_int_equal(w->host[B].core->stats.count[IKE_STAT_KEEPALIVE] >= 10, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_changes),
		cmocka_unit_test(address_changes),
		cmocka_unit_test(address_told_by_esp),
		cmocka_unit_test(told_by_esp),
		cmocka_unit_test(replayed),
		cmocka_unit_test(answered_where_asked),
		cmocka_unit_test(redirected),
		cmocka_unit_test(no_nat),
		cmocka_unit_test(keepalive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
