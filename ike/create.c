/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CREATE_CHILD_SA for child SAs (RFC 7296 sections 1.3.1, 1.3.3, 2.8, 2.8.1, 2.25.1).
 *
 * Nothing is dropped on the way from an old child to a new one:
 *  - who answers has the new inbound SA in the kernel before the answer leaves, and goes on sending
 *    on the old one until the peer deletes it or sends on the new one; the DELETE is answered when the
 *    kernel sends on the new one, for then the peer may give up the old one at once;
 *  - who asked puts both of the new one into the kernel, and then deletes the old one;
 *  - both take what comes on the old one until that is done, and the kernel a little longer.
 *
 * Where both ask at one time, each answers as usual. Then both know the four nonces, and the child of
 * the exchange with the lowest one is redundant: nothing is sent on it, and its maker deletes it.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

#define CHILDREN_MAX 6 /* of one IKE SA: old, new, the same of the peer, and some that linger */
#define INVALID_KES_MAX 2
/* Without a sign that the peer has our answer we send on its new child after this: longer than any peer repeats
 * its request for, so that one which still lives has it (strongSwan 165 s, we and others a minute). */
#define SWITCH_AFTER (180 * SECOND)
/* And after this we delete what it should have deleted. */
#define DELETE_AFTER (30 * SECOND)
/* TEMPORARY_FAILURE: the first wait, doubled each time up to the longest. Ten take four minutes;
 * then the two are out of step for good (2.25). */
#define LATER_FIRST SECOND
#define LATER_LONGEST (30 * SECOND)
#define TEMP_FAILS_MAX 10

/* ---- exchanges */

struct ike_bytes create_ni(const struct create *c)
{
	return (struct ike_bytes){c->ni, c->ni_len};
}

struct ike_bytes create_nr(const struct create *c)
{
	return (struct ike_bytes){c->nr, c->nr_len};
}

void create_take_nonce(const struct ike_payloads *p, uint8_t *nonce, uint16_t *len)
{
	memcpy(nonce, p->nonce.p, p->nonce.len);
	*len = (uint16_t)p->nonce.len;
}

void create_groups(const struct ike_sa *sa, const struct ike_ke *first,
	const struct ike_ke *ret[CREATE_KES_MAX])
{
	const struct ike_ke *const *ke = sa->core->profile->ke;
	size_t n = 0;

	ret[n++] = first;
	for (; *ke && n < CREATE_KES_MAX - 1; ke++)
		if (*ke != first)
			ret[n++] = *ke;
	ret[n] = NULL;
}

bool create_begin(struct ike_sa *sa, struct create *c, const struct ike_ke *ke)
{
	struct ike_core *core = sa->core;

	ike_kex_free(c->kex);
	c->kex = NULL;
	if (ike_kex_new(ke, &c->kex) < 0) {
		log_error("cannot make a %s key", ke->name);
		return false;
	}
	c->ni_len = NONCE_LEN;
	core->fx.random(core->fx.arg, c->ni, NONCE_LEN);
	return true;
}

void create_free(struct create **at)
{
	struct create *c = *at;

	if (!c)
		return;
	if (c->core)
		DL_DELETE(c->core->rekeys, c);
	ike_kex_free(c->kex);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
	*at = NULL;
}

void create_abandon(struct ike_sa *sa)
{
	struct ike_sa *rival = NULL;

	if (sa->mine && sa->mine->rival_sa)
		rival = core_find_sa(sa->core, sa->mine->rival_sa);
	/* it goes on its own, for somebody may be walking along the peer's SAs */
	if (rival && rival->parent)
		sa_set_timer(rival, SA_TIMER_DEADLINE, sa->core->now);
	create_free(&sa->mine);
	create_free(&sa->theirs);
}

void create_refuse(struct ike_sa *sa, uint16_t notify, const void *data, size_t len)
{
	struct ike_builder b = sa_build(sa, sa->answering, true);

	ike_build_notify(&b, notify, data, len);
	sa_send_reply(sa, &b);
}

/* ---- collisions */

/* Octet by octet; at the end of one, that one is lower (2.8.1). */
static bool lower(struct ike_bytes a, struct ike_bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.p, b.p, n);

	return order < 0 || (order == 0 && a.len < b.len);
}

