/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hints: the core's part.
 *
 * A hint says that a name stands for an address. Where the address's reverse name has no key, the
 * name's is looked for: it counts if it and the name's address are both secure (DNS_ASK_FORWARD). So
 * the table of hints (hints.c) is only a list of where to look, and an entry may come from anybody.
 *
 *	oectl hint, unbound, systemd-resolved --> DNS_ASK_HINT --> the table: address -> names
 *	a packet --> reverse lookup --> no key --> the table --> DNS_ASK_FORWARD --> its key
 *
 * The first of the two fills libunbound's cache, so the second costs the packet nothing. What unbound
 * says of a name's addresses stands in the table at once, for the packet may be faster than the
 * answer; the two questions then are one.
 *
 * What a hint may do. Whoever has a signed zone can name any address in it, and can make a browser
 * ask for the name. So a key found by a hint is better than clear and no more: it never stands against
 * a key of the reverse name, its failure never blocks a peer nor keeps an anonymous one out, and
 * `private` does not know it, but where trust-names says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/peer_priv.h"

/* Questions under way for hints and for what is warmed up, in all. */
#define ASKED_MAX 64
/* Addresses that are only said to be a name's: until the answer must have come. */
#define CLAIM_US ((DNS_DEADLINE_S + 5) * SECOND)
#define TTL_MAX_S 3600
#define LEAST_US (5 * SECOND)
/* A name whose key led to no SA, and one of which DNS says nothing, are left alone so long. */
#define FAILED_US (300 * SECOND)
#define SILENT_US (30 * SECOND)
/* The same for a name that is no hint: a browser asks again and again. */
#define REFUSED_US (60 * SECOND)

/* ---- which peers a hint is for */

static bool counts(const struct oe_peers *ps, const struct oe_peer *p, enum dns_class class)
{
	enum pol_group group = peer_group(p);

	/* keys of the address itself are better, and where nothing can be asked it is of no use */
	if (p->manual || class == DNS_KEYS || class == DNS_LIMITED || class == DNS_UNAVAILABLE ||
		(class == DNS_INSECURE_KEYS && peer_conf(ps, p)->insecure_keys))
		return false;
	/* while DNS fails there may be a key of the address */
	if (group == POL_PRIVATE)
		return peer_conf(ps, p)->trust_names && !peer_says_nothing(class);
	return group > POL_CLEAR;
}

const struct hint *peer_hint(
	const struct oe_peers *ps, const struct oe_peer *p, enum dns_class class)
{
	return counts(ps, p, class) ? hints_find(ps->hints, &p->pair.remote, ps->now) : NULL;
}

bool peer_hint_trusted(const struct oe_peers *ps, const struct oe_peer *p)
{
	return p->by_hint && peer_conf(ps, p)->trust_names;
}

bool peer_hint_forbidden(
	const struct oe_peers *ps, const struct oe_peer *p, const struct pol_rule *rule)
{
	bool by_hint = p->by_hint;

	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		by_hint = by_hint || sa->by_hint || sa->translated;
	return by_hint && rule && rule->group == POL_PRIVATE &&
	       !ps->conf->group[POL_PRIVATE].trust_names;
}

/* ---- a peer's key by a name */

/* Of the name p->hint. */
static void note(struct oe_peers *ps, struct oe_peer *p, enum journal_hint code, unsigned int n)
{
	peer_note(ps, p, JOURNAL_HINT, code, n, (uint32_t)hint_hash(p->hint));
}

bool peer_ask_hint(
	struct oe_peers *ps, struct oe_peer *p, enum dns_class class, enum dns_origin origin)
{
	const struct hint *hint = peer_hint(ps, p, class);
	struct oe_lookup *l;

	if (!hint)
		return false;
	l = peer_lookup_new(ps, p, DNS_ASK_FORWARD, origin);
	memcpy(l->name, hint->name, strlen(hint->name) + 1);
	p->lookup = l->id;
	peer_text(&p->hint, hint->name);
	note(ps, p, JOURNAL_HINT_ASKED, 0);
	peer_lookup_send(ps, l);
	return true;
}

