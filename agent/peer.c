/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core.
 *
 * A peer is a pair of addresses, and the scope of the rule: the line of a policy file that says
 * "0.0.0.0/0 tcp 0 443" has decisions of its own, with SAs for this traffic only. It comes into being when a packet is trapped (XFRM_EV_TRAPPED),
 * when the peer's IKE comes to us (IKE_EV_INBOUND), when its SAs are found in the kernel at start,
 * or by command; it goes when it is IDLE, holds no SA and a while has passed.
 *
 *   trapped -> RESOLVING -> NEGOTIATING -> PRIVATE
 *                  |             |            |
 *                  +--- CLEAR or BLOCKED -----+-> IDLE
 *
 * What the state says stands in the kernel: CLEAR an allow policy, BLOCKED a block policy, both
 * just before the rule under which they were decided; PRIVATE a pair of SAs and a required inbound
 * policy; the others nothing but the rule's trap, behind which packets are held. A lookup or a
 * negotiation can run under any state ("in the background"): a peer in clear for want of an answer
 * becomes private when the answer comes. peer_state() is the only place where a state changes.
 *
 * Objects: struct oe_peers owns the peers (by hosts) and, through them, IKE SAs (also by handle); it
 * owns the outstanding lookups (by id) and kernel requests (by tag), which name their peer. Every
 * event finds its peer anew. Time is what the caller says. The rules are those of doc/design.md: a peer whose
 * rule is `private` is never in clear; of the rest, one with a key that DNSSEC proved is in clear
 * only where the group's `downgrade` allows it.
 *
 * RFC 4322 (opportunistic encryption), RFC 7435 (opportunistic security), RFC 4301 section 4.4.
 */
#include "agent/peer_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Peers that wait for DNS or IKE at one time: beyond it the group's fall-back applies at once. */
#define PENDING_MAX 8192
#define PEERS_MAX 400000
/* An IDLE peer is remembered so long: its back-off and its journal are worth something. */
#define IDLE_US (600 * SECOND)
#define TEXT_MAX 600

