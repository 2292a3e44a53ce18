/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, chance and failure of a simulated pair of hosts. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"

struct sim *sim_new(uint64_t seed, bool trace)
{
	static const char *const addrs[HOSTS] = {"198.18.1.10", "198.18.2.20"};
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->seed = s->rng = seed;
	s->trace = trace;
	s->now = 1000 * SEC;
	s->net = (struct net){.min_us = MS, .max_us = 2 * MS};
	s->nat_port[0] = 10500;
	s->nat_port[1] = 14500;
	for (int i = 0; i < HOSTS; i++) {
		s->host[i].s = s;
		s->host[i].index = i;
		s->host[i].random = seed * 2 + (uint64_t)i;
		kernel_reset(&s->host[i]);
		s->host[i].agent_due = s->host[i].ike_due = UINT64_MAX;
		if (addr_parse(addrs[i], &s->host[i].addr) < 0)
			abort();
	}
	return s;
}

static void task_free(struct sim *s, struct task *t)
{
	DL_DELETE(s->all, t);
	free(t);
}

void sim_free(struct sim *s)
{
	for (int i = 0; i < HOSTS; i++) {
		host_stop(&s->host[i]);
		policy_free(s->host[i].policy);
		manual_free(s->host[i].manual);
		for (unsigned int k = 0; k < 8; k++)
			free(s->kept[i][k]);
	}
	while (s->all)
		task_free(s, s->all);
	heap_free(&s->tasks);
	free(s);
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t sim_random(struct sim *s, uint32_t n)
{
	return n ? (uint32_t)(next(&s->rng) >> 32) % n : 0;
}

bool sim_chance(struct sim *s, uint32_t per_mille)
{
	return sim_random(s, 1000) < per_mille;
}

struct task *sim_task(struct sim *s, void (*run)(struct sim *, struct task *), size_t len)
{
	struct task *t = calloc(1, sizeof(*t) + len);

	if (!t)
		abort();
	t->run = run;
	t->len = len;
	DL_APPEND(s->all, t);
	return t;
}

void sim_at(struct sim *s, struct task *t, uint64_t due)
{
	heap_set(&s->tasks, &t->node, due);
}

void sim_excuse(struct sim *s, uint64_t us)
{
	if (s->now + us > s->excused)
		s->excused = s->now + us;
}

void sim_add_stats(struct sim_stats *sum, const struct sim_stats *of)
{
	sum->handshakes += of->handshakes;
	sum->rekeyed += of->rekeyed;
	sum->children += of->children;
	sum->datagrams += of->datagrams;
	sum->lost += of->lost;
	sum->esp += of->esp;
	sum->esp_dropped += of->esp_dropped;
	sum->failed += of->failed;
	sum->downs += of->downs;
}

void sim_trace(const struct sim *s, int host, const char *fmt, ...)
{
	va_list ap;

	if (!s->trace)
		return;
	printf("# %12.6f %c ", (double)(s->now - 1000 * SEC) / 1e6, "AB "[host]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->ended)
		return;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	sim_trace(s, HOSTS, "FAILED: %s", s->why);
	trace_hosts(s);
	s->ended = true;
}

void sim_run(struct sim *s, uint64_t until)
{
	while (!s->ended) {
		struct heap_node *first = heap_first(&s->tasks);
		uint64_t due = first ? first->due : UINT64_MAX;
		struct task *t;

		for (int i = 0; i < HOSTS; i++) {
			if (s->host[i].agent_due < due)
				due = s->host[i].agent_due;
			if (s->host[i].ike_due < due)
				due = s->host[i].ike_due;
		}
		if (due > until)
			break;
		if (due > s->now)
			s->now = due;
		for (int i = 0; i < HOSTS; i++)
			host_timers(&s->host[i]);
		first = heap_first(&s->tasks);
		if (!first || first->due > s->now)
			continue;
		t = (struct task *)((uintptr_t)first - offsetof(struct task, node));
		heap_remove(&s->tasks, first);
		t->run(s, t);
		task_free(s, t);
	}
	if (!s->ended)
		s->now = until;
}
