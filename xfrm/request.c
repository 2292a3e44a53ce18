/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent asks; see the essay in xfrm.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/service.h"
#include "xfrm/check.h"
#include "xfrm/stat.h"
#include "xfrm/xfrm_priv.h"

/* Rules in one set. */
#define RULES_MAX (1u << 20)

/* ---- requests */

static void done(struct xfrm *x, uint32_t tag, int error, struct hold_counts counts)
{
	struct xfrm_done ev = {
		.tag = tag,
		.error = error,
		.released = counts.released,
		.held_us = counts.held_us,
	};

	msg_send_struct(x->agent, XFRM_EV_DONE, &ev);
}

/* 0, or why nothing can be done for the pair. */
static int refuse_pair(const struct xfrm *x, const struct pair *pair, bool well_formed)
{
	if (!well_formed)
		return -EINVAL;
	return addrs_is_local(x->addrs, &pair->local) ? 0 : -EADDRNOTAVAIL;
}

static void send_found(struct xfrm *x)
{
	for (size_t i = 0; i < x->n_found; i++) {
		struct xfrm_adopted ev = {
			.pair = x->found[i].pair,
			.spi = x->found[i].spi,
			.encap_remote = x->found[i].encap_remote,
			.inbound = x->found[i].inbound,
		};

		if (ev.spi)
			msg_send_struct(x->agent, XFRM_EV_ADOPTED, &ev);
	}
}

static void on_config(struct xfrm *x, const struct xfrm_config *config)
{
	struct xfrm_ready ready = {
		.hold = (uint8_t)(x->queue ? hook_kind(x->hook) : XFRM_HOLD_NONE)};
	const struct own *own;
	size_t n;

	if (!check_config(config)) {
		log_error("the agent's configuration is out of range: ignored");
		return;
	}
	x->config = *config;
	hold_limits(x->hold, config->hold, config->hold_max, config->hold_peer_max);
	if (x->configured)
		return;
	x->configured = true;
	snprintf(ready.why, sizeof(ready.why), "%s", hook_why(x->hook));
	if (!config->hold) {
		ready.hold = XFRM_HOLD_NONE;
		snprintf(ready.why, sizeof(ready.why), "switched off in oed.conf");
	}
	msg_send_struct(x->agent, XFRM_EV_READY, &ready);
	own = addrs_list(x->addrs, &n);
	for (size_t i = 0; i < n; i++) {
		bool told = false;

		for (size_t j = 0; j < i; j++)
			told |= addr_equal(&own[j].addr, &own[i].addr);
		if (!told && addrs_is_local(x->addrs, &own[i].addr))
			xfrm_send_local(x, &own[i].addr, true);
	}
	send_found(x);
}

/* The traps that a predecessor did not answer: their larval states keep the kernel from asking. */
static void ask_larvals(struct xfrm *x)
{
	for (size_t i = 0; i < x->n_found; i++)
		if (!x->found[i].spi)
			hold_acquire(x->hold, service_now(), &x->found[i].pair, &(struct scope){0});
	free(x->found);
	x->found = NULL;
	x->n_found = 0;
	xfrm_schedule_acquires(x);
}

static bool any_ported(const struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->rule[i].proto)
			return true;
	return false;
}

static void on_rules(struct xfrm *x, const struct xfrm_rules *head, const uint8_t *tail, size_t len)
{
	size_t n = len / sizeof(struct xfrm_rule);
	struct rules *next = &x->next;
	int r;

	if (head->first) {
		next->n = 0;
		x->next_bad = false;
	}
	x->next_bad |= next->n + n > RULES_MAX;
	if (x->next_bad)
		n = 0;
	if (next->n + n > next->cap) {
		next->cap = 2 * (next->n + n);
		next->rule = xfrm_grow(next->rule, next->cap, sizeof(*next->rule));
	}
	for (size_t i = 0; i < n; i++) {
		struct xfrm_rule rule;

		memcpy(&rule, tail + i * sizeof(rule), sizeof(rule));
		x->next_bad |= !check_rule(&rule);
		next->rule[next->n++] = rule;
	}
	if (!head->last)
		return;
	if (x->next_bad) {
		log_error("the agent's rules are ill-formed: the old ones stay");
		done(x, head->tag, -EINVAL, (struct hold_counts){0});
		return;
	}
	free(x->rules.rule);
	x->rules = *next;
	*next = (struct rules){0};
	x->ruled = true;
	hold_ports(x->hold, any_ported(&x->rules));
	r = xfrm_rebuild(x);
	xfrm_watch_strays(x);
	ask_larvals(x);
	done(x, head->tag, r, (struct hold_counts){0});
}