void *oe_must(void *p)
{
	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

void peer_text(char **at, const char *text)
{
	free(*at);
	*at = text && *text ? oe_must(strndup(text, TEXT_MAX)) : NULL;
}

enum pol_group peer_group(const struct oe_peer *p)
{
	return p->rule ? p->rule->group : POL_CLEAR;
}

bool peer_is_part(const struct oe_peer *p)
{
	struct scope whole = p->rule ? pol_scope(p->rule) : p->pair.scope;

	return !scope_equal(&whole, &p->pair.scope);
}

const struct conf_group *peer_conf(const struct oe_peers *ps, const struct oe_peer *p)
{
	return &ps->conf->group[peer_group(p)];
}

void peer_note(struct oe_peers *ps, struct oe_peer *p, enum journal_step step, unsigned int code,
	unsigned int n, uint32_t arg)
{
	struct journal_entry e = {.at = ps->now,
		.step = (uint8_t)step,
		.code = (uint8_t)code,
		.n = (uint16_t)n,
		.arg = arg};

	journal_add(&p->journal, &e);
	if (ps->fx.journal)
		ps->fx.journal(ps->fx.arg, p, &e);
}

struct oe_peer *peer_first(const struct oe_peers *ps, const struct pair *hosts)
{
	return table_find(&ps->by_pair, hosts);
}

struct oe_peer *peer_next(const struct oe_peers *ps, const struct oe_peer *p)
{
	return table_again(&ps->by_pair, p);
}

struct oe_peer *peer_find(const struct oe_peers *ps, const struct pair *pair)
{
	struct oe_peer *p = peer_first(ps, pair);

	while (p && !scope_equal(&p->pair.scope, &pair->scope))
		p = peer_next(ps, p);
	return p;
}

static const struct pol_rule *rule_of(
	const struct oe_peers *ps, const struct addr *remote, const struct scope *s)
{
	return policy_lookup(ps->policy, remote, s->proto, s->sport, s->dport);
}

static void set_timer(struct oe_peers *ps, struct oe_peer *p, uint64_t for_us)
{
	p->until = for_us ? ps->now + for_us : 0;
	if (for_us)
		heap_set(&ps->timers, &p->timer, p->until);
	else
		heap_remove(&ps->timers, &p->timer);
}

struct oe_peer *peer_get(struct oe_peers *ps, const struct pair *pair)
{
	struct oe_peer *p = peer_find(ps, pair);

	if (p)
		return p;
	if (ps->stats.peers >= PEERS_MAX) {
		ps->stats.refused_limit++;
		return NULL;
	}
	p = oe_must(calloc(1, sizeof(*p)));
	p->pair = *pair;
	p->rule = rule_of(ps, &pair->remote, &pair->scope);
	p->manual = manual_find(ps->manual, &pair->remote);
	p->since = ps->now;
	table_add(&ps->by_pair, p);
	ps->stats.peers++;
	ps->stats.state[OE_IDLE]++;
	set_timer(ps, p, IDLE_US);
	return p;
}

void peer_free(struct oe_peers *ps, struct oe_peer *p)
{
	while (p->sas)
		peer_sa_remove(ps, p->sas);
	peer_drop_lookups(ps, p);
	heap_remove(&ps->refreshes, &p->refresh);
	heap_remove(&ps->timers, &p->timer);
	table_remove(&ps->by_pair, p);
	ps->stats.peers--;
	ps->stats.state[p->state]--;
	proofs_drop(p->keys);
	free(p->dns_why);
	free(p->hint);
	free(p->ike_why);
	free(p->peer_id);
	free(p->certificate);
	proofs_drop(p->proofs);
	journal_free(&p->journal);
	free(p);
}

/* ---- decisions */

/* Tells the kernel what a new state means. */
static void enforce(struct oe_peers *ps, struct oe_peer *p, enum oe_state from, enum oe_state to)
{
	switch (to) {
	case OE_CLEAR:
		/* clear-or-private is in clear by its own rule: nothing was trapped */
		if (peer_group(p) == POL_PRIVATE_OR_CLEAR)
			install_decide(ps, p, XFRM_VERDICT_CLEAR);
		break;
	case OE_BLOCKED:
		install_decide(ps, p, XFRM_VERDICT_BLOCK);
		break;
	case OE_IDLE:
		if (from == OE_CLEAR || from == OE_BLOCKED)
			install_decide(ps, p, XFRM_VERDICT_FORGET);
		else if (from == OE_RESOLVING || from == OE_NEGOTIATING)
			install_decide(ps, p, XFRM_VERDICT_DROP);
		break;
	case OE_RESOLVING:
	case OE_NEGOTIATING:
	case OE_PRIVATE: /* by the SAs that brought it here */
	case OE_N_STATES:
		break;
	}
}

void peer_state(struct oe_peers *ps, struct oe_peer *p, enum oe_state state, enum oe_reason reason,
	uint64_t for_us)
{
	enum oe_state from = p->state;

	if (from != state) {
		p->since = ps->now;
		ps->stats.state[from]--;
		ps->stats.state[state]++;
		ps->stats.went_private += state == OE_PRIVATE;
		ps->stats.went_clear += state == OE_CLEAR;
		ps->stats.went_blocked += state == OE_BLOCKED;
		ps->stats.downgraded += state == OE_CLEAR && reason == OE_WHY_DOWNGRADED;
	}
	p->state = (uint8_t)state;
	p->stray = p->stray && state == OE_IDLE;
	if (from != state && state != OE_NEGOTIATING)
		p->packet = (struct scope){0};
	set_timer(ps, p, for_us);
	if (from != state || p->reason != reason) {
		p->reason = (uint8_t)reason;
		peer_note(ps, p, JOURNAL_STATE, state, reason, (uint32_t)(for_us / SECOND));
	}
	if (from != state)
		enforce(ps, p, from, state);
}

void peer_idle(struct oe_peers *ps, struct oe_peer *p, enum oe_reason reason)
{
	p->retry = 0;
	peer_state(ps, p, OE_IDLE, reason, IDLE_US);
}

/* Seconds until the next try: doubled with each failure in a row. */
static uint32_t back_off(const struct oe_peers *ps, const struct oe_peer *p)
{
	const struct conf_group *g = peer_conf(ps, p);
	uint64_t s = (uint64_t)g->retry_after_s << (p->tries > 20 ? 20 : p->tries);

	return s < g->retry_max_s ? (uint32_t)s : g->retry_max_s;
}

static bool proved_absent(enum oe_reason reason)
{
	return reason == OE_WHY_DENIED || reason == OE_WHY_UNUSABLE || reason == OE_WHY_INSECURE;
}

void peer_fall_back(struct oe_peers *ps, struct oe_peer *p, enum oe_reason reason, uint32_t seconds)
{
	bool secure_key =
		p->manual || (p->dns_known && p->dns_class == DNS_KEYS) || peer_hint_trusted(ps, p);
	enum pol_group group = peer_group(p);
	enum oe_state state = OE_CLEAR;

	if (!seconds)
		seconds = back_off(ps, p);
	if (p->tries < UINT8_MAX)
		p->tries++;
	p->wants = 0;
	if (p->state == OE_PRIVATE) {
		/* the SA in force serves on; a new one is tried for again */
		p->retry = 1;
		set_timer(ps, p, seconds * SECOND);
		return;
	}
	if (reason == OE_WHY_IKE_FAILED)
		peer_hint_failed(ps, p);
	if (group == POL_PRIVATE || (secure_key && peer_conf(ps, p)->downgrade_refuse))
		state = OE_BLOCKED;
	else if (reason == OE_WHY_IKE_FAILED)
		reason = OE_WHY_DOWNGRADED;
	/* who has no key and may go in clear is asked again by the next packet after that time */
	p->retry = state == OE_BLOCKED || !proved_absent(reason);
	peer_state(ps, p, state, reason, seconds * SECOND);
	if (p->retry)
		peer_note(ps, p, JOURNAL_RETRY, 0, p->tries, seconds);
}

/* ---- traffic */

/* The peer whose decision the flow waits for: one that knows of a part of the rule's traffic, by the
 * wish of the other host, or that of the rule as a whole, made where it is new. */
static struct oe_peer *peer_of_flow(struct oe_peers *ps, const struct xfrm_trapped *t)
{
	struct scope flow = {.proto = t->proto, .sport = t->sport, .dport = t->dport};
	const struct pol_rule *rule = rule_of(ps, &t->pair.remote, &flow);
	struct pair pair = pair_hosts(&t->pair);
	struct oe_peer *best = NULL;

	for (struct oe_peer *p = peer_first(ps, &pair); p; p = peer_next(ps, p))
		if (p->rule == rule && p->state == OE_PRIVATE &&
			scope_covers(&p->pair.scope, &flow) &&
			(!best || scope_level(&p->pair.scope) > scope_level(&best->pair.scope)))
			best = p;
	if (best)
		return best;
	if (rule)
		pair.scope = pol_scope(rule);
	return peer_get(ps, &pair);
}

/* For the exchange that is to come of it. */
static void keep_packet(struct oe_peer *p, const struct xfrm_trapped *t)
{
	struct scope flow = {.proto = t->proto, .sport = t->sport, .dport = t->dport};

	if (flow.proto && scope_covers(&p->pair.scope, &flow))
		p->packet = flow;
}

void peer_trapped(struct oe_peers *ps, const struct xfrm_trapped *t)
{
	struct oe_peer *p = peer_of_flow(ps, t);

	ps->stats.trapped++;
	if (!p)
		return;
	switch ((enum oe_state)p->state) {
	case OE_CLEAR:
		install_decide(ps, p, XFRM_VERDICT_CLEAR); /* the one before was lost */
		return;
	case OE_BLOCKED:
		install_decide(ps, p, XFRM_VERDICT_BLOCK);
		return;
	case OE_RESOLVING:
	case OE_NEGOTIATING:
		return;
	case OE_PRIVATE:
		/* the kernel has lost the outbound SA: a new one, and the old exchange ends */
		peer_note(ps, p, JOURNAL_TRAPPED, t->proto, t->dport, t->held);
		if (!negotiate_busy(p)) {
			keep_packet(p, t);
			peer_look_up(ps, p, true);
		}
		return;
	case OE_IDLE:
	case OE_N_STATES:
		break;
	}
	p->rule = rule_of(ps, &p->pair.remote, &p->pair.scope);
	peer_note(ps, p, JOURNAL_TRAPPED, t->proto, t->dport, t->held);
	if (!p->rule || p->rule->group <= POL_CLEAR_OR_PRIVATE) {
		/* the trap of a rule that has just gone */
		install_decide(ps, p,
			peer_group(p) == POL_BLOCK ? XFRM_VERDICT_DROP : XFRM_VERDICT_FORGET);
		return;
	}
	peer_note(ps, p, JOURNAL_RULE, p->rule->group, 0, p->rule->line);
	if (ps->stats.state[OE_RESOLVING] + ps->stats.state[OE_NEGOTIATING] >= PENDING_MAX) {
		ps->stats.refused_limit++;
		peer_fall_back(ps, p, OE_WHY_LIMIT, 5);
		return;
	}
	peer_state(
		ps, p, OE_RESOLVING, OE_WHY_TRAFFIC, ps->conf->dns_hold_limit_ms * UINT64_C(1000));
	keep_packet(p, t);
	if (negotiate_busy(p)) /* the peer was first: its exchange serves us too */
		negotiate_connect(ps, p);
	else
		peer_look_up(ps, p, true);
}

/* ---- time */

static void on_due(struct oe_peers *ps, struct oe_peer *p)
{

	switch ((enum oe_state)p->state) {
	case OE_IDLE:
		if (!p->stray)
			negotiate_drop_orphans(ps, p);
		if (!p->sas && !p->lookup && !p->stray) {
			peer_free(ps, p);
			return;
		}
		set_timer(ps, p, IDLE_US);
		if (p->stray)
			stray_due(ps, p);
		return;
	case OE_RESOLVING:
		peer_note(ps, p, JOURNAL_HOLD_LIMIT, 0, 0, ps->conf->dns_hold_limit_ms);
		peer_fall_back(ps, p, OE_WHY_DNS_TIMEOUT, 0);
		p->wants = 1; /* the answer still counts when it comes */
		return;
	case OE_NEGOTIATING:
		peer_fall_back(ps, p, OE_WHY_IKE_FAILED, 0);
		return;
	case OE_PRIVATE:
		negotiate_tidy(ps, p);
		set_timer(ps, p, p->retry && negotiate_busy(p) ? RENEW_US : 0);
		if (p->retry && !negotiate_busy(p)) {
			p->retry = 0;
			peer_look_up(ps, p, true);
		}
		negotiate_check(ps, p);
		return;
	case OE_CLEAR:
	case OE_BLOCKED:
		/* at the end of the back-off the next packet asks, not we */
		if (!p->retry || back_off(ps, p) >= peer_conf(ps, p)->retry_max_s) {
			peer_idle(ps, p, OE_WHY_NONE);
			return;
		}
		set_timer(ps, p, back_off(ps, p) * SECOND);
		if (!negotiate_busy(p))
			peer_look_up(ps, p, true);
		return;
	case OE_N_STATES:
		return;
	}
}

uint64_t oe_peers_timers(struct oe_peers *ps, uint64_t now)
{
	struct heap_node *n;
	uint64_t lookups;

	ps->now = now;
	lookups = peer_lookups_due(ps);
	while ((n = heap_first(&ps->timers)) && n->due <= now) {
		struct oe_peer *p =
			(struct oe_peer *)(void *)((char *)n - offsetof(struct oe_peer, timer));

		heap_remove(&ps->timers, n);
		on_due(ps, p);
	}
	return n && n->due < lookups ? n->due : lookups;
}
