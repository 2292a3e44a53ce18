/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signer, `oed: signer`: holds the host's private keys and signs AUTH octets with them; holds
 * the secrets that are shared with peers, and makes AUTH of them (RFC 7296 2.15) or mixes them into keys
 * (RFC 8784).
 *
 * open(), as root, reads every *.pem and *.psk of OED_CONFDIR/keys in order of name and proves each
 * key by one signature. That also makes OpenSSL load all it needs, so that the sandbox entered next can do
 * without any file. From then on there is one kind of event: SIGNER_REQ_SIGN from the agent,
 * answered at once by SIGNER_EV_DONE. What is signed is not looked at: the agent passes on what the
 * ike service asks for. There is no way to reload and none to get a key out: new keys take a new
 * signer.
 *
 * Owners: struct signer owns the keys (EVP_PKEY), from open() to stop(). The text of a key file
 * lives in one buffer, wiped after each file.
 *
 * RFC 7427, RFC 8420 (signatures), RFC 8247 section 3 (which of them).
 */
#include "ike/signer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "ike/digsig.h"
#include "ike/keymat.h"
#include "ike/suite.h"

#define FILE_MAX 16384
#define RSA_BITS_MAX 4096 /* a larger one's SPKI passes IKE_SPKI_MAX, and takes too long */
#define PATH_LEN 4096
#define SECRET_MAX 256
#define SECRET_MIN 16 /* bytes: who records an exchange can try all shorter ones at leisure */

/* A shared secret; owned, wiped. */
struct secret {
	char name[IKE_NAME_MAX]; /* of its file, with zeros to the end */
	size_t len;
	uint8_t b[SECRET_MAX];
};

struct signer {
	EVP_PKEY *keys[SIGNER_KEYS_MAX];
	struct ike_signing_key *signing[SIGNER_KEYS_MAX];
	struct ike_pubkey pubkeys[SIGNER_KEYS_MAX];
	struct secret *secrets;
	size_t n_secrets;
	struct signer_ready ready; /* count: of keys */
	struct msg_channel *agent;
};

const struct msg_spec signer_events[] = {
	{SIGNER_EV_READY, "READY", sizeof(struct signer_ready),
		SIGNER_KEYS_MAX * sizeof(struct ike_pubkey), sizeof(struct ike_pubkey)},
	{SIGNER_EV_DONE, "DONE", sizeof(struct signer_done), IKE_SIG_MAX, 1},
	{SIGNER_EV_SECRETS, "SECRETS", sizeof(struct signer_secrets),
		SIGNER_SECRETS_MAX *IKE_NAME_MAX, IKE_NAME_MAX},
};
const size_t signer_n_events = sizeof(signer_events) / sizeof(*signer_events);

static const struct msg_spec requests[] = {
	{SIGNER_REQ_SIGN, "SIGN", sizeof(struct signer_sign), IKE_OCTETS_MAX, 1},
};

