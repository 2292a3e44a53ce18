/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/digsig.h"

#include <errno.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "ike/spki.h"
#include "tests/unit/ike/hex.h"

#define SPKI_ED25519 "302a300506032b6570032100"
#define SPKI_ED448 "3043300506032b6571033a00"
#define SPKI_P256 "3059301306072a8648ce3d020106082a8648ce3d030107034200 04"

#define PSS_256                                                                \
	"3041 06092a864886f70d01010a 3034 a00f 300d06096086480165030402010500" \
	"a11c 301a 06092a864886f70d010108 300d06096086480165030402010500 a203020120"

static const struct ike_bytes octets = {(const uint8_t *)"signed octets", 13};

struct spki {
	size_t len;
	uint8_t b[IKE_SPKI_MAX + 100];
};

static struct spki spki_of(EVP_PKEY *key)
{
	struct spki s = {0};
	uint8_t *p = s.b;
	int len = i2d_PUBKEY(key, NULL);

	assert_true(len > 0 && (size_t)len <= sizeof(s.b));
	s.len = (size_t)i2d_PUBKEY(key, &p);
	return s;
}

/* RFC 8032 7.1 tests 1 and 2, 7.4 "Blank"; RFC 6979 A.2.5 (SHA-256, "sample"). */
static void test_vectors(void **state)
{
	static const struct {
		const char *spki, *message, *sig;
		enum ike_scheme scheme;
		bool ed448;
	} cases[] = {
		{SPKI_ED25519 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590"
			"a33bac"
			"c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
			IKE_SIGN_EDDSA, false},
		{SPKI_ED25519 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e"
			"15996e"
			"458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
			IKE_SIGN_EDDSA, false},
		{SPKI_ED448 "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124"
			    "769b46"
			    "c7061bd6783df1e50f6cd1fa1abeafe8256180",
			"",
			"533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f"
			"628281"
			"f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8d"
			"c00b41"
			"04852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600",
			IKE_SIGN_EDDSA, true},
		{SPKI_P256 "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
			   "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
			"73616d706c65",
			"3046 022100 "
			"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
			"022100 f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
			IKE_SIGN_ECDSA_SHA256, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hex spki = hex(cases[i].spki), m = hex(cases[i].message),
			   sig = hex(cases[i].sig);
		struct ike_digsig d = {.scheme = cases[i].scheme,
			.ed448 = cases[i].ed448,
			.sig = {sig.b, sig.len}};

		assert_int_equal(
			ike_digsig_verify(spki.b, spki.len, &d, (struct ike_bytes){m.b, m.len}), 0);
		sig.b[sig.len / 2] ^= 1;
		assert_int_equal(
			ike_digsig_verify(spki.b, spki.len, &d, (struct ike_bytes){m.b, m.len}),
			-EKEYREJECTED);
		sig.b[sig.len / 2] ^= 1;
		assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, octets), -EKEYREJECTED);
		d.sig.len--;
		assert_int_equal(
			ike_digsig_verify(spki.b, spki.len, &d, (struct ike_bytes){m.b, m.len}),
			-EKEYREJECTED);
	}
}

struct made {
	const char *name;
	enum ike_key_type type;
	EVP_PKEY *key;
};

static struct made *make_keys(void)
{
	static struct made keys[7];
	struct made *k = keys;

