/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates of a peer and the identity that it claims: the first byte says what the rest is.
 * What is to be signed is signed here, by a CA that the host trusts, so that all behind the
 * signature is reached.
 */
#include "ike/cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ike/digsig.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ike_ca.h"

enum what {
	WHAT_CHAIN, /* certificates, each behind its length: the peer's, as they are */
	WHAT_HOST, /* an identity (type, length, bytes), and a TBSCertificate, signed by the root */
	WHAT_CA,   /* a TBSCertificate, signed by the root: stands between it and a host */
	WHAT_NAMES, /* two distinguished names, the first behind its length */
	WHATS,
};

static void expect_text(const char *text, size_t cap)
{
	const char *end = memchr(text, 0, cap);

	expect(end && end > text);
	for (const char *p = text; p < end; p++)
		expect(*p >= ' ' && *p <= '~');
}

/* What must hold of each certificate that can be read. */
static void look(X509 *cert)
{
	char name[IKE_CERT_NAME_MAX], date[IKE_CERT_DATE_MAX];
	uint8_t id[IKE_ID_MAX], type, hash[IKE_CA_HASH_LEN];
	struct ike_pubkey key;
	enum ike_key_type kind;
	uint16_t len;

	expect_text(ike_cert_name(X509_get_subject_name(cert), name), sizeof(name));
	expect_text(ike_cert_date(ike_cert_time(X509_get0_notAfter(cert)), date), sizeof(date));
	(void)ike_cert_misuse(cert);
	(void)ike_cert_key_hash(cert, hash);
	if (ike_cert_key(cert, &key) == 0)
		expect(key.len && ike_spki_type(key.spki, key.len, &kind) == 0);
	/* who says of itself what its certificate says is believed, unless there is a NUL in it */
	if (ike_cert_identity(cert, &type, id, &len) == 0) {
		expect(len > 0 && len <= sizeof(id));
		expect(memchr(id, 0, len) ||
			ike_cert_carries(cert, type, (struct ike_bytes){id, len}));
	}
}

/* By the root alone. Returns whether they are good. */
static bool verify(const struct ike_bytes *certs, size_t n, struct ike_cert_proof *ret)
{
	struct ike_bytes root = fuzz_ca_root();
	struct ike_cert_case c = {
		.cas = &root, .n_cas = 1, .certs = certs, .n_certs = n, .now = FUZZ_CA_NOW};
	char why[IKE_WHY_MAX] = "";
	enum ike_key_type kind;

	if (ike_cert_verify(&c, ret, why) < 0) {
		expect_text(why, sizeof(why));
		return false;
	}
	expect(ret->until > FUZZ_CA_NOW && !ike_cert_misuse(ret->cert));
	expect(strcmp(ret->ca, "CN=root") == 0);
	expect_text(ret->subject, sizeof(ret->subject));
	expect(ike_spki_type(ret->key.spki, ret->key.len, &kind) == 0);
	return true;
}

static void read_chain(struct wire_reader *r)
{
	struct ike_bytes certs[IKE_PEER_CERTS_MAX];
	struct ike_cert_proof proof;
	size_t n = 0;
	X509 *cert;

	while (wire_left(r) > 2 && n < IKE_PEER_CERTS_MAX) {
		size_t len = wire_u16(r);

		len = len < wire_left(r) ? len : wire_left(r);
		certs[n++] = (struct ike_bytes){wire_bytes(r, len), len};
	}
	for (size_t i = 0; i < n; i++) {
		cert = ike_cert_read(certs[i]);
		if (cert)
			look(cert);
		X509_free(cert);
	}
	if (verify(certs, n, &proof))
		X509_free(proof.cert);
}

static void read_host(struct wire_reader *r)
{
	uint8_t type = wire_u8(r);
	size_t len = wire_u8(r);
	struct ike_bytes id = {wire_bytes(r, len), len}, tbs, cert;
	struct ike_cert_proof proof;
	uint8_t *signed_cert;

	if (r->bad)
		return;
	tbs = (struct ike_bytes){.len = wire_left(r)};
	tbs.p = wire_bytes(r, tbs.len);
	signed_cert = fuzz_ca_sign(tbs, FUZZ_CA_ROOT, &cert.len);
	cert.p = signed_cert;
	if (verify(&cert, 1, &proof)) {
		look(proof.cert);
		/* a shorter one is another one */
		if (ike_cert_carries(proof.cert, type, id) && len > 1 && type == IKE_ID_IPV6_ADDR)
			expect(!ike_cert_carries(
				proof.cert, type, (struct ike_bytes){id.p, len - 1}));
		X509_free(proof.cert);
	}
	free(signed_cert);
}

/* What stands between a root and a host must be a CA. */
static void read_ca(struct ike_bytes tbs)
{
	static struct ike_bytes host;
	struct ike_bytes certs[2];
	struct ike_cert_proof proof;
	uint8_t *sub;
	X509 *cert;

	if (!host.p) {
		unsigned char *der = NULL;

		cert = fuzz_ca_make(
			"host", FUZZ_CA_HOST, "sub", FUZZ_CA_SUB, "DNS:host.example", 365 * 86400);
		host.len = (size_t)i2d_X509(cert, &der);
		host.p = der;
		X509_free(cert);
	}
	sub = fuzz_ca_sign(tbs, FUZZ_CA_ROOT, &certs[1].len);
	certs[0] = host;
	certs[1].p = sub;
	if (verify(certs, 2, &proof)) {
		cert = ike_cert_read(certs[1]);
		expect(cert && X509_check_ca(cert) == 1);
		expect(strcmp(proof.subject, "CN=host") == 0);
		X509_free(cert);
		X509_free(proof.cert);
	}
	free(sub);
}

static void read_names(struct wire_reader *r)
{
	size_t len = wire_u8(r);
	struct ike_bytes a = {wire_bytes(r, len), len}, b = {.len = wire_left(r)};
	char text[IKE_CERT_NAME_MAX];
	bool same;

	if (r->bad)
		return;
	b.p = wire_bytes(r, b.len);
	same = ike_dn_equal(a, b);
	expect(same == ike_dn_equal(b, a));
	expect(!same || (ike_dn_equal(a, a) && ike_dn_equal(b, b)));
	if (ike_dn_format(a, text))
		expect_text(text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r;
	uint8_t *copy;

	if (!len)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	r = wire_reader(copy, len - 1);
	switch ((enum what)(data[0] % WHATS)) {
	case WHAT_CHAIN:
		read_chain(&r);
		break;
	case WHAT_HOST:
		read_host(&r);
		break;
	case WHAT_CA:
		read_ca((struct ike_bytes){copy, len - 1});
		break;
	case WHAT_NAMES:
		read_names(&r);
		break;
	case WHATS:
		break;
	}
	expect(ERR_peek_error() == 0);
	free(copy);
	return 0;
}
