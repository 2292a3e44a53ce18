/* SPDX-License-Identifier: BSD-2-Clause */
#include "xfrm/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xfrm/packet.h"

#define uthash_fatal(text) out_of_memory()
static void out_of_memory(void)
{
	log_error("out of memory");
	abort();
}
#include <uthash.h>
#include <utlist.h>

/* Kept of a packet whose bytes are only wanted for the answer that quotes it. */
#define QUOTE_MAX 160

struct held {
	struct held *next, *prev;
	uint64_t since;
	uint32_t id;
	uint32_t mark;
	struct packet packet;
	size_t len;
	uint8_t data[];
};

enum phase {
	UNASKED, /* an ACQUIRE came, its packet is awaited */
	WAITING, /* for the agent */
	DECIDED,
};

struct waiter {
	struct pair pair; /* hosts only */
	enum phase phase;
	uint64_t since;  /* in this phase */
	uint64_t asked;  /* last TRAPPED */
	bool asked_held; /* it told of a packet */
	uint32_t n;
	struct held *held;
	struct xfrm_trapped acquire;
	struct hold_decision decision;
	struct waiter *next, *prev; /* in the list of its phase, by since */
	UT_hash_handle hh;
};

struct hold {
	const struct hold_effects *effects;
	void *arg;
	bool enabled;
	bool ports;
	uint32_t max;
	uint32_t peer_max;
	uint32_t n;       /* packets */
	uint32_t n_pairs; /* not decided */
	uint64_t total;
	uint64_t dropped;
	struct waiter *waiters;
	struct waiter *phases[DECIDED + 1];
};

struct hold *hold_new(const struct hold_effects *effects, void *arg)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		out_of_memory();
	h->effects = effects;
	h->arg = arg;
	return h;
}

void hold_limits(struct hold *h, bool enabled, uint32_t max, uint32_t peer_max)
{
	h->enabled = enabled;
	h->max = max;
	h->peer_max = peer_max;
}

void hold_ports(struct hold *h, bool named)
{
	h->ports = named;
}

/* ---- waiters */

static struct waiter *waiter_find(const struct hold *h, const struct pair *pair)
{
	struct waiter *w;

	HASH_FIND(hh, h->waiters, pair, PAIR_HOSTS_LEN, w);
	return w;
}

/* The only place where the phase changes. */
static void enter(struct hold *h, struct waiter *w, enum phase phase, uint64_t now)
{
	DL_DELETE(h->phases[w->phase], w);
	h->n_pairs -= w->phase != DECIDED;
	w->phase = phase;
	w->since = now;
	DL_APPEND(h->phases[phase], w);
	h->n_pairs += phase != DECIDED;
}

static struct waiter *waiter_new(struct hold *h, const struct pair *pair, uint64_t now)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		out_of_memory();
	w->pair = pair_hosts(pair);
	w->phase = UNASKED;
	w->since = now;
	DL_APPEND(h->phases[UNASKED], w);
	h->n_pairs++;
	HASH_ADD(hh, h->waiters, pair, PAIR_HOSTS_LEN, w);
	return w;
}

static void held_free(struct hold *h, struct waiter *w, struct held *p)
{
	DL_DELETE(w->held, p);
	w->n--;
	h->n--;
	free(p);
}

static void waiter_free(struct hold *h, struct waiter *w)
{
	while (w->held)
		held_free(h, w, w->held);
	DL_DELETE(h->phases[w->phase], w);
	h->n_pairs -= w->phase != DECIDED;
	HASH_DEL(h->waiters, w);
	free(w);
}

void hold_free(struct hold *h)
{
	struct waiter *w, *next;

	if (!h)
		return;
	HASH_ITER(hh, h->waiters, w, next)
		waiter_free(h, w);
	free(h);
}

/* ---- what to do with a packet */

static void drop(struct hold *h, uint32_t id, uint32_t mark)
{
	h->effects->verdict(h->arg, id, false, mark, NULL, 0);
}