static struct ike_bytes lowest(const struct create *c)
{
	return lower(create_ni(c), create_nr(c)) ? create_ni(c) : create_nr(c);
}

void create_note_rival(struct create *c, const struct create *theirs)
{
	struct ike_bytes nonce = lowest(theirs);

	c->rival_child = theirs->child;
	c->rival_sa = theirs->spi;
	c->rival_len = (uint16_t)nonce.len;
	memcpy(c->rival_nonce, nonce.p, nonce.len);
}

bool create_loses(const struct create *c)
{
	return lower(lowest(c), (struct ike_bytes){c->rival_nonce, c->rival_len});
}

/* ---- the children's turns */

/* Whether another child is there, or being made, in this one's place. */
static bool has_heir(const struct ike_sa *sa, const struct child *old)
{
	const struct child *child;

	DL_FOREACH(sa->children, child) {
		if (child->replaces == old->spi_in && !child->redundant)
			return true;
	}
	return false;
}

/* Whether it is about to be closed, or a new one of ours stands already in whose favour it will. */
static bool is_going(const struct ike_sa *sa, const struct child *old)
{
	const struct child *child;

	if (old->want_delete || old->state == CHILD_DELETING)
		return true;
	DL_FOREACH(sa->children, child) {
		if (child->ours && child->replaces == old->spi_in && child->state != CHILD_OFFERED)
			return true;
	}
	return false;
}

/* Whether there is one by which is sent. */
static bool has_out(const struct ike_sa *sa)
{
	const struct child *child;

	DL_FOREACH(sa->children, child) {
		if (child->out)
			return true;
	}
	return false;
}

static size_t count_children(const struct ike_sa *sa)
{
	const struct child *child;
	size_t n;

	DL_COUNT(sa->children, child, n);
	return n;
}

void create_succeed(struct ike_sa *sa, const struct child *old)
{
	struct child *child, *last = NULL;
	bool any = false;

	DL_FOREACH(sa->children, child) {
		if (child == old || child->state != CHILD_INSTALLED) {
			any = any || (child != old && child->state == CHILD_UP);
			continue;
		}
		last = child;
		if (child->replaces != old->spi_in || child->redundant || child->ours)
			continue;
		child_up(sa, child);
		any = true;
	}
	/* rather by one that should go than by none */
	if (!any && last)
		child_up(sa, last);
}

void create_used(struct ike_sa *sa, struct child *child)
{
	if (child->state == CHILD_INSTALLED && !child->ours && !child->redundant)
		child_up(sa, child);
}

void create_on_repeated(struct ike_sa *sa)
{
	if (sa->due[SA_TIMER_SWITCH] != NEVER)
		sa_set_timer(sa, SA_TIMER_SWITCH, sa->core->now + SWITCH_AFTER);
}

void create_on_switch(struct ike_sa *sa)
{
	sa->switching = sa->want_probe = true;
	info_pump(sa);
}

void create_on_alive(struct ike_sa *sa)
{
	struct child *child, *old;
	bool promoted = false, waiting = false;

	if (!sa->switching)
		return;
	sa->switching = false;
	DL_FOREACH(sa->children, child) {
		if (child->ours || child->state != CHILD_INSTALLED)
			continue;
		if (!child->redundant) {
			child_up(sa, child);
			promoted = true;
		}
	}
	DL_FOREACH(sa->children, child) {
		old = child_find_in(sa, child->replaces);
		if (child->ours || (!old && !child->redundant))
			continue;
		waiting = true;
		if (promoted)
			continue;
		(child->redundant ? child : old)->want_delete = true;
	}
	if (promoted && waiting)
		sa_set_timer(sa, SA_TIMER_SWITCH, sa->core->now + DELETE_AFTER);
}

void create_check_orphan(struct ike_sa *sa)
{
	if (sa->state == SA_UP && !sa->ended && !sa->closing && !sa->children && !sa->mine &&
		!sa->theirs)
		sa_end(sa, IKE_FAIL_DELETED, 0, FAREWELL_DELETE, "its last child SA is deleted");
}

/* ---- our requests */

