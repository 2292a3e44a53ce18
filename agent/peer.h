/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' core: what each peer is to us, and every decision about it. Pure: messages of the
 * services and the time go in, messages to the services come out through struct oe_effects. The
 * essay is in peer.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/conf.h"
#include "agent/hints.h"
#include "agent/journal.h"
#include "agent/manual.h"
#include "base/addr.h"
#include "base/heap.h"
#include "ike/ike.h"
#include "policy/policy.h"
#include "resolver/resolver.h"
#include "xfrm/xfrm.h"

enum oe_service {
	OE_XFRM,
	OE_RESOLVER,
	OE_IKE,
	OE_SIGNER,
	OE_LISTENER, /* optional; the core does not know it */
	OE_N_SERVICES,
};

enum oe_state {
	OE_IDLE,        /* nothing is decided and nothing waits; the rule in the kernel stands */
	OE_RESOLVING,   /* packets may be held, DNS is asked */
	OE_NEGOTIATING, /* packets may be held, IKE runs */
	OE_PRIVATE,
	OE_CLEAR,
	OE_BLOCKED,
	OE_N_STATES,
};

enum oe_reason {
	OE_WHY_NONE,
	OE_WHY_TRAFFIC,       /* a packet wants to go there */
	OE_WHY_PEER_ASKED,    /* the peer's IKE came to us */
	OE_WHY_KEY,           /* a key was found */
	OE_WHY_DENIED,        /* DNS proves that there is no key */
	OE_WHY_UNUSABLE,      /* records, but no key that can be used */
	OE_WHY_INSECURE,      /* the zone is not signed: no key that could be believed */
	OE_WHY_BOGUS,         /* DNSSEC validation failed */
	OE_WHY_DNS_FAILED,    /* no answer from DNS */
	OE_WHY_DNS_TIMEOUT,   /* no answer within hold-limit; the lookup goes on */
	OE_WHY_DNS_UNAVAILABLE, /* DNSSEC does not get through here */
	OE_WHY_IKE_FAILED,    /* a key, but no SA */
	OE_WHY_DOWNGRADED,    /* the same, and the rule lets it go in clear */
	OE_WHY_MUTUAL,        /* private, both proved */
	OE_WHY_PEER_PROVED,   /* private, the peer proved, we are anonymous */
	OE_WHY_SELF_PROVED,   /* private, we proved, the peer is anonymous */
	OE_WHY_ANONYMOUS,     /* private, nobody proved anything */
	OE_WHY_ADOPTED,       /* private by SAs found in the kernel at start */
	OE_WHY_CLOSED,        /* the SA ended */
	OE_WHY_LIMIT,         /* too many peers wait */
	OE_WHY_COMMAND,       /* an administrator said so */
	OE_WHY_POLICY,        /* the rule changed, or has none for it */
	OE_WHY_ANON_WEAKER,   /* an anonymous exchange may not replace an authenticated SA */
	OE_WHY_ID_MISMATCH,   /* the identity is not this address's */
	OE_WHY_KEY_GONE,      /* DNS has withdrawn the key that proved the peer */
	OE_WHY_NO_KEYS,       /* no key by which the peer could prove itself */
	OE_WHY_NAME_ONLY,     /* a name that comes through a NAT, and the rule wants the address
	                         proved */
	OE_WHY_SHARED_NAT,    /* another host behind the same NAT address is private already */
	OE_N_REASONS,
};

/* A child SA; while it is rekeyed there are several. */
struct oe_child {
	struct oe_child *next;
	uint32_t spi_in;  /* in the kernel, or on its way there; 0 none */
	uint32_t spi_out;
	uint16_t key_bits;
	uint16_t cipher;  /* 0: adopted */
	uint16_t integ;   /* IKE_AUTH_*, with AES-CBC */
	uint16_t encap_local, encap_remote;
	uint8_t esn;
	uint8_t both;     /* 1: INSTALLED is to wait for the outbound SA */
	uint8_t tell_use; /* 1: the peer made it anew; ike is told when packets come by it */
};

/* An IKE SA with a peer and the child SAs below it. */
struct oe_sa {
	struct oe_sa *next; /* of the same peer */
	struct oe_peer *peer;
	struct oe_child *children; /* newest first */
	char *claims;       /* its name, while it waits for the answer to the reverse lookup; NULL
	                       none */
	uint64_t id_hash;   /* of the identity that it claimed when it called us; 0 none */
	uint64_t since;
	uint32_t handle;    /* 0: adopted, or the ike service died: no IKE SA any more */
	uint32_t lookup;    /* outstanding, for the peer's identity; 0 none */
	uint16_t remote_port; /* where its ESP in UDP comes from; 0: not in UDP */
	uint8_t initiator;  /* 1 we */
	uint8_t up;
	uint8_t auth_peer;  /* enum ike_auth_kind */
	uint8_t auth_self;
	uint8_t waits;      /* 1: IDENTITY waits for the answer to the peer's reverse lookup */
	uint8_t null_auth;  /* what the peer offers */
	uint8_t by_name;    /* proved by the keys of a name, not of the address */
	uint8_t by_hint;    /* the same, of a name that was hinted */
	uint8_t moved;      /* 1: to another address, of which DNS is asked */
	uint8_t no_scope;   /* the rules encrypt nothing of what the peer asks for */
	uint8_t nat;        /* 1: the peer, who called us, comes through a NAT */
	uint8_t translated; /* 1: that is why its name's addresses are others */
};

