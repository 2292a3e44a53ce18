/* SPDX-License-Identifier: BSD-2-Clause */
/* peers.d: one section for each peer, one function for each key. */
#include "agent/manual.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keytool.h"
#include "agent/lines.h"
#include "base/log.h"
#include "ike/payload.h"

#define PEERS_MAX 65536

struct manual {
	struct manual_peer *peers;
	size_t n, cap;
};

/* One file being read. */
struct load {
	struct manual *m;
	const struct manual *old;
	const char *dir;
	const char *file;
	conf_error_fn on_error;
	void *arg;
	uint32_t line; /* that faults are about */
	size_t faults;
	bool open; /* a section is being read into peer */
	bool bad;  /* and has a fault */
	struct manual_peer peer;
	uint32_t seen[16]; /* the line of each key, 0: not given */
};

__attribute__((format(printf, 2, 0))) static void vcomplain(
	struct load *l, const char *fmt, va_list ap)
{
	char what[LINES_BYTES + 300], text[CONF_TEXT_MAX + LINES_BYTES + 320];

	l->faults++;
	if (!l->on_error)
		return;
	vsnprintf(what, sizeof(what), fmt, ap);
	if (l->line)
		snprintf(text, sizeof(text), "%s:%u: %s", l->file, l->line, what);
	else
		snprintf(text, sizeof(text), "%s: %s", l->file, what);
	l->on_error(l->arg, text);
}

/* The section is of no use. */
__attribute__((format(printf, 2, 3))) static void fault(struct load *l, const char *fmt, ...)
{
	va_list ap;

	l->bad = true;
	va_start(ap, fmt);
	vcomplain(l, fmt, ap);
	va_end(ap);
}

/* It stands nevertheless. */
__attribute__((format(printf, 2, 3))) static void complain(struct load *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vcomplain(l, fmt, ap);
	va_end(ap);
}

/* ---- values */

static void set_address(struct load *l, const char *value)
{
	char copy[LINES_BYTES + 1], *save = NULL;
	bool host_bits;

	snprintf(copy, sizeof(copy), "%s", value);
	for (char *s = strtok_r(copy, " \t,", &save); s; s = strtok_r(NULL, " \t,", &save)) {
		if (l->peer.n_addrs == MANUAL_ADDRS_MAX) {
			fault(l, "address: more than %d; write a prefix, or a second [peer]",
				MANUAL_ADDRS_MAX);
			return;
		}
		if (prefix_parse(s, &l->peer.addrs[l->peer.n_addrs], &host_bits) < 0 || host_bits) {
			fault(l,
				"address: '%s' is no address and no prefix; write such as "
				"192.0.2.7 or 2001:db8::/64",
				s);
			return;
		}
		l->peer.n_addrs++;
	}
	if (!l->peer.n_addrs)
		fault(l, "address: nothing there; write the peer's address or prefix");
}

static void set_auth(struct load *l, const char *value)
{
	if (!strcmp(value, "psk"))
		l->peer.auth = MANUAL_PSK;
	else if (!strcmp(value, "key"))
		l->peer.auth = MANUAL_KEY;
	else if (!strcmp(value, "x509"))
		l->peer.auth = MANUAL_X509;
	else
		fault(l, "auth: '%s' is unknown; write psk, key or x509", value);
}

static bool give(struct manual_identity *ret, uint8_t type, const void *id, size_t len)
{
	if (!len || len > sizeof(ret->id))
		return false;
	*ret = (struct manual_identity){.how = MANUAL_ID_GIVEN, .type = type, .len = (uint16_t)len};
	memcpy(ret->id, id, len);
	return true;
}

