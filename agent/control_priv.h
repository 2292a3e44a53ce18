/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by control.c (clients, lines) and commands.c (what is asked). */
#pragma once

#include <event2/bufferevent.h>
#include <jansson.h>

#include "agent/control.h"

struct client {
	struct client *next;
	struct control *control;
	struct bufferevent *bev;
	bool root;    /* may change things */
	bool tracing;
	bool closing; /* to be freed when its last line is out */
};

/* An answer that waits for a service. */
struct question {
	struct question *next;
	struct control *control;
	struct client *client; /* NULL: it has gone */
	struct event *timeout;
	json_t *answer;        /* explain: waits for counters */
	uint32_t id;           /* of the lookup, or of the first counters request */
	uint32_t n, left;      /* counters requests: made, not answered yet */
};

struct control {
	struct agent *agent;
	struct evconnlistener *listener;
	struct client *clients;
	size_t n_clients;
	struct question *questions;
	uint32_t next_id;
	char path[108];
};

/* Sends one line; takes over the reference. */
void client_send(struct client *c, json_t *answer);
void client_error(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Does what one line asks. */
void command_run(struct client *c, const json_t *request);
void question_free(struct question *q);
