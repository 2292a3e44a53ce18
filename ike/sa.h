/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core's own files share: the IKE SA, its handshake, its children, and the core itself.
 * Who does what with them is in exchange.h.
 *
 * An SA that ended is freed by core.c before the core returns, so that nobody on the way back holds
 * a dead pointer: SA_GONE means that nothing more is to be done with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utlist.h>

#include "base/heap.h"
#include "base/table.h"
#include "ike/core.h"
#include "ike/crypto.h"
#include "ike/digsig.h"
#include "ike/ike.h"
#include "ike/keymat.h"
#include "ike/payload.h"
#include "ike/proposal.h"
#include "ike/signer.h"
#include "ike/stats.h"
#include "ike/suite.h"

#define SECOND UINT64_C(1000000) /* of the core's time */
#define NEVER UINT64_MAX

#define NONCE_LEN 32          /* ours: half of the longest prf key at least (RFC 7296 2.10) */
#define INIT_MESSAGE_MAX 8192 /* of an IKE_SA_INIT message that we keep */
#define AUTH_MESSAGE_MAX 16384 /* of what is in SK of IKE_AUTH */
#define COOKIE_MAX 64         /* RFC 7296 2.6 */
#define QCD_DIGEST_LEN 32

/* Bytes on the heap; owned. */
struct blob {
	uint8_t *p;
	size_t len;
};

static inline struct ike_bytes blob_bytes(const struct blob *b)
{
	return (struct ike_bytes){b->p, b->len};
}

/* Initiator and responder have their own, so that a state says what is awaited. */
enum sa_state {
	SA_I_INIT,    /* IKE_SA_INIT request is out */
	SA_I_MIX,     /* answered; IKE_INTERMEDIATE request is out */
	SA_I_PPK,     /* answered; the signer is asked for the keys with the PPK in them */
	SA_I_SIGN,    /* answered; our AUTH is with the signer */
	SA_I_AUTH,    /* IKE_AUTH request is out */
	SA_I_VERIFY,  /* answered; whether by the shared secret is asked of the signer */
	SA_I_INSTALL, /* both authenticated; the kernel gets the inbound child SA that was chosen */
	SA_R_ACCEPT,  /* IKE_SA_INIT request came; the agent is asked whether to go on */
	SA_R_MIX,     /* IKE_SA_INIT response is out, IKE_INTERMEDIATE is to come */
	SA_R_INIT,    /* the same, IKE_AUTH is to come */
	SA_R_AUTHORIZE, /* IKE_AUTH request came; the agent is asked for the peer's keys */
	SA_R_PPK,       /* the signer is asked for the keys with the PPK in them */
	SA_R_VERIFY,    /* whether it knows the shared secret is asked of the signer */
	SA_R_SIGN, /* the peer is authenticated; our AUTH is with the signer, the child with the
	              kernel */
	SA_R_INSTALL, /* the kernel's answer is missing yet; then the IKE_AUTH response leaves */
	SA_UP,
	SA_REKEYED,  /* its successor has all it had; the peer, who began that, is to delete it */
	SA_DELETING, /* ended for the agent; the peer is being told */
	SA_LINGER,   /* ended; answers a while to repetitions of the peer's last request */
	SA_GONE,
};

enum sa_timer {
	SA_TIMER_RETRANSMIT, /* of the request that is out */
	SA_TIMER_DEADLINE,   /* of the state */
	SA_TIMER_FRAGMENTS,  /* parts of a message that is not complete */
	SA_TIMER_ANSWER,     /* the answer to a DELETE waits for the kernel no longer; NEVER: none
	                        waits */
	SA_TIMER_KEEPALIVE,  /* for the NAT before us (RFC 3948) */
	SA_TIMER_LIVENESS,   /* nothing heard for long */
	SA_TIMER_REKEY,      /* the IKE SA is to be rekeyed, then its life is over */
	SA_TIMER_RETRY,      /* of a CREATE_CHILD_SA that the peer put off */
	SA_TIMER_SWITCH,     /* children that the peer made anew: send on them without a sign */
	SA_TIMER_TWIN,       /* the peer should have closed this one of two by now */
	SA_TIMER_CERT,       /* the certificate that proved the peer expires */
	SA_TIMERS,
};

/* How the peer learns of an SA's end. */
enum sa_farewell {
	FAREWELL_NONE,        /* it does not: forget the SA */
	FAREWELL_LINGER,      /* it has been told in a response, which is kept for repetitions */
	FAREWELL_DELETE,      /* INFORMATIONAL with DELETE */
	FAREWELL_AUTH_FAILED, /* that, with N(AUTHENTICATION_FAILED), RFC 7296 2.21.2 */
};

