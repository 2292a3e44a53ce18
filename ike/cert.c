/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/wire.h"
#include "ike/digsig.h"

/* Between the peer's own certificate and the CA. */
#define DEPTH_MAX 6
/* OpenSSL's: 112 bits, so RSA and DSA from 2048 bits, curves from 224, and no SHA-1. */
#define SECURITY_LEVEL 2

void ike_cert_init(void)
{
	struct tm tm;
	time_t t = 0;

	tzset();
	gmtime_r(&t, &tm);
}

int ike_certs_split(const uint8_t *tail, size_t len, uint32_t n, struct ike_bytes *ret)
{
	struct wire_reader r = wire_reader(tail, len);

	for (uint32_t i = 0; i < n; i++) {
		size_t size = wire_u16(&r);

		if (!size || size > IKE_CERT_MAX)
			return -EBADMSG;
		ret[i] = (struct ike_bytes){wire_bytes(&r, size), size};
	}
	return r.bad || wire_left(&r) ? -EBADMSG : 0;
}

X509 *ike_cert_read(struct ike_bytes der)
{
	const unsigned char *p = der.p;
	X509 *cert;

	if (!der.len || der.len > IKE_CERT_MAX)
		return NULL;
	cert = d2i_X509(NULL, &p, (long)der.len);
	ERR_clear_error();
	if (cert && p != der.p + der.len) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* ---- what stands in it */

const char *ike_cert_name(const X509_NAME *name, char buf[static IKE_CERT_NAME_MAX])
{
	static const unsigned long flags = XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN |
					   ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB |
					   ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN |
					   ASN1_STRFLGS_DUMP_DER;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	snprintf(buf, IKE_CERT_NAME_MAX, "(without a name)");
	if (bio && X509_NAME_print_ex(bio, name, 0, flags) > 0 &&
		(len = BIO_get_mem_data(bio, &text)) > 0)
		snprintf(buf, IKE_CERT_NAME_MAX, "%.*s%s",
			len < IKE_CERT_NAME_MAX ? (int)len : IKE_CERT_NAME_MAX - 4, text,
			len < IKE_CERT_NAME_MAX ? "" : "...");
	BIO_free(bio);
	ERR_clear_error();
	return buf;
}

int64_t ike_cert_time(const ASN1_TIME *t)
{
	struct tm tm;

	if (!t || !ASN1_TIME_to_tm(t, &tm)) {
		ERR_clear_error();
		return INT64_MIN;
	}
	return timegm(&tm);
}

const char *ike_cert_date(int64_t t, char buf[static IKE_CERT_DATE_MAX])
{
	time_t seconds = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(buf, IKE_CERT_DATE_MAX, "%Y-%m-%d", &tm))
		snprintf(buf, IKE_CERT_DATE_MAX, "?");
	return buf;
}

int ike_cert_key(const X509 *cert, struct ike_pubkey *ret)
{
	X509_PUBKEY *pub = X509_get_X509_PUBKEY(cert);
	struct ike_pubkey key = {0};
	enum ike_key_type type;
	uint8_t *p = key.spki;
	int len = pub ? i2d_X509_PUBKEY(pub, NULL) : 0;

	if (len <= 0 || len > IKE_SPKI_MAX || i2d_X509_PUBKEY(pub, &p) != len ||
		ike_spki_type(key.spki, (size_t)len, &type) < 0) {
		ERR_clear_error();
		return -ENOTSUP;
	}
	key.len = (uint16_t)len;
	*ret = key;
	return 0;
}

int ike_cert_key_hash(const X509 *cert, uint8_t ret[static IKE_CA_HASH_LEN])
{
	unsigned char *der = NULL;
	X509_PUBKEY *pub = X509_get_X509_PUBKEY(cert);
	int len = pub ? i2d_X509_PUBKEY(pub, &der) : 0;

	_Static_assert(IKE_CA_HASH_LEN == SHA_DIGEST_LENGTH, "RFC 7296 3.7");
	if (len <= 0)
		return -EIO;
	SHA1(der, (size_t)len, ret);
	OPENSSL_free(der);
	return 0;
}

