/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file with a TSIG secret, in the syntax of named.conf:
 *	key "host.example.org" { algorithm hmac-sha256; secret "4Adk...="; };
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/tsig.h"

#define FILE_MAX 4096
#define TOKEN_MAX (DNAME_TEXT_MAX + 1)
/* Shorter ones can be guessed; tsig-keygen makes 32 bytes for SHA-256. */
#define SECRET_MIN 16

struct parse {
	const char *name;
	const char *text; /* what is left */
	const char *end;
	unsigned int line;
	char *why;
	char token[TOKEN_MAX]; /* "" at the end */
};

__attribute__((format(printf, 2, 3))) static int fault(struct parse *p, const char *fmt, ...)
{
	int n = snprintf(p->why, TSIG_WHY_MAX, "%s:%u: ", p->name, p->line);
	va_list ap;

	va_start(ap, fmt);
	if (n > 0 && n < TSIG_WHY_MAX)
		vsnprintf(p->why + n, TSIG_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool begins(const struct parse *p, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(p->end - p->text) >= len && !memcmp(p->text, word, len);
}

static void skip_to(struct parse *p, const char *word)
{
	while (p->text < p->end && !begins(p, word))
		p->line += *p->text++ == '\n';
}

/* White space and the three kinds of comments. */
static void skip_blank(struct parse *p)
{
	while (p->text < p->end) {
		if (strchr(" \t\r\n", *p->text) && *p->text) {
			p->line += *p->text++ == '\n';
		} else if (begins(p, "#") || begins(p, "//")) {
			skip_to(p, "\n");
		} else if (begins(p, "/*")) {
			skip_to(p, "*/");
			p->text = p->end - p->text > 2 ? p->text + 2 : p->end;
		} else {
			return;
		}
	}
}

/* The next token: one of { } ;, a word, or what stands between quotes. */
static int next(struct parse *p)
{
	static const char stops[] = "{}; \t\r\n\"#";
	bool quoted;
	size_t n = 0;

	skip_blank(p);
	p->token[0] = '\0';
	if (p->text == p->end)
		return 0;
	if (strchr("{};", *p->text)) {
		p->token[0] = *p->text++;
		p->token[1] = '\0';
		return 0;
	}
	quoted = *p->text == '"';
	p->text += quoted;
	while (p->text < p->end && (quoted ? *p->text != '"' : !strchr(stops, *p->text))) {
		if (*p->text < ' ' || *p->text > '~')
			return fault(p,
				"byte 0x%02x does not belong there; write what tsig-keygen prints",
				(unsigned char)*p->text);
		if (n == sizeof(p->token) - 1)
			return fault(p,
				"a word of more than %zu bytes; write what tsig-keygen prints", n);
		p->token[n++] = *p->text++;
	}
	p->token[n] = '\0';
	if (quoted && p->text == p->end)
		return fault(p, "a quote is open to the end of the file; close it");
	p->text += quoted;
	return n ? 0 : fault(p, "an empty word; write what tsig-keygen prints");
}

static int expect(struct parse *p, const char *word)
{
	int error = next(p);

	if (error || !strcmp(p->token, word))
		return error;
	/* never what stands there: it may be the secret */
	return fault(p,
		"here '%s' is wanted; write: key \"NAME\" { algorithm hmac-sha256; secret "
		"\"BASE64\"; };",
		word);
}

static int take_algorithm(struct parse *p, struct tsig_key *key)
{
	if (next(p) < 0)
		return -EINVAL;
	for (const struct tsig_algorithm *a = tsig_algorithms; a->name; a++)
		if (!strcasecmp(p->token, a->name))
			key->algorithm = a;
	if (!key->algorithm)
		return fault(p,
			"the algorithm is unknown or too weak; write hmac-sha256, or another of "
			"hmac-sha224, hmac-sha384, hmac-sha512");
	return expect(p, ";");
}

static int take_secret(struct parse *p, struct tsig_key *key)
{
	uint8_t bytes[TSIG_SECRET_MAX + 3];
	size_t len;
	int n = -1;

	if (next(p) < 0)
		return -EINVAL;
	len = strlen(p->token);
	if (len <= TSIG_SECRET_MAX / 3 * 4)
		n = EVP_DecodeBlock(bytes, (const uint8_t *)p->token, (int)len);
	/* the padding counts as zero bytes */
	for (size_t i = 1; n > 0 && i <= 2 && p->token[len - i] == '='; i++)
		n--;
	if (n > 0)
		memcpy(key->secret, bytes, (size_t)n);
	key->len = n > 0 ? (size_t)n : 0;
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (n <= 0)
		return fault(p,
			"the secret is not base64 of at most %d bytes; write what tsig-keygen "
			"prints",
			TSIG_SECRET_MAX);
	if (n < SECRET_MIN)
		return fault(p,
			"the secret has %d bytes, which can be guessed; make one with tsig-keygen",
			n);
	return expect(p, ";");
}

static int take_key(struct parse *p, struct tsig_key *key)
{
	int error = expect(p, "key");

	if (!error)
		error = next(p);
	if (!error && dname_parse(p->token, &key->name) < 0)
		error = fault(p, "the key's name is no domain name; write it as the server has it");
	if (!error)
		error = expect(p, "{");
	while (!error && !(error = next(p)) && strcmp(p->token, "}") != 0) {
		if (!strcmp(p->token, "algorithm") && !key->algorithm)
			error = take_algorithm(p, key);
		else if (!strcmp(p->token, "secret") && !key->len)
			error = take_secret(p, key);
		else
			error = fault(p, "here 'algorithm' or 'secret' is wanted, each once");
	}
	if (!error)
		error = expect(p, ";");
	if (!error && (!key->algorithm || !key->len))
		error = fault(p, "the key has no %s; write what tsig-keygen prints",
			key->len ? "algorithm" : "secret");
	if (!error && !(error = next(p)) && p->token[0])
		error = fault(p, "something follows the key; write one key in a file of its own");
	return error;
}

int tsig_parse(const char *name, const char *text, size_t len, struct tsig_key *ret,
	char why[static TSIG_WHY_MAX])
{
	struct parse p = {.name = name, .text = text, .end = text + len, .line = 1, .why = why};
	struct tsig_key key = {0};
	int error = take_key(&p, &key);

	if (!error)
		*ret = key;
	OPENSSL_cleanse(&key, sizeof(key));
	OPENSSL_cleanse(p.token, sizeof(p.token));
	return error;
}

/* NULL, or what is wrong with the file itself. */
static const char *open_file(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	struct stat st;

	if (fd < 0)
		return errno == EACCES ? "cannot be opened; run this as root" : strerror(errno);
	if (fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "is no regular file; put the key itself there";
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		why = "belongs to another user: who owns it chooses the key; chown root it";
	else if (st.st_mode & 077)
		why = "is open to others; chmod 600 it, and think of making a new secret";
	if (why)
		close(fd);
	else
		*ret_fd = fd;
	return why;
}

int tsig_load(const char *path, struct tsig_key *ret, char why[static TSIG_WHY_MAX])
{
	char text[FILE_MAX + 1];
	int fd = -1, error = -EINVAL;
	const char *wrong = open_file(path, &fd);
	size_t len = 0;
	ssize_t n = 0;

	if (!wrong) {
		while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
			len += (size_t)n;
		if (n < 0)
			wrong = strerror(errno);
		else if (len > FILE_MAX)
			wrong = "is too large for a file with one key";
		close(fd);
	}
	if (wrong)
		snprintf(why, TSIG_WHY_MAX, "%s: %s", path, wrong);
	else
		error = tsig_parse(path, text, len, ret, why);
	OPENSSL_cleanse(text, sizeof(text));
	return error;
}
