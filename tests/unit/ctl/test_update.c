/* SPDX-License-Identifier: BSD-2-Clause */
/* UPDATE messages as libldns reads them; what is planned from what is there; zones in answers. */
#include <errno.h>
#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/dnsask.h"
#include "ctl/update.h"

static struct keytool_public keys[3];

static struct dname name(const char *text)
{
	struct dname n;

	assert_int_equal(dname_parse(text, &n), 0);
	return n;
}

static int make_keys(void **state)
{
	static const char *const types[] = {"ed25519", "ed25519", "rsa-2048"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY *key;

		assert_int_equal(keytool_generate(types[i], &key), 0);
		assert_int_equal(keytool_public(key, &keys[i]), 0);
		EVP_PKEY_free(key);
	}
	return 0;
}

/* Somebody else's, with a gateway by name. */
static struct update_record foreign(void)
{
	static const char rdata[] = "\5\3\4\2gw\3lab\0";
	struct update_record r = {.len = sizeof(rdata) - 1 + 32};

	memcpy(r.b, rdata, sizeof(rdata) - 1);
	memset(r.b + sizeof(rdata) - 1, 0x55, 32);
	return r;
}

static struct update_rrset set_of(size_t n, ...)
{
	struct update_rrset set = {.ttl = 300, .n = n};
	va_list ap;

	va_start(ap, n);
	for (size_t i = 0; i < n; i++)
		set.record[i] = va_arg(ap, struct update_record);
	va_end(ap);
	return set;
}

/* ---- records */

static void test_record(void **state)
{
	struct update_record r = update_record(&keys[0], 7), other = foreign();
	ldns_rr *rr = NULL;
	char line[KEYTOOL_RECORD_MAX];
	uint8_t *wire = NULL;
	size_t len;

	(void)state;
	/* the same as the line for a zone file, read by another */
	keytool_record(&keys[0], "a.lab.", 60, 7, true, line);
	assert_int_equal(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len), LDNS_STATUS_OK);
	assert_memory_equal(wire + len - r.len, r.b, r.len);
	free(wire);
	ldns_rr_free(rr);
	assert_true(update_is_key(&r, &keys[0]));
	assert_false(update_is_key(&r, &keys[1]));
	assert_false(update_is_key(&other, &keys[0]));
	/* whatever its gateway */
	r = (struct update_record){
		.len = (uint16_t)(7 + keys[0].field_len), .b = {9, 1, 4, 192, 0, 2, 1}};
	memcpy(r.b + 7, keys[0].field, keys[0].field_len);
	assert_true(update_is_key(&r, &keys[0]));
	/* and of any piece */
	for (uint16_t i = 0; i < r.len; i++) {
		struct update_record piece = r;

		piece.len = i;
		assert_false(update_is_key(&piece, &keys[0]));
	}
}

/* ---- plans */

static void test_first(void **state)
{
	struct update_rrset none = {0};
	struct update_plan plan = {.ttl = 3600};

	(void)state;
	update_want(&plan, &none, &keys[0], 10);
	assert_int_equal(plan.n_add, 1);
	assert_int_equal(plan.n_remove, 0);
	assert_false(update_done(&plan, &none));
}

/* What is there already is left alone, other precedences are replaced, others' records never. */
static void test_others_stay(void **state)
{
	struct update_rrset set =
		set_of(3, foreign(), update_record(&keys[0], 10), update_record(&keys[2], 20));
	struct update_plan plan = {.ttl = 300};
	struct update_record other = foreign();

	(void)state;
	update_want(&plan, &set, &keys[0], 10);
	assert_int_equal(plan.n_add + plan.n_remove, 0);
	assert_true(update_done(&plan, &set));
	update_want(&plan, &set, &keys[2], 10);
	assert_int_equal(plan.n_add, 1);
	assert_int_equal(plan.n_remove, 1);
	assert_int_equal(plan.remove[0].b[0], 20);
	update_unwant(&plan, &set, &keys[0]);
	update_unwant(&plan, &set, &keys[1]);
	assert_int_equal(plan.n_remove, 2);
	for (size_t i = 0; i < plan.n_remove; i++)
		assert_true(plan.remove[i].len != other.len ||
			    memcmp(plan.remove[i].b, other.b, other.len) != 0);
	set = set_of(2, foreign(), update_record(&keys[2], 10));
	assert_true(update_done(&plan, &set));
}

