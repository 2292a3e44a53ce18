/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of a service process: the monitor executes the binary anew with the service's title as
 * argv[0] and the channel to the agent on descriptor 3; here the process gets its loop, its
 * channel, its sandbox and its end.
 *
 * A service never outlives the agent: when the channel closes it stops, leaving the kernel as it
 * is.
 */
#pragma once

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"
#include "base/sandbox.h"

#define SERVICE_FD 3

/* From the agent to any service, beside its own messages. */
#define SERVICE_LOG_LEVEL 0x001 /* struct service_log_level */

struct service_log_level {
	uint32_t level; /* enum log_level */
};

struct service {
	const char *name;  /* "xfrm": process title "oed: xfrm" */
	struct sandbox sandbox;
	const struct msg_spec *specs; /* what it accepts from the agent */
	size_t n_specs;
	/* As root, before the sandbox: bind, open, read keys. *ret_state is handed to the rest. Returns
	 * 0 or -errno after a logged line: the process then exits. May be NULL. */
	int (*open)(struct event_base *base, void **ret_state);
	/* Inside the sandbox; the channel lives as long as the process. Sends the service's READY
	 * event itself, now or later. */
	int (*start)(void *state, struct event_base *base, struct msg_channel *agent);
	void (*on_message)(void *state, uint16_t type, const void *fixed, const uint8_t *tail,
		size_t tail_len);
	/* The agent is gone or asked to stop. Frees the state. */
	void (*stop)(void *state);
};

/* Runs the service until the agent's end of the channel closes; returns the exit status. */
int service_main(const struct service *service);
/* Monotonic time in microseconds. */
uint64_t service_now(void);
