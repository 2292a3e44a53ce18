/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CREATE_CHILD_SA for the IKE SA itself (RFC 7296 sections 1.3.2, 2.8.2, 2.18, 2.25.2).
 *
 * The new SA takes the old one's handle and children at once, on either side; the old one is left
 * to be deleted by the host that asked. Only where our own request is out when the peer's comes, the
 * peer's new SA stays aside (its parent is the old one) until the nonces of both exchanges are known,
 * or until the peer uses it or deletes the old one, which tells its view. With an additional key
 * exchange there is no new SA before that is done (followup.c).
 */
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

/* The SA that the exchange c of old makes, whose secrets are all known; NULL where OpenSSL fails. */
static struct ike_sa *make_heir(struct ike_sa *old, const struct create *c, bool ours)
{
	const struct ike_choice_ike *choice = &c->ike;
	struct ike_keymat was, is;
	struct ike_sa *sa;
	int r;

	sa_keymat(old, &was);
	r = ike_keymat_rekey(&was, &choice->suite, &c->shared, c->added.len ? &c->added : NULL,
		create_ni(c), create_nr(c), ours ? c->spi : choice->spi,
		ours ? choice->spi : c->spi, &is);
	ike_keymat_wipe(&was);
	if (r < 0)
		return NULL;
	sa = sa_new_heir(old, c->spi, choice->spi, ours);
	sa_set_keys(sa, &is);
	sa->ke = choice->suite.ke;
	sa->addke = choice->suite.addke ? (uint8_t)choice->suite.addke->id : 0;
	ike_keymat_wipe(&is);
	sa_set_state(sa, SA_UP);
	return sa;
}

static void tell(struct ike_sa *sa)
{
	struct ike_suite suite = {.encr = sa->ei.encr,
		.integ = sa->ei.integ,
		.prf = sa->prf,
		.ke = sa->ke,
		.addke = sa->addke ? ike_ke_find(sa->addke) : NULL};
	struct ike_rekeyed ev = {.handle = sa->handle,
		.initiator = sa->initiator,
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r};

	ike_suite_format(&suite, ev.suite, sizeof(ev.suite));
	core_event_struct(sa->core, IKE_EV_REKEYED, &ev);
}

/* sa takes the place of old, whose next and last request deletes it: ours, or the peer's. */
static void succeed(struct ike_sa *old, struct ike_sa *sa, bool delete)
{
	followup_forget(old);
	sa_inherit(sa, old);
	tell(sa);
	old->want_delete = delete;
	sa_set_state(old, delete ? SA_DELETING : SA_REKEYED);
	info_pump(old);
	info_pump(sa);
}

/* The peer's new SA that waits beside our exchange; NULL where it is gone. */
static struct ike_sa *find_rival(const struct ike_sa *sa, const struct create *c)
{
	struct ike_sa *rival = c->rival_sa ? core_find_sa(sa->core, c->rival_sa) : NULL;

	return rival && rival->parent == sa_own_spi(sa) && rival->state == SA_UP ? rival : NULL;
}

/* ---- initiator */

/* What is offered: the algorithms of the SA before (2.8), and all groups. The lists are the
 * caller's. */
struct offer_lists {
	const struct ike_encr *encr[2];
	const struct ike_integ *integ[2];
	const struct ike_prf *prf[2];
	const struct ike_ke *ke[CREATE_KES_MAX];
	const struct ike_ke *addke[2];
};

static struct ike_profile offered(
	const struct ike_sa *sa, const struct ike_ke *first, struct offer_lists *lists)
{
	struct ike_profile p = *sa->core->profile;

	*lists = (struct offer_lists){.encr = {sa->ei.encr},
		.integ = {sa->ei.integ},
		.prf = {sa->prf},
		.addke = {followup_ke(sa, first)}};
	create_groups(sa, first, lists->ke);
	p.encr = lists->encr;
	p.integ = sa->ei.integ ? lists->integ : NULL;
	p.prf = lists->prf;
	p.ke = lists->ke;
	p.addke = lists->addke;
	return p;
}

static void send_request(struct ike_sa *sa, const struct create *c)
{
	const struct ike_ke *ke = ike_kex_ke(c->kex);
	struct ike_builder b = sa_build(sa, IKE_EXCH_CREATE_CHILD, false);
	struct offer_lists lists;
	struct ike_profile mine = offered(sa, ke, &lists);

	ike_build_offer_ike(&b, &mine, ke->id, c->spi);
	ike_build_nonce(&b, c->ni, c->ni_len);
	ike_build_ke(&b, ke->id, ike_kex_public(c->kex), ke->public_len);
	sa_note(sa, IKE_NOTE_REKEY_IKE, 0);
	sa_send_request(sa, &b, IKE_EXCH_CREATE_CHILD);
}

