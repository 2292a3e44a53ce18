/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE_AUTH, both roles (RFC 7296 sections 1.2, 2.21.2); who proves what is in proof.c.
 *
 * The order of a responder is: the agent's keys, the peer's AUTH, its child, then our AUTH and the kernel at
 * a time; nothing that costs is done for a peer that has not proved itself.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "ike/names.h"
#include "ike/exchange.h"

static void refuse(struct refusal *ret, enum ike_failure code, const char *why)
{
	*ret = (struct refusal){.code = code, .notify = IKE_N_AUTHENTICATION_FAILED, .why = why};
}

/* The peer knows no other SA with us, so those that were up before it began this one are left from
 * another life (2.4). Crossing attempts are newer and stay. What an anonymous peer says is no
 * reason to delete anything, but one to look (RFC 7619 2.3). */
static void on_initial_contact(struct ike_sa *sa)
{
	struct ike_sa *other, *next;

	DL_FOREACH_SAFE2(sa->peer->sas, other, next, peer_next)
	{
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
	twin_on_up(sa);
}

/* ---- initiator */

static void send_request(struct ike_sa *sa, const uint8_t *signature, size_t len)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_AUTH, false);

	proof_build(sa, &b, signature, len);
	ppk_build(sa, &b);
	crash_put_token(sa, &b);
	child_build_offer(sa, &b);
	sa_set_state(sa, SA_I_AUTH);
	sa_note(sa, IKE_NOTE_AUTH_SENT, 0);
	sa_send_request(sa, &b, IKE_EXCH_AUTH);
}

/* Our AUTH as it is by now goes into NO_PPK_AUTH, and another one is made with the PPK in the keys (RFC
 * 8784 section 3). */
static void keep_no_ppk_auth(struct ike_sa *sa, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;
	struct ike_header h = {0};
	struct ike_builder b = ike_build(sa->core->build, sizeof(sa->core->build), &h);
	size_t at = IKE_HEADER_LEN + IKE_GENERIC_LEN + 4; /* method, reserved */

	proof_build_auth(sa, &b, signature, len);
	if (b.w.bad || b.w.pos < at || b.w.pos - at > sizeof(hs->signature)) {
		sa_end(sa, IKE_FAIL_SIGNER, 0, FAREWELL_NONE, "there is too much to sign");
		return;
	}
	hs->signature_len = (uint16_t)(b.w.pos - at);
	memcpy(hs->signature, sa->core->build + at, hs->signature_len);
	ppk_switch(sa);
	if (hs->auth_self != IKE_AUTH_NONE)
		proof_sign(sa, SA_I_SIGN);
	else
		send_request(sa, NULL, 0);
}

/* Our AUTH is made, or needs no signer. */
static void have_auth(struct ike_sa *sa, const uint8_t *signature, size_t len)
{
	if (ppk_optional(sa->hs) && !sa->hs->ppk)
		keep_no_ppk_auth(sa, signature, len);
	else
		send_request(sa, signature, len);
}

/* The keys are those that IKE_AUTH is to prove. */
static void begin(struct ike_sa *sa)
{
	if (sa->hs->use_ppk && !ppk_optional(sa->hs))
		ppk_switch(sa);
	child_offer(sa);
	if (sa->hs->auth_self != IKE_AUTH_NONE)
		proof_sign(sa, SA_I_SIGN);
	else
		have_auth(sa, NULL, 0);
}

void auth_start(struct ike_sa *sa)
{
	if (!proof_choose(sa)) {
		sa_end(sa, IKE_FAIL_NO_SCHEME, 0, FAREWELL_NONE, "%s", proof_impossible(sa));
		return;
	}
	if (sa->hs->use_ppk)
		ppk_ask(sa);
	else
		begin(sa);
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
	sa_end(sa, code, type, FAREWELL_NONE, "the peer answers IKE_AUTH with %s%s",
		type ? ike_notify_name(type) : "nothing that proves it",
		type == IKE_N_AUTHENTICATION_FAILED && sa->hs->ppk
			? "; its PPK may be another one, or of another identity"
			: "");
}

static void peer_refused(struct ike_sa *sa, const struct refusal *no)
{
	sa_end(sa, no->code, no->notify, FAREWELL_AUTH_FAILED, "%s", no->why);
}

/* The peer has proved itself; p is the response. */
static void response_proved(struct ike_sa *sa, const struct ike_payloads *p)
{
	const struct ike_notify *error = ike_notify_error(p);
	struct refusal no;

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
	child_install(sa, sa->hs->chosen, false);
}

/* What comes back after the signer was asked is done with this copy. */
static void keep_message(struct ike_sa *sa, const struct message *m)
{
	blob_free(&sa->hs->auth_message);
	sa->hs->auth_message = blob_copy(m->chain.p, m->chain.len);
	sa->hs->auth_first = m->first;
}

