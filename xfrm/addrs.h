/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's addresses by rtnetlink, as they come and go, and the MTU towards others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* An address on an interface. */
struct own {
	int ifindex;
	struct addr addr;
	struct addr broadcast; /* family 0: none */
	bool usable;           /* not tentative: a packet may leave with it as its source */
};

struct addrs;

/* The address became usable, or is so no more: on the last interface that had it. */
typedef void (*addrs_fn)(void *arg, const struct addr *addr, bool up);

/* Reads what is there, without calls of fn. Returns 0 or -errno. */
int addrs_open(struct addrs **ret, addrs_fn fn, void *arg);
/* Accepts NULL. */
void addrs_close(struct addrs *a);
int addrs_fd(const struct addrs *a);
/* Reads what changed, with calls of fn when all of it is in the list. Returns whether anything did,
 * even if no address became usable or ceased to be. */
bool addrs_read(struct addrs *a);
/* All of the list; valid until the next addrs_read(). */
const struct own *addrs_list(const struct addrs *a, size_t *ret_n);
/* Whether packets from addr may be ours to protect: usable, and neither loopback nor link-local. */
bool addrs_is_local(const struct addrs *a, const struct addr *addr);
/* Whether an address of the list is of that kind, usable or not yet. */
bool own_may_be_local(const struct own *own);
/* MTU of the path by the routing table, which knows what the network told; 0 unknown. */
uint32_t addrs_mtu(struct addrs *a, const struct pair *pair);
