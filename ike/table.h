/* SPDX-License-Identifier: BSD-2-Clause */
/* Which payloads each message of each exchange may and must carry, and whether encrypted: one table
 * (RFC 7296 section 1.2 to 1.5 and appendix C, RFC 9242, RFC 9370). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ike/payload.h"

/* The kinds of message; CREATE_CHILD_SA has three, told apart by the request's content. */
enum ike_kind {
	IKE_KIND_SA_INIT,
	IKE_KIND_AUTH,
	IKE_KIND_INFORMATIONAL,
	IKE_KIND_REKEY_IKE,   /* CREATE_CHILD_SA without TS */
	IKE_KIND_REKEY_CHILD, /* with N(REKEY_SA) */
	IKE_KIND_NEW_CHILD,
	IKE_KIND_INTERMEDIATE, /* for an additional key exchange only */
	IKE_KIND_FOLLOWUP_KE,
	IKE_KIND_N,
};

/* The kind of a request, from its exchange and what is in SK (inner may be NULL for SA_INIT).
 * Returns false for an exchange that we do not know. A response is of its request's kind. */
bool ike_kind_of(uint8_t exchange, const struct ike_payloads *inner, enum ike_kind *ret);
/* Checks a message against the table. outer: the clear payloads; inner: those in SK, NULL where
 * there is no SK. A response that carries an error notify or COOKIE may lack what is otherwise
 * needed (an IKE_AUTH response then has both IDr and AUTH, or neither). Returns IKE_PARSE_OK,
 * _MISSING or _UNEXPECTED; *ret_type (may be NULL) is the payload at fault. */
enum ike_parse ike_table_check(enum ike_kind kind, bool response, const struct ike_payloads *outer,
	const struct ike_payloads *inner, uint8_t *ret_type);
/* Before decryption: whether the clear part of a message of the exchange is legal, so that junk
 * costs no cipher. IKE_SA_INIT: no SK; else nothing but SK (or SKF). */
enum ike_parse ike_table_check_outer(uint8_t exchange, const struct ike_payloads *outer);
