/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent and the ike service say to each other. The service owns UDP 500 and 4500 and all
 * IKE SAs; it decides nothing: whether to answer, with which keys a peer may prove itself and
 * whether an SA stands in the kernel it is told by the agent. It holds no private key and no
 * capability.
 *
 * A handle names one IKE SA between the two. The agent chooses handles below IKE_HANDLE_INBOUND for
 * those it initiates, the service chooses above for those that peers initiate.
 *
 * An initiator's life, seen from the agent:
 *   CONNECT ->, <- NOTE*, <- CHILD_IN, INSTALLED ->, <- SIGN, SIGNED ->, <- CHILD_OUT, <- UP
 *   (CHILD_IN may come before SIGN: the first proposal's inbound SA is asked for before IKE_AUTH leaves,
 *   and mostly stands by then; INSTALLED is not waited for.)
 * A responder's:
 *   <- INBOUND, ACCEPT ->, <- IDENTITY, AUTHORIZE ->, <- CHILD_IN, <- CHILD_OUT, <- SIGN, SIGNED -> and
 *   INSTALLED -> (for both halves) in either order, then the IKE_AUTH response leaves, <- UP
 * and either ends with FAILED (before UP) or DOWN (after it), after which the handle is free.
 *
 * While it is up children are made anew (CREATE_CHILD_SA), at the wish of either side:
 *   [REKEY ->,] <- CHILD_IN (replaces the old), [<- CHILD_OUT,] INSTALLED ->, <- CHILD_OUT (where it
 *   did not come at once), <- CHILD_GONE (the old), INSTALLED -> (for that CHILD_OUT)
 * so for a while a handle has several children; what is sent belongs on the one whose CHILD_OUT
 * came last. A CHILD_OUT that comes alone has an INSTALLED of its own, for a peer that deletes a
 * child is answered when nothing is sent by it any more; an error ends the IKE SA. The initiator's
 * first one is such, too. The handle stays when the IKE SA itself is rekeyed: <- REKEYED.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msg.h"

#define IKE_HANDLE_INBOUND 0x80000000u
#define IKE_SPKI_MAX 600
#define IKE_KEYS_MAX 8
#define IKE_ID_MAX 256
#define IKE_OCTETS_MAX 16384 /* of what is signed: an IKE_SA_INIT message, a nonce and a prf */
#define IKE_SIG_MAX 1024
#define IKE_WHY_MAX 160
#define IKE_SUITE_MAX 80 /* text */
#define IKE_NAME_MAX 64  /* of a secret in the signer */
#define IKE_PPK_ID_MAX 64
#define IKE_CERT_MAX 8192 /* DER */
#define IKE_CAS_MAX 8
#define IKE_CHAIN_MAX 6 /* of our certificates */
#define IKE_CERTS_TAIL 49152 /* all of these, each behind its length of two bytes, high byte first */
#define IKE_CA_HASH_LEN 20

/* A public key, DER SubjectPublicKeyInfo. */
struct ike_pubkey {
	uint16_t len; /* 1..IKE_SPKI_MAX */
	uint8_t pad[2];
	uint8_t spki[IKE_SPKI_MAX];
};

enum ike_req {
	IKE_REQ_CONFIG = 0x300, /* struct ike_config; first message, and again on a reload */
	IKE_REQ_OWN_KEYS,       /* struct ike_own_keys + ike_pubkey[]: what the signer holds, in its
	                           order */
	IKE_REQ_CONNECT,        /* struct ike_connect + ike_pubkey[] + the terms' certificates */
	IKE_REQ_ACCEPT,         /* struct ike_accept + hashes of CAs: answer to INBOUND */
	IKE_REQ_AUTHORIZE,      /* struct ike_authorize, the tail as of CONNECT: answer to
	                           IDENTITY */
	IKE_REQ_SIGNED,         /* struct ike_signed + signature: answer to SIGN */
	IKE_REQ_INSTALLED,      /* struct ike_installed: answer to CHILD_IN, and to CHILD_OUT
	                           alone */
	IKE_REQ_CLOSE,          /* struct ike_close: delete the IKE SA */
	IKE_REQ_PROBE,          /* struct ike_probe: is the peer alive? an empty INFORMATIONAL */
	IKE_REQ_MOVED,          /* struct ike_moved: ESP of a peer behind a NAT comes from
	                           elsewhere */
	IKE_REQ_INVALID_SPI,    /* struct ike_invalid_spi: tell a peer that its ESP finds no SA
	                           here */
	IKE_REQ_REKEY,          /* struct ike_rekey: make a child, or the IKE SA, anew */
	IKE_REQ_USED,           /* struct ike_used: packets come in by this child */
	IKE_REQ_TRAFFIC,        /* struct ike_traffic: answer to IDLE */
};

