/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines on stderr, one line each, with a syslog level prefix where systemd reads them
 * (JOURNAL_STREAM is set). What a stranger can cause is logged at debug or through log_limited().
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* name stands in front of each line ("oed: xfrm"); it must outlive the process's use of log_*(). */
void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* "error", "warn", "info" or "debug"; returns false on another word. */
bool log_level_parse(const char *text, enum log_level *ret);

__attribute__((format(printf, 1, 2))) void log_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_debug_line(const char *fmt, ...);
/* The arguments are not evaluated where nothing is logged: it stands on paths that every packet
 * takes. */
#define log_debug(...) \
	(log_level() >= LOG_LEVEL_DEBUG ? log_debug_line(__VA_ARGS__) : (void)0)
/* As log_warn(), at most 10 lines in 10 s over all callers; what was left out is counted in the
 * next line that is let through. */
__attribute__((format(printf, 1, 2))) void log_limited(const char *fmt, ...);
