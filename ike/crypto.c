/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/crypto.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum {
	LENGTH_AT = 24, /* in the IKE header */
	SIZE_AT = 2,    /* in the generic payload header */
};

/* configure --enable-fuzzing, which builds no oed: nothing is encrypted and every ICV is right, so
 * that the targets of tests/fuzz reach what stands inside SK. */
#ifdef OED_FUZZING
#define TRANSPARENT true
#else
#define TRANSPARENT false
#endif

/* OpenSSL's reasons are of no use to us and pile up in its queue. */
static int failed(int error)
{
	ERR_clear_error();
	return error;
}

int ike_hash(enum ike_md md, struct ike_bytes data, uint8_t *ret)
{
	static EVP_MD_CTX *ctx;
	const EVP_MD *type = ike_md_evp(md);

	if (!ctx)
		ctx = EVP_MD_CTX_new();
	return ctx && type && EVP_DigestInit_ex2(ctx, type, NULL) &&
			       EVP_DigestUpdate(ctx, data.p, data.len) &&
			       EVP_DigestFinal_ex(ctx, ret, NULL)
		       ? 0
		       : failed(-EIO);
}

/* ---- prf */

/* Begins an HMAC; NULL where OpenSSL fails. */
static EVP_MAC_CTX *mac_start(EVP_MAC_CTX *ctx, const void *key, size_t key_len)
{
	/* NULL would mean: the key of before */
	return ctx && EVP_MAC_init(ctx, key_len ? key : "", key_len, NULL) ? ctx : NULL;
}

static bool prf_add(EVP_MAC_CTX *ctx, const struct ike_bytes *parts, size_t n_parts)
{
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].len && !EVP_MAC_update(ctx, parts[i].p, parts[i].len))
			return false;
	return true;
}

int ike_prf(const struct ike_prf *prf, const void *key, size_t key_len,
	const struct ike_bytes *parts, size_t n_parts, uint8_t *ret)
{
	EVP_MAC_CTX *ctx = mac_start(ike_prf_evp(prf), key, key_len);
	size_t len;

	return ctx && prf_add(ctx, parts, n_parts) && EVP_MAC_final(ctx, ret, &len, prf->len)
		       ? 0
		       : failed(-EIO);
}

int ike_prf_plus(const struct ike_prf *prf, const void *key, size_t key_len,
	const struct ike_bytes *parts, size_t n_parts, void *ret, size_t len)
{
	uint8_t t[IKE_PRF_MAX], *out = ret;
	size_t have = 0, got;
	uint8_t round = 0;
	EVP_MAC_CTX *ctx;
	bool ok = true;

	if (len > 255u * prf->len)
		return -EINVAL;
	ctx = mac_start(ike_prf_evp(prf), key, key_len);
	if (!ctx)
		return failed(-EIO);
	/* T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n) */
	while (ok && have < len) {
		size_t take = len - have < prf->len ? len - have : prf->len;

		if (round)
			ok = EVP_MAC_init(ctx, NULL, 0, NULL) && EVP_MAC_update(ctx, t, prf->len);
		round++;
		ok = ok && prf_add(ctx, parts, n_parts) && EVP_MAC_update(ctx, &round, 1) &&
		     EVP_MAC_final(ctx, t, &got, sizeof(t));
		if (ok)
			memcpy(out + have, t, take);
		have += take;
	}
	OPENSSL_cleanse(t, sizeof(t));
	return ok ? 0 : failed(-EIO);
}

/* ---- AEAD */

size_t ike_aead_key_len(const struct ike_encr *encr, const struct ike_integ *integ)
{
	return (size_t)encr->key_len + encr->salt_len + (integ ? integ->key_len : 0);
}

/* A context with key and nonce set; the nonce is salt | iv. */
static EVP_CIPHER_CTX *aead_start(const struct ike_aead *k, const uint8_t *iv, int encrypt)
{
	EVP_CIPHER_CTX *ctx = ike_encr_evp(k->encr);
	uint8_t nonce[EVP_MAX_IV_LENGTH];

	if (!ctx)
		return NULL;
	assert(k->encr->salt_len + k->encr->iv_len == EVP_CIPHER_CTX_get_iv_length(ctx));
	memcpy(nonce, k->key + k->encr->key_len, k->encr->salt_len);
	memcpy(nonce + k->encr->salt_len, iv, k->encr->iv_len);
	return EVP_CipherInit_ex2(ctx, NULL, k->key, nonce, encrypt, NULL) ? ctx : NULL;
}

