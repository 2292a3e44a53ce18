/* SPDX-License-Identifier: BSD-2-Clause */
/* IKE SAs whose messages go in fragments (RFC 7383): bad weather, narrow paths, hostile fragments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"
#include "tests/unit/ike/test_sa_world.h"

#define SMALL (576 - 28) /* an IKE message in an IPv4 datagram of 576 bytes */
#define SMALL_6 (576 - 48)

static uint8_t exchange_of(const struct packet *p)
{
	size_t marker = p->path.local_port == IKE_PORT_NATT ? 4 : 0;
	struct ike_header h;

	assert_int_equal(ike_header_parse(p->data + marker, p->len - marker, &h), IKE_PARSE_OK);
	return h.exchange;
}

/* Keys and names that make long messages: RSA both ways. */
static struct world *rsa_world(void)
{
	struct world *w = world_new();
	struct ike_config c = world_config();

	memset(c.id_fqdn, 'a', 200);
	memcpy(c.id_fqdn + 200, ".example", sizeof(".example"));
	for (int i = 0; i < HOSTS; i++)
		host_config(&w->host[i], &c);
	world_keys(w, KEY_RSA, KEY_RSA);
	return w;
}

static uint64_t count(const struct host *h, unsigned int stat)
{
	return h->core->stats.count[stat];
}

/* A path that takes no long datagram. */
static enum fate narrow(struct world *w, struct packet *p)
{
	(void)w;
	return p->len > SMALL && exchange_of(p) != IKE_EXCH_SA_INIT ? DROP : PASS;
}

/* What is short is never cut. */
static void not_needed(void **state)
{
	struct world *w = rsa_world();

	(void)state;
	world_try(w);
	assert_private(w, 1);
	assert_true(world_only_sa(&w->host[A])->fragments);
	assert_true(world_only_sa(&w->host[B])->fragments);
	assert_int_equal(w->sent, 4);
	assert_int_equal(w->host[A].notes[IKE_NOTE_FRAGMENTED], 0);
	world_free(w);
}

/* Neither the request nor the response gets through as one; both sides find out by themselves. */
static void narrow_path(void **state)
{
	struct world *w = rsa_world();
	struct host *a = &w->host[A], *b = &w->host[B];

	(void)state;
	w->tamper = narrow;
	host_connect(a);
	world_run_up(w, 10 * SEC);
	assert_int_equal(a->ups, 1);
	assert_int_equal(b->ups, 1);
	assert_private(w, 1);
	assert_int_equal(a->notes[IKE_NOTE_FRAGMENTED], 1);
	assert_int_equal(b->notes[IKE_NOTE_REASSEMBLED], 1);
	assert_true(b->note_args[IKE_NOTE_REASSEMBLED] >= 2);
	/* the response was cut at once, as the request was */
	assert_int_equal(b->notes[IKE_NOTE_FRAGMENTED], 1);
	assert_int_equal(a->notes[IKE_NOTE_REASSEMBLED], 1);
	assert_int_equal(a->core->parts_bytes + b->core->parts_bytes, 0);
	/* three tries at 500, 1000, 2000 ms, with jitter, then it passes */
	assert_true(a->up.took_ms < 5000);
	world_free(w);
}

static enum fate narrow_from_b(struct world *w, struct packet *p)
{
	return p->to == A ? narrow(w, p) : PASS;
}

/* Only the response is too long: repetitions of the request tell the responder. */
static void narrow_back(void **state)
{
	struct world *w = rsa_world();
	struct host *a = &w->host[A], *b = &w->host[B];
	struct ike_config c = world_config();

	(void)state;
	host_config(a, &c);
	world_keys(w, KEY_ED25519, KEY_RSA);
	w->tamper = narrow_from_b;
	world_try(w);
	assert_int_equal(a->ups, 1);
	assert_private(w, 1);
	assert_int_equal(a->notes[IKE_NOTE_FRAGMENTED], 0);
	assert_int_equal(b->notes[IKE_NOTE_FRAGMENTED], 1);
	assert_int_equal(a->notes[IKE_NOTE_REASSEMBLED], 1);
	world_free(w);
}

/* All that is long goes in fragments from the first try. */
static enum fate (*then)(struct world *w, struct packet *p);

static enum fate start_small(struct world *w, struct packet *p)
{
	struct ike_sa *sa;

