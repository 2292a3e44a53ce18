/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates: what a chain must be, which identities it carries, and every reason to refuse it.
 */
#include "ike/cert.h"

#include <errno.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ike/certs.h"
#include "tests/unit/ike/test_sa_world.h"

#define DNS(text)                                     \
	(struct ike_bytes)                            \
	{                                             \
		(const uint8_t *)(text), strlen(text) \
	}

/* A root, a CA below it, and a host below that. */
struct chain {
	X509 *root, *mid, *leaf;
};

static struct chain chain_new(const struct cert_spec *leaf, const struct cert_spec *mid)
{
	struct cert_spec root = {.key = world_key(KEY_P256), .cn = "Root", .ca = true};
	struct cert_spec m = mid ? *mid : (struct cert_spec){.ca = true};
	struct cert_spec l = *leaf;
	struct chain c = {.root = cert_make(&root)};

	m.key = m.key ? m.key : world_key(KEY_P384);
	m.cn = "Mid";
	m.issuer = c.root;
	m.issuer_key = root.key;
	c.mid = cert_make(&m);
	l.key = l.key ? l.key : world_key(KEY_ED25519);
	l.cn = l.cn ? l.cn : "host";
	l.issuer = c.mid;
	l.issuer_key = m.key;
	c.leaf = cert_make(&l);
	return c;
}

static void chain_free(struct chain *c)
{
	X509_free(c->root);
	X509_free(c->mid);
	X509_free(c->leaf);
}

/* Judges certs by one CA, at a time. why is "" for a good one. */
static const char *judge(
	X509 *ca, const struct ike_bytes *certs, size_t n, int64_t now, struct ike_cert_proof *ret)
{
	static char why[IKE_WHY_MAX];
	uint8_t der[IKE_CERT_MAX], *at = der;
	struct ike_bytes cas = {der, (size_t)i2d_X509(ca, &at)};
	struct ike_cert_case c = {
		.cas = &cas, .n_cas = 1, .certs = certs, .n_certs = n, .now = now};
	struct ike_cert_proof proof;
	int r;

	memset(why, 0, sizeof(why));
	r = ike_cert_verify(&c, &proof, why);
	assert_true(r == 0 || (r == -EKEYREJECTED && *why));
	if (r == 0 && ret)
		*ret = proof;
	else if (r == 0)
		X509_free(proof.cert);
	assert_non_null(memchr(why, 0, sizeof(why)));
	return why;
}

static const char *judge_chain(const struct chain *c, int64_t now)
{
	struct ike_bytes certs[] = {cert_der(c->leaf), cert_der(c->mid)};

	return judge(c->root, certs, 2, now, NULL);
}

static void assert_refused(
	const struct cert_spec *leaf, const struct cert_spec *mid, const char *reason)
{
	struct chain c = chain_new(leaf, mid);

	assert_string_equal(judge_chain(&c, WORLD_EPOCH), reason);
	chain_free(&c);
}

static void test_good(void **state)
{
	struct cert_spec spec = {.to = 10 * DAY};
	struct chain c = chain_new(&spec, NULL);
	struct ike_bytes certs[] = {cert_der(c.leaf), cert_der(c.mid), cert_der(c.root)};
	struct ike_bytes swapped[] = {certs[0], certs[2], certs[1]};
	struct ike_bytes twice[] = {certs[0], certs[0], certs[1], certs[1]};
	struct ike_cert_proof proof;

	(void)state;
	assert_string_equal(judge(c.root, certs, 2, WORLD_EPOCH, &proof), "");
	assert_string_equal(proof.subject, "O=Test, CN=host");
	assert_string_equal(proof.ca, "O=Test, CN=Root");
	assert_int_equal(proof.until, WORLD_EPOCH + 10 * DAY);
	assert_int_equal(proof.key.len, 44);
	X509_free(proof.cert);
	/* the root along with it, the rest in another order, and again */
	assert_string_equal(judge(c.root, certs, 3, WORLD_EPOCH, NULL), "");
	assert_string_equal(judge(c.root, swapped, 3, WORLD_EPOCH, NULL), "");
	assert_string_equal(judge(c.root, twice, 4, WORLD_EPOCH, NULL), "");
	/* the CA in the middle is trusted by itself, and needs no root */
	assert_string_equal(judge(c.mid, certs, 1, WORLD_EPOCH, &proof), "");
	assert_string_equal(proof.ca, "O=Test, CN=Mid");
	X509_free(proof.cert);
	chain_free(&c);
}

