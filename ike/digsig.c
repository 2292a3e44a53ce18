/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/digsig.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "ike/crypto.h"
#include "ike/spki.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum kind {
	KIND_RSA_PSS,
	KIND_RSA_PKCS1,
	KIND_ECDSA,
	KIND_EDDSA,
};

/* One AlgorithmIdentifier; IKE_SIGN_EDDSA has two, told apart by the key. */
struct scheme {
	enum ike_scheme id;
	enum kind kind;
	enum ike_hash hash;
	int hash_len;
	int oid; /* OpenSSL's number of the algorithm */
	int hash_oid;
	bool ed448;
	enum ike_md md; /* EdDSA has its own */
	const char *name;
	uint8_t der_len;
	uint8_t der[80];
};

/* RFC 7427 A.1, A.3, A.4 and RFC 8420 A. PSS is that of A.4.3, but without the trailerField, which
 * has its default value: so DER wants it, and so Libreswan does, which compares all the bytes. */
/* clang-format off */
#define OID_PSS 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a
#define OID_MGF1 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08
#define ALG_SHA2(n) \
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n, 0x05, 0x00
#define DER_PSS(n, salt) 67, {0x30, 0x41, OID_PSS, 0x30, 0x34, 0xa0, 0x0f, ALG_SHA2(n), \
	0xa1, 0x1c, 0x30, 0x1a, OID_MGF1, ALG_SHA2(n), 0xa2, 0x03, 0x02, 0x01, salt}
#define DER_PKCS1(n) 15, {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, \
	0x01, n, 0x05, 0x00}
#define DER_ECDSA(n) 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n}
#define DER_EDDSA(n) 7, {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, n}
/* clang-format on */

static const struct scheme schemes[] = {
	{IKE_SIGN_RSA_PSS_SHA256, KIND_RSA_PSS, IKE_HASH_SHA2_256, 32, NID_rsassaPss, NID_sha256,
		false, IKE_MD_SHA2_256, "RSA-PSS with SHA2-256", DER_PSS(1, 32)},
	{IKE_SIGN_RSA_PSS_SHA384, KIND_RSA_PSS, IKE_HASH_SHA2_384, 48, NID_rsassaPss, NID_sha384,
		false, IKE_MD_SHA2_384, "RSA-PSS with SHA2-384", DER_PSS(2, 48)},
	{IKE_SIGN_RSA_PSS_SHA512, KIND_RSA_PSS, IKE_HASH_SHA2_512, 64, NID_rsassaPss, NID_sha512,
		false, IKE_MD_SHA2_512, "RSA-PSS with SHA2-512", DER_PSS(3, 64)},
	{IKE_SIGN_RSA_PKCS1_SHA256, KIND_RSA_PKCS1, IKE_HASH_SHA2_256, 32,
		NID_sha256WithRSAEncryption, NID_sha256, false, IKE_MD_SHA2_256,
		"RSA-PKCS1 with SHA2-256", DER_PKCS1(0x0b)},
	{IKE_SIGN_RSA_PKCS1_SHA384, KIND_RSA_PKCS1, IKE_HASH_SHA2_384, 48,
		NID_sha384WithRSAEncryption, NID_sha384, false, IKE_MD_SHA2_384,
		"RSA-PKCS1 with SHA2-384", DER_PKCS1(0x0c)},
	{IKE_SIGN_RSA_PKCS1_SHA512, KIND_RSA_PKCS1, IKE_HASH_SHA2_512, 64,
		NID_sha512WithRSAEncryption, NID_sha512, false, IKE_MD_SHA2_512,
		"RSA-PKCS1 with SHA2-512", DER_PKCS1(0x0d)},
	{IKE_SIGN_ECDSA_SHA256, KIND_ECDSA, IKE_HASH_SHA2_256, 32, NID_ecdsa_with_SHA256,
		NID_sha256, false, IKE_MD_SHA2_256, "ECDSA with SHA2-256", DER_ECDSA(2)},
	{IKE_SIGN_ECDSA_SHA384, KIND_ECDSA, IKE_HASH_SHA2_384, 48, NID_ecdsa_with_SHA384,
		NID_sha384, false, IKE_MD_SHA2_384, "ECDSA with SHA2-384", DER_ECDSA(3)},
	{IKE_SIGN_ECDSA_SHA512, KIND_ECDSA, IKE_HASH_SHA2_512, 64, NID_ecdsa_with_SHA512,
		NID_sha512, false, IKE_MD_SHA2_512, "ECDSA with SHA2-512", DER_ECDSA(4)},
	{IKE_SIGN_EDDSA, KIND_EDDSA, IKE_HASH_IDENTITY, 0, NID_ED25519, NID_undef, false, 0,
		"EdDSA", DER_EDDSA(0x70)},
	{IKE_SIGN_EDDSA, KIND_EDDSA, IKE_HASH_IDENTITY, 0, NID_ED448, NID_undef, true, 0,
		"EdDSA", DER_EDDSA(0x71)},
};

