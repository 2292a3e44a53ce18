/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, TSIG key files, and TSIG itself against that of libldns, in both directions. */
#include <errno.h>
#include <ldns/ldns.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/tsig.h"

#define SECRET "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define NOW UINT64_C(1700000000)

/* ---- names */

static struct dname name(const char *text)
{
	struct dname n;

	assert_int_equal(dname_parse(text, &n), 0);
	return n;
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "..", ".a", "a..b", "a b", "a.b..", "h\xc3\xb6st",
		"1234567890123456789012345678901234567890123456789012345678901234.x", "a*b"};
	char text[DNAME_TEXT_MAX], longest[300] = "";
	struct dname n = name("Host.Example.ORG"), m;

	(void)state;
	assert_string_equal(dname_format(&n, text), "host.example.org.");
	m = name("host.example.org.");
	assert_true(dname_equal(&n, &m));
	n = name(".");
	assert_int_equal(n.len, 1);
	assert_string_equal(dname_format(&n, text), ".");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dname_parse(bad[i], &n), -EINVAL);
	/* 127 labels of one letter are 255 bytes; one more letter is too many */
	for (int i = 0; i < 127; i++)
		strcat(longest, "a.");
	n = name(longest);
	assert_int_equal(n.len, DNAME_MAX);
	longest[strlen(longest) - 1] = '\0';
	strcat(longest, "a");
	assert_int_equal(dname_parse(longest, &n), -EINVAL);
}

