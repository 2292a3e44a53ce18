/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/floor.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As oed negotiates with itself: PRF-HMAC-SHA2-512, AES-GCM-16-256, Curve25519; IKE_SA_INIT and
 * IKE_AUTH messages of about these lengths. */
#define PRF_LEN 64
#define INIT_LEN 440
#define AUTH_LEN 300
#define NONCE_LEN 32
#define OCTETS_LEN (INIT_LEN + NONCE_LEN + PRF_LEN)

struct signer {
	EVP_PKEY *key; /* NULL: no signature */
	EVP_PKEY_CTX *sign, *verify;
	const EVP_MD *digest; /* NULL: Ed25519 */
	EVP_MD_CTX *ctx;
	unsigned char sig[1024];
	size_t sig_len;
};

struct floor {
	struct signer own, peer;
	EVP_PKEY_CTX *keygen;
	EVP_MAC_CTX *hmac;
	EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *cipher;
	unsigned char remote[32]; /* the other side's X25519 value */
	unsigned char octets[OCTETS_LEN];
};

static void *must(void *p)
{
	if (!p) {
		fputs("floor: OpenSSL fails\n", stderr);
		exit(1);
	}
	return p;
}

static void check(int ok)
{
	must(ok > 0 ? (void *)&ok : NULL);
}

/* ---- primitives */

static void hash(const struct signer *s, const unsigned char *octets, unsigned char *ret)
{
	check(EVP_DigestInit_ex2(s->ctx, s->digest, NULL));
	check(EVP_DigestUpdate(s->ctx, octets, OCTETS_LEN));
	check(EVP_DigestFinal_ex(s->ctx, ret, NULL));
}

static void sign(struct signer *s, const unsigned char *octets)
{
	unsigned char md[EVP_MAX_MD_SIZE];

	s->sig_len = sizeof(s->sig);
	if (!s->digest) {
		check(EVP_DigestSignInit_ex(s->ctx, NULL, NULL, NULL, NULL, s->key, NULL));
		check(EVP_DigestSign(s->ctx, s->sig, &s->sig_len, octets, OCTETS_LEN));
		return;
	}
	hash(s, octets, md);
	check(EVP_PKEY_sign(s->sign, s->sig, &s->sig_len, md, 32));
}

static void verify(struct signer *s, const unsigned char *octets)
{
	unsigned char md[EVP_MAX_MD_SIZE];

	if (!s->digest) {
		check(EVP_DigestVerifyInit_ex(s->ctx, NULL, NULL, NULL, NULL, s->key, NULL));
		check(EVP_DigestVerify(s->ctx, s->sig, s->sig_len, octets, OCTETS_LEN));
		return;
	}
	hash(s, octets, md);
	check(EVP_PKEY_verify(s->verify, s->sig, s->sig_len, md, 32));
}

static void key_exchange(struct floor *f, unsigned char *shared)
{
	EVP_PKEY *mine = NULL;
	EVP_PKEY *theirs = must(
		EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, f->remote, sizeof(f->remote)));
	EVP_PKEY_CTX *ctx;
	unsigned char pub[32];
	size_t len = sizeof(pub);

	check(EVP_PKEY_generate(f->keygen, &mine));
	check(EVP_PKEY_get_raw_public_key(mine, pub, &len));
	ctx = must(EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL));
	check(EVP_PKEY_derive_init(ctx));
	check(EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0));
	len = 32;
	check(EVP_PKEY_derive(ctx, shared, &len));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
}

static void prf(struct floor *f, const unsigned char *key, const void *data, size_t len,
	unsigned char *ret)
{
	size_t n;

	check(EVP_MAC_init(f->hmac, key, PRF_LEN, NULL));
	check(EVP_MAC_update(f->hmac, data, len));
	check(EVP_MAC_final(f->hmac, ret, &n, PRF_LEN));
}

/* rounds of prf+ (RFC 7296 2.13): the key is set once */
static void prf_plus(struct floor *f, const unsigned char *key, int rounds)
{
	unsigned char t[PRF_LEN + 2 * NONCE_LEN + 17] = {0};
	size_t n;

	for (int i = 0; i < rounds; i++) {
		check(EVP_MAC_init(f->hmac, i ? NULL : key, i ? 0 : PRF_LEN, NULL));
		check(EVP_MAC_update(f->hmac, t, sizeof(t)));
		check(EVP_MAC_final(f->hmac, t, &n, PRF_LEN));
	}
}

