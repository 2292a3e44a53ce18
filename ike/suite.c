/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/suite.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* RFC 5282 section 7 and RFC 7634 section 3: a nonce of 4 bytes salt and 8 bytes IV. */
static const struct ike_encr encrs[] = {
	{IKE_ENCR_AES_GCM_16, 256, true, 32, 4, 8, 16, 1, "AES-256-GCM", "AES-GCM-16-256"},
	{IKE_ENCR_CHACHA20_POLY1305, 256, false, 32, 4, 8, 16, 1, "ChaCha20-Poly1305",
		"ChaCha20-Poly1305"},
	{IKE_ENCR_AES_GCM_16, 128, true, 16, 4, 8, 16, 1, "AES-128-GCM", "AES-GCM-16-128"},
	{IKE_ENCR_AES_CBC, 256, true, 32, 0, 16, 0, 16, "AES-256-CBC", "AES-CBC-256"},
	{IKE_ENCR_AES_CBC, 128, true, 16, 0, 16, 0, 16, "AES-128-CBC", "AES-CBC-128"},
};

/* RFC 4868 section 2.6. */
static const struct ike_integ integs[] = {
	{IKE_INTEG_HMAC_SHA2_512_256, 64, 32, "SHA2-512", "HMAC-SHA2-512-256"},
	{IKE_INTEG_HMAC_SHA2_384_192, 48, 24, "SHA2-384", "HMAC-SHA2-384-192"},
	{IKE_INTEG_HMAC_SHA2_256_128, 32, 16, "SHA2-256", "HMAC-SHA2-256-128"},
};

static const struct ike_prf prfs[] = {
	{IKE_PRF_HMAC_SHA2_512, 64, "SHA2-512", "PRF-HMAC-SHA2-512"},
	{IKE_PRF_HMAC_SHA2_256, 32, "SHA2-256", "PRF-HMAC-SHA2-256"},
	{IKE_PRF_HMAC_SHA2_384, 48, "SHA2-384", "PRF-HMAC-SHA2-384"},
};

static const struct ike_ke kes[] = {
	{IKE_KE_CURVE25519, 32, 0, 32, 0, false, "X25519", NULL, "Curve25519"},
	{IKE_KE_ECP_256, 64, 0, 32, 4, false, "EC", "prime256v1", "ECP-256"},
	{IKE_KE_ECP_384, 96, 0, 48, 4, false, "EC", "secp384r1", "ECP-384"},
	{IKE_KE_ECP_521, 132, 0, 66, 4, false, "EC", "secp521r1", "ECP-521"},
	{IKE_KE_MODP_2048, 256, 0, 256, 0, true, "DH", "modp_2048", "MODP-2048"},
	{IKE_KE_ML_KEM_768, 1184, 1088, 32, 0, false, "ML-KEM-768", NULL, "ML-KEM-768"},
};

static const struct ike_encr *const default_encr[] = {&encrs[0], &encrs[1], &encrs[2], NULL};
static const struct ike_prf *const default_prf[] = {&prfs[0], &prfs[1], &prfs[2], NULL};
static const struct ike_ke *const default_ke[] = {&kes[0], &kes[1], &kes[2], &kes[3], NULL};
static const struct ike_encr *const answer_encr[] = {&encrs[3], &encrs[4], NULL};
static const struct ike_integ *const answer_integ[] = {&integs[0], &integs[1], &integs[2], NULL};
/* Not with SHA2-256: OpenIKED on Linux agrees to it, and its kernel has an older truncation of it. */
static const struct ike_integ *const late_integ[] = {&integs[1], &integs[0], NULL};
static const struct ike_ke *const answer_ke[] = {&kes[4], NULL};
static const struct ike_ke *const post_quantum[] = {&kes[5], NULL};

const struct ike_profile ike_profile_default = {
	.encr = default_encr,
	.prf = default_prf,
	.ke = default_ke,
	.esp = default_encr,
	.esn = true,
	.late_esp = &encrs[3],
	.late_integ = late_integ,
	.answer_encr = answer_encr,
	.answer_integ = answer_integ,
	.answer_ke = answer_ke,
	.answer_esp = answer_encr,
};