/* ML-KEM-768 beside the classical key exchange (RFC 9370). */
enum ike_post_quantum {
	IKE_PQ_PREFER, /* offered first; a peer without is taken too */
	IKE_PQ_REQUIRE,
	IKE_PQ_OFF,
};

struct ike_config {
	uint32_t retransmit_ms;  /* first interval, then doubled with jitter */
	uint32_t retransmits;    /* tries of a request before the peer counts as dead */
	uint32_t init_timeout_ms; /* no answer at all to IKE_SA_INIT: give up after this */
	uint32_t half_open_max;  /* IKE SAs being set up by peers; beyond it they are ignored */
	uint32_t cookie_above;   /* half-open SAs above which cookies are asked for (RFC 7296
	                            2.6) */
	uint32_t liveness_s;     /* without a sign of life: IDLE; 0: only when asked by PROBE */
	uint32_t rekey_s;        /* life of an IKE SA; rekeyed a little earlier, by chance; 0:
	                            never */
	uint8_t post_quantum;    /* enum ike_post_quantum */
	uint8_t pad[3];
	char id_fqdn[IKE_ID_MAX]; /* own identity; "": the local address (ID_IPV4_ADDR,
	                             ID_IPV6_ADDR) */
};

#define IKE_QCD_SECRET_LEN 32
struct ike_own_keys {
	uint32_t count;   /* 0: anonymous, ID_NULL (RFC 7619) */
	uint32_t standby; /* bit i: key i is not to be signed with: others may not know it yet, or
	                     any more */
	uint8_t qcd_secret[IKE_QCD_SECRET_LEN]; /* for RFC 6290, the same at each start; zero:
	                                           none */
};

enum ike_allow {
	IKE_ALLOW_ANONYMOUS_PEER = 1 << 0, /* the peer may use NULL authentication */
	IKE_ALLOW_ANONYMOUS_SELF = 1 << 1, /* we may, where we have no key or the peer takes none of
	                                      ours */
};

/* What an admin has said about a peer by hand. All zero: nothing. */
struct ike_terms {
	char psk[IKE_NAME_MAX]; /* both prove that they know this secret of the signer; "": by
	                           keys */
	uint8_t n_cas; /* X.509: certificates of CAs in the tail, one of which must vouch for the peer;
	                  0: no X.509 */
	uint8_t n_own; /* then: our certificate and those that lead from it to a CA, behind them */
	uint8_t self_type;      /* RFC 7296 3.5: our identity; 0: that of struct ike_config */
	uint8_t peer_type;      /* the peer's, which it must claim; 0: any. IKE_ID_FQDN and
	                           IKE_ID_RFC822_ADDR without regard to case. With X.509 its certificate
	                           must carry this, and what it claims */
	uint16_t self_len;
	uint16_t peer_len;
	uint8_t self_id[IKE_ID_MAX];
	uint8_t peer_id[IKE_ID_MAX];
	/* RFC 8784: a secret of the signer that is mixed into the keys; "": none */
	char ppk[IKE_NAME_MAX];
	uint8_t ppk_required; /* 0: a peer without it is taken, too */
	uint8_t ppk_id_len;
	uint8_t ppk_id[IKE_PPK_ID_MAX]; /* its identity, a PPK_ID_FIXED */
};

struct ike_connect {
	uint32_t handle;
	struct pair pair; /* its scope is what the traffic selectors say */
	struct scope packet; /* within it, the packet that waits: the first of the selectors; proto
	                        0: none */
	uint32_t allow;  /* enum ike_allow */
	uint32_t n_keys; /* ike_pubkey in the tail, first: any of them may prove the peer */
	struct ike_terms terms;
};

