/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service `oed: resolver`: looks up IPSECKEY records and says what DNSSEC thinks of them.
 *
 * Files
 *	resolver.c	this: the service, its requests checked, the way to DNS
 *	lookup.c	who waits for what; deadlines, equal questions asked once
 *	limit.c		how many lookups who may cause (pure)
 *	walk.c		what an answer tells of the addresses around
 *	context.c	libunbound: settings, forwarders, trust anchors
 *	answer.c	a DNS answer to records and a class (pure)
 *	ipseckey.c	one record to a public key (pure)
 *
 * The way to DNS. Each configuration makes a context, which is probed before anything is believed:
 * the root's SOA must come out secure, which needs the root's DNSKEY, its signatures and our trust
 * anchor. Only a way that passed may say "bogus"; one that loses the signatures (an old forwarder,
 * a hotel) is DNS_UNAVAILABLE, and tried again every few seconds, with a new context each time, for
 * libunbound remembers too long that nobody answered. The same probe is made when questions fail
 * one after another on a way that worked: the network may have changed under us.
 *
 *	             config             probe passed
 *	(nothing) ----------> PROBING ----------------> UP ---+  trouble: another context is
 *	                         |                      ^ ^ ^ |  probed, this one goes on
 *	            probe failed |     a probe passed   | | +-+  passed: the new one takes over
 *	                         v  +-------------------+ |
 *	                       DOWN <---------------------+      failed
 *	                  (probed again each PROBE_AGAIN_S, lookups are refused meanwhile)
 *
 * A probe tries the forwarders, and where none is given or none passes DNSSEC on, the root servers
 * (unless the admin does not want that): "probe failed" is said when both have failed. While
 * recursion stands in for forwarders these are tried again every few minutes.
 *
 * Slow is not away. A probe that has no answer in time is DOWN, for packets wait; but it goes on beside
 * the next ones, and where it is answered after all its context takes over. On a way that was in use a
 * slow answer changes nothing: the context there knows more than a new one, and would be asked the same
 * again.
 *
 * A configuration always leads to PROBING, from everywhere. Lookups that come then wait
 * (two times PROBE_LIMIT_S at most), so the agent need not. A configuration that is wrong is refused and the
 * one before goes on.
 *
 * Owners. The resolver owns up to two contexts (current, candidate) and the lookups; lookups own
 * questions; a context owns what it asked libunbound. Nothing is ever freed from inside a callback
 * of libunbound's: contexts are retired and go with the next turn of the loop.
 *
 * RFC 4025 (IPSECKEY), RFC 4033-4035 (DNSSEC), RFC 2308 (denials), RFC 2317 (CNAMEs in reverse
 * zones).
 */
#include "resolver/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "resolver/anchors.h"
#include "resolver/answer.h"
#include "resolver/context.h"
#include "resolver/lookup.h"

#define PROBE_LIMIT_S 4
#define PROBE_AGAIN_S 3
/* One that ran out of time may still be answered so long after it began. */
#define PROBE_LATE_S 15
/* While the way in use goes on a probe has more time; a slow answer means that the way is slow, and
 * its context, which has learnt something in that time, stays: but not for ever. */
#define PROBE_SLOW_S 8
#define SLOW_MAX 3
/* Recursion costs others more than forwarders do, and us time. */
#define PREFER_AGAIN_S 300
/* Failing questions, which strangers can cause, make no more probes than this. */
#define PROBE_TROUBLE_S 10
#define STATS_S 1
#define WATCHDOG_CPU_S 5
#define TYPE_SOA 6
#define SECOND UINT64_C(1000000)

enum path {
	PATH_NONE, /* never configured */
	PATH_PROBING,
	PATH_UP,
	PATH_DOWN,
};

