/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The certificates of a peer in peers.d: read from files when the configuration is, looked at
 * there, and handed to the ike service as they are. Settings are copied, so references are counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/ike.h"

/* What a fault is about: the key in peers.d, "ca" or "certificate"; and one clause with the file
 * and the remedy. */
typedef void (*certs_fault_fn)(void *arg, const char *key, const char *text);

struct certs;

/* "C=DE, O=Example, CN=host", in this order, to DER. A comma that belongs to a value stands behind
 * a backslash. Returns the length, or -EINVAL where it is no name or does not fit. */
int certs_parse_dn(const char *text, uint8_t *ret, size_t cap);
/* The CAs of file ca, and our own certificate, then those that lead on to its CA, of file own; PEM.
 * Relative names are below dir. All faults are told; NULL where they leave nothing to work with.
 * What has expired is told and kept: whoever looks at it refuses it, with that reason. */
struct certs *certs_read(
	const char *dir, const char *ca, const char *own, certs_fault_fn on_fault, void *arg);
/* Both accept NULL. */
struct certs *certs_ref(struct certs *c);
void certs_unref(struct certs *c);
/* Whether the same CAs may vouch for the peer. Our own may differ: a new one is for the next SA. */
bool certs_same_cas(const struct certs *a, const struct certs *b);
/* For struct ike_terms, and the tail of a message with it. NULL has none. */
void certs_terms(const struct certs *c, struct ike_terms *ret);
const uint8_t *certs_tail(const struct certs *c, size_t *ret_len);
/* For struct ike_accept: n_cas times IKE_CA_HASH_LEN bytes. */
const uint8_t *certs_hashes(const struct certs *c, uint8_t *ret_n);
/* Whether our certificate is for one of these keys. */
bool certs_have_key(const struct certs *c, const struct ike_pubkey *keys, size_t n);
/* Whether our certificate carries the identity (RFC 7296 3.5). */
bool certs_carry(const struct certs *c, uint8_t type, const uint8_t *id, size_t len);