/* The first to expire counts, be it the CA's. */
static void test_until(void **state)
{
	struct cert_spec mid = {.ca = true, .to = 3 * DAY}, leaf = {.to = 10 * DAY};
	struct chain c = chain_new(&leaf, &mid);
	struct ike_bytes certs[] = {cert_der(c.leaf), cert_der(c.mid)};
	struct ike_cert_proof proof;

	(void)state;
	assert_string_equal(judge(c.root, certs, 2, WORLD_EPOCH, &proof), "");
	assert_int_equal(proof.until, WORLD_EPOCH + 3 * DAY);
	X509_free(proof.cert);
	assert_string_equal(judge_chain(&c, WORLD_EPOCH + 3 * DAY - 1), "");
	assert_string_equal(judge_chain(&c, WORLD_EPOCH + 3 * DAY),
		"a CA's certificate (O=Test, CN=Mid) expired on 2026-11-24");
	chain_free(&c);
}

static void test_time(void **state)
{
	struct cert_spec spec = {.from = -DAY, .to = DAY};
	struct chain c = chain_new(&spec, NULL);

	(void)state;
	assert_string_equal(judge_chain(&c, WORLD_EPOCH + 2 * DAY),
		"the peer's certificate (O=Test, CN=host) expired on 2026-11-22");
	assert_string_equal(judge_chain(&c, WORLD_EPOCH - 2 * DAY),
		"the peer's certificate (O=Test, CN=host) is not valid before 2026-11-20; is the "
		"clock of this host right?");
	chain_free(&c);
}

static void test_unknown_ca(void **state)
{
	struct cert_spec leaf = {0};
	struct cert_spec other_root = {.key = world_key(KEY_P521), .cn = "Other", .ca = true};
	struct cert_spec same_name = {.key = world_key(KEY_P521), .cn = "Mid", .ca = true};
	struct cert_spec alone = {.key = world_key(KEY_ED25519), .cn = "host"};
	struct chain c = chain_new(&leaf, NULL);
	X509 *other = cert_make(&other_root), *fake = cert_make(&same_name),
	     *self = cert_make(&alone);
	struct ike_bytes certs[] = {cert_der(c.leaf), cert_der(c.mid), cert_der(c.root)};
	struct ike_bytes own = cert_der(self);

	(void)state;
	assert_string_equal(judge(other, certs, 1, WORLD_EPOCH, NULL),
		"the peer's certificate (O=Test, CN=host) is by O=Test, CN=Mid, which is no CA "
		"configured for it");
	assert_string_equal(judge(other, certs, 2, WORLD_EPOCH, NULL),
		"a CA's certificate (O=Test, CN=Mid) is by O=Test, CN=Root, which is no CA "
		"configured for it");
	/* a root that comes with it is not trusted for that */
	assert_string_equal(judge(other, certs, 3, WORLD_EPOCH, NULL),
		"a CA's certificate (O=Test, CN=Root) is by O=Test, CN=Root, which is no CA "
		"configured for it");
	/* the CA in the middle is missing */
	assert_string_equal(judge(c.root, certs, 1, WORLD_EPOCH, NULL),
		"the peer's certificate (O=Test, CN=host) is by O=Test, CN=Mid, which is no CA "
		"configured for it");
	/* another with the right name */
	assert_string_equal(judge(fake, certs, 1, WORLD_EPOCH, NULL),
		"the signature on the peer's certificate (O=Test, CN=host) is wrong");
	assert_string_equal(judge(c.root, &own, 1, WORLD_EPOCH, NULL),
		"the peer's certificate (O=Test, CN=host) is by O=Test, CN=host, which is no CA "
		"configured for it");
	X509_free(other);
	X509_free(fake);
	X509_free(self);
	chain_free(&c);
}

/* Who has a host's certificate is no CA, whatever else it says. */
static void test_no_ca(void **state)
{
	static const struct cert_spec mids[] = {
		{.basic = "CA:FALSE", .usage = "digitalSignature"},
		{.basic = "CA:FALSE", .usage = "keyCertSign"},
		{.basic = "", .usage = ""},
		{.basic = "", .usage = "keyCertSign"},
		{.basic = "critical,CA:TRUE", .usage = "digitalSignature"},
	};
	struct cert_spec leaf = {0}, deep = {.ca = true, .basic = "CA:TRUE,pathlen:0"};

	(void)state;
	for (size_t i = 0; i < sizeof(mids) / sizeof(mids[0]); i++)
		assert_refused(&leaf, &mids[i],
			"O=Test, CN=Mid stands in the peer's chain as a CA and is none");
	/* pathlen: below Mid there may be no other CA */
	struct chain c = chain_new(&leaf, &deep);
	struct cert_spec sub = {.key = world_key(KEY_P521),
		.cn = "Sub",
		.ca = true,
		.issuer = c.mid,
		.issuer_key = world_key(KEY_P384)};
	X509 *third = cert_make(&sub);
	struct cert_spec end = {.key = world_key(KEY_ED25519),
		.cn = "host",
		.issuer = third,
		.issuer_key = sub.key};
	X509 *host = cert_make(&end);
	struct ike_bytes certs[] = {cert_der(host), cert_der(third), cert_der(c.mid)};

	assert_string_equal(judge(c.root, certs, 3, WORLD_EPOCH, NULL),
		"the peer's certificate is further from the CA than is allowed");
	X509_free(third);
	X509_free(host);
	chain_free(&c);
}