struct resolver {
	struct event_base *base;
	struct msg_channel *agent;
	struct lookups *lookups;
	struct dns_config config;
	enum path path;
	struct context *current; /* UP only */
	enum dns_path current_by;
	struct context *candidate; /* being probed */
	enum dns_path candidate_by;
	bool tentative;       /* the probe's failure changes nothing */
	bool untracked;       /* the candidate has the admin's anchors only (RFC 5011) */
	bool slow;            /* UP: the probe has no answer within PROBE_LIMIT_S */
	unsigned int n_slow;  /* probes in a row that were answered so, and changed nothing */
	struct context *late; /* DOWN: its probe ran out of time, and goes on */
	enum dns_path late_by;
	uint64_t late_since;
	struct event *timer;  /* the probe's limit while there is a candidate, or the next */
	struct event *prefer; /* while recursion stands in: the next look at the forwarders */
	char forward_why[DNS_WHY_MAX]; /* the last fault of the forwarders */
	const char *state;             /* a folder of ours, NULL none */
	uint64_t probed;               /* when the last probe began */
	char why[DNS_WHY_MAX];         /* of DOWN */
	uint64_t probes;
	struct event *stats;
	struct dns_stats told;
};

/* ---- messages */

const struct msg_spec dns_events[] = {
	{DNS_EV_READY, "DNS_EV_READY", sizeof(struct dns_ready), 0, 0},
	{DNS_EV_ANSWER, "DNS_EV_ANSWER", sizeof(struct dns_answer),
		ANSWER_KEYS_MAX * sizeof(struct dns_key), sizeof(struct dns_key)},
	{DNS_EV_RANGE, "DNS_EV_RANGE", sizeof(struct dns_range), 0, 0},
	{DNS_EV_STATS, "DNS_EV_STATS", sizeof(struct dns_stats), 0, 0},
};
const size_t dns_n_events = sizeof(dns_events) / sizeof(dns_events[0]);

static const struct msg_spec requests[] = {
	{DNS_REQ_CONFIG, "DNS_REQ_CONFIG", sizeof(struct dns_config), 0, 0},
	{DNS_REQ_LOOKUP, "DNS_REQ_LOOKUP", sizeof(struct dns_lookup), 0, 0},
	{DNS_REQ_CANCEL, "DNS_REQ_CANCEL", sizeof(struct dns_cancel), 0, 0},
};

_Static_assert(sizeof(struct dns_answer) + ANSWER_KEYS_MAX * sizeof(struct dns_key) <= MSG_MAX,
	"an answer is one message");

static void send_ready(struct resolver *r, int error, const char *why)
{
	struct dns_ready ready = {.error = error,
		.dnssec = r->path == PATH_UP,
		.path = (uint8_t)(r->path == PATH_UP ? r->current_by : DNS_PATH_NONE)};

	answer_quote(why, ready.why);
	msg_send_struct(r->agent, DNS_EV_READY, &ready);
}

static void send_answer(void *arg, const struct dns_answer *answer, const struct dns_key *keys)
{
	struct resolver *r = arg;

	msg_send(r->agent, DNS_EV_ANSWER, answer, sizeof(*answer), keys,
		answer->n_keys * sizeof(*keys));
}

static void send_range(void *arg, const struct dns_range *range)
{
	struct resolver *r = arg;

	msg_send_struct(r->agent, DNS_EV_RANGE, range);
}

/* Each turn of the second puts the end of the process off: who has used so much CPU time without
 * one goes round in circles, and SIGPROF ends him. A machine that stands still does no harm. */
static void put_off_end(void)
{
	static const struct itimerval limit = {.it_value.tv_sec = WATCHDOG_CPU_S};

	setitimer(ITIMER_PROF, &limit, NULL);
}

static void on_stats(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct dns_stats now = *lookups_stats(r->lookups);

	(void)fd, (void)what;
	put_off_end();
	now.probes = r->probes;
	if (memcmp(&now, &r->told, sizeof(now)) != 0)
		msg_send_struct(r->agent, DNS_EV_STATS, &now);
	r->told = now;
}

