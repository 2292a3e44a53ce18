/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent and the resolver service say to each other. The service speaks DNS with a
 * validating libunbound, without any capability, and turns IPSECKEY records into public keys.
 */
#pragma once

#include <stdint.h>

#include "base/addr.h"
#include "base/msg.h"

/* No usable key needs more: SPKI of RSA-4096 is 550 bytes. */
#define DNS_SPKI_MAX 600
/* Usable keys given for one host; more are left out and counted. */
#define DNS_KEYS_MAX 8
#define DNS_FORWARDERS_MAX 8
#define DNS_NAME_MAX 256
/* Each lookup is answered within so many seconds, whatever DNS does. */
#define DNS_DEADLINE_S 10
#define DNS_WHY_MAX 256
/* Of Debian's dns-root-data. */
#define DNS_ANCHOR_FILE "/usr/share/dns/root.key"
#define DNS_HINTS_FILE "/usr/share/dns/root.hints"
/* Addresses of a name that are given: half of them IPv4, half IPv6, more are left out. */
#define DNS_ADDRS_MAX 16

enum dns_req {
	DNS_REQ_CONFIG = 0x200, /* struct dns_config; first message; again: a new context */
	DNS_REQ_LOOKUP,         /* struct dns_lookup */
	DNS_REQ_CANCEL,         /* struct dns_cancel */
};

enum dns_option {
	DNS_OPT_UNBLOCK_LAN = 1 << 0, /* ask for reverse names of private ranges too */
	DNS_OPT_FALLBACK = 1 << 1,    /* where no forwarder passes DNSSEC on: full recursion */
	DNS_OPT_TRACK_ROOT = 1 << 2,  /* keep the root's key up to date (RFC 5011), in the state
	                                 folder, beginning with the trust anchor file */
};
#define DNS_OPTIONS (DNS_OPT_UNBLOCK_LAN | DNS_OPT_FALLBACK | DNS_OPT_TRACK_ROOT)

struct dns_config {
	struct addr forwarders[DNS_FORWARDERS_MAX]; /* family 0 ends the list */
	uint16_t forwarder_port; /* host order; 53 */
	uint16_t pad;
	uint32_t options;        /* enum dns_option */
	/* absolute, or "" */
	char anchor_file[256];   /* DS or DNSKEY records; "" for the Debian default */
	char extra_anchors[256]; /* more of them, for zones of the site */
	char root_hints[256];    /* NS and addresses of the root; "" for the Debian default */
};

enum dns_question {
	DNS_ASK_REVERSE, /* IPSECKEY at the reverse name of addr (RFC 4025) */
	DNS_ASK_NAME,    /* IPSECKEY at name */
	DNS_ASK_FORWARD, /* IPSECKEY at name, and whether its A/AAAA hold addr, securely */
	DNS_ASK_HINT,    /* IPSECKEY at name, and which addresses it has, securely */
};

/* On whose behalf: each has its budget (limit.h), so that strangers cannot spend ours. */
enum dns_origin {
	DNS_FROM_TRAFFIC,  /* a packet of this host waits */
	DNS_FROM_STRANGER, /* somebody's IKE came to us: his address, or a name that he claims */
	DNS_FROM_HOST,     /* this host's own business: a command, its own record. Not limited */
	DNS_FROM_HINT,     /* names that local applications ask for, which others can make them
	                      do */
};

struct dns_lookup {
	uint32_t id;        /* the agent's; unique among those outstanding */
	uint8_t question;   /* enum dns_question */
	uint8_t origin;     /* enum dns_origin */
	uint8_t pad[2];
	struct addr addr;   /* DNS_ASK_REVERSE and _FORWARD */
	char name[DNS_NAME_MAX]; /* all but DNS_ASK_REVERSE; else "" */
};

struct dns_cancel {
	uint32_t id;
};

enum dns_ev {
	DNS_EV_READY = 0x280, /* struct dns_ready, after each DNS_REQ_CONFIG once its way to DNS was
	                         probed (8 s at most), and whenever the path changes later */
	DNS_EV_ANSWER,        /* struct dns_answer + struct dns_key[] */
	DNS_EV_RANGE,         /* struct dns_range: after an answer from which more can be told */
	DNS_EV_STATS,         /* struct dns_stats: all counters, at most once a second */
};

/* The way that is in use. */
enum dns_path {
	DNS_PATH_NONE,
	DNS_PATH_FORWARDERS,
	DNS_PATH_RECURSION,
};

struct dns_ready {
	int32_t error;          /* 0, or -errno: the configuration is refused, the one before stays;
	                           why says it */
	uint8_t dnssec;         /* of the one in use: 1: the root's DNSKEY validates through this
	                           path; 0: DNSSEC unavailable, and why */
	uint8_t path;           /* enum dns_path */
	uint8_t pad[2];
	char why[DNS_WHY_MAX];  /* also: why it is recursion though there are forwarders */
};