/* The answer to an initial request from a peer. */
struct ike_accept {
	uint32_t handle;
	uint8_t answer; /* 0: stay silent, forget it (the handle is free, no FAILED follows); 1: go
	                   on */
	uint8_t n_cas;  /* SHA-1 of the CAs' public keys in the tail, for CERTREQ (RFC 7296 3.7) */
	uint8_t ppk;    /* 1: there is a PPK for the peer (RFC 8784) */
	uint8_t pad;
};

struct ike_authorize {
	uint32_t handle;
	uint32_t allow;  /* enum ike_allow */
	uint32_t n_keys; /* 0, no IKE_ALLOW_ANONYMOUS_PEER, no psk, no CA: AUTHENTICATION_FAILED */
	struct scope scope; /* what it gets of its wishes */
	uint8_t no_scope;   /* 1: nothing: who proves itself is told TS_UNACCEPTABLE */
	uint8_t pad[3];
	struct ike_terms terms;
};

struct ike_signed {
	uint32_t handle;
	int32_t error; /* 0, or -errno: then no tail */
};

struct ike_installed {
	uint32_t handle;
	uint32_t spi;  /* the child's inbound SPI */
	int32_t error; /* 0 or -errno */
};

struct ike_close {
	uint32_t handle;
	uint8_t silent; /* 1: no DELETE to the peer */
	uint8_t pad[3];
};

struct ike_probe {
	uint32_t handle;
};

/* The same struct both ways. Ports in host order. */
struct ike_moved {
	uint32_t handle;
	uint16_t remote_port;
	uint8_t pad[2];
	struct addr remote; /* family 0: the address is as it was */
};

/* Under the IKE SAs with the peer, or in clear where there is none (RFC 7296 1.5): then from
 * local_port, 500 or 4500, to where the ESP came from. */
struct ike_invalid_spi {
	struct pair pair;
	uint32_t spi;
	uint16_t local_port;
	uint16_t remote_port;
};

struct ike_rekey {
	uint32_t handle;
	uint32_t spi; /* the child's inbound SPI; 0: the IKE SA */
};

/* Where the peer made the child anew: that it sends on it proves that it can receive on it. */
struct ike_used {
	uint32_t handle;
	uint32_t spi; /* inbound */
};

/* Of all children of the IKE SA, since the last IDLE of it. */
struct ike_traffic {
	uint32_t handle;
	uint8_t in;  /* 1: packets came: the peer lives */
	uint8_t out; /* 1: packets left; where none came, a probe is sent */
	uint8_t pad[2];
};

enum ike_ev {
	IKE_EV_READY = 0x380, /* struct ike_ready, after the first IKE_REQ_CONFIG */
	IKE_EV_INBOUND,       /* struct ike_inbound */
	IKE_EV_IDENTITY,      /* struct ike_identity */
	IKE_EV_SIGN,          /* struct ike_sign + the octets to sign */
	IKE_EV_CHILD_IN,      /* struct ike_child + key: install the inbound SA, then say
	                         INSTALLED */
	IKE_EV_CHILD_OUT,     /* struct ike_child + key: install the outbound SA, then say INSTALLED. Where it
	                         follows CHILD_IN at once (`both`) one INSTALLED answers both */
	IKE_EV_CHILD_GONE,    /* struct ike_child_gone: deleted by the peer, or a preinstalled one
	                         unused */
	IKE_EV_UP,            /* struct ike_up */
	IKE_EV_FAILED,        /* struct ike_failed */
	IKE_EV_DOWN,          /* struct ike_failed: an SA that was up ended */
	IKE_EV_NOTE,          /* struct ike_note: for the journal */
	IKE_EV_STATS,         /* struct ike_stats, every few seconds while they change */
	IKE_EV_MOVED,         /* struct ike_moved: a peer behind a NAT speaks from elsewhere */
	IKE_EV_DOUBT,         /* struct ike_doubt: the peer may have lost the SA; a new one is
	                         wanted */
	IKE_EV_REKEYED,       /* struct ike_rekeyed: the IKE SA has new keys and SPIs */
	IKE_EV_STALE,         /* struct ike_stale: the peer does not rekey: a whole new IKE SA is
	                         wanted */
	IKE_EV_IDLE,          /* struct ike_idle: no IKE message for `liveness_s`; answer TRAFFIC */
	IKE_EV_CERTIFICATE,   /* struct ike_certificate: proved the peer; before UP */
};

