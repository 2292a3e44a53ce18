/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale [--json]: what it costs the agent to read LINES policy lines anew while PEERS peers are
 * private: the files, and a look at each peer's rule. One line has changed. What xfrm has to do
 * then is not in: the agent's core is alone here, and counts what it would ask of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/peer.h"
#include "base/log.h"

#define LINES 100000
#define PEERS 10000
#define ROUNDS 5
#define GOAL_MS 1000

struct asked {
	unsigned long xfrm, others;
};

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void on_send(void *arg, enum oe_service to, uint16_t type, const void *fixed,
	size_t fixed_len, const void *tail, size_t tail_len)
{
	struct asked *a = arg;

	(void)type, (void)fixed, (void)fixed_len, (void)tail, (void)tail_len;
	if (to == OE_XFRM)
		a->xfrm++;
	else
		a->others++;
}

static void on_error(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "scale: %s\n", text);
	exit(1);
}

/* Single hosts of 198.18.0.0/15, the first of which are the peers', and another one in each round. */
static void write_policy(const char *dir, unsigned int round)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/private-or-clear", dir);
	f = fopen(path, "w");
	if (!f)
		die(path);
	fprintf(f, "203.0.113.%u/32\n", round);
	for (unsigned int i = 0; i < LINES - 1; i++)
		fprintf(f, "198.%u.%u.%u/32\n", 18 + i / 65536, i / 256 % 256, i % 256);
	fclose(f);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct policy *load(const char *dir)
{
	size_t refused;
	struct policy *p = policy_load(dir, on_error, NULL, &refused);

	if (refused || policy_count(p) != LINES)
		on_error(NULL, "the lines are not taken");
	return p;
}

/* As they are found in the kernel at a start. */
static void adopt(struct oe_peers *ps)
{
	uint8_t own[4] = {192, 0, 2, 1};

	for (unsigned int i = 0; i < 2 * PEERS; i++) {
		uint8_t remote[4] = {198, 18, (uint8_t)(i / 512), (uint8_t)(i / 2)};
		struct xfrm_adopted m = {
			.pair = {.local = addr_from_v4(own), .remote = addr_from_v4(remote)},
			.spi = 0x1000 + i,
			.inbound = i % 2 == 0};

		if (oe_peers_event(ps, XFRM_EV_ADOPTED, &m, NULL, 0, 1) < 0)
			on_error(NULL, "a peer is not taken");
	}
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	char dir[] = "/tmp/oed-scale.XXXXXX", path[256];
	struct asked asked = {0}, before;
	struct oe_effects fx = {.arg = &asked, .send = on_send};
	struct oe_peers_stats stats;
	struct policy *policy, *old;
	struct oe_peers *ps;
	struct conf conf;
	double worst = 0;

	log_init("scale", LOG_LEVEL_ERROR);
	if (!mkdtemp(dir))
		die(dir);
	write_policy(dir, 0);
	conf_defaults(&conf);
	policy = load(dir);
	ps = oe_peers_new(&fx, &conf, policy);
	for (int i = 0; i < OE_N_SERVICES; i++)
		oe_peers_service(ps, (enum oe_service)i, true, 1);
	adopt(ps);
	before = asked;
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		double start;

		write_policy(dir, round);
		start = now_ms();
		old = policy;
		policy = load(dir);
		oe_peers_configure(ps, &conf, policy, 2);
		policy_free(old);
		worst = now_ms() - start > worst ? now_ms() - start : worst;
	}
	oe_peers_get_stats(ps, &stats);
	snprintf(path, sizeof(path), "%s/private-or-clear", dir);
	unlink(path);
	rmdir(dir);
	if (stats.state[OE_PRIVATE] != PEERS || asked.xfrm != before.xfrm)
		on_error(NULL, "a peer was touched");
	if (json)
		printf("{\"case\":\"reload\",\"lines\":%d,\"peers\":%d,\"cpu_ms\":%.0f}\n", LINES,
			PEERS, worst);
	else
		printf("reload of %d lines with %d private peers: %.0f ms at most (goal %d), no "
		       "peer touched\n",
			LINES, PEERS, worst, GOAL_MS);
	oe_peers_free(ps);
	policy_free(policy);
	return worst > GOAL_MS;
}
