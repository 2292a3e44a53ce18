/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TSIG (RFC 8945): messages between this host and a name server, proved by a secret that both have;
 * and the file with that secret, as tsig-keygen, keymgr -t and nsupdate -k have it.
 *
 * Not by libldns, which wipes no secret, does not look at the time and cannot do HMAC-SHA384; it
 * checks this code in the tests.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ctl/dnsmsg.h"

#define TSIG_SECRET_MAX 256
#define TSIG_MAC_MAX 64
#define TSIG_FUDGE 300 /* seconds that the clocks may differ, RFC 8945 section 10 */
#define TSIG_WHY_MAX 512

struct tsig_algorithm {
	const char *name;   /* as in DNS and in key files */
	const char *digest; /* OpenSSL's */
	uint8_t len;        /* of the MAC */
};

/* Ended by a name NULL. */
extern const struct tsig_algorithm tsig_algorithms[];

struct tsig_key {
	struct dname name;
	const struct tsig_algorithm *algorithm;
	size_t len;
	uint8_t secret[TSIG_SECRET_MAX];
};

struct tsig_mac {
	uint8_t len;
	uint8_t b[TSIG_MAC_MAX];
};

enum tsig_verdict {
	TSIG_GOOD,
	TSIG_MISSING,   /* unsigned */
	TSIG_BAD,       /* malformed, another key, a wrong MAC */
	TSIG_STALE,     /* proved, but its time is not ours */
	/* the server says so of what we sent (section 5.3); the first two come without a proof */
	TSIG_BADSIG,
	TSIG_BADKEY,
	TSIG_BADTIME,
	TSIG_BADTRUNC,
	TSIG_ERROR,     /* another error */
};

/* Reads the only key of a file. It must belong to root or to us and be closed to others. Returns 0,
 * or
 * -EINVAL after one line in why that names the file, the line and the remedy; *ret is untouched
 * then, else to be wiped by the caller. */
int tsig_load(const char *path, struct tsig_key *ret, char why[static TSIG_WHY_MAX]);
/* The same from memory; name is used in messages. */
int tsig_parse(const char *name, const char *text, size_t len, struct tsig_key *ret,
	char why[static TSIG_WHY_MAX]);

/* Signs the message in w, a whole request, by appending a TSIG record; time is in seconds since
 * 1970. Returns 0, -EMSGSIZE where it does not fit, -EIO where OpenSSL fails. */
int tsig_sign(struct wire_writer *w, const struct tsig_key *key, uint64_t time, struct tsig_mac *ret);
/* The answer to the request that was signed with that MAC. *ret_time (may be NULL): the server's
 * clock, where it is known and TSIG_STALE or TSIG_BADTIME. */
enum tsig_verdict tsig_verify(const uint8_t *message, size_t len, const struct tsig_key *key,
	const struct tsig_mac *request, uint64_t time, uint64_t *ret_time);
