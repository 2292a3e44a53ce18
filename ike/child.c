/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Child SAs: transport mode between the two hosts (RFC 7296 sections 1.3.1, 2.17, 3.3); what traffic of
 * theirs is in selector.c.
 *
 * The initiator offers one proposal for each cipher, each with an SPI of its own. The first one is
 * with extended sequence numbers only and has a twin without behind the others: so it leaves nothing open,
 * and its inbound SA can stand in the kernel before IKE_AUTH leaves. The last is AES-CBC, for a peer that
 * has no AEAD. The peer may send ESP as soon
 * as it has answered, and nothing of it is lost.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ike/exchange.h"

#define SPI_MIN 256 /* RFC 4303 2.1 */
#define OFFERS_MAX 8

/* ---- children */

static struct child *new_child(struct ike_sa *sa, const struct ike_encr *encr)
{
	struct ike_core *core = sa->core;
	struct child *child = ike_alloc(sizeof(*child));

	child->encr = encr;
	do
		core->fx.random(core->fx.arg, &child->spi_in, sizeof(child->spi_in));
	while (child->spi_in < SPI_MIN || table_find(&core->children, &child->spi_in));
	table_add(&core->children, child);
	DL_APPEND(sa->children, child);
	return child;
}

struct child *child_find_in(const struct ike_sa *sa, uint32_t spi)
{
	struct child *child;

	DL_SEARCH_SCALAR(sa->children, child, spi_in, spi);
	return spi ? child : NULL;
}

struct child *child_find_out(const struct ike_sa *sa, uint32_t spi)
{
	struct child *child;

	DL_SEARCH_SCALAR(sa->children, child, spi_out, spi);
	return spi ? child : NULL;
}

static void free_keys(struct child *child)
{
	if (child->keys)
		ike_child_keymat_wipe(child->keys);
	free(child->keys);
	child->keys = NULL;
}

void child_free(struct ike_sa *sa, struct child *child)
{
	DL_DELETE(sa->children, child);
	table_remove(&sa->core->children, child);
	free_keys(child);
	free(child);
}

void child_gone(struct ike_sa *sa, struct child *child)
{
	struct ike_child_gone gone = {.handle = sa->handle,
		.spi_in = child->spi_in,
		.spi_out = child->out ? child->spi_out : 0};

	if (child->state != CHILD_OFFERED && !sa->ended)
		core_event_struct(sa->core, IKE_EV_CHILD_GONE, &gone);
	if (sa->hs && sa->hs->chosen == child)
		sa->hs->chosen = NULL;
	child_free(sa, child);
}

void child_mute(struct ike_sa *sa, struct child *child)
{
	struct ike_child_gone gone = {.handle = sa->handle, .spi_out = child->spi_out};

	if (!child->out)
		return;
	core_event_struct(sa->core, IKE_EV_CHILD_GONE, &gone);
	child->out = false;
}

void child_gone_all(struct ike_sa *sa)
{
	while (sa->children)
		child_gone(sa, sa->children);
}

/* ---- keys, to the kernel */

int child_make_keys(struct ike_sa *sa, struct child *child, const struct ike_secret *shared,
	const struct ike_secret *added, struct ike_bytes ni, struct ike_bytes nr)
{
	struct ike_child_keymat *keys = ike_alloc(sizeof(*keys));
	struct ike_keymat ike;
	int r;

	sa_keymat(sa, &ike);
	r = ike_keymat_child(&ike, child->encr, child->integ, shared, added, ni, nr, keys);
	ike_keymat_wipe(&ike);
	free_keys(child);
	if (r < 0) {
		log_error("cannot derive the keys of a child SA");
		free(keys);
		return r;
	}
	child->keys = keys;
	return 0;
}

/* The keys of a child of IKE_AUTH. Without them the agent hears nothing, and the state's deadline
 * ends the SA. */
static void make_first_keys(struct ike_sa *sa, struct child *child)
{
	const struct handshake *hs = sa->hs;

	child->ours = sa->initiator;
	(void)child_make_keys(sa, child, NULL, NULL, (struct ike_bytes){hs->ni, hs->ni_len},
		(struct ike_bytes){hs->nr, hs->nr_len});
}

/* Tells the agent of one direction. */
static void announce(struct ike_sa *sa, struct child *child, enum ike_ev event, bool both)
{
	bool inbound = event == IKE_EV_CHILD_IN;
	struct ike_child ev = {
		.handle = sa->handle,
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.cipher = child->encr->id,
		.key_bits = child->encr->key_bits,
		.esn = child->esn,
		.integ = child->integ ? child->integ->id : 0,
		.both = both,
		.replaces = child->replaces,
	};

	/* RFC 7296 2.23: a NAT anywhere between means ESP in UDP */
	if (sa->nat_self || sa->nat_peer) {
		ev.encap_local = sa->local_port;
		ev.encap_remote = sa->remote_port;
	}
	if (!child->keys || sa->ended)
		return;
	core_event(sa->core, (uint16_t)event, &ev, sizeof(ev),
		inbound == child->ours ? child->keys->r : child->keys->i, child->keys->len);
}