/* RFC 7296 3.5: an address, user@host, a name, a distinguished name, or keyid: and any text. */
static bool parse_identity(const char *value, struct manual_identity *ret)
{
	static const char name_chars[] =
		"-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint8_t dn[IKE_ID_MAX];
	struct addr a;
	int len;

	if (addr_parse(value, &a) == 0)
		return give(ret, addr_size(&a) == 4 ? IKE_ID_IPV4_ADDR : IKE_ID_IPV6_ADDR, a.b,
			addr_size(&a));
	if (!strncmp(value, "keyid:", 6))
		return give(ret, IKE_ID_KEY_ID, value + 6, strlen(value + 6));
	if (strchr(value, '=')) {
		len = certs_parse_dn(value, dn, sizeof(dn));
		return len > 0 && give(ret, IKE_ID_DER_ASN1_DN, dn, (size_t)len);
	}
	if (*value != '@' && strchr(value, '@') && !strpbrk(value, " \t,"))
		return give(ret, IKE_ID_RFC822_ADDR, value, strlen(value));
	if (strspn(value, name_chars) != strlen(value) || *value == '.')
		return false;
	return give(ret, IKE_ID_FQDN, value, strlen(value));
}

static void set_identity(struct load *l, const char *value)
{
	if (strcmp(value, "default") != 0 && !parse_identity(value, &l->peer.self))
		fault(l,
			"identity: '%s' is none; write default, an address, a name, user@name, "
			"a subject (O=..., CN=...) or keyid:TEXT",
			value);
}

static void set_peer_identity(struct load *l, const char *value)
{
	if (!strcmp(value, "any"))
		l->peer.peer.how = MANUAL_ID_ANY;
	else if (strcmp(value, "address") != 0 && !parse_identity(value, &l->peer.peer))
		fault(l,
			"peer-identity: '%s' is none; write address, any, an address, a name, "
			"user@name, a subject (O=..., CN=...) or keyid:TEXT",
			value);
}

static bool name_valid(const char *value)
{
	static const char chars[] =
		"-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strlen(value);

	return len && len < IKE_NAME_MAX && strspn(value, chars) == len && *value != '.';
}

static void set_secret(struct load *l, const char *value)
{
	l->peer.secret_line = l->line;
	if (name_valid(value))
		strcpy(l->peer.secret, value);
	else
		fault(l, "secret: '%s' is no name; write NAME where the secret is in keys/NAME.psk",
			value);
}

static void set_ppk(struct load *l, const char *value)
{
	l->peer.ppk_line = l->line;
	if (name_valid(value))
		strcpy(l->peer.ppk, value);
	else
		fault(l, "ppk: '%s' is no name; write NAME where the secret is in keys/NAME.psk",
			value);
}

static void set_ppk_id(struct load *l, const char *value)
{
	size_t len = strlen(value);

	if (!len || len > sizeof(l->peer.ppk_id)) {
		fault(l, "ppk-id: %zu bytes; write a text of 1 to %zu", len,
			sizeof(l->peer.ppk_id));
		return;
	}
	l->peer.ppk_id_len = (uint8_t)len;
	memcpy(l->peer.ppk_id, value, len);
}

static void set_ppk_required(struct load *l, const char *value)
{
	l->peer.ppk_optional = !strcmp(value, "no");
	if (!l->peer.ppk_optional && strcmp(value, "yes") != 0)
		fault(l, "ppk-required: '%s' is unknown; write yes or no", value);
}

/* SubjectPublicKeyInfo in base64, as `oectl key show` prints it; several with blanks between. */
static void set_key(struct load *l, const char *value)
{
	char copy[LINES_BYTES + 1], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", value);
	for (char *s = strtok_r(copy, " \t", &save); s; s = strtok_r(NULL, " \t", &save)) {
		uint8_t der[LINES_BYTES];
		size_t len = strlen(s);
		int got = len % 4 ? -1 : EVP_DecodeBlock(der, (const uint8_t *)s, (int)len);
		struct keytool_public key;
		bool good = false;

		if (l->peer.n_keys == MANUAL_KEYS_MAX) {
			fault(l, "key: more than %d; write the first %d", MANUAL_KEYS_MAX,
				MANUAL_KEYS_MAX);
			return;
		}
		/* the padding counts as zero bytes */
		for (size_t i = len; got > 0 && i && s[i - 1] == '='; i--)
			got--;
		if (got > 0 && got <= IKE_SPKI_MAX)
			good = keytool_public_from_spki(der, (size_t)got, &key) == 0;
		if (!good) {
			fault(l,
				"key: '%.40s%s' is no public key; write base64 of the DER form, "
				"as 'openssl pkey -pubout -outform der | base64 -w0' prints it",
				s, len > 40 ? "..." : "");
			return;
		}
		l->peer.keys[l->peer.n_keys].len = (uint16_t)got;
		memcpy(l->peer.keys[l->peer.n_keys++].spki, der, (size_t)got);
	}
}

