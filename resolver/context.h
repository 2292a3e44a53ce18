/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One validating libunbound on the event loop. Its settings are final once it was asked something,
 * so another configuration means another context.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/resolver.h"

struct context;

/* What comes back. packet (and len) only where rcode is 0 and sec not bogus, else NULL. */
struct reply {
	int rcode; /* 0, or what failed: 2 SERVFAIL ... NXDOMAIN stands in the packet only */
	int sec;   /* 0 insecure, 1 bogus, 2 secure */
	const uint8_t *packet;
	size_t len;
	const char *why; /* libunbound's, for bogus; may be NULL; text by strangers */
	bool at_once;    /* from the cache or a proof in it: before context_ask() returned */
	const struct context *from;
};

typedef void (*context_reply_fn)(void *arg, const struct reply *reply);

/* Returns 0, or -errno with a line for the admin in ret_why that names file, line and remedy. path:
 * DNS_PATH_FORWARDERS, or DNS_PATH_RECURSION, which does not look at the forwarders. state: a
 * folder of ours for DNS_OPT_TRACK_ROOT, or NULL. */
int context_new(struct event_base *base, const struct dns_config *config, enum dns_path path,
	const char *state, struct context **ret, char ret_why[static DNS_WHY_MAX]);
/* Accepts NULL. No reply comes any more; may be called from inside a reply. */
void context_retire(struct context *c);
/* name absolute, in presentation form. on_reply is called exactly once if this returned 0 and the
 * context is not retired before; perhaps before this returns. Returns -EINVAL (the name), -ENOMEM
 * or -EIO (the context's settings do not fit together), and on_reply is not called then. */
int context_ask(struct context *c, const char *name, uint16_t type, context_reply_fn on_reply,
	void *arg);
