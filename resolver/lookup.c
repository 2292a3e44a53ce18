/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	lookup (the agent's id) --part--> question (name, type) --> libunbound
 *
 * A lookup has one part, or two or three where it also asks for the name's addresses. Equal questions are
 * asked once; each part waits in the list of its question. A question lives until libunbound has
 * answered it, even when nobody waits any more: it costs libunbound memory until then, so it
 * counts, and who asks the same again joins it. Questions beyond LOOKUP_QUESTIONS_MAX stand in line
 * until one ends. When the context changes, questions are asked again and nobody who waits notices.
 *
 * libunbound may answer from inside context_ask(); so after that call neither the question nor the
 * lookup is touched.
 */
#include "resolver/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/log.h"
#include "base/service.h"
#include "resolver/answer.h"
#include "resolver/limit.h"
#include "resolver/walk.h"

/* Failures in a row that make us doubt the path and not the zones. */
#define TROUBLE_AFTER 3

enum part_kind {
	PART_KEYS,
	PART_ADDR,  /* a name's addresses of the family in question, or IPv4 */
	PART_ADDR6, /* of a hint, of which none is in question */
	N_PARTS,
};

struct lookup;

struct part {
	TAILQ_ENTRY(part) link;
	struct question *question; /* NULL: none, or answered */
	struct lookup *lookup;
};

TAILQ_HEAD(part_list, part);

struct question_key {
	char name[DNS_NAME_MAX]; /* canonical; zero to its end */
	uint16_t type;
};

struct question {
	UT_hash_handle hh;
	TAILQ_ENTRY(question) link; /* of the line, while it is not asked */
	struct question_key key;
	struct lookups *all;
	struct part_list waiting;
	bool asked; /* of the present context */
	/* who made it pays for it, where it goes on the wire */
	enum dns_origin origin;
	struct addr addr;
};

struct lookup {
	UT_hash_handle hh;
	uint32_t id;
	enum dns_origin origin;
	uint8_t question; /* enum dns_question */
	struct lookups *all;
	struct addr addr;
	struct event *deadline;
	uint64_t started;
	uint8_t soa_labels;
	uint32_t addr_ttl; /* what the addresses allow the whole */
	struct part parts[N_PARTS];
	struct dns_answer answer; /* filled in as parts come */
	struct dns_key keys[ANSWER_KEYS_MAX];
};

struct lookups {
	struct event_base *base;
	struct lookups_owner owner;
	struct context *context; /* NULL: held or refused */
	bool refused;
	char why[DNS_WHY_MAX];
	struct question *questions;
	TAILQ_HEAD(, question) line; /* those not asked yet, in order */
	unsigned int n_asked;        /* those asked of the present context */
	bool asking;                 /* work_off() runs */
	struct lookup *lookups;
	unsigned int n_strangers; /* of the lookups */
	struct limits *limits;
	struct walks *walks;
	struct dns_stats stats;
	unsigned int failed_in_a_row;
	struct event *trouble; /* tells the owner from the loop, never from inside a call of his */
};

static void *must(void *p)
{
	if (!p) {
		log_error("out of memory");
		abort();
	}
	return p;
}

/* ---- answers */

static void question_free(struct question *q)
{
	struct lookups *l = q->all;

	HASH_DEL(l->questions, q);
	if (q->asked)
		l->n_asked--;
	else
		TAILQ_REMOVE(&l->line, q, link);
	free(q);
}

static void part_leave(struct part *part)
{
	struct question *q = part->question;

	part->question = NULL;
	TAILQ_REMOVE(&q->waiting, part, link);
	/* one that libunbound has goes on: it would not stop anyway */
	if (!q->asked && TAILQ_EMPTY(&q->waiting))
		question_free(q);
}

static void lookup_free(struct lookup *u)
{
	for (int i = 0; i < N_PARTS; i++)
		if (u->parts[i].question)
			part_leave(&u->parts[i]);
	HASH_DEL(u->all->lookups, u);
	u->all->n_strangers -= u->origin == DNS_FROM_STRANGER;
	event_free(u->deadline);
	free(u);
}

/* Whether the name's addresses matter. A hint's key may name one of them as its gateway: alone it is
 * not usable then. */
static bool wants_addrs(const struct lookup *u)
{
	enum dns_class class = (enum dns_class)u->answer.class;

	return class == DNS_KEYS || class == DNS_INSECURE_KEYS ||
	       (class == DNS_UNUSABLE && u->question == DNS_ASK_HINT);
}

/* Sends what stands in u->answer, and ends u. */
static void finish(struct lookup *u)
{
	struct dns_answer *a = &u->answer;

	if (wants_addrs(u) && u->addr_ttl < a->ttl)
		a->ttl = u->addr_ttl;
	a->took_us = (uint32_t)(service_now() - u->started);
	u->all->stats.class[a->class]++;
	log_debug("lookup %u: %s %s, %u keys, %u s, took %u us%s%s", a->id, a->name,
		dns_class_name(a->class), a->n_keys, a->ttl, a->took_us, a->why[0] ? ": " : "",
		a->why);
	u->all->owner.answer(u->all->owner.arg, a, u->keys);
	lookup_free(u);
}

static void finish_without(struct lookup *u, enum dns_class class, const char *why)
{
	u->answer.class = (uint8_t) class;
	u->answer.ttl = answer_ttl(class, 0);
	u->answer.rcode = u->answer.n_keys = u->answer.n_left_out = 0;
	u->answer.addr_matches = u->answer.n_addrs = 0;
	u->answer.cached = 0;
	answer_quote(why, u->answer.why);
	finish(u);
}

/* For a request that never becomes a lookup. */
static void answer_at_once(
	struct lookups *l, const struct dns_answer *template, enum dns_class class, const char *why)
{
	struct dns_answer a = *template;

	a.class = (uint8_t) class;
	a.ttl = answer_ttl(class, 0);
	answer_quote(why, a.why);
	l->stats.class[class]++;
	l->owner.answer(l->owner.arg, &a, NULL);
}

/* Names as in RFC 1035 section 4.1.1 and RFC 6895 section 2.3. */
static const char *rcode_text(int rcode)
{
	switch (rcode) {
	case 1:
		return "FORMERR";
	case 2:
		return "SERVFAIL";
	case 4:
		return "NOTIMP";
	case 5:
		return "REFUSED";
	default:
		return "DNS error";
	}
}

static void take_keys(struct lookup *u, const char *name, const struct reply *reply)
{
	struct dns_answer *out = &u->answer;
	struct answer a;
	bool readable =
		reply->packet && answer_keys(reply->packet, reply->len, name, &u->addr, &a) == 0;
	enum dns_class class = answer_class(reply->rcode, reply->sec, readable ? &a : NULL);
	char text[DNS_WHY_MAX];

	out->class = (uint8_t) class;
	out->rcode = (uint8_t)reply->rcode;
	out->ttl = answer_ttl(class, readable ? a.ttl : 0);
	if (class == DNS_BOGUS || class == DNS_FAILED) {
		if (reply->why && reply->why[0])
			snprintf(text, sizeof(text), "%s", reply->why);
		else if (class == DNS_BOGUS)
			snprintf(text, sizeof(text), "validation failure, no reason given");
		else if (reply->rcode)
			snprintf(text, sizeof(text), "%s (rcode %d)", rcode_text(reply->rcode),
				reply->rcode);
		else
			snprintf(text, sizeof(text), "the answer could not be read");
		answer_quote(text, out->why);
		if (class == DNS_BOGUS)
			answer_broke_at(reply->why, name, out->broke);
		return;
	}
	u->soa_labels = a.soa_labels;
	out->rcode = a.rcode;
	out->n_keys = a.n_keys;
	out->n_left_out = a.n_left_out;
	memcpy(out->canonical, a.canonical, sizeof(out->canonical));
	memcpy(u->keys, a.keys, sizeof(u->keys));
}

/* The address must be secure; where it is not, the keys stand, unmatched, and not for long. */
static void take_addr(struct lookup *u, const char *name, const struct reply *reply)
{
	enum dns_class class = reply->sec == 1 ? DNS_BOGUS : DNS_FAILED;
	bool found = false;
	uint32_t ttl = 0;

	if (reply->packet &&
		answer_has_addr(reply->packet, reply->len, name, &u->addr, &found, &ttl) == 0)
		class = reply->sec == 2 ? DNS_KEYS : DNS_INSECURE;
	u->answer.addr_matches = found && class == DNS_KEYS;
	u->addr_ttl = answer_ttl(class, ttl);
}

/* The secure ones are taken; where there are none, the worst that was heard says why. */
static void take_addrs(struct lookup *u, const char *name, const struct reply *reply, bool six)
{
	enum dns_class class = reply->sec == 1 ? DNS_BOGUS : DNS_FAILED;
	struct dns_answer *a = &u->answer;
	uint32_t ttl = 0;
	size_t n = 0;

	if (reply->packet && answer_addrs(reply->packet, reply->len, name, six ? AF_INET6 : AF_INET,
				     &a->addrs[a->n_addrs], DNS_ADDRS_MAX / 2, &n, &ttl) == 0)
		class = reply->sec != 2 ? DNS_INSECURE : n ? DNS_KEYS : DNS_DENIED;
	if (class == DNS_KEYS) {
		a->n_addrs = (uint8_t)(a->n_addrs + n);
		a->addr_class = DNS_KEYS;
		ttl = answer_ttl(class, ttl);
		u->addr_ttl = ttl < u->addr_ttl ? ttl : u->addr_ttl;
		return;
	}
	memset(&a->addrs[a->n_addrs], 0, n * sizeof(a->addrs[0]));
	if (!a->n_addrs && class > a->addr_class)
		a->addr_class = (uint8_t) class;
}

/* ---- questions */

/* One question after another failing is the sign of a path that no longer leads to DNS. */
static void watch_for_trouble(struct lookups *l, bool failed, bool from_wire)
{
	if (failed)
		l->failed_in_a_row++;
	else if (from_wire)
		l->failed_in_a_row = 0;
	if (l->failed_in_a_row >= TROUBLE_AFTER) {
		l->failed_in_a_row = 0;
		event_active(l->trouble, EV_TIMEOUT, 0);
	}
}

static void on_trouble(evutil_socket_t fd, short what, void *arg)
{
	struct lookups *l = arg;

	(void)fd, (void)what;
	l->owner.trouble(l->owner.arg);
}

static bool complete(const struct lookup *u)
{
	return !u->parts[PART_KEYS].question &&
	       ((!u->parts[PART_ADDR].question && !u->parts[PART_ADDR6].question) ||
		       !wants_addrs(u));
}

/* Whether u's answer, which is complete, is true for more than its address. */
static bool tells_more(const struct lookup *u)
{
	const struct dns_answer *a = &u->answer;

	return u->question == DNS_ASK_REVERSE &&
	       (a->class == DNS_INSECURE || a->class == DNS_INSECURE_KEYS ||
		       (a->class == DNS_DENIED && a->rcode == 3));
}

static void take_reply(struct part *part, const char *name, const struct reply *reply)
{
	struct lookup *u = part->lookup;
	struct lookups *l = u->all;
	struct addr addr = u->addr;
	unsigned int soa_labels;
	enum dns_class class;
	bool more;

	if (part == &u->parts[PART_KEYS])
		take_keys(u, name, reply);
	else if (u->question == DNS_ASK_HINT)
		take_addrs(u, name, reply, part == &u->parts[PART_ADDR6]);
	else
		take_addr(u, name, reply);
	u->answer.cached &= reply->at_once;
	if (!complete(u))
		return;
	more = l->context && tells_more(u);
	class = u->answer.class == DNS_DENIED ? DNS_DENIED : DNS_INSECURE;
	soa_labels = u->soa_labels;
	finish(u);
	/* the packet goes first */
	if (more)
		walks_start(l->walks, l->context, &addr, class, soa_labels);
}

static void work_off(struct lookups *l);

static void on_reply(void *arg, const struct reply *reply)
{
	struct question *q = arg;
	struct lookups *l = q->all;
	struct part *part;

	if (reply->at_once) {
		l->stats.at_once++;
		limits_give_back(l->limits, q->origin, &q->addr);
	}
	/* who asks the same from here on asks anew */
	HASH_DEL(l->questions, q);
	l->n_asked--;
	while ((part = TAILQ_FIRST(&q->waiting))) {
		TAILQ_REMOVE(&q->waiting, part, link);
		part->question = NULL;
		take_reply(part, q->key.name, reply);
	}
	free(q);
	watch_for_trouble(l, reply->rcode != 0 || reply->sec == 1, !reply->at_once);
	work_off(l);
}

/* Asks the first in line. */
static void ask(struct question *q)
{
	static const struct reply refused = {.rcode = 2, .why = "libunbound refuses the question"};
	struct lookups *l = q->all;
	int r;

	TAILQ_REMOVE(&l->line, q, link);
	q->asked = true;
	l->n_asked++;
	l->stats.asked++;
	r = context_ask(l->context, q->key.name, q->key.type, on_reply, q);
	if (r < 0)
		on_reply(q, &refused);
}

/* Answers that come at once would lead back in here, question by question, ever deeper: so only the
 * outermost call goes through the line. */
static void work_off(struct lookups *l)
{
	if (l->asking)
		return;
	l->asking = true;
	while (l->context && l->n_asked < LOOKUP_QUESTIONS_MAX && !TAILQ_EMPTY(&l->line))
		ask(TAILQ_FIRST(&l->line));
	l->asking = false;
}

static struct question *find_question(struct lookups *l, const struct question_key *key)
{
	struct question *q;

	HASH_FIND(hh, l->questions, key, sizeof(*key), q);
	return q;
}

/* Makes part wait for the question, new ones in line until the lookup is complete. */
static void await(struct lookup *u, enum part_kind kind, const struct question_key *key)
{
	struct lookups *l = u->all;
	struct question *q = find_question(l, key);

	if (!q) {
		q = must(calloc(1, sizeof(*q)));
		q->key = *key;
		q->all = l;
		q->origin = u->origin;
		q->addr = u->addr;
		TAILQ_INIT(&q->waiting);
		TAILQ_INSERT_TAIL(&l->line, q, link);
		HASH_ADD(hh, l->questions, key, sizeof(q->key), q);
	} else {
		l->stats.joined++;
	}
	u->parts[kind].question = q;
	TAILQ_INSERT_TAIL(&q->waiting, &u->parts[kind], link);
}

/* ---- lookups */

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *u = arg;
	struct lookups *l = u->all;

	(void)fd, (void)what;
	l->stats.deadline++;
	finish_without(u, DNS_FAILED, "no answer");
	watch_for_trouble(l, true, false);
}

