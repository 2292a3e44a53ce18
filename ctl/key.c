/* SPDX-License-Identifier: BSD-2-Clause */
/* `oectl key ...`: the keys of this host and the records to publish. Works without the daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/keys.h"
#include "ctl/publish.h"

/* ---- commands */

/* The fields of a key that every answer has. */
static json_t *key_object(const struct oectl_key *f)
{
	static const char *const algorithms[] = {
		[KEYTOOL_RSA] = "RSA", [KEYTOOL_ECDSA] = "ECDSA", [KEYTOOL_EDDSA] = "EdDSA"};
	static const char *const roles[] = {
		[OECTL_KEY_CURRENT] = "current", [OECTL_KEY_NEW] = "new", [OECTL_KEY_OLD] = "old"};

	if (!f->pub.algorithm)
		return json_pack("{s:s, s:s}", "file", f->path, "fault", f->fault);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s?, s:s}", "file", f->path, "algorithm",
		algorithms[f->pub.algorithm], "name", f->pub.name, "bits", f->pub.bits,
		"fingerprint", f->pub.fingerprint, "fault", f->fault, "role", roles[f->role]);
}

/* Appends the records of key for each owner to answer's "records", or prints them. */
static void say_records(const struct oectl *ctl, const struct oectl_key *f, char (*owners)[256],
	size_t n_owners, json_t *records)
{
	uint32_t ttl = ctl->ttl ? ctl->ttl : PUBLISH_TTL;
	char line[KEYTOOL_RECORD_MAX];

	for (size_t i = 0; i < n_owners; i++) {
		keytool_record(&f->pub, owners[i], ttl, oectl_precedence(f, ctl->precedence),
			ctl->generic, line);
		if (ctl->json)
			json_array_append_new(
				records, json_pack("{s:s, s:s, s:s}", "owner", owners[i], "file",
						 f->path, "line", line));
		else
			fprintf(ctl->out, "%s\n", line);
	}
}

int oectl_key_ipseckey(const struct oectl *ctl, char *const *owners, size_t n_owners)
{
	char names[OECTL_OWNERS_MAX][256];
	struct oectl_key *keys = NULL;
	int n, usable = 0, status;
	size_t n_names;
	json_t *records;

	status = oectl_owner_names(ctl, owners, n_owners, names, &n_names);
	if (status != OECTL_OK)
		return status;
	n = oectl_read_keys(ctl, &keys);
	records = json_array();
	for (int i = 0; i < n; i++) {
		if (!keys[i].pub.algorithm)
			fprintf(ctl->err, "oectl: %s: %s\n", keys[i].path, keys[i].fault);
		else if (keys[i].role != OECTL_KEY_OLD)
			say_records(ctl, &keys[i], names, n_names, records);
		usable += keys[i].pub.algorithm != 0;
	}
	free(keys);
	if (!usable) {
		json_decref(records);
		return oectl_no_keys(ctl, n);
	}
	if (ctl->json)
		oectl_say_json(ctl, json_pack("{s:b, s:o}", "ok", 1, "records", records));
	else
		json_decref(records);
	return OECTL_OK;
}

int oectl_key_show(const struct oectl *ctl)
{
	static const char *const roles[] = {[OECTL_KEY_CURRENT] = "",
		[OECTL_KEY_NEW] = "  (new: does not sign yet, see oectl key rollover)",
		[OECTL_KEY_OLD] = "  (old: does not sign any more)"};
	struct oectl_key *keys = NULL;
	json_t *list = json_array();
	int n = oectl_read_keys(ctl, &keys);

	if (n <= 0) {
		json_decref(list);
		free(keys);
		return oectl_no_keys(ctl, n);
	}
	for (int i = 0; i < n; i++) {
		const struct oectl_key *f = &keys[i];

		json_array_append_new(list, key_object(f));
		if (ctl->json)
			continue;
		if (f->pub.algorithm)
			fprintf(ctl->out, "%-11s %s  %s%s\n", f->pub.name, f->pub.fingerprint,
				f->path, roles[f->role]);
		if (f->fault)
			fprintf(ctl->out, "%-11s %s: %s\n", "not usable", f->path, f->fault);
	}
	free(keys);
	if (ctl->json)
		oectl_say_json(ctl, json_pack("{s:b, s:o}", "ok", 1, "keys", list));
	else
		json_decref(list);
	return OECTL_OK;
}

static void say_generated(const struct oectl *ctl, const struct oectl_key *f)
{
	char owners[OECTL_OWNERS_MAX][256];
	size_t n = oectl_local_owners(owners);
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
		oectl_say_json(ctl, answer);
	} else {
		fprintf(ctl->out, "%s\nThen let the daemon take it: systemctl reload oed\n",
			n ? "" : "(oectl key ipseckey ADDRESS prints the record)\n");
	}
	json_decref(records);
}

int oectl_make_key(const struct oectl *ctl, const char *type, struct oectl_key *f)
{
	EVP_PKEY *key;
	int error = keytool_generate(type, &key);

	if (error == -EINVAL)
		return oectl_complain(ctl, OECTL_USAGE,
			"no type '%s'; write ed25519, ed448, ecdsa-p256, "
			"ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096",
			type);
	if (error)
		return oectl_complain(ctl, OECTL_NO, "OpenSSL cannot make a key of type %s", type);
	error = oectl_make_dirs(ctl);
	if (!error)
		error = keytool_save(key, f->path);
	if (!error)
		error = keytool_public(key, &f->pub);
	EVP_PKEY_free(key);
	if (error == -EEXIST)
		return oectl_complain(ctl, OECTL_NO,
			"%s exists and is not overwritten; peers may know it. "
			"Move it away, or choose another --name",
			f->path);
	if (error)
		return oectl_complain(ctl, OECTL_NO, "%s: %s%s", f->path, strerror(-error),
			error == -EACCES ? "; run this as root" : "");
	return OECTL_OK;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len >= end_len && !strcmp(s + len - end_len, end);
}

int oectl_key_generate(const struct oectl *ctl)
{
	const char *type = ctl->type ? ctl->type : keytool_types[0];
	const char *name = ctl->name ? ctl->name : type;
	struct oectl_key f = {0};
	int status;

	if (strchr(name, '/') || name[0] == '.' || !name[0])
		return oectl_complain(ctl, OECTL_USAGE,
			"'%s' is no name for a key; write a word such as %s", name, type);
	if (ends_with(name, ".new") || ends_with(name, ".old"))
		return oectl_complain(ctl, OECTL_USAGE,
			"'%s' would be a key that does not sign; to replace a key: oectl key "
			"rollover "
			"start",
			name);
	if ((size_t)snprintf(f.path, sizeof(f.path), "%s/keys/%s.pem", ctl->confdir, name) >=
		sizeof(f.path))
		return oectl_complain(ctl, OECTL_USAGE, "the path is too long");
	status = oectl_make_key(ctl, type, &f);
	if (status == OECTL_OK)
		say_generated(ctl, &f);
	return status;
}