static bool aead_run(
	EVP_CIPHER_CTX *ctx, const void *aad, size_t aad_len, uint8_t *text, size_t len)
{
	int n;

	return (!aad_len || EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len)) &&
	       (!len || EVP_CipherUpdate(ctx, text, &n, text, (int)len));
}

int ike_aead_seal(const struct ike_aead *k, const uint8_t *iv, const void *aad, size_t aad_len,
	uint8_t *text, size_t len, uint8_t *ret_icv)
{
	EVP_CIPHER_CTX *ctx = aead_start(k, iv, 1);
	uint8_t end[EVP_MAX_BLOCK_LENGTH];
	int n;
	bool ok;

	assert(aad_len <= IKE_MESSAGE_MAX && len <= IKE_MESSAGE_MAX);
	ok = ctx && aead_run(ctx, aad, aad_len, text, len) && EVP_CipherFinal_ex(ctx, end, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, k->encr->icv_len, ret_icv) > 0;
	return ok ? 0 : failed(-EIO);
}

int ike_aead_open(const struct ike_aead *k, const uint8_t *iv, const void *aad, size_t aad_len,
	uint8_t *text, size_t len, const uint8_t *icv)
{
	EVP_CIPHER_CTX *ctx = aead_start(k, iv, 0);
	uint8_t end[EVP_MAX_BLOCK_LENGTH], tag[IKE_ICV_LEN_MAX];
	int n, error = -EIO;

	assert(aad_len <= IKE_MESSAGE_MAX && len <= IKE_MESSAGE_MAX);
	memcpy(tag, icv, k->encr->icv_len); /* OpenSSL wants it writable */
	if (ctx && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, k->encr->icv_len, tag) > 0 &&
		aead_run(ctx, aad, aad_len, text, len))
		error = EVP_CipherFinal_ex(ctx, end, &n) > 0 ? 0 : -EBADMSG;
	return error ? failed(error) : 0;
}

/* ---- CBC with HMAC */

/* Encrypts or decrypts in place; len is a multiple of the block. */
static int cbc_run(const struct ike_aead *k, const uint8_t *iv, uint8_t *text, size_t len, int enc)
{
	EVP_CIPHER_CTX *ctx = ike_encr_evp(k->encr);
	int n;

	return ctx && EVP_CipherInit_ex2(ctx, NULL, k->key, iv, enc, NULL) &&
			       EVP_CIPHER_CTX_set_padding(ctx, 0) &&
			       EVP_CipherUpdate(ctx, text, &n, text, (int)len)
		       ? 0
		       : failed(-EIO);
}

/* The whole HMAC of data, of which the ICV is the beginning. */
static int integ_run(const struct ike_aead *k, const void *data, size_t len, uint8_t *ret)
{
	const uint8_t *key = k->key + k->encr->key_len + k->encr->salt_len;
	EVP_MAC_CTX *ctx = mac_start(ike_integ_evp(k->integ), key, k->integ->key_len);
	size_t n;

	return ctx && EVP_MAC_update(ctx, data, len) && EVP_MAC_final(ctx, ret, &n, IKE_PRF_MAX)
		       ? 0
		       : failed(-EIO);
}

/* RFC 7296 3.14: encrypted, then a MAC over all from the IKE header to the ICV. */
static int cbc_seal(const struct ike_aead *k, uint8_t *msg, size_t body, size_t end)
{
	uint8_t *iv = msg + body, *text = iv + k->encr->iv_len, mac[IKE_PRF_MAX];
	static const uint8_t zero[IKE_IV_LEN_MAX];
	/* one block under a zero IV is the bare cipher */
	int error = cbc_run(k, zero, iv, k->encr->iv_len, 1);

	if (!error)
		error = cbc_run(k, iv, text, end - body - k->encr->iv_len, 1);
	if (!error)
		error = integ_run(k, msg, end, mac);
	if (!error)
		memcpy(msg + end, mac, k->integ->icv_len);
	return error;
}