static void set_file(struct load *l, const char *key, const char *value, char ret[CONF_TEXT_MAX])
{
	if (!*value || strlen(value) >= CONF_TEXT_MAX)
		fault(l, "%s: '%.40s' is no file's name; write one of at most %d letters", key,
			value, CONF_TEXT_MAX - 1);
	else
		strcpy(ret, value);
}

static void set_ca(struct load *l, const char *value)
{
	set_file(l, "ca", value, l->peer.ca);
}

static void set_certificate(struct load *l, const char *value)
{
	l->peer.cert_line = l->line;
	set_file(l, "certificate", value, l->peer.cert);
}

/* ---- sections */

static const struct key {
	const char *name;
	void (*set)(struct load *l, const char *value);
} keys[] = {
	{"address", set_address},
	{"auth", set_auth},
	{"identity", set_identity},
	{"peer-identity", set_peer_identity},
	{"secret", set_secret},
	{"key", set_key},
	{"ca", set_ca},
	{"certificate", set_certificate},
	{"ppk", set_ppk},
	{"ppk-id", set_ppk_id},
	{"ppk-required", set_ppk_required},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))
_Static_assert(N_KEYS <= 16, "seen[] is long enough");

static uint32_t seen(const struct load *l, const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i].name, name))
			return l->seen[i];
	return 0;
}

static const struct manual_peer *by_name(const struct manual *m, const char *name)
{
	for (size_t i = 0; m && i < m->n; i++)
		if (!strcmp(m->peers[i].name, name))
			return &m->peers[i];
	return NULL;
}

static void add(struct manual *m, const struct manual_peer *p)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 8;
		m->peers = reallocarray(m->peers, m->cap, sizeof(*m->peers));
		if (!m->peers) {
			log_error("out of memory");
			abort();
		}
	}
	m->peers[m->n] = *p;
	certs_ref(m->peers[m->n++].certs);
}

/* Keys that only another auth has a use for. */
static void check_useless(struct load *l)
{
	static const struct {
		const char *key;
		uint8_t auth;
	} uses[] = {
		{"secret", MANUAL_PSK},
		{"key", MANUAL_KEY},
		{"ca", MANUAL_X509},
		{"certificate", MANUAL_X509},
	};
	static const char *const names[] = {
		[MANUAL_PSK] = "psk", [MANUAL_KEY] = "key", [MANUAL_X509] = "x509"};

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (!l->peer.auth || l->peer.auth == uses[i].auth || !seen(l, uses[i].key))
			continue;
		l->line = seen(l, uses[i].key);
		fault(l, "%s: of no use with auth = %s; delete one of the two", uses[i].key,
			names[l->peer.auth]);
	}
}

/* Its identity is its name, if nothing else is said. */
static void check_ppk(struct load *l)
{
	struct manual_peer *p = &l->peer;
	const char *key = seen(l, "ppk-id") ? "ppk-id" : "ppk-required";

	if (!*p->ppk && seen(l, key) && !seen(l, "ppk")) {
		l->line = seen(l, key);
		fault(l, "%s: of no use without a PPK; write ppk = NAME", key);
	}
	if (*p->ppk && !p->ppk_id_len) {
		p->ppk_id_len = (uint8_t)strlen(p->ppk);
		memcpy(p->ppk_id, p->ppk, p->ppk_id_len);
	}
}

static void on_certs_fault(void *arg, const char *key, const char *text)
{
	struct load *l = arg;

	l->line = seen(l, key);
	complain(l, "%s: %s", key, text);
}

/* Without certificates that can be read the peer keeps those that it had, or has none: then nobody can
 * prove to be it, which is better than that it is a peer like all others. */
