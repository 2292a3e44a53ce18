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
 * is looked at first.
 *
 * DER is read and written by hand: but for the modulus an SPKI has constant bytes, and OpenSSL's
 * encoder takes 90 us for it. An SPKI that comes from outside must be, byte for byte, the one we
 * should have made of the key in it; so unnamed curves, compressed points or trailing bytes need no
 * rules of their own. OpenSSL is asked for one thing only, whether a point is on its curve. (For
 * EdDSA that shows at the first signature: a string that is no point verifies nothing.)
 */
#include "resolver/ipseckey.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
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
	int curve; /* OpenSSL's number; 0: not checked */
	uint8_t spki_len;  /* what the SPKI has before the raw key */
	const uint8_t *spki;
};

/* RFC 5480: id-ecPublicKey with a named curve, then an uncompressed point; RFC 8410 section 4. */
static const uint8_t spki_p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
	0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42,
	0x00, 0x04};
static const uint8_t spki_p384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
	0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
static const uint8_t spki_ed25519[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03,
	0x21, 0x00};
static const uint8_t spki_ed448[] = {0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x03,
	0x3a, 0x00};

static const struct kind kinds[] = {
	{ALG_ECDSA, 64, 256, NID_X9_62_prime256v1, sizeof(spki_p256), spki_p256},
	{ALG_ECDSA, 96, 384, NID_secp384r1, sizeof(spki_p384), spki_p384},
	{ALG_EDDSA, 32, 256, 0, sizeof(spki_ed25519), spki_ed25519},
	{ALG_EDDSA, 57, 448, 0, sizeof(spki_ed448), spki_ed448},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* rsaEncryption with its NULL, RFC 8017 appendix A.1. */
static const uint8_t rsa_algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
	0x01, 0x01, 0x01, 0x05, 0x00};

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

/* ---- fixed-length keys */

/* Both curves have cofactor 1: being on the curve is all there is to check. */
static bool on_curve(int curve, const uint8_t *xy, size_t len)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(curve);
	EC_POINT *point = group ? EC_POINT_new(group) : NULL;
	uint8_t octets[1 + EC_MAX_LEN] = {0x04};
	bool on;

	memcpy(octets + 1, xy, len);
	on = point && EC_POINT_oct2point(group, point, octets, 1 + len, NULL) == 1;
	EC_POINT_free(point);
	EC_GROUP_free(group);
	ERR_clear_error();
	return on;
}

static enum dns_key_fault put_kind(const struct kind *kind, const uint8_t *raw, struct dns_key *out)
{
	struct wire_writer w = wire_writer(out->spki, sizeof(out->spki));

	if (kind->curve && !on_curve(kind->curve, raw, kind->len))
		return DNS_KEY_VALUE;
	wire_put(&w, kind->spki, kind->spki_len);
	wire_put(&w, raw, kind->len);
	out->algorithm = kind->algorithm;
	out->bits = kind->bits;
	out->spki_len = (uint16_t)w.pos;
	return DNS_KEY_OK;
}

/* ---- RSA */

static void der_header(struct wire_writer *w, uint8_t tag, size_t len)
{
	wire_put_u8(w, tag);
	if (len > 0xff) {
		wire_put_u8(w, 0x82);
		wire_put_u16(w, (uint16_t)len);
		return;
	}
	if (len > 0x7f)
		wire_put_u8(w, 0x81);
	wire_put_u8(w, (uint8_t)len);
}

/* What der_header() takes. */
static size_t der_size(size_t len)
{
	return len > 0xff ? 4 : len > 0x7f ? 3 : 2;
}

/* A positive INTEGER: a zero before a first byte that would make it negative. */
static size_t number_len(const uint8_t *n, size_t len)
{
	return len + (n[0] >> 7);
}

static void der_number(struct wire_writer *w, const uint8_t *n, size_t len)
{
	der_header(w, 0x02, number_len(n, len));
	if (n[0] >> 7)
		wire_put_u8(w, 0);
	wire_put(w, n, len);
}

/* RFC 8017 appendix A.1.1 inside RFC 5280 section 4.1. The numbers are big-endian without leading
 * zeros (RFC 3110 section 2 forbids them). */
static enum dns_key_fault put_rsa(const uint8_t *e, size_t e_len, const uint8_t *n, size_t n_len,
	struct dns_key *out)
{
	struct wire_writer w = wire_writer(out->spki, sizeof(out->spki));
	size_t bits, numbers, key, algorithm = sizeof(rsa_algorithm);

