/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/proposal.h"

#include <assert.h>
#include <errno.h>

enum {
	MORE_PROPOSALS = 2,
	MORE_TRANSFORMS = 3,
	ATTR_TV = 0x8000,
	ATTR_KEY_LENGTH = 14,
	SPI_LEN_IKE = 8,
	SPI_LEN_ESP = 4,
	SPI_ESP_MIN = 256, /* below: reserved (RFC 4303 2.1) */
};

/* ---- reading */

/* One transform, and whether more follow. Returns false where it is malformed. */
static bool take_transform(struct wire_reader *r, struct ike_transform *ret, bool *ret_more)
{
	uint8_t more = wire_u8(r);
	size_t size;
	struct wire_reader s;

	wire_skip(r, 1);
	size = wire_u16(r);
	if (r->bad || size < 8 || (more != 0 && more != MORE_TRANSFORMS))
		return false;
	s = wire_sub(r, size - 4);
	*ret = (struct ike_transform){.type = wire_u8(&s), .usable = true};
	wire_skip(&s, 1);
	ret->id = wire_u16(&s);
	while (!s.bad && wire_left(&s)) {
		uint16_t type = wire_u16(&s), value = wire_u16(&s);

		if (type == (ATTR_TV | ATTR_KEY_LENGTH) && !ret->key_bits) {
			ret->key_bits = value;
			/* a length of zero bits must not look like no attribute */
			ret->usable = ret->usable && value;
			continue;
		}
		/* RFC 7296 3.3.6: the transform is out, its siblings are not */
		ret->usable = false;
		if (!(type & ATTR_TV))
			wire_skip(&s, value);
	}
	*ret_more = more;
	return !s.bad;
}

static uint64_t take_spi(struct wire_reader *r, uint8_t len)
{
	switch (len) {
	case SPI_LEN_IKE:
		return wire_u64(r);
	case SPI_LEN_ESP:
		return wire_u32(r);
	default:
		wire_skip(r, len);
		return 0;
	}
}

/* The transforms of p, which s covers. */
static bool take_transforms(
	struct wire_reader *s, unsigned int count, struct ike_proposal *p, struct ike_offer *offer)
{
	p->first = (uint16_t)offer->n_transforms;
	for (unsigned int i = 0; i < count; i++) {
		struct ike_transform t;
		bool more;

		if (!take_transform(s, &t, &more) || more != (i + 1 < count))
			return false;
		if (offer->n_transforms == IKE_TRANSFORMS_MAX) {
			p->usable = false;
			continue;
		}
		offer->transforms[offer->n_transforms++] = t;
		p->count++;
	}
	return !s->bad && !wire_left(s);
}

static bool take_proposal(struct wire_reader *r, struct ike_offer *offer, bool *ret_more)
{
	uint8_t more = wire_u8(r), count;
	size_t size;
	struct wire_reader s;
	struct ike_proposal p = {.usable = true};

	wire_skip(r, 1);
	size = wire_u16(r);
	if (r->bad || size < 8 || (more != 0 && more != MORE_PROPOSALS))
		return false;
	s = wire_sub(r, size - 4);
	p.number = wire_u8(&s);
	p.protocol = wire_u8(&s);
	p.spi_len = wire_u8(&s);
	count = wire_u8(&s);
	p.spi = take_spi(&s, p.spi_len);
	if (p.spi_len != 0 && p.spi_len != SPI_LEN_ESP && p.spi_len != SPI_LEN_IKE)
		p.usable = false;
	if (s.bad || !take_transforms(&s, count, &p, offer))
		return false;
	if (offer->n_proposals < IKE_PROPOSALS_MAX)
		offer->proposals[offer->n_proposals++] = p;
	*ret_more = more;
	return true;
}

enum ike_parse ike_offer_parse(struct ike_bytes body, struct ike_offer *ret)
{
	struct wire_reader r = wire_reader(body.p, body.len);
	bool more = true;

	ret->n_proposals = ret->n_transforms = 0;
	while (more)
		if (!take_proposal(&r, ret, &more))
			return IKE_PARSE_PROPOSAL;
	return wire_left(&r) ? IKE_PARSE_PROPOSAL : IKE_PARSE_OK;
}