struct ike_ready {
	uint8_t ipv4; /* 1: sockets are open for the family */
	uint8_t ipv6;
	uint8_t pad[2];
	char why[IKE_WHY_MAX]; /* "" or what could not be had */
};

/* A peer asks to set up an IKE SA; sent when its IKE_SA_INIT was well-formed and its cookie
 * right. */
struct ike_inbound {
	uint32_t handle;
	struct pair pair;
	uint16_t remote_port;
	uint8_t pad[2];
};

/* A pair of the peer's traffic selectors that holds the two hosts (RFC 7296 3.13.1); the ports of s
 * are ours, those of d the peer's. */
#define IKE_WISHES_MAX 8
struct ike_wish {
	uint8_t proto; /* 0 any */
	uint8_t pad;
	uint16_t sport_first, sport_last;
	uint16_t dport_first, dport_last;
};

/* The peer has said who it is and what it wants, in IKE_AUTH, nothing is verified yet. */
struct ike_identity {
	uint32_t handle;
	uint8_t id_type;     /* RFC 7296 3.5: 1 IPV4_ADDR, 2 FQDN, 5 IPV6_ADDR, 13 ID_NULL */
	uint8_t null_auth;   /* 1: NULL authentication (RFC 7619) */
	uint8_t nat;         /* 1: the peer is behind a NAT */
	uint8_t n_wishes;    /* in the peer's order */
	uint16_t id_len;
	uint16_t remote_port; /* where its ESP in UDP will come from; 0: not in UDP */
	uint8_t id[IKE_ID_MAX];
	struct ike_wish wishes[IKE_WISHES_MAX];
};

/* How to sign (RFC 7427, RFC 8420). */
enum ike_scheme {
	IKE_SIGN_RSA_PSS_SHA256 = 1,
	IKE_SIGN_RSA_PSS_SHA384,
	IKE_SIGN_RSA_PSS_SHA512,
	IKE_SIGN_RSA_PKCS1_SHA256,
	IKE_SIGN_RSA_PKCS1_SHA384,
	IKE_SIGN_RSA_PKCS1_SHA512,
	IKE_SIGN_ECDSA_SHA256,
	IKE_SIGN_ECDSA_SHA384,
	IKE_SIGN_ECDSA_SHA512,
	IKE_SIGN_EDDSA, /* Ed25519, Ed448: no hash */
	IKE_SIGN_PSK,   /* no signature but prf(prf(secret, "Key Pad for IKEv2"), octets), RFC 7296 2.15;
	                   asked for also to compare it with the peer's */
	IKE_SIGN_PPK,   /* no signature but prf+(secret, key) of each of three keys, joined (RFC
	                   8784) */
};

struct ike_sign {
	uint32_t handle;
	uint8_t key;    /* index in IKE_REQ_OWN_KEYS */
	uint8_t scheme; /* enum ike_scheme */
	uint8_t prf;    /* IKE_SIGN_PSK: IANA number of the prf */
	uint8_t pad;
	char secret[IKE_NAME_MAX]; /* IKE_SIGN_PSK: its name */
};

/* Transform IDs of ESP (IANA), and of the integrity that goes with AES-CBC. */
#define IKE_ESP_AES_CBC 12
#define IKE_ESP_AES_GCM_16 20
#define IKE_ESP_CHACHA20_POLY1305 28
#define IKE_AUTH_HMAC_SHA2_256_128 12
#define IKE_AUTH_HMAC_SHA2_384_192 13
#define IKE_AUTH_HMAC_SHA2_512_256 14

