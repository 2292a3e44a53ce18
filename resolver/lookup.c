/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	lookup (the agent's id) --part--> question (name, type) --> libunbound
 *
 * A lookup has one part, or two where it also asks for the name's addresses. Equal questions are
 * asked once; each part waits in the list of its question. A question lives until libunbound has
 * answered it, even when nobody waits any more: it costs libunbound memory until then, so it
 * counts, and who asks the same again joins it. When the context changes, questions are asked again
 * and nobody who waits notices.
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

/* Failures in a row that make us doubt the path and not the zones. */
#define TROUBLE_AFTER 3

enum part_kind {
	PART_KEYS,
	PART_ADDR,
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
	struct question_key key;
	struct lookups *all;
	struct part_list waiting;
	bool asked; /* of the present context */
};

struct lookup {
	UT_hash_handle hh;
	uint32_t id;
	struct lookups *all;
	struct addr addr;
	struct event *deadline;
	uint64_t started;
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
	struct lookup *lookups;
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

static void lookup_free(struct lookup *u)
{
	for (int i = 0; i < N_PARTS; i++)
		if (u->parts[i].question)
			TAILQ_REMOVE(&u->parts[i].question->waiting, &u->parts[i], link);
	HASH_DEL(u->all->lookups, u);
	event_free(u->deadline);
	free(u);
}

static bool has_keys(const struct dns_answer *a)
{
	return a->class == DNS_KEYS || a->class == DNS_INSECURE_KEYS;
}

/* Sends what stands in u->answer, and ends u. */
static void finish(struct lookup *u)
{
	struct dns_answer *a = &u->answer;

	if (has_keys(a) && u->addr_ttl < a->ttl)
		a->ttl = u->addr_ttl;
	a->took_us = (uint32_t)(service_now() - u->started);
	log_debug("lookup %u: %s %s, %u keys, %u s, took %u us%s%s", a->id, a->name,
		dns_class_name(a->class), a->n_keys, a->ttl, a->took_us, a->why[0] ? ": " : "",
		a->why);
	u->all->owner.answer(u->all->owner.arg, a, u->keys);
	lookup_free(u);
}

static void finish_without(struct lookup *u, enum dns_class class, const char *why)
{
	u->answer.class = (uint8_t)class;
	u->answer.ttl = answer_ttl(class, 0);
	u->answer.rcode = u->answer.n_keys = u->answer.n_left_out = 0;
	u->answer.addr_matches = 0;
	u->answer.cached = 0;
	answer_quote(why, u->answer.why);
	finish(u);
}

/* For a request that never becomes a lookup. */
static void answer_at_once(struct lookups *l, const struct dns_answer *template,
	enum dns_class class, const char *why)
{
	struct dns_answer a = *template;

	a.class = (uint8_t)class;
	a.ttl = answer_ttl(class, 0);
	answer_quote(why, a.why);
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
	bool readable = reply->packet &&
		answer_keys(reply->packet, reply->len, name, &u->addr, &a) == 0;
	enum dns_class class = answer_class(reply->rcode, reply->sec, readable ? &a : NULL);
	char text[DNS_WHY_MAX];

	out->class = (uint8_t)class;
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
		return;
	}
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

/* Where there is no key, its addresses do not matter. */
static bool complete(const struct lookup *u)
{
	return !u->parts[PART_KEYS].question &&
		(!u->parts[PART_ADDR].question || !has_keys(&u->answer));
}

static void on_reply(void *arg, const struct reply *reply)
{
	struct question *q = arg;
	struct lookups *l = q->all;
	struct part *part;

	HASH_DEL(l->questions, q);
	while ((part = TAILQ_FIRST(&q->waiting))) {
		struct lookup *u = part->lookup;

		TAILQ_REMOVE(&q->waiting, part, link);
		part->question = NULL;
		if (part == &u->parts[PART_KEYS])
			take_keys(u, q->key.name, reply);
		else
			take_addr(u, q->key.name, reply);
		u->answer.cached &= reply->at_once;
		if (complete(u))
			finish(u);
	}
	free(q);
	watch_for_trouble(l, reply->rcode != 0 || reply->sec == 1, !reply->at_once);
}

static void ask(struct question *q)
{
	static const struct reply refused = {.rcode = 2, .why = "libunbound refuses the question"};
	int r;

	q->asked = true;
	r = context_ask(q->all->context, q->key.name, q->key.type, on_reply, q);
	if (r < 0)
		on_reply(q, &refused);
}

static struct question *find_question(struct lookups *l, const struct question_key *key)
{
	struct question *q;

	HASH_FIND(hh, l->questions, key, sizeof(*key), q);
	return q;
}

/* Makes part wait for the question, which the caller asks when the lookup is complete. */
static void await(struct lookup *u, enum part_kind kind, const struct question_key *key)
{
	struct lookups *l = u->all;
	struct question *q = find_question(l, key);

	if (!q) {
		q = must(calloc(1, sizeof(*q)));
		q->key = *key;
		q->all = l;
		TAILQ_INIT(&q->waiting);
		HASH_ADD(hh, l->questions, key, sizeof(q->key), q);
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

/* Whether so many questions more may be asked. */
static bool have_room(struct lookups *l, const struct question_key keys[], int n)
{
	unsigned int new = 0;

	for (int i = 0; i < n; i++)
		new += !find_question(l, &keys[i]);
	/* who only joins a question costs little */
	return HASH_COUNT(l->questions) + new <= LOOKUP_QUESTIONS_MAX &&
		HASH_COUNT(l->lookups) < LOOKUP_MAX;
}

void lookups_start(struct lookups *l, const struct dns_lookup *request)
{
	static const struct timeval deadline = {.tv_sec = LOOKUP_DEADLINE_S};
	struct question_key keys[N_PARTS] = {0};
	struct dns_answer a = {.id = request->id, .cached = 1};
	int n = request->question == DNS_ASK_FORWARD ? 2 : 1;
	struct lookup *u;

	HASH_FIND(hh, l->lookups, &request->id, sizeof(request->id), u);
	if (u) {
		log_error("lookup %u asked for twice", request->id);
		return;
	}
	if (!name_of(request, a.name)) {
		memcpy(a.name, request->name, sizeof(a.name));
		answer_at_once(l, &a, DNS_FAILED, "not a domain name");
		return;
	}
	for (int i = 0; i < n; i++)
		memcpy(keys[i].name, a.name, sizeof(a.name));
	keys[PART_KEYS].type = ANSWER_TYPE_IPSECKEY;
	keys[PART_ADDR].type =
		request->addr.family == AF_INET ? ANSWER_TYPE_A : ANSWER_TYPE_AAAA;
	if (l->refused) {
		answer_at_once(l, &a, DNS_UNAVAILABLE, l->why);
		return;
	}
	if (!have_room(l, keys, n)) {
		answer_at_once(l, &a, DNS_FAILED, "too many lookups");
		return;
	}
	u = must(calloc(1, sizeof(*u)));
	*u = (struct lookup){.id = request->id, .all = l, .answer = a, .started = service_now(),
		.addr_ttl = UINT32_MAX};
	/* DNS_ASK_NAME has no address: only keys without gateway are taken */
	if (request->question != DNS_ASK_NAME)
		u->addr = request->addr;
	u->deadline = must(evtimer_new(l->base, on_deadline, u));
	evtimer_add(u->deadline, &deadline);
	HASH_ADD(hh, l->lookups, id, sizeof(u->id), u);
	for (int i = 0; i < n; i++) {
		u->parts[i].lookup = u;
		await(u, (enum part_kind)i, &keys[i]);
	}
	/* u may be gone after the first, and whatever else is answered meanwhile */
	for (int i = 0; l->context && i < n; i++) {
		struct question *q = find_question(l, &keys[i]);

		if (q && !q->asked)
			ask(q);
	}
}

void lookups_cancel(struct lookups *l, uint32_t id)
{
	struct lookup *u;

	HASH_FIND(hh, l->lookups, &id, sizeof(id), u);
	if (u)
		lookup_free(u);
}

/* ---- the way to DNS */

void lookups_use(struct lookups *l, struct context *c)
{
	struct question *q, *next;

	l->context = c;
	l->refused = false;
	l->failed_in_a_row = 0;
	HASH_ITER(hh, l->questions, q, next)
		q->asked = false;
	/* an answer takes its question out of the hash: so always start over */
	do {
		for (q = l->questions; q && q->asked; q = q->hh.next)
			;
		if (q)
			ask(q);
	} while (q);
}

void lookups_hold(struct lookups *l)
{
	struct question *q, *next;

	l->context = NULL;
	l->refused = false;
	HASH_ITER(hh, l->questions, q, next) {
		q->asked = false;
		if (TAILQ_EMPTY(&q->waiting)) {
			HASH_DEL(l->questions, q);
			free(q);
		}
	}
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

struct lookups *lookups_new(struct event_base *base, const struct lookups_owner *owner)
{
	struct lookups *l = must(calloc(1, sizeof(*l)));

	l->base = base;
	l->owner = *owner;
	l->trouble = must(event_new(base, -1, 0, on_trouble, l));
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
	event_free(l->trouble);
	free(l);
}