/* One line that names the file and the remedy; the first is kept for status. */
__attribute__((format(printf, 3, 4))) static void refuse(
	struct signer *s, const char *path, const char *fmt, ...)
{
	char text[2 * PATH_LEN + 256];
	int n = snprintf(text, sizeof(text), "%s: ", path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	log_warn("%s", text);
	if (!s->ready.refused++)
		snprintf(s->ready.why, sizeof(s->ready.why), "%.*s", (int)sizeof(s->ready.why) - 1,
			text);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return name[0] != '.' && len > end_len && !strcmp(name + len - end_len, end);
}

/* ---- key files */

/* Reads the file at path into buf. Returns its length, or -1 after the refusal. */
static ssize_t read_file(struct signer *s, const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		refuse(s, path, "cannot be opened: %s", strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		refuse(s, path, "is not a regular file: put the key itself there");
	} else if (st.st_uid != geteuid()) {
		refuse(s, path, "belongs to user %u, not root: 'chown root %s'", st.st_uid, path);
	} else if (st.st_mode & 077) {
		refuse(s, path,
			"is open to others (mode %03o): 'chmod 600 %s', and think of making "
			"a new key",
			st.st_mode & 0777, path);
	} else if (st.st_size > (off_t)cap) {
		refuse(s, path, "is larger than %zu bytes: this is no key file", cap);
	} else {
		while (len < cap && (n = read(fd, buf + len, cap - len)) > 0)
			len += (size_t)n;
		if (n < 0)
			refuse(s, path, "cannot be read: %s", strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : (ssize_t)len;
}

/* Nobody is there to type a passphrase. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	bool *asked = arg;

	(void)buf, (void)size, (void)rwflag;
	*asked = true;
	return -1;
}

/* The private key in PEM text; NULL after the refusal. */
static EVP_PKEY *parse_key(struct signer *s, const char *path, const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	bool asked = false;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;

	BIO_free(bio);
	if (!key && asked)
		refuse(s, path, "is encrypted: take the passphrase off with 'openssl pkey -in %s'",
			path);
	else if (!key)
		refuse(s, path, "holds no private key in PEM: make one with 'oectl key generate'");
	ERR_clear_error();
	return key;
}

/* Whether we sign with keys of its kind and strength. */
static bool supported(EVP_PKEY *key)
{
	enum ike_key_type type;

	if (ike_key_type(key, &type) < 0)
		return false;
	switch (type) {
	case IKE_KEY_RSA:
		return EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	case IKE_KEY_P256:
	case IKE_KEY_P384:
	case IKE_KEY_P521:
	case IKE_KEY_ED25519:
	case IKE_KEY_ED448:
		return true;
	}
	return false;
}

/* Signs something and verifies it: a key whose halves differ would fail at the first peer. */
static bool works(struct ike_signing_key *signing, EVP_PKEY *key, const struct ike_pubkey *pub)
{
	static const uint8_t octets[] = "oed signer";
	struct ike_bytes data = {.p = octets, .len = sizeof(octets)};
	uint8_t sig[IKE_SIG_MAX];
	size_t len = sizeof(sig);
	struct ike_digsig d = {.sig.p = sig};
	enum ike_key_type type;

	if (ike_key_type(key, &type) < 0 ||
		ike_scheme_choose(type, IKE_HASHES_ALL, &d.scheme) < 0 ||
		ike_signing_key_sign(signing, d.scheme, data, sig, &len) < 0)
		return false;
	d.ed448 = type == IKE_KEY_ED448;
	d.sig.len = len;
	return ike_digsig_verify(pub->spki, pub->len, &d, data) == 0;
}

/* Takes over key. */
static void add_key(struct signer *s, const char *path, EVP_PKEY *key)
{
	struct ike_signing_key *signing = NULL;
	struct ike_pubkey pub = {0};
	uint8_t *p = pub.spki;
	int len;

	if (!supported(key) || ike_signing_key_new(key, &signing) < 0) {
		refuse(s, path,
			"holds a key of an unsupported kind: use Ed25519, Ed448, ECDSA P-256, "
			"P-384 or P-521, or RSA of 2048 to %d bits",
			RSA_BITS_MAX);
		goto refused;
	}
	len = i2d_PUBKEY(key, NULL);
	if (len <= 0 || len > IKE_SPKI_MAX || i2d_PUBKEY(key, &p) != len) {
		refuse(s, path, "holds a key whose public part cannot be encoded: make a new one");
		goto refused;
	}
	pub.len = (uint16_t)len;
	if (!works(signing, key, &pub)) {
		refuse(s, path, "holds a damaged key, its halves do not match: make a new one");
		goto refused;
	}
	if (ends_with(path, ".new.pem") || ends_with(path, ".old.pem"))
		s->ready.standby |= UINT32_C(1) << s->ready.count;
	s->keys[s->ready.count] = key;
	s->signing[s->ready.count] = signing;
	s->pubkeys[s->ready.count] = pub;
	s->ready.count++;
	return;
refused:
	ERR_clear_error();
	ike_signing_key_free(signing);
	EVP_PKEY_free(key);
}

static void load_file(struct signer *s, const char *path)
{
	char text[FILE_MAX];
	ssize_t len;
	EVP_PKEY *key = NULL;

	if (s->ready.count == SIGNER_KEYS_MAX) {
		refuse(s, path, "is one key too many, %d are used: remove a file", SIGNER_KEYS_MAX);
		return;
	}
	len = read_file(s, path, text, sizeof(text));
	if (len >= 0)
		key = parse_key(s, path, text, (size_t)len);
	OPENSSL_cleanse(text, sizeof(text));
	if (key)
		add_key(s, path, key);
}

/* ---- shared secrets */

/* "0x" and hex digits, "0s" and base64 (RFC 4648), or the text itself. Returns the length; 0 where
 * it is none of these or too long. */
static size_t decode_secret(const char *text, size_t len, uint8_t ret[static SECRET_MAX])
{
	uint8_t buf[SECRET_MAX * 2];
	size_t n = 0;
	int got;

	if (len > 2 && !strncmp(text, "0x", 2)) {
		for (size_t i = 2; i + 1 < len && n < SECRET_MAX && len % 2 == 0; i += 2) {
			int high = OPENSSL_hexchar2int((unsigned char)text[i]);
			int low = OPENSSL_hexchar2int((unsigned char)text[i + 1]);

			if (high < 0 || low < 0)
				return 0;
			ret[n++] = (uint8_t)(high << 4 | low);
		}
		return n == (len - 2) / 2 ? n : 0;
	}
	if (len > 2 && !strncmp(text, "0s", 2)) {
		if (len % 4 != 2 || (len - 2) / 4 * 3 > sizeof(buf))
			return 0;
		got = EVP_DecodeBlock(buf, (const uint8_t *)text + 2, (int)len - 2);
		if (got > 0) /* the padding counts as zero bytes */
			n = (size_t)got - (text[len - 1] == '=') - (text[len - 2] == '=');
		if (n > SECRET_MAX)
			n = 0;
		memcpy(ret, buf, n);
		OPENSSL_cleanse(buf, sizeof(buf));
		return n;
	}
	if (len > SECRET_MAX)
		return 0;
	memcpy(ret, text, len);
	return len;
}

static void add_secret(struct signer *s, const char *path, const char *text, size_t len)
{
	const char *file = strrchr(path, '/') + 1;
	struct secret secret = {0};
	size_t name_len = strlen(file) - strlen(".psk");

	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	secret.len = decode_secret(text, len, secret.b);
	if (name_len >= sizeof(secret.name)) {
		refuse(s, path, "has a name that is too long: give it at most %zu letters",
			sizeof(secret.name) - 1);
	} else if (!secret.len) {
		refuse(s, path,
			"holds no secret: write a text, 0x and hex digits, or 0s and base64, of at "
			"most %d bytes",
			SECRET_MAX);
	} else if (secret.len < SECRET_MIN) {
		refuse(s, path,
			"holds %zu bytes, which can be guessed: make one with 'openssl rand "
			"-base64 32'",
			secret.len);
	} else {
		memcpy(secret.name, file, name_len);
		s->secrets[s->n_secrets++] = secret;
	}
	OPENSSL_cleanse(&secret, sizeof(secret));
}

static void load_secret(struct signer *s, const char *path)
{
	char text[FILE_MAX];
	ssize_t len;

	if (s->n_secrets == SIGNER_SECRETS_MAX) {
		refuse(s, path, "is one secret too many, %d are used: remove a file",
			SIGNER_SECRETS_MAX);
		return;
	}
	if (!s->secrets)
		s->secrets = calloc(SIGNER_SECRETS_MAX, sizeof(*s->secrets));
	if (!s->secrets)
		abort();
	len = read_file(s, path, text, sizeof(text));
	if (len >= 0)
		add_secret(s, path, text, (size_t)len);
	OPENSSL_cleanse(text, sizeof(text));
}

static const struct secret *find_secret(const struct signer *s, const char name[IKE_NAME_MAX])
{
	for (size_t i = 0; i < s->n_secrets; i++)
		if (!strncmp(s->secrets[i].name, name, IKE_NAME_MAX))
			return &s->secrets[i];
	return NULL;
}

static int prove_secret(const struct signer *s, const struct signer_sign *req,
	struct ike_bytes octets, uint8_t *ret, size_t *ret_len)
{
	const struct secret *secret = find_secret(s, req->secret);
	const struct ike_prf *prf = ike_prf_find(req->prf);
	int error;

	if (!prf)
		return -EINVAL;
	if (!secret)
		return -ENOENT;
	error = ike_auth_shared(prf, secret->b, secret->len, octets, ret);
	*ret_len = prf->len;
	return error;
}

/* SK_d = prf+ (PPK, SK_d'), and so SK_pi and SK_pr (RFC 8784 section 3). */
static int mix_secret(const struct signer *s, const struct signer_sign *req, struct ike_bytes keys,
	uint8_t *ret, size_t *ret_len)
{
	const struct secret *secret = find_secret(s, req->secret);
	const struct ike_prf *prf = ike_prf_find(req->prf);
	int error = 0;

	if (!prf || keys.len != 3u * prf->len)
		return -EINVAL;
	if (!secret)
		return -ENOENT;
	for (size_t at = 0; !error && at < keys.len; at += prf->len) {
		struct ike_bytes key = {keys.p + at, prf->len};

		error = ike_prf_plus(prf, secret->b, secret->len, &key, 1, ret + at, prf->len);
	}
	*ret_len = keys.len;
	return error;
}

/* ---- the directory */

static int is_ours(const struct dirent *e)
{
	return ends_with(e->d_name, ".pem") || ends_with(e->d_name, ".psk");
}

/* Order of name, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Whoever may write there could choose our keys. */
static bool dir_is_ours(struct signer *s, const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0) {
		if (errno != ENOENT)
			refuse(s, dir, "cannot be opened: %s", strerror(errno));
		return false;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		refuse(s, dir, "can be written by others than root: 'chown root %s; chmod 700 %s'",
			dir, dir);
		return false;
	}
	return true;
}

static void load_dir(struct signer *s, const char *dir)
{
	struct dirent **entries;
	char path[PATH_LEN];
	int n;

	if (!dir_is_ours(s, dir))
		return;
	n = scandir(dir, &entries, is_ours, by_name);
	if (n < 0) {
		refuse(s, dir, "cannot be read: %s", strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) >=
			sizeof(path))
			refuse(s, dir, "has a path that is too long: %s", entries[i]->d_name);
		else if (ends_with(path, ".psk"))
			load_secret(s, path);
		else
			load_file(s, path);
		free(entries[i]);
	}
	free(entries);
}

/* A secret that is the same after each start and that tells nothing about the key it is made of: the
 * tokens of RFC 6290 are made with it. */
static void derive_qcd_secret(struct signer *s)
{
	static const char label[] = "oed quick crash detection";
	unsigned char *der = NULL;
	uint32_t i = 0;
	int len;

	while (i < s->ready.count && s->ready.standby >> i & 1)
		i++;
	len = i < s->ready.count ? i2d_PrivateKey(s->keys[i], &der) : 0;

	if (len <= 0)
		return;
	if (!HMAC(EVP_sha256(), der, len, (const unsigned char *)label, sizeof(label) - 1,
		    s->ready.qcd_secret, NULL))
		memset(s->ready.qcd_secret, 0, sizeof(s->ready.qcd_secret));
	OPENSSL_clear_free(der, (size_t)len);
}

/* ---- the service */

static int signer_open(struct event_base *base, void **ret_state)
{
	const char *conf = getenv("OED_CONFDIR");
	struct signer *s = calloc(1, sizeof(*s));
	char dir[PATH_LEN - 256];

	(void)base;
	if (!s)
		abort();
	/* a host may have secrets and no key: nothing can be loaded later */
	if (ike_suite_init() < 0) {
		free(s);
		return -ENOTSUP;
	}
	if ((size_t)snprintf(dir, sizeof(dir), "%s/keys", conf ? conf : OED_SYSCONFDIR) >=
		sizeof(dir)) {
		log_error("OED_CONFDIR is too long");
		free(s);
		return -ENAMETOOLONG;
	}
	load_dir(s, dir);
	/* names alone do not make a host anonymous */
	if (s->ready.standby == (UINT32_C(1) << s->ready.count) - 1)
		s->ready.standby = 0;
	derive_qcd_secret(s);
	if (s->ready.count)
		log_info("%u key%s in %s", s->ready.count, s->ready.count == 1 ? "" : "s", dir);
	else
		log_info("no key in %s: this host is anonymous; 'oectl key generate' makes one",
			dir);
	*ret_state = s;
	return 0;
}

static void say_secrets(const struct signer *s)
{
	struct signer_secrets m = {.count = (uint32_t)s->n_secrets};
	char names[SIGNER_SECRETS_MAX][IKE_NAME_MAX];

	for (size_t i = 0; i < s->n_secrets; i++)
		memcpy(names[i], s->secrets[i].name, IKE_NAME_MAX);
	msg_send(s->agent, SIGNER_EV_SECRETS, &m, sizeof(m), names, s->n_secrets * IKE_NAME_MAX);
}

static int signer_start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct signer *s = state;

