/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xfrm-drive's two hosts: their xfrm services, what is asked of these, and the packets of host a's
 * applications and of host b.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/msg.h"
#include "xfrm/xfrm.h"

#define PORT 80
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One service and what it said. */
struct host {
	const char *netns;
	pid_t pid;
	struct msg_channel *ch;
	bool closed;
	bool ready;
	struct xfrm_ready hello;
	unsigned int locals_up, locals_down, adopted, expired_soft, expired_hard;
	struct xfrm_trapped trapped[4096];
	size_t n_trapped;
	struct xfrm_done done[4096];
	size_t n_done;
	struct xfrm_counters counters;
	bool counted;
	struct xfrm_traffic traffic;
	bool trafficked;
};

extern struct event_base *base;
extern struct host a, b;
extern unsigned int test, failed; /* TAP so far */
extern int family;                /* of the tests that run */
extern uint8_t tell_use;          /* of what install() installs next */

uint64_t now_us(void);
__attribute__((format(printf, 2, 3))) void ok(bool good, const char *fmt, ...);
void enter_netns(const char *name);
void spawn(struct host *h);
void reap(struct host *h);
/* Runs the loop for ms, or until *flag. */
void pump(unsigned int ms, const bool *flag);
struct addr address(const char *text);
struct addr me(void);
struct addr other(void);
/* The n-th of many strangers. */
struct addr stranger(unsigned int n);
struct pair pair_with(struct addr remote);
struct xfrm_rule rule(const char *remote, uint8_t action, uint32_t rank);
void config(struct host *h, uint32_t lifetime);
int rules(struct host *h, const struct xfrm_rule *list, size_t n);
const struct xfrm_done *decide(struct host *h, struct pair pair, uint8_t verdict, uint32_t rank);
const struct xfrm_done *install(struct host *h, struct pair pair, bool inbound, uint32_t spi,
	uint8_t cipher, uint8_t esn, uint32_t soft);
struct xfrm_traffic traffic(struct host *h, struct pair pair);
struct xfrm_counters counters(struct host *h, struct pair pair);
void stop(struct host *h, uint8_t keep);
int start(struct addr to, uint16_t port, int type);
/* Milliseconds until connected; -1 where not within ms, *ret_error tells a refusal. */
double connected(int fd, uint64_t since, unsigned int ms, int *ret_error);
unsigned int retransmits(int fd);
/* The question about the remote that tells of a held packet; on a slow machine one about its
 * ACQUIRE may come before. */
const struct xfrm_trapped *trapped(struct host *h, struct addr remote, unsigned int ms);
void serve(void);
/* What arrived at b since the last call: IP packets to strangers or `other` that are not ESP, and
 * the MSS of the last SYN among them. */
unsigned int plaintext(unsigned int *ret_mss);
