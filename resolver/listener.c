/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service `oed: listener`: hears from systemd-resolved which names were resolved (varlink.c), and
 * tells the agent. Optional: `resolved-monitor` in oed.conf.
 *
 * systemd-resolved lets root alone connect, so the connection is made before the privileges go, and a
 * new one needs a new process: where there is none, or it ends, this process ends too and is started
 * again. It owns the connection and what came of a message that is not whole. Events: bytes of
 * systemd-resolved; the end of either side.
 *
 * What comes may be wrong in any way: a message has at most 64 KB, a name at most 16 addresses, and
 * a second at most LISTENER_RATE names. What is more is dropped.
 */
#include "resolver/listener.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "resolver/varlink.h"

/* Without a connection: it may be there later. */
#define AGAIN_S 10
#define READ_MAX 16384
/* Reads in one turn of the loop, so that the channel gets its turn. */
#define READS_MAX 8

struct listener {
	struct event_base *base;
	struct msg_channel *agent;
	struct event *readable, *end;
	struct varlink_stream stream;
	int fd;        /* -1 none */
	int error;     /* why there is none */
	double tokens; /* names that may be passed on */
	uint64_t at;   /* when that was so */
};

const struct msg_spec listener_events[] = {
	{LISTENER_EV_READY, "LISTENER_EV_READY", sizeof(struct listener_ready), 0, 0},
	{LISTENER_EV_NAME, "LISTENER_EV_NAME", sizeof(struct listener_name), 0, 0},
};
const size_t listener_n_events = sizeof(listener_events) / sizeof(listener_events[0]);

static bool has_token(struct listener *l)
{
	uint64_t now = service_now();

	l->tokens += (double)(now - l->at) * 1e-6 * LISTENER_RATE;
	if (l->tokens > LISTENER_BURST)
		l->tokens = LISTENER_BURST;
	l->at = now;
	if (l->tokens < 1)
		return false;
	l->tokens--;
	return true;
}

static int on_text(void *arg, const char *text, size_t len)
{
	struct listener *l = arg;
	struct listener_name name;
	int r = varlink_read(text, len, &name);

	if (r == -EPERM)
		log_warn("systemd-resolved refuses to tell what it resolves");
	else if (r < 0)
		log_debug("a message of systemd-resolved's that cannot be read");
	else if (r > 0 && has_token(l))
		msg_send_struct(l->agent, LISTENER_EV_NAME, &name);
	return r == -EPERM ? r : 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static char piece[READ_MAX];
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0 && varlink_feed(&l->stream, piece, (size_t)n, on_text, l) == 0)
			continue;
		event_del(l->readable);
		/* refused: the agent need not know how often */
		evtimer_add(l->end, &(struct timeval){.tv_sec = n > 0 ? AGAIN_S : 0});
		return;
	}
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	event_base_loopbreak(l->base);
}

/* Returns the connection with our request sent, or -errno. */
static int subscribe(const char *path)
{
	static const char request[] = VARLINK_SUBSCRIBE;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
		send(fd, request, sizeof(request), MSG_NOSIGNAL) == (ssize_t)sizeof(request))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int open_service(struct event_base *base, void **ret_state)
{
	const char *path = getenv("OED_RESOLVED_SOCKET");
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	/* the JSON library's hashes; it opens a file for that */
	json_object_seed(0);
	l->base = base;
	l->fd = subscribe(path ? path : LISTENER_SOCKET);
	l->error = l->fd < 0 ? l->fd : 0;
	*ret_state = l;
	return 0;
}

static int start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct listener *l = state;
	struct listener_ready ready = {.error = l->error};

	l->agent = agent;
	l->at = service_now();
	l->tokens = LISTENER_BURST;
	l->end = evtimer_new(base, on_end, l);
	if (!l->end)
		return -ENOMEM;
	msg_send_struct(agent, LISTENER_EV_READY, &ready);
	if (l->fd < 0)
		return evtimer_add(l->end, &(struct timeval){.tv_sec = AGAIN_S});
	l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	return l->readable && event_add(l->readable, NULL) == 0 ? 0 : -ENOMEM;
}

static void on_message(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	(void)state, (void)type, (void)fixed, (void)tail, (void)tail_len;
}

static void stop(void *state)
{
	struct listener *l = state;

	if (l->readable)
		event_free(l->readable);
	if (l->end)
		event_free(l->end);
	if (l->fd >= 0)
		close(l->fd);
	varlink_free(&l->stream);
	free(l);
}

int listener_service_main(void)
{
	static const char *const syscalls[] = {NULL};
	static const struct service service = {
		.name = "listener",
		.sandbox = {.user = "_oed-listen", .caps = SANDBOX_NO_CAP, .syscalls = syscalls},
		.specs = listener_events, /* the agent says nothing */
		.n_specs = 0,
		.open = open_service,
		.start = start,
		.on_message = on_message,
		.stop = stop,
	};

	return service_main(&service);
}