/* ---- choosing */

static bool has(const struct ike_offer *o, const struct ike_proposal *p, uint8_t type, uint16_t id,
	uint16_t key_bits)
{
	const struct ike_transform *t = &o->transforms[p->first];

	for (size_t i = 0; i < p->count; i++)
		if (t[i].type == type && t[i].usable && t[i].id == id && t[i].key_bits == key_bits)
			return true;
	return false;
}

static bool has_encr(
	const struct ike_offer *o, const struct ike_proposal *p, const struct ike_encr *e)
{
	return has(o, p, IKE_TYPE_ENCR, e->id, e->key_attr ? e->key_bits : 0);
}

/* How many transforms of a type, usable or not. */
static unsigned int count(const struct ike_offer *o, const struct ike_proposal *p, uint8_t type)
{
	unsigned int n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += o->transforms[p->first + i].type == type;
	return n;
}

/* Whether the proposal is for protocol, with an SPI of spi_len, and of no other types of transform
 * than those in the mask (RFC 7296 3.3.6). */
static bool suitable(const struct ike_offer *o, const struct ike_proposal *p, uint8_t protocol,
	uint8_t spi_len, unsigned int types)
{
	if (!p->usable || p->protocol != protocol || p->spi_len != spi_len)
		return false;
	for (size_t i = 0; i < p->count; i++) {
		uint8_t type = o->transforms[p->first + i].type;

		if (type > IKE_TYPE_ADDKE7 || !(types & 1u << type))
			return false;
	}
	return true;
}

#define TYPES_ADDKE ((1u << (IKE_TYPE_ADDKE7 + 1)) - (1u << IKE_TYPE_ADDKE1))
#define TYPES_IKE \
	(1u << IKE_TYPE_ENCR | 1u << IKE_TYPE_PRF | 1u << IKE_TYPE_INTEG | 1u << IKE_TYPE_KE | \
		TYPES_ADDKE)
#define TYPES_ESP \
	(1u << IKE_TYPE_ENCR | 1u << IKE_TYPE_INTEG | 1u << IKE_TYPE_KE | 1u << IKE_TYPE_ESN | \
		TYPES_ADDKE)

static bool suitable_ike(const struct ike_offer *o, const struct ike_proposal *p, bool rekey)
{
	/* RFC 7296 3.3.1: no SPI in the first exchange; a new one, never zero, when rekeying */
	return suitable(o, p, IKE_PROTO_IKE, rekey ? SPI_LEN_IKE : 0, TYPES_IKE) &&
	       (!rekey || p->spi);
}

static bool suitable_esp(const struct ike_offer *o, const struct ike_proposal *p)
{
	return suitable(o, p, IKE_PROTO_ESP, SPI_LEN_ESP, TYPES_ESP) && p->spi >= SPI_ESP_MIN;
}

static const struct ike_prf *pick_prf(
	const struct ike_offer *o, const struct ike_proposal *p, const struct ike_profile *mine)
{
	for (size_t i = 0; mine->prf[i]; i++)
		if (has(o, p, IKE_TYPE_PRF, mine->prf[i]->id, 0))
			return mine->prf[i];
	return NULL;
}

/* The best of a list that p has, or sent where it is one of them. */
static const struct ike_ke *pick_ke_of(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_ke *const *list, uint16_t sent)
{
	const struct ike_ke *best = NULL;

	for (size_t i = 0; list && list[i]; i++) {
		if (!has(o, p, IKE_TYPE_KE, list[i]->id, 0))
			continue;
		if (list[i]->id == sent)
			return list[i];
		if (!best)
			best = list[i];
	}
	return best;
}

static const struct ike_ke *pick_ke(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_profile *mine, uint16_t ke_sent)
{
	const struct ike_ke *ke = pick_ke_of(o, p, mine->ke, ke_sent);

	return ke ? ke : pick_ke_of(o, p, mine->answer_ke, ke_sent);
}

/* The integrity that goes with e: none with an AEAD, where INTEG NONE may stand in the proposal
 * (RFC 5282 section 8). Returns false where p has not what it needs. */
