/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim: two hosts in virtual time, as TAP: each datagram of fixed stories meets each fault, then
 * random schedules.
 *
 *   sim [--schedules N] [--first SEED]   N of them, the first by SEED
 *   sim --seed SEED [--trace]            one of them, told line by line
 *   sim --story STORY,FAULT... [--trace] one story, as a failure names it
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "tests/sim/sim.h"

/* gcc, clang */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SCHEDULES 1000
#else
#define SCHEDULES 10000
#endif
#define GROUPS 10
#define FAILURES_SHOWN 10

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns how many failed. */
static unsigned int play_group(uint64_t first, uint64_t n, struct sim_stats *stats)
{
	unsigned int failed = 0;
	char why[256];

	for (uint64_t seed = first; seed < first + n; seed++) {
		if (schedule_play(seed, false, stats, why))
			continue;
		if (failed++ < FAILURES_SHOWN)
			printf("# seed %" PRIu64 ": %s (tests/sim/sim --seed %" PRIu64
			       " --trace)\n",
				seed, why, seed);
	}
	return failed;
}

/* Each datagram, and from each on so many, meets each fault. Returns how many plays failed. */
static unsigned int play_story(enum story story, unsigned int *ret_plays)
{
	static const struct fault faults[] = {
		{.kind = LOST, .count = 1},
		{.kind = LOST, .count = 2},
		{.kind = LOST, .count = 5},
		{.kind = TWICE, .count = 1},
		{.kind = TWICE, .count = 1000},
		{.kind = LATE, .count = 1, .late_us = 300 * MS},
		{.kind = LATE, .count = 1, .late_us = 3 * SEC},
		{.kind = LATE, .count = 1, .late_us = 40 * SEC},
		{.kind = LATE, .count = 3, .late_us = 700 * MS},
	};
	struct fault fault = {0};
	struct sim_stats stats;
	unsigned int failed = 0, n;
	char why[256];

	*ret_plays = 1;
	if (!story_play(story, &fault, false, &stats, why)) {
		printf("# without a fault: %s (tests/sim/sim --story %d --trace)\n", why, story);
		return 1;
	}
	n = (unsigned int)stats.datagrams;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (unsigned int k = 1; k <= n; k++) {
			fault = faults[i];
			fault.first = k;
			++*ret_plays;
			if (story_play(story, &fault, false, &stats, why))
				continue;
			if (failed++ < FAILURES_SHOWN)
				printf("# %s (tests/sim/sim --story %d,%d,%u,%u,%u --trace)\n",
					why, story, fault.kind, k, fault.count,
					(unsigned int)(fault.late_us / MS));
		}
	return failed;
}

static int replay_story(const char *text, bool trace)
{
	unsigned int story, kind = 0, ms = 0;
	struct fault fault = {0};
	struct sim_stats stats;
	char why[256];

	if (sscanf(text, "%u,%u,%u,%u,%u", &story, &kind, &fault.first, &fault.count, &ms) < 1 ||
		story >= STORIES || kind > LATE)
		return 2;
	fault.kind = kind;
	fault.late_us = ms * MS;
	printf("1..1\n");
	if (!story_play((enum story)story, &fault, trace, &stats, why)) {
		printf("not ok 1 - %s: %s\n", story_name((enum story)story), why);
		return 1;
	}
	printf("ok 1 - %s\n", story_name((enum story)story));
	return 0;
}

static int play_all(uint64_t first, uint64_t n)
{
	struct sim_stats stats = {0};
	unsigned int bad = 0;

	printf("1..%d\n", GROUPS + STORIES);
	for (int story = 0; story < STORIES; story++) {
		unsigned int plays = 0, failed = play_story((enum story)story, &plays);

		printf("%sok %d - each datagram lost, twice and late, %s: %u of %u failed\n",
			failed ? "not " : "", story + 1, story_name((enum story)story), failed,
			plays);
		bad += failed;
	}
	for (uint64_t i = 0; i < GROUPS; i++) {
		uint64_t from = first + n * i / GROUPS, to = first + n * (i + 1) / GROUPS;
		unsigned int failed = play_group(from, to - from, &stats);

		printf("%sok %" PRIu64 " - schedules %" PRIu64 " to %" PRIu64 ": %u failed\n",
			failed ? "not " : "", i + 1 + STORIES, from, to - 1, failed);
		fflush(stdout);
		bad += failed;
	}
	printf("# rekeyed: %" PRIu64 " IKE SAs, %" PRIu64 " children\n", stats.rekeyed / 2,
		stats.children / 2);
	printf("# %" PRIu64 " handshakes, %" PRIu64 " attempts failed, %" PRIu64
	       " SAs lost; datagrams %" PRIu64 ", lost %" PRIu64 "; traffic %" PRIu64
	       ", dropped with an excuse %" PRIu64 "; %.1f s of CPU\n",
		stats.handshakes / 2, stats.failed, stats.downs, stats.datagrams, stats.lost,
		stats.esp, stats.esp_dropped, cpu_seconds());
	return bad != 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"schedules", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},
		{"story", required_argument, NULL, 'y'},
		{"trace", no_argument, NULL, 't'},
		{0},
	};
	uint64_t n = SCHEDULES, first = 1, seed = 0;
	const char *story = NULL;
	bool trace = false;
	char why[256];
	int c;

	log_init("sim", LOG_LEVEL_ERROR);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			n = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'y':
			story = optarg;
			break;
		case 't':
			trace = true;
			break;
		default:
			fprintf(stderr, "usage: sim [--schedules N] [--first SEED] | "
					"--seed SEED [--trace] | --story STORY [--trace]\n");
			return 2;
		}
	}
	if (story)
		return replay_story(story, trace);
	if (!seed)
		return play_all(first, n);
	printf("1..1\n");
	if (!schedule_play(seed, trace, NULL, why)) {
		printf("not ok 1 - schedule %" PRIu64 ": %s\n", seed, why);
		return 1;
	}
	printf("ok 1 - schedule %" PRIu64 "\n", seed);
	return 0;
}
