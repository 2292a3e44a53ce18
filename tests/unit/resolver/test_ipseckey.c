/* SPDX-License-Identifier: BSD-2-Clause */
/* IPSECKEY rdata to SPKI: every algorithm and gateway type, and everything that can be wrong. What
 * comes out is compared with what OpenSSL makes of the same key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "resolver/ipseckey.h"

struct rdata {
	uint8_t data[1200];
	size_t len;
};

static const struct addr none;

/* A key, its SPKI and its IPSECKEY public key field. */
struct sample {
	const char *name;
	uint8_t algorithm;
	uint16_t bits;
	uint8_t spki[DNS_SPKI_MAX];
	size_t spki_len;
	uint8_t raw[600];
	size_t raw_len;
};

enum { RSA2048, RSA3072, RSA4096, P256, P384, ED25519, ED448, N_SAMPLES };

static struct sample samples[N_SAMPLES] = {
	[RSA2048] = {.name = "RSA", .algorithm = 2, .bits = 2048},
	[RSA3072] = {.name = "RSA", .algorithm = 2, .bits = 3072},
	[RSA4096] = {.name = "RSA", .algorithm = 2, .bits = 4096},
	[P256] = {.name = "P-256", .algorithm = 3, .bits = 256, .raw_len = 64},
	[P384] = {.name = "P-384", .algorithm = 3, .bits = 384, .raw_len = 96},
	[ED25519] = {.name = "ED25519", .algorithm = 4, .bits = 256, .raw_len = 32},
	[ED448] = {.name = "ED448", .algorithm = 4, .bits = 448, .raw_len = 57},
};

static int make_samples(void **state)
{
	(void)state;
	for (int i = 0; i < N_SAMPLES; i++) {
		struct sample *s = &samples[i];
		EVP_PKEY *key = s->algorithm == 2 ? EVP_RSA_gen(s->bits) :
			s->algorithm == 3	  ? EVP_EC_gen(s->name) :
						    EVP_PKEY_Q_keygen(NULL, NULL, s->name);
		unsigned char *p = s->spki;

		assert_non_null(key);
		s->spki_len = (size_t)i2d_PUBKEY(key, &p);
		if (s->algorithm == 2) {
			BIGNUM *n = NULL;

			EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
			memcpy(s->raw, "\3\1\0\1", 4);
			s->raw_len = 4 + (size_t)BN_bn2bin(n, s->raw + 4);
			BN_free(n);
		} else {
			memcpy(s->raw, s->spki + s->spki_len - s->raw_len, s->raw_len);
		}
		EVP_PKEY_free(key);
	}
	return 0;
}

static struct rdata rdata(uint8_t precedence, uint8_t gateway_type, uint8_t algorithm,
	const void *gateway, size_t gateway_len, const void *key, size_t key_len)
{
	struct rdata r = {.data = {precedence, gateway_type, algorithm}};

	memcpy(r.data + 3, gateway, gateway_len);
	memcpy(r.data + 3 + gateway_len, key, key_len);
	r.len = 3 + gateway_len + key_len;
	return r;
}

/* Reads from a block of exactly that size, so that the sanitizer sees a byte too many. */
static enum dns_key_fault read_rdata(const struct rdata *r, const struct addr *looked_up,
	struct dns_key *ret)
{
	uint8_t *exact = malloc(r->len ? r->len : 1);
	enum dns_key_fault fault;

	memcpy(exact, r->data, r->len);
	memset(ret, 0xa5, sizeof(*ret));
	fault = ipseckey_read(exact, r->len, looked_up, ret);
	free(exact);
	assert_int_equal(ret->fault, fault);
	if (fault != DNS_KEY_OK) {
		assert_int_equal(ret->spki_len, 0);
		assert_int_equal(ret->bits, 0);
		for (size_t i = 0; i < sizeof(ret->spki); i++)
			assert_int_equal(ret->spki[i], 0);
	}
	return fault;
}