static void read_certs(struct load *l)
{
	struct manual_peer *p = &l->peer;
	const struct manual_peer *was = by_name(l->old, p->name);

	if (!l->dir)
		return;
	p->certs = certs_read(l->dir, p->ca, p->cert, on_certs_fault, l);
	l->line = seen(l, "identity");
	if (p->certs && p->self.how == MANUAL_ID_GIVEN &&
		!certs_carry(p->certs, p->self.type, p->self.id, p->self.len))
		complain(l,
			"identity: it is not in the certificate, so the peer will not believe it; "
			"delete this line, or ask the CA for another certificate");
	if (!p->certs && was && was->auth == MANUAL_X509)
		p->certs = certs_ref(was->certs);
}

/* What the section must have, and must not. */
static void check(struct load *l)
{
	struct manual_peer *p = &l->peer;

	l->line = p->line;
	if (!seen(l, "address"))
		fault(l, "[peer %s] has no address; write address = ADDRESS", p->name);
	if (!seen(l, "auth"))
		fault(l,
			"[peer %s] does not say how it proves itself; write auth = psk, key or "
			"x509",
			p->name);
	if (p->auth == MANUAL_KEY && !seen(l, "key"))
		fault(l, "[peer %s] has auth = key, but no key; write key = BASE64", p->name);
	if (p->auth == MANUAL_X509 && (!seen(l, "ca") || !seen(l, "certificate")))
		fault(l, "[peer %s] has auth = x509, but no %s; write %s = FILE", p->name,
			seen(l, "ca") ? "certificate" : "ca", seen(l, "ca") ? "certificate" : "ca");
	check_useless(l);
	check_ppk(l);
	if (p->auth == MANUAL_PSK && !*p->secret) {
		strcpy(p->secret, p->name);
		p->secret_line = p->line;
	}
	for (size_t i = 0; !l->bad && i < l->m->n; i++)
		for (size_t j = 0; j < l->m->peers[i].n_addrs; j++)
			for (size_t k = 0; k < p->n_addrs; k++)
				if (prefix_equal(&l->m->peers[i].addrs[j], &p->addrs[k])) {
					fault(l,
						"[peer %s] has an address of [peer %s] (%s:%u); "
						"delete one of the two",
						p->name, l->m->peers[i].name, l->m->peers[i].file,
						l->m->peers[i].line);
					return;
				}
	if (!l->bad && p->auth == MANUAL_X509)
		read_certs(l);
}

static void end_section(struct load *l)
{
	const struct manual_peer *was;

	if (!l->open)
		return;
	l->open = false;
	if (!l->bad)
		check(l);
	was = by_name(l->old, l->peer.name);
	if (!l->bad)
		add(l->m, &l->peer);
	else if (was && !by_name(l->m, l->peer.name))
		add(l->m, was);
	certs_unref(l->peer.certs);
	l->peer.certs = NULL;
}

static void on_section(void *arg, const char *line)
{
	struct load *l = arg;
	size_t len = strlen(line);
	const struct manual_peer *other;
	const char *name;
	uint32_t number = l->line;

	end_section(l);
	l->line = number;
	l->peer = (struct manual_peer){.line = l->line};
	snprintf(l->peer.file, sizeof(l->peer.file), "%s", l->file);
	memset(l->seen, 0, sizeof(l->seen));
	l->bad = false;
	name = line + 6 + strspn(line + strnlen(line, 6), " ");
	if (len < 8 || strncmp(line, "[peer ", 6) != 0 || line[len - 1] != ']') {
		fault(l, "'%.60s' is no section; write [peer NAME]", line);
		return;
	}
	snprintf(l->peer.name, sizeof(l->peer.name), "%.*s", (int)(line + len - 1 - name), name);
	if (line + len - 1 - name >= IKE_NAME_MAX || !name_valid(l->peer.name)) {
		fault(l,
			"'%.60s': the name is no good; write at most %d letters, digits, hyphens, "
			"dots and underscores",
			line, IKE_NAME_MAX - 1);
		return;
	}
	other = by_name(l->m, l->peer.name);
	if (other)
		fault(l, "[peer %s] stands in %s:%u already; give it another name", other->name,
			other->file, other->line);
	else if (l->m->n >= PEERS_MAX)
		fault(l, "more than %d peers; write prefixes", PEERS_MAX);
	l->open = true;
}

/* ---- files */