struct ike_child {
	uint32_t handle;
	uint32_t spi_in;  /* ours, host order */
	uint32_t spi_out; /* the peer's; 0 in a CHILD_IN sent before IKE_AUTH */
	uint16_t cipher;  /* IKE_ESP_* */
	uint16_t key_bits; /* 128 or 256 */
	uint8_t esn;
	uint8_t both;          /* CHILD_IN, 1: CHILD_OUT follows at once, INSTALLED is to answer
	                          both */
	uint16_t encap_local;  /* UDP encapsulation ports, host order; 0: none */
	uint16_t encap_remote;
	uint16_t integ; /* IKE_AUTH_*; 0 with an AEAD */
	uint32_t replaces;     /* inbound SPI of the child that it takes the place of; 0 none */
};

struct ike_child_gone {
	uint32_t handle;
	uint32_t spi_in;  /* 0: what comes in by it is taken until a second CHILD_GONE */
	uint32_t spi_out; /* 0: there was none, or it is gone already */
};

enum ike_auth_kind {
	IKE_AUTH_NONE,      /* anonymous, NULL */
	IKE_AUTH_SIGNATURE,
	IKE_AUTH_PSK,
};

struct ike_up {
	uint32_t handle;
	uint8_t initiator;  /* 1: we started it */
	uint8_t auth_peer;  /* enum ike_auth_kind: what the peer proved */
	uint8_t auth_self;
	uint8_t key;        /* index of the peer's key in CONNECT or AUTHORIZE that proved it */
	uint8_t nat_peer;   /* the peer, we are behind a NAT */
	uint8_t nat_self;
	uint16_t took_ms;
	uint64_t spi_i;     /* IKE SPIs */
	uint64_t spi_r;
	char suite[IKE_SUITE_MAX]; /* "AES-GCM-16-256 / PRF-HMAC-SHA2-512 / Curve25519 +
	                              ML-KEM-768" */
	char esp[64];       /* "AES-GCM-16-256 ESN" */
	char peer_id[IKE_ID_MAX]; /* printable */
};

enum ike_failure {
	IKE_FAIL_NO_ANSWER = 1,   /* nothing came back to IKE_SA_INIT */
	IKE_FAIL_DEAD,            /* the peer answered once, then no more */
	IKE_FAIL_REFUSED,         /* ICMP port unreachable: no IKE there */
	IKE_FAIL_NO_PROPOSAL,     /* no common algorithms */
	IKE_FAIL_PEER_KEY,        /* the peer's signature is not by a key we know */
	IKE_FAIL_PEER_ANONYMOUS,  /* the peer proves nothing and must */
	IKE_FAIL_SELF_REFUSED,    /* the peer did not accept our proof: AUTHENTICATION_FAILED */
	IKE_FAIL_NO_SCHEME,       /* no signature scheme that both know */
	IKE_FAIL_TUNNEL,          /* the peer does not do transport mode */
	IKE_FAIL_SELECTORS,       /* TS_UNACCEPTABLE, or a bad narrowing */
	IKE_FAIL_CHILD,           /* the peer refused the child SA */
	IKE_FAIL_INSTALL,         /* our kernel refused the SA */
	IKE_FAIL_SIGNER,          /* our signer failed */
	IKE_FAIL_PROTOCOL,        /* the peer broke the protocol */
	IKE_FAIL_BUSY,            /* a limit was reached here */
	IKE_FAIL_NETWORK,         /* sending failed: no route ... */
	IKE_FAIL_NOT_AUTHORIZED,  /* the agent gave neither key nor permission */
	IKE_FAIL_DELETED,         /* DOWN: deleted by the peer */
	IKE_FAIL_CLOSED,          /* DOWN: closed as asked */
	IKE_FAIL_REPLACED,        /* DOWN: INITIAL_CONTACT or a newer SA took its place */
	IKE_FAIL_RESTARTED,       /* DOWN: the peer proves that it has lost the SA (RFC 6290) */
	IKE_FAIL_PEER_ID,         /* the peer claims another identity than the terms name */
	IKE_FAIL_CERTIFICATE,     /* the peer's certificate is missing or no good */
	IKE_FAIL_PPK,             /* the two do not agree on a post-quantum preshared key (RFC
	                             8784) */
	IKE_FAIL_EXPIRED,         /* DOWN: its time is over, and no other came */
};