/* The outcome, told apart as the policy groups need it (doc/design.md). */
enum dns_class {
	DNS_KEYS,           /* secure, with at least one usable key */
	DNS_DENIED,         /* secure: no such name or no such record */
	DNS_UNUSABLE,       /* secure: records, none of them usable; treated as denied */
	DNS_INSECURE,       /* an unsigned zone answered: no key there */
	DNS_INSECURE_KEYS,  /* an unsigned zone answered with keys: not believed */
	DNS_BOGUS,          /* validation failed */
	DNS_FAILED,         /* SERVFAIL, REFUSED, nobody answered */
	DNS_UNAVAILABLE,    /* DNSSEC does not get through: nothing can be said */
	DNS_LIMITED,        /* not asked: a limit of ours is reached */
};
#define DNS_N_CLASSES (DNS_LIMITED + 1)

enum dns_key_fault {
	DNS_KEY_OK,
	DNS_KEY_SHORT,          /* rdata ends early */
	DNS_KEY_GATEWAY_TYPE,   /* unknown gateway type: the key cannot be found */
	DNS_KEY_GATEWAY_NAME,   /* malformed gateway name */
	DNS_KEY_GATEWAY_OTHER,  /* gateway is another host: not followed */
	DNS_KEY_NO_KEY,         /* algorithm 0 */
	DNS_KEY_ALGORITHM,      /* unknown algorithm */
	DNS_KEY_LENGTH,         /* length does not fit the algorithm */
	DNS_KEY_VALUE,          /* off the curve, even modulus, exponent too large ... */
};

struct dns_key {
	uint8_t fault;      /* enum dns_key_fault; spki_len is 0 unless DNS_KEY_OK */
	uint8_t precedence; /* lower first */
	uint8_t algorithm;  /* IANA IPSECKEY algorithm: 2 RSA, 3 ECDSA, 4 EdDSA */
	uint8_t gateway_type;
	uint16_t spki_len;
	uint16_t bits;      /* strength in the usual measure: 2048, 256 ... */
	uint8_t spki[DNS_SPKI_MAX]; /* DER SubjectPublicKeyInfo */
};

struct dns_answer {
	uint32_t id;
	uint8_t class;      /* enum dns_class */
	uint8_t rcode;      /* DNS rcode where known, else 0 */
	uint8_t n_keys;     /* struct dns_key in the tail: at most DNS_KEYS_MAX usable ones, by
	                       precedence, then at most as many that are not */
	uint8_t n_left_out; /* records not looked at, DNS_KEYS_MAX usable ones being found */
	uint32_t ttl;       /* seconds this answer may be believed, clamped per class */
	uint32_t took_us;
	uint8_t addr_matches; /* DNS_ASK_FORWARD: the name's addresses are secure and hold addr */
	uint8_t cached;       /* answered without a query on the wire */
	uint8_t n_addrs;      /* DNS_ASK_HINT, where there are keys: in addrs, all of them secure */
	uint8_t addr_class;   /* the same: enum dns_class, DNS_KEYS for n_addrs > 0; else why none:
	                         DENIED, INSECURE, BOGUS, FAILED */
	char name[DNS_NAME_MAX];      /* asked for */
	char canonical[DNS_NAME_MAX]; /* where the records stood, after CNAMEs */
	char why[DNS_WHY_MAX];        /* libunbound's reason for BOGUS or FAILED; printable ASCII */
	char broke[DNS_NAME_MAX];     /* BOGUS: the zone where the chain of trust broke, or, where
	                                 the records themselves are wrong, their name; else "" */
	struct addr addrs[DNS_ADDRS_MAX];
};

/*
 * A part of the reverse map of which one answer tells all: no address in it has a key, so none need
 * be asked for. Believed until ttl has passed, DNS_EV_READY says that the path has changed, or the
 * agent changes the settings.
 */
struct dns_range {
	struct prefix prefix;
	uint8_t class;           /* DNS_INSECURE: below an unsigned delegation that the signed parent
	                            proves. DNS_DENIED: nothing exists there (RFC 8020) */
	uint8_t pad[3];
	uint32_t ttl;            /* seconds, 60..3600 */
	char zone[ADDR_REVERSE_LEN]; /* the name of the prefix */
};

/* Since the service started. */
struct dns_stats {
	uint64_t lookups;
	uint64_t class[DNS_N_CLASSES];
	uint64_t asked;          /* questions to libunbound */
	uint64_t at_once;        /* of them: answered from its cache */
	uint64_t joined;         /* lookups that shared the question of another */
	uint64_t deadline;       /* lookups without an answer in time */
	uint64_t limited_full;   /* refused: too many wait */
	uint64_t limited_rate;   /* refused: too many in a short time, in all or in one prefix */
	uint64_t limited_strangers; /* refused: the strangers' budget */
	uint64_t ranges;         /* found */
	uint64_t probes;         /* of paths to DNS */
};

extern const struct msg_spec dns_events[];
extern const size_t dns_n_events;

const char *dns_class_name(enum dns_class class);      /* "KEYS", "DENIED", "BOGUS" ... */
const char *dns_key_fault_text(enum dns_key_fault fault); /* "key length does not fit ..." */

/* The service process; returns the exit status. */
int dns_service_main(void);