bool rekey_start(struct ike_sa *sa)
{
	struct create *c = ike_alloc(sizeof(*c));

	c->kind = CREATE_IKE;
	c->spi = sa_new_spi(sa->core);
	if (!create_begin(sa, c, sa->ke)) {
		create_free(&c);
		return false;
	}
	c->core = sa->core;
	DL_APPEND(sa->core->rekeys, c);
	sa->mine = c;
	send_request(sa, c);
	return true;
}

static void on_refused(struct ike_sa *sa, struct create *c, const struct ike_notify *error)
{
	struct ike_sa *rival = find_rival(sa, c);
	const struct ike_ke *ke;

	if (rival) {
		succeed(sa, rival, false);
		return;
	}
	switch (create_judge(sa, c, error, &ke)) {
	case CREATE_AGAIN:
		if (!create_begin(sa, c, ke))
			return;
		sa->mine = c;
		send_request(sa, c);
		return;
	case CREATE_LATER:
		sa->want_rekey = true;
		return;
	case CREATE_NEVER:
	case CREATE_ENDED:
		return;
	}
}

/* What the answer to our request has chosen, and the secret of it. Returns false where it is no good. */
static bool take_answer(struct ike_sa *sa, struct create *c, const struct ike_payloads *p)
{
	const struct ike_ke *ke = ike_kex_ke(c->kex);
	struct ike_offer offer;
	struct offer_lists lists;
	struct ike_profile mine = offered(sa, ke, &lists);

	if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK ||
		ike_accept_ike(&offer, &mine, true, &c->ike) < 0 || c->ike.suite.ke != ke ||
		p->ke_group != ke->id)
		return false;
	create_take_nonce(p, c->nr, &c->nr_len);
	return ike_kex_derive(c->kex, p->ke.p, p->ke.len, &c->shared) == 0;
}

static void bad_answer(struct ike_sa *sa, const struct create *c)
{
	struct ike_sa *rival = find_rival(sa, c);

	if (rival)
		sa_set_timer(rival, SA_TIMER_DEADLINE, sa->core->now);
	sa_end(sa, IKE_FAIL_PROTOCOL, 0, FAREWELL_DELETE,
		"rekeying: the peer's answer is not to what was asked");
}

/* All secrets of our exchange are known; p is its last answer. */
static void complete(struct ike_sa *sa, struct create *c, const struct ike_payloads *p)
{
	struct ike_sa *rival = find_rival(sa, c), *heir = make_heir(sa, c, true);
	bool loses;

	if (!heir) {
		bad_answer(sa, c);
		return;
	}
	crash_take_token(heir, p);
	sa->temp_fails = 0;
	heir->want_token =
		sa->core->has_qcd_secret; /* not in the request: its SPIs were half of two */
	loses = c->rival_len && create_loses(c);
	if (c->rival_len)
		sa_note(sa, IKE_NOTE_COLLISION, !rival || !loses);
	if (!rival) {
		succeed(sa, heir, true);
	} else if (loses) {
		succeed(sa, rival, false);
		heir->want_delete = true;
		sa_set_state(heir, SA_DELETING);
		info_pump(heir);
	} else {
		rival->parent = 0;
		sa_set_state(rival, SA_REKEYED); /* for the peer to delete */
		succeed(sa, heir, true);
	}
}

/* Goes on with the additional key exchange, but not to make what is to be deleted anyway. */
static void follow(struct ike_sa *sa, struct create *c, const struct ike_payloads *p)
{
	struct ike_sa *rival = find_rival(sa, c);

	if (!c->rival_len || !create_loses(c)) {
		if (!followup_send(sa, c, c->ike.addke.ke, p))
			bad_answer(sa, c);
		return;
	}
	sa_note(sa, IKE_NOTE_COLLISION, 0);
	if (rival)
		succeed(sa, rival, false);
	else
		sa->want_rekey = true; /* where nothing comes of the peer's */
}

static void on_created(struct ike_sa *sa, struct create *c, const struct ike_payloads *p)
{
	if (c->followed ? !followup_take(c, c->ike.addke.ke, p) : !take_answer(sa, c, p))
		bad_answer(sa, c);
	else if (c->ike.addke.ke && !c->followed)
		follow(sa, c, p);
	else
		complete(sa, c, p);
}

void rekey_on_response(struct ike_sa *sa, struct create *c, const struct message *m)
{
	const struct ike_notify *error = ike_notify_error(&m->inner);

	if (error)
		on_refused(sa, c, error);
	else
		on_created(sa, c, &m->inner);
	if (sa->mine != c) /* else it goes on */
		create_free(&c);
	info_pump(sa);
}

/* ---- responder */