static void test_usage(void **state)
{
	struct cert_spec leaf = {.usage = "keyEncipherment"};
	struct chain c;

	(void)state;
	assert_refused(&leaf, NULL,
		"the peer's certificate (O=Test, CN=host) has a keyUsage without digitalSignature");
	leaf = (struct cert_spec){.extended = "serverAuth,clientAuth"};
	assert_refused(&leaf, NULL,
		"the peer's certificate (O=Test, CN=host) has an extendedKeyUsage without "
		"ipsecIKE: "
		"it is for something else");
	static const struct cert_spec good[] = {{.usage = "nonRepudiation"}, {.usage = ""},
		{.extended = "serverAuth,ipsecIKE"}, {.extended = "critical,anyExtendedKeyUsage"}};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		c = chain_new(&good[i], NULL);
		assert_string_equal(judge_chain(&c, WORLD_EPOCH), "");
		chain_free(&c);
	}
}

static void test_weak(void **state)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *odd = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	struct cert_spec good = {0}, leaf = {.key = rsa}, mid = {.key = rsa, .ca = true};

	(void)state;
	assert_refused(
		&leaf, NULL, "the key of the peer's certificate (O=Test, CN=host) is too weak");
	assert_refused(&good, &mid, "the key of a CA's certificate (O=Test, CN=Mid) is too weak");
	leaf = (struct cert_spec){.md = EVP_sha1()};
	assert_refused(&leaf, NULL,
		"the peer's certificate (O=Test, CN=host) is signed by a hash that is broken");
	leaf = (struct cert_spec){.key = odd};
	assert_refused(&leaf, NULL,
		"the peer's certificate (O=Test, CN=host) has a key of a kind that we do not take");
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(odd);
}

/* A critical extension that nobody knows. */
static void test_critical(void **state)
{
	struct cert_spec leaf = {0};
	struct chain c = chain_new(&leaf, NULL);
	X509_EXTENSION *ext =
		X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, "critical,nobody knows");

	(void)state;
	assert_true(ext && X509_add_ext(c.leaf, ext, -1) &&
		    X509_sign(c.leaf, world_key(KEY_P384), EVP_sha256()));
	X509_EXTENSION_free(ext);
	assert_string_equal(judge_chain(&c, WORLD_EPOCH),
		"the peer's certificate (O=Test, CN=host): unhandled critical extension");
	chain_free(&c);
}

static void test_garbage(void **state)
{
	struct cert_spec leaf = {0};
	struct chain c = chain_new(&leaf, NULL);
	struct ike_bytes der = cert_der(c.leaf), mid = cert_der(c.mid);
	uint8_t *copy;

	(void)state;
	/* cut anywhere, longer by a byte, empty, too long */
	for (size_t len = 0; len <= der.len + 1; len++) {
		copy = calloc(1, len + 1);
		memcpy(copy, der.p, len < der.len ? len : der.len);
		struct ike_bytes certs[] = {{copy, len}, mid};

		assert_string_equal(judge(c.root, certs, 2, WORLD_EPOCH, NULL),
			len == der.len ? "" : "the peer's certificate cannot be read");
		free(copy);
	}
	assert_null(ike_cert_read((struct ike_bytes){der.p, 0}));
	copy = calloc(1, IKE_CERT_MAX + 1);
	memcpy(copy, der.p, der.len);
	assert_null(ike_cert_read((struct ike_bytes){copy, IKE_CERT_MAX + 1}));
	free(copy);
	/* any bit changed: never good, but where it is in the signature's own wrapping */
	copy = malloc(der.len);
	for (size_t i = 0; i < der.len * 8; i += 3) {
		memcpy(copy, der.p, der.len);
		copy[i / 8] ^= (uint8_t)(1u << i % 8);
		struct ike_bytes certs[] = {{copy, der.len}, mid};

		assert_string_not_equal(judge(c.root, certs, 2, WORLD_EPOCH, NULL), "");
	}
	free(copy);
	/* garbage beside a good one is of no matter */
	struct ike_bytes beside[] = {der, DNS("no certificate"), mid};
	assert_string_equal(judge(c.root, beside, 3, WORLD_EPOCH, NULL), "");
	assert_string_equal(judge(c.root, beside, 0, WORLD_EPOCH, NULL),
		"the peer's certificate cannot be read");
	chain_free(&c);
}