	for (int i = 0; i < HOSTS; i++)
		for (size_t at = 0; (sa = table_next(&w->host[i].core->by_spi, &at));)
			sa->frag_size = 1;
	return then ? then(w, p) : PASS;
}

static struct world *small_world(enum fate (*tamper)(struct world *w, struct packet *p))
{
	struct world *w = rsa_world();

	then = tamper;
	w->tamper = start_small;
	return w;
}

static enum fate fate_nth;

static enum fate nth(struct world *w, struct packet *p)
{
	assert_true(exchange_of(p) == IKE_EXCH_SA_INIT || p->len <= SMALL);
	return w->tamper_n-- == 0 ? fate_nth : PASS;
}

static void each_fragment(void **state)
{
	(void)state;
	for (int fate = PASS; fate <= LATE; fate++)
		for (unsigned int n = 0; n < 12; n++) {
			struct world *w = small_world(nth);

			fate_nth = (enum fate)fate;
			w->tamper_n = n;
			world_try(w);
			assert_int_equal(w->host[A].ups, 1);
			assert_int_equal(w->host[B].ups, 1);
			assert_private(w, 1);
			if (fate == PASS)
				assert_true(w->sent >= 2 + 2 * 2);
			assert_int_equal(w->host[A].core->parts_bytes, 0);
			world_run(w, 60 * SEC);
			assert_int_equal(w->host[B].core->parts_bytes, 0);
			world_free(w);
		}
}

static enum fate weather(struct world *w, struct packet *p)
{
	uint64_t *seed = w->tamper_arg;
	unsigned int dice;

	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	dice = (unsigned int)(*seed >> 33) % 100;
	p->due += (dice % 7) * MS;
	return dice < 15 ? DROP : dice < 30 ? TWICE : PASS;
}

static void bad_weather(void **state)
{
	unsigned int ups = 0;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		struct world *w = small_world(weather);
		uint64_t seed = i * 104729;

		w->tamper_arg = &seed;
		world_try(w);
		if (w->host[A].ups)
			assert_private(w, 1);
		ups += w->host[A].ups;
		world_run(w, 60 * SEC);
		assert_int_equal(w->host[A].core->parts_bytes + w->host[B].core->parts_bytes, 0);
		world_free(w);
	}
	assert_true(ups > 75);
}

/* ---- a responder's SA that waits for IKE_AUTH, and fragments of our making */

struct piece {
	uint16_t number, total;
	uint8_t next;
	size_t len;
	bool forged;
};

static enum fate no_auth(struct world *w, struct packet *p)
{
	(void)w;
	return exchange_of(p) == IKE_EXCH_AUTH ? DROP : PASS;
}

/* Both are past IKE_SA_INIT, and A's IKE_AUTH is lost. */
static struct world *waiting_world(void)
{
	struct world *w = small_world(no_auth);

	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	assert_int_equal(world_only_sa(&w->host[B])->state, SA_R_INIT);
	return w;
}

static void put_piece(struct world *w, const struct piece *piece, uint32_t msgid)
{
	struct ike_sa *a = world_only_sa(&w->host[A]);
	struct ike_path path = {.pair = {.local = w->host[B].addr, .remote = w->host[A].addr},
		.local_port = IKE_PORT,
		.remote_port = IKE_PORT};
	struct ike_header h = {.spi_i = a->spi_i,
		.spi_r = a->spi_r,
		.exchange = IKE_EXCH_AUTH,
		.flags = IKE_FLAG_INITIATOR,
		.msgid = msgid};
	static uint8_t buf[IKE_DATAGRAM_MAX], text[IKE_DATAGRAM_MAX];
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);
	static uint64_t iv = UINT64_C(1) << 61;
	size_t len;

	ike_build_skf(&b, piece->next, piece->number, piece->total, a->ei.encr->iv_len);
	wire_put(&b.w, text, piece->len);
	assert_int_equal(ike_sk_seal(&b, &a->ei, iv++, &len), 0);
	buf[len - 1] ^= piece->forged;
	world_inject(w, B, &path, buf, len);
	world_run(w, 1);
}

static const struct ike_parts *parts(struct world *w)
{
	(void)w;
	return world_only_sa(&w->host[B])->parts[0];
}

