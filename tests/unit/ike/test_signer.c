/* SPDX-License-Identifier: BSD-2-Clause */
/* The signer as it really runs: a process of its own, key files in a directory, a channel, the
 * sandbox (which a build with AddressSanitizer leaves out). */
#include "ike/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/service.h"
#include "ike/digsig.h"
#include "ike/keymat.h"
#include "ike/suite.h"
#include "tests/unit/ike/hex.h"

struct rig {
	char dir[64];  /* OED_CONFDIR */
	char log[100]; /* what the signer wrote to stderr */
	pid_t pid;
	struct event_base *base;
	struct msg_channel *channel;
	bool ready, closed;
	struct signer_ready hello;
	struct ike_pubkey keys[SIGNER_KEYS_MAX];
	size_t n_keys, n_secrets;
	bool done;
	struct signer_done answer;
	uint8_t sig[IKE_SIG_MAX];
	size_t sig_len;
};

static void on_message(
	void *arg, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct rig *rig = arg;

	if (type == SIGNER_EV_SECRETS) {
		rig->n_secrets = tail_len / IKE_NAME_MAX;
		return; /* READY follows */
	}
	if (type == SIGNER_EV_READY) {
		rig->ready = true;
		memcpy(&rig->hello, fixed, sizeof(rig->hello));
		memcpy(rig->keys, tail, tail_len);
		rig->n_keys = tail_len / sizeof(*rig->keys);
	} else {
		rig->done = true;
		memcpy(&rig->answer, fixed, sizeof(rig->answer));
		memcpy(rig->sig, tail, tail_len);
		rig->sig_len = tail_len;
	}
	event_base_loopbreak(rig->base);
}

static void on_closed(void *arg, int error)
{
	struct rig *rig = arg;

	(void)error;
	rig->closed = true;
	event_base_loopbreak(rig->base);
}

static void path_of(const struct rig *rig, const char *name, char *path, size_t cap)
{
	assert_true((size_t)snprintf(path, cap, "%s/keys/%s", rig->dir, name) < cap);
}