static void on_exempt(
	struct xfrm *x, const struct xfrm_exempt_list *head, const uint8_t *tail, size_t len)
{
	size_t n = len / sizeof(struct xfrm_exempt);
	struct xfrm_exempt *list = xfrm_grow(NULL, n + 1, sizeof(*list));

	if (len)
		memcpy(list, tail, len);
	for (size_t i = 0; i < n; i++)
		if (head->count != n || !check_exempt(&list[i])) {
			log_error("the agent's exemptions are ill-formed: the old ones stay");
			free(list);
			return;
		}
	free(x->exempt);
	x->exempt = list;
	x->n_exempt = n;
	xfrm_rebuild(x);
}

static void on_sa_in(struct xfrm *x, const struct xfrm_sa *sa, const uint8_t *key, size_t key_len)
{
	int r = refuse_pair(x, &sa->pair, check_sa(sa, true, key_len)), error = 0;

	if (!r) {
		sad_put(x->nl, sa, true, key, key_len, &error);
		r = nl_flush(x->nl);
	}
	if (!r && !error)
		sad_added(x->sad, &sa->pair, sa->spi, true);
	done(x, sa->tag, r ? r : error, (struct hold_counts){0});
}

static void on_sa_out(struct xfrm *x, const struct xfrm_sa *sa, const uint8_t *key, size_t key_len)
{
	int r = refuse_pair(x, &sa->pair, check_sa(sa, false, key_len)), error = 0;
	struct hold_counts counts = {0};
	struct hold_decision decision = {
		.pair = sa->pair,
		.outcome = HOLD_PRIVATE,
		.encap = sa->encap_local != 0,
	};

	if (!r) {
		/* the SA first; it takes the larval state away, and without it the rest is a trap
		 */
		sad_put(x->nl, sa, false, key, key_len, &error);
		spd_undecide(x->spd, SPD_OUT, &sa->pair);
		spd_undecide(x->spd, SPD_IN, &sa->pair);
		if (sa->require_out)
			spd_decide(x->spd, SPD_OUT, &sa->pair, &sa->rule, SPD_REQUIRED, false);
		spd_decide(x->spd, SPD_IN, &sa->pair, &sa->rule, SPD_REQUIRED, false);
		r = xfrm_commit(x);
		r = error ? error : r;
	}
	if (!error && !r) {
		sad_added(x->sad, &sa->pair, sa->spi, false);
		counts = hold_decide(x->hold, service_now(), &decision);
	} else if (error && !sad_has_outbound(x->sad, &sa->pair)) {
		spd_undecide(x->spd, SPD_OUT, &sa->pair);
		spd_undecide(x->spd, SPD_IN, &sa->pair);
		xfrm_commit(x);
	}
	done(x, sa->tag, r, counts);
}

static void on_sa_delete(struct xfrm *x, const struct xfrm_sa_id *id)
{
	if (!check_sa_id(id))
		return;
	if (id->grace) {
		x->late = xfrm_grow(x->late, x->n_late + 1, sizeof(*x->late));
		x->late[x->n_late++] = (struct late){
			.id = *id, .due = service_now() + id->grace * UINT64_C(1000000)};
		return;
	}
	sad_put_delete(x->nl, &id->pair, id->spi, id->inbound);
	sad_gone(x->sad, &id->pair, id->spi, id->inbound);
	if (id->last) {
		spd_undecide(x->spd, SPD_OUT, &id->pair);
		spd_undecide(x->spd, SPD_IN, &id->pair);
		/* what waits goes on waiting; but nothing is decided any more */
		if (!hold_now(x->hold, &id->pair))
			hold_forget(x->hold, &id->pair);
	}
	xfrm_commit(x);
}

/* OUT first, then the answers, which must come in, then IN. */
static int decide_block(struct xfrm *x, const struct xfrm_decide *d, const struct hold_decision *h,
	struct hold_counts *counts)
{
	int r;

	spd_undecide(x->spd, SPD_OUT, &d->pair);
	spd_decide(x->spd, SPD_OUT, &d->pair, &d->rule, SPD_BLOCK, false);
	sad_put_delete_larval(x->nl, &d->pair, spd_level(&d->rule));
	r = xfrm_commit(x);
	if (r < 0)
		return r;
	*counts = hold_decide(x->hold, service_now(), h);
	spd_undecide(x->spd, SPD_IN, &d->pair);
	spd_decide(x->spd, SPD_IN, &d->pair, &d->rule, SPD_BLOCK, false);
	return xfrm_commit(x);
}

static int decide_clear(struct xfrm *x, const struct xfrm_decide *d, const struct hold_decision *h,
	struct hold_counts *counts)
{
	int r;