	*k++ = (struct made){
		"RSA-2048", IKE_KEY_RSA, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)};
	*k++ = (struct made){"P-256", IKE_KEY_P256, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
	*k++ = (struct made){"P-384", IKE_KEY_P384, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384")};
	*k++ = (struct made){"P-521", IKE_KEY_P521, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521")};
	*k++ = (struct made){"Ed25519", IKE_KEY_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
	*k++ = (struct made){"Ed448", IKE_KEY_ED448, EVP_PKEY_Q_keygen(NULL, NULL, "ED448")};
	*k = (struct made){NULL, 0, NULL};
	return keys;
}

/* Each key with each scheme: signed, put into AUTH, read and verified; or refused where they do not
 * fit. No signature passes under another scheme, key or text. */
static void test_each(void **state)
{
	struct made *keys = *state;

	for (struct made *k = keys; k->name; k++)
		for (int scheme = 0; scheme <= IKE_SIGN_EDDSA + 1; scheme++) {
			enum ike_scheme s = (enum ike_scheme)scheme;
			struct spki spki = spki_of(k->key);
			uint8_t sig[IKE_SIG_MAX], buf[1200];
			size_t len = sizeof(sig);
			struct ike_header h = {.spi_i = 1};
			struct ike_builder b = ike_build(buf, sizeof(buf), &h);
			struct ike_payloads p;
			struct ike_digsig d;

			if (!ike_scheme_fits(s, k->type)) {
				assert_int_equal(
					ike_digsig_sign(k->key, s, octets, sig, &len), -EINVAL);
				continue;
			}
			assert_int_equal(ike_digsig_sign(k->key, s, octets, sig, &len), 0);
			ike_build_digsig(&b, s, k->type, sig, len);
			assert_false(b.w.bad);
			assert_int_equal(
				ike_payloads_parse(IKE_PL_AUTH, buf + 28, b.w.pos - 28, true, &p),
				IKE_PARSE_OK);
			assert_int_equal(p.auth_method, IKE_METHOD_DIGSIG);
			assert_int_equal(ike_digsig_parse(p.auth, &d), 0);
			assert_int_equal(d.scheme, s);
			assert_int_equal(d.ed448, k->type == IKE_KEY_ED448);
			assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, octets), 0);
			assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d,
						 (struct ike_bytes){octets.p, 12}),
				-EKEYREJECTED);
			for (int other = IKE_SIGN_RSA_PSS_SHA256; other <= IKE_SIGN_EDDSA;
				other++) {
				d.scheme = (enum ike_scheme)other;
				if (other != scheme)
					assert_int_equal(
						ike_digsig_verify(spki.b, spki.len, &d, octets),
						-EKEYREJECTED);
			}
			d.scheme = s;
			d.ed448 = !d.ed448;
			assert_int_equal(
				ike_digsig_verify(spki.b, spki.len, &d, octets), -EKEYREJECTED);
			d.ed448 = !d.ed448;
			for (struct made *o = keys; o->name; o++) {
				struct spki other = spki_of(o->key);

				if (o != k)
					assert_int_equal(
						ike_digsig_verify(other.b, other.len, &d, octets),
						-EKEYREJECTED);
			}
		}
}

static void test_fits(void **state)
{
	(void)state;
	assert_true(ike_scheme_fits(IKE_SIGN_RSA_PSS_SHA384, IKE_KEY_RSA));
	assert_true(ike_scheme_fits(IKE_SIGN_RSA_PKCS1_SHA512, IKE_KEY_RSA));
	assert_true(ike_scheme_fits(IKE_SIGN_ECDSA_SHA256, IKE_KEY_P384));
	assert_true(ike_scheme_fits(IKE_SIGN_EDDSA, IKE_KEY_ED448));
	assert_false(ike_scheme_fits(IKE_SIGN_EDDSA, IKE_KEY_P256));
	assert_false(ike_scheme_fits(IKE_SIGN_ECDSA_SHA256, IKE_KEY_RSA));
	assert_false(ike_scheme_fits(0, IKE_KEY_RSA));
	assert_false(ike_scheme_fits((enum ike_scheme)255, IKE_KEY_ED25519));
}

