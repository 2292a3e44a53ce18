/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts in one process, in virtual time: each is an IKE core with a small agent, signer and
 * kernel behind it, and a network of 1 ms lies between them. Everything is deterministic.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike/core.h"
#include "ike/ike.h"
#include "ike/payload.h"
#include "ike/stats.h"

#define MS UINT64_C(1000)
#define SEC UINT64_C(1000000)

#define CHILDREN_MAX 64
#define EVENTS_MAX 512
#define PACKETS_MAX 4096
#define KEYS_MAX 8
#define NOTES_MAX 32
/* The time of the world when it begins: 2026-11-21. */
#define WORLD_EPOCH INT64_C(1795219200)

enum { A, B, HOSTS };

/* What a host's kernel holds. */
struct kernel_sa {
	bool used;
	bool inbound;
	struct ike_child child;
	uint8_t key[96];
	size_t key_len;
	unsigned int number; /* order of coming */
	uint64_t gone_at;
};

struct agent_msg {
	uint16_t type;
	_Alignas(16) uint8_t fixed[2048];
	uint8_t tail[IKE_KEYS_MAX * sizeof(struct ike_pubkey) + IKE_CERTS_TAIL];
	size_t tail_len;
};

struct world;

struct host {
	struct world *w;
	int index;
	struct addr addr;
	struct ike_core *core;
	uint64_t random; /* state of its generator */

	/* policy of its agent */
	EVP_PKEY *own[KEYS_MAX];
	size_t n_own;
	uint32_t standby; /* of them */
	EVP_PKEY *peer[KEYS_MAX]; /* what DNS says about the other */
	size_t n_peer;
	struct ike_terms terms;
	const char *psk; /* what its signer holds by any name; NULL nothing */
	const char *ppk; /* the same, for the keys */
	uint8_t certs[IKE_CERTS_TAIL]; /* of terms, as messages carry them */
	size_t certs_len;
	uint8_t ca_hashes[IKE_CAS_MAX * IKE_CA_HASH_LEN];
	int64_t clock_error; /* of its wall clock, seconds */
	uint32_t allow;
	struct scope scope; /* what it asks for, and grants */
	struct scope packet; /* of it, what is waiting */
	uint8_t no_scope;
	bool ignore; /* ACCEPT with 0 */
	bool deaf;   /* the agent answers nothing */
	int sign_error;
	int install_error; /* for SAs with spi_out */
	int out_error;     /* for outbound SAs that come alone */
	uint32_t both;     /* inbound SPI of the last child that is answered for in one */
	bool stalled;      /* its kernel does nothing of what it is asked until host_goes_on() */
	int preinstall_error;
	int send_error; /* of the network: 0 or -errno */
	uint8_t secret; /* of its QCD tokens: this byte, again and again */

	/* what its agent heard */
	uint16_t events[EVENTS_MAX];
	size_t n_events;
	struct ike_up up;
	unsigned int ups, fails, downs, inbounds, identities;
	struct ike_failed failed, down;
	struct ike_identity identity;
	unsigned int doubts, moves;
	uint16_t moved_to;
	struct addr moved_addr;
	unsigned int rekeys, stales, idles, certificates;
	struct ike_certificate certificate;
	struct ike_rekeyed rekeyed;
	uint8_t traffic_in, traffic_out; /* what it says to IDLE */
	unsigned int notes[NOTES_MAX];
	uint32_t note_args[NOTES_MAX];
	unsigned int n_added; /* to the kernel */
	struct kernel_sa kernel[CHILDREN_MAX];
	struct ike_stats stats;
	uint32_t next_handle;

	/* messages on their way to the core, events on their way to the kernel */
	struct agent_msg *queue[64];
	size_t n_queue;
	struct agent_msg *late[16];
	size_t n_late;
};

