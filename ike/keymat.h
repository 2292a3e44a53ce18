/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys derived from a key exchange (RFC 7296 2.13 to 2.18), and what AUTH is computed over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/crypto.h"
#include "ike/payload.h"
#include "ike/suite.h"

/* The keys of an IKE SA. Wipe with ike_keymat_wipe(). */
struct ike_keymat {
	const struct ike_prf *prf;
	const struct ike_encr *encr;
	const struct ike_integ *integ;
	uint8_t i[IKE_AEAD_KEY_MAX]; /* SK_ei, SK_ai: of the original initiator's messages */
	uint8_t r[IKE_AEAD_KEY_MAX]; /* SK_er, SK_ar: the responder's */
	uint8_t d[IKE_PRF_MAX];  /* SK_d, prf->len bytes */
	uint8_t pi[IKE_PRF_MAX]; /* SK_pi */
	uint8_t pr[IKE_PRF_MAX]; /* SK_pr */
};

/* The keys of a child SA: cipher key and salt as the kernel takes them, then the integrity key. */
struct ike_child_keymat {
	uint8_t len;                 /* of each */
	uint8_t i[IKE_AEAD_KEY_MAX]; /* initiator -> responder (of the exchange that made it) */
	uint8_t r[IKE_AEAD_KEY_MAX];
};

/* After IKE_SA_INIT. All return 0 or -EIO. */
int ike_keymat_initial(const struct ike_suite *suite, const struct ike_secret *shared,
	struct ike_bytes ni, struct ike_bytes nr, uint64_t spi_i, uint64_t spi_r,
	struct ike_keymat *ret);
/* Rekeying an IKE SA (2.18): SKEYSEED from the old SA's SK_d and prf, the rest by the new suite.
 * added: of an additional key exchange (RFC 9370 2.2.4), or NULL. With the secret of an
 * IKE_INTERMEDIATE exchange as shared it is the update of RFC 9370 2.2.2. */
int ike_keymat_rekey(const struct ike_keymat *old, const struct ike_suite *suite,
	const struct ike_secret *shared, const struct ike_secret *added, struct ike_bytes ni,
	struct ike_bytes nr, uint64_t spi_i, uint64_t spi_r, struct ike_keymat *ret);
/* 2.17. integ: NULL with an AEAD. shared: of the child's own key exchange, or NULL; added: as
 * above. */
int ike_keymat_child(const struct ike_keymat *ike, const struct ike_encr *encr,
	const struct ike_integ *integ, const struct ike_secret *shared,
	const struct ike_secret *added, struct ike_bytes ni, struct ike_bytes nr,
	struct ike_child_keymat *ret);
/* With a key in k. */
struct ike_aead ike_keymat_aead(const struct ike_keymat *k, bool of_initiator);
void ike_keymat_wipe(struct ike_keymat *k);
void ike_child_keymat_wipe(struct ike_child_keymat *k);

/* 2.15: message | nonce | prf(sk_p, id). message: the signer's own IKE_SA_INIT message, nonce: the
 * other side's, sk_p: the signer's (k->pi or k->pr), id: the body of the signer's ID payload.
 * Returns 0, -EMSGSIZE where buf is too small, -EIO. */
int ike_auth_octets(const struct ike_prf *prf, const uint8_t *sk_p, struct ike_bytes message,
	struct ike_bytes nonce, struct ike_bytes id, void *buf, size_t cap, size_t *ret_len);
/* IntAuth_i* or IntAuth_r* (RFC 9242 3.3.2): of a whole message of IKE_INTERMEDIATE with header h,
 * whose SK has the type first, flags (critical bit and RESERVED) and, decrypted, the payloads
 * inside. before: of the exchange before, {0} none. ret: prf->len bytes, may be before's. 0 or
 * -EIO. */
int ike_int_auth(const struct ike_prf *prf, const uint8_t *sk_p, struct ike_bytes before,
	const struct ike_header *h, uint8_t first, uint8_t flags, struct ike_bytes inside, uint8_t *ret);
/* AUTH by a shared secret (2.15): prf(prf(secret, "Key Pad for IKEv2"), octets), prf->len bytes.
 * NULL authentication: secret is the signer's SK_p, prf->len bytes (RFC 7619 2.1). */
int ike_auth_shared(const struct ike_prf *prf, const void *secret, size_t secret_len,
	struct ike_bytes octets, uint8_t *ret);
/* Whether auth is what ike_auth_shared() gives; in constant time. 0, -EKEYREJECTED or -EIO. */
int ike_auth_shared_verify(const struct ike_prf *prf, const void *secret, size_t secret_len,
	struct ike_bytes octets, struct ike_bytes auth);
