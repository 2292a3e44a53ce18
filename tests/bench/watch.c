/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void bad(const char *what, const char *name)
{
	fprintf(stderr, "watch: %s: %s\n", name, what);
	exit(1);
}

struct watch watch_parse(const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	struct watch w = {0};

	while ((word = strsep(&rest, " "))) {
		struct watched *p = &w.process[w.n];
		char *pid = strchr(word, '=');

		if (!*word)
			continue;
		if (!pid || w.n == WATCH_MAX)
			bad("expected at most 16 of NAME=PID", word);
		*pid++ = '\0';
		snprintf(p->name, sizeof(p->name), "%s", word);
		p->pid = atoi(pid);
		if (clock_getcpuclockid(p->pid, &p->clock))
			bad("no such process", word);
		w.n++;
	}
	free(copy);
	return w;
}

void watch_cpu(const struct watch *w, double ret_us[static WATCH_MAX])
{
	for (size_t i = 0; i < w->n; i++) {
		struct timespec t;

		if (clock_gettime(w->process[i].clock, &t) < 0)
			bad("it has ended", w->process[i].name);
		ret_us[i] = (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
	}
}

void watch_memory(const struct watch *w, double ret_bytes[static WATCH_MAX])
{
	for (size_t i = 0; i < w->n; i++) {
		char line[256];
		unsigned long kb;
		FILE *f;

		ret_bytes[i] = -1;
		snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", w->process[i].pid);
		f = fopen(line, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Pss_Anon: %lu kB", &kb) == 1)
				ret_bytes[i] = (double)kb * 1024;
		if (f)
			fclose(f);
		if (ret_bytes[i] < 0)
			bad("its memory cannot be read", w->process[i].name);
	}
}
