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

#include "ike/ike.h"

#define IKE_PRF_MAX 64      /* bytes of the longest prf output */
#define IKE_AEAD_KEY_MAX 96 /* key, salt, integrity key: AES-CBC-256 with HMAC-SHA2-512 */
#define IKE_IV_LEN_MAX 16
#define IKE_ICV_LEN_MAX 32
#define IKE_KE_PUBLIC_MAX 1184 /* ML-KEM-768 */
#define IKE_KE_SHARED_MAX 256

enum ike_transform_type { /* RFC 7296 3.3.2 */
	IKE_TYPE_ENCR = 1,
	IKE_TYPE_PRF = 2,
	IKE_TYPE_INTEG = 3,
	IKE_TYPE_KE = 4,
	IKE_TYPE_ESN = 5,
	IKE_TYPE_ADDKE1 = 6, /* RFC 9370 2.2.1: additional key exchanges, numbers of IKE_TYPE_KE */
	IKE_TYPE_ADDKE7 = 12,
};

enum ike_transform_id {
	IKE_ENCR_AES_CBC = 12,           /* RFC 3602 */
	IKE_ENCR_AES_GCM_16 = 20,        /* RFC 5282, RFC 4106 */
	IKE_ENCR_CHACHA20_POLY1305 = 28, /* RFC 7634 */
	IKE_PRF_HMAC_SHA2_256 = 5,       /* RFC 4868 */
	IKE_PRF_HMAC_SHA2_384 = 6,
	IKE_PRF_HMAC_SHA2_512 = 7,
	IKE_INTEG_NONE = 0,
	IKE_INTEG_HMAC_SHA2_256_128 = 12, /* RFC 4868 */
	IKE_INTEG_HMAC_SHA2_384_192 = 13,
	IKE_INTEG_HMAC_SHA2_512_256 = 14,
	IKE_KE_NONE = 0,
	IKE_KE_MODP_2048 = 14,  /* RFC 3526 */
	IKE_KE_ECP_256 = 19, /* RFC 5903 */
	IKE_KE_ECP_384 = 20,
	IKE_KE_ECP_521 = 21,
	IKE_KE_CURVE25519 = 31, /* RFC 8031 */
	IKE_KE_ML_KEM_768 = 36, /* draft-ietf-ipsecme-ikev2-mlkem */
	IKE_ESN_NO = 0,
	IKE_ESN_YES = 1,
};

/* A cipher for SK and for ESP. Lengths in bytes. An AEAD has the nonce salt | IV; one without ICV
 * of its own is CBC, and goes with a struct ike_integ. */
struct ike_encr {
	uint16_t id;
	uint16_t key_bits;
	bool key_attr; /* the key length attribute stands in the transform */
	uint8_t key_len;
	uint8_t salt_len;
	uint8_t iv_len;
	uint8_t icv_len;  /* 0: not an AEAD */
	uint8_t block;    /* SK's text is padded to a multiple of this */
	const char *evp;  /* EVP_CIPHER_fetch() */
	const char *name; /* "AES-GCM-16-256" */
};

/* Integrity for a cipher that has none: an HMAC with a key as long as its output, cut (RFC
 * 4868). */
struct ike_integ {
	uint16_t id;
	uint8_t key_len;
	uint8_t icv_len;
	const char *digest;
	const char *name; /* "HMAC-SHA2-256-128" */
};

struct ike_prf {
	uint16_t id;
	uint8_t len;        /* of output, and preferred key */
	const char *digest; /* of the HMAC */
	const char *name;   /* "PRF-HMAC-SHA2-256" */
};

struct ike_ke {
	uint16_t id;
	uint16_t public_len; /* of the KE payload's data; of a KEM, the initiator's */
	uint16_t answer_len; /* of a KEM, the responder's (the ciphertext); 0: not a KEM */
	uint16_t shared_len; /* g^ir */
	uint8_t prefix;    /* what OpenSSL's encoding has before the value: 4 for a point, 0 none */
	bool modp;         /* g^ir is padded to the modulus (RFC 7296 2.14) */
	const char *evp;   /* key type: "X25519", "EC", "DH" */
	const char *group; /* OpenSSL's name of the group, NULL where the type says it */
	const char *name;  /* "Curve25519" */
};