static enum dns_key_fault fault_of(uint8_t algorithm, const void *key, size_t key_len)
{
	struct rdata r = rdata(10, 0, algorithm, "", 0, key, key_len);
	struct dns_key out;

	return read_rdata(&r, &none, &out);
}

static void assert_sample(const struct dns_key *key, const struct sample *s)
{
	const unsigned char *p = key->spki;
	EVP_PKEY *parsed = d2i_PUBKEY(NULL, &p, key->spki_len);

	assert_int_equal(key->algorithm, s->algorithm);
	assert_int_equal(key->bits, s->bits);
	assert_int_equal(key->spki_len, s->spki_len);
	assert_memory_equal(key->spki, s->spki, s->spki_len);
	assert_non_null(parsed);
	EVP_PKEY_free(parsed);
}

static void every_algorithm_and_gateway(void **state)
{
	static const uint8_t v4[] = {192, 0, 2, 1};
	static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	static const uint8_t name[] = "\2gw\7example";
	struct addr a4 = addr_from_v4(v4), a6 = addr_from_v6(v6);
	struct addr other4 = addr_from_v4("\300\0\2\2");
	struct dns_key out;

	(void)state;
	for (int i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];
		struct rdata r = rdata(7, 0, s->algorithm, "", 0, s->raw, s->raw_len);

		assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_OK);
		assert_sample(&out, s);
		assert_int_equal(out.precedence, 7);
		assert_int_equal(out.gateway_type, 0);
		r = rdata(255, 1, s->algorithm, v4, 4, s->raw, s->raw_len);
		assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_OK);
		assert_sample(&out, s);
		assert_int_equal(out.precedence, 255);
		assert_int_equal(out.gateway_type, 1);
		assert_int_equal(read_rdata(&r, &other4, &out), DNS_KEY_GATEWAY_OTHER);
		assert_int_equal(read_rdata(&r, &a6, &out), DNS_KEY_GATEWAY_OTHER);
		assert_int_equal(read_rdata(&r, &none, &out), DNS_KEY_GATEWAY_OTHER);
		r = rdata(0, 2, s->algorithm, v6, 16, s->raw, s->raw_len);
		assert_int_equal(read_rdata(&r, &a6, &out), DNS_KEY_OK);
		assert_sample(&out, s);
		assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_GATEWAY_OTHER);
		r = rdata(0, 3, s->algorithm, name, sizeof(name), s->raw, s->raw_len);
		assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_GATEWAY_OTHER);
	}
}

/* ::ffff:192.0.2.1 is not 192.0.2.1 here, and no address is not "the one looked up". */
static void gateway_edges(void **state)
{
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t any[4] = {0};
	struct addr a4 = addr_from_v4("\300\0\2\1");
	const struct sample *s = &samples[ED25519];
	struct dns_key out;
	struct rdata r;

	(void)state;
	r = rdata(0, 2, 4, mapped, 16, s->raw, s->raw_len);
	assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_GATEWAY_OTHER);
	r = rdata(0, 1, 4, any, 4, s->raw, s->raw_len);
	assert_int_equal(read_rdata(&r, &none, &out), DNS_KEY_GATEWAY_OTHER);
	for (unsigned int type = 4; type < 256; type++) {
		r = rdata(0, (uint8_t)type, 4, any, 4, s->raw, s->raw_len);
		assert_int_equal(read_rdata(&r, &none, &out), DNS_KEY_GATEWAY_TYPE);
		assert_int_equal(out.gateway_type, type);
	}
}

