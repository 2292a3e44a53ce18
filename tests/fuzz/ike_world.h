/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts in one process, in virtual time, each an IKE core with an agent, a signer and a kernel
 * that do as they are asked; and the wire between them, where the fuzzer has its hand. With
 * encryption being the identity (see README.md) whatever it makes is taken for the peer's.
 *
 * What must hold whatever happens is checked here: see fuzz_world_end().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "ike/core.h"
#include "ike/payload.h"

enum { FUZZ_A, FUZZ_B, FUZZ_HOSTS };

/* How the hosts prove themselves. */
enum fuzz_proof {
	FUZZ_NULL,    /* nobody proves anything */
	FUZZ_ED25519, /* both sign */
	FUZZ_MIXED,   /* A is anonymous, B signs */
	FUZZ_PSK,     /* both know a secret */
	FUZZ_X509,    /* both show a certificate; B's expires after an hour */
	FUZZ_PROOFS,
};

/* What a host's agent has been told of a PPK (RFC 8784). */
enum fuzz_ppk {
	FUZZ_PPK_NONE,
	FUZZ_PPK_OPTIONAL,
	FUZZ_PPK_REQUIRED,
};

struct fuzz_setup {
	uint8_t proof;   /* enum fuzz_proof */
	bool nat;        /* between the two; A is behind it */
	bool cookies;    /* B asks for cookies */
	bool liveness;   /* of both */
	bool rekey;      /* of the IKE SA, A after a minute, B after two */
	bool addke;      /* both have an additional key exchange (RFC 9370), by a classical group */
};

struct fuzz_world;

struct fuzz_world *fuzz_world_new(const struct fuzz_setup *setup);
/* Closes all SAs, lets time pass, and expects: no SA, child, half-open count, or timer is left in
 * either core, the agent was told the end of all it was told the begin of, and no memory leaks.
 * Frees. */
void fuzz_world_end(struct fuzz_world *w);

/* Lets everything happen that will in these milliseconds. */
void fuzz_world_run(struct fuzz_world *w, uint64_t ms);
/* Only the first message of an agent, or else the first datagram under way. False: there is
 * none. */
bool fuzz_world_step(struct fuzz_world *w);
/* Runs until n datagrams have left since the world began and none of them arrived after the
 * n-th. */
void fuzz_world_run_to(struct fuzz_world *w, unsigned int n);

void fuzz_connect(struct fuzz_world *w, int host);
/* CLOSE or PROBE for the SA that host was told of last. */
void fuzz_close(struct fuzz_world *w, int host, bool silent);
void fuzz_probe(struct fuzz_world *w, int host);
/* REKEY of its n-th child, or of the IKE SA; USED of the child. */
void fuzz_rekey(struct fuzz_world *w, int host, bool child, unsigned int n);
void fuzz_used(struct fuzz_world *w, int host, unsigned int n);
/* The service of a host starts anew and knows no SA; its agent forgets those it had. */
void fuzz_restart(struct fuzz_world *w, int host);
/* INVALID_SPI: ESP came to host for which it has no SA. */
void fuzz_invalid_spi(struct fuzz_world *w, int host, uint32_t spi);
/* From now on it is told so; by another identity, or with another secret, than at first. */
void fuzz_ppk(struct fuzz_world *w, int host, enum fuzz_ppk how, bool other_id, bool other_secret);
/* Time that does not wait for timers: they come too late. */
void fuzz_sleep(struct fuzz_world *w, uint64_t ms);
void fuzz_refused(struct fuzz_world *w, int host);
/* From now on the NAT shows another port. */
void fuzz_rebind(struct fuzz_world *w, uint16_t shift);

/* The n-th datagram under way, counted modulo their number: lost, doubled, put last. */
void fuzz_drop(struct fuzz_world *w, unsigned int n);
void fuzz_double(struct fuzz_world *w, unsigned int n);
void fuzz_delay(struct fuzz_world *w, unsigned int n);
/* Bytes of it from at on are replaced; the length in the header is put right where set. */
void fuzz_overwrite(struct fuzz_world *w, unsigned int n, size_t at, struct ike_bytes with,
	size_t cut, bool right_length);
/* What is in its SK is replaced by this chain. */
void fuzz_replace(struct fuzz_world *w, unsigned int n, uint8_t first, struct ike_bytes chain);

/* Where one is, its SK becomes this many SKF (RFC 7383) of the same content. */
void fuzz_split(struct fuzz_world *w, unsigned int n, unsigned int parts);

/* What is to come from a host's peer, with the SPIs of their last IKE SA. */
struct fuzz_message {
	uint8_t exchange;
	bool response; /* to the request that host sent last; else the peer's next request */
	int8_t skip;   /* added to the message ID */
	uint8_t first; /* type of the chain's first payload */
	struct ike_bytes chain;  /* in SK, or in the fragment */
	uint16_t number, total;  /* of the fragment; total 0: SK */
};
void fuzz_inject(struct fuzz_world *w, int host, const struct fuzz_message *m);
/* A datagram as it is; with spis those of the last IKE SA are written into it. */
void fuzz_inject_raw(struct fuzz_world *w, int host, struct ike_bytes data, bool spis);

/* A datagram under way, without marker; for making seeds. NULL for none. */
const uint8_t *fuzz_packet(const struct fuzz_world *w, unsigned int n, size_t *ret_len);
/* The payloads in its SK; empty where there is none. */
struct ike_bytes fuzz_chain(
	const struct fuzz_world *w, unsigned int n, struct ike_header *ret, uint8_t *ret_first);

/* The first message of host's agent that waits: lost, or telling of an error. */
void fuzz_agent_drop(struct fuzz_world *w, int host);
void fuzz_agent_fails(struct fuzz_world *w, int host);