/* ---- the way to DNS */

static void set_timer(struct resolver *r, int seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	evtimer_add(r->timer, &tv);
}

static void drop(struct context **c)
{
	context_retire(*c);
	*c = NULL;
}

static bool has_forwarders(const struct resolver *r)
{
	return r->config.forwarders[0].family != 0;
}

/* The candidate takes over. */
static void take_candidate(struct resolver *r, bool news)
{
	enum dns_path by = r->candidate_by;
	bool instead = by == DNS_PATH_RECURSION && has_forwarders(r);

	news |= by != r->current_by;
	drop(&r->current);
	r->current = r->candidate;
	r->current_by = by;
	r->candidate = NULL;
	r->n_slow = 0;
	if (r->untracked)
		anchors_forget(r->state);
	r->untracked = false;
	if (instead)
		evtimer_add(r->prefer, &(struct timeval){.tv_sec = PREFER_AGAIN_S});
	/* the agent hears of it before the answers */
	if (news) {
		if (instead)
			log_warn("DNSSEC works by asking the root servers, for %s", r->forward_why);
		else
			log_info("DNSSEC works");
		send_ready(r, 0, instead ? r->forward_why : "");
	}
	lookups_use(r->lookups, r->current);
}

/* The one place where the path changes. Tells the agent, who wants to know each change of it, and
 * the end of each probe that followed a configuration. */
static void set_path(struct resolver *r, enum path path, const char *why)
{
	enum path before = r->path;

	r->path = path;
	evtimer_del(r->timer);
	evtimer_del(r->prefer);
	switch (path) {
	case PATH_NONE:
		break;
	case PATH_PROBING:
		drop(&r->late);
		drop(&r->current);
		lookups_hold(r->lookups);
		break;
	case PATH_UP:
		drop(&r->late);
		take_candidate(r, before != PATH_UP);
		break;
	case PATH_DOWN:
		drop(&r->candidate);
		drop(&r->current);
		answer_quote(why, r->why);
		if (before != PATH_DOWN) {
			log_warn("DNSSEC is not available: %s", r->why);
			send_ready(r, 0, r->why);
		}
		lookups_refuse(r->lookups, r->why);
		set_timer(r, PROBE_AGAIN_S);
		break;
	}
}

/* Whom the candidate asks. */
static const char *asked_text(const struct resolver *r)
{
	static char text[DNS_WHY_MAX / 2];
	const struct dns_config *config = &r->config;
	size_t at = 0;

	if (r->candidate_by == DNS_PATH_RECURSION)
		return "the root servers";
	for (int i = 0; i < DNS_FORWARDERS_MAX && config->forwarders[i].family; i++) {
		int n = snprintf(text + at, sizeof(text) - at, "%s%s", i ? ", " : "",
			addr_str(&config->forwarders[i]));

		if (n < 0 || (size_t)n >= sizeof(text) - at)
			break;
		at += (size_t)n;
	}
	return text;
}

static void probe(struct resolver *r, enum dns_path by, struct context *candidate);

/* Makes a context that asks by that way, and probes it. */
static void probe_by(struct resolver *r, enum dns_path by)
{
	struct context *candidate;
	char why[DNS_WHY_MAX];

	if (context_new(r->base, &r->config, by, r->state, &candidate, why) < 0)
		set_path(r, PATH_DOWN, why);
	else
		probe(r, by, candidate);
}

