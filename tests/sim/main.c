/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim: random schedules of two hosts, as TAP.
 *
 *   sim [--schedules N] [--first SEED]   N of them, the first by SEED
 *   sim --seed SEED [--trace]            one of them, told line by line
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
		if (schedule_play(seed, false, 0, 0, stats, why))
			continue;
		if (failed++ < FAILURES_SHOWN)
			printf("# seed %" PRIu64 ": %s (tests/sim/sim --seed %" PRIu64
			       " --trace)\n",
				seed, why, seed);
	}
	return failed;
}

static int play_all(uint64_t first, uint64_t n)
{
	struct sim_stats stats = {0};
	unsigned int bad = 0;

	printf("1..%d\n", GROUPS);
	for (uint64_t i = 0; i < GROUPS; i++) {
		uint64_t from = first + n * i / GROUPS, to = first + n * (i + 1) / GROUPS;
		unsigned int failed = play_group(from, to - from, &stats);

		printf("%sok %" PRIu64 " - schedules %" PRIu64 " to %" PRIu64 ": %u failed\n",
			failed ? "not " : "", i + 1, from, to - 1, failed);
		fflush(stdout);
		bad += failed;
	}
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
		{"trace", no_argument, NULL, 't'},
		{0},
	};
	uint64_t n = SCHEDULES, first = 1, seed = 0;
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
		case 't':
			trace = true;
			break;
		default:
			fprintf(stderr, "usage: sim [--schedules N] [--first SEED] | "
					"--seed SEED [--trace]\n");
			return 2;
		}
	}
	if (!seed)
		return play_all(first, n);
	printf("1..1\n");
	if (!schedule_play(seed, trace, 0, 0, NULL, why)) {
		printf("not ok 1 - schedule %" PRIu64 ": %s\n", seed, why);
		return 1;
	}
	printf("ok 1 - schedule %" PRIu64 "\n", seed);
	return 0;
}