static bool pick_integ(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_encr *e, const struct ike_profile *mine, const struct ike_integ **ret)
{
	const struct ike_integ *const *list = mine->integ ? mine->integ : mine->answer_integ;

	*ret = NULL;
	if (e->icv_len)
		return !count(o, p, IKE_TYPE_INTEG) || has(o, p, IKE_TYPE_INTEG, IKE_INTEG_NONE, 0);
	for (size_t i = 0; list && list[i] && !*ret; i++)
		if (has(o, p, IKE_TYPE_INTEG, list[i]->id, 0))
			*ret = list[i];
	return *ret;
}

/* The first of a list that p has as additional key exchange of a type, and that is not ke already
 * (RFC 9370 2.2.1: no method twice). */
static const struct ike_ke *pick_addke_of(const struct ike_offer *o, const struct ike_proposal *p,
	uint8_t type, const struct ike_ke *const *list, const struct ike_ke *ke)
{
	for (size_t i = 0; list && list[i]; i++)
		if (list[i] != ke && has(o, p, type, list[i]->id, 0))
			return list[i];
	return NULL;
}

/* Something for every type of additional key exchange in p: NONE for all but one. */
static bool pick_addke(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_ke *const *list, const struct ike_ke *ke, struct ike_addke *ret)
{
	struct ike_addke a = {0};

	for (uint8_t type = IKE_TYPE_ADDKE1; type <= IKE_TYPE_ADDKE7; type++) {
		const struct ike_ke *best = a.ke ? NULL : pick_addke_of(o, p, type, list, ke);

		if (best) {
			a.ke = best;
			a.type = type;
		} else if (has(o, p, type, IKE_KE_NONE, 0)) {
			a.none |= (uint8_t)(1u << (type - IKE_TYPE_ADDKE1));
		} else if (count(o, p, type)) {
			return false;
		}
	}
	*ret = a;
	return true;
}

/* Fills *ret from proposal p with cipher e; false where something else is missing. */
static bool complete_ike(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_encr *e, const struct ike_profile *mine, uint16_t ke_sent,
	struct ike_choice_ike *ret)
{
	struct ike_choice_ike c = {
		.suite.encr = e,
		.suite.prf = pick_prf(o, p, mine),
		.suite.ke = pick_ke(o, p, mine, ke_sent),
		.number = p->number,
		.spi = p->spi,
	};

	if (!has_encr(o, p, e) || !pick_integ(o, p, e, mine, &c.suite.integ) || !c.suite.prf ||
		!c.suite.ke || !pick_addke(o, p, mine->addke, c.suite.ke, &c.addke))
		return false;
	c.suite.addke = c.addke.ke;
	c.integ_none = !c.suite.integ && count(o, p, IKE_TYPE_INTEG) > 0;
	*ret = c;
	return true;
}

static bool complete_esp(const struct ike_offer *o, const struct ike_proposal *p,
	const struct ike_encr *e, const struct ike_profile *mine, uint16_t ke_sent,
	struct ike_choice_esp *ret)
{
	bool yes = has(o, p, IKE_TYPE_ESN, IKE_ESN_YES, 0);
	bool no = has(o, p, IKE_TYPE_ESN, IKE_ESN_NO, 0);
	bool kes = count(o, p, IKE_TYPE_KE) > 0;
	struct ike_choice_esp c = {
		.encr = e,
		.ke = ke_sent ? pick_ke(o, p, mine, ke_sent) : NULL,
		.esn = yes && (mine->esn || !no),
		.number = p->number,
		.spi = (uint32_t)p->spi,
	};

	if (!has_encr(o, p, e) || !pick_integ(o, p, e, mine, &c.integ) || (!yes && !no) ||
		!pick_addke(o, p, c.ke ? mine->addke : NULL, c.ke, &c.addke))
		return false;
	c.integ_none = !c.integ && count(o, p, IKE_TYPE_INTEG) > 0;
	if (!c.ke && kes) {
		if (!has(o, p, IKE_TYPE_KE, IKE_KE_NONE, 0))
			return false;
		c.ke_none = true;
	}
	*ret = c;
	return true;
}

/* addke: only what has an additional key exchange will do, or nothing that has one. */
static int choose_ike(const struct ike_offer *offer, const struct ike_encr *const *ciphers,
	const struct ike_profile *mine, uint16_t ke_sent, bool rekey, bool addke,
	struct ike_choice_ike *ret)
{
	struct ike_choice_ike c;

