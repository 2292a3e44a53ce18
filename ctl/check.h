/* SPDX-License-Identifier: BSD-2-Clause */
/* `oectl check`: whether this host has all that oed needs. check.c is the command and what is
 * oed's own (configuration, keys, DNS), check_host.c the host, check_kernel.c its kernel. */
#pragma once

#include "agent/conf.h"
#include "ctl/keys.h"

enum check_state {
	CHECK_OK,
	CHECK_WARN, /* works, but less well or less safely */
	CHECK_FAIL,
};

struct check {
	const struct oectl *ctl;
	struct conf conf;
	json_t *status; /* the daemon's; NULL: it does not run */
	json_t *list;
	size_t warned, failed;
};

/* One line of the result; remedy NULL: none is needed. */
__attribute__((format(printf, 5, 6))) void check_say(struct check *c, enum check_state state,
	const char *name, const char *remedy, const char *fmt, ...);

void check_kernel(struct check *c);
void check_sysctls(struct check *c);
void check_clock(struct check *c);
void check_users(struct check *c);
void check_ports(struct check *c);

/* The title and pid of the process that has that socket; false where none is found. */
bool check_find_owner(unsigned long inode, char *ret_title, size_t size, int *ret_pid);
/* The inode of a UDP socket in the text of /proc/net/udp or udp6 that is bound to port; 0 none. */
unsigned long check_find_port(const char *table, uint16_t port);
