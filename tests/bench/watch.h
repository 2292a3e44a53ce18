/* SPDX-License-Identifier: BSD-2-Clause */
/* What other processes have used: CPU time and memory. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define WATCH_MAX 16

struct watched {
	char name[16];
	pid_t pid;
	clockid_t clock;
};

struct watch {
	struct watched process[WATCH_MAX];
	size_t n;
};

/* "NAME=PID NAME=PID ...". Ends the program where a process is not there. */
struct watch watch_parse(const char *text);
/* User and system time since the start, microseconds. */
void watch_cpu(const struct watch *w, double ret_us[static WATCH_MAX]);
/* The bytes that would be free without the process: private dirty ones, and its share of others
 * (PSS, proc(5)). */
void watch_memory(const struct watch *w, double ret_bytes[static WATCH_MAX]);
