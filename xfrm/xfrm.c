/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xfrm service: the one process that touches the kernel's policies, SAs, packet queue and
 * addresses. It decides nothing. It holds CAP_NET_ADMIN, reads bytes of strangers only as held
 * packets (packet.c) and otherwise believes the kernel; every request of the agent is checked again.
 *
 * Objects, and who owns them:
 *   spd.c     what policies should stand and do stand: rules, exemptions, decisions. Pure.
 *   sad.c     our SAs, the larval states that ACQUIREs leave behind.
 *   hold.c    pairs that wait, with their held packets; recently decided ones. Pure.
 *   addrs.c   this host's addresses; exempt.c what is never trapped.
 *   hook.c    the firewall rule in front of the queue; queue.c the queue.
 *   netlink.c batches of requests, event sockets; policy_nl.c policies as messages.
 *
 * Event sources: the agent's channel; the XFRM groups ACQUIRE and EXPIRE; the packet queue; the
 * address groups of rtnetlink; a timer of one second, and one of two milliseconds while an ACQUIRE
 * waits for its packet.
 *
 * The order of things is what keeps a `private` peer's traffic inside:
 *   - open: event groups, then the queue, then the hook, and only then a look at what the kernel has.
 *     What a predecessor left stands until the agent has given the whole set of rules; then the
 *     difference is written, new policies before removals.
 *   - a decision is one batch; its answers are read (they are there when sendto() returns); only then
 *     held packets get their verdict: ACCEPT with our mark bit, upon which the kernel routes anew.
 *   - the end: nothing is undone unless the agent says so. Traps and guards outlive us.
 *
 * References: linux/xfrm.h and net/xfrm/xfrm_user.c of Linux 6.1; RFC 4301 section 4.4 (SPD, SAD), RFC
 * 4303 (ESP), RFC 4106, RFC 7634, RFC 3948.
 */
#include "xfrm/xfrm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "xfrm/addrs.h"
#include "xfrm/check.h"
#include "xfrm/exempt.h"
#include "xfrm/hold.h"
#include "xfrm/hook.h"
#include "xfrm/netlink.h"
#include "xfrm/policy_nl.h"
#include "xfrm/queue.h"
#include "xfrm/sad.h"
#include "xfrm/spd.h"
#include "xfrm/stat.h"

#define TICK_SECONDS 1
/* Policies with a lifetime that are written again in one tick. */
#define REARM_MAX 2000
#define N(a) (sizeof(a) / sizeof((a)[0]))

struct found {
	struct pair pair;
	uint32_t spi; /* 0: larval */
	bool inbound;
};

/* A growing array. */
struct rules {
	struct xfrm_rule *rule;
	size_t n;
	size_t cap;
};

struct xfrm {
	struct event_base *base;
	struct msg_channel *agent;
	struct nl *nl;
	int watch; /* socket of the XFRM groups */
	struct addrs *addrs;
	struct queue *queue; /* NULL: no hold */
	struct hook *hook;
	int stat;
	int raw[2]; /* IPv4, IPv6: for answers to our own applications */
	struct event *events[5];

	struct spd *spd;
	struct sad *sad;
	struct hold *hold;
	struct xfrm_config config;
	bool configured;
	bool ruled; /* the agent has given the rules */
	struct rules rules;
	struct rules next; /* being received */
	bool next_bad;
	struct xfrm_exempt *exempt;
	size_t n_exempt;
	struct found *found; /* in the kernel at start */
	size_t n_found;
	_Alignas(8) uint8_t received[64 * 1024];
};

enum { EV_WATCH, EV_ADDRS, EV_QUEUE, EV_ACQUIRE, EV_TICK };

static void *grow(void *array, size_t n, size_t size)
{
	void *p = realloc(array, n * size);

	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

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
static int commit(struct xfrm *x)
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

/* Rules and exemptions on the addresses there are now. Before the agent has given its rules what a
 * predecessor left is not touched. */
static int rebuild(struct xfrm *x)
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
			if (own[j].addr.family == rule->remote.addr.family && own_may_be_local(&own[j]))
				spd_want_rule(x->spd, rule, &own[j].addr, in_allow);
	}
	spd_close(x->spd);
	r = commit(x);
	if (r < 0)
		log_error("writing policies to the kernel: %s", strerror(-r));
	return r;
}

