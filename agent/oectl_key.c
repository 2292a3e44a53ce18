/* SPDX-License-Identifier: BSD-2-Clause */
/* `oectl key ...`: the keys of this host and the records to publish. Works without the daemon. */
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/keytool.h"
#include "agent/oectl.h"
#include "base/addr.h"

#define KEYS_MAX 16
#define OWNERS_MAX 64

/* A key file of CONFDIR/keys. */
struct key_file {
	char path[PATH_MAX];
	const char *fault; /* why it cannot be used, NULL: it can */
	struct keytool_public pub;
};

static void say_json(const struct oectl *ctl, json_t *answer)
{
	json_dumpf(answer, ctl->out, JSON_COMPACT);
	fputc('\n', ctl->out);
	json_decref(answer);
}

/* One line that says what is wrong and what to do; as JSON on out where that was asked for. */
__attribute__((format(printf, 3, 4))) static int complain(const struct oectl *ctl, int status,
	const char *fmt, ...)
{
	char text[PATH_MAX + 300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ctl->json)
		say_json(ctl, json_pack("{s:b, s:s}", "ok", 0, "error", text));
	else
		fprintf(ctl->err, "oectl: %s\n", text);
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
static size_t local_addresses(struct addr ret[static OWNERS_MAX])
{
	struct ifaddrs *all;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i && n < OWNERS_MAX; i = i->ifa_next) {
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

/* The name in DNS for an address or a domain name as typed, in buf[256]; false for neither. */
static bool owner_name(const char *text, char *buf)
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
	return strcmp(((const struct key_file *)a)->path, ((const struct key_file *)b)->path);
}

static void read_key(struct key_file *f)
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

/* All CONFDIR/keys/NAME.pem in order of name. Returns how many, or -errno of the directory. */
static int read_keys(const struct oectl *ctl, struct key_file **ret)
{
	struct key_file *keys;
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
	*ret = keys;
	return n;
}

static int no_keys(const struct oectl *ctl, int n)
{
	if (n < 0 && n != -ENOENT)
		return complain(ctl, OECTL_NO, "%s/keys: %s%s", ctl->confdir, strerror(-n),
			n == -EACCES ? "; run this as root" : "");
	return complain(
		ctl, OECTL_NO, "no key in %s/keys; make one: oectl key generate", ctl->confdir);
}

/* ---- commands */

/* The fields of a key that every answer has. */
static json_t *key_object(const struct key_file *f)
{
	static const char *const algorithms[] = {
		[KEYTOOL_RSA] = "RSA", [KEYTOOL_ECDSA] = "ECDSA", [KEYTOOL_EDDSA] = "EdDSA"};

	if (!f->pub.algorithm)
		return json_pack("{s:s, s:s}", "file", f->path, "fault", f->fault);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s?}", "file", f->path, "algorithm",
		algorithms[f->pub.algorithm], "name", f->pub.name, "bits", f->pub.bits,
		"fingerprint", f->pub.fingerprint, "fault", f->fault);
}

/* Appends the records of key for each owner to answer's "records", or prints them. */
static void say_records(const struct oectl *ctl, const struct key_file *f, char (*owners)[256],
	size_t n_owners, json_t *records)
{
	char line[KEYTOOL_RECORD_MAX];

	for (size_t i = 0; i < n_owners; i++) {
		keytool_record(&f->pub, owners[i], ctl->ttl, ctl->precedence, ctl->generic, line);
		if (ctl->json)
			json_array_append_new(
				records, json_pack("{s:s, s:s, s:s}", "owner", owners[i], "file",
						 f->path, "line", line));
		else
			fprintf(ctl->out, "%s\n", line);
	}
}

static size_t local_owners(char (*ret)[256])
{
	struct addr local[OWNERS_MAX];
	size_t n = local_addresses(local);

	for (size_t i = 0; i < n; i++)
		addr_reverse_name(&local[i], ret[i]);
	return n;
}

