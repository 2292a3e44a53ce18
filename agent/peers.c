/* SPDX-License-Identifier: BSD-2-Clause */
/* All peers together: what comes from the services, from a new configuration and from commands. */
#include "agent/peer_priv.h"

#include <errno.h>
#include <stdlib.h>

int oe_peers_event(struct oe_peers *ps, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len, uint64_t now)
{
	ps->now = now;
	switch (type) {
	case XFRM_EV_TRAPPED: {
		const struct xfrm_trapped *t = fixed;

		if (!pair_valid(&t->pair))
			return -EBADMSG;
		peer_trapped(ps, t);
		return 0;
	}
	case XFRM_EV_DONE:
		install_done(ps, fixed);
		return 0;
	case XFRM_EV_TRAFFIC:
		install_traffic(ps, fixed);
		return 0;
	case XFRM_EV_EXPIRE:
		install_expire(ps, fixed);
		return 0;
	case XFRM_EV_ADOPTED: {
		const struct xfrm_adopted *a = fixed;

		if (!pair_valid(&a->pair))
			return -EBADMSG;
		install_adopted(ps, a);
		return 0;
	}
	case XFRM_EV_COUNTERS:
		peer_counters(ps, fixed);
		return 0;
	case XFRM_EV_MAPPED:
		nat_mapped(ps, fixed);
		return 0;
	case XFRM_EV_STRAY: {
		const struct xfrm_stray *s = fixed;

		if (!pair_valid(&s->pair))
			return -EBADMSG;
		stray_came(ps, s);
		return 0;
	}
	case DNS_EV_ANSWER:
		return peer_answer(ps, fixed, tail, tail_len);
	case DNS_EV_RANGE:
		return peer_range(ps, fixed);
	default:
		return negotiate_event(ps, type, fixed, tail, tail_len);
	}
}

static void kernel_back(struct oe_peers *ps)
{
	struct oe_peer *p;
	size_t at = 0;

	while ((p = table_next(&ps->by_pair, &at))) {
		if (p->state == OE_CLEAR && peer_group(p) == POL_PRIVATE_OR_CLEAR)
			install_decide(ps, p, XFRM_VERDICT_CLEAR);
		else if (p->state == OE_BLOCKED)
			install_decide(ps, p, XFRM_VERDICT_BLOCK);
	}
}

void oe_peers_service(struct oe_peers *ps, enum oe_service service, bool up, uint64_t now)
{
	ps->now = now;
	ps->up[service] = up;
	switch (service) {
	case OE_XFRM:
		up ? kernel_back(ps) : install_lost(ps);
		break;
	case OE_RESOLVER:
		ps->resolver_since = now;
		if (up)
			peer_ask_again(ps);
		break;
	case OE_IKE:
		up ? negotiate_ike_back(ps) : negotiate_ike_lost(ps);
		break;
	case OE_SIGNER: /* the agent keeps what is to be signed */
	case OE_LISTENER:
	case OE_N_SERVICES:
		break;
	}
}

static bool same_level(const struct pol_rule *a, const struct pol_rule *b)
{
	struct scope of_a = pol_scope(a), of_b = pol_scope(b);

	return scope_level(&of_a) == scope_level(&of_b);
}

/* Whether an SA stands with a peer that proved nothing, which would not come about under rule. */
static bool anonymous_forbidden(
	const struct oe_peers *ps, const struct oe_peer *p, const struct pol_rule *rule)
{
	if (!rule || ps->conf->group[rule->group].anonymous != CONF_ANON_NEVER)
		return false;
	for (const struct oe_sa *sa = p->sas; sa; sa = sa->next)
		if (sa->up && sa->auth_peer == IKE_AUTH_NONE)
			return true;
	return false;
}

void oe_peers_configure(
	struct oe_peers *ps, const struct conf *conf, const struct policy *policy, uint64_t now)
{
	struct oe_peer *p;
	size_t at = 0;

