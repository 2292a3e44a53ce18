/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS packets, built here with ldns, to records, times to live and classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ldns/ldns.h>

#include "resolver/answer.h"

#define NAME "1.0.18.198.in-addr.arpa."
#define SOA "18.198.in-addr.arpa. 900 IN SOA ns.example. h.example. 1 2 3 4 300"

static const struct addr none;

struct packet {
	uint8_t *data;
	size_t len;
};

/* Records in zone file form, NULL at the end of each section. */
static struct packet build(int rcode, const char *const answer[], const char *const authority[])
{
	ldns_pkt *pkt = ldns_pkt_query_new(ldns_dname_new_frm_str(NAME), LDNS_RR_TYPE_IPSECKEY,
		LDNS_RR_CLASS_IN, LDNS_RD);
	struct packet p;

	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_rcode(pkt, (uint8_t)rcode);
	for (int section = 0; section < 2; section++) {
		const char *const *lines = section ? authority : answer;

		for (; lines && *lines; lines++) {
			ldns_rr *rr;

			if (ldns_rr_new_frm_str(&rr, *lines, 3600, NULL, NULL) != LDNS_STATUS_OK)
				fail_msg("not a record: %s", *lines);
			ldns_pkt_push_rr(pkt,
				section ? LDNS_SECTION_AUTHORITY : LDNS_SECTION_ANSWER, rr);
		}
	}
	assert_int_equal(ldns_pkt2wire(&p.data, pkt, &p.len), LDNS_STATUS_OK);
	ldns_pkt_free(pkt);
	return p;
}

/* An Ed25519 IPSECKEY: 32 times the byte fill. */
static const char *record(const char *name, unsigned int ttl, unsigned int precedence, uint8_t fill)
{
	static char lines[64][256];
	static unsigned int next;
	char *line = lines[next++ % 64];
	uint8_t raw[32];
	char hex[65];

	memset(raw, fill, sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	snprintf(line, sizeof(lines[0]), "%s %u IN TYPE45 \\# 35 %02x0004%s", name, ttl, precedence,
		hex);
	return line;
}

static struct answer read_answer(
	const char *const answer[], const char *const authority[], int rcode)
{
	struct packet p = build(rcode, answer, authority);
	struct answer a;

	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), 0);
	assert_int_equal(a.rcode, rcode);
	free(p.data);
	return a;
}

static void one_key(void **state)
{
	struct answer a = read_answer((const char *[]){record(NAME, 1234, 10, 7), NULL}, NULL, 0);

	(void)state;
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(a.n_usable, 1);
	assert_int_equal(a.n_left_out, 0);
	assert_int_equal(a.ttl, 1234);
	assert_string_equal(a.canonical, NAME);
	assert_int_equal(a.keys[0].precedence, 10);
	assert_int_equal(a.keys[0].spki[a.keys[0].spki_len - 1], 7);
}

static void by_precedence(void **state)
{
	/* and by their bytes where that is equal, however the server shuffles them */
	const char *r[] = {record(NAME, 60, 20, 1), record(NAME, 50, 0, 2),
		record(NAME, 70, 255, 3), record(NAME, 50, 20, 0), NULL};
	const char *other[] = {r[3], r[2], r[1], r[0], NULL};
	struct answer a = read_answer(r, NULL, 0), b = read_answer(other, NULL, 0);

	(void)state;
	assert_int_equal(a.n_usable, 4);
	assert_int_equal(a.ttl, 50);
	assert_int_equal(a.keys[0].precedence, 0);
	assert_int_equal(a.keys[1].precedence, 20);
	assert_int_equal(a.keys[1].spki[43], 0);
	assert_int_equal(a.keys[2].spki[43], 1);
	assert_int_equal(a.keys[3].precedence, 255);
	assert_memory_equal(a.keys, b.keys, sizeof(a.keys));
}

static void unusable_ones(void **state)
{
	const char *r[] = {NAME " 60 IN TYPE45 \\# 3 0a0000", NAME " 60 IN TYPE45 \\# 0",
		NAME " 60 IN TYPE45 \\# 4 0a0909ff", record(NAME, 60, 10, 1),
		NAME " 60 IN TYPE45 \\# 5 010004aabb", NULL};
	struct answer a = read_answer(r, NULL, 0);

	(void)state;
	assert_int_equal(a.n_usable, 1);
	assert_int_equal(a.n_keys, 5);
	assert_int_equal(a.keys[0].fault, DNS_KEY_OK);
	assert_int_equal(a.keys[1].fault, DNS_KEY_SHORT);
	assert_int_equal(a.keys[2].fault, DNS_KEY_LENGTH);
	assert_int_equal(a.keys[3].fault, DNS_KEY_NO_KEY);
	assert_int_equal(a.keys[4].fault, DNS_KEY_GATEWAY_TYPE);
	assert_int_equal(answer_class(0, 2, &a), DNS_KEYS);
	r[3] = NULL;
	a = read_answer(r, NULL, 0);
	assert_int_equal(a.n_usable, 0);
	assert_int_equal(a.n_keys, 3);
	assert_int_equal(answer_class(0, 2, &a), DNS_UNUSABLE);
	assert_int_equal(answer_class(0, 0, &a), DNS_INSECURE);
}