/* ---- the effects of hold.c */

static void on_verdict(
	void *arg, uint32_t id, bool accept, uint32_t mark, const uint8_t *payload, size_t len)
{
	struct xfrm *x = arg;

	queue_verdict(x->queue, id, accept, mark, payload, len);
}

static void on_answer(void *arg, const struct addr *to, const uint8_t *data, size_t len)
{
	struct xfrm *x = arg;
	struct sockaddr_storage ss;
	socklen_t ss_len = addr_to_sockaddr(to, 0, &ss);
	int fd = x->raw[to->family == AF_INET6];

	if (fd >= 0 && sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&ss, ss_len) < 0)
		log_limited("answer to a refused packet: %s", strerror(errno));
}

static void on_trapped(void *arg, const struct xfrm_trapped *ev)
{
	struct xfrm *x = arg;

	/* ours can be no longer, or never have been: a trap of somebody else */
	if (addrs_is_local(x->addrs, &ev->pair.local) && check_pair(&ev->pair))
		msg_send_struct(x->agent, XFRM_EV_TRAPPED, ev);
}

static uint32_t on_mtu(void *arg, const struct pair *pair)
{
	struct xfrm *x = arg;

	return addrs_mtu(x->addrs, pair);
}

static const struct hold_effects hold_effects = {
	.verdict = on_verdict,
	.answer = on_answer,
	.trapped = on_trapped,
	.mtu = on_mtu,
};

/* ---- events of the kernel */

static void schedule_acquires(struct xfrm *x)
{
	struct timeval delay = {.tv_usec = HOLD_ACQUIRE_DELAY};

	if (hold_has_acquires(x->hold) && !event_pending(x->events[EV_ACQUIRE], EV_TIMEOUT, NULL))
		event_add(x->events[EV_ACQUIRE], &delay);
}

static void on_acquire(struct xfrm *x, const struct nlmsghdr *nlh)
{
	const struct xfrm_user_acquire *a = nl_payload(nlh, sizeof(*a));
	struct pair pair;

	if (!a || !policy_is_ours(a->policy.priority) ||
		(a->sel.family != AF_INET && a->sel.family != AF_INET6))
		return;
	if (a->sel.family == AF_INET) {
		pair.local = addr_from_v4(&a->saddr);
		pair.remote = addr_from_v4(&a->id.daddr);
	} else {
		pair.local = addr_from_v6(&a->saddr);
		pair.remote = addr_from_v6(&a->id.daddr);
	}
	hold_acquire(x->hold, service_now(), &pair, a->sel.proto, ntohs(a->sel.sport),
		ntohs(a->sel.dport));
	schedule_acquires(x);
}

static void on_expire(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct sad_state s;
	struct xfrm_expire ev = {0};
	bool hard;

	/* without SPI: a larval state, which tells nothing */
	if (!sad_parse_message(nlh, &s, &hard) || !s.spi)
		return;
	ev.inbound = addrs_is_local(x->addrs, &s.dst);
	ev.pair.local = ev.inbound ? s.dst : s.src;
	ev.pair.remote = ev.inbound ? s.src : s.dst;
	ev.spi = s.spi;
	ev.hard = hard;
	if (hard)
		sad_gone(x->sad, &ev.pair, ev.spi, ev.inbound);
	msg_send_struct(x->agent, XFRM_EV_EXPIRE, &ev);
}

static void on_policy_expire(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct spd_key key;
	struct spd_value value;
	bool hard;

	if (policy_parse_message(nlh, &key, &value, &hard) && hard)
		spd_lost(x->spd, &key);
}

