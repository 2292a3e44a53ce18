/* SPDX-License-Identifier: BSD-2-Clause */
/* Which traffic a peer that calls may have an SA for (RFC 7296 section 2.9). */
#include "agent/peer_priv.h"

/* What it may have SAs for at one time, by its wish: each is a peer of its own here. */
#define SCOPES_MAX 16

static bool covers(const struct ike_wish *a, const struct ike_wish *b)
{
	return (!a->proto || a->proto == b->proto) && a->sport_first <= b->sport_first &&
	       a->sport_last >= b->sport_last && a->dport_first <= b->dport_first &&
	       a->dport_last >= b->dport_last;
}

static struct ike_wish as_wish(const struct scope *s)
{
	return (struct ike_wish){.proto = s->proto,
		.sport_first = s->sport,
		.sport_last = s->sport ? s->sport : UINT16_MAX,
		.dport_first = s->dport,
		.dport_last = s->dport ? s->dport : UINT16_MAX};
}

/* Whether the scope is all that was wished for. */
static bool grants_all(const struct ike_wish *w, const struct scope *s)
{
	struct ike_wish all = as_wish(s);

	return covers(&all, w) && covers(w, &all);
}

static const struct pol_rule *narrow(struct oe_peers *ps, const struct oe_sa *sa,
	const struct ike_wish *w, struct scope *ret)
{
	struct pol_wish wish = {
		w->proto, w->sport_first, w->sport_last, w->dport_first, w->dport_last};

	return policy_narrow(ps->policy, &sa->peer->pair.remote, &wish, ret);
}

/* A wish within others is the first choice among what they ask for, mostly the packet that made the peer
 * call: it has the widest of them of which it gets that at least. */
static const struct ike_wish *widen(
	struct oe_peers *ps, const struct oe_sa *sa, const struct ike_identity *id, unsigned int first)
{
	const struct ike_wish *ret = &id->wishes[first];
	struct scope got;

	for (unsigned int i = 0; i < id->n_wishes; i++) {
		const struct ike_wish *w = &id->wishes[i];
		struct ike_wish gets;

		if (!covers(w, ret) || !narrow(ps, sa, w, &got))
			continue;
		gets = as_wish(&got);
		if (covers(&gets, &id->wishes[first]))
			ret = w;
	}
	return ret;
}

void peer_take_wishes(struct oe_peers *ps, struct oe_sa *sa, const struct ike_identity *id)
{
	struct oe_peer *was = sa->peer, *p = NULL;
	const struct pol_rule *rule = NULL;
	struct pair pair = was->pair;
	unsigned int n = 0;

	for (unsigned int i = 0; i < id->n_wishes && !rule; i++) {
		const struct ike_wish *w = widen(ps, sa, id, i);

		rule = narrow(ps, sa, w, &pair.scope);
		p = rule ? peer_find(ps, &pair) : NULL;
		/* what it may have of it it has: one more SA that it may not want would be sent by */
		if (p && p->state == OE_PRIVATE && !grants_all(w, &pair.scope))
			rule = NULL;
	}
	for (p = peer_first(ps, &pair); p; p = peer_next(ps, p))
		n++;
	if (rule)
		p = peer_find(ps, &pair);
	if (rule && !p && n < SCOPES_MAX)
		p = peer_get(ps, &pair);
	sa->no_scope = !p;
	if (!p || p == was)
		return;
	if (p->state == OE_IDLE)
		p->rule = rule;
	peer_sa_move(sa, p);
	peer_note(ps, p, JOURNAL_INBOUND, 1, id->remote_port, sa->handle);
	peer_look_up(ps, p, false); /* joins the one that is under way */
	if (was->state == OE_IDLE && !was->sas && !was->wants && !was->stray)
		peer_free(ps, was);
}
