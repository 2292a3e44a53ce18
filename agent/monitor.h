/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: the first process, and the only one that stays root. It starts the agent and, at the
 * agent's word, the services; starts the agent anew when it dies; passes on signals. It reads
 * nothing but its configuration directory's name and messages of eight bytes from the agent, so
 * that the agent, which can restart a service that needs root to begin, needs no privilege itself.
 */
#pragma once

#include <stdint.h>

/* The agent's descriptor to the monitor (SOCK_SEQPACKET). */
#define MONITOR_FD 3

enum monitor_type {
	MONITOR_START = 1, /* agent -> monitor: start the service anew */
	MONITOR_UP,        /* agent -> monitor: all services are ready (sd_notify READY=1) */
	MONITOR_STARTED,   /* monitor -> agent: value is its pid, the channel comes along; or
	                      -errno */
	MONITOR_EXITED,    /* monitor -> agent: value is what waitpid() said */
};

struct monitor_msg {
	uint8_t type;    /* enum monitor_type */
	uint8_t service; /* enum oe_service */
	uint8_t pad[2];
	int32_t value;
};

/* Both ends: one message, with a descriptor where fd is not -1. Returns 0 or -errno; on receipt
 * *ret_fd is -1 where none came, the end of the channel is -EPIPE, another length -EBADMSG. */
int monitor_send(int sock, const struct monitor_msg *m, int fd);
int monitor_recv(int sock, struct monitor_msg *ret, int *ret_fd);

/* Runs until SIGTERM or SIGINT; returns the exit status. */
int monitor_main(void);