static void on_watch_message(void *arg, const struct nlmsghdr *nlh)
{
	struct xfrm *x = arg;

	switch (nlh->nlmsg_type) {
	case XFRM_MSG_ACQUIRE:
		on_acquire(x, nlh);
		break;
	case XFRM_MSG_EXPIRE:
		on_expire(x, nlh);
		break;
	case XFRM_MSG_POLEXPIRE:
		on_policy_expire(x, nlh);
		break;
	}
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;
	int r = nl_read(fd, x->received, sizeof(x->received), on_watch_message, x);

	(void)what;
	/* a lost ACQUIRE is made good by its packet, or the next one */
	if (r < 0)
		log_limited("XFRM events: %s", r == -ENOBUFS ? "some were lost" : strerror(-r));
	commit(x);
}

static void on_packet(void *arg, uint32_t id, uint32_t mark, const uint8_t *data, size_t len)
{
	struct xfrm *x = arg;

	hold_packet(x->hold, service_now(), id, mark, data, len);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	queue_read(x->queue, on_packet, x);
}

static void send_local(struct xfrm *x, const struct addr *addr, bool up)
{
	msg_send_struct(x->agent, XFRM_EV_LOCAL, &((struct xfrm_local){.addr = *addr, .up = up}));
}

static void on_local(void *arg, const struct addr *addr, bool up)
{
	struct xfrm *x = arg;

	if (!up) {
		hold_forget_local(x->hold, addr);
		spd_undecide_local(x->spd, addr);
	}
	rebuild(x);
	if (x->configured)
		send_local(x, addr, up);
}

static void on_addrs(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	if (addrs_read(x->addrs))
		rebuild(x);
}

static void on_acquire_timer(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	hold_tick(x->hold, service_now());
	schedule_acquires(x);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;
	uint64_t now = service_now(), half = (uint64_t)x->config.clear_lifetime * 500000;

	(void)fd, (void)what;
	hold_tick(x->hold, now);
	if (half && now > half)
		spd_rearm(x->spd, now, now - half, REARM_MAX, on_change, x);
	if (commit(x) < 0)
		log_limited("writing policies to the kernel failed");
}

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
			.inbound = x->found[i].inbound,
		};

		if (ev.spi)
			msg_send_struct(x->agent, XFRM_EV_ADOPTED, &ev);
	}
}

static void on_config(struct xfrm *x, const struct xfrm_config *config)
{
	struct xfrm_ready ready = {.hold = (uint8_t)(x->queue ? hook_kind(x->hook) : XFRM_HOLD_NONE)};
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
			send_local(x, &own[i].addr, true);
	}
	send_found(x);
}

/* The traps that a predecessor did not answer: their larval states keep the kernel from asking. */
static void ask_larvals(struct xfrm *x)
{
	for (size_t i = 0; i < x->n_found; i++)
		if (!x->found[i].spi)
			hold_acquire(x->hold, service_now(), &x->found[i].pair, 0, 0, 0);
	free(x->found);
	x->found = NULL;
	x->n_found = 0;
	schedule_acquires(x);
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
	if (next->n + n > next->cap) {
		next->cap = 2 * (next->n + n);
		next->rule = grow(next->rule, next->cap, sizeof(*next->rule));
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
	r = rebuild(x);
	ask_larvals(x);
	done(x, head->tag, r, (struct hold_counts){0});
}

static void on_exempt(struct xfrm *x, const struct xfrm_exempt_list *head, const uint8_t *tail,
	size_t len)
{
	size_t n = len / sizeof(struct xfrm_exempt);
	struct xfrm_exempt *list = grow(NULL, n + 1, sizeof(*list));

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
	rebuild(x);
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
		/* the SA first; it takes the larval state away, and without it the rest is a trap */
		sad_put(x->nl, sa, false, key, key_len, &error);
		spd_undecide(x->spd, SPD_OUT, &sa->pair);
		spd_undecide(x->spd, SPD_IN, &sa->pair);
		spd_decide(x->spd, SPD_IN, &sa->pair, &sa->rule, SPD_REQUIRED, false);
		r = commit(x);
		r = error ? error : r;
	}
	if (!error && !r) {
		sad_added(x->sad, &sa->pair, sa->spi, false);
		counts = hold_decide(x->hold, service_now(), &decision);
	} else if (error && !sad_has_outbound(x->sad, &sa->pair)) {
		spd_undecide(x->spd, SPD_IN, &sa->pair);
		commit(x);
	}
	done(x, sa->tag, r, counts);
}

