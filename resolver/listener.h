/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the listener service says to the agent. It hears from systemd-resolved which names local
 * applications were given, so that what is to be known of their addresses is known when the first
 * packet comes. Nothing of it is believed. The service has no capability and opens nothing more
 * once it listens; the agent says nothing to it.
 */
#pragma once

#include <stdint.h>

#include "base/msg.h"
#include "resolver/resolver.h"

/* Only root may listen there (systemd 252 and later). */
#define LISTENER_SOCKET "/run/systemd/resolve/io.systemd.Resolve.Monitor"
/* Names in a second that are passed on; more are dropped. */
#define LISTENER_RATE 100
#define LISTENER_BURST 400

enum listener_ev {
	LISTENER_EV_READY = 0x580, /* struct listener_ready, once */
	LISTENER_EV_NAME,          /* struct listener_name */
};

struct listener_ready {
	int32_t error; /* 0: it listens; else -errno: it ends after a while, to be started again */
};

struct listener_name {
	char name[DNS_NAME_MAX]; /* as it was asked for */
	uint32_t n_addrs;        /* 1..DNS_ADDRS_MAX; more are left out */
	struct addr addrs[DNS_ADDRS_MAX];
};

extern const struct msg_spec listener_events[];
extern const size_t listener_n_events;

/* The service process; returns the exit status. OED_RESOLVED_SOCKET in the environment names
 * another socket (for tests). */
int listener_service_main(void);
