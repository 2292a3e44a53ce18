/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lookups that the agent waits for, and the questions they come down to. Each lookup gets
 * exactly one answer, unless it is cancelled: from DNS, at its deadline, or because there is no way
 * to DNS.
 */
#pragma once

#include <event2/event.h>

#include "resolver/context.h"
#include "resolver/resolver.h"

/* Questions that libunbound works on at once, about 11 KB each; it has no limit of its own. More
 * than these wait for their turn. */
#define LOOKUP_QUESTIONS_MAX 512
/* Lookups that wait, in all and on behalf of strangers. */
#define LOOKUP_MAX 8192
#define LOOKUP_STRANGERS_MAX 64

struct lookups;

struct lookups_owner {
	/* keys: answer->n_keys of them. Calls nothing here back. */
	void (*answer)(void *arg, const struct dns_answer *answer, const struct dns_key *keys);
	/* An answer told of more than was asked for. */
	void (*range)(void *arg, const struct dns_range *range);
	/* Several questions in a row failed or were bogus: look whether DNS still works. Called
	 * from the loop, so that everything may be done in it. */
	void (*trouble)(void *arg);
	void *arg;
};

/* Fatal when out of memory. New lookups wait until lookups_use() or lookups_refuse(). */
struct lookups *lookups_new(struct event_base *base, const struct lookups_owner *owner);
/* Accepts NULL. Answers nothing. The context must be retired before. */
void lookups_free(struct lookups *l);
/* From now on questions go to c; those without an answer are asked (again) there. */
void lookups_use(struct lookups *l, struct context *c);
/* The context goes; lookups wait (until their deadline) for the next one. */
void lookups_hold(struct lookups *l);
/* The same without hope: all are answered DNS_UNAVAILABLE, new ones at once. why is copied. */
void lookups_refuse(struct lookups *l, const char *why);
/* A request whose fields are in range. An id that is in use already is an error of the agent's: the
 * request is dropped. */
void lookups_start(struct lookups *l, const struct dns_lookup *request);
/* All counters but `probes`. */
const struct dns_stats *lookups_stats(const struct lookups *l);
/* No answer comes for id any more. The question goes on, for libunbound would not stop anyway. */
void lookups_cancel(struct lookups *l, uint32_t id);