static void test_choose(void **state)
{
	static const struct {
		enum ike_key_type type;
		uint32_t hashes;
		enum ike_scheme want; /* 0: none */
	} cases[] = {
		{IKE_KEY_RSA, IKE_HASHES_ALL, IKE_SIGN_RSA_PSS_SHA256},
		{IKE_KEY_RSA, 1u << 4 | 1u << 3, IKE_SIGN_RSA_PSS_SHA512},
		{IKE_KEY_RSA, 1u << 3, IKE_SIGN_RSA_PSS_SHA384}, {IKE_KEY_RSA, 1u << 5, 0},
		{IKE_KEY_P256, IKE_HASHES_ALL, IKE_SIGN_ECDSA_SHA256},
		{IKE_KEY_P384, IKE_HASHES_ALL, IKE_SIGN_ECDSA_SHA384},
		{IKE_KEY_P384, 1u << 2, IKE_SIGN_ECDSA_SHA256},
		{IKE_KEY_P521, IKE_HASHES_ALL, IKE_SIGN_ECDSA_SHA512},
		{IKE_KEY_ED25519, IKE_HASHES_ALL, IKE_SIGN_EDDSA},
		{IKE_KEY_ED448, 1u << 5, IKE_SIGN_EDDSA},
		{IKE_KEY_ED25519, 1u << 2 | 1u << 3 | 1u << 4, 0}, {IKE_KEY_P256, 0, 0},
		{IKE_KEY_RSA, 1u << 1, 0}, /* SHA-1 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum ike_scheme s = 0;

		assert_int_equal(ike_scheme_choose(cases[i].type, cases[i].hashes, &s),
			cases[i].want ? 0 : -ENOENT);
		assert_int_equal(s, cases[i].want);
	}
}

static uint32_t hashes(const char *text)
{
	struct hex h = hex(text);

	return ike_hashes_parse((struct ike_bytes){h.b, h.len});
}

static void test_hashes(void **state)
{
	uint8_t buf[100];
	struct ike_header h = {.spi_i = 1};
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);

	(void)state;
	assert_int_equal(hashes("0002 0003 0004"), 1u << 2 | 1u << 3 | 1u << 4);
	assert_int_equal(hashes("0001"), 0);
	assert_int_equal(hashes("0005 0001 0100 ffff 0022"), 1u << 5);
	assert_int_equal(hashes("0002 00"), 1u << 2);
	assert_int_equal(hashes(""), 0);
	ike_build_hashes(&b, IKE_HASHES_ALL);
	assert_hex(buf + 28, b.w.pos - 28, "00000010 0000402f 0002 0003 0004 0005");
}

static int parse_auth(const char *der, const char *sig, struct ike_digsig *d)
{
	static uint8_t buf[2000];
	struct hex a = hex(der), s = hex(sig);

	buf[0] = (uint8_t)a.len;
	memcpy(buf + 1, a.b, a.len);
	memcpy(buf + 1 + a.len, s.b, s.len);
	return ike_digsig_parse((struct ike_bytes){buf, 1 + a.len + s.len}, d);
}

/* The bytes of RFC 7427 appendix A, and other encodings that mean the same. */
static void test_identifiers(void **state)
{
	static const struct {
		const char *der;
		enum ike_scheme scheme;
		bool ed448;
	} good[] = {
		{"300d06092a864886f70d01010b0500", IKE_SIGN_RSA_PKCS1_SHA256, false},
		{"300d06092a864886f70d01010c0500", IKE_SIGN_RSA_PKCS1_SHA384, false},
		{"300d06092a864886f70d01010d0500", IKE_SIGN_RSA_PKCS1_SHA512, false},
		{"300b06092a864886f70d01010b", IKE_SIGN_RSA_PKCS1_SHA256, false}, /* no NULL */
		{"300a06082a8648ce3d040302", IKE_SIGN_ECDSA_SHA256, false},
		{"300a06082a8648ce3d040303", IKE_SIGN_ECDSA_SHA384, false},
		{"300a06082a8648ce3d040304", IKE_SIGN_ECDSA_SHA512, false},
		{"300c06082a8648ce3d0403020500", IKE_SIGN_ECDSA_SHA256, false}, /* with NULL */
		{"300506032b6570", IKE_SIGN_EDDSA, false},
		{"300506032b6571", IKE_SIGN_EDDSA, true},
		/* A.4.3, with its trailerField */
		{"304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864"
		 "886f7"
		 "0d010108300d06096086480165030402010500a203020120a303020101",
			IKE_SIGN_RSA_PSS_SHA256, false},
		{PSS_256, IKE_SIGN_RSA_PSS_SHA256, false},
		/* hashes without NULL */
		{"303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f"
		 "70d01"
		 "0108300b0609608648016503040202a203020130",
			IKE_SIGN_RSA_PSS_SHA384, false},
		{"304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864"
		 "886f7"
		 "0d010108300d06096086480165030402030500a203020140",
			IKE_SIGN_RSA_PSS_SHA512, false},
	};
	static const char *const foreign[] = {
		"300d06092a864886f70d0101050500", /* sha1WithRSAEncryption */
		"300906072a8648ce3d0401",         /* ecdsa-with-SHA1 */
		"300b0609608648016503040302",     /* dsa-with-sha256 */
		"300d06092a864886f70d01010a3000", /* PSS with empty parameters: SHA-1 */
		"300b06092a864886f70d01010a",     /* PSS without parameters */
		"300706032b65700500",             /* Ed25519 with NULL */
		/* PSS: salt of 20, of 33, SHA-1, MGF1 with SHA-1, with SHA-512, trailer of 2 */
		"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a8648"
		"86f70d"
		"010108300d06096086480165030402010500a203020114",
		"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a8648"
		"86f70d"
		"010108300d06096086480165030402010500a203020121",
		"303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d01"
		"010830"
		"0906052b0e03021a0500a203020114a303020101",
		"302306092a864886f70d01010a3016a00f300d06096086480165030402010500a203020120",
		"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a8648"
		"86f70d"
		"010108300d06096086480165030402030500a203020120",
		"304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a8648"
		"86f70d"
		"010108300d06096086480165030402010500a203020120a303020102",
	};
	struct ike_digsig d;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		d = (struct ike_digsig){0};
		if (parse_auth(good[i].der, "aabbcc", &d) != 0)
			fail_msg("refused: %s", good[i].der);
		assert_int_equal(d.scheme, good[i].scheme);
		assert_int_equal(d.ed448, good[i].ed448);
		assert_hex(d.sig.p, d.sig.len, "aabbcc");
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (parse_auth(foreign[i], "aabbcc", &d) != -ENOTSUP)
			fail_msg("not refused: %s", foreign[i]);
}

static void test_malformed(void **state)
{
	struct hex good = hex("43" PSS_256 "aabbcc");
	struct ike_digsig d;

	(void)state;
	assert_int_equal(ike_digsig_parse((struct ike_bytes){good.b, good.len}, &d), 0);
	/* cut anywhere up to the last byte of the identifier and the first of the signature */
	for (size_t len = 0; len <= 68; len++)
		assert_int_equal(ike_digsig_parse((struct ike_bytes){good.b, len}, &d), -EBADMSG);
	assert_int_equal(ike_digsig_parse((struct ike_bytes){good.b, 69}, &d), 0);
	assert_int_equal(parse_auth("", "aabb", &d), -EBADMSG);
	assert_int_equal(parse_auth("ff", "aabb", &d), -EBADMSG);
	assert_int_equal(
		parse_auth("300506032b657000", "aabb", &d), -EBADMSG); /* a byte behind it */
	assert_int_equal(parse_auth("3080", "aabb", &d), -EBADMSG);
	/* no change of a byte crashes; what is read is one of ours */
	for (size_t i = 0; i < good.len; i++)
		for (unsigned int v = 0; v < 256; v++) {
			struct hex h = good;

			h.b[i] = (uint8_t)v;
			if (ike_digsig_parse((struct ike_bytes){h.b, h.len}, &d) == 0)
				assert_string_not_equal(ike_scheme_name(d.scheme), "?");
		}
}

/* What our own AUTH begins with: Libreswan compares these bytes. */
static void test_pss_bytes(void **state)
{
	uint8_t buf[200];
	struct ike_header h = {.spi_i = 1};
	struct ike_builder b = ike_build(buf, sizeof(buf), &h);

	(void)state;
	ike_build_digsig(&b, IKE_SIGN_RSA_PSS_SHA256, IKE_KEY_RSA, "s", 1);
	assert_hex(buf + 28, b.w.pos - 28, "0000004d 0e000000 43" PSS_256 "73");
	/* a scheme that is not of the key */
	b = ike_build(buf, sizeof(buf), &h);
	ike_build_digsig(&b, IKE_SIGN_EDDSA, IKE_KEY_RSA, "s", 1);
	assert_true(b.w.bad);
}

/* A PSS signature whose salt is not as long as the hash is not what its identifier says. */
static void test_pss_salt(void **state)
{
	struct made *keys = *state;
	struct spki spki = spki_of(keys[0].key);
	static const int salts[] = {0, 20, 31, 32, 33, 64};

	for (size_t i = 0; i < sizeof(salts) / sizeof(*salts); i++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		EVP_PKEY_CTX *pctx;
		uint8_t sig[256];
		size_t len = sizeof(sig);
		struct ike_digsig d = {.scheme = IKE_SIGN_RSA_PSS_SHA256};

		assert_int_equal(
			EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, keys[0].key), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salts[i]), 1);
		assert_int_equal(EVP_DigestSign(ctx, sig, &len, octets.p, octets.len), 1);
		EVP_MD_CTX_free(ctx);
		d.sig = (struct ike_bytes){sig, len};
		assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, octets),
			salts[i] == 32 ? 0 : -EKEYREJECTED);
	}
}

