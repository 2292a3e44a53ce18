/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_LINES 10
#define LIMIT_SECONDS 10

static const char *log_name = "oed";
static enum log_level max_level = LOG_LEVEL_INFO;
static bool syslog_prefix;

/* In the order of enum log_level; the numbers are syslog's. */
static const struct {
	const char *name;
	int syslog;
} levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

void log_init(const char *name, enum log_level level)
{
	log_name = name;
	max_level = level;
	syslog_prefix = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_level(void)
{
	return max_level;
}

bool log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(text, levels[i].name)) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

__attribute__((format(printf, 2, 0))) static void put(
	enum log_level level, const char *fmt, va_list ap)
{
	char line[1200];
	int n;

	if (level > max_level)
		return;
	if (syslog_prefix)
		n = snprintf(line, sizeof(line), "<%d>%s: ", levels[level].syslog, log_name);
	else
		n = snprintf(line, sizeof(line), "%s: %s", log_name,
			level <= LOG_LEVEL_WARN ? level == LOG_LEVEL_WARN ? "warning: " : "error: "
						: "");
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	/* what others chose may stand in a line: it stays one line */
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 127)
			line[i] = '?';
	line[n] = '\n';
	/* one write, so that the lines of six processes do not mix; where stderr is gone there is
	 * nobody left to tell */
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return;
}

#define LOG_FUNCTION(function, level)       \
	void function(const char *fmt, ...) \
	{                                   \
		va_list ap;                 \
                                            \
		va_start(ap, fmt);          \
		put(level, fmt, ap);        \
		va_end(ap);                 \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug_line, LOG_LEVEL_DEBUG)

void log_limited(const char *fmt, ...)
{
	static time_t since;
	static unsigned int lines, left_out;
	struct timespec now;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!since || now.tv_sec - since >= LIMIT_SECONDS) {
		if (left_out)
			log_warn("%u lines like the next were left out", left_out);
		since = now.tv_sec;
		lines = left_out = 0;
	}
	if (lines >= LIMIT_LINES) {
		left_out++;
		return;
	}
	lines++;
	va_start(ap, fmt);
	put(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}