/* ---- identities */

static struct ike_bytes dn(const char *o, const char *cn, int type, uint8_t *buf)
{
	X509_NAME *name = X509_NAME_new();
	uint8_t *p = buf;
	int len;

	if (o)
		assert_true(
			X509_NAME_add_entry_by_txt(name, "O", type, (const uint8_t *)o, -1, -1, 0));
	if (cn)
		assert_true(X509_NAME_add_entry_by_txt(
			name, "CN", type, (const uint8_t *)cn, -1, -1, 0));
	len = i2d_X509_NAME(name, &p);
	X509_NAME_free(name);
	return (struct ike_bytes){buf, (size_t)len};
}

static void test_carries(void **state)
{
	static const uint8_t v4[] = {198, 18, 1, 10}, v6[16] = {0x20, 1, 0, 2, [15] = 1};
	struct cert_spec spec = {.key = world_key(KEY_ED25519),
		.cn = "host.example.org",
		.san = "DNS:a.example.org,DNS:*.wild.example,email:u@example.org,IP:198.18.1.10,"
		       "IP:2001:2::1,URI:http://b.example.org"};
	X509 *cert = cert_make(&spec);
	uint8_t buf[200], nul[] = "a.example.org\0.evil.example";

	(void)state;
	assert_true(ike_cert_carries(cert, IKE_ID_FQDN, DNS("a.example.org")));
	assert_true(ike_cert_carries(cert, IKE_ID_FQDN, DNS("A.EXAMPLE.ORG")));
	assert_true(ike_cert_carries(cert, IKE_ID_RFC822_ADDR, DNS("u@example.org")));
	assert_true(ike_cert_carries(cert, IKE_ID_IPV4_ADDR, (struct ike_bytes){v4, 4}));
	assert_true(ike_cert_carries(cert, IKE_ID_IPV6_ADDR, (struct ike_bytes){v6, 16}));
	/* another type, shorter, longer, empty, behind a NUL; no wildcard, no name out of the
	 * subject */
	assert_false(ike_cert_carries(cert, IKE_ID_RFC822_ADDR, DNS("a.example.org")));
	assert_false(ike_cert_carries(cert, IKE_ID_KEY_ID, DNS("a.example.org")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("a.example.or")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("a.example.org.")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, (struct ike_bytes){nul, sizeof(nul) - 1}));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("x.wild.example")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("host.example.org")));
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("http://b.example.org")));
	assert_false(ike_cert_carries(cert, IKE_ID_IPV6_ADDR, (struct ike_bytes){v4, 4}));
	assert_false(ike_cert_carries(cert, IKE_ID_IPV4_ADDR, (struct ike_bytes){v6, 4}));
	/* the subject */
	assert_true(ike_cert_carries(
		cert, IKE_ID_DER_ASN1_DN, dn("Test", "host.example.org", MBSTRING_UTF8, buf)));
	assert_true(ike_cert_carries(cert, IKE_ID_DER_ASN1_DN,
		dn("TEST", "Host.example.org", V_ASN1_PRINTABLESTRING, buf)));
	assert_false(
		ike_cert_carries(cert, IKE_ID_DER_ASN1_DN, dn("Test", NULL, MBSTRING_UTF8, buf)));
	assert_false(ike_cert_carries(cert, IKE_ID_DER_ASN1_DN, DNS("host.example.org")));
	assert_false(ike_cert_carries(cert, IKE_ID_DER_ASN1_DN, DNS("")));
	X509_free(cert);
}

