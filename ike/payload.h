/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKEv2 messages on the wire (RFC 7296 section 3): header, chain of payloads, and building both.
 * What parsing gives are views into the caller's buffer; nothing is copied or allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"

#define IKE_HEADER_LEN 28
#define IKE_GENERIC_LEN 4 /* generic payload header */
#define IKE_MESSAGE_MAX 65535
#define IKE_NONCE_MIN 16 /* RFC 7296 2.10, 3.9 */
#define IKE_NONCE_MAX 256
#define IKE_NOTIFIES_MAX 32
#define IKE_DELETES_MAX 8
#define IKE_TS_MAX 16
#define IKE_PEER_CERTS_MAX 8

/* Bytes somewhere else; p is NULL where the thing is absent. */
struct ike_bytes {
	const uint8_t *p;
	size_t len;
};

enum ike_exchange {
	IKE_EXCH_SA_INIT = 34,
	IKE_EXCH_AUTH = 35,
	IKE_EXCH_CREATE_CHILD = 36,
	IKE_EXCH_INFORMATIONAL = 37,
	IKE_EXCH_INTERMEDIATE = 43, /* RFC 9242 */
	IKE_EXCH_FOLLOWUP_KE = 44,  /* RFC 9370 */
};

/* Header flags, RFC 7296 3.1 */
#define IKE_FLAG_INITIATOR 0x08 /* sent by the IKE SA's original initiator */
#define IKE_FLAG_VERSION 0x10
#define IKE_FLAG_RESPONSE 0x20

/* Payload types, RFC 7296 3.2 and RFC 7383 2.5. */
enum ike_payload {
	IKE_PL_NONE = 0,
	IKE_PL_SA = 33,
	IKE_PL_KE = 34,
	IKE_PL_IDI = 35,
	IKE_PL_IDR = 36,
	IKE_PL_CERT = 37,
	IKE_PL_CERTREQ = 38,
	IKE_PL_AUTH = 39,
	IKE_PL_NONCE = 40,
	IKE_PL_NOTIFY = 41,
	IKE_PL_DELETE = 42,
	IKE_PL_VENDOR = 43,
	IKE_PL_TSI = 44,
	IKE_PL_TSR = 45,
	IKE_PL_SK = 46,
	IKE_PL_CP = 47,
	IKE_PL_EAP = 48,
	IKE_PL_SKF = 53,
};
#define IKE_PL_FIRST 33
#define IKE_PL_COUNT (53 - 33 + 1)

enum ike_protocol {
	IKE_PROTO_NONE = 0,
	IKE_PROTO_IKE = 1,
	IKE_PROTO_AH = 2,
	IKE_PROTO_ESP = 3,
};

enum ike_id_type { /* RFC 7296 3.5, RFC 7619 2.2 */
	IKE_ID_IPV4_ADDR = 1,
	IKE_ID_FQDN = 2,
	IKE_ID_RFC822_ADDR = 3,
	IKE_ID_IPV6_ADDR = 5,
	IKE_ID_DER_ASN1_DN = 9,
	IKE_ID_KEY_ID = 11,
	IKE_ID_NULL = 13,
};

enum ike_auth_method {      /* RFC 7296 3.8, RFC 7427, RFC 7619 */
	IKE_METHOD_RSA = 1, /* PKCS#1 v1.5 with SHA-1: never */
	IKE_METHOD_PSK = 2,
	IKE_METHOD_ECDSA_256 = 9,
	IKE_METHOD_ECDSA_384 = 10,
	IKE_METHOD_ECDSA_521 = 11,
	IKE_METHOD_NULL = 13,
	IKE_METHOD_DIGSIG = 14,
};

#define IKE_CERT_X509 4 /* RFC 7296 3.6: X.509 Certificate - Signature */