	(void)base;
	s->agent = agent;
	say_secrets(s);
	msg_send(agent, SIGNER_EV_READY, &s->ready, sizeof(s->ready), s->pubkeys,
		s->ready.count * sizeof(*s->pubkeys));
	return 0;
}

static void signer_on_message(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct signer *s = state;
	const struct signer_sign *req = fixed;
	struct signer_done done = {.id = req->id, .error = -EINVAL};
	struct ike_bytes octets = {.p = tail, .len = tail_len};
	uint8_t sig[IKE_SIG_MAX];
	size_t len = sizeof(sig);

	(void)type; /* there is only one */
	if (req->scheme == IKE_SIGN_PPK)
		done.error = mix_secret(s, req, octets, sig, &len);
	else if (req->scheme == IKE_SIGN_PSK)
		done.error = prove_secret(s, req, octets, sig, &len);
	else if (req->key < s->ready.count && tail_len)
		done.error = ike_signing_key_sign(s->signing[req->key],
			(enum ike_scheme)req->scheme, octets, sig, &len);
	msg_send(s->agent, SIGNER_EV_DONE, &done, sizeof(done), sig, done.error ? 0 : len);
	OPENSSL_cleanse(sig, sizeof(sig)); /* or it is SK_d and more, with a PPK */
	ike_suite_wipe();
}

static void signer_stop(void *state)
{
	struct signer *s = state;

	for (uint32_t i = 0; i < s->ready.count; i++) {
		ike_signing_key_free(s->signing[i]);
		EVP_PKEY_free(s->keys[i]); /* wipes it */
	}
	if (s->secrets)
		OPENSSL_cleanse(s->secrets, SIGNER_SECRETS_MAX * sizeof(*s->secrets));
	free(s->secrets);
	free(s);
}

int signer_service_main(void)
{
	static const struct service service = {
		.name = "signer",
		/* no system call beyond what every process needs: no file, no socket, no child */
		.sandbox = {.user = "_oed-sign", .caps = SANDBOX_NO_CAP, .syscalls = NULL},
		.specs = requests,
		.n_specs = sizeof(requests) / sizeof(*requests),
		.open = signer_open,
		.start = signer_start,
		.on_message = signer_on_message,
		.stop = signer_stop,
	};

	return service_main(&service);
}
