/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What DNS says of the peers.
 *
 * An answer is kept at its peer until its time is over; one that tells of a whole range is kept in
 * the table of ranges, so that the next address in it needs no question. A key is asked for again
 * at nine tenths of its time if packets have passed meanwhile: a peer in use never waits for DNS
 * when its SA is renewed. When DNS then fails, the key that was secure stays good until its time is
 * over; only a secure denial (or another key, or a zone proved to be unsigned) takes it away, and
 * the SA that it proved ends where it would have been renewed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/peer_priv.h"

#define REFRESH_NUMERATOR 9
#define REFRESH_DENOMINATOR 10
/* The resolver has its deadline, and some time for us to hear of it. */
#define STUCK_US ((DNS_DEADLINE_S + 5) * SECOND)

/* ---- questions */

static void drop_lookup(struct oe_peers *ps, struct oe_lookup *l, bool tell)
{
	struct dns_cancel c = {.id = l->id};

	if (tell)
		ps->fx.send(ps->fx.arg, OE_RESOLVER, DNS_REQ_CANCEL, &c, sizeof(c), NULL, 0);
	heap_remove(&ps->verdicts, &l->verdict);
	HASH_DEL(ps->lookups, l);
	free(l->hint);
	free(l);
}

void peer_drop_lookup(struct oe_peers *ps, uint32_t id)
{
	struct oe_lookup *l;

	HASH_FIND(hh, ps->lookups, &id, sizeof(id), l);
	if (l)
		drop_lookup(ps, l, true);
}

void peer_drop_lookups(struct oe_peers *ps, struct oe_peer *p)
{
	/* those of its SAs have gone with them */
	if (p->lookup)
		peer_drop_lookup(ps, p->lookup);
	p->lookup = 0;
}

/* One that is not ready yet would be asked twice. */
void peer_lookup_send(struct oe_peers *ps, const struct oe_lookup *l)
{
	struct dns_lookup q = {
		.id = l->id, .question = l->question, .origin = l->origin, .addr = l->addr};

	if (!ps->up[OE_RESOLVER])
		return;
	memcpy(q.name, l->name, sizeof(q.name));
	ps->fx.send(ps->fx.arg, OE_RESOLVER, DNS_REQ_LOOKUP, &q, sizeof(q), NULL, 0);
}

struct oe_lookup *peer_lookup_new(
	struct oe_peers *ps, struct oe_peer *p, enum dns_question question, enum dns_origin origin)
{
	struct oe_lookup *l = oe_must(calloc(1, sizeof(*l))), *same;

	do {
		l->id = ++ps->next_lookup & OE_LOOKUP_IDS;
		HASH_FIND(hh, ps->lookups, &l->id, sizeof(l->id), same);
	} while (!l->id || same);
	l->peer = p;
	if (p)
		l->addr = p->pair.remote;
	l->question = (uint8_t)question;
	l->origin = (uint8_t)origin;
	l->asked = ps->now;
	HASH_ADD(hh, ps->lookups, id, sizeof(l->id), l);
	ps->stats.lookups++;
	return l;
}

static uint64_t verdict_due(const struct oe_peers *ps)
{
	return ps->now + ps->conf->dns_hold_limit_ms * UINT64_C(1000);
}

void peer_bound_verdict(struct oe_peers *ps, const struct oe_peer *p)
{
	struct oe_lookup *l;

	HASH_FIND(hh, ps->lookups, &p->lookup, sizeof(p->lookup), l);
	if (l && !l->verdict.place)
		heap_set(&ps->verdicts, &l->verdict, verdict_due(ps));
}

static void ask_reverse(struct oe_peers *ps, struct oe_peer *p, enum dns_origin origin)
{
	struct oe_lookup *l = peer_lookup_new(ps, p, DNS_ASK_REVERSE, origin);

	p->lookup = l->id;
	peer_note(ps, p, JOURNAL_LOOKUP, DNS_ASK_REVERSE, 0, 0);
	peer_lookup_send(ps, l);
}

