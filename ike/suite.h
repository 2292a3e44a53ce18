/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Algorithms as constant descriptors: IANA numbers, lengths, OpenSSL names. No code elsewhere
 * switches on an algorithm number. What the descriptors name is fetched from OpenSSL once per
 * process.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_PRF_MAX 64      /* bytes of the longest prf output */
#define IKE_AEAD_KEY_MAX 36 /* key and salt */
#define IKE_ICV_LEN_MAX 16
#define IKE_KE_PUBLIC_MAX 384 /* room for MODP-3072 */
#define IKE_KE_SHARED_MAX 384

enum ike_transform_type { /* RFC 7296 3.3.2 */
	IKE_TYPE_ENCR = 1,
	IKE_TYPE_PRF = 2,
	IKE_TYPE_INTEG = 3,
	IKE_TYPE_KE = 4,
	IKE_TYPE_ESN = 5,
};

enum ike_transform_id {
	IKE_ENCR_AES_GCM_16 = 20,        /* RFC 5282, RFC 4106 */
	IKE_ENCR_CHACHA20_POLY1305 = 28, /* RFC 7634 */
	IKE_PRF_HMAC_SHA2_256 = 5,       /* RFC 4868 */
	IKE_PRF_HMAC_SHA2_384 = 6,
	IKE_PRF_HMAC_SHA2_512 = 7,
	IKE_INTEG_NONE = 0,
	IKE_KE_NONE = 0,
	IKE_KE_MODP_2048 = 14,
	IKE_KE_ECP_256 = 19, /* RFC 5903 */
	IKE_KE_ECP_384 = 20,
	IKE_KE_ECP_521 = 21,
	IKE_KE_CURVE25519 = 31, /* RFC 8031 */
	IKE_ESN_NO = 0,
	IKE_ESN_YES = 1,
};

/* An AEAD for SK and for ESP: nonce = salt | IV. Lengths in bytes. */
struct ike_encr {
	uint16_t id;
	uint16_t key_bits;
	bool key_attr; /* the key length attribute stands in the transform */
	uint8_t key_len;
	uint8_t salt_len;
	uint8_t iv_len;
	uint8_t icv_len;
	const char *evp;  /* EVP_CIPHER_fetch() */
	const char *name; /* "AES-GCM-16-256" */
};

struct ike_prf {
	uint16_t id;
	uint8_t len;        /* of output, and preferred key */
	const char *digest; /* of the HMAC */
	const char *name;   /* "PRF-HMAC-SHA2-256" */
};

struct ike_ke {
	uint16_t id;
	uint16_t public_len; /* of the KE payload's data */
	uint16_t shared_len; /* g^ir */
	uint8_t prefix;    /* what OpenSSL's encoding has before the value: 4 for a point, 0 none */
	const char *evp;   /* key type: "X25519", "EC" */
	const char *group; /* OpenSSL's name of the curve, NULL where the type says it */
	const char *name;  /* "Curve25519" */
};

/* What we propose and accept, in order of preference; each list ends with NULL. */
struct ike_profile {
	const struct ike_encr *const *encr;
	const struct ike_prf *const *prf;
	const struct ike_ke *const *ke;
	const struct ike_encr *const *esp;
	bool esn; /* extended sequence numbers offered and preferred */
};

extern const struct ike_profile ike_profile_default;

/* The algorithms of one IKE SA. */
struct ike_suite {
	const struct ike_encr *encr;
	const struct ike_prf *prf;
	const struct ike_ke *ke;
};

/* By number; NULL where we do not have it. key_bits 0: the attribute was absent. */
const struct ike_encr *ike_encr_find(uint16_t id, uint16_t key_bits);
const struct ike_prf *ike_prf_find(uint16_t id);
const struct ike_ke *ike_ke_find(uint16_t id);
/* Whether the profile takes the group in IKE. */
bool ike_profile_has_ke(const struct ike_profile *p, uint16_t group);
/* "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519". Returns buf. */
const char *ike_suite_format(const struct ike_suite *s, char *buf, size_t cap);

/* Fetches all that the descriptors name, once; before the sandbox, so that nothing is loaded later.
 * Returns 0, or -ENOTSUP after a logged line that names what OpenSSL does not have. */
int ike_suite_init(void);
/* The fetched objects, owned by the process. They fetch what ike_suite_init() has not; NULL where
 * OpenSSL lacks it. */
const EVP_CIPHER *ike_encr_evp(const struct ike_encr *e);
/* An HMAC context of the prf, without key, to be duplicated. */
const EVP_MAC_CTX *ike_prf_evp(const struct ike_prf *p);
/* A context ready for EVP_PKEY_keygen() in the group. */
EVP_PKEY_CTX *ike_ke_evp(const struct ike_ke *ke);