	ps->now = now;
	ps->conf = conf;
	ps->policy = policy;
	while ((p = table_next(&ps->by_pair, &at))) {
		const struct pol_rule *was = p->rule;
		const struct scope *scope = &p->pair.scope;
		const struct pol_rule *is = policy_lookup(
			policy, &p->pair.remote, scope->proto, scope->sport, scope->dport);
		bool by_hint = peer_hint_forbidden(ps, p, is);
		bool too_weak = by_hint || anonymous_forbidden(ps, p, is);
		bool same = was && is && was->group == is->group && was->rank == is->rank &&
			    was->proto == is->proto && was->sport == is->sport &&
			    was->dport == is->dport && prefix_equal(&was->remote, &is->remote);

		if ((was == is || same) && !too_weak) {
			p->rule = is;
			continue;
		}
		peer_note(ps, p, JOURNAL_POLICY, is ? is->group : POL_CLEAR, 0, is ? is->line : 0);
		/* the SAs are bound to the level of their rule */
		if (p->state == OE_PRIVATE && is && is->group >= POL_CLEAR_OR_PRIVATE &&
			!too_weak && was && same_level(was, is)) {
			p->rule = is;
			continue;
		}
		/* under the old rule still: a decision of it is taken back */
		if (by_hint)
			peer_hint_drop(ps, p);
		negotiate_close(ps, p, false);
		peer_idle(ps, p, OE_WHY_POLICY);
		p->rule = is;
	}
}

static bool wants_dns(const struct oe_peer *p)
{
	return (p->state == OE_CLEAR || p->state == OE_BLOCKED) &&
	       (p->reason == OE_WHY_DNS_UNAVAILABLE || p->reason == OE_WHY_DNS_FAILED ||
		       p->reason == OE_WHY_DNS_TIMEOUT);
}

void oe_peers_dns_back(struct oe_peers *ps, uint64_t now)
{
	struct oe_peer *p;
	size_t at = 0;

	ps->now = now;
	while ((p = table_next(&ps->by_pair, &at))) {
		if (!wants_dns(p) || negotiate_busy(p))
			continue;
		p->tries = 0;
		p->ask_anew = 1;
		peer_look_up(ps, p, true);
	}
}

void oe_peers_flush_ranges(struct oe_peers *ps)
{
	ranges_flush(ps->ranges);
}

void oe_peers_manual(struct oe_peers *ps, const struct manual *manual, uint64_t now)
{
	struct oe_peer *p;
	size_t at = 0;

	ps->now = now;
	ps->manual = manual;
	while ((p = table_next(&ps->by_pair, &at))) {
		const struct manual_peer *was = p->manual;

		p->manual = manual_find(manual, &p->pair.remote);
		if (manual_same(was, p->manual))
			continue;
		/* what proved it before proves it no more, and what DNS said is of no use */
		peer_text(&p->certificate, NULL);
		if (p->lookup)
			peer_drop_lookup(ps, p->lookup);
		p->lookup = 0;
		p->dns_known = 0;
		p->key_gone = 0;
		negotiate_close(ps, p, false);
		peer_idle(ps, p, OE_WHY_POLICY);
	}
}

void oe_peers_own_key(struct oe_peers *ps, bool have)
{
	ps->have_key = have;
}

size_t oe_peers_down(struct oe_peers *ps, const struct addr *remote, uint64_t now)
{
	struct oe_peer *p;
	size_t n = 0, at = 0;

	ps->now = now;
	while ((p = table_next(&ps->by_pair, &at))) {
		if (!addr_equal(&p->pair.remote, remote))
			continue;
		n++;
		peer_note(ps, p, JOURNAL_COMMAND, JOURNAL_DOWN_CMD, 0, 0);
		negotiate_close(ps, p, false);
		peer_idle(ps, p, OE_WHY_COMMAND);
	}
	return n;
}

size_t oe_peers_forget(struct oe_peers *ps, const struct addr *remote, uint64_t now)
{
	struct oe_peer *p;
	size_t n = 0, at = 0;

	ps->now = now;
	while ((p = table_next(&ps->by_pair, &at))) {
		if (!addr_equal(&p->pair.remote, remote))
			continue;
		n++;
		negotiate_close(ps, p, false);
		peer_idle(ps, p, OE_WHY_COMMAND);
		peer_free(ps, p);
	}
	return n;
}

