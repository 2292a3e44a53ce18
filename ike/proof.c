/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is who in IKE_AUTH: identities, our AUTH and the peer's (RFC 7296 sections 2.15 and 3.5,
 * RFC 7427, RFC 8420, RFC 4754, RFC 7619).
 *
 * A peer that an admin configured by hand is held to his terms, and to nothing else: it must claim
 * the identity that they name, and prove itself by what they name. Without terms what proves a peer
 * are keys that the agent gives, never the identity that it claims.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "ike/cert.h"
#include "ike/exchange.h"
#include "ike/names.h"

/* ---- what is signed */

static const uint8_t *sk_p(const struct ike_sa *sa, bool of_initiator)
{
	return of_initiator ? sa->hs->sk_pi : sa->hs->sk_pr;
}

/* The octets that the one or the other side's AUTH is over, in the core's scratch space (2.15). */
static int make_octets(
	struct ike_sa *sa, bool of_initiator, struct ike_bytes id, struct ike_bytes *ret)
{
	struct ike_core *core = sa->core;
	const struct handshake *hs = sa->hs;
	struct ike_bytes message = blob_bytes(of_initiator ? &hs->init_i : &hs->init_r);
	struct ike_bytes nonce = of_initiator ? (struct ike_bytes){hs->nr, hs->nr_len}
					      : (struct ike_bytes){hs->ni, hs->ni_len};
	struct wire_writer w;
	size_t len;
	int r = ike_auth_octets(sa->prf, sk_p(sa, of_initiator), message, nonce, id, core->scratch,
		sizeof(core->scratch), &len);

	if (r < 0)
		return r;
	if (hs->mixes) {
		/* RFC 9242 3.3.2: IntAuth_iN | IntAuth_rN | IKE_AUTH_MID */
		w = wire_writer(core->scratch + len, sizeof(core->scratch) - len);
		wire_put(&w, hs->int_auth[true], sa->prf->len);
		wire_put(&w, hs->int_auth[false], sa->prf->len);
		wire_put_u32(&w, hs->mixes + 1u);
		if (w.bad)
			return -EMSGSIZE;
		len += w.pos;
	}
	*ret = (struct ike_bytes){core->scratch, len};
	return 0;
}

/* ---- our side */

/* Fixed before anything is signed: a reload must not change it under way. */
static void set_self_id(struct ike_sa *sa)
{
	const struct addr *local = &sa->peer->pair.local;
	const char *fqdn = sa->core->config.id_fqdn;
	struct handshake *hs = sa->hs;
	const struct ike_terms *terms = &hs->terms;
	struct wire_writer w = wire_writer(hs->self_id, sizeof(hs->self_id));

	if (hs->auth_self == IKE_AUTH_NONE) {
		wire_put_u32(&w, (uint32_t)IKE_ID_NULL << 24);
	} else if (terms->self_type) {
		wire_put_u32(&w, (uint32_t)terms->self_type << 24);
		wire_put(&w, terms->self_id, terms->self_len);
	} else if (*fqdn) {
		wire_put_u32(&w, (uint32_t)IKE_ID_FQDN << 24);
		wire_put(&w, fqdn, strlen(fqdn));
	} else {
		bool v4 = addr_size(local) == 4;

		wire_put_u32(&w, (uint32_t)(v4 ? IKE_ID_IPV4_ADDR : IKE_ID_IPV6_ADDR) << 24);
		wire_put(&w, local->b, addr_size(local));
	}
	hs->self_id_len = (uint16_t)w.pos;
	if (hs->auth_self == IKE_AUTH_SIGNATURE && terms->n_own && !terms->self_type)
		x509_self_id(sa);
}

/* How a key of type signs so that the peer can verify it. Who announces no hashes knows RFC 4754 at
 * best. */
static bool choose_scheme(struct handshake *hs, enum ike_key_type type)
{
	enum ike_scheme scheme;
	int r = hs->peer_hashes ? ike_scheme_choose(type, hs->peer_hashes, &scheme)
				: ike_ecdsa_choose(type, &scheme);

	if (r < 0)
		return false;
	hs->scheme = (uint8_t)scheme;
	hs->own_type = (uint8_t)type;
	return true;
}