static void test_keys(void **state)
{
	static const struct {
		const char *alg;
		size_t bits;
	} weak[] = {{"RSA", 1024}, {"RSA", 2040}, {"RSA-PSS", 2048}};
	EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *koblitz = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	enum ike_key_type type;
	struct spki spki;

	for (struct made *k = *state; k->name; k++) {
		spki = spki_of(k->key);
		assert_int_equal(ike_key_type(k->key, &type), 0);
		assert_int_equal(type, k->type);
		assert_int_equal(ike_spki_type(spki.b, spki.len, &type), 0);
		assert_int_equal(type, k->type);
		assert_int_equal(ike_spki_type(spki.b, spki.len + 1, &type), -EINVAL);
		for (size_t len = 0; len < spki.len; len++)
			assert_int_equal(ike_spki_type(spki.b, len, &type), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(weak) / sizeof(*weak); i++) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, weak[i].alg, NULL);
		EVP_PKEY *key = NULL;

		assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)weak[i].bits), 1);
		assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
		EVP_PKEY_CTX_free(ctx);
		spki = spki_of(key);
		assert_int_equal(ike_spki_type(spki.b, spki.len, &type), -ENOTSUP);
		EVP_PKEY_free(key);
	}
	spki = spki_of(x25519);
	assert_int_equal(ike_spki_type(spki.b, spki.len, &type), -ENOTSUP);
	spki = spki_of(koblitz);
	assert_int_equal(ike_spki_type(spki.b, spki.len, &type), -ENOTSUP);
	EVP_PKEY_free(x25519);
	EVP_PKEY_free(koblitz);
}