/* Parsed once already, when it came. */
static bool kept_message(const struct ike_sa *sa, struct ike_payloads *ret)
{
	const struct blob *b = &sa->hs->auth_message;
	const struct ike_notify *n;

	if (ike_payloads_parse(sa->hs->auth_first, b->p, b->len, true, ret) != IKE_PARSE_OK)
		return false;
	n = sa->hs->without_ppk ? ike_notify_find(ret, IKE_N_NO_PPK_AUTH) : NULL;
	if (n)
		ret->auth = n->data;
	return true;
}

/* With a PPK in the keys a wrong AUTH is as well one of another PPK. */
static void suspect_ppk(const struct ike_sa *sa, struct refusal *no)
{
	if (sa->hs->ppk && no->code == IKE_FAIL_PEER_KEY)
		*no = (struct refusal){IKE_FAIL_PPK, no->notify,
			"the peer's AUTH is wrong: its PPK is another one, or its key"};
}

void auth_on_response(struct ike_sa *sa, const struct message *m)
{
	const struct ike_payloads *p = &m->inner;
	struct refusal no;

	sa_request_done(sa);
	if (!p->auth.p || !p->idr.body.p) {
		on_refused(sa, ike_notify_error(p));
		return;
	}
	proof_take_id(sa, &p->idr);
	if (!ppk_on_response(sa, p, &no)) {
		peer_refused(sa, &no);
		return;
	}
	switch (proof_verify(sa, p, &no)) {
	case VERDICT_REFUSED:
		suspect_ppk(sa, &no);
		peer_refused(sa, &no);
		return;
	case VERDICT_PROVED:
		response_proved(sa, p);
		return;
	case VERDICT_LATER:
		keep_message(sa, m);
		return;
	}
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
		.remote_port = sa->nat_self || sa->nat_peer ? sa->remote_port : 0,
	};
	struct refusal no;

	proof_take_id(sa, id);
	if (id->data.len > sizeof(identity.id) || m->chain.len > AUTH_MESSAGE_MAX) {
		refuse(&no, IKE_FAIL_PROTOCOL, "the peer's identity or its message is too long");
		answer_refusal(sa, &no);
		return;
	}
	if (id->data.len)
		memcpy(identity.id, id->data.p, id->data.len);
	keep_message(sa, m);
	identity.n_wishes = (uint8_t)selector_wishes(sa, &m->inner, identity.wishes);
	hs->initial_contact = ike_notify_find(&m->inner, IKE_N_INITIAL_CONTACT);
	sa_set_state(sa, SA_R_AUTHORIZE);
	core_event_struct(sa->core, IKE_EV_IDENTITY, &identity);
}

/* The peer has proved itself; p is its request. */
static void request_proved(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct handshake *hs = sa->hs;
	struct refusal no;

	if (!child_choose_first(sa, p, &no)) {
		answer_refusal(sa, &no);
		return;
	}
	crash_take_token(sa, p);
	blob_free(&hs->auth_message);
	if (!proof_choose(sa)) {
		refuse(&no, IKE_FAIL_NO_SCHEME, proof_impossible(sa));
		answer_refusal(sa, &no);
		return;
	}
	/* What we send may be trapped where nothing can hold it (ICMPv6 echo replies): so the outbound SA
	 * too stands before the peer's first packet can come. */
	child_install(sa, hs->chosen, true);
	if (hs->auth_self != IKE_AUTH_NONE)
		proof_sign(sa, SA_R_SIGN);
	else
		sa_set_state(sa, SA_R_INSTALL);
}

/* The keys are those that the request proves. */
static void verify_request(struct ike_sa *sa)
{
	enum verdict verdict = VERDICT_REFUSED;
	struct ike_payloads p;
	struct refusal no;

	if (kept_message(sa, &p))
		verdict = proof_verify(sa, &p, &no);
	else
		refuse(&no, IKE_FAIL_PROTOCOL, "the peer's message does not parse");
	switch (verdict) {
	case VERDICT_REFUSED:
		suspect_ppk(sa, &no);
		answer_refusal(sa, &no);
		return;
	case VERDICT_PROVED:
		request_proved(sa, &p);
		return;
	case VERDICT_LATER:
		return;
	}
}

void auth_authorize(struct ike_sa *sa)
{
	enum verdict verdict = VERDICT_REFUSED;
	struct ike_payloads p;
	struct refusal no;

	if (!proof_possible(sa->hs))
		refuse(&no, IKE_FAIL_NOT_AUTHORIZED, "there is no key that could prove the peer");
	else if (!kept_message(sa, &p))
		refuse(&no, IKE_FAIL_PROTOCOL, "the peer's message does not parse");
	else
		verdict = ppk_on_request(sa, &p, &no);
	switch (verdict) {
	case VERDICT_REFUSED:
		answer_refusal(sa, &no);
		return;
	case VERDICT_PROVED:
		verify_request(sa);
		return;
	case VERDICT_LATER:
		ppk_ask(sa);
		return;
	}
}

