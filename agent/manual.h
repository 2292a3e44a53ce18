/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers that an admin configures by hand, DIR/peers.d/NAME.conf: how such a peer and we prove
 * ourselves to each other. DNS is not asked about it, and what stands here is all that counts. A
 * peer whose certificates cannot be read stays configured, and can prove nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/certs.h"
#include "agent/conf.h"
#include "base/addr.h"
#include "ike/ike.h"

#define MANUAL_ADDRS_MAX 16
#define MANUAL_KEYS_MAX 4

enum manual_auth {
	MANUAL_PSK = 1, /* both by a shared secret */
	MANUAL_KEY,     /* both by signatures; the peer by one of the keys that stand here */
	MANUAL_X509,    /* both by signatures and certificates */
};

enum manual_id {
	MANUAL_ID_DEFAULT, /* ours: oed.conf's; the peer's: its address */
	MANUAL_ID_ANY,     /* the peer's: whatever it claims */
	MANUAL_ID_GIVEN,
};

struct manual_identity {
	uint8_t how;  /* enum manual_id */
	uint8_t type; /* RFC 7296 3.5 */
	uint16_t len;
	uint8_t id[IKE_ID_MAX];
};

struct manual_peer {
	char name[IKE_NAME_MAX];
	char file[CONF_TEXT_MAX]; /* as in errors: "/etc/oed/peers.d/office.conf" */
	uint32_t line;            /* of the section */
	uint32_t secret_line;     /* of `secret`, or the section's */
	uint8_t auth;             /* enum manual_auth */
	uint8_t n_addrs;
	uint8_t n_keys;
	struct prefix addrs[MANUAL_ADDRS_MAX];
	struct manual_identity self, peer;
	char secret[IKE_NAME_MAX]; /* PSK: its name, keys/NAME.psk */
	char ppk[IKE_NAME_MAX];    /* RFC 8784: name of a secret as above; "": none */
	uint32_t ppk_line;
	bool ppk_optional;
	uint8_t ppk_id_len;
	uint8_t ppk_id[IKE_PPK_ID_MAX];
	struct ike_pubkey keys[MANUAL_KEYS_MAX];
	uint32_t cert_line;       /* of `certificate` */
	char ca[CONF_TEXT_MAX];   /* X509: names of files, as they stand there */
	char cert[CONF_TEXT_MAX];
	struct certs *certs; /* counted; NULL: they could not be read, so nobody is let in */
};

struct manual;

/* Reads every *.conf of DIR/peers.d in order of name. A peer with a faulty line keeps the settings
 * that it has in old (NULL: none is known), or is left out; the others work. One on_error line for
 * each fault; *ret_refused says how many. Never NULL. */
struct manual *manual_load(const char *dir, const struct manual *old, conf_error_fn on_error,
	void *arg, size_t *ret_refused);
/* One file's text into m; file is used in errors. Files that it names are read below dir; NULL:
 * none is read. Returns the number of faults. */
size_t manual_parse(struct manual *m, const struct manual *old, const char *dir, const char *file,
	const char *text, size_t len, conf_error_fn on_error, void *arg);
struct manual *manual_new(void);
/* Accepts NULL. */
void manual_free(struct manual *m);
size_t manual_count(const struct manual *m);
const struct manual_peer *manual_at(const struct manual *m, size_t i);
/* The one with the longest prefix that holds the address; NULL for none. */
const struct manual_peer *manual_find(const struct manual *m, const struct addr *remote);
/* Whether an exchange by the one would be the same by the other; where they stand is no matter. */
bool manual_same(const struct manual_peer *a, const struct manual_peer *b);
/* One line for each peer whose certificate of ours is for none of these keys. */
void manual_check_keys(const struct manual *m, const struct ike_pubkey *own, size_t n,
	conf_error_fn on_error, void *arg);
/* For CONNECT and AUTHORIZE with that peer; its certificates go along, certs_tail(). */
void manual_terms(const struct manual_peer *p, const struct addr *remote, struct ike_terms *ret);
/* "the shared secret 'office'", "a key that stands in FILE". Returns buf. */
const char *manual_words(const struct manual_peer *p, char *buf, size_t cap);