static void aead(struct floor *f, const unsigned char *key, int encrypt)
{
	unsigned char text[AUTH_LEN] = {0}, tag[16] = {0};
	int n;

	check(EVP_CipherInit_ex2(f->cipher, f->gcm, key, key + 32, encrypt, NULL));
	check(EVP_CipherUpdate(f->cipher, NULL, &n, text, 32));
	check(EVP_CipherUpdate(f->cipher, text, &n, text, sizeof(text)));
	if (encrypt) {
		check(EVP_CipherFinal_ex(f->cipher, text, &n));
		check(EVP_CIPHER_CTX_ctrl(f->cipher, EVP_CTRL_AEAD_GET_TAG, 16, tag));
	} else {
		/* the text is nobody's: what it costs is the same */
		check(EVP_CIPHER_CTX_ctrl(f->cipher, EVP_CTRL_AEAD_SET_TAG, 16, tag));
		(void)EVP_CipherFinal_ex(f->cipher, text, &n);
	}
}

/* A responder's handshake, IKE_SA_INIT and IKE_AUTH with its first child. */
static void handshake(struct floor *f)
{
	unsigned char nonce[NONCE_LEN], shared[64] = {0}, key[PRF_LEN];

	check(RAND_bytes(nonce, sizeof(nonce)));
	key_exchange(f, shared);
	prf(f, shared, shared, 32, key);          /* SKEYSEED */
	prf_plus(f, key, 5);                      /* SK_d, SK_ei, SK_er, SK_pi, SK_pr */
	aead(f, key, 0);                          /* the IKE_AUTH request */
	prf(f, key, nonce, 8, shared);    /* MACedIDForI */
	if (f->peer.key) {
		verify(&f->peer, f->octets);
	} else {
		prf(f, key, nonce, 17, shared);
		prf(f, shared, f->octets, OCTETS_LEN, shared);
	}
	prf_plus(f, key, 2);                      /* KEYMAT of the child */
	prf(f, key, nonce, 8, shared);            /* MACedIDForR */
	if (f->own.key) {
		sign(&f->own, f->octets);
	} else {
		prf(f, key, nonce, 17, shared);
		prf(f, shared, f->octets, OCTETS_LEN, shared);
	}
	aead(f, key, 1);                          /* the response */
}

/* ---- */

static void signer_init(struct signer *s, EVP_PKEY *key)
{
	bool rsa;

	if (!key)
		return;
	rsa = EVP_PKEY_is_a(key, "RSA");
	s->key = key;
	s->ctx = must(EVP_MD_CTX_new());
	if (EVP_PKEY_is_a(key, "ED25519"))
		return;
	s->digest = must(EVP_MD_fetch(NULL, "SHA2-256", NULL));
	s->sign = must(EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL));
	s->verify = must(EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL));
	check(EVP_PKEY_sign_init(s->sign));
	check(EVP_PKEY_verify_init(s->verify));
	for (int i = 0; i < 2 && rsa; i++) {
		EVP_PKEY_CTX *ctx = i ? s->sign : s->verify;

		check(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING));
		check(EVP_PKEY_CTX_set_signature_md(ctx, s->digest));
		check(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST));
	}
}

static void signer_done(struct signer *s)
{
	EVP_MD_CTX_free(s->ctx);
	EVP_PKEY_CTX_free(s->sign);
	EVP_PKEY_CTX_free(s->verify);
	EVP_MD_free((EVP_MD *)(uintptr_t)s->digest);
}

struct floor *floor_new(EVP_PKEY *own, EVP_PKEY *peer)
{
	struct floor *f = must(calloc(1, sizeof(*f)));
	EVP_MAC *mac = must(EVP_MAC_fetch(NULL, "HMAC", NULL));
	char digest[] = "SHA2-512";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()};
	EVP_PKEY *other = NULL;
	size_t len = sizeof(f->remote);

	signer_init(&f->own, own);
	signer_init(&f->peer, peer);
	f->keygen = must(EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL));
	check(EVP_PKEY_keygen_init(f->keygen));
	check(EVP_PKEY_generate(f->keygen, &other));
	check(EVP_PKEY_get_raw_public_key(other, f->remote, &len));
	EVP_PKEY_free(other);
	f->hmac = must(EVP_MAC_CTX_new(mac));
	EVP_MAC_free(mac);
	check(EVP_MAC_CTX_set_params(f->hmac, params));
	f->gcm = must(EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL));
	f->cipher = must(EVP_CIPHER_CTX_new());
	/* the same octets are verified again and again: what is in them is of no account */
	if (f->peer.key)
		sign(&f->peer, f->octets);
	return f;
}

double floor_measure(struct floor *f, unsigned int n)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (unsigned int i = 0; i < n; i++)
		handshake(f);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3) / n;
}

void floor_free(struct floor *f)
{
	signer_done(&f->own);
	signer_done(&f->peer);
	EVP_PKEY_CTX_free(f->keygen);
	EVP_MAC_CTX_free(f->hmac);
	EVP_CIPHER_CTX_free(f->cipher);
	EVP_CIPHER_free(f->gcm);
	free(f);
}