enum child_state {
	CHILD_OFFERED,   /* an SPI of ours in a proposal */
	CHILD_INSTALLED, /* the agent knows the inbound SA */
	CHILD_UP,        /* both */
	CHILD_DELETING,  /* the peer is being told; what comes in is still taken */
};

struct child {
	struct child *prev, *next; /* of the IKE SA */
	const struct ike_encr *encr;
	const struct ike_integ *integ; /* NULL with an AEAD */
	struct ike_child_keymat *keys; /* NULL: not made yet, or the agent has both */
	uint32_t spi_in;
	uint32_t spi_out;  /* 0: not known yet */
	uint32_t replaces; /* spi_in of the one whose place it takes; 0 none */
	uint8_t state;     /* enum child_state */
	uint8_t esn;
	uint8_t installs; /* CHILD_IN not yet answered by INSTALLED */
	bool ours;        /* we began the exchange that made it */
	bool out;         /* the agent knows the outbound SA */
	bool out_pending; /* CHILD_OUT came alone and is not yet answered by INSTALLED */
	bool redundant;   /* lost against another in a collision: nothing is sent on it */
	bool want_rekey, want_delete;
};

/* A peer's public key, DER. */
struct peer_key {
	uint16_t len;
	uint8_t der[];
};

/* A failure that is not certain: whoever can send us a datagram could have caused it. */
struct doubt {
	uint8_t code; /* enum ike_failure; 0: none */
	uint16_t notify;
	char why[IKE_WHY_MAX];
};

/* A responder's half-open SA is found by these: the SPI alone is the choice of who sends. */
struct init_key {
	uint64_t spi_i;
	struct pair pair;
	uint16_t remote_port;
	uint8_t pad[6];
};

/* What is needed only until the SA is up. */
struct handshake {
	struct init_key init_key;
	struct ike_sa *sa;
	struct ike_suite suite;
	struct ike_kex *kex;
	struct blob init_i, init_r; /* the IKE_SA_INIT messages, whole: AUTH is over them */
	struct blob auth_message;   /* the peer's IKE_AUTH payloads out of SK, while others are
	                               asked */
	uint8_t auth_first;         /* type of the first of them */
	uint8_t ni[IKE_NONCE_MAX], nr[IKE_NONCE_MAX];
	uint16_t ni_len, nr_len;
	uint8_t sk_pi[IKE_PRF_MAX], sk_pr[IKE_PRF_MAX];
	/* IKE_INTERMEDIATE (RFC 9242): how many were done, what AUTH is over because of them, and the
	 * keys before them; of the responder, of the initiator */
	uint8_t mixes;
	bool use_ppk;     /* both said USE_PPK (RFC 8784) */
	bool ppk;         /* it is in the keys */
	bool without_ppk; /* responder: what the peer's NO_PPK_AUTH says counts */
	uint8_t ppk_keys[3][IKE_PRF_MAX]; /* SK_d, SK_pi, SK_pr: the set that is not in use */
	uint8_t int_auth[2][IKE_PRF_MAX];
	struct ike_aead before[2];
	struct blob before_secrets;
	uint8_t cookie[COOKIE_MAX];
	uint8_t cookie_len;
	uint8_t cookies, invalid_kes; /* how often we were asked */
	bool heard;                   /* the peer said anything at all */
	bool again;                   /* the second attempt, see init_again() */
	struct doubt doubt;
	uint32_t allow; /* enum ike_allow */
	struct scope packet; /* initiator: of the SA's scope, that which is waiting; proto 0:
	                        none */
	bool no_scope;  /* the agent grants nothing of what the peer asks for */
	struct ike_terms terms;
	uint32_t n_keys;
	struct peer_key *keys[IKE_KEYS_MAX];
	struct blob certs; /* X.509: of CAs and our own, as the agent sent them */
	uint32_t cert_until; /* as in the SA */
	uint32_t peer_hashes;            /* SIGNATURE_HASH_ALGORITHMS of the peer */
	uint8_t self_id[4 + IKE_ID_MAX]; /* body of our ID payload */
	uint16_t self_id_len;
	uint8_t auth_self, auth_peer; /* enum ike_auth_kind */
	uint8_t own_key;              /* SIGNATURE: which of our keys, and what it is */
	uint8_t own_type;             /* enum ike_key_type */
	uint8_t scheme;               /* enum ike_scheme */
	uint16_t signature_len;
	uint8_t signature[IKE_SIG_MAX]; /* responder: made before the SA is installed; initiator: of
	                                   NO_PPK_AUTH */
	uint8_t peer_key;               /* index of the key that proved the peer */
	bool initial_contact;           /* the peer says that it knows no other SA with us */
	struct ike_choice_esp esp;      /* chosen or accepted */
	struct child *chosen;
	char peer_id[IKE_ID_MAX]; /* printable */
};

