/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the xfrm service itself share: its state and who may change it. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xfrm/addrs.h"
#include "xfrm/hold.h"
#include "xfrm/hook.h"
#include "xfrm/netlink.h"
#include "xfrm/queue.h"
#include "xfrm/sad.h"
#include "xfrm/spd.h"
#include "xfrm/stray.h"
#include "xfrm/xfrm.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct found {
	struct pair pair;
	uint32_t spi; /* 0: larval */
	uint16_t encap_remote;
	unsigned int level;
	bool inbound;
};

/* Growing arrays. */
struct rules {
	struct xfrm_rule *rule;
	size_t n;
	size_t cap;
};

struct locals {
	struct xfrm_local *local;
	size_t n;
};

/* An inbound SA that goes a little later than the agent said. */
struct late {
	struct xfrm_sa_id id;
	uint64_t due; /* service_now() */
};

enum {
	EV_WATCH,
	EV_ADDRS,
	EV_QUEUE,
	EV_ACQUIRE,
	EV_TICK,
	EV_STRAY,
	N_EVENTS = EV_STRAY + STRAY_SOCKETS,
};

struct xfrm {
	struct event_base *base;
	struct msg_channel *agent;
	struct nl *nl;
	int watch; /* socket of the XFRM groups */
	struct addrs *addrs;
	struct queue *queue; /* NULL: no hold */
	struct hook *hook;
	int stat;   /* /proc/net/xfrm_stat */
	int raw[2]; /* IPv4, IPv6: for answers to our own applications */
	struct event *events[N_EVENTS];
	struct stray *stray;
	struct stray_limit stray_limit;
	uint64_t stray_until;  /* looked for until then, microseconds */
	uint64_t in_no_states; /* the kernel's count of them, when last seen */

	struct spd *spd;
	struct sad *sad;
	struct hold *hold;
	struct xfrm_config config;
	bool configured;
	bool ruled; /* the agent has given the rules */
	struct rules rules;
	struct rules next; /* being received */
	bool next_bad;
	struct xfrm_exempt *exempt;
	size_t n_exempt;
	struct locals changes; /* not told yet */
	struct found *found;   /* in the kernel at start */
	size_t n_found;
	struct late *late; /* in order of coming */
	size_t n_late;
	_Alignas(8) uint8_t received[64 * 1024];
};

/* realloc() of n elements; fatal when out of memory. */
void *xfrm_grow(void *array, size_t n, size_t size);

/* ---- state.c: the kernel's policies and SAs as a whole */

/* Writes the difference of x->spd and all else that is in the batch. 0, or the first error. */
int xfrm_commit(struct xfrm *x);
/* Rules and exemptions on the addresses there are now. Before the agent has given its rules what a
 * predecessor left is not touched. */
int xfrm_rebuild(struct xfrm *x);
/* Writes again what would die of age soon. */
void xfrm_rearm(struct xfrm *x);
/* Takes over what a predecessor left. */
int xfrm_adopt(struct xfrm *x);
/* Removes all that is ours, and nothing else. */
void xfrm_remove_all(struct xfrm *x);

/* Deletes the SAs whose grace is over. */
void xfrm_delete_late(struct xfrm *x);

/* ---- event.c: what the kernel says */

extern const struct hold_effects xfrm_hold_effects;
/* Adds the events to the loop. */
void xfrm_listen(struct xfrm *x);
/* An address of ours changed; told to the agent when the rules stand on it. addrs_fn. */
void xfrm_on_local(void *arg, const struct addr *addr, bool up);
void xfrm_send_local(struct xfrm *x, const struct addr *addr, bool up);
/* Looks for ESP without an SA, while there is reason to. */
void xfrm_watch_strays(struct xfrm *x);
/* Sets the timer for ACQUIREs that wait in x->hold. */
void xfrm_schedule_acquires(struct xfrm *x);

/* ---- request.c: what the agent says; msg_fn */

void xfrm_on_request(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len);
