/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys on disk and their IPSECKEY records, read back by other code than wrote them. */
#include <errno.h>
#include <ldns/ldns.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
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

#include "agent/keytool.h"

static char dir[] = "/tmp/test_keytool.XXXXXX";

static char *in_dir(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* ---- decoding an IPSECKEY's public key field, by its RFCs and OpenSSL only */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *decode_rsa(const uint8_t *p, size_t len)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	size_t e_len = p[0], at = 1;
	BIGNUM *e, *n;
	EVP_PKEY *key;

	if (!e_len) {
		e_len = (size_t)(p[1] << 8 | p[2]);
		at = 3;
	}
	assert_true(at + e_len < len);
	assert_int_not_equal(p[at], 0);
	assert_int_not_equal(p[at + e_len], 0);
	e = BN_bin2bn(p + at, (int)e_len, NULL);
	n = BN_bin2bn(p + at + e_len, (int)(len - at - e_len), NULL);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n);
	key = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(e);
	BN_free(n);
	return key;
}

static EVP_PKEY *decode_ecdsa(const uint8_t *p, size_t len)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	uint8_t point[97] = {4};
	EVP_PKEY *key;

	assert_true(len == 64 || len == 96);
	memcpy(point + 1, p, len);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
		len == 64 ? "P-256" : "P-384", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, len + 1);
	key = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *decode(unsigned int algorithm, const uint8_t *p, size_t len)
{
	if (algorithm == KEYTOOL_RSA)
		return decode_rsa(p, len);
	if (algorithm == KEYTOOL_ECDSA)
		return decode_ecdsa(p, len);
	assert_int_equal(algorithm, KEYTOOL_EDDSA);
	return EVP_PKEY_new_raw_public_key_ex(NULL, len == 32 ? "ED25519" : "ED448", NULL, p, len);
}

/* The rdata of a zone-file line, read by ldns. */
static size_t parse_line(const char *line, const char *owner, uint8_t *rdata, size_t cap)
{
	ldns_rr *rr = NULL;
	ldns_buffer *buf = ldns_buffer_new(4096);
	char *name;
	size_t len;

	assert_int_equal(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_IPSECKEY);
	assert_int_equal(ldns_rr_get_class(rr), LDNS_RR_CLASS_IN);
	assert_int_equal(ldns_rr_ttl(rr), 300);
	name = ldns_rdf2str(ldns_rr_owner(rr));
	assert_string_equal(name, owner);
	free(name);
	assert_int_equal(ldns_rr_rdata2buffer_wire(buf, rr), LDNS_STATUS_OK);
	len = ldns_buffer_position(buf);
	assert_true(len <= cap);
	memcpy(rdata, ldns_buffer_begin(buf), len);
	ldns_buffer_free(buf);
	ldns_rr_free(rr);
	return len;
}

static void check_record(const struct keytool_public *pub, EVP_PKEY *key, bool generic)
{
	static const char owner[] = "7.113.0.203.in-addr.arpa.";
	char line[KEYTOOL_RECORD_MAX];
	uint8_t rdata[1100];
	size_t len;
	EVP_PKEY *back;

	keytool_record(pub, owner, 300, 10, generic, line);
	len = parse_line(line, owner, rdata, sizeof(rdata));
	assert_true(len > 3);
	assert_int_equal(rdata[0], 10); /* precedence */
	assert_int_equal(rdata[1], 0);  /* no gateway */
	assert_int_equal(rdata[2], pub->algorithm);
	back = decode(rdata[2], rdata + 3, len - 3);
	assert_non_null(back);
	assert_int_equal(EVP_PKEY_eq(key, back), 1);
	EVP_PKEY_free(back);
}

/* ---- tests */