static void impossible(void **state)
{
	static const struct piece bad[] = {
		{.number = 0, .total = 3},
		{.number = 1, .total = 0},
		{.number = 0, .total = 0},
		{.number = 4, .total = 3},
		{.number = 65535, .total = 3},
		{.number = 1, .total = 65, .next = IKE_PL_IDI},
		{.number = 1, .total = 65535, .next = IKE_PL_IDI},
		{.number = 2, .total = 3, .next = IKE_PL_IDI},
	};
	struct world *w = waiting_world();
	struct host *b = &w->host[B];
	struct piece forged = {.number = 1, .total = 3, .next = IKE_PL_IDI, .forged = true};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_piece(w, &bad[i], 1);
		assert_int_equal(count(b, IKE_PARSE_FRAGMENT), i + 1);
	}
	put_piece(w, &forged, 1);
	assert_int_equal(count(b, IKE_PARSE_DECRYPT), 1);
	put_piece(w, &(struct piece){.number = 1, .total = 2}, 2);
	assert_int_equal(count(b, IKE_STAT_MESSAGE_ID), 1);
	assert_null(parts(w));
	assert_int_equal(b->core->parts_bytes, 0);
	/* and nothing of it hurt */
	then = NULL;
	world_run(w, 60 * SEC);
	assert_private(w, 1);
	world_free(w);
}

/* A larger total begins anew, a smaller one is late; what is there is not taken twice. */
static void totals(void **state)
{
	struct world *w = waiting_world();
	struct host *b = &w->host[B];
	size_t once;

	(void)state;
	put_piece(w, &(struct piece){.number = 2, .total = 3, .len = 100}, 1);
	once = b->core->parts_bytes;
	assert_true(once >= 100);
	put_piece(w, &(struct piece){.number = 2, .total = 3, .len = 100}, 1);
	assert_int_equal(b->core->parts_bytes, once);
	assert_int_equal(count(b, IKE_STAT_REPEATED), 1);
	put_piece(w, &(struct piece){.number = 1, .total = 2, .len = 100}, 1);
	assert_int_equal(b->core->parts_bytes, once);
	assert_int_equal(count(b, IKE_PARSE_FRAGMENT), 1);
	/* an unauthentic larger one changes nothing */
	put_piece(w, &(struct piece){.number = 1, .total = 9, .len = 100, .forged = true}, 1);
	assert_int_equal(b->core->parts_bytes, once);
	put_piece(w, &(struct piece){.number = 1, .total = 9, .len = 10, .next = IKE_PL_IDI}, 1);
	assert_int_not_equal(b->core->parts_bytes, once);
	put_piece(w, &(struct piece){.number = 3, .total = 3, .len = 100}, 1);
	assert_int_equal(count(b, IKE_PARSE_FRAGMENT), 2);
	assert_empty(w);
}

/* The whole message in SK wins over its parts. */
static void whole(void **state)
{
	struct world *w = rsa_world();
	struct host *b = &w->host[B];

	(void)state;
	w->tamper = no_auth;
	host_connect(&w->host[A]);
	world_run(w, 100 * MS);
	put_piece(w, &(struct piece){.number = 2, .total = 3, .len = 100}, 1);
	assert_true(b->core->parts_bytes >= 100);
	w->tamper = NULL;
	world_run(w, SEC);
	assert_private(w, 1);
	assert_int_equal(b->core->parts_bytes, 0);
	world_free(w);
}

static void timeout(void **state)
{
	struct world *w = waiting_world();

	(void)state;
	put_piece(w, &(struct piece){.number = 1, .total = 3, .len = 100}, 1);
	assert_non_null(parts(w));
	assert_empty(w);
}

/* A message longer than we take is dropped whole, its count stays bounded. */
static void too_long(void **state)
{
	struct world *w = waiting_world();
	struct host *b = &w->host[B];
	size_t most = 0;

	(void)state;
	for (uint16_t i = 1; i <= 64; i++) {
		put_piece(w, &(struct piece){.number = i, .total = 64, .len = 1000}, 1);
		if (b->core->parts_bytes > most)
			most = b->core->parts_bytes;
	}
	assert_true(most <= AUTH_MESSAGE_MAX);
	assert_true(count(b, IKE_STAT_FRAGMENT_LIMIT) >= 3);
	/* one that is too long alone */
	put_piece(w, &(struct piece){.number = 1, .total = 64, .len = 20000}, 1);
	assert_null(parts(w));
	/* and the sum of all */
	b->core->parts_bytes = 16u << 20;
	put_piece(w, &(struct piece){.number = 1, .total = 2, .len = 1}, 1);
	assert_null(parts(w));
	b->core->parts_bytes -= 16u << 20;
	assert_int_equal(b->core->parts_bytes, 0);
	then = NULL;
	world_run(w, 20 * SEC);
	assert_private(w, 1);
	world_free(w);
}