/* Our reading of SubjectPublicKeyInfo against OpenSSL's, for each key and each key with a byte
 * changed: never another key, and none that OpenSSL does not see. */
static void test_spki(void **state)
{
	static const uint8_t changes[] = {0, 1, 2, 0x80, 0xff};

	for (struct made *k = *state; k->name; k++) {
		struct spki spki = spki_of(k->key);

		for (size_t i = 0; i < spki.len; i++)
			for (size_t j = 0; j < sizeof(changes); j++) {
				struct spki s = spki;
				const uint8_t *p = s.b;
				EVP_PKEY *ours, *theirs;

				s.b[i] ^= changes[j];
				ours = ike_spki_read(s.b, s.len);
				theirs = d2i_PUBKEY(NULL, &p, (long)s.len);
				if (!changes[j])
					assert_true(ours && EVP_PKEY_eq(ours, k->key) == 1);
				if (ours)
					assert_true(theirs && EVP_PKEY_eq(ours, theirs) == 1);
				EVP_PKEY_free(ours);
				EVP_PKEY_free(theirs);
			}
	}
}

static int set_up(void **state)
{
	*state = make_keys();
	return 0;
}

static int tear_down(void **state)
{
	for (struct made *k = *state; k->name; k++)
		EVP_PKEY_free(k->key);
	return 0;
}