static void test_every_type(void **state)
{
	static const struct {
		const char *type, *name;
		int algorithm, bits, field_len;
	} types[] = {
		{"ed25519", "Ed25519", KEYTOOL_EDDSA, 256, 32},
		{"ed448", "Ed448", KEYTOOL_EDDSA, 456, 57},
		{"ecdsa-p256", "ECDSA-P256", KEYTOOL_ECDSA, 256, 64},
		{"ecdsa-p384", "ECDSA-P384", KEYTOOL_ECDSA, 384, 96},
		{"rsa-2048", "RSA-2048", KEYTOOL_RSA, 2048, 4 + 256},
		{"rsa-3072", "RSA-3072", KEYTOOL_RSA, 3072, 4 + 384},
		{"rsa-4096", "RSA-4096", KEYTOOL_RSA, 4096, 4 + 512},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct keytool_public pub, again, from_spki;
		EVP_PKEY *key, *loaded;
		struct stat st;

		assert_string_equal(keytool_types[i], types[i].type);
		assert_int_equal(keytool_generate(types[i].type, &key), 0);
		assert_int_equal(keytool_public(key, &pub), 0);
		assert_string_equal(pub.name, types[i].name);
		assert_int_equal(pub.algorithm, types[i].algorithm);
		assert_int_equal(pub.bits, types[i].bits);
		assert_int_equal(pub.field_len, types[i].field_len);
		check_record(&pub, key, false);
		check_record(&pub, key, true);

		assert_int_equal(keytool_save(key, in_dir(types[i].type)), 0);
		assert_int_equal(stat(in_dir(types[i].type), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(keytool_save(key, in_dir(types[i].type)), -EEXIST);
		assert_int_equal(keytool_load(in_dir(types[i].type), &loaded), 0);
		assert_int_equal(EVP_PKEY_eq(key, loaded), 1);
		assert_int_equal(keytool_public(loaded, &again), 0);
		assert_memory_equal(&again, &pub, sizeof(pub));
		assert_int_equal(keytool_public_from_spki(pub.spki, pub.spki_len, &from_spki), 0);
		assert_memory_equal(&from_spki, &pub, sizeof(pub));
		EVP_PKEY_free(key);
		EVP_PKEY_free(loaded);
		unlink(in_dir(types[i].type));
	}
	assert_null(keytool_types[sizeof(types) / sizeof(types[0])]);
}

/* The key of RFC 8080 section 6.1, and its record; the fingerprint is that of
 * `openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64`. */
static void test_known_key(void **state)
{
	static const uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03,
		0x21, 0x00, 0x97, 0x4d, 0x96, 0xa2, 0x2d, 0x22, 0x4b, 0xc0, 0x1a, 0xdb, 0x91, 0x50,
		0x91, 0x47, 0x7d, 0x44, 0xcc, 0xd9, 0x1c, 0x9a, 0x41, 0xa1, 0x14, 0x30, 0x01, 0x01,
		0x17, 0xd5, 0x2c, 0x59, 0x24, 0x0e};
	struct keytool_public pub;
	char line[KEYTOOL_RECORD_MAX];

	(void)state;
	assert_int_equal(keytool_public_from_spki(spki, sizeof(spki), &pub), 0);
	assert_string_equal(keytool_record(&pub, "example.com.", 3600, 10, false, line),
		"example.com. 3600 IN IPSECKEY 10 0 4 . "
		"l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=");
	assert_string_equal(keytool_record(&pub, "example.com.", 60, 255, true, line),
		"example.com. 60 IN TYPE45 \\# 35 "
		"ff0004974d96a22d224bc01adb915091477d44ccd91c9a41a114"
		"3001"
		"0117d52c59240e");
	assert_string_equal(pub.fingerprint, "SHA256:JYYrlrOb6kuACXpEczslA5H69KFvScuB1BqYLI0oPSQ");
}

static void test_refused(void **state)
{
	struct keytool_public pub = {.bits = 77};
	uint8_t spki[KEYTOOL_SPKI_MAX + 1] = {0};
	EVP_PKEY *key = NULL;

	(void)state;
	assert_int_equal(keytool_generate("dsa-1024", &key), -EINVAL);
	assert_int_equal(keytool_generate("", &key), -EINVAL);
	assert_null(key);

	key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	assert_int_equal(keytool_public(key, &pub), -ENOTSUP);
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	assert_int_equal(keytool_public(key, &pub), -ENOTSUP);
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	assert_int_equal(keytool_public(key, &pub), -ENOTSUP);
	EVP_PKEY_free(key);

	assert_int_equal(keytool_public_from_spki(spki, 0, &pub), -EBADMSG);
	assert_int_equal(keytool_public_from_spki(spki, 44, &pub), -EBADMSG);
	assert_int_equal(keytool_public_from_spki(spki, sizeof(spki), &pub), -EBADMSG);
	assert_int_equal(pub.bits, 77);
}

/* Bytes behind the DER, and every truncation of it. */
static void test_spki_bounds(void **state)
{
	struct keytool_public pub, other;
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(keytool_generate("ecdsa-p256", &key), 0);
	assert_int_equal(keytool_public(key, &pub), 0);
	EVP_PKEY_free(key);
	for (size_t len = 0; len < pub.spki_len; len++)
		assert_int_equal(keytool_public_from_spki(pub.spki, len, &other), -EBADMSG);
	assert_int_equal(keytool_public_from_spki(pub.spki, pub.spki_len + 1u, &other), -EBADMSG);
}

static void test_load_faults(void **state)
{
	EVP_PKEY *key = NULL, *made;
	FILE *f;

	(void)state;
	assert_int_equal(keytool_load(in_dir("none"), &key), -ENOENT);
	assert_int_equal(keytool_load(dir, &key), -EISDIR);
	f = fopen(in_dir("junk"), "w");
	fputs("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", f);
	fclose(f);
	assert_int_equal(keytool_load(in_dir("junk"), &key), -EBADMSG);
	unlink(in_dir("junk"));

	/* an encrypted one is refused, and nobody is asked for a passphrase */
	assert_int_equal(keytool_generate("ed25519", &made), 0);
	f = fopen(in_dir("locked"), "w");
	assert_int_equal(
		PEM_write_PKCS8PrivateKey(f, made, EVP_aes_128_cbc(), "geheim", 6, NULL, NULL), 1);
	fclose(f);
	assert_int_equal(keytool_load(in_dir("locked"), &key), -EBADMSG);
	unlink(in_dir("locked"));
	assert_null(key);

	assert_int_equal(keytool_save(made, "/nonexistent/key.pem"), -ENOENT);
	EVP_PKEY_free(made);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_known_key),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_spki_bounds),
		cmocka_unit_test(test_load_faults),
	};

	return cmocka_run_group_tests_name("keytool", tests, make_dir, remove_dir);
}
