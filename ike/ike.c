/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ike service: process "oed: ike", user _oed-ike, no capability.
 *
 * Objects. One ike_core (core.h) holds all IKE SAs; it is pure, and all of the protocol is in it.
 * One udp (udp.h) holds the sockets, bound as root before the sandbox. This file ties both to the
 * agent's channel and to the clock, and does nothing else. The core owns its SAs, an SA its
 * handshake and its children; nothing outside holds a pointer to one: the agent knows handles, the
 * network SPIs.
 *
 * Events. (1) A message of the agent goes to ike_core_request(); its length is checked by the table
 * below, its values by the core. (2) A datagram goes to ike_core_datagram(); the core drops, counts
 * or answers it. (3) ICMP port unreachable goes to ike_core_icmp_refused(). (4) One timer event
 * stands at the time that ike_core_timers() last named. At the end of a turn of the loop the core says
 * anew when it is due, and keys are wiped from OpenSSL's contexts. What the core sends leaves at once by
 * udp_send(); its events go to the agent by msg_send().
 *
 * Who does what in the core: core.c finds the SA for what comes in; sa.c is an SA's life;
 * exchange.c opens what is encrypted, frag.c what comes in pieces; sa_init.c, auth.c, create.c
 * (children) with rekey.c (the IKE SA), and info.c are the exchanges; child.c is about child SAs;
 * twin.c settles which of two IKE SAs stays; cookie.c is for strangers, crash.c for
 * who lost an SA; nat.c finds NATs. Below them payload.c and build.c read and write messages, table.c
 * says which payloads are legal where, proposal.c and suite.c are about
 * algorithms, crypto.c and keymat.c about keys, digsig.c about signatures, cert.c about certificates,
 * with x509.c where an SA is authenticated by them.
 *
 * Trust. Bytes of strangers are read in this process. It can send datagrams and talk to the agent;
 * it holds no private key (the signer does), can change nothing in the kernel, and opens no file.
 *
 * RFC 7296 (IKEv2), 7383 (fragments), 7427 and 8420 (signatures), 4945 and 5280 (X.509), 7619 (NULL
 * authentication), 5282, 5903, 7634, 8031 (algorithms), 3948 (ESP in UDP).
 */
#include "ike/ike.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/service.h"
#include "ike/cert.h"
#include "ike/core.h"
#include "ike/signer.h"
#include "ike/suite.h"
#include "ike/udp.h"

struct ike_service {
	struct event_base *base;
	struct ike_core *core;
	struct udp *udp;
	struct msg_channel *agent;
	struct event *timer;
	struct event *settle; /* at the end of a turn of the loop */
	uint64_t due; /* what it stands at; UINT64_MAX: off */
	bool ready;   /* was said */
};

/* By what a peer may prove itself: keys, certificates. */
#define PROOFS_TAIL (IKE_KEYS_MAX * sizeof(struct ike_pubkey) + IKE_CERTS_TAIL)

/* What we accept from the agent. */
static const struct msg_spec requests[] = {
	{IKE_REQ_CONFIG, "ike CONFIG", sizeof(struct ike_config), 0, 0},
	{IKE_REQ_OWN_KEYS, "ike OWN_KEYS", sizeof(struct ike_own_keys),
		SIGNER_KEYS_MAX * sizeof(struct ike_pubkey), sizeof(struct ike_pubkey)},
	{IKE_REQ_CONNECT, "ike CONNECT", sizeof(struct ike_connect), PROOFS_TAIL, 0},
	{IKE_REQ_ACCEPT, "ike ACCEPT", sizeof(struct ike_accept), IKE_CAS_MAX *IKE_CA_HASH_LEN,
		IKE_CA_HASH_LEN},
	{IKE_REQ_AUTHORIZE, "ike AUTHORIZE", sizeof(struct ike_authorize), PROOFS_TAIL, 0},
	{IKE_REQ_SIGNED, "ike SIGNED", sizeof(struct ike_signed), IKE_SIG_MAX, 0},
	{IKE_REQ_INSTALLED, "ike INSTALLED", sizeof(struct ike_installed), 0, 0},
	{IKE_REQ_CLOSE, "ike CLOSE", sizeof(struct ike_close), 0, 0},
	{IKE_REQ_PROBE, "ike PROBE", sizeof(struct ike_probe), 0, 0},
	{IKE_REQ_MOVED, "ike MOVED", sizeof(struct ike_moved), 0, 0},
	{IKE_REQ_INVALID_SPI, "ike INVALID_SPI", sizeof(struct ike_invalid_spi), 0, 0},
	{IKE_REQ_REKEY, "ike REKEY", sizeof(struct ike_rekey), 0, 0},
	{IKE_REQ_USED, "ike USED", sizeof(struct ike_used), 0, 0},
	{IKE_REQ_TRAFFIC, "ike TRAFFIC", sizeof(struct ike_traffic), 0, 0},
};

