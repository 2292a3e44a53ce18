/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core.
 *
 * A peer is a pair of addresses. It comes into being when a packet is trapped (XFRM_EV_TRAPPED),
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
 * Objects: struct oe_peers owns the peers (by pair) and, through them, IKE SAs (also by handle); it
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
#define TEXT_MAX 240

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

static const struct conf_group *group_conf(const struct oe_peers *ps, const struct oe_peer *p)
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

struct oe_peer *peer_find(const struct oe_peers *ps, const struct pair *pair)
{
	struct oe_peer *p;

	HASH_FIND(hh, ps->by_pair, pair, sizeof(*pair), p);
	return p;
}

static void set_timer(struct oe_peers *ps, struct oe_peer *p, uint64_t for_us)
{
	p->until = for_us ? ps->now + for_us : 0;
	if (for_us)
		heap_set(&ps->timers, &p->timer, p->until);
	else
		heap_remove(&ps->timers, &p->timer);
}

struct oe_peer *peer_get(
	struct oe_peers *ps, const struct pair *pair, uint8_t proto, uint16_t sport, uint16_t dport)
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
	p->flow_proto = proto;
	p->flow_sport = sport;
	p->flow_dport = dport;
	p->rule = policy_lookup(ps->policy, &pair->remote, proto, sport, dport);
	p->since = ps->now;
	HASH_ADD(hh, ps->by_pair, pair, sizeof(p->pair), p);
	ps->stats.peers++;
	ps->stats.state[OE_IDLE]++;
	set_timer(ps, p, IDLE_US);
	return p;
}

static void drop_lookup(struct oe_peers *ps, struct oe_lookup *l, bool tell)
{
	struct dns_cancel c = {.id = l->id};

	if (tell)
		ps->fx.send(ps->fx.arg, OE_RESOLVER, DNS_REQ_CANCEL, &c, sizeof(c), NULL, 0);
	HASH_DEL(ps->lookups, l);
	free(l);
}

void peer_free(struct oe_peers *ps, struct oe_peer *p)
{
	struct oe_lookup *l, *next;

	while (p->sas)
		peer_sa_remove(ps, p->sas);
	HASH_ITER(hh, ps->lookups, l, next) {
		if (l->peer == p)
			drop_lookup(ps, l, true);
	}
	heap_remove(&ps->timers, &p->timer);
	HASH_DEL(ps->by_pair, p);
	ps->stats.peers--;
	ps->stats.state[p->state]--;
	free(p->keys);
	free(p->dns_why);
	free(p->ike_why);
	free(p->peer_id);
	free(p->peer_key);
	free(p->suite);
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
	const struct conf_group *g = group_conf(ps, p);
	uint64_t s = (uint64_t)g->retry_after_s << (p->tries > 20 ? 20 : p->tries);

	return s < g->retry_max_s ? (uint32_t)s : g->retry_max_s;
}

static bool proved_absent(enum oe_reason reason)
{
	return reason == OE_WHY_DENIED || reason == OE_WHY_UNUSABLE || reason == OE_WHY_INSECURE;
}

void peer_fall_back(struct oe_peers *ps, struct oe_peer *p, enum oe_reason reason, uint32_t seconds)
{
	bool secure_key = p->dns_known && p->dns_class == DNS_KEYS;
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
	if (group == POL_PRIVATE || (secure_key && group_conf(ps, p)->downgrade_refuse))
		state = OE_BLOCKED;
	else if (reason == OE_WHY_IKE_FAILED)
		reason = OE_WHY_DOWNGRADED;
	/* who has no key and may go in clear is asked again by the next packet after that time */
	p->retry = state == OE_BLOCKED || !proved_absent(reason);
	peer_state(ps, p, state, reason, seconds * SECOND);
	if (p->retry)
		peer_note(ps, p, JOURNAL_RETRY, 0, p->tries, seconds);
}

/* ---- DNS */

void peer_send_lookup(struct oe_peers *ps, const struct oe_lookup *l)
{
	struct dns_lookup q = {.id = l->id, .addr = l->peer->pair.remote};

	q.question = l->sa ? DNS_ASK_FORWARD : DNS_ASK_REVERSE;
	if (l->sa)
		memcpy(q.name, l->name, sizeof(q.name));
	ps->fx.send(ps->fx.arg, OE_RESOLVER, DNS_REQ_LOOKUP, &q, sizeof(q), NULL, 0);
}