/* RFC 4754 section 8: a key, and its signature of "abc" as AUTH has it. */
static void test_ecdsa_methods(void **state)
{
	static const struct {
		uint8_t method;
		const char *spki, *auth;
	} cases[] = {
		{9, "3059301306072a8648ce3d020106082a8648ce3d030107034200042442a5cc0e"
		 "cd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e9706fc98bd7e5"
		 "0211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d",
			"cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c"
			"86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315"},
		{10, "3076301006072a8648ce3d020106052b810400220362000496281bf8dd5e0525"
		 "ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea5ce10c9dfec21797"
		 "415710721f437922447688ba94708eb6e2e4d59f6ab6d7edff9301d249fe49c3"
		 "3096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca",
			"fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e"
			"08e07c9c63f2d21a07dcb56a6af56eb3b263a1305e057f984d38726a1b468741"
			"09f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f"},
		{11, "30819b301006072a8648ce3d020106052b8104002303818600040151518f1af0"
		 "f563517edd5485190df95a4bf57b5cba4cf2a9a3f6474725a35f7afe0a6ddeb8"
		 "bedbcd6a197e592d40188901cecd650699c9b5e456aea5add19052a8006f3b14"
		 "2ea1bfff7e2837ad44c9e4ff6d2d34c73184bbad90026dd5e6e85317d9df45ca"
		 "d7803c6c20035b2f3ff63aff4e1ba64d1c077577da3f4286c58f0aeae643",
			"0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339"
			"b19f2f281a7e0b22c269d93cf8794a9278880ed7dbb8d9362caeacee54432055"
			"2251017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c836"
			"2df4975367101f67d1cf9bccbf2f3d239534fa509e70aac851ae01aac68d62f8"
			"66472660"},
	};
	static const struct ike_bytes abc = {(const uint8_t *)"abc", 3};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct hex spki = hex(cases[i].spki), auth = hex(cases[i].auth);
		struct ike_bytes a = {auth.b, auth.len};
		struct ike_digsig d;

		assert_int_equal(ike_ecdsa_parse(cases[i].method, a, &d), 0);
		assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, abc), 0);
		assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, octets), -EKEYREJECTED);
		/* by the key of another curve */
		for (size_t j = 0; j < 3; j++) {
			struct hex other = hex(cases[j].spki);

			if (j != i)
				assert_int_equal(ike_digsig_verify(other.b, other.len, &d, abc),
					-EKEYREJECTED);
		}
		for (size_t bit = 0; bit < 8 * auth.len; bit += 5) {
			auth.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(
				ike_digsig_verify(spki.b, spki.len, &d, abc), -EKEYREJECTED);
			auth.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		memset(auth.b, 0, auth.len);
		assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, abc), -EKEYREJECTED);
		for (a.len = 0; a.len < auth.len; a.len++)
			assert_int_equal(ike_ecdsa_parse(cases[i].method, a, &d), -EBADMSG);
	}
	for (unsigned int method = 0; method < 256; method++) {
		struct hex auth = hex(cases[0].auth);
		struct ike_digsig d;

		if (method < 9 || method > 11)
			assert_int_equal(ike_ecdsa_parse((uint8_t)method,
						 (struct ike_bytes){auth.b, auth.len}, &d),
				-ENOTSUP);
	}
}

/* What we make is what we take; r or s that begin with zeros too. */
static void test_ecdsa_own(void **state)
{
	static const struct {
		const char *curve;
		enum ike_key_type type;
		size_t len;
	} kinds[] = {{"P-256", IKE_KEY_P256, 64}, {"P-384", IKE_KEY_P384, 96},
		{"P-521", IKE_KEY_P521, 132}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kinds[i].curve);
		struct spki spki = spki_of(key);
		bool zero = false;

		for (int n = 0; n < 3000 && (n < 20 || !zero); n++) {
			struct ike_header h = {.spi_i = 1};
			uint8_t buf[512], sig[IKE_SIG_MAX];
			struct ike_builder b = ike_build(buf, sizeof(buf), &h);
			size_t len = sizeof(sig);
			enum ike_scheme scheme;
			struct ike_digsig d;
			struct ike_bytes auth = {buf + 28 + 8, kinds[i].len};

			assert_int_equal(ike_ecdsa_choose(kinds[i].type, &scheme), 0);
			assert_int_equal(ike_digsig_sign(key, scheme, octets, sig, &len), 0);
			ike_build_ecdsa(&b, kinds[i].type, sig, len);
			assert_false(b.w.bad);
			assert_int_equal(b.w.pos, 28 + 8 + kinds[i].len);
			assert_int_equal(buf[32], 9 + i);
			assert_int_equal(ike_ecdsa_parse(buf[32], auth, &d), 0);
			assert_int_equal(ike_digsig_verify(spki.b, spki.len, &d, octets), 0);
			zero = auth.p[i == 2] == 0;
		}
		assert_true(zero);
		EVP_PKEY_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_pss_bytes),
		cmocka_unit_test(test_pss_salt),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_spki),
		cmocka_unit_test(test_ecdsa_methods),
		cmocka_unit_test(test_ecdsa_own),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