static void on_sa_delete(struct xfrm *x, const struct xfrm_sa_id *id)
{
	if (!check_sa_id(id))
		return;
	sad_put_delete(x->nl, &id->pair, id->spi, id->inbound);
	sad_gone(x->sad, &id->pair, id->spi, id->inbound);
	if (id->last) {
		spd_undecide(x->spd, SPD_OUT, &id->pair);
		spd_undecide(x->spd, SPD_IN, &id->pair);
		/* what waits goes on waiting; but nothing is decided any more */
		if (!hold_now(x->hold, &id->pair))
			hold_forget(x->hold, &id->pair);
	}
	commit(x);
}

/* OUT first, then the answers, which must come in, then IN. */
static int decide_block(struct xfrm *x, const struct xfrm_decide *d, const struct hold_decision *h,
	struct hold_counts *counts)
{
	int r;

	spd_undecide(x->spd, SPD_OUT, &d->pair);
	spd_decide(x->spd, SPD_OUT, &d->pair, &d->rule, SPD_BLOCK, false);
	sad_put_delete_larval(x->nl, &d->pair);
	r = commit(x);
	if (r < 0)
		return r;
	*counts = hold_decide(x->hold, service_now(), h);
	spd_undecide(x->spd, SPD_IN, &d->pair);
	spd_decide(x->spd, SPD_IN, &d->pair, &d->rule, SPD_BLOCK, false);
	return commit(x);
}

static int decide_clear(struct xfrm *x, const struct xfrm_decide *d, const struct hold_decision *h,
	struct hold_counts *counts)
{
	int r;

	spd_undecide(x->spd, SPD_OUT, &d->pair);
	spd_undecide(x->spd, SPD_IN, &d->pair);
	spd_decide(x->spd, SPD_OUT, &d->pair, &d->rule, SPD_ALLOW, x->config.clear_lifetime != 0);
	sad_put_delete_larval(x->nl, &d->pair);
	r = commit(x);
	if (!r)
		*counts = hold_decide(x->hold, service_now(), h);
	return r;
}

static void on_decide(struct xfrm *x, const struct xfrm_decide *d)
{
	bool forget = d->verdict == XFRM_VERDICT_FORGET;
	int r = refuse_pair(x, &d->pair, check_decide(d));
	struct hold_counts counts = {0};
	struct hold_decision h = {
		.pair = d->pair,
		.proto = d->rule.proto,
		.sport = d->rule.sport,
		.dport = d->rule.dport,
	};

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
		sad_put_delete_larval(x->nl, &d->pair);
		r = commit(x);
		counts = hold_decide(x->hold, service_now(), &h);
		break;
	case XFRM_VERDICT_FORGET:
		spd_undecide(x->spd, SPD_OUT, &d->pair);
		spd_undecide(x->spd, SPD_IN, &d->pair);
		sad_put_delete_larval(x->nl, &d->pair);
		r = commit(x);
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

static void find_states(struct xfrm *x);

/* All that is ours, and nothing else. */
static void remove_all(struct xfrm *x)
{
	find_states(x);
	for (size_t i = 0; i < x->n_found; i++) {
		struct found *f = &x->found[i];

		if (f->spi)
			sad_put_delete(x->nl, &f->pair, f->spi, f->inbound);
		else
			sad_put_delete_larval(x->nl, &f->pair);
	}
	spd_clear(x->spd);
	if (commit(x) < 0)
		log_warn("not all policies could be removed");
	hook_remove(x->hook);
}

static void on_stop_request(struct xfrm *x, const struct xfrm_stop *req)
{
	if (!req->keep)
		remove_all(x);
	event_base_loopbreak(x->base);
}

static void on_request(
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
	case XFRM_REQ_STOP:
		on_stop_request(x, fixed);
		break;
	}
}

/* ---- start and end */

