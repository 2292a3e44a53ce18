/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of peers in peers.d: each fault of a file, what stays in force, and what goes along
 * to the ike service. */
#include "agent/certs.h"

#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/manual.h"
#include "ike/cert.h"
#include "tests/unit/ike/certs.h"
#include "tests/unit/ike/test_sa_world.h"

static char dir[] = "/tmp/oed-certs-XXXXXX";

/* ---- files */

/* In one of two buffers used in turn. */
static const char *path_of(const char *name)
{
	static char path[2][300];
	static unsigned int turn;
	char *at = path[++turn % 2];

	snprintf(at, sizeof(path[0]), "%s/%s", dir, name);
	return at;
}

static void write_text(const char *name, const char *mode, const char *text)
{
	FILE *f = fopen(path_of(name), mode);

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Adds to what stands there; frees it. */
static void write_cert(const char *name, X509 *cert)
{
	FILE *f = fopen(path_of(name), "a");

	assert_true(f && PEM_write_X509(f, cert));
	fclose(f);
	X509_free(cert);
}

/* Its time is by the clock of this machine, which the code looks at. */
static X509 *make(const struct cert_spec *spec)
{
	struct cert_spec s = *spec;
	int64_t now = time(NULL) - WORLD_EPOCH;

	s.from = now + (spec->from ? spec->from : -DAY);
	s.to = now + (spec->to ? spec->to : DAY);
	return cert_make(&s);
}

/* ---- what is heard */

static struct {
	size_t n;
	char text[20][1000];
} heard;

static void hear(void *arg, const char *text)
{
	(void)arg;
	assert_true(heard.n < 20);
	snprintf(heard.text[heard.n++], sizeof(heard.text[0]), "%s", text);
}

/* The text without the directory, which has another name each time. */
static void assert_heard(const char *want)
{
	char text[1000] = "", *at;

	if (heard.n != 1)
		fail_msg("%zu faults, not one: %s", heard.n, want);
	at = strstr(heard.text[0], dir);
	snprintf(text, sizeof(text), "%.*s%s",
		at ? (int)(at - heard.text[0]) : (int)strlen(heard.text[0]), heard.text[0],
		at ? at + strlen(dir) + 1 : "");
	assert_string_equal(text, want);
}

static struct manual *load(const struct manual *old, const char *more)
{
	struct manual *m = manual_new();
	char text[600];
	size_t faults;

	heard.n = 0;
	snprintf(text, sizeof(text),
		"[peer x]\naddress = 192.0.2.1\nauth = x509\nca = ca.pem\ncertificate = "
		"own.pem\n%s",
		more);
	faults = manual_parse(m, old, dir, "f", text, strlen(text), hear, NULL);
	assert_int_equal(faults, heard.n);
	return m;
}

/* A CA, and a host's certificate by it. */
static void write_good(void)
{
	struct cert_spec ca = {.key = world_key(KEY_P384), .cn = "CA", .ca = true};
	struct cert_spec own = {.key = world_key(KEY_ED25519),
		.cn = "host",
		.san = "DNS:host.example.org",
		.issuer_key = world_key(KEY_P384)};

	remove(path_of("ca.pem"));
	remove(path_of("own.pem"));
	own.issuer = make(&ca);
	write_cert("own.pem", make(&own));
	write_cert("ca.pem", own.issuer);
}

static struct ike_pubkey public(EVP_PKEY *key)
{
	struct ike_pubkey ret = {0};
	uint8_t *p = ret.spki;

	ret.len = (uint16_t)i2d_PUBKEY(key, &p);
	return ret;
}

static void test_good(void **state)
{
	struct addr remote;
	struct ike_terms t;
	struct ike_bytes split[2];
	struct ike_pubkey keys[2];
	const struct manual_peer *p;
	const uint8_t *tail;
	struct manual *m;
	uint8_t n, hash[IKE_CA_HASH_LEN];
	char words[200];
	size_t len;
	X509 *ca;

	(void)state;
	write_good();
	m = load(NULL, "identity = host.example.org\npeer-identity = O=Test, CN=b\n");
	assert_int_equal(heard.n, 0);
	p = manual_at(m, 0);
	assert_int_equal(p->auth, MANUAL_X509);
	assert_string_equal(
		manual_words(p, words, sizeof(words)), "a certificate of a CA in ca.pem");
	assert_int_equal(addr_parse("192.0.2.1", &remote), 0);
	manual_terms(p, &remote, &t);
	assert_int_equal(t.n_cas, 1);
	assert_int_equal(t.n_own, 1);
	assert_int_equal(t.self_type, IKE_ID_FQDN);
	assert_int_equal(t.peer_type, IKE_ID_DER_ASN1_DN);
	/* as the ike service reads it */
	tail = certs_tail(p->certs, &len);
	assert_int_equal(ike_certs_split(tail, len, 2, split), 0);
	ca = ike_cert_read(split[0]);
	assert_non_null(ca);
	assert_int_equal(ike_cert_key_hash(ca, hash), 0);
	assert_memory_equal(certs_hashes(p->certs, &n), hash, sizeof(hash));
	assert_int_equal(n, 1);
	X509_free(ca);
	/* the key */
	keys[0] = public(world_key(KEY_P256));
	keys[1] = public(world_key(KEY_ED25519));
	manual_check_keys(m, keys, 2, hear, NULL);
	assert_int_equal(heard.n, 0);
	manual_check_keys(m, keys, 1, hear, NULL);
	assert_heard(
		"f:5: certificate: own.pem is for a key that is not in the directory keys; ask "
		"the CA for one for this host's key, or put its key there");
	manual_free(m);
}

/* A root at the end of our chain stays here; another one does not. */
static void test_chain(void **state)
{
	struct cert_spec root = {.key = world_key(KEY_P521), .cn = "Root", .ca = true};
	struct cert_spec mid = {.key = world_key(KEY_P384), .cn = "CA", .ca = true};
	struct addr remote;
	struct ike_terms t;
	struct manual *m;

	(void)state;
	write_good();
	mid.issuer = make(&root);
	mid.issuer_key = root.key;
	write_cert("own.pem", make(&mid));
	write_cert("own.pem", mid.issuer);
	m = load(NULL, "");
	assert_int_equal(heard.n, 0);
	assert_int_equal(addr_parse("192.0.2.1", &remote), 0);
	manual_terms(manual_at(m, 0), &remote, &t);
	assert_int_equal(t.n_own, 2);
	manual_free(m);
}

/* The peer stays, and has no certificates: nobody can prove to be it. */
static void assert_refused(const char *why)
{
	struct manual *m = load(NULL, ""), *old, *kept;

	assert_heard(why);
	assert_int_equal(manual_count(m), 1);
	assert_null(manual_at(m, 0)->certs);
	manual_free(m);
	/* or keeps those that it had */
	rename(path_of("ca.pem"), path_of("ca.bad"));
	rename(path_of("own.pem"), path_of("own.bad"));
	write_good();
	old = load(NULL, "");
	assert_int_equal(heard.n, 0);
	remove(path_of("ca.pem"));
	rename(path_of("ca.bad"), path_of("ca.pem"));
	rename(path_of("own.bad"), path_of("own.pem"));
	kept = load(old, "");
	assert_heard(why);
	assert_true(manual_same(manual_at(old, 0), manual_at(kept, 0)));
	manual_free(old);
	assert_non_null(manual_at(kept, 0)->certs);
	manual_free(kept);
}

static void test_faults(void **state)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	struct cert_spec host = {.key = world_key(KEY_ED25519), .cn = "host"};
	struct cert_spec weak = {.key = rsa, .cn = "weak", .ca = true};
	struct cert_spec use = {.key = world_key(KEY_ED25519), .cn = "host", .usage = "cRLSign"};

	(void)state;
	write_good();
	remove(path_of("ca.pem"));
	assert_refused("f:4: ca: ca.pem cannot be read (No such file or directory); put the "
		       "certificate there, mode 0644");
	write_good();
	write_text("own.pem", "w", "nothing\n");
	assert_refused(
		"f:5: certificate: own.pem holds no certificate; write it in PEM (-----BEGIN "
		"CERTIFICATE-----)");
	write_good();
	write_text(
		"own.pem", "a", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_refused("f:5: certificate: own.pem is damaged behind 1 certificates; copy it again");
	write_good();
	write_cert("ca.pem", make(&host));
	assert_refused(
		"f:4: ca: ca.pem (O=Test, CN=host) is no CA's certificate; write that of the "
		"CA which signed the peer's");
	write_good();
	write_cert("ca.pem", make(&weak));
	assert_refused(
		"f:4: ca: ca.pem (O=Test, CN=weak) has a key that is too weak, RSA must have "
		"2048 bits; ask the CA for another");
	write_good();
	write_text("own.pem", "w", "");
	write_cert("own.pem", make(&use));
	assert_refused("f:5: certificate: own.pem (O=Test, CN=host) has a keyUsage without "
		       "digitalSignature; ask the CA for one for signing");
	write_good();
	for (int i = 0; i < IKE_CHAIN_MAX; i++)
		write_cert("own.pem", make(&host));
	assert_refused("f:5: certificate: own.pem holds more than 6 certificates; take out what is "
		       "not needed");
	EVP_PKEY_free(rsa);
}

/* What is wrong, but still of use: told, and in force. */
static void test_complaints(void **state)
{
	struct cert_spec late = {.key = world_key(KEY_ED25519), .cn = "host", .to = -3600};
	struct cert_spec soon = {.key = world_key(KEY_ED25519), .cn = "host", .from = 3600};
	struct manual *m;

	(void)state;
	for (int i = 0; i < 3; i++) {
		write_good();
		if (i)
			write_text("own.pem", "w", "");
		if (i)
			write_cert("own.pem", make(i == 1 ? &late : &soon));
		m = load(NULL, i ? "" : "identity = other.example.org\n");
		assert_int_equal(heard.n, 1);
		assert_non_null(strstr(
			heard.text[0], i == 1   ? "own.pem (O=Test, CN=host) expired on 20"
				       : i == 2 ? "own.pem (O=Test, CN=host) is not valid before 20"
						: "f:6: identity: it is not in the certificate"));
		assert_non_null(manual_at(m, 0)->certs);
		manual_free(m);
	}
}

/* Another certificate of ours ends nothing; another CA does. */
static void test_same(void **state)
{
	struct cert_spec other = {.key = world_key(KEY_ED25519), .cn = "again"};
	struct manual *before, *after;

	(void)state;
	write_good();
	before = load(NULL, "");
	write_text("own.pem", "w", "");
	write_cert("own.pem", make(&other));
	after = load(before, "");
	assert_true(manual_same(manual_at(before, 0), manual_at(after, 0)));
	manual_free(after);
	other.ca = true;
	write_cert("ca.pem", make(&other));
	after = load(before, "");
	assert_int_equal(heard.n, 0);
	assert_false(manual_same(manual_at(before, 0), manual_at(after, 0)));
	manual_free(before);
	manual_free(after);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
