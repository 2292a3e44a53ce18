/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One IKE SA, for the core's own files only: core.c finds the SA for what comes in, sa.c owns its life
 * (states, timers, windows, its end), and each exchange has a file: sa_init.c, auth.c, info.c, with
 * child.c for child SAs and cookie.c for what is done before there is an SA. exchange.c opens and
 * checks what is encrypted and hands it to the exchange.
 *
 * An SA that ended is freed by core.c before the core returns, so that nobody on the way back holds
 * a dead pointer: SA_GONE means that nothing more is to be done with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>
#include <utlist.h>

#include "base/heap.h"
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
#define COOKIE_MAX 64         /* RFC 7296 2.6 */

/* Bytes on the heap; owned. */
struct blob {
	uint8_t *p;
	size_t len;
};

/* Initiator and responder have their own, so that a state says what is awaited. */
enum sa_state {
	SA_I_INIT,      /* IKE_SA_INIT request is out */
	SA_I_SIGN,      /* answered; our AUTH is with the signer */
	SA_I_AUTH,      /* IKE_AUTH request is out */
	SA_I_INSTALL,   /* both authenticated; the kernel gets the inbound child SA that was chosen */
	SA_R_ACCEPT,    /* IKE_SA_INIT request came; the agent is asked whether to go on */
	SA_R_INIT,      /* IKE_SA_INIT response is out */
	SA_R_AUTHORIZE, /* IKE_AUTH request came; the agent is asked for the peer's keys */
	SA_R_SIGN,      /* the peer is authenticated; our AUTH is with the signer */
	SA_R_INSTALL,   /* the kernel gets the inbound child SA; then the IKE_AUTH response leaves */
	SA_UP,
	SA_DELETING,    /* ended for the agent; the peer is being told */
	SA_LINGER,      /* ended; answers a while to repetitions of the peer's last request */
	SA_GONE,
};

enum sa_timer {
	SA_TIMER_RETRANSMIT, /* of the request that is out */
	SA_TIMER_DEADLINE,   /* of the state */
	SA_TIMER_KEEPALIVE,  /* for the NAT before us (RFC 3948) */
	SA_TIMER_LIVENESS,   /* nothing heard for long */
	SA_TIMERS,
};

/* How the peer learns of an SA's end. */
enum sa_farewell {
	FAREWELL_NONE,        /* it does not: forget the SA */
	FAREWELL_LINGER,      /* it has been told in a response, which is kept for repetitions */
	FAREWELL_DELETE,      /* INFORMATIONAL with DELETE */
	FAREWELL_AUTH_FAILED, /* INFORMATIONAL with N(AUTHENTICATION_FAILED), RFC 7296 2.21.2 */
};

enum child_state {
	CHILD_OFFERED,   /* an SPI of ours in a proposal */
	CHILD_INSTALLED, /* the agent knows the inbound SA */
	CHILD_UP,
};

