/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Child SAs: transport mode between the two hosts, all protocols and ports (RFC 7296
 * sections 1.3.1, 2.9, 2.17, 2.23.1, 3.3).
 *
 * The initiator offers one proposal for each cipher, each with an SPI of its own. The first one is
 * with extended sequence numbers only and has a twin without at the end: so it leaves nothing open,
 * and its inbound SA can stand in the kernel before IKE_AUTH leaves. The peer may send ESP as soon
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
	struct child *child = ike_alloc(sizeof(*child)), *other;

	child->encr = encr;
	do {
		core->fx.random(core->fx.arg, &child->spi_in, sizeof(child->spi_in));
		HASH_FIND(by_spi, core->children, &child->spi_in, sizeof(child->spi_in), other);
	} while (child->spi_in < SPI_MIN || other);
	HASH_ADD(by_spi, core->children, spi_in, sizeof(child->spi_in), child);
	DL_APPEND(sa->children, child);
	return child;
}

struct child *child_find_in(const struct ike_sa *sa, uint32_t spi)
{
	struct child *child;

	DL_SEARCH_SCALAR(sa->children, child, spi_in, spi);
	return child;
}

struct child *child_find_out(const struct ike_sa *sa, uint32_t spi)
{
	struct child *child;

	DL_SEARCH_SCALAR(sa->children, child, spi_out, spi);
	return spi ? child : NULL;
}

void child_gone(struct ike_sa *sa, struct child *child)
{
	struct ike_child_gone gone = {.handle = sa->handle,
		.spi_in = child->spi_in,
		.spi_out = child->state == CHILD_UP ||
					   (child->state == CHILD_INSTALLED && !sa->initiator)
				   ? child->spi_out
				   : 0};

	if (child->state != CHILD_OFFERED && !sa->ended)
		core_event_struct(sa->core, IKE_EV_CHILD_GONE, &gone);
	if (sa->hs && sa->hs->chosen == child)
		sa->hs->chosen = NULL;
	DL_DELETE(sa->children, child);
	HASH_DELETE(by_spi, sa->core->children, child);
	free(child);
}

void child_gone_all(struct ike_sa *sa)
{
	while (sa->children)
		child_gone(sa, sa->children);
}

/* ---- keys, to the kernel */

/* Tells the agent of one direction; the keys are derived anew each time, so that none is kept. */
static void announce(struct ike_sa *sa, struct child *child, enum ike_ev event)
{
	const struct handshake *hs = sa->hs;
	struct ike_child ev = {
		.handle = sa->handle,
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.cipher = child->encr->id,
		.key_bits = child->encr->key_bits,
		.esn = child->esn,
		.integ = child->integ ? child->integ->id : 0,
	};
	bool inbound = event == IKE_EV_CHILD_IN;
	struct ike_child_keymat keys;
	struct ike_keymat ike;
	int r;

	/* RFC 7296 2.23: a NAT anywhere between means ESP in UDP */
	if (sa->nat_self || sa->nat_peer) {
		ev.encap_local = sa->local_port;
		ev.encap_remote = sa->remote_port;
	}
	sa_keymat(sa, &ike);
	r = ike_keymat_child(&ike, child->encr, child->integ, NULL, (struct ike_bytes){hs->ni, hs->ni_len},
		(struct ike_bytes){hs->nr, hs->nr_len}, &keys);
	ike_keymat_wipe(&ike);
	if (r < 0) {
		/* no key: the agent hears nothing and the state's deadline ends the SA */
		log_error("cannot derive the keys of a child SA");
		return;
	}
	core_event(sa->core, (uint16_t)event, &ev, sizeof(ev),
		inbound == sa->initiator ? keys.r : keys.i, keys.len);
	ike_child_keymat_wipe(&keys);
}

void child_install(struct ike_sa *sa, struct child *child)
{
	child->state = CHILD_INSTALLED;
	child->installs++;
	announce(sa, child, IKE_EV_CHILD_IN);
	/* What we send may be trapped where nothing can hold it (ICMPv6 echo replies): so a responder's
	 * outbound SA stands before the peer's first packet can come. */
	if (!sa->initiator)
		announce(sa, child, IKE_EV_CHILD_OUT);
}