struct key_kind {
	int id;            /* EVP_PKEY_get_base_id() */
	const char *group; /* of EC */
	bool ed448;
	/* our schemes for it, best first; 0 ends */
	enum ike_scheme prefer[4];
};

static const struct key_kind key_kinds[] = {
	[IKE_KEY_RSA] = {EVP_PKEY_RSA, NULL, false,
		{IKE_SIGN_RSA_PSS_SHA256, IKE_SIGN_RSA_PSS_SHA512, IKE_SIGN_RSA_PSS_SHA384}},
	[IKE_KEY_P256] = {EVP_PKEY_EC, SN_X9_62_prime256v1, false,
		{IKE_SIGN_ECDSA_SHA256, IKE_SIGN_ECDSA_SHA512, IKE_SIGN_ECDSA_SHA384}},
	[IKE_KEY_P384] = {EVP_PKEY_EC, SN_secp384r1, false,
		{IKE_SIGN_ECDSA_SHA384, IKE_SIGN_ECDSA_SHA512, IKE_SIGN_ECDSA_SHA256}},
	[IKE_KEY_P521] = {EVP_PKEY_EC, SN_secp521r1, false,
		{IKE_SIGN_ECDSA_SHA512, IKE_SIGN_ECDSA_SHA384, IKE_SIGN_ECDSA_SHA256}},
	[IKE_KEY_ED25519] = {EVP_PKEY_ED25519, NULL, false, {IKE_SIGN_EDDSA}},
	[IKE_KEY_ED448] = {EVP_PKEY_ED448, NULL, true, {IKE_SIGN_EDDSA}},
};

#define RSA_BITS_MIN 2048 /* RFC 8247 3.1.1 */

static int failed(int error)
{
	ERR_clear_error();
	return error;
}

/* NULL for a number that is not of enum ike_scheme. */
static const struct scheme *scheme_find(enum ike_scheme id, bool ed448)
{
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (schemes[i].id == id && schemes[i].ed448 == ed448)
			return &schemes[i];
	return NULL;
}

/* The scheme as it is for a key of type; NULL where it does not fit. */
static const struct scheme *scheme_for(enum ike_scheme id, enum ike_key_type type)
{
	const struct scheme *s = scheme_find(id, key_kinds[type].ed448);
	bool fits = false;

	if (!s)
		return NULL;
	switch (s->kind) {
	case KIND_RSA_PSS:
	case KIND_RSA_PKCS1:
		fits = type == IKE_KEY_RSA;
		break;
	case KIND_ECDSA:
		fits = type == IKE_KEY_P256 || type == IKE_KEY_P384 || type == IKE_KEY_P521;
		break;
	case KIND_EDDSA:
		fits = type == IKE_KEY_ED25519 || type == IKE_KEY_ED448;
		break;
	}
	return fits ? s : NULL;
}

/* ---- hashes, keys, the choice */

uint32_t ike_hashes_parse(struct ike_bytes data)
{
	struct wire_reader r = wire_reader(data.p, data.len);
	uint32_t mask = 0;

	while (wire_left(&r) >= 2) {
		uint16_t hash = wire_u16(&r);

		if (hash < 32)
			mask |= UINT32_C(1) << hash;
	}
	return mask & IKE_HASHES_ALL;
}

