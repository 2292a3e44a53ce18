/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that no peer should send, at every place: before encryption, where only the sanitizers and
 * the end of the attempt say something, and after it, where the SA must come up as if nothing had
 * been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/sa.h"
#include "tests/unit/ike/test_sa_world.h"

/* Messages of an attempt, and a DELETE with its answer. */
#define MESSAGES 6

static struct world *run_with(enum fate (*tamper)(struct world *w, struct packet *p), void *arg)
{
	struct world *w = world_ed25519();
	struct ike_close c = {.handle = host_connect(&w->host[A])};

	w->tamper = tamper;
	w->tamper_arg = arg;
	world_run(w, SEC);
	host_send(&w->host[A], IKE_REQ_CLOSE, &c, sizeof(c));
	world_run(w, 90 * SEC);
	return w;
}

/* Nothing is left of either host's SAs. */
static void assert_clean(struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct ike_core *core = w->host[i].core;

		assert_int_equal(table_count(&core->by_spi), 0);
		assert_int_equal(table_count(&core->by_handle), 0);
		assert_int_equal(table_count(&core->by_init), 0);
		assert_int_equal(table_count(&core->children), 0);
		assert_int_equal(core->stats.half_open, 0);
	}
	assert_nothing(w);
	world_free(w);
}

static void assert_worked(struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(w->host[i].ups, 1);
		assert_int_equal(w->host[i].downs, 1);
	}
	assert_int_equal(w->host[A].fails, 0);
	/* a request with another SPI is another peer's, who never went on */
	assert_int_equal(w->host[B].fails, w->host[B].inbounds - 1);
	assert_clean(w);
}

/* ---- on the wire */

struct damage {
	unsigned int message; /* which one, by order */
	bool before;          /* the damaged copies come before the true one, else after */
	void (*make)(struct world *w, const struct packet *p);
	unsigned int made;
};

static enum fate damage(struct world *w, struct packet *p)
{
	struct damage *d = w->tamper_arg;
	struct packet copy = *p;

	if (p->number == d->message && !d->made++) {
		d->make(w, &copy);
		/* world_inject() has moved what follows; p is still the packet sent */
		if (d->before)
			p->due += MS;
	}
	return PASS;
}

static void inject(struct world *w, const struct packet *p, const uint8_t *data, size_t len)
{
	world_inject(w, p->to, &p->path, data, len);
	w->sent--;
	w->packets[w->n_packets - 1].due = p->due;
}

static void truncate_all(struct world *w, const struct packet *p)
{
	for (size_t len = 0; len < p->len; len++)
		inject(w, p, p->data, len);
}

/* The same with a header that tells the new length, so that the payloads are looked at. */
static void truncate_honestly(struct world *w, const struct packet *p)
{
	uint8_t *copy = malloc(p->len);

	memcpy(copy, p->data, p->len);
	for (size_t len = IKE_HEADER_LEN; len < p->len; len++) {
		copy[26] = (uint8_t)(len >> 8);
		copy[27] = (uint8_t)len;
		inject(w, p, copy, len);
	}
	free(copy);
}

static void extend(struct world *w, const struct packet *p)
{
	uint8_t *copy = calloc(1, p->len + 100);

	memcpy(copy, p->data, p->len);
	for (size_t len = p->len + 1; len < p->len + 100; len++) {
		inject(w, p, copy, len);
		copy[26] = (uint8_t)(len >> 8);
		copy[27] = (uint8_t)len;
		inject(w, p, copy, len);
	}
	free(copy);
}

static void flip_bytes(struct world *w, const struct packet *p)
{
	static const uint8_t masks[] = {0xff, 0x80, 0x01};
	uint8_t *copy = malloc(p->len);

	memcpy(copy, p->data, p->len);
	for (size_t i = 0; i < p->len; i++)
		for (size_t j = 0; j < sizeof(masks); j++) {
			copy[i] ^= masks[j];
			inject(w, p, copy, p->len);
			copy[i] ^= masks[j];
		}
	free(copy);
}

static void check_damage(
	void (*make)(struct world *w, const struct packet *p), bool before, unsigned int first)
{
	for (unsigned int i = first; i < MESSAGES; i++) {
		struct damage d = {.message = i, .before = before, .make = make};

		assert_worked(run_with(damage, &d));
		assert_int_equal(d.made, 1);
	}
}

static void truncated(void **state)
{
	(void)state;
	check_damage(truncate_all, true, 0);
	check_damage(truncate_honestly, true, 0);
	check_damage(truncate_honestly, false, 0);
}

static void extended(void **state)
{
	(void)state;
	check_damage(extend, true, 0);
	check_damage(extend, false, 0);
}

/* Who sees an IKE_SA_INIT message and overtakes it with a changed one can spoil the attempt, in
 * this protocol; who comes late cannot. What is encrypted cannot be spoilt at all. */
static void flipped(void **state)
{
	(void)state;
	check_damage(flip_bytes, false, 0);
	check_damage(flip_bytes, true, 2);
}

static void spoilt(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct damage d = {.message = i, .before = true, .make = flip_bytes};
		struct world *w = run_with(damage, &d);

		world_run(w, 60 * SEC);
		assert_clean(w);
	}
}

/* ---- inside SK */

struct inner {
	unsigned int message;
	size_t at; /* of the plain text */
	uint8_t mask;
	bool cut; /* else the byte is changed */
	bool done;
	size_t len; /* of the plain text, as found */
};

/* Seals the message anew with what stands in *in. */
static enum fate damage_inner(struct world *w, struct packet *p)
{
	struct inner *in = w->tamper_arg;
	struct ike_sa *sa;
	const struct ike_aead *key;
	struct ike_payloads outer;
	struct ike_bytes chain;
	struct ike_builder b;
	struct ike_header h;
	uint8_t plain[2048], out[2048], *data;

