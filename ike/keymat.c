/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/keymat.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/wire.h"

/* All that prf+ gives for an IKE SA: SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr. */
#define KEYS_MAX (3 * IKE_PRF_MAX + 2 * IKE_AEAD_KEY_MAX)

static struct ike_bytes bytes(const void *p, size_t len)
{
	return (struct ike_bytes){.p = p, .len = len};
}

static struct ike_bytes secret(const struct ike_secret *s)
{
	return s ? bytes(s->b, s->len) : (struct ike_bytes){0};
}

/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr),
 * where an AEAD has no SK_a* (RFC 5282 section 7). SK_a is kept behind SK_e. */
static int expand(const struct ike_suite *suite, const uint8_t *skeyseed, size_t skeyseed_len,
	struct ike_bytes ni, struct ike_bytes nr, uint64_t spi_i, uint64_t spi_r,
	struct ike_keymat *ret)
{
	const struct ike_prf *prf = suite->prf;
	size_t encr_len = (size_t)suite->encr->key_len + suite->encr->salt_len;
	size_t integ_len = suite->integ ? suite->integ->key_len : 0;
	size_t len = 3u * prf->len + 2 * (encr_len + integ_len);
	uint8_t keys[KEYS_MAX], spis[16];
	struct wire_writer w = wire_writer(spis, sizeof(spis));
	struct wire_reader r = wire_reader(keys, len);
	struct ike_keymat k = {.prf = prf, .encr = suite->encr, .integ = suite->integ};
	int error;

	wire_put_u64(&w, spi_i);
	wire_put_u64(&w, spi_r);
	error = ike_prf_plus(prf, skeyseed, skeyseed_len,
		(struct ike_bytes[]){ni, nr, bytes(spis, sizeof(spis))}, 3, keys, len);
	if (!error) {
		wire_copy(&r, k.d, prf->len);
		wire_copy(&r, k.i + encr_len, integ_len);
		wire_copy(&r, k.r + encr_len, integ_len);
		wire_copy(&r, k.i, encr_len);
		wire_copy(&r, k.r, encr_len);
		wire_copy(&r, k.pi, prf->len);
		wire_copy(&r, k.pr, prf->len);
		*ret = k;
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	ike_keymat_wipe(&k);
	return error;
}

/* SKEYSEED = prf(Ni | Nr, g^ir) */
int ike_keymat_initial(const struct ike_suite *suite, const struct ike_secret *shared,
	struct ike_bytes ni, struct ike_bytes nr, uint64_t spi_i, uint64_t spi_r,
	struct ike_keymat *ret)
{
	uint8_t key[2 * IKE_NONCE_MAX], skeyseed[IKE_PRF_MAX];
	int error;

	assert(ni.len <= IKE_NONCE_MAX && nr.len <= IKE_NONCE_MAX);
	memcpy(key, ni.p, ni.len);
	memcpy(key + ni.len, nr.p, nr.len);
	error = ike_prf(suite->prf, key, ni.len + nr.len, (struct ike_bytes[]){secret(shared)}, 1,
		skeyseed);
	if (!error)
		error = expand(suite, skeyseed, suite->prf->len, ni, nr, spi_i, spi_r, ret);
	OPENSSL_cleanse(skeyseed, sizeof(skeyseed));
	return error;
}

/* SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr [| SK(1)]), with the old SA's prf */
int ike_keymat_rekey(const struct ike_keymat *old, const struct ike_suite *suite,
	const struct ike_secret *shared, const struct ike_secret *added, struct ike_bytes ni,
	struct ike_bytes nr, uint64_t spi_i, uint64_t spi_r, struct ike_keymat *ret)
{
	uint8_t skeyseed[IKE_PRF_MAX];
	int error = ike_prf(old->prf, old->d, old->prf->len,
		(struct ike_bytes[]){secret(shared), ni, nr, secret(added)}, 4, skeyseed);

