/* SPDX-License-Identifier: BSD-2-Clause */
/* What oectl's commands about keys share: key files, names to publish at, answers without a daemon. */
#include "ctl/keys.h"

#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/addr.h"

#define KEYS_MAX 16
#define OECTL_BEHIND 10

void oectl_say_json(const struct oectl *ctl, json_t *answer)
{
	json_dumpf(answer, ctl->out, JSON_COMPACT);
	fputc('\n', ctl->out);
	json_decref(answer);
}

int oectl_complain(const struct oectl *ctl, int status, const char *fmt, ...)
{
	char text[PATH_MAX + 300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ctl->json) {
		oectl_say_json(ctl, json_pack("{s:b, s:s}", "ok", 0, "error", text));
	} else {
		fflush(ctl->out); /* in the order in which it came */
		fprintf(ctl->err, "oectl: %s\n", text);
	}
	return status;
}

/* ---- owners of records */

static const char *local_address(const struct ifaddrs *i, struct addr *ret)
{
	if (!i->ifa_addr || addr_from_sockaddr(i->ifa_addr, ret, NULL) < 0)
		return NULL;
	if (addr_is_loopback(ret) || addr_is_link_local(ret) || addr_is_any(ret))
		return NULL;
	return addr_str(ret);
}

/* The addresses of this host that others may know; returns how many. */
static size_t local_addresses(struct addr ret[static OECTL_OWNERS_MAX])
{
	struct ifaddrs *all;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i && n < OECTL_OWNERS_MAX; i = i->ifa_next) {
		size_t known = 0;

		if (!local_address(i, &ret[n]))
			continue;
		while (known < n && !addr_equal(&ret[known], &ret[n]))
			known++;
		n += known == n;
	}
	freeifaddrs(all);
	return n;
}

size_t oectl_local_owners(char (*ret)[256])
{
	struct addr local[OECTL_OWNERS_MAX];
	size_t n = local_addresses(local);

	for (size_t i = 0; i < n; i++)
		addr_reverse_name(&local[i], ret[i]);
	return n;
}

bool oectl_owner_name(const char *text, char buf[static 256])
{
	size_t len = strlen(text);
	struct addr a;

	if (!addr_parse(text, &a)) {
		addr_reverse_name(&a, buf);
		return true;
	}
	if (len == 0 || len > 253 || text[0] == '.' || strstr(text, "..") ||
		text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "-_.")])
		return false;
	snprintf(buf, 256, "%s%s", text, text[len - 1] == '.' ? "" : ".");
	return true;
}

/* ---- key files */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct oectl_key *)a)->path, ((const struct oectl_key *)b)->path);
}

/* Whether the file is NAMEword.pem. */
static bool is_named(const struct oectl_key *f, const char *word)
{
	size_t len = strlen(f->path) - strlen(".pem"), word_len = strlen(word);

	return len > word_len && !memcmp(f->path + len - word_len, word, word_len) &&
	       f->path[len - word_len - 1] != '/';
}

/* Names alone do not make a host anonymous: without a current key all are (as the signer has it). */
static void find_roles(struct oectl_key *keys, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		keys[i].role = is_named(&keys[i], ".new")   ? OECTL_KEY_NEW
			       : is_named(&keys[i], ".old") ? OECTL_KEY_OLD
							    : OECTL_KEY_CURRENT;
		any = any || keys[i].role == OECTL_KEY_CURRENT;
	}
	for (int i = 0; i < n && !any; i++)
		keys[i].role = OECTL_KEY_CURRENT;
}

static void read_key(struct oectl_key *f)
{
	EVP_PKEY *key;
	struct stat st;
	int error = keytool_load(f->path, &key);

	if (error) {
		f->fault =
			error == -EBADMSG ? "no unencrypted private key in PEM" : strerror(-error);
		return;
	}
	if (keytool_public(key, &f->pub) < 0)
		f->fault = "a kind of key that cannot be used; make one with oectl key generate";
	else if (stat(f->path, &st) == 0 && (st.st_mode & 077))
		f->fault = "readable by others than its owner; chmod 600 it, or better replace it";
	EVP_PKEY_free(key);
}

