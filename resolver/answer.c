/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/answer.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/ipseckey.h"

_Static_assert(ANSWER_TYPE_A == LDNS_RR_TYPE_A, "RFC 1035");
_Static_assert(ANSWER_TYPE_AAAA == LDNS_RR_TYPE_AAAA, "RFC 3596");
_Static_assert(ANSWER_TYPE_DS == LDNS_RR_TYPE_DS, "RFC 4034");
_Static_assert(ANSWER_TYPE_IPSECKEY == LDNS_RR_TYPE_IPSECKEY, "RFC 4025");

#define CHAIN_MAX 16
/* Records of one name that are looked at: making a key takes some 50 us. */
#define RECORDS_MAX 64
/* A denial without SOA says nothing about how long it lasts. */
#define DENIAL_TTL_UNKNOWN 60

/* The end of the chain, in a packet taken apart. */
struct chain {
	ldns_pkt *pkt;
	const ldns_rdf *owner; /* points into pkt or is name */
	ldns_rdf *name;        /* asked for; ours */
	uint32_t ttl;          /* the least so far */
};

/* ---- the packet */

static bool stands_at(const ldns_rr *rr, const ldns_rdf *owner, ldns_rr_type type)
{
	return ldns_rr_get_type(rr) == type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
	       ldns_rr_owner(rr) && ldns_dname_compare(ldns_rr_owner(rr), owner) == 0;
}

static const ldns_rr *find(const ldns_rr_list *list, const ldns_rdf *owner, ldns_rr_type type)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (stands_at(rr, owner, type))
			return rr;
	}
	return NULL;
}

static void lower_ttl(uint32_t *ttl, const ldns_rr *rr)
{
	if (ldns_rr_ttl(rr) < *ttl)
		*ttl = ldns_rr_ttl(rr);
}

static void chain_free(struct chain *c)
{
	ldns_pkt_free(c->pkt);
	ldns_rdf_deep_free(c->name);
	*c = (struct chain){0};
}

/* A DNAME needs no code: the answer holds the CNAME made of it (RFC 6672 section 3.1). */
static int follow(struct chain *c)
{
	const ldns_rr_list *section = ldns_pkt_answer(c->pkt);

	for (int i = 0; i <= CHAIN_MAX; i++) {
		const ldns_rr *cname = find(section, c->owner, LDNS_RR_TYPE_CNAME);

		if (!cname)
			return 0;
		lower_ttl(&c->ttl, cname);
		c->owner = ldns_rr_rdf(cname, 0);
		if (!c->owner)
			return -EBADMSG;
	}
	return -ELOOP;
}

static int chain_open(const uint8_t *packet, size_t len, const char *name, struct chain *ret)
{
	struct chain c = {.ttl = UINT32_MAX};
	int r = -EBADMSG;

	if (!packet || ldns_wire2pkt(&c.pkt, packet, len) != LDNS_STATUS_OK)
		return -EBADMSG;
	c.owner = c.name = ldns_dname_new_frm_str(name);
	if (c.name && ldns_pkt_qr(c.pkt) && !ldns_pkt_tc(c.pkt) &&
		(ldns_pkt_get_rcode(c.pkt) == LDNS_RCODE_NOERROR ||
			ldns_pkt_get_rcode(c.pkt) == LDNS_RCODE_NXDOMAIN))
		r = follow(&c);
	if (r < 0)
		chain_free(&c);
	else
		*ret = c;
	return r;
}

/* RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM. */
static uint32_t denial_ttl(const struct chain *c)
{
	const ldns_rr_list *section = ldns_pkt_authority(c->pkt);
	uint32_t ttl = c->ttl;

	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(section, i);
		const ldns_rdf *minimum;

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA)
			continue;
		lower_ttl(&ttl, rr);
		minimum = ldns_rr_rdf(rr, 6);
		if (minimum && ldns_rdf2native_int32(minimum) < ttl)
			ttl = ldns_rdf2native_int32(minimum);
		return ttl;
	}
	return ttl < DENIAL_TTL_UNKNOWN ? ttl : DENIAL_TTL_UNKNOWN;
}

/* The SOA of a denial stands at the apex of the zone that denies, which is above the name unless
 * the packet lies. */