static void act(struct hold *h, const struct hold_decision *d, struct held *p)
{
	uint8_t answer[PACKET_ANSWER_MAX];
	uint32_t mtu;
	bool clamped = false;
	size_t len;

	switch (d->outcome) {
	case HOLD_CLEAR:
	case HOLD_PRIVATE:
		mtu = p->packet.syn ? h->effects->mtu(h->arg, &d->pair) : 0;
		if (mtu)
			clamped = packet_clamp_mss(p->data, p->len,
				packet_mss(d->pair.local.family, mtu, d->outcome == HOLD_PRIVATE,
					d->encap));
		h->effects->verdict(h->arg, p->id, true, p->mark | XFRM_MARK_RELEASED,
			clamped ? p->data : NULL, p->len);
		break;
	case HOLD_BLOCK:
		drop(h, p->id, p->mark);
		len = packet_answer(&p->packet, p->data, p->len, answer);
		if (len)
			h->effects->answer(h->arg, &p->packet.pair.local, answer, len);
		break;
	case HOLD_DROP:
		drop(h, p->id, p->mark);
		break;
	}
}

static struct held *held_new(uint64_t now, uint32_t id, uint32_t mark, const struct packet *packet,
	const uint8_t *data, size_t len)
{
	struct held *p;

	if (!packet->syn && len > QUOTE_MAX)
		len = QUOTE_MAX;
	p = malloc(sizeof(*p) + len);
	if (!p)
		out_of_memory();
	*p = (struct held){.since = now, .id = id, .mark = mark, .packet = *packet, .len = len};
	memcpy(p->data, data, len);
	return p;
}

static struct scope flow_of(const struct packet *p)
{
	return (struct scope){.proto = p->proto, .sport = p->sport, .dport = p->dport};
}

static bool covers(const struct pair *pair, const struct packet *p)
{
	struct scope flow = flow_of(p);

	return scope_covers(&pair->scope, &flow);
}

/* Whether p is the first of its flow that is held here. */
static bool is_new_flow(const struct waiter *w, const struct held *p)
{
	struct scope flow = flow_of(&p->packet);

	for (const struct held *o = w->held; o; o = o->next) {
		struct scope other = flow_of(&o->packet);

		if (o != p && scope_equal(&other, &flow))
			return false;
	}
	return true;
}

/* again: whatever was asked for before. */
static void ask(
	struct hold *h, struct waiter *w, uint64_t now, const struct xfrm_trapped *ev, bool again)
{
	if (w->phase == UNASKED)
		enter(h, w, WAITING, now);
	else if (!again && w->asked_held >= ev->held && now - w->asked < HOLD_ASK_AGAIN)
		return;
	w->asked = now;
	w->asked_held = ev->held;
	h->effects->trapped(h->arg, ev);
}

void hold_packet(
	struct hold *h, uint64_t now, uint32_t id, uint32_t mark, const uint8_t *data, size_t len)
{
	struct packet packet;
	struct waiter *w;
	struct held *p = NULL;
	bool keep;

	if (packet_parse(data, len, &packet) < 0 || !h->effects->ours(h->arg, &packet.pair)) {
		h->dropped++;
		drop(h, id, mark);
		return;
	}
	w = waiter_find(h, &packet.pair);
	if (w && w->phase == DECIDED && now - w->since < HOLD_LATE &&
		covers(&w->decision.pair, &packet)) {
		p = held_new(now, id, mark, &packet, data, len);
		h->total++;
		act(h, &w->decision, p);
		free(p);
		return;
	}
	if (w && w->phase == DECIDED) {
		waiter_free(h, w);
		w = NULL;
	}
	if (!w && h->n_pairs >= h->max) {
		h->dropped++;
		drop(h, id, mark);
		return;
	}
	if (!w)
		w = waiter_new(h, &packet.pair, now);
	keep = h->enabled && h->n < h->max && w->n < h->peer_max;
	if (keep) {
		p = held_new(now, id, mark, &packet, data, len);
		DL_APPEND(w->held, p);
		w->n++;
		h->n++;
		h->total++;
	} else {
		h->dropped += h->enabled;
		drop(h, id, mark);
	}
	ask(h, w, now,
		&(struct xfrm_trapped){
			.pair = packet.pair,
			.proto = packet.proto,
			.held = keep,
			.sport = packet.sport,
			.dport = packet.dport,
			.length = packet.length > UINT16_MAX ? UINT16_MAX : (uint16_t)packet.length,
		},
		h->ports && p && is_new_flow(w, p));
}

