/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent between its services and the users of its control socket: messages of the services come over
 * true channels with the agent's own tables, lines over a true socket.
 *
 * The input is a list of {what, which, length, bytes}: see enum what.
 */
#include "agent/agent.c"    /* what it does with a message, */
#include "agent/services.c" /* and with a channel */

#include <jansson.h>
#include <stdio.h>
#include <sys/un.h>

#include "agent/control_priv.h"
#include "base/wire.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 48
#define MESSAGE_MAX 4096
#define CLIENTS 2
#define SERVICES OE_LISTENER /* those of WHAT_EVENT, _RAW and _DIED */

enum what {
	WHAT_EVENT,  /* which & 3: service, which >> 2: of its table; zeroes for what is missing */
	WHAT_RAW,    /* a whole packet, as it is; which: service */
	WHAT_DIED,   /* the service ends its channel */
	WHAT_LINE,   /* on the control socket; which & 1: of which client */
	WHAT_BYTES,  /* the same without the end of the line */
	WHAT_HANGUP, /* a client goes */
	WHAT_TIME,
	WHAT_SETTING, /* a group's policy */
	WHAT_HEARD,   /* the listener's event which */
	WHATS,
};

static uint64_t now;
static char folder[] = "/tmp/oed-fuzz.XXXXXX";

uint64_t service_now(void)
{
	return now;
}

int service_main(const struct service *s)
{
	return s == NULL;
}

struct world {
	struct agent a;
	int service[OE_N_SERVICES]; /* the services' ends; -1 none */
	int client[CLIENTS];
	struct {
		char text[1 << 16];
		size_t len;
	} heard[CLIENTS];
};

/* ---- services */

static void start_service(struct world *w, int i)
{
	struct monitor_msg m = {.type = MONITOR_STARTED, .service = (uint8_t)i, .value = 1};
	int fds[2];

	if (w->a.service[i].channel)
		return;
	if (w->service[i] >= 0)
		close(w->service[i]);
	expect(msg_pair(fds) == 0);
	w->service[i] = fds[0];
	started(&w->a, &m, fds[1]);
}