	if (!e_len || !n_len)
		return DNS_KEY_LENGTH;
	if (!e[0] || !(e[e_len - 1] & 1) || !n[0] || !(n[n_len - 1] & 1))
		return DNS_KEY_VALUE;
	if (e_len > RSA_EXPONENT_MAX || (e_len == 1 && e[0] == 1))
		return DNS_KEY_VALUE;
	bits = 8 * n_len - (size_t)(__builtin_clz(n[0]) - 24);
	if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)
		return DNS_KEY_LENGTH;
	numbers = number_len(n, n_len) + number_len(e, e_len);
	numbers += der_size(number_len(n, n_len)) + der_size(number_len(e, e_len));
	key = 1 + der_size(numbers) + numbers;
	der_header(&w, 0x30, algorithm + der_size(key) + key);
	wire_put(&w, rsa_algorithm, algorithm);
	der_header(&w, 0x03, key);
	wire_put_u8(&w, 0); /* no unused bits */
	der_header(&w, 0x30, numbers);
	der_number(&w, n, n_len);
	der_number(&w, e, e_len);
	if (w.bad)
		return DNS_KEY_LENGTH;
	out->algorithm = ALG_RSA;
	out->bits = (uint16_t)bits;
	out->spki_len = (uint16_t)w.pos;
	return DNS_KEY_OK;
}

/* RFC 3110 section 2. */
static enum dns_key_fault read_rsa(const uint8_t *raw, size_t len, struct dns_key *out)
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
	return put_rsa(e, e_len, n, n_len, out);
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
static const uint8_t *read_number(struct wire_reader *r, size_t *ret_len)
{
	struct wire_reader number = der_element(r, 0x02);

	if (wire_left(&number) > 1 && number.data[number.pos] == 0)
		wire_skip(&number, 1);
	*ret_len = wire_left(&number);
	return number.bad ? NULL : wire_bytes(&number, *ret_len);
}

static enum dns_key_fault read_rsa_spki(const uint8_t *der, size_t len, struct dns_key *out)
{
	struct wire_reader r = wire_reader(der, len);
	struct wire_reader spki = der_element(&r, 0x30);
	const uint8_t *algorithm = wire_bytes(&spki, sizeof(rsa_algorithm));
	struct wire_reader key = der_element(&spki, 0x03);
	const uint8_t *e, *n;
	size_t e_len, n_len;

	if (!algorithm || memcmp(algorithm, rsa_algorithm, sizeof(rsa_algorithm)) != 0)
		return DNS_KEY_ALGORITHM;
	wire_skip(&key, 1);
	struct wire_reader numbers = der_element(&key, 0x30);
	n = read_number(&numbers, &n_len);
	e = read_number(&numbers, &e_len);
	if (!n || !e)
		return DNS_KEY_LENGTH;
	return put_rsa(e, e_len, n, n_len, out);
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

static enum dns_key_fault read_spki(const uint8_t *der, size_t len, struct dns_key *out)
{
	const struct kind *kind = kind_of_spki(der, len);
	enum dns_key_fault fault;

	if (kind)
		return put_kind(kind, der + kind->spki_len, out);
	fault = read_rsa_spki(der, len, out);
	if (fault == DNS_KEY_OK && (out->spki_len != len || memcmp(out->spki, der, len) != 0))
		return DNS_KEY_VALUE;
	return fault;
}

static enum dns_key_fault read_public(const struct ipseckey *k, struct dns_key *out)
{
	const struct kind *kind = kind_of_raw(k->algorithm, k->key_len);

	if (k->algorithm == ALG_NONE)
		return DNS_KEY_NO_KEY;
	if (k->algorithm == ALG_RSA)
		return read_rsa(k->key, k->key_len, out);
	if (kind)
		return put_kind(kind, k->key, out);
	if ((k->algorithm == ALG_EDDSA || k->algorithm == ALG_SPKI) && k->key_len &&
		k->key[0] == 0x30)
		return read_spki(k->key, k->key_len, out);
	return k->algorithm == ALG_ECDSA || k->algorithm == ALG_EDDSA ? DNS_KEY_LENGTH :
									DNS_KEY_ALGORITHM;
}

static enum dns_key_fault read_key(const uint8_t *rdata, size_t len, const struct addr *looked_up,
	struct dns_key *out)
{
	enum dns_key_fault fault;
	struct ipseckey k;

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
	return read_public(&k, out);
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