static uint8_t soa_labels(const struct chain *c)
{
	const ldns_rr_list *section = ldns_pkt_authority(c->pkt);

	if (c->owner != c->name)
		return 0;
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(section, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA)
			return ldns_dname_is_subdomain(c->name, ldns_rr_owner(rr))
				       ? ldns_dname_label_count(ldns_rr_owner(rr))
				       : 0;
	}
	return 0;
}

/* ---- proofs */

/* The bitmap of the NSEC or NSEC3 that matches name; NULL where rr is none. */
static const ldns_rdf *matching_bitmap(const ldns_rr *rr, ldns_rdf *name)
{
	ldns_rdf *hash, *label;
	bool same;

	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_NSEC)
		return ldns_rr_rd_count(rr) >= 2 && ldns_dname_compare(ldns_rr_owner(rr), name) == 0
			       ? ldns_rr_rdf(rr, 1)
			       : NULL;
	if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_NSEC3 || ldns_rr_rd_count(rr) < 6)
		return NULL;
	hash = ldns_nsec3_hash_name_frm_nsec3(rr, name);
	label = ldns_dname_label(ldns_rr_owner(rr), 0);
	same = hash && label && ldns_dname_compare(hash, label) == 0;
	ldns_rdf_deep_free(hash);
	ldns_rdf_deep_free(label);
	return same ? ldns_rr_rdf(rr, 5) : NULL;
}

static enum answer_cut read_cut(const struct chain *c)
{
	const ldns_rr_list *section = ldns_pkt_authority(c->pkt);

	/* an alias: whatever is proved is proved of another name */
	if (c->owner != c->name)
		return ANSWER_CUT_UNKNOWN;
	if (ldns_pkt_get_rcode(c->pkt) == LDNS_RCODE_NXDOMAIN)
		return ANSWER_CUT_NOTHING;
	if (find(ldns_pkt_answer(c->pkt), c->owner, LDNS_RR_TYPE_DS))
		return ANSWER_CUT_NONE;
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		const ldns_rdf *bitmap = matching_bitmap(ldns_rr_list_rr(section, i), c->name);

		if (!bitmap)
			continue;
		return ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_NS) &&
				       !ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_DS) &&
				       !ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_SOA)
			       ? ANSWER_CUT_INSECURE
			       : ANSWER_CUT_NONE;
	}
	/* an empty non-terminal, which an NSEC proves by a name below it; or an opt-out span, which
	 * says nothing */
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
		if (ldns_rr_get_type(ldns_rr_list_rr(section, i)) == LDNS_RR_TYPE_NSEC)
			return ANSWER_CUT_NONE;
	return ANSWER_CUT_UNKNOWN;
}

enum answer_cut answer_cut(const uint8_t *packet, size_t len, const char *name, uint32_t *ret_ttl)
{
	enum answer_cut cut;
	struct chain c;

	if (chain_open(packet, len, name, &c) < 0)
		return ANSWER_CUT_UNKNOWN;
	cut = read_cut(&c);
	*ret_ttl = denial_ttl(&c);
	chain_free(&c);
	return cut;
}

/* ---- names and texts */

/* A name that is too long to write out ends in "...", which no name does. */
static void write_name(const ldns_rdf *name, char ret[static DNS_NAME_MAX])
{
	char *text = ldns_rdf2str(name);
	size_t len = text ? strlen(text) : 0;

	memset(ret, 0, DNS_NAME_MAX);
	if (len < DNS_NAME_MAX)
		memcpy(ret, text ? text : "", len);
	else
		snprintf(ret, DNS_NAME_MAX, "%.*s...", DNS_NAME_MAX - 4, text);
	free(text);
}

int answer_canonical_name(const char *text, char ret[static DNS_NAME_MAX])
{
	ldns_rdf *name;
	char buf[DNS_NAME_MAX];

	if (!*text || strnlen(text, DNS_NAME_MAX) == DNS_NAME_MAX)
		return -EINVAL;
	name = ldns_dname_new_frm_str(text);
	if (!name)
		return -EINVAL;
	ldns_dname2canonical(name);
	write_name(name, buf);
	ldns_rdf_deep_free(name);
	if (strlen(buf) >= 3 && strcmp(buf + strlen(buf) - 3, "...") == 0)
		return -EINVAL;
	memcpy(ret, buf, sizeof(buf));
	return 0;
}