/* The request of ours that is out; window 1 (RFC 7296 2.3). */
struct request {
	struct blob bytes; /* one message or its fragments, see frag.c; empty: none */
	uint64_t sent_at;  /* first */
	uint8_t exchange;
	uint8_t tries;
};

enum create_kind {
	CREATE_CHILD,
	CREATE_IKE,
};

/* A CREATE_CHILD_SA exchange: ours until it is answered, the peer's until the kernel has the child.
 * Children and SAs are named by our SPIs: each may go before the exchange ends. */
struct create {
	struct ike_core *core; /* in the list of its rekeys; NULL: not */
	struct create *prev, *next;
	uint8_t kind; /* enum create_kind */
	uint8_t invalid_kes;
	uint16_t ni_len, nr_len;
	uint32_t old;   /* CREATE_CHILD: which it replaces; 0 none */
	uint32_t child; /* the new one */
	uint64_t spi;   /* CREATE_IKE: our SPI of the new one */
	/* what the peer made in an exchange of its own while ours was out: 0 nothing */
	uint32_t rival_child;
	uint64_t rival_sa;
	uint16_t rival_len;
	struct ike_kex *kex; /* NULL: without PFS */
	struct ike_secret shared, added; /* of its own key exchange, of the additional one (RFC
	                                    9370) */
	bool waits;    /* theirs: answered, IKE_FOLLOWUP_KE is to come */
	bool followed; /* mine: IKE_FOLLOWUP_KE is out; theirs: it has come */
	struct ike_choice_ike ike; /* CREATE_IKE */
	struct ike_choice_esp esp;
	uint8_t ni[IKE_NONCE_MAX], nr[IKE_NONCE_MAX];
	uint8_t rival_nonce[IKE_NONCE_MAX]; /* the lower one of that exchange */
};

struct ike_sa {
	struct ike_core *core;
	struct ike_peer *peer;
	struct ike_sa *peer_prev, *peer_next; /* once gone: next is core->gone's */
	struct heap_node timer;               /* at the earliest of due[] */
	uint64_t due[SA_TIMERS];
	uint64_t spi_i, spi_r;
	uint64_t origin; /* spi_i of the first IKE SA, of which this one was rekeyed */
	uint64_t parent; /* our SPI of the SA that this one may come to replace; 0 none */
	uint64_t created, up_at, heard_at; /* the first two are those of the first IKE SA */
	uint64_t invalid_at; /* when want_invalid was set last */
	uint64_t doubted_at;
	uint32_t cert_until; /* of the peer's certificate, seconds since 1970; 0: it has none */
	uint32_t handle;
	uint16_t local_port, remote_port;
	struct scope scope; /* of its children's traffic */
	uint8_t state;  /* enum sa_state */
	bool initiator; /* of the SA: sends the flag, its keys are those of i */
	bool ended;     /* the agent was told */
	bool half_open; /* is counted as such */
	bool nat_self, nat_peer;
	bool authenticated;                             /* the peer proved a key */
	bool keyed;                                     /* ei, er are there */
	/* to be sent when the window opens */
	bool want_delete : 1, want_auth_failed : 1, want_probe : 1, want_rekey : 1;
	bool want_token : 1; /* ours has not been sent yet */
	bool switching;  /* TIMER_SWITCH has run out, the peer is asked whether it lives */
	bool expiring;   /* its time for rekeying has come */
	bool stale;      /* the peer would not rekey it */
	bool overdue;    /* TIMER_TWIN has run out */
	bool lapsed;     /* the peer's certificate has expired, a new IKE SA is awaited */
	bool closing;    /* another takes its place; it goes when the peer knows */
	bool parting;    /* the request that is out is the last one: DELETE,
	                    AUTHENTICATION_FAILED */
	bool first_host; /* we began the first IKE SA */
	uint8_t strength;   /* how many of the two hosts proved a key */
	bool unused;        /* no traffic for all these times */
	uint8_t quiet;      /* times without traffic, one after the other */
	uint8_t temp_fails; /* TEMPORARY_FAILUREs in a row */
	bool probing;      /* the request that is out is a PROBE of the agent */
	bool fragments;    /* both know RFC 7383 */
	uint8_t frag_size; /* how small ours are by now, see frag.c */
	bool has_token;    /* the peer gave one (RFC 6290) */
	uint8_t token[QCD_DIGEST_LEN]; /* its digest */
	uint8_t doubted;   /* hasty tries left until a new SA is wanted; 0: no doubt */
	uint8_t repeats;   /* how often the reply was asked for again */
	uint8_t answering; /* exchange of the request that is in work, its response will leave
	                      later; 0 */
	uint8_t addke;     /* the additional group of its last key exchange (RFC 9370), 0 none */
	uint32_t want_invalid; /* the peer is to be told that this SPI is none of ours; 0 none */
	uint32_t next_out; /* message ID of our next request */
	uint32_t next_in;  /* of the peer's next request */
	struct request request;
	struct blob reply; /* to the peer's last request, for repetitions; as request.bytes */
	struct ike_parts *parts[2]; /* of a request and of a response that are not complete */
	uint64_t iv;       /* of the next message under our key */
	struct ike_aead ei, er; /* keyed: with keys in `secrets` */
	const struct ike_prf *prf;
	const struct ike_ke *ke; /* the group of its last key exchange */
	struct blob secrets;     /* as long as the suite needs: of ei, of er, SK_d */
	struct child *children;
	struct create *mine, *theirs; /* NULL: none is under way */
	struct handshake *hs; /* NULL once up */
};