static void test_within(void **state)
{
	static const struct {
		const char *name, *zone;
		bool within;
	} table[] = {
		{"a.example.org", "example.org", true},
		{"example.org", "example.org", true},
		{"a.example.org", ".", true},
		{".", ".", true},
		{".", "org", false},
		{"example.org", "a.example.org", false},
		{"anexample.org", "example.org", false},
		{"a.example.com", "example.org", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct dname n = name(table[i].name), z = name(table[i].zone);

		assert_int_equal(dname_within(&n, &z), table[i].within);
	}
}

/* A name at `at` of a message of these bytes behind a head of zeros. */
static struct dname read_at(const void *bytes, size_t len, size_t at, bool *ret_bad)
{
	uint8_t message[512] = {0};
	struct wire_reader r;
	struct dname n;

	memcpy(message + DNSMSG_HEAD, bytes, len);
	r = wire_reader(message, DNSMSG_HEAD + len);
	wire_skip(&r, at);
	n = dname_read(&r);
	*ret_bad = r.bad;
	return n;
}

static void test_compressed(void **state)
{
	/* 12: example.org, 25: a.(12), 29: (25), 31: (31), 33: (35) forward, 37: into the head */
	static const uint8_t bytes[] = "\7eXample\3org\0"
				       "\1a\xc0\x0c"
				       "\xc0\x19"
				       "\xc0\x1f"
				       "\xc0\x23"
				       "\1b\0"
				       "\xc0\x04"
				       "\x40x"
				       "\3ab";
	static const size_t bad_at[] = {31, 33, 38, 40, 42};
	char text[DNAME_TEXT_MAX];
	struct dname n;
	bool bad;

	(void)state;
	n = read_at(bytes, sizeof(bytes) - 1, 25, &bad);
	assert_false(bad);
	assert_string_equal(dname_format(&n, text), "a.example.org.");
	n = read_at(bytes, sizeof(bytes) - 1, 29, &bad);
	assert_false(bad);
	assert_string_equal(dname_format(&n, text), "a.example.org.");
	for (size_t i = 0; i < sizeof(bad_at) / sizeof(bad_at[0]); i++) {
		read_at(bytes, sizeof(bytes) - 1, bad_at[i], &bad);
		assert_true(bad);
	}
}

/* Names in answers may hold any byte; a terminal is shown none of them. */
static void test_odd_bytes(void **state)
{
	char text[DNAME_TEXT_MAX];
	struct dname n;
	bool bad;

	(void)state;
	n = read_at("\6a.\x1b[\xff;\0", 8, DNSMSG_HEAD, &bad);
	assert_false(bad);
	assert_string_equal(dname_format(&n, text), "a\\046\\027[\\255\\059.");
}

/* ---- key files */

static void good_file(const char *text, const char *key_name, const char *algorithm)
{
	char why[TSIG_WHY_MAX] = "", got[DNAME_TEXT_MAX];
	struct tsig_key key;

	if (tsig_parse("f", text, strlen(text), &key, why) != 0)
		fail_msg("%s", why);
	assert_string_equal(dname_format(&key.name, got), key_name);
	assert_string_equal(key.algorithm->name, algorithm);
	assert_int_equal(key.len, 32);
	for (size_t i = 0; i < key.len; i++)
		assert_int_equal(key.secret[i], i + 1);
}

static void test_file(void **state)
{
	(void)state;
	good_file("key \"host.example.org\" {\n\talgorithm hmac-sha256;\n\tsecret \"" SECRET
		  "\";\n};\n",
		"host.example.org.", "hmac-sha256");
	/* comments of all kinds, any order, no quotes, no white space */
	good_file("# knot\n// c++ \"{\n/* c\n key */key Host.EXAMPLE.org.{secret " SECRET
		  ";algorithm HMAC-SHA512;};",
		"host.example.org.", "hmac-sha512");
}

static void test_bad_file(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "f:1: here 'key' is wanted"},
		{"\n\n" SECRET, "f:3: here 'key' is wanted"},
		{"key a {\nalgorithm hmac-md5;", "f:2: the algorithm is unknown or too weak"},
		{"key a {\nalgorithm hmac-sha1;", "f:2: the algorithm is unknown or too weak"},
		{"key a {\nalgorithm hmac-sha256-128;",
			"f:2: the algorithm is unknown or too weak"},
		{"key a..b {", "f:1: the key's name is no domain name"},
		{"key a { algorithm hmac-sha256 }", "f:1: here ';' is wanted"},
		{"key a { algorithm hmac-sha256; };", "f:1: the key has no secret"},
		{"key a { secret \"" SECRET "\"; };", "f:1: the key has no algorithm"},
		{"key a {\n secret \"" SECRET "\"; secret x;", "f:2: here 'algorithm' or 'secret'"},
		{"key a { secret \"!!!!\";", "f:1: the secret is not base64"},
		{"key a { secret \"AAA\";", "f:1: the secret is not base64"},
		{"key a { secret \"\";", "f:1: an empty word"},
		{"key a { secret \"AAAA\";", "f:1: the secret has 3 bytes, which can be guessed"},
		{"key a { secret \"AAAA", "f:1: a quote is open"},
		{"key a { algorithm hmac-sha256; secret \"" SECRET "\"; }",
			"f:1: here ';' is wanted"},
		{"key a { algorithm hmac-sha256; secret \"" SECRET "\"; };\nkey b {};",
			"f:2: something follows the key"},
		{"key a { \x01", "f:1: byte 0x01 does not belong there"},
		{"/* never", "f:1: here 'key' is wanted"},
		{"Kexample. +157+1\nPrivate-key-format: v1.3\nKey: " SECRET,
			"f:1: here 'key' is wanted"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char why[TSIG_WHY_MAX] = "";
		struct tsig_key key = {.len = 7};

		assert_int_equal(
			tsig_parse("f", bad[i].text, strlen(bad[i].text), &key, why), -EINVAL);
		if (strncmp(why, bad[i].why, strlen(bad[i].why)) != 0)
			fail_msg("'%s' instead of '%s'", why, bad[i].why);
		/* what is wrong may be the secret: never repeated */
		assert_null(strstr(why, "AQIDBAUG"));
		assert_int_equal(key.len, 7);
	}
}

/* Nothing but the first bytes of a good file, and a good file with one byte changed, ever overruns. */
static void test_file_pieces(void **state)
{
	static const char good[] = "key a { algorithm hmac-sha256; secret \"" SECRET "\"; };";
	char why[TSIG_WHY_MAX];
	struct tsig_key key;

	(void)state;
	for (size_t len = 0; len < sizeof(good) - 1; len++) {
		char *piece = malloc(len ? len : 1); /* exact, for the sanitizer */

		memcpy(piece, good, len);
		assert_int_equal(tsig_parse("f", piece, len, &key, why), -EINVAL);
		free(piece);
	}
	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (int c = 0; c < 256; c += 5) {
			char changed[sizeof(good)];

			memcpy(changed, good, sizeof(good));
			changed[i] = (char)c;
			tsig_parse("f", changed, sizeof(good) - 1, &key, why);
		}
}

