/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DNS messages as oectl writes and reads them when it publishes keys: names, records, the header
 * (RFC 1035 section 4). What resolves the peers' names is resolver/, and nothing of this.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

#define DNSMSG_MAX 65535
#define DNSMSG_HEAD 12
#define DNAME_MAX 255
/* Each byte as \DDD, and the NUL. */
#define DNAME_TEXT_MAX (4 * DNAME_MAX + 1)

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_IPSECKEY = 45,
	DNS_TYPE_DNSKEY = 48,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_RRSIG = 46,
	DNS_TYPE_TSIG = 250,
	DNS_TYPE_ANY = 255,
};

enum dns_rrclass {
	DNS_CLASS_IN = 1,
	DNS_CLASS_NONE = 254, /* RFC 2136 section 2.4 */
	DNS_CLASS_ANY = 255,
};

enum dns_flag {
	DNS_FLAG_QR = 0x8000,
	DNS_FLAG_TC = 0x0200,
	DNS_FLAG_RD = 0x0100,
	DNS_FLAG_AD = 0x0020,
	DNS_OPCODE_UPDATE = 5 << 11,
	DNS_OPCODE_MASK = 15 << 11,
	DNS_RCODE_MASK = 15,
};

enum dns_rcode {
	DNS_RCODE_NOERROR = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5,
	DNS_RCODE_YXDOMAIN = 6,
	DNS_RCODE_YXRRSET = 7,
	DNS_RCODE_NXRRSET = 8,
	DNS_RCODE_NOTAUTH = 9,
	DNS_RCODE_NOTZONE = 10,
};

/* A name in wire format and lower case, so that equal names are equal bytes (RFC 4343). The root is
 * one zero byte; len 0: no name. */
struct dname {
	uint8_t len;
	uint8_t b[DNAME_MAX];
};

struct dns_head {
	uint16_t id;
	uint16_t flags;    /* enum dns_flag, rcode */
	uint16_t count[4]; /* question or zone, answer or prerequisite, authority or update,
	                      additional */
};

/* A record in a message, which owns its rdata. */
struct dns_rr {
	struct dname owner;
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t rdata_at; /* in the message */
	uint16_t rdata_len;
};

/* "host.example.org", with or without the closing dot; letters, digits, "-", "_" and "/" (RFC
 * 2317). Returns 0 or -EINVAL. */
int dname_parse(const char *text, struct dname *ret);
/* With the closing dot; what is neither printable nor plain as \DDD. Returns buf. */
const char *dname_format(const struct dname *name, char buf[static DNAME_TEXT_MAX]);
bool dname_equal(const struct dname *a, const struct dname *b);
/* Whether name is zone, or below it. */
bool dname_within(const struct dname *name, const struct dname *zone);

/* r reads the whole message, from its first byte: names point backwards into it. The root, and
 * r->bad, where it is malformed. */
struct dname dname_read(struct wire_reader *r);
/* Never compressed. */
void dname_put(struct wire_writer *w, const struct dname *name);

struct dns_head dns_head_read(struct wire_reader *r);
void dns_head_put(struct wire_writer *w, const struct dns_head *head);
/* The next record; r stands behind it. */
struct dns_rr dns_rr_read(struct wire_reader *r);
void dns_rr_put(struct wire_writer *w, const struct dname *owner, uint16_t type, uint16_t class,
	uint32_t ttl, const void *rdata, size_t len);
/* A question for name in w, RD set; dnssec: with an EDNS record that sets DO (RFC 6891, RFC 3225).
 * w->bad where it does not fit. */
void dns_question_put(
	struct wire_writer *w, uint16_t id, const struct dname *name, uint16_t type, bool dnssec);
/* A reader of message that stands behind head and question, both taken; r->bad where there is
 * none. */
struct wire_reader dns_answers(const uint8_t *message, size_t len, struct dns_head *ret_head);
/* "REFUSED"; "rcode 17" in a static buffer. */
const char *dns_rcode_name(unsigned int rcode);
