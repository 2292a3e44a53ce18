/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signer: the only process that ever holds a private key. It reads the key files as root, drops
 * every privilege, and signs what the agent passes on from the ike service. New keys: a new signer.
 */
#pragma once

#include <stdint.h>

#include "base/msg.h"
#include "ike/ike.h"

#define SIGNER_KEYS_MAX 4

enum signer_req {
	SIGNER_REQ_SIGN = 0x400, /* struct signer_sign + octets */
};

struct signer_sign {
	uint32_t id;    /* the agent's */
	uint8_t key;    /* index in SIGNER_EV_READY */
	uint8_t scheme; /* enum ike_scheme; must fit the key */
	uint8_t pad[2];
};

enum signer_ev {
	SIGNER_EV_READY = 0x480, /* struct signer_ready + ike_pubkey[] */
	SIGNER_EV_DONE,          /* struct signer_done + signature */
};

struct signer_ready {
	uint32_t count;        /* keys in the tail; 0: anonymous */
	uint32_t refused;      /* key files that could not be used; each was named in the log */
	char why[IKE_WHY_MAX]; /* the first refusal, for status; "" none */
	uint8_t qcd_secret[IKE_QCD_SECRET_LEN]; /* derived from the first key; zero without one */
};

struct signer_done {
	uint32_t id;
	int32_t error; /* 0 or -errno: then no tail */
};

extern const struct msg_spec signer_events[];
extern const size_t signer_n_events;

/* The service process. Reads every *.pem in OED_CONFDIR/keys, in order of name; a file readable by
 * others than root is refused. Returns the exit status. */
int signer_service_main(void);