/* Fetching costs a lock and a lookup in OpenSSL; these live as long as the process. */
static const char *const mds[] = {
	[IKE_MD_SHA1] = "SHA1",
	[IKE_MD_SHA2_256] = "SHA2-256",
	[IKE_MD_SHA2_384] = "SHA2-384",
	[IKE_MD_SHA2_512] = "SHA2-512",
};
static EVP_MD *fetched_md[COUNT(mds)];
static EVP_CIPHER *fetched_encr[COUNT(encrs)];
static EVP_MAC_CTX *fetched_integ[COUNT(integs)];
static EVP_MAC_CTX *fetched_prf[COUNT(prfs)];
static EVP_PKEY_CTX *fetched_ke[COUNT(kes)];
/* In use; wiped by being freed. The fetched ones never see a key. */
static EVP_CIPHER_CTX *keyed_encr[COUNT(encrs)];
static EVP_MAC_CTX *keyed_integ[COUNT(integs)];
static EVP_MAC_CTX *keyed_prf[COUNT(prfs)];

const struct ike_encr *ike_encr_find(uint16_t id, uint16_t key_bits)
{
	for (size_t i = 0; i < COUNT(encrs); i++)
		if (encrs[i].id == id && key_bits == (encrs[i].key_attr ? encrs[i].key_bits : 0))
			return &encrs[i];
	return NULL;
}

const struct ike_prf *ike_prf_find(uint16_t id)
{
	for (size_t i = 0; i < COUNT(prfs); i++)
		if (prfs[i].id == id)
			return &prfs[i];
	return NULL;
}

const struct ike_ke *ike_ke_find(uint16_t id)
{
	for (size_t i = 0; i < COUNT(kes); i++)
		if (kes[i].id == id)
			return &kes[i];
	return NULL;
}

const struct ike_integ *ike_integ_find(uint16_t id)
{
	for (size_t i = 0; i < COUNT(integs); i++)
		if (integs[i].id == id)
			return &integs[i];
	return NULL;
}

bool ike_has_post_quantum(void)
{
	return ike_ke_evp(post_quantum[0]);
}

struct ike_profile ike_profile_make(enum ike_post_quantum pq)
{
	static const struct ike_ke *const none[] = {NULL};
	struct ike_profile p = ike_profile_default;

	if (pq == IKE_PQ_OFF)
		return p;
	p.addke = ike_has_post_quantum() ? post_quantum : none;
	p.addke_needed = pq == IKE_PQ_REQUIRE;
	return p;
}

bool ike_profile_has_ke(const struct ike_profile *p, uint16_t group)
{
	for (size_t i = 0; p->ke[i]; i++)
		if (p->ke[i]->id == group)
			return true;
	return false;
}

const char *ike_suite_format(const struct ike_suite *s, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s%s%s / %s / %s%s%s", s->encr->name, s->integ ? " / " : "",
		s->integ ? s->integ->name : "", s->prf->name, s->ke->name, s->addke ? " + " : "",
		s->addke ? s->addke->name : "");
	return buf;
}

static EVP_CIPHER *cipher(const struct ike_encr *e)
{
	EVP_CIPHER **fetched = &fetched_encr[e - encrs];

	if (!*fetched)
		*fetched = EVP_CIPHER_fetch(NULL, e->evp, NULL);
	return *fetched;
}

EVP_CIPHER_CTX *ike_encr_evp(const struct ike_encr *e)
{
	EVP_CIPHER_CTX **keyed = &keyed_encr[e - encrs];

	if (*keyed || !cipher(e))
		return *keyed;
	*keyed = EVP_CIPHER_CTX_new();
	if (*keyed && !EVP_CipherInit_ex2(*keyed, cipher(e), NULL, NULL, 1, NULL)) {
		EVP_CIPHER_CTX_free(*keyed);
		*keyed = NULL;
	}
	return *keyed;
}

