/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real resolver service in a process of its own, nsd with a signed tree behind it, and between
 * them, where a test wants it, a proxy that delays, swallows or spoils. All on loopback ports, as
 * any user. Whatever cannot be started fails the test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "resolver/answer.h"
#include "resolver/resolver.h"

#define RIG_IDS 16384

/* What the proxy does to queries, and has seen; lies in memory shared with it. */
struct rig_proxy {
	volatile bool drop_all;
	volatile bool strip_dnssec; /* asks on without DO, as an old forwarder does */
	volatile uint32_t delay_ms; /* of every answer */
	volatile uint32_t queries;  /* of type IPSECKEY */
	volatile uint32_t all;      /* of any type, by UDP */
};

struct rig_answer {
	unsigned int times; /* how often it was answered */
	uint64_t at;        /* service_now() */
	struct dns_answer a;
	struct dns_key keys[ANSWER_KEYS_MAX];
};

struct rig {
	char dir[64]; /* the zones; dir/keys/NAME.spki */
	uint16_t nsd_port, proxy_port;
	struct rig_proxy *proxy;
	struct dns_ready ready;
	unsigned int n_ready;
	bool closed;
	struct rig_answer answers[RIG_IDS]; /* by id */
	struct dns_range range; /* the last told of */
	unsigned int n_ranges;
	struct dns_stats stats;
};

extern struct rig rig;

/* The zones are those of tests/unit/resolver/mkzones.sh, or of the script that the environment's
 * OED_RIG_ZONES names, below srcdir. */
/* cmocka group fixtures; rig_down() checks that the service ended well. */
int rig_up(void **state);
int rig_down(void **state);

/* The delay of the proxy for host n.2.18.198.in-addr.arpa., in ms. */
unsigned int rig_delay(unsigned int n);
struct dns_config rig_settings(uint16_t port);
void rig_send_config(const struct dns_config *config);
/* Configures and waits for READY. */
void rig_configure(const struct dns_config *config);
/* Waits for the next READY. */
void rig_await_ready(unsigned int ms);
/* Sends a lookup; text is an address for DNS_ASK_REVERSE, else a name. addr may be NULL. Returns
 * its id. */
uint32_t rig_ask(enum dns_question question, const char *text, const char *addr);
uint32_t rig_ask_for(
	enum dns_origin origin, enum dns_question question, const char *text, const char *addr);
void rig_cancel(uint32_t id);
/* Runs the loop until id is answered; fails the test after ms. */
const struct rig_answer *rig_await(uint32_t id, unsigned int ms);
/* Runs the loop for ms. */
void rig_run(unsigned int ms);
/* rig_ask() and rig_await(). */
const struct rig_answer *rig_lookup(enum dns_question question, const char *text, const char *addr);
#define REVERSE(addr) rig_lookup(DNS_ASK_REVERSE, (addr), NULL)
/* Of that class, and no character in its words that a terminal or a log would mind. */
void rig_assert_class(const struct rig_answer *r, enum dns_class class);
/* Ends all trouble, and configures nsd itself, or the proxy before it. */
void rig_settle(void);
void rig_settle_behind_proxy(void);
/* Descriptors that the service has open; 0 where we may not look. */
unsigned int rig_fds(void);
/* Resident memory of the service, in bytes. */
uint64_t rig_memory(void);
/* CPU time of the service so far, in us. */
uint64_t rig_cpu(void);
