/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resolver's benchmark: 256 addresses, one after the other, in five kinds of reverse zones; how
 * many queries that puts on the wire, and how long each takes until it is decided. Decided as the
 * agent does it: from its table of ranges, else by the service. Each case begins with an empty cache.
 * Then 10,000 lookups at once: CPU time and memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ranges.h"
#include "base/service.h"
#include "tests/unit/resolver/rig.h"

#define ADDRESSES 256
#define LOAD 10000
/* What the service takes of one prefix at once. */
#define LOAD_IN_FLIGHT 200

static const struct bench {
	const char *name;
	const char *prefix; /* a /24 */
	unsigned int goal;  /* queries */
	const char *what;
} cases[] = {
	{"nsec", "198.18.79", 40, "signed zone (NSEC) with 12 names"},
	{"nsec3", "198.18.81", 271, "signed zone (NSEC3)"},
	{"insecure24", "198.18.77", 12, "unsigned /24"},
	{"insecure8", "100.1.2", 9, "in an unsigned /8"},
	{"denied", "101.1.1", 7, "in a /8 that does not exist"},
};

struct result {
	uint32_t queries;
	double decision_ms; /* mean of all */
	double range_ms;    /* the longest by a range */
	unsigned int by_range;
};

static struct ranges *ranges;

static struct result measure(const struct bench *b)
{
	struct dns_config c = rig_settings(rig.proxy_port);
	unsigned int n_ranges = rig.n_ranges;
	struct result r = {0};
	uint64_t started, total = 0;
	uint32_t probe;

	/* a new context; its probe of the root belongs to no case */
	rig_configure(&c);
	assert_int_equal(rig.ready.dnssec, 1);
	ranges_flush(ranges);
	probe = rig.proxy->all;
	for (unsigned int i = 0; i < ADDRESSES; i++) {
		char text[32];
		struct addr a;
		double ms;

		snprintf(text, sizeof(text), "%s.%u", b->prefix, i);
		addr_parse(text, &a);
		started = service_now();
		if (ranges_find(ranges, &a, started)) {
			ms = (double)(service_now() - started) / 1e3;
			r.range_ms = ms > r.range_ms ? ms : r.range_ms;
			r.by_range++;
			continue;
		}
		rig_lookup(DNS_ASK_REVERSE, text, NULL);
		total += service_now() - started;
		/* the range comes right behind the answer */
		rig_run(2);
		if (rig.n_ranges != n_ranges)
			ranges_add(ranges, &rig.range, service_now());
		n_ranges = rig.n_ranges;
	}
	r.queries = rig.proxy->all - probe;
	r.decision_ms = (double)total / 1e3 / ADDRESSES;
	return r;
}

/* Distinct names of the signed zone, LOAD_IN_FLIGHT at a time. They do not exist, as most on the
 * Internet: libunbound denies most of them from what it has. */
static void load(FILE *out)
{
	struct dns_config c = rig_settings(rig.nsd_port);
	uint64_t cpu, began, before;
	unsigned int asked = 0, done = 0;
	static uint32_t ids[LOAD];

	rig_configure(&c);
	before = rig_memory();
	cpu = rig_cpu();
	began = service_now();
	while (done < LOAD) {
		while (asked < LOAD && asked - done < LOAD_IN_FLIGHT) {
			char name[64];

			snprintf(name, sizeof(name), "%u.%u.18.198.in-addr.arpa.", asked % 256,
				100 + asked / 256);
			ids[asked++] = rig_ask_for(DNS_FROM_HOST, DNS_ASK_NAME, name, NULL);
		}
		rig_await(ids[done++], 5000);
	}
	fprintf(out,
		"%-12s %u lookups in %.0f ms; CPU %.3f ms each; memory %.1f MB before, %.1f "
		"after\n",
		"load", LOAD, (double)(service_now() - began) / 1e3,
		(double)(rig_cpu() - cpu) / 1e3 / LOAD, (double)before / 1e6,
		(double)rig_memory() / 1e6);
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	bool met = true;

	setenv("OED_LOG_LEVEL", "error", 0);
	setenv("OED_RIG_ZONES", "tests/bench/dns-zones", 1);
	ranges = ranges_new();
	rig_up(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result r = measure(&cases[i]);

		met &= r.queries <= cases[i].goal && r.range_ms <= 1;
		if (json)
			printf("{\"case\":\"%s\",\"queries\":%u,\"decision_ms\":%.3f}\n",
				cases[i].name, r.queries, r.decision_ms);
		else
			printf("%-12s %3u queries (goal %u), %.2f ms to a decision, %u by a range "
			       "(%.3f ms at most)  %s\n",
				cases[i].name, r.queries, cases[i].goal, r.decision_ms, r.by_range,
				r.range_ms, cases[i].what);
		fflush(stdout);
	}
	/* the lines of --json are those of the five cases and no others */
	load(json ? stderr : stdout);
	ranges_free(ranges);
	rig_down(NULL);
	return met ? 0 : 1;
}
