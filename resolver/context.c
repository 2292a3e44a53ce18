/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "base/log.h"
#include "resolver/anchors.h"

#define CLASS_IN 1

struct context {
	struct ub_ctx *ub;
	struct event *delete;
	LIST_HEAD(, ask) asks;
	const struct ask *asking; /* whose ub_resolve_event() runs and did not call back yet */
	bool retired;
};

/* One question that libunbound works on; owned by its callback, which always comes, at the latest
 * from within ub_ctx_delete(). */
struct ask {
	LIST_ENTRY(ask) link;
	context_reply_fn on_reply;
	void *arg;
	struct context *context; /* NULL once that is retired */
};

/* ---- settings */

struct setting {
	const char *name;
	const char *value;
};

/* The library's own defaults are for a program that asks once. */
static const struct setting settings[] = {
	{"module-config:", "validator iterator"},
	/* a forwarder on this host is common */
	{"do-not-query-localhost:", "no"},
	/* The agent keeps each peer's keys itself, as long as they are good: what is kept here is
	 * the chains above them, and ranges. A key takes 850 bytes of the two. */
	{"msg-cache-size:", "256k"},
	{"rrset-cache-size:", "512k"},
	{"key-cache-size:", "2m"},
	/* whole ranges without keys are proved from here (RFC 8198) */
	{"neg-cache-size:", "4m"},
	{"aggressive-nsec:", "yes"},
	{"outgoing-range:", "256"},
	{"outgoing-num-tcp:", "16"},
};

static int set(struct ub_ctx *ub, const char *name, const char *value, char why[static DNS_WHY_MAX])
{
	int r = ub_ctx_set_option(ub, name, value);

	if (r == 0)
		return 0;
	snprintf(why, DNS_WHY_MAX, "libunbound refuses %s %.100s: %s", name, value, ub_strerror(r));
	return -EINVAL;
}

static int set_forwarders(
	struct ub_ctx *ub, const struct dns_config *config, char why[static DNS_WHY_MAX])
{
	int r;

	for (int i = 0; i < DNS_FORWARDERS_MAX && config->forwarders[i].family; i++) {
		char addr[ADDR_STRLEN], text[ADDR_STRLEN + 8];

		snprintf(text, sizeof(text), "%s@%u", addr_format(&config->forwarders[i], addr),
			config->forwarder_port);
		r = ub_ctx_set_fwd(ub, text);
		if (r) {
			snprintf(why, DNS_WHY_MAX, "libunbound refuses the forwarder %s: %s", text,
				ub_strerror(r));
			return -EINVAL;
		}
	}
	/*
	 * How long an answer may take before libunbound asks again and listens no more to the first
	 * question. It learns that from the answers before, down to 50 ms; but a forwarder that has
	 * one answer at hand may have to ask the other half of the world for the next. The number
	 * is one for all contexts of a process, so it is set either way.
	 */
	return set(ub, "infra-cache-min-rtt:", "800", why);
}

/* libunbound has hints of its own, but those of the system are kept up to date. */
static int set_recursion(
	struct ub_ctx *ub, const struct dns_config *config, char why[static DNS_WHY_MAX])
{
	const char *hints = config->root_hints[0] ? config->root_hints : DNS_HINTS_FILE;
	int r = set(ub, "infra-cache-min-rtt:", "50", why);

	if (r < 0)
		return r;
	if (access(hints, R_OK) == 0)
		return set(ub, "root-hints:", hints, why);
	if (!config->root_hints[0])
		return 0;
	snprintf(why, DNS_WHY_MAX, "%.180s: %s; root-hints is a file of NS and A records", hints,
		strerror(errno));
	return -EINVAL;
}

static int set_all(struct ub_ctx *ub, const struct dns_config *config, enum dns_path path,
	const char *state, char why[static DNS_WHY_MAX])
{
	int r = 0;

	/* it would write names that strangers chose */
	if (log_level() != LOG_LEVEL_DEBUG)
		ub_ctx_debugout(ub, NULL);
	for (size_t i = 0; r == 0 && i < sizeof(settings) / sizeof(settings[0]); i++)
		r = set(ub, settings[i].name, settings[i].value, why);
	if (r == 0 && config->options & DNS_OPT_UNBLOCK_LAN)
		r = set(ub, "unblock-lan-zones:", "yes", why);
	if (r == 0)
		r = path == DNS_PATH_FORWARDERS ? set_forwarders(ub, config, why)
						: set_recursion(ub, config, why);
	if (r == 0)
		r = anchors_add(ub, config, state, why);
	return r;
}

/* ---- life */

static void on_delete(evutil_socket_t fd, short what, void *arg)
{
	struct context *c = arg;

	(void)fd, (void)what;
	/* calls back what is outstanding: on_reply finds no context there */
	ub_ctx_delete(c->ub);
	event_free(c->delete);
	free(c);
}

int context_new(struct event_base *base, const struct dns_config *config, enum dns_path path,
	const char *state, struct context **ret, char ret_why[static DNS_WHY_MAX])
{
	struct context *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	memset(ret_why, 0, DNS_WHY_MAX);
	snprintf(ret_why, DNS_WHY_MAX, "out of memory");
	if (!c)
		return -ENOMEM;
	LIST_INIT(&c->asks);
	c->delete = evtimer_new(base, on_delete, c);
	c->ub = ub_ctx_create_event(base);
	if (c->delete && c->ub)
		r = set_all(c->ub, config, path, state, ret_why);
	if (r < 0) {
		if (c->ub)
			ub_ctx_delete(c->ub);
		if (c->delete)
			event_free(c->delete);
		free(c);
		return r;
	}
	memset(ret_why, 0, DNS_WHY_MAX);
	*ret = c;
	return 0;
}

void context_retire(struct context *c)
{
	static const struct timeval now;
	struct ask *a;

	if (!c || c->retired)
		return;
	c->retired = true;
	while ((a = LIST_FIRST(&c->asks))) {
		LIST_REMOVE(a, link);
		a->context = NULL;
	}
	/* never from inside one of its own callbacks */
	evtimer_add(c->delete, &now);
}

static void on_reply(
	void *arg, int rcode, void *packet, int len, int sec, char *why, int was_ratelimited)
{
	struct ask *a = arg;
	struct reply reply = {.rcode = rcode, .sec = sec, .why = why};

	(void)was_ratelimited;
	if (rcode == 0 && sec != 1 && packet && len > 0) {
		reply.packet = packet;
		reply.len = (size_t)len;
	}
	if (a->context) {
		reply.from = a->context;
		reply.at_once = a->context->asking == a;
		a->context->asking = NULL;
		LIST_REMOVE(a, link);
		a->on_reply(a->arg, &reply);
	}
	free(a);
}

int context_ask(
	struct context *c, const char *name, uint16_t type, context_reply_fn reply, void *arg)
{
	struct ask *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = (struct ask){.on_reply = reply, .arg = arg, .context = c};
	LIST_INSERT_HEAD(&c->asks, a, link);
	c->asking = a;
	r = ub_resolve_event(c->ub, name, type, CLASS_IN, a, on_reply, NULL);
	/* where it went well a may be gone already, and our caller may have asked more meanwhile */
	c->asking = NULL;
	if (r == 0)
		return 0;
	LIST_REMOVE(a, link);
	free(a);
	log_debug("libunbound: cannot ask for %s: %s", name, ub_strerror(r));
	return r == UB_NOMEM ? -ENOMEM : r == UB_SYNTAX ? -EINVAL : -EIO;
}
