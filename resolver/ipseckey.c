/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public key field has no length of its own: it runs to the end of the rdata, so that its size
 * says which curve it is on.
 *
 *	algorithm 2, RSA: exponent length, exponent, modulus (RFC 3110 section 2)
 *	algorithm 3, ECDSA: x and y, no leading 0x04 (RFC 6605 section 4)
 *	algorithm 4, EdDSA: the encoded point (RFC 8080 section 3, RFC 9373)
 *	algorithm 4 or 5, SPKI: what Libreswan publishes; begins with 0x30, a DER SEQUENCE
 *
 * A raw Ed25519 key may begin with 0x30 too; but no SPKI of ours has 32 or 57 bytes, so the length
 * is looked at first. An SPKI is taken apart by hand and must be, byte for byte, the one we should
 * have made of the key in it: so no foreign DER reaches a general ASN.1 parser, and unnamed curves,
 * compressed points or trailing bytes need no rules of their own.
 */
#include "resolver/ipseckey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/wire.h"

enum {
	GATEWAY_NONE = 0,
	GATEWAY_V4 = 1,
	GATEWAY_V6 = 2,
	GATEWAY_NAME = 3,
};

enum {
	ALG_NONE = 0,
	ALG_RSA = 2,
	ALG_ECDSA = 3,
	ALG_EDDSA = 4,
	ALG_SPKI = 5, /* Libreswan's private use */
};

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 4096
/* A larger exponent only makes a verification dear. */
#define RSA_EXPONENT_MAX 8
#define EC_MAX_LEN 96

/* The keys whose kind is told by algorithm and length. */
struct kind {
	uint8_t algorithm;
	uint16_t len;
	uint16_t bits;
	const char *type;  /* OpenSSL's name */
	const char *group; /* EC only */
	uint8_t spki_len;  /* what the SPKI has before the raw key */
	const uint8_t *spki;
};

/* RFC 5480: id-ecPublicKey with a named curve, then an uncompressed point; RFC 8410 section 4. */
static const uint8_t spki_p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
static const uint8_t spki_p384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
static const uint8_t spki_ed25519[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03,
	0x21, 0x00};
static const uint8_t spki_ed448[] = {0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x03,
	0x3a, 0x00};

