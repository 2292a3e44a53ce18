/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys on disk and in DNS: making a private key, reading it back, and what an IPSECKEY record says
 * of its public half (RFC 4025). Used by oectl; the agent only describes public keys with it.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYTOOL_SPKI_MAX 600
/* The longest public key field: RFC 3110, exponent and modulus of 4096 bits. */
#define KEYTOOL_FIELD_MAX 1027
/* "SHA256:" and 43 characters of base64, with the NUL. */
#define KEYTOOL_FINGERPRINT_LEN 51
/* One zone-file line, with its NUL. */
#define KEYTOOL_RECORD_MAX 2600

enum keytool_algorithm { /* IANA "Algorithm Type Field" of IPSECKEY */
	KEYTOOL_RSA = 2,
	KEYTOOL_ECDSA = 3,
	KEYTOOL_EDDSA = 4,
};

struct keytool_public {
	uint8_t algorithm; /* enum keytool_algorithm */
	uint16_t bits;     /* modulus, or order of the curve: 2048, 256 ... */
	char name[16];     /* "RSA-2048", "ECDSA-P256", "Ed25519" */
	char fingerprint[KEYTOOL_FINGERPRINT_LEN]; /* SHA-256 of the SPKI */
	uint16_t spki_len;
	uint16_t field_len;
	uint8_t spki[KEYTOOL_SPKI_MAX];   /* DER SubjectPublicKeyInfo */
	uint8_t field[KEYTOOL_FIELD_MAX]; /* the public key field of an IPSECKEY (RFC 4025 2.6) */
};

/* The types that keytool_generate() knows, NULL-ended: "ed25519" first, the default. */
extern const char *const keytool_types[];

/* A new private key. Returns 0; -EINVAL for an unknown type; -EIO where OpenSSL fails. */
int keytool_generate(const char *type, EVP_PKEY **ret);
/* Writes PKCS#8 PEM to a new file of mode 0600, through to the disk. Returns 0, -EEXIST (never
 * overwrites) or -errno; a file half written is removed. */
int keytool_save(EVP_PKEY *key, const char *path);
/* Reads a private key in PEM. Returns 0, -errno of the file, or -EBADMSG where there is no key in
 * it, or an encrypted one. */
int keytool_load(const char *path, EVP_PKEY **ret);
/* What there is to say of the public half of key. Returns 0, or -ENOTSUP for a key that no IPSECKEY
 * can carry or oed cannot use: of another kind, RSA beyond 2048..4096 bits. */
int keytool_public(EVP_PKEY *key, struct keytool_public *ret);
/* The same from DER. -EBADMSG where it is no SubjectPublicKeyInfo. */
int keytool_public_from_spki(const uint8_t *spki, size_t len, struct keytool_public *ret);
/* "OWNER TTL IN IPSECKEY PRECEDENCE 0 ALGORITHM . BASE64", without a gateway; generic: as
 * "OWNER TTL IN TYPE45 \# LENGTH HEX" for servers that do not know the type (RFC 3597). owner with
 * its closing dot, at most 255 bytes. Returns buf. */
const char *keytool_record(const struct keytool_public *key, const char *owner, uint32_t ttl,
	uint8_t precedence, bool generic, char buf[static KEYTOOL_RECORD_MAX]);