struct child {
	UT_hash_handle by_spi; /* in core: our SPIs are unique on this host */
	struct child *prev, *next; /* of the IKE SA */
	const struct ike_encr *encr;
	uint32_t spi_in;
	uint32_t spi_out; /* 0: not known yet */
	uint8_t state;    /* enum child_state */
	uint8_t esn;
	uint8_t installs; /* CHILD_IN not yet answered by INSTALLED */
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
	UT_hash_handle by_init;
	struct ike_sa *sa;
	struct ike_suite suite;
	struct ike_kex *kex;
	struct blob init_i, init_r; /* the IKE_SA_INIT messages, whole: AUTH is over them */
	struct blob auth_request;   /* responder: the payloads out of SK, while others are asked */
	uint8_t auth_first;         /* type of the first of them */
	uint8_t ni[IKE_NONCE_MAX], nr[IKE_NONCE_MAX];
	uint16_t ni_len, nr_len;
	uint8_t sk_pi[IKE_PRF_MAX], sk_pr[IKE_PRF_MAX];
	uint8_t cookie[COOKIE_MAX];
	uint8_t cookie_len;
	uint8_t cookies, invalid_kes; /* how often we were asked */
	bool heard;                   /* the peer said anything at all */
	struct doubt doubt;
	uint32_t allow; /* enum ike_allow */
	uint32_t n_keys;
	struct peer_key *keys[IKE_KEYS_MAX];
	uint32_t peer_hashes;  /* SIGNATURE_HASH_ALGORITHMS of the peer */
	uint8_t self_id[4 + IKE_ID_MAX]; /* body of our ID payload */
	uint16_t self_id_len;
	uint8_t auth_self, auth_peer; /* enum ike_auth_kind */
	uint8_t own_key;              /* SIGNATURE: which of our keys, and what it is */
	uint8_t own_type;             /* enum ike_key_type */
	uint8_t scheme;               /* enum ike_scheme */
	uint16_t signature_len;
	uint8_t signature[IKE_SIG_MAX]; /* responder: made before the SA is installed */
	uint8_t peer_key;             /* index of the key that proved the peer */
	bool initial_contact;         /* the peer says that it knows no other SA with us */
	struct ike_choice_esp esp;    /* chosen or accepted */
	struct child *chosen;
	char peer_id[IKE_ID_MAX];     /* printable */
};

/* The request of ours that is out; window 1 (RFC 7296 2.3). */
struct request {
	struct blob bytes; /* empty: none */
	uint64_t sent_at;  /* first */
	uint8_t exchange;
	uint8_t tries;
};

struct ike_sa {
	UT_hash_handle by_spi;    /* in core, by the SPI of our choice */
	UT_hash_handle by_handle; /* in core, until the agent was told of the end */
	struct ike_core *core;
	struct ike_peer *peer;
	struct ike_sa *peer_prev, *peer_next; /* once gone: next is core->gone's */
	struct heap_node timer; /* at the earliest of due[] */
	uint64_t due[SA_TIMERS];
	uint64_t spi_i, spi_r;
	uint64_t created, up_at, heard_at;
	uint32_t handle;
	uint16_t local_port, remote_port;
	uint8_t state; /* enum sa_state */
	bool initiator; /* of the SA: sends the flag, its keys are those of i */
	bool ended;     /* the agent was told */
	bool half_open; /* is counted as such */
	bool nat_self, nat_peer;
	bool authenticated; /* the peer proved a key */
	bool keyed;     /* ei, er are there */
	bool want_delete, want_auth_failed, want_probe; /* to be sent when the window opens */
	bool probing;   /* the request that is out is a PROBE of the agent */
	bool answering; /* a request is in work, its response will leave later */
	uint32_t next_out; /* message ID of our next request */
	uint32_t next_in;  /* of the peer's next request */
	struct request request;
	struct blob reply; /* to the peer's last request, for repetitions */
	uint64_t iv;       /* of the next message under our key */
	struct ike_aead ei, er;
	const struct ike_prf *prf;
	uint8_t sk_d[IKE_PRF_MAX];
	struct child *children;
	struct handshake *hs; /* NULL once up */
};

/* All SAs between two addresses. */
struct ike_peer {
	struct pair pair;
	struct ike_sa *sas; /* those that are not gone */
	uint32_t refs;
	UT_hash_handle by_pair;
};

struct own_key {
	bool usable;
	enum ike_key_type type;
};