static void probe_failed(struct resolver *r, const char *why)
{
	bool tentative = r->tentative;
	char both[2 * DNS_WHY_MAX];

	drop(&r->candidate);
	evtimer_del(r->timer);
	r->tentative = r->untracked = false;
	if (tentative) {
		/* the way in use goes on */
		evtimer_add(r->prefer, &(struct timeval){.tv_sec = PREFER_AGAIN_S});
	} else if (r->candidate_by == DNS_PATH_FORWARDERS) {
		answer_quote(why, r->forward_why);
		if (r->config.options & DNS_OPT_FALLBACK)
			probe_by(r, DNS_PATH_RECURSION);
		else
			set_path(r, PATH_DOWN, why);
	} else if (has_forwarders(r)) {
		snprintf(both, sizeof(both), "%.150s; and %s", r->forward_why, why);
		set_path(r, PATH_DOWN, both);
	} else {
		set_path(r, PATH_DOWN, why);
	}
}

/* Who strips DNSSEC strips the signatures; with these there, and none by our key, it is our key that is
 * doubtful. */
static void bogus_text(const struct resolver *r, const char *reason, char ret[static DNS_WHY_MAX])
{
	const char *file = r->config.anchor_file[0] ? r->config.anchor_file : DNS_ANCHOR_FILE;

	if (strstr(reason, "no signatures"))
		snprintf(ret, DNS_WHY_MAX, "the root does not validate through %.60s: %.130s",
			asked_text(r), reason);
	else
		snprintf(ret, DNS_WHY_MAX,
			"the root does not validate through %.40s, or %.60s is out of date: %.90s",
			asked_text(r), file, reason);
}

/* The network is slow, not away. */
static void on_late(struct resolver *r, const struct reply *reply)
{
	if (reply->rcode != 0 || reply->sec != 2) {
		drop(&r->late);
		return;
	}
	drop(&r->candidate);
	r->candidate = r->late;
	r->candidate_by = r->late_by;
	r->late = NULL;
	set_path(r, PATH_UP, NULL);
}

/* Puts the candidate aside; one that is there already keeps its place while it has time left. */
static void wait_for_late(struct resolver *r)
{
	if (r->tentative || r->untracked ||
		(r->late && service_now() - r->late_since < PROBE_LATE_S * SECOND))
		return;
	drop(&r->late);
	r->late = r->candidate;
	r->late_by = r->candidate_by;
	r->late_since = r->probed;
	r->candidate = NULL;
}

/* A host that slept through a change of the root's key holds an old one; the admin's file may have the
 * new. Nobody can make that one validate who does not have the root's key. */
static bool try_untracked(struct resolver *r)
{
	struct dns_config config = r->config;
	struct context *candidate;
	char why[DNS_WHY_MAX];

	if (!(config.options & DNS_OPT_TRACK_ROOT) || !r->state || r->untracked)
		return false;
	config.options &= ~(uint32_t)DNS_OPT_TRACK_ROOT;
	if (context_new(r->base, &config, r->candidate_by, NULL, &candidate, why) < 0)
		return false;
	r->untracked = true;
	probe(r, r->candidate_by, candidate);
	return true;
}

static void on_probe(void *arg, const struct reply *reply)
{
	struct resolver *r = arg;
	char why[DNS_WHY_MAX];

	if (reply->from == r->late) {
		on_late(r, reply);
		return;
	}
	if (reply->rcode == 0 && reply->sec == 2) {
		r->tentative = false;
		if (r->slow && r->candidate_by == r->current_by && r->n_slow++ < SLOW_MAX) {
			drop(&r->candidate);
			evtimer_del(r->timer);
		} else {
			set_path(r, PATH_UP, NULL);
		}
		return;
	}
	if (reply->rcode == 0 && reply->sec == 1 && try_untracked(r))
		return;
	if (reply->rcode != 0)
		snprintf(why, sizeof(why), "no answer for the root's SOA from %s (rcode %d)",
			asked_text(r), reply->rcode);
	else if (reply->sec == 1)
		bogus_text(r, reply->why ? reply->why : "no reason given", why);
	else
		snprintf(why, sizeof(why), "no trust anchor for the root");
	probe_failed(r, why);
}

