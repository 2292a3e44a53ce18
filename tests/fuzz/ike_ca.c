/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/ike_ca.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/wire.h"
#include "tests/fuzz/fuzz.h"

#define SIG_LEN 64 /* Ed25519 */

EVP_PKEY *fuzz_ca_key(int which)
{
	static EVP_PKEY *keys[FUZZ_CA_HOST + 1];
	uint8_t raw[32];

	memset(raw, 1 + which, sizeof(raw));
	if (!keys[which])
		keys[which] =
			EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
	expect(keys[which] != NULL);
	return keys[which];
}

static void set_name(X509_NAME *name, const char *cn)
{
	expect(X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0));
}

static void extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	expect(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

X509 *fuzz_ca_make(
	const char *cn, int key, const char *issuer, int by, const char *san, int64_t life)
{
	X509 *cert = X509_new();

	expect(cert && X509_set_version(cert, 2));
	expect(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1 + key));
	set_name(X509_get_subject_name(cert), cn);
	set_name(X509_get_issuer_name(cert), issuer);
	expect(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(FUZZ_CA_NOW - 365 * 86400)));
	expect(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(FUZZ_CA_NOW + life)));
	expect(X509_set_pubkey(cert, fuzz_ca_key(key)));
	extend(cert, NID_basic_constraints, san ? "CA:FALSE" : "critical,CA:TRUE");
	extend(cert, NID_key_usage, san ? "digitalSignature" : "critical,keyCertSign");
	if (san)
		extend(cert, NID_subject_alt_name, san);
	expect(X509_sign(cert, fuzz_ca_key(by), NULL));
	return cert;
}

struct ike_bytes fuzz_ca_root(void)
{
	static unsigned char *der;
	static int len;

	if (!der) {
		X509 *cert =
			fuzz_ca_make("root", FUZZ_CA_ROOT, "root", FUZZ_CA_ROOT, NULL, 365 * 86400);

		len = i2d_X509(cert, &der);
		X509_free(cert);
	}
	return (struct ike_bytes){der, (size_t)len};
}

/* Certificate ::= SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING } (RFC 5280 section 4.1). */
uint8_t *fuzz_ca_sign(struct ike_bytes tbs, int by, size_t *ret_len)
{
	static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
	static const uint8_t bits[] = {0x03, SIG_LEN + 1, 0x00};
	size_t inner = tbs.len + sizeof(ed25519) + sizeof(bits) + SIG_LEN, sig_len = SIG_LEN;
	uint8_t *buf = malloc(inner + 4), *sig;
	struct wire_writer w = wire_writer(buf, inner + 4);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	expect(buf && ctx && inner <= UINT16_MAX);
	wire_put_u8(&w, 0x30);
	wire_put_u8(&w, 0x82); /* seeds and what comes of them are longer than 255 bytes */
	wire_put_u16(&w, (uint16_t)inner);
	wire_put(&w, tbs.p, tbs.len);
	wire_put(&w, ed25519, sizeof(ed25519));
	wire_put(&w, bits, sizeof(bits));
	sig = wire_reserve(&w, SIG_LEN);
	expect(!w.bad && EVP_DigestSignInit(ctx, NULL, NULL, NULL, fuzz_ca_key(by)) > 0 &&
		EVP_DigestSign(ctx, sig, &sig_len, tbs.p, tbs.len) > 0);
	EVP_MD_CTX_free(ctx);
	*ret_len = w.pos;
	return buf;
}