enum peer_hint_answer peer_hint_answered(struct oe_peers *ps, struct oe_peer *p, const char *name,
	const struct dns_answer *a, const struct dns_key *keys)
{
	const struct addr *remote = &p->pair.remote;
	uint32_t ttl = a->ttl < TTL_MAX_S ? a->ttl : TTL_MAX_S;

	if (a->class == DNS_KEYS && a->addr_matches) {
		if (hints_has(ps->hints, remote, name, ps->now))
			hints_add(ps->hints, remote, name, HINT_RESOLVED, ps->now + ttl * SECOND,
				ps->now);
		peer_hint_keys(p, keys, a->n_keys);
		if (p->dns_until > ps->now + ttl * SECOND)
			p->dns_until = ps->now + ttl * SECOND;
		if (p->dns_until < ps->now + LEAST_US) /* that of the address was short */
			p->dns_until = ps->now + LEAST_US;
		note(ps, p, JOURNAL_HINT_COUNTS, p->n_keys);
		return PEER_HINT_COUNTS;
	}
	if (peer_says_nothing((enum dns_class)a->class)) {
		/* as with keys of the address: what was secure stays so until its time is over */
		if (p->by_hint && p->dns_until > ps->now)
			return PEER_HINT_COUNTS;
		note(ps, p, JOURNAL_HINT_SILENT, a->class);
		hints_rest(ps->hints, remote, name, ps->now + SILENT_US);
		return PEER_HINT_NEXT;
	}
	note(ps, p, a->class == DNS_KEYS ? JOURNAL_HINT_OTHER : JOURNAL_HINT_NO_KEY, a->class);
	hints_remove(ps->hints, remote, name);
	return PEER_HINT_NEXT;
}

void peer_hint_failed(struct oe_peers *ps, struct oe_peer *p)
{
	if (!p->by_hint)
		return;
	note(ps, p, JOURNAL_HINT_FAILED, 0);
	hints_rest(ps->hints, &p->pair.remote, p->hint, ps->now + FAILED_US);
	peer_hint_drop(ps, p);
}

/* ---- new hints */

/* An address has a name that it had not: who is in clear, or blocked, for want of a key gets another
 * chance. Packets that come from now on find it by themselves. */
static void wake_peer(struct oe_peers *ps, struct oe_peer *p)
{
	if ((p->state != OE_CLEAR && p->state != OE_BLOCKED) || p->lookup || !p->dns_known ||
		negotiate_busy(p) || !peer_hint(ps, p, (enum dns_class)p->dns_class))
		return;
	p->tries = 0;
	peer_look_up(ps, p, true);
}

static void wake(struct oe_peers *ps, const struct addr *remote)
{
	for (size_t i = 0; i < ps->n_locals; i++) {
		struct pair hosts = {.local = ps->locals[i], .remote = *remote};

		if (hosts.local.family != remote->family)
			continue;
		for (struct oe_peer *p = peer_first(ps, &hosts); p; p = peer_next(ps, p))
			wake_peer(ps, p);
	}
}

static bool is_host(const struct addr *a)
{
	return addr_valid(a) && !addr_is_any(a) && !addr_is_multicast(a) && !addr_is_loopback(a) &&
	       !addr_is_link_local(a);
}

static bool among(const struct addr *a, const struct addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(a, &list[i]))
			return true;
	return false;
}

/* A key whose gateway is the address itself counts for that address alone. */
static bool may_count(const struct dns_answer *a, const struct dns_key *keys)
{
	bool any = a->class == DNS_KEYS;

	for (size_t i = 0; a->class == DNS_UNUSABLE && i < a->n_keys; i++)
		any = any || keys[i].fault == DNS_KEY_GATEWAY_OTHER;
	return any && a->n_addrs;
}

static bool refused_before(const struct oe_peers *ps, const char *name)
{
	uint64_t h = hint_hash(name);

	return ps->no_hints[h % OE_NO_HINTS].hash == h &&
	       ps->no_hints[h % OE_NO_HINTS].until > ps->now;
}

static void remember_refused(struct oe_peers *ps, const char *name)
{
	uint64_t h = hint_hash(name);

	ps->no_hints[h % OE_NO_HINTS].hash = h;
	ps->no_hints[h % OE_NO_HINTS].until = ps->now + REFUSED_US;
}