void ike_build_hashes(struct ike_builder *b, uint32_t hashes)
{
	uint8_t data[2 * 32];
	struct wire_writer w = wire_writer(data, sizeof(data));

	for (uint16_t hash = 0; hash < 32; hash++)
		if (hashes & UINT32_C(1) << hash)
			wire_put_u16(&w, hash);
	ike_build_notify(b, IKE_N_SIGNATURE_HASH_ALGORITHMS, data, w.pos);
}

int ike_key_type(EVP_PKEY *key, enum ike_key_type *ret)
{
	char group[64] = "";

	for (size_t i = 0; i < COUNT(key_kinds); i++) {
		if (EVP_PKEY_get_base_id(key) != key_kinds[i].id)
			continue;
		if (i == IKE_KEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
			return -ENOTSUP;
		if (key_kinds[i].group &&
			(!EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) ||
				strcmp(group, key_kinds[i].group) != 0))
			continue;
		*ret = (enum ike_key_type)i;
		return 0;
	}
	return failed(-ENOTSUP);
}

int ike_spki_type(const void *spki, size_t len, enum ike_key_type *ret)
{
	EVP_PKEY *key = ike_spki_read(spki, len);
	int error;

	if (!key)
		return failed(-EINVAL);
	error = ike_key_type(key, ret);
	EVP_PKEY_free(key);
	return error;
}

bool ike_scheme_fits(enum ike_scheme scheme, enum ike_key_type type)
{
	return scheme_for(scheme, type) != NULL;
}

int ike_scheme_choose(enum ike_key_type type, uint32_t hashes, enum ike_scheme *ret)
{
	const enum ike_scheme *prefer = key_kinds[type].prefer;

	for (size_t i = 0; prefer[i]; i++) {
		const struct scheme *s = scheme_for(prefer[i], type);

		if (s && (hashes & UINT32_C(1) << s->hash)) {
			*ret = prefer[i];
			return 0;
		}
	}
	return -ENOENT;
}

const char *ike_scheme_name(enum ike_scheme scheme)
{
	const struct scheme *s = scheme_find(scheme, false);

	return s ? s->name : "?";
}

/* ---- AUTH data */

/* The hash's number where alg is a bare hash function, with its NULL or (RFC 4055 2.1) without. */
static int hash_oid(const X509_ALGOR *alg)
{
	const ASN1_OBJECT *oid;
	int type;

	X509_ALGOR_get0(&oid, &type, NULL, alg);
	return type == V_ASN1_NULL || type == V_ASN1_UNDEF ? OBJ_obj2nid(oid) : NID_undef;
}

/* The hash of MGF1, NID_undef for something else. */
static int mgf1_hash_oid(const X509_ALGOR *mgf)
{
	const ASN1_OBJECT *oid;
	const void *value;
	const uint8_t *p;
	X509_ALGOR *alg;
	int type, nid;

	X509_ALGOR_get0(&oid, &type, &value, mgf);
	if (OBJ_obj2nid(oid) != NID_mgf1 || type != V_ASN1_SEQUENCE)
		return NID_undef;
	p = ASN1_STRING_get0_data(value);
	alg = d2i_X509_ALGOR(NULL, &p, ASN1_STRING_length(value));
	if (!alg)
		return NID_undef;
	nid = hash_oid(alg);
	X509_ALGOR_free(alg);
	return nid;
}

/* RSASSA-PSS-params (RFC 4055 3.1): what is left out means SHA-1 or a salt of 20, and so is out. */
static bool pss_matches(const struct scheme *s, const ASN1_STRING *der)
{
	const uint8_t *p = ASN1_STRING_get0_data(der);
	RSA_PSS_PARAMS *pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(der));
	bool ok;

	if (!pss)
		return false;
	ok = pss->hashAlgorithm && hash_oid(pss->hashAlgorithm) == s->hash_oid &&
	     pss->maskGenAlgorithm && mgf1_hash_oid(pss->maskGenAlgorithm) == s->hash_oid &&
	     pss->saltLength && ASN1_INTEGER_get(pss->saltLength) == s->hash_len &&
	     (!pss->trailerField || ASN1_INTEGER_get(pss->trailerField) == 1);
	RSA_PSS_PARAMS_free(pss);
	return ok;
}

