/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent and the xfrm service say to each other. The service alone touches the kernel's
 * policies, SAs, packet queue and addresses; it holds CAP_NET_ADMIN and nothing else, and checks
 * every request again: valid addresses of one family, single hosts only, a local side that is an
 * address of this host.
 *
 * Priorities. The agent ranks its policy rules; each rule becomes kernel policies of priority
 * XFRM_PRIO_RULES + XFRM_PRIO_STEP * rank, rank 0 being the most specific. What was decided for one
 * peer stands just before the rule it was decided under: one less, or a little more for a decision
 * about a part of the rule's traffic. So a decision never covers traffic for which a more specific
 * rule says something else.
 *
 * Which SA. A pair's scope is that of the decision, and the selector of its SAs. Templates and SAs
 * have the reqid of the level (scope_level()) of their rule, so that a packet trapped by a rule
 * never leaves by an SA that was made under another: of two rules of one level no packet meets both
 * selectors.
 */
#pragma once

#include <stdint.h>

#include "base/addr.h"
#include "base/msg.h"

/* All that is ours in the kernel is known by these. */
#define XFRM_REQID 0x6f656401u      /* templates and SAs: plus the level of their rule */
#define XFRM_PRIO_EXEMPT 0x6f650000u /* exemptions: before all rules */
#define XFRM_PRIO_RULES 0x6f651000u
#define XFRM_PRIO_STEP 8u /* SCOPE_LEVELS decisions, and the rule */
#define XFRM_RANK_MAX 0x7fff0u
#define XFRM_MARK_RELEASED 0x40000000u /* fwmark bit of a packet released from the hold */
#define XFRM_MARK_RESOLVER 0x20000000u /* of the resolver's own queries, and the answers to them */
#define XFRM_QUEUE 28525               /* NFQUEUE number, "oe" */

/* What a rule does to traffic; the group's meaning in kernel terms. */
enum xfrm_action {
	XFRM_ACTION_ALLOW, /* OUT allow */
	XFRM_ACTION_TRAP,  /* OUT required template: raises ACQUIRE, nothing leaves without an SA */
	XFRM_ACTION_GUARD, /* TRAP, and IN required: plaintext from there is dropped */
	XFRM_ACTION_BLOCK, /* OUT and IN block */
};

/* Traffic between our addresses and remote. proto 0: any, then the ports are 0 too. Ports in host
 * order, 0 any; sport is ours, dport the remote's. */
struct xfrm_rule {
	struct prefix remote;
	uint32_t rank;  /* 0..XFRM_RANK_MAX */
	uint8_t action; /* enum xfrm_action */
	uint8_t proto;
	uint16_t sport;
	uint16_t dport;
	uint8_t pad[2];
};

enum xfrm_req {
	XFRM_REQ_CONFIG = 0x100, /* struct xfrm_config; first message, and again on a reload */
	XFRM_REQ_RULES,          /* struct xfrm_rules + xfrm_rule[]: the whole set, in pieces */
	XFRM_REQ_EXEMPT,         /* struct xfrm_exempt_list + xfrm_exempt[]: replaces the list
	                            before */
	XFRM_REQ_SA_IN,          /* struct xfrm_sa + key: install an inbound SA */
	XFRM_REQ_SA_OUT,         /* struct xfrm_sa + key: outbound SA, required IN policy on the pair,
	                            larval state away, any CLEAR or BLOCK decision of the pair away,
	                            held packets released */
	XFRM_REQ_SA_DELETE,      /* struct xfrm_sa_id */
	XFRM_REQ_DECIDE,         /* struct xfrm_decide */
	XFRM_REQ_COUNTERS,       /* struct xfrm_counters_req */
	XFRM_REQ_MOVE,           /* struct xfrm_move: the NAT before the peer gave it another
	                            port */
	XFRM_REQ_STOP,           /* struct xfrm_stop: orderly end, see the field */
	XFRM_REQ_TRAFFIC,        /* struct xfrm_traffic_req */
};

struct xfrm_config {
	uint8_t hold;      /* 0: do not hold packets, 1: by what the kernel has */
	uint8_t pad[3];
	uint32_t hold_max; /* packets held in all; beyond it new ones are dropped, counted */
	uint32_t hold_peer_max; /* packets held for one pair */
	uint32_t clear_lifetime; /* seconds that a CLEAR decision outlives a dead agent */
};

