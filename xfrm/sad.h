/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our SAs in the kernel, and its larval states: entries without SPI that an ACQUIRE leaves behind
 * and that silence further ACQUIREs of the pair until they expire.
 *
 * No SA is ever written twice: an SA begun anew with the same key would use its counters again,
 * which with a counter-mode AEAD gives the key away (RFC 4106 section 3.1).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xfrm/netlink.h"
#include "xfrm/xfrm.h"

struct sad;

struct sad *sad_new(void);
/* Accepts NULL. The kernel's SAs stay. */
void sad_free(struct sad *sad);

/* Whether the cipher has a key of that length: with its salt, or its integrity key. */
bool sad_key_fits(enum xfrm_cipher cipher, size_t key_len);

/* Adds the message that installs the SA to the batch. *ret_error is set when the batch is flushed:
 * 0, -EEXIST where the SPI is taken (see above), or another -errno. */
void sad_put(struct nl *nl, const struct xfrm_sa *sa, bool inbound, const uint8_t *key,
	size_t key_len, int *ret_error);
void sad_put_delete(struct nl *nl, const struct pair *pair, uint32_t spi, bool inbound);
/* Adds the messages that remove the larval state of the two hosts and the level, if there is one:
 * it is given an SPI, made if need be, and deleted by that (doc/kernel.md, section 1). */
void sad_put_delete_larval(struct nl *nl, const struct pair *pair, unsigned int level);

/* ---- the book of what was installed; no effect on the kernel */

void sad_added(struct sad *sad, const struct pair *pair, uint32_t spi, bool inbound);
void sad_gone(struct sad *sad, const struct pair *pair, uint32_t spi, bool inbound);
/* The SPIs of inbound SAs: fills ret with up to max of them; returns how many there are, or a
 * number above max. */
size_t sad_inbound(const struct sad *sad, uint32_t *ret, size_t max);
/* Of the two hosts, whatever the scope. */
bool sad_has_inbound(const struct sad *sad, const struct pair *pair, uint32_t spi);
/* All SAs of the pair that are in UDP go between the same ports but this one of the peer's. Returns
 * 0 or the first -errno. */
int sad_move(const struct sad *sad, struct nl *nl, const struct pair *pair, uint16_t remote_port);
/* Whether packets to the peer leave encrypted. */
bool sad_has_outbound(const struct sad *sad, const struct pair *pair);
/* Counts of the pair's SAs, asked of the kernel, into the fields of *ret that are about SAs. */
void sad_count(
	const struct sad *sad, struct nl *nl, const struct pair *pair, struct xfrm_counters *ret);

/* Whether packets came and left by the pair's SAs since it was asked last. */
void sad_traffic(struct sad *sad, struct nl *nl, const struct pair *pair, bool *ret_in, bool *ret_out);

/* ---- what the kernel says */

struct sad_state {
	struct addr src;
	struct addr dst;
	uint32_t spi; /* host order; 0: larval */
	uint16_t sport; /* of the UDP that it is in; 0: it is not. Of a dump only */
	uint16_t dport;
	unsigned int level;
	struct scope scope; /* as the source sees it */
	uint64_t packets;
	uint64_t bytes;
};

/* Whether a reqid is one of ours. */
bool sad_is_ours(uint32_t reqid);
/* The pair that the SA is for. */
struct pair sad_pair(const struct sad_state *state, bool inbound);

/* Of an SA with our reqid in a dump (XFRM_MSG_NEWSA) or an expiry (XFRM_MSG_EXPIRE, then
 * *ret_hard). Returns false where it is not ours. */
bool sad_parse_message(const struct nlmsghdr *nlh, struct sad_state *ret, bool *ret_hard);
typedef void (*sad_state_fn)(void *arg, const struct sad_state *state);
int sad_dump(struct nl *nl, sad_state_fn fn, void *arg);

typedef void (*sad_gone_fn)(void *arg, const struct pair *pair, uint32_t spi, bool inbound);
/* Compares the book with the kernel; an SA that is there no longer leaves the book and is told. */
void sad_reconcile(struct sad *sad, struct nl *nl, sad_gone_fn fn, void *arg);

/* Installs and removes an SA between loopback addresses for each AEAD and family: loads and tests
 * the kernel's modules now (the first time costs up to a second) and not while a packet waits.
 * Returns 0, or -errno after a line that names what is missing. */
int sad_warm_up(struct nl *nl);
