/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/certs.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/conf.h"
#include "agent/lines.h"
#include "base/log.h"
#include "base/wire.h"
#include "ike/cert.h"

#define SECURITY_BITS 112 /* RSA from 2048 */

struct certs {
	unsigned int refs;
	uint8_t n_cas, n_own;
	X509 *own; /* the first of ours */
	uint8_t hashes[IKE_CAS_MAX][IKE_CA_HASH_LEN];
	size_t cas_len, len; /* of the tail: the CAs', all */
	uint8_t tail[];
};

/* One file being read. */
struct file {
	const char *key;
	const char *path;
	certs_fault_fn on_fault;
	void *arg;
	X509 *certs[IKE_CAS_MAX];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void fault(const struct file *f, const char *fmt, ...)
{
	char text[2 * CONF_TEXT_MAX + 300];
	int n = snprintf(text, sizeof(text), "%s ", f->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	f->on_fault(f->arg, f->key, text);
}

/* ---- PEM */

/* Nobody is there to type one. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

/* The certificates in text, up to max. Returns false after the fault. */
static bool parse(struct file *f, const char *text, size_t len, size_t max)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	unsigned long error;
	X509 *cert;

	while (bio && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		if (f->n == max) {
			fault(f, "holds more than %zu certificates; take out what is not needed",
				max);
			X509_free(cert);
			BIO_free(bio);
			return false;
		}
		f->certs[f->n++] = cert;
	}
	error = ERR_peek_last_error();
	BIO_free(bio);
	ERR_clear_error();
	if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		fault(f, "is damaged behind %zu certificates; copy it again", f->n);
	else if (!f->n)
		fault(f, "holds no certificate; write it in PEM (-----BEGIN CERTIFICATE-----)");
	else
		return true;
	return false;
}

static bool read_file(struct file *f, size_t max)
{
	char *text;
	size_t len;
	int error = lines_read_file(f->path, &text, &len);
	bool good;

	if (error) {
		fault(f, "cannot be read (%s); put the certificate there, mode 0644",
			strerror(-error));
		return false;
	}
	good = parse(f, text, len, max);
	free(text);
	return good;
}

static void file_free(struct file *f)
{
	for (size_t i = 0; i < f->n; i++)
		X509_free(f->certs[i]);
	f->n = 0;
}

/* ---- what they must be */

static void check_time(const struct file *f, const X509 *cert, const char *name)
{
	int64_t now = time(NULL), from = ike_cert_time(X509_get0_notBefore(cert)),
		to = ike_cert_time(X509_get0_notAfter(cert));
	char date[IKE_CERT_DATE_MAX];

	if (to <= now)
		fault(f, "(%s) expired on %s; ask the CA for a new one", name,
			ike_cert_date(to, date));
	else if (from > now)
		fault(f, "(%s) is not valid before %s; is the clock of this host right?", name,
			ike_cert_date(from, date));
}

static bool check_one(const struct file *f, X509 *cert, const char *name)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	int len = i2d_X509(cert, NULL);

	if (len <= 0 || len > IKE_CERT_MAX) {
		fault(f, "(%s) is longer than %d bytes; ask the CA for a shorter one", name,
			IKE_CERT_MAX);
		return false;
	}
	if (!key || EVP_PKEY_get_security_bits(key) < SECURITY_BITS) {
		fault(f,
			"(%s) has a key that is too weak, RSA must have 2048 bits; ask the CA for "
			"another",
			name);
		ERR_clear_error();
		return false;
	}
	check_time(f, cert, name);
	return true;
}

static bool check_cas(const struct file *f)
{
	char name[IKE_CERT_NAME_MAX];
	bool good = true;

	for (size_t i = 0; i < f->n; i++) {
		ike_cert_name(X509_get_subject_name(f->certs[i]), name);
		if (X509_check_ca(f->certs[i]) != 1) {
			fault(f,
				"(%s) is no CA's certificate; write that of the CA which signed "
				"the peer's",
				name);
			good = false;
		} else if (!check_one(f, f->certs[i], name)) {
			good = false;
		}
	}
	return good;
}

static bool check_own(const struct file *f)
{
	char name[IKE_CERT_NAME_MAX];
	const char *misuse = ike_cert_misuse(f->certs[0]);
	struct ike_pubkey key;

	for (size_t i = 0; i < f->n; i++) {
		ike_cert_name(X509_get_subject_name(f->certs[i]), name);
		if (!check_one(f, f->certs[i], name))
			return false;
	}
	ike_cert_name(X509_get_subject_name(f->certs[0]), name);
	if (misuse) {
		fault(f, "(%s) %s; ask the CA for one for signing", name, misuse);
		return false;
	}
	if (ike_cert_key(f->certs[0], &key) < 0) {
		fault(f,
			"(%s) is for a key of a kind that oed does not have; make one with "
			"'oectl key generate'",
			name);
		return false;
	}
	return true;
}

/* ---- names */

/* The next "KEY=VALUE" of *at, up to a comma; a backslash takes the meaning off what follows.
 * Returns false where it is too long. */
static bool next_part(const char **at, char *buf, size_t cap)
{
	const char *s = *at + strspn(*at, " \t");
	size_t n = 0, end = 0;

	for (; *s && *s != ','; s++) {
		bool quoted = *s == '\\' && s[1];

		s += quoted;
		if (n + 1 >= cap)
			return false;
		buf[n++] = *s;
		if (quoted || (*s != ' ' && *s != '\t'))
			end = n;
	}
	buf[end] = '\0';
	*at = *s ? s + 1 : s;
	return true;
}