void answer_quote(const char *text, char ret[static DNS_WHY_MAX])
{
	size_t i = 0;

	for (; text && text[i] && i < DNS_WHY_MAX - 1; i++) {
		unsigned char c = (unsigned char)text[i];

		ret[i] = c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : (char)c;
	}
	memset(ret + i, 0, DNS_WHY_MAX - i);
}

void answer_broke_at(const char *why, const char *name, char ret[static DNS_NAME_MAX])
{
	/* libunbound 1.17, validator/val_utils.c and validator.c: errinf_origin(), errinf_dname() */
	static const char *const before[] = {
		" for key ", " for DS ", " for trust anchor ", "key for validation "};
	const char *at = NULL;
	size_t len = 0;

	for (size_t i = 0; why && !at && i < sizeof(before) / sizeof(before[0]); i++) {
		at = strstr(why, before[i]);
		if (at) {
			at += strlen(before[i]);
			len = strcspn(at, " ");
		}
	}
	if (len == 0 || len >= DNS_NAME_MAX || at[len - 1] != '.') {
		at = name;
		len = strlen(name);
	}
	memset(ret, 0, DNS_NAME_MAX);
	for (size_t i = 0; i < len && i < DNS_NAME_MAX - 1; i++)
		ret[i] = at[i] > 0x20 && at[i] < 0x7f && at[i] != '"' ? at[i] : '?';
}

/* ---- keys */

/* One record's rdata, in the order in which they are to be tried. */
struct record {
	const uint8_t *data;
	size_t len;
};

/* By precedence, which is the first byte; equal ones in any order, but always in the same, for
 * servers shuffle them. */
static int compare(const struct record *a, const struct record *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int r = len ? memcmp(a->data, b->data, len) : 0;

	return r ? r : a->len < b->len ? -1 : a->len > b->len;
}

/* Sorts the first RECORDS_MAX in; returns how many there were in all. */
static size_t collect(struct chain *c, struct record records[static RECORDS_MAX], size_t *ret_count)
{
	const ldns_rr_list *section = ldns_pkt_answer(c->pkt);
	size_t count = 0, all = 0;

	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(section, i);
		const ldns_rdf *rdf;
		struct record new;
		size_t at;

		if (!stands_at(rr, c->owner, LDNS_RR_TYPE_IPSECKEY))
			continue;
		lower_ttl(&c->ttl, rr);
		all++;
		/* empty rdata comes as no rdf at all */
		rdf = ldns_rr_rd_count(rr) ? ldns_rr_rdf(rr, 0) : NULL;
		new = (struct record){.data = rdf ? ldns_rdf_data(rdf) : NULL,
			.len = rdf ? ldns_rdf_size(rdf) : 0};
		for (at = count; at > 0 && compare(&new, &records[at - 1]) < 0; at--)
			if (at < RECORDS_MAX)
				records[at] = records[at - 1];
		if (at < RECORDS_MAX)
			records[at] = new;
		if (count < RECORDS_MAX)
			count++;
	}
	*ret_count = count;
	return all;
}

static void read_records(struct chain *c, const struct addr *looked_up, struct answer *ret)
{
	struct record records[RECORDS_MAX];
	struct dns_key unusable[DNS_KEYS_MAX];
	size_t count, all, seen, n_unusable = 0;

	all = collect(c, records, &count);
	for (seen = 0; seen < count && ret->n_usable < DNS_KEYS_MAX; seen++) {
		struct dns_key *key = &ret->keys[ret->n_usable];

		if (ipseckey_read(records[seen].data, records[seen].len, looked_up, key) ==
			DNS_KEY_OK)
			ret->n_usable++;
		else if (n_unusable < DNS_KEYS_MAX)
			unusable[n_unusable++] = *key;
	}
	memset(&ret->keys[ret->n_usable], 0,
		(ANSWER_KEYS_MAX - ret->n_usable) * sizeof(ret->keys[0]));
	memcpy(&ret->keys[ret->n_usable], unusable, n_unusable * sizeof(unusable[0]));
	ret->n_keys = (uint8_t)(ret->n_usable + n_unusable);
	ret->n_left_out = (uint8_t)(all - seen < UINT8_MAX ? all - seen : UINT8_MAX);
}

int answer_keys(const uint8_t *packet, size_t len, const char *name, const struct addr *looked_up,
	struct answer *ret)
{
	struct chain c;
	int r = chain_open(packet, len, name, &c);