/* ---- time */

static void arm(struct ike_service *s)
{
	uint64_t now = service_now();
	uint64_t due = ike_core_timers(s->core, now);
	uint64_t wait = due > now ? due - now : 0;
	struct timeval tv = {
		.tv_sec = (time_t)(wait / 1000000), .tv_usec = (suseconds_t)(wait % 1000000)};

	if (due == s->due)
		return;
	s->due = due;
	if (due == UINT64_MAX)
		event_del(s->timer);
	else
		event_add(s->timer, &tv);
}

/* After the events that have happened by now. */
static void settle(struct ike_service *s)
{
	event_active(s->settle, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ike_service *s = arg;

	(void)fd, (void)what;
	s->due = UINT64_MAX;
	settle(s);
}

/* The end of a turn of the loop in which something happened. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct ike_service *s = arg;

	(void)fd, (void)what;
	arm(s);
	ike_suite_wipe();
}

/* ---- the core's effects */

static int do_send(void *arg, const struct ike_path *path, const void *data, size_t len)
{
	struct ike_service *s = arg;
	int r = udp_send(s->udp, path, data, len);

	if (r < 0)
		log_debug("%s port %u: cannot send: %s", addr_str(&path->pair.remote),
			path->remote_port, strerror(-r));
	return r;
}

static void do_event(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len)
{
	struct ike_service *s = arg;

	msg_send(s->agent, type, fixed, fixed_len, tail, tail_len);
}

static void do_random(void *arg, void *buf, size_t len)
{
	(void)arg;
	if (RAND_bytes(buf, (int)len) != 1) {
		log_error("no random numbers");
		abort();
	}
}

static int64_t do_wall(void *arg)
{
	(void)arg;
	return time(NULL);
}

/* ---- what comes in */

static void on_datagram(void *arg, const struct ike_path *path, uint8_t *data, size_t len)
{
	struct ike_service *s = arg;

	ike_core_datagram(s->core, path, data, len, service_now());
	settle(s);
}

static void on_refused(void *arg, const struct pair *pair)
{
	struct ike_service *s = arg;

	ike_core_icmp_refused(s->core, pair, service_now());
	settle(s);
}

static void say_ready(struct ike_service *s)
{
	struct ike_ready ready = {
		.ipv4 = udp_has(s->udp, AF_INET), .ipv6 = udp_has(s->udp, AF_INET6)};

	memcpy(ready.why, udp_why(s->udp), strnlen(udp_why(s->udp), sizeof(ready.why) - 1));
	msg_send_struct(s->agent, IKE_EV_READY, &ready);
	s->ready = true;
}

static void on_message(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct ike_service *s = state;

	if (ike_core_request(s->core, type, fixed, tail, tail_len, service_now()) < 0) {
		/* the agent is us: if it asks nonsense one of the two is broken or broken into */
		log_error("message %#x of the agent has a value out of range", type);
		exit(1);
	}
	if (type == IKE_REQ_CONFIG && !s->ready) {
		say_ready(s);
		udp_start(s->udp, s->base, on_datagram, on_refused, s);
	}
	settle(s);
}

/* ---- the frame */

static int ike_open(struct event_base *base, void **ret_state)
{
	struct ike_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->due = UINT64_MAX;
	r = ike_suite_init();
	ike_cert_init();
	if (r == 0)
		r = udp_open(&s->udp);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static int ike_start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct ike_service *s = state;
	struct ike_effects effects = {
		.arg = s, .send = do_send, .event = do_event, .random = do_random, .wall = do_wall};

	s->agent = agent;
	s->timer = event_new(base, -1, 0, on_timer, s);
	s->settle = event_new(base, -1, 0, on_settle, s);
	if (!s->timer || !s->settle)
		return -ENOMEM;
	do_random(s, effects.seed, sizeof(effects.seed));
	s->core = ike_core_new(&effects);
	return 0;
}

static void ike_stop(void *state)
{
	struct ike_service *s = state;

	ike_core_free(s->core);
	udp_free(s->udp);
	if (s->timer)
		event_free(s->timer);
	if (s->settle)
		event_free(s->settle);
	ike_suite_wipe();
	free(s);
}

int ike_service_main(void)
{
	static const struct service service = {
		.name = "ike",
		/* the sockets are open; sending and receiving is among the calls that all have */
		.sandbox = {.user = "_oed-ike", .caps = SANDBOX_NO_CAP, .syscalls = NULL},
		.specs = requests,
		.n_specs = sizeof(requests) / sizeof(requests[0]),
		.open = ike_open,
		.start = ike_start,
		.on_message = on_message,
		.stop = ike_stop,
	};

	return service_main(&service);
}