static bool alg_matches(const struct scheme *s, const X509_ALGOR *alg)
{
	const ASN1_OBJECT *oid;
	const void *value;
	int type;

	X509_ALGOR_get0(&oid, &type, &value, alg);
	if (OBJ_obj2nid(oid) != s->oid)
		return false;
	switch (s->kind) {
	case KIND_RSA_PSS:
		return type == V_ASN1_SEQUENCE && pss_matches(s, value);
	case KIND_RSA_PKCS1:
	case KIND_ECDSA:
		/* one of NULL and nothing is right, both are unambiguous */
		return type == V_ASN1_NULL || type == V_ASN1_UNDEF;
	case KIND_EDDSA:
		return type == V_ASN1_UNDEF;
	}
	return false;
}

/* *ret NULL: none of ours. Returns -EBADMSG where der is not one AlgorithmIdentifier. */
static int scheme_parse(const uint8_t *der, size_t len, const struct scheme **ret)
{
	const uint8_t *p = der;
	X509_ALGOR *alg;

	*ret = NULL;
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (schemes[i].der_len == len && memcmp(schemes[i].der, der, len) == 0) {
			*ret = &schemes[i];
			return 0;
		}
	alg = d2i_X509_ALGOR(NULL, &p, (long)len);
	if (!alg || p != der + len) {
		X509_ALGOR_free(alg);
		return failed(-EBADMSG);
	}
	for (size_t i = 0; i < COUNT(schemes) && !*ret; i++)
		if (alg_matches(&schemes[i], alg))
			*ret = &schemes[i];
	X509_ALGOR_free(alg);
	return failed(0);
}

int ike_digsig_parse(struct ike_bytes auth, struct ike_digsig *ret)
{
	struct wire_reader r = wire_reader(auth.p, auth.len);
	uint8_t len = wire_u8(&r);
	const uint8_t *der = wire_bytes(&r, len);
	struct ike_bytes sig = {.len = wire_left(&r)};
	const struct scheme *s;
	int error;

	sig.p = wire_bytes(&r, sig.len);
	if (!der || !len || !sig.len || sig.len > IKE_SIG_MAX)
		return -EBADMSG;
	error = scheme_parse(der, len, &s);
	if (error)
		return error;
	if (!s)
		return -ENOTSUP;
	*ret = (struct ike_digsig){.scheme = s->id, .ed448 = s->ed448, .sig = sig};
	return 0;
}

void ike_build_digsig(struct ike_builder *b, enum ike_scheme scheme, enum ike_key_type type,
	const void *sig, size_t len)
{
	const struct scheme *s = scheme_for(scheme, type);

	ike_build_open(b, IKE_PL_AUTH);
	wire_put_u32(&b->w, (uint32_t)IKE_METHOD_DIGSIG << 24);
	if (s) {
		wire_put_u8(&b->w, s->der_len);
		wire_put(&b->w, s->der, s->der_len);
		wire_put(&b->w, sig, len);
	} else {
		b->w.bad = true;
	}
	ike_build_close(b);
}

/* ---- RFC 4754 */

static const struct ecdsa {
	enum ike_auth_method method;
	enum ike_key_type type;
	enum ike_scheme scheme;
	uint8_t half; /* bytes of r, and of s */
} ecdsas[] = {
	{IKE_METHOD_ECDSA_256, IKE_KEY_P256, IKE_SIGN_ECDSA_SHA256, 32},
	{IKE_METHOD_ECDSA_384, IKE_KEY_P384, IKE_SIGN_ECDSA_SHA384, 48},
	{IKE_METHOD_ECDSA_521, IKE_KEY_P521, IKE_SIGN_ECDSA_SHA512, 66},
};

static const struct ecdsa *ecdsa_of(enum ike_key_type type)
{
	for (size_t i = 0; i < COUNT(ecdsas); i++)
		if (ecdsas[i].type == type)
			return &ecdsas[i];
	return NULL;
}

int ike_ecdsa_parse(uint8_t method, struct ike_bytes auth, struct ike_digsig *ret)
{
	for (size_t i = 0; i < COUNT(ecdsas); i++) {
		if (ecdsas[i].method != method)
			continue;
		if (auth.len != 2u * ecdsas[i].half)
			return -EBADMSG;
		*ret = (struct ike_digsig){.scheme = ecdsas[i].scheme,
			.raw = true,
			.type = ecdsas[i].type,
			.sig = auth};
		return 0;
	}
	return -ENOTSUP;
}