struct xfrm_rules {
	uint8_t first; /* 1: this piece begins a new set */
	uint8_t last;  /* 1: this piece ends it: the set takes effect, by difference with the old
	                  one */
	uint8_t pad[2];
	uint32_t tag;  /* for XFRM_EV_DONE after the last piece */
};

/* Traffic that passes in clear both ways, such as the resolver's to its forwarders. */
struct xfrm_exempt {
	struct addr remote;
	uint16_t port; /* the remote's, host order */
	uint8_t proto; /* IPPROTO_UDP, IPPROTO_TCP */
	uint8_t pad;
};

struct xfrm_exempt_list {
	uint32_t count; /* of xfrm_exempt in the tail */
};

/* ESP transforms, by the names the kernel knows; the key is the tail: with the AEAD's salt or, of
 * CBC, the integrity key behind it. RFC 4106, RFC 7634, RFC 3602 with RFC 4868. */
enum xfrm_cipher {
	XFRM_CIPHER_AES_GCM_16 = 1,    /* "rfc4106(gcm(aes))": key 16 or 32, salt 4 */
	XFRM_CIPHER_CHACHA20_POLY1305, /* "rfc7539esp(chacha20,poly1305)": key 32, salt 4 */
	XFRM_CIPHER_AES_CBC_SHA2_256,  /* "cbc(aes)": key 16 or 32; "hmac(sha256)", cut to 128
	                                  bits */
	XFRM_CIPHER_AES_CBC_SHA2_384,  /* "hmac(sha384)", 192 bits */
	XFRM_CIPHER_AES_CBC_SHA2_512,  /* "hmac(sha512)", 256 bits */
};

#define XFRM_KEY_MAX 128

struct xfrm_sa {
	uint32_t tag;     /* for XFRM_EV_DONE */
	struct pair pair; /* for SA_IN packets go remote -> local, for SA_OUT local -> remote */
	uint32_t spi;     /* host order, >= 256 */
	uint8_t cipher;   /* enum xfrm_cipher */
	uint8_t esn;      /* 0 or 1 */
	uint8_t require_out; /* SA_OUT, 1: the rule lets packets out in clear, or may come to do so for the
	                        rest of its traffic, so a required OUT policy on the pair is to send
	                        them through the SA */
	uint8_t tell_use;    /* SA_IN, 1: an EXPIRE that is soft says that packets come by it */
	uint32_t replay_window; /* packets; inbound only */
	uint16_t encap_local;   /* UDP encapsulation (RFC 3948): ports in host order; both 0:
	                           none */
	uint16_t encap_remote;
	uint32_t soft_seconds; /* lifetimes since the SA was added; 0: none */
	uint32_t hard_seconds;
	/* under which the peer became private: its rank and selector (remote unused) */
	struct xfrm_rule rule;
};

struct xfrm_sa_id {
	struct pair pair;
	uint32_t spi;
	uint8_t inbound; /* 1: remote -> local */
	uint8_t last;    /* 1: it was the pair's last SA: the pair's policies go too (back to the
	                    trap) */
	uint8_t grace;   /* seconds that it still takes what is under way; inbound only */
	uint8_t pad;
};

enum xfrm_verdict {
	XFRM_VERDICT_CLEAR,  /* OUT allow on the pair; held packets leave in clear */
	XFRM_VERDICT_BLOCK,  /* OUT and IN block; held packets are dropped and answered, so that
	                        connect() fails at once */
	XFRM_VERDICT_DROP,   /* no policy: held packets are dropped silently, the rule stays in
	                        force */
	XFRM_VERDICT_FORGET, /* the pair's policies go: back to the rule; larval state away */
};

struct xfrm_decide {
	uint32_t tag;
	struct pair pair;
	struct xfrm_rule rule; /* as in struct xfrm_sa */
	uint8_t verdict;       /* enum xfrm_verdict */
	uint8_t pad[3];
};

struct xfrm_counters_req {
	uint32_t tag;
	struct pair pair; /* family 0: the host's totals only */
};

/* All SAs of the pair that are in UDP use this port of the peer's from now on. */
struct xfrm_move {
	struct pair pair;
	uint16_t encap_remote; /* host order */
	uint8_t pad[2];
};

struct xfrm_traffic_req {
	struct pair pair;
};

struct xfrm_stop {
	uint8_t keep; /* 1: traps, guards and SAs stay (fail closed); 0: all that is ours goes */
	uint8_t pad[3];
};

