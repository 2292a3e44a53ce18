/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/tsig.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>
#include <errno.h>

static const struct tsig_algorithm *find_algorithm(const struct dname *name);

/* ---- what is proved */

/* RFC 8945 section 3, IANA "TSIG Algorithm Names". MD5 and SHA-1 are no longer to be used. */
const struct tsig_algorithm tsig_algorithms[] = {
	{"hmac-sha256", "SHA256", 32},
	{"hmac-sha384", "SHA384", 48},
	{"hmac-sha512", "SHA512", 64},
	{"hmac-sha224", "SHA224", 28},
	{NULL, NULL, 0},
};

enum tsig_error { /* section 3, IANA "DNS RCODEs" */
	ERROR_BADSIG = 16,
	ERROR_BADKEY = 17,
	ERROR_BADTIME = 18,
	ERROR_BADTRUNC = 22,
};

/* The fields of a TSIG record (section 4.2) that take part in the MAC. */
struct tsig {
	uint64_t time; /* 48 bits */
	uint16_t fudge;
	uint16_t error;
	uint16_t other_len;
	const uint8_t *other;
};

static void put_time(struct wire_writer *w, uint64_t time)
{
	wire_put_u16(w, (uint16_t)(time >> 32));
	wire_put_u32(w, (uint32_t)time);
}

static uint64_t get_time(struct wire_reader *r)
{
	uint64_t high = wire_u16(r);

	return high << 32 | wire_u32(r);
}

static void put_algorithm(struct wire_writer *w, const struct tsig_algorithm *algorithm)
{
	struct dname name = {0};

	dname_parse(algorithm->name, &name);
	dname_put(w, &name);
}

/* The variables of section 4.3.3. Returns their length. */
static size_t variables(const struct tsig_key *key, const struct tsig *t, uint8_t *buf, size_t cap)
{
	struct wire_writer w = wire_writer(buf, cap);

	dname_put(&w, &key->name);
	wire_put_u16(&w, DNS_CLASS_ANY);
	wire_put_u32(&w, 0);
	put_algorithm(&w, key->algorithm);
	put_time(&w, t->time);
	wire_put_u16(&w, t->fudge);
	wire_put_u16(&w, t->error);
	wire_put_u16(&w, t->other_len);
	if (t->other_len)
		wire_put(&w, t->other, t->other_len);
	return w.bad ? 0 : w.pos;
}

/* Over the request's MAC (of an answer; else NULL), the message without its TSIG record, and the
 * variables (section 4.3). head replaces the message's first DNSMSG_HEAD bytes. */
static int make_mac(const struct tsig_key *key, const struct tsig_mac *request, const uint8_t *head,
	const uint8_t *rest, size_t rest_len, const struct tsig *t, struct tsig_mac *ret)
{
	uint8_t vars[2 * DNAME_MAX + 64], prefix[2] = {0, request ? request->len : 0};
	size_t vars_len = variables(key, t, vars, sizeof(vars)), len = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)key->algorithm->digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
	bool ok = vars_len && ctx && EVP_MAC_init(ctx, key->secret, key->len, params);

	if (ok && request)
		ok = EVP_MAC_update(ctx, prefix, sizeof(prefix)) &&
		     EVP_MAC_update(ctx, request->b, request->len);
	ok = ok && EVP_MAC_update(ctx, head, DNSMSG_HEAD) && EVP_MAC_update(ctx, rest, rest_len) &&
	     EVP_MAC_update(ctx, vars, vars_len) &&
	     EVP_MAC_final(ctx, ret->b, &len, sizeof(ret->b)) && len == key->algorithm->len;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(hmac);
	ret->len = (uint8_t)len;
	return ok ? 0 : -EIO;
}

int tsig_sign(
	struct wire_writer *w, const struct tsig_key *key, uint64_t time, struct tsig_mac *ret)
{
	struct tsig t = {.time = time, .fudge = TSIG_FUDGE};
	struct wire_reader r = wire_reader(w->data, w->pos);
	struct dns_head head = dns_head_read(&r);
	size_t rdlength_at, rdata_at;
	struct tsig_mac mac;
	int error;

	if (w->bad || r.bad)
		return -EMSGSIZE;
	error = make_mac(key, NULL, w->data, w->data + DNSMSG_HEAD, w->pos - DNSMSG_HEAD, &t, &mac);
	if (error)
		return error;
	dns_rr_put(w, &key->name, DNS_TYPE_TSIG, DNS_CLASS_ANY, 0, NULL, 0);
	rdlength_at = w->pos - 2;
	rdata_at = w->pos;
	put_algorithm(w, key->algorithm);
	put_time(w, t.time);
	wire_put_u16(w, t.fudge);
	wire_put_u16(w, mac.len);
	wire_put(w, mac.b, mac.len);
	wire_put_u16(w, head.id);
	wire_put_u16(w, t.error);
	wire_put_u16(w, t.other_len);
	if (w->bad)
		return -EMSGSIZE;
	wire_patch_u16(w, rdlength_at, (uint16_t)(w->pos - rdata_at));
	wire_patch_u16(w, 10, (uint16_t)(head.count[3] + 1));
	*ret = mac;
	return 0;
}

