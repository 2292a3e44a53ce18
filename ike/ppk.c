/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Post-quantum preshared keys (RFC 8784): a secret that both hosts were told is mixed into SK_d,
 * SK_pi and SK_pr before IKE_AUTH. Only the signer knows it, and only it does the mixing.
 *
 * Where it is not required, the initiator proves itself twice, with it and without, and the answer
 * tells by which: so it has two sets of these keys until then, and no child SA before.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "ike/exchange.h"

#define PPK_ID_FIXED 2 /* RFC 8784 5.1: type of a PPK_ID */

static void refuse(struct refusal *ret, const char *why)
{
	*ret = (struct refusal){
		.code = IKE_FAIL_PPK, .notify = IKE_N_AUTHENTICATION_FAILED, .why = why};
}

bool ppk_optional(const struct handshake *hs)
{
	return hs->use_ppk && !hs->terms.ppk_required;
}

/* ---- keys */

/* The last of the SA's secrets. */
static uint8_t *sk_d(const struct ike_sa *sa)
{
	return sa->secrets.p + sa->secrets.len - sa->prf->len;
}

void ppk_ask(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;
	struct ike_sign sign = {
		.handle = sa->handle, .scheme = IKE_SIGN_PPK, .prf = (uint8_t)sa->prf->id};
	uint8_t keys[3 * IKE_PRF_MAX];
	struct wire_writer w = wire_writer(keys, sizeof(keys));

	wire_put(&w, sk_d(sa), sa->prf->len);
	wire_put(&w, hs->sk_pi, sa->prf->len);
	wire_put(&w, hs->sk_pr, sa->prf->len);
	memcpy(sign.secret, hs->terms.ppk, sizeof(sign.secret));
	sa_set_state(sa, sa->initiator ? SA_I_PPK : SA_R_PPK);
	core_event(sa->core, IKE_EV_SIGN, &sign, sizeof(sign), keys, w.pos);
	OPENSSL_cleanse(keys, sizeof(keys));
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t t[IKE_PRF_MAX];

	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
	OPENSSL_cleanse(t, sizeof(t));
}

void ppk_switch(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;

	swap(sk_d(sa), hs->ppk_keys[0], sa->prf->len);
	swap(hs->sk_pi, hs->ppk_keys[1], sa->prf->len);
	swap(hs->sk_pr, hs->ppk_keys[2], sa->prf->len);
	hs->ppk = !hs->ppk;
}

bool ppk_take(struct ike_sa *sa, const uint8_t *keys, size_t len)
{
	struct wire_reader r = wire_reader(keys, len);

	for (int i = 0; i < 3; i++)
		wire_copy(&r, sa->hs->ppk_keys[i], sa->prf->len);
	return !r.bad && !wire_left(&r);
}

/* ---- initiator */

void ppk_build(struct ike_sa *sa, struct ike_builder *b)
{
	struct handshake *hs = sa->hs;
	uint8_t id[1 + IKE_PPK_ID_MAX] = {PPK_ID_FIXED};

	if (!hs->use_ppk)
		return;
	memcpy(id + 1, hs->terms.ppk_id, hs->terms.ppk_id_len);
	ike_build_notify(b, IKE_N_PPK_IDENTITY, id, 1u + hs->terms.ppk_id_len);
	if (ppk_optional(hs))
		ike_build_notify(b, IKE_N_NO_PPK_AUTH, hs->signature, hs->signature_len);
}

bool ppk_on_response(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	struct handshake *hs = sa->hs;

	if (!hs->use_ppk || ike_notify_find(p, IKE_N_PPK_IDENTITY)) {
		if (hs->use_ppk)
			sa_note(sa, IKE_NOTE_PPK, 1);
		return true;
	}
	if (!ppk_optional(hs)) {
		refuse(ret, "the peer does not use the PPK, which is required");
		return false;
	}
	ppk_switch(sa);
	sa_note(sa, IKE_NOTE_PPK, 0);
	return true;
}

/* ---- responder */

static bool is_ours(const struct handshake *hs, const struct ike_notify *id)
{
	return *hs->terms.ppk && id->data.len == 1u + hs->terms.ppk_id_len &&
	       id->data.p[0] == PPK_ID_FIXED &&
	       !memcmp(id->data.p + 1, hs->terms.ppk_id, hs->terms.ppk_id_len);
}

/* Table 1. */
enum verdict ppk_on_request(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	const struct ike_notify *id = ike_notify_find(p, IKE_N_PPK_IDENTITY);
	struct handshake *hs = sa->hs;
	bool required = *hs->terms.ppk && hs->terms.ppk_required;

	if (!hs->use_ppk && !required)
		return VERDICT_PROVED;
	if (!hs->use_ppk)
		refuse(ret, "the peer uses no PPK, and one is required");
	else if (!id)
		refuse(ret, "the peer does not say which PPK it uses");
	else if (is_ours(hs, id))
		return VERDICT_LATER;
	else if (required)
		refuse(ret, "the peer's PPK has another identity than ours");
	else if (!ike_notify_find(p, IKE_N_NO_PPK_AUTH))
		refuse(ret, "the peer's PPK has another identity than ours, and it requires it");
	else {
		hs->without_ppk = true;
		sa_note(sa, IKE_NOTE_PPK, 0);
		return VERDICT_PROVED;
	}
	return VERDICT_REFUSED;
}