/* The best of our keys that the peer can verify. */
static bool choose_key(struct ike_sa *sa)
{
	static const enum ike_key_type preference[] = {IKE_KEY_ED25519, IKE_KEY_ED448, IKE_KEY_P256,
		IKE_KEY_P384, IKE_KEY_P521, IKE_KEY_RSA};
	const struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;

	for (size_t i = 0; i < sizeof(preference) / sizeof(preference[0]); i++)
		for (uint32_t j = 0; j < core->n_own_keys; j++)
			if (core->own_keys[j].usable && !core->own_keys[j].standby &&
				core->own_keys[j].type == preference[i] &&
				choose_scheme(hs, preference[i])) {
				hs->own_key = (uint8_t)j;
				return true;
			}
	return false;
}

/* The key that our certificate is for, where the peer can verify it. */
static bool choose_certified(struct ike_sa *sa)
{
	uint32_t i;

	if (!x509_own_key(sa, &i) || !choose_scheme(sa->hs, sa->core->own_keys[i].type))
		return false;
	sa->hs->own_key = (uint8_t)i;
	return true;
}

bool proof_possible(const struct handshake *hs)
{
	return hs->n_keys || *hs->terms.psk || hs->terms.n_cas ||
	       (hs->allow & IKE_ALLOW_ANONYMOUS_PEER);
}

const char *proof_impossible(const struct ike_sa *sa)
{
	uint32_t i;

	if (!sa->core->n_own_keys)
		return "there is no key of our own, and we must not be anonymous";
	if (sa->hs->terms.n_own && !x509_own_key(sa, &i))
		return "the key that our certificate is for is not in the directory keys";
	return "the peer verifies no signature that our keys can make";
}

bool proof_choose(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;

	if (*hs->terms.psk)
		hs->auth_self = IKE_AUTH_PSK;
	else if (hs->terms.n_own ? choose_certified(sa) : choose_key(sa))
		hs->auth_self = IKE_AUTH_SIGNATURE;
	else if (hs->allow & IKE_ALLOW_ANONYMOUS_SELF)
		hs->auth_self = IKE_AUTH_NONE;
	else
		return false;
	set_self_id(sa);
	return true;
}

static struct ike_bytes self_id(const struct handshake *hs)
{
	return (struct ike_bytes){hs->self_id, hs->self_id_len};
}

/* Asks the signer for the AUTH of the one side or the other. Returns false where the octets are too
 * many. */
static bool ask_signer(struct ike_sa *sa, bool of_initiator, struct ike_bytes id)
{
	struct handshake *hs = sa->hs;
	struct ike_sign sign = {.handle = sa->handle, .key = hs->own_key, .scheme = hs->scheme};
	struct ike_bytes octets;

	if (make_octets(sa, of_initiator, id, &octets) < 0 || octets.len > IKE_OCTETS_MAX)
		return false;
	if (*hs->terms.psk) {
		sign.key = 0;
		sign.scheme = IKE_SIGN_PSK;
		sign.prf = (uint8_t)sa->prf->id;
		memcpy(sign.secret, hs->terms.psk, sizeof(sign.secret));
	}
	core_event(sa->core, IKE_EV_SIGN, &sign, sizeof(sign), octets.p, octets.len);
	return true;
}

void proof_sign(struct ike_sa *sa, enum sa_state state)
{
	sa_set_state(sa, state);
	if (!ask_signer(sa, sa->initiator, self_id(sa->hs)))
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_NONE, "there is too much to sign");
}

/* Appends IDi or IDr and AUTH, with INITIAL_CONTACT where this SA is the only one (2.4). */
void proof_build(struct ike_sa *sa, struct ike_builder *b, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;
	struct ike_sa *other;
	bool alone = true;

	ike_build_raw(b, sa->initiator ? IKE_PL_IDI : IKE_PL_IDR, hs->self_id, hs->self_id_len);
	if (hs->terms.n_cas)
		x509_build(sa, b);
	DL_FOREACH2(sa->peer->sas, other, peer_next)
	{
		alone = alone && (other == sa || other->ended);
	}
	/* an anonymous one cannot claim it (RFC 7619 2.3) */
	if (alone && hs->auth_self != IKE_AUTH_NONE)
		ike_build_notify(b, IKE_N_INITIAL_CONTACT, NULL, 0);
	proof_build_auth(sa, b, signature, len);
}

