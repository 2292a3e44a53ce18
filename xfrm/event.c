/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says, and what hold.c does to it; see the essay in xfrm.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/service.h"
#include "xfrm/check.h"
#include "xfrm/policy_nl.h"
#include "xfrm/stat.h"
#include "xfrm/xfrm_priv.h"

#define TICK_SECONDS 1
/* ESP without an SA is looked for so long: after its counter rose, and after the start. */
#define STRAY_US 3000000
#define STRAY_FIRST_US 60000000

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

/* A packet of an address that went, or in a trap of somebody else, is not for us to hold. */
static bool on_ours(void *arg, const struct pair *pair)
{
	struct xfrm *x = arg;

	return check_pair(pair) && addrs_is_local(x->addrs, &pair->local);
}

static void on_trapped(void *arg, const struct xfrm_trapped *ev)
{
	struct xfrm *x = arg;

	msg_send_struct(x->agent, XFRM_EV_TRAPPED, ev);
}

static uint32_t on_mtu(void *arg, const struct pair *pair)
{
	struct xfrm *x = arg;

	return addrs_mtu(x->addrs, pair);
}

const struct hold_effects xfrm_hold_effects = {
	.verdict = on_verdict,
	.answer = on_answer,
	.ours = on_ours,
	.trapped = on_trapped,
	.mtu = on_mtu,
};

/* ---- events of the kernel */

void xfrm_schedule_acquires(struct xfrm *x)
{
	struct timeval delay = {.tv_usec = HOLD_ACQUIRE_DELAY};

	if (hold_has_acquires(x->hold) && !event_pending(x->events[EV_ACQUIRE], EV_TIMEOUT, NULL))
		event_add(x->events[EV_ACQUIRE], &delay);
}

/* A query may be the resolver's own, which the firewall rules let pass a moment later; if it is
 * not, it comes to the queue, and asks by itself. */
static bool maybe_resolver(const struct xfrm *x, const struct xfrm_selector *sel)
{
	return hook_kind(x->hook) != XFRM_HOLD_NONE && ntohs(sel->dport) == 53 &&
	       (sel->proto == IPPROTO_UDP || sel->proto == IPPROTO_TCP);
}

static void on_acquire(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct xfrm_user_acquire a;
	struct pair pair = {0};
	struct scope flow;

	if (!nl_payload(nlh, &a, sizeof(a)) || !policy_is_ours(a.policy.priority) ||
		(a.sel.family != AF_INET && a.sel.family != AF_INET6) ||
		maybe_resolver(x, &a.sel))
		return;
	if (a.sel.family == AF_INET) {
		pair.local = addr_from_v4(&a.saddr);
		pair.remote = addr_from_v4(&a.id.daddr);
	} else {
		pair.local = addr_from_v6(&a.saddr);
		pair.remote = addr_from_v6(&a.id.daddr);
	}
	flow = (struct scope){.proto = a.sel.proto,
		.sport = ntohs(a.sel.sport),
		.dport = ntohs(a.sel.dport)};
	hold_acquire(x->hold, service_now(), &pair, &flow);
	xfrm_schedule_acquires(x);
}

static void tell_expire(
	struct xfrm *x, const struct pair *pair, uint32_t spi, bool inbound, bool hard)
{
	struct xfrm_expire ev = {.pair = *pair, .spi = spi, .inbound = inbound, .hard = hard};

	msg_send_struct(x->agent, XFRM_EV_EXPIRE, &ev);
}

static void on_expire(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct sad_state s;
	struct pair pair;
	bool hard, inbound;

	/* without SPI: a larval state, which tells nothing */
	if (!sad_parse_message(nlh, &s, &hard) || !s.spi)
		return;
	inbound = addrs_is_local(x->addrs, &s.dst);
	pair = sad_pair(&s, inbound);
	if (hard)
		sad_gone(x->sad, &pair, s.spi, inbound);
	tell_expire(x, &pair, s.spi, inbound, hard);
}

/* The kernel saw authentic ESP from another port or address. */
static void on_mapping(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct xfrm_user_mapping m;
	struct xfrm_mapped ev = {0};
	struct addr from;

	if (!nl_payload(nlh, &m, sizeof(m)) || !sad_is_ours(m.reqid) || m.id.proto != IPPROTO_ESP)
		return;
	if (m.id.family == AF_INET) {
		ev.pair.local = addr_from_v4(&m.id.daddr);
		ev.pair.remote = addr_from_v4(&m.old_saddr);
		from = addr_from_v4(&m.new_saddr);
	} else if (m.id.family == AF_INET6) {
		ev.pair.local = addr_from_v6(&m.id.daddr);
		ev.pair.remote = addr_from_v6(&m.old_saddr);
		from = addr_from_v6(&m.new_saddr);
	} else {
		return;
	}
	ev.spi = ntohl(m.id.spi);
	ev.encap_was = ntohs(m.old_sport);
	ev.encap_remote = ntohs(m.new_sport);
	if (!addr_equal(&from, &ev.pair.remote))
		ev.remote = from;
	if (ev.encap_remote)
		msg_send_struct(x->agent, XFRM_EV_MAPPED, &ev);
}

