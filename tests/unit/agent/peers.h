/* SPDX-License-Identifier: BSD-2-Clause */
/* What all tests of the peers' core begin with, whatever doubles of the services they have. */
#ifndef PEERS_H
#define PEERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/peer.h"

#define SECOND UINT64_C(1000000)

/* A line that policy or peers.d refuse: the test fails. */
void refused(void *arg, const char *text);
/* The lines as one group's file; of the caller. */
struct policy *rules(const char *group, const char *lines);
void add_rules(struct policy *p, const char *group, const char *lines);
/* A core with all services up and a key in DNS; *conf gets the defaults. Both outlive it. */
struct oe_peers *peers_new(const struct oe_effects *fx, struct conf *conf,
	const struct policy *policy, uint64_t now);
/* A service says this, and the core takes it. */
void peers_event(struct oe_peers *ps, uint16_t type, const void *fixed, uint64_t now);
/* The same of one half of a child, with its key. */
void peers_child(struct oe_peers *ps, const struct ike_child *c, bool inbound, uint64_t now);
/* Time goes on by so many microseconds, timer by timer. */
void peers_advance(struct oe_peers *ps, uint64_t *now, uint64_t us);

#endif
