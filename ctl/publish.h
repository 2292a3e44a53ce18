/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This host's keys into DNS: from a name and the keys that are to stand there, or not, to an update
 * that the zone's primary has taken, and what became of it in plain words. Talks to name servers;
 * blocks; for oectl, never for a service: the secret is read by the command and goes with it.
 */
#pragma once

#include "ctl/dnsask.h"
#include "ctl/tsig.h"
#include "ctl/update.h"

#define PUBLISH_WHY_MAX 640
#define PUBLISH_KEYS_MAX 8
#define PUBLISH_TTL 3600 /* of a name that has no record yet */

struct publisher {
	const struct tsig_key *key; /* NULL: looks only, unsigned */
	struct dns_server resolvers[DNSASK_SERVERS_MAX];
	size_t n_resolvers;
	struct dns_server server; /* family 0: the zone's primary by its SOA, at port */
	uint16_t port;
};

/* What is to be true of a name. */
struct publish_wish {
	uint32_t ttl; /* 0: as the records there, else PUBLISH_TTL */
	size_t n_want, n_unwant;
	struct {
		const struct keytool_public *key;
		uint8_t precedence;
	} want[PUBLISH_KEYS_MAX];
	const struct keytool_public *unwant[PUBLISH_KEYS_MAX];
};

struct publish_result {
	struct dns_zone zone;       /* name.len 0: not found */
	struct dns_server server;   /* that was asked last; family 0: none */
	struct update_rrset before; /* the records as they stood at first */
	struct update_rrset after;
	bool changed;
	char why[PUBLISH_WHY_MAX];  /* what went wrong, and what to do; "" all is as wished */
};

/* Makes it true. Returns 0, or -1 with ret->why. */
int publish(const struct publisher *p, const struct dname *name, const struct publish_wish *wish,
	struct publish_result *ret);
/* The records as the primary has them, in ret->before and ret->after. Returns 0 or -1. */
int publish_look(const struct publisher *p, const struct dname *name, struct publish_result *ret);
/* What the verdict on an answer means, for the admin; key and the clocks are named. Returns buf. */
const char *publish_verdict_text(enum tsig_verdict verdict, const struct tsig_key *key, uint64_t here,
	uint64_t there, char buf[static PUBLISH_WHY_MAX]);