/* What we propose and accept, in order of preference; each list ends with NULL. */
struct ike_profile {
	const struct ike_encr *const *encr;
	const struct ike_prf *const *prf;
	const struct ike_ke *const *ke;
	const struct ike_encr *const *esp;
	bool esn; /* extended sequence numbers offered and preferred */
	const struct ike_integ *const *integ; /* NULL: encr and esp are AEADs; else none of them
	                                         is */
	/* Proposed last, for a peer that has nothing of esp: without ESN. NULL: nothing. */
	const struct ike_encr *late_esp;
	const struct ike_integ *const *late_integ; /* goes with it */
	/* What we never propose, and take from a peer that has nothing of the above: Libreswan's
	 * first KE, OpenIKED's ESP. NULL: nothing. */
	const struct ike_encr *const *answer_encr;
	const struct ike_integ *const *answer_integ; /* with the ciphers that need one */
	const struct ike_ke *const *answer_ke;
	const struct ike_encr *const *answer_esp;
	/* What is exchanged in addition where the peer can (RFC 9370). NULL: nothing. */
	const struct ike_ke *const *addke;
	bool addke_needed; /* no IKE SA without */
};

/* Without additional key exchanges. */
extern const struct ike_profile ike_profile_default;

/* The algorithms of one IKE SA. */
struct ike_suite {
	const struct ike_encr *encr;
	const struct ike_prf *prf;
	const struct ike_ke *ke;
	const struct ike_integ *integ; /* NULL with an AEAD */
	const struct ike_ke *addke;    /* NULL: none */
};

/* By number; NULL where we do not have it. key_bits 0: the attribute was absent. */
const struct ike_encr *ike_encr_find(uint16_t id, uint16_t key_bits);
const struct ike_prf *ike_prf_find(uint16_t id);
const struct ike_ke *ike_ke_find(uint16_t id);
const struct ike_integ *ike_integ_find(uint16_t id);
/* Whether the profile offers the group in IKE. */
bool ike_profile_has_ke(const struct ike_profile *p, uint16_t group);
/* The default with what the admin says about post-quantum key exchange; one that is required and
 * that OpenSSL lacks is an empty list. */
struct ike_profile ike_profile_make(enum ike_post_quantum pq);
/* Whether OpenSSL has the post-quantum key exchange: ML-KEM from 3.5 on. */
bool ike_has_post_quantum(void);
/* "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519 + ML-KEM-768", with the integrity behind the
 * cipher where it has one. IKE_SUITE_MAX bytes will do. Returns buf. */
const char *ike_suite_format(const struct ike_suite *s, char *buf, size_t cap);

/* Digests beside those inside the prfs. */
enum ike_md {
	IKE_MD_SHA1, /* NAT detection (RFC 7296 2.23), nothing else */
	IKE_MD_SHA2_256,
	IKE_MD_SHA2_384,
	IKE_MD_SHA2_512,
};

/* Fetches all that the descriptors name, once; before the sandbox, so that nothing is loaded later.
 * A KEM, and SHA-1, may be missing.
 * Returns 0, or -ENOTSUP after a logged line that names what OpenSSL does not have. */
int ike_suite_init(void);
/* The objects below are the process's. They fetch what ike_suite_init() has not, and are NULL where
 * OpenSSL lacks it. Contexts keep the key that they were given last, until ike_suite_wipe(): to
 * make one costs as much as to use it. */
EVP_CIPHER_CTX *ike_encr_evp(const struct ike_encr *e);
EVP_MAC_CTX *ike_prf_evp(const struct ike_prf *p);
EVP_MAC_CTX *ike_integ_evp(const struct ike_integ *i);
const EVP_MD *ike_md_evp(enum ike_md md);
/* A context ready for EVP_PKEY_keygen() in the group. */
EVP_PKEY_CTX *ike_ke_evp(const struct ike_ke *ke);
/* Room for a peer's public key, which costs more to make than to fill; NULL at first. */
EVP_PKEY **ike_ke_peer(const struct ike_ke *ke);
/* Wipes what the contexts hold of keys and data. For every process that uses them, before it waits
 * for what comes next. */
void ike_suite_wipe(void);
