/* SPDX-License-Identifier: BSD-2-Clause */
/* peers.d: every key, every fault with its line, and what stays when one is made. */
#include "agent/manual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ike/payload.h"

/* Ed25519, of RFC 8410 section 10.1. */
#define KEY "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="

struct heard {
	size_t n;
	char text[40][400];
};

static void hear(void *arg, const char *text)
{
	struct heard *h = arg;

	assert_true(h->n < 40);
	snprintf(h->text[h->n++], sizeof(h->text[0]), "%s", text);
}

static struct manual *parsed(const struct manual *old, const char *text, struct heard *h)
{
	struct manual *m = manual_new();
	size_t faults;

	*h = (struct heard){0};
	faults = manual_parse(m, old, NULL, "f", text, strlen(text), hear, h);
	assert_int_equal(faults, h->n);
	return m;
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static const char *found(const struct manual *m, const char *text)
{
	struct addr a = addr(text);
	const struct manual_peer *p = manual_find(m, &a);

	return p ? p->name : "";
}

static void test_all_keys(void **state)
{
	struct heard h;
	struct manual *m = parsed(NULL,
		"\xef\xbb\xbf# two peers\n"
		"[peer office]\n"
		"  address = 192.0.2.0/24, 2001:db8::/64 ; both families\n"
		"auth = psk\n"
		"identity = me@example.org\n"
		"peer-identity = gate.example.org\n"
		"secret = hq\n"
		"[peer pinned]\r\n"
		"address = 192.0.2.7\r\n"
		"auth = key\n"
		"key = " KEY " " KEY "\n",
		&h);
	const struct manual_peer *p = manual_at(m, 0), *q = manual_at(m, 1);
	struct addr remote = addr("192.0.2.7");
	char text[200];
	struct ike_terms t;

	(void)state;
	assert_int_equal(h.n, 0);
	assert_int_equal(manual_count(m), 2);
	assert_string_equal(p->name, "office");
	assert_int_equal(p->auth, MANUAL_PSK);
	assert_int_equal(p->line, 2);
	assert_int_equal(p->secret_line, 7);
	assert_int_equal(p->n_addrs, 2);
	manual_terms(p, &remote, &t);
	assert_string_equal(t.psk, "hq");
	assert_int_equal(t.self_type, IKE_ID_RFC822_ADDR);
	assert_memory_equal(t.self_id, "me@example.org", t.self_len);
	assert_int_equal(t.peer_type, IKE_ID_FQDN);
	assert_int_equal(t.peer_len, 16);
	assert_string_equal(manual_words(p, text, sizeof(text)), "the shared secret 'hq'");
	assert_int_equal(q->auth, MANUAL_KEY);
	assert_int_equal(q->n_keys, 2);
	assert_int_equal(q->keys[1].len, 44);
	assert_memory_equal(q->keys[1].spki, "\x30\x2a\x30\x05", 4);
	manual_terms(q, &remote, &t);
	assert_string_equal(t.psk, "");
	assert_int_equal(t.self_type, 0);
	/* the peer's own address is what it must claim */
	assert_int_equal(t.peer_type, IKE_ID_IPV4_ADDR);
	assert_int_equal(t.peer_len, 4);
	assert_memory_equal(t.peer_id, remote.b, 4);
	/* the longest prefix */
	assert_string_equal(found(m, "192.0.2.7"), "pinned");
	assert_string_equal(found(m, "192.0.2.8"), "office");
	assert_string_equal(found(m, "2001:db8::1"), "office");
	assert_string_equal(found(m, "192.0.3.8"), "");
	manual_free(m);
	manual_free(NULL);
}

static void test_identities(void **state)
{
	static const struct {
		const char *text;
		uint8_t type;
		size_t len;
	} good[] = {{"192.0.2.1", IKE_ID_IPV4_ADDR, 4}, {"2001:db8::1", IKE_ID_IPV6_ADDR, 16},
		{"a.example.org", IKE_ID_FQDN, 13}, {"host", IKE_ID_FQDN, 4},
		{"u@example.org", IKE_ID_RFC822_ADDR, 13}, {"keyid:u@x y", IKE_ID_KEY_ID, 5},
		{"CN=x", IKE_ID_DER_ASN1_DN, 14},
		{"C=DE, O = A\\, B , CN=u@x.example", IKE_ID_DER_ASN1_DN, 52}};
	static const char *const bad[] = {"", "keyid:", "@example.org", ".org", "a b", "=x",
		"CN=", "Name=x", "C=DE,,CN=x", "C=DEU"};
	char text[300];
	struct heard h;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text),
			"[peer x]\naddress=::1\nauth=psk\nidentity = %s\npeer-identity = %s\n",
			good[i].text, good[i].text);
		struct manual *m = parsed(NULL, text, &h);
		const struct manual_peer *p = manual_at(m, 0);

		assert_int_equal(h.n, 0);
		assert_int_equal(p->self.how, MANUAL_ID_GIVEN);
		assert_int_equal(p->self.type, good[i].type);
		assert_int_equal(p->self.len, good[i].len);
		assert_int_equal(p->peer.type, good[i].type);
		manual_free(m);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[peer x]\naddress=::1\nauth=psk\nidentity = %s\n",
			bad[i]);
		struct manual *m = parsed(NULL, text, &h);

		assert_int_equal(h.n, 1);
		assert_int_equal(manual_count(m), 0);
		manual_free(m);
	}
	struct manual *m =
		parsed(NULL, "[peer x]\naddress=::1\nauth=psk\npeer-identity = any\n", &h);
	struct addr remote = addr("::1");
	struct ike_terms t;

	manual_terms(manual_at(m, 0), &remote, &t);
	assert_int_equal(t.peer_type, 0);
	assert_string_equal(t.psk, "x"); /* named after the peer */
	manual_free(m);
}