/* Public keys, packed: {u16 length, SPKI} each. What proved a peer is kept when DNS has another
 * key, and mostly is the same. */
struct oe_keys {
	uint32_t refs;
	uint32_t len;
	uint8_t packed[];
};

struct oe_peer {
	struct pair pair; /* its scope is that of the rule, or a part of it that a peer wished
	                     for */
	struct heap_node timer;
	struct heap_node refresh;    /* of its key */
	const struct pol_rule *rule; /* of the policy in force; NULL none */
	const struct manual_peer *manual; /* where it is configured by hand; NULL: DNS says */
	uint8_t state;               /* enum oe_state */
	uint8_t reason;              /* enum oe_reason */
	uint8_t dns_class;           /* enum dns_class of the last answer */
	uint8_t n_keys;
	uint8_t tries;               /* negotiations or lookups that failed in a row */
	uint8_t dns_known : 1;       /* 1: dns_class means something */
	uint8_t retry : 1;           /* 1: at the end of `until` ask again, in the background */
	uint8_t stray : 1;           /* 1: it sent ESP that finds no SA; soon we begin ourselves */
	uint8_t wants : 1;           /* 1: a negotiation of ours follows the answer to `lookup` */
	uint8_t ask_anew : 1;        /* 1: the next lookup asks DNS, whatever is known */
	uint8_t key_gone : 1;        /* 1: DNS has withdrawn the key that proved it */
	uint8_t by_hint : 1;         /* 1: keys are those of the name `hint`; dns_class is still that
	                                of the address, and dns_until the earlier end of the two */
	uint8_t late : 1;            /* 1: its exchange was refused for want of the answer to
	                                `lookup`: a key in it begins one of ours */
	uint16_t proof_len;
	struct scope packet;         /* that the next negotiation of ours is for; proto 0: none */
	uint32_t lookup;             /* outstanding reverse lookup; 0 none */
	uint32_t held_us;            /* longest wait of a packet, last release */
	uint64_t since, until;       /* of the state; until 0: open */
	uint64_t dns_until;
	uint64_t seen_packets;       /* through its SAs, at the last look */
	struct oe_keys *keys;        /* n_keys of them; NULL none */
	struct oe_sa *sas;
	char *dns_why;               /* of the last answer: why it failed, what is wrong with records,
	                                or the range it was true for; NULL none */
	char *hint;                  /* the name last looked for on its behalf; NULL none */
	char *ike_why;               /* of the last IKE failure */
	char *peer_id;               /* as proved; NULL none */
	char *certificate;           /* the last one that it showed, in words; NULL none */
	const uint8_t *proof;        /* the key that proved it, SPKI, in proofs; NULL none */
	struct oe_keys *proofs;
	const char *suite;           /* of the IKE SA; NULL none; all peers' common property */
	uint32_t released;           /* packets, all time */
	struct journal journal;
};

struct oe_effects {
	void *arg;
	uint64_t seed[2]; /* unpredictable: strangers choose addresses, by which peers are found */
	/* A message to a service. Where the service is away it is dropped: oe_peers_service() says what
	 * then. */
	void (*send)(void *arg, enum oe_service to, uint16_t type, const void *fixed, size_t fixed_len,
		const void *tail, size_t tail_len);
	/* The journal of peer got e; may be NULL. */
	void (*journal)(void *arg, const struct oe_peer *peer, const struct journal_entry *e);
	/* The service owes an answer for longer than it can take: it is to be ended. Calls nothing
	 * here back; may be NULL. */
	void (*stuck)(void *arg, enum oe_service service);
	/* The outcome of the hint with that tag: what DNS says of the name, and how many of its
	 * addresses were taken. Calls nothing here back; may be NULL. */
	void (*hinted)(void *arg, uint32_t tag, const struct dns_answer *a, size_t taken);
};

struct oe_peers_stats {
	uint32_t peers;
	uint32_t state[OE_N_STATES];
	uint64_t trapped, lookups, connects, inbound;
	uint64_t went_private, went_clear, went_blocked, downgraded;
	uint64_t refused_limit;
	uint64_t strays, doubts;
	uint64_t by_range;  /* decided without a question */
	uint64_t refreshed; /* keys asked for again before their time */
	uint32_t ranges;    /* known */
	uint64_t hints_taken, hints_refused; /* names */
	uint64_t hints_over_limit; /* names and addresses */
	uint64_t by_hint;   /* negotiations begun with a key of a hint's name */
	uint64_t warmed;    /* reverse lookups ahead of a packet */
	uint32_t hints;     /* known: addresses times names */
};