/* Whether something of ours is under way that the children's move would disturb (2.25.1). */
static bool is_busy(const struct ike_sa *sa)
{
	const struct child *child;

	if (sa->mine && sa->mine->kind == CREATE_CHILD)
		return true;
	DL_FOREACH(sa->children, child) {
		if (child->state == CHILD_DELETING)
			return true;
	}
	return false;
}

/* What the SA has is taken where it is offered, before what we like better: with another PRF than before
 * section 2.18 names the old one for SKEYSEED only, but strongSwan takes it for prf+, too. */
static bool choose(struct ike_sa *sa, const struct ike_payloads *p, struct ike_choice_ike *ret)
{
	struct offer_lists lists;
	struct ike_profile same = offered(sa, sa->ke, &lists);
	struct ike_offer offer;
	uint8_t group[2];

	same.answer_encr = NULL;
	if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK ||
		(ike_choose_ike(&offer, &same, p->ke_group, true, ret) < 0 &&
			ike_choose_ike(&offer, sa->core->profile, p->ke_group, true, ret) < 0)) {
		create_refuse(sa, IKE_N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return false;
	}
	if (ret->suite.ke->id == p->ke_group)
		return true;
	group[0] = (uint8_t)(ret->suite.ke->id >> 8);
	group[1] = (uint8_t)ret->suite.ke->id;
	create_refuse(sa, IKE_N_INVALID_KE_PAYLOAD, group, sizeof(group));
	return false;
}

/* heir: NULL while the additional key exchange is to come. */
static void answer(struct ike_sa *sa, struct ike_sa *heir, const struct create *c)
{
	struct ike_builder b = sa_build(sa, sa->answering, true);
	const struct ike_ke *ke = c->ike.suite.ke;

	if (c->followed) {
		followup_put_answer(&b, c);
	} else {
		ike_build_chosen_ike(&b, &c->ike, c->spi);
		ike_build_nonce(&b, c->nr, c->nr_len);
		ike_build_ke(&b, ke->id, ike_kex_public(c->kex), ke->public_len);
	}
	if (heir)
		crash_put_token(heir, &b); /* the old one's is for its SPIs (RFC 6290) */
	else
		followup_put_link(&b, c);
	sa_send_reply(sa, &b);
}

/* All secrets of the peer's exchange are known. Frees c. */
static void grant(struct ike_sa *sa, struct create *c)
{
	struct ike_sa *heir = make_heir(sa, c, false);

	if (!heir) {
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
	} else {
		answer(sa, heir, c);
		if (sa->mine) {
			heir->parent = sa_own_spi(sa);
			create_note_rival(sa->mine, c);
		} else {
			succeed(sa, heir, false);
		}
	}
	create_free(&c);
}

void rekey_followed(struct ike_sa *sa, struct create *c)
{
	sa->theirs = NULL;
	if (is_busy(sa)) {
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
		create_free(&c);
		return;
	}
	grant(sa, c);
}

void rekey_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_payloads *p = &m->inner;
	struct ike_choice_ike choice;
	struct create *c;

	if (is_busy(sa) || (sa->mine && sa->mine->rival_sa)) {
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	if (!choose(sa, p, &choice))
		return;
	c = ike_alloc(sizeof(*c));
	c->kind = CREATE_IKE;
	c->ike = choice;
	c->spi = sa_new_spi(sa->core);
	if (!create_begin(sa, c, choice.suite.ke)) {
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
		create_free(&c);
		return;
	}
	create_take_nonce(p, c->ni, &c->ni_len);
	c->nr_len = NONCE_LEN;
	sa->core->fx.random(sa->core->fx.arg, c->nr, NONCE_LEN);
	if (ike_kex_derive(c->kex, p->ke.p, p->ke.len, &c->shared) < 0) {
		create_free(&c);
		create_refuse(sa, IKE_N_INVALID_SYNTAX, NULL, 0);
		sa_end(sa, IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX, FAREWELL_LINGER,
			"the peer's key exchange value is no good");
	} else if (choice.addke.ke) {
		if (sa->mine)
			create_note_rival(sa->mine, c);
		c->waits = true;
		sa->theirs = c;
		answer(sa, NULL, c);
	} else {
		grant(sa, c);
	}
}

void rekey_settle(struct ike_sa *rival)
{
	struct ike_sa *old = core_find_sa(rival->core, rival->parent);

	if (!old || old->state != SA_UP || old->ended)
		return;
	/* our request stays out until it is answered, and the answer will be ignored */
	create_free(&old->mine);
	succeed(old, rival, false);
}

bool rekey_on_delete(struct ike_sa *sa)
{
	struct ike_sa *rival =
		sa->mine && sa->mine->kind == CREATE_IKE ? find_rival(sa, sa->mine) : NULL;

	if (!rival)
		return false;
	rekey_settle(rival);
	return true;
}