/* Takes candidate over and asks it for the root's SOA. */
static void probe(struct resolver *r, enum dns_path by, struct context *candidate)
{
	drop(&r->candidate);
	r->candidate = candidate;
	r->candidate_by = by;
	r->probed = service_now();
	r->slow = false;
	r->probes++;
	set_timer(r, PROBE_LIMIT_S);
	if (context_ask(candidate, ".", TYPE_SOA, on_probe, r) < 0)
		set_path(r, PATH_DOWN, "libunbound does not take its settings");
}

static enum dns_path first_choice(const struct resolver *r)
{
	return has_forwarders(r) ? DNS_PATH_FORWARDERS : DNS_PATH_RECURSION;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	char why[DNS_WHY_MAX];

	(void)fd, (void)what;
	if (!r->candidate) {
		probe_by(r, first_choice(r));
		return;
	}
	if (r->path == PATH_UP && !r->slow) {
		r->slow = true;
		set_timer(r, PROBE_SLOW_S - PROBE_LIMIT_S);
		return;
	}
	snprintf(why, sizeof(why), "no answer from %s within %d s", asked_text(r),
		r->slow ? PROBE_SLOW_S : PROBE_LIMIT_S);
	wait_for_late(r);
	probe_failed(r, why);
}

/* Recursion stands in for forwarders: do they pass DNSSEC on now? */
static void on_prefer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd, (void)what;
	if (r->path != PATH_UP || r->candidate)
		return;
	r->tentative = true;
	probe_by(r, DNS_PATH_FORWARDERS);
}

static void on_trouble(void *arg)
{
	struct resolver *r = arg;

	if (r->path == PATH_UP && !r->candidate &&
		service_now() - r->probed > PROBE_TROUBLE_S * SECOND)
		probe_by(r, first_choice(r));
}

/* ---- requests */

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* Or empty. */
static bool path_valid(const char *text, size_t size)
{
	return ends(text, size) && (!text[0] || text[0] == '/');
}

/* Returns what is wrong, or NULL. */
static const char *check_config(const struct dns_config *c)
{
	for (int i = 0; i < DNS_FORWARDERS_MAX && c->forwarders[i].family; i++)
		if (!addr_valid(&c->forwarders[i]) || addr_is_any(&c->forwarders[i]) ||
			addr_is_multicast(&c->forwarders[i]))
			return "a forwarder is no host's address";
	if (c->forwarders[0].family && !c->forwarder_port)
		return "the forwarders' port is 0";
	if (c->options & ~(uint32_t)DNS_OPTIONS)
		return "an unknown option";
	if (!path_valid(c->anchor_file, sizeof(c->anchor_file)))
		return "the trust anchor file is no absolute path";
	if (!path_valid(c->extra_anchors, sizeof(c->extra_anchors)))
		return "the file of extra anchors is no absolute path";
	if (!path_valid(c->root_hints, sizeof(c->root_hints)))
		return "the file of root hints is no absolute path";
	return NULL;
}

static void configure(struct resolver *r, const struct dns_config *config)
{
	const char *fault = check_config(config);
	struct context *candidate = NULL;
	char why[DNS_WHY_MAX];
	enum dns_path by = config->forwarders[0].family ? DNS_PATH_FORWARDERS : DNS_PATH_RECURSION;
	int error = fault ? -EINVAL : context_new(r->base, config, by, r->state, &candidate, why);

	if (error < 0) {
		if (fault)
			snprintf(why, sizeof(why), "%s", fault);
		log_error("DNS settings refused: %s", why);
		send_ready(r, error, why);
		if (r->path == PATH_NONE)
			lookups_refuse(r->lookups, why);
		return;
	}
	r->config = *config;
	r->tentative = false;
	set_path(r, PATH_PROBING, NULL);
	probe(r, by, candidate);
}

