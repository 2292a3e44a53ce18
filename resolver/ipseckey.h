/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPSECKEY rdata (RFC 4025) to a public key in the form that oed uses, a DER SubjectPublicKeyInfo.
 * Pure: bytes in, struct out; nothing of it trusts its input.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "resolver/resolver.h"

/* The rdata taken apart; key points into it. */
struct ipseckey {
	uint8_t precedence;
	uint8_t gateway_type;
	uint8_t algorithm;
	struct addr gateway; /* types 1 and 2; else family 0 */
	const uint8_t *key;
	size_t key_len;
};

/* RFC 4025 section 2. Returns DNS_KEY_OK, _SHORT, _GATEWAY_TYPE or _GATEWAY_NAME. *ret is always
 * initialised whole; what stands before the fault is filled in. */
enum dns_key_fault ipseckey_parse(const uint8_t *rdata, size_t len, struct ipseckey *ret);
/*
 * All of it: parses, applies the gateway rule (none, or the very address looked up; family 0: only
 * none), checks the key and encodes it. *ret is initialised whole; its algorithm is what the key
 * is, so an SPKI (see the .c) behind algorithm 4 or 5 becomes 2, 3 or 4. Returns ret->fault.
 */
enum dns_key_fault ipseckey_read(const uint8_t *rdata, size_t len, const struct addr *looked_up,
	struct dns_key *ret);