static int cbc_open(const struct ike_aead *k, uint8_t *msg, size_t body, size_t end)
{
	uint8_t *iv = msg + body, *text = iv + k->encr->iv_len, mac[IKE_PRF_MAX];
	size_t len = end - body - k->encr->iv_len;
	int error = integ_run(k, msg, end, mac);

	if (error)
		return error;
	if (CRYPTO_memcmp(mac, msg + end, k->integ->icv_len) != 0 || len % k->encr->block)
		return -EBADMSG;
	return cbc_run(k, iv, text, len, 0);
}

/* ---- the SK payload */

size_t ike_icv_len(const struct ike_aead *k)
{
	return k->integ ? k->integ->icv_len : k->encr->icv_len;
}

size_t ike_sk_overhead(const struct ike_aead *k)
{
	return k->encr->iv_len + k->encr->block + ike_icv_len(k);
}

/* Padding and its length: none for an AEAD (RFC 5282 section 3), to the block for CBC. */
static void put_padding(struct ike_builder *b, const struct ike_encr *e, size_t text)
{
	size_t over = (b->w.pos - text + 1) % e->block, pad = over ? e->block - over : 0;

	for (size_t i = 0; i < pad; i++)
		wire_put_u8(&b->w, 0);
	wire_put_u8(&b->w, (uint8_t)pad);
}

int ike_sk_seal(struct ike_builder *b, const struct ike_aead *k, uint64_t iv, size_t *ret_len)
{
	const struct ike_encr *e = k->encr;
	size_t body = b->sk_at + b->sk_head, text = body + e->iv_len, end;
	int error;

	assert(b->sk && !b->open && e->iv_len >= sizeof(iv));
	put_padding(b, e, text);
	end = b->w.pos;
	(void)wire_reserve(&b->w, ike_icv_len(k));
	if (b->w.bad || b->w.pos > IKE_MESSAGE_MAX)
		return -EMSGSIZE;
	wire_patch_u16(&b->w, b->sk_at + SIZE_AT, (uint16_t)(b->w.pos - b->sk_at));
	wire_patch_u32(&b->w, LENGTH_AT, (uint32_t)b->w.pos);
	memset(b->w.data + body, 0, e->iv_len);
	wire_patch_u32(&b->w, text - 8, (uint32_t)(iv >> 32));
	wire_patch_u32(&b->w, text - 4, (uint32_t)iv);
	if (TRANSPARENT)
		error = 0;
	else if (k->integ)
		error = cbc_seal(k, b->w.data, body, end);
	else
		/* RFC 5282 5.1: the AAD is all from the IKE header through SK's header; SKF's
		 * has its numbers */
		error = ike_aead_seal(k, b->w.data + body, b->w.data, body, b->w.data + text,
			end - text, b->w.data + end);
	if (error)
		return error;
	*ret_len = b->w.pos;
	return 0;
}

int ike_sk_open(const struct ike_aead *k, uint8_t *msg, size_t len, const struct ike_bytes *sk,
	struct ike_bytes *ret)
{
	const struct ike_encr *e = k->encr;
	size_t body = (size_t)(sk->p - msg), icv_len = ike_icv_len(k), text_len;
	uint8_t *iv = msg + body, *text = iv + e->iv_len, pad;
	int error;

	assert(body <= len && sk->len == len - body);
	/* at least the pad length */
	if (sk->len < e->iv_len + 1 + icv_len)
		return -EBADMSG;
	text_len = sk->len - e->iv_len - icv_len;
	if (TRANSPARENT)
		error = 0;
	else if (k->integ)
		error = cbc_open(k, msg, body, len - icv_len);
	else
		error = ike_aead_open(k, iv, msg, body, text, text_len, text + text_len);
	if (error)
		return error;
	pad = text[text_len - 1];
	if (pad > text_len - 1)
		return -EBADMSG;
	*ret = (struct ike_bytes){.p = text, .len = text_len - 1 - pad};
	return 0;
}

/* ---- key exchange */

struct ike_kex {
	const struct ike_ke *ke;
	EVP_PKEY *key;
	uint8_t *encoded;  /* OpenSSL's: ke->prefix, if any, and the public value */
	size_t public_len; /* of the value */
};

static size_t prefix_len(const struct ike_ke *ke)
{
	return ke->prefix ? 1 : 0;
}