/* inih's handler for one `name = value`. Always 1: what is wrong has been told. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct load *l = user;

	(void)section;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (l->seen[i])
			fault(l, "%s stands in line %u already; delete one of the two", name,
				l->seen[i]);
		else
			keys[i].set(l, value ? value : "");
		l->seen[i] = l->line;
		return 1;
	}
	fault(l,
		"no key '%s' in [peer]; write one of address, auth, identity, peer-identity, "
		"secret, key, ca, certificate, ppk, ppk-id, ppk-required",
		name);
	return 1;
}

static bool on_setting(void *arg, const char *line)
{
	struct load *l = arg;

	if (!l->open && !l->bad) /* one message for what stands below no section */
		fault(l, "'%s' stands before any section; write [peer NAME] above it", line);
	return l->open;
}

static void on_fault(void *arg, const char *why)
{
	fault(arg, "%s", why);
}

size_t manual_parse(struct manual *m, const struct manual *old, const char *dir, const char *file,
	const char *text, size_t len, conf_error_fn on_error, void *arg)
{
	struct load l = {
		.m = m, .old = old, .dir = dir, .file = file, .on_error = on_error, .arg = arg};
	struct lines_sink sink = {.arg = &l,
		.line = &l.line,
		.section = on_section,
		.setting = on_setting,
		.fault = on_fault,
		.key = on_key};

	if (lines_parse(text, len, &sink) < 0)
		fault(&l, "out of memory");
	end_section(&l);
	return l.faults;
}

static int is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && !strcmp(e->d_name + len - 5, ".conf");
}

static int in_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Of a file that cannot be read all stays as it was. */
static void keep_file(struct manual *m, const struct manual *old, const char *file)
{
	for (size_t i = 0; old && i < old->n; i++)
		if (!strcmp(old->peers[i].file, file) && !by_name(m, old->peers[i].name))
			add(m, &old->peers[i]);
}

static size_t load_file(struct manual *m, const struct manual *old, const char *dir,
	const char *name, conf_error_fn on_error, void *arg)
{
	struct load l = {.on_error = on_error, .arg = arg};
	char path[CONF_TEXT_MAX], *text;
	size_t len, faults;
	int error;

	error = (size_t)snprintf(path, sizeof(path), "%s/peers.d/%s", dir, name) < sizeof(path)
			? lines_read_file(path, &text, &len)
			: -ENAMETOOLONG;
	if (error) {
		l.file = path;
		fault(&l, "cannot be read (%s); make it a file that oed can read (mode 0644)",
			strerror(-error));
		keep_file(m, old, path);
		return l.faults;
	}
	faults = manual_parse(m, old, dir, path, text, len, on_error, arg);
	free(text);
	return faults;
}

struct manual *manual_load(const char *dir, const struct manual *old, conf_error_fn on_error,
	void *arg, size_t *ret_refused)
{
	struct manual *m = manual_new();
	struct load l = {.on_error = on_error, .arg = arg};
	struct dirent **entries = NULL;
	char path[PATH_MAX];
	int n;

	snprintf(path, sizeof(path), "%s/peers.d", dir);
	*ret_refused = 0;
	n = scandir(path, &entries, is_conf, in_order);
	if (n < 0 && errno != ENOENT) {
		l.file = path;
		fault(&l, "cannot be read (%s); make it a directory that oed can read (mode 0755)",
			strerror(errno));
		*ret_refused = l.faults;
	}
	for (int i = 0; i < n; i++) {
		*ret_refused += load_file(m, old, dir, entries[i]->d_name, on_error, arg);
		free(entries[i]);
	}
	free(entries);
	return m;
}

/* ---- what others want of it */

struct manual *manual_new(void)
{
	struct manual *m = calloc(1, sizeof(*m));

	if (!m) {
		log_error("out of memory");
		abort();
	}
	return m;
}

void manual_free(struct manual *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		certs_unref(m->peers[i].certs);
	free(m->peers);
	free(m);
}

size_t manual_count(const struct manual *m)
{
	return m->n;
}

const struct manual_peer *manual_at(const struct manual *m, size_t i)
{
	return &m->peers[i];
}