static void too_many(void **state)
{
	const char *r[101] = {0};
	struct answer a;

	(void)state;
	for (unsigned int i = 0; i < 12; i++)
		r[i] = record(NAME, 60, 100 - i, (uint8_t)i);
	a = read_answer(r, NULL, 0);
	assert_int_equal(a.n_keys, 8);
	assert_int_equal(a.n_usable, 8);
	assert_int_equal(a.n_left_out, 4);
	for (int i = 0; i < 8; i++)
		assert_int_equal(a.keys[i].precedence, 89 + i);
	/* more than are looked at, the usable ones last: bounded work */
	for (unsigned int i = 0; i < 100; i++) {
		static char lines[100][64];

		snprintf(lines[i], sizeof(lines[i]), NAME " 60 IN TYPE45 \\# 4 010004%02x", i);
		r[i] = i < 50 ? lines[i] : record(NAME, 60, i, 1);
	}
	a = read_answer(r, NULL, 0);
	assert_int_equal(a.n_usable, 8);
	assert_int_equal(a.n_keys, 16);
	assert_int_equal(a.keys[0].precedence, 50);
	assert_int_equal(a.n_left_out, 100 - 58);
}

static void aliases(void **state)
{
	const char *r[] = {"b.example. 20 IN CNAME C.example.", NAME " 30 IN CNAME b.example.",
		record("c.EXAMPLE.", 40, 1, 1), record(NAME, 10, 1, 2),
		record("x.example.", 5, 1, 3), NULL};
	struct answer a = read_answer(r, NULL, 0);

	(void)state;
	/* only what stands at the end of the chain, and the chain's least TTL */
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(a.keys[0].spki[43], 1);
	assert_int_equal(a.ttl, 20);
	assert_string_equal(a.canonical, "C.example.");
	/* the end is missing */
	r[2] = NULL;
	a = read_answer(r, (const char *[]){SOA, NULL}, 3);
	assert_int_equal(a.n_keys, 0);
	assert_int_equal(a.ttl, 20);
	assert_string_equal(a.canonical, "C.example.");
}

static void endless_alias(void **state)
{
	const char *loop[] = {NAME " 30 IN CNAME b.example.", "b.example. 20 IN CNAME " NAME, NULL};
	char lines[40][64];
	const char *longer[41] = {0};
	struct answer a;
	struct packet p = build(0, loop, NULL);

	(void)state;
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), -ELOOP);
	free(p.data);
	for (int i = 0; i < 40; i++) {
		snprintf(lines[i], sizeof(lines[i]), "%s 9 IN CNAME n%d.", NAME, i);
		if (i)
			snprintf(lines[i], sizeof(lines[i]), "n%d. 9 IN CNAME n%d.", i - 1, i);
		longer[i] = lines[i];
	}
	p = build(0, longer, NULL);
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), -ELOOP);
	free(p.data);
}

static void denials(void **state)
{
	struct answer a = read_answer(NULL, (const char *[]){SOA, NULL}, 3);

	(void)state;
	assert_int_equal(a.ttl, 300);
	assert_int_equal(a.n_keys, 0);
	assert_int_equal(answer_class(0, 2, &a), DNS_DENIED);
	assert_int_equal(answer_class(0, 0, &a), DNS_INSECURE);
	/* the SOA's own TTL may be less, and counts down in the cache */
	a = read_answer(NULL,
		(const char *[]){"example. 77 IN SOA ns.example. h.example. 1 2 3 4 300", NULL}, 0);
	assert_int_equal(a.ttl, 77);
	a = read_answer(NULL, NULL, 3);
	assert_int_equal(a.ttl, 60);
	/* another type at the name */
	a = read_answer((const char *[]){NAME " 9999 IN PTR x.example.", NULL}, NULL, 0);
	assert_int_equal(a.n_keys, 0);
}