void peer_look_up_name(struct oe_peers *ps, struct oe_sa *sa, const char *name)
{
	struct oe_lookup *l = peer_lookup_new(ps, sa->peer, DNS_ASK_FORWARD, DNS_FROM_STRANGER);

	l->sa = sa;
	strncpy(l->name, name, sizeof(l->name) - 1);
	sa->lookup = l->id;
	heap_set(&ps->verdicts, &l->verdict, verdict_due(ps));
	peer_note(ps, sa->peer, JOURNAL_LOOKUP, DNS_ASK_FORWARD, 0, 0);
	peer_lookup_send(ps, l);
}

void peer_ask_again(struct oe_peers *ps)
{
	struct oe_lookup *l, *next;

	HASH_ITER(hh, ps->lookups, l, next) {
		l->asked = ps->now;
		peer_lookup_send(ps, l);
	}
}

/* ---- what an answer means for a negotiation of ours */

static void no_key(struct oe_peers *ps, struct oe_peer *p, enum oe_reason why, uint32_t ttl)
{
	const struct conf *c = ps->conf;

	if (ttl < c->dns_negative_ttl_min_s)
		ttl = c->dns_negative_ttl_min_s;
	if (ttl > c->dns_negative_ttl_max_s)
		ttl = c->dns_negative_ttl_max_s;
	if (peer_conf(ps, p)->anonymous == CONF_ANON_INITIATE)
		negotiate_connect(ps, p);
	else
		peer_fall_back(ps, p, why, ttl);
}

enum oe_reason peer_dns_reason(enum dns_class class)
{
	switch (class) {
	case DNS_KEYS:
		return OE_WHY_KEY;
	case DNS_DENIED:
		return OE_WHY_DENIED;
	case DNS_UNUSABLE:
		return OE_WHY_UNUSABLE;
	case DNS_INSECURE:
	case DNS_INSECURE_KEYS:
		return OE_WHY_INSECURE;
	case DNS_BOGUS:
		return OE_WHY_BOGUS;
	case DNS_FAILED:
		return OE_WHY_DNS_FAILED;
	case DNS_UNAVAILABLE:
		return OE_WHY_DNS_UNAVAILABLE;
	case DNS_LIMITED:
		return OE_WHY_LIMIT;
	}
	return OE_WHY_DNS_FAILED;
}

bool peer_says_nothing(enum dns_class class)
{
	return class == DNS_BOGUS || class == DNS_FAILED || class == DNS_UNAVAILABLE ||
	       class == DNS_LIMITED;
}

static void act(struct oe_peers *ps, struct oe_peer *p, enum dns_class class, uint32_t ttl)
{
	p->wants = 0;
	ps->stats.refused_limit += class == DNS_LIMITED;
	/* keys of an unsigned zone are there with insecure-keys = yes */
	if (class == DNS_KEYS || p->by_hint || (class == DNS_INSECURE_KEYS && p->n_keys))
		negotiate_connect(ps, p);
	else if (peer_says_nothing(class))
		peer_fall_back(ps, p, peer_dns_reason(class), ttl);
	else
		no_key(ps, p, peer_dns_reason(class), ttl);
}

/* ---- keys */

/* Keeps the usable keys, packed. */
static void keep_keys(struct oe_peer *p, const struct dns_key *keys, size_t n)
{
	size_t len = 0;
	uint8_t *at;

	proofs_drop(p->keys);
	p->keys = NULL;
	p->n_keys = 0;
	for (size_t i = 0; i < n; i++)
		len += keys[i].fault == DNS_KEY_OK ? 2u + keys[i].spki_len : 0;
	if (!len)
		return;
	p->keys = proofs_new(len);
	at = p->keys->packed;
	for (size_t i = 0; i < n && p->n_keys < IKE_KEYS_MAX; i++) {
		if (keys[i].fault != DNS_KEY_OK)
			continue;
		memcpy(at, &keys[i].spki_len, 2);
		memcpy(at + 2, keys[i].spki, keys[i].spki_len);
		at += 2 + keys[i].spki_len;
		p->n_keys++;
	}
}

