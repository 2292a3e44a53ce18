/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The varlink messages of io.systemd.Resolve.Monitor (varlink.org; systemd's resolved-varlink.c):
 * JSON objects, each ended by a NUL. Pure.
 */
#pragma once

#include <stddef.h>

#include "resolver/listener.h"

/* The longest message that is looked at, without its NUL; of longer ones nothing is taken. */
#define VARLINK_MAX 65536

/* With its NUL, which sizeof() counts. */
#define VARLINK_SUBSCRIBE \
	"{\"method\":\"io.systemd.Resolve.Monitor.SubscribeQueryResults\",\"parameters\":{},\"more\":true}"

/* The message in text. Returns 1 with the name and the addresses that somebody was given, 0 where
 * it says nothing of that kind, -EBADMSG where it is none, -EPERM where it says that we may not
 * subscribe. */
int varlink_read(const char *text, size_t len, struct listener_name *ret);

/* Messages from pieces of a stream. Zeroed: empty. */
struct varlink_stream {
	char *buf;
	size_t len;
	int too_long; /* the present message is passed over */
};

/* Calls fn for each message that ends in the piece. Returns 0, or what fn returned, if less than 0:
 * then nothing more is to be fed. */
int varlink_feed(struct varlink_stream *s, const char *piece, size_t len,
	int (*fn)(void *arg, const char *text, size_t len), void *arg);
void varlink_free(struct varlink_stream *s);