const char *ike_cert_misuse(X509 *cert)
{
	EXTENDED_KEY_USAGE *uses;
	bool for_ike = false;
	int critical;

	/* of a certificate without the extension all bits are set */
	if (!(X509_get_key_usage(cert) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return "has a keyUsage without digitalSignature";
	uses = X509_get_ext_d2i(cert, NID_ext_key_usage, &critical, NULL);
	if (!uses) {
		ERR_clear_error();
		return critical == -1 ? NULL : "has an extendedKeyUsage that cannot be read";
	}
	for (int i = 0; i < sk_ASN1_OBJECT_num(uses); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(uses, i));

		for_ike = for_ike || nid == NID_ipsec_IKE || nid == NID_anyExtendedKeyUsage;
	}
	EXTENDED_KEY_USAGE_free(uses);
	return for_ike ? NULL
		       : "has an extendedKeyUsage without ipsecIKE: it is for something else";
}

/* ---- identities */

/* ID type of a general name, or 0; what it holds is in *ret. */
static uint8_t general_name(const GENERAL_NAME *name, struct ike_bytes *ret)
{
	const ASN1_STRING *s;
	uint8_t type;

	switch (name->type) {
	case GEN_DNS:
		type = IKE_ID_FQDN;
		s = name->d.dNSName;
		break;
	case GEN_EMAIL:
		type = IKE_ID_RFC822_ADDR;
		s = name->d.rfc822Name;
		break;
	case GEN_IPADD:
		s = name->d.iPAddress;
		type = ASN1_STRING_length(s) == 4    ? IKE_ID_IPV4_ADDR
		       : ASN1_STRING_length(s) == 16 ? IKE_ID_IPV6_ADDR
						     : 0;
		break;
	default:
		return 0;
	}
	*ret = (struct ike_bytes){ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
	return type;
}

static bool same_name(uint8_t type, struct ike_bytes a, struct ike_bytes b)
{
	bool text = type == IKE_ID_FQDN || type == IKE_ID_RFC822_ADDR;

	if (!a.len || a.len != b.len)
		return false;
	if (!text)
		return !memcmp(a.p, b.p, a.len);
	/* strncasecmp() would stop at a NUL */
	return !memchr(a.p, 0, a.len) && !strncasecmp((const char *)a.p, (const char *)b.p, a.len);
}

static X509_NAME *read_dn(struct ike_bytes der)
{
	const unsigned char *p = der.p;
	X509_NAME *name = der.len ? d2i_X509_NAME(NULL, &p, (long)der.len) : NULL;

	ERR_clear_error();
	if (name && p != der.p + der.len) {
		X509_NAME_free(name);
		return NULL;
	}
	return name;
}

const char *ike_dn_format(struct ike_bytes dn, char buf[static IKE_CERT_NAME_MAX])
{
	X509_NAME *name = read_dn(dn);

	if (!name || X509_NAME_entry_count(name) == 0) {
		X509_NAME_free(name);
		return NULL;
	}
	ike_cert_name(name, buf);
	X509_NAME_free(name);
	return buf;
}

/* One without any part names nobody. */
static bool same_dn(const X509_NAME *a, const X509_NAME *b)
{
	return a && b && X509_NAME_entry_count(a) > 0 && X509_NAME_cmp(a, b) == 0;
}

bool ike_dn_equal(struct ike_bytes a, struct ike_bytes b)
{
	X509_NAME *na = read_dn(a), *nb = read_dn(b);
	bool same = same_dn(na, nb);

	X509_NAME_free(na);
	X509_NAME_free(nb);
	return same;
}

static bool subject_is(const X509 *cert, struct ike_bytes dn)
{
	X509_NAME *name = read_dn(dn);
	bool same = same_dn(name, X509_get_subject_name(cert));

	X509_NAME_free(name);
	return same;
}

bool ike_cert_carries(const X509 *cert, uint8_t type, struct ike_bytes id)
{
	GENERAL_NAMES *names;
	bool found = false;

	if (type == IKE_ID_DER_ASN1_DN)
		return subject_is(cert, id);
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	ERR_clear_error();
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		struct ike_bytes value;
		uint8_t its = general_name(sk_GENERAL_NAME_value(names, i), &value);

		found = its && its == type && same_name(type, value, id);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static int subject_identity(const X509 *cert, uint8_t *ret_type, uint8_t *ret_id, uint16_t *ret_len)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int len = X509_NAME_entry_count(subject) > 0 ? i2d_X509_NAME(subject, NULL) : 0;

	if (len <= 0 || len > IKE_ID_MAX || i2d_X509_NAME(subject, &ret_id) != len)
		return -ENOENT;
	*ret_type = IKE_ID_DER_ASN1_DN;
	*ret_len = (uint16_t)len;
	return 0;
}

int ike_cert_identity(const X509 *cert, uint8_t *ret_type, uint8_t *ret_id, uint16_t *ret_len)
{
	static const uint8_t wanted[] = {IKE_ID_FQDN, IKE_ID_RFC822_ADDR};
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	ERR_clear_error();
	for (size_t k = 0; k < sizeof(wanted); k++)
		for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
			struct ike_bytes value;

			if (general_name(sk_GENERAL_NAME_value(names, i), &value) != wanted[k] ||
				!value.len || value.len > IKE_ID_MAX)
				continue;
			*ret_type = wanted[k];
			*ret_len = (uint16_t)value.len;
			memcpy(ret_id, value.p, value.len);
			found = true;
		}
	GENERAL_NAMES_free(names);
	return found ? 0 : subject_identity(cert, ret_type, ret_id, ret_len);
}

/* ---- the chain */

/* Why OpenSSL does not take the chain, about the certificate that it stopped at. */
static void explain(X509_STORE_CTX *ctx, char why[static IKE_WHY_MAX])
{
	int error = X509_STORE_CTX_get_error(ctx);
	const X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	const char *whose = X509_STORE_CTX_get_error_depth(ctx) ? "a CA's certificate"
								: "the peer's certificate";
	char name[IKE_CERT_NAME_MAX] = "?", other[IKE_CERT_NAME_MAX], date[IKE_CERT_DATE_MAX];

#define WHY(...) snprintf(why, IKE_WHY_MAX, __VA_ARGS__)
	if (cert)
		ike_cert_name(X509_get_subject_name(cert), name);
	switch (cert ? error : X509_V_ERR_UNSPECIFIED) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		WHY("%s (%.60s) expired on %s", whose, name,
			ike_cert_date(ike_cert_time(X509_get0_notAfter(cert)), date));
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		WHY("%s (%.60s) is not valid before %s; is the clock of this host right?", whose,
			name, ike_cert_date(ike_cert_time(X509_get0_notBefore(cert)), date));
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		WHY("%s (%.40s) is by %.40s, which is no CA configured for it", whose, name,
			ike_cert_name(X509_get_issuer_name(cert), other));
		return;
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		WHY("%.60s stands in the peer's chain as a CA and is none", name);
		return;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		WHY("the signature on %s (%.60s) is wrong", whose, name);
		return;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		WHY("the key of %s (%.60s) is too weak", whose, name);
		return;
	case X509_V_ERR_CA_MD_TOO_WEAK:
		WHY("%s (%.60s) is signed by a hash that is broken", whose, name);
		return;
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		WHY("the peer's certificate is further from the CA than is allowed");
		return;
	default:
		WHY("%s (%.40s): %.60s", whose, name, X509_verify_cert_error_string(error));
		return;
	}
#undef WHY
}

