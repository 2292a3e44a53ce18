/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking a name server: one message there, one back, by UDP and where that does not do by TCP
 * (RFC 7766); and what is to be known of a name before its records can be changed: its zone, and
 * that zone's primary. Blocks; for oectl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/dnsmsg.h"
#include "base/addr.h"

#define DNSASK_SERVERS_MAX 8
/* To try by UDP: three times, for so long in all. */
#define DNSASK_UDP_MS 6000
#define DNSASK_TCP_MS 8000

struct dns_server {
	struct addr addr;
	uint16_t port; /* host order */
};

/* The answer to a message, of another process's making. */
struct dns_reply {
	size_t len;
	uint8_t b[DNSMSG_MAX];
};

/* A random message id. */
uint16_t dnsask_id(void);
/* Sends message (len bytes) to server and waits for its answer: by UDP where message is short (512
 * bytes), then by TCP where that fails or the answer is truncated. What is no answer to message
 * (its id, its opcode) is passed over. Returns 0, -ETIMEDOUT, or -errno of the last try. */
int dnsask(const struct dns_server *server, const uint8_t *message, size_t len, struct dns_reply *ret);
/* Asks each server in turn until one answers with NOERROR or NXDOMAIN. dnssec as in
 * dns_question_put(). Returns 0, -errno of the last, or -EPROTO where none had a usable answer. */
int dnsask_any(const struct dns_server *servers, size_t n, const struct dname *name, uint16_t type,
	bool dnssec, struct dns_reply *ret);

struct dns_zone {
	struct dname name; /* asked for, or where a CNAME led (RFC 2317) */
	struct dname zone;
	struct dname primary; /* SOA MNAME */
};

/* The zone of name, asked of resolvers, or of a server that has it. Returns 0, -errno of the
 * network,
 * -ENOENT where no SOA record came, -ELOOP where aliases never end. */
int dnsask_zone(const struct dns_server *servers, size_t n, const struct dname *name,
	struct dns_zone *ret);
/* From an answer to a question for the SOA of *name: follows aliases in it. Returns 0 with *ret
 * whole;
 * -EAGAIN where ret->name is an alias's target that is to be asked for; -ENOENT without an SOA. */
int dnsask_read_zone(const uint8_t *message, size_t len, const struct dname *name,
	struct dns_zone *ret);
/* Appends the addresses of a host to ret[max]; returns how many there are then. */
size_t dnsask_addresses(const struct dns_server *servers, size_t n, const struct dname *host,
	struct addr *ret, size_t max);
