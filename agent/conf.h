/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oed.conf: every setting of the daemon with its default. An INI file, read whole; see oed.conf(5).
 * Pure but for conf_load()'s reading of the files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "ike/ike.h"
#include "policy/policy.h"
#include "resolver/resolver.h"

#define CONF_TEXT_MAX 256 /* a file name or a domain name, with its NUL */
#define CONF_GROUP_MAX 33 /* a unix group name, with its NUL */

/* NULL authentication (RFC 7619) with the peers of a group. */
enum conf_anonymous {
	CONF_ANON_NEVER,
	CONF_ANON_ACCEPT,   /* a peer that proves nothing is answered */
	CONF_ANON_INITIATE, /* and a peer without a key is asked for an anonymous exchange */
};

/* [group NAME] */
struct conf_group {
	bool downgrade_refuse;  /* downgrade = refuse: a peer with a secure key is never in clear;
	                           always true for private */
	bool insecure_keys;     /* insecure-keys = yes: believe keys of unsigned zones; for tests */
	bool trust_names;       /* trust-names = yes: a hint's key is as good as the address's */
	uint8_t anonymous;      /* enum conf_anonymous */
	uint32_t retry_after_s; /* a failed negotiation is tried again after this, 1..86400 */
	uint32_t retry_max_s;   /* the back-off ends here, retry_after_s..604800 */
};

/* What becomes of the names that systemd-resolved says it has resolved. */
enum conf_resolved {
	CONF_RESOLVED_NO,    /* it is not listened to */
	CONF_RESOLVED_YES,   /* their addresses are looked up ahead */
	CONF_RESOLVED_HINTS, /* and they are hints */
};

/* Where dns_forwarders come from. */
enum conf_forwarders {
	CONF_FWD_CONFIGURED, /* forwarders = ADDRESS... */
	CONF_FWD_SYSTEM,     /* those that the system uses, see conf_system_forwarders(); port 53 */
	CONF_FWD_NONE,       /* forwarders = none, or no nameserver lines: full recursion */
};

/* A name server. */
struct conf_server {
	struct addr addr; /* family 0: none */
	uint16_t port;    /* host order */
};

/* A value without pointers: copied as a whole. */
struct conf {
	/* [oed] */
	uint8_t log_level; /* enum log_level */

	/* [dns] */
	uint8_t dns_forwarders_from; /* enum conf_forwarders */
	/* family 0 ends the list; an empty one: full recursion */
	struct addr dns_forwarders[DNS_FORWARDERS_MAX];
	uint16_t dns_port;           /* of the forwarders, host order, 1..65535 */
	bool dns_unblock_lan_zones;  /* ask for the reverse names of private ranges too */
	bool dns_fallback;           /* full recursion where no forwarder passes DNSSEC on */
	bool dns_track_root;         /* RFC 5011 */
	uint8_t dns_resolved_monitor; /* enum conf_resolved */
	char dns_trust_anchor_file[CONF_TEXT_MAX]; /* absolute; "": Debian's dns-root-data */
	char dns_extra_anchor_file[CONF_TEXT_MAX]; /* absolute; "" none */
	char dns_root_hints_file[CONF_TEXT_MAX];   /* absolute; "": Debian's dns-root-data */
	char dns_update_key[CONF_TEXT_MAX];        /* absolute; "" none; for oectl, no service reads
	                                              it */
	struct conf_server dns_update_server;      /* family 0: the zone's own primary */
	uint32_t dns_hold_limit_ms;  /* packets wait this long for DNS, 10..60000 */
	uint32_t dns_negative_ttl_min_s; /* "no key" is believed for at least, 1..86400 */
	uint32_t dns_negative_ttl_max_s; /* and at most, dns_negative_ttl_min_s..604800 */

	/* [ike] */
	/* a domain name without closing dot; "": the local address */
	char ike_identity[CONF_TEXT_MAX];
	uint8_t ike_post_quantum;      /* enum ike_post_quantum */
	uint32_t ike_retransmit_ms;    /* 50..60000 */
	uint32_t ike_retransmits;      /* 1..20 */
	uint32_t ike_init_timeout_ms;  /* 100..600000 */
	uint32_t ike_connect_limit_ms; /* from the first request to a working SA, 100..600000 */
	uint32_t ike_half_open_max;    /* 1..1000000 */
	uint32_t ike_cookie_above;     /* 0..ike_half_open_max */
	uint32_t ike_liveness_s;       /* 0: off, 1..86400 */
	uint32_t ike_sa_lifetime_s;    /* of a child SA, 10..604800 */
	uint32_t ike_lifetime_s;       /* of an IKE SA, 10..604800 */

	/* [hold] */
	bool hold_enable;
	uint32_t hold_packets;          /* in all, 1..65536 */
	uint32_t hold_packets_per_peer; /* 1..hold_packets */

	/* [group NAME] */
	struct conf_group group[POL_N_GROUPS];

	/* [control] */
	char control_group[CONF_GROUP_MAX]; /* may be absent on the system; "": root only */
	char control_hint_group[CONF_GROUP_MAX]; /* may give hints; "": root only */
};

/* One line for each thing refused: "FILE:LINE: what, and what would be right". */
typedef void (*conf_error_fn)(void *arg, const char *text);

/* The settings of an empty oed.conf, without a look at /etc/resolv.conf: full recursion. */
void conf_defaults(struct conf *ret);
/* Reads DIR/oed.conf; a missing file gives the defaults. Where the file names no forwarders they
 * are those of /etc/resolv.conf. Returns 0, or -EINVAL after one on_error line per fault (all of
 * them, also for a file that cannot be read); *ret is untouched then, so that a reload keeps what
 * works. */
int conf_load(const char *dir, conf_error_fn on_error, void *arg, struct conf *ret);
/* The same from memory, for tests and fuzzing; name is used in errors, /etc/resolv.conf is not
 * read. */
int conf_parse(const char *name, const char *text, size_t len, conf_error_fn on_error, void *arg,
	struct conf *ret);
/* "192.0.2.53" or "2001:db8::53#5353". Returns 0 or -EINVAL. */
int conf_server_parse(const char *text, struct conf_server *ret);
/* The resolvers of the system: the nameserver lines of /etc/resolv.conf; where they are the stub of
 * systemd-resolved, the servers behind it, for what the stub says of DNSSEC hangs on its own
 * settings. Returns how many; *ret_file (may be NULL) is the file they stand in. */
size_t conf_system_forwarders(
	struct addr ret[static DNS_FORWARDERS_MAX], const char **ret_file);
#define CONF_RESOLV_CONF "/etc/resolv.conf"
#define CONF_RESOLVED_CONF "/run/systemd/resolve/resolv.conf"
/* The addresses of a resolv.conf's nameserver lines (those with a scope, and what is no address,
 * are left out), at most DNS_FORWARDERS_MAX; the rest of ret is zeroed. Returns how many; 0 for no
 * file. */
size_t conf_nameservers(const char *path, struct addr ret[static DNS_FORWARDERS_MAX]);