int ike_ecdsa_choose(enum ike_key_type type, enum ike_scheme *ret)
{
	const struct ecdsa *e = ecdsa_of(type);

	if (!e)
		return -ENOENT;
	*ret = e->scheme;
	return 0;
}

void ike_build_ecdsa(struct ike_builder *b, enum ike_key_type type, const void *sig, size_t len)
{
	const struct ecdsa *e = ecdsa_of(type);
	const uint8_t *p = sig;
	ECDSA_SIG *rs = e ? d2i_ECDSA_SIG(NULL, &p, (long)len) : NULL;
	uint8_t raw[2 * 66];

	if (rs && BN_bn2binpad(ECDSA_SIG_get0_r(rs), raw, e->half) == e->half &&
		BN_bn2binpad(ECDSA_SIG_get0_s(rs), raw + e->half, e->half) == e->half)
		ike_build_auth(b, e->method, raw, 2u * e->half);
	else
		b->w.bad = true;
	ECDSA_SIG_free(rs);
	ERR_clear_error();
}

/* r and s as OpenSSL wants them, in buf. Returns the length, or 0. */
static size_t ecdsa_to_der(struct ike_bytes raw, uint8_t *buf, size_t cap)
{
	int half = (int)raw.len / 2, len = 0;
	ECDSA_SIG *rs = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw.p, half, NULL), *s = BN_bin2bn(raw.p + half, half, NULL);

	if (rs && r && s && ECDSA_SIG_set0(rs, r, s)) {
		r = s = NULL;
		len = i2d_ECDSA_SIG(rs, NULL);
		if (len > 0 && (size_t)len <= cap)
			len = i2d_ECDSA_SIG(rs, &buf);
		else
			len = 0;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(rs);
	return len > 0 ? (size_t)len : 0;
}

/* ---- signing and verifying */

/* PSS with a salt as long as the hash; MGF1 takes the same hash by default. */
static bool set_padding(const struct scheme *s, EVP_PKEY_CTX *ctx)
{
	switch (s->kind) {
	case KIND_RSA_PSS:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	case KIND_RSA_PKCS1:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	case KIND_ECDSA:
	case KIND_EDDSA:
		return true;
	}
	return false;
}

static bool set_scheme(const struct scheme *s, EVP_PKEY_CTX *ctx)
{
	return s->kind == KIND_ECDSA ||
	       (set_padding(s, ctx) && EVP_PKEY_CTX_set_signature_md(ctx, ike_md_evp(s->md)) > 0);
}

/* The hash of octets, which is what is signed except by EdDSA. Returns its length, 0 where OpenSSL fails. */
static size_t hash(const struct scheme *s, struct ike_bytes octets, uint8_t ret[EVP_MAX_MD_SIZE])
{
	return ike_hash(s->md, octets, ret) < 0 ? 0 : (size_t)s->hash_len;
}

static int verify_eddsa(EVP_PKEY *key, struct ike_bytes sig, struct ike_bytes octets)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int error = -EIO;

	if (ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) > 0)
		error = EVP_DigestVerify(ctx, sig.p, sig.len, octets.p, octets.len) == 1
				? 0
				: -EKEYREJECTED;
	EVP_MD_CTX_free(ctx);
	return error;
}

static int verify_hash(
	const struct scheme *s, EVP_PKEY *key, struct ike_bytes sig, struct ike_bytes octets)
{
	EVP_PKEY_CTX *kept = ike_spki_verifier(key);
	EVP_PKEY_CTX *ctx = kept ? kept : EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	uint8_t md[EVP_MAX_MD_SIZE];
	size_t len = hash(s, octets, md);
	int error = -EIO;

	if (ctx && len && (kept || EVP_PKEY_verify_init(ctx) > 0) && set_scheme(s, ctx))
		error = EVP_PKEY_verify(ctx, sig.p, sig.len, md, len) == 1 ? 0 : -EKEYREJECTED;
	if (!kept)
		EVP_PKEY_CTX_free(ctx);
	return error;
}