struct packet {
	uint64_t due;
	int to;
	struct ike_path path; /* as the receiver sees it */
	uint8_t *data;
	size_t len;
	unsigned int number; /* order of sending, from 0 */
};

enum fate { PASS, DROP, TWICE, LATE };

struct world {
	uint64_t now;
	struct host host[HOSTS];
	struct packet packets[PACKETS_MAX];
	size_t n_packets;
	unsigned int sent;  /* packets so far */
	bool flowing;       /* both send once both can, and nothing may get lost */
	bool flows;         /* both could */
	bool strict;        /* what comes by an SA that is gone is lost at once */
	bool nat;           /* A is behind a NAT: B sees NAT_ADDR and another port */
	uint16_t nat_shift; /* added to A's ports */
	bool nat_moved;     /* its address is another one now; what goes to the old one is lost */
	/* may change the bytes; NULL: all pass */
	enum fate (*tamper)(struct world *w, struct packet *p);
	void *tamper_arg;
	unsigned int tamper_n;
};

/* Type of a test key. */
enum test_key {
	KEY_ED25519,
	KEY_ED25519_B,
	KEY_RSA,
	KEY_P256,
	KEY_P384,
	KEY_P521,
	KEY_ED448,
	KEY_TYPES
};

struct world *world_new(void);
void world_free(struct world *w);
/* A fixed key of the process, made once. */
EVP_PKEY *world_key(enum test_key type);
/* Both hosts sign with the given keys and know each other's. */
void world_keys(struct world *w, enum test_key a, enum test_key b);
/* Tells the cores the keys; after every change of own[]. */
void host_own_keys(struct host *h);
void host_config(struct host *h, const struct ike_config *c);
struct ike_config world_config(void);
/* Starts an SA; returns the handle. */
uint32_t host_connect(struct host *h);
void host_send(struct host *h, uint16_t type, const void *fixed, size_t len);
/* The host loses all: its IKE SAs, its kernel's, and what its agent knew. With another secret it
 * cannot make the tokens that it gave (RFC 6290). */
void host_reboot(struct host *h, bool same_secret);
/* What its kernel was asked for while it was stalled is done now. */
void host_goes_on(struct host *h);
/* A datagram out of nothing. */
void world_inject(
	struct world *w, int to, const struct ike_path *path, const void *data, size_t len);
/* Until nothing happens any more or the time is over. */
void world_run(struct world *w, uint64_t duration);
/* The same until both are up (ups of each), or the duration is over. */
void world_run_up(struct world *w, uint64_t duration);
struct ike_sa;
/* The IKE SA that a message belongs to, in its sender's core; NULL for none. */
struct ike_sa *world_sender(struct world *w, const struct packet *p);
/* The host's IKE SA, of which there must be one. */
struct ike_sa *world_only_sa(const struct host *h);
/* One of those that the agent knows of; NULL none. */
struct ike_sa *world_main_sa(const struct host *h);
/* Opens an encrypted packet's payloads and seals what edit makes of them. */
typedef void (*edit_fn)(void *arg, uint8_t type, struct ike_bytes body, struct ike_builder *b);
void world_edit(struct world *w, struct packet *p, edit_fn edit, void *arg);
/* Both kernels hold one SA pair that fits: same SPIs, keys, algorithms; and nothing else. */
void assert_private(struct world *w, size_t pairs);
/* Neither holds any. */
void assert_nothing(struct world *w);
size_t host_sas(const struct host *h, bool inbound);
/* By which it sends: the outbound SA that came last; NULL none. */
const struct kernel_sa *host_newest_out(const struct host *h);
/* The one attempt of h failed, so and with this notify. */
void assert_failed(const struct host *h, enum ike_failure code, uint16_t notify);
/* In the end no SA, half or whole, and no timer is left. Frees the world. */
void assert_empty(struct world *w);
/* A connects, and all happens that will. */
void world_try(struct world *w);
/* The usual world: Ed25519 both ways. */
struct world *world_ed25519(void);