/* The name that request asks for; returns false where it is none. */
static bool name_of(const struct dns_lookup *request, char ret[static DNS_NAME_MAX])
{
	char reverse[ADDR_REVERSE_LEN];

	if (request->question != DNS_ASK_REVERSE)
		return answer_canonical_name(request->name, ret) == 0;
	memset(ret, 0, DNS_NAME_MAX);
	snprintf(ret, DNS_NAME_MAX, "%s", addr_reverse_name(&request->addr, reverse));
	return true;
}

/* Why a lookup that needs n_new questions is not made; NULL: it may be, and is paid for. */
static const char *over_limit(struct lookups *l, const struct dns_lookup *request, int n_new)
{
	static const struct addr none;
	bool has_addr =
		request->question == DNS_ASK_REVERSE || request->question == DNS_ASK_FORWARD;
	const struct addr *addr = has_addr ? &request->addr : &none;
	enum dns_origin origin = (enum dns_origin)request->origin;

	if (HASH_COUNT(l->lookups) >= LOOKUP_MAX) {
		l->stats.limited_full++;
		return "too many lookups wait";
	}
	if (origin == DNS_FROM_STRANGER && l->n_strangers >= LOOKUP_STRANGERS_MAX) {
		l->stats.limited_strangers++;
		return "too many strangers wait for a lookup";
	}
	/* who only joins a question costs little */
	if (n_new == 0)
		return NULL;
	switch (limits_take(l->limits, origin, addr, service_now())) {
	case LIMIT_NONE:
		break;
	case LIMIT_RATE:
		l->stats.limited_rate++;
		return "too many lookups in a short time";
	case LIMIT_STRANGERS:
		l->stats.limited_strangers++;
		return "too many lookups by strangers in a short time";
	}
	return NULL;
}