/* All pieces there, but what they make is junk: the SA ends as with any malformed request. */
static void junk(void **state)
{
	struct world *w = waiting_world();
	struct host *b = &w->host[B];

	(void)state;
	put_piece(w, &(struct piece){.number = 2, .total = 2, .len = 100}, 1);
	put_piece(w, &(struct piece){.number = 1, .total = 2, .len = 50, .next = IKE_PL_IDI}, 1);
	assert_int_equal(b->fails, 1);
	assert_int_equal(b->failed.code, IKE_FAIL_PROTOCOL);
	assert_empty(w);
}

/* Who did not hear that we know fragments sends none. */
static void not_negotiated(void **state)
{
	struct world *w = waiting_world();

	(void)state;
	world_only_sa(&w->host[B])->fragments = false;
	put_piece(w, &(struct piece){.number = 1, .total = 2, .len = 100}, 1);
	assert_int_equal(count(&w->host[B], IKE_PARSE_UNEXPECTED), 1);
	assert_int_equal(w->host[B].core->parts_bytes, 0);
	world_free(w);
}

static uint8_t *kept[8];
static size_t kept_len[8];
static struct ike_path kept_path;
static unsigned int n_kept;

static enum fate keep_requests(struct world *w, struct packet *p)
{
	(void)w;
	if (p->to == B && exchange_of(p) == IKE_EXCH_AUTH && n_kept < 8) {
		kept[n_kept] = malloc(p->len);
		memcpy(kept[n_kept], p->data, p->len);
		kept_path = p->path;
		kept_len[n_kept++] = p->len;
	}
	return PASS;
}

/* Of an answered request only fragment 1 asks for the answer again, which comes whole (2.6.1). */
static void replay(void **state)
{
	struct world *w = small_world(keep_requests);
	unsigned int before, first;

	(void)state;
	n_kept = 0;
	world_try(w);
	assert_private(w, 1);
	assert_true(n_kept >= 2);
	before = w->sent;
	for (unsigned int i = 1; i < n_kept; i++)
		world_inject(w, B, &kept_path, kept[i], kept_len[i]);
	world_run(w, SEC);
	assert_int_equal(w->sent, before + n_kept - 1);
	before = w->sent;
	world_inject(w, B, &kept_path, kept[0], kept_len[0]);
	world_run(w, SEC);
	first = w->sent - before - 1;
	assert_int_equal(first, w->host[B].note_args[IKE_NOTE_FRAGMENTED]);
	/* a forged one gets nothing */
	before = w->sent;
	kept[0][kept_len[0] - 1] ^= 1;
	world_inject(w, B, &kept_path, kept[0], kept_len[0]);
	world_run(w, SEC);
	assert_int_equal(w->sent, before + 1);
	for (unsigned int i = 0; i < n_kept; i++)
		free(kept[i]);
	assert_private(w, 1);
	world_free(w);
}

static enum fate sizes_6(struct world *w, struct packet *p)
{
	(void)w;
	if (exchange_of(p) == IKE_EXCH_AUTH)
		assert_true(p->len <= SMALL_6);
	return PASS;
}

static void ipv6(void **state)
{
	struct world *w = small_world(sizes_6);

	(void)state;
	assert_int_equal(addr_parse("2001:2::1", &w->host[A].addr), 0);
	assert_int_equal(addr_parse("2001:2::2", &w->host[B].addr), 0);
	world_try(w);
	assert_private(w, 1);
	assert_int_equal(w->host[A].notes[IKE_NOTE_FRAGMENTED], 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_needed),
		cmocka_unit_test(narrow_path),
		cmocka_unit_test(narrow_back),
		cmocka_unit_test(each_fragment),
		cmocka_unit_test(bad_weather),
		cmocka_unit_test(impossible),
		cmocka_unit_test(totals),
		cmocka_unit_test(whole),
		cmocka_unit_test(timeout),
		cmocka_unit_test(too_long),
		cmocka_unit_test(junk),
		cmocka_unit_test(not_negotiated),
		cmocka_unit_test(replay),
		cmocka_unit_test(ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