int certs_parse_dn(const char *text, uint8_t *ret, size_t cap)
{
	X509_NAME *name = X509_NAME_new();
	char part[CONF_TEXT_MAX], *value, *end;
	bool good = name && *text;
	int len = -1;

	while (good && *text) {
		good = next_part(&text, part, sizeof(part)) && (value = strchr(part, '=')) &&
		       value != part;
		if (!good)
			break;
		for (end = value; end > part && (end[-1] == ' ' || end[-1] == '\t'); end--)
			;
		*value++ = *end = '\0';
		value += strspn(value, " \t");
		good = *value && X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8,
					 (const unsigned char *)value, -1, -1, 0);
	}
	if (good)
		len = i2d_X509_NAME(name, NULL);
	if (len > 0 && (size_t)len <= cap)
		i2d_X509_NAME(name, &ret);
	else
		len = -EINVAL;
	X509_NAME_free(name);
	ERR_clear_error();
	return len;
}

/* ---- what becomes of them */

static size_t der_size(X509 *const *certs, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += 2 + (size_t)i2d_X509(certs[i], NULL);
	return len;
}

static void put(struct wire_writer *w, X509 *cert)
{
	int len = i2d_X509(cert, NULL);
	uint8_t *p;

	wire_put_u16(w, (uint16_t)len);
	p = wire_reserve(w, (size_t)len);
	if (p)
		i2d_X509(cert, &p);
}

/* A root at the end of our chain is of no use to the peer, which has it or does not trust it. */
static void drop_root(struct file *own)
{
	X509 *last = own->certs[own->n - 1];

	if (own->n > 1 && (X509_get_extension_flags(last) & EXFLAG_SS)) {
		X509_free(last);
		own->n--;
	}
}

static struct certs *build(struct file *ca, struct file *own)
{
	size_t cas_len = der_size(ca->certs, ca->n), len;
	struct wire_writer w;
	struct certs *c;

	drop_root(own);
	len = cas_len + der_size(own->certs, own->n);
	if (len > IKE_CERTS_TAIL) {
		fault(own,
			"and the CAs have %zu bytes together, more than %d; take out what is not "
			"needed",
			len, IKE_CERTS_TAIL);
		return NULL;
	}
	c = calloc(1, sizeof(*c) + len);
	if (!c) {
		log_error("out of memory");
		abort();
	}
	*c = (struct certs){.refs = 1,
		.n_cas = (uint8_t)ca->n,
		.n_own = (uint8_t)own->n,
		.own = own->certs[0],
		.cas_len = cas_len,
		.len = len};
	X509_up_ref(c->own);
	w = wire_writer(c->tail, len);
	for (size_t i = 0; i < ca->n; i++) {
		put(&w, ca->certs[i]);
		ike_cert_key_hash(ca->certs[i], c->hashes[i]);
	}
	for (size_t i = 0; i < own->n; i++)
		put(&w, own->certs[i]);
	return c;
}

/* Returns false where the name is too long. */
static bool full_path(const char *dir, const char *name, char ret[static CONF_TEXT_MAX * 2])
{
	int n = *name == '/' ? snprintf(ret, CONF_TEXT_MAX * 2, "%s", name)
			     : snprintf(ret, CONF_TEXT_MAX * 2, "%s/%s", dir, name);

	return n < CONF_TEXT_MAX * 2;
}

struct certs *certs_read(
	const char *dir, const char *ca, const char *own, certs_fault_fn on_fault, void *arg)
{
	char ca_path[CONF_TEXT_MAX * 2], own_path[CONF_TEXT_MAX * 2];
	struct file cas = {.key = "ca", .path = ca_path, .on_fault = on_fault, .arg = arg};
	struct file ours = {
		.key = "certificate", .path = own_path, .on_fault = on_fault, .arg = arg};
	struct certs *c = NULL;
	bool good;

	if (!full_path(dir, ca, ca_path) || !full_path(dir, own, own_path)) {
		on_fault(arg, "ca", "the file's name is too long");
		return NULL;
	}
	/* all faults at once */
	good = read_file(&cas, IKE_CAS_MAX) && check_cas(&cas);
	good = read_file(&ours, IKE_CHAIN_MAX) && check_own(&ours) && good;
	if (good)
		c = build(&cas, &ours);
	file_free(&cas);
	file_free(&ours);
	return c;
}

struct certs *certs_ref(struct certs *c)
{
	if (c)
		c->refs++;
	return c;
}

void certs_unref(struct certs *c)
{
	if (!c || --c->refs)
		return;
	X509_free(c->own);
	free(c);
}

bool certs_same_cas(const struct certs *a, const struct certs *b)
{
	if (!a || !b)
		return a == b;
	return a->cas_len == b->cas_len && !memcmp(a->tail, b->tail, a->cas_len);
}

void certs_terms(const struct certs *c, struct ike_terms *ret)
{
	ret->n_cas = c ? c->n_cas : 0;
	ret->n_own = c ? c->n_own : 0;
}

const uint8_t *certs_tail(const struct certs *c, size_t *ret_len)
{
	*ret_len = c ? c->len : 0;
	return c ? c->tail : NULL;
}

const uint8_t *certs_hashes(const struct certs *c, uint8_t *ret_n)
{
	*ret_n = c ? c->n_cas : 0;
	return c ? c->hashes[0] : NULL;
}

bool certs_have_key(const struct certs *c, const struct ike_pubkey *keys, size_t n)
{
	struct ike_pubkey key;

	if (ike_cert_key(c->own, &key) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (keys[i].len == key.len && !memcmp(keys[i].spki, key.spki, key.len))
			return true;
	return false;
}

bool certs_carry(const struct certs *c, uint8_t type, const uint8_t *id, size_t len)
{
	return ike_cert_carries(c->own, type, (struct ike_bytes){id, len});
}