/* What is wrong with the records that cannot be used, for the explanation. */
static void note_unusable(struct oe_peer *p, const struct dns_answer *a, const struct dns_key *keys)
{
	char text[DNS_KEYS_MAX * 64 + 64] = "";
	size_t at = 0;

	for (size_t i = 0; i < a->n_keys && at < sizeof(text); i++)
		if (keys[i].fault != DNS_KEY_OK)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
				"%srecord with precedence %u is not usable: %s", at ? "; " : "",
				keys[i].precedence,
				dns_key_fault_text((enum dns_key_fault)keys[i].fault));
	if (a->n_left_out && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, "%s%u more records are not looked at",
			at ? "; " : "", a->n_left_out);
	peer_text(&p->dns_why, text);
}

static void note_why(struct oe_peer *p, const struct dns_answer *a, const struct dns_key *keys)
{
	char text[DNS_NAME_MAX + DNS_WHY_MAX + 64];

	if (a->class == DNS_KEYS || a->class == DNS_UNUSABLE) {
		note_unusable(p, a, keys);
		return;
	}
	if (a->class == DNS_BOGUS && a->broke[0]) {
		snprintf(text, sizeof(text), "the chain of trust breaks at %s: %s", a->broke,
			a->why);
		peer_text(&p->dns_why, text);
		return;
	}
	peer_text(&p->dns_why, a->why);
}

/* Whether the key that proved the peer is still among those that DNS has. An identity by a name, or
 * none, does not hang on them. */
static bool proof_stands(const struct oe_peer *p)
{
	const uint8_t *at = p->keys ? p->keys->packed : NULL;
	uint16_t len;

	if (!p->proof || p->manual || p->proofs == p->keys)
		return true;
	for (size_t i = 0; i < p->n_keys; i++) {
		memcpy(&len, at, 2);
		if (len == p->proof_len && memcmp(at + 2, p->proof, len) == 0)
			return true;
		at += 2 + len;
	}
	return false;
}

static void check_proof(struct oe_peers *ps, struct oe_peer *p)
{
	bool gone = p->state == OE_PRIVATE && !proof_stands(p);

	if (gone && !p->key_gone)
		peer_note(ps, p, JOURNAL_KEY_GONE, p->dns_class, p->n_keys, 0);
	p->key_gone = gone;
}

void peer_hint_keys(struct oe_peer *p, const struct dns_key *keys, size_t n)
{
	keep_keys(p, keys, n);
	p->by_hint = p->n_keys > 0;
}

void peer_hint_drop(struct oe_peers *ps, struct oe_peer *p)
{
	p->by_hint = 0;
	keep_keys(p, NULL, 0);
	heap_remove(&ps->refreshes, &p->refresh);
}

bool peer_end_withdrawn(struct oe_peers *ps, struct oe_peer *p)
{
	if (!p->key_gone)
		return false;
	p->key_gone = 0;
	/* the next packet meets the new key, or what the rule says of none */
	negotiate_close(ps, p, false);
	peer_idle(ps, p, OE_WHY_KEY_GONE);
	return true;
}

/* ---- answers */