/* ---- the answer */

/* The last record of the additional section, if it is a TSIG. *ret_end: where it begins. */
static bool find_tsig(const uint8_t *message, size_t len, struct dns_head *ret_head,
	struct dns_rr *ret, size_t *ret_end, bool *ret_malformed)
{
	struct wire_reader r = dns_answers(message, len, ret_head);
	unsigned int n = ret_head->count[1] + ret_head->count[2] + ret_head->count[3];
	struct dns_rr rr = {0};
	size_t at = r.pos;

	for (unsigned int i = 0; i < n && !r.bad; i++) {
		at = r.pos;
		rr = dns_rr_read(&r);
	}
	*ret_malformed = r.bad || r.pos != len;
	if (*ret_malformed || !ret_head->count[3] || rr.type != DNS_TYPE_TSIG)
		return false;
	*ret = rr;
	*ret_end = at;
	return true;
}

static enum tsig_verdict error_verdict(uint16_t error)
{
	switch (error) {
	case ERROR_BADSIG:
		return TSIG_BADSIG;
	case ERROR_BADKEY:
		return TSIG_BADKEY;
	case ERROR_BADTIME:
		return TSIG_BADTIME;
	case ERROR_BADTRUNC:
		return TSIG_BADTRUNC;
	}
	return TSIG_ERROR;
}

/* Whether mac proves message, whose TSIG record begins at end. */
static bool proved(const uint8_t *message, size_t end, const struct dns_head *head, uint16_t id,
	const struct tsig_key *key, const struct tsig_mac *request, const struct tsig *t,
	const uint8_t *mac, size_t mac_len)
{
	struct dns_head signed_head = *head;
	uint8_t buf[DNSMSG_HEAD];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct tsig_mac want;

	signed_head.id = id;
	signed_head.count[3]--;
	dns_head_put(&w, &signed_head);
	return mac_len == key->algorithm->len &&
	       make_mac(key, request, buf, message + DNSMSG_HEAD, end - DNSMSG_HEAD, t, &want) ==
		       0 &&
	       CRYPTO_memcmp(mac, want.b, mac_len) == 0;
}

enum tsig_verdict tsig_verify(const uint8_t *message, size_t len, const struct tsig_key *key,
	const struct tsig_mac *request, uint64_t time, uint64_t *ret_time)
{
	struct tsig t = {0};
	struct dns_head head;
	struct dns_rr rr;
	struct dname algorithm;
	struct wire_reader r;
	const uint8_t *mac;
	uint16_t mac_len, id;
	size_t end;
	bool malformed;

	if (!find_tsig(message, len, &head, &rr, &end, &malformed))
		return malformed ? TSIG_BAD : TSIG_MISSING;
	r = wire_reader(message, rr.rdata_at + rr.rdata_len);
	wire_skip(&r, rr.rdata_at);
	algorithm = dname_read(&r);
	t.time = get_time(&r);
	t.fudge = wire_u16(&r);
	mac_len = wire_u16(&r);
	mac = wire_bytes(&r, mac_len);
	id = wire_u16(&r);
	t.error = wire_u16(&r);
	t.other_len = wire_u16(&r);
	t.other = wire_bytes(&r, t.other_len);
	if (r.bad || r.pos != r.len || rr.class != DNS_CLASS_ANY || rr.ttl)
		return TSIG_BAD;
	/* these two cannot be signed (section 5.3.2): believed as far as giving up goes */
	if (!mac_len && (t.error == ERROR_BADSIG || t.error == ERROR_BADKEY))
		return error_verdict(t.error);
	if (!dname_equal(&rr.owner, &key->name) || find_algorithm(&algorithm) != key->algorithm ||
		!proved(message, end, &head, id, key, request, &t, mac, mac_len))
		return TSIG_BAD;
	if (ret_time)
		*ret_time = t.time;
	if (t.error == ERROR_BADTIME && t.other_len == 6 && ret_time) {
		r = wire_reader(t.other, t.other_len);
		*ret_time = get_time(&r);
	}
	if (t.error)
		return error_verdict(t.error);
	/* it answers what we have just sent, so it cannot be a replay: a matter of clocks only */
	return (t.time > time ? t.time - time : time - t.time) <= TSIG_FUDGE ? TSIG_GOOD
									     : TSIG_STALE;
}

static const struct tsig_algorithm *find_algorithm(const struct dname *name)
{
	struct dname known;

	for (const struct tsig_algorithm *a = tsig_algorithms; a->name; a++)
		if (dname_parse(a->name, &known) == 0 && dname_equal(&known, name))
			return a;
	return NULL;
}