	for (size_t i = 0; ciphers && ciphers[i]; i++)
		for (size_t j = 0; j < offer->n_proposals; j++) {
			const struct ike_proposal *p = &offer->proposals[j];

			if (!suitable_ike(offer, p, rekey) ||
				!complete_ike(offer, p, ciphers[i], mine, ke_sent, &c) ||
				!c.addke.ke == addke)
				continue;
			*ret = c;
			return 0;
		}
	return -ENOENT;
}

static int choose_esp(const struct ike_offer *offer, const struct ike_encr *const *ciphers,
	const struct ike_profile *mine, uint16_t ke_sent, bool addke, struct ike_choice_esp *ret)
{
	struct ike_choice_esp c;

	for (size_t i = 0; ciphers && ciphers[i]; i++)
		for (size_t j = 0; j < offer->n_proposals; j++) {
			const struct ike_proposal *p = &offer->proposals[j];

			if (!suitable_esp(offer, p) ||
				!complete_esp(offer, p, ciphers[i], mine, ke_sent, &c) ||
				!c.addke.ke == addke)
				continue;
			*ret = c;
			return 0;
		}
	return -ENOENT;
}

int ike_choose_ike(const struct ike_offer *offer, const struct ike_profile *mine, uint16_t ke_sent,
	bool rekey, struct ike_choice_ike *ret)
{
	for (int addke = 1; addke >= mine->addke_needed; addke--)
		if (choose_ike(offer, mine->encr, mine, ke_sent, rekey, addke, ret) == 0 ||
			choose_ike(offer, mine->answer_encr, mine, ke_sent, rekey, addke, ret) == 0)
			return 0;
	return -ENOENT;
}

int ike_choose_esp(const struct ike_offer *offer, const struct ike_profile *mine, uint16_t ke_sent,
	struct ike_choice_esp *ret)
{
	for (int addke = 1; addke >= 0; addke--)
		if (choose_esp(offer, mine->esp, mine, ke_sent, addke, ret) == 0 ||
			choose_esp(offer, mine->answer_esp, mine, ke_sent, addke, ret) == 0)
			return 0;
	return -ENOENT;
}

/* ---- accepting an answer */

/* At most one transform of each type: an answer, not an offer. */
static bool single(const struct ike_offer *answer)
{
	if (answer->n_proposals != 1)
		return false;
	for (uint8_t type = IKE_TYPE_ENCR; type <= IKE_TYPE_ADDKE7; type++)
		if (count(answer, &answer->proposals[0], type) > 1)
			return false;
	return true;
}

/* What was offered, without what is for answers only. */
static struct ike_profile offered(const struct ike_profile *mine)
{
	return (struct ike_profile){
		.encr = mine->encr,
		.prf = mine->prf,
		.ke = mine->ke,
		.esp = mine->esp,
		.esn = mine->esn,
		.integ = mine->integ,
	};
}

static bool offers_addke(const struct ike_profile *mine)
{
	return mine->addke && mine->addke[0];
}

int ike_accept_ike(const struct ike_offer *answer, const struct ike_profile *mine, bool rekey,
	struct ike_choice_ike *ret)
{
	const struct ike_proposal *p = &answer->proposals[0];
	bool addke = offers_addke(mine);
	uint8_t last = addke && !mine->addke_needed ? 2 : 1;
	struct ike_profile o = offered(mine);
	struct ike_choice_ike c;

	if (!single(answer) || p->number < 1 || p->number > last ||
		!suitable_ike(answer, p, rekey))
		return -EPROTO;
	addke = addke && p->number == 1;
	o.addke = addke ? mine->addke : NULL;
	/* what we never offer, NONE, is no answer */
	if (ike_choose_ike(answer, &o, 0, rekey, &c) < 0 || !c.addke.ke == addke || c.addke.none ||
		(addke && c.addke.type != IKE_TYPE_ADDKE1))
		return -EPROTO;
	*ret = c;
	return 0;
}