/* From a request whose limits are checked; waits in line. */
static void lookup_new(struct lookups *l, const struct dns_lookup *request,
	const struct dns_answer *template, const struct question_key keys[], int n)
{
	static const struct timeval deadline = {.tv_sec = DNS_DEADLINE_S};
	struct lookup *u = must(calloc(1, sizeof(*u)));

	*u = (struct lookup){.id = request->id,
		.origin = (enum dns_origin)request->origin,
		.question = request->question,
		.all = l,
		.answer = *template,
		.started = service_now(),
		.addr_ttl = UINT32_MAX};
	/* the others have no address: only keys without gateway are taken */
	if (request->question == DNS_ASK_REVERSE || request->question == DNS_ASK_FORWARD)
		u->addr = request->addr;
	u->deadline = must(evtimer_new(l->base, on_deadline, u));
	evtimer_add(u->deadline, &deadline);
	HASH_ADD(hh, l->lookups, id, sizeof(u->id), u);
	l->n_strangers += u->origin == DNS_FROM_STRANGER;
	for (int i = 0; i < n; i++) {
		u->parts[i].lookup = u;
		await(u, (enum part_kind)i, &keys[i]);
	}
}

void lookups_start(struct lookups *l, const struct dns_lookup *request)
{
	struct question_key keys[N_PARTS] = {0};
	struct dns_answer a = {.id = request->id, .cached = 1};
	bool hint = request->question == DNS_ASK_HINT;
	int n = hint ? 3 : request->question == DNS_ASK_FORWARD ? 2 : 1, n_new = 0;
	const char *fault;
	struct lookup *u;

	HASH_FIND(hh, l->lookups, &request->id, sizeof(request->id), u);
	if (u) {
		log_error("lookup %u asked for twice", request->id);
		return;
	}
	l->stats.lookups++;
	if (!name_of(request, a.name)) {
		memcpy(a.name, request->name, sizeof(a.name));
		answer_at_once(l, &a, DNS_FAILED, "not a domain name");
		return;
	}
	for (int i = 0; i < n; i++)
		memcpy(keys[i].name, a.name, sizeof(a.name));
	keys[PART_KEYS].type = ANSWER_TYPE_IPSECKEY;
	keys[PART_ADDR].type =
		hint || request->addr.family == AF_INET ? ANSWER_TYPE_A : ANSWER_TYPE_AAAA;
	keys[PART_ADDR6].type = ANSWER_TYPE_AAAA;
	if (l->refused) {
		answer_at_once(l, &a, DNS_UNAVAILABLE, l->why);
		return;
	}
	for (int i = 0; i < n; i++)
		n_new += !find_question(l, &keys[i]);
	fault = over_limit(l, request, n_new);
	if (fault) {
		answer_at_once(l, &a, DNS_LIMITED, fault);
		return;
	}
	lookup_new(l, request, &a, keys, n);
	work_off(l);
}