static EVP_MAC_CTX *hmac(EVP_MAC_CTX **fetched, const char *digest)
{
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};

	if (*fetched)
		return *fetched;
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac); /* the context holds a reference */
	/* the parameter is only read, despite its type */
	params[0] = OSSL_PARAM_construct_utf8_string(
		OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0);
	if (ctx && !EVP_MAC_CTX_set_params(ctx, params)) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	*fetched = ctx;
	return ctx;
}

static EVP_MAC_CTX *keyed_hmac(EVP_MAC_CTX **keyed, EVP_MAC_CTX **fetched, const char *digest)
{
	if (!*keyed && hmac(fetched, digest))
		*keyed = EVP_MAC_CTX_dup(*fetched);
	return *keyed;
}

EVP_MAC_CTX *ike_prf_evp(const struct ike_prf *p)
{
	return keyed_hmac(&keyed_prf[p - prfs], &fetched_prf[p - prfs], p->digest);
}

EVP_MAC_CTX *ike_integ_evp(const struct ike_integ *i)
{
	return keyed_hmac(&keyed_integ[i - integs], &fetched_integ[i - integs], i->digest);
}

const EVP_MD *ike_md_evp(enum ike_md md)
{
	if (!fetched_md[md])
		fetched_md[md] = EVP_MD_fetch(NULL, mds[md], NULL);
	return fetched_md[md];
}

EVP_PKEY_CTX *ike_ke_evp(const struct ike_ke *ke)
{
	size_t i = (size_t)(ke - kes);
	EVP_PKEY_CTX *ctx;

	if (fetched_ke[i])
		return fetched_ke[i];
	ctx = EVP_PKEY_CTX_new_from_name(NULL, ke->evp, NULL);
	if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0 ||
		(ke->group && EVP_PKEY_CTX_set_group_name(ctx, ke->group) <= 0)) {
		EVP_PKEY_CTX_free(ctx);
		return NULL;
	}
	fetched_ke[i] = ctx;
	return ctx;
}

EVP_PKEY **ike_ke_peer(const struct ike_ke *ke)
{
	static EVP_PKEY *peers[COUNT(kes)];

	return &peers[ke - kes];
}

static void wipe_mac(EVP_MAC_CTX **keyed)
{
	EVP_MAC_CTX_free(*keyed);
	*keyed = NULL;
}

void ike_suite_wipe(void)
{
	for (size_t i = 0; i < COUNT(encrs); i++) {
		EVP_CIPHER_CTX_free(keyed_encr[i]);
		keyed_encr[i] = NULL;
	}
	for (size_t i = 0; i < COUNT(integs); i++)
		wipe_mac(&keyed_integ[i]);
	for (size_t i = 0; i < COUNT(prfs); i++)
		wipe_mac(&keyed_prf[i]);
}

int ike_suite_init(void)
{
	for (size_t i = 0; i < COUNT(mds); i++)
		if (!ike_md_evp((enum ike_md)i) && i != IKE_MD_SHA1) {
			log_error("OpenSSL has no %s: it is needed", mds[i]);
			return -ENOTSUP;
		}
	for (size_t i = 0; i < COUNT(encrs); i++)
		if (!ike_encr_evp(&encrs[i])) {
			log_error("OpenSSL has no %s: it is needed", encrs[i].evp);
			return -ENOTSUP;
		}
	for (size_t i = 0; i < COUNT(integs); i++)
		if (!ike_integ_evp(&integs[i])) {
			log_error("OpenSSL has no HMAC with %s: it is needed", integs[i].digest);
			return -ENOTSUP;
		}
	for (size_t i = 0; i < COUNT(prfs); i++)
		if (!ike_prf_evp(&prfs[i])) {
			log_error("OpenSSL has no HMAC with %s: it is needed", prfs[i].digest);
			return -ENOTSUP;
		}
	for (size_t i = 0; i < COUNT(kes); i++)
		if (!ike_ke_evp(&kes[i]) && !kes[i].answer_len) {
			log_error("OpenSSL has no %s: it is needed", kes[i].name);
			return -ENOTSUP;
		}
	return 0;
}