static void test_ttl(void **state)
{
	struct update_rrset set = set_of(1, update_record(&keys[0], 10));
	struct update_plan plan = {.ttl = 60};

	(void)state;
	update_want(&plan, &set, &keys[0], 10);
	assert_int_equal(plan.n_add, 1); /* the same once more: that sets the TTL */
	assert_int_equal(plan.n_remove, 0);
}

/* ---- messages */

static ldns_pkt *message(const struct update_rrset *seen, const struct update_plan *plan)
{
	struct dname zone = name("lab"), owner = name("a.lab");
	uint8_t *buf = malloc(DNSMSG_MAX);
	struct wire_writer w = wire_writer(buf, DNSMSG_MAX);
	ldns_pkt *p = NULL;

	update_put(&w, 0x4711, &zone, &owner, seen, plan);
	assert_false(w.bad);
	assert_int_equal(ldns_wire2pkt(&p, buf, w.pos), LDNS_STATUS_OK);
	free(buf);
	assert_int_equal(ldns_pkt_id(p), 0x4711);
	assert_int_equal(ldns_pkt_get_opcode(p), LDNS_PACKET_UPDATE);
	assert_int_equal(ldns_update_zocount(p), 1);
	return p;
}

static void is_rr(
	const ldns_rr_list *list, size_t i, ldns_rr_class class, uint32_t ttl, size_t rdfs)
{
	const ldns_rr *rr = ldns_rr_list_rr(list, i);
	char *owner = ldns_rdf2str(ldns_rr_owner(rr));

	assert_string_equal(owner, "a.lab.");
	free(owner);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_IPSECKEY);
	assert_int_equal(ldns_rr_get_class(rr), class);
	assert_int_equal(ldns_rr_ttl(rr), ttl);
	assert_int_equal(ldns_rr_rd_count(rr) > 0, rdfs);
}

/* RFC 2136 2.4.3 and 2.5.1 */
static void test_message_first(void **state)
{
	struct update_rrset none = {0};
	struct update_plan plan = {.ttl = 3600};
	ldns_pkt *p;

	(void)state;
	update_want(&plan, &none, &keys[2], 10);
	p = message(&none, &plan);
	assert_int_equal(ldns_update_prcount(p), 1);
	assert_int_equal(ldns_update_upcount(p), 1);
	is_rr(ldns_pkt_answer(p), 0, LDNS_RR_CLASS_NONE, 0, 0);
	is_rr(ldns_pkt_authority(p), 0, LDNS_RR_CLASS_IN, 3600, 1);
	ldns_pkt_free(p);
}

/* RFC 2136 2.4.2, 2.5.1 and 2.5.4 */
static void test_message_change(void **state)
{
	struct update_rrset set = set_of(2, foreign(), update_record(&keys[0], 10));
	struct update_plan plan = {.ttl = 300};
	ldns_pkt *p;

	(void)state;
	update_want(&plan, &set, &keys[1], 10);
	update_unwant(&plan, &set, &keys[0]);
	p = message(&set, &plan);
	assert_int_equal(ldns_update_prcount(p), 2);
	assert_int_equal(ldns_update_upcount(p), 2);
	is_rr(ldns_pkt_answer(p), 0, LDNS_RR_CLASS_IN, 0, 1);
	is_rr(ldns_pkt_answer(p), 1, LDNS_RR_CLASS_IN, 0, 1);
	is_rr(ldns_pkt_authority(p), 0, LDNS_RR_CLASS_IN, 300, 1);
	is_rr(ldns_pkt_authority(p), 1, LDNS_RR_CLASS_NONE, 0, 1);
	ldns_pkt_free(p);
}

/* ---- answers, made by libldns from zone-file lines */

static size_t answer(int rcode, const char *const *lines, size_t n_authority, uint8_t **ret)
{
	ldns_pkt *p = ldns_pkt_query_new(
		ldns_dname_new_frm_str("q.lab."), LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_IN, LDNS_QR);
	size_t len, n = 0;

	while (lines[n])
		n++;
	for (size_t i = 0; i < n; i++) {
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, lines[i], 0, NULL, NULL), LDNS_STATUS_OK);
		ldns_pkt_push_rr(
			p, i + n_authority < n ? LDNS_SECTION_ANSWER : LDNS_SECTION_AUTHORITY, rr);
	}
	ldns_pkt_set_rcode(p, (uint8_t)rcode);
	assert_int_equal(ldns_pkt2wire(ret, p, &len), LDNS_STATUS_OK);
	ldns_pkt_free(p);
	return len;
}