/* All SAs between two addresses. */
struct ike_peer {
	struct pair pair;
	struct ike_sa *sas; /* those that are not gone */
	uint32_t refs;
};

struct own_key {
	bool usable;
	bool standby; /* not to be signed with */
	enum ike_key_type type;
	uint8_t digest[32]; /* SHA-256 of its SubjectPublicKeyInfo */
};

struct ike_core {
	struct ike_effects fx;
	uint64_t now;
	struct ike_config config;
	const struct ike_profile *profile; /* own_profile, but in tests */
	struct ike_profile own_profile;
	uint32_t hashes; /* that we announce; 0: no RFC 7427 (tests) */
	struct own_key own_keys[SIGNER_KEYS_MAX];
	uint32_t n_own_keys;
	char why[IKE_WHY_MAX]; /* of a refusal, until it is told */
	struct table by_spi;    /* SAs, by the SPI of our choice */
	struct table by_handle; /* SAs whose end the agent has not been told */
	struct table by_init;   /* handshakes */
	struct table by_pair;   /* peers */
	struct table children;  /* by spi_in: those are unique on this host */
	struct heap timers;
	struct create *rekeys; /* of IKE SAs, ours, not answered yet */
	struct ike_sa *gone; /* to be freed; chained by peer_next */
	uint32_t next_handle;
	uint8_t cookie_secret[2][32]; /* now, and before */
	uint64_t cookie_rotate;       /* when the next secret is due */
	uint64_t cookie_until;        /* cookies stay asked for until then */
	uint64_t unprotected_second;  /* rate limit of answers outside of any SA */
	uint32_t unprotected_count;
	bool has_qcd_secret;
	uint8_t qcd_secret[IKE_QCD_SECRET_LEN];
	uint64_t hint_second; /* rate limit of unauthenticated hints */
	uint32_t hint_count;
	size_t parts_bytes; /* kept of messages that are not complete */
	struct ike_stats stats;
	uint64_t stats_due;                      /* NEVER: nothing has changed */
	uint8_t build[IKE_DATAGRAM_MAX];         /* the message under construction */
	uint8_t packet[4 + IKE_DATAGRAM_MAX];    /* the datagram that leaves: marker and message */
	uint8_t scratch[IKE_DATAGRAM_MAX + 512]; /* octets of AUTH */
};

/* A message that was opened and is legal in its exchange. */
struct message {
	const struct ike_path *path;
	struct ike_header h;
	uint8_t *data; /* the whole message */
	size_t len;
	struct ike_payloads outer;
	struct ike_payloads inner; /* where there is SK */
	uint8_t first;             /* the chain out of SK: type of its first payload, and bytes */
	uint8_t sk_flags;          /* of SK's header */
	struct ike_bytes chain;
};

/* Of the peer's proof. */
enum verdict {
	VERDICT_REFUSED,
	VERDICT_PROVED,
	VERDICT_LATER, /* the signer is asked */
};

/* Why the peer, or the child that it wants, is not taken; and what it is told. */
struct refusal {
	enum ike_failure code;
	uint16_t notify;
	const char *why;
};
