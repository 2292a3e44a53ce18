/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor: the OpenSSL primitives that a responder's handshake cannot do without, and nothing
 * else, each the fastest way that libcrypto 3.0 has: keys parsed, algorithms fetched and contexts
 * made beforehand.
 */
#pragma once

#include <openssl/evp.h>

struct floor;

/* own, peer: the keys that sign, ours and the peer's; NULL: that side proves itself by a prf (NULL,
 * PSK). Never NULL. */
struct floor *floor_new(EVP_PKEY *own, EVP_PKEY *peer);
/* CPU time of one handshake's primitives, microseconds, the mean of n. */
double floor_measure(struct floor *f, unsigned int n);
void floor_free(struct floor *f);
