/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/update.h"

#include <errno.h>
#include <string.h>

/* RFC 4025 section 2.1 */
#define HEAD_LEN 3
#define GATEWAY_NONE 0
#define GATEWAY_IPV4 1
#define GATEWAY_IPV6 2
#define GATEWAY_NAME 3

/* ---- records */

struct update_record update_record(const struct keytool_public *key, uint8_t precedence)
{
	struct update_record r = {.len = (uint16_t)(HEAD_LEN + key->field_len)};

	r.b[0] = precedence;
	r.b[1] = GATEWAY_NONE;
	r.b[2] = key->algorithm;
	memcpy(r.b + HEAD_LEN, key->field, key->field_len);
	return r;
}

/* Where the public key field begins; NULL for a record that cannot be read. */
static const uint8_t *key_field(const struct update_record *record, size_t *ret_len)
{
	struct wire_reader r = wire_reader(record->b, record->len);
	uint8_t gateway;

	wire_skip(&r, 1);
	gateway = wire_u8(&r);
	wire_skip(&r, 1);
	switch (gateway) {
	case GATEWAY_NONE:
		break;
	case GATEWAY_IPV4:
		wire_skip(&r, 4);
		break;
	case GATEWAY_IPV6:
		wire_skip(&r, 16);
		break;
	case GATEWAY_NAME:
		for (uint8_t label; (label = wire_u8(&r));)
			wire_skip(&r, label);
		break;
	default:
		return NULL;
	}
	*ret_len = wire_left(&r);
	return r.bad ? NULL : r.data + r.pos;
}

bool update_is_key(const struct update_record *r, const struct keytool_public *key)
{
	size_t len;
	const uint8_t *field = key_field(r, &len);

	return field && r->b[2] == key->algorithm && len == key->field_len &&
	       !memcmp(field, key->field, len);
}