static bool lookup_valid(const struct dns_lookup *q)
{
	bool reverse = q->question == DNS_ASK_REVERSE;

	if (q->question > DNS_ASK_HINT || q->origin > DNS_FROM_HINT ||
		!ends(q->name, sizeof(q->name)))
		return false;
	if (reverse ? q->name[0] != '\0' : q->name[0] == '\0')
		return false;
	return q->question == DNS_ASK_NAME || q->question == DNS_ASK_HINT || addr_valid(&q->addr);
}

static void on_message(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct resolver *r = state;
	const struct dns_lookup *q = fixed;
	const struct dns_cancel *cancel = fixed;

	(void)tail, (void)tail_len;
	switch ((enum dns_req)type) {
	case DNS_REQ_CONFIG:
		configure(r, fixed);
		break;
	case DNS_REQ_LOOKUP:
		if (lookup_valid(q))
			lookups_start(r->lookups, q);
		else
			log_error("lookup %u is ill-formed: dropped", q->id);
		break;
	case DNS_REQ_CANCEL:
		lookups_cancel(r->lookups, cancel->id);
		break;
	}
}

/* ---- the service */

static const char *const syscalls[] = {
	/* a socket for each query, bound to a random port; TCP for large answers */
	"socket",
	"bind",
	"connect",
	"setsockopt",
	"ioctl",
	/* the trust anchors and root hints, which come with the configuration */
	"openat",
	"access",
	"faccessat",
	"faccessat2",
	/* the root's tracked key (RFC 5011): a new file in place of the old */
	"rename",
	"unlink",
	"fsync",
	/* the watchdog */
	"setitimer",
	NULL,
};

static int start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct resolver *r = state;
	struct lookups_owner owner = {
		.answer = send_answer, .range = send_range, .trouble = on_trouble, .arg = r};

	r->base = base;
	r->agent = agent;
	r->timer = evtimer_new(base, on_timer, r);
	r->prefer = evtimer_new(base, on_prefer, r);
	r->stats = event_new(base, -1, EV_PERSIST, on_stats, r);
	if (!r->timer || !r->prefer || !r->stats ||
		event_add(r->stats, &(struct timeval){.tv_sec = STATS_S}) < 0)
		return -ENOMEM;
	r->lookups = lookups_new(base, &owner);
	put_off_end();
	return 0;
}

/* A folder of the service's own below the state folder; NULL where there is none. */
static const char *make_state(void)
{
	const char *top = getenv("OED_STATEDIR");
	static char path[200];
	uint32_t uid, gid;

	if (!top || snprintf(path, sizeof(path), "%s/resolver", top) >= (int)sizeof(path) ||
		sandbox_lookup(SANDBOX_USER_DNS, &uid, &gid) < 0)
		return NULL;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return NULL;
	/* who runs it as another user (a test) is that user already */
	if (geteuid() == 0 && lchown(path, uid, gid) < 0)
		return NULL;
	return path;
}

static int open_service(struct event_base *base, void **ret_state)
{
	struct resolver *r = calloc(1, sizeof(*r));

	(void)base;
	if (!r)
		return -ENOMEM;
	r->state = make_state();
	*ret_state = r;
	return 0;
}

static void stop(void *state)
{
	struct resolver *r = state;

	drop(&r->late);
	drop(&r->candidate);
	drop(&r->current);
	lookups_free(r->lookups);
	if (r->timer)
		event_free(r->timer);
	if (r->prefer)
		event_free(r->prefer);
	if (r->stats)
		event_free(r->stats);
	/* retired contexts go with a turn of the loop */
	event_base_loop(r->base, EVLOOP_NONBLOCK);
	free(r);
}

int dns_service_main(void)
{
	static const struct service service = {
		.name = "resolver",
		.sandbox = {.user = SANDBOX_USER_DNS, .caps = SANDBOX_NO_CAP, .syscalls = syscalls},
		.specs = requests,
		.n_specs = sizeof(requests) / sizeof(requests[0]),
		.open = open_service,
		.start = start,
		.on_message = on_message,
		.stop = stop,
	};

	return service_main(&service);
}
