/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/table.h"

#define MANY 255
#define RULES_MAX 10

/* Notifies and vendor ids may stand in any message, so they have no row. */
struct rule {
	uint8_t type; /* enum ike_payload; 0 ends the list */
	uint8_t min;
	uint8_t max;
};

struct row {
	bool encrypted;
	struct rule rules[2][RULES_MAX]; /* request, response */
};

/* clang-format off */
static const struct row table[IKE_KIND_N] = {
	[IKE_KIND_SA_INIT] = {
		false,
		{
			{{IKE_PL_SA, 1, 1}, {IKE_PL_KE, 1, 1}, {IKE_PL_NONCE, 1, 1}},
			{{IKE_PL_SA, 1, 1}, {IKE_PL_KE, 1, 1}, {IKE_PL_NONCE, 1, 1},
				{IKE_PL_CERTREQ, 0, MANY}},
		},
	},
	/* AUTH is needed, for we do no EAP; a child is needed, for we announce no childless SAs */
	[IKE_KIND_AUTH] = {
		true,
		{
			{{IKE_PL_IDI, 1, 1}, {IKE_PL_CERT, 0, MANY}, {IKE_PL_CERTREQ, 0, MANY},
				{IKE_PL_IDR, 0, 1}, {IKE_PL_AUTH, 1, 1}, {IKE_PL_CP, 0, 1},
				{IKE_PL_SA, 1, 1}, {IKE_PL_TSI, 1, 1}, {IKE_PL_TSR, 1, 1}},
			{{IKE_PL_IDR, 1, 1}, {IKE_PL_CERT, 0, MANY}, {IKE_PL_AUTH, 1, 1},
				{IKE_PL_CP, 0, 1}, {IKE_PL_SA, 1, 1}, {IKE_PL_TSI, 1, 1},
				{IKE_PL_TSR, 1, 1}},
		},
	},
	[IKE_KIND_INFORMATIONAL] = {
		true,
		{
			{{IKE_PL_DELETE, 0, MANY}, {IKE_PL_CP, 0, 1}},
			{{IKE_PL_DELETE, 0, MANY}, {IKE_PL_CP, 0, 1}},
		},
	},
	[IKE_KIND_REKEY_IKE] = {
		true,
		{
			{{IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1}, {IKE_PL_KE, 1, 1}},
			{{IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1}, {IKE_PL_KE, 1, 1}},
		},
	},
	[IKE_KIND_REKEY_CHILD] = {
		true,
		{
			{{IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1}, {IKE_PL_KE, 0, 1},
				{IKE_PL_TSI, 1, 1}, {IKE_PL_TSR, 1, 1}},
			{{IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1}, {IKE_PL_KE, 0, 1},
				{IKE_PL_TSI, 1, 1}, {IKE_PL_TSR, 1, 1}},
		},
	},
	[IKE_KIND_NEW_CHILD] = {
		true,
		{
			{{IKE_PL_CP, 0, 1}, {IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1},
				{IKE_PL_KE, 0, 1}, {IKE_PL_TSI, 1, 1}, {IKE_PL_TSR, 1, 1}},
			{{IKE_PL_CP, 0, 1}, {IKE_PL_SA, 1, 1}, {IKE_PL_NONCE, 1, 1},
				{IKE_PL_KE, 0, 1}, {IKE_PL_TSI, 1, 1}, {IKE_PL_TSR, 1, 1}},
		},
	},
	[IKE_KIND_INTERMEDIATE] = {
		true,
		{
			{{IKE_PL_KE, 1, 1}},
			{{IKE_PL_KE, 1, 1}},
		},
	},
	[IKE_KIND_FOLLOWUP_KE] = {
		true,
		{
			{{IKE_PL_KE, 1, 1}},
			{{IKE_PL_KE, 1, 1}},
		},
	},
};
/* clang-format on */

static enum ike_parse fault(enum ike_parse cause, uint8_t type, uint8_t *ret_type)
{
	if (ret_type)
		*ret_type = type;
	return cause;
}