static struct oe_lookup *new_lookup(struct oe_peers *ps, struct oe_peer *p)
{
	struct oe_lookup *l = oe_must(calloc(1, sizeof(*l)));

	do {
		l->id = ++ps->next_lookup;
	} while (!l->id);
	l->peer = p;
	HASH_ADD(hh, ps->lookups, id, sizeof(l->id), l);
	ps->stats.lookups++;
	return l;
}

/* What the answer at hand means for a negotiation of ours. */
static void act_on_answer(struct oe_peers *ps, struct oe_peer *p, uint32_t ttl)
{
	const struct conf *c = ps->conf;
	uint32_t negative = ttl < c->dns_negative_ttl_min_s ? c->dns_negative_ttl_min_s : ttl;
	enum oe_reason why = OE_WHY_DENIED;

	if (negative > c->dns_negative_ttl_max_s)
		negative = c->dns_negative_ttl_max_s;
	switch ((enum dns_class)p->dns_class) {
	case DNS_KEYS:
		negotiate_connect(ps, p);
		return;
	case DNS_INSECURE_KEYS:
		if (p->n_keys) { /* insecure-keys = yes */
			negotiate_connect(ps, p);
			return;
		}
		why = OE_WHY_INSECURE;
		break;
	case DNS_DENIED:
		break;
	case DNS_UNUSABLE:
		why = OE_WHY_UNUSABLE;
		break;
	case DNS_INSECURE:
		why = OE_WHY_INSECURE;
		break;
	case DNS_BOGUS:
		peer_fall_back(ps, p, OE_WHY_BOGUS, ttl);
		return;
	case DNS_FAILED:
		peer_fall_back(ps, p, OE_WHY_DNS_FAILED, ttl);
		return;
	case DNS_UNAVAILABLE:
		peer_fall_back(ps, p, OE_WHY_DNS_UNAVAILABLE, ttl);
		return;
	}
	if (group_conf(ps, p)->anonymous == CONF_ANON_INITIATE)
		negotiate_connect(ps, p);
	else
		peer_fall_back(ps, p, why, negative);
}

void peer_look_up(struct oe_peers *ps, struct oe_peer *p, bool wants)
{
	struct oe_lookup *l;

	p->wants |= wants;
	if (p->lookup)
		return;
	if (p->dns_known && p->dns_until > ps->now) {
		if (!p->wants)
			return;
		p->wants = 0;
		peer_note(ps, p, JOURNAL_KNOWN, p->dns_class, p->n_keys, 0);
		act_on_answer(ps, p, (uint32_t)((p->dns_until - ps->now) / SECOND));
		return;
	}
	l = new_lookup(ps, p);
	p->lookup = l->id;
	peer_note(ps, p, JOURNAL_LOOKUP, DNS_ASK_REVERSE, 0, 0);
	peer_send_lookup(ps, l);
}

/* A name that an initiator claims for itself, asked for on behalf of its exchange. */
void peer_look_up_name(struct oe_peers *ps, struct oe_sa *sa, const char *name)
{
	struct oe_lookup *l = new_lookup(ps, sa->peer);

	l->sa = sa;
	strncpy(l->name, name, sizeof(l->name) - 1);
	sa->lookup = l->id;
	peer_note(ps, sa->peer, JOURNAL_LOOKUP, DNS_ASK_FORWARD, 0, 0);
	peer_send_lookup(ps, l);
}

void peer_drop_lookup(struct oe_peers *ps, uint32_t id)
{
	struct oe_lookup *l;

	HASH_FIND(hh, ps->lookups, &id, sizeof(id), l);
	if (l)
		drop_lookup(ps, l, true);
}