	if (!error)
		error = expand(suite, skeyseed, old->prf->len, ni, nr, spi_i, spi_r, ret);
	OPENSSL_cleanse(skeyseed, sizeof(skeyseed));
	return error;
}

/* KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr [| SK(1)]) */
int ike_keymat_child(const struct ike_keymat *ike, const struct ike_encr *encr,
	const struct ike_integ *integ, const struct ike_secret *shared,
	const struct ike_secret *added, struct ike_bytes ni, struct ike_bytes nr,
	struct ike_child_keymat *ret)
{
	size_t len = ike_aead_key_len(encr, integ);
	uint8_t keymat[2 * IKE_AEAD_KEY_MAX];
	struct ike_child_keymat k = {.len = (uint8_t)len};
	int error = ike_prf_plus(ike->prf, ike->d, ike->prf->len,
		(struct ike_bytes[]){secret(shared), ni, nr, secret(added)}, 4, keymat, 2 * len);

	if (!error) {
		memcpy(k.i, keymat, len);
		memcpy(k.r, keymat + len, len);
		*ret = k;
	}
	OPENSSL_cleanse(keymat, sizeof(keymat));
	ike_child_keymat_wipe(&k);
	return error;
}

struct ike_aead ike_keymat_aead(const struct ike_keymat *k, bool of_initiator)
{
	return (struct ike_aead){
		.encr = k->encr, .integ = k->integ, .key = of_initiator ? k->i : k->r};
}

void ike_keymat_wipe(struct ike_keymat *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

void ike_child_keymat_wipe(struct ike_child_keymat *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

int ike_auth_octets(const struct ike_prf *prf, const uint8_t *sk_p, struct ike_bytes message,
	struct ike_bytes nonce, struct ike_bytes id, void *buf, size_t cap, size_t *ret_len)
{
	struct wire_writer w = wire_writer(buf, cap);
	uint8_t *maced;
	int error;

	wire_put(&w, message.p, message.len);
	wire_put(&w, nonce.p, nonce.len);
	maced = wire_reserve(&w, prf->len);
	if (!maced)
		return -EMSGSIZE;
	error = ike_prf(prf, sk_p, prf->len, &id, 1, maced);
	if (error)
		return error;
	*ret_len = w.pos;
	return 0;
}

int ike_int_auth(const struct ike_prf *prf, const uint8_t *sk_p, struct ike_bytes before,
	const struct ike_header *h, uint8_t first, uint8_t flags, struct ike_bytes inside,
	uint8_t *ret)
{
	uint8_t head[IKE_HEADER_LEN + IKE_GENERIC_LEN];
	struct wire_writer w = wire_writer(head, sizeof(head));

	/* the message as if it had come in one piece, with neither IV, padding nor ICV */
	wire_put_u64(&w, h->spi_i);
	wire_put_u64(&w, h->spi_r);
	wire_put_u8(&w, IKE_PL_SK);
	wire_put_u8(&w, h->version);
	wire_put_u8(&w, h->exchange);
	wire_put_u8(&w, h->flags);
	wire_put_u32(&w, h->msgid);
	wire_put_u32(&w, (uint32_t)(sizeof(head) + inside.len));
	wire_put_u8(&w, first);
	wire_put_u8(&w, flags);
	wire_put_u16(&w, (uint16_t)(IKE_GENERIC_LEN + inside.len));
	return ike_prf(prf, sk_p, prf->len,
		(struct ike_bytes[]){before, bytes(head, sizeof(head)), inside}, 3, ret);
}

int ike_auth_shared(const struct ike_prf *prf, const void *secret, size_t secret_len,
	struct ike_bytes octets, uint8_t *ret)
{
	static const char pad[] = "Key Pad for IKEv2";
	struct ike_bytes label = bytes(pad, sizeof(pad) - 1);
	uint8_t key[IKE_PRF_MAX];
	int error = ike_prf(prf, secret, secret_len, &label, 1, key);

	if (!error)
		error = ike_prf(prf, key, prf->len, &octets, 1, ret);
	OPENSSL_cleanse(key, sizeof(key));
	return error;
}

int ike_auth_shared_verify(const struct ike_prf *prf, const void *secret, size_t secret_len,
	struct ike_bytes octets, struct ike_bytes auth)
{
	uint8_t want[IKE_PRF_MAX];
	int error = ike_auth_shared(prf, secret, secret_len, octets, want);

	if (!error && (auth.len != prf->len || CRYPTO_memcmp(auth.p, want, prf->len) != 0))
		error = -EKEYREJECTED;
	OPENSSL_cleanse(want, sizeof(want));
	return error;
}