struct ike_core {
	struct ike_effects fx;
	uint64_t now;
	struct ike_config config;
	const struct ike_profile *profile;
	struct own_key own_keys[SIGNER_KEYS_MAX];
	uint32_t n_own_keys;
	struct ike_sa *by_spi, *by_handle;
	struct handshake *by_init;
	struct ike_peer *by_pair;
	struct child *children;
	struct heap timers;
	struct ike_sa *gone; /* to be freed; chained by peer_next */
	uint32_t next_handle;
	uint8_t cookie_secret[2][32]; /* now, and before */
	uint64_t cookie_rotate;       /* when the next secret is due */
	uint64_t cookie_until;        /* cookies stay asked for until then */
	uint64_t unprotected_second;  /* rate limit of answers outside of any SA */
	uint32_t unprotected_count;
	struct ike_stats stats;
	uint64_t stats_due; /* NEVER: nothing has changed */
	uint8_t build[IKE_DATAGRAM_MAX];      /* the message under construction */
	uint8_t packet[4 + IKE_DATAGRAM_MAX]; /* the datagram that leaves: marker and message */
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
	struct ike_bytes chain;
};

/* Why the peer, or the child that it wants, is not taken; and what it is told. */
struct refusal {
	enum ike_failure code;
	uint16_t notify;
	const char *why;
};

/* ---- sa.c: life */

/* Zeroed memory; fatal when there is none. */
void *ike_alloc(size_t size);
struct blob blob_copy(const void *p, size_t len);
/* Wipes. */
void blob_free(struct blob *b);
static inline struct ike_bytes blob_bytes(const struct blob *b)
{
	return (struct ike_bytes){b->p, b->len};
}

/* A new SA in state with its handshake, timers off; our SPI is registered. Never NULL. */
struct ike_sa *sa_new(struct ike_core *core, const struct ike_path *path, uint32_t handle,
	bool initiator);
/* The one place where a state changes: sets the state's deadline and the counts. */
void sa_set_state(struct ike_sa *sa, enum sa_state state);
/* The end of an SA: the agent gets CHILD_GONE for all that it was told to install, then FAILED or DOWN,
 * once; the peer is told as farewell says. fmt: one clause in plain words. */
__attribute__((format(printf, 5, 6))) void sa_end(struct ike_sa *sa, enum ike_failure code,
	uint16_t notify, enum sa_farewell farewell, const char *fmt, ...);
/* Frees at once; only for core.c. */
void sa_free(struct ike_sa *sa);
/* The handshake is over: CHILD_OUT and UP. */
void sa_up(struct ike_sa *sa);
void sa_set_timer(struct ike_sa *sa, enum sa_timer timer, uint64_t due);
void sa_on_timer(struct ike_sa *sa);
void sa_note(struct ike_sa *sa, enum ike_note_code code, uint64_t arg);
void sa_keys_set(struct handshake *hs, const uint8_t *tail, uint32_t n_keys);
/* The SK_* as keymat.h wants them; wipe. */
void sa_keymat(const struct ike_sa *sa, struct ike_keymat *ret);
struct ike_path sa_path(const struct ike_sa *sa);
static inline uint64_t sa_own_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_i : sa->spi_r;
}

/* ---- sa.c: windows */

/* A message of the SA in core->build, SK open: put payloads and send it. */
struct ike_builder sa_build(struct ike_sa *sa, uint8_t exchange, bool response);
/* Seals, remembers and sends. The request takes the message ID next_out. */
void sa_send_request(struct ike_sa *sa, struct ike_builder *b, uint8_t exchange);
/* The same for bytes in clear (IKE_SA_INIT). */
void sa_send_request_clear(struct ike_sa *sa, const void *data, size_t len, uint8_t exchange);
/* Seals, keeps for repetitions and sends the response to next_in, which moves on. */
void sa_send_reply(struct ike_sa *sa, struct ike_builder *b);
/* The request that was out is answered. */
void sa_request_done(struct ike_sa *sa);
int sa_transmit(struct ike_sa *sa, struct ike_bytes message);

/* ---- core.c */

