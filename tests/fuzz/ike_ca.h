/* SPDX-License-Identifier: BSD-2-Clause */
/* A CA for the fuzz targets, with its keys at hand: what a fuzzer makes can be signed by it. Its
 * keys are Ed25519 of constant bytes, so that all of it is the same in each run. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/payload.h"

/* The time of the fuzz targets, seconds since 1970. Certificates hold a year before and after it.
 */
#define FUZZ_CA_NOW INT64_C(1795219200)

enum fuzz_ca_key {
	FUZZ_CA_ROOT = 100, /* below: hosts' */
	FUZZ_CA_SUB,
	FUZZ_CA_HOST,
};

EVP_PKEY *fuzz_ca_key(int which);
/* A certificate of cn with that key, signed by another key of issuer; san: subjectAltName, NULL for
 * a CA. Owned by the caller. */
X509 *fuzz_ca_make(
	const char *cn, int key, const char *issuer, int by, const char *san, int64_t life);
/* The root's, DER. */
struct ike_bytes fuzz_ca_root(void);
/* Wraps a TBSCertificate with a true signature by that key. Free it. */
uint8_t *fuzz_ca_sign(struct ike_bytes tbs, int by, size_t *ret_len);
