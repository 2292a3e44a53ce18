/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * X.509 certificates (RFC 5280, RFC 4945): whether a peer's chain leads to a CA that an admin
 * named, whether its first one may sign and which identities it carries; and what CERT and CERTREQ
 * hold. From bytes, by OpenSSL: no file, no network, no clock. Whether a certificate was revoked is
 * not looked at.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/ike.h"
#include "ike/payload.h"

#define IKE_CERT_NAME_MAX 96 /* text */
#define IKE_CERT_DATE_MAX 24

/* OpenSSL reads the system's time zone once, which a sandbox would not let it. */
void ike_cert_init(void);
/* The n certificates of a message's tail, each behind its length of two bytes. Returns 0, or
 * -EBADMSG where one is empty, longer than IKE_CERT_MAX, or there is anything else. */
int ike_certs_split(const uint8_t *tail, size_t len, uint32_t n, struct ike_bytes *ret);
/* One DER certificate and nothing behind it, up to IKE_CERT_MAX bytes; owned by the caller. NULL
 * where it is none. */
X509 *ike_cert_read(struct ike_bytes der);
/* "C=DE, O=Example, CN=host": printable, cut to IKE_CERT_NAME_MAX. Returns buf. */
const char *ike_cert_name(const X509_NAME *name, char buf[static IKE_CERT_NAME_MAX]);
/* The same of a DER name. Returns NULL where it is none, or empty. */
const char *ike_dn_format(struct ike_bytes dn, char buf[static IKE_CERT_NAME_MAX]);
/* Seconds since 1970; INT64_MIN for what is no time. */
int64_t ike_cert_time(const ASN1_TIME *t);
const char *ike_cert_date(int64_t t, char buf[static IKE_CERT_DATE_MAX]); /* "2027-01-31", UTC */
/* Returns 0, or -ENOTSUP for a key that we do not verify signatures by. */
int ike_cert_key(const X509 *cert, struct ike_pubkey *ret);
/* As in CERTREQ: SHA-1 of the SubjectPublicKeyInfo (RFC 7296 3.7). Returns 0 or -EIO. */
int ike_cert_key_hash(const X509 *cert, uint8_t ret[static IKE_CA_HASH_LEN]);
/* Whether it can say of itself, in IKE, that it is this (RFC 4945 3.1): type is of enum
 * ike_id_type. An address, a name or a mail address is looked for in subjectAltName, without regard
 * to case; a DN is the subject. */
bool ike_cert_carries(const X509 *cert, uint8_t type, struct ike_bytes id);
/* The first identity of a certificate that is not an address: a name, a mail address, else the
 * subject; id[IKE_ID_MAX]. Returns 0, or -ENOENT where there is none that fits. */
int ike_cert_identity(const X509 *cert, uint8_t *ret_type, uint8_t *ret_id, uint16_t *ret_len);
/* Two DER names, as X.500 compares them: without regard to case, blanks and kind of string. */
bool ike_dn_equal(struct ike_bytes a, struct ike_bytes b);
/* NULL, or a clause why the certificate is not for signing in IKE (RFC 4945 5.1.3.2, 5.1.3.12). */
const char *ike_cert_misuse(X509 *cert);

/* What a peer sent, and by what it is judged. */
struct ike_cert_case {
	const struct ike_bytes *cas; /* any of them ends a chain, be it a root or not */
	size_t n_cas;
	const struct ike_bytes *certs; /* the peer's own first; the others in any order */
	size_t n_certs;
	int64_t now; /* seconds since 1970 */
};

struct ike_cert_proof {
	X509 *cert; /* the peer's own, owned by the caller */
	struct ike_pubkey key;
	int64_t until; /* when the first of the chain expires; seconds since 1970 */
	char subject[IKE_CERT_NAME_MAX];
	char ca[IKE_CERT_NAME_MAX]; /* of those in cas, the one that ends the chain */
};

/* Returns 0, or -EKEYREJECTED and in why, a clause: "the peer's certificate (CN=a) expired on ...".
 */
int ike_cert_verify(
	const struct ike_cert_case *c, struct ike_cert_proof *ret, char why[static IKE_WHY_MAX]);