static void send_response(struct ike_sa *sa)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_AUTH, true);

	proof_build(sa, &b, sa->hs->signature, sa->hs->signature_len);
	if (sa->hs->ppk)
		ike_build_notify(&b, IKE_N_PPK_IDENTITY, NULL, 0);
	crash_put_token(sa, &b);
	child_build_choice(sa, &b);
	sa_send_reply(sa, &b);
	up(sa);
}

/* ---- the agent's answers */

static void on_signer_failed(struct ike_sa *sa, int error)
{
	bool ppk = sa->state == SA_I_PPK || sa->state == SA_R_PPK;
	const char *psk = ppk ? sa->hs->terms.ppk : sa->hs->terms.psk;
	struct refusal no;

	if (sa->state == SA_R_PPK || sa->state == SA_R_SIGN || sa->state == SA_R_VERIFY) {
		refuse(&no, IKE_FAIL_SIGNER,
			*psk && error == -ENOENT ? "the shared secret is not in the directory keys"
						 : "the signer failed");
		answer_refusal(sa, &no);
		return;
	}
	sa_end(sa, IKE_FAIL_SIGNER, 0,
		sa->state == SA_I_VERIFY ? FAREWELL_AUTH_FAILED : FAREWELL_NONE,
		*psk && error == -ENOENT ? "there is no file keys/%s.psk" : "the signer: %s",
		*psk && error == -ENOENT ? psk : strerror(-error));
}

/* What the peer's AUTH should be, where only the signer knows. */
static void on_expected(struct ike_sa *sa, const uint8_t *want, size_t len)
{
	struct ike_payloads p;
	struct refusal no;

	refuse(&no, IKE_FAIL_PROTOCOL, "the peer's message does not parse");
	if (!kept_message(sa, &p) || !proof_compare(sa, p.auth, want, len, &no)) {
		suspect_ppk(sa, &no);
		if (sa->state == SA_I_VERIFY)
			peer_refused(sa, &no);
		else
			answer_refusal(sa, &no);
	} else if (sa->state == SA_I_VERIFY) {
		response_proved(sa, &p);
	} else {
		request_proved(sa, &p);
	}
}

/* The keys with the PPK in them. */
static void on_ppk(struct ike_sa *sa, int error, const uint8_t *keys, size_t len)
{
	if (error || !ppk_take(sa, keys, len)) {
		on_signer_failed(sa, error ? error : -EBADMSG);
	} else if (sa->state == SA_I_PPK) {
		begin(sa);
	} else {
		ppk_switch(sa);
		sa_note(sa, IKE_NOTE_PPK, 1);
		verify_request(sa);
	}
}

void auth_signed(struct ike_sa *sa, int error, const uint8_t *signature, size_t len)
{
	struct handshake *hs = sa->hs;

	switch ((enum sa_state)sa->state) {
	case SA_I_SIGN:
		if (error)
			on_signer_failed(sa, error);
		else
			have_auth(sa, signature, len);
		return;
	case SA_I_PPK:
	case SA_R_PPK:
		on_ppk(sa, error, signature, len);
		return;
	case SA_R_SIGN:
		if (error) {
			on_signer_failed(sa, error);
			return;
		}
		memcpy(hs->signature, signature, len);
		hs->signature_len = (uint16_t)len;
		sa_set_state(sa, SA_R_INSTALL);
		if (!hs->chosen->installs)
			send_response(sa);
		return;
	case SA_I_VERIFY:
	case SA_R_VERIFY:
		if (error)
			on_signer_failed(sa, error);
		else
			on_expected(sa, signature, len);
		return;
	default: /* it has ended, or comes too late */
		return;
	}
}

/* Whether the peer may have an SA already when the kernel refuses ours. */
static void on_install_failed(struct ike_sa *sa, int error)
{
	struct refusal no = {.code = IKE_FAIL_INSTALL,
		.notify = IKE_N_TEMPORARY_FAILURE,
		.why = "the kernel refused the SA"};

	if (sa->state == SA_R_SIGN || sa->state == SA_R_INSTALL)
		answer_refusal(sa, &no);
	else
		sa_end(sa, IKE_FAIL_INSTALL, 0,
			sa->state == SA_I_SIGN ? FAREWELL_NONE : FAREWELL_DELETE,
			"the kernel refused the SA: %s", strerror(-error));
}

void auth_installed(struct ike_sa *sa, uint32_t spi, int error)
{
	struct child *child = child_find_in(sa, spi);

	if (!child)
		return;
	/* answers come in the order of what was asked */
	if (!child->installs) {
		create_switched(sa, child, error);
		return;
	}
	child->installs--;
	if (!sa->hs)
		create_installed(sa, child, error);
	else if (error)
		on_install_failed(sa, error);
	else if (child == sa->hs->chosen && sa->state == SA_R_INSTALL)
		send_response(sa);
	else if (child == sa->hs->chosen && sa->state == SA_I_INSTALL)
		up(sa);
}