static void on_found_state(void *arg, const struct sad_state *s)
{
	struct xfrm *x = arg;
	struct found f = {.spi = s->spi};

	/* one whose address is not here (yet) is left alone */
	if (addrs_is_local(x->addrs, &s->src)) {
		f.pair = (struct pair){.local = s->src, .remote = s->dst};
	} else if (addrs_is_local(x->addrs, &s->dst)) {
		f.pair = (struct pair){.local = s->dst, .remote = s->src};
		f.inbound = true;
	} else {
		return;
	}
	x->found = grow(x->found, x->n_found + 1, sizeof(*x->found));
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
	struct addr dst = key->family == AF_INET ? addr_from_v4(key->dst) : addr_from_v6(key->dst);
	struct addr src = key->family == AF_INET ? addr_from_v4(key->src) : addr_from_v6(key->src);
	struct pair pair = {.local = dst, .remote = src};
	/* a decision's priority is odd; it stands as long as the SAs it was made with */
	bool decision = (value->priority & 1) && key->src_len == bits && key->dst_len == bits;

	spd_found(x->spd, key, value, decision && sad_has_outbound(x->sad, &pair));
}

/* What a predecessor left. */
static int adopt(struct xfrm *x)
{
	find_states(x);
	for (size_t i = 0; i < x->n_found; i++)
		if (x->found[i].spi)
			sad_added(x->sad, &x->found[i].pair, x->found[i].spi, x->found[i].inbound);
	return policy_dump(x->nl, on_found_policy, x);
}

/* A trapped packet must be dropped by the kernel (1, the default) and not put in its own queue, where
 * one undecided peer makes all others wait (facts, section 3). */
static void set_larval_drop(void)
{
	static const char path[] = "/proc/sys/net/core/xfrm_larval_drop";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char value = '1';

	if (fd < 0)
		return;
	if (read(fd, &value, 1) == 1 && value != '1' && pwrite(fd, "1\n", 2, 0) != 2)
		log_warn("%s is not 1 and cannot be set: packets of peers will wait for each other", path);
	close(fd);
}