static void test_read(void **state)
{
	char ours[KEYTOOL_RECORD_MAX], others[KEYTOOL_RECORD_MAX];
	const char *const lines[] = {ours, "q.lab. 60 IN A 192.0.2.1", others, NULL};
	const char *const none[] = {"q.lab. 60 IN A 192.0.2.1", NULL};
	struct dname q = name("Q.lab");
	struct update_rrset set;
	uint8_t *wire;
	size_t len;

	(void)state;
	keytool_record(&keys[0], "q.lab.", 60, 7, false, ours);
	keytool_record(&keys[1], "r.lab.", 60, 7, false, others);
	len = answer(0, lines, 0, &wire);
	assert_int_equal(update_read(wire, len, &q, &set), 0);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.ttl, 60);
	assert_true(update_is_key(&set.record[0], &keys[0]));
	for (size_t i = 0; i < len; i++) {
		uint8_t *piece = malloc(i ? i : 1);

		memcpy(piece, wire, i);
		assert_int_equal(update_read(piece, i, &q, &set), -EBADMSG);
		free(piece);
	}
	free(wire);
	len = answer(0, none, 0, &wire);
	assert_int_equal(update_read(wire, len, &q, &set), -ENOENT);
	free(wire);
	len = answer(3, none + 1, 0, &wire);
	assert_int_equal(update_read(wire, len, &q, &set), -ENOENT);
	free(wire);
	len = answer(5, none + 1, 0, &wire);
	assert_int_equal(update_read(wire, len, &q, &set), -EIO);
	free(wire);
}

#define SOA(owner) owner " 60 IN SOA ns.lab. root.lab. 1 2 3 4 5"

static void test_zone(void **state)
{
	static const struct {
		const char *lines[5];
		size_t n_authority;
		int error;
		const char *name, *zone;
	} table[] = {
		{{SOA("q.lab.")}, 0, 0, "q.lab.", "q.lab."},
		{{SOA("lab.")}, 1, 0, "q.lab.", "lab."},
		{{SOA(".")}, 1, 0, "q.lab.", "."},
		/* RFC 2317 */
		{{"q.lab. 60 IN CNAME r.s.lab.", SOA("s.lab.")}, 1, 0, "r.s.lab.", "s.lab."},
		{{"q.lab. 60 IN CNAME r.s.lab.", "r.s.lab. 60 IN CNAME t.lab.", SOA("lab.")}, 1, 0,
			"t.lab.", "lab."},
		/* the target is to be asked for by itself */
		{{"q.lab. 60 IN CNAME r.example."}, 0, -EAGAIN, "r.example.", ""},
		{{"q.lab. 60 IN CNAME r.example.", SOA("lab.")}, 1, -EAGAIN, "r.example.", ""},
		{{"q.lab. 60 IN CNAME r.lab.", "r.lab. 60 IN CNAME q.lab.", SOA("lab.")}, 1, -ELOOP,
			"", ""},
		/* not of ours */
		{{SOA("example.")}, 1, -ENOENT, "", ""},
		{{"q.lab. 60 IN NS ns.lab."}, 1, -ENOENT, "", ""},
		{{NULL}, 0, -ENOENT, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[DNAME_TEXT_MAX];
		struct dname q = name("q.lab");
		struct dns_zone zone = {0};
		uint8_t *wire;
		size_t len = answer(0, table[i].lines, table[i].n_authority, &wire);

		assert_int_equal(dnsask_read_zone(wire, len, &q, &zone), table[i].error);
		free(wire);
		if (*table[i].name)
			assert_string_equal(dname_format(&zone.name, text), table[i].name);
		if (!*table[i].zone)
			continue;
		assert_string_equal(dname_format(&zone.zone, text), table[i].zone);
		assert_string_equal(dname_format(&zone.primary, text), "ns.lab.");
	}
}

/* Every rcode has words, and those that an admin meets say what to do. */
static void test_words(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++)
		assert_true(strlen(update_rcode_text(i)) > 10);
	assert_non_null(strstr(update_rcode_text(DNS_RCODE_REFUSED), "update-policy"));
	assert_non_null(strstr(update_rcode_text(DNS_RCODE_NOTAUTH), "--server"));
	assert_string_equal(dns_rcode_name(DNS_RCODE_NOTZONE), "NOTZONE");
	assert_string_equal(dns_rcode_name(11), "rcode 11");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_message_first),
		cmocka_unit_test(test_message_change),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