/* Sends a message, with marker where the port wants it. Returns 0 or -errno. */
int core_send(struct ike_core *core, const struct ike_path *path, struct ike_bytes message);
void core_count(struct ike_core *core, unsigned int stat);
/* The agent is to see the numbers soon. */
void core_stats_changed(struct ike_core *core);
void core_event(struct ike_core *core, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len);
#define core_event_struct(core, type, ptr) core_event((core), (type), (ptr), sizeof(*(ptr)), NULL, 0)
struct ike_peer *core_peer(const struct ike_core *core, const struct pair *pair);
/* A number below n. */
uint32_t core_random(struct ike_core *core, uint32_t n);

/* ---- cookie.c: what is answered without any state */

/* Whether the request may go on: no cookie is needed, or it brings the right one. Else one was asked
 * for. */
bool cookie_check(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const struct ike_payloads *p);
/* An unprotected response with one notify, from no SA. To a good IKE_SA_INIT request it is shorter than
 * the question; to anything else only while cookie_spare(). */
bool cookie_spare(struct ike_core *core);
void cookie_answer(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	uint16_t notify, const void *data, size_t len);

/* ---- sa_init.c */

void init_start(struct ike_sa *sa);
void init_on_request(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len);
void init_on_response(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len);
/* The agent lets the peer in. */
void init_accept(struct ike_sa *sa);
/* A failure that may be forged: believed after a moment without a good answer. */
__attribute__((format(printf, 4, 5))) void init_doubt(struct ike_sa *sa, enum ike_failure code,
	uint16_t notify, const char *fmt, ...);

/* ---- exchange.c */

/* A message under SK, of an exchange other than IKE_SA_INIT. */
void exchange_on_message(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	uint8_t *data, size_t len);

/* ---- auth.c */

/* Initiator: IKE_SA_INIT is answered. */
void auth_start(struct ike_sa *sa);
void auth_on_request(struct ike_sa *sa, const struct message *m);
void auth_on_response(struct ike_sa *sa, const struct message *m);
void auth_authorize(struct ike_sa *sa);
/* The signer's answer; error: -errno. */
void auth_signed(struct ike_sa *sa, int error, const uint8_t *signature, size_t len);
/* The kernel's answer to a CHILD_IN. */
void auth_installed(struct ike_sa *sa, uint32_t spi, int error);

/* ---- child.c */

/* Initiator: SPIs for all proposals; the first one's inbound SA is announced to the agent. */
void child_offer(struct ike_sa *sa);
/* N(USE_TRANSPORT_MODE), SA, TSi, TSr of the request. */
void child_build_offer(struct ike_sa *sa, struct ike_builder *b);
/* Initiator: checks the answer and makes the chosen child. Returns false and fills *ret. */
bool child_accept(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
/* Responder: chooses. Returns false and fills *ret. */
bool child_choose(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
void child_build_choice(struct ike_sa *sa, struct ike_builder *b);
/* CHILD_IN and CHILD_OUT of the chosen child. */
void child_install(struct ike_sa *sa, struct child *child);
void child_up(struct ike_sa *sa, struct child *child);
/* Frees; tells the agent where it knows of the child. */
void child_gone(struct ike_sa *sa, struct child *child);
void child_gone_all(struct ike_sa *sa);
struct child *child_find_in(const struct ike_sa *sa, uint32_t spi);
struct child *child_find_out(const struct ike_sa *sa, uint32_t spi);
void child_on_request(struct ike_sa *sa, const struct message *m);

/* ---- info.c */

void info_on_request(struct ike_sa *sa, const struct message *m);
void info_on_response(struct ike_sa *sa, const struct message *m);
/* Sends what is wanted, where the window is open. */
void info_pump(struct ike_sa *sa);

/* ---- nat.c (RFC 7296 2.23) */

/* Appends both NAT_DETECTION notifies for a message on path with these SPIs. */
void nat_build(struct ike_builder *b, const struct ike_path *path, uint64_t spi_i, uint64_t spi_r);
/* What the peer's notifies say. Without them: no NAT. */
void nat_detect(const struct ike_payloads *p, const struct ike_path *path, uint64_t spi_i,
	uint64_t spi_r, bool *ret_self, bool *ret_peer);