void hold_acquire(struct hold *h, uint64_t now, const struct pair *hosts, const struct scope *flow)
{
	struct xfrm_trapped ev = {
		.pair = *hosts, .proto = flow->proto, .sport = flow->sport, .dport = flow->dport};
	struct waiter *w = waiter_find(h, hosts);

	/* raised before the decision stood, or by a packet that asks for itself; but where nothing is
	 * held the ACQUIRE of another rule is all there is */
	if (w && (w->phase != DECIDED || now - w->since < HOLD_LATE)) {
		if (h->ports && !h->enabled)
			h->effects->trapped(h->arg, &ev);
		return;
	}
	if (w)
		waiter_free(h, w);
	if (h->n_pairs >= h->max || !h->effects->ours(h->arg, hosts))
		return;
	w = waiter_new(h, hosts, now);
	w->acquire = ev;
}

struct hold_counts hold_decide(struct hold *h, uint64_t now, const struct hold_decision *d)
{
	struct waiter *w = waiter_find(h, &d->pair);
	struct hold_counts counts = {0};
	struct held *p, *next;

	/* for late packets there must be one */
	if (!w)
		w = waiter_new(h, &d->pair, now);
	DL_FOREACH_SAFE(w->held, p, next) {
		uint64_t waited = now - p->since;

		if (!covers(&d->pair, &p->packet))
			continue;
		if (!counts.released++)
			counts.held_us = waited > UINT32_MAX ? UINT32_MAX : (uint32_t)waited;
		act(h, d, p);
		held_free(h, w, p);
	}
	/* the rest is another rule's, and goes on waiting */
	if (w->held)
		return counts;
	if (d->outcome == HOLD_DROP) {
		waiter_free(h, w);
		return counts;
	}
	w->decision = *d;
	enter(h, w, DECIDED, now);
	return counts;
}

/* What is within the scope of the pair, and the waiter where nothing is left. */
static uint32_t discard(struct hold *h, struct waiter *w, const struct pair *pair)
{
	uint32_t n = w->n;
	struct held *p, *next;

	DL_FOREACH_SAFE(w->held, p, next) {
		if (!covers(pair, &p->packet))
			continue;
		drop(h, p->id, p->mark);
		held_free(h, w, p);
	}
	n -= w->n;
	if (!w->held)
		waiter_free(h, w);
	return n;
}

uint32_t hold_forget(struct hold *h, const struct pair *pair)
{
	struct waiter *w = waiter_find(h, pair);

	return w ? discard(h, w, pair) : 0;
}

void hold_forget_local(struct hold *h, const struct addr *local)
{
	struct waiter *w, *next;

	HASH_ITER(hh, h->waiters, w, next)
		if (addr_equal(&w->pair.local, local))
			discard(h, w, &w->pair);
}

void hold_tick(struct hold *h, uint64_t now)
{
	struct waiter *w;

	while ((w = h->phases[UNASKED]) && now - w->since >= HOLD_ACQUIRE_DELAY)
		ask(h, w, now, &w->acquire, false);
	while ((w = h->phases[WAITING]) && now - w->since >= HOLD_AGE_MAX)
		h->dropped += discard(h, w, &w->pair);
	while ((w = h->phases[DECIDED]) && now - w->since >= HOLD_LATE)
		waiter_free(h, w);
}

bool hold_has_acquires(const struct hold *h)
{
	return h->phases[UNASKED] != NULL;
}

uint32_t hold_now(const struct hold *h, const struct pair *pair)
{
	const struct waiter *w = waiter_find(h, pair);
	uint32_t n = 0;

	for (const struct held *p = w ? w->held : NULL; p; p = p->next)
		n += covers(pair, &p->packet);
	return n;
}

uint64_t hold_total(const struct hold *h)
{
	return h->total;
}

uint64_t hold_dropped(const struct hold *h)
{
	return h->dropped;
}
