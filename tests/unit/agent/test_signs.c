/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent keeps for the signer: how long, and that nothing of a PPK's keys is left when it lets go.
 * The linker leads each free() of the room through here (--wrap). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "agent/agent.h"

#define OCTETS 96 /* SK_d, SK_pi and SK_pr of a prf of 32 bytes */

void __real_free(void *p);
void __wrap_free(void *p);

static struct {
	size_t n, n_freed, n_leaks;
	struct signer_sign asked;
	struct ike_signed told;
	uint8_t tail[OCTETS];
	size_t tail_len;
} seen;

/* 16 bytes of 0xa5 in a row are not there by chance. */
static bool has_secret(const uint8_t *p, size_t len)
{
	size_t run = 0;

	for (size_t i = 0; i < len && run < 16; i++)
		run = p[i] == 0xa5 ? run + 1 : 0;
	return run == 16;
}

void __wrap_free(void *p)
{
	if (p) {
		seen.n_freed++;
		seen.n_leaks += has_secret(p, malloc_usable_size(p));
	}
	__real_free(p);
}

/* In the place of agent.c's. */
void agent_send(struct agent *a, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	(void)a;
	seen.n++;
	if (to == OE_SIGNER) {
		assert_int_equal(type, SIGNER_REQ_SIGN);
		assert_int_equal(fixed_len, sizeof(seen.asked));
		memcpy(&seen.asked, fixed, fixed_len);
	} else {
		assert_int_equal(to, OE_IKE);
		assert_int_equal(type, IKE_REQ_SIGNED);
		assert_int_equal(fixed_len, sizeof(seen.told));
		memcpy(&seen.told, fixed, fixed_len);
	}
	assert_true(tail_len <= sizeof(seen.tail));
	if (tail_len)
		memcpy(seen.tail, tail, tail_len);
	seen.tail_len = tail_len;
}

static struct ike_pubkey key_of(uint8_t b)
{
	return (struct ike_pubkey){.len = 44, .spki = {b}};
}

/* An agent whose signer has the keys 1 and 2. */
static struct agent agent(void)
{
	struct agent a = {.keys = {key_of(1), key_of(2)}, .signer.count = 2};

	memset(&seen, 0, sizeof(seen));
	a.service[OE_SIGNER].ready = true;
	return a;
}

/* Asks for that; returns the id that the signer has of it. */
static uint32_t add(struct agent *a, uint32_t handle, enum ike_scheme scheme, uint8_t key)
{
	struct ike_sign request = {.handle = handle, .key = key, .scheme = (uint8_t)scheme};
	uint8_t octets[OCTETS];

	if (scheme == IKE_SIGN_PPK || scheme == IKE_SIGN_PSK)
		strcpy(request.secret, "name");
	memset(octets, 0xa5, sizeof(octets));
	signs_add(a, &request, octets, sizeof(octets));
	assert_int_equal(seen.asked.scheme, scheme);
	return seen.asked.id;
}

static void done(struct agent *a, uint32_t id)
{
	struct signer_done m = {.id = id};

	signs_done(a, &m, (const uint8_t *)"answer", 6);
}

static void test_answered(void **arg)
{
	struct agent a = agent();
	uint32_t id = add(&a, 7, IKE_SIGN_PPK, 0);

	(void)arg;
	done(&a, id + 1); /* nobody asked for that */
	assert_int_equal(seen.n, 1);
	done(&a, id);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.told.handle, 7);
	assert_int_equal(seen.told.error, 0);
	assert_memory_equal(seen.tail, "answer", 6);
	done(&a, id); /* a second time */
	assert_int_equal(seen.n, 2);
	assert_true(seen.n_freed > 0);
	assert_int_equal(seen.n_leaks, 0);
}

static void test_forgotten(void **arg)
{
	struct agent a = agent();

	(void)arg;
	add(&a, 7, IKE_SIGN_PPK, 0);
	add(&a, 8, IKE_SIGN_PPK, 0);
	signs_forget(&a);
	assert_null(a.signs);
	assert_true(seen.n_freed >= 2);
	assert_int_equal(seen.n_leaks, 0);
}

/* A new signer: what is asked for by a secret's name is asked for again, whatever keys there are. */
static void test_secret_outlives_reload(void **arg)
{
	static const enum ike_scheme schemes[] = {IKE_SIGN_PPK, IKE_SIGN_PSK};
	const struct ike_pubkey other = key_of(3);

	(void)arg;
	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 0; n < 2; n++) {
			struct agent a = agent();
			uint32_t id = add(&a, 7, schemes[i], 0);

			a.service[OE_SIGNER].ready = false;
			signs_find_keys(&a, &other, n);
			assert_int_equal(seen.n, 1);
			memset(&seen.asked, 0, sizeof(seen.asked));
			signs_ask(&a);
			assert_int_equal(seen.n, 2);
			assert_int_equal(seen.asked.id, id);
			assert_int_equal(seen.asked.scheme, schemes[i]);
			assert_string_equal(seen.asked.secret, "name");
			assert_int_equal(seen.tail_len, OCTETS);
			assert_true(has_secret(seen.tail, OCTETS));
			done(&a, id);
			assert_int_equal(seen.told.handle, 7);
			assert_int_equal(seen.told.error, 0);
			assert_int_equal(seen.n_leaks, 0);
		}
	}
}

/* A key is asked for by its place, which a new signer may have changed; or it is gone. */
static void test_key_in_reload(void **arg)
{
	const struct ike_pubkey now[] = {key_of(3), key_of(1)};
	struct agent a = agent();
	uint32_t first = add(&a, 7, IKE_SIGN_EDDSA, 0);

	(void)arg;
	add(&a, 8, IKE_SIGN_EDDSA, 1);
	signs_find_keys(&a, now, 2);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.told.handle, 8);
	assert_int_equal(seen.told.error, -ENOENT);
	assert_int_equal(seen.n_leaks, 0);
	signs_ask(&a);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.asked.id, first);
	assert_int_equal(seen.asked.key, 1);
	done(&a, first);
	assert_null(a.signs);
}

/* A signer that is away is asked when it comes. */
static void test_signer_away(void **arg)
{
	struct ike_sign request = {.handle = 7, .scheme = IKE_SIGN_EDDSA};
	struct agent a = agent();

	(void)arg;
	a.service[OE_SIGNER].ready = false;
	signs_add(&a, &request, NULL, 0);
	assert_int_equal(seen.n, 0);
	signs_ask(&a);
	assert_int_equal(seen.n, 1);
	done(&a, seen.asked.id);
	assert_null(a.signs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_secret_outlives_reload),
		cmocka_unit_test(test_key_in_reload),
		cmocka_unit_test(test_signer_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