static bool same_record(const struct update_record *a, const struct update_record *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

static bool has_record(const struct update_rrset *set, const struct update_record *r)
{
	for (size_t i = 0; i < set->n; i++)
		if (same_record(&set->record[i], r))
			return true;
	return false;
}

int update_read(
	const uint8_t *message, size_t len, const struct dname *name, struct update_rrset *ret)
{
	struct update_rrset set = {0};
	struct dns_head head;
	struct wire_reader r = dns_answers(message, len, &head);

	if (r.bad)
		return -EBADMSG;
	if ((head.flags & DNS_RCODE_MASK) == DNS_RCODE_NXDOMAIN)
		return -ENOENT;
	if (head.flags & DNS_RCODE_MASK)
		return -EIO;
	for (unsigned int i = 0; i < head.count[1]; i++) {
		struct dns_rr rr = dns_rr_read(&r);

		if (r.bad)
			return -EBADMSG;
		if (rr.type != DNS_TYPE_IPSECKEY || rr.class != DNS_CLASS_IN ||
			!dname_equal(&rr.owner, name))
			continue;
		if (set.n == UPDATE_RECORDS_MAX || rr.rdata_len > UPDATE_RDATA_MAX)
			return -E2BIG;
		set.ttl = rr.ttl;
		set.record[set.n].len = rr.rdata_len;
		memcpy(set.record[set.n++].b, message + rr.rdata_at, rr.rdata_len);
	}
	if (!set.n)
		return -ENOENT;
	*ret = set;
	return 0;
}

/* ---- plans */

static void plan_add(struct update_plan *plan, const struct update_record *r)
{
	if (plan->n_add < UPDATE_RECORDS_MAX)
		plan->add[plan->n_add++] = *r;
}

static void plan_remove(struct update_plan *plan, const struct update_record *r)
{
	if (plan->n_remove < UPDATE_RECORDS_MAX)
		plan->remove[plan->n_remove++] = *r;
}

void update_want(struct update_plan *plan, const struct update_rrset *seen,
	const struct keytool_public *key, uint8_t precedence)
{
	struct update_record r = update_record(key, precedence);

	if (!has_record(seen, &r) || seen->ttl != plan->ttl)
		plan_add(plan, &r);
	for (size_t i = 0; i < seen->n; i++)
		if (update_is_key(&seen->record[i], key) && !same_record(&seen->record[i], &r))
			plan_remove(plan, &seen->record[i]);
}

void update_unwant(
	struct update_plan *plan, const struct update_rrset *seen, const struct keytool_public *key)
{
	for (size_t i = 0; i < seen->n; i++)
		if (update_is_key(&seen->record[i], key))
			plan_remove(plan, &seen->record[i]);
}

bool update_done(const struct update_plan *plan, const struct update_rrset *seen)
{
	for (size_t i = 0; i < plan->n_add; i++)
		if (!has_record(seen, &plan->add[i]))
			return false;
	for (size_t i = 0; i < plan->n_remove; i++)
		if (has_record(seen, &plan->remove[i]))
			return false;
	return true;
}

/* ---- the message */

/* Section 2.4.2: the whole set, value by value; section 2.4.3: none. */
static void put_prerequisites(
	struct wire_writer *w, const struct dname *name, const struct update_rrset *seen)
{
	for (size_t i = 0; i < seen->n; i++)
		dns_rr_put(w, name, DNS_TYPE_IPSECKEY, DNS_CLASS_IN, 0, seen->record[i].b,
			seen->record[i].len);
	if (!seen->n)
		dns_rr_put(w, name, DNS_TYPE_IPSECKEY, DNS_CLASS_NONE, 0, NULL, 0);
}

void update_put(struct wire_writer *w, uint16_t id, const struct dname *zone,
	const struct dname *name, const struct update_rrset *seen, const struct update_plan *plan)
{
	struct dns_head head = {.id = id, .flags = DNS_OPCODE_UPDATE};

	head.count[0] = 1;
	head.count[1] = (uint16_t)(seen->n ? seen->n : 1);
	head.count[2] = (uint16_t)(plan->n_add + plan->n_remove);
	dns_head_put(w, &head);
	dname_put(w, zone);
	wire_put_u16(w, DNS_TYPE_SOA);
	wire_put_u16(w, DNS_CLASS_IN);
	put_prerequisites(w, name, seen);
	/* sections 2.5.1 and 2.5.4; first what comes, so that the name is never without */
	for (size_t i = 0; i < plan->n_add; i++)
		dns_rr_put(w, name, DNS_TYPE_IPSECKEY, DNS_CLASS_IN, plan->ttl, plan->add[i].b,
			plan->add[i].len);
	for (size_t i = 0; i < plan->n_remove; i++)
		dns_rr_put(w, name, DNS_TYPE_IPSECKEY, DNS_CLASS_NONE, 0, plan->remove[i].b,
			plan->remove[i].len);
}

const char *update_rcode_text(unsigned int rcode)
{
	switch (rcode) {
	case DNS_RCODE_FORMERR:
		return "it does not understand the update: does it take dynamic updates at all?";
	case DNS_RCODE_SERVFAIL:
		return "it cannot do it now; its log says why";
	case DNS_RCODE_NOTIMP:
		return "it does not take dynamic updates (RFC 2136)";
	case DNS_RCODE_REFUSED:
		return "the key is good but may not change this name's IPSECKEY: let it, in BIND "
		       "by "
		       "update-policy { grant KEY name NAME IPSECKEY; }, in knot by an acl with "
		       "update-owner: name";
	case DNS_RCODE_NXDOMAIN:
	case DNS_RCODE_YXDOMAIN:
	case DNS_RCODE_YXRRSET:
	case DNS_RCODE_NXRRSET:
		return "the records were changed by somebody else meanwhile; nothing was done";
	case DNS_RCODE_NOTAUTH:
		return "it is not the primary of the zone, or does not let this key in: name the "
		       "right "
		       "server with --server or update-server";
	case DNS_RCODE_NOTZONE:
		return "the name is not in the zone that the server has";
	}
	return "its log may say why";
}