void child_up(struct ike_sa *sa, struct child *child)
{
	child->state = CHILD_UP;
	if (sa->initiator)
		announce(sa, child, IKE_EV_CHILD_OUT);
}

/* ---- selectors */

/* Whether one of the body's selectors is the host with all it has, where substitute stands for the
 * address that a NAT changed on the way (2.23.1). all: every one must be. */
static bool selects_host(struct ike_bytes body, const struct addr *host, bool nat, bool all)
{
	struct ike_ts ts[IKE_TS_MAX];
	size_t n, good = 0;

	if (ike_ts_parse(body, ts, IKE_TS_MAX, &n) != IKE_PARSE_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (nat && addr_equal(&ts[i].first, &ts[i].last) &&
			ts[i].first.family == host->family)
			ts[i].first = ts[i].last = *host;
		good += all ? ike_ts_is_host(&ts[i], host) : ike_ts_covers_host(&ts[i], host);
	}
	return all ? n && good == n : good;
}

static void build_selectors(const struct ike_sa *sa, struct ike_builder *b)
{
	const struct pair *pair = &sa->peer->pair;
	struct ike_ts local = ike_ts_host(&pair->local), remote = ike_ts_host(&pair->remote);

	ike_build_ts(b, IKE_PL_TSI, sa->initiator ? &local : &remote, 1);
	ike_build_ts(b, IKE_PL_TSR, sa->initiator ? &remote : &local, 1);
}

static bool selectors_match(const struct ike_sa *sa, const struct ike_payloads *p, bool all)
{
	const struct pair *pair = &sa->peer->pair;
	struct ike_bytes local = sa->initiator ? p->tsi : p->tsr;
	struct ike_bytes remote = sa->initiator ? p->tsr : p->tsi;

	return selects_host(local, &pair->local, sa->nat_self, all) &&
	       selects_host(remote, &pair->remote, sa->nat_peer, all);
}

/* ---- initiator */

enum esn_offer {
	ESN_ONLY,
	ESN_BOTH,
	ESN_NONE,
};

/* What proposal i (from 0) of n offers. */
static enum esn_offer esn_offer(const struct ike_profile *profile, size_t i, size_t n)
{
	if (!profile->esn || i + 1 == n)
		return ESN_NONE;
	return i == 0 ? ESN_ONLY : ESN_BOTH;
}

/* The ciphers of our proposals, in order, with NULL behind the last. Returns how many. */
static size_t list_offers(const struct ike_profile *profile, const struct ike_encr *ret[OFFERS_MAX])
{
	size_t n = 0;

	while (profile->esp[n] && n < OFFERS_MAX - 2) {
		ret[n] = profile->esp[n];
		n++;
	}
	if (profile->esn)
		ret[n++] = profile->esp[0];
	ret[n] = NULL;
	return n;
}

void child_offer(struct ike_sa *sa)
{
	const struct ike_encr *encrs[OFFERS_MAX];
	size_t n = list_offers(sa->core->profile, encrs);

	for (size_t i = 0; i < n; i++) {
		struct child *child = new_child(sa, encrs[i]);

		child->esn = esn_offer(sa->core->profile, i, n) == ESN_ONLY;
		if (sa->core->profile->integ)
			child->integ = sa->core->profile->integ[0];
	}
	child_install(sa, sa->children);
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

static void put_proposal(
	struct wire_writer *w, const struct child *child, size_t i, bool last, enum esn_offer esn)
{
	const struct ike_encr *encr = child->encr;
	size_t at = w->pos;

	wire_put_u8(w, last ? 0 : 2);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0);
	wire_put_u8(w, (uint8_t)(i + 1));
	wire_put_u8(w, IKE_PROTO_ESP);
	wire_put_u8(w, sizeof(child->spi_in));
	wire_put_u8(w, (esn == ESN_BOTH ? 3 : 2) + (child->integ ? 1 : 0));
	wire_put_u32(w, child->spi_in);
	put_transform(w, false, IKE_TYPE_ENCR, encr->id, encr->key_attr ? encr->key_bits : 0);
	if (child->integ)
		put_transform(w, false, IKE_TYPE_INTEG, child->integ->id, 0);
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
		put_proposal(&b->w, child, i, i + 1 == n, esn_offer(sa->core->profile, i, n));
		i++;
	}
	ike_build_close(b);
	build_selectors(sa, b);
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

	offered.esp = encrs;
	if (ike_offer_parse(body, &answer) != IKE_PARSE_OK ||
		ike_accept_esp(&answer, &offered, NULL, n, ret) < 0)
		return NULL;
	esn = esn_offer(sa->core->profile, ret->number - 1u, n);
	if ((esn == ESN_ONLY && !ret->esn) || (esn == ESN_NONE && ret->esn))
		return NULL;
	DL_FOREACH(sa->children, child) {
		if (++i == ret->number)
			return child->integ == ret->integ ? child : NULL;
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
	if (!selectors_match(sa, p, true))
		return refuse(ret, IKE_FAIL_SELECTORS, 0,
			"the peer narrowed the traffic selectors to less than the two hosts");
	DL_FOREACH_SAFE(sa->children, child, next) {
		if (child != chosen)
			child_gone(sa, child);
	}
	chosen->spi_out = sa->hs->esp.spi;
	chosen->esn = sa->hs->esp.esn;
	sa->hs->chosen = chosen;
	return true;
}

