/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Typed messages between two processes of oed over a SOCK_SEQPACKET pair.
 *
 * A message is a type, a fixed part (a C struct: both ends are the same binary) and a tail of
 * bytes. Each end lists what it accepts in a table of msg_spec; anything else, or of another
 * length, is an ill-formed message: the channel is closed at once and its owner told, and nothing
 * of it is seen. Structs that cross hold integers of exact width and no pointer, no bool and no
 * implicit padding, and are initialised whole, so that no stale memory crosses a privilege
 * boundary. The receiver still checks the range of every field.
 */
#pragma once

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

/* The longest message, fixed part and tail. */
#define MSG_MAX 65536

struct msg_spec {
	uint16_t type;
	const char *name;   /* for logs */
	uint32_t fixed;     /* exact size of the fixed part */
	uint32_t tail_max;  /* 0: no tail */
	uint32_t tail_unit; /* the tail is a multiple of this; 0 and 1: any length */
};

struct msg_channel;

/* fixed is aligned for any type and, like tail, lives until the function returns; the buffer is
 * wiped then. The callee may free the channel. */
typedef void (*msg_fn)(void *arg, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len);
/* The channel is dead: error 0 where the other end closed it, -EBADMSG for an ill-formed message,
 * -ENOBUFS where the other end does not read, else -errno. Called once, from the loop; the owner
 * frees the channel. */
typedef void (*msg_closed_fn)(void *arg, int error);

/* Takes over fd (a connected SOCK_SEQPACKET socket), which becomes non-blocking. specs must outlive
 * the channel. Fatal when out of memory. */
struct msg_channel *msg_channel_new(struct event_base *base, int fd, const struct msg_spec *specs,
	size_t n_specs, msg_fn on_message, msg_closed_fn on_closed, void *arg);
/* Accepts NULL. Sends what the socket takes of the queue, wipes the rest, closes the descriptor. */
void msg_channel_free(struct msg_channel *ch);
/* Sends at the end of this turn of the loop, in one packet with what else is sent in it, or later
 * where the socket is full; wiped then. A channel whose queue passes 64 MiB is closed with
 * -ENOBUFS. On a dead channel it does nothing. fixed_len + tail_len must be at most MSG_MAX (an
 * assertion: our own bug). */
void msg_send(struct msg_channel *ch, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len);
/* msg_send() of a struct without a tail. */
#define msg_send_struct(ch, type, ptr) msg_send((ch), (type), (ptr), sizeof(*(ptr)), NULL, 0)
/* A SOCK_SEQPACKET pair, close-on-exec, with buffers for MSG_MAX. Returns 0 or -errno. */
int msg_pair(int ret_fds[static 2]);