/* Notify types (RFC 7296 3.10.1 and the RFC named). Below IKE_N_STATUS: errors. */
enum ike_notify_type {
	IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD = 1,
	IKE_N_INVALID_IKE_SPI = 4,
	IKE_N_INVALID_MAJOR_VERSION = 5,
	IKE_N_INVALID_SYNTAX = 7,
	IKE_N_INVALID_MESSAGE_ID = 9,
	IKE_N_INVALID_SPI = 11,
	IKE_N_NO_PROPOSAL_CHOSEN = 14,
	IKE_N_INVALID_KE_PAYLOAD = 17,
	IKE_N_AUTHENTICATION_FAILED = 24,
	IKE_N_SINGLE_PAIR_REQUIRED = 34,
	IKE_N_NO_ADDITIONAL_SAS = 35,
	IKE_N_INTERNAL_ADDRESS_FAILURE = 36,
	IKE_N_FAILED_CP_REQUIRED = 37,
	IKE_N_TS_UNACCEPTABLE = 38,
	IKE_N_INVALID_SELECTORS = 39,
	IKE_N_TEMPORARY_FAILURE = 43,
	IKE_N_CHILD_SA_NOT_FOUND = 44,
	IKE_N_STATE_NOT_FOUND = 47, /* RFC 9370 */
	IKE_N_STATUS = 16384,
	IKE_N_INITIAL_CONTACT = 16384,
	IKE_N_SET_WINDOW_SIZE = 16385,
	IKE_N_ADDITIONAL_TS_POSSIBLE = 16386,
	IKE_N_IPCOMP_SUPPORTED = 16387,
	IKE_N_NAT_DETECTION_SOURCE_IP = 16388,
	IKE_N_NAT_DETECTION_DESTINATION_IP = 16389,
	IKE_N_COOKIE = 16390,
	IKE_N_USE_TRANSPORT_MODE = 16391,
	IKE_N_HTTP_CERT_LOOKUP_SUPPORTED = 16392,
	IKE_N_REKEY_SA = 16393,
	IKE_N_ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
	IKE_N_NON_FIRST_FRAGMENTS_ALSO = 16395,
	IKE_N_QUICK_CRASH_DETECTION = 16419,     /* RFC 6290 */
	IKE_N_CHILDLESS_IKEV2_SUPPORTED = 16418, /* RFC 6023 */
	IKE_N_FRAGMENTATION_SUPPORTED = 16430,   /* RFC 7383 */
	IKE_N_SIGNATURE_HASH_ALGORITHMS = 16431, /* RFC 7427 */
	IKE_N_USE_PPK = 16435, /* RFC 8784 */
	IKE_N_PPK_IDENTITY = 16436,
	IKE_N_NO_PPK_AUTH = 16437,
	IKE_N_INTERMEDIATE_EXCHANGE_SUPPORTED = 16438, /* RFC 9242 */
	IKE_N_ADDITIONAL_KEY_EXCHANGE = 16441, /* RFC 9370 */
};

/* Why a message was not taken; every cause is counted by its name. */
enum ike_parse {
	IKE_PARSE_OK,
	IKE_PARSE_SHORT,      /* less than an IKE header */
	IKE_PARSE_VERSION,    /* major version is not 2 */
	IKE_PARSE_LENGTH,     /* header length differs from the datagram's */
	IKE_PARSE_HEADER,     /* initiator SPI of zero, not an INVALID_SPI from nowhere */
	IKE_PARSE_TRUNCATED,  /* a payload reaches past the end, or is shorter than its header */
	IKE_PARSE_TRAILING,   /* bytes after the last payload */
	IKE_PARSE_PAYLOAD,    /* fields of a payload do not fit its length */
	IKE_PARSE_NONCE,      /* nonce shorter than 16 or longer than 256 bytes */
	IKE_PARSE_DUPLICATE,  /* a second SA, KE, nonce ... */
	IKE_PARSE_TOO_MANY,   /* more notifies, deletes or payloads than we look at */
	IKE_PARSE_CRITICAL,   /* unknown payload type with the critical bit */
	IKE_PARSE_ENCRYPTED,  /* SK or SKF not last, within SK, or too short */
	IKE_PARSE_PROPOSAL,   /* malformed SA payload */
	IKE_PARSE_SELECTOR,   /* malformed traffic selector */
	IKE_PARSE_MISSING,    /* the exchange needs a payload that is not there */
	IKE_PARSE_UNEXPECTED, /* a payload that the exchange does not carry, or not in clear */
	IKE_PARSE_FRAGMENT,   /* a fragment's numbers are impossible (RFC 7383 2.6) */
	IKE_PARSE_DECRYPT,    /* integrity check of SK failed, or bad padding */
	IKE_PARSE_N,
};