static void gateway_names(void **state)
{
	uint8_t longest[300];
	struct ipseckey k;

	(void)state;
	/* the root */
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\0K", 5, &k), DNS_KEY_OK);
	assert_int_equal(k.key_len, 1);
	assert_int_equal(*k.key, 'K');
	/* compressed, and the two kinds that never came to be */
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\300\0KEY", 8, &k),
		DNS_KEY_GATEWAY_NAME);
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\2gw\300\0KEY", 11, &k),
		DNS_KEY_GATEWAY_NAME);
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\100\0KEY", 8, &k),
		DNS_KEY_GATEWAY_NAME);
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\200\0KEY", 8, &k),
		DNS_KEY_GATEWAY_NAME);
	/* without its end */
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\2gw", 6, &k), DNS_KEY_SHORT);
	assert_int_equal(ipseckey_parse((const uint8_t *)"\1\3\4\3gw", 6, &k), DNS_KEY_SHORT);
	/* 255 octets are allowed, 256 are not */
	memset(longest, 0, sizeof(longest));
	longest[1] = 3;
	for (size_t i = 0; i < 4; i++)
		longest[3 + 64 * i] = i < 3 ? 63 : 61;
	assert_int_equal(ipseckey_parse(longest, 3 + 255, &k), DNS_KEY_OK);
	assert_int_equal(k.key_len, 0);
	longest[3 + 192] = 62;
	assert_int_equal(ipseckey_parse(longest, sizeof(longest), &k), DNS_KEY_GATEWAY_NAME);
}

static void truncated_anywhere(void **state)
{
	static const uint8_t v4[] = {192, 0, 2, 1};
	struct addr a4 = addr_from_v4(v4);
	struct dns_key out;

	(void)state;
	for (int i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];
		struct rdata r = rdata(7, 1, s->algorithm, v4, 4, s->raw, s->raw_len);

		for (r.len = 0; r.len < 7 + s->raw_len; r.len++) {
			enum dns_key_fault fault = read_rdata(&r, &a4, &out);

			if (r.len < 7)
				assert_int_equal(fault, DNS_KEY_SHORT);
			else if (s->algorithm == 2)
				/* cut in the modulus, which may end odd by chance: a shorter one */
				assert_true(fault == DNS_KEY_LENGTH || fault == DNS_KEY_VALUE ||
					out.bits < s->bits);
			else if (i == P384 && r.len == 7 + 64)
				/* as long as a point of P-256, but none */
				assert_int_equal(fault, DNS_KEY_VALUE);
			else if (i == ED448 && r.len == 7 + 32)
				assert_int_equal(out.bits, 256);
			else
				assert_int_equal(fault, DNS_KEY_LENGTH);
		}
		/* and too long */
		r = rdata(7, 1, s->algorithm, v4, 4, s->raw, s->raw_len);
		r.len++;
		if (s->algorithm != 2)
			assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_LENGTH);
		else
			assert_int_equal(read_rdata(&r, &a4, &out), DNS_KEY_VALUE);
	}
	/* NULL and nothing */
	assert_int_equal(ipseckey_read(NULL, 0, &a4, &out), DNS_KEY_SHORT);
}

static void no_key_and_unknown(void **state)
{
	(void)state;
	assert_int_equal(fault_of(0, "", 0), DNS_KEY_NO_KEY);
	assert_int_equal(fault_of(0, "x", 1), DNS_KEY_NO_KEY);
	for (unsigned int a = 0; a < 256; a++) {
		enum dns_key_fault want = a == 0 ? DNS_KEY_NO_KEY :
			a >= 2 && a <= 4	 ? DNS_KEY_LENGTH :
						   DNS_KEY_ALGORITHM;

		assert_int_equal(fault_of((uint8_t)a, "", 0), want);
		if (a == 1 || a > 4)
			assert_int_equal(fault_of((uint8_t)a, samples[ED25519].raw, 32),
				samples[ED25519].raw[0] == 0x30 && a == 5 ? DNS_KEY_LENGTH :
									     DNS_KEY_ALGORITHM);
	}
}

