/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE_AUTH, both roles (RFC 7296 sections 1.2, 2.15, 2.21.2; RFC 7427, RFC 8420, RFC 7619).
 *
 * What proves a peer are keys that the agent names, never the identity that it claims. The order of
 * a responder is: the agent's keys, the peer's AUTH, its child, our AUTH, the kernel; nothing that
 * costs is done for a peer that has not proved itself.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"
#include "ike/exchange.h"

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
	size_t len;
	int r = ike_auth_octets(sa->prf, sk_p(sa, of_initiator), message, nonce, id, core->scratch,
		sizeof(core->scratch), &len);

	if (r == 0)
		*ret = (struct ike_bytes){core->scratch, len};
	return r;
}

/* ---- our side */

/* Fixed before anything is signed: a reload must not change it under way. */
static void set_self_id(struct ike_sa *sa)
{
	const struct addr *local = &sa->peer->pair.local;
	const char *fqdn = sa->core->config.id_fqdn;
	struct handshake *hs = sa->hs;
	struct wire_writer w = wire_writer(hs->self_id, sizeof(hs->self_id));

	if (hs->auth_self == IKE_AUTH_NONE) {
		wire_put_u32(&w, (uint32_t)IKE_ID_NULL << 24);
	} else if (*fqdn) {
		wire_put_u32(&w, (uint32_t)IKE_ID_FQDN << 24);
		wire_put(&w, fqdn, strlen(fqdn));
	} else {
		bool v4 = addr_size(local) == 4;

		wire_put_u32(&w, (uint32_t)(v4 ? IKE_ID_IPV4_ADDR : IKE_ID_IPV6_ADDR) << 24);
		wire_put(&w, local->b, addr_size(local));
	}
	hs->self_id_len = (uint16_t)w.pos;
}

/* The best of our keys that the peer can verify. */
static bool choose_key(struct ike_sa *sa)
{
	static const enum ike_key_type preference[] = {IKE_KEY_ED25519, IKE_KEY_ED448, IKE_KEY_P256,
		IKE_KEY_P384, IKE_KEY_P521, IKE_KEY_RSA};
	const struct ike_core *core = sa->core;
	struct handshake *hs = sa->hs;
	enum ike_scheme scheme;

	for (size_t i = 0; i < sizeof(preference) / sizeof(preference[0]); i++)
		for (uint32_t j = 0; j < core->n_own_keys; j++)
			if (core->own_keys[j].usable && core->own_keys[j].type == preference[i] &&
				ike_scheme_choose(preference[i], hs->peer_hashes, &scheme) == 0) {
				hs->own_key = (uint8_t)j;
				hs->own_type = (uint8_t)preference[i];
				hs->scheme = (uint8_t)scheme;
				return true;
			}
	return false;
}

static bool choose_self(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;

	if (choose_key(sa))
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

static void ask_signer(struct ike_sa *sa, enum sa_state state)
{
	struct handshake *hs = sa->hs;
	struct ike_sign sign = {.handle = sa->handle, .key = hs->own_key, .scheme = hs->scheme};
	struct ike_bytes octets;

	if (make_octets(sa, sa->initiator, self_id(hs), &octets) < 0 ||
		octets.len > IKE_OCTETS_MAX) {
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_NONE, "there is too much to sign");
		return;
	}
	sa_set_state(sa, state);
	core_event(sa->core, IKE_EV_SIGN, &sign, sizeof(sign), octets.p, octets.len);
}

/* Appends IDi or IDr and AUTH, with INITIAL_CONTACT where this SA is the only one (2.4). */
static void put_proof(
	struct ike_sa *sa, struct ike_builder *b, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;
	uint8_t mac[IKE_PRF_MAX];
	struct ike_bytes octets;
	struct ike_sa *other;
	bool alone = true;

	ike_build_raw(b, sa->initiator ? IKE_PL_IDI : IKE_PL_IDR, hs->self_id, hs->self_id_len);
	DL_FOREACH2(sa->peer->sas, other, peer_next) {
		alone = alone && (other == sa || other->ended);
	}
	/* an anonymous one cannot claim it (RFC 7619 2.3) */
	if (alone && hs->auth_self == IKE_AUTH_SIGNATURE)
		ike_build_notify(b, IKE_N_INITIAL_CONTACT, NULL, 0);
	if (hs->auth_self == IKE_AUTH_SIGNATURE) {
		ike_build_digsig(b, (enum ike_scheme)hs->scheme, (enum ike_key_type)hs->own_type,
			signature, len);
		return;
	}
	if (make_octets(sa, sa->initiator, self_id(hs), &octets) == 0 &&
		ike_auth_shared(sa->prf, sk_p(sa, sa->initiator), sa->prf->len, octets, mac) == 0)
		ike_build_auth(b, IKE_METHOD_NULL, mac, sa->prf->len);
	OPENSSL_cleanse(mac, sizeof(mac));
}