/* For intermediates OpenSSL also takes what RFC 5280 section 6.1.4 (k) does not: a certificate
 * without basicConstraints. */
static bool all_cas(STACK_OF(X509) * chain, char why[static IKE_WHY_MAX])
{
	char name[IKE_CERT_NAME_MAX];

	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		if (X509_check_ca(cert) == 1)
			continue;
		snprintf(why, IKE_WHY_MAX, "%.60s stands in the peer's chain as a CA and is none",
			ike_cert_name(X509_get_subject_name(cert), name));
		return false;
	}
	return true;
}

static int judge_leaf(X509 *leaf, struct ike_cert_proof *p, char why[static IKE_WHY_MAX])
{
	const char *misuse = ike_cert_misuse(leaf);
	int r = 0;

	ike_cert_name(X509_get_subject_name(leaf), p->subject);
	if (misuse) {
		snprintf(why, IKE_WHY_MAX, "the peer's certificate (%.60s) %s", p->subject, misuse);
		r = -EKEYREJECTED;
	} else if (ike_cert_key(leaf, &p->key) < 0) {
		snprintf(why, IKE_WHY_MAX,
			"the peer's certificate (%.60s) has a key of a kind that we do not take",
			p->subject);
		r = -EKEYREJECTED;
	}
	return r;
}