struct ike_failed {
	uint32_t handle;
	uint8_t code;    /* enum ike_failure */
	uint8_t pad;
	uint16_t notify; /* the error notify received or sent, 0 none (RFC 7296 3.10.1) */
	char why[IKE_WHY_MAX]; /* one clause in plain words, printable */
};

enum ike_note_code {
	IKE_NOTE_INIT_SENT = 1,  /* arg: KE group */
	IKE_NOTE_INIT_ANSWERED,  /* arg: microseconds since sent */
	IKE_NOTE_RETRANSMIT,     /* arg: try */
	IKE_NOTE_COOKIE,         /* the peer asked for a cookie */
	IKE_NOTE_INVALID_KE,     /* arg: group asked for */
	IKE_NOTE_AUTH_SENT,
	IKE_NOTE_NAT,            /* arg: 1 we, 2 the peer, 3 both */
	IKE_NOTE_LIVENESS,       /* a probe was answered; arg: microseconds */
	IKE_NOTE_FRAGMENTED,     /* a message of ours goes in fragments; arg: how many */
	IKE_NOTE_REASSEMBLED,    /* a message of the peer's came in fragments; arg: how many */
	IKE_NOTE_DOUBT,          /* has the peer lost the SA? it is asked; arg: notify that says
	                            so */
	IKE_NOTE_REKEY_CHILD,    /* we ask for a child anew; arg: inbound SPI of the old, 0 none */
	IKE_NOTE_REKEY_IKE,      /* we ask for the IKE SA anew */
	IKE_NOTE_REKEY_REFUSED,  /* the peer did not take it; arg: notify */
	IKE_NOTE_COLLISION,      /* both asked at one time; arg: 1 ours stays, 0 the peer's */
	IKE_NOTE_CREATED,        /* a child was made anew; arg: KE group, 0 without PFS; in the upper 16
	                            bits an additional one (RFC 9370) */
	IKE_NOTE_PPK,            /* arg: 1 a PPK is in the keys, 0 the peer has it not and it is not
	                            required */
	IKE_NOTE_ADDKE_SENT,     /* an additional key exchange is begun (RFC 9370); arg: its
	                            number */
};

struct ike_note {
	uint32_t handle;
	uint32_t code; /* enum ike_note_code */
	uint32_t arg;
};

/* What proved the peer; printable. */
struct ike_certificate {
	uint32_t handle;
	uint8_t pad[4];
	int64_t until; /* seconds since 1970: the first of the chain to expire */
	char subject[96];
	char ca[96]; /* the CA of the terms that vouches for it */
};

/* Somebody says that the peer does not know the SA, and the peer has not answered since. */
struct ike_doubt {
	uint32_t handle;
};

struct ike_rekeyed {
	uint32_t handle;
	uint8_t initiator; /* 1: we began it */
	uint8_t pad[3];
	uint64_t spi_i;
	uint64_t spi_r;
	char suite[IKE_SUITE_MAX];
};

struct ike_stale {
	uint32_t handle;
	uint16_t notify; /* the peer's answer; 0 none */
	uint8_t pad[2];
};

struct ike_idle {
	uint32_t handle;
};

/* What was dropped, by cause; see ike/stats.h for the meaning of each slot. */
#define IKE_STATS_MAX 48
struct ike_stats {
	uint32_t half_open;
	uint32_t established;
	uint64_t count[IKE_STATS_MAX];
};

extern const struct msg_spec ike_events[];
extern const size_t ike_n_events;

/* Name of slot i of struct ike_stats, such as "bad-length"; NULL past the last. */
const char *ike_stats_name(unsigned int i);
/* Whether what slot i counts was dropped. */
bool ike_stats_is_drop(unsigned int i);
const char *ike_failure_name(enum ike_failure f);   /* "NO_ANSWER" ... */
const char *ike_notify_name(uint16_t type);         /* "NO_PROPOSAL_CHOSEN"; "notify 1234" */

/* The service process; returns the exit status. */
int ike_service_main(void);