/* Each fault: one line that names the place; the good peer behind it works. */
static void test_faults(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"[peer x]\nauth = psk\n", "f:1: [peer x] has no address; write address = ADDRESS"},
		{"[peer x]\naddress = ::1\n", "f:1: [peer x] does not say how it proves itself"},
		{"[peer x]\naddress = ::1\nauth = key\n",
			"f:1: [peer x] has auth = key, but no key"},
		{"[peer x]\naddress = ::1\nauth = rsa\n", "f:3: auth: 'rsa' is unknown; write psk"},
		{"[peer x]\naddress = ::1/0\nauth = psk\n", "f:2: address: '::1/0' is no address"},
		{"[peer x]\naddress = host\nauth = psk\n", "f:2: address: 'host' is no address"},
		{"[peer x]\naddress =\nauth = psk\n", "f:2: address: nothing there"},
		{"[peer x]\naddress = ::1\nauth = x509\nca = a\n",
			"f:1: [peer x] has auth = x509, but no certificate; write certificate = "
			"FILE"},
		{"[peer x]\naddress = ::1\nauth = x509\ncertificate = a\n",
			"f:1: [peer x] has auth = x509, but no ca; write ca = FILE"},
		{"[peer x]\naddress = ::1\nauth = x509\nca =\ncertificate = a\n",
			"f:4: ca: '' is no file's name"},
		{"[peer x]\naddress = ::1\nauth = psk\nca = a\n",
			"f:4: ca: of no use with auth = psk"},
		{"[peer x]\naddress = ::1\nauth = x509\nca = a\ncertificate = b\nkey = " KEY "\n",
			"f:6: key: of no use with auth = x509"},
		{"[peer x]\naddress = ::1\nauth = psk\nsecret = ../x\n",
			"f:4: secret: '../x' is no"},
		{"[peer x]\naddress = ::1\nauth = psk\nsecret = .x\n", "f:4: secret: '.x' is no"},
		{"[peer x]\naddress = ::1\nauth = psk\nkey = " KEY "\n",
			"f:4: key: of no use with"},
		{"[peer x]\naddress = ::1\nauth = key\nkey = " KEY "\nsecret = y\n",
			"f:5: secret: of no use with auth = key"},
		{"[peer x]\naddress = ::1\nauth = key\nkey = AAAA\n",
			"f:4: key: 'AAAA' is no public"},
		{"[peer x]\naddress = ::1\nauth = key\nkey = A\n",
			"f:4: key: 'A' is no public key"},
		{"[peer x]\naddress = ::1\naddress = ::2\nauth = psk\n",
			"f:3: address stands in line 2 already"},
		{"[peer x]\naddress = ::1\nauth = psk\npassword = y\n",
			"f:4: no key 'password' in"},
		{"[peer x]\naddress = ::1\nauth = psk\nwhat\n",
			"f:4: 'what' is neither a section nor"},
		{"[peer x]\naddress = ::1\nauth = psk\nsecret = \xc3\xa4\n",
			"f:4: byte 0xc3 is no"},
		{"address = ::1\nauth = psk\n", "f:1: 'address = ::1' stands before any section"},
		{"[group x]\naddress = ::1\nauth = psk\n", "f:1: '[group x]' is no section"},
		{"[peer ]\naddress = ::1\nauth = psk\n", "f:1: '[peer ]'"},
		{"[peer]\naddress = ::1\nauth = psk\n", "f:1: '[peer]' is no section"},
		{"[peer a/b]\naddress = ::1\nauth = psk\n",
			"f:1: '[peer a/b]': the name is no good"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600];
		struct heard h;
		struct manual *m;

		snprintf(text, sizeof(text), "%s[peer good]\naddress = 192.0.2.1\nauth = psk\n",
			cases[i].text);
		m = parsed(NULL, text, &h);
		if (h.n != 1 || strncmp(h.text[0], cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%zu faults, \"%s\", not \"%s\"", h.n, h.text[0], cases[i].want);
		if (manual_count(m) != 1 || strcmp(found(m, "192.0.2.1"), "good") != 0)
			fail_msg("%s: the good one is gone", cases[i].want);
		manual_free(m);
	}
}