static void odd_names(void **state)
{
	char longest[1100], buf[DNS_NAME_MAX];
	size_t at = 0;
	const char *odd[] = {NAME " 30 IN CNAME a\\010\\\"b\\\\c\\255.example.", NULL};
	struct answer a = read_answer(odd, NULL, 0);

	(void)state;
	for (const char *p = a.canonical; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	assert_string_equal(a.canonical + strlen(a.canonical) - 9, ".example.");
	/* 250 octets that all need four characters */
	at += (size_t)snprintf(longest, sizeof(longest), "%s 30 IN CNAME ", NAME);
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 61; j++)
			at += (size_t)snprintf(longest + at, sizeof(longest) - at, "\\001");
		at += (size_t)snprintf(longest + at, sizeof(longest) - at, ".");
	}
	a = read_answer((const char *[]){longest, NULL}, NULL, 0);
	assert_int_equal(strlen(a.canonical), DNS_NAME_MAX - 1);
	assert_string_equal(a.canonical + DNS_NAME_MAX - 4, "...");
	/* names from the agent */
	assert_int_equal(answer_canonical_name("WWW.Example", buf), 0);
	assert_string_equal(buf, "www.example.");
	assert_int_equal(answer_canonical_name(".", buf), 0);
	assert_string_equal(buf, ".");
	assert_int_equal(answer_canonical_name("", buf), -EINVAL);
	assert_int_equal(answer_canonical_name("a..b", buf), -EINVAL);
	assert_int_equal(answer_canonical_name(".a", buf), -EINVAL);
	memset(longest, 'a', 64);
	longest[64] = '\0';
	assert_int_equal(answer_canonical_name(longest, buf), -EINVAL);
	/* fits as given, not as written out */
	memset(longest, '\1', 63);
	strcpy(longest + 63, ".x");
	memset(longest + 65, '\1', 63);
	longest[64] = '\1';
	longest[64 + 62] = '\0';
	assert_int_equal(answer_canonical_name(longest, buf), -EINVAL);
	assert_string_equal(buf, ".");
}

static void broken_packets(void **state)
{
	const char *r[] = {NAME " 30 IN CNAME b.example.", record("b.example.", 40, 1, 1),
		record("b.example.", 40, 2, 2), NULL};
	struct packet p = build(0, r, (const char *[]){SOA, NULL});
	struct answer a;
	uint32_t ttl;
	bool found;

	(void)state;
	for (size_t len = 0; len < p.len; len++) {
		uint8_t *exact = malloc(len ? len : 1);

		memcpy(exact, p.data, len);
		assert_int_equal(answer_keys(exact, len, NAME, &none, &a), -EBADMSG);
		assert_int_equal(answer_has_addr(exact, len, NAME, &none, &found, &ttl), -EBADMSG);
		free(exact);
	}
	assert_int_equal(answer_keys(NULL, 0, NAME, &none, &a), -EBADMSG);
	/* every byte another one: no crash, and at most what a packet may say */
	for (size_t i = 0; i < p.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			p.data[i] ^= (uint8_t)(1 << bit);
			if (answer_keys(p.data, p.len, NAME, &none, &a) == 0)
				assert_true(a.n_usable <= a.n_keys && a.n_keys <= ANSWER_KEYS_MAX);
			p.data[i] ^= (uint8_t)(1 << bit);
		}
	/* a query, a truncated answer, a failure */
	p.data[2] &= 0x7f;
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), -EBADMSG);
	p.data[2] |= 0x82;
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), -EBADMSG);
	p.data[2] &= 0xfd;
	p.data[3] = 2;
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), -EBADMSG);
	p.data[3] = 0;
	assert_int_equal(answer_keys(p.data, p.len, NAME, &none, &a), 0);
	free(p.data);
}

