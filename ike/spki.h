/* SPDX-License-Identifier: BSD-2-Clause */
/* Public keys from DER SubjectPublicKeyInfo. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>

/* The key, owned by the caller; NULL where der is not one SubjectPublicKeyInfo and nothing else.
 * The usual encodings of RSA, ECDSA and EdDSA keys are read here in a few microseconds; OpenSSL's
 * decoder, which takes all others, needs more than the verification of a signature. For use at
 * once: the next key of the same curve may be the same object. */
EVP_PKEY *ike_spki_read(const void *der, size_t len);
/* A context for EVP_PKEY_verify() by that key, initialised, where this process keeps one for its
 * curve; else NULL. Not the caller's. */
EVP_PKEY_CTX *ike_spki_verifier(const EVP_PKEY *key);