struct oe_peers;

/* conf and policy must stay until replaced by oe_peers_configure(). */
struct oe_peers *oe_peers_new(const struct oe_effects *fx, const struct conf *conf,
	const struct policy *policy);
/* Frees all; says nothing to the services. */
void oe_peers_free(struct oe_peers *ps);
/* New settings and rules: peers keep what did not change, the rest goes back to its rule. The old
 * policy may be freed afterwards. */
void oe_peers_configure(struct oe_peers *ps, const struct conf *conf, const struct policy *policy,
	uint64_t now);
/* The peers that are configured by hand; NULL none. Those whose settings changed begin anew. The
 * old set may be freed afterwards. */
void oe_peers_manual(struct oe_peers *ps, const struct manual *manual, uint64_t now);
/* Whether the signer has a key: without one we are anonymous. */
void oe_peers_own_key(struct oe_peers *ps, bool have);
/* The tag of the core's own XFRM_REQ_COUNTERS. */
#define OE_COUNTERS_TAG UINT32_MAX

/* DNS works again: peers that were decided for want of an answer are asked for anew. */
void oe_peers_dns_back(struct oe_peers *ps, uint64_t now);
/* The way to DNS is another one: what was proved by it of ranges is forgotten. */
void oe_peers_flush_ranges(struct oe_peers *ps);
/* The addresses of this host, for hints; the list stays the caller's and may change between
 * calls. */
void oe_peers_locals(struct oe_peers *ps, const struct addr *list, size_t n);
/* A name is said to stand for addresses. */
struct oe_hint {
	const char *name;          /* as it was given */
	const struct addr *claims; /* addresses that it is said to have; the first DNS_ADDRS_MAX count
	                              until the name's own are known */
	size_t n_claims;
	enum hint_from from;
	uint32_t tag;              /* for the effect `hinted`; 0: nobody wants to know */
};
/* Returns 0: it is looked up, `hinted` tells the outcome. Else `hinted` is not called: -EALREADY,
 * it is known or was refused a moment ago, -EINVAL no host's name, -EBUSY too many are looked
 * up. */
int oe_peers_hint(struct oe_peers *ps, const struct oe_hint *hint, uint64_t now);
/* A packet may soon go to addr: its reverse lookup is made ahead. */
void oe_peers_warm(struct oe_peers *ps, const struct addr *addr, uint64_t now);
/* Those of an address, as hints_of(). */
size_t oe_peers_hints(const struct oe_peers *ps, const struct addr *addr, const struct hint **ret);
/* An event of a service about peers: XFRM_EV_TRAPPED, _DONE, _EXPIRE, _ADOPTED, _TRAFFIC,
 * and _COUNTERS with OE_COUNTERS_TAG; DNS_EV_ANSWER, _RANGE; all of
 * enum ike_ev but READY, SIGN and STATS. Sizes are as the msg_spec tables say; contents are
 * checked. Returns 0, or -EBADMSG where the service broke the contract: it is to be ended. */
int oe_peers_event(struct oe_peers *ps, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len, uint64_t now);
/* A service died (up false) or is ready again with its settings (up true). */
void oe_peers_service(struct oe_peers *ps, enum oe_service service, bool up, uint64_t now);
/* An address of this host went: its peers go, without a word to them. */
void oe_peers_local_gone(struct oe_peers *ps, const struct addr *local, uint64_t now);
/* Does what is due; returns when it wants to be called next, UINT64_MAX never. */
uint64_t oe_peers_timers(struct oe_peers *ps, uint64_t now);

/* Administrator's commands, for every peer with that remote address. Return how many there were. */
size_t oe_peers_down(struct oe_peers *ps, const struct addr *remote, uint64_t now);
size_t oe_peers_forget(struct oe_peers *ps, const struct addr *remote, uint64_t now);
/* Starts a lookup and negotiation with remote from local. Returns 0, -ENOENT where no rule lets
 * it. */
int oe_peers_up(struct oe_peers *ps, const struct pair *pair, uint64_t now);

/* Calls fn for each peer, in no order; fn must not call into ps. */
void oe_peers_each(const struct oe_peers *ps, void (*fn)(void *arg, const struct oe_peer *), void *arg);
const struct oe_peer *oe_peers_find(const struct oe_peers *ps, const struct pair *pair); /* the scope too */
void oe_peers_get_stats(const struct oe_peers *ps, struct oe_peers_stats *ret);

const char *oe_state_name(enum oe_state state);    /* "PRIVATE" */
const char *oe_reason_name(enum oe_reason reason); /* as oectl shows it: "BOGUS" */
/* A clause in plain words: "DNS proves that the peer publishes no key". */
const char *oe_reason_text(enum oe_reason reason);
const char *oe_service_name(enum oe_service service); /* "xfrm" */
