/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a DNS answer says: packet bytes and a name in, records out. Pure; the packet is a
 * stranger's. Whether it may be believed is told by its caller: a packet that failed validation
 * must not come here at all (its contents are forged, or left over from another message).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "resolver/resolver.h"

#define ANSWER_TYPE_A 1
#define ANSWER_TYPE_AAAA 28
#define ANSWER_TYPE_DS 43
#define ANSWER_TYPE_IPSECKEY 45

/* What the agent is told of: up to DNS_KEYS_MAX usable keys, and as many that are not. */
#define ANSWER_KEYS_MAX (2 * DNS_KEYS_MAX)

struct answer {
	uint8_t rcode;      /* the packet's: 0 or 3 (NXDOMAIN) */
	uint8_t n_keys;     /* in keys */
	uint8_t n_usable;   /* of them; they come first, by precedence */
	uint8_t n_left_out; /* records not looked at, DNS_KEYS_MAX usable ones being found */
	uint8_t soa_labels; /* of a denial whose SOA stands above the name asked for: the labels of
	                       that zone's name ("arpa." 1), 0 unknown */
	uint32_t ttl;       /* seconds, not clamped: of the records, or of the denial (RFC 2308) */
	char canonical[DNS_NAME_MAX];
	struct dns_key keys[ANSWER_KEYS_MAX];
};

/*
 * The IPSECKEY records at the end of name's chain of CNAMEs. looked_up is for the gateway rule, see
 * ipseckey_read(). Returns 0, -EBADMSG for a packet that is none (or no answer), -ELOOP for a chain
 * too long; *ret is then undefined.
 */
int answer_keys(const uint8_t *packet, size_t len, const char *name, const struct addr *looked_up,
	struct answer *ret);
/* Whether addr is among the A or AAAA records (by its family) at the end of name's chain; *ret_ttl
 * as above. Errors as above. */
int answer_has_addr(const uint8_t *packet, size_t len, const char *name, const struct addr *addr,
	bool *ret_found, uint32_t *ret_ttl);
/* The first max addresses of that family there, and how many they are. Otherwise the same. */
int answer_addrs(const uint8_t *packet, size_t len, const char *name, uint8_t family,
	struct addr *ret, size_t max, size_t *ret_n, uint32_t *ret_ttl);

/* What the secure answer to a question for DS at a name says of that name. */
enum answer_cut {
	ANSWER_CUT_NONE,     /* there is no zone's end here, or a signed one: look further down */
	ANSWER_CUT_INSECURE, /* an unsigned delegation: nothing below can be secure */
	ANSWER_CUT_NOTHING,  /* no such name, so nothing below it either (RFC 8020) */
	ANSWER_CUT_UNKNOWN,  /* the proof does not tell, as in an opt-out span (RFC 5155) */
};

/* Reads the proof: an NSEC or NSEC3 that matches the name itself, with NS and without DS and SOA in
 * its bitmap (RFC 4035 section 5.2, RFC 5155 section 8.9). *ret_ttl is that of the denial. */
enum answer_cut answer_cut(const uint8_t *packet, size_t len, const char *name, uint32_t *ret_ttl);

/* What libunbound says beside the packet: its rcode, and 0 insecure, 1 bogus, 2 secure. a is NULL
 * where the packet could not be read. */
enum dns_class answer_class(int rcode, int sec, const struct answer *a);
/* The clamps of one class, in seconds. */
uint32_t answer_ttl(enum dns_class class, uint32_t ttl);

/* Lower case, absolute, in presentation form. Returns 0 or -EINVAL where text is no domain name of
 * at most DNS_NAME_MAX characters with its NUL. */
int answer_canonical_name(const char *text, char ret[static DNS_NAME_MAX]);
/* The zone at which the chain of trust broke, from libunbound's reason for "bogus": copied from
 * there where it names one, else name, whose own records are wrong then. */
void answer_broke_at(const char *why, const char *name, char ret[static DNS_NAME_MAX]);
/* Copies what others wrote so that it can stand between quotes on one line: printable ASCII, no
 * quote or backslash, cut to size. text may be NULL. */
void answer_quote(const char *text, char ret[static DNS_WHY_MAX]);
