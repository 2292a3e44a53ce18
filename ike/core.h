/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IKEv2 core: all IKE SAs of the host, in both roles. Pure: it does no I/O and reads no clock.
 * Messages of the agent, datagrams and time go in; datagrams and events come out through the
 * effects. Two cores in one process are two hosts.
 *
 * now is in microseconds of any clock that does not go back. After each ike_core_*() that feeds the
 * core its owner asks ike_core_timers() when to come again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "ike/ike.h"

#define IKE_PORT 500
#define IKE_PORT_NATT 4500 /* RFC 3948: datagrams of IKE begin with four zero bytes here */

/* The longest datagram taken and sent, with marker. */
#define IKE_DATAGRAM_MAX 65535

/* Where a datagram goes to or came from; ports in host order. */
struct ike_path {
	struct pair pair;
	uint16_t local_port;
	uint16_t remote_port;
};

/* What the core does to the world. No effect may call back into the core. */
struct ike_effects {
	void *arg;
	uint64_t seed[2]; /* unpredictable: strangers choose addresses, by which SAs are found */
	/* Returns 0 or -errno; the core counts on nothing. */
	int (*send)(void *arg, const struct ike_path *path, const void *data, size_t len);
	/* An event for the agent, enum ike_ev. The bytes are the core's and are wiped afterwards.
	 */
	void (*event)(void *arg, uint16_t type, const void *fixed, size_t fixed_len,
		const void *tail, size_t tail_len);
	/* Unpredictable bytes. */
	void (*random)(void *arg, void *buf, size_t len);
	/* What the world's clock says, seconds since 1970: certificates are valid by it. */
	int64_t (*wall)(void *arg);
};

struct ike_core;

/* Never NULL. The effects are copied. Until IKE_REQ_CONFIG comes, defaults hold. */
struct ike_core *ike_core_new(const struct ike_effects *effects);
/* Forgets all SAs without a word to their peers. Accepts NULL. */
void ike_core_free(struct ike_core *core);

/* A message of the agent, enum ike_req; the lengths have been checked against the tables of ike.c,
 * the values are checked here. A handle that is no more is no error. Returns 0, or -EBADMSG for a
 * value out of range: then nothing was done. */
int ike_core_request(struct ike_core *core, uint16_t type, const void *fixed, const uint8_t *tail,
	size_t tail_len, uint64_t now);
/* A datagram as it came, on port 4500 with its marker. data is decrypted in place. */
void ike_core_datagram(struct ike_core *core, const struct ike_path *path, uint8_t *data,
	size_t len, uint64_t now);
/* The peer's host said by ICMP that nobody listens there: a hint that anybody can forge. */
void ike_core_icmp_refused(struct ike_core *core, const struct pair *pair, uint64_t now);
/* Does what is due. Returns when to call again, UINT64_MAX for never. */
uint64_t ike_core_timers(struct ike_core *core, uint64_t now);