int oectl_key_ipseckey(const struct oectl *ctl, char *const *owners, size_t n_owners)
{
	char names[OWNERS_MAX][256];
	struct key_file *keys = NULL;
	size_t n_names = n_owners;
	int n, usable = 0;
	json_t *records;

	if (n_owners > OWNERS_MAX)
		return complain(
			ctl, OECTL_USAGE, "more than %d names; give some of them", OWNERS_MAX);
	for (size_t i = 0; i < n_owners; i++)
		if (!owner_name(owners[i], names[i]))
			return complain(ctl, OECTL_USAGE, "'%s' is neither an address nor a domain "
				"name; write one such as 192.0.2.1 or host.example.org", owners[i]);
	if (!n_owners)
		n_names = local_owners(names);
	if (!n_names)
		return complain(ctl, OECTL_NO,
			"this host has no address that others may know; name "
			"one: oectl key ipseckey ADDRESS");
	n = read_keys(ctl, &keys);
	records = json_array();
	for (int i = 0; i < n; i++) {
		if (!keys[i].pub.algorithm)
			fprintf(ctl->err, "oectl: %s: %s\n", keys[i].path, keys[i].fault);
		else
			say_records(ctl, &keys[i], names, n_names, records);
		usable += keys[i].pub.algorithm != 0;
	}
	free(keys);
	if (!usable) {
		json_decref(records);
		return no_keys(ctl, n);
	}
	if (ctl->json)
		say_json(ctl, json_pack("{s:b, s:o}", "ok", 1, "records", records));
	else
		json_decref(records);
	return OECTL_OK;
}

int oectl_key_show(const struct oectl *ctl)
{
	struct key_file *keys = NULL;
	json_t *list = json_array();
	int n = read_keys(ctl, &keys);

	if (n <= 0) {
		json_decref(list);
		free(keys);
		return no_keys(ctl, n);
	}
	for (int i = 0; i < n; i++) {
		const struct key_file *f = &keys[i];

		json_array_append_new(list, key_object(f));
		if (ctl->json)
			continue;
		if (f->pub.algorithm)
			fprintf(ctl->out, "%-11s %s  %s\n", f->pub.name, f->pub.fingerprint,
				f->path);
		if (f->fault)
			fprintf(ctl->out, "%-11s %s: %s\n", "not usable", f->path, f->fault);
	}
	free(keys);
	if (ctl->json)
		say_json(ctl, json_pack("{s:b, s:o}", "ok", 1, "keys", list));
	else
		json_decref(list);
	return OECTL_OK;
}

static int make_dirs(const struct oectl *ctl)
{
	char keys[PATH_MAX];

	snprintf(keys, sizeof(keys), "%s/keys", ctl->confdir);
	if (mkdir(ctl->confdir, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(keys, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void say_generated(const struct oectl *ctl, const struct key_file *f)
{
	char owners[OWNERS_MAX][256];
	size_t n = local_owners(owners);
	json_t *records = json_array(), *answer;

	if (!ctl->json) {
		fprintf(ctl->out, "New %s key %s\nin %s\n\n", f->pub.name, f->pub.fingerprint,
			f->path);
		fprintf(ctl->out, "Publish it in the reverse zone, signed with DNSSEC:\n");
	}
	say_records(ctl, f, owners, n, records);
	if (ctl->json) {
		answer = key_object(f);
		json_object_set_new(answer, "ok", json_true());
		json_object_set(answer, "records", records);
		say_json(ctl, answer);
	} else {
		fprintf(ctl->out, "%s\nThen let the daemon take it: systemctl reload oed\n",
			n ? "" : "(oectl key ipseckey ADDRESS prints the record)\n");
	}
	json_decref(records);
}

int oectl_key_generate(const struct oectl *ctl)
{
	struct key_file f = {0};
	EVP_PKEY *key;
	int error;

	if (strchr(ctl->name, '/') || ctl->name[0] == '.' || !ctl->name[0])
		return complain(ctl, OECTL_USAGE,
			"'%s' is no name for a key; write a word such as %s", ctl->name, ctl->type);
	if ((size_t)snprintf(f.path, sizeof(f.path), "%s/keys/%s.pem", ctl->confdir, ctl->name) >=
		sizeof(f.path))
		return complain(ctl, OECTL_USAGE, "the path is too long");
	error = keytool_generate(ctl->type, &key);
	if (error == -EINVAL)
		return complain(ctl, OECTL_USAGE, "no type '%s'; write ed25519, ed448, ecdsa-p256, "
			"ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096", ctl->type);
	if (error)
		return complain(ctl, OECTL_NO, "OpenSSL cannot make a key of type %s", ctl->type);
	error = make_dirs(ctl);
	if (!error)
		error = keytool_save(key, f.path);
	if (!error)
		error = keytool_public(key, &f.pub);
	EVP_PKEY_free(key);
	if (error == -EEXIST)
		return complain(ctl, OECTL_NO,
			"%s exists and is not overwritten; peers may know it. "
			"Move it away, or choose another --name",
			f.path);
	if (error)
		return complain(ctl, OECTL_NO, "%s: %s%s", f.path, strerror(-error),
			error == -EACCES ? "; run this as root" : "");
	say_generated(ctl, &f);
	return OECTL_OK;
}