static void open_raw(struct xfrm *x)
{
	x->raw[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	x->raw[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (x->raw[0] < 0)
		log_warn("no raw socket (%s): blocked connections will time out", strerror(errno));
}

static void xfrm_free(struct xfrm *x)
{
	for (size_t i = 0; i < N(x->events); i++)
		if (x->events[i])
			event_free(x->events[i]);
	hold_free(x->hold);
	spd_free(x->spd);
	sad_free(x->sad);
	queue_close(x->queue);
	hook_close(x->hook);
	addrs_close(x->addrs);
	nl_close(x->nl);
	for (int i = 0; i < 2; i++)
		if (x->raw[i] >= 0)
			close(x->raw[i]);
	if (x->watch >= 0)
		close(x->watch);
	if (x->stat >= 0)
		close(x->stat);
	free(x->rules.rule);
	free(x->next.rule);
	free(x->exempt);
	free(x->found);
	free(x);
}

/* Root's part: whatever needs modules, files or tools. */
static int open_kernel(struct xfrm *x)
{
	static const unsigned int groups[] = {XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, 0};
	int r;

	r = nl_open(NETLINK_XFRM, &x->nl);
	if (r >= 0)
		r = x->watch = nl_listen(NETLINK_XFRM, groups);
	if (r < 0) {
		log_error("no XFRM in this kernel (%s): try 'modprobe xfrm_user'", strerror(-r));
		return r;
	}
	r = addrs_open(&x->addrs, on_local, x);
	if (r < 0) {
		log_error("cannot read this host's addresses: %s", strerror(-r));
		return r;
	}
	set_larval_drop();
	sad_warm_up(x->nl);
	r = queue_open(XFRM_QUEUE, HOLD_CAPTURE, &x->queue);
	if (r < 0)
		log_warn("no packet queue (%s), first packets will be lost: try 'modprobe "
			 "nfnetlink_queue'", strerror(-r));
	else
		x->hook = hook_open();
	if (x->queue && hook_kind(x->hook) == XFRM_HOLD_NONE)
		log_warn("no way to the packet queue, first packets will be lost: %s", hook_why(x->hook));
	x->stat = stat_open();
	open_raw(x);
	return 0;
}

static int xfrm_open(struct event_base *base, void **ret_state)
{
	struct xfrm *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->base = base;
	x->watch = x->stat = x->raw[0] = x->raw[1] = -1;
	r = open_kernel(x);
	if (r < 0) {
		xfrm_free(x);
		return r;
	}
	x->spd = spd_new();
	x->sad = sad_new();
	x->hold = hold_new(&hold_effects, x);
	*ret_state = x;
	return 0;
}

static int xfrm_start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct xfrm *x = state;
	struct timeval second = {.tv_sec = TICK_SECONDS};
	int r;

	x->agent = agent;
	r = adopt(x);
	if (r < 0) {
		log_error("reading the kernel's policies: %s", strerror(-r));
		return r;
	}
	x->events[EV_WATCH] = event_new(base, x->watch, EV_READ | EV_PERSIST, on_watch, x);
	x->events[EV_ADDRS] = event_new(base, addrs_fd(x->addrs), EV_READ | EV_PERSIST, on_addrs, x);
	if (x->queue)
		x->events[EV_QUEUE] =
			event_new(base, queue_fd(x->queue), EV_READ | EV_PERSIST, on_queue, x);
	x->events[EV_ACQUIRE] = event_new(base, -1, 0, on_acquire_timer, x);
	x->events[EV_TICK] = event_new(base, -1, EV_PERSIST, on_tick, x);
	for (size_t i = 0; i < N(x->events); i++)
		if (x->events[i] && i != EV_ACQUIRE)
			event_add(x->events[i], i == EV_TICK ? &second : NULL);
	return 0;
}

static void xfrm_stop(void *state)
{
	xfrm_free(state);
}

static const struct msg_spec requests[] = {
	{XFRM_REQ_CONFIG, "CONFIG", sizeof(struct xfrm_config), 0, 0},
	{XFRM_REQ_RULES, "RULES", sizeof(struct xfrm_rules), MSG_MAX - sizeof(struct xfrm_rules),
		sizeof(struct xfrm_rule)},
	{XFRM_REQ_EXEMPT, "EXEMPT", sizeof(struct xfrm_exempt_list),
		MSG_MAX - sizeof(struct xfrm_exempt_list), sizeof(struct xfrm_exempt)},
	{XFRM_REQ_SA_IN, "SA_IN", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 1},
	{XFRM_REQ_SA_OUT, "SA_OUT", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 1},
	{XFRM_REQ_SA_DELETE, "SA_DELETE", sizeof(struct xfrm_sa_id), 0, 0},
	{XFRM_REQ_DECIDE, "DECIDE", sizeof(struct xfrm_decide), 0, 0},
	{XFRM_REQ_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters_req), 0, 0},
	{XFRM_REQ_STOP, "STOP", sizeof(struct xfrm_stop), 0, 0},
};

const struct msg_spec xfrm_events[] = {
	{XFRM_EV_READY, "READY", sizeof(struct xfrm_ready), 0, 0},
	{XFRM_EV_LOCAL, "LOCAL", sizeof(struct xfrm_local), 0, 0},
	{XFRM_EV_TRAPPED, "TRAPPED", sizeof(struct xfrm_trapped), 0, 0},
	{XFRM_EV_DONE, "DONE", sizeof(struct xfrm_done), 0, 0},
	{XFRM_EV_EXPIRE, "EXPIRE", sizeof(struct xfrm_expire), 0, 0},
	{XFRM_EV_ADOPTED, "ADOPTED", sizeof(struct xfrm_adopted), 0, 0},
	{XFRM_EV_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters), 0, 0},
};
const size_t xfrm_n_events = N(xfrm_events);

/* Beyond what base/sandbox.c allows to every process: nothing. All sockets and files are open. */
static const char *const syscalls[] = {NULL};

static const struct service service = {
	.name = "xfrm",
	/* policies, SAs, the queue's verdicts and the table of the hook: all by netlink */
	.sandbox = {.user = "_oed-xfrm", .caps = SANDBOX_CAP(CAP_NET_ADMIN), .syscalls = syscalls},
	.specs = requests,
	.n_specs = N(requests),
	.open = xfrm_open,
	.start = xfrm_start,
	.on_message = on_request,
	.stop = xfrm_stop,
};

int xfrm_service_main(void)
{
	return service_main(&service);
}