static const struct kind kinds[] = {
	{ALG_ECDSA, 64, 256, "EC", "P-256", sizeof(spki_p256), spki_p256},
	{ALG_ECDSA, 96, 384, "EC", "P-384", sizeof(spki_p384), spki_p384},
	{ALG_EDDSA, 32, 256, "ED25519", NULL, sizeof(spki_ed25519), spki_ed25519},
	{ALG_EDDSA, 57, 448, "ED448", NULL, sizeof(spki_ed448), spki_ed448},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* rsaEncryption with its NULL, RFC 8017 appendix A.1. */
static const uint8_t rsa_algorithm[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
	0x01, 0x05, 0x00};

/* ---- the frame */

/* An uncompressed name (RFC 4025 section 2.5); the cursor then stands behind it. */
static enum dns_key_fault skip_name(struct wire_reader *r)
{
	size_t start = r->pos;
	uint8_t label;

	do {
		label = wire_u8(r);
		if (label > 63)
			return DNS_KEY_GATEWAY_NAME;
		wire_skip(r, label);
		if (r->pos - start > 255)
			return DNS_KEY_GATEWAY_NAME;
	} while (label && !r->bad);
	return DNS_KEY_OK;
}

enum dns_key_fault ipseckey_parse(const uint8_t *rdata, size_t len, struct ipseckey *ret)
{
	struct wire_reader r = wire_reader(rdata, len);
	enum dns_key_fault fault = DNS_KEY_OK;
	uint8_t gateway[16] = {0};

	*ret = (struct ipseckey){0};
	ret->precedence = wire_u8(&r);
	ret->gateway_type = wire_u8(&r);
	ret->algorithm = wire_u8(&r);
	if (r.bad)
		return DNS_KEY_SHORT;
	switch (ret->gateway_type) {
	case GATEWAY_NONE:
		break;
	case GATEWAY_V4:
		wire_copy(&r, gateway, 4);
		ret->gateway = addr_from_v4(gateway);
		break;
	case GATEWAY_V6:
		wire_copy(&r, gateway, 16);
		ret->gateway = addr_from_v6(gateway);
		break;
	case GATEWAY_NAME:
		fault = skip_name(&r);
		break;
	default:
		return DNS_KEY_GATEWAY_TYPE;
	}
	if (fault != DNS_KEY_OK)
		return fault;
	if (r.bad)
		return DNS_KEY_SHORT;
	ret->key_len = wire_left(&r);
	ret->key = wire_bytes(&r, ret->key_len);
	return DNS_KEY_OK;
}

/* ---- the keys */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool check_public(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool good = ctx && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

/* The numbers are big-endian without leading zeros (RFC 3110 section 2 forbids them). */
static enum dns_key_fault rsa_key(const uint8_t *e, size_t e_len, const uint8_t *n, size_t n_len,
	EVP_PKEY **ret_key, uint16_t *ret_bits)
{
	BIGNUM *bn_e, *bn_n;
	OSSL_PARAM_BLD *build;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	int bits;

	if (!e_len || !n_len)
		return DNS_KEY_LENGTH;
	if (!e[0] || !(e[e_len - 1] & 1) || !n[0] || !(n[n_len - 1] & 1))
		return DNS_KEY_VALUE;
	if (e_len > RSA_EXPONENT_MAX || (e_len == 1 && e[0] == 1))
		return DNS_KEY_VALUE;
	if (n_len > RSA_MAX_BITS / 8)
		return DNS_KEY_LENGTH;
	bn_e = BN_bin2bn(e, (int)e_len, NULL);
	bn_n = BN_bin2bn(n, (int)n_len, NULL);
	build = OSSL_PARAM_BLD_new();
	bits = bn_n ? BN_num_bits(bn_n) : 0;
	if (bits >= RSA_MIN_BITS && bn_e && build &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e))
		params = OSSL_PARAM_BLD_to_param(build);
	if (params)
		key = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(bn_e);
	BN_free(bn_n);
	if (bits < RSA_MIN_BITS)
		return DNS_KEY_LENGTH;
	if (!key)
		return DNS_KEY_VALUE;
	*ret_key = key;
	*ret_bits = (uint16_t)bits;
	return DNS_KEY_OK;
}

/* RFC 3110 section 2. */
static enum dns_key_fault rsa_raw(const uint8_t *raw, size_t len, EVP_PKEY **ret_key,
	uint16_t *ret_bits)
{
	struct wire_reader r = wire_reader(raw, len);
	const uint8_t *e, *n;
	size_t e_len, n_len;

	e_len = wire_u8(&r);
	if (!e_len && !r.bad) {
		/* the long form is for exponents over 255 bytes: far over our limit */
		e_len = wire_u16(&r);
		return r.bad || e_len >= wire_left(&r) ? DNS_KEY_LENGTH : DNS_KEY_VALUE;
	}
	e = wire_bytes(&r, e_len);
	n_len = wire_left(&r);
	n = wire_bytes(&r, n_len);
	if (r.bad)
		return DNS_KEY_LENGTH;
	return rsa_key(e, e_len, n, n_len, ret_key, ret_bits);
}

static enum dns_key_fault kind_key(const struct kind *kind, const uint8_t *raw, EVP_PKEY **ret_key)
{
	uint8_t point[1 + EC_MAX_LEN] = {0x04};
	EVP_PKEY *key;

	if (!kind->group) {
		key = EVP_PKEY_new_raw_public_key_ex(NULL, kind->type, NULL, raw, kind->len);
	} else {
		memcpy(point + 1, raw, kind->len);
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
				(char *)kind->group, 0),
			OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
				1u + kind->len),
			OSSL_PARAM_construct_end(),
		};
		key = from_params(kind->type, params);
		if (key && !check_public(key)) {
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	if (!key)
		return DNS_KEY_VALUE;
	*ret_key = key;
	return DNS_KEY_OK;
}

/* ---- SPKI */

/* The contents of the next DER element, which must have this tag. */
static struct wire_reader der_element(struct wire_reader *r, uint8_t tag)
{
	size_t len;

	if (wire_u8(r) != tag)
		r->bad = true;
	len = wire_u8(r);
	if (len == 0x81)
		len = wire_u8(r);
	else if (len == 0x82)
		len = wire_u16(r);
	else if (len > 0x7f)
		r->bad = true;
	return wire_sub(r, len);
}

/* A positive INTEGER without the zero that keeps it positive. */
static const uint8_t *der_number(struct wire_reader *r, size_t *ret_len)
{
	struct wire_reader number = der_element(r, 0x02);

	if (wire_left(&number) > 1 && number.data[number.pos] == 0)
		wire_skip(&number, 1);
	*ret_len = wire_left(&number);
	return number.bad ? NULL : wire_bytes(&number, *ret_len);
}

