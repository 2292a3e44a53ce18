/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's policies and SAs as a whole; see the essay in xfrm.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/service.h"
#include "xfrm/exempt.h"
#include "xfrm/policy_nl.h"
#include "xfrm/xfrm_priv.h"

/* Policies with a lifetime that are written again in one go. */
#define REARM_MAX 2000

/* ---- policies */

static void on_policy_answer(void *arg, int error)
{
	spd_answer(arg, error);
}

static void on_change(void *arg, struct spd_entry *entry, const struct spd_key *key,
	const struct spd_value *value)
{
	struct xfrm *x = arg;

	policy_put(x->nl, key, value, x->config.clear_lifetime, on_policy_answer, entry);
}

/* Writes the difference and all else that is in the batch. */
int xfrm_commit(struct xfrm *x)
{
	int r, policies;

	spd_sync(x->spd, service_now(), on_change, x);
	r = nl_flush(x->nl);
	policies = spd_take_error(x->spd);
	return policies ? policies : r;
}

/* The largest rank of a rule that closes the inbound side, for one family; -1 none. */
static int64_t closing_rank(const struct rules *rules, uint8_t family)
{
	int64_t rank = -1;

	for (size_t i = 0; i < rules->n; i++) {
		const struct xfrm_rule *rule = &rules->rule[i];

		if (rule->remote.addr.family == family && rule->rank > rank &&
			(rule->action == XFRM_ACTION_GUARD || rule->action == XFRM_ACTION_BLOCK))
			rank = rule->rank;
	}
	return rank;
}

void xfrm_rearm(struct xfrm *x)
{
	uint64_t now = service_now(), half = (uint64_t)x->config.clear_lifetime * 500000;
	int r;

	if (half && now > half)
		spd_rearm(x->spd, now, now - half, REARM_MAX, on_change, x);
	/* what failed before is tried again too */
	r = xfrm_commit(x);
	if (r < 0)
		log_limited("writing policies to the kernel: %s", strerror(-r));
}

/* Rules and exemptions on the addresses there are now. Before the agent has given its rules what a
 * predecessor left is not touched. */
int xfrm_rebuild(struct xfrm *x)
{
	int64_t closing[2] = {closing_rank(&x->rules, AF_INET), closing_rank(&x->rules, AF_INET6)};
	const struct own *own;
	size_t n_own;
	int r;

	if (!x->ruled)
		return 0;
	own = addrs_list(x->addrs, &n_own);
	spd_open(x->spd);
	exempt_want(x->spd, own, n_own, x->exempt, x->n_exempt);
	for (size_t i = 0; i < x->rules.n; i++) {
		const struct xfrm_rule *rule = &x->rules.rule[i];
		bool in_allow = rule->rank < closing[rule->remote.addr.family == AF_INET6];

		for (size_t j = 0; j < n_own; j++)
			/* a tentative address too: the trap stands before its first packet */
			if (own[j].addr.family == rule->remote.addr.family &&
				own_may_be_local(&own[j]))
				spd_want_rule(x->spd, rule, &own[j].addr, in_allow);
	}
	spd_close(x->spd);
	r = xfrm_commit(x);
	if (r < 0)
		log_error("writing policies to the kernel: %s", strerror(-r));
	return r;
}

/* Graces differ by seconds only, and there are few at a time: all are looked at. */
void xfrm_delete_late(struct xfrm *x)
{
	uint64_t now = service_now();
	size_t left = 0;

	for (size_t i = 0; i < x->n_late; i++) {
		const struct late *l = &x->late[i];

		if (l->due > now) {
			x->late[left++] = *l;
			continue;
		}
		sad_put_delete(x->nl, &l->id.pair, l->id.spi, true);
		sad_gone(x->sad, &l->id.pair, l->id.spi, true);
	}
	x->n_late = left;
	if (!left) {
		free(x->late);
		x->late = NULL;
	}
}

/* ---- what a predecessor left */

static void on_found_state(void *arg, const struct sad_state *s)
{
	struct xfrm *x = arg;
	struct found f = {.spi = s->spi, .level = s->level};

	/* one whose address is not here (yet) is left alone */
	f.inbound = !addrs_is_local(x->addrs, &s->src);
	if (f.inbound && !addrs_is_local(x->addrs, &s->dst))
		return;
	f.pair = sad_pair(s, f.inbound);
	f.encap_remote = f.inbound ? s->sport : s->dport;
	x->found = xfrm_grow(x->found, x->n_found + 1, sizeof(*x->found));
	x->found[x->n_found++] = f;
}

static void find_states(struct xfrm *x)
{
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < 5; tries++) {
		x->n_found = 0;
		r = sad_dump(x->nl, on_found_state, x);
	}
	if (r < 0)
		log_error("reading the kernel's SAs: %s", strerror(-r));
}

static void on_found_policy(void *arg, const struct spd_key *key, const struct spd_value *value)
{
	struct xfrm *x = arg;
	uint8_t bits = key->family == AF_INET ? 32 : 128;
	struct pair pair = spd_key_pair(key);
	/* a rule's priority is a step; a decision that asks for an SA stands as long as there is one */
	bool decision = (value->priority - XFRM_PRIO_RULES) % XFRM_PRIO_STEP &&
			value->kind == SPD_REQUIRED && key->src_len == bits && key->dst_len == bits;

	spd_found(x->spd, key, value, decision && sad_has_outbound(x->sad, &pair));
}

/* What a predecessor left. */
int xfrm_adopt(struct xfrm *x)
{
	find_states(x);
	for (size_t i = 0; i < x->n_found; i++)
		if (x->found[i].spi)
			sad_added(x->sad, &x->found[i].pair, x->found[i].spi, x->found[i].inbound);
	return policy_dump(x->nl, on_found_policy, x);
}

/* All that is ours, and nothing else. */
void xfrm_remove_all(struct xfrm *x)
{
	find_states(x);
	for (size_t i = 0; i < x->n_found; i++) {
		struct found *f = &x->found[i];

		if (f->spi)
			sad_put_delete(x->nl, &f->pair, f->spi, f->inbound);
		else
			sad_put_delete_larval(x->nl, &f->pair, f->level);
	}
	spd_clear(x->spd);
	if (xfrm_commit(x) < 0)
		log_warn("not all policies could be removed");
	hook_remove(x->hook);
}
