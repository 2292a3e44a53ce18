/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one answer tells of its neighbours. After an address whose zone is not signed, or whose name
 * does not exist, the names above it are asked for their DS from the top down: the first unsigned
 * delegation, or the first name that does not exist, is true for all below it. libunbound has these
 * answers already, for it needed them to judge the first, so this costs no packet as a rule.
 */
#pragma once

#include "resolver/context.h"
#include "resolver/resolver.h"

/* At one time; beyond it nothing is learnt, which the next answer makes good. */
#define WALKS_MAX 64

struct walks;

typedef void (*walks_found_fn)(void *arg, const struct dns_range *range);

/* Fatal when out of memory. */
struct walks *walks_new(walks_found_fn found, void *arg);
void walks_free(struct walks *w);
/* class is DNS_INSECURE or DNS_DENIED, of the IPSECKEY at addr's reverse name; soa_labels as in
 * struct answer. found() may be called before this returns. */
void walks_start(struct walks *w, struct context *c, const struct addr *addr,
	enum dns_class class, unsigned int soa_labels);
/* The context goes: what is under way is forgotten. */
void walks_drop(struct walks *w);