static void off_the_curve(void **state)
{
	uint8_t point[96];

	(void)state;
	for (int i = P256; i <= P384; i++) {
		const struct sample *s = &samples[i];

		for (size_t bit = 0; bit < 8 * s->raw_len; bit += 37) {
			memcpy(point, s->raw, s->raw_len);
			point[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(fault_of(3, point, s->raw_len), DNS_KEY_VALUE);
		}
		memset(point, 0, sizeof(point));
		assert_int_equal(fault_of(3, point, s->raw_len), DNS_KEY_VALUE);
		memset(point, 0xff, sizeof(point));
		assert_int_equal(fault_of(3, point, s->raw_len), DNS_KEY_VALUE);
	}
	/* with the leading 4, P-521, P-192 */
	assert_int_equal(fault_of(3, point, 65), DNS_KEY_LENGTH);
	assert_int_equal(fault_of(3, samples[RSA2048].raw, 132), DNS_KEY_LENGTH);
	assert_int_equal(fault_of(3, point, 48), DNS_KEY_LENGTH);
}

/* RSA keys by hand: exponent and modulus of n_len bytes, of the sample's. */
static enum dns_key_fault rsa_fault(const void *exponent, size_t e_len, size_t n_len,
	uint8_t first, uint8_t last)
{
	uint8_t key[1100];
	size_t at = 1;

	key[0] = (uint8_t)e_len;
	memcpy(key + at, exponent, e_len);
	at += e_len;
	memset(key + at, 0x5a, n_len);
	if (n_len) {
		key[at + n_len - 1] = last;
		key[at] = first;
	}
	return fault_of(2, key, at + n_len);
}

static void rsa_limits(void **state)
{
	uint8_t key[1100] = {0};

	(void)state;
	assert_int_equal(rsa_fault("\3", 1, 256, 0x80, 1), DNS_KEY_OK);
	assert_int_equal(rsa_fault("\3", 1, 512, 0xff, 1), DNS_KEY_OK);
	/* up to 64 bits of exponent */
	assert_int_equal(rsa_fault("\x80\0\0\0\0\0\0\1", 8, 256, 0x80, 1), DNS_KEY_OK);
	assert_int_equal(rsa_fault("\1\0\0\0\0\0\0\0\1", 9, 256, 0x80, 1), DNS_KEY_VALUE);
	assert_int_equal(rsa_fault("\1", 1, 256, 0x80, 1), DNS_KEY_VALUE);
	assert_int_equal(rsa_fault("\2", 1, 256, 0x80, 1), DNS_KEY_VALUE);
	/* leading zeros are forbidden */
	assert_int_equal(rsa_fault("\0\3", 2, 256, 0x80, 1), DNS_KEY_VALUE);
	assert_int_equal(rsa_fault("\3", 1, 257, 0, 1), DNS_KEY_VALUE);
	/* even */
	assert_int_equal(rsa_fault("\3", 1, 256, 0x80, 2), DNS_KEY_VALUE);
	/* 2047 and 4097 bits */
	assert_int_equal(rsa_fault("\3", 1, 256, 0x7f, 1), DNS_KEY_LENGTH);
	assert_int_equal(rsa_fault("\3", 1, 513, 1, 1), DNS_KEY_LENGTH);
	assert_int_equal(rsa_fault("\3", 1, 1000, 0x80, 1), DNS_KEY_LENGTH);
	assert_int_equal(rsa_fault("\3", 1, 128, 0x80, 1), DNS_KEY_LENGTH);
	assert_int_equal(rsa_fault("\3", 1, 0, 0, 0), DNS_KEY_LENGTH);
	assert_int_equal(rsa_fault("", 0, 0, 0, 0), DNS_KEY_LENGTH);
	/* the long form: 256 octets of exponent, and lies about it */
	key[1] = 1;
	memset(key + 3, 0x55, 512);
	assert_int_equal(fault_of(2, key, 3 + 512), DNS_KEY_VALUE);
	assert_int_equal(fault_of(2, key, 3 + 256), DNS_KEY_LENGTH);
	key[1] = 0xff;
	assert_int_equal(fault_of(2, key, 3 + 512), DNS_KEY_LENGTH);
	assert_int_equal(fault_of(2, key, 2), DNS_KEY_LENGTH);
	/* the exponent takes all */
	memset(key, 0xff, sizeof(key));
	assert_int_equal(fault_of(2, key, 200), DNS_KEY_LENGTH);
}

static void spki(void **state)
{
	uint8_t der[DNS_SPKI_MAX + 1];

	(void)state;
	for (int i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];

		for (uint8_t algorithm = 4; algorithm <= 5; algorithm++) {
			struct rdata r = rdata(9, 0, algorithm, "", 0, s->spki, s->spki_len);
			struct dns_key out;

			assert_int_equal(read_rdata(&r, &none, &out), DNS_KEY_OK);
			assert_sample(&out, s);
			/* cut, or with something behind */
			for (size_t len = 0; len < s->spki_len; len++)
				if (len != 32 && len != 57)
					assert_int_not_equal(fault_of(algorithm, s->spki, len),
						DNS_KEY_OK);
			memcpy(der, s->spki, s->spki_len);
			der[s->spki_len] = 0;
			assert_int_not_equal(fault_of(algorithm, der, s->spki_len + 1), DNS_KEY_OK);
			/* any other byte before the key: another encoding or another thing. (With
			 * the zero before an RSA modulus it would be a modulus of one bit more.) */
			size_t key_len = s->algorithm == 2 ? s->bits / 8 + 6u : s->raw_len;

			for (size_t at = 0; at < s->spki_len - key_len; at++) {
				memcpy(der, s->spki, s->spki_len);
				der[at] ^= 0x01;
				assert_int_not_equal(fault_of(algorithm, der, s->spki_len),
					DNS_KEY_OK);
			}
		}
		/* not behind the algorithms that have a form of their own */
		assert_int_not_equal(fault_of(2, s->spki, s->spki_len), DNS_KEY_OK);
		assert_int_not_equal(fault_of(3, s->spki, s->spki_len), DNS_KEY_OK);
	}
}

