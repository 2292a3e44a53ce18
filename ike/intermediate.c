/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE_INTERMEDIATE (RFC 9242): an additional key exchange between IKE_SA_INIT and IKE_AUTH (RFC
 * 9370 section 2.2.2), both roles. It is what may not be in IKE_SA_INIT, for its messages are
 * long: under SK they can go in fragments.
 *
 * Its messages are under the keys of IKE_SA_INIT, then all keys are made anew with its secret.
 * Whether they were changed on the way AUTH tells, which is over a digest of them.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"
#include "ike/names.h"

#define FLAGS_AT 19 /* in the IKE header */

const struct ike_aead *mix_key(const struct ike_sa *sa, uint8_t exchange, bool of_initiator)
{
	if (exchange == IKE_EXCH_INTERMEDIATE && sa->hs && sa->hs->mixes)
		return &sa->hs->before[of_initiator];
	return of_initiator ? &sa->ei : &sa->er;
}

/* ---- what AUTH will be over (RFC 9242 3.3.2) */

static int digest(struct ike_sa *sa, bool of_initiator, const struct ike_header *h, uint8_t first,
	uint8_t flags, struct ike_bytes inside)
{
	struct handshake *hs = sa->hs;
	struct ike_bytes before = {hs->int_auth[of_initiator], hs->mixes ? sa->prf->len : 0};

	return ike_int_auth(sa->prf, of_initiator ? hs->sk_pi : hs->sk_pr, before, h, first, flags,
		inside, hs->int_auth[of_initiator]);
}

/* Of the message in b, which is not sealed yet. */
static int digest_own(struct ike_sa *sa, const struct ike_builder *b)
{
	size_t text = b->sk_at + b->sk_head + sa->ei.encr->iv_len;
	struct ike_header h = {.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.version = 0x20,
		.exchange = IKE_EXCH_INTERMEDIATE,
		.flags = b->w.data[FLAGS_AT],
		.msgid = sa->initiator ? sa->next_out : sa->next_in};

	if (b->w.bad)
		return -1;
	return digest(sa, sa->initiator, &h, b->w.data[b->sk_at], 0,
		(struct ike_bytes){b->w.data + text, b->w.pos - text});
}

static int digest_peers(struct ike_sa *sa, const struct message *m)
{
	return digest(sa, !sa->initiator, &m->h, m->first, m->sk_flags, m->chain);
}

/* ---- keys */

/* SKEYSEED(1) = prf(SK_d(0), SK(1) | Ni | Nr): as when rekeying, with the SPIs that there are. */
static int update_keys(struct ike_sa *sa, const struct ike_secret *secret)
{
	struct handshake *hs = sa->hs;
	struct ike_keymat was, is;
	int r;

	sa_keymat(sa, &was);
	r = ike_keymat_rekey(&was, &hs->suite, secret, NULL, (struct ike_bytes){hs->ni, hs->ni_len},
		(struct ike_bytes){hs->nr, hs->nr_len}, sa->spi_i, sa->spi_r, &is);
	ike_keymat_wipe(&was);
	if (r < 0)
		return r;
	hs->before[true] = sa->ei;
	hs->before[false] = sa->er;
	blob_free(&hs->before_secrets);
	hs->before_secrets = sa->secrets;
	sa->secrets = (struct blob){0};
	hs->mixes++;
	init_set_keys(sa, &is);
	ike_keymat_wipe(&is);
	return 0;
}

/* ---- initiator */

void mix_start(struct ike_sa *sa)
{
	const struct ike_ke *ke = sa->hs->suite.addke;
	struct ike_builder b;

	if (ike_kex_new(ke, &sa->hs->kex) < 0) {
		log_error("cannot make a %s key", ke->name);
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "OpenSSL makes no key");
		return;
	}
	b = sa_build(sa, IKE_EXCH_INTERMEDIATE, false);
	ike_build_ke(&b, ke->id, ike_kex_public(sa->hs->kex), ike_kex_public_len(sa->hs->kex));
	if (digest_own(sa, &b) < 0) {
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "OpenSSL fails");
		return;
	}
	sa_set_state(sa, SA_I_MIX);
	sa_note(sa, IKE_NOTE_ADDKE_SENT, ke->id);
	sa_send_request(sa, &b, IKE_EXCH_INTERMEDIATE);
}

void mix_on_response(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *error = ike_notify_error(&m->inner);
	struct handshake *hs = sa->hs;
	struct ike_secret secret = {0};
	bool good;

	sa_request_done(sa);
	if (error) {
		sa_end(sa, IKE_FAIL_PROTOCOL, error->type, FAREWELL_NONE,
			"the peer answers IKE_INTERMEDIATE with %s", ike_notify_name(error->type));
		return;
	}
	good = m->inner.ke_group == hs->suite.addke->id &&
	       ike_kex_derive(hs->kex, m->inner.ke.p, m->inner.ke.len, &secret) == 0 &&
	       digest_peers(sa, m) == 0 && update_keys(sa, &secret) == 0;
	ike_secret_wipe(&secret);
	ike_kex_free(hs->kex);
	hs->kex = NULL;
	if (good)
		auth_start(sa);
	else
		sa_end(sa, IKE_FAIL_PROTOCOL, 0, FAREWELL_NONE,
			"the peer's %s value is no good", hs->suite.addke->name);
}

/* ---- responder */

static void refuse(struct ike_sa *sa)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_INTERMEDIATE, true);

	ike_build_notify(&b, IKE_N_INVALID_SYNTAX, NULL, 0);
	sa_send_reply(sa, &b);
	sa_end(sa, IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX, FAREWELL_LINGER,
		"the peer's %s value is no good", sa->hs->suite.addke->name);
}

void mix_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_ke *ke = sa->hs->suite.addke;
	struct ike_secret secret;
	struct ike_kex *kex;
	struct ike_builder b;
	bool good;

	if (m->inner.ke_group != ke->id ||
		ike_kex_answer(ke, m->inner.ke.p, m->inner.ke.len, &kex, &secret) < 0) {
		refuse(sa);
		return;
	}
	b = sa_build(sa, IKE_EXCH_INTERMEDIATE, true);
	ike_build_ke(&b, ke->id, ike_kex_public(kex), ike_kex_public_len(kex));
	good = digest_peers(sa, m) == 0 && digest_own(sa, &b) == 0;
	sa_send_reply(sa, &b);
	good = good && update_keys(sa, &secret) == 0;
	ike_secret_wipe(&secret);
	ike_kex_free(kex);
	if (good)
		sa_set_state(sa, SA_R_INIT);
	else
		sa_end(sa, IKE_FAIL_BUSY, 0, FAREWELL_NONE, "OpenSSL fails");
}
