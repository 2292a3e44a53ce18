/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by control.c (clients, lines), commands.c (what is asked) and command_hint.c. */
#pragma once

#include <event2/bufferevent.h>
#include <jansson.h>

#include "agent/control.h"

struct client {
	struct client *next;
	struct control *control;
	struct door *door;
	struct bufferevent *bev;
	bool root;    /* may change things */
	bool hinter;  /* came by the socket of hints: may give them, and nothing else */
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
	bool hint;             /* id is the tag of a hint */
};

/* A socket to come in by. */
struct door {
	struct control *control;
	struct evconnlistener *listener;
	bool hints;
	size_t n_clients;
	char path[108];
};

struct control {
	struct agent *agent;
	struct door *doors[2]; /* the second, of hints, may be NULL */
	struct client *clients;
	struct question *questions;
	uint32_t next_id;
};

/* Sends one line; takes over the reference. */
void client_send(struct client *c, json_t *answer);
void client_error(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Does what one line asks. */
void command_run(struct client *c, const json_t *request);
void question_free(struct question *q);
/* One that waits for the answer of a service, so long. */
struct question *question_new(struct client *c, int seconds);

/* ---- command_hint.c */

void cmd_hint(struct client *c, const json_t *request);
/* What is known of an address by hints, for explain. */
json_t *hints_json(const struct agent *a, const struct addr *addr);
