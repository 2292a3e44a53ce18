/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a peer's wish the rules let it have (RFC 7296 section 2.9). */
#include "policy/policy_priv.h"

struct scope pol_scope(const struct pol_rule *rule)
{
	return (struct scope){.proto = rule->proto, .sport = rule->sport, .dport = rule->dport};
}

static bool encrypts(const struct pol_rule *rule)
{
	return rule && rule->group > POL_CLEAR;
}

static const struct pol_rule *lookup(
	const struct policy *p, const struct addr *remote, const struct scope *s)
{
	return policy_lookup(p, remote, s->proto, s->sport, s->dport);
}

/* Whether the rule is the one in force for its own traffic with remote. */
static bool in_force(const struct policy *p, const struct addr *remote, const struct pol_rule *rule)
{
	struct scope s = pol_scope(rule);

	return prefix_contains(&rule->remote, remote) && lookup(p, remote, &s) == rule;
}

bool policy_may_encrypt(const struct policy *p, const struct addr *remote)
{
	const struct pol_rule *r;

	if (encrypts(policy_lookup(p, remote, 0, 0, 0)))
		return true;
	for (size_t i = 0; (r = policy_ported(p, i)); i++)
		if (encrypts(r) && in_force(p, remote, r))
			return true;
	return false;
}

static bool is_all(uint16_t first, uint16_t last)
{
	return first == 0 && last == UINT16_MAX;
}

/* The wish as a scope, where it is one. */
static bool as_scope(const struct pol_wish *w, struct scope *ret)
{
	bool sport = !is_all(w->sport_first, w->sport_last);
	bool dport = !is_all(w->dport_first, w->dport_last);

	if ((sport && (!w->sport_first || w->sport_first != w->sport_last)) ||
		(dport && (!w->dport_first || w->dport_first != w->dport_last)) ||
		(!w->proto && (sport || dport)))
		return false;
	*ret = (struct scope){.proto = w->proto,
		.sport = sport ? w->sport_first : 0,
		.dport = dport ? w->dport_first : 0};
	return true;
}

static bool holds(uint16_t first, uint16_t last, uint16_t port)
{
	return port ? first <= port && port <= last : is_all(first, last);
}

static bool within(const struct pol_rule *r, const struct pol_wish *w)
{
	return (!w->proto || w->proto == r->proto) &&
	       holds(w->sport_first, w->sport_last, r->sport) &&
	       holds(w->dport_first, w->dport_last, r->dport);
}

const struct pol_rule *policy_narrow(const struct policy *p, const struct addr *remote,
	const struct pol_wish *wish, struct scope *ret)
{
	const struct pol_rule *r;
	struct scope s;

	if (as_scope(wish, &s) && encrypts(lookup(p, remote, &s))) {
		*ret = s;
		return lookup(p, remote, &s);
	}
	for (size_t i = 0; (r = policy_ported(p, i)); i++) {
		if (!encrypts(r) || !within(r, wish) || !in_force(p, remote, r))
			continue;
		*ret = pol_scope(r);
		return r;
	}
	return NULL;
}