static void on_vanished(void *arg, const struct pair *pair, uint32_t spi, bool inbound)
{
	tell_expire(arg, pair, spi, inbound, true);
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
	case XFRM_MSG_MAPPING:
		on_mapping(x, nlh);
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
	if (r < 0)
		log_limited("XFRM events: %s", r == -ENOBUFS ? "some were lost" : strerror(-r));
	/* a lost ACQUIRE is made good by its packet, or the next one; a lost EXPIRE by looking */
	if (r == -ENOBUFS)
		sad_reconcile(x->sad, x->nl, on_vanished, x);
	xfrm_commit(x);
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

void xfrm_send_local(struct xfrm *x, const struct addr *addr, bool up)
{
	struct xfrm_local ev = {.addr = *addr, .up = up};

	msg_send_struct(x->agent, XFRM_EV_LOCAL, &ev);
}

void xfrm_on_local(void *arg, const struct addr *addr, bool up)
{
	struct xfrm *x = arg;
	struct locals *c = &x->changes;

	if (!up) {
		hold_forget_local(x->hold, addr);
		spd_undecide_local(x->spd, addr);
	}
	c->local = xfrm_grow(c->local, c->n + 1, sizeof(*c->local));
	c->local[c->n++] = (struct xfrm_local){.addr = *addr, .up = up};
}

static void on_addrs(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	if (addrs_read(x->addrs))
		xfrm_rebuild(x);
	for (size_t i = 0; x->configured && i < x->changes.n; i++)
		xfrm_send_local(x, &x->changes.local[i].addr, x->changes.local[i].up);
	x->changes.n = 0;
}

static void on_acquire_timer(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	/* its packet may be there and not read yet */
	if (x->queue)
		queue_read(x->queue, on_packet, x);
	hold_tick(x->hold, service_now());
	xfrm_schedule_acquires(x);
}

/* ---- ESP without an SA */

static void on_stray_packet(void *arg, const struct stray_packet *p)
{
	struct xfrm *x = arg;
	struct xfrm_stray ev = {.pair = p->pair,
		.spi = p->spi,
		.encap_local = p->encap_local,
		.encap_remote = p->encap_remote};

	if (check_pair(&p->pair) && addrs_is_local(x->addrs, &p->pair.local) &&
		!sad_has_inbound(x->sad, &p->pair, p->spi) &&
		stray_allowed(&x->stray_limit, &p->pair, service_now()))
		msg_send_struct(x->agent, XFRM_EV_STRAY, &ev);
}

static void on_stray(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)what;
	for (size_t i = 0; i < STRAY_SOCKETS; i++)
		if (stray_fd(x->stray, i) == fd)
			stray_read(x->stray, i, on_stray_packet, x);
}

void xfrm_watch_strays(struct xfrm *x)
{
	uint32_t known[STRAY_KNOWN_MAX + 1];
	struct xfrm_counters now = {0};

	stat_read(x->stat, &now);
	if (now.in_no_states != x->in_no_states && x->stray_until < service_now() + STRAY_US)
		x->stray_until = service_now() + STRAY_US;
	x->in_no_states = now.in_no_states;
	if (x->ruled && service_now() < x->stray_until)
		stray_arm(x->stray, known, sad_inbound(x->sad, known, STRAY_KNOWN_MAX + 1));
	else
		stray_disarm(x->stray);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct xfrm *x = arg;

	(void)fd, (void)what;
	hold_tick(x->hold, service_now());
	xfrm_watch_strays(x);
	xfrm_delete_late(x);
	xfrm_rearm(x);
}

void xfrm_listen(struct xfrm *x)
{
	struct timeval second = {.tv_sec = TICK_SECONDS};

	x->events[EV_WATCH] = event_new(x->base, x->watch, EV_READ | EV_PERSIST, on_watch, x);
	x->events[EV_ADDRS] =
		event_new(x->base, addrs_fd(x->addrs), EV_READ | EV_PERSIST, on_addrs, x);
	if (x->queue)
		x->events[EV_QUEUE] =
			event_new(x->base, queue_fd(x->queue), EV_READ | EV_PERSIST, on_queue, x);
	x->events[EV_ACQUIRE] = event_new(x->base, -1, 0, on_acquire_timer, x);
	x->events[EV_TICK] = event_new(x->base, -1, EV_PERSIST, on_tick, x);
	for (size_t i = 0; i < STRAY_SOCKETS; i++)
		if (stray_fd(x->stray, i) >= 0)
			x->events[EV_STRAY + i] = event_new(x->base, stray_fd(x->stray, i),
				EV_READ | EV_PERSIST, on_stray, x);
	x->stray_until = service_now() + STRAY_FIRST_US;
	for (size_t i = 0; i < N_EVENTS; i++)
		if (x->events[i] && i != EV_ACQUIRE)
			event_add(x->events[i], i == EV_TICK ? &second : NULL);
}