void proof_build_auth(
	struct ike_sa *sa, struct ike_builder *b, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;
	uint8_t mac[IKE_PRF_MAX];
	struct ike_bytes octets;

	switch ((enum ike_auth_kind)hs->auth_self) {
	case IKE_AUTH_SIGNATURE:
		if (hs->peer_hashes)
			ike_build_digsig(b, (enum ike_scheme)hs->scheme,
				(enum ike_key_type)hs->own_type, signature, len);
		else
			ike_build_ecdsa(b, (enum ike_key_type)hs->own_type, signature, len);
		return;
	case IKE_AUTH_PSK:
		ike_build_auth(b, IKE_METHOD_PSK, signature, len);
		return;
	case IKE_AUTH_NONE:
		break;
	}
	if (make_octets(sa, sa->initiator, self_id(hs), &octets) == 0 &&
		ike_auth_shared(sa->prf, sk_p(sa, sa->initiator), sa->prf->len, octets, mac) == 0)
		ike_build_auth(b, IKE_METHOD_NULL, mac, sa->prf->len);
	OPENSSL_cleanse(mac, sizeof(mac));
}

/* ---- the peer's side */

static enum verdict refuse(struct refusal *ret, enum ike_failure code, const char *why)
{
	*ret = (struct refusal){.code = code, .notify = IKE_N_AUTHENTICATION_FAILED, .why = why};
	return VERDICT_REFUSED;
}

static enum verdict verify_null(struct ike_sa *sa, const struct ike_payloads *p,
	struct ike_bytes octets, struct refusal *ret)
{
	if (!(sa->hs->allow & IKE_ALLOW_ANONYMOUS_PEER))
		return refuse(ret, IKE_FAIL_PEER_ANONYMOUS, "the peer proves no identity and must");
	if (ike_auth_shared_verify(
		    sa->prf, sk_p(sa, !sa->initiator), sa->prf->len, octets, p->auth) < 0)
		return refuse(ret, IKE_FAIL_PEER_KEY,
			"the peer's AUTH is wrong: its IKE_SA_INIT was changed on the way");
	sa->hs->auth_peer = IKE_AUTH_NONE;
	return VERDICT_PROVED;
}

/* Returns false where AUTH is no signature of a kind that we take. */
static bool parse_signature(
	const struct ike_payloads *p, struct ike_digsig *ret_sig, struct refusal *ret)
{
	int r = p->auth_method == IKE_METHOD_DIGSIG
			? ike_digsig_parse(p->auth, ret_sig)
			: ike_ecdsa_parse(p->auth_method, p->auth, ret_sig);

	if (r < 0)
		refuse(ret, IKE_FAIL_PEER_KEY,
			r == -ENOTSUP ? "the peer signs by an algorithm we do not take"
				      : "the peer's signature is malformed");
	return r == 0;
}

static enum verdict verify_signature(struct ike_sa *sa, const struct ike_payloads *p,
	struct ike_bytes octets, struct refusal *ret)
{
	struct handshake *hs = sa->hs;
	struct ike_digsig sig;

	if (!parse_signature(p, &sig, ret))
		return VERDICT_REFUSED;
	for (uint32_t i = 0; i < hs->n_keys; i++)
		if (ike_digsig_verify(hs->keys[i]->der, hs->keys[i]->len, &sig, octets) == 0) {
			hs->auth_peer = IKE_AUTH_SIGNATURE;
			hs->peer_key = (uint8_t)i;
			return VERDICT_PROVED;
		}
	return refuse(ret, IKE_FAIL_PEER_KEY,
		hs->n_keys ? "the peer's signature is by none of its published keys"
			   : "the peer signs, but no key of it is known");
}

