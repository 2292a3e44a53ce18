/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESP that came to us and that no SA of ours is for. The kernel drops it without a word to anybody
 * but a counter (XfrmInNoStates), so it is looked at by raw sockets. They cost every inbound
 * packet a copy of its head, so they are armed only for a while: after the start, when peers may
 * still send to a life that is over, and whenever the counter rises. A filter in the kernel lets
 * those by that are known; what is left is bounded.
 *
 * The bytes are anybody's: what is said here is a hint and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* ESP and ESP in UDP, of IPv4 and IPv6. */
#define STRAY_SOCKETS 4
/* SPIs that the filter holds; with more of them known it lets one in 32 packets through. */
#define STRAY_KNOWN_MAX 200

struct stray;

struct stray_packet {
	struct pair pair;
	uint32_t spi;         /* host order */
	uint16_t encap_local; /* ports of the UDP header, host order; 0: none */
	uint16_t encap_remote;
};

typedef void (*stray_fn)(void *arg, const struct stray_packet *p);

/* Needs CAP_NET_RAW and CAP_NET_ADMIN. Sockets that cannot be had are left out. Never NULL. */
struct stray *stray_open(void);
/* Accepts NULL. */
void stray_close(struct stray *s);
/* Descriptor i, or -1. */
int stray_fd(const struct stray *s, size_t i);
/* From now on packets come in, those excepted that are for one of the n known SPIs. Again: with
 * this list, and the count of packets begins anew. */
void stray_arm(struct stray *s, const uint32_t *known, size_t n);
void stray_disarm(struct stray *s);
/* Reads what is there from socket i. Beyond a bound for each arming the socket is closed to packets
 * until the next one. */
void stray_read(struct stray *s, size_t i, stray_fn fn, void *arg);

/* ---- pure, for the above and for tests */

enum stray_kind { STRAY_ESP4, STRAY_UDP4, STRAY_ESP6, STRAY_UDP6 };

/* What a socket of the kind gave: for IPv4 with its IP header, for IPv6 from the transport header
 * on, when ret->pair is the caller's. Returns false where it is no ESP. */
bool stray_parse(enum stray_kind kind, const uint8_t *data, size_t len, struct stray_packet *ret);

/* How often a pair may be told of: once in 300 ms (what reads of it may not be ready yet), all of
 * them 100 times in a second. Times in microseconds. */
struct stray_limit {
	struct {
		uint32_t pair; /* hash */
		uint64_t at;
	} recent[256];
	uint64_t second;
	uint32_t count;
};

bool stray_allowed(struct stray_limit *l, const struct pair *pair, uint64_t now);