static void test_twice(void **state)
{
	struct heard h;
	struct manual *m = parsed(NULL,
		"[peer a]\naddress = 192.0.2.1\nauth = psk\n"
		"[peer a]\naddress = 192.0.2.2\nauth = psk\n"
		"[peer b]\naddress = 192.0.2.1\nauth = psk\n",
		&h);

	(void)state;
	assert_int_equal(h.n, 2);
	assert_string_equal(h.text[0], "f:4: [peer a] stands in f:1 already; give it another name");
	assert_string_equal(
		h.text[1], "f:7: [peer b] has an address of [peer a] (f:1); delete one of the two");
	assert_int_equal(manual_count(m), 1);
	manual_free(m);
}

/* A fault in what worked leaves that as it was; what is gone is gone. */
static void test_keeps(void **state)
{
	struct heard h;
	struct manual *old = parsed(NULL,
		"[peer a]\naddress = 192.0.2.1\nauth = psk\n"
		"[peer b]\naddress = 192.0.2.2\nauth = psk\n",
		&h);
	struct manual *m = parsed(old,
		"[peer a]\naddress = 192.0.2.1\nauth = pks\n"
		"[peer c]\naddress = 192.0.2.3\nauth = psk\n",
		&h);

	(void)state;
	assert_int_equal(h.n, 1);
	assert_string_equal(found(m, "192.0.2.1"), "a");
	assert_true(manual_same(manual_at(old, 0), manual_at(m, 0)));
	assert_string_equal(found(m, "192.0.2.2"), "");
	assert_string_equal(found(m, "192.0.2.3"), "c");
	manual_free(m);
	manual_free(old);
}

