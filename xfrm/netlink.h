/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Netlink in two kinds: a request socket that gathers many messages, sends them by one system call
 * and reads the kernel's answer to each; and event sockets that are read when the loop says so.
 *
 * The kernel works on a request inside sendto(): when that returns, the answers are in the socket.
 * So nl_flush() and nl_dump() are synchronous and do not wait for anybody.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

/* The kernel's answer to one message: 0 or -errno. Must not begin a message. */
typedef void (*nl_done_fn)(void *arg, int error);
/* One message from the kernel; its length is checked against what was received. */
typedef void (*nl_message_fn)(void *arg, const struct nlmsghdr *nlh);

/* A request socket of the bus (NETLINK_XFRM, ...). Returns 0 or -errno. */
int nl_open(int bus, struct nl **ret);
/* Accepts NULL. */
void nl_close(struct nl *nl);

/* Begins a message with a copy of its fixed header. May flush the batch to make room. Always
 * followed by nl_end(). */
void nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len);
void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t len);
/* done (may be NULL) hears of the answer, at the latest in the next nl_flush(). */
void nl_end(struct nl *nl, nl_done_fn done, void *arg);
/* Sends the batch and reads the answers. Returns 0, or the first error since the last nl_flush()
 * that no done function took. The batch is wiped: it may hold keys. */
int nl_flush(struct nl *nl);
/* A request of len bytes (a header, attributes if need be: together at most 200) whose answer is
 * one message (flags 0) or many (NLM_F_DUMP); what was received is wiped. -EINTR: the dump changed
 * while it was read. */
int nl_query(struct nl *nl, uint16_t type, uint16_t flags, const void *header, size_t len,
	nl_message_fn fn, void *arg);

/* A non-blocking socket for what comes by itself, with a large receive buffer. Returns the
 * descriptor or -errno. groups ends with 0. */
int nl_listen(int bus, const unsigned int *groups);
/* Reads all that is there, the kernel's messages only. Returns 0, -ENOBUFS where messages were
 * lost, or -errno. buf is scratch space. */
int nl_read(int fd, void *buf, size_t cap, nl_message_fn fn, void *arg);

/* Netlink aligns to four bytes, which is too little for many a struct: so they are copied out. Both
 * return false, and leave *ret alone, where there are fewer than len bytes. */
bool nl_payload(const struct nlmsghdr *nlh, void *ret, size_t len);
bool nl_attr_copy(const struct nlattr *attr, void *ret, size_t len);