static void test_permission(void **state)
{
	static const char good[] = "key a { algorithm hmac-sha256; secret \"" SECRET "\"; };";
	char path[] = "/tmp/test_tsig.XXXXXX", why[TSIG_WHY_MAX];
	int fd = mkstemp(path);
	struct tsig_key key;

	(void)state;
	assert_int_equal(write(fd, good, strlen(good)), strlen(good));
	close(fd);
	assert_int_equal(tsig_load(path, &key, why), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(tsig_load(path, &key, why), -EINVAL);
	assert_non_null(strstr(why, "is open to others; chmod 600"));
	unlink(path);
	assert_int_equal(tsig_load(path, &key, why), -EINVAL);
	assert_non_null(strstr(why, path));
	assert_int_equal(tsig_load("/tmp", &key, why), -EINVAL);
	assert_non_null(strstr(why, "no regular file"));
}

/* ---- signatures */

static struct tsig_key key_of(const char *algorithm)
{
	char text[200], why[TSIG_WHY_MAX];
	struct tsig_key key;

	snprintf(text, sizeof(text), "key k.example { algorithm %s; secret \"%s\"; };", algorithm,
		SECRET);
	assert_int_equal(tsig_parse("f", text, strlen(text), &key, why), 0);
	return key;
}

static size_t request(
	const struct tsig_key *key, uint64_t when, uint8_t *buf, size_t cap, struct tsig_mac *mac)
{
	struct wire_writer w = wire_writer(buf, cap);
	struct dname n = name("host.example");

	dns_question_put(&w, 0x1234, &n, DNS_TYPE_SOA, false);
	assert_int_equal(tsig_sign(&w, key, when, mac), 0);
	return w.pos;
}

static void test_ldns_verifies(void **state)
{
	static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tsig_key key = key_of(algorithms[i]);
		uint8_t buf[512];
		struct tsig_mac mac;
		size_t len = request(&key, NOW, buf, sizeof(buf), &mac);
		ldns_pkt *p = NULL;

		assert_int_equal(ldns_wire2pkt(&p, buf, len), LDNS_STATUS_OK);
		assert_true(ldns_pkt_tsig_verify(p, buf, len, "k.example.", SECRET, NULL));
		ldns_pkt_free(p);
		/* and does not where a byte is another */
		buf[3] ^= 0x10;
		p = NULL;
		assert_int_equal(ldns_wire2pkt(&p, buf, len), LDNS_STATUS_OK);
		assert_false(ldns_pkt_tsig_verify(p, buf, len, "k.example.", SECRET, NULL));
		ldns_pkt_free(p);
	}
}

/* libldns plays the server: its answer to our request, signed; the caller frees. */
static uint8_t *answer(const struct tsig_mac *mac, const char *algorithm, const char *secret,
	const char *key_name, size_t *ret_len)
{
	ldns_rdf *query_mac = NULL;
	ldns_pkt *p = ldns_pkt_query_new(ldns_dname_new_frm_str("host.example."), LDNS_RR_TYPE_SOA,
		LDNS_RR_CLASS_IN, LDNS_QR);
	uint8_t *wire = NULL, field[2 + TSIG_MAC_MAX] = {0, mac->len};

	memcpy(field + 2, mac->b, mac->len);
	query_mac = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, 2u + mac->len, field);
	ldns_pkt_set_id(p, 0x1234);
	assert_int_equal(
		ldns_pkt_tsig_sign(p, key_name, secret, 300, algorithm, query_mac), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&wire, p, ret_len), LDNS_STATUS_OK);
	ldns_rdf_deep_free(query_mac);
	ldns_pkt_free(p);
	return wire;
}

