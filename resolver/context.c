/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/context.h"

#include <errno.h>
#include <fcntl.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "base/log.h"
#include "resolver/answer.h"

#define ANCHOR_DEFAULT "/usr/share/dns/root.key"
#define ROOT_HINTS "/usr/share/dns/root.hints"
#define ANCHOR_FILE_MAX (256 * 1024)
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

/* ---- trust anchors */

static int anchor_error(char why[static DNS_WHY_MAX], const char *file, int error)
{
	char text[DNS_WHY_MAX + 256];

	switch (error) {
	case -ENOENT:
		snprintf(text, sizeof(text),
			"%s: no such file: install dns-root-data, or set another trust anchor file",
			file);
		break;
	case -EACCES:
		snprintf(text, sizeof(text),
			"%s: not readable for the resolver's user: make the file readable for all "
			"(chmod a+r) and its folders passable",
			file);
		break;
	default:
		snprintf(text, sizeof(text), "%s: %s", file, strerror(-error));
	}
	answer_quote(text, why);
	return error;
}

/* Returns 1 for an anchor given to the context, 0 for a record that is none, or -errno. */
static int add_anchor(struct ub_ctx *ub, const ldns_rr *rr)
{
	char *text;
	int r;

	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
		(ldns_rr_get_type(rr) != LDNS_RR_TYPE_DS &&
			ldns_rr_get_type(rr) != LDNS_RR_TYPE_DNSKEY))
		return 0;
	text = ldns_rr2str(rr);
	r = text ? ub_ctx_add_ta(ub, text) : UB_NOMEM;
	free(text);
	return r == 0 ? 1 : -EINVAL;
}

/* The records are read here, not by libunbound, which would do it at the first question and say no
 * more than "initialization failure". */
static int read_anchors(struct ub_ctx *ub, FILE *f, const char *file, char why[static DNS_WHY_MAX])
{
	uint32_t ttl = 3600;
	ldns_rdf *origin = NULL, *prev = NULL;
	int line = 1, count = 0, r = 0;
	const char *fault = NULL;

	while (!fault && !feof(f) && !ferror(f)) {
		ldns_rr *rr = NULL;
		int before = line;
		ldns_status s = ldns_rr_new_frm_fp_l(&rr, f, &ttl, &origin, &prev, &line);

		if (s == LDNS_STATUS_SYNTAX_EMPTY || s == LDNS_STATUS_SYNTAX_TTL ||
			s == LDNS_STATUS_SYNTAX_ORIGIN)
			continue;
		r = s == LDNS_STATUS_OK ? add_anchor(ub, rr) : -EINVAL;
		if (s == LDNS_STATUS_OK)
			ldns_rr_free(rr);
		if (r == 0)
			fault = "neither a DS nor a DNSKEY record";
		else if (r < 0)
			fault = "not a DS or DNSKEY record in zone file form";
		else
			count++;
		if (fault)
			/* line is the one behind */
			snprintf(why, DNS_WHY_MAX, "%.180s:%d: %s", file,
				line > before ? line - 1 : line, fault);
	}
	ldns_rdf_deep_free(origin);
	ldns_rdf_deep_free(prev);
	if (!fault && !count)
		snprintf(why, DNS_WHY_MAX, "%.180s: no DS or DNSKEY record in it", file);
	return fault || !count ? -EINVAL : 0;
}

static int add_anchors(struct ub_ctx *ub, const char *file, char why[static DNS_WHY_MAX])
{
	struct stat st;
	FILE *f;
	int fd, r;

	/* a FIFO there must not stop us */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return anchor_error(why, file, -errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > ANCHOR_FILE_MAX) {
		close(fd);
		snprintf(why, DNS_WHY_MAX, "%.180s: not a plain file of at most %d KiB", file,
			ANCHOR_FILE_MAX / 1024);
		return -EINVAL;
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	r = read_anchors(ub, f, file, why);
	fclose(f);
	return r;
}

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
	{"msg-cache-size:", "512k"},
	{"rrset-cache-size:", "1m"},
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

static int set_path(
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
	if (config->forwarders[0].family)
		return set(ub, "infra-cache-min-rtt:", "800", why);
	r = set(ub, "infra-cache-min-rtt:", "50", why);
	/* libunbound has hints of its own, but those of the system are kept up to date */
	if (r == 0 && access(ROOT_HINTS, R_OK) == 0)
		r = set(ub, "root-hints:", ROOT_HINTS, why);
	return r;
}

static int set_all(struct ub_ctx *ub, const struct dns_config *config, char why[static DNS_WHY_MAX])
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
		r = set_path(ub, config, why);
	if (r == 0)
		r = add_anchors(ub, config->anchor_file[0] ? config->anchor_file : ANCHOR_DEFAULT,
			why);
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

int context_new(struct event_base *base, const struct dns_config *config, struct context **ret,
	char ret_why[static DNS_WHY_MAX])
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
		r = set_all(c->ub, config, ret_why);
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