	spd_undecide(x->spd, SPD_OUT, &d->pair);
	spd_undecide(x->spd, SPD_IN, &d->pair);
	spd_decide(x->spd, SPD_OUT, &d->pair, &d->rule, SPD_ALLOW, x->config.clear_lifetime != 0);
	sad_put_delete_larval(x->nl, &d->pair, spd_level(&d->rule));
	r = xfrm_commit(x);
	if (!r)
		*counts = hold_decide(x->hold, service_now(), h);
	return r;
}

static void on_decide(struct xfrm *x, const struct xfrm_decide *d)
{
	bool forget = d->verdict == XFRM_VERDICT_FORGET;
	int r = refuse_pair(x, &d->pair, check_decide(d));
	struct hold_counts counts = {0};
	struct hold_decision h = {.pair = d->pair};

	/* an address that went may be tidied up behind */
	if (r && !(forget && r == -EADDRNOTAVAIL)) {
		done(x, d->tag, r, counts);
		return;
	}
	r = 0;
	switch ((enum xfrm_verdict)d->verdict) {
	case XFRM_VERDICT_CLEAR:
		h.outcome = HOLD_CLEAR;
		r = decide_clear(x, d, &h, &counts);
		break;
	case XFRM_VERDICT_BLOCK:
		h.outcome = HOLD_BLOCK;
		r = decide_block(x, d, &h, &counts);
		break;
	case XFRM_VERDICT_DROP:
		h.outcome = HOLD_DROP;
		sad_put_delete_larval(x->nl, &d->pair, spd_level(&d->rule));
		r = xfrm_commit(x);
		counts = hold_decide(x->hold, service_now(), &h);
		break;
	case XFRM_VERDICT_FORGET:
		spd_undecide(x->spd, SPD_OUT, &d->pair);
		spd_undecide(x->spd, SPD_IN, &d->pair);
		sad_put_delete_larval(x->nl, &d->pair, spd_level(&d->rule));
		r = xfrm_commit(x);
		counts.released = hold_forget(x->hold, &d->pair);
		break;
	}
	done(x, d->tag, r, counts);
}

static void on_counters(struct xfrm *x, const struct xfrm_counters_req *req)
{
	struct xfrm_counters ev = {.tag = req->tag, .pair = req->pair};

	if (req->pair.local.family) {
		if (!check_pair(&req->pair))
			return;
		sad_count(x->sad, x->nl, &req->pair, &ev);
		ev.held_now = hold_now(x->hold, &req->pair);
	}
	ev.held_total = hold_total(x->hold);
	ev.held_dropped = hold_dropped(x->hold);
	stat_read(x->stat, &ev);
	msg_send_struct(x->agent, XFRM_EV_COUNTERS, &ev);
}

static void on_move(struct xfrm *x, const struct xfrm_move *m)
{
	int r = refuse_pair(x, &m->pair, check_pair(&m->pair) && m->encap_remote);

	if (!r)
		r = sad_move(x->sad, x->nl, &m->pair, m->encap_remote);
	if (r < 0)
		log_limited("%s: its new port %u: %s", addr_str(&m->pair.remote), m->encap_remote,
			strerror(-r));
}

static void on_traffic(struct xfrm *x, const struct xfrm_traffic_req *req)
{
	struct xfrm_traffic ev = {.pair = req->pair};
	bool in, out;

	if (!check_pair(&req->pair))
		return;
	sad_traffic(x->sad, x->nl, &req->pair, &in, &out);
	ev.in = in;
	ev.out = out;
	msg_send_struct(x->agent, XFRM_EV_TRAFFIC, &ev);
}

static void on_stop_request(struct xfrm *x, const struct xfrm_stop *req)
{
	if (!req->keep)
		xfrm_remove_all(x);
	event_base_loopbreak(x->base);
}

void xfrm_on_request(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct xfrm *x = state;

	switch ((enum xfrm_req)type) {
	case XFRM_REQ_CONFIG:
		on_config(x, fixed);
		break;
	case XFRM_REQ_RULES:
		on_rules(x, fixed, tail, tail_len);
		break;
	case XFRM_REQ_EXEMPT:
		on_exempt(x, fixed, tail, tail_len);
		break;
	case XFRM_REQ_SA_IN:
		on_sa_in(x, fixed, tail, tail_len);
		break;
	case XFRM_REQ_SA_OUT:
		on_sa_out(x, fixed, tail, tail_len);
		break;
	case XFRM_REQ_SA_DELETE:
		on_sa_delete(x, fixed);
		break;
	case XFRM_REQ_DECIDE:
		on_decide(x, fixed);
		break;
	case XFRM_REQ_COUNTERS:
		on_counters(x, fixed);
		break;
	case XFRM_REQ_MOVE:
		on_move(x, fixed);
		break;
	case XFRM_REQ_TRAFFIC:
		on_traffic(x, fixed);
		break;
	case XFRM_REQ_STOP:
		on_stop_request(x, fixed);
		break;
	}
}