/* ---- responder */

bool child_choose(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret)
{
	struct ike_offer offer;
	struct child *child;

	/* what a tunnel would carry we do not know: refused as if there were no algorithm */
	if (!ike_notify_find(p, IKE_N_USE_TRANSPORT_MODE))
		return refuse(ret, IKE_FAIL_TUNNEL, IKE_N_NO_PROPOSAL_CHOSEN,
			"the peer asks for tunnel mode");
	if (ike_offer_parse(p->sa, &offer) != IKE_PARSE_OK)
		return refuse(ret, IKE_FAIL_PROTOCOL, IKE_N_INVALID_SYNTAX,
			"the peer's ESP proposals are malformed");
	if (ike_choose_esp(&offer, sa->core->profile, 0, &sa->hs->esp) < 0)
		return refuse(ret, IKE_FAIL_NO_PROPOSAL, IKE_N_NO_PROPOSAL_CHOSEN,
			"none of the peer's ESP proposals will do");
	if (!selectors_match(sa, p, false))
		return refuse(ret, IKE_FAIL_SELECTORS, IKE_N_TS_UNACCEPTABLE,
			"the peer's traffic selectors do not hold the two hosts");
	child = new_child(sa, sa->hs->esp.encr);
	child->integ = sa->hs->esp.integ;
	child->spi_out = sa->hs->esp.spi;
	child->esn = sa->hs->esp.esn;
	sa->hs->chosen = child;
	return true;
}

void child_build_choice(struct ike_sa *sa, struct ike_builder *b)
{
	ike_build_notify(b, IKE_N_USE_TRANSPORT_MODE, NULL, 0);
	ike_build_chosen_esp(b, &sa->hs->esp, sa->hs->chosen->spi_in);
	build_selectors(sa, b);
}

/* ---- CREATE_CHILD_SA */

/* RFC 7296 section 4: who keeps to one child of each IKE SA says so, and the peer starts anew. */
void child_on_request(struct ike_sa *sa, const struct message *m)
{
	const struct ike_notify *rekey = ike_notify_find(&m->inner, IKE_N_REKEY_SA);
	struct ike_builder b = sa_build(sa, IKE_EXCH_CREATE_CHILD, true);
	struct wire_reader r = wire_reader(NULL, 0);
	uint32_t spi = 0;

	if (rekey && rekey->spi.len == sizeof(spi)) {
		r = wire_reader(rekey->spi.p, rekey->spi.len);
		spi = wire_u32(&r);
	}
	if (sa->state == SA_DELETING)
		ike_build_notify(&b, IKE_N_TEMPORARY_FAILURE, NULL, 0); /* 2.25.2 */
	else if (rekey && !child_find_out(sa, spi))
		ike_build_notify_esp(&b, IKE_N_CHILD_SA_NOT_FOUND, spi); /* 2.25.1 */
	else
		ike_build_notify(&b, IKE_N_NO_ADDITIONAL_SAS, NULL, 0);
	sa_send_reply(sa, &b);
}
