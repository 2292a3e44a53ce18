/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control_priv.h"
#include "agent/explain.h"
#include "base/log.h"
#include "base/service.h"

#define CLIENTS_MAX 64 /* of one door */
#define LINE_MAX_BYTES 4096
/* A client that traces and does not read loses events beyond this. */
#define TRACE_BACKLOG (1u << 20)

static void client_free(struct client *c)
{
	struct client **at = &c->control->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->door->n_clients--;
	for (struct question *q = c->control->questions; q; q = q->next)
		if (q->client == c)
			q->client = NULL;
	bufferevent_free(c->bev);
	free(c);
}

void client_send(struct client *c, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(16));

	json_decref(answer);
	if (!text)
		return;
	bufferevent_write(c->bev, text, strlen(text));
	bufferevent_write(c->bev, "\n", 1);
	free(text);
}

void client_error(struct client *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	client_send(c, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct client *c = arg;
	char *line;

	while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF))) {
		json_error_t error;
		json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &error);

		free(line);
		if (json_is_object(request))
			command_run(c, request);
		else
			client_error(
				c, "not a JSON object: %s", request ? "another value" : error.text);
		json_decref(request);
	}
	if (evbuffer_get_length(in) > LINE_MAX_BYTES)
		client_free(c);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (c->closing)
		client_free(c);
}

static bool is_waiting(const struct client *c)
{
	for (const struct question *q = c->control->questions; q; q = q->next)
		if (q->client == c)
			return true;
	return false;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	/* one that shut down its half still wants its answer */
	if ((what & BEV_EVENT_EOF) &&
		(is_waiting(c) || evbuffer_get_length(bufferevent_get_output(bev)))) {
		c->closing = true;
		return;
	}
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		client_free(c);
}

static void on_accept(
	struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct door *door = arg;
	struct control *ctl = door->control;
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);
	struct client *c;

	(void)l, (void)sa, (void)len;
	if (door->n_clients >= CLIENTS_MAX ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c)
		c->bev = bufferevent_socket_new(ctl->agent->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		free(c);
		close(fd);
		return;
	}
	c->control = ctl;
	c->door = door;
	c->root = cred.uid == 0 && !door->hints;
	c->hinter = door->hints;
	c->next = ctl->clients;
	ctl->clients = c;
	door->n_clients++;
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 2 * LINE_MAX_BYTES);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static void door_free(struct door *d)
{
	if (!d)
		return;
	if (d->listener)
		evconnlistener_free(d->listener);
	unlink(d->path);
	free(d);
}

static struct door *door_new(struct control *c, const char *dir, bool hints)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->control = c;
	d->hints = hints;
	if ((size_t)snprintf(d->path, sizeof(d->path), "%s/control.sock", dir) >=
		sizeof(d->path)) {
		log_error("%s: too long for a socket's path (107 bytes); give a shorter --run",
			dir);
		free(d);
		return NULL;
	}
	memcpy(sun.sun_path, d->path, sizeof(d->path));
	unlink(d->path);
	d->listener = evconnlistener_new_bind(c->agent->base, on_accept, d,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, (struct sockaddr *)&sun,
		sizeof(sun));
	if (!d->listener || chmod(d->path, 0660) < 0) {
		log_error("%s: %s; the directory must be writable for the user _oed", d->path,
			strerror(errno));
		door_free(d);
		return NULL;
	}
	return d;
}

struct control *control_new(struct agent *a)
{
	struct control *c = calloc(1, sizeof(*c));
	char hints[PATH_MAX];

	if (!c)
		return NULL;
	c->agent = a;
	c->doors[0] = door_new(c, a->rundir, false);
	if (!c->doors[0]) {
		free(c);
		return NULL;
	}
	/* the monitor has made the folder; nothing stands and falls with it */
	snprintf(hints, sizeof(hints), "%s/" CONTROL_HINTS, a->rundir);
	if (a->conf.control_hint_group[0])
		c->doors[1] = door_new(c, hints, true);
	return c;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->questions)
		question_free(c->questions);
	while (c->clients)
		client_free(c->clients);
	for (size_t i = 0; i < sizeof(c->doors) / sizeof(c->doors[0]); i++)
		door_free(c->doors[i]);
	free(c);
}

void control_trace(struct control *ctl, const struct oe_peer *p, const struct journal_entry *e)
{
	char text[EXPLAIN_TEXT_MAX], local[ADDR_STRLEN], remote[ADDR_STRLEN];
	struct timespec now;

	for (struct client *c = ctl ? ctl->clients : NULL; c; c = c->next) {
		if (!c->tracing ||
			evbuffer_get_length(bufferevent_get_output(c->bev)) > TRACE_BACKLOG)
			continue;
		clock_gettime(CLOCK_REALTIME, &now);
		client_send(
			c, json_pack("{s:f, s:s, s:s, s:s, s:s}", "time",
				   (double)now.tv_sec + (double)now.tv_nsec / 1e9, "local",
				   addr_format(&p->pair.local, local), "remote",
				   addr_format(&p->pair.remote, remote), "step",
				   journal_step_name(e->step), "text", explain_entry(p, e, text)));
	}
}
