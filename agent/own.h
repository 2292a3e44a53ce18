/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This host's own records: whether DNS has, at the reverse names of its addresses (and at the name
 * that it calls itself), the key that it proves itself by. Looked at after the start, after
 * whatever may change the answer, and hourly. Nothing is done about it: it is told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/conf.h"
#include "resolver/resolver.h"

/* Names looked at; a host with more addresses is told of these. */
#define OWN_MAX 32

enum own_state {
	OWN_UNKNOWN,  /* not answered yet, or DNS fails */
	OWN_MATCHES,  /* a key that we sign with is published, secure */
	OWN_DIFFERS,  /* others are, ours is not */
	OWN_ABSENT,   /* securely denied */
	OWN_UNSIGNED, /* the zone is not signed: nobody can believe what it holds */
};

struct own_record {
	struct addr addr;        /* family 0: of name */
	char name[DNS_NAME_MAX]; /* as looked up */
	uint8_t state;           /* enum own_state */
	uint8_t others;          /* usable keys there that are not ours */
	char why[DNS_WHY_MAX];   /* OWN_UNKNOWN: DNS's fault */
	uint32_t lookup;         /* outstanding; 0 none */
};

struct agent;
struct own;

struct own *own_new(struct agent *a);
/* Accepts NULL. */
void own_free(struct own *o);
/* Keys, addresses, the identity or the way to DNS may have changed: looks anew, soon. */
void own_changed(struct own *o);
/* Whether the answer was to a question of ours. */
bool own_answer(struct own *o, const struct dns_answer *a, const uint8_t *keys, size_t len);
/* Those looked at; *ret_n 0 where this host has no key. */
const struct own_record *own_records(const struct own *o, size_t *ret_n);
const char *own_state_name(enum own_state state); /* "matches" */