/* A certificate without names, and one without anything: nobody. */
static void test_nobody(void **state)
{
	struct cert_spec spec = {.key = world_key(KEY_ED25519), .cn = "host"};
	X509 *cert = cert_make(&spec);
	X509_NAME *empty = X509_NAME_new();
	uint8_t id[IKE_ID_MAX], type, buf[100];
	uint16_t len;

	(void)state;
	assert_false(ike_cert_carries(cert, IKE_ID_FQDN, DNS("host")));
	assert_int_equal(ike_cert_identity(cert, &type, id, &len), 0);
	assert_int_equal(type, IKE_ID_DER_ASN1_DN);
	assert_true(
		ike_dn_equal((struct ike_bytes){id, len}, dn("Test", "host", MBSTRING_UTF8, buf)));
	assert_true(X509_set_subject_name(cert, empty));
	assert_int_equal(ike_cert_identity(cert, &type, id, &len), -ENOENT);
	assert_false(
		ike_cert_carries(cert, IKE_ID_DER_ASN1_DN, dn(NULL, NULL, MBSTRING_UTF8, buf)));
	X509_NAME_free(empty);
	X509_free(cert);
}

static void test_identity(void **state)
{
	struct cert_spec spec = {.key = world_key(KEY_ED25519), .cn = "host"};
	uint8_t id[IKE_ID_MAX], type;
	uint16_t len;
	X509 *cert;

	(void)state;
	spec.san = "IP:198.18.1.10,email:u@example.org,DNS:a.example.org,DNS:b.example.org";
	cert = cert_make(&spec);
	assert_int_equal(ike_cert_identity(cert, &type, id, &len), 0);
	assert_int_equal(type, IKE_ID_FQDN);
	assert_memory_equal(id, "a.example.org", 13);
	assert_int_equal(len, 13);
	X509_free(cert);
	spec.san = "IP:198.18.1.10,email:u@example.org";
	cert = cert_make(&spec);
	assert_int_equal(ike_cert_identity(cert, &type, id, &len), 0);
	assert_int_equal(type, IKE_ID_RFC822_ADDR);
	X509_free(cert);
}

/* What a name shows is printable and bounded, whatever it holds. */
static void test_name(void **state)
{
	static const char odd[] = "a\x01\xc3\xa4, \"CN=b\"\n";
	char text[300], name[IKE_CERT_NAME_MAX];
	X509_NAME *n = X509_NAME_new();

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(X509_NAME_add_entry_by_txt(
		n, "CN", MBSTRING_UTF8, (const uint8_t *)odd, (int)strlen(odd), -1, 0));
	for (int i = 0; i < 20; i++)
		assert_true(X509_NAME_add_entry_by_txt(
			n, "OU", MBSTRING_UTF8, (const uint8_t *)text, 60, -1, 0));
	ike_cert_name(n, name);
	assert_int_equal(strlen(name), IKE_CERT_NAME_MAX - 1);
	for (const char *p = name; *p; p++)
		assert_true(*p >= ' ' && *p <= '~');
	X509_NAME_free(n);
}

/* RFC 7296 3.7: SHA-1 of the SubjectPublicKeyInfo, which is not the key identifier of RFC 5280. */
static void test_hash(void **state)
{
	struct cert_spec spec = {.key = world_key(KEY_ED25519), .cn = "CA", .ca = true};
	X509 *cert = cert_make(&spec);
	uint8_t want[SHA_DIGEST_LENGTH], got[IKE_CA_HASH_LEN], *der = NULL;
	int len = i2d_PUBKEY(spec.key, &der);

	(void)state;
	SHA1(der, (size_t)len, want);
	assert_int_equal(ike_cert_key_hash(cert, got), 0);
	assert_memory_equal(got, want, sizeof(want));
	OPENSSL_free(der);
	X509_free(cert);
}

static void test_split(void **state)
{
	static const uint8_t two[] = {0, 1, 'a', 0, 2, 'b', 'c'};
	uint8_t big[2 + IKE_CERT_MAX + 1] = {(IKE_CERT_MAX + 1) >> 8, (IKE_CERT_MAX + 1) & 255};
	struct ike_bytes ret[3];

	(void)state;
	assert_int_equal(ike_certs_split(two, sizeof(two), 2, ret), 0);
	assert_int_equal(ret[1].len, 2);
	assert_memory_equal(ret[1].p, "bc", 2);
	assert_int_equal(ike_certs_split(NULL, 0, 0, ret), 0);
	for (size_t len = 0; len < sizeof(two); len++)
		assert_int_equal(ike_certs_split(two, len, 2, ret), -EBADMSG);
	assert_int_equal(ike_certs_split(two, sizeof(two), 1, ret), -EBADMSG);
	assert_int_equal(ike_certs_split(two, sizeof(two), 3, ret), -EBADMSG);
	assert_int_equal(ike_certs_split((const uint8_t[]){0, 0}, 2, 1, ret), -EBADMSG);
	assert_int_equal(ike_certs_split(big, sizeof(big), 1, ret), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_unknown_ca),
		cmocka_unit_test(test_no_ca),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_critical),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_carries),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
