/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates made for tests, good and bad. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/ike.h"
#include "ike/payload.h"

#define DAY INT64_C(86400)

/* What is left zero is as it should be. */
struct cert_spec {
	EVP_PKEY *key;
	const char *cn;
	X509 *issuer; /* NULL: itself */
	EVP_PKEY *issuer_key;
	bool ca;           /* basicConstraints CA:TRUE, keyUsage keyCertSign */
	const char *basic; /* another basicConstraints; "": none */
	const char *san;   /* "DNS:a.example.org,IP:198.18.1.10" */
	const char *usage; /* another keyUsage; "": none */
	const char *extended;
	int64_t from, to; /* seconds before and after WORLD_EPOCH; 0: 30 and 300 days */
	const EVP_MD *md; /* SHA-256, or none where the key knows none */
};

/* Owned by the caller. Ends the test where OpenSSL does not make it. */
X509 *cert_make(const struct cert_spec *spec);
/* The same as DER, in one of 32 buffers used in turn. */
struct ike_bytes cert_der(X509 *cert);
/* Appends it to a message's tail. */
size_t cert_put(uint8_t *tail, size_t at, X509 *cert);
