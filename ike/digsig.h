/* SPDX-License-Identifier: BSD-2-Clause */
/* Digital signatures in AUTH (RFC 7427, RFC 8420, RFC 4754): schemes, their AlgorithmIdentifiers,
 * signing and verifying. There is no SHA-1. */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/ike.h"
#include "ike/payload.h"

/* SIGNATURE_HASH_ALGORITHMS (IANA): a set is a mask of 1 << number. */
enum ike_hash {
	IKE_HASH_SHA2_256 = 2,
	IKE_HASH_SHA2_384 = 3,
	IKE_HASH_SHA2_512 = 4,
	IKE_HASH_IDENTITY = 5, /* EdDSA, RFC 8420 */
};
#define IKE_HASHES_ALL (1u << 2 | 1u << 3 | 1u << 4 | 1u << 5)

/* The keys that we handle. */
enum ike_key_type {
	IKE_KEY_RSA, /* at least 2048 bits */
	IKE_KEY_P256,
	IKE_KEY_P384,
	IKE_KEY_P521,
	IKE_KEY_ED25519,
	IKE_KEY_ED448,
};

/* An AUTH payload's data of method 14. */
struct ike_digsig {
	enum ike_scheme scheme;
	bool ed448;           /* IKE_SIGN_EDDSA: Ed448, not Ed25519 */
	struct ike_bytes sig; /* in the payload */
	bool raw;             /* r and s side by side, by a key of the type below (RFC 4754) */
	enum ike_key_type type;
};

/* The hashes of the notify's data as a mask; unknown ones left out. */
uint32_t ike_hashes_parse(struct ike_bytes data);
/* Appends N(SIGNATURE_HASH_ALGORITHMS) with the mask's. */
void ike_build_hashes(struct ike_builder *b, uint32_t hashes);

/* 0, or -ENOTSUP: another kind, RSA below 2048 bits, another curve. */
int ike_key_type(EVP_PKEY *key, enum ike_key_type *ret);
/* DER SubjectPublicKeyInfo with nothing behind it. Returns 0, -EINVAL (not a key), -ENOTSUP. */
int ike_spki_type(const void *spki, size_t len, enum ike_key_type *ret);
bool ike_scheme_fits(enum ike_scheme scheme, enum ike_key_type type);
/* The scheme for our key given the hashes that the peer announced (0: it did not: method 14 is
 * out). 0 or -ENOENT. */
int ike_scheme_choose(enum ike_key_type type, uint32_t hashes, enum ike_scheme *ret);
const char *ike_scheme_name(enum ike_scheme scheme); /* "RSA-PSS with SHA2-256"; "?" */

/* Parses AUTH data: one length byte, AlgorithmIdentifier, signature. PSS parameters may come in any
 * DER form that means the same: hash and MGF1 hash equal, salt as long as the hash. Returns 0,
 * -EBADMSG (malformed), -ENOTSUP (another algorithm, SHA-1, odd PSS parameters). */
int ike_digsig_parse(struct ike_bytes auth, struct ike_digsig *ret);
/* The same of methods 9 to 11 (RFC 4754 section 3): each is one curve with one hash. -ENOTSUP:
 * another method. */
int ike_ecdsa_parse(uint8_t method, struct ike_bytes auth, struct ike_digsig *ret);
/* How a key of type signs for a peer that announces no hashes and so knows no method 14. 0 or
 * -ENOENT. */
int ike_ecdsa_choose(enum ike_key_type type, enum ike_scheme *ret);
/* Appends the AUTH payload of that; sig as ike_digsig_sign() gives it. */
void ike_build_ecdsa(struct ike_builder *b, enum ike_key_type type, const void *sig, size_t len);
/* Appends an AUTH payload of method 14. */
void ike_build_digsig(struct ike_builder *b, enum ike_scheme scheme, enum ike_key_type type,
	const void *sig, size_t len);
/* 0: the signature over octets is by this key. -EKEYREJECTED: it is not, or the scheme does not fit
 * the key. -EINVAL, -ENOTSUP: not a key we handle. -EIO. */
int ike_digsig_verify(
	const void *spki, size_t spki_len, const struct ike_digsig *d, struct ike_bytes octets);
/* A private key, ready to sign: what is made for its first signature is kept for the next. Wiped by
 * ike_signing_key_free(), which accepts NULL. */
struct ike_signing_key;
/* With a reference of its own to key. 0, -ENOTSUP. */
int ike_signing_key_new(EVP_PKEY *key, struct ike_signing_key **ret);
/* *len: room in sig before, length after. 0, -EINVAL where the scheme does not fit, -EIO. */
int ike_signing_key_sign(struct ike_signing_key *key, enum ike_scheme scheme,
	struct ike_bytes octets, uint8_t *sig, size_t *len);
void ike_signing_key_free(struct ike_signing_key *key);
/* The same, once; -EINVAL also for a key that we do not handle. */
int ike_digsig_sign(
	EVP_PKEY *key, enum ike_scheme scheme, struct ike_bytes octets, uint8_t *sig, size_t *len);