const struct manual_peer *manual_find(const struct manual *m, const struct addr *remote)
{
	const struct manual_peer *best = NULL;
	unsigned int longest = 0;

	for (size_t i = 0; m && i < m->n; i++)
		for (size_t k = 0; k < m->peers[i].n_addrs; k++) {
			const struct prefix *p = &m->peers[i].addrs[k];

			if (prefix_contains(p, remote) && (!best || p->len > longest)) {
				best = &m->peers[i];
				longest = p->len;
			}
		}
	return best;
}

void manual_check_keys(const struct manual *m, const struct ike_pubkey *own, size_t n,
	conf_error_fn on_error, void *arg)
{
	struct load l = {.on_error = on_error, .arg = arg};

	for (size_t i = 0; i < m->n; i++) {
		const struct manual_peer *p = &m->peers[i];

		if (!p->certs || certs_have_key(p->certs, own, n))
			continue;
		l.file = p->file;
		l.line = p->cert_line;
		complain(&l,
			"certificate: %s is for a key that is not in the directory keys; ask the "
			"CA for one for this host's key, or put its key there",
			p->cert);
	}
}

static bool identity_same(const struct manual_identity *a, const struct manual_identity *b)
{
	return a->how == b->how && a->type == b->type && a->len == b->len &&
	       !memcmp(a->id, b->id, a->len);
}

bool manual_same(const struct manual_peer *a, const struct manual_peer *b)
{
	if (!a || !b)
		return a == b;
	if (strcmp(a->ppk, b->ppk) != 0 || a->ppk_optional != b->ppk_optional ||
		a->ppk_id_len != b->ppk_id_len || memcmp(a->ppk_id, b->ppk_id, a->ppk_id_len) != 0)
		return false;
	if (a->auth != b->auth || strcmp(a->secret, b->secret) != 0 || a->n_keys != b->n_keys ||
		!certs_same_cas(a->certs, b->certs) || !identity_same(&a->self, &b->self) ||
		!identity_same(&a->peer, &b->peer))
		return false;
	for (size_t i = 0; i < a->n_keys; i++)
		if (a->keys[i].len != b->keys[i].len ||
			memcmp(a->keys[i].spki, b->keys[i].spki, a->keys[i].len) != 0)
			return false;
	return true;
}

void manual_terms(const struct manual_peer *p, const struct addr *remote, struct ike_terms *ret)
{
	*ret = (struct ike_terms){0};
	certs_terms(p->certs, ret);
	if (p->auth == MANUAL_PSK)
		memcpy(ret->psk, p->secret, sizeof(ret->psk));
	memcpy(ret->ppk, p->ppk, sizeof(ret->ppk));
	ret->ppk_required = *p->ppk && !p->ppk_optional;
	ret->ppk_id_len = p->ppk_id_len;
	memcpy(ret->ppk_id, p->ppk_id, sizeof(ret->ppk_id));
	if (p->self.how == MANUAL_ID_GIVEN) {
		ret->self_type = p->self.type;
		ret->self_len = p->self.len;
		memcpy(ret->self_id, p->self.id, p->self.len);
	}
	if (p->peer.how == MANUAL_ID_GIVEN) {
		ret->peer_type = p->peer.type;
		ret->peer_len = p->peer.len;
		memcpy(ret->peer_id, p->peer.id, p->peer.len);
	} else if (p->peer.how == MANUAL_ID_DEFAULT) {
		ret->peer_type = addr_size(remote) == 4 ? IKE_ID_IPV4_ADDR : IKE_ID_IPV6_ADDR;
		ret->peer_len = (uint16_t)addr_size(remote);
		memcpy(ret->peer_id, remote->b, addr_size(remote));
	}
}

const char *manual_words(const struct manual_peer *p, char *buf, size_t cap)
{
	switch ((enum manual_auth)p->auth) {
	case MANUAL_PSK:
		snprintf(buf, cap, "the shared secret '%s'", p->secret);
		break;
	case MANUAL_KEY:
		snprintf(buf, cap, "a key that stands in %s", p->file);
		break;
	case MANUAL_X509:
		snprintf(buf, cap, "a certificate of a CA in %s", p->ca);
		break;
	}
	return buf;
}