struct ike_header {
	uint64_t spi_i;
	uint64_t spi_r;
	uint8_t next;     /* enum ike_payload, of the first */
	uint8_t version;  /* 0x20 */
	uint8_t exchange; /* enum ike_exchange, or one we do not know */
	uint8_t flags;
	uint32_t msgid;
	uint32_t length; /* whole message */
};

struct ike_id {
	uint8_t type;          /* enum ike_id_type */
	struct ike_bytes data; /* the identity; empty for ID_NULL */
	struct ike_bytes body; /* type, reserved, data: what is signed (RFC 7296 2.15) */
};

struct ike_notify {
	uint16_t type;
	uint8_t protocol;
	struct ike_bytes spi; /* 0..255 bytes */
	struct ike_bytes data;
};

struct ike_delete {
	uint8_t protocol;
	uint8_t spi_size; /* 0 for IKE, 4 for ESP */
	uint16_t count;   /* spis.len == spi_size * count */
	struct ike_bytes spis;
};

/* What one chain of payloads holds: the clear one of a message, or the one inside SK. */
struct ike_payloads {
	uint8_t count[IKE_PL_COUNT]; /* by type - IKE_PL_FIRST; see ike_payloads_count() */
	struct ike_bytes sa;         /* body, for ike_offer_parse() */
	uint16_t ke_group;
	struct ike_bytes ke;
	struct ike_id idi, idr;
	struct ike_bytes cert[IKE_PEER_CERTS_MAX]; /* DER, those of IKE_CERT_X509; in order */
	size_t n_cert;
	uint8_t auth_method; /* enum ike_auth_method */
	struct ike_bytes auth;
	struct ike_bytes nonce;    /* 16..256 bytes */
	struct ike_bytes tsi, tsr; /* bodies, for ike_ts_parse() */
	struct ike_notify notify[IKE_NOTIFIES_MAX];
	size_t n_notify;
	struct ike_delete delete[IKE_DELETES_MAX];
	size_t n_delete;
	uint8_t sk_next;     /* SK, SKF: type of the first payload inside */
	uint8_t sk_flags;    /* critical bit and RESERVED, as they came */
	struct ike_bytes sk; /* to the message's end: IV, ciphertext, ICV (SKF: numbers first) */
	uint8_t critical;    /* IKE_PARSE_CRITICAL: the type not understood */
};

/* A traffic selector (RFC 7296 3.13.1); ports in host order. */
struct ike_ts {
	uint8_t proto;
	uint16_t port_first, port_last;
	struct addr first, last; /* of one family */
};

/* The header of a datagram of len bytes (non-ESP marker already off). For IKE_PARSE_VERSION *ret is
 * filled, so that INVALID_MAJOR_VERSION can be answered; else only for IKE_PARSE_OK. */
enum ike_parse ike_header_parse(const void *data, size_t len, struct ike_header *ret);
/* The payloads of a chain that begins with type first: the clear ones (data behind the header,
 * inner false) or those out of SK (inner true). *ret points into data. Unknown types are skipped
 * unless critical: then IKE_PARSE_CRITICAL and ret->critical. Else, on a failure, *ret is
 * undefined. */
enum ike_parse ike_payloads_parse(
	uint8_t first, const void *data, size_t len, bool inner, struct ike_payloads *ret);