bool ike_kind_of(uint8_t exchange, const struct ike_payloads *inner, enum ike_kind *ret)
{
	switch (exchange) {
	case IKE_EXCH_SA_INIT:
		*ret = IKE_KIND_SA_INIT;
		return true;
	case IKE_EXCH_AUTH:
		*ret = IKE_KIND_AUTH;
		return true;
	case IKE_EXCH_INFORMATIONAL:
		*ret = IKE_KIND_INFORMATIONAL;
		return true;
	case IKE_EXCH_INTERMEDIATE:
		*ret = IKE_KIND_INTERMEDIATE;
		return true;
	case IKE_EXCH_FOLLOWUP_KE:
		*ret = IKE_KIND_FOLLOWUP_KE;
		return true;
	case IKE_EXCH_CREATE_CHILD:
		if (inner && ike_notify_find(inner, IKE_N_REKEY_SA))
			*ret = IKE_KIND_REKEY_CHILD;
		else if (inner && (inner->tsi.p || inner->tsr.p))
			*ret = IKE_KIND_NEW_CHILD;
		else
			*ret = IKE_KIND_REKEY_IKE;
		return true;
	default:
		return false;
	}
}

static const struct rule *rule_of(const struct rule *rules, uint8_t type)
{
	for (; rules->type; rules++)
		if (rules->type == type)
			return rules;
	return NULL;
}

/* Nothing in p that the rules do not name, nor more of it than they say. */
static enum ike_parse check_max(
	const struct rule *rules, const struct ike_payloads *p, uint8_t *ret_type)
{
	for (uint8_t i = 0; i < IKE_PL_COUNT; i++) {
		uint8_t type = IKE_PL_FIRST + i;
		const struct rule *rule = rule_of(rules, type);

		if (!p->count[i] || type == IKE_PL_NOTIFY || type == IKE_PL_VENDOR)
			continue;
		if (!rule || p->count[i] > rule->max)
			return fault(IKE_PARSE_UNEXPECTED, type, ret_type);
	}
	return IKE_PARSE_OK;
}

static enum ike_parse check_min(
	const struct rule *rules, const struct ike_payloads *p, uint8_t *ret_type)
{
	for (; rules->type; rules++)
		if (p->count[rules->type - IKE_PL_FIRST] < rules->min)
			return fault(IKE_PARSE_MISSING, rules->type, ret_type);
	return IKE_PARSE_OK;
}

/* A response that says why there is no more in it. */
static bool is_refusal(const struct ike_payloads *p)
{
	return ike_notify_error(p) || ike_notify_find(p, IKE_N_COOKIE);
}

enum ike_parse ike_table_check(enum ike_kind kind, bool response, const struct ike_payloads *outer,
	const struct ike_payloads *inner, uint8_t *ret_type)
{
	const struct row *row = &table[kind];
	const struct rule *rules = row->rules[response];
	const struct ike_payloads *p = row->encrypted ? inner : outer;
	enum ike_parse cause;

	if (row->encrypted) {
		cause = ike_table_check_outer(IKE_EXCH_INFORMATIONAL, outer);
		if (cause != IKE_PARSE_OK || !inner)
			return fault(cause != IKE_PARSE_OK ? cause : IKE_PARSE_MISSING, IKE_PL_SK,
				ret_type);
	}
	cause = check_max(rules, p, ret_type);
	if (cause != IKE_PARSE_OK)
		return cause;
	if (response && is_refusal(p)) {
		/* only the child failed (RFC 7296 1.2), or all of it */
		if (kind == IKE_KIND_AUTH && !p->idr.body.p != !p->auth.p)
			return fault(
				IKE_PARSE_MISSING, p->auth.p ? IKE_PL_IDR : IKE_PL_AUTH, ret_type);
		return IKE_PARSE_OK;
	}
	return check_min(rules, p, ret_type);
}

enum ike_parse ike_table_check_outer(uint8_t exchange, const struct ike_payloads *outer)
{
	static const struct rule clear[] = {{IKE_PL_SA, 0, 1}, {IKE_PL_KE, 0, 1},
		{IKE_PL_NONCE, 0, 1}, {IKE_PL_CERTREQ, 0, MANY}, {0, 0, 0}};
	static const struct rule encrypted[] = {{IKE_PL_SK, 0, 1}, {IKE_PL_SKF, 0, 1}, {0, 0, 0}};

	if (exchange == IKE_EXCH_SA_INIT)
		return check_max(clear, outer, NULL);
	if (!outer->sk.p)
		return IKE_PARSE_MISSING;
	/* what stands in clear beside SK would be authenticated, but nothing needs to */
	if (outer->n_notify || ike_payloads_count(outer, IKE_PL_VENDOR))
		return IKE_PARSE_UNEXPECTED;
	return check_max(encrypted, outer, NULL);
}