static void send_request(struct ike_sa *sa, const struct create *c, const struct child *child)
{
	const struct ike_ke *ke = ike_kex_ke(c->kex);
	struct ike_builder b = sa_build(sa, IKE_EXCH_CREATE_CHILD, false);

	if (c->old)
		ike_build_notify_esp(&b, IKE_N_REKEY_SA, c->old);
	ike_build_notify(&b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	child_build_offer_like(sa, &b, child, ke);
	ike_build_nonce(&b, c->ni, c->ni_len);
	ike_build_ke(&b, ke->id, ike_kex_public(c->kex), ke->public_len);
	selector_build(sa, &b, true);
	sa_note(sa, IKE_NOTE_REKEY_CHILD, c->old);
	sa_send_request(sa, &b, IKE_EXCH_CREATE_CHILD);
}

/* A child like the model in the place of replaces; rekey: the peer knows that one. */
static bool start(struct ike_sa *sa, const struct child *model, uint32_t replaces, bool rekey)
{
	struct create *c = ike_alloc(sizeof(*c));
	struct child *child;

	c->kind = CREATE_CHILD;
	c->old = rekey ? replaces : 0;
	if (!create_begin(sa, c, sa->ke)) {
		create_free(&c);
		return false;
	}
	child = child_offer_like(sa, model, replaces);
	c->child = child->spi_in;
	sa->mine = c;
	send_request(sa, c, child);
	return true;
}

/* 2.8: what replaces an SA is negotiated once, and not while the IKE SA itself is rekeyed. */
bool create_pump(struct ike_sa *sa)
{
	struct child *child;

	if (sa->state != SA_UP || sa->ended || sa->closing || sa->mine || sa->theirs ||
		sa->due[SA_TIMER_RETRY] != NEVER)
		return false;
	DL_FOREACH(sa->children, child) {
		/* one that the kernel does not have yet it may refuse: then the one before it stays */
		if (!child->want_rekey || child->state != CHILD_UP || child->want_delete ||
			child->installs)
			continue;
		child->want_rekey = false;
		if (!has_heir(sa, child))
			return start(sa, child, child->spi_in, true);
	}
	if (!sa->want_rekey)
		return false;
	sa->want_rekey = false;
	return rekey_start(sa);
}

static void later(struct ike_sa *sa)
{
	uint64_t wait = LATER_FIRST << (sa->temp_fails < 5 ? sa->temp_fails : 5);

	if (++sa->temp_fails > TEMP_FAILS_MAX) {
		sa_end(sa, IKE_FAIL_PROTOCOL, IKE_N_TEMPORARY_FAILURE, FAREWELL_DELETE,
			"the peer puts off every rekeying");
		return;
	}
	if (wait > LATER_LONGEST)
		wait = LATER_LONGEST;
	sa_set_timer(
		sa, SA_TIMER_RETRY, sa->core->now + wait + core_random(sa->core, (uint32_t)wait));
}

static void never(struct ike_sa *sa, uint16_t notify)
{
	struct ike_stale stale = {.handle = sa->handle, .notify = notify};

	sa->stale = true;
	if (!sa->ended)
		core_event_struct(sa->core, IKE_EV_STALE, &stale);
}

enum create_verdict create_judge(struct ike_sa *sa, struct create *c,
	const struct ike_notify *error, const struct ike_ke **ret_ke)
{
	struct wire_reader r = wire_reader(error->data.p, error->data.len);
	uint16_t group;

	sa_note(sa, IKE_NOTE_REKEY_REFUSED, error->type);
	switch (error->type) {
	case IKE_N_TEMPORARY_FAILURE:
	case IKE_N_STATE_NOT_FOUND: /* RFC 9370: our IKE_FOLLOWUP_KE came too late */
		later(sa);
		return sa->state == SA_UP ? CREATE_LATER : CREATE_ENDED;
	case IKE_N_INVALID_KE_PAYLOAD:
		group = wire_u16(&r);
		*ret_ke = ike_ke_find(group);
		if (r.bad || !*ret_ke || c->followed ||
			(*ret_ke != sa->ke && !ike_profile_has_ke(sa->core->profile, group)) ||
			c->invalid_kes++ >= INVALID_KES_MAX)
			break;
		return CREATE_AGAIN;
	case IKE_N_INVALID_SYNTAX:
	case IKE_N_AUTHENTICATION_FAILED:
		/* the peer has ended it too (2.21.3) */
		sa_end(sa, IKE_FAIL_PROTOCOL, error->type, FAREWELL_NONE,
			"the peer answers CREATE_CHILD_SA with an error that ends the SA");
		return CREATE_ENDED;
	default:
		break;
	}
	never(sa, error->type);
	return CREATE_NEVER;
}

/* The peer does not make the child. A rival of its own means that one is there all the same. */
static void on_refused(
	struct ike_sa *sa, struct create *c, struct child *child, const struct ike_notify *error)
{
	struct child *old = child_find_in(sa, c->old);
	const struct ike_ke *ke;

	if (c->rival_len) {
		child_gone(sa, child);
		return;
	}
	if (error->type == IKE_N_CHILD_SA_NOT_FOUND) {
		/* 2.25: one from scratch, in whose favour the old one goes */
		if (old)
			start(sa, old, old->spi_in, false);
		else if (count_children(sa) == 1)
			start(sa, child, 0, false);
		child_gone(sa, child);
		return;
	}
	switch (create_judge(sa, c, error, &ke)) {
	case CREATE_AGAIN:
		if (create_begin(sa, c, ke)) {
			sa->mine = c;
			send_request(sa, c, child);
			return;
		}
		break;
	case CREATE_LATER:
		if (old)
			old->want_rekey = true;
		break;
	case CREATE_NEVER:
		break;
	case CREATE_ENDED:
		return; /* with its children */
	}
	child_gone(sa, child);
}

/* What the agent is told of the groups: the additional one in the upper half. */
static uint32_t groups_made(const struct create *c)
{
	if (!c->esp.ke)
		return 0;
	return c->esp.ke->id | (c->esp.addke.ke ? (uint32_t)c->esp.addke.ke->id << 16 : 0);
}

/* The exchange's own secret, where it has one. */
static int derive(struct create *c, struct ike_bytes ke)
{
	return c->kex ? ike_kex_derive(c->kex, ke.p, ke.len, &c->shared) : 0;
}

static int make_keys(struct ike_sa *sa, const struct create *c, struct child *child)
{
	return child_make_keys(sa, child, c->shared.len ? &c->shared : NULL,
		c->added.len ? &c->added : NULL, create_ni(c), create_nr(c));
}

static void bad_value(struct ike_sa *sa)
{
	sa_end(sa, IKE_FAIL_PROTOCOL, 0, FAREWELL_DELETE,
		"rekeying: the peer's key exchange value is no good");
}

/* All secrets of our exchange are known. */
static void complete(struct ike_sa *sa, struct create *c, struct child *child)
{
	struct child *rival = child_find_in(sa, c->rival_child);

	if (make_keys(sa, c, child) < 0) {
		bad_value(sa);
		return;
	}
	sa->temp_fails = 0;
	sa_note(sa, IKE_NOTE_CREATED, groups_made(c));
	/* the rival may have been replaced itself meanwhile: that changes nothing about who lost */
	if (c->rival_len) {
		child->redundant = create_loses(c);
		if (rival)
			rival->redundant = !child->redundant;
		sa_note(sa, IKE_NOTE_COLLISION, !child->redundant);
	}
	/* the peer, who knows that it has lost, does not go on */
	if (rival && rival->redundant && followup_waits(sa) && sa->theirs->child == rival->spi_in)
		followup_forget(sa);
	child_install(sa, child, !child->redundant);
}

/* Goes on with the additional key exchange, but not with what is to be deleted anyway. */
static void follow(
	struct ike_sa *sa, struct create *c, struct child *child, const struct ike_payloads *p)
{
	struct child *old = child_find_in(sa, c->old);

	if (c->rival_len && create_loses(c)) {
		sa_note(sa, IKE_NOTE_COLLISION, 0);
		/* where nothing comes of the peer's */
		if (old)
			old->want_rekey = true;
		child_gone(sa, child);
	} else if (!followup_send(sa, c, c->esp.addke.ke, p)) {
		bad_value(sa);
	}
}

static void on_created(
	struct ike_sa *sa, struct create *c, struct child *child, const struct ike_payloads *p)
{
	struct refusal no;

	if (!child_accept_like(sa, child, p, ike_kex_ke(c->kex), &c->esp, &no)) {
		sa_end(sa, no.code, 0, FAREWELL_DELETE, "rekeying: %s", no.why);
		return;
	}
	if (!c->esp.ke) {
		ike_kex_free(c->kex);
		c->kex = NULL;
	}
	create_take_nonce(p, c->nr, &c->nr_len);
	if (derive(c, p->ke) < 0)
		bad_value(sa);
	else if (c->esp.addke.ke)
		follow(sa, c, child, p);
	else
		complete(sa, c, child);
}

static void on_followed(
	struct ike_sa *sa, struct create *c, struct child *child, const struct ike_payloads *p)
{
	if (followup_take(c, c->esp.addke.ke, p))
		complete(sa, c, child);
	else
		bad_value(sa);
}

void create_on_response(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *error = ike_notify_error(&m->inner);
	struct create *c = sa->mine;
	struct child *child;

	sa->mine = NULL;
	sa_request_done(sa);
	if (c && c->kind == CREATE_IKE) {
		rekey_on_response(sa, c, m);
		return;
	}
	child = c ? child_find_in(sa, c->child) : NULL;
	if (child && error)
		on_refused(sa, c, child, error);
	else if (child && c->followed)
		on_followed(sa, c, child, &m->inner);
	else if (child)
		on_created(sa, c, child, &m->inner);
	if (sa->mine != c)
		create_free(&c);
	create_check_orphan(sa);
	info_pump(sa);
}

/* ---- the peer's requests */

static void answer_no_child(struct ike_sa *sa, uint32_t spi)
{
	struct ike_builder b = sa_build(sa, IKE_EXCH_CREATE_CHILD, true);

	ike_build_notify_esp(&b, IKE_N_CHILD_SA_NOT_FOUND, spi);
	sa_send_reply(sa, &b);
}

static void answer_refusal(
	struct ike_sa *sa, const struct refusal *no, const struct ike_choice_esp *esp)
{
	uint8_t group[2] = {0};
	bool ke = no->notify == IKE_N_INVALID_KE_PAYLOAD;

	if (ke) {
		group[0] = (uint8_t)(esp->ke->id >> 8);
		group[1] = (uint8_t)esp->ke->id;
	}
	create_refuse(sa, no->notify, group, ke ? sizeof(group) : 0);
	if (no->notify == IKE_N_INVALID_SYNTAX)
		sa_end(sa, no->code, no->notify, FAREWELL_LINGER, "%s", no->why);
}

static struct ike_builder build_answer(
	struct ike_sa *sa, const struct create *c, const struct child *child)
{
	struct ike_builder b = sa_build(sa, sa->answering, true);

	if (c->followed) {
		followup_put_answer(&b, c);
		return b;
	}
	ike_build_notify(&b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	ike_build_chosen_esp(&b, &c->esp, child->spi_in);
	ike_build_nonce(&b, c->nr, c->nr_len);
	if (c->kex)
		ike_build_ke(&b, c->esp.ke->id, ike_kex_public(c->kex), c->esp.ke->public_len);
	selector_build(sa, &b, false);
	if (c->waits)
		followup_put_link(&b, c);
	return b;
}

static void answer(struct ike_sa *sa, const struct create *c, const struct child *child)
{
	struct ike_builder b = build_answer(sa, c, child);

	sa_send_reply(sa, &b);
	if (c->waits)
		return;
	sa_note(sa, IKE_NOTE_CREATED, groups_made(c));
	if (child->out)
		return;
	sa->switching = false; /* what is asked now says nothing about this child */
	sa_set_timer(sa, SA_TIMER_SWITCH, sa->core->now + SWITCH_AFTER);
}

/* Makes the child of the request; the answer waits for the kernel. old: NULL for a new one. */
static void make_child(struct ike_sa *sa, const struct ike_payloads *p, struct child *old)
{
	struct create *c = ike_alloc(sizeof(*c));
	struct refusal no = {IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX,
		"the peer's key exchange value is no good"};
	struct child *child = child_choose(sa, p, p->ke.p ? p->ke_group : 0, &c->esp, &no);

	if (!child)
		goto refused;
	c->kind = CREATE_CHILD;
	c->child = child->spi_in;
	c->old = child->replaces = old ? old->spi_in : 0;
	if (c->esp.ke && !create_begin(sa, c, c->esp.ke))
		no = (struct refusal){
			IKE_FAIL_BUSY, IKE_N_TEMPORARY_FAILURE, "OpenSSL makes no key"};
	create_take_nonce(p, c->ni, &c->ni_len);
	c->nr_len = NONCE_LEN;
	sa->core->fx.random(sa->core->fx.arg, c->nr, NONCE_LEN);
	if ((c->esp.ke && !c->kex) || derive(c, p->ke) < 0 ||
		(!c->esp.addke.ke && make_keys(sa, c, child) < 0)) {
		child_free(sa, child);
		goto refused;
	}
	if (old && sa->mine && sa->mine->kind == CREATE_CHILD && sa->mine->old == c->old)
		create_note_rival(sa->mine, c);
	sa->theirs = c;
	c->waits = c->esp.addke.ke;
	if (c->waits)
		answer(sa, c, child);
	else
		child_install(sa, child, !has_out(sa));
	return;
refused:
	answer_refusal(sa, &no, &c->esp);
	create_free(&c);
}

void create_followed(struct ike_sa *sa, struct create *c)
{
	struct child *child = child_find_in(sa, c->child);

	if (child && make_keys(sa, c, child) == 0) {
		child_install(sa, child, !has_out(sa));
		return;
	}
	if (child)
		child_gone(sa, child);
	create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
	create_free(&sa->theirs);
}

static void on_child_request(
	struct ike_sa *sa, const struct message *m, const struct ike_notify *rekey)
{
	struct child *old = NULL;

	if (rekey) {
		struct wire_reader r = wire_reader(rekey->spi.p, rekey->spi.len);
		uint32_t spi = wire_u32(&r);

		old = rekey->protocol == IKE_PROTO_ESP && rekey->spi.len == sizeof(spi)
			      ? child_find_out(sa, spi)
			      : NULL;
		if (!old) {
			answer_no_child(sa, spi);
			return;
		}
	}
	if ((sa->mine && sa->mine->kind == CREATE_IKE) || (old && is_going(sa, old)))
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
	else if (count_children(sa) >= CHILDREN_MAX)
		create_refuse(sa, IKE_N_NO_ADDITIONAL_SAS, NULL, 0);
	else
		make_child(sa, &m->inner, old);
}

void create_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *rekey = ike_notify_find(&m->inner, IKE_N_REKEY_SA);

	followup_forget(sa);                   /* the peer goes on with something else */
	if (sa->state != SA_UP || sa->closing) /* 2.25.2: it is about to be closed */
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
	else if (rekey || m->inner.tsi.p)
		on_child_request(sa, m, rekey);
	else
		rekey_on_request(sa, m);
}

/* ---- the kernel's answers */

static void on_theirs(struct ike_sa *sa, struct child *child, int error)
{
	if (error) {
		if (sa->mine && sa->mine->rival_child == child->spi_in)
			sa->mine->rival_len = 0;
		child_gone(sa, child);
		create_refuse(sa, IKE_N_TEMPORARY_FAILURE, NULL, 0);
	} else {
		answer(sa, sa->theirs, child);
	}
	create_free(&sa->theirs);
}

static void on_ours(struct ike_sa *sa, struct child *child, int error)
{
	struct child *old = child_find_in(sa, child->replaces);

	/* the peer has it, so it is told */
	if (error || child->redundant)
		child->want_delete = true;
	else if (old)
		old->want_delete = true;
	if (error)
		never(sa, 0);
}

static void refused(struct ike_sa *sa, int error)
{
	sa_end(sa, IKE_FAIL_INSTALL, 0, FAREWELL_DELETE, "the kernel refused the SA: %s",
		strerror(-error));
}

void create_switched(struct ike_sa *sa, struct child *child, int error)
{
	if (!child->out_pending)
		return;
	child->out_pending = false;
	if (error)
		refused(sa, error);
	else
		info_on_switched(sa);
}

void create_installed(struct ike_sa *sa, struct child *child, int error)
{
	if (child->installs || sa->state != SA_UP)
		return;
	if (sa->theirs && sa->theirs->child == child->spi_in)
		on_theirs(sa, child, error);
	else if (child->ours && child->replaces)
		on_ours(sa, child, error);
	else if (error)
		refused(sa, error);
	info_pump(sa);
}