static void drain(struct world *w)
{
	static char junk[MSG_MAX + 64];

	for (int i = 0; i < OE_N_SERVICES; i++)
		while (w->service[i] >= 0 &&
			recv(w->service[i], junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
}

static void say(
	struct world *w, int i, uint16_t type, const uint8_t *body, size_t len, size_t claimed)
{
	static uint8_t buf[8 + 2 * MESSAGE_MAX + sizeof(struct dns_key) * 32];
	uint32_t length = (uint32_t)claimed;

	expect(claimed <= sizeof(buf) - 8 && len <= claimed);
	memset(buf, 0, sizeof(buf));
	memcpy(buf, &type, sizeof(type));
	memcpy(buf + 4, &length, sizeof(length));
	if (len)
		memcpy(buf + 8, body, len);
	(void)!send(w->service[i], buf, 8 + claimed, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_event(struct world *w, uint8_t which, const uint8_t *bytes, size_t len, bool heard)
{
	static const struct {
		const struct msg_spec *specs;
		const size_t *n;
	} tables[] = {
		[OE_XFRM] = {xfrm_events, &xfrm_n_events},
		[OE_RESOLVER] = {dns_events, &dns_n_events},
		[OE_IKE] = {ike_events, &ike_n_events},
		[OE_SIGNER] = {signer_events, &signer_n_events},
		[OE_LISTENER] = {listener_events, &listener_n_events},
	};
	int i = heard ? OE_LISTENER : which % SERVICES;
	const struct msg_spec *spec =
		&tables[i].specs[(heard ? which : which / SERVICES) % *tables[i].n];
	size_t tail = len > spec->fixed ? len - spec->fixed : 0;

	if (tail > spec->tail_max)
		tail = spec->tail_max;
	if (spec->tail_unit > 1)
		tail = (tail + spec->tail_unit - 1) / spec->tail_unit * spec->tail_unit;
	if (tail > spec->tail_max)
		tail = 0;
	if (len > spec->fixed + tail)
		len = spec->fixed + tail;
	say(w, i, spec->type, bytes, len, spec->fixed + tail);
}

/* ---- clients */

static void connect_client(struct world *w, int i)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (w->client[i] >= 0)
		return;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", folder);
	w->client[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	expect(w->client[i] >= 0 &&
		connect(w->client[i], (struct sockaddr *)&sun, sizeof(sun)) == 0);
	w->heard[i].len = 0;
}

/* Every line of the agent is a JSON object. */
static void hear(struct world *w, int i)
{
	ssize_t n;
	char *end;

	while (w->client[i] >= 0 &&
		(n = recv(w->client[i], w->heard[i].text + w->heard[i].len,
			 sizeof(w->heard[i].text) - w->heard[i].len, MSG_DONTWAIT)) > 0) {
		w->heard[i].len += (size_t)n;
		while ((end = memchr(w->heard[i].text, '\n', w->heard[i].len))) {
			size_t len = (size_t)(end - w->heard[i].text) + 1;
			json_t *o = json_loadb(w->heard[i].text, len, 0, NULL);

			expect(json_is_object(o));
			log_debug("to client %d: %.*s", i, (int)len - 1, w->heard[i].text);
			json_decref(o);
			memmove(w->heard[i].text, end + 1, w->heard[i].len - len);
			w->heard[i].len -= len;
		}
		expect(w->heard[i].len < sizeof(w->heard[i].text));
	}
	if (w->client[i] >= 0 && n == 0) {
		close(w->client[i]);
		w->client[i] = -1;
	}
}

static void loop(struct world *w)
{
	/* twice: what one turn wrote the next one flushes */
	for (int i = 0; i < 2; i++) {
		event_base_loop(w->a.base, EVLOOP_NONBLOCK);
		drain(w);
	}
	for (int i = 0; i < CLIENTS; i++)
		hear(w, i);
}

static void say_line(struct world *w, uint8_t which, const uint8_t *bytes, size_t len, bool whole)
{
	int i = which % CLIENTS;

	connect_client(w, i);
	loop(w);
	if (len)
		(void)!send(w->client[i], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (whole)
		(void)!send(w->client[i], "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- the agent */

static void on_line(void *arg, const char *text)
{
	(void)arg, (void)text;
}

static struct policy *rules(enum pol_group group)
{
	static const char text[] = "198.18.0.0/16\n2001:db8::/32\n";
	struct policy *p = policy_new();
	size_t refused;

	policy_parse(p, group, pol_group_name(group), text, strlen(text), on_line, NULL, &refused);
	policy_parse(
		p, POL_PRIVATE, "private", "198.18.3.0/24 tcp 0 22\n", 23, on_line, NULL, &refused);
	return p;
}

static void set_policy(struct world *w, enum pol_group group)
{
	struct policy *old = w->a.policy;

	w->a.policy = rules(group);
	oe_peers_configure(w->a.peers, &w->a.conf, w->a.policy, now);
	policy_free(old);
	agent_arm(&w->a);
}

static void step(struct world *w, uint8_t what, uint8_t which, const uint8_t *bytes, size_t len)
{
	for (int i = 0; i < OE_N_SERVICES; i++)
		start_service(w, i);
	switch ((enum what)(what % WHATS)) {
	case WHAT_EVENT:
		say_event(w, which, bytes, len, false);
		break;
	case WHAT_RAW:
		(void)!send(w->service[which % SERVICES], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case WHAT_DIED:
		close(w->service[which % SERVICES]);
		w->service[which % SERVICES] = -1;
		break;
	case WHAT_LINE:
	case WHAT_BYTES:
		say_line(w, which, bytes, len, what % WHATS == WHAT_LINE);
		break;
	case WHAT_HANGUP:
		if (w->client[which % CLIENTS] >= 0)
			close(w->client[which % CLIENTS]);
		w->client[which % CLIENTS] = -1;
		break;
	case WHAT_TIME:
		now += (uint64_t)which * which * 100000;
		agent_arm(&w->a);
		break;
	case WHAT_SETTING:
		set_policy(w, which % POL_N_GROUPS);
		break;
	case WHAT_HEARD:
		say_event(w, which, bytes, len, true);
		break;
	case WHATS:
		break;
	}
	loop(w);
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct agent *a = &w->a;
	static const char by_hand[] =
		"[peer office]\naddress = 198.18.4.0/24\nauth = psk\nsecret = hq\n";
	struct oe_effects fx = {
		.arg = a, .send = core_send, .journal = core_journal, .hinted = core_hinted};

	expect(w != NULL);
	now = 1000000;
	a->monitor = -1;
	a->confdir = a->rundir = folder;
	a->base = event_base_new();
	conf_defaults(&a->conf);
	a->conf.dns_resolved_monitor = CONF_RESOLVED_HINTS;
	a->policy = rules(POL_PRIVATE_OR_CLEAR);
	a->peers = oe_peers_new(&fx, &a->conf, a->policy);
	a->manual = manual_new();
	expect(manual_parse(a->manual, NULL, NULL, "a.conf", by_hand, strlen(by_hand), on_line,
		       NULL) == 0);
	oe_peers_manual(a->peers, a->manual, now);
	a->timer = evtimer_new(a->base, on_timer, a);
	for (int i = 0; i < OE_N_SERVICES; i++) {
		a->service[i] = (struct agent_service){.agent = a, .id = (enum oe_service)i};
		a->service[i].restart = evtimer_new(a->base, on_restart, &a->service[i]);
		w->service[i] = -1;
	}
	for (int i = 0; i < CLIENTS; i++)
		w->client[i] = -1;
	a->control = control_new(a);
	expect(a->control != NULL);
	return w;
}

static void world_free(struct world *w)
{
	struct agent *a = &w->a;

	a->stopping = true;
	for (int i = 0; i < OE_N_SERVICES; i++) {
		away(&a->service[i]);
		event_free(a->service[i].restart);
		if (w->service[i] >= 0)
			close(w->service[i]);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (w->client[i] >= 0)
			close(w->client[i]);
	control_free(a->control);
	oe_peers_free(a->peers);
	signs_forget(a);
	policy_free(a->policy);
	manual_free(a->manual);
	event_free(a->timer);
	event_base_free(a->base);
	free(w);
}

static void remove_folder(void)
{
	rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_reader(data, len);
	static bool have_folder;
	struct world *w;

	if (!have_folder) {
		expect(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
		have_folder = true;
	}
	w = world_new();
	for (int i = 0; i < STEPS_MAX && wire_left(&r); i++) {
		uint8_t what = wire_u8(&r), which = wire_u8(&r);
		size_t n = wire_u16(&r);

		if (n > wire_left(&r))
			n = wire_left(&r);
		if (n > MESSAGE_MAX)
			n = MESSAGE_MAX;
		step(w, what, which, wire_bytes(&r, n), n);
	}
	world_free(w);
	return 0;
}