/* ---- the peer's side */

static bool refuse(struct refusal *ret, enum ike_failure code, const char *why)
{
	*ret = (struct refusal){.code = code, .notify = IKE_N_AUTHENTICATION_FAILED, .why = why};
	return false;
}

static bool verify_null(struct ike_sa *sa, const struct ike_payloads *p, struct ike_bytes octets,
	struct refusal *ret)
{
	if (!(sa->hs->allow & IKE_ALLOW_ANONYMOUS_PEER))
		return refuse(ret, IKE_FAIL_PEER_ANONYMOUS, "the peer proves no identity and must");
	if (ike_auth_shared_verify(
		    sa->prf, sk_p(sa, !sa->initiator), sa->prf->len, octets, p->auth) < 0)
		return refuse(ret, IKE_FAIL_PEER_KEY,
			"the peer's AUTH is wrong: its IKE_SA_INIT was changed on the way");
	sa->hs->auth_peer = IKE_AUTH_NONE;
	return true;
}

static bool verify_signature(struct ike_sa *sa, const struct ike_payloads *p,
	struct ike_bytes octets, struct refusal *ret)
{
	struct handshake *hs = sa->hs;
	struct ike_digsig sig;
	int r = ike_digsig_parse(p->auth, &sig);

	if (r == -ENOTSUP)
		return refuse(
			ret, IKE_FAIL_PEER_KEY, "the peer signs by an algorithm we do not take");
	if (r < 0)
		return refuse(ret, IKE_FAIL_PEER_KEY, "the peer's signature is malformed");
	for (uint32_t i = 0; i < hs->n_keys; i++)
		if (ike_digsig_verify(hs->keys[i]->der, hs->keys[i]->len, &sig, octets) == 0) {
			hs->auth_peer = IKE_AUTH_SIGNATURE;
			hs->peer_key = (uint8_t)i;
			return true;
		}
	return refuse(ret, IKE_FAIL_PEER_KEY,
		hs->n_keys ? "the peer's signature is by none of its published keys"
			   : "the peer signs, but no key of it is known");
}

/* The peer's proof, in either role. Returns false and fills *ret. */
static bool verify_peer(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	const struct ike_id *id = sa->initiator ? &p->idr : &p->idi;
	struct ike_bytes octets;

	if (make_octets(sa, !sa->initiator, id->body, &octets) < 0)
		return refuse(ret, IKE_FAIL_PROTOCOL, "the peer's messages are too long");
	if (p->auth_method == IKE_METHOD_NULL)
		return verify_null(sa, p, octets, ret);
	if (p->auth_method == IKE_METHOD_DIGSIG)
		return verify_signature(sa, p, octets, ret);
	return refuse(ret, IKE_FAIL_PEER_KEY,
		"the peer proves itself neither by an RFC 7427 signature nor by NULL");
}

static void take_peer_id(struct ike_sa *sa, const struct ike_id *id)
{
	struct handshake *hs = sa->hs;

	ike_id_format(id->type, id->data.p, id->data.len, hs->peer_id, sizeof(hs->peer_id));
}

/* The peer knows no other SA with us, so those that were up before it began this one are left from
 * another life (2.4). Crossing attempts are newer and stay. What an anonymous peer says is no
 * reason to delete anything, but one to look (RFC 7619 2.3). */
static void on_initial_contact(struct ike_sa *sa)
{
	struct ike_sa *other, *next;

	DL_FOREACH_SAFE2(sa->peer->sas, other, next, peer_next) {
		if (other == sa || other->state != SA_UP || other->up_at >= sa->created)
			continue;
		if (sa->authenticated) {
			sa_end(other, IKE_FAIL_REPLACED, 0, FAREWELL_NONE,
				"the peer began anew (INITIAL_CONTACT)");
		} else {
			other->want_probe = true;
			info_pump(other);
		}
	}
}

static void up(struct ike_sa *sa)
{
	bool contact = sa->hs->initial_contact;

	sa_up(sa);
	if (contact)
		on_initial_contact(sa);
}

/* ---- initiator */