	if (r < 0)
		return r;
	*ret = (struct answer){.rcode = (uint8_t)ldns_pkt_get_rcode(c.pkt)};
	write_name(c.owner, ret->canonical);
	read_records(&c, looked_up, ret);
	ret->ttl = ret->n_keys ? c.ttl : denial_ttl(&c);
	ret->soa_labels = ret->n_keys ? 0 : soa_labels(&c);
	chain_free(&c);
	return 0;
}

/* Calls take for each address of that family at the end of name's chain. Returns as
 * answer_has_addr(). */
static int each_addr(const uint8_t *packet, size_t len, const char *name, uint8_t family,
	void (*take)(void *arg, const struct addr *addr), void *arg, uint32_t *ret_ttl)
{
	ldns_rr_type type = family == AF_INET ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA;
	const struct addr any = {.family = family};
	const ldns_rr_list *section;
	bool found = false;
	struct chain c;
	int r = chain_open(packet, len, name, &c);

	if (r < 0)
		return r;
	section = ldns_pkt_answer(c.pkt);
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(section, i);
		struct addr a = any;
		const ldns_rdf *rdf;

		if (!stands_at(rr, c.owner, type))
			continue;
		found = true;
		lower_ttl(&c.ttl, rr);
		rdf = ldns_rr_rdf(rr, 0);
		if (!rdf || ldns_rdf_size(rdf) != addr_size(&any))
			continue;
		memcpy(a.b, ldns_rdf_data(rdf), addr_size(&any));
		take(arg, &a);
	}
	*ret_ttl = found ? c.ttl : denial_ttl(&c);
	chain_free(&c);
	return 0;
}

struct sought {
	const struct addr *addr;
	bool found;
};

static void look_for(void *arg, const struct addr *addr)
{
	struct sought *s = arg;

	s->found |= addr_equal(addr, s->addr);
}

int answer_has_addr(const uint8_t *packet, size_t len, const char *name, const struct addr *addr,
	bool *ret_found, uint32_t *ret_ttl)
{
	struct sought s = {.addr = addr};
	int r = each_addr(packet, len, name, addr->family, look_for, &s, ret_ttl);

	if (r == 0)
		*ret_found = s.found;
	return r;
}

struct addr_list {
	struct addr *list;
	size_t n, max;
};

static void append(void *arg, const struct addr *addr)
{
	struct addr_list *l = arg;

	if (l->n < l->max)
		l->list[l->n++] = *addr;
}

int answer_addrs(const uint8_t *packet, size_t len, const char *name, uint8_t family,
	struct addr *ret, size_t max, size_t *ret_n, uint32_t *ret_ttl)
{
	struct addr_list l = {.list = ret, .max = max};
	int r = each_addr(packet, len, name, family, append, &l, ret_ttl);

	if (r == 0)
		*ret_n = l.n;
	return r;
}

/* ---- classes */

enum dns_class answer_class(int rcode, int sec, const struct answer *a)
{
	if (sec == 1)
		return DNS_BOGUS;
	/* a failure comes as "insecure": the rcode is looked at first */
	if (rcode != 0 || !a)
		return DNS_FAILED;
	if (sec == 2)
		return a->n_usable ? DNS_KEYS : a->n_keys ? DNS_UNUSABLE : DNS_DENIED;
	if (sec == 0)
		return a->n_usable ? DNS_INSECURE_KEYS : DNS_INSECURE;
	return DNS_FAILED;
}

uint32_t answer_ttl(enum dns_class class, uint32_t ttl)
{
	uint32_t least = 60, most = 3600;

	switch (class) {
	case DNS_KEYS:
		most = 86400;
		break;
	case DNS_DENIED:
	case DNS_UNUSABLE:
	case DNS_INSECURE:
	case DNS_INSECURE_KEYS:
		break;
	case DNS_BOGUS:
		/* libunbound's val-bogus-ttl: it would not ask again before */
		most = 60;
		break;
	case DNS_FAILED:
	case DNS_UNAVAILABLE:
	case DNS_LIMITED:
		/* never long: it may work again in a moment; the agent backs off by itself */
		least = most = 5;
		break;
	}
	return ttl < least ? least : ttl > most ? most : ttl;
}
