/* SPDX-License-Identifier: BSD-2-Clause */
/* Which traffic a peer that calls may have an SA for (RFC 7296 section 2.9). */
#include "agent/peer_priv.h"

/* What it may have SAs for at one time, by its wish: each is a peer of its own here. */
#define SCOPES_MAX 16

/* Whether the scope is all that was wished for. */
static bool grants_all(const struct ike_wish *w, const struct scope *s)
{
	return w->proto == s->proto && w->sport_first == s->sport &&
	       w->sport_last == (s->sport ? s->sport : UINT16_MAX) && w->dport_first == s->dport &&
	       w->dport_last == (s->dport ? s->dport : UINT16_MAX);
}

void peer_take_wishes(struct oe_peers *ps, struct oe_sa *sa, const struct ike_identity *id)
{
	struct oe_peer *was = sa->peer, *p = NULL;
	const struct pol_rule *rule = NULL;
	struct pair pair = was->pair;
	unsigned int n = 0;

	for (unsigned int i = 0; i < id->n_wishes && !rule; i++) {
		const struct ike_wish *w = &id->wishes[i];
		struct pol_wish wish = {
			w->proto, w->sport_first, w->sport_last, w->dport_first, w->dport_last};

		rule = policy_narrow(ps->policy, &pair.remote, &wish, &pair.scope);
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