static void announce_out(struct ike_sa *sa, struct child *child)
{
	child->out = true;
	announce(sa, child, IKE_EV_CHILD_OUT, false);
	free_keys(child);
}

/* Nothing is sent by the children of an SA in whose place another is. */
void child_install(struct ike_sa *sa, struct child *child, bool both)
{
	both = both && !sa->closing;
	child->state = both ? CHILD_UP : CHILD_INSTALLED;
	child->installs++;
	announce(sa, child, IKE_EV_CHILD_IN, both);
	if (both)
		announce_out(sa, child);
}

void child_up(struct ike_sa *sa, struct child *child)
{
	if (sa->closing)
		return;
	if (child->state == CHILD_INSTALLED)
		child->state = CHILD_UP;
	if (child->out)
		return;
	child->out_pending = true;
	announce_out(sa, child);
}

/* ---- initiator */

enum esn_offer {
	ESN_ONLY,
	ESN_BOTH,
	ESN_NONE,
};

/* The integrity algorithms of a proposal with this cipher; NULL where it is an AEAD. */
static const struct ike_integ *const *offer_integs(
	const struct ike_profile *profile, const struct ike_encr *encr)
{
	return encr == profile->late_esp ? profile->late_integ : profile->integ;
}

/* What proposal i (from 0) offers. */
static enum esn_offer esn_offer(
	const struct ike_profile *profile, size_t i, const struct ike_encr *const *encrs)
{
	if (!profile->esn || encrs[i] == profile->late_esp || (i && encrs[i] == encrs[0]))
		return ESN_NONE;
	return i == 0 ? ESN_ONLY : ESN_BOTH;
}

/* The ciphers of our proposals, in order, with NULL behind the last. Returns how many. */
static size_t list_offers(const struct ike_profile *profile, const struct ike_encr *ret[OFFERS_MAX])
{
	size_t n = 0;

	while (profile->esp[n] && n < OFFERS_MAX - 3) {
		ret[n] = profile->esp[n];
		n++;
	}
	if (profile->esn)
		ret[n++] = profile->esp[0];
	if (profile->late_esp)
		ret[n++] = profile->late_esp;
	ret[n] = NULL;
	return n;
}

void child_offer(struct ike_sa *sa)
{
	const struct ike_encr *encrs[OFFERS_MAX];
	size_t n = list_offers(sa->core->profile, encrs);

	for (size_t i = 0; i < n; i++) {
		struct child *child = new_child(sa, encrs[i]);
		const struct ike_integ *const *integs = offer_integs(sa->core->profile, encrs[i]);

		child->esn = esn_offer(sa->core->profile, i, encrs) == ESN_ONLY;
		child->integ = integs ? integs[0] : NULL;
	}
	/* which keys they will be is not known yet (RFC 8784) */
	if (ppk_optional(sa->hs))
		return;
	make_first_keys(sa, sa->children);
	child_install(sa, sa->children, false);
}

static void put_transform(
	struct wire_writer *w, bool last, uint8_t type, uint16_t id, uint16_t key_bits)
{
	wire_put_u8(w, last ? 0 : 3);
	wire_put_u8(w, 0);
	wire_put_u16(w, key_bits ? 12 : 8);
	wire_put_u8(w, type);
	wire_put_u8(w, 0);
	wire_put_u16(w, id);
	if (key_bits) {
		wire_put_u16(w, 0x800e); /* Key Length, a TV attribute (3.3.5) */
		wire_put_u16(w, key_bits);
	}
}