enum xfrm_ev {
	XFRM_EV_READY = 0x180, /* struct xfrm_ready, after the first XFRM_REQ_CONFIG */
	XFRM_EV_LOCAL,         /* struct xfrm_local */
	XFRM_EV_TRAPPED,       /* struct xfrm_trapped */
	XFRM_EV_DONE,          /* struct xfrm_done */
	XFRM_EV_EXPIRE,        /* struct xfrm_expire */
	XFRM_EV_ADOPTED,       /* struct xfrm_adopted: one of our SAs found in the kernel at
	                          start */
	XFRM_EV_COUNTERS,      /* struct xfrm_counters */
	XFRM_EV_STRAY,         /* struct xfrm_stray */
	XFRM_EV_MAPPED,        /* struct xfrm_mapped: authentic ESP in UDP came from elsewhere */
	XFRM_EV_TRAFFIC,       /* struct xfrm_traffic: answer to TRAFFIC */
};

enum xfrm_hold {
	XFRM_HOLD_NONE,     /* first packets are lost, TCP tries again after 1 s */
	XFRM_HOLD_NFT,      /* NFQUEUE by nftables */
	XFRM_HOLD_IPTABLES, /* NFQUEUE by iptables-legacy */
};

struct xfrm_ready {
	uint8_t hold; /* enum xfrm_hold */
	uint8_t pad[3];
	char why[128]; /* where hold is not NFT: what was missing; NUL-terminated */
};

/* An address of this host came (or was there at start) or went. */
struct xfrm_local {
	struct addr addr;
	uint8_t up; /* 1 came, 0 went */
	uint8_t pad[3];
};

/* A flow waits for a decision. Sent once per pair until the pair is decided, again with held
 * packets that come later at most once per second (so that a decision that was lost is asked for
 * again). */
struct xfrm_trapped {
	struct pair pair; /* hosts only */
	uint8_t proto;   /* of the packet held, or of the ACQUIRE where none is held (see doc/kernel.md: the
	                    ACQUIRE of a TCP connect has no source port) */
	uint8_t held;    /* 1: a packet is held */
	uint16_t sport;  /* ours, host order; 0 unknown */
	uint16_t dport;
	uint16_t length; /* of the held packet */
};

struct xfrm_done {
	uint32_t tag;
	int32_t error;          /* 0 or -errno of the kernel's answer */
	uint32_t released;      /* held packets let go (or dropped, for BLOCK and DROP) */
	uint32_t held_us;       /* how long the oldest of them had waited, microseconds */
};

struct xfrm_expire {
	struct pair pair;
	uint32_t spi;
	uint8_t inbound;
	uint8_t hard;
	uint8_t pad[2];
};

struct xfrm_adopted {
	struct pair pair;
	uint32_t spi;
	uint16_t encap_remote; /* the peer's port, where it is in UDP; 0: it is not */
	uint8_t inbound;
	uint8_t pad;
};

/* ESP came for which there is no SA here: perhaps of a peer that has one, for we had it once. Or
 * forged. Three times a second for a pair at most. */
struct xfrm_stray {
	struct pair pair; /* hosts only */
	uint32_t spi;
	uint16_t encap_local; /* it came in UDP between these ports; both 0: it did not */
	uint16_t encap_remote;
};

struct xfrm_mapped {
	struct pair pair; /* hosts only */
	uint32_t spi; /* inbound */
	uint16_t encap_was;
	uint16_t encap_remote; /* is now; host order */
	struct addr remote;    /* is now; family 0: the same */
};

struct xfrm_counters {
	uint32_t tag;
	struct pair pair;
	uint32_t sas_in;
	uint32_t sas_out;
	uint64_t in_packets;
	uint64_t in_bytes;
	uint64_t out_packets;
	uint64_t out_bytes;
	uint32_t held_now;     /* of the pair */
	uint32_t pad;
	uint64_t held_total;   /* all pairs, since start */
	uint64_t held_dropped; /* over a limit */
	/* /proc/net/xfrm_stat */
	uint64_t out_no_states;
	uint64_t out_pol_block;
	uint64_t in_no_states;
	uint64_t in_tmpl_mismatch;
	uint64_t in_pol_block;
	uint64_t in_state_proto_error;
};

/* Whether packets came and left by the pair's SAs since the same was asked before. */
struct xfrm_traffic {
	struct pair pair;
	uint8_t in;
	uint8_t out;
	uint8_t pad[2];
};

/* What the agent accepts from the service; the service's own table is in xfrm.c. */
extern const struct msg_spec xfrm_events[];
extern const size_t xfrm_n_events;

/* The service process; returns the exit status. */
int xfrm_service_main(void);