static void send_request(struct ike_sa *sa, const uint8_t *signature, size_t len)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_AUTH, false);

	put_proof(sa, &b, signature, len);
	crash_put_token(sa, &b);
	child_build_offer(sa, &b);
	sa_set_state(sa, SA_I_AUTH);
	sa_note(sa, IKE_NOTE_AUTH_SENT, 0);
	sa_send_request(sa, &b, IKE_EXCH_AUTH);
}

void auth_start(struct ike_sa *sa)
{
	if (!choose_self(sa)) {
		sa_end(sa, IKE_FAIL_NO_SCHEME, 0, FAREWELL_NONE,
			sa->core->n_own_keys
				? "the peer verifies no signature that our keys can make"
				: "there is no key of our own, and we must not be anonymous");
		return;
	}
	child_offer(sa);
	if (sa->hs->auth_self == IKE_AUTH_SIGNATURE)
		ask_signer(sa, SA_I_SIGN);
	else
		send_request(sa, NULL, 0);
}

/* A response without AUTH: the peer has made no SA. */
static void on_refused(struct ike_sa *sa, const struct ike_notify *error)
{
	static const struct {
		uint16_t notify;
		enum ike_failure code;
	} meaning[] = {
		{IKE_N_AUTHENTICATION_FAILED, IKE_FAIL_SELF_REFUSED},
		{IKE_N_TS_UNACCEPTABLE, IKE_FAIL_SELECTORS},
		{IKE_N_SINGLE_PAIR_REQUIRED, IKE_FAIL_SELECTORS},
		{IKE_N_NO_PROPOSAL_CHOSEN, IKE_FAIL_CHILD},
		{IKE_N_NO_ADDITIONAL_SAS, IKE_FAIL_CHILD},
		{IKE_N_TEMPORARY_FAILURE, IKE_FAIL_CHILD},
		{IKE_N_INTERNAL_ADDRESS_FAILURE, IKE_FAIL_CHILD},
		{IKE_N_FAILED_CP_REQUIRED, IKE_FAIL_CHILD},
	};
	uint16_t type = error ? error->type : 0;
	enum ike_failure code = IKE_FAIL_PROTOCOL;

	for (size_t i = 0; i < sizeof(meaning) / sizeof(meaning[0]); i++)
		if (meaning[i].notify == type)
			code = meaning[i].code;
	sa_end(sa, code, type, FAREWELL_NONE, "the peer answers IKE_AUTH with %s",
		type ? ike_notify_name(type) : "nothing that proves it");
}

void auth_on_response(struct ike_sa *sa, const struct message *m)
{
	const struct ike_payloads *p = &m->inner;
	const struct ike_notify *error = ike_notify_error(p);
	struct refusal no;

	sa_request_done(sa);
	if (!p->auth.p || !p->idr.body.p) {
		on_refused(sa, error);
		return;
	}
	take_peer_id(sa, &p->idr);
	if (!verify_peer(sa, p, &no)) {
		sa_end(sa, no.code, no.notify, FAREWELL_AUTH_FAILED, "%s", no.why);
		return;
	}
	crash_take_token(sa, p);
	/* the peer has an IKE SA without child: of no use */
	if (!p->sa.p || !p->tsi.p || !p->tsr.p) {
		uint16_t type = error ? error->type : 0;

		sa_end(sa, type == IKE_N_TS_UNACCEPTABLE ? IKE_FAIL_SELECTORS : IKE_FAIL_CHILD,
			type, FAREWELL_DELETE, "the peer makes no child SA: %s",
			type ? ike_notify_name(type) : "it does not say why");
		return;
	}
	if (!child_accept(sa, p, &no)) {
		sa_end(sa, no.code, no.notify, FAREWELL_DELETE, "%s", no.why);
		return;
	}
	sa->hs->initial_contact = ike_notify_find(p, IKE_N_INITIAL_CONTACT);
	if (sa->hs->chosen->state == CHILD_INSTALLED) {
		up(sa);
		return;
	}
	sa_set_state(sa, SA_I_INSTALL);
	child_install(sa, sa->hs->chosen);
}

/* ---- responder */

/* The IKE_AUTH response is this one notify. */
static void answer_refusal(struct ike_sa *sa, const struct refusal *no)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_AUTH, true);

	ike_build_notify(&b, no->notify, NULL, 0);
	sa_send_reply(sa, &b);
	sa_end(sa, no->code, no->notify, FAREWELL_LINGER, "%s", no->why);
}