/* A raw EdDSA key that begins like an SPKI is a raw key. */
static void raw_like_spki(void **state)
{
	static const size_t lens[] = {32, 57};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rdata r = {.data = {1, 0, 4, 0x30, 0x2a}, .len = 3 + lens[i]};
		struct dns_key out;

		assert_int_equal(read_rdata(&r, &none, &out), DNS_KEY_OK);
		assert_memory_equal(out.spki + out.spki_len - lens[i], r.data + 3, lens[i]);
	}
}

/* Nothing that can be thrown at it makes a key that OpenSSL does not take. */
static void random_rdata(void **state)
{
	struct rdata r;
	struct dns_key out;

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		const struct sample *s = &samples[random() % N_SAMPLES];

		r = rdata((uint8_t)random(), 0, s->algorithm, "", 0, s->raw, s->raw_len);
		if (random() % 2)
			r = rdata(1, 0, 4 + random() % 2, "", 0, s->spki, s->spki_len);
		for (long n = random() % 4; n >= 0; n--)
			r.data[(size_t)random() % (random() % 2 ? 40 : r.len)] = (uint8_t)random();
		if (random() % 4 == 0)
			r.len = (size_t)random() % (r.len + 1);
		if (read_rdata(&r, &none, &out) != DNS_KEY_OK || i % 16)
			continue;
		const unsigned char *p = out.spki;
		EVP_PKEY *key = d2i_PUBKEY(NULL, &p, out.spki_len);

		assert_non_null(key);
		assert_ptr_equal(p, out.spki + out.spki_len);
		EVP_PKEY_free(key);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_and_gateway),
		cmocka_unit_test(gateway_edges),
		cmocka_unit_test(gateway_names),
		cmocka_unit_test(truncated_anywhere),
		cmocka_unit_test(no_key_and_unknown),
		cmocka_unit_test(off_the_curve),
		cmocka_unit_test(rsa_limits),
		cmocka_unit_test(spki),
		cmocka_unit_test(raw_like_spki),
		cmocka_unit_test(random_rdata),
	};

	return cmocka_run_group_tests(tests, make_samples, NULL);
}
