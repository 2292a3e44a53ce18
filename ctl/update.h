/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 2136: what is to change in a name's IPSECKEY records, as one UPDATE message. Pure.
 *
 * An update says first what it was made from: the records as they were seen (prerequisites, section
 * 2.4). Where somebody else has changed them meanwhile the server changes nothing. Records are
 * added and removed one by one, by their whole value, so those of others stay in any case.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/dnsmsg.h"
#include "agent/keytool.h"

#define UPDATE_RECORDS_MAX 32
/* Precedence, gateway type, algorithm, a gateway name, a key of RSA-4096. */
#define UPDATE_RDATA_MAX (3 + DNAME_MAX + KEYTOOL_FIELD_MAX)

/* The rdata of an IPSECKEY record (RFC 4025 section 2.1). */
struct update_record {
	uint16_t len;
	uint8_t b[UPDATE_RDATA_MAX];
};

/* All IPSECKEY records of a name. */
struct update_rrset {
	uint32_t ttl; /* 0 where there are none */
	size_t n;
	struct update_record record[UPDATE_RECORDS_MAX];
};

/* With key and precedence, no gateway. */
struct update_record update_record(const struct keytool_public *key, uint8_t precedence);
/* Whether it has that public key, whatever its precedence and gateway. */
bool update_is_key(const struct update_record *r, const struct keytool_public *key);
/* From an answer to a question for name. Returns 0; -ENOENT where the answer says that there is no
 * such name or record; -EBADMSG where it cannot be read; -E2BIG where there are too many or too
 * large ones;
 * -EIO for another rcode. */
int update_read(const uint8_t *message, size_t len, const struct dname *name,
	struct update_rrset *ret);

/* What is to become of a name's records. */
struct update_plan {
	uint32_t ttl; /* of those that are added */
	size_t n_add, n_remove;
	struct update_record add[UPDATE_RECORDS_MAX];
	struct update_record remove[UPDATE_RECORDS_MAX];
};

/* So that key is there, with that precedence and TTL, and once; records that say so already
 * stay. */
void update_want(struct update_plan *plan, const struct update_rrset *seen,
	const struct keytool_public *key, uint8_t precedence);
/* So that key is not there. */
void update_unwant(struct update_plan *plan, const struct update_rrset *seen,
	const struct keytool_public *key);
/* Whether the records are as the plan wants them. */
bool update_done(const struct update_plan *plan, const struct update_rrset *seen);
/* The UPDATE message, unsigned. w->bad where it does not fit. */
void update_put(struct wire_writer *w, uint16_t id, const struct dname *zone, const struct dname *name,
	const struct update_rrset *seen, const struct update_plan *plan);
/* What an rcode means for who sent an update, and what to do. */
const char *update_rcode_text(unsigned int rcode);
