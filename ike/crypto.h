/* SPDX-License-Identifier: BSD-2-Clause */
/* The primitives of IKEv2 over OpenSSL: digest, prf, prf+, the AEAD of SK, key exchange. No OpenSSL
 * object with a secret outlives ike_suite_wipe(), except in struct ike_kex. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ike/payload.h"
#include "ike/suite.h"

/* A shared secret of a key exchange. Wipe with ike_secret_wipe(). */
struct ike_secret {
	uint16_t len;
	uint8_t b[IKE_KE_SHARED_MAX];
};

/* What protects one direction. */
struct ike_aead {
	const struct ike_encr *encr;
	const struct ike_integ *integ; /* NULL: encr is an AEAD */
	const uint8_t *key; /* key, salt, integrity key; somebody else's */
};

/* How long that key is: at most IKE_AEAD_KEY_MAX. */
size_t ike_aead_key_len(const struct ike_encr *encr, const struct ike_integ *integ);

/* The digest of data into ret, which has room for it. Returns 0, or -EIO where OpenSSL fails or
 * lacks it. */
int ike_hash(enum ike_md md, struct ike_bytes data, uint8_t *ret);
/* prf(key, parts joined) into ret[prf->len]. Returns 0, or -EIO where OpenSSL fails. */
int ike_prf(const struct ike_prf *prf, const void *key, size_t key_len,
	const struct ike_bytes *parts, size_t n_parts, uint8_t *ret);
/* prf+ (RFC 7296 2.13) of at most 255 rounds. Returns 0, -EINVAL for a longer one, -EIO. */
int ike_prf_plus(const struct ike_prf *prf, const void *key, size_t key_len,
	const struct ike_bytes *parts, size_t n_parts, void *ret, size_t len);

/* Bytes of ICV behind what k seals. */
size_t ike_icv_len(const struct ike_aead *k);
/* AEAD seal and open in place: text is len bytes, icv follows elsewhere. iv: encr->iv_len bytes.
 * Returns 0 or -EIO; open: -EBADMSG where the check fails (the text is garbage then). */
int ike_aead_seal(const struct ike_aead *k, const uint8_t *iv, const void *aad, size_t aad_len,
	uint8_t *text, size_t len, uint8_t *ret_icv);
int ike_aead_open(const struct ike_aead *k, const uint8_t *iv, const void *aad, size_t aad_len,
	uint8_t *text, size_t len, const uint8_t *icv);

/* What sealing adds at most: IV, padding and its length, ICV. */
size_t ike_sk_overhead(const struct ike_aead *k);
/* Ends a message begun with ike_build_sk() or ike_build_skf(): padding, lengths, encryption, ICV
 * (RFC 5282; CBC: RFC 7296 3.14). iv: a number never used before with this key; a counter does,
 * also for CBC, whose IV is that number encrypted (NIST SP 800-38A appendix C). Returns 0,
 * -EMSGSIZE where it did not fit, -EIO. */
int ike_sk_seal(struct ike_builder *b, const struct ike_aead *k, uint64_t iv, size_t *ret_len);
/* Decrypts SK in place. msg: the whole message (len bytes, header included); sk: as found by
 * ike_payloads_parse() in it, of SKF without its numbers. *ret: the payloads inside, in msg.
 * Returns 0, -EBADMSG where the check or the padding fails (msg is garbage then: drop it), -EIO. */
int ike_sk_open(const struct ike_aead *k, uint8_t *msg, size_t len, const struct ike_bytes *sk,
	struct ike_bytes *ret);

struct ike_kex;

/* A fresh key pair of the group. Returns 0 or -EIO. Owned by the caller. */
int ike_kex_new(const struct ike_ke *ke, struct ike_kex **ret);
/* A given private key (tests): X25519 scalar, or big-endian integer of a curve. -EINVAL. */
int ike_kex_from_private(
	const struct ike_ke *ke, const void *priv, size_t len, struct ike_kex **ret);
/* The responder of an additional key exchange, whose group may be a KEM: our value, to be sent with
 * ike_kex_public(), and the secret at once. -EBADMSG as in ike_kex_derive(); of a KEM, the peer's
 * key is malformed (FIPS 203 section 7.2). -EIO. */
int ike_kex_answer(const struct ike_ke *ke, const void *peer, size_t len, struct ike_kex **ret,
	struct ike_secret *ret_secret);
const struct ike_ke *ike_kex_ke(const struct ike_kex *kex);
/* Our KE payload's data, ike_kex_public_len() bytes; lives as long as kex. */
const uint8_t *ike_kex_public(const struct ike_kex *kex);
/* ke->public_len, or ke->answer_len of a KEM's answer. */
size_t ike_kex_public_len(const struct ike_kex *kex);
/* The shared secret; of a KEM, of who asked. -EBADMSG: the peer's value has another length, is not
 * on the curve (RFC 6989) or gives zero (RFC 8031 section 2: checked as RFC 7748 6.1 allows).
 * -EIO. */
int ike_kex_derive(const struct ike_kex *kex, const void *peer, size_t len, struct ike_secret *ret);
/* Wipes; accepts NULL. */
void ike_kex_free(struct ike_kex *kex);
void ike_secret_wipe(struct ike_secret *s);