/* RFC 8784. */
static void test_ppk(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{"ppk = ../x\n", "4: ppk: '../x' is no name; write NAME where the secret is in "
				 "keys/NAME.psk"},
		{"ppk-id = x\n", "4: ppk-id: of no use without a PPK; write ppk = NAME"},
		{"ppk = q\nppk-required = maybe\n",
			"5: ppk-required: 'maybe' is unknown; write yes or no"},
		{"ppk = q\nppk-id =\n", "5: ppk-id: 0 bytes; write a text of 1 to 64"},
	};
	struct addr remote = addr("::1");
	struct ike_terms t;
	struct heard h;
	struct manual *m;
	char text[200];

	(void)state;
	m = parsed(NULL, "[peer a]\naddress = ::1\nauth = psk\nppk = q\n", &h);
	assert_int_equal(h.n, 0);
	manual_terms(manual_at(m, 0), &remote, &t);
	assert_string_equal(t.ppk, "q");
	assert_int_equal(t.ppk_required, 1);
	assert_int_equal(t.ppk_id_len, 1);
	assert_memory_equal(t.ppk_id, "q", 1);
	assert_int_equal(manual_at(m, 0)->ppk_line, 4);
	manual_free(m);
	m = parsed(NULL,
		"[peer a]\naddress = ::1\nauth = psk\nppk-id = our ppk\nppk = q\n"
		"ppk-required = no\n",
		&h);
	assert_int_equal(h.n, 0);
	manual_terms(manual_at(m, 0), &remote, &t);
	assert_int_equal(t.ppk_required, 0);
	assert_int_equal(t.ppk_id_len, 7);
	assert_memory_equal(t.ppk_id, "our ppk", 7);
	manual_free(m);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(
			text, sizeof(text), "[peer a]\naddress = ::1\nauth = psk\n%s", bad[i].text);
		m = parsed(NULL, text, &h);
		assert_int_equal(h.n, 1);
		assert_non_null(strstr(h.text[0], bad[i].said));
		assert_int_equal(manual_count(m), 0);
		manual_free(m);
	}
}

static void test_same(void **state)
{
	static const char *const others[] = {
		"[peer a]\naddress = ::1\nauth = psk\nsecret = y\n",
		"[peer a]\naddress = ::1\nauth = psk\npeer-identity = any\n",
		"[peer a]\naddress = ::1\nauth = psk\npeer-identity = b\n",
		"[peer a]\naddress = ::1\nauth = psk\nidentity = b\n",
		"[peer a]\naddress = ::1\nauth = psk\nppk = b\n",
		"[peer a]\naddress = ::1\nauth = key\nkey = " KEY "\n",
	};
	struct heard h;
	struct manual *a = parsed(NULL, "[peer a]\naddress = ::1\nauth = psk\n", &h);
	/* another place, another name, more addresses */
	struct manual *b =
		parsed(NULL, "\n[peer b]\naddress = ::1 ::2\nauth = psk\nsecret = a\n", &h);

	(void)state;
	assert_true(manual_same(manual_at(a, 0), manual_at(b, 0)));
	assert_true(manual_same(NULL, NULL));
	assert_false(manual_same(manual_at(a, 0), NULL));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct manual *o = parsed(NULL, others[i], &h);

		assert_int_equal(h.n, 0);
		assert_false(manual_same(manual_at(a, 0), manual_at(o, 0)));
		manual_free(o);
	}
	manual_free(a);
	manual_free(b);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/peers.d/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/oed-manual-XXXXXX", path[100], command[100];
	struct heard h = {0};
	struct manual *m;
	size_t refused;

	(void)state;
	assert_non_null(mkdtemp(dir));
	m = manual_load(dir, NULL, hear, &h, &refused); /* no directory: nobody */
	assert_int_equal(manual_count(m) + refused + h.n, 0);
	manual_free(m);
	snprintf(path, sizeof(path), "%s/peers.d", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file(dir, "b.conf", "[peer b]\naddress = ::2\nauth = psk\n");
	write_file(dir, "a.conf", "[peer a]\naddress = ::1\nauth = psk\nx\n");
	write_file(dir, ".c.conf", "[peer c]\naddress = ::3\nauth = psk\n");
	write_file(dir, "d.conf~", "[peer d]\naddress = ::4\nauth = psk\n");
	m = manual_load(dir, NULL, hear, &h, &refused);
	assert_int_equal(manual_count(m), 1);
	assert_int_equal(refused, 1);
	assert_int_equal(h.n, 1);
	assert_non_null(strstr(h.text[0], "/peers.d/a.conf:4: 'x' is neither"));
	manual_free(m);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_keeps),
		cmocka_unit_test(test_ppk),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