static void test_verifies_ldns(void **state)
{
	struct tsig_key key = key_of("hmac-sha256");
	uint64_t now = (uint64_t)time(NULL), there = 0;
	struct tsig_mac mac, other;
	uint8_t buf[512], *wire;
	size_t len;

	(void)state;
	request(&key, now, buf, sizeof(buf), &mac);
	wire = answer(&mac, "hmac-sha256.", SECRET, "k.example.", &len);
	assert_int_equal(tsig_verify(wire, len, &key, &mac, now, NULL), TSIG_GOOD);
	/* another time, another request, another byte anywhere, any piece */
	assert_int_equal(tsig_verify(wire, len, &key, &mac, now + 400, &there), TSIG_STALE);
	assert_in_range(there, now, now + 60);
	other = mac;
	other.b[0] ^= 1;
	assert_int_equal(tsig_verify(wire, len, &key, &other, now, NULL), TSIG_BAD);
	for (size_t i = 0; i < len; i++) {
		enum tsig_verdict v;

		wire[i] ^= 0x41;
		v = tsig_verify(wire, len, &key, &mac, now, NULL);
		wire[i] ^= 0x41;
		/* the message id of the head is replaced by that of the record (RFC 8945 4.3.2) */
		if (i >= 2)
			assert_int_not_equal(v, TSIG_GOOD);
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t *piece = malloc(i ? i : 1);

		memcpy(piece, wire, i);
		assert_int_not_equal(tsig_verify(piece, i, &key, &mac, now, NULL), TSIG_GOOD);
		free(piece);
	}
	free(wire);
	/* another secret, another name, another algorithm */
	wire = answer(&mac, "hmac-sha256.",
		"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=", "k.example.", &len);
	assert_int_equal(tsig_verify(wire, len, &key, &mac, now, NULL), TSIG_BAD);
	free(wire);
	wire = answer(&mac, "hmac-sha256.", SECRET, "j.example.", &len);
	assert_int_equal(tsig_verify(wire, len, &key, &mac, now, NULL), TSIG_BAD);
	free(wire);
	wire = answer(&mac, "hmac-sha512.", SECRET, "k.example.", &len);
	assert_int_equal(tsig_verify(wire, len, &key, &mac, now, NULL), TSIG_BAD);
	free(wire);
}

/* An error as servers send it: `error`, a MAC of len bytes that proves nothing, and the server's time. */
static enum tsig_verdict says(unsigned int error, size_t len)
{
	struct tsig_key key = key_of("hmac-sha256");
	struct dname k = name("k.example"), a = name("hmac-sha256");
	struct dns_head head = {.id = 0x1234, .flags = DNS_FLAG_QR | 9, .count = {0, 0, 0, 1}};
	struct tsig_mac mac = {.len = 32};
	uint8_t buf[512], rdata[200] = {0};
	struct wire_writer w = wire_writer(buf, sizeof(buf)), r = wire_writer(rdata, sizeof(rdata));

	dname_put(&r, &a);
	wire_put_u16(&r, 0);
	wire_put_u32(&r, (uint32_t)NOW);
	wire_put_u16(&r, 300);
	wire_put_u16(&r, (uint16_t)len);
	if (len)
		wire_reserve(&r, len);
	wire_put_u16(&r, 0x1234);
	wire_put_u16(&r, (uint16_t)error);
	wire_put_u16(&r, 0);
	dns_head_put(&w, &head);
	dns_rr_put(&w, &k, DNS_TYPE_TSIG, DNS_CLASS_ANY, 0, rdata, r.pos);
	return tsig_verify(buf, w.pos, &key, &mac, NOW, NULL);
}

static void test_errors(void **state)
{
	uint8_t plain[DNSMSG_HEAD] = {0x12, 0x34, 0x80, 5};
	struct tsig_key key = key_of("hmac-sha256");
	struct tsig_mac mac = {.len = 32};

	(void)state;
	assert_int_equal(says(16, 0), TSIG_BADSIG);
	assert_int_equal(says(17, 0), TSIG_BADKEY);
	/* the others must be proved */
	assert_int_equal(says(18, 0), TSIG_BAD);
	assert_int_equal(says(18, 32), TSIG_BAD);
	assert_int_equal(says(17, 32), TSIG_BAD);
	assert_int_equal(says(0, 0), TSIG_BAD);
	assert_int_equal(tsig_verify(plain, sizeof(plain), &key, &mac, NOW, NULL), TSIG_MISSING);
	assert_int_equal(tsig_verify(plain, 5, &key, &mac, NOW, NULL), TSIG_BAD);
}

static void test_too_small(void **state)
{
	struct tsig_key key = key_of("hmac-sha256");
	struct dname n = name("host.example");
	uint8_t buf[100];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct tsig_mac mac;

	(void)state;
	dns_question_put(&w, 1, &n, DNS_TYPE_SOA, false);
	assert_int_equal(tsig_sign(&w, &key, NOW, &mac), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_odd_bytes),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_file_pieces),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_ldns_verifies),
		cmocka_unit_test(test_verifies_ldns),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