	if (p->number != in->message || in->done)
		return PASS;
	in->done = true;
	sa = world_sender(w, p);
	assert_non_null(sa);
	key = sa->initiator ? &sa->ei : &sa->er;
	assert_true(p->len <= sizeof(plain));
	memcpy(plain, p->data, p->len);
	assert_int_equal(ike_header_parse(plain, p->len, &h), IKE_PARSE_OK);
	assert_int_equal(ike_payloads_parse(h.next, plain + IKE_HEADER_LEN, p->len - IKE_HEADER_LEN,
				 false, &outer),
		IKE_PARSE_OK);
	assert_int_equal(ike_sk_open(key, plain, p->len, &outer.sk, &chain), 0);
	in->len = chain.len;
	data = plain + (chain.p - plain);
	if (!in->cut && in->at < chain.len)
		data[in->at] ^= in->mask;
	b = ike_build(out, sizeof(out), &h);
	ike_build_sk(&b, key->encr->iv_len);
	/* the type of the first payload inside stands in SK's header */
	wire_patch_u8(&b.w, b.sk_at, outer.sk_next);
	wire_put(&b.w, data, in->cut && in->at < chain.len ? in->at : chain.len);
	assert_int_equal(ike_sk_seal(&b, key, UINT64_C(1) << 60, &p->len), 0);
	free(p->data);
	p->data = malloc(p->len);
	memcpy(p->data, out, p->len);
	return PASS;
}

/* One world for each byte of the plain text of the message. */
static void check_inner(unsigned int message, bool cut, uint8_t mask)
{
	struct inner in = {.message = message, .cut = cut, .mask = mask, .len = 1};

	for (in.at = 0; in.at < in.len; in.at++) {
		struct world *w;

		in.done = false;
		w = run_with(damage_inner, &in);
		assert_true(in.done);
		world_run(w, 60 * SEC);
		/* a changed byte may be of no account, and then it worked */
		if (cut)
			assert_true(w->host[A].fails || w->host[A].downs);
		assert_int_equal(w->host[A].core->stats.established, 0);
		assert_int_equal(table_count(&w->host[A].core->by_handle), 0);
		world_run(w, 200 * SEC);
		world_free(w);
	}
	assert_true(in.len > 1);
}

static void truncated_inside(void **state)
{
	(void)state;
	check_inner(2, true, 0);
	check_inner(3, true, 0);
	check_inner(4, true, 0);
}

static void flipped_inside(void **state)
{
	(void)state;
	for (unsigned int i = 2; i <= 4; i++) {
		check_inner(i, false, 0xff);
		check_inner(i, false, 0x01);
	}
}

static void add_cut_delete(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b)
{
	(void)arg, (void)body;
	if (type == IKE_PL_NONE)
		ike_build_raw(b, IKE_PL_DELETE, "\x03", 1);
}

static enum fate spoil_probe_response(struct world *w, struct packet *p)
{
	if (p->number == 5)
		world_edit(w, p, add_cut_delete, NULL);
	return PASS;
}

/* The DELETE that follows is answered, and that is the end: nothing waits for the probe any more. */
static void probe_response_spoilt(void **state)
{
	struct world *w = world_ed25519();
	struct ike_probe probe = {.handle = host_connect(&w->host[A])};

	(void)state;
	w->tamper = spoil_probe_response;
	world_run(w, SEC);
	host_send(&w->host[A], IKE_REQ_PROBE, &probe, sizeof(probe));
	world_run(w, SEC);
	assert_int_equal(w->host[A].downs, 1);
	assert_int_equal(w->host[A].down.code, IKE_FAIL_PROTOCOL);
	assert_empty(w);
}

/* ---- out of nothing */

static void strangers(void **state)
{
	struct world *w = world_ed25519();
	struct ike_path path = {.pair.local = w->host[B].addr,
		.pair.remote = w->host[A].addr,
		.local_port = 500,
		.remote_port = 500};
	uint64_t seed = 1;
	uint8_t buf[256];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len;

		for (size_t j = 0; j < sizeof(buf); j++) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			buf[j] = (uint8_t)(seed >> 56);
		}
		len = buf[255];
		path.local_port = path.remote_port = buf[254] & 1 ? 500 : 4500;
		/* most get a header that holds */
		if (buf[253] & 3 && len >= IKE_HEADER_LEN) {
			buf[17] = 0x20;
			buf[18] = (uint8_t)(34 + buf[18] % 5);
			buf[24] = buf[25] = buf[26] = 0;
			buf[27] = (uint8_t)len;
		}
		ike_core_datagram(w->host[B].core, &path, buf, len, w->now);
	}
	world_run(w, 3 * SEC);
	assert_int_equal(table_count(&w->host[B].core->by_spi), 0);
	assert_int_equal(w->host[B].stats.count[IKE_STAT_RECEIVED], 20000);
	assert_int_equal(w->host[B].inbounds, 0);
	/* every one was put down to a cause */
	assert_true(w->host[B].stats.count[IKE_STAT_MARKER] > 5000);
	assert_true(w->host[B].stats.count[IKE_STAT_UNKNOWN_SPI] > 100);
	world_free(w);
}

static void stats_names(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < IKE_STAT_N; i++) {
		assert_non_null(ike_stats_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(ike_stats_name(i), ike_stats_name(j));
	}
	assert_null(ike_stats_name(IKE_STAT_N));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated),
		cmocka_unit_test(extended),
		cmocka_unit_test(flipped),
		cmocka_unit_test(spoilt),
		cmocka_unit_test(truncated_inside),
		cmocka_unit_test(flipped_inside),
		cmocka_unit_test(probe_response_spoilt),
		cmocka_unit_test(strangers),
		cmocka_unit_test(stats_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
