/* SPDX-License-Identifier: BSD-2-Clause */
/* What has come of the two hosts of test_sa_world.c. */
#include "tests/unit/ike/test_sa_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "ike/exchange.h"

const struct kernel_sa *host_newest_out(const struct host *h)
{
	const struct kernel_sa *out = NULL;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (h->kernel[i].used && !h->kernel[i].inbound &&
			(!out || h->kernel[i].number > out->number))
			out = &h->kernel[i];
	return out;
}

size_t host_sas(const struct host *h, bool inbound)
{
	size_t n = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		n += h->kernel[i].used && h->kernel[i].inbound == inbound;
	return n;
}

static const struct kernel_sa *find_inbound(const struct host *h, uint32_t spi)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (h->kernel[i].used && h->kernel[i].inbound && h->kernel[i].child.spi_in == spi)
			return &h->kernel[i];
	return NULL;
}

/* The salt, or the HMAC's key. */
static size_t behind_key(const struct kernel_sa *sa)
{
	const struct ike_integ *integ = ike_integ_find(sa->child.integ);

	return integ ? integ->key_len : 4;
}

void assert_private(struct world *w, size_t pairs)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct host *h = &w->host[i], *other = &w->host[!i];

		assert_int_equal(host_sas(h, true), pairs);
		assert_int_equal(host_sas(h, false), pairs);
		for (size_t j = 0; j < CHILDREN_MAX; j++) {
			const struct kernel_sa *out = &h->kernel[j], *in;

			if (!out->used || out->inbound)
				continue;
			in = find_inbound(other, out->child.spi_out);
			assert_non_null(in);
			assert_int_equal(in->child.cipher, out->child.cipher);
			assert_int_equal(in->child.key_bits, out->child.key_bits);
			assert_int_equal(in->child.esn, out->child.esn);
			assert_int_equal(in->key_len, out->key_len);
			assert_int_equal(in->child.integ, out->child.integ);
			assert_int_equal(in->key_len, out->child.key_bits / 8 + behind_key(out));
			assert_memory_equal(in->key, out->key, in->key_len);
			/* and our own inbound half has another key */
			in = find_inbound(h, out->child.spi_in);
			assert_non_null(in);
			assert_memory_not_equal(in->key, out->key, in->key_len);
		}
	}
}

void assert_nothing(struct world *w)
{
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(host_sas(&w->host[i], true), 0);
		assert_int_equal(host_sas(&w->host[i], false), 0);
	}
}

void assert_failed(const struct host *h, enum ike_failure code, uint16_t notify)
{
	assert_int_equal(h->ups, 0);
	assert_int_equal(h->fails, 1);
	assert_int_equal(h->failed.code, code);
	assert_int_equal(h->failed.notify, notify);
	assert_true(h->failed.why[0] != '\0');
}

/* No SA, half or whole, and no timer is left. */
void assert_empty(struct world *w)
{
	world_run(w, 300 * SEC);
	assert_nothing(w);
	for (int i = 0; i < HOSTS; i++) {
		const struct ike_core *core = w->host[i].core;

		assert_true(core_is_empty(core));
		assert_int_equal(core->stats.half_open, 0);
		assert_int_equal(core->stats.established, 0);
	}
	world_free(w);
}

/* Connects and lets all happen that will. */
void world_try(struct world *w)
{
	host_connect(&w->host[A]);
	world_run(w, 60 * SEC);
}