static void addresses(void **state)
{
	const char *r[] = {NAME " 30 IN CNAME b.example.", "b.example. 90 IN A 192.0.2.1",
		"b.example. 80 IN A 192.0.2.2", "b.example. 70 IN AAAA 2001:db8::1",
		"c.example. 60 IN A 192.0.2.3", NULL};
	struct packet p = build(0, r, NULL);
	struct addr addr;
	uint32_t ttl;
	bool found;
	static const struct {
		const char *addr;
		bool found;
		uint32_t ttl;
	} table[] = {{"192.0.2.1", true, 30}, {"192.0.2.2", true, 30}, {"192.0.2.3", false, 30},
		{"2001:db8::1", true, 30}, {"2001:db8::2", false, 30}, {"::192.0.2.1", false, 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		addr_parse(table[i].addr, &addr);
		assert_int_equal(answer_has_addr(p.data, p.len, NAME, &addr, &found, &ttl), 0);
		assert_int_equal(found, table[i].found);
		assert_int_equal(ttl, table[i].ttl);
	}
	free(p.data);
}

static void address_lists(void **state)
{
	const char *r[] = {NAME " 30 IN CNAME b.example.", "b.example. 90 IN A 192.0.2.1",
		"b.example. 20 IN A 192.0.2.2", "b.example. 70 IN AAAA 2001:db8::1",
		"c.example. 60 IN A 192.0.2.3", NULL};
	struct packet p = build(0, r, NULL);
	struct addr list[3] = {0};
	uint32_t ttl;
	size_t n;

	(void)state;
	assert_int_equal(answer_addrs(p.data, p.len, NAME, AF_INET, list, 3, &n, &ttl), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ttl, 20);
	assert_string_equal(addr_str(&list[0]), "192.0.2.1");
	assert_string_equal(addr_str(&list[1]), "192.0.2.2");
	assert_int_equal(list[2].family, 0);
	assert_int_equal(answer_addrs(p.data, p.len, NAME, AF_INET6, list, 3, &n, &ttl), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ttl, 30);
	assert_string_equal(addr_str(&list[0]), "2001:db8::1");
	/* no more than there is room for */
	list[1] = (struct addr){0};
	assert_int_equal(answer_addrs(p.data, p.len, NAME, AF_INET, list, 1, &n, &ttl), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[1].family, 0);
	assert_int_equal(answer_addrs(p.data, 11, NAME, AF_INET, list, 1, &n, &ttl), -EBADMSG);
	free(p.data);
}

static void classes(void **state)
{
	static const struct answer key = {.n_keys = 1, .n_usable = 1}, bad = {.n_keys = 1}, empty;
	static const struct {
		int rcode, sec;
		const struct answer *a;
		enum dns_class class;
	} table[] = {
		{0, 2, &key, DNS_KEYS}, {0, 2, &bad, DNS_UNUSABLE}, {0, 2, &empty, DNS_DENIED},
		{0, 0, &key, DNS_INSECURE_KEYS}, {0, 0, &bad, DNS_INSECURE},
		{0, 0, &empty, DNS_INSECURE},
		/* whatever the packet says */
		{0, 1, &key, DNS_BOGUS}, {0, 1, &empty, DNS_BOGUS}, {0, 1, NULL, DNS_BOGUS},
		{2, 1, &key, DNS_BOGUS}, {2, 0, &key, DNS_FAILED}, {2, 0, &empty, DNS_FAILED},
		{5, 0, NULL, DNS_FAILED}, {2, 2, &key, DNS_FAILED}, {0, 2, NULL, DNS_FAILED},
		{0, 0, NULL, DNS_FAILED}, {0, 3, &key, DNS_FAILED}, {0, -1, &key, DNS_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(answer_class(table[i].rcode, table[i].sec, table[i].a),
			table[i].class);
}

static void clamps(void **state)
{
	static const uint32_t ttls[] = {0, 59, 61, 3599, 3601, 86401, UINT32_MAX};
	static const uint32_t want[][7] = {
		[DNS_KEYS] = {60, 60, 61, 3599, 3601, 86400, 86400},
		[DNS_DENIED] = {60, 60, 61, 3599, 3600, 3600, 3600},
		[DNS_UNUSABLE] = {60, 60, 61, 3599, 3600, 3600, 3600},
		[DNS_INSECURE] = {60, 60, 61, 3599, 3600, 3600, 3600},
		[DNS_INSECURE_KEYS] = {60, 60, 61, 3599, 3600, 3600, 3600},
		[DNS_BOGUS] = {60, 60, 60, 60, 60, 60, 60},
		[DNS_FAILED] = {5, 5, 5, 5, 5, 5, 5},
		[DNS_UNAVAILABLE] = {5, 5, 5, 5, 5, 5, 5},
	};

	(void)state;
	for (int class = DNS_KEYS; class <= DNS_UNAVAILABLE; class++)
		for (size_t i = 0; i < 7; i++)
			assert_int_equal(answer_ttl((enum dns_class)class, ttls[i]),
				want[class][i]);
}

static void quoting(void **state)
{
	char out[DNS_WHY_MAX], longer[2 * DNS_WHY_MAX];

	(void)state;
	answer_quote(NULL, out);
	assert_string_equal(out, "");
	answer_quote("no <a.b. A IN>: \"x\\y\n\x1b[31m\xc3\xa9 from 192.0.2.1", out);
	assert_string_equal(out, "no <a.b. A IN>: ?x?y??[31m?? from 192.0.2.1");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	answer_quote(longer, out);
	assert_int_equal(strlen(out), DNS_WHY_MAX - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_key),
		cmocka_unit_test(by_precedence),
		cmocka_unit_test(unusable_ones),
		cmocka_unit_test(too_many),
		cmocka_unit_test(aliases),
		cmocka_unit_test(endless_alias),
		cmocka_unit_test(denials),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(broken_packets),
		cmocka_unit_test(addresses),
		cmocka_unit_test(address_lists),
		cmocka_unit_test(classes),
		cmocka_unit_test(clamps),
		cmocka_unit_test(quoting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
