/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/spki.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>

#include "base/wire.h"
#include "ike/ike.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Keys of fixed length: all but the value is always the same (RFC 5480, RFC 8410). */
struct fixed {
	const char *evp;   /* key type; NULL: EC */
	const char *group; /* of EC */
	size_t value_len;  /* the point with its leading 4, or the raw key */
	size_t prefix_len;
	uint8_t prefix[26];
};

/* clang-format off */
static const struct fixed fixed[] = {
	{"ED25519", NULL, 32, 12,
		{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}},
	{"ED448", NULL, 57, 12,
		{0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x03, 0x3a, 0x00}},
	{NULL, "prime256v1", 65, 26,
		{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00}},
	{NULL, "secp384r1", 97, 23,
		{0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00}},
	{NULL, "secp521r1", 133, 25,
		{0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00}},
};

/* AlgorithmIdentifier of rsaEncryption (RFC 3279 2.3.1). */
static const uint8_t rsa_encryption[] = {
	0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
};
/* clang-format on */

/* For each curve, made once per process: a key that holds the curve, and a context that verifies by
 * it. */
static struct {
	EVP_PKEY *key;
	EVP_PKEY_CTX *verifier;
} curves[COUNT(fixed)];

static EVP_PKEY *curve(const struct fixed *f)
{
	EVP_PKEY **key = &curves[f - fixed].key;
	EVP_PKEY_CTX *ctx;

	if (*key)
		return *key;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx && EVP_PKEY_paramgen_init(ctx) > 0 &&
		EVP_PKEY_CTX_set_group_name(ctx, f->group) > 0)
		(void)EVP_PKEY_paramgen(ctx, key);
	EVP_PKEY_CTX_free(ctx);
	return *key;
}

/* It follows the key, of which it has a reference: another point in there is another key to it. */
EVP_PKEY_CTX *ike_spki_verifier(const EVP_PKEY *key)
{
	size_t i = 0;
	EVP_PKEY_CTX *ctx;

	while (i < COUNT(curves) && curves[i].key != key)
		i++;
	if (i == COUNT(curves))
		return NULL;
	if (curves[i].verifier)
		return curves[i].verifier;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, curves[i].key, NULL);
	if (ctx && EVP_PKEY_verify_init(ctx) <= 0) {
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	curves[i].verifier = ctx;
	return ctx;
}

/* OpenSSL refuses a point off the curve here. There is one key for each curve, which is filled: to make one
 * costs more than that. */
static EVP_PKEY *point_key(const struct fixed *f, const uint8_t *point)
{
	EVP_PKEY *key = curve(f);

	if (!key || point[0] != POINT_CONVERSION_UNCOMPRESSED ||
		EVP_PKEY_set1_encoded_public_key(key, point, f->value_len) <= 0)
		return NULL;
	EVP_PKEY_up_ref(key);
	return key;
}

/* The contents of the next element, in DER's one form of the length. */
static struct wire_reader take(struct wire_reader *r, uint8_t tag)
{
	uint8_t got = wire_u8(r), first = wire_u8(r);
	size_t len = first, least = 0;

	if (first == 0x81) {
		len = wire_u8(r);
		least = 0x80;
	} else if (first == 0x82) {
		len = wire_u16(r);
		least = 0x100;
	}
	if (got != tag || len < least || (first > 0x7f && !least))
		r->bad = true;
	return wire_sub(r, len);
}

/* A positive INTEGER; NULL where it is none. */
static BIGNUM *take_number(struct wire_reader *r)
{
	struct wire_reader number = take(r, 0x02);
	size_t len = wire_left(&number);
	const uint8_t *p = wire_bytes(&number, len);

	if (!p || !len || (p[0] & 0x80))
		return NULL;
	return BN_bin2bn(p, (int)len, NULL);
}

static EVP_PKEY *rsa_from(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (bld && ctx && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) &&
		(params = OSSL_PARAM_BLD_to_param(bld)) && EVP_PKEY_fromdata_init(ctx) > 0)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* RSAPublicKey in its wrapping. */
static EVP_PKEY *rsa_key(const uint8_t *der, size_t len)
{
	struct wire_reader r = wire_reader(der, len), spki = take(&r, 0x30), bits, rsa;
	const uint8_t *algorithm = wire_bytes(&spki, sizeof(rsa_encryption));
	BIGNUM *n, *e;
	EVP_PKEY *key = NULL;

	if (!algorithm || memcmp(algorithm, rsa_encryption, sizeof(rsa_encryption)) != 0)
		return NULL;
	bits = take(&spki, 0x03);
	if (wire_u8(&bits) != 0) /* unused bits */
		return NULL;
	rsa = take(&bits, 0x30);
	n = take_number(&rsa);
	e = take_number(&rsa);
	if (n && e && !rsa.bad && !wire_left(&rsa) && !wire_left(&bits) && !wire_left(&spki) &&
		!wire_left(&r))
		key = rsa_from(n, e);
	BN_free(n);
	BN_free(e);
	return key;
}

static EVP_PKEY *usual_key(const uint8_t *der, size_t len)
{
	for (size_t i = 0; i < COUNT(fixed); i++) {
		const struct fixed *f = &fixed[i];

		if (len != f->prefix_len + f->value_len ||
			memcmp(der, f->prefix, f->prefix_len) != 0)
			continue;
		if (!f->evp)
			return point_key(f, der + f->prefix_len);
		return EVP_PKEY_new_raw_public_key_ex(
			NULL, f->evp, NULL, der + f->prefix_len, f->value_len);
	}
	return rsa_key(der, len);
}

EVP_PKEY *ike_spki_read(const void *der, size_t len)
{
	const uint8_t *p = der;
	EVP_PKEY *key;

	if (!len || len > IKE_SPKI_MAX)
		return NULL;
	key = usual_key(der, len);
	if (!key) {
		key = d2i_PUBKEY(NULL, &p, (long)len);
		if (key && p != (const uint8_t *)der + len) {
			EVP_PKEY_free(key);
			key = NULL;
		}
		ERR_clear_error();
	}
	return key;
}