static bool answer_valid(const struct dns_answer *a, const struct dns_key *keys, size_t n)
{
	if (a->class >= DNS_N_CLASSES || a->n_keys != n || a->n_addrs > DNS_ADDRS_MAX ||
		memchr(a->name, 0, sizeof(a->name)) == NULL ||
		memchr(a->canonical, 0, sizeof(a->canonical)) == NULL ||
		memchr(a->broke, 0, sizeof(a->broke)) == NULL ||
		memchr(a->why, 0, sizeof(a->why)) == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (keys[i].spki_len > DNS_SPKI_MAX || keys[i].spki_len > IKE_SPKI_MAX ||
			(keys[i].fault == DNS_KEY_OK) != (keys[i].spki_len > 0))
			return false;
	for (size_t i = 0; i < a->n_addrs; i++)
		if (!addr_valid(&a->addrs[i]))
			return false;
	return true;
}

/* Nine tenths from now to the end of its time. */
static void set_refresh(struct oe_peers *ps, struct oe_peer *p)
{
	if (p->n_keys)
		heap_set(&ps->refreshes, &p->refresh,
			ps->now +
				(p->dns_until - ps->now) / REFRESH_DENOMINATOR * REFRESH_NUMERATOR);
	else
		heap_remove(&ps->refreshes, &p->refresh);
}

/* The address has these keys, or none: then those of a hint stay until its name has been asked. */
static void take_keys(struct oe_peers *ps, struct oe_peer *p, const struct dns_key *keys, size_t n)
{
	if (!n && peer_hint(ps, p, (enum dns_class)p->dns_class))
		return;
	p->by_hint = 0;
	keep_keys(p, keys, n);
	set_refresh(ps, p);
	check_proof(ps, p);
}

static void keep(struct oe_peers *ps, struct oe_peer *p, const struct dns_answer *a,
	const struct dns_key *keys)
{
	bool believed = a->class == DNS_KEYS ||
			(a->class == DNS_INSECURE_KEYS && peer_conf(ps, p)->insecure_keys);

	p->dns_known = 1;
	p->dns_class = a->class;
	p->dns_until = ps->now + a->ttl * SECOND;
	note_why(p, a, keys);
	take_keys(ps, p, keys, believed ? a->n_keys : 0);
}

/* All that is to be known of the peer is known. */
static void settle(struct oe_peers *ps, struct oe_peer *p, enum dns_class class, uint32_t ttl)
{
	negotiate_answered(ps, p, class);
	if (p->wants)
		act(ps, p, class, ttl);
	else if (p->late && p->n_keys && p->state != OE_PRIVATE && peer_group(p) > POL_CLEAR)
		negotiate_connect(ps, p);
	p->late = 0;
}

/* The address's answer is known: where it has no key, a name may have one. due: when exchanges that
 * wait for it are to wait no longer, 0 none do. */
static void ask_hint_or_settle(
	struct oe_peers *ps, struct oe_peer *p, enum dns_class class, uint32_t ttl, uint64_t due)
{
	struct oe_lookup *l;

	if (!peer_ask_hint(ps, p, class, p->wants ? DNS_FROM_TRAFFIC : DNS_FROM_STRANGER)) {
		settle(ps, p, class, ttl);
		return;
	}
	HASH_FIND(hh, ps->lookups, &p->lookup, sizeof(p->lookup), l);
	if (due && l)
		heap_set(&ps->verdicts, &l->verdict, due);
}

static uint32_t seconds_left(const struct oe_peers *ps, const struct oe_peer *p)
{
	return p->dns_until > ps->now ? (uint32_t)((p->dns_until - ps->now) / SECOND) : 0;
}

static void on_reverse(struct oe_peers *ps, struct oe_peer *p, const struct dns_answer *a,
	const struct dns_key *keys, enum dns_origin origin, uint64_t due)
{
	enum dns_class class = (enum dns_class)a->class;
	uint32_t ttl = a->ttl;

	p->lookup = 0;
	/* a stranger had no budget left, but meanwhile a packet of ours waits */
	if (class == DNS_LIMITED && origin == DNS_FROM_STRANGER && p->wants) {
		ask_reverse(ps, p, DNS_FROM_TRAFFIC);
		peer_bound_verdict(ps, p);
		return;
	}
	if (peer_says_nothing(class) && p->dns_known && (p->dns_class == DNS_KEYS || p->by_hint) &&
		p->dns_until > ps->now) {
		ttl = seconds_left(ps, p);
		peer_note(ps, p, JOURNAL_KEPT, class, 0, ttl);
		settle(ps, p, (enum dns_class)p->dns_class, ttl);
		return;
	}
	if (class != DNS_LIMITED)
		keep(ps, p, a, keys);
	ask_hint_or_settle(ps, p, class, ttl, due);
}

static void on_hinted(struct oe_peers *ps, struct oe_peer *p, const char *name,
	const struct dns_answer *a, const struct dns_key *keys, uint64_t due)
{
	enum dns_class class = (enum dns_class)p->dns_class;

	p->lookup = 0;
	if (peer_hint_answered(ps, p, name, a, keys) == PEER_HINT_COUNTS) {
		set_refresh(ps, p);
		check_proof(ps, p);
		settle(ps, p, class, seconds_left(ps, p));
		return;
	}
	if (!peer_hint(ps, p, class)) { /* the last one */
		peer_hint_drop(ps, p);
		check_proof(ps, p);
	}
	ask_hint_or_settle(ps, p, class, seconds_left(ps, p), due);
}

static void take_answer(struct oe_peers *ps, struct oe_lookup *l, const struct dns_answer *a,
	const struct dns_key *keys)
{
	struct oe_lookup was = *l; /* what follows may ask anew */
	uint64_t due = l->verdict.place ? l->verdict.due : 0;

	l->hint = NULL;
	drop_lookup(ps, l, false);
	ps->n_hints_asked -= !was.peer;
	if (was.peer)
		peer_note(ps, was.peer, JOURNAL_ANSWER, a->class, a->n_keys, a->took_us);
	if (was.hint)
		hint_answered(ps, was.hint, was.name, a, keys);
	if (was.sa) {
		was.sa->lookup = 0;
		negotiate_name_answered(ps, was.sa, a, keys);
	} else if (was.peer && was.question == DNS_ASK_FORWARD) {
		on_hinted(ps, was.peer, was.name, a, keys, due);
	} else if (was.peer) {
		on_reverse(ps, was.peer, a, keys, (enum dns_origin)was.origin, due);
	}
	free(was.hint);
}

int peer_answer(
	struct oe_peers *ps, const struct dns_answer *a, const uint8_t *tail, size_t tail_len)
{
	size_t n = tail_len / sizeof(struct dns_key);
	struct dns_key keys[2 * DNS_KEYS_MAX] = {0};
	struct oe_lookup *l;

	if (n > 2 * DNS_KEYS_MAX)
		return -EBADMSG;
	if (n)
		memcpy(keys, tail, n * sizeof(keys[0]));
	if (!answer_valid(a, keys, n))
		return -EBADMSG;
	HASH_FIND(hh, ps->lookups, &a->id, sizeof(a->id), l);
	if (!l)
		return 0;
	take_answer(ps, l, a, keys);
	return 0;
}

/* ---- ranges */

int peer_range(struct oe_peers *ps, const struct dns_range *r)
{
	if (!prefix_valid(&r->prefix) || memchr(r->zone, 0, sizeof(r->zone)) == NULL ||
		(r->class != DNS_INSECURE && r->class != DNS_DENIED))
		return -EBADMSG;
	ranges_add(ps->ranges, r, ps->now);
	return 0;
}

/* Whether the peer lies in a range of which the answer is known; it then is the peer's. */
static bool range_answers(struct oe_peers *ps, struct oe_peer *p)
{
	const struct range *r = ranges_find(ps->ranges, &p->pair.remote, ps->now);

	/* who believes keys of unsigned zones must look for them */
	if (!r || (r->told.class == DNS_INSECURE && peer_conf(ps, p)->insecure_keys))
		return false;
	p->dns_known = 1;
	p->dns_class = r->told.class;
	p->dns_until = r->until;
	peer_text(&p->dns_why, r->told.zone);
	ps->stats.by_range++;
	peer_note(ps, p, JOURNAL_RANGE, r->told.class, r->told.prefix.len, 0);
	take_keys(ps, p, NULL, 0);
	return true;
}

void peer_look_up(struct oe_peers *ps, struct oe_peer *p, bool wants)
{
	bool fresh = p->dns_known && p->dns_until > ps->now;

	p->wants |= wants;
	if (p->manual) {
		if (!p->wants)
			return;
		p->wants = 0;
		peer_note(ps, p, JOURNAL_MANUAL, p->manual->auth, 0, p->manual->line);
		negotiate_connect(ps, p);
		return;
	}
	if (p->lookup)
		return;
	if (p->ask_anew || (!fresh && !range_answers(ps, p))) {
		p->ask_anew = 0;
		ask_reverse(ps, p, p->wants ? DNS_FROM_TRAFFIC : DNS_FROM_STRANGER);
		return;
	}
	if (fresh && p->wants)
		peer_note(ps, p, JOURNAL_KNOWN, p->dns_class, p->n_keys, 0);
	if (fresh && p->by_hint)
		settle(ps, p, (enum dns_class)p->dns_class, seconds_left(ps, p));
	else
		ask_hint_or_settle(ps, p, (enum dns_class)p->dns_class, seconds_left(ps, p), 0);
}

/* ---- refreshing */

/* Whether there was traffic is known in the kernel. */
static void ask_counters(struct oe_peers *ps, struct oe_peer *p)
{
	struct xfrm_counters_req m = {.tag = OE_COUNTERS_TAG, .pair = p->pair};

	if (p->state == OE_PRIVATE && !p->lookup && !p->manual)
		ps->fx.send(ps->fx.arg, OE_XFRM, XFRM_REQ_COUNTERS, &m, sizeof(m), NULL, 0);
}

void peer_counters(struct oe_peers *ps, const struct xfrm_counters *c)
{
	struct oe_peer *p = pair_valid(&c->pair) ? peer_find(ps, &c->pair) : NULL;
	uint64_t packets = c->in_packets + c->out_packets;

	if (!p || p->state != OE_PRIVATE || p->lookup || packets == p->seen_packets)
		return;
	p->seen_packets = packets;
	ps->stats.refreshed++;
	ask_reverse(ps, p, DNS_FROM_TRAFFIC);
}

static uint64_t refresh(struct oe_peers *ps)
{
	struct heap_node *n;

	while ((n = heap_first(&ps->refreshes)) && n->due <= ps->now) {
		heap_remove(&ps->refreshes, n);
		ask_counters(ps,
			(struct oe_peer *)(void *)((char *)n - offsetof(struct oe_peer, refresh)));
	}
	return n ? n->due : UINT64_MAX;
}

/* ---- time */

static uint64_t end_waiting(struct oe_peers *ps)
{
	struct heap_node *n;

	while ((n = heap_first(&ps->verdicts)) && n->due <= ps->now) {
		struct oe_lookup *l =
			(struct oe_lookup *)(void *)((char *)n -
						     offsetof(struct oe_lookup, verdict));

		heap_remove(&ps->verdicts, n);
		negotiate_unanswered(ps, l->peer, l->sa);
	}
	return n ? n->due : UINT64_MAX;
}

/* A resolver that neither answers nor dies. */
static uint64_t watch_resolver(struct oe_peers *ps)
{
	const struct oe_lookup *oldest = ps->lookups; /* uthash keeps their order */
	uint64_t since;

	if (!oldest)
		return UINT64_MAX;
	since = oldest->asked > ps->resolver_since ? oldest->asked : ps->resolver_since;
	if (ps->now - since < STUCK_US)
		return since + STUCK_US;
	ps->resolver_since = ps->now;
	if (ps->fx.stuck)
		ps->fx.stuck(ps->fx.arg, OE_RESOLVER);
	return ps->now + STUCK_US;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t peer_lookups_due(struct oe_peers *ps)
{
	uint64_t due = least(refresh(ps), end_waiting(ps));

	return least(due, watch_resolver(ps));
}