/* Takes over key, also where it fails. */
static int kex_from_key(const struct ike_ke *ke, EVP_PKEY *key, struct ike_kex **ret)
{
	struct ike_kex *kex = calloc(1, sizeof(*kex));

	if (!kex)
		abort();
	kex->ke = ke;
	kex->key = key;
	kex->public_len = ke->public_len;
	if (EVP_PKEY_get1_encoded_public_key(key, &kex->encoded) !=
		prefix_len(ke) + ke->public_len) {
		ike_kex_free(kex);
		return failed(-EIO);
	}
	*ret = kex;
	return 0;
}

int ike_kex_new(const struct ike_ke *ke, struct ike_kex **ret)
{
	EVP_PKEY_CTX *ctx = ike_ke_evp(ke);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_generate(ctx, &key) <= 0)
		return failed(-EIO);
	return kex_from_key(ke, key, ret);
}

/* The key pair of a curve with the given scalar; NULL where it is not one. */
static EVP_PKEY *ec_from_scalar(const struct ike_ke *ke, const uint8_t *priv, size_t len)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_txt2nid(ke->group));
	EC_POINT *point = group ? EC_POINT_new(group) : NULL;
	BIGNUM *scalar = BN_secure_new();
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, ke->evp, NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	uint8_t pub[1 + IKE_KE_PUBLIC_MAX];

	if (point && scalar && bld && ctx && BN_bin2bn(priv, (int)len, scalar) &&
		EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) &&
		EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, pub, sizeof(pub),
			NULL) == 1u + ke->public_len &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, ke->group, 0) &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, pub, 1u + ke->public_len) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, scalar) &&
		(params = OSSL_PARAM_BLD_to_param(bld)) && EVP_PKEY_fromdata_init(ctx) > 0)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_BLD_free(bld);
	BN_clear_free(scalar);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	return key;
}

int ike_kex_from_private(
	const struct ike_ke *ke, const void *priv, size_t len, struct ike_kex **ret)
{
	EVP_PKEY *key = NULL;

	if (!ke->group)
		key = EVP_PKEY_new_raw_private_key_ex(NULL, ke->evp, NULL, priv, len);
	else if (!ke->modp)
		key = ec_from_scalar(ke, priv, len);
	if (!key)
		return failed(-EINVAL);
	return kex_from_key(ke, key, ret);
}

const struct ike_ke *ike_kex_ke(const struct ike_kex *kex)
{
	return kex->ke;
}

const uint8_t *ike_kex_public(const struct ike_kex *kex)
{
	return kex->encoded + prefix_len(kex->ke);
}

size_t ike_kex_public_len(const struct ike_kex *kex)
{
	return kex->public_len;
}

/* The peer's public value as a key, until the next one of the group. OpenSSL refuses coordinates out of
 * range and points off the curve when it decodes them: all that RFC 6989 2.3 asks for with curves of
 * cofactor 1. Of a group with a safe prime it refuses what is not within 2 and p - 2 (2.1). */
static EVP_PKEY *peer_key(const struct ike_kex *kex, const void *peer, size_t len)
{
	EVP_PKEY **key = ike_ke_peer(kex->ke);
	uint8_t encoded[1 + IKE_KE_PUBLIC_MAX];
	size_t prefix = prefix_len(kex->ke);

	if (len != kex->ke->public_len)
		return NULL;
	encoded[0] = kex->ke->prefix;
	memcpy(encoded + prefix, peer, len);
	if (!*key) {
		*key = EVP_PKEY_new();
		if (!*key || !EVP_PKEY_copy_parameters(*key, kex->key)) {
			EVP_PKEY_free(*key);
			*key = NULL;
			return NULL;
		}
	}
	return EVP_PKEY_set1_encoded_public_key(*key, encoded, prefix + len) > 0 ? *key : NULL;
}

/* RFC 7748 6.1: without a data-dependent branch before the end. */
static bool all_zero(const struct ike_secret *s)
{
	uint8_t any = 0;

	for (size_t i = 0; i < s->len; i++)
		any |= s->b[i];
	return !any;
}

