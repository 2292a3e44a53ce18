/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What oectl's commands about keys share (keys.c): the key files, the names at which they are
 * published, and answers that no daemon gives.
 *
 * A key's role is in its file's name, so that the signer and an admin see it at once: NAME.pem is
 * what this host signs with, NAME.new.pem what it will sign with once all others can know it,
 * NAME.old.pem what it signed with before (see rollover.h).
 */
#pragma once

#include <limits.h>

#include "agent/keytool.h"
#include "ctl/oectl.h"

#define OECTL_OWNERS_MAX 64

enum oectl_role {
	OECTL_KEY_CURRENT,
	OECTL_KEY_NEW,
	OECTL_KEY_OLD,
};

/* A key file of CONFDIR/keys. */
struct oectl_key {
	char path[PATH_MAX];
	enum oectl_role role;
	const char *fault; /* why it cannot be used, NULL: it can */
	struct keytool_public pub;
};

/* Writes answer as one line, and releases it. */
void oectl_say_json(const struct oectl *ctl, json_t *answer);
/* One line that says what is wrong and what to do; as JSON on out where that was asked for. Returns
 * status. */
__attribute__((format(printf, 3, 4))) int oectl_complain(
	const struct oectl *ctl, int status, const char *fmt, ...);

/* The reverse names of this host's addresses that others may know; returns how many. */
size_t oectl_local_owners(char (*ret)[256]);
/* The name in DNS for an address or a domain name as typed; false for neither. */
bool oectl_owner_name(const char *text, char buf[static 256]);
/* The names for these words; without any, oectl_local_owners(). Returns OECTL_OK, else a status
 * after a complaint. */
int oectl_owner_names(const struct oectl *ctl, char *const *owners, size_t n_owners,
	char (*ret)[256], size_t *ret_n);

/* All CONFDIR/keys/NAME.pem in order of name, to be freed. Returns how many, or -errno of the
 * directory. */
int oectl_read_keys(const struct oectl *ctl, struct oectl_key **ret);
/* Complains of a result of oectl_read_keys() that is no use. Returns OECTL_NO. */
int oectl_no_keys(const struct oectl *ctl, int n);
/* Makes a key in f->path, which must not exist. Returns OECTL_OK, else a status after a complaint.
 * (key.c) */
int oectl_make_key(const struct oectl *ctl, const char *type, struct oectl_key *f);
/* The daemon's answer to {"command": command, "name": name} (name may be NULL), to be released;
 * NULL where there is none. Silent. */
json_t *oectl_daemon(const struct oectl *ctl, const char *command, const char *name);
/* Makes CONFDIR and CONFDIR/keys where they are not there. Returns 0 or -errno. */
int oectl_make_dirs(const struct oectl *ctl);
/* Of the key's records, where those of the current key have `current`: a key that does not sign yet
 * comes behind it. */
uint8_t oectl_precedence(const struct oectl_key *key, uint8_t current);
/* "Ed25519 SHA256:..." in a static buffer. */
const char *oectl_key_str(const struct keytool_public *pub);
