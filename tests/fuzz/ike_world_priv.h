/* SPDX-License-Identifier: BSD-2-Clause */
/* What ike_world.c (the hosts) and ike_wire.c (what is between them) share. */
#pragma once

#include "tests/fuzz/ike_world.h"

#define MS UINT64_C(1000)
#define PACKETS_MAX 64
#define ANSWERS_MAX 64
#define HANDLES_MAX 64
#define CHILDREN_MAX 256
#define LATENCY (5 * MS)
#define HALF_OPEN_MAX 8
/* Longer than any state of the protocol lasts without a peer. */
#define ALL_OVER (900 * SECOND)

/* A message of the agent on its way to the core. */
struct answer {
	uint16_t type;
	_Alignas(16) uint8_t fixed[2048];
	uint8_t *tail;
	size_t tail_len;
};

struct packet {
	uint64_t due;
	int to;
	struct ike_path path; /* as the receiver sees it */
	uint8_t *data;
	size_t len;
};

/* What goes from one host to the other, as last seen. */
struct flow {
	struct ike_header request, response;
	bool initiator; /* of the IKE SA */
	bool seen;
};

struct host {
	struct fuzz_world *w;
	int index;
	struct addr addr;
	struct ike_core *core;
	bool has_key;
	enum fuzz_ppk ppk;
	bool other_id, other_secret; /* of the PPK */
	struct answer answers[ANSWERS_MAX];
	size_t n_answers;
	uint32_t next_handle, last_handle;
	uint32_t handles[HANDLES_MAX];   /* that the agent knows to be alive; 0 none */
	bool up[HANDLES_MAX];            /* it was told so */
	uint32_t children[CHILDREN_MAX]; /* inbound SPIs that stand in the kernel */
	struct flow flow;                /* of what it sends */
};

struct fuzz_world {
	uint64_t now;
	struct fuzz_setup setup;
	uint16_t shift; /* of A's ports by the NAT */
	struct host host[FUZZ_HOSTS];
	struct packet packets[PACKETS_MAX];
	size_t n_packets;
	unsigned int sent;
	uint64_t spi_i, spi_r; /* of the last IKE SA that has both */
	uint8_t build[IKE_DATAGRAM_MAX];
};

/* The path on which host hears its peer, and the length of the non-ESP marker (RFC 7296 2.23) on
 * it. */
struct ike_path world_path_to(const struct fuzz_world *w, int host);
size_t world_marker(const struct ike_path *path);
/* A copy of the datagram is under way; a wire that is full loses it. */
void world_post(struct fuzz_world *w, int to, const struct ike_path *path, const void *data,
	size_t len, uint64_t due);
/* The packet at that place is no more. */
void world_forget(struct fuzz_world *w, size_t at);
