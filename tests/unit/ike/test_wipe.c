/* SPDX-License-Identifier: BSD-2-Clause */
/* What OpenSSL's contexts keep of keys: it is in their memory while they are used, and nowhere after
 * ike_suite_wipe(). All that OpenSSL allocates is looked through. */
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ike/crypto.h"

struct block {
	struct block *next, **at;
	size_t len;
	_Alignas(16) uint8_t data[];
};

static struct block *blocks;
static uint8_t key[64];
static size_t key_len; /* of key, as it is looked for; 0: nothing is */
static size_t freed;   /* blocks that held it when they were given back */

static bool holds(const struct block *b)
{
	return key_len && memmem(b->data, b->len, key, key_len);
}

static void *do_malloc(size_t len, const char *file, int line)
{
	struct block *b = malloc(sizeof(*b) + len);

	(void)file, (void)line;
	if (!b)
		abort();
	/* what is there was somebody else's */
	memset(b->data, 0, len);
	b->len = len;
	b->next = blocks;
	b->at = &blocks;
	if (blocks)
		blocks->at = &b->next;
	blocks = b;
	return b->data;
}

static void do_free(void *p, const char *file, int line)
{
	struct block *b = p ? (struct block *)((uint8_t *)p - offsetof(struct block, data)) : NULL;

	(void)file, (void)line;
	if (!b)
		return;
	freed += holds(b);
	*b->at = b->next;
	if (b->next)
		b->next->at = b->at;
	free(b);
}

static void *do_realloc(void *p, size_t len, const char *file, int line)
{
	const struct block *old =
		p ? (struct block *)((uint8_t *)p - offsetof(struct block, data)) : NULL;
	void *new = do_malloc(len, file, line);

	if (old)
		memcpy(new, old->data, old->len < len ? old->len : len);
	do_free(p, file, line);
	return new;
}

static size_t held(void)
{
	size_t n = 0;

	for (const struct block *b = blocks; b; b = b->next)
		n += holds(b);
	return n;
}

/* The key is another one each time: no test finds what one before it has left. */
static void new_key(size_t len)
{
	static uint8_t n;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x9d * i + 0x31 * n + 5);
	n++;
	key_len = len;
	freed = 0;
}

static void assert_wiped(void)
{
	assert_true(held() > 0); /* or the test looks for the wrong thing */
	ike_suite_wipe();
	assert_int_equal(held(), 0);
	assert_int_equal(freed, 0);
}

static void test_prf(void **state)
{
	static const uint16_t ids[] = {
		IKE_PRF_HMAC_SHA2_256, IKE_PRF_HMAC_SHA2_384, IKE_PRF_HMAC_SHA2_512};
	struct ike_bytes data = {(const uint8_t *)"data", 4};
	uint8_t out[2 * IKE_PRF_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const struct ike_prf *prf = ike_prf_find(ids[i]);

		new_key(prf->len);
		assert_int_equal(ike_prf(prf, key, key_len, &data, 1, out), 0);
		assert_wiped();
		new_key(prf->len);
		assert_int_equal(
			ike_prf_plus(prf, key, key_len, &data, 1, out, 2u * prf->len), 0);
		assert_wiped();
	}
}

static void test_aead(void **state)
{
	static const struct {
		uint16_t id, bits;
	} ciphers[] = {{IKE_ENCR_AES_GCM_16, 128}, {IKE_ENCR_AES_GCM_16, 256},
		{IKE_ENCR_CHACHA20_POLY1305, 0}};
	static const uint8_t iv[IKE_IV_LEN_MAX];
	uint8_t text[20] = {0}, icv[IKE_ICV_LEN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		const struct ike_encr *encr = ike_encr_find(ciphers[i].id, ciphers[i].bits);
		struct ike_aead k = {.encr = encr, .key = key};

		new_key(encr->key_len);
		assert_int_equal(ike_aead_seal(&k, iv, "head", 4, text, sizeof(text), icv), 0);
		assert_int_equal(ike_aead_open(&k, iv, "head", 4, text, sizeof(text), icv), 0);
		assert_wiped();
	}
}

/* The next one begins with a context that knows nothing. */
static void test_again(void **state)
{
	const struct ike_prf *prf = ike_prf_find(IKE_PRF_HMAC_SHA2_256);
	struct ike_bytes data = {(const uint8_t *)"data", 4};
	uint8_t before[IKE_PRF_MAX], after[IKE_PRF_MAX];

	(void)state;
	new_key(prf->len);
	assert_int_equal(ike_prf(prf, key, key_len, &data, 1, before), 0);
	ike_suite_wipe();
	ike_suite_wipe();
	assert_int_equal(ike_prf(prf, key, key_len, &data, 1, after), 0);
	assert_memory_equal(before, after, prf->len);
	ike_suite_wipe();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prf),
		cmocka_unit_test(test_aead),
		cmocka_unit_test(test_again),
	};

	/* before OpenSSL allocates anything */
	if (!CRYPTO_set_mem_functions(do_malloc, do_realloc, do_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