int ike_digsig_verify(
	const void *spki, size_t spki_len, const struct ike_digsig *d, struct ike_bytes octets)
{
	EVP_PKEY *key = ike_spki_read(spki, spki_len);
	struct ike_bytes sig = d->sig;
	uint8_t der[2 * 66 + 16];
	const struct scheme *s;
	enum ike_key_type type;
	int error = -EINVAL;

	if (d->raw)
		sig = (struct ike_bytes){der, ecdsa_to_der(d->sig, der, sizeof(der))};
	if (!key)
		goto out;
	error = ike_key_type(key, &type);
	if (error)
		goto out;
	s = scheme_for(d->scheme, type);
	/* a signature that is not even well-formed is rejected, too */
	if (!s || s->ed448 != d->ed448 || (d->raw && (d->type != type || !sig.len)))
		error = -EKEYREJECTED;
	else if (s->kind == KIND_EDDSA)
		error = verify_eddsa(key, sig, octets);
	else
		error = verify_hash(s, key, sig, octets);
out:
	EVP_PKEY_free(key);
	return error ? failed(error) : 0;
}

/* To make a context costs a third of an ECDSA signature: one for each scheme is kept. */
struct ike_signing_key {
	EVP_PKEY *key;
	enum ike_key_type type;
	EVP_MD_CTX *eddsa;
	EVP_PKEY_CTX *ctx[COUNT(schemes)]; /* of schemes[i] */
};

int ike_signing_key_new(EVP_PKEY *key, struct ike_signing_key **ret)
{
	struct ike_signing_key *k;
	enum ike_key_type type;
	int error = ike_key_type(key, &type);

	if (error)
		return error;
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	EVP_PKEY_up_ref(key);
	k->key = key;
	k->type = type;
	*ret = k;
	return 0;
}

static int sign_eddsa(struct ike_signing_key *k, struct ike_bytes octets, uint8_t *sig, size_t *len)
{
	if (!k->eddsa)
		k->eddsa = EVP_MD_CTX_new();
	return k->eddsa &&
			       EVP_DigestSignInit_ex(
				       k->eddsa, NULL, NULL, NULL, NULL, k->key, NULL) > 0 &&
			       EVP_DigestSign(k->eddsa, sig, len, octets.p, octets.len) > 0
		       ? 0
		       : -EIO;
}

static EVP_PKEY_CTX *signing_context(struct ike_signing_key *k, const struct scheme *s)
{
	EVP_PKEY_CTX **ctx = &k->ctx[s - schemes];

	if (*ctx)
		return *ctx;
	*ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->key, NULL);
	if (*ctx && (EVP_PKEY_sign_init(*ctx) <= 0 || !set_scheme(s, *ctx))) {
		EVP_PKEY_CTX_free(*ctx);
		*ctx = NULL;
	}
	return *ctx;
}

int ike_signing_key_sign(struct ike_signing_key *k, enum ike_scheme scheme, struct ike_bytes octets,
	uint8_t *sig, size_t *len)
{
	const struct scheme *s = scheme_for(scheme, k->type);
	uint8_t md[EVP_MAX_MD_SIZE];
	EVP_PKEY_CTX *ctx;
	size_t md_len;
	int error = -EIO;

	if (!s)
		return -EINVAL;
	if (s->kind == KIND_EDDSA) {
		error = sign_eddsa(k, octets, sig, len);
	} else {
		ctx = signing_context(k, s);
		md_len = hash(s, octets, md);
		if (ctx && md_len && EVP_PKEY_sign(ctx, sig, len, md, md_len) > 0)
			error = 0;
	}
	return error ? failed(error) : 0;
}

void ike_signing_key_free(struct ike_signing_key *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < COUNT(schemes); i++)
		EVP_PKEY_CTX_free(k->ctx[i]);
	EVP_MD_CTX_free(k->eddsa);
	EVP_PKEY_free(k->key);
	free(k);
}

int ike_digsig_sign(
	EVP_PKEY *key, enum ike_scheme scheme, struct ike_bytes octets, uint8_t *sig, size_t *len)
{
	struct ike_signing_key *k;
	int error;

	if (ike_signing_key_new(key, &k) < 0)
		return -EINVAL;
	error = ike_signing_key_sign(k, scheme, octets, sig, len);
	ike_signing_key_free(k);
	return error;
}