/* Who has another key gets another secret, not an error (FIPS 203 section 6.3): AUTH tells. */
static int decapsulate(
	const struct ike_kex *kex, const void *peer, size_t len, struct ike_secret *ret)
{
	EVP_PKEY_CTX *ctx;
	struct ike_secret s = {.len = kex->ke->shared_len};
	size_t got = sizeof(s.b);
	int error = -EIO;

	if (len != kex->ke->answer_len)
		return -EBADMSG;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, kex->key, NULL);
	if (ctx && EVP_PKEY_decapsulate_init(ctx, NULL) > 0 &&
		EVP_PKEY_decapsulate(ctx, s.b, &got, peer, len) > 0 && got == s.len) {
		*ret = s;
		error = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	ike_secret_wipe(&s);
	return error ? failed(error) : 0;
}

/* To the peer's key; *ret is our ciphertext. OpenSSL checks the key when it decodes it. */
static int encapsulate(const struct ike_ke *ke, const void *peer, size_t len, struct ike_kex **ret,
	struct ike_secret *ret_secret)
{
	EVP_PKEY *key = len == ke->public_len
				? EVP_PKEY_new_raw_public_key_ex(NULL, ke->evp, NULL, peer, len)
				: NULL;
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	struct ike_secret s = {.len = ke->shared_len};
	struct ike_kex *kex = calloc(1, sizeof(*kex));
	size_t out = ke->answer_len, got = sizeof(s.b);
	int error = key ? -EIO : -EBADMSG;

	if (!kex)
		abort();
	*kex = (struct ike_kex){
		.ke = ke, .encoded = OPENSSL_malloc(ke->answer_len), .public_len = ke->answer_len};
	if (ctx && kex->encoded && EVP_PKEY_encapsulate_init(ctx, NULL) > 0 &&
		EVP_PKEY_encapsulate(ctx, kex->encoded, &out, s.b, &got) > 0 &&
		out == ke->answer_len && got == s.len) {
		*ret_secret = s;
		*ret = kex;
		kex = NULL;
		error = 0;
	}
	ike_kex_free(kex);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	ike_secret_wipe(&s);
	return error ? failed(error) : 0;
}

int ike_kex_answer(const struct ike_ke *ke, const void *peer, size_t len, struct ike_kex **ret,
	struct ike_secret *ret_secret)
{
	struct ike_kex *kex;
	int error;

	if (ke->answer_len)
		return encapsulate(ke, peer, len, ret, ret_secret);
	error = ike_kex_new(ke, &kex);
	if (error)
		return error;
	error = ike_kex_derive(kex, peer, len, ret_secret);
	if (error)
		ike_kex_free(kex);
	else
		*ret = kex;
	return error;
}

static int agree(const struct ike_kex *kex, const void *peer, size_t len, struct ike_secret *ret)
{
	EVP_PKEY *key = peer_key(kex, peer, len);
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, kex->key, NULL) : NULL;
	struct ike_secret s = {0};
	size_t got = sizeof(s.b);
	int error = key ? -EIO : -EBADMSG;

	/* 0: the peer's value is checked already; a second time costs as much as the exchange */
	if (ctx && EVP_PKEY_derive_init(ctx) > 0 &&
		(!kex->ke->modp || EVP_PKEY_CTX_set_dh_pad(ctx, 1) > 0) &&
		EVP_PKEY_derive_set_peer_ex(ctx, key, 0) > 0) {
		/* with a good key pair of ours, it fails only for X25519 points of small order */
		error = EVP_PKEY_derive(ctx, s.b, &got) > 0 ? 0 : -EBADMSG;
		s.len = (uint16_t)got;
		if (!error && (got != kex->ke->shared_len || all_zero(&s)))
			error = -EBADMSG;
	}
	EVP_PKEY_CTX_free(ctx);
	if (!error)
		*ret = s;
	ike_secret_wipe(&s);
	return error ? failed(error) : 0;
}

int ike_kex_derive(const struct ike_kex *kex, const void *peer, size_t len, struct ike_secret *ret)
{
	return kex->ke->answer_len ? decapsulate(kex, peer, len, ret) : agree(kex, peer, len, ret);
}

void ike_kex_free(struct ike_kex *kex)
{
	if (!kex)
		return;
	EVP_PKEY_free(kex->key); /* wipes the private part */
	OPENSSL_free(kex->encoded);
	free(kex);
}

void ike_secret_wipe(struct ike_secret *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}