int oectl_read_keys(const struct oectl *ctl, struct oectl_key **ret)
{
	struct oectl_key *keys;
	char dir[PATH_MAX - NAME_MAX - 2];
	const struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/keys", ctl->confdir);
	d = opendir(dir);
	if (!d)
		return -errno;
	keys = calloc(KEYS_MAX, sizeof(*keys));
	while (keys && n < KEYS_MAX && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 4, ".pem") != 0 || e->d_name[0] == '.')
			continue;
		snprintf(keys[n].path, sizeof(keys[n].path), "%s/%s", dir, e->d_name);
		n++;
	}
	closedir(d);
	if (!keys)
		return -ENOMEM;
	qsort(keys, (size_t)n, sizeof(*keys), by_name);
	for (int i = 0; i < n; i++)
		read_key(&keys[i]);
	find_roles(keys, n);
	*ret = keys;
	return n;
}

int oectl_no_keys(const struct oectl *ctl, int n)
{
	if (n < 0 && n != -ENOENT)
		return oectl_complain(ctl, OECTL_NO, "%s/keys: %s%s", ctl->confdir, strerror(-n),
			n == -EACCES ? "; run this as root" : "");
	return oectl_complain(
		ctl, OECTL_NO, "no key in %s/keys; make one: oectl key generate", ctl->confdir);
}

const char *oectl_key_str(const struct keytool_public *pub)
{
	static char text[sizeof(pub->name) + sizeof(pub->fingerprint) + 1];

	snprintf(text, sizeof(text), "%s %s", pub->name, pub->fingerprint);
	return text;
}

int oectl_owner_names(const struct oectl *ctl, char *const *owners, size_t n_owners,
	char (*ret)[256], size_t *ret_n)
{
	if (n_owners > OECTL_OWNERS_MAX)
		return oectl_complain(ctl, OECTL_USAGE, "more than %d names; give some of them",
			OECTL_OWNERS_MAX);
	for (size_t i = 0; i < n_owners; i++)
		if (!oectl_owner_name(owners[i], ret[i]))
			return oectl_complain(ctl, OECTL_USAGE,
				"'%s' is neither an address nor a domain "
				"name; write one such as 192.0.2.1 or host.example.org",
				owners[i]);
	*ret_n = n_owners ? n_owners : oectl_local_owners(ret);
	if (!*ret_n)
		return oectl_complain(ctl, OECTL_NO,
			"this host has no address that others may know; name one, as in "
			"192.0.2.1 or host.example.org");
	return OECTL_OK;
}

int oectl_make_dirs(const struct oectl *ctl)
{
	char keys[PATH_MAX];

	snprintf(keys, sizeof(keys), "%s/keys", ctl->confdir);
	if (mkdir(ctl->confdir, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(keys, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

uint8_t oectl_precedence(const struct oectl_key *key, uint8_t current)
{
	unsigned int p = current + (key->role == OECTL_KEY_CURRENT ? 0u : OECTL_BEHIND);

	return (uint8_t)(p > 255 ? 255 : p);
}

/* ---- the daemon */

static bool take_answer(void *arg, const char *line, size_t len)
{
	json_t **answer = arg;

	*answer = json_loadb(line, len, 0, NULL);
	return false;
}

json_t *oectl_daemon(const struct oectl *ctl, const char *command, const char *name)
{
	json_t *request = json_pack("{s:s}", "command", command), *answer = NULL;
	struct oectl silent = *ctl;

	silent.err = fopen("/dev/null", "we");
	if (name)
		json_object_set_new(request, "name", json_string(name));
	if (silent.err)
		oectl_exchange(&silent, request, take_answer, &answer);
	json_decref(request);
	if (silent.err)
		fclose(silent.err);
	if (!answer)
		return NULL;
	oectl_clean(answer);
	return answer;
}