int ike_accept_esp(const struct ike_offer *answer, const struct ike_profile *mine,
	const struct ike_ke *ke, size_t n_spis, struct ike_choice_esp *ret)
{
	const struct ike_proposal *p = &answer->proposals[0];
	struct ike_profile o = offered(mine);
	bool addke = ke && offers_addke(mine);
	struct ike_choice_esp c;

	if (!single(answer) || p->number < 1 || p->number > n_spis)
		return -EPROTO;
	o.addke = addke ? mine->addke : NULL;
	if (ike_choose_esp(answer, &o, ke ? ke->id : 0, &c) < 0)
		return -EPROTO;
	if (!c.addke.ke == addke || c.addke.none || (addke && c.addke.type != IKE_TYPE_ADDKE1))
		return -EPROTO;
	if (n_spis > 1 && c.encr != mine->esp[p->number - 1])
		return -EPROTO;
	/* the group offered, with no way around it */
	if (c.ke != ke || (c.esn && !mine->esn))
		return -EPROTO;
	*ret = c;
	return 0;
}

/* ---- writing */

struct proposal_writer {
	struct wire_writer *w;
	size_t at;      /* the proposal */
	size_t last_at; /* its last transform */
	uint8_t count;
};

static struct proposal_writer open_proposal(struct wire_writer *w, uint8_t number, uint8_t protocol,
	uint64_t spi, uint8_t spi_len, bool more)
{
	struct proposal_writer pw = {.w = w, .at = w->pos};

	wire_put_u8(w, more ? MORE_PROPOSALS : 0);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0);
	wire_put_u8(w, number);
	wire_put_u8(w, protocol);
	wire_put_u8(w, spi_len);
	wire_put_u8(w, 0);
	if (spi_len == SPI_LEN_IKE)
		wire_put_u64(w, spi);
	else if (spi_len == SPI_LEN_ESP)
		wire_put_u32(w, (uint32_t)spi);
	return pw;
}

static void put_transform(struct proposal_writer *pw, uint8_t type, uint16_t id, uint16_t key_bits)
{
	struct wire_writer *w = pw->w;

	pw->last_at = w->pos;
	pw->count++;
	wire_put_u8(w, MORE_TRANSFORMS);
	wire_put_u8(w, 0);
	wire_put_u16(w, key_bits ? 12 : 8);
	wire_put_u8(w, type);
	wire_put_u8(w, 0);
	wire_put_u16(w, id);
	if (key_bits) {
		wire_put_u16(w, ATTR_TV | ATTR_KEY_LENGTH);
		wire_put_u16(w, key_bits);
	}
}

static void put_encr(struct proposal_writer *pw, const struct ike_encr *e)
{
	put_transform(pw, IKE_TYPE_ENCR, e->id, e->key_attr ? e->key_bits : 0);
}

static void put_integ(struct proposal_writer *pw, const struct ike_integ *integ, bool none)
{
	if (integ || none)
		put_transform(pw, IKE_TYPE_INTEG, integ ? integ->id : IKE_INTEG_NONE, 0);
}

static void put_addke(struct proposal_writer *pw, const struct ike_addke *a)
{
	for (uint8_t type = IKE_TYPE_ADDKE1; type <= IKE_TYPE_ADDKE7; type++)
		if (a->ke && a->type == type)
			put_transform(pw, type, a->ke->id, 0);
		else if (a->none & 1u << (type - IKE_TYPE_ADDKE1))
			put_transform(pw, type, IKE_KE_NONE, 0);
}

static void close_proposal(struct proposal_writer *pw)
{
	wire_patch_u8(pw->w, pw->last_at, 0);
	wire_patch_u16(pw->w, pw->at + 2, (uint16_t)(pw->w->pos - pw->at));
	wire_patch_u8(pw->w, pw->at + 7, pw->count);
}

void ike_build_chosen_ike(struct ike_builder *b, const struct ike_choice_ike *c, uint64_t spi)
{
	struct proposal_writer pw;

	ike_build_open(b, IKE_PL_SA);
	pw = open_proposal(&b->w, c->number, IKE_PROTO_IKE, spi, spi ? SPI_LEN_IKE : 0, false);
	put_encr(&pw, c->suite.encr);
	put_transform(&pw, IKE_TYPE_PRF, c->suite.prf->id, 0);
	put_integ(&pw, c->suite.integ, c->integ_none);
	put_transform(&pw, IKE_TYPE_KE, c->suite.ke->id, 0);
	put_addke(&pw, &c->addke);
	close_proposal(&pw);
	ike_build_close(b);
}