/* How many of a payload type there are. */
unsigned int ike_payloads_count(const struct ike_payloads *p, enum ike_payload type);
/* The first notify of a type, or NULL. */
const struct ike_notify *ike_notify_find(const struct ike_payloads *p, uint16_t type);
/* The first error notify (type below 16384), or NULL. */
const struct ike_notify *ike_notify_error(const struct ike_payloads *p);
/* A TSi or TSr body. Selectors of unknown type and those beyond max are left out: *ret_n may be
 * 0. */
enum ike_parse ike_ts_parse(struct ike_bytes body, struct ike_ts *ret, size_t max, size_t *ret_n);
/* The selector of one host, proto 0, ports 0..65535. */
struct ike_ts ike_ts_host(const struct addr *host);
/* Whether all of b is in a; never where b is of no port that can be seen (OPAQUE). */
bool ike_ts_covers(const struct ike_ts *a, const struct ike_ts *b);

/* A message under construction. Errors stick: check at the end. */
struct ike_builder {
	struct wire_writer w;
	size_t next_at;    /* where the next payload's type goes */
	size_t payload_at; /* the open payload's generic header */
	size_t sk_at;      /* SK's generic header */
	uint8_t sk_head;   /* length of what is before its IV: SKF has numbers there */
	bool open;         /* a payload is open */
	bool sk;           /* there is an SK */
};

/* Starts a message in buf with the header's SPIs, exchange, flags and msgid (length, next and
 * version are filled in). buf stays the caller's. */
struct ike_builder ike_build(void *buf, size_t cap, const struct ike_header *hdr);
/* Opens a payload; write its body with b->w; close it before the next one. */
void ike_build_open(struct ike_builder *b, enum ike_payload type);
void ike_build_close(struct ike_builder *b);
/* Whole payloads. */
void ike_build_raw(struct ike_builder *b, enum ike_payload type, const void *body, size_t len);
void ike_build_ke(struct ike_builder *b, uint16_t group, const void *pub, size_t len);
void ike_build_nonce(struct ike_builder *b, const void *nonce, size_t len);
/* type IKE_PL_IDI or IKE_PL_IDR. */
void ike_build_id(struct ike_builder *b, enum ike_payload type, enum ike_id_type id_type,
	const void *data, size_t len);
void ike_build_auth(
	struct ike_builder *b, enum ike_auth_method method, const void *data, size_t len);
/* type IKE_PL_CERT or IKE_PL_CERTREQ, of encoding IKE_CERT_X509. */
void ike_build_cert(struct ike_builder *b, enum ike_payload type, struct ike_bytes data);
/* Without SPI. */
void ike_build_notify(struct ike_builder *b, uint16_t type, const void *data, size_t len);
/* With an ESP SPI (REKEY_SA, CHILD_SA_NOT_FOUND). */
void ike_build_notify_esp(struct ike_builder *b, uint16_t type, uint32_t spi);
void ike_build_delete_ike(struct ike_builder *b);
void ike_build_delete_esp(struct ike_builder *b, const uint32_t *spis, size_t n);
/* type IKE_PL_TSI or IKE_PL_TSR. */
void ike_build_ts(struct ike_builder *b, enum ike_payload type, const struct ike_ts *ts, size_t n);
/* All payloads after this are encrypted; iv_len bytes of IV are left room for. Finish such a
 * message with ike_sk_seal() of crypto.h. */
void ike_build_sk(struct ike_builder *b, size_t iv_len);
/* The same for fragment number of total (RFC 7383 2.5); what follows are not payloads but a piece
 * of them, of which the first one names the type of the first. */
void ike_build_skf(
	struct ike_builder *b, uint8_t first, uint16_t number, uint16_t total, size_t iv_len);
/* Ends a message without SK. Returns 0, or -EMSGSIZE where it did not fit. */
int ike_build_end(struct ike_builder *b, size_t *ret_len);