static void write_key(
	const struct rig *rig, const char *name, EVP_PKEY *key, mode_t mode, const char *passphrase)
{
	char path[200];
	FILE *f;

	path_of(rig, name, path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL,
				 passphrase, passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
		1);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_key(const struct rig *rig, const char *name, EVP_PKEY *key)
{
	assert_non_null(key);
	write_key(rig, name, key, 0600, NULL);
	EVP_PKEY_free(key);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char keys[100];

	assert_non_null(rig);
	strcpy(rig->dir, "/tmp/oed-signer-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(keys, sizeof(keys), "%s/keys", rig->dir);
	assert_int_equal(mkdir(keys, 0700), 0);
	snprintf(rig->log, sizeof(rig->log), "%s/log", rig->dir);
	*state = rig;
	return 0;
}

/* The agent goes, and with it the signer, in good order. */
static void stop_signer(struct rig *rig)
{
	int status;

	msg_channel_free(rig->channel);
	event_base_free(rig->base);
	rig->channel = NULL;
	rig->base = NULL;
	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	char command[100];

	if (rig->channel)
		stop_signer(rig);
	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	assert_int_equal(system(command), 0);
	free(rig);
	return 0;
}

/* Starts the signer and waits for READY. */
static void start(struct rig *rig)
{
	struct timeval limit = {.tv_sec = 20};
	int fds[2];

	assert_int_equal(msg_pair(fds), 0);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (!rig->pid) {
		int log = open(rig->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(log, 2);
		if (fds[1] == SERVICE_FD)
			fcntl(fds[1], F_SETFD, 0);
		else
			dup2(fds[1], SERVICE_FD);
		closefrom(SERVICE_FD + 1);
		setenv("OED_CONFDIR", rig->dir, 1);
		setenv("OED_UID_BASE", "64900", 1);
		_exit(signer_service_main());
	}
	close(fds[1]);
	rig->base = event_base_new();
	rig->channel = msg_channel_new(
		rig->base, fds[0], signer_events, signer_n_events, on_message, on_closed, rig);
	event_base_loopexit(rig->base, &limit);
	event_base_dispatch(rig->base);
	assert_true(rig->ready);
	assert_int_equal(rig->n_keys, rig->hello.count);
}

/* Asks for a signature; returns the answer's error. */
static int sign(struct rig *rig, uint8_t key, uint8_t scheme, const void *octets, size_t len)
{
	static uint32_t id = 100;
	struct signer_sign req = {.id = ++id, .key = key, .scheme = scheme};
	struct timeval limit = {.tv_sec = 20};

	rig->done = false;
	msg_send(rig->channel, SIGNER_REQ_SIGN, &req, sizeof(req), octets, len);
	event_base_loopexit(rig->base, &limit);
	while (!rig->done && !rig->closed && event_base_dispatch(rig->base) == 0 &&
		!event_base_got_exit(rig->base))
		;
	assert_true(rig->done);
	assert_int_equal(rig->answer.id, id);
	assert_int_equal(!rig->answer.error, rig->sig_len != 0);
	return rig->answer.error;
}

static bool log_has(const struct rig *rig, const char *text)
{
	char buf[8192];
	FILE *f = fopen(rig->log, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	return strstr(buf, text) != NULL;
}

/* Four kinds of key, in order of name; each scheme that fits is signed with, the others are not. */
static void test_signs(void **state)
{
	static const enum ike_key_type types[] = {
		IKE_KEY_ED25519, IKE_KEY_P384, IKE_KEY_RSA, IKE_KEY_ED448};
	static const uint8_t octets[3000] = "octets";
	struct rig *rig = *state;

	make_key(rig, "c.pem", EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048));
	make_key(rig, "a.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_key(rig, "d.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED448"));
	make_key(rig, "b.pem", EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"));
	make_key(rig, ".hidden.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_key(rig, "b.pem.bak", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	start(rig);
	assert_int_equal(rig->hello.count, 4);
	assert_int_equal(rig->hello.refused, 0);
	assert_string_equal(rig->hello.why, "");
	for (uint8_t k = 0; k < 4; k++) {
		const struct ike_pubkey *pub = &rig->keys[k];
		enum ike_key_type type;

		assert_int_equal(ike_spki_type(pub->spki, pub->len, &type), 0);
		assert_int_equal(type, types[k]);
		for (uint8_t s = 0; s <= IKE_SIGN_PSK + 1; s++) {
			struct ike_digsig d = {.scheme = (enum ike_scheme)s, .ed448 = k == 3};

			if (s == IKE_SIGN_PSK) /* there is no secret at all */
				continue;
			if (!ike_scheme_fits(d.scheme, type)) {
				assert_int_equal(sign(rig, k, s, octets, sizeof(octets)), -EINVAL);
				continue;
			}
			assert_int_equal(sign(rig, k, s, octets, sizeof(octets)), 0);
			d.sig = (struct ike_bytes){rig->sig, rig->sig_len};
			assert_int_equal(ike_digsig_verify(pub->spki, pub->len, &d,
						 (struct ike_bytes){octets, sizeof(octets)}),
				0);
		}
	}
	/* no such key, nothing to sign */
	assert_int_equal(sign(rig, 4, IKE_SIGN_EDDSA, octets, 10), -EINVAL);
	assert_int_equal(sign(rig, 255, IKE_SIGN_EDDSA, octets, 10), -EINVAL);
	assert_int_equal(sign(rig, 0, IKE_SIGN_EDDSA, octets, 0), -EINVAL);
}

/* Each file that cannot be used is named, with the remedy; the good ones still work. */
static void test_refusals(void **state)
{
	struct rig *rig = *state;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char path[200], big[20000];
	FILE *f;

	make_key(rig, "z-good.pem", EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
	write_key(rig, "group.pem", key, 0640, NULL);
	write_key(rig, "secret.pem", key, 0600, "passphrase");
	EVP_PKEY_free(key);
	make_key(rig, "short.pem", EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024));
	make_key(rig, "p224.pem", EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-224"));
	make_key(rig, "x25519.pem", EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
	path_of(rig, "dir.pem", path, sizeof(path));
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(rig, "fifo.pem", path, sizeof(path));
	assert_int_equal(mkfifo(path, 0600), 0);
	path_of(rig, "gone.pem", path, sizeof(path));
	assert_int_equal(symlink("/nowhere", path), 0);
	path_of(rig, "empty.pem", path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	path_of(rig, "large.pem", path, sizeof(path));
	memset(big, 'x', sizeof(big));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(big, 1, sizeof(big), f), sizeof(big));
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	start(rig);
	assert_int_equal(rig->hello.count, 1);
	assert_int_equal(rig->hello.refused, 10);
	/* the first by name */
	assert_non_null(strstr(rig->hello.why, "dir.pem: is not a regular file"));
	assert_int_equal(sign(rig, 0, IKE_SIGN_ECDSA_SHA256, "x", 1), 0);
	assert_true(log_has(rig, "group.pem: is open to others (mode 640): 'chmod 600 "));
	assert_true(log_has(rig, "secret.pem: is encrypted: take the passphrase off"));
	assert_true(log_has(rig, "short.pem: holds a key of an unsupported kind"));
	assert_true(log_has(rig, "p224.pem: holds a key of an unsupported kind"));
	assert_true(log_has(rig, "x25519.pem: holds a key of an unsupported kind"));
	assert_true(log_has(rig, "fifo.pem: is not a regular file"));
	assert_true(log_has(rig, "gone.pem: cannot be opened: No such file"));
	assert_true(log_has(rig, "empty.pem: holds no private key"));
	assert_true(log_has(rig, "large.pem: is larger than 16384 bytes"));
	assert_false(log_has(rig, "z-good.pem"));
}

/* A private key with another key's public half: both of RFC 5903 8.1, i's and r's. */
static void test_damaged(void **state)
{
	static const char text[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyI8B9RDZrD9wopLa\n"
		"ojFt5UTpqriv6EBJxiqcV4YtFDOhRANCAATRLftSicjU+BIItwJwOYw0IpaXCgvM\n"
		"t0xzb8dVRJS/Y1b788o2bMI+gVeFTBPFjWqsI/BGraMPg1PnTzMDmHKr\n"
		"-----END PRIVATE KEY-----\n";
	struct rig *rig = *state;
	char path[200];
	FILE *f;

	path_of(rig, "halves.pem", path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	start(rig);
	assert_int_equal(rig->hello.count, 0);
	assert_int_equal(rig->hello.refused, 1);
	assert_true(log_has(rig, "halves.pem: holds a damaged key"));
}

static void test_too_many(void **state)
{
	struct rig *rig = *state;
	char name[20];

	for (int i = 0; i < SIGNER_KEYS_MAX + 2; i++) {
		snprintf(name, sizeof(name), "%d.pem", i);
		make_key(rig, name, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	}
	start(rig);
	assert_int_equal(rig->hello.count, SIGNER_KEYS_MAX);
	assert_int_equal(rig->hello.refused, 2);
	assert_true(log_has(rig, "4.pem: is one key too many, 4 are used: remove a file"));
}

/* While a key is replaced both are held; which of them signs is in the names of the files. */
static void test_standby(void **state)
{
	struct rig *rig = *state;
	uint8_t secret[IKE_QCD_SECRET_LEN];
	char from[200], to[200];

	make_key(rig, "a.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	start(rig);
	memcpy(secret, rig->hello.qcd_secret, sizeof(secret));
	stop_signer(rig);
	make_key(rig, "a.new.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_key(rig, "b.old.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_key(rig, ".new.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")); /* hidden */
	rig->ready = false;
	start(rig);
	/* a.new.pem, a.pem, b.old.pem */
	assert_int_equal(rig->hello.count, 3);
	assert_int_equal(rig->hello.standby, 1 << 0 | 1 << 2);
	/* tokens of RFC 6290 go on to be ours */
	assert_memory_equal(rig->hello.qcd_secret, secret, sizeof(secret));
	assert_int_equal(sign(rig, 0, IKE_SIGN_EDDSA, "x", 1), 0);
	stop_signer(rig);
	/* without a key in use all are: names alone make nobody anonymous */
	path_of(rig, "a.pem", from, sizeof(from));
	path_of(rig, "a.old.pem", to, sizeof(to));
	assert_int_equal(rename(from, to), 0);
	rig->ready = false;
	start(rig);
	assert_int_equal(rig->hello.count, 3);
	assert_int_equal(rig->hello.standby, 0);
}

/* No key, or no directory: anonymous, and no error. */
static void test_anonymous(void **state)
{
	struct rig *rig = *state;
	char path[100];

	start(rig);
	assert_int_equal(rig->hello.count, 0);
	assert_int_equal(rig->hello.refused, 0);
	assert_int_equal(sign(rig, 0, IKE_SIGN_EDDSA, "x", 1), -EINVAL);
	stop_signer(rig);
	snprintf(path, sizeof(path), "%s/keys", rig->dir);
	assert_int_equal(rmdir(path), 0);
	rig->ready = false;
	start(rig);
	assert_int_equal(rig->hello.count, 0);
	assert_int_equal(rig->hello.refused, 0);
}

/* Whoever may write to the directory could give us a key. */
static void test_open_directory(void **state)
{
	struct rig *rig = *state;
	char path[100];

	make_key(rig, "a.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	snprintf(path, sizeof(path), "%s/keys", rig->dir);
	assert_int_equal(chmod(path, 0770), 0);
	start(rig);
	assert_int_equal(rig->hello.count, 0);
	assert_int_equal(rig->hello.refused, 1);
	assert_true(log_has(rig, "/keys: can be written by others than root"));
}

/* A line of /proc/PID/status, behind its name. */
static void status_of(pid_t pid, const char *name, char *ret, size_t cap)
{
	char path[40];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	do
		assert_non_null(fgets(ret, (int)cap, f));
	while (strncmp(ret, name, strlen(name)) != 0);
	fclose(f);
	memmove(ret, ret + strlen(name), strlen(ret + strlen(name)) + 1);
	ret[strcspn(ret, "\n")] = '\0';
}

/* Once it has said READY there is nothing left that it could lose. */
static void test_sandbox(void **state)
{
	struct rig *rig = *state;
	char line[200];

	make_key(rig, "a.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	start(rig);
	status_of(rig->pid, "NoNewPrivs:\t", line, sizeof(line));
	assert_string_equal(line, "1");
	status_of(rig->pid, "CapEff:\t", line, sizeof(line));
	assert_string_equal(line, "0000000000000000");
	status_of(rig->pid, "Uid:\t", line, sizeof(line));
	assert_true(strtoul(line, NULL, 10) != 0);
#if !defined(__SANITIZE_ADDRESS__)
	status_of(rig->pid, "Seccomp:\t", line, sizeof(line));
	assert_string_equal(line, "2");
#endif
}

/* A message that is none ends the signer. */
static void test_ill_formed(void **state)
{
	struct rig *rig = *state;
	struct timeval limit = {.tv_sec = 20};
	uint8_t junk[3] = {0};
	int status;

	start(rig);
	msg_send(rig->channel, SIGNER_REQ_SIGN, junk, sizeof(junk), NULL, 0);
	event_base_loopexit(rig->base, &limit);
	event_base_dispatch(rig->base);
	assert_true(rig->closed);
	msg_channel_free(rig->channel);
	event_base_free(rig->base);
	rig->channel = NULL;
	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* ---- shared secrets */

static void write_secret(const struct rig *rig, const char *name, const char *text, mode_t mode)
{
	char path[200];
	FILE *f;

	path_of(rig, name, path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* What is made of the octets by the secret of that name, in rig->sig; or its error. */
static int ask(struct rig *rig, const char *name, enum ike_scheme scheme, uint16_t prf,
	const void *octets, size_t len)
{
	static uint32_t id = 1000;
	struct signer_sign req = {.id = ++id, .scheme = (uint8_t)scheme, .prf = (uint8_t)prf};
	struct timeval limit = {.tv_sec = 20};

	strcpy(req.secret, name);
	rig->done = false;
	msg_send(rig->channel, SIGNER_REQ_SIGN, &req, sizeof(req), octets, len);
	event_base_loopexit(rig->base, &limit);
	while (!rig->done && !rig->closed && event_base_dispatch(rig->base) == 0 &&
		!event_base_got_exit(rig->base))
		;
	assert_true(rig->done);
	assert_int_equal(rig->answer.id, id);
	if (rig->answer.error)
		assert_int_equal(rig->sig_len, 0);
	return rig->answer.error;
}

/* AUTH by the secret of that name; compared with what the secret gives here. */
static int prove(struct rig *rig, const char *name, uint16_t prf, const char *secret, size_t len)
{
	int error = ask(rig, name, IKE_SIGN_PSK, prf, "octets", 6);
	uint8_t want[IKE_PRF_MAX];

	if (error)
		return error;
	assert_int_equal(ike_auth_shared(ike_prf_find(prf), secret, len,
				 (struct ike_bytes){(const uint8_t *)"octets", 6}, want),
		0);
	assert_int_equal(rig->sig_len, ike_prf_find(prf)->len);
	assert_memory_equal(rig->sig, want, rig->sig_len);
	return 0;
}

static void test_secrets(void **state)
{
	struct rig *rig = *state;

	write_secret(rig, "text.psk", "a secret of some length\n", 0600);
	write_secret(rig, "hex.psk", "0x00112233445566778899AABBCCDDEEff\r\n", 0600);
	write_secret(rig, "base.psk", "0sAAECAwQFBgcICQoLDA0ODxAREg==", 0600);
	start(rig);
	assert_int_equal(rig->hello.refused, 0);
	assert_int_equal(rig->n_secrets, 3);
	for (uint16_t prf = IKE_PRF_HMAC_SHA2_256; prf <= IKE_PRF_HMAC_SHA2_512; prf++) {
		assert_int_equal(prove(rig, "text", prf, "a secret of some length", 23), 0);
		assert_int_equal(prove(rig, "hex", prf,
					 "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc"
					 "\xdd\xee\xff",
					 16),
			0);
		assert_int_equal(prove(rig, "base", prf,
					 "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22",
					 19),
			0);
	}
	assert_int_equal(prove(rig, "tex", IKE_PRF_HMAC_SHA2_256, "", 0), -ENOENT);
	assert_int_equal(prove(rig, "", IKE_PRF_HMAC_SHA2_256, "", 0), -ENOENT);
	assert_int_equal(prove(rig, "text", 2, "", 0), -EINVAL); /* HMAC-SHA1 */
}

/* RFC 8784: for these PRFs one round of prf+, prf (PPK, key | 0x01), for each of three keys. */
static void test_ppk(void **state)
{
	struct rig *rig = *state;
	uint8_t keys[3 * IKE_PRF_MAX + 1], want[IKE_PRF_MAX];

	write_secret(rig, "q.psk", "a secret of some length\n", 0600);
	start(rig);
	for (size_t i = 0; i < sizeof(keys); i++)
		keys[i] = (uint8_t)i;
	for (uint16_t id = IKE_PRF_HMAC_SHA2_256; id <= IKE_PRF_HMAC_SHA2_512; id++) {
		const struct ike_prf *prf = ike_prf_find(id);

		assert_int_equal(ask(rig, "q", IKE_SIGN_PPK, id, keys, 3u * prf->len), 0);
		assert_int_equal(rig->sig_len, 3 * prf->len);
		for (size_t i = 0; i < 3; i++) {
			struct ike_bytes parts[] = {
				{keys + i * prf->len, prf->len}, {(const uint8_t *)"\1", 1}};

			assert_int_equal(
				ike_prf(prf, "a secret of some length", 23, parts, 2, want), 0);
			assert_memory_equal(rig->sig + i * prf->len, want, prf->len);
		}
		assert_int_equal(ask(rig, "q", IKE_SIGN_PPK, id, keys, 3u * prf->len - 1), -EINVAL);
		assert_int_equal(ask(rig, "q", IKE_SIGN_PPK, id, keys, 3u * prf->len + 1), -EINVAL);
		assert_int_equal(ask(rig, "p", IKE_SIGN_PPK, id, keys, 3u * prf->len), -ENOENT);
	}
	assert_int_equal(ask(rig, "q", IKE_SIGN_PPK, 2, keys, 60), -EINVAL); /* HMAC-SHA1 */
}

static void test_bad_secrets(void **state)
{
	struct rig *rig = *state;
	char long_one[800];

	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	write_secret(rig, "a.psk", "a secret of some length\n", 0644);
	write_secret(rig, "b.psk", "\n", 0600);
	write_secret(rig, "c.psk", "short\n", 0600);
	write_secret(rig, "d.psk", "0x00112233445566778899aabbccddeefg", 0600);
	write_secret(rig, "e.psk", "0x00112233445566778899aabbccddeef", 0600);
	write_secret(rig, "f.psk", "0sAAECAwQFBgcICQoLDA0ODxAREg=", 0600);
	write_secret(rig, "g.psk", long_one, 0600);
	start(rig);
	assert_int_equal(rig->n_secrets, 0);
	assert_int_equal(rig->hello.refused, 7);
	assert_true(log_has(rig, "a.psk: is open to others (mode 644): 'chmod 600 "));
	assert_true(log_has(rig, "b.psk: holds no secret: write a text, 0x and hex digits"));
	assert_true(log_has(rig, "c.psk: holds 5 bytes, which can be guessed"));
	for (const char *n = "defg"; *n; n++) {
		char text[40];

		snprintf(text, sizeof(text), "%c.psk: holds no secret", *n);
		assert_true(log_has(rig, text));
	}
	assert_false(log_has(rig, "xxxx"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: a process that has not used OpenSSL, so that the signer must have all it
		 * needs of it before the sandbox */
		TEST(test_secrets),
		TEST(test_ppk),
		TEST(test_signs),
		TEST(test_bad_secrets),
		TEST(test_refusals),
		TEST(test_damaged),
		TEST(test_too_many),
		TEST(test_standby),
		TEST(test_anonymous),
		TEST(test_open_directory),
		TEST(test_sandbox),
		TEST(test_ill_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
