/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of the reverse map in which no address has a key, as the resolver proved: a peer in one is
 * decided without a question. The table stands in the agent, so it outlives the resolver. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "resolver/resolver.h"

#define RANGES_MAX 4096

struct range {
	struct dns_range told;
	uint64_t until; /* microseconds */
};

struct ranges;

/* Fatal when out of memory. */
struct ranges *ranges_new(void);
/* Accepts NULL. */
void ranges_free(struct ranges *r);
/* Replaces one of the same prefix. At RANGES_MAX the one that ends first goes. */
void ranges_add(struct ranges *r, const struct dns_range *range, uint64_t now);
/* The longest prefix that holds addr and has not expired; NULL none. Valid until the next call that
 * changes r. */
const struct range *ranges_find(struct ranges *r, const struct addr *addr, uint64_t now);
/* Forgets all: they were true for another way to DNS. */
void ranges_flush(struct ranges *r);
size_t ranges_count(const struct ranges *r);
