/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy groups: which traffic must, may or must not be encrypted.
 *
 * Five files named after the groups hold lines of `CIDR [proto sport dport]`, `#` begins a comment.
 * The longest prefix wins, then the line with more of protocol and ports; no group beats a longer
 * prefix. Pure: no I/O but policy_load()'s reading of the files, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum pol_group {
	POL_BLOCK,
	POL_CLEAR,
	POL_CLEAR_OR_PRIVATE,
	POL_PRIVATE_OR_CLEAR,
	POL_PRIVATE,
	POL_N_GROUPS,
};

struct pol_rule {
	struct prefix remote;
	enum pol_group group;
	uint8_t proto;  /* IP protocol, 0 any */
	uint16_t sport; /* ours, host order, 0 any; 0 where proto is 0 */
	uint16_t dport; /* the remote's */
	/* 0 is the most specific; a function of prefix length, protocol and ports only, so that it
	 * does not change when other lines do. See pol_rank(). */
	uint32_t rank;
	uint32_t line;  /* in the file of the group, from 1 */
	const char *file; /* path, owned by the policy */
};

/* A peer's wish, as RFC 7296 section 3.13.1 has it: ranges of ports, 0 to 65535 for any. */
struct pol_wish {
	uint8_t proto; /* 0 any */
	uint16_t sport_first, sport_last;
	uint16_t dport_first, dport_last;
};

struct policy;

/* One line for each thing refused: "FILE:LINE: what, and what would be right". */
typedef void (*pol_error_fn)(void *arg, const char *text);

/* No rules: everything is in clear. Never NULL. */
struct policy *policy_new(void);
/* Reads DIR/{block,clear,clear-or-private,private-or-clear,private}; a missing file is an empty
 * one. A bad line is reported and left out, the rest loads. Two groups that name the same selector:
 * both lines are named, the stricter group (private, block over the rest) stays. Returns the
 * policy, never NULL; *ret_refused is the number of lines refused. */
struct policy *policy_load(const char *dir, pol_error_fn on_error, void *arg, size_t *ret_refused);
/* The same for one group from memory, added to p: for tests and fuzzing. name is used in errors. */
void policy_parse(struct policy *p, enum pol_group group, const char *name, const char *text,
	size_t len, pol_error_fn on_error, void *arg, size_t *ret_refused);
void policy_free(struct policy *p);

/* The rule for traffic with remote, NULL where none matches (in clear, nothing asked). proto 0: the
 * rule for the host as a whole, that is, without those that name a protocol. O(prefix length). */
const struct pol_rule *policy_lookup(const struct policy *p, const struct addr *remote,
	uint8_t proto, uint16_t sport, uint16_t dport);
/* What a peer that wishes for an SA for this traffic with remote may have: the wish itself where
 * one rule that encrypts covers it, else the most specific rule that lies within. Returns that
 * rule, or NULL: nothing of it is to be encrypted, or a range of ports is neither one port nor
 * all. */
const struct pol_rule *policy_narrow(const struct policy *p, const struct addr *remote,
	const struct pol_wish *wish, struct scope *ret);
struct scope pol_scope(const struct pol_rule *rule);
/* Whether any rule for remote encrypts, be it for the host or for a port. */
bool policy_may_encrypt(const struct policy *p, const struct addr *remote);
/* All rules, most specific first, then by address. */
size_t policy_count(const struct policy *p);
const struct pol_rule *policy_rule(const struct policy *p, size_t i);

/* Rank of a selector: longer prefix first, then protocol with both ports, with one, alone, none. */
uint32_t pol_rank(unsigned int prefix_len, unsigned int bits, uint8_t proto, uint16_t sport,
	uint16_t dport);
/* A protocol as the files name it, "tcp" or "6"; false for what no line may name. */
bool pol_proto_parse(const char *text, uint8_t *ret);
const char *pol_group_name(enum pol_group group); /* "private-or-clear" */
/* Returns false for an unknown name. */
bool pol_group_parse(const char *name, enum pol_group *ret);
