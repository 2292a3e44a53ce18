/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4): the additional key exchange of a CREATE_CHILD_SA,
 * whose answer comes with a link to what the responder keeps of it. There is no new SA before it
 * is done.
 *
 * Where both hosts rekey at one time the nonces tell already before it whose SA goes (RFC 7296
 * 2.8.1), and the one who began that does not go on: then nothing has to be deleted.
 */
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

/* What is kept is named by our SPI of the new SA. */
#define LINK_LEN 8

static void make_link(const struct create *c, uint8_t ret[LINK_LEN])
{
	struct wire_writer w = wire_writer(ret, LINK_LEN);

	wire_put_u64(&w, c->kind == CREATE_IKE ? c->spi : c->child);
}

const struct ike_ke *followup_ke(const struct ike_sa *sa, const struct ike_ke *ke)
{
	const struct ike_ke *addke = sa->addke ? ike_ke_find(sa->addke) : NULL;

	return addke == ke ? NULL : addke; /* no method twice (2.2.1) */
}

bool followup_send(struct ike_sa *sa, struct create *c, const struct ike_ke *ke,
	const struct ike_payloads *p)
{
	const struct ike_notify *link = ike_notify_find(p, IKE_N_ADDITIONAL_KEY_EXCHANGE);
	struct ike_builder b;

	if (!link)
		return false;
	ike_kex_free(c->kex);
	c->kex = NULL;
	if (ike_kex_new(ke, &c->kex) < 0) {
		log_error("cannot make a %s key", ke->name);
		return false;
	}
	b = sa_build(sa, IKE_EXCH_FOLLOWUP_KE, false);
	ike_build_ke(&b, ke->id, ike_kex_public(c->kex), ike_kex_public_len(c->kex));
	ike_build_notify(&b, IKE_N_ADDITIONAL_KEY_EXCHANGE, link->data.p, link->data.len);
	c->followed = true;
	sa->mine = c;
	sa_note(sa, IKE_NOTE_ADDKE_SENT, ke->id);
	sa_send_request(sa, &b, IKE_EXCH_FOLLOWUP_KE);
	return true;
}

bool followup_take(struct create *c, const struct ike_ke *ke, const struct ike_payloads *p)
{
	return p->ke_group == ke->id &&
	       ike_kex_derive(c->kex, p->ke.p, p->ke.len, &c->added) == 0;
}

/* ---- responder */

void followup_put_link(struct ike_builder *b, const struct create *c)
{
	uint8_t link[LINK_LEN];

	make_link(c, link);
	ike_build_notify(b, IKE_N_ADDITIONAL_KEY_EXCHANGE, link, sizeof(link));
}

void followup_put_answer(struct ike_builder *b, const struct create *c)
{
	ike_build_ke(b, ike_kex_ke(c->kex)->id, ike_kex_public(c->kex), ike_kex_public_len(c->kex));
}

bool followup_waits(const struct ike_sa *sa)
{
	return sa->theirs && sa->theirs->waits;
}

void followup_forget(struct ike_sa *sa)
{
	struct child *child;
	struct create *c = sa->theirs, *mine = sa->mine;

	if (!followup_waits(sa))
		return;
	child = child_find_in(sa, c->child);
	if (mine && mine->rival_len && mine->rival_child == c->child && mine->rival_sa == c->spi) {
		mine->rival_len = 0;
		mine->rival_child = 0;
		mine->rival_sa = 0;
	}
	if (child)
		child_gone(sa, child);
	create_free(&sa->theirs);
}

static bool is_link(const struct create *c, const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_notify_find(p, IKE_N_ADDITIONAL_KEY_EXCHANGE);
	uint8_t link[LINK_LEN];

	make_link(c, link);
	return n && n->data.len == sizeof(link) && !memcmp(n->data.p, link, sizeof(link));
}

void followup_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_payloads *p = &m->inner;
	struct create *c = sa->theirs;
	const struct ike_ke *ke;

	if (sa->state != SA_UP || sa->closing || !followup_waits(sa) || !is_link(c, p)) {
		create_refuse(sa, IKE_N_STATE_NOT_FOUND, NULL, 0);
		return;
	}
	ke = c->kind == CREATE_IKE ? c->ike.addke.ke : c->esp.addke.ke;
	c->waits = false;
	c->followed = true;
	ike_kex_free(c->kex);
	c->kex = NULL;
	if (p->ke_group != ke->id ||
		ike_kex_answer(ke, p->ke.p, p->ke.len, &c->kex, &c->added) < 0) {
		create_refuse(sa, IKE_N_INVALID_SYNTAX, NULL, 0);
		sa_end(sa, IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX, FAREWELL_LINGER,
			"the peer's %s value is no good", ke->name);
	} else if (c->kind == CREATE_IKE) {
		rekey_followed(sa, c);
	} else {
		create_followed(sa, c);
	}
}