/* integs, kes: integrity algorithms and key exchange groups, NULL none; each list ends with NULL. addke: an additional one, NULL none. */
static void put_proposal(struct wire_writer *w, const struct child *child, size_t i, bool last,
	enum esn_offer esn, const struct ike_integ *const *integs, const struct ike_ke *const *kes,
	const struct ike_ke *addke)
{
	const struct ike_encr *encr = child->encr;
	size_t at = w->pos, n_kes = 0, n_integs = 0;

	while (kes && kes[n_kes])
		n_kes++;
	while (integs && integs[n_integs])
		n_integs++;
	wire_put_u8(w, last ? 0 : 2);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0);
	wire_put_u8(w, (uint8_t)(i + 1));
	wire_put_u8(w, IKE_PROTO_ESP);
	wire_put_u8(w, sizeof(child->spi_in));
	wire_put_u8(w, (uint8_t)((esn == ESN_BOTH ? 3 : 2) + n_integs + n_kes + (addke ? 1 : 0)));
	wire_put_u32(w, child->spi_in);
	put_transform(w, false, IKE_TYPE_ENCR, encr->id, encr->key_attr ? encr->key_bits : 0);
	for (size_t j = 0; j < n_integs; j++)
		put_transform(w, false, IKE_TYPE_INTEG, integs[j]->id, 0);
	for (size_t j = 0; j < n_kes; j++)
		put_transform(w, false, IKE_TYPE_KE, kes[j]->id, 0);
	if (addke)
		put_transform(w, false, IKE_TYPE_ADDKE1, addke->id, 0);
	if (esn != ESN_NONE)
		put_transform(w, esn == ESN_ONLY, IKE_TYPE_ESN, IKE_ESN_YES, 0);
	if (esn != ESN_ONLY)
		put_transform(w, true, IKE_TYPE_ESN, IKE_ESN_NO, 0);
	wire_patch_u16(w, at + 2, (uint16_t)(w->pos - at));
}

