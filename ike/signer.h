/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signer: the only process that ever holds a private key or a shared secret. It reads their
 * files as root, drops every privilege, and signs what the agent passes on from the ike service.
 * New keys: a new signer.
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
	uint8_t prf;    /* IKE_SIGN_PSK: IANA number of the prf */
	uint8_t pad;
	char secret[IKE_NAME_MAX]; /* IKE_SIGN_PSK */
};

enum signer_ev {
	SIGNER_EV_READY = 0x480, /* struct signer_ready + ike_pubkey[] */
	SIGNER_EV_DONE,          /* struct signer_done + signature */
	SIGNER_EV_SECRETS,       /* struct signer_secrets + their names, before READY */
};

#define SIGNER_SECRETS_MAX 512

struct signer_secrets {
	uint32_t count; /* char[IKE_NAME_MAX] in the tail */
};

struct signer_ready {
	uint32_t count;        /* keys in the tail; 0: anonymous */
	uint32_t standby;      /* bit i: key i is held, but not to be signed with: NAME.new.pem,
	                          NAME.old.pem */
	uint32_t refused;      /* key files that could not be used; each was named in the log */
	char why[IKE_WHY_MAX]; /* the first refusal, for status; "" none */
	uint8_t qcd_secret[IKE_QCD_SECRET_LEN]; /* derived from the first key in use; zero without
	                                           one */
};

struct signer_done {
	uint32_t id;
	int32_t error; /* 0 or -errno: then no tail. -ENOENT: no such secret */
};

extern const struct msg_spec signer_events[];
extern const size_t signer_n_events;

/* The service process. Reads every *.pem in OED_CONFDIR/keys, in order of name, and every *.psk: a
 * secret by the name of its file. NAME.new.pem and NAME.old.pem are keys that wait for their time,
 * or have had it, while a key is replaced; where there are no others they are as good as any. A
 * file readable by others than root is refused. Returns the exit status. */
int signer_service_main(void);