static void describe(STACK_OF(X509) * chain, struct ike_cert_proof *p)
{
	int n = sk_X509_num(chain);

	p->until = INT64_MAX;
	for (int i = 0; i < n; i++) {
		int64_t end = ike_cert_time(X509_get0_notAfter(sk_X509_value(chain, i)));

		if (end < p->until)
			p->until = end;
	}
	ike_cert_name(X509_get_subject_name(sk_X509_value(chain, n - 1)), p->ca);
}

static int verify(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others, int64_t now,
	struct ike_cert_proof *p, char why[static IKE_WHY_MAX])
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int r = -EKEYREJECTED;

	if (!ctx || !X509_STORE_CTX_init(ctx, store, leaf, others)) {
		snprintf(why, IKE_WHY_MAX, "OpenSSL cannot check the peer's certificate");
		X509_STORE_CTX_free(ctx);
		return r;
	}
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	/* what the admin trusts may be below another one */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	if (X509_verify_cert(ctx) != 1)
		explain(ctx, why);
	else if (all_cas(X509_STORE_CTX_get0_chain(ctx), why))
		r = judge_leaf(leaf, p, why);
	if (r == 0)
		describe(X509_STORE_CTX_get0_chain(ctx), p);
	X509_STORE_CTX_free(ctx);
	return r;
}

static X509_STORE *make_store(const struct ike_cert_case *c)
{
	X509_STORE *store = X509_STORE_new();

	for (size_t i = 0; store && i < c->n_cas; i++) {
		X509 *ca = ike_cert_read(c->cas[i]);

		if (ca)
			X509_STORE_add_cert(store, ca); /* takes a reference */
		X509_free(ca);
	}
	return store;
}

/* Those beside the first one. What cannot be read is of no use, and no harm. */
static STACK_OF(X509) * read_others(const struct ike_cert_case *c)
{
	STACK_OF(X509) *others = sk_X509_new_null();

	for (size_t i = 1; others && i < c->n_certs; i++) {
		X509 *cert = ike_cert_read(c->certs[i]);

		if (cert && !sk_X509_push(others, cert))
			X509_free(cert);
	}
	return others;
}

int ike_cert_verify(
	const struct ike_cert_case *c, struct ike_cert_proof *ret, char why[static IKE_WHY_MAX])
{
	struct ike_cert_proof proof = {.cert = c->n_certs ? ike_cert_read(c->certs[0]) : NULL};
	STACK_OF(X509) *others = read_others(c);
	X509_STORE *store = make_store(c);
	int r = -EKEYREJECTED;

	if (!proof.cert)
		snprintf(why, IKE_WHY_MAX, "the peer's certificate cannot be read");
	else if (!store || !others)
		snprintf(why, IKE_WHY_MAX, "OpenSSL cannot check the peer's certificate");
	else
		r = verify(store, proof.cert, others, c->now, &proof, why);
	if (r == 0)
		*ret = proof;
	else
		X509_free(proof.cert);
	sk_X509_pop_free(others, X509_free);
	X509_STORE_free(store);
	ERR_clear_error();
	return r;
}
