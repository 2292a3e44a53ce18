/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many lookups who may cause: token buckets in all and for each prefix of the addresses looked
 * up, and smaller ones for what strangers trigger, who could otherwise make us ask the servers of
 * anybody they like. Pure: the time goes in.
 */
#pragma once

#include <stdint.h>

#include "base/addr.h"
#include "resolver/resolver.h"

/* Lookups at once, then in a second. A desktop that meets 1500 peers at once is served; a /24 or
 * /48 swept from this host is, too. */
#define LIMIT_ALL_BURST 2000
#define LIMIT_ALL_RATE 200
#define LIMIT_PREFIX_BURST 512
#define LIMIT_PREFIX_RATE 20
#define LIMIT_STRANGERS_BURST 200
#define LIMIT_STRANGERS_RATE 50
#define LIMIT_STRANGERS_PREFIX_BURST 16
#define LIMIT_STRANGERS_PREFIX_RATE 2
/* What applications ask for before they need it; a web page makes a browser ask for any name. */
#define LIMIT_HINTS_BURST 200
#define LIMIT_HINTS_RATE 20

enum limit {
	LIMIT_NONE,
	LIMIT_RATE,
	LIMIT_STRANGERS,
};

struct limits;

/* Fatal when out of memory. */
struct limits *limits_new(void);
void limits_free(struct limits *l);
/* Takes a token for a lookup of addr (family 0: of a name); returns LIMIT_NONE, or which budget is
 * spent: nothing was taken then. now in microseconds. */
enum limit limits_take(
	struct limits *l, enum dns_origin origin, const struct addr *addr, uint64_t now);
/* The lookup made no query: its token goes back. */
void limits_give_back(struct limits *l, enum dns_origin origin, const struct addr *addr);