int oe_peers_up(struct oe_peers *ps, const struct pair *pair, uint64_t now)
{
	struct oe_peer *p;

	ps->now = now;
	p = peer_get(ps, pair);
	if (!p)
		return -ENOMEM;
	if (!p->rule || p->rule->group <= POL_CLEAR) {
		if (p->state == OE_IDLE && !p->sas)
			peer_free(ps, p);
		return -ENOENT;
	}
	peer_note(ps, p, JOURNAL_COMMAND, JOURNAL_UP_CMD, 0, 0);
	peer_note(ps, p, JOURNAL_RULE, p->rule->group, 0, p->rule->line);
	p->tries = 0;
	p->ask_anew = 1;
	if (!negotiate_busy(p))
		peer_look_up(ps, p, true);
	return 0;
}

void oe_peers_local_gone(struct oe_peers *ps, const struct addr *local, uint64_t now)
{
	struct oe_peer *p;
	size_t at = 0;

	ps->now = now;
	while ((p = table_next(&ps->by_pair, &at))) {
		if (!addr_equal(&p->pair.local, local))
			continue;
		negotiate_close(ps, p, true);
		peer_free(ps, p);
	}
}

static const void *key_pair(const void *object)
{
	return &((const struct oe_peer *)object)->pair;
}

static const void *key_handle(const void *object)
{
	return &((const struct oe_sa *)object)->handle;
}

struct oe_peers *oe_peers_new(
	const struct oe_effects *fx, const struct conf *conf, const struct policy *policy)
{
	struct oe_peers *ps = oe_must(calloc(1, sizeof(*ps)));

	ps->fx = *fx;
	ps->conf = conf;
	ps->policy = policy;
	ps->ranges = ranges_new();
	table_init(&ps->by_pair, key_pair, PAIR_HOSTS_LEN, fx->seed);
	table_init(&ps->by_handle, key_handle, sizeof(uint32_t), fx->seed);
	ps->hints = hints_new();
	return ps;
}

static void say_nothing(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	(void)arg, (void)to, (void)type, (void)fixed, (void)fixed_len, (void)tail, (void)tail_len;
}

void oe_peers_free(struct oe_peers *ps)
{
	struct oe_install *i, *next_i;
	struct oe_peer *p;
	size_t at = 0;

	if (!ps)
		return;
	ps->fx = (struct oe_effects){.send = say_nothing};
	while ((p = table_next(&ps->by_pair, &at)))
		peer_free(ps, p);
	while (ps->lookups) /* without a peer */
		peer_drop_lookup(ps, ps->lookups->id);
	HASH_ITER(hh, ps->installs, i, next_i) {
		HASH_DEL(ps->installs, i);
		free(i);
	}
	table_free(&ps->by_pair);
	table_free(&ps->by_handle);
	heap_free(&ps->timers);
	heap_free(&ps->refreshes);
	heap_free(&ps->verdicts);
	ranges_free(ps->ranges);
	hints_free(ps->hints);
	while (ps->suites) {
		struct oe_suite *suite = ps->suites;

		ps->suites = suite->next;
		free(suite);
	}
	free(ps);
}

void oe_peers_each(
	const struct oe_peers *ps, void (*fn)(void *arg, const struct oe_peer *), void *arg)
{
	struct oe_peer *p;
	size_t at = 0;

	while ((p = table_next(&ps->by_pair, &at)))
		fn(arg, p);
}

const struct oe_peer *oe_peers_find(const struct oe_peers *ps, const struct pair *pair)
{
	return peer_find(ps, pair);
}

void oe_peers_get_stats(const struct oe_peers *ps, struct oe_peers_stats *ret)
{
	*ret = ps->stats;
	ret->ranges = (uint32_t)ranges_count(ps->ranges);
	ret->hints = (uint32_t)hints_count(ps->hints);
}