void hint_answered(struct oe_peers *ps, const struct oe_hint_ask *ask, const char *name,
	const struct dns_answer *a, const struct dns_key *keys)
{
	uint64_t until = ps->now + (a->ttl < TTL_MAX_S ? a->ttl : TTL_MAX_S) * SECOND;
	bool good = may_count(a, keys);
	size_t taken = 0;

	for (size_t i = 0; i < ask->n_claims && !peer_says_nothing((enum dns_class)a->class); i++)
		if (!good || !among(&ask->claims[i], a->addrs, a->n_addrs))
			hints_remove(ps->hints, &ask->claims[i], name);
	for (size_t i = 0; good && i < a->n_addrs; i++) {
		int r = is_host(&a->addrs[i]) ? hints_add(ps->hints, &a->addrs[i], name,
							(enum hint_from)ask->from, until, ps->now)
					      : -EINVAL;

		taken += r == 0 || r == -EEXIST;
		ps->stats.hints_over_limit += r == -ENOSPC;
		if (r == 0)
			wake(ps, &a->addrs[i]);
	}
	if (!good)
		remember_refused(ps, name);
	ps->stats.hints_taken += taken > 0;
	ps->stats.hints_refused += taken == 0;
	if (ask->tag && ps->fx.hinted)
		ps->fx.hinted(ps->fx.arg, ask->tag, a, taken);
}

static bool all_known(const struct oe_peers *ps, const char *name, const struct oe_hint *hint)
{
	for (size_t i = 0; i < hint->n_claims; i++)
		if (!hints_has(ps->hints, &hint->claims[i], name, ps->now))
			return false;
	return hint->n_claims > 0;
}

/* What unbound gave its client is looked for by that name from now on. */
static void take_claims(
	struct oe_peers *ps, const char *name, const struct oe_hint *hint, struct oe_hint_ask *ask)
{
	for (size_t i = 0; i < hint->n_claims && i < DNS_ADDRS_MAX; i++)
		if (is_host(&hint->claims[i]) &&
			!hints_has(ps->hints, &hint->claims[i], name, ps->now) &&
			hints_add(ps->hints, &hint->claims[i], name, hint->from, ps->now + CLAIM_US,
				ps->now) == 0)
			ask->claims[ask->n_claims++] = hint->claims[i];
}

int oe_peers_hint(struct oe_peers *ps, const struct oe_hint *hint, uint64_t now)
{
	char name[DNS_NAME_MAX];
	struct oe_hint_ask *ask;
	struct oe_lookup *l;

	ps->now = now;
	if (hint_name(hint->name, name) < 0) {
		ps->stats.hints_refused++;
		return -EINVAL;
	}
	if (hint->from != HINT_ADMIN && (refused_before(ps, name) || all_known(ps, name, hint)))
		return -EALREADY;
	if (ps->n_hints_asked >= ASKED_MAX) {
		ps->stats.hints_over_limit++;
		return -EBUSY;
	}
	l = peer_lookup_new(
		ps, NULL, DNS_ASK_HINT, hint->from == HINT_ADMIN ? DNS_FROM_HOST : DNS_FROM_HINT);
	ask = l->hint = oe_must(calloc(1, sizeof(*ask)));
	ask->tag = hint->tag;
	ask->from = (uint8_t)hint->from;
	memcpy(l->name, name, sizeof(l->name));
	take_claims(ps, name, hint, ask);
	ps->n_hints_asked++;
	peer_lookup_send(ps, l);
	for (size_t i = 0; i < ask->n_claims; i++)
		wake(ps, &ask->claims[i]);
	return 0;
}

/* ---- warming up */

void oe_peers_warm(struct oe_peers *ps, const struct addr *addr, uint64_t now)
{
	const struct pol_rule *rule = policy_lookup(ps->policy, addr, 0, 0, 0);
	struct oe_lookup *l;

	ps->now = now;
	/* nobody will wait for it, or it is decided by the range */
	if (!is_host(addr) || (rule && rule->group < POL_PRIVATE_OR_CLEAR) ||
		ranges_find(ps->ranges, addr, now))
		return;
	if (ps->n_hints_asked >= ASKED_MAX) {
		ps->stats.hints_over_limit++;
		return;
	}
	l = peer_lookup_new(ps, NULL, DNS_ASK_REVERSE, DNS_FROM_HINT);
	l->addr = *addr;
	ps->n_hints_asked++;
	ps->stats.warmed++;
	peer_lookup_send(ps, l);
}

void oe_peers_locals(struct oe_peers *ps, const struct addr *list, size_t n)
{
	ps->locals = list;
	ps->n_locals = n;
}

size_t oe_peers_hints(const struct oe_peers *ps, const struct addr *addr, const struct hint **ret)
{
	return hints_of(ps->hints, addr, ret);
}