void child_build_offer(struct ike_sa *sa, struct ike_builder *b)
{
	const struct ike_encr *encrs[OFFERS_MAX];
	size_t n = list_offers(sa->core->profile, encrs), i = 0;
	struct child *child;

	ike_build_notify(b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	ike_build_open(b, IKE_PL_SA);
	DL_FOREACH(sa->children, child) {
		put_proposal(&b->w, child, i, i + 1 == n, esn_offer(sa->core->profile, i, encrs),
			offer_integs(sa->core->profile, encrs[i]), NULL, NULL);
		i++;
	}
	ike_build_close(b);
	selector_build(sa, b, true);
}

/* Which of our proposals the answer took; NULL where it did not keep to them. */
static struct child *match_answer(
	struct ike_sa *sa, struct ike_bytes body, struct ike_choice_esp *ret)
{
	const struct ike_encr *encrs[OFFERS_MAX];
	size_t n = list_offers(sa->core->profile, encrs), i = 0;
	struct ike_profile offered = *sa->core->profile;
	struct ike_offer answer;
	enum esn_offer esn;
	struct child *child;
	unsigned int number;

	if (ike_offer_parse(body, &answer) != IKE_PARSE_OK || !answer.n_proposals)
		return NULL;
	number = answer.proposals[0].number;
	if (number < 1 || number > n)
		return NULL;
	esn = esn_offer(sa->core->profile, number - 1, encrs);
	offered.integ = offer_integs(sa->core->profile, encrs[number - 1]);
	/* those with an AEAD and those without do not mix in one profile */
	for (size_t j = 0; j < n; j++)
		encrs[j] = encrs[number - 1];
	offered.esp = encrs;
	if (ike_accept_esp(&answer, &offered, NULL, n, ret) < 0)
		return NULL;
	if ((esn == ESN_ONLY && !ret->esn) || (esn == ESN_NONE && ret->esn))
		return NULL;
	DL_FOREACH(sa->children, child) {
		if (++i != ret->number)
			continue;
		child->integ = ret->integ;
		return child;
	}
	return NULL;
}

static bool refuse(struct refusal *ret, enum ike_failure code, uint16_t notify, const char *why)
{
	*ret = (struct refusal){.code = code, .notify = notify, .why = why};
	return false;
}

bool child_accept(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	struct child *chosen, *child, *next;

	if (!ike_notify_find(p, IKE_N_USE_TRANSPORT_MODE))
		return refuse(ret, IKE_FAIL_TUNNEL, 0, "the peer insists on tunnel mode");
	chosen = match_answer(sa, p->sa, &sa->hs->esp);
	if (!chosen)
		return refuse(ret, IKE_FAIL_PROTOCOL, 0,
			"the peer chose ESP algorithms that were not offered");
	if (!selector_granted(sa, p, ret))
		return false;
	DL_FOREACH_SAFE(sa->children, child, next) {
		if (child != chosen)
			child_gone(sa, child);
	}
	chosen->spi_out = sa->hs->esp.spi;
	chosen->esn = sa->hs->esp.esn;
	if (!chosen->keys)
		make_first_keys(sa, chosen);
	sa->hs->chosen = chosen;
	return true;
}

/* ---- initiator of CREATE_CHILD_SA: the algorithms of the child before (RFC 7296 2.8) */

struct child *child_offer_like(struct ike_sa *sa, const struct child *model, uint32_t replaces)
{
	struct child *child = new_child(sa, model->encr);

	child->integ = model->integ;
	child->esn = model->esn;
	child->replaces = replaces;
	child->ours = true;
	return child;
}

void child_build_offer_like(const struct ike_sa *sa, struct ike_builder *b,
	const struct child *child, const struct ike_ke *ke)
{
	enum esn_offer esn = child->esn ? ESN_ONLY : ESN_NONE;
	const struct ike_ke *addke = followup_ke(sa, ke), *kes[CREATE_KES_MAX];
	const struct ike_integ *integ[] = {child->integ, NULL};
	size_t n = 0;

	create_groups(sa, ke, kes);
	ike_build_open(b, IKE_PL_SA);
	if (addke)
		put_proposal(&b->w, child, n++, false, esn, integ, kes, addke);
	put_proposal(&b->w, child, n++, false, esn, integ, kes, NULL);
	/* for a peer that makes children without a key exchange of their own */
	put_proposal(&b->w, child, n, true, esn, integ, NULL, NULL);
	ike_build_close(b);
}

bool child_accept_like(struct ike_sa *sa, struct child *child, const struct ike_payloads *p,
	const struct ike_ke *ke, struct ike_choice_esp *ret_esp, struct refusal *ret)
{
	const struct ike_encr *encrs[] = {child->encr, child->encr, child->encr, NULL};
	const struct ike_ke *addke[] = {followup_ke(sa, ke), NULL};
	uint8_t last_pfs = addke[0] ? 2 : 1, number;
	const struct ike_integ *integs[] = {child->integ, NULL};
	const struct ike_ke *kes[CREATE_KES_MAX];
	struct ike_profile offered = *sa->core->profile;
	struct ike_offer answer;
	bool pfs;

	offered.esp = encrs;
	offered.integ = child->integ ? integs : NULL;
	offered.ke = kes;
	offered.esn = child->esn;
	create_groups(sa, ke, kes);
	if (!ike_notify_find(p, IKE_N_USE_TRANSPORT_MODE))
		return refuse(ret, IKE_FAIL_TUNNEL, 0, "the peer insists on tunnel mode");
	number = ike_offer_parse(p->sa, &answer) == IKE_PARSE_OK && answer.n_proposals == 1
			 ? answer.proposals[0].number
			 : 0;
	pfs = number <= last_pfs;
	offered.addke = number < last_pfs ? addke : NULL;
	if (!number ||
		ike_accept_esp(&answer, &offered, pfs ? ke : NULL, last_pfs + 1u, ret_esp) < 0 ||
		ret_esp->esn != child->esn || (pfs && (!p->ke.p || p->ke_group != ke->id)))
		return refuse(ret, IKE_FAIL_PROTOCOL, 0,
			"the peer chose ESP algorithms that were not offered");
	if (!selector_granted(sa, p, ret))
		return false;
	child->spi_out = ret_esp->spi;
	return true;
}

/* ---- responder */

struct child *child_choose(struct ike_sa *sa, const struct ike_payloads *p, uint16_t ke_sent,
	struct ike_choice_esp *ret_esp, struct refusal *ret)
{
	struct refusal no = {0};
	struct ike_offer offer;
	struct child *child;

	/* what a tunnel would carry we do not know: refused as if there were no algorithm */
	if (!ike_notify_find(p, IKE_N_USE_TRANSPORT_MODE))
		refuse(&no, IKE_FAIL_TUNNEL, IKE_N_NO_PROPOSAL_CHOSEN,
			"the peer asks for tunnel mode");
	else if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK)
		refuse(&no, IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX,
			"the peer's ESP proposals are malformed");
	else if (ike_choose_esp(&offer, sa->core->profile, ke_sent, ret_esp) < 0)
		refuse(&no, IKE_FAIL_NO_PROPOSAL, IKE_N_NO_PROPOSAL_CHOSEN,
			"none of the peer's ESP proposals will do");
	else if (sa->hs && sa->hs->no_scope)
		refuse(&no, IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE,
			"no policy line grants the traffic that the peer asks for");
	else if (!selector_asked(sa, p))
		refuse(&no, IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE,
			"the peer's traffic selectors do not hold what the SA is for");
	else if (ret_esp->ke && ret_esp->ke->id != ke_sent)
		refuse(&no, IKE_FAIL_NO_PROPOSAL, IKE_N_INVALID_KE_PAYLOAD,
			"the peer's key exchange value is of another group than we take");
	if (no.notify) {
		*ret = no;
		return NULL;
	}
	child = new_child(sa, ret_esp->encr);
	child->integ = ret_esp->integ;
	child->spi_out = ret_esp->spi;
	child->esn = ret_esp->esn;
	return child;
}

bool child_choose_first(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	sa->hs->chosen = child_choose(sa, p, 0, &sa->hs->esp, ret);
	if (sa->hs->chosen)
		make_first_keys(sa, sa->hs->chosen);
	return sa->hs->chosen;
}

void child_build_choice(struct ike_sa *sa, struct ike_builder *b)
{
	ike_build_notify(b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	ike_build_chosen_esp(b, &sa->hs->esp, sa->hs->chosen->spi_in);
	selector_build(sa, b, false);
}