/* By the key of a certificate that a CA of the terms vouches for. */
static enum verdict verify_x509(struct ike_sa *sa, const struct ike_payloads *p,
	const struct ike_id *id, struct refusal *ret)
{
	struct ike_certificate cert;
	struct ike_bytes octets;
	struct ike_pubkey key;
	struct ike_digsig sig;

	if (p->auth_method == IKE_METHOD_NULL || p->auth_method == IKE_METHOD_PSK)
		return refuse(
			ret, IKE_FAIL_PEER_KEY, "the peer does not prove itself by a certificate");
	if (!parse_signature(p, &sig, ret) || !x509_verify(sa, p, id, &cert, &key, ret))
		return VERDICT_REFUSED;
	if (make_octets(sa, !sa->initiator, id->body, &octets) < 0)
		return refuse(ret, IKE_FAIL_PROTOCOL, "the peer's messages are too long");
	if (ike_digsig_verify(key.spki, key.len, &sig, octets) < 0)
		return refuse(ret, IKE_FAIL_PEER_KEY,
			"the peer's signature is not by the key of its certificate");
	sa->hs->auth_peer = IKE_AUTH_SIGNATURE;
	x509_proved(sa, &cert);
	return VERDICT_PROVED;
}

static bool id_is(const struct ike_id *id, const struct ike_terms *terms)
{
	bool text = terms->peer_type == IKE_ID_FQDN || terms->peer_type == IKE_ID_RFC822_ADDR;

	if (!terms->peer_type)
		return true;
	if (id->type != terms->peer_type)
		return false;
	if (id->type == IKE_ID_DER_ASN1_DN)
		return ike_dn_equal(id->data, (struct ike_bytes){terms->peer_id, terms->peer_len});
	if (id->data.len != terms->peer_len)
		return false;
	return text ? !strncasecmp((const char *)id->data.p, (const char *)terms->peer_id,
			      terms->peer_len)
		    : !memcmp(id->data.p, terms->peer_id, terms->peer_len);
}

/* Only the signer can tell: what it makes of the peer's octets is compared by proof_compare(). */
static enum verdict verify_psk(struct ike_sa *sa, const struct ike_payloads *p,
	const struct ike_id *id, struct refusal *ret)
{
	if (p->auth_method != IKE_METHOD_PSK)
		return refuse(ret, IKE_FAIL_PEER_KEY,
			"the peer does not prove itself by the shared secret");
	sa_set_state(sa, sa->initiator ? SA_I_VERIFY : SA_R_VERIFY);
	if (!ask_signer(sa, !sa->initiator, id->body))
		return refuse(ret, IKE_FAIL_PROTOCOL, "the peer's messages are too long");
	return VERDICT_LATER;
}

enum verdict proof_verify(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	const struct ike_id *id = sa->initiator ? &p->idr : &p->idi;
	struct ike_bytes octets;

	if (sa->hs->terms.n_cas)
		return verify_x509(sa, p, id, ret);
	if (!id_is(id, &sa->hs->terms))
		return refuse(ret, IKE_FAIL_PEER_ID,
			"the peer claims another identity than the one "
			"that is configured for it");
	if (*sa->hs->terms.psk)
		return verify_psk(sa, p, id, ret);
	if (make_octets(sa, !sa->initiator, id->body, &octets) < 0)
		return refuse(ret, IKE_FAIL_PROTOCOL, "the peer's messages are too long");
	switch (p->auth_method) {
	case IKE_METHOD_NULL:
		return verify_null(sa, p, octets, ret);
	case IKE_METHOD_DIGSIG:
	case IKE_METHOD_ECDSA_256:
	case IKE_METHOD_ECDSA_384:
	case IKE_METHOD_ECDSA_521:
		return verify_signature(sa, p, octets, ret);
	default:
		return refuse(ret, IKE_FAIL_PEER_KEY,
			"the peer proves itself neither by a signature without SHA-1 nor by NULL");
	}
}

bool proof_compare(struct ike_sa *sa, struct ike_bytes auth, const uint8_t *want, size_t len,
	struct refusal *ret)
{
	if (auth.len != len || CRYPTO_memcmp(auth.p, want, len) != 0) {
		refuse(ret, IKE_FAIL_PEER_KEY, "the peer has another shared secret");
		return false;
	}
	sa->hs->auth_peer = IKE_AUTH_PSK;
	return true;
}

void proof_take_id(struct ike_sa *sa, const struct ike_id *id)
{
	struct handshake *hs = sa->hs;

	ike_id_format(id->type, id->data.p, id->data.len, hs->peer_id, sizeof(hs->peer_id));
}