/* Keeps the usable keys, packed. */
static void keep_keys(struct oe_peer *p, const struct dns_key *keys, size_t n)
{
	size_t len = 0;
	uint8_t *at;

	free(p->keys);
	p->keys = NULL;
	p->keys_len = 0;
	p->n_keys = 0;
	for (size_t i = 0; i < n; i++)
		len += keys[i].fault == DNS_KEY_OK ? 2u + keys[i].spki_len : 0;
	if (!len)
		return;
	at = p->keys = oe_must(malloc(len));
	p->keys_len = len;
	for (size_t i = 0; i < n && p->n_keys < IKE_KEYS_MAX; i++) {
		if (keys[i].fault != DNS_KEY_OK)
			continue;
		memcpy(at, &keys[i].spki_len, 2);
		memcpy(at + 2, keys[i].spki, keys[i].spki_len);
		at += 2 + keys[i].spki_len;
		p->n_keys++;
	}
}

static bool answer_valid(const struct dns_answer *a, const struct dns_key *keys, size_t n)
{
	if (a->class > DNS_UNAVAILABLE || a->n_keys != n ||
		memchr(a->name, 0, sizeof(a->name)) == NULL ||
		memchr(a->canonical, 0, sizeof(a->canonical)) == NULL ||
		memchr(a->why, 0, sizeof(a->why)) == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (keys[i].spki_len > DNS_SPKI_MAX || keys[i].spki_len > IKE_SPKI_MAX ||
			(keys[i].fault == DNS_KEY_OK) != (keys[i].spki_len > 0))
			return false;
	return true;
}

int peer_answer(
	struct oe_peers *ps, const struct dns_answer *a, const uint8_t *tail, size_t tail_len)
{
	size_t n = tail_len / sizeof(struct dns_key);
	struct dns_key keys[2 * DNS_KEYS_MAX] = {0};
	struct oe_lookup *l;
	struct oe_peer *p;
	struct oe_sa *sa;

	if (n > 2 * DNS_KEYS_MAX)
		return -EBADMSG;
	if (n)
		memcpy(keys, tail, n * sizeof(keys[0]));
	if (!answer_valid(a, keys, n))
		return -EBADMSG;
	HASH_FIND(hh, ps->lookups, &a->id, sizeof(a->id), l);
	if (!l)
		return 0;
	p = l->peer;
	sa = l->sa;
	drop_lookup(ps, l, false);
	peer_note(ps, p, JOURNAL_ANSWER, a->class, a->n_keys, a->took_us);
	if (sa) {
		sa->lookup = 0;
		negotiate_name_answered(ps, sa, a, keys);
		return 0;
	}
	p->lookup = 0;
	p->dns_known = 1;
	p->dns_class = a->class;
	p->dns_until = ps->now + a->ttl * SECOND;
	peer_text(&p->dns_why, a->why);
	keep_keys(p, keys,
		a->class == DNS_KEYS ||
				(a->class == DNS_INSECURE_KEYS && group_conf(ps, p)->insecure_keys)
			? n
			: 0);
	negotiate_answered(ps, p);
	if (p->wants) {
		p->wants = 0;
		act_on_answer(ps, p, a->ttl);
	}
	return 0;
}

/* ---- traffic */

void peer_trapped(struct oe_peers *ps, const struct xfrm_trapped *t)
{
	struct oe_peer *p = peer_get(ps, &t->pair, t->proto, t->sport, t->dport);

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
		if (!negotiate_busy(p))
			peer_look_up(ps, p, true);
		return;
	case OE_IDLE:
	case OE_N_STATES:
		break;
	}
	p->flow_proto = t->proto;
	p->flow_sport = t->sport;
	p->flow_dport = t->dport;
	p->rule = policy_lookup(ps->policy, &p->pair.remote, t->proto, t->sport, t->dport);
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
		if (p->sas || p->lookup)
			set_timer(ps, p, IDLE_US);
		else
			peer_free(ps, p);
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
		set_timer(ps, p, 0);
		if (p->retry && !negotiate_busy(p)) {
			p->retry = 0;
			peer_look_up(ps, p, true);
		}
		return;
	case OE_CLEAR:
	case OE_BLOCKED:
		/* at the end of the back-off the next packet asks, not we */
		if (!p->retry || back_off(ps, p) >= group_conf(ps, p)->retry_max_s) {
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

	ps->now = now;
	while ((n = heap_first(&ps->timers)) && n->due <= now) {
		struct oe_peer *p =
			(struct oe_peer *)(void *)((char *)n - offsetof(struct oe_peer, timer));

		heap_remove(&ps->timers, n);
		on_due(ps, p);
	}
	return n ? n->due : UINT64_MAX;
}