void auth_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_id *id = &m->inner.idi;
	struct handshake *hs = sa->hs;
	struct ike_identity identity = {
		.handle = sa->handle,
		.id_type = id->type,
		.null_auth = m->inner.auth_method == IKE_METHOD_NULL,
		.nat = sa->nat_peer,
		.id_len = (uint16_t)id->data.len,
	};
	struct refusal no;

	take_peer_id(sa, id);
	if (id->data.len > sizeof(identity.id) || m->chain.len > AUTH_MESSAGE_MAX) {
		refuse(&no, IKE_FAIL_PROTOCOL, "the peer's identity or its message is too long");
		answer_refusal(sa, &no);
		return;
	}
	if (id->data.len)
		memcpy(identity.id, id->data.p, id->data.len);
	hs->auth_request = blob_copy(m->chain.p, m->chain.len);
	hs->auth_first = m->first;
	hs->initial_contact = ike_notify_find(&m->inner, IKE_N_INITIAL_CONTACT);
	sa_set_state(sa, SA_R_AUTHORIZE);
	core_event_struct(sa->core, IKE_EV_IDENTITY, &identity);
}

void auth_authorize(struct ike_sa *sa)
{
	struct handshake *hs = sa->hs;
	struct ike_payloads p;
	struct refusal no;

	if (!hs->n_keys && !(hs->allow & IKE_ALLOW_ANONYMOUS_PEER)) {
		refuse(&no, IKE_FAIL_NOT_AUTHORIZED, "there is no key that could prove the peer");
		answer_refusal(sa, &no);
		return;
	}
	/* parsed once already, when it came */
	if (ike_payloads_parse(hs->auth_first, hs->auth_request.p, hs->auth_request.len, true,
		    &p) != IKE_PARSE_OK ||
		!verify_peer(sa, &p, &no) || !child_choose(sa, &p, &no)) {
		answer_refusal(sa, &no);
		return;
	}
	crash_take_token(sa, &p);
	blob_free(&hs->auth_request);
	if (!choose_self(sa)) {
		refuse(&no, IKE_FAIL_NO_SCHEME,
			sa->core->n_own_keys
				? "the peer verifies no signature that our keys can make"
				: "there is no key of our own, and we must not be anonymous");
		answer_refusal(sa, &no);
		return;
	}
	if (hs->auth_self == IKE_AUTH_SIGNATURE) {
		ask_signer(sa, SA_R_SIGN);
		return;
	}
	sa_set_state(sa, SA_R_INSTALL);
	child_install(sa, hs->chosen);
}

static void send_response(struct ike_sa *sa)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_AUTH, true);

	put_proof(sa, &b, sa->hs->signature, sa->hs->signature_len);
	crash_put_token(sa, &b);
	child_build_choice(sa, &b);
	sa_send_reply(sa, &b);
	up(sa);
}

/* ---- the agent's answers */

void auth_signed(struct ike_sa *sa, int error, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;
	struct refusal no;

	if (sa->state != SA_I_SIGN && sa->state != SA_R_SIGN)
		return;
	if (error && sa->state == SA_I_SIGN) {
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_NONE, "the signer: %s", strerror(-error));
	} else if (error) {
		refuse(&no, IKE_FAIL_SIGNER, "the signer failed");
		answer_refusal(sa, &no);
	} else if (sa->state == SA_I_SIGN) {
		send_request(sa, signature, len);
	} else {
		memcpy(hs->signature, signature, len);
		hs->signature_len = (uint16_t)len;
		sa_set_state(sa, SA_R_INSTALL);
		child_install(sa, hs->chosen);
	}
}

/* Whether the peer may have an SA already when the kernel refuses ours. */
static void on_install_failed(struct ike_sa *sa, int error)
{
	struct refusal no = {.code = IKE_FAIL_INSTALL,
		.notify = IKE_N_TEMPORARY_FAILURE,
		.why = "the kernel refused the SA"};

	if (sa->state == SA_R_INSTALL)
		answer_refusal(sa, &no);
	else
		sa_end(sa, IKE_FAIL_INSTALL, 0,
			sa->state == SA_I_SIGN ? FAREWELL_NONE : FAREWELL_DELETE,
			"the kernel refused the SA: %s", strerror(-error));
}

void auth_installed(struct ike_sa *sa, uint32_t spi, int error)
{
	struct child *child = child_find_in(sa, spi);

	if (!child || !child->installs)
		return;
	child->installs--;
	if (error)
		on_install_failed(sa, error);
	else if (sa->hs && child == sa->hs->chosen && sa->state == SA_R_INSTALL)
		send_response(sa);
	else if (sa->hs && child == sa->hs->chosen && sa->state == SA_I_INSTALL)
		up(sa);
}