static enum dns_key_fault rsa_spki(const uint8_t *der, size_t len, EVP_PKEY **ret_key,
	uint16_t *ret_bits)
{
	struct wire_reader r = wire_reader(der, len);
	struct wire_reader spki = der_element(&r, 0x30);
	struct wire_reader algorithm = der_element(&spki, 0x30);
	struct wire_reader key = der_element(&spki, 0x03);
	const uint8_t *oid, *e, *n;
	size_t e_len, n_len;

	oid = wire_bytes(&algorithm, sizeof(rsa_algorithm));
	if (!oid || memcmp(oid, rsa_algorithm, sizeof(rsa_algorithm)) != 0)
		return DNS_KEY_ALGORITHM;
	wire_skip(&key, 1);
	struct wire_reader numbers = der_element(&key, 0x30);
	n = der_number(&numbers, &n_len);
	e = der_number(&numbers, &e_len);
	if (!n || !e)
		return DNS_KEY_LENGTH;
	return rsa_key(e, e_len, n, n_len, ret_key, ret_bits);
}

static const struct kind *kind_of_spki(const uint8_t *der, size_t len)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct kind *k = &kinds[i];

		if (len == (size_t)k->spki_len + k->len && memcmp(der, k->spki, k->spki_len) == 0)
			return k;
	}
	return NULL;
}

/* ---- all of it */

static const struct kind *kind_of_raw(uint8_t algorithm, size_t len)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (kinds[i].algorithm == algorithm && kinds[i].len == len)
			return &kinds[i];
	return NULL;
}

/* The key, its kind into out->algorithm and out->bits. */
static enum dns_key_fault build_key(const struct ipseckey *k, EVP_PKEY **ret_key,
	struct dns_key *out, bool *ret_spki)
{
	const struct kind *kind = kind_of_raw(k->algorithm, k->key_len);
	const uint8_t *raw = k->key;

	*ret_spki = false;
	if (k->algorithm == ALG_NONE)
		return DNS_KEY_NO_KEY;
	if (k->algorithm == ALG_RSA)
		return rsa_raw(k->key, k->key_len, ret_key, &out->bits);
	if (!kind && (k->algorithm == ALG_EDDSA || k->algorithm == ALG_SPKI) && k->key_len &&
		k->key[0] == 0x30) {
		*ret_spki = true;
		kind = kind_of_spki(k->key, k->key_len);
		if (!kind) {
			enum dns_key_fault fault =
				rsa_spki(k->key, k->key_len, ret_key, &out->bits);

			if (fault == DNS_KEY_OK)
				out->algorithm = ALG_RSA;
			return fault;
		}
		raw += kind->spki_len;
	}
	if (!kind)
		return k->algorithm == ALG_ECDSA || k->algorithm == ALG_EDDSA ? DNS_KEY_LENGTH :
										DNS_KEY_ALGORITHM;
	out->algorithm = kind->algorithm;
	out->bits = kind->bits;
	return kind_key(kind, raw, ret_key);
}

static enum dns_key_fault encode(EVP_PKEY *key, struct dns_key *out)
{
	int len = i2d_PUBKEY(key, NULL);
	unsigned char *p = out->spki;

	if (len <= 0 || len > DNS_SPKI_MAX)
		return DNS_KEY_LENGTH;
	if (i2d_PUBKEY(key, &p) != len)
		return DNS_KEY_VALUE;
	out->spki_len = (uint16_t)len;
	return DNS_KEY_OK;
}

static enum dns_key_fault read_key(const uint8_t *rdata, size_t len, const struct addr *looked_up,
	struct dns_key *out)
{
	enum dns_key_fault fault;
	EVP_PKEY *key = NULL;
	struct ipseckey k;
	bool spki;

	fault = ipseckey_parse(rdata, len, &k);
	out->precedence = k.precedence;
	out->algorithm = k.algorithm;
	out->gateway_type = k.gateway_type;
	if (fault != DNS_KEY_OK)
		return fault;
	if (k.gateway_type == GATEWAY_NAME)
		return DNS_KEY_GATEWAY_OTHER;
	if (k.gateway_type != GATEWAY_NONE && !addr_equal(&k.gateway, looked_up))
		return DNS_KEY_GATEWAY_OTHER;
	fault = build_key(&k, &key, out, &spki);
	if (fault == DNS_KEY_OK)
		fault = encode(key, out);
	EVP_PKEY_free(key);
	if (fault == DNS_KEY_OK && spki &&
		(out->spki_len != k.key_len || memcmp(out->spki, k.key, k.key_len) != 0))
		fault = DNS_KEY_VALUE;
	return fault;
}

enum dns_key_fault ipseckey_read(const uint8_t *rdata, size_t len, const struct addr *looked_up,
	struct dns_key *ret)
{
	enum dns_key_fault fault;

	*ret = (struct dns_key){0};
	fault = read_key(rdata, len, looked_up, ret);
	ret->fault = (uint8_t)fault;
	if (fault != DNS_KEY_OK) {
		memset(ret->spki, 0, sizeof(ret->spki));
		ret->spki_len = 0;
		ret->bits = 0;
	}
	return fault;
}