void ike_build_chosen_esp(struct ike_builder *b, const struct ike_choice_esp *c, uint32_t spi)
{
	struct proposal_writer pw;

	ike_build_open(b, IKE_PL_SA);
	pw = open_proposal(&b->w, c->number, IKE_PROTO_ESP, spi, SPI_LEN_ESP, false);
	put_encr(&pw, c->encr);
	put_integ(&pw, c->integ, c->integ_none);
	if (c->ke || c->ke_none)
		put_transform(&pw, IKE_TYPE_KE, c->ke ? c->ke->id : IKE_KE_NONE, 0);
	put_transform(&pw, IKE_TYPE_ESN, c->esn ? IKE_ESN_YES : IKE_ESN_NO, 0);
	put_addke(&pw, &c->addke);
	close_proposal(&pw);
	ike_build_close(b);
}

static void put_offer_ike(struct proposal_writer pw, const struct ike_profile *mine, uint16_t first,
	const struct ike_ke *const *addke)
{
	for (size_t i = 0; mine->encr[i]; i++)
		put_encr(&pw, mine->encr[i]);
	for (size_t i = 0; mine->prf[i]; i++)
		put_transform(&pw, IKE_TYPE_PRF, mine->prf[i]->id, 0);
	for (size_t i = 0; mine->integ && mine->integ[i]; i++)
		put_integ(&pw, mine->integ[i], false);
	if (ike_profile_has_ke(mine, first))
		put_transform(&pw, IKE_TYPE_KE, first, 0);
	for (size_t i = 0; mine->ke[i]; i++)
		if (mine->ke[i]->id != first)
			put_transform(&pw, IKE_TYPE_KE, mine->ke[i]->id, 0);
	for (size_t i = 0; addke && addke[i]; i++)
		put_transform(&pw, IKE_TYPE_ADDKE1, addke[i]->id, 0);
	close_proposal(&pw);
}

void ike_build_offer_ike(
	struct ike_builder *b, const struct ike_profile *mine, uint16_t first, uint64_t spi)
{
	const struct ike_ke *const *addke = offers_addke(mine) ? mine->addke : NULL;
	uint8_t spi_len = spi ? SPI_LEN_IKE : 0, number = 1;
	bool both = addke && !mine->addke_needed;

	ike_build_open(b, IKE_PL_SA);
	if (addke)
		put_offer_ike(open_proposal(&b->w, number++, IKE_PROTO_IKE, spi, spi_len, both),
			mine, first, addke);
	if (!addke || both)
		put_offer_ike(open_proposal(&b->w, number, IKE_PROTO_IKE, spi, spi_len, false),
			mine, first, NULL);
	ike_build_close(b);
}

void ike_build_offer_esp(struct ike_builder *b, const struct ike_profile *mine,
	const struct ike_ke *ke, const uint32_t *spis, size_t n_spis)
{
	ike_build_open(b, IKE_PL_SA);
	for (size_t i = 0; i < n_spis; i++) {
		struct proposal_writer pw = open_proposal(&b->w, (uint8_t)(i + 1), IKE_PROTO_ESP,
			spis[i], SPI_LEN_ESP, i + 1 < n_spis);

		for (size_t j = 0; mine->esp[j]; j++)
			if (n_spis == 1 || j == i)
				put_encr(&pw, mine->esp[j]);
		assert(pw.count); /* n_spis is 1 or the number of ciphers */
		for (size_t j = 0; mine->integ && mine->integ[j]; j++)
			put_integ(&pw, mine->integ[j], false);
		if (ke)
			put_transform(&pw, IKE_TYPE_KE, ke->id, 0);
		if (mine->esn)
			put_transform(&pw, IKE_TYPE_ESN, IKE_ESN_YES, 0);
		put_transform(&pw, IKE_TYPE_ESN, IKE_ESN_NO, 0);
		close_proposal(&pw);
	}
	ike_build_close(b);
}
