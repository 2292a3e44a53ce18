/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/walk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "resolver/answer.h"

/* A range is at least a /24 or a /64: whoever has less has few addresses. */
#define DEPTH_V4 3
#define DEPTH_V6 16
/* "in-addr.arpa." and "ip6.arpa." */
#define MAP_LABELS 2

struct walk {
	LIST_ENTRY(walk) link;
	struct walks *all;
	struct context *context;
	struct addr addr;
	unsigned int depth, deepest; /* labels below the map's top: the one asked for, the last */
};

struct walks {
	LIST_HEAD(, walk) list;
	unsigned int n;
	walks_found_fn found;
	void *arg;
};

struct walks *walks_new(walks_found_fn found, void *arg)
{
	struct walks *w = calloc(1, sizeof(*w));

	if (!w) {
		log_error("out of memory");
		abort();
	}
	LIST_INIT(&w->list);
	w->found = found;
	w->arg = arg;
	return w;
}

static void end(struct walk *k)
{
	LIST_REMOVE(k, link);
	k->all->n--;
	free(k);
}

void walks_drop(struct walks *w)
{
	while (!LIST_EMPTY(&w->list))
		end(LIST_FIRST(&w->list));
}

void walks_free(struct walks *w)
{
	if (w)
		walks_drop(w);
	free(w);
}

static unsigned int bits_per_label(const struct addr *a)
{
	return a->family == AF_INET ? 8 : 4;
}

static struct prefix prefix_at(const struct addr *addr, unsigned int depth)
{
	struct prefix p = {.addr = *addr, .len = (uint8_t)(depth * bits_per_label(addr))};

	for (unsigned int bit = p.len; bit < addr_bits(addr); bit++)
		p.addr.b[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	return p;
}

/* The reverse name without the labels of the bits behind the prefix. */
static const char *name_at(
	const struct addr *addr, unsigned int depth, char buf[static ADDR_REVERSE_LEN])
{
	unsigned int labels = addr_bits(addr) / bits_per_label(addr);
	const char *name = addr_reverse_name(addr, buf);

	for (; labels > depth; labels--)
		name = strchr(name, '.') + 1;
	return name;
}

static void tell(struct walk *k, enum dns_class class, uint32_t ttl)
{
	struct dns_range range = {.prefix = prefix_at(&k->addr, k->depth),
		.class = (uint8_t)class,
		.ttl = answer_ttl(class, ttl)};
	char buf[ADDR_REVERSE_LEN];

	strncpy(range.zone, name_at(&k->addr, k->depth, buf), sizeof(range.zone) - 1);
	log_debug("%s: %s", range.zone,
		class == DNS_DENIED ? "nothing exists below" : "an unsigned delegation");
	k->all->found(k->all->arg, &range);
}

static void ask(struct walk *k);

static void on_reply(void *arg, const struct reply *reply)
{
	enum answer_cut cut = ANSWER_CUT_UNKNOWN;
	char buf[ADDR_REVERSE_LEN];
	struct walk *k = arg;
	uint32_t ttl = 0;

	/* what is not secure proves nothing of others */
	if (reply->packet && reply->sec == 2)
		cut = answer_cut(reply->packet, reply->len, name_at(&k->addr, k->depth, buf), &ttl);
	switch (cut) {
	case ANSWER_CUT_NONE:
		if (k->depth++ < k->deepest) {
			ask(k);
			return;
		}
		break;
	case ANSWER_CUT_INSECURE:
		tell(k, DNS_INSECURE, ttl);
		break;
	case ANSWER_CUT_NOTHING:
		tell(k, DNS_DENIED, ttl);
		break;
	case ANSWER_CUT_UNKNOWN:
		break;
	}
	end(k);
}

/* k may be gone when it returns. */
static void ask(struct walk *k)
{
	char buf[ADDR_REVERSE_LEN];

	if (context_ask(k->context, name_at(&k->addr, k->depth, buf), ANSWER_TYPE_DS, on_reply, k) <
		0)
		end(k);
}

void walks_start(struct walks *w, struct context *c, const struct addr *addr,
	enum dns_class class, unsigned int soa_labels)
{
	unsigned int deepest = addr->family == AF_INET ? DEPTH_V4 : DEPTH_V6, first = 1;
	struct walk *k;

	/* a zone that denies a name securely is itself signed down to its apex */
	if (class == DNS_DENIED)
		first = !soa_labels              ? deepest + 1
			: soa_labels > MAP_LABELS ? soa_labels - MAP_LABELS + 1
						  : 1;
	/* and an unsigned one begins at its apex at the latest */
	else if (soa_labels > MAP_LABELS && soa_labels - MAP_LABELS < deepest)
		deepest = soa_labels - MAP_LABELS;
	if (first > deepest || w->n >= WALKS_MAX)
		return;
	LIST_FOREACH(k, &w->list, link)
		if (addr_equal(&k->addr, addr))
			return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	*k = (struct walk){
		.all = w, .context = c, .addr = *addr, .depth = first, .deepest = deepest};
	LIST_INSERT_HEAD(&w->list, k, link);
	w->n++;
	ask(k);
}
