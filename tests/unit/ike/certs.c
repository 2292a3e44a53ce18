/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/ike/certs.h"

#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/ike/test_sa_world.h"

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (!value || !*value)
		return;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_true(X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static const EVP_MD *digest(const struct cert_spec *spec, EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
		return NULL; /* it has its own */
	return spec->md ? spec->md : EVP_sha256();
}

X509 *cert_make(const struct cert_spec *spec)
{
	static long serial;
	X509 *cert = X509_new(), *issuer = spec->issuer ? spec->issuer : cert;
	EVP_PKEY *key = spec->issuer ? spec->issuer_key : spec->key;
	X509_NAME *name = X509_NAME_new();
	bool ca = spec->ca;

	assert_true(cert && name && X509_set_version(cert, 2));
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	assert_true(X509_NAME_add_entry_by_txt(
		name, "O", MBSTRING_UTF8, (const uint8_t *)"Test", -1, -1, 0));
	assert_true(X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const uint8_t *)spec->cn, -1, -1, 0));
	assert_true(X509_set_subject_name(cert, name));
	X509_NAME_free(name);
	assert_true(X509_set_issuer_name(cert, X509_get_subject_name(issuer)));
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert),
		(time_t)(WORLD_EPOCH + (spec->from ? spec->from : -30 * DAY))));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert),
		(time_t)(WORLD_EPOCH + (spec->to ? spec->to : 300 * DAY))));
	assert_true(X509_set_pubkey(cert, spec->key));
	extend(cert, issuer, NID_basic_constraints,
		spec->basic ? spec->basic
		: ca        ? "critical,CA:TRUE"
			    : "CA:FALSE");
	extend(cert, issuer, NID_key_usage,
		spec->usage ? spec->usage
		: ca        ? "critical,keyCertSign"
			    : "digitalSignature");
	extend(cert, issuer, NID_ext_key_usage, spec->extended);
	extend(cert, issuer, NID_subject_alt_name, spec->san);
	assert_true(X509_sign(cert, key, digest(spec, key)));
	return cert;
}

struct ike_bytes cert_der(X509 *cert)
{
	static uint8_t buf[32][2 * IKE_CERT_MAX];
	static unsigned int turn;
	uint8_t *at = buf[turn++ % 32], *p = at;
	int len = i2d_X509(cert, NULL);

	assert_true(len > 0 && (size_t)len <= sizeof(buf[0]));
	return (struct ike_bytes){at, (size_t)i2d_X509(cert, &p)};
}

size_t cert_put(uint8_t *tail, size_t at, X509 *cert)
{
	struct ike_bytes der = cert_der(cert);

	assert_true(at + 2 + der.len <= IKE_CERTS_TAIL);
	tail[at] = (uint8_t)(der.len >> 8);
	tail[at + 1] = (uint8_t)der.len;
	memcpy(tail + at + 2, der.p, der.len);
	return at + 2 + der.len;
}
