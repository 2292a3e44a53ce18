/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent: the hub of the services. What it is made of, for the files of this room. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/conf.h"
#include "agent/manual.h"
#include "agent/peer.h"
#include "base/log.h"
#include "base/msg.h"
#include "ike/signer.h"
#include "policy/policy.h"

#define AGENT_LOCALS_MAX 256
#define AGENT_KEYS_MAX 4

struct control;
struct own;
struct watch;

/* A service as the agent sees it. */
struct agent_service {
	struct agent *agent;
	enum oe_service id;
	struct msg_channel *channel; /* NULL: away */
	struct event *restart;
	pid_t pid;
	uint64_t since;    /* when it was started */
	uint32_t restarts; /* since the agent's start */
	uint32_t fast;     /* deaths in a row soon after the start */
	bool ready;
	bool was_ready;    /* once: all that are make the agent ready */
};

/* A signature that the signer owes. Kept until it comes, so that a new signer can be asked. */
struct agent_sign;

struct agent {
	struct event_base *base;
	const char *confdir, *rundir;
	int monitor;
	struct event *monitor_event, *timer, *term, *hup, *stop_timer;
	uint64_t due; /* what the timer stands at; UINT64_MAX: off */
	struct agent_service service[OE_N_SERVICES];
	struct conf conf;
	struct policy *policy;
	size_t policy_refused;
	struct manual *manual;
	char secrets[SIGNER_SECRETS_MAX][IKE_NAME_MAX]; /* that the signer has */
	size_t n_secrets;
	struct oe_peers *peers;
	struct agent_sign *signs;
	uint32_t next_sign;
	struct control *control;
	struct watch *watch;
	struct own *own;
	uint64_t started;
	enum log_level log_least; /* what `oed -d` asks for, whatever oed.conf says */
	bool told_ready, stopping;

	/* what the services said of themselves */
	struct xfrm_ready xfrm;
	struct dns_ready dns;
	uint64_t dns_files; /* of anchors and hints, as the resolver was last told to read them */
	struct dns_stats dns_stats;
	struct ike_ready ike;
	struct signer_ready signer;
	uint8_t qcd_secret[IKE_QCD_SECRET_LEN]; /* of a host without a key; see ike.h */
	struct ike_stats ike_stats;
	int32_t listener_error; /* why it hears nothing, told once; 0 */
	uint64_t names_heard;   /* from systemd-resolved */
	struct ike_pubkey keys[AGENT_KEYS_MAX];
	struct addr locals[AGENT_LOCALS_MAX];
	size_t n_locals;
};

/* The process; returns the exit status. */
int agent_main(void);

/* Reads oed.conf, the policies and peers.d again, and has the signer read the keys; what is wrong
 * is told to on_error line by line and the old stays in force for that file, or that peer (a bad
 * line of a policy file is left out). Returns lines refused. */
size_t agent_reload(struct agent *a, void (*on_error)(void *arg, const char *text), void *arg);
void agent_send(struct agent *a, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len);
/* The files of the system's resolvers may say something else now. */
void agent_forwarders_changed(struct agent *a);
/* After anything that may have moved a deadline. */
void agent_arm(struct agent *a);

/* ---- services.c */

/* Opens the channel to the monitor and asks for all services. */
int services_start(struct agent *a);
void services_stop(struct agent *a);
/* The service broke its contract: it ends, and is started again. */
void services_kill(struct agent_service *s, const char *why);
/* The same at an administrator's word, without a complaint. */
void services_renew(struct agent_service *s);
/* Whether the settings ask for it: all but the listener always are. */
bool services_wanted(const struct agent *a, enum oe_service id);
/* After a reload: starts and ends what is optional. */
void services_optional(struct agent *a);
/* The service said READY. */
void services_ready(struct agent_service *s);
/* All log as oed.conf says, or more where `oed -d` asked for it. */
void services_log_level(struct agent *a);
/* agent.c: a message came; the service's settings are to be sent to a new one. */
void agent_message(struct agent *a, struct agent_service *s, uint16_t type, const void *fixed,
	const uint8_t *tail, size_t tail_len);
void agent_configure(struct agent *a, struct agent_service *s);

/* ---- signs.c */

void signs_add(struct agent *a, const struct ike_sign *request, const uint8_t *octets, size_t len);
void signs_done(struct agent *a, const struct signer_done *done, const uint8_t *sig, size_t len);
/* A new signer has its keys in another order: what waits is to be signed by the key that was meant.
 * Where that is gone the exchange is told. Before a->keys and a->signer are replaced by these. */
void signs_find_keys(struct agent *a, const struct ike_pubkey *keys, size_t n);
/* Asks the signer for all that waits. */
void signs_ask(struct agent *a);
void signs_forget(struct agent *a);
