/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One binary, six processes, or seven. Started by the administrator it reads its options, puts them into the
 * environment and becomes `oed: monitor`; the monitor starts the agent (`oed`) and the services
 * (`oed: xfrm` ...), each by executing the binary anew under its title. So a process's memory never
 * held what another had read.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/conf.h"
#include "agent/manual.h"
#include "agent/monitor.h"
#include "base/log.h"
#include "ike/ike.h"
#include "ike/signer.h"
#include "policy/policy.h"
#include "resolver/listener.h"
#include "resolver/resolver.h"
#include "xfrm/xfrm.h"

#define STARTED "OED_STARTED" /* in the environment: the options are read */

static const struct {
	const char *title;
	int (*main)(void);
} roles[] = {
	{"oed: monitor", monitor_main},
	{"oed", agent_main},
	{"oed: xfrm", xfrm_service_main},
	{"oed: resolver", dns_service_main},
	{"oed: ike", ike_service_main},
	{"oed: signer", signer_service_main},
	{"oed: listener", listener_service_main},
};

static void usage(FILE *out)
{
	fputs("usage: oed [-c DIR] [-r DIR] [-s DIR] [-d]   run in the foreground\n"
	      "       oed [-c DIR] --check         look for mistakes in the configuration\n"
	      "\n"
	      "  -c, --config DIR   oed.conf, policies/, peers.d/, keys/\n"
	      "                     (" OED_SYSCONFDIR ")\n"
	      "  -r, --run DIR      for the control socket (" OED_RUNDIR ")\n"
	      "  -s, --state DIR    for what is kept over a restart (" OED_STATEDIR ")\n"
	      "  -d, --debug        log everything\n"
	      "      --check        report each mistake with its file and line; status 1 if any\n"
	      "  -V, --version\n"
	      "  -h, --help\n",
		out);
}

static void print_line(void *arg, const char *text)
{
	(*(size_t *)arg)++;
	puts(text);
}

static int check(const char *dir)
{
	size_t lines = 0, refused = 0;
	struct manual *manual;
	struct policy *policy;
	char path[4096];
	struct conf conf;

	conf_defaults(&conf);
	conf_load(dir, print_line, &lines, &conf);
	snprintf(path, sizeof(path), "%s/policies", dir);
	policy = policy_load(path, print_line, &lines, &refused);
	printf("%zu rule%s, %zu line%s refused\n", policy_count(policy),
		policy_count(policy) == 1 ? "" : "s", refused, refused == 1 ? "" : "s");
	policy_free(policy);
	manual = manual_load(dir, NULL, print_line, &lines, &refused);
	if (manual_count(manual) || refused)
		printf("%zu peer%s configured by hand, %zu fault%s\n", manual_count(manual),
			manual_count(manual) == 1 ? "" : "s", refused, refused == 1 ? "" : "s");
	manual_free(manual);
	return lines ? 1 : 0;
}

/* The directories are handed on by name: a relative one would mean another place to others. */
static int set_dir(const char *name, const char *dir)
{
	char *real = realpath(dir, NULL);
	int r;

	if (!real && errno == ENOENT && dir[0] == '/')
		real = strdup(dir); /* made later */
	if (!real) {
		fprintf(stderr, "oed: %s: %s\n", dir, strerror(errno));
		return -1;
	}
	r = setenv(name, real, 1);
	free(real);
	return r;
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256 };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"run", required_argument, NULL, 'r'},
		{"state", required_argument, NULL, 's'},
		{"debug", no_argument, NULL, 'd'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	char *monitor[] = {(char *)(uintptr_t) "oed: monitor", NULL};
	const char *config = OED_SYSCONFDIR, *run = OED_RUNDIR, *state = OED_STATEDIR;
	bool lint = false;
	int c;

	if (getenv(STARTED) && argc == 1)
		for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
			if (!strcmp(argv[0], roles[i].title))
				return roles[i].main();
	while ((c = getopt_long(argc, argv, "c:r:s:dVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'r':
			run = optarg;
			break;
		case 's':
			state = optarg;
			break;
		case 'd':
			setenv("OED_LOG_LEVEL", "debug", 1);
			break;
		case OPT_CHECK:
			lint = true;
			break;
		case 'V':
			puts(PACKAGE_STRING);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "oed: what is '%s'?\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	if (lint)
		return check(config);
	if (set_dir("OED_CONFDIR", config) < 0 || set_dir("OED_RUNDIR", run) < 0 ||
		set_dir("OED_STATEDIR", state) < 0)
		return 1;
	setenv(STARTED, "1", 1);
	execv("/proc/self/exe", monitor);
	fprintf(stderr, "oed: cannot execute itself: %s (is /proc mounted?)\n", strerror(errno));
	return 1;
}