const struct dns_stats *lookups_stats(const struct lookups *l)
{
	return &l->stats;
}

void lookups_cancel(struct lookups *l, uint32_t id)
{
	struct lookup *u;

	HASH_FIND(hh, l->lookups, &id, sizeof(id), u);
	if (u)
		lookup_free(u);
}

/* ---- the way to DNS */

/* All questions stand in line again. */
static void take_back(struct lookups *l)
{
	struct question *q, *next;

	walks_drop(l->walks);
	HASH_ITER(hh, l->questions, q, next) {
		if (!q->asked)
			continue;
		q->asked = false;
		l->n_asked--;
		TAILQ_INSERT_TAIL(&l->line, q, link);
		if (TAILQ_EMPTY(&q->waiting))
			question_free(q);
	}
}

void lookups_use(struct lookups *l, struct context *c)
{
	take_back(l);
	l->context = c;
	l->refused = false;
	l->failed_in_a_row = 0;
	work_off(l);
}

void lookups_hold(struct lookups *l)
{
	l->context = NULL;
	l->refused = false;
	take_back(l);
}

void lookups_refuse(struct lookups *l, const char *why)
{
	struct lookup *u, *next;

	answer_quote(why, l->why);
	HASH_ITER(hh, l->lookups, u, next)
		finish_without(u, DNS_UNAVAILABLE, l->why);
	/* and so nobody waits for any question */
	lookups_hold(l);
	l->refused = true;
}

static void on_range(void *arg, const struct dns_range *range)
{
	struct lookups *l = arg;

	l->stats.ranges++;
	l->owner.range(l->owner.arg, range);
}

struct lookups *lookups_new(struct event_base *base, const struct lookups_owner *owner)
{
	struct lookups *l = must(calloc(1, sizeof(*l)));

	l->base = base;
	l->owner = *owner;
	l->trouble = must(event_new(base, -1, 0, on_trouble, l));
	TAILQ_INIT(&l->line);
	l->limits = limits_new();
	l->walks = walks_new(on_range, l);
	return l;
}

void lookups_free(struct lookups *l)
{
	struct lookup *u, *next;

	if (!l)
		return;
	HASH_ITER(hh, l->lookups, u, next)
		lookup_free(u);
	lookups_hold(l);
	walks_free(l->walks);
	limits_free(l->limits);
	event_free(l->trouble);
	free(l);
}
